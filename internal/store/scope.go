package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/windlass-hq/windlass/internal/fault"
)

// MetListing is the listing name of a connection's scope for what was only met in passing: authors, reviewers, a
// project named by a repository. It is never complete and proves no absence.
const MetListing = "met"

// ScopeKey identifies a scope: one listing below one parent, seen by one connection.
type ScopeKey struct {
	Connection int64
	Parent     string // key of the entity whose parts are listed; empty for the connection's own lists
	Listing    string
}

// Scope is what one complete listing can prove the absence of.
type Scope struct {
	ID int64
	ScopeKey
	Title         string
	FirstComplete *time.Time
	LastComplete  *time.Time

	// What changed between Reached and Watermark, both by the provider's clock, is known without a gap. Zero where nothing
	// is; Reached is the epoch where it goes back to the beginning.
	Watermark time.Time
	Reached   time.Time

	// Provers are the principals that are known to see every member: only what they miss may be closed. Nil where that
	// is not known, empty where nobody sees all.
	Provers []string
}

// Name returns the scope as summaries print it: the listing, and the parent where there is one.
func (s Scope) Name() string {
	if s.Parent == "" {
		return s.Listing
	}
	return s.Parent + "/" + s.Listing
}

// ScopeStatus is a scope with its newest ledger row and the number of its members.
type ScopeStatus struct {
	Scope
	State      LedgerState // empty before the first run
	Reason     string
	Since      time.Time
	Until      time.Time
	LastRun    int64
	Calls      int
	WindowFrom time.Time
	WindowTo   time.Time
	Members    int
}

// scopeCache holds the keys of scopes, which never change.
type scopeCache struct {
	mu   sync.RWMutex
	byID map[int64]ScopeKey
	met  map[int64]int64 // connection → its met scope
}

// EnsureScope returns the scope of a key and makes it where there is none. A new title replaces the old one.
func (s *Store) EnsureScope(ctx context.Context, key ScopeKey, title string) (Scope, error) {
	read := func(q querier) (Scope, error) {
		return scanScope(q.QueryRowContext(ctx, `SELECT `+scopeColumns+` FROM scope WHERE connection_id = $1 AND parent = $2 AND listing = $3`, key.Connection, key.Parent, key.Listing))
	}
	sc, err := read(s.reader)
	if err == nil && sc.Title == title {
		return sc, nil
	}
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return sc, s.failure(fmt.Errorf("read scope: %w", err))
	}
	err = s.Write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		if err := makeScope(ctx, tx, key, title); err != nil {
			return err
		}
		if sc, err = read(tx); err != nil {
			return fmt.Errorf("read scope: %w", err)
		}
		return nil
	})
	return sc, err
}

func makeScope(ctx context.Context, tx *sql.Tx, key ScopeKey, title string) error {
	id, err := takeIDs(ctx, tx, "scope", 1)
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, `INSERT INTO scope (id, connection_id, parent, listing, title) VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT (connection_id, parent, listing) DO UPDATE SET title = excluded.title`, id, key.Connection, key.Parent, key.Listing, title)
	if err != nil {
		return fmt.Errorf("make scope: %w", err)
	}
	return nil
}

// TitledParent is one of the entities below which the same thing is listed, and the title of that scope.
type TitledParent struct{ Parent, Title string }

// scopesAtOnce is how many scopes one transaction makes, so that it stays short.
const scopesAtOnce = 250

// EnsureScopes is EnsureScope for many parents at a time. It returns the scopes by parent.
func (s *Store) EnsureScopes(ctx context.Context, connection int64, listing string, wanted []TitledParent) (map[string]Scope, error) {
	read := func() (map[string]Scope, error) {
		all, err := s.ScopesOf(ctx, connection)
		if err != nil {
			return nil, err
		}
		byParent := make(map[string]Scope, len(all))
		for _, sc := range all {
			if sc.Listing == listing {
				byParent[sc.Parent] = sc
			}
		}
		return byParent, nil
	}
	known, err := read()
	if err != nil {
		return nil, err
	}
	var missing []TitledParent
	for _, w := range wanted {
		if sc, ok := known[w.Parent]; !ok || sc.Title != w.Title {
			missing = append(missing, w)
		}
	}
	if len(missing) == 0 {
		return known, nil
	}
	for part := range slices.Chunk(missing, scopesAtOnce) {
		err := s.Write(ctx, func(ctx context.Context, tx *sql.Tx) error {
			for _, w := range part {
				if err := makeScope(ctx, tx, ScopeKey{Connection: connection, Parent: w.Parent, Listing: listing}, w.Title); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return read()
}

const scopeColumns = "id, connection_id, parent, listing, title, first_complete, last_complete, provers, watermark, reached"

func scanScope(row interface{ Scan(...any) error }) (Scope, error) {
	var sc Scope
	var first, last, watermark, reached sql.NullInt64
	var provers sql.NullString
	err := row.Scan(&sc.ID, &sc.Connection, &sc.Parent, &sc.Listing, &sc.Title, &first, &last, &provers, &watermark, &reached)
	sc.FirstComplete, sc.LastComplete = timePtr(first), timePtr(last)
	sc.Watermark, sc.Reached = timeOrZero(watermark), timeOrZero(reached)
	if err == nil && provers.Valid {
		sc.Provers = []string{}
		if err = json.Unmarshal([]byte(provers.String), &sc.Provers); err != nil {
			err = fmt.Errorf("provers of scope %d: %w", sc.ID, err)
		}
	}
	return sc, err
}

// scopeKey returns the key of a scope, from memory after the first time.
func (s *Store) scopeKey(ctx context.Context, q querier, id int64) (ScopeKey, error) {
	c := &s.scopes
	c.mu.RLock()
	key, ok := c.byID[id]
	c.mu.RUnlock()
	if ok {
		return key, nil
	}
	err := q.QueryRowContext(ctx, "SELECT connection_id, parent, listing FROM scope WHERE id = $1", id).Scan(&key.Connection, &key.Parent, &key.Listing)
	if errors.Is(err, sql.ErrNoRows) {
		return key, fault.New(fault.NotFound, "there is no scope %d", id)
	}
	if err != nil {
		return key, s.failure(fmt.Errorf("read scope %d: %w", id, err))
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	const bound = 100_000
	if c.byID == nil || len(c.byID) >= bound {
		c.byID = map[int64]ScopeKey{}
	}
	c.byID[id] = key
	return key, nil
}

// metScope returns the id of a connection's scope for what is only met.
func (s *Store) metScope(ctx context.Context, connection int64) (int64, error) {
	c := &s.scopes
	c.mu.RLock()
	id, ok := c.met[connection]
	c.mu.RUnlock()
	if ok {
		return id, nil
	}
	sc, err := s.EnsureScope(ctx, ScopeKey{Connection: connection, Listing: MetListing}, "met in passing")
	if err != nil {
		return 0, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.met == nil {
		c.met = map[int64]int64{}
	}
	c.met[connection] = sc.ID
	return sc.ID, nil
}

// ScopeByID returns one scope.
func (s *Store) ScopeByID(ctx context.Context, id int64) (Scope, error) {
	sc, err := scanScope(s.reader.QueryRowContext(ctx, `SELECT `+scopeColumns+` FROM scope WHERE id = $1`, id))
	if errors.Is(err, sql.ErrNoRows) {
		return sc, fault.New(fault.NotFound, "there is no scope %d", id)
	}
	return sc, s.failure(err)
}

// ScopesOf returns the scopes of a connection, without what the ledger says of them.
func (s *Store) ScopesOf(ctx context.Context, connection int64) ([]Scope, error) {
	return collect(ctx, s, scanScope, `SELECT `+scopeColumns+` FROM scope WHERE connection_id = $1 ORDER BY id`, connection)
}

// scopeStatus selects scopes with their newest ledger rows, as scanScopeStatus reads them.
const scopeStatus = `SELECT s.id, s.connection_id, s.parent, s.listing, s.title, s.first_complete, s.last_complete,
		l.state, l.reason, l.since, l.until, l.last_run, l.calls, l.window_from, l.window_to,
		(SELECT count(*) FROM entity e WHERE e.scope = s.id) + (SELECT count(*) FROM presence p WHERE p.scope = s.id)
	FROM scope s ` + newestLedger

// newestLedger joins the newest ledger row of each scope s, where there is one.
const newestLedger = `LEFT JOIN ledger l ON l.id = (SELECT max(m.id) FROM ledger m WHERE m.scope_id = s.id) `

// Scopes returns the scopes of a connection with their newest ledger rows. Their provers are left out. There may be
// tens of thousands: ScopesBy and ScopeTotals are for people.
func (s *Store) Scopes(ctx context.Context, connection int64) ([]ScopeStatus, error) {
	return collect(ctx, s, scanScopeStatus, scopeStatus+`WHERE s.connection_id = $1 ORDER BY s.id`, connection)
}

func scanScopeStatus(row interface{ Scan(...any) error }) (ScopeStatus, error) {
	var st ScopeStatus
	var first, last, since, until, run, calls, from, to sql.NullInt64
	var state, reason sql.NullString
	err := row.Scan(&st.ID, &st.Connection, &st.Parent, &st.Listing, &st.Title, &first, &last,
		&state, &reason, &since, &until, &run, &calls, &from, &to, &st.Members)
	st.FirstComplete, st.LastComplete = timePtr(first), timePtr(last)
	st.State, st.Reason, st.LastRun, st.Calls = LedgerState(state.String), reason.String, run.Int64, int(calls.Int64)
	st.Since, st.Until, st.WindowFrom, st.WindowTo = timeOrZero(since), timeOrZero(until), timeOrZero(from), timeOrZero(to)
	return st, err
}

func timeOrZero(us sql.NullInt64) time.Time {
	if !us.Valid {
		return time.Time{}
	}
	return timeOf(us.Int64)
}
