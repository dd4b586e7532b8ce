package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/windlass-hq/windlass/internal/graph"
)

// Withdrawal says that a scope does not see some entities any more.
type Withdrawal struct {
	Scope       int64
	Keys        []string
	Reason      graph.Reason
	Stream      string // empty for the stream of the scope's connection
	Cause       graph.Cause
	Origin      string
	Depth       int
	RequestedAt time.Time // when the answer that shows it was asked for; zero for now
	Fence       *Fence
}

// Withdraw takes the presences away. An entity that loses its last one is closed with the reason, and with it what
// has it as home, and every relationship that touches any of them.
//
// A withdrawal is a write like any other: one that was asked for before the entity's newest write is dropped as
// stale, unless the owner removes the connection.
func (s *Store) Withdraw(ctx context.Context, wd Withdrawal) (Result, error) {
	key, err := s.scopeKey(ctx, s.reader, wd.Scope)
	if err != nil {
		return Result{}, err
	}
	w := &withdrawal{
		store: s, scope: wd.Scope, reason: wd.Reason, requested: wd.RequestedAt.UnixMicro(), fence: wd.Fence,
		author: author{stream: wd.Stream, cause: wd.Cause, origin: wd.Origin, depth: wd.Depth},
	}
	if wd.RequestedAt.IsZero() {
		w.requested = s.now().UnixMicro()
	}
	if w.stream == "" {
		w.stream = ConnectionStream(key.Connection)
	}
	keys := make([]string, len(wd.Keys))
	for i, k := range wd.Keys {
		keys[i] = graph.CleanText(k)
	}
	return w.result, s.failure(w.run(ctx, keys))
}

// withdrawal is a Withdraw under way.
type withdrawal struct {
	author
	store     *Store
	scope     int64
	reason    graph.Reason
	requested int64
	fence     *Fence
	result    Result
}

// closeAtOnce is how many entities a transaction closes at most. A home with more descendants is closed from the
// leaves up, in several transactions; what is not closed yet then still has its home.
const closeAtOnce = 500

func (w *withdrawal) run(ctx context.Context, keys []string) error {
	for first := true; len(keys) > 0; first = false {
		if !first {
			if err := w.store.yield(ctx); err != nil {
				return err
			}
		}
		n, err := w.slice(ctx, keys)
		if err != nil {
			return err
		}
		keys = keys[n:]
	}
	return nil
}

// slice withdraws keys in one transaction until its time is over. It returns how many are done; none where only
// descendants of the first were closed.
func (w *withdrawal) slice(ctx context.Context, keys []string) (done int, err error) {
	g, err := w.store.beginGraph(ctx, w.fence)
	if err != nil {
		return 0, err
	}
	before := w.result
	undo := func(err error) error {
		w.result = before
		return errors.Join(err, g.rollback())
	}
	budget := closeAtOnce
	for began := time.Now(); done < len(keys) && budget > 0 && (done == 0 || time.Since(began) < slice); {
		complete, closed, err := w.one(g, keys[done], budget)
		if err != nil {
			return 0, undo(err)
		}
		budget -= closed
		if !complete {
			break
		}
		done++
	}
	if err := g.commit(); err != nil {
		w.result = before
		return 0, err
	}
	return done, nil
}

// one withdraws one key. It is not complete where more descendants than the budget are to be closed first.
func (w *withdrawal) one(g *graphTx, key string, budget int) (complete bool, closed int, err error) {
	var r *row
	err = g.each(`SELECT `+g.s.dialect.rowColumns()+` FROM entity WHERE key = $1`, [][]any{{key}}, func(_ int, from rowScanner) error {
		r, err = scanRow(from)
		return err
	})
	if err != nil || r == nil {
		return true, 0, err
	}
	others, err := g.presences(r.id)
	if err != nil {
		return false, 0, err
	}
	if r.scope != w.scope && !others[w.scope] {
		return true, 0, nil
	}
	facet, err := g.isFacet(r.key, w.scope)
	if err != nil {
		return false, 0, err
	}
	if !facet && w.reason != graph.Withdrawn && w.requested < r.writtenAt {
		w.result.Stale++
		return true, 0, nil
	}
	holder, err := g.holder(r, others, w.scope, w.reason == graph.Deleted && !facet)
	if err != nil {
		return false, 0, err
	}
	if holder == 0 {
		return w.closeTree(g, r, budget)
	}
	if !facet {
		r.goneAt = max(r.goneAt, w.requested)
	}
	return true, 1, w.leave(g, r, others, holder)
}

// presences returns the scopes of an entity's further presences.
func (g *graphTx) presences(id int64) (map[int64]bool, error) {
	out := map[int64]bool{}
	err := g.each(`SELECT scope FROM presence WHERE entity_id = $1`, [][]any{{id}}, func(_ int, from rowScanner) error {
		var scope int64
		err := from.Scan(&scope)
		out[scope] = true
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read presences: %w", err)
	}
	return out, nil
}

// leave takes one of several presences away; holder is one that keeps the entity open, and becomes the first where
// the first one goes. The relationships that the entity brought in that scope go with it.
func (w *withdrawal) leave(g *graphTx, r *row, others map[int64]bool, holder int64) error {
	if r.scope == w.scope {
		r.scope = holder
	} else {
		if err := g.exec(`DELETE FROM presence WHERE entity_id = $1 AND scope = $2`, [][]any{{r.id, w.scope}}); err != nil {
			return fmt.Errorf("withdraw a presence: %w", err)
		}
		delete(others, w.scope)
	}
	if others[r.scope] { // the new first one
		if err := g.exec(`DELETE FROM presence WHERE entity_id = $1 AND scope = $2`, [][]any{{r.id, r.scope}}); err != nil {
			return fmt.Errorf("promote a presence: %w", err)
		}
	}
	// What only this scope knew must not stay for ever: the next claims of the others are looked at.
	r.hash = 0
	if err := g.exec(`UPDATE presence SET hash = 0 WHERE entity_id = $1`, [][]any{{r.id}}); err != nil {
		return fmt.Errorf("withdraw a presence: %w", err)
	}
	if err := g.exec(touchRow, [][]any{{r.id, r.scope, r.hash, r.writtenAt, r.revision, null(r.goneAt)}}); err != nil {
		return fmt.Errorf("withdraw a presence: %w", err)
	}
	g.moved = true
	events, err := w.leaveEdges(g, r)
	if err != nil {
		return err
	}
	if len(events) == 0 {
		w.result.Unchanged++
		return nil
	}
	typ, err := g.typeOf(r.kind)
	if err != nil {
		return err
	}
	w.result.Updated++
	return g.append(w.author, []graph.Change{{At: timeOf(g.at), Op: graph.Updated, ID: r.id, Key: r.key, Type: typ, Edges: events}})
}

func (w *withdrawal) leaveEdges(g *graphTx, r *row) ([]graph.EdgeChange, error) {
	es := newEdges(g)
	if err := es.loadOwned([]int64{r.id}); err != nil {
		return nil, err
	}
	keys := map[int64]string{r.id: r.key}
	var events []graph.EdgeChange
	for _, e := range es.owned[r.id] {
		e.drop(func(s seenBy) bool { return s == seenBy{owner: r.id, scope: w.scope} })
		if len(e.seen) > 0 {
			continue
		}
		ch, err := g.change(graph.Closed, e, keys)
		if err != nil {
			return nil, err
		}
		events = append(events, ch)
	}
	return events, es.flush(w.reason)
}
