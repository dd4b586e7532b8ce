package sandbox

import (
	"cmp"
	"slices"
)

// graph is what REST shows of a repository's commits. It is built when it is first asked for; after that it changes
// under the world's write lock only.
type graph struct {
	commits  []commit
	at       map[hash]int
	branches map[string]hash
	tags     map[string]hash // the commits
	objects  map[string]hash // the tag objects of annotated tags
}

func newGraph() *graph {
	return &graph{at: map[hash]int{}, branches: map[string]hash{}, tags: map[string]hash{}, objects: map[string]hash{}}
}

func (g *graph) object(objectKind, hash, []byte) {}

func (g *graph) commit(c commit) {
	if _, ok := g.at[c.hash]; !ok {
		g.at[c.hash] = len(g.commits)
		g.commits = append(g.commits, c)
	}
}

func (g *graph) get(h hash) *commit {
	if i, ok := g.at[h]; ok {
		return &g.commits[i]
	}
	return nil
}

// resolve finds a commit by branch, tag, full or abbreviated hash.
func (g *graph) resolve(name string) *commit {
	if h, ok := g.branches[name]; ok {
		return g.get(h)
	}
	if h, ok := g.tags[name]; ok {
		return g.get(h)
	}
	if h, ok := parseHash(name); ok {
		return g.get(h)
	}
	if len(name) < 7 || len(name) > 39 {
		return nil
	}
	for i := range g.commits {
		if g.commits[i].hash.String()[:len(name)] == name {
			return &g.commits[i]
		}
	}
	return nil
}

// reach returns the commits that are reachable from some and not from others, newest first; a commit comes before
// its parents.
func (g *graph) reach(from, without []hash) []*commit {
	hide := g.closure(without, nil)
	show := g.closure(from, hide)
	out := make([]*commit, 0, len(show))
	for i := range show {
		out = append(out, &g.commits[i])
	}
	// Commits are stored parents first, so the place breaks ties of time. Clock skew in imported histories can put
	// a parent before its child; Bitbucket does the same.
	slices.SortFunc(out, func(a, b *commit) int {
		return cmp.Or(cmp.Compare(b.done, a.done), cmp.Compare(g.at[b.hash], g.at[a.hash]))
	})
	return out
}

func (g *graph) closure(from []hash, except map[int]bool) map[int]bool {
	seen := map[int]bool{}
	var todo []int
	visit := func(h hash) {
		if i, ok := g.at[h]; ok && !seen[i] && !except[i] {
			seen[i] = true
			todo = append(todo, i)
		}
	}
	for _, h := range from {
		visit(h)
	}
	for len(todo) > 0 {
		i := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		for _, p := range g.commits[i].parents {
			visit(p)
		}
	}
	return seen
}

// heads returns all branch and tag heads.
func (g *graph) heads() []hash {
	var hs []hash
	for _, h := range g.branches {
		hs = append(hs, h)
	}
	for _, h := range g.tags {
		hs = append(hs, h)
	}
	return hs
}

// graph returns the commits of a repository. It may be called with the world locked for reading.
func (w *world) graph(r *repo) *graph {
	if g := r.history.graph.Load(); g != nil {
		return g
	}
	r.history.mu.Lock()
	defer r.history.mu.Unlock()
	if g := r.history.graph.Load(); g != nil {
		return g
	}
	g := newGraph()
	g.branches, g.tags = w.writeHistory(r, g)
	r.history.graph.Store(g)
	return g
}
