// Package goldentest shows what the clients of both products make of a page, for golden files, and holds it against
// the declared model.
package goldentest

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/windlass-hq/windlass/internal/bitbucket"
	"github.com/windlass-hq/windlass/internal/graph"
)

// Page is a converted page, or several, as golden files show it.
type Page struct {
	Objects []Object            `json:"objects"`
	Met     []Object            `json:"met,omitempty"`
	Repos   []bitbucket.RepoRef `json:"repos,omitempty"`
	Odd     []bitbucket.Odd     `json:"odd,omitempty"`
}

// Object is a graph object. Its raw JSON is shown only where it is not the element as it was received.
type Object struct {
	Key           string           `json:"key"`
	Type          string           `json:"type"`
	Name          string           `json:"name"`
	Home          string           `json:"home,omitempty"`
	Repo          string           `json:"repo,omitempty"`
	Project       string           `json:"project,omitempty"`
	Revision      int64            `json:"revision,omitempty"`
	Properties    graph.Properties `json:"properties"`
	Relationships []Relationship   `json:"relationships,omitempty"`
	UnknownVerbs  []string         `json:"unknownVerbs,omitempty"`
	Scrubbed      json.RawMessage  `json:"scrubbed,omitempty"`
}

// Relationship is a relationship that an object owns.
type Relationship struct {
	Key        string           `json:"key"`
	Properties graph.Properties `json:"properties,omitempty"`
}

// Add appends what a client made of the input.
func (g *Page) Add(input []byte, p bitbucket.Page) {
	g.Objects = append(g.Objects, show(input, p.Objects)...)
	g.Met = append(g.Met, show(input, p.Met)...)
	g.Odd = append(g.Odd, p.Odd...)
	g.Repos = append(g.Repos, p.Repos...)
}

func show(input []byte, objects []graph.Object) []Object {
	var out []Object
	for _, o := range objects {
		g := Object{
			Key: o.Entity.Key, Type: o.Entity.Type, Name: o.Entity.Name, Home: o.Entity.Home, Repo: o.Entity.Repo,
			Project: o.Entity.Project, Revision: o.Entity.Revision, Properties: o.Entity.Properties, UnknownVerbs: o.UnknownVerbs,
		}
		if !bytes.Contains(input, o.Entity.Raw) {
			g.Scrubbed = o.Entity.Raw
		}
		for _, r := range o.Relationships {
			g.Relationships = append(g.Relationships, Relationship{r.Key(), r.Properties})
		}
		out = append(out, g)
	}
	return out
}

// CheckDeclared fails for every type, property, kind of value and relationship that the model does not declare. The
// type of an end that is not among the objects comes from typeOf.
func CheckDeclared(t *testing.T, objects []graph.Object, typeOf func(key string) string) {
	t.Helper()
	model := graph.Standard()
	types := map[string]string{}
	for _, o := range objects {
		types[o.Entity.Key] = o.Entity.Type
		checkProperties(t, model, o.Entity)
	}
	end := func(key string) string {
		if types[key] != "" {
			return types[key]
		}
		return typeOf(key)
	}
	declared := map[string]graph.RelationshipDecl{}
	for _, r := range model.Relationships() {
		declared[r.TypeName()] = r
	}
	for _, o := range objects {
		for _, r := range o.Relationships {
			name := graph.RelationshipType(end(r.From), r.Verb, end(r.To))
			decl, ok := declared[name]
			if !ok {
				t.Errorf("relationship %s (%s) is not declared", name, r.Key())
			}
			for p, value := range r.Properties {
				checkValue(t, name, decl.Properties, p, value)
			}
		}
	}
}

func checkProperties(t *testing.T, model *graph.Model, e graph.Entity) {
	t.Helper()
	decl, ok := model.Type(e.Type)
	if !ok {
		t.Errorf("type %q is not declared", e.Type)
	}
	for name, value := range e.Properties {
		checkValue(t, e.Type, decl.Properties, name, value)
	}
	if e.Raw != nil && !json.Valid(e.Raw) {
		t.Errorf("%s: raw is no JSON: %s", e.Key, e.Raw)
	}
}

func checkValue(t *testing.T, of string, declared []graph.PropertyDecl, name string, value any) {
	t.Helper()
	for _, d := range declared {
		if d.Name == name {
			if value != nil && !fits(d.Kind, value) {
				t.Errorf("%s.%s = %T, declared %s", of, name, value, d.Kind)
			}
			return
		}
	}
	t.Errorf("%s.%s is not declared", of, name)
}

func fits(kind graph.ValueKind, value any) bool {
	switch value.(type) {
	case string:
		return kind == graph.Text
	case bool:
		return kind == graph.Flag
	case int64:
		return kind == graph.Number || kind == graph.Time
	case []any:
		return kind == graph.Texts
	}
	return false
}
