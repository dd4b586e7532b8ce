package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// LedgerState is what a run achieved in a scope (DESIGN section 2).
type LedgerState string

// The states. Windowed, denied and disabled leave a run complete.
const (
	LedgerComplete LedgerState = "complete"
	LedgerWindowed LedgerState = "windowed" // complete, but only what changed within a window
	LedgerPartial  LedgerState = "partial"
	LedgerFailed   LedgerState = "failed"
	LedgerDenied   LedgerState = "denied"
	LedgerDisabled LedgerState = "disabled"
)

// LedgerEntry is how one run ended in one scope.
type LedgerEntry struct {
	Scope      int64
	Run        int64
	State      LedgerState
	Reason     string
	Calls      int
	WindowFrom time.Time
	WindowTo   time.Time

	// Due is when the list is to be read again; Watermark and Reached become those of the scope. Zero leaves what is
	// stored. Read does not fill them.
	Due       time.Time
	Watermark time.Time
	Reached   time.Time

	// Provers become those of the scope, with a complete entry; nil leaves them as they are. Read does not fill it.
	Provers []string
}

// LedgerRow is a stretch of time in which a scope stayed in one state for one reason.
type LedgerRow struct {
	LedgerEntry
	ID      int64
	Since   time.Time
	Until   time.Time
	LastRun int64
}

// RecordLedger writes how a run ended in a scope. While state and reason stay the same the newest row is extended,
// so the ledger grows with what happens, not with time. A second entry of one run replaces the first.
func (s *Store) RecordLedger(ctx context.Context, e LedgerEntry) error {
	return s.Write(ctx, func(ctx context.Context, tx *sql.Tx) error { return s.RecordLedgerIn(ctx, tx, e) })
}

// RecordLedgerIn is RecordLedger in a caller's transaction.
func (s *Store) RecordLedgerIn(ctx context.Context, tx *sql.Tx, e LedgerEntry) error {
	now := s.now().UnixMicro()
	var provers any
	if e.Provers != nil {
		text, err := json.Marshal(e.Provers)
		if err != nil {
			return fmt.Errorf("provers of scope %d: %w", e.Scope, err)
		}
		provers = string(text)
	}
	var id, since, run, lastRun int64
	var state, reason string
	err := tx.QueryRowContext(ctx, `SELECT id, state, reason, since, run_id, last_run FROM ledger WHERE scope_id = $1 ORDER BY id DESC LIMIT 1`, e.Scope).
		Scan(&id, &state, &reason, &since, &run, &lastRun)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return fmt.Errorf("read the ledger: %w", err)
	}
	same := err == nil && LedgerState(state) == e.State && reason == e.Reason
	amends := err == nil && run == e.Run && lastRun == e.Run // the row is this run's alone
	switch {
	case same || amends:
		_, err = tx.ExecContext(ctx, `UPDATE ledger SET state = $2, reason = $3, until = $4, last_run = $5, calls = $6, window_from = $7, window_to = $8 WHERE id = $1`,
			id, string(e.State), e.Reason, max(now, since), e.Run, e.Calls, micros(e.WindowFrom), micros(e.WindowTo))
	default:
		if id, err = takeIDs(ctx, tx, "ledger", 1); err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, `INSERT INTO ledger (id, scope_id, run_id, state, reason, since, until, last_run, calls, window_from, window_to)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`,
			id, e.Scope, e.Run, string(e.State), e.Reason, now, now, e.Run, e.Calls, micros(e.WindowFrom), micros(e.WindowTo))
	}
	if err != nil {
		return fmt.Errorf("write the ledger: %w", err)
	}
	if !e.Due.IsZero() || !e.Watermark.IsZero() || !e.Reached.IsZero() {
		_, err = tx.ExecContext(ctx, `UPDATE scope SET due = COALESCE(CAST($2 AS BIGINT), due), watermark = COALESCE(CAST($3 AS BIGINT), watermark),
			reached = COALESCE(CAST($4 AS BIGINT), reached) WHERE id = $1`, e.Scope, micros(e.Due), micros(e.Watermark), micros(e.Reached))
		if err != nil {
			return fmt.Errorf("write how far the scope is known: %w", err)
		}
	}
	if e.State != LedgerComplete {
		return nil
	}
	_, err = tx.ExecContext(ctx, `UPDATE scope SET first_complete = COALESCE(first_complete, $2), last_complete = $3,
		provers = COALESCE(CAST($4 AS TEXT), provers) WHERE id = $1`, e.Scope, now, now, provers)
	if err != nil {
		return fmt.Errorf("write the scope's completion: %w", err)
	}
	return nil
}

// Ledger returns the history of a scope's states, oldest first.
func (s *Store) Ledger(ctx context.Context, scope int64) ([]LedgerRow, error) {
	return collect(ctx, s, func(row interface{ Scan(...any) error }) (LedgerRow, error) {
		var r LedgerRow
		var since, until int64
		var from, to sql.NullInt64
		err := row.Scan(&r.ID, &r.Scope, &r.Run, &r.State, &r.Reason, &since, &until, &r.LastRun, &r.Calls, &from, &to)
		r.Since, r.Until, r.WindowFrom, r.WindowTo = timeOf(since), timeOf(until), timeOrZero(from), timeOrZero(to)
		return r, err
	}, `SELECT id, scope_id, run_id, state, reason, since, until, last_run, calls, window_from, window_to
		FROM ledger WHERE scope_id = $1 ORDER BY id`, scope)
}
