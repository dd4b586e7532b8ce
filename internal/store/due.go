package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/windlass-hq/windlass/internal/graph"
)

// DueScope is a scope whose list is due.
type DueScope struct {
	Scope
	ParentType string // graph type of the entity below which it lists
}

// DueScopes returns scopes of some listings whose parent is open and whose list is due at a moment: those that were
// never due before first, then by how long they have been, what belongs to one parent together in the order in which
// the scopes were made. Parents that were updated last come first among the new ones.
func (s *Store) DueScopes(ctx context.Context, connection int64, listings []string, now time.Time, limit int) ([]DueScope, error) {
	kinds, err := s.kindsByID(ctx)
	if err != nil {
		return nil, err
	}
	list := make([]any, len(listings))
	for i, l := range listings {
		list[i] = l
	}
	return collect(ctx, s, func(row interface{ Scan(...any) error }) (DueScope, error) {
		var d DueScope
		var kind int64
		var err error
		d.Scope, err = scanScope(alsoScan{row, &kind})
		d.ParentType = kinds[kind].Type
		return d, err
	}, `SELECT s.id, s.connection_id, s.parent, s.listing, s.title, s.first_complete, s.last_complete, s.provers, s.watermark, s.reached, e.kind
		FROM scope s JOIN entity e ON e.key = s.parent
		WHERE s.connection_id = $1 AND s.listing IN (`+s.dialect.KeysIn("$2")+`) AND (s.due IS NULL OR s.due <= $3)
		ORDER BY CASE WHEN s.due IS NULL THEN 0 ELSE 1 END, s.due, e.updated_on DESC, s.parent, s.id LIMIT $4`,
		connection, jsonList(list), now.UnixMicro(), limit)
}

// alsoScan scans further columns after those that a scan function knows.
type alsoScan struct {
	row  interface{ Scan(...any) error }
	more any
}

func (a alsoScan) Scan(into ...any) error { return a.row.Scan(append(into, a.more)...) }

// FindScope returns the scope of a key; false where there is none.
func (s *Store) FindScope(ctx context.Context, key ScopeKey) (Scope, bool, error) {
	sc, err := scanScope(s.reader.QueryRowContext(ctx, `SELECT `+scopeColumns+` FROM scope WHERE connection_id = $1 AND parent = $2 AND listing = $3`,
		key.Connection, key.Parent, key.Listing))
	if errors.Is(err, sql.ErrNoRows) {
		return sc, false, nil
	}
	return sc, err == nil, s.failure(err)
}

// RetryDenied makes the lists due that were refused before a moment, such as when a credential came that may read them.
func (s *Store) RetryDenied(ctx context.Context, connection int64, since time.Time) error {
	return s.Write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `UPDATE scope SET due = NULL WHERE connection_id = $1 AND due IS NOT NULL AND id IN (
			SELECT l.scope_id FROM ledger l WHERE l.state = 'denied' AND l.until < $2
			AND l.id = (SELECT max(m.id) FROM ledger m WHERE m.scope_id = l.scope_id))`, connection, since.UnixMicro())
		if err != nil {
			return fmt.Errorf("make denied lists due: %w", err)
		}
		return nil
	})
}

// MakeDue makes the list of one scope due at once; false where there is no such scope.
func (s *Store) MakeDue(ctx context.Context, connection int64, parent, listing string) (known bool, err error) {
	err = s.Write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		res, err := tx.ExecContext(ctx, `UPDATE scope SET due = NULL WHERE connection_id = $1 AND parent = $2 AND listing = $3`, connection, parent, listing)
		if err != nil {
			return fmt.Errorf("make a list due: %w", err)
		}
		n, err := res.RowsAffected()
		known = n > 0
		return err
	})
	return known, err
}

// SetWatermark records up to which moment what changed in a scope is known.
func (s *Store) SetWatermark(ctx context.Context, scope int64, at time.Time) error {
	return s.Write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, `UPDATE scope SET watermark = $2 WHERE id = $1`, scope, at.UnixMicro()); err != nil {
			return fmt.Errorf("write how far the scope is known: %w", err)
		}
		return nil
	})
}

// ParentState is what is known of the parent of a scope, and how far the scope is known.
type ParentState struct {
	Updated   int64 // of the parent, in milliseconds; 0 where that is not known
	Watermark time.Time
}

// ParentStates returns the states of a connection's scopes of one listing, by scope. Scopes whose parent is not open are
// left out.
func (s *Store) ParentStates(ctx context.Context, connection int64, listing string) (map[int64]ParentState, error) {
	type state struct {
		scope int64
		ParentState
	}
	found, err := collect(ctx, s, func(row interface{ Scan(...any) error }) (state, error) {
		var p state
		var watermark sql.NullInt64
		err := row.Scan(&p.scope, &p.Updated, &watermark)
		p.Watermark = timeOrZero(watermark)
		return p, err
	}, `SELECT s.id, COALESCE(e.updated_on, 0), s.watermark FROM scope s JOIN entity e ON e.key = s.parent WHERE s.connection_id = $1 AND s.listing = $2`,
		connection, listing)
	out := make(map[int64]ParentState, len(found))
	for _, p := range found {
		out[p.scope] = p.ParentState
	}
	return out, err
}

// WithOpenPullRequests returns the keys of the repositories that have open pull requests.
func (s *Store) WithOpenPullRequests(ctx context.Context) (map[string]bool, error) {
	keys, err := collect(ctx, s, func(row interface{ Scan(...any) error }) (string, error) {
		var key string
		err := row.Scan(&key)
		return key, err
	}, `SELECT r.key FROM entity r WHERE r.id IN (SELECT e.repo FROM entity e WHERE e.state = 'OPEN' AND e.kind IN (SELECT id FROM kind WHERE type = $1))`,
		graph.TypePullRequest)
	out := make(map[string]bool, len(keys))
	for _, k := range keys {
		out[k] = true
	}
	return out, err
}

// Children returns the open entities of a type whose home is the entity with a key.
func (s *Store) Children(ctx context.Context, home, typ string) ([]EntityRow, error) {
	kinds, err := s.kindsByID(ctx)
	if err != nil {
		return nil, err
	}
	return collect(ctx, s, s.scanVersion(kinds), `SELECT `+s.dialect.versionColumns(false)+` FROM entity e
		WHERE e.home = (SELECT id FROM entity WHERE key = $1) AND e.kind IN (SELECT id FROM kind WHERE type = $2) ORDER BY e.key`,
		graph.CleanText(home), typ)
}
