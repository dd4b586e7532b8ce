package storetest_test

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"github.com/windlass-hq/windlass/internal/graph"
)

// versioned returns the facts of a thing whose change makes a version.
func (w *world) versioned(t *thing) graph.Properties {
	out := graph.Properties{"_source": string(t.source)}
	if t.name != "" {
		out["displayName"] = t.name
	}
	if t.home != "" {
		out["_home"] = t.home
	}
	for name, value := range t.facts {
		if w.declared.Keeping(t.kind, name) == graph.Versioned {
			out[name] = value
		}
	}
	return out
}

// versionedTie does the same for a relationship.
func (w *world) versionedTie(name tie, facts graph.Properties) graph.Properties {
	out := maps.Clone(facts)
	for _, d := range w.declared.Relationships() {
		if d.From != w.things[name.from].kind || d.Verb != name.verb || d.To != w.things[name.to].kind {
			continue
		}
		for _, p := range d.Properties {
			if p.Keeping != graph.Versioned {
				delete(out, p.Name)
			}
		}
	}
	return out
}

// look renders what reading at this moment shows: versioned facts only, since only they have a past.
func (w *world) look() state {
	s := state{Entities: map[string]string{}, Edges: map[string]string{}}
	for key, t := range w.things {
		if t.open {
			s.Entities[key] = render(w.versioned(t))
		}
	}
	for name, e := range w.ties {
		s.Edges[name.String()] = render(w.versionedTie(name, e.facts))
	}
	return s
}

// inventory renders everything that is true now: all facts, version numbers, revisions and presences.
func (w *world) inventory() state {
	s := state{Entities: map[string]string{}, Edges: map[string]string{}}
	for key, t := range w.things {
		if t.open {
			scopes := []string{}
			for id := range t.seen {
				scopes = append(scopes, w.names[id])
			}
			slices.Sort(scopes)
			s.Entities[key] = render(entityView{t.name, t.home, string(t.source), t.version, t.revision, t.facts, scopes})
		}
	}
	for name, e := range w.ties {
		var seen []string
		for p := range e.seen {
			seen = append(seen, p.owner+" in "+w.names[p.scope])
		}
		slices.Sort(seen)
		s.Edges[name.String()] = render(edgeView{e.facts, seen})
	}
	return s
}

// entityView and edgeView are the shapes in which the model and the store are compared.
type entityView struct {
	Name, Home, Source string
	Version            int
	Revision           int64
	Facts              graph.Properties
	Scopes             []string
}

type edgeView struct {
	Facts graph.Properties
	Seen  []string
}

func (n tie) String() string { return n.from + "|" + strings.ToUpper(n.verb) + "|" + n.to }

func union(a, b graph.Properties) map[string]bool {
	out := map[string]bool{}
	for name := range a {
		out[name] = true
	}
	for name := range b {
		out[name] = true
	}
	return out
}

// render writes a value as JSON with sorted names, so that equal values are equal strings whatever their Go types.
func render(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // nothing here holds a channel or a function
	}
	return string(b)
}
