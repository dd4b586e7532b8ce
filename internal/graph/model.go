package graph

import (
	"maps"
	"sort"
	"strings"
)

// Keeping says what the store does when a property's value changes.
type Keeping string

// The three ways of HARD-PARTS A, "versioned, current-only, derived".
const (
	Versioned   Keeping = "versioned"    // a change closes the version and appends a Change
	CurrentOnly Keeping = "current-only" // overwritten in place: no version, no Change
	Computed    Keeping = "derived"      // computed when read, never stored
)

// ValueKind is the shape of a property's value.
type ValueKind string

// The shapes. A Time is an int64 of milliseconds since the epoch.
const (
	Text   ValueKind = "string"
	Number ValueKind = "number"
	Flag   ValueKind = "boolean"
	Time   ValueKind = "time"
	Texts  ValueKind = "string list"
)

// PropertyDecl declares one property of a type.
type PropertyDecl struct {
	Name    string
	Kind    ValueKind
	Keeping Keeping
	Doc     string
}

// TypeDecl declares an entity type.
type TypeDecl struct {
	Type       string
	Classes    []string
	KeyForm    string
	Home       string // what it dies with, in words; empty for nothing
	Doc        string
	Properties []PropertyDecl
}

// RelationshipDecl declares which types a verb joins.
type RelationshipDecl struct {
	From, Verb, To string
	Doc            string
	Properties     []PropertyDecl
}

// TypeName returns the JupiterOne style _type of the relationship, such as bitbucket_repo_has_pull_request: the
// second type loses the prefix it shares with the first.
func (r RelationshipDecl) TypeName() string { return RelationshipType(r.From, r.Verb, r.To) }

// RelationshipType builds the _type of a relationship from the types of its ends (reference/jupiterone.md 1.3).
func RelationshipType(from, verb, to string) string {
	if prefix, _, ok := strings.Cut(from, "_"); ok {
		to = strings.TrimPrefix(to, prefix+"_")
	}
	return from + "_" + strings.ToLower(verb) + "_" + to
}

// Model is the declared part of the graph. It is a value without mutable state; catalog and imported types live
// beside it.
type Model struct {
	types         map[string]TypeDecl
	aliases       map[string]string
	relationships []RelationshipDecl
}

// Standard returns the model of everything that Windlass itself produces.
func Standard() *Model {
	m := &Model{types: map[string]TypeDecl{}, aliases: map[string]string{"bitbucket_pullrequest": "bitbucket_pull_request"}}
	for _, t := range append(bitbucketTypes(), settingsTypes()...) {
		m.types[t.Type] = t
	}
	m.relationships = bitbucketRelationships()
	return m
}

// Type returns the declaration of a type or of an alias of it.
func (m *Model) Type(name string) (TypeDecl, bool) {
	t, ok := m.types[m.Canonical(name)]
	return t, ok
}

// Canonical returns the type that an alias stands for, or the name itself.
func (m *Model) Canonical(name string) string {
	if t, ok := m.aliases[name]; ok {
		return t
	}
	return name
}

// Types returns all declarations in order of their names.
func (m *Model) Types() []TypeDecl {
	out := make([]TypeDecl, 0, len(m.types))
	for _, t := range m.types {
		out = append(out, t)
	}
	sort.Slice(out, func(i, j int) bool { return out[i].Type < out[j].Type })
	return out
}

// Aliases returns the other names of types, by alias.
func (m *Model) Aliases() map[string]string {
	out := make(map[string]string, len(m.aliases))
	maps.Copy(out, m.aliases)
	return out
}

// Relationships returns all declared relationships in declaration order.
func (m *Model) Relationships() []RelationshipDecl {
	return append([]RelationshipDecl(nil), m.relationships...)
}

// Keeping returns how the store keeps a property of a type. What is not declared is versioned.
func (m *Model) Keeping(typ, property string) Keeping {
	t, ok := m.Type(typ)
	if !ok {
		return Versioned
	}
	for _, p := range t.Properties {
		if p.Name == property {
			return p.Keeping
		}
	}
	return Versioned
}
