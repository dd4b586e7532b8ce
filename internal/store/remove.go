package store

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/windlass-hq/windlass/internal/graph"
)

// Removal is what removing a connection takes with it.
type Removal struct {
	Connection Connection
	Closes     map[string]int // entities that only this connection sees, by type
	Keeps      map[string]int // entities that others see too
	Runs       int            // runs whose ledger stays as evidence
}

// PreviewRemoval says what RemoveConnection would close, without doing it. What goes by cascade although another
// connection sees it is not counted.
func (s *Store) PreviewRemoval(ctx context.Context, name string) (Removal, error) {
	c, err := s.Connection(ctx, name)
	if err != nil {
		return Removal{}, err
	}
	r := Removal{Connection: c}
	seen, err := s.CountByType(ctx, &c.ID)
	if err != nil {
		return r, err
	}
	r.Closes, err = s.countKinds(ctx, `SELECT kind, count(*) FROM entity e WHERE e.scope IN (SELECT id FROM scope WHERE connection_id = $1)
		AND NOT EXISTS (SELECT 1 FROM presence p JOIN scope s ON s.id = p.scope
			WHERE p.entity_id = e.id AND s.connection_id <> $1 AND s.parent <> e.key) GROUP BY kind`, c.ID)
	if err != nil {
		return r, err
	}
	r.Keeps = map[string]int{}
	for typ, n := range seen {
		if n -= r.Closes[typ]; n > 0 {
			r.Keeps[typ] = n
		}
	}
	if err := s.reader.QueryRowContext(ctx, "SELECT count(*) FROM run WHERE connection_id = $1", c.ID).Scan(&r.Runs); err != nil {
		return r, s.failure(fmt.Errorf("count runs: %w", err))
	}
	return r, nil
}

// RemoveConnection deletes the credentials, withdraws everything the connection saw, and deletes it. Scopes, runs and
// the ledger stay as evidence. An interrupted removal is completed by removing again.
func (s *Store) RemoveConnection(ctx context.Context, name string) (Result, error) {
	c, err := s.Connection(ctx, name)
	if err != nil {
		return Result{}, err
	}
	// Secrets go first, so that nothing can sign in while the rest takes its time.
	err = s.Write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, "DELETE FROM credential WHERE connection_id = $1", c.ID)
		return err
	})
	if err != nil {
		return Result{}, fmt.Errorf("remove the credentials of %q: %w", name, err)
	}
	scopes, err := s.ScopesOf(ctx, c.ID)
	if err != nil {
		return Result{}, err
	}
	var total Result
	for _, sc := range scopes {
		if err := s.empty(ctx, c, sc, &total); err != nil {
			return total, err
		}
	}
	return total, s.Write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		for _, query := range []string{
			"DELETE FROM held WHERE scope_id IN (SELECT id FROM scope WHERE connection_id = $1)",
			"DELETE FROM odd WHERE scope_id IN (SELECT id FROM scope WHERE connection_id = $1)",
			"DELETE FROM connection WHERE id = $1",
		} {
			if _, err := tx.ExecContext(ctx, query, c.ID); err != nil {
				return fmt.Errorf("remove connection %q: %w", name, err)
			}
		}
		prefix := ConnectionStream(c.ID) + "/"
		if _, err := tx.ExecContext(ctx, "DELETE FROM work WHERE substr(name, 1, $2) = $1", prefix, len(prefix)); err != nil {
			return fmt.Errorf("remove the work of %q: %w", name, err)
		}
		return nil
	})
}

// empty withdraws every member of a scope.
func (s *Store) empty(ctx context.Context, c Connection, sc Scope, total *Result) error {
	const atOnce = 500
	for {
		keys, err := collect(ctx, s, func(row interface{ Scan(...any) error }) (string, error) {
			var k string
			err := row.Scan(&k)
			return k, err
		}, `SELECT key FROM entity WHERE scope = $1 UNION ALL SELECT e.key FROM presence p JOIN entity e ON e.id = p.entity_id WHERE p.scope = $1 LIMIT $2`,
			sc.ID, atOnce)
		if err != nil || len(keys) == 0 {
			return err
		}
		res, err := s.Withdraw(ctx, Withdrawal{
			Scope: sc.ID, Keys: keys, Reason: graph.Withdrawn, Cause: graph.Cause{Kind: "user", ID: "remove " + c.Name}, Origin: "connection",
		})
		total.Add(res)
		if err != nil {
			return err
		}
	}
}
