package store

import "github.com/windlass-hq/windlass/internal/graph"

// A facet is a presence of an entity in a list about the entity itself: a scope whose parent is its own key, such as
// the default reviewers of a repository or the members of a group. It adds what it says, and is no evidence that the
// entity is there:
//
//   - it never opens an entity. A claim on one that is not open is dropped as stale, and so is the mention of the
//     list's own parent among what was met in it; that mention gives an open entity no presence either, since it says
//     less than the parent's own listing.
//   - it never keeps one open. With the last presence that is no facet the entity closes, facets included.
//   - it is never the first presence, entity.scope.
//   - it is not weighed against the age of what the entity's own listings say, nor they against its age: it speaks of
//     other things. Answers of one such list come one after the other, as its connection has one run at a time.

// isFacet reports whether a scope is a list about the entity itself.
func (g *graphTx) isFacet(entity string, scope int64) (bool, error) {
	key, err := g.s.scopeKey(g.ctx, g.tx, scope)
	return err == nil && key.Parent != "" && graph.CleanText(key.Parent) == entity, err
}

// holder returns a scope that keeps the entity open without the given one, or 0 where none does. Where its own listing
// proves it deleted, having met it in passing before keeps nothing open: the mention proved no presence, and one that
// came after the proof makes the withdrawal stale.
func (g *graphTx) holder(r *row, others map[int64]bool, without int64, deleted bool) (int64, error) {
	proof, err := g.s.scopeKey(g.ctx, g.tx, without)
	if err != nil {
		return 0, err
	}
	holds := func(scope int64) (bool, error) {
		if scope == without {
			return false, nil
		}
		key, err := g.s.scopeKey(g.ctx, g.tx, scope)
		facet := key.Parent != "" && graph.CleanText(key.Parent) == r.key
		return !facet && !(deleted && key.Listing == MetListing && key.Connection == proof.Connection), err
	}
	if ok, err := holds(r.scope); ok || err != nil {
		return r.scope, err
	}
	var holder int64
	for scope := range others {
		if holder != 0 && holder < scope {
			continue
		}
		ok, err := holds(scope)
		if err != nil {
			return 0, err
		}
		if ok {
			holder = scope
		}
	}
	return holder, nil
}
