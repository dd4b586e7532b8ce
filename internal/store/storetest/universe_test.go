package storetest_test

import (
	"time"

	"pgregory.net/rapid"

	"github.com/windlass-hq/windlass/internal/graph"
)

// universe is everything that random answers speak of. It is small, so that answers meet and failures shrink to a
// few steps that a person can follow. Its keys begin with the prefix, so that many universes share one database.
type universe struct{ prefix string }

// Who lives where. A repository's home may move between the projects of its workspace.
var (
	projectsOf = map[string][]string{"w1": {"p1", "p2"}, "w2": {"p3"}}
	reposOf    = map[string][]string{"w1": {"r1", "r2", "r3"}, "w2": {"r4"}}
	pullsOf    = map[string][]string{"r1": {"a", "b"}, "r2": {"c"}, "r3": {"d"}, "r4": {"e", "f"}}
	people     = []string{"u1", "u2", "u3", "u4"}
)

// listing is a kind of scope under one parent.
type listing struct {
	name, parent string
	members      []string
	draw         func(*rapid.T, string) (object graph.Object, met []graph.Object)
}

func (u universe) key(name string) string {
	if name == "" {
		return ""
	}
	return u.prefix + name
}

// listings returns everything that a connection can list.
func (u universe) listings() []listing {
	out := []listing{{name: "workspaces", members: []string{"w1", "w2"}, draw: u.workspace}}
	for _, w := range []string{"w1", "w2"} {
		out = append(out,
			listing{"settings", w, []string{w}, func(t *rapid.T, p string) (graph.Object, []graph.Object) { return u.facet(t, graph.TypeWorkspace, p) }},
			listing{"projects", w, projectsOf[w], func(t *rapid.T, p string) (graph.Object, []graph.Object) { return u.project(t, w, p), nil }},
			listing{"members", w, people, func(t *rapid.T, p string) (graph.Object, []graph.Object) { return u.member(t, w, p), nil }},
			listing{"repositories", w, reposOf[w], func(t *rapid.T, r string) (graph.Object, []graph.Object) { return u.repo(t, w, r) }},
		)
		for _, r := range reposOf[w] {
			out = append(out, listing{"reviewers", r, []string{r}, func(t *rapid.T, p string) (graph.Object, []graph.Object) { return u.facet(t, graph.TypeRepo, p) }})
			out = append(out, listing{"pulls", r, pullsOf[r], func(t *rapid.T, p string) (graph.Object, []graph.Object) { return u.pull(t, r, p) }})
		}
	}
	return out
}

// entity draws what all types share. The simplest draw is an answer with a name and nothing else.
func (u universe) entity(t *rapid.T, typ, name string) graph.Entity {
	return graph.Entity{
		Key:        u.key(name),
		Type:       typ,
		Name:       rapid.SampledFrom([]string{"A", "B", ""}).Draw(t, "name"),
		Revision:   rapid.SampledFrom([]int64{0, 0, 1, 2, 3}).Draw(t, "revision"),
		Properties: graph.Properties{},
	}
}

// fact draws a property: unknown, known to be absent, or one of the values.
func fact(t *rapid.T, p graph.Properties, name string, values ...any) {
	switch i := rapid.IntRange(0, len(values)+1).Draw(t, name); i {
	case 0:
	case len(values) + 1:
		p[name] = nil
	default:
		p[name] = values[i-1]
	}
}

// facet draws what a list about a thing itself says of it: a property that its own listing may tell too, and people.
func (u universe) facet(t *rapid.T, typ, name string) (graph.Object, []graph.Object) {
	e := graph.Entity{Key: u.key(name), Type: typ, Properties: graph.Properties{}}
	fact(t, e.Properties, "isPrivate", true, false)
	o := graph.Object{Entity: e}
	var met []graph.Object
	for _, person := range people[:2] {
		if rapid.Bool().Draw(t, "reviewer "+person) {
			o.Relationships = append(o.Relationships, graph.Relationship{From: u.key(person), Verb: graph.Reviews, To: e.Key})
			met = append(met, graph.Object{Entity: graph.Entity{Key: u.key(person), Type: graph.TypeUser, Name: "Met"}})
		}
	}
	if rapid.IntRange(0, 3).Draw(t, "met too") == 3 {
		met = append(met, graph.Object{Entity: graph.Entity{Key: e.Key, Type: typ, Name: "Met"}})
	}
	return o, met
}

func (u universe) workspace(t *rapid.T, name string) (graph.Object, []graph.Object) {
	e := u.entity(t, graph.TypeWorkspace, name)
	fact(t, e.Properties, "isPrivate", true, false)
	return graph.Object{Entity: e}, nil
}

func (u universe) project(t *rapid.T, workspace, name string) graph.Object {
	e := u.entity(t, graph.TypeProject, name)
	e.Home = u.key(workspace)
	fact(t, e.Properties, "description", "x", "y")
	return graph.Object{Entity: e, Relationships: []graph.Relationship{{From: u.key(workspace), Verb: graph.Owns, To: e.Key}}}
}

func (u universe) member(t *rapid.T, workspace, name string) graph.Object {
	e := u.entity(t, graph.TypeUser, name)
	fact(t, e.Properties, "nickname", "x", "y")
	return graph.Object{Entity: e, Relationships: []graph.Relationship{{From: u.key(workspace), Verb: graph.Has, To: e.Key}}}
}

// repo draws a repository; its project is met in the same answer, mostly.
func (u universe) repo(t *rapid.T, workspace, name string) (graph.Object, []graph.Object) {
	e := u.entity(t, graph.TypeRepo, name)
	fact(t, e.Properties, "description", "x", "y")
	fact(t, e.Properties, "size", 1, 2) // current-only
	o := graph.Object{Relationships: []graph.Relationship{{From: u.key(workspace), Verb: graph.Owns, To: e.Key}}}
	var met []graph.Object
	if project := rapid.SampledFrom(append([]string{""}, projectsOf[workspace]...)).Draw(t, "project"); project != "" {
		e.Home, e.Project = u.key(project), u.key(project)
		o.Relationships = append(o.Relationships, graph.Relationship{From: u.key(project), Verb: graph.Has, To: e.Key})
		if rapid.Bool().Draw(t, "names its project") {
			met = append(met, graph.Object{Entity: graph.Entity{Key: u.key(project), Type: graph.TypeProject, Name: "A"}})
		}
	}
	if rapid.IntRange(0, 3).Draw(t, "unknown verbs") == 3 {
		o.UnknownVerbs = []string{graph.Has}
	}
	o.Entity = e
	return o, met
}

// pull draws a pull request; the people in it are met in the same answer, mostly.
func (u universe) pull(t *rapid.T, repo, name string) (graph.Object, []graph.Object) {
	e := u.entity(t, graph.TypePullRequest, name)
	e.Home, e.Repo = u.key(repo), u.key(repo)
	fact(t, e.Properties, "state", "OPEN", "MERGED")
	fact(t, e.Properties, "approved", true, false)
	fact(t, e.Properties, "reviewers", []any{"x"}, []any{"x", "y"})
	fact(t, e.Properties, "commentCount", 1, 2) // current-only
	fact(t, e.Properties, "createdOn", int64(1_700_000_000_000))
	o := graph.Object{Entity: e, Relationships: []graph.Relationship{{From: e.Home, Verb: graph.Has, To: e.Key}}}
	named := map[string]bool{}
	if author := rapid.SampledFrom([]string{"", "u1", "u2"}).Draw(t, "author"); author != "" {
		named[author] = true
		o.Relationships = append(o.Relationships, graph.Relationship{From: u.key(author), Verb: graph.Opened, To: e.Key})
	}
	for _, reviewer := range []string{"u2", "u3"} {
		if !rapid.Bool().Draw(t, "reviewed by "+reviewer) {
			continue
		}
		named[reviewer] = true
		p := graph.Properties{}
		fact(t, p, "state", "approved", "changes_requested")
		fact(t, p, "participatedOn", 1, 2) // current-only
		o.Relationships = append(o.Relationships, graph.Relationship{From: u.key(reviewer), Verb: graph.Reviewed, To: e.Key, Properties: p})
	}
	if rapid.IntRange(0, 3).Draw(t, "unknown verbs") == 3 {
		o.UnknownVerbs = []string{graph.Reviewed}
	}
	var met []graph.Object
	for _, person := range people {
		if named[person] && rapid.IntRange(0, 3).Draw(t, "unnamed "+person) < 3 {
			met = append(met, graph.Object{Entity: graph.Entity{Key: u.key(person), Type: graph.TypeUser, Name: "Met"}})
		}
	}
	return o, met
}

// delay draws how long before now an answer was asked for. Clock steps are of the same sizes, so that equal times
// happen.
func delay(t *rapid.T) time.Duration {
	return rapid.SampledFrom([]time.Duration{0, 0, time.Second, 5 * time.Second, 20 * time.Second}).Draw(t, "asked before")
}
