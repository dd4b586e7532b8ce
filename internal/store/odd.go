package store

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/windlass-hq/windlass/internal/graph"
)

// Odd is an object of the provider that was skipped or repaired.
type Odd struct {
	ID        int64
	Run       int64
	Scope     int64
	Key       string
	Problem   string
	CreatedAt time.Time
}

// RecordOdd records what was odd about an object.
func (s *Store) RecordOdd(ctx context.Context, o Odd) error {
	return s.Write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		id, err := takeIDs(ctx, tx, "odd", 1)
		if err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, "INSERT INTO odd (id, run_id, scope_id, key, problem, created_at) VALUES ($1, $2, $3, $4, $5, $6)",
			id, o.Run, o.Scope, graph.CleanText(o.Key), graph.CleanText(o.Problem), s.now().UnixMicro())
		if err != nil {
			return fmt.Errorf("record an odd object: %w", err)
		}
		return nil
	})
}

// Odds returns what was odd in a run, in the order in which it was met.
func (s *Store) Odds(ctx context.Context, run int64) ([]Odd, error) {
	return collect(ctx, s, func(row interface{ Scan(...any) error }) (Odd, error) {
		var o Odd
		var created int64
		err := row.Scan(&o.ID, &o.Run, &o.Scope, &o.Key, &o.Problem, &created)
		o.CreatedAt = timeOf(created)
		return o, err
	}, "SELECT id, run_id, scope_id, key, problem, created_at FROM odd WHERE run_id = $1 ORDER BY id", run)
}
