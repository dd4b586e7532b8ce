package store

import (
	"context"
	"fmt"
	"sort"

	"github.com/windlass-hq/windlass/internal/fault"
)

// Listing is one pass over a scope from its first page to its last. It holds the keys and hashes of the scope's
// members, so that what did not change costs no access to the database, and knows at the end which were missing. It
// is for one goroutine.
type Listing struct {
	store   *Store
	scope   int64
	members map[string]*member
	size    int
	joined  int
	closed  int64 // closedSoFar when the members were read
}

type member struct {
	hash int64
	seen bool
}

// BeginListing reads the members of a scope.
func (s *Store) BeginListing(ctx context.Context, scope int64) (*Listing, error) {
	closed, err := s.closedSoFar(ctx)
	if err != nil {
		return nil, err
	}
	l := &Listing{store: s, scope: scope, closed: closed}
	if err := l.read(ctx); err != nil {
		return nil, err
	}
	l.size = len(l.members)
	return l, nil
}

// read reads the members, or reads them anew and keeps which were seen. What joined the scope since the listing began
// counts as seen: the page that would have shown it may have been read before.
func (l *Listing) read(ctx context.Context) error {
	type entry struct {
		key  string
		hash int64
	}
	found, err := collect(ctx, l.store, func(row interface{ Scan(...any) error }) (entry, error) {
		var e entry
		err := row.Scan(&e.key, &e.hash)
		return e, err
	}, `SELECT key, hash FROM entity WHERE scope = $1
		UNION ALL SELECT e.key, p.hash FROM presence p JOIN entity e ON e.id = p.entity_id WHERE p.scope = $1`, l.scope)
	if err != nil {
		return fmt.Errorf("read the members of scope %d: %w", l.scope, err)
	}
	was := l.members
	l.members = make(map[string]*member, len(found))
	for _, e := range found {
		m := &member{hash: e.hash, seen: was != nil}
		if old := was[e.key]; old != nil {
			m.seen = old.seen
		}
		l.members[e.key] = m
	}
	return nil
}

// Apply is Store.Apply for a page of the listing; it also marks the page's objects as seen, unchanged ones included.
func (l *Listing) Apply(ctx context.Context, b Batch) (Result, error) {
	s := l.store
	if b.Scope != l.scope {
		return Result{}, fault.New(fault.Internal, "a page of scope %d came to the listing of scope %d", b.Scope, l.scope)
	}
	n, err := s.closedSoFar(ctx)
	if err != nil {
		return Result{}, err
	}
	if n != l.closed {
		l.closed = n
		if err := l.read(ctx); err != nil {
			return Result{}, err
		}
	}
	w, err := s.prepare(ctx, b, func(scope int64, claims []*claim) (map[string]int64, error) {
		if scope != l.scope {
			return s.presenceHashes(ctx, scope, claims)
		}
		known := make(map[string]int64, len(claims))
		for _, c := range claims {
			if m := l.members[c.obj.Entity.Key]; m != nil {
				known[c.obj.Entity.Key] = m.hash
			}
		}
		return known, nil
	})
	if err != nil {
		return Result{}, err
	}
	if err := s.lane.apply(ctx, w); err != nil {
		return w.result, s.failure(err)
	}
	for _, c := range w.all {
		m := l.members[c.obj.Entity.Key]
		if m == nil && !c.seen {
			continue // an answer older than the closing: no member
		}
		if m == nil {
			m = &member{}
			l.members[c.obj.Entity.Key] = m
			l.joined++
		}
		m.hash, m.seen = c.stored, true
	}
	return w.result, nil
}

// Missing returns the members that no page has shown, in order. It means something only after the last page.
func (l *Listing) Missing() []string {
	var out []string
	for k, m := range l.members {
		if !m.seen {
			out = append(out, k)
		}
	}
	sort.Strings(out)
	return out
}

// Size returns how many members the scope had before the listing.
func (l *Listing) Size() int { return l.size }

// Joined returns how many of the shown objects were no members before the listing.
func (l *Listing) Joined() int { return l.joined }
