package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/windlass-hq/windlass/internal/fault"
	"github.com/windlass-hq/windlass/internal/graph"
)

// The states of a run that the store itself knows; how a run ends is the caller's word.
const (
	RunRunning     = "running"
	RunInterrupted = "interrupted"
)

// Run is one synchronisation of a connection.
type Run struct {
	ID         int64
	Connection int64
	Cause      graph.Cause
	Status     string
	StartedAt  time.Time
	EndedAt    *time.Time
	Calls      int64
	Summary    string // JSON; empty before the end
	Error      string
}

// RunFilter selects runs, newest first.
type RunFilter struct {
	Connection int64 // 0 for all
	Before     int64 // runs with a smaller id only; 0 for all
	Limit      int   // 0 for 100
}

const runColumns = `id, connection_id, cause, status, started_at, ended_at, calls, summary, error`

func scanRun(row interface{ Scan(...any) error }) (Run, error) {
	var r Run
	var cause string
	var started int64
	var ended sql.NullInt64
	if err := row.Scan(&r.ID, &r.Connection, &cause, &r.Status, &started, &ended, &r.Calls, &r.Summary, &r.Error); err != nil {
		return r, err
	}
	r.StartedAt, r.EndedAt = timeOf(started), timePtr(ended)
	if err := json.Unmarshal([]byte(cause), &r.Cause); err != nil {
		return r, fmt.Errorf("cause of run %d: %w", r.ID, err)
	}
	return r, nil
}

// StartRun records that a run of a connection began.
func (s *Store) StartRun(ctx context.Context, connection int64, cause graph.Cause) (Run, error) {
	r := Run{Connection: connection, Cause: cause, Status: RunRunning, StartedAt: s.now().UTC().Truncate(time.Microsecond)}
	text, err := json.Marshal(cause)
	if err != nil {
		return r, fmt.Errorf("cause: %w", err)
	}
	err = s.Write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		var err error
		if r.ID, err = takeIDs(ctx, tx, "run", 1); err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, `INSERT INTO run (`+runColumns+`) VALUES ($1, $2, $3, $4, $5, NULL, 0, '', '')`,
			r.ID, connection, string(text), r.Status, r.StartedAt.UnixMicro())
		if err != nil {
			return fmt.Errorf("start a run: %w", err)
		}
		return nil
	})
	return r, err
}

// FinishRun writes status, end, calls, summary and error of a run. EndedAt nil means now.
func (s *Store) FinishRun(ctx context.Context, r Run) error {
	if r.EndedAt == nil {
		now := s.now()
		r.EndedAt = &now
	}
	return s.Write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		res, err := tx.ExecContext(ctx, `UPDATE run SET status = $2, ended_at = $3, calls = $4, summary = $5, error = $6 WHERE id = $1`,
			r.ID, r.Status, r.EndedAt.UnixMicro(), r.Calls, r.Summary, r.Error)
		if err != nil {
			return fmt.Errorf("finish run %d: %w", r.ID, err)
		}
		return found(res, "there is no run %d", r.ID)
	})
}

// Runs returns runs, newest first.
func (s *Store) Runs(ctx context.Context, f RunFilter) ([]Run, error) {
	if f.Limit <= 0 {
		f.Limit = 100
	}
	return collect(ctx, s, scanRun, `SELECT `+runColumns+` FROM run
		WHERE ($1 = CAST(0 AS BIGINT) OR connection_id = $1) AND ($2 = CAST(0 AS BIGINT) OR id < $2) ORDER BY id DESC LIMIT $3`, f.Connection, f.Before, f.Limit)
}

// Run returns a run by its id.
func (s *Store) Run(ctx context.Context, id int64) (Run, error) {
	r, err := scanRun(s.reader.QueryRowContext(ctx, `SELECT `+runColumns+` FROM run WHERE id = $1`, id))
	if errors.Is(err, sql.ErrNoRows) {
		return r, fault.New(fault.NotFound, "there is no run %d", id).With("see windlass runs")
	}
	if err != nil {
		return r, s.failure(fmt.Errorf("read run %d: %w", id, err))
	}
	return r, nil
}

// Interrupted returns the newest run of a connection if it did not end, so that the next one can go on with it. The
// caller holds the connection's lease, so a run that is still called running has lost its process.
func (s *Store) Interrupted(ctx context.Context, connection int64) (*Run, error) {
	r, err := scanRun(s.reader.QueryRowContext(ctx, `SELECT `+runColumns+` FROM run WHERE connection_id = $1 ORDER BY id DESC LIMIT 1`, connection))
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, s.failure(fmt.Errorf("read the last run: %w", err))
	}
	if r.Status != RunRunning && r.Status != RunInterrupted {
		return nil, nil
	}
	return &r, nil
}
