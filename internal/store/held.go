package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/windlass-hq/windlass/internal/fault"
)

// Held are closings of one scope that wait for a person (HARD-PARTS A, "closing with care").
type Held struct {
	ID          int64
	Run         int64
	Scope       int64
	Reason      string
	Members     []string
	CreatedAt   time.Time
	ConfirmedAt *time.Time
}

// Hold records closings that wait. What the same scope held before is replaced: the newer listing knows better.
func (s *Store) Hold(ctx context.Context, h Held) error {
	members, err := json.Marshal(h.Members)
	if err != nil {
		return fmt.Errorf("members: %w", err)
	}
	return s.Write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, "DELETE FROM held WHERE scope_id = $1 AND confirmed_at IS NULL", h.Scope); err != nil {
			return fmt.Errorf("replace held closings: %w", err)
		}
		id, err := takeIDs(ctx, tx, "held", 1)
		if err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, `INSERT INTO held (id, run_id, scope_id, reason, members, created_at) VALUES ($1, $2, $3, $4, $5, $6)`,
			id, h.Run, h.Scope, h.Reason, string(members), s.now().UnixMicro())
		if err != nil {
			return fmt.Errorf("hold closings: %w", err)
		}
		return nil
	})
}

// HeldClosings returns what a connection's scopes hold and nobody has confirmed, oldest first.
func (s *Store) HeldClosings(ctx context.Context, connection int64) ([]Held, error) {
	return collect(ctx, s, func(row interface{ Scan(...any) error }) (Held, error) {
		var h Held
		var members string
		var created int64
		var confirmed sql.NullInt64
		if err := row.Scan(&h.ID, &h.Run, &h.Scope, &h.Reason, &members, &created, &confirmed); err != nil {
			return h, err
		}
		h.CreatedAt, h.ConfirmedAt = timeOf(created), timePtr(confirmed)
		return h, json.Unmarshal([]byte(members), &h.Members)
	}, `SELECT h.id, h.run_id, h.scope_id, h.reason, h.members, h.created_at, h.confirmed_at
		FROM held h JOIN scope s ON s.id = h.scope_id WHERE s.connection_id = $1 AND h.confirmed_at IS NULL ORDER BY h.id`, connection)
}

// ConfirmHeld marks what a scope holds as confirmed: of one run, given by its id, or "all". That nothing is held is
// no error.
func (s *Store) ConfirmHeld(ctx context.Context, scope int64, run string) error {
	id := int64(0)
	if run != "all" {
		var err error
		if id, err = strconv.ParseInt(run, 10, 64); err != nil {
			return fault.New(fault.Invalid, "%q is no run and not \"all\"", run)
		}
	}
	return s.Write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `UPDATE held SET confirmed_at = $3 WHERE scope_id = $1 AND ($2 = CAST(0 AS BIGINT) OR run_id = $2) AND confirmed_at IS NULL`,
			scope, id, s.now().UnixMicro())
		if err != nil {
			return fmt.Errorf("confirm held closings: %w", err)
		}
		return nil
	})
}

// DropHeld forgets what a scope holds, because a newer listing saw it again.
func (s *Store) DropHeld(ctx context.Context, scope int64) error {
	return s.Write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, "DELETE FROM held WHERE scope_id = $1 AND confirmed_at IS NULL", scope); err != nil {
			return fmt.Errorf("forget held closings: %w", err)
		}
		return nil
	})
}
