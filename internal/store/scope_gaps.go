package store

import (
	"context"
	"database/sql"
	"time"
)

// ScopeGap is a scope that is denied, or that was never listed completely and is not disabled.
type ScopeGap struct {
	Parent  string
	Listing string
	Title   string
	State   LedgerState // of the newest ledger row; empty where no run has read it yet
	Reason  string
	Never   bool // it was never listed completely
}

// ScopeGaps returns the gaps of a connection in order of their ids, the scope of what was only met left out. There may
// be tens of thousands, mostly for a handful of reasons.
func (s *Store) ScopeGaps(ctx context.Context, connection int64) ([]ScopeGap, error) {
	return collect(ctx, s, func(row interface{ Scan(...any) error }) (ScopeGap, error) {
		var g ScopeGap
		var never int
		err := row.Scan(&g.Parent, &g.Listing, &g.Title, &g.State, &g.Reason, &never)
		g.Never = never == 1
		return g, err
	}, `SELECT s.parent, s.listing, s.title, COALESCE(l.state, ''), COALESCE(l.reason, ''), CASE WHEN s.first_complete IS NULL THEN 1 ELSE 0 END
		FROM scope s `+newestLedger+`WHERE s.connection_id = $1 AND s.listing <> $2 AND COALESCE(l.state, '') <> 'disabled'
		AND (s.first_complete IS NULL OR l.state = 'denied') ORDER BY s.id`, connection, MetListing)
}

// ScopeReads says of the scopes of one listing that are not disabled how old what is known of them is. A reading to
// the end of a window counts as well as a complete one: what it leaves out is known.
type ScopeReads struct {
	Never  int        // were never read so
	Oldest *time.Time // the longest time ago that one of the others was
}

// ScopeReads returns it by listing.
func (s *Store) ScopeReads(ctx context.Context, connection int64) (map[string]ScopeReads, error) {
	type reads struct {
		listing string
		ScopeReads
	}
	found, err := collect(ctx, s, func(row interface{ Scan(...any) error }) (reads, error) {
		var r reads
		var oldest sql.NullInt64
		err := row.Scan(&r.listing, &r.Never, &oldest)
		r.Oldest = timePtr(oldest)
		return r, err
	}, `WITH last AS MATERIALIZED (
			SELECT s.listing, COALESCE(l.state, '') AS state, CASE WHEN l.state IN ('complete', 'windowed') THEN l.until ELSE s.last_complete END AS read_at
			FROM scope s `+newestLedger+`WHERE s.connection_id = $1 AND s.listing <> $2
		)
		SELECT listing, count(*) - count(read_at), min(read_at) FROM last WHERE state <> 'disabled' GROUP BY listing`, connection, MetListing)
	out := make(map[string]ScopeReads, len(found))
	for _, r := range found {
		out[r.listing] = r.ScopeReads
	}
	return out, err
}
