package store

import (
	"slices"

	"github.com/windlass-hq/windlass/internal/graph"
)

// claimedEdge is a claimed relationship whose ends are known.
type claimedEdge struct {
	relID
	props graph.Properties
	keep  func(string) bool // which of its properties make versions
}

// wantEdges is the end of resolve: it turns claimed relationships into ids and names the ones that dangle.
func (c *chunk) wantEdges() error {
	for i := range c.fates {
		f := &c.fates[i]
		for _, r := range f.claim.obj.Relationships {
			from, to := c.g.ends[r.From], c.g.ends[r.To]
			if from.kind == 0 || to.kind == 0 {
				c.result.Dangling = append(c.result.Dangling, r.Key())
				f.claim.stored = 0
				continue
			}
			kind, err := c.g.relKindOf(r.Verb, from.kind, to.kind)
			if err != nil {
				return err
			}
			fromType, err := c.g.typeOf(from.kind)
			if err != nil {
				return err
			}
			toType, err := c.g.typeOf(to.kind)
			if err != nil {
				return err
			}
			c.keys[from.id], c.keys[to.id] = r.From, r.To
			f.edges = append(f.edges, claimedEdge{
				relID: relID{from.id, kind, to.id}, props: r.Properties, keep: c.g.s.model.edgeVersioned(fromType, r.Verb, toType),
			})
		}
	}
	return nil
}

// loadEdges reads the stored relationships that the claims may touch. One of an entity made here cannot be stored.
func (c *chunk) loadEdges() error {
	var owners []int64
	for i := range c.fates {
		if f := &c.fates[i]; f.old != nil {
			owners = append(owners, f.now.id)
		}
	}
	if err := c.edges.loadOwned(owners); err != nil {
		return err
	}
	var single []relID
	wanted := map[relID]bool{}
	for i := range c.fates {
		for _, e := range c.fates[i].edges {
			if !c.made[e.from] && !c.made[e.to] && !wanted[e.relID] {
				wanted[e.relID] = true
				single = append(single, e.relID)
			}
		}
	}
	if err := c.edges.loadEnds(single); err != nil {
		return err
	}
	var before []relID // may have been open once
	for i := range c.fates {
		for _, e := range c.fates[i].edges {
			if !c.newborn[e.from] && !c.newborn[e.to] && c.edges.byID[e.relID] == nil {
				before = append(before, e.relID)
			}
		}
	}
	return c.edges.loadHistory(before)
}

// merge decides what each claim changes.
func (c *chunk) merge() error {
	for i := range c.fates {
		f := &c.fates[i]
		events, refreshed, err := c.mergeEdges(f)
		if err != nil {
			return err
		}
		if f.old == nil {
			c.mergeNew(f)
			continue
		}
		if err := c.mergeOld(f, events, refreshed); err != nil {
			return err
		}
	}
	return nil
}

func (c *chunk) mergeNew(f *fate) {
	f.now.hash, f.claim.seen = f.claim.stored, true
	c.insert = append(c.insert, f.now.values(f.claim.props))
	if f.claim.body != nil {
		body := []any{f.now.id, c.g.at, f.claim.body}
		if f.revived {
			c.bodies = append(c.bodies, body)
		} else {
			c.newBodies = append(c.newBodies, body)
		}
	}
	c.result.Created++
	c.changes = append(c.changes, graph.Change{
		At: timeOf(f.now.validFrom), Op: graph.Created, ID: f.now.id, Key: f.now.key, Type: f.claim.obj.Entity.Type,
	})
}

func (c *chunk) mergeOld(f *fate, events []graph.EdgeChange, refreshed bool) error {
	cl, old, now := f.claim, f.old, &f.now
	diff := graph.Compare(old.props, now.props)
	versioned := diff.Only(c.g.s.model.versioned(cl.obj.Entity.Type))
	if old.name != now.name {
		add(&versioned, "displayName", old.name, now.name)
	}
	if old.source != now.source {
		add(&versioned, "_source", old.source, now.source)
	}
	if old.home != now.home {
		was := ""
		if old.home != 0 {
			var err error
			if was, err = c.g.keyOf(old.home, c.keys); err != nil {
				return err
			}
		}
		add(&versioned, "_home", was, c.keys[now.home])
	}
	seen := c.seen[cl]
	cl.seen = true
	news := seen == nil || *seen != cl.stored || now.revision != old.revision
	if old.scope == cl.scope {
		now.hash = cl.stored
	} else if seen == nil || *seen != cl.stored {
		c.presence = append(c.presence, []any{old.id, cl.scope, cl.stored})
	}
	inPlace := !diff.Empty() || old.repo != now.repo || old.project != now.project
	switch {
	case !versioned.Empty():
		now.version, now.validFrom = old.version+1, max(c.g.at, old.validFrom+1)
		c.archive = append(c.archive, []any{old.id, now.validFrom, "updated", causeText(c.w.cause), nil})
		c.update = append(c.update, now.values(c.g.s.dialect.json(now.props)))
	case inPlace:
		c.update = append(c.update, now.values(c.g.s.dialect.json(now.props)))
	case news || len(events) > 0 || refreshed:
		c.touch = append(c.touch, []any{old.id, now.scope, now.hash, now.writtenAt, now.revision, null(now.goneAt)})
	}
	if cl.body != nil && (news || inPlace || !versioned.Empty()) {
		c.bodies = append(c.bodies, []any{old.id, c.g.at, cl.body})
	}
	switch {
	case !versioned.Empty() || len(events) > 0:
		if old.validFrom >= c.w.began {
			c.result.Refreshed++
		} else {
			c.result.Updated++
		}
		at := c.g.at
		if !versioned.Empty() {
			at = now.validFrom
		}
		c.changes = append(c.changes, graph.Change{
			At: timeOf(at), Op: graph.Updated, ID: old.id, Key: old.key, Type: cl.obj.Entity.Type,
			Old: versioned.Old, New: versioned.New, Edges: events,
		})
	case !diff.Empty() || refreshed:
		c.result.Refreshed++
	default:
		c.result.Unchanged++
	}
	return nil
}

// add adds what is no property to a difference. Empty means none.
func add(d *graph.Diff, name, was, now string) {
	if d.Old == nil {
		d.Old = graph.Properties{}
	}
	if d.New == nil {
		d.New = graph.Properties{}
	}
	if was != "" {
		d.Old[name] = was
	}
	if now != "" {
		d.New[name] = now
	}
}

func causeText(c graph.Cause) string {
	if c.Kind == "" && c.ID == "" {
		return ""
	}
	return c.Kind + ":" + c.ID
}

// mergeEdges replaces the relationships that the entity brought in the claim's scope by the claimed ones, except
// those of verbs the claim knows nothing about. A newer revision also speaks for the same listing of other
// connections.
func (c *chunk) mergeEdges(f *fate) (events []graph.EdgeChange, refreshed bool, err error) {
	cl, id := f.claim, f.now.id
	claimed := make(map[relID]bool, len(f.edges))
	for _, e := range f.edges {
		claimed[e.relID] = true
	}
	for _, e := range c.edges.owned[id] {
		if claimed[e.relID] || len(e.seen) == 0 {
			continue
		}
		name, err := c.g.verbOf(e.kind)
		if err != nil {
			return nil, false, err
		}
		if contains(cl.obj.UnknownVerbs, name.verb) {
			continue
		}
		if err := c.dropEdge(e, f); err != nil {
			return nil, false, err
		}
		if len(e.seen) == 0 && e.was != nil {
			if events, err = c.event(events, graph.Closed, e); err != nil {
				return nil, false, err
			}
		}
	}
	by := seenBy{owner: id, scope: cl.scope}
	for _, want := range f.edges {
		e := c.edges.byID[want.relID]
		switch {
		case e == nil || len(e.seen) == 0 && e.was == nil:
			e = c.edges.make(want.relID, by, c.g.at)
			e.props = graph.Merge(nil, want.props)
			if events, err = c.event(events, graph.Created, e); err != nil {
				return nil, false, err
			}
			continue
		case !e.has(by):
			if len(e.seen) == 0 { // another claim of this chunk closed it
				if events, err = c.event(events, graph.Created, e); err != nil {
					return nil, false, err
				}
			}
			e.seen = append(e.seen, by)
			c.edges.owned[id] = append(c.edges.owned[id], e)
		}
		props := graph.Merge(e.props, want.props)
		diff := graph.Compare(e.props, props)
		if diff.Empty() {
			continue
		}
		e.props, e.touched = props, true
		if diff.Only(want.keep).Empty() {
			refreshed = true
			continue
		}
		if e.was != nil {
			e.versioned = true
			if events, err = c.event(events, graph.Updated, e); err != nil {
				return nil, false, err
			}
		}
	}
	return events, refreshed, nil
}

func (c *chunk) event(events []graph.EdgeChange, op graph.Op, e *edge) ([]graph.EdgeChange, error) {
	ch, err := c.g.change(op, e, c.keys)
	return append(events, ch), err
}

// dropEdge takes away the presences for which the claim speaks.
func (c *chunk) dropEdge(e *edge, f *fate) error {
	var err error
	e.drop(func(s seenBy) bool {
		if s.owner != f.now.id {
			return false
		}
		if s.scope == f.claim.scope {
			return true
		}
		if !f.newer || err != nil {
			return false
		}
		var mine, theirs ScopeKey
		if mine, err = c.g.s.scopeKey(c.g.ctx, c.g.tx, f.claim.scope); err != nil {
			return false
		}
		if theirs, err = c.g.s.scopeKey(c.g.ctx, c.g.tx, s.scope); err != nil {
			return false
		}
		return theirs.Listing == mine.Listing && theirs.Parent == mine.Parent && theirs.Connection != mine.Connection
	})
	return err
}

func contains(list []string, s string) bool {
	return slices.Contains(list, s)
}
