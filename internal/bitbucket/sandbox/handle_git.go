package sandbox

import (
	"cmp"
	"net/http"
	"slices"
)

// refs returns branches, tags or both by name.
func (g *graph) refs(branches, tags bool) []ref {
	var all []ref
	if branches {
		for name, h := range g.branches {
			all = append(all, ref{name: name, at: g.get(h)})
		}
	}
	if tags {
		for name, h := range g.tags {
			all = append(all, ref{name: name, tag: true, at: g.get(h)})
		}
	}
	slices.SortFunc(all, func(a, b ref) int { return cmp.Compare(a.name, b.name) })
	return all
}

func (c *call) listRefs(branches, tags bool) *failure {
	r, f := c.repository()
	if f != nil {
		return f
	}
	all := c.s.world.graph(r).refs(branches, tags)
	all, f = choose(c, refFields, all, func(w *writer, x ref) { w.ref(r, x) })
	if f != nil {
		return f
	}
	return respond(c, paging{byDefault: 10, max: 100}, all, func(x ref) { c.out.ref(r, x) })
}

func (c *call) getRefs() *failure     { return c.listRefs(true, true) }
func (c *call) getBranches() *failure { return c.listRefs(true, false) }
func (c *call) getTags() *failure     { return c.listRefs(false, true) }
func (c *call) getBranch() *failure   { return c.oneRef(false) }
func (c *call) getTag() *failure      { return c.oneRef(true) }

func (c *call) oneRef(tag bool) *failure {
	r, f := c.repository()
	if f != nil {
		return f
	}
	g := c.s.world.graph(r)
	heads, kind := g.branches, "Branch"
	if tag {
		heads, kind = g.tags, "Tag"
	}
	h, ok := heads[c.args[2]]
	if !ok {
		return fail(http.StatusNotFound, kind+" '"+c.args[2]+"' not found", "")
	}
	c.out.root(func() { c.out.ref(r, ref{name: c.args[2], tag: tag, at: g.get(h)}) })
	return nil
}

// getCommits lists what is reachable from the revision or the `include`s, or from everything, but not from the
// `exclude`s.
func (c *call) getCommits() *failure {
	r, f := c.repository()
	if f != nil {
		return f
	}
	g := c.s.world.graph(r)
	names := c.query["include"]
	if len(c.args) > 2 {
		names = append(slices.Clone(names), c.args[2])
	}
	from, f := resolveAll(g, names)
	if f != nil {
		return f
	}
	without, f := resolveAll(g, c.query["exclude"])
	if f != nil {
		return f
	}
	if len(names) == 0 {
		from = g.heads()
	}
	return respond(c, paging{byDefault: 30, max: 100, opaque: true}, g.reach(from, without), func(k *commit) { c.out.commit(r, k, false) })
}

func resolveAll(g *graph, names []string) ([]hash, *failure) {
	var hs []hash
	for _, name := range names {
		k := g.resolve(name)
		if k == nil {
			return nil, fail(http.StatusNotFound, "Commit not found", "")
		}
		hs = append(hs, k.hash)
	}
	return hs, nil
}

func (c *call) getCommit() *failure {
	r, f := c.repository()
	if f != nil {
		return f
	}
	k := c.s.world.graph(r).resolve(c.args[2])
	if k == nil {
		return fail(http.StatusNotFound, "Commit not found", "")
	}
	c.out.root(func() {
		c.out.commit(r, k, true)
		c.out.emptyList("participants")
	})
	return nil
}
