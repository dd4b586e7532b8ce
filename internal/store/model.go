package store

import "github.com/windlass-hq/windlass/internal/graph"

// model answers the writer's questions about declared types without building anything per object.
type model struct {
	classes map[string][]string
	keeping map[string]map[string]graph.Keeping // type → property
	edges   map[[3]string]map[string]graph.Keeping
	all     *graph.Model
}

func newModel(m *graph.Model) *model {
	out := &model{
		all: m, classes: map[string][]string{}, keeping: map[string]map[string]graph.Keeping{},
		edges: map[[3]string]map[string]graph.Keeping{},
	}
	byName := func(props []graph.PropertyDecl) map[string]graph.Keeping {
		names := make(map[string]graph.Keeping, len(props))
		for _, p := range props {
			names[p.Name] = p.Keeping
		}
		return names
	}
	for _, t := range m.Types() {
		out.classes[t.Type], out.keeping[t.Type] = t.Classes, byName(t.Properties)
	}
	for _, r := range m.Relationships() {
		out.edges[[3]string{r.From, r.Verb, r.To}] = byName(r.Properties)
	}
	return out
}

// derived reports whether a property of a type is computed at read and thus never stored.
func (m *model) derived(typ string) func(string) bool {
	names := m.keeping[typ]
	return func(p string) bool { return names[p] == graph.Computed }
}

// versioned reports whether a changed property makes a version; what is not declared does.
func (m *model) versioned(typ string) func(string) bool {
	names := m.keeping[typ]
	return func(p string) bool { return names[p] != graph.CurrentOnly }
}

func (m *model) edgeVersioned(from, verb, to string) func(string) bool {
	names := m.edges[[3]string{from, verb, to}]
	return func(p string) bool { return names[p] != graph.CurrentOnly }
}
