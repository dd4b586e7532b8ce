package store

import (
	"fmt"

	"github.com/windlass-hq/windlass/internal/fault"
	"github.com/windlass-hq/windlass/internal/graph"
)

// chunk applies some claims in one transaction: it reads what is stored, decides in memory, and writes the
// difference.
type chunk struct {
	g      *graphTx
	w      *write
	claims []*claim
	result Result

	rows  map[string]*row
	seen  map[*claim]*int64 // hash of the scope's presence, where there is one
	tombs map[string]tombstone
	fates []fate
	edges *edges
	keys  map[int64]string
	made  map[int64]bool // entities opened here

	newborn map[int64]bool // those of them that were never open before

	insert, update, touch, archive, presence, bodies, newBodies [][]any
	changes                                                     []graph.Change
}

// fate is what becomes of a claim.
type fate struct {
	claim   *claim
	old     *row // nil: it creates
	now     row
	newer   bool // its revision is newer than the stored one
	revived bool // the key was open before
	drop    bool
	edges   []claimedEdge
}

func newChunk(g *graphTx, w *write, claims []*claim) *chunk {
	return &chunk{
		g: g, w: w, claims: claims, rows: map[string]*row{}, seen: map[*claim]*int64{}, tombs: map[string]tombstone{},
		edges: newEdges(g), keys: map[int64]string{}, made: map[int64]bool{}, newborn: map[int64]bool{},
	}
}

func (c *chunk) run() error {
	for _, step := range []func() error{c.load, c.decide, c.resolve, c.loadEdges, c.merge, c.flush} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// load reads the open rows of the claimed keys, their presences in the claims' scopes, and tombstones of the rest.
func (c *chunk) load() error {
	keys := make([]any, len(c.claims))
	for i, cl := range c.claims {
		keys[i] = cl.obj.Entity.Key
	}
	in := c.g.s.dialect.KeysIn("$1")
	err := c.g.each(`SELECT `+c.g.s.dialect.rowColumns()+` FROM entity WHERE key IN (`+in+`)`, [][]any{{jsonList(keys)}}, func(_ int, from rowScanner) error {
		r, err := scanRow(from)
		if err == nil {
			c.rows[r.key] = r
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("read entities: %w", err)
	}
	var elsewhere []*claim
	var presenceArgs [][]any
	var absent []any
	for _, cl := range c.claims {
		switch r := c.rows[cl.obj.Entity.Key]; {
		case r == nil:
			absent = append(absent, cl.obj.Entity.Key)
		case r.scope == cl.scope:
			c.seen[cl] = &r.hash
		default:
			elsewhere, presenceArgs = append(elsewhere, cl), append(presenceArgs, []any{r.id, cl.scope})
		}
	}
	err = c.g.each(`SELECT hash FROM presence WHERE entity_id = $1 AND scope = $2`, presenceArgs, func(i int, from rowScanner) error {
		var h int64
		c.seen[elsewhere[i]] = &h
		return from.Scan(&h)
	})
	if err != nil {
		return fmt.Errorf("read presences: %w", err)
	}
	if len(absent) == 0 {
		return nil
	}
	err = c.g.each(`SELECT key, id, version, valid_to, written_at FROM entity_old WHERE key IN (`+in+`)`, [][]any{{jsonList(absent)}}, func(_ int, from rowScanner) error {
		var key string
		var t tombstone
		err := from.Scan(&key, &t.id, &t.version, &t.validTo, &t.requested)
		if t.validTo > c.tombs[key].validTo {
			c.tombs[key] = t
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("read tombstones: %w", err)
	}
	return nil
}

// decide says for each claim whether it is dropped, creates or merges, and gives new entities their ids.
func (c *chunk) decide() error {
	for _, cl := range c.claims {
		old := c.rows[cl.obj.Entity.Key]
		f := fate{claim: cl, old: old}
		var err error
		if old == nil {
			err = c.create(&f)
		} else {
			err = c.accept(&f)
		}
		if err != nil {
			return err
		}
		if !f.drop {
			c.fates = append(c.fates, f)
		}
	}
	for i := range c.fates {
		f := &c.fates[i]
		c.keys[f.now.id] = f.now.key
		c.g.ends[f.now.key] = end{id: f.now.id, kind: f.now.kind}
	}
	return nil
}

func (c *chunk) create(f *fate) error {
	cl, e := f.claim, &f.claim.obj.Entity
	if cl.facet || cl.aside {
		c.result.Stale++
		f.drop, cl.seen = true, false
		return nil
	}
	if e.Key == "" || e.Type == "" {
		return fault.New(fault.Invalid, "an entity without a key or type (key %q, type %q) cannot be stored", e.Key, e.Type)
	}
	tomb, closed := c.tombs[e.Key]
	if closed && cl.requested < tomb.requested {
		c.result.Stale++
		f.drop, cl.seen = true, false
		return nil
	}
	kind, err := c.g.kindOf(e.Type)
	if err != nil {
		return err
	}
	f.now = row{
		id: tomb.id, key: e.Key, kind: kind, scope: cl.scope, validFrom: max(c.g.at, tomb.validTo), version: tomb.version + 1,
		writtenAt: cl.requested, source: string(graph.Provider), name: e.Name, props: graph.Merge(nil, e.Properties), revision: e.Revision,
	}
	if e.Source != "" {
		f.now.source = string(e.Source)
	}
	f.revived = closed
	if !closed {
		if f.now.id, err = c.g.ids.take(c.g.ctx, c.g.tx); err != nil {
			return err
		}
	}
	c.made[f.now.id], c.newborn[f.now.id] = true, !closed
	return nil
}

// accept decides about a claim on an open entity: unchanged, stale, or to be merged.
func (c *chunk) accept(f *fate) error {
	cl, e, old := f.claim, &f.claim.obj.Entity, f.old
	seen := c.seen[cl]
	if seen != nil && *seen == cl.hash {
		c.result.Unchanged++
		f.drop, cl.seen, cl.stored = true, true, cl.hash
		return nil
	}
	if cl.aside && seen == nil {
		c.result.Unchanged++
		f.drop = true
		return nil
	}
	f.newer = e.Revision > old.revision
	stale := e.Revision != 0 && e.Revision < old.revision || !f.newer && !cl.facet && cl.requested < old.writtenAt
	late := seen == nil && !cl.facet && cl.requested < old.goneAt // requested before a presence was withdrawn
	if stale || late && !f.newer {
		c.result.Stale++
		f.drop, cl.seen = true, seen != nil
		if seen == nil && !late {
			// What it says is old, but that this scope sees the entity is true.
			cl.seen, cl.stored = true, 0
			c.presence = append(c.presence, []any{old.id, cl.scope, int64(0)})
		} else if seen != nil {
			cl.stored = *seen
		}
		return nil
	}
	kind, err := c.g.kindOf(e.Type)
	if err != nil {
		return err
	}
	if kind != old.kind {
		was, err := c.g.typeOf(old.kind)
		if err != nil {
			return err
		}
		if was != e.Type {
			return fault.New(fault.Invalid, "%s is a %s, but an answer calls it a %s", e.Key, was, e.Type).
				With("report this with the answer; keys of different types must differ")
		}
		// Another class list of the same type: the old kind is kept until a migration interns it anew.
	}
	f.now = *old
	if e.Name != "" {
		f.now.name = e.Name
	}
	if e.Source != "" {
		f.now.source = string(e.Source)
	}
	f.now.props = graph.Merge(old.props, e.Properties)
	f.now.revision = max(old.revision, e.Revision)
	if !cl.facet {
		f.now.writtenAt = max(old.writtenAt, cl.requested)
	}
	return nil
}

// resolve finds the entities that the claims refer to.
func (c *chunk) resolve() error {
	var keys []string
	want := func(key string) {
		if key == "" {
			return
		}
		if _, ok := c.g.ends[key]; ok {
			return
		}
		if e, ok := c.g.s.ends.get(key); ok {
			c.g.ends[key] = e
			return
		}
		c.g.ends[key] = end{}
		keys = append(keys, key)
	}
	for i := range c.fates {
		o := &c.fates[i].claim.obj
		want(o.Entity.Home)
		want(o.Entity.Repo)
		want(o.Entity.Project)
		for _, r := range o.Relationships {
			want(r.From)
			want(r.To)
		}
	}
	if len(keys) > 0 {
		list := make([]any, len(keys))
		for i, k := range keys {
			list[i] = k
		}
		err := c.g.each(`SELECT key, id, kind FROM entity WHERE key IN (`+c.g.s.dialect.KeysIn("$1")+`)`, [][]any{{jsonList(list)}}, func(_ int, from rowScanner) error {
			var key string
			var e end
			err := from.Scan(&key, &e.id, &e.kind)
			c.g.ends[key] = e
			return err
		})
		if err != nil {
			return fmt.Errorf("look up ends: %w", err)
		}
	}
	for _, k := range keys {
		if c.g.ends[k].kind == 0 { // it may be created later in this transaction
			defer delete(c.g.ends, k)
		}
	}
	for i := range c.fates {
		f := &c.fates[i]
		e := &f.claim.obj.Entity
		f.claim.stored = f.claim.hash
		for _, ref := range [...]struct {
			key string
			id  *int64
		}{{e.Home, &f.now.home}, {e.Repo, &f.now.repo}, {e.Project, &f.now.project}} {
			if ref.key == "" {
				continue
			}
			if to := c.g.ends[ref.key]; to.kind != 0 {
				*ref.id = to.id
				c.keys[to.id] = ref.key
			} else {
				f.claim.stored = 0 // looked at again when the same claim comes next
				if ref.id == &f.now.home {
					c.result.Dangling = append(c.result.Dangling, ref.key)
				}
			}
		}
	}
	return c.wantEdges()
}

// flush writes what merge decided.
func (c *chunk) flush() error {
	g, d := c.g, c.g.s.dialect
	for _, step := range []struct {
		what  string
		query string
		args  [][]any
	}{
		{"close versions", archiveRow, c.archive},
		{"update entities", d.updateRow(), c.update},
		{"update entities", touchRow, c.touch},
	} {
		if err := g.exec(step.query, step.args); err != nil {
			return fmt.Errorf("%s: %w", step.what, err)
		}
	}
	if err := g.insert(entityTable, c.insert); err != nil {
		return fmt.Errorf("add entities: %w", err)
	}
	if err := g.insert(rawTable, c.newBodies); err != nil {
		return fmt.Errorf("add raw objects: %w", err)
	}
	if err := g.exec(upsertRaw, c.bodies); err != nil {
		return fmt.Errorf("write raw objects: %w", err)
	}
	if err := g.exec(upsertPresence, c.presence); err != nil {
		return fmt.Errorf("write presences: %w", err)
	}
	if err := c.edges.flush(graph.Deleted); err != nil {
		return err
	}
	return g.append(c.w.author, c.changes)
}
