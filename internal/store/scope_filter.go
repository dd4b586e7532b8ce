package store

import (
	"context"
	"database/sql"
	"fmt"
	"strconv"
	"time"

	"github.com/windlass-hq/windlass/internal/graph"
)

// ScopeUnread selects scopes that no run has read yet, in a ScopeFilter.
const ScopeUnread LedgerState = "unread"

// scopesRead is how many scopes ScopesBy returns where the filter has no limit.
const scopesRead = 1000

// ScopeFilter selects scopes of one connection. The scope of what was only met is left out unless it is asked for by
// Listing.
type ScopeFilter struct {
	Connection    int64
	Listing       string      // empty for all
	State         LedgerState // that of the newest ledger row; ScopeUnread for those without one, empty for all
	NeverComplete bool        // only those that were never listed completely and are not disabled
	Name          string      // what people call it: its id, its title or Scope.Name
	After         int64       // id after which to begin
	Limit         int         // 0 for 1,000
}

// ScopesBy returns a page of scopes with their newest ledger rows, in order of their ids. Their provers are left out.
func (s *Store) ScopesBy(ctx context.Context, f ScopeFilter) ([]ScopeStatus, error) {
	if f.Limit <= 0 {
		f.Limit = scopesRead
	}
	// The plus keeps the database from sorting all scopes of a connection where the first page of ids would do.
	query, args := `WHERE +s.connection_id = $1 AND s.id > $2`, []any{f.Connection, f.After}
	where := func(condition string, values ...any) {
		n := make([]any, len(values))
		for i, v := range values {
			args = append(args, v)
			n[i] = len(args)
		}
		query += " AND " + fmt.Sprintf(condition, n...)
	}
	if f.Listing != "" {
		where("s.listing = $%d", f.Listing)
	} else {
		where("s.listing <> $%d", MetListing)
	}
	switch f.State {
	case "":
	case ScopeUnread:
		where("l.id IS NULL")
	default:
		where("l.state = $%d", string(f.State))
	}
	if f.NeverComplete {
		where("s.first_complete IS NULL AND (l.state IS NULL OR l.state <> $%d)", string(LedgerDisabled))
	}
	if f.Name != "" {
		name := graph.CleanText(f.Name)
		id, err := strconv.ParseInt(name, 10, 64)
		if err != nil {
			id = 0
		}
		where("(s.id = $%d OR s.title = $%d OR s.parent || CASE WHEN s.parent = '' THEN '' ELSE '/' END || s.listing = $%d)", id, name, name)
	}
	// Members are counted for the page only.
	page := `WITH page AS MATERIALIZED (SELECT s.id FROM scope s ` + newestLedger + query + fmt.Sprintf(` ORDER BY s.id LIMIT $%d) `, len(args)+1)
	return collect(ctx, s, scanScopeStatus, page+scopeStatus+`WHERE s.id IN (SELECT id FROM page) ORDER BY s.id`, append(args, f.Limit)...)
}

// ScopeTotals counts the scopes of one listing by the state of their newest ledger row.
type ScopeTotals struct {
	Listing  string
	Scopes   int
	Complete int
	Windowed int
	Partial  int
	Failed   int
	Denied   int
	Disabled int
	Unread   int // no run has read them yet

	// Of those that are not disabled: how many were never listed completely, and the longest time ago that one of the
	// others was; nil where there is none.
	NeverComplete  int
	OldestComplete *time.Time
}

// ScopeTotals returns how complete a connection's listings are, by name and in order, the scope of what was only met
// left out. It costs one look into the ledger per scope, however long the ledger is.
func (s *Store) ScopeTotals(ctx context.Context, connection int64) ([]ScopeTotals, error) {
	count := func(state LedgerState) string { return `count(CASE WHEN state = '` + string(state) + `' THEN 1 END), ` }
	enabled := `(state IS NULL OR state <> '` + string(LedgerDisabled) + `')`
	return collect(ctx, s, func(row interface{ Scan(...any) error }) (ScopeTotals, error) {
		var t ScopeTotals
		var oldest sql.NullInt64
		err := row.Scan(&t.Listing, &t.Scopes, &t.Complete, &t.Windowed, &t.Partial, &t.Failed, &t.Denied, &t.Disabled,
			&t.Unread, &t.NeverComplete, &oldest)
		t.OldestComplete = timePtr(oldest)
		return t, err
	}, `WITH now AS MATERIALIZED (
			SELECT s.listing, s.first_complete, s.last_complete,
				(SELECT m.state FROM ledger m WHERE m.scope_id = s.id ORDER BY m.id DESC LIMIT 1) AS state
			FROM scope s WHERE s.connection_id = $1 AND s.listing <> $2
		)
		SELECT listing, count(*), `+count(LedgerComplete)+count(LedgerWindowed)+count(LedgerPartial)+count(LedgerFailed)+count(LedgerDenied)+count(LedgerDisabled)+`
			count(*) - count(state), count(CASE WHEN first_complete IS NULL AND `+enabled+` THEN 1 END), min(CASE WHEN `+enabled+` THEN last_complete END)
		FROM now GROUP BY listing ORDER BY listing`, connection, MetListing)
}
