package query

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/windlass-hq/windlass/internal/graph"
	"github.com/windlass-hq/windlass/internal/store"
)

// Schema is what the graph knows: what the model declares, and what the store has met. It is a value.
type Schema struct {
	model *graph.Model
	kinds []store.Kind
	rels  []store.RelKind
}

// NewSchema joins the declared model with the kinds of a store.
func NewSchema(model *graph.Model, kinds []store.Kind, rels []store.RelKind) Schema {
	return Schema{model: model, kinds: kinds, rels: rels}
}

// canonical returns the type that an alias such as bitbucket_pullrequest stands for.
func (s Schema) canonical(name string) string { return s.model.Canonical(name) }

// selected returns the types that a selector means.
func (s Schema) selected(name string) []string {
	found := map[string]bool{}
	for _, t := range s.model.Types() {
		if s.matches(name, t.Type, t.Classes) {
			found[t.Type] = true
		}
	}
	for _, k := range s.kindsOf(name) {
		found[k.Type] = true
	}
	return sortedKeys(found)
}

// kindsOf returns the stored kinds that a selector means.
func (s Schema) kindsOf(name string) []store.Kind {
	var out []store.Kind
	for _, k := range s.kinds {
		if s.matches(name, k.Type, k.Classes) {
			out = append(out, k)
		}
	}
	return out
}

// matches reports whether a selector means a type: by its class when it begins in upper case, else by the type or an
// alias of it. An underscore suggests a type even behind an upper-case initial, so both are tried then.
func (s Schema) matches(name, typ string, classes []string) bool {
	class := isClass(name)
	return class && contains(classes, name) || (!class || strings.Contains(name, "_")) && typ == s.canonical(name)
}

// isClass reports whether a selector names a class, which an upper-case initial says.
func isClass(name string) bool {
	first, _ := utf8.DecodeRuneInString(name)
	return unicode.IsUpper(first)
}

func (s Schema) typeNames() []string {
	names := map[string]bool{}
	for _, t := range s.model.Types() {
		names[t.Type] = true
	}
	for _, k := range s.kinds {
		names[k.Type] = true
	}
	return sortedKeys(names)
}

func (s Schema) classNames() []string {
	names := map[string]bool{}
	for _, t := range s.model.Types() {
		for _, c := range t.Classes {
			names[c] = true
		}
	}
	for _, k := range s.kinds {
		for _, c := range k.Classes {
			names[c] = true
		}
	}
	return sortedKeys(names)
}

func (s Schema) verbNames() []string {
	names := map[string]bool{}
	for _, r := range s.model.Relationships() {
		names[r.Verb] = true
	}
	for _, r := range s.rels {
		names[r.Verb] = true
	}
	return sortedKeys(names)
}

// joins reports whether one of the verbs (any for none) goes from one of the types to another.
func (s Schema) joins(from, verbs, to []string) bool {
	match := func(f, verb, t string) bool {
		return contains(from, f) && contains(to, t) && (len(verbs) == 0 || contains(verbs, verb))
	}
	for _, r := range s.model.Relationships() {
		if match(r.From, r.Verb, r.To) {
			return true
		}
	}
	types := map[int64]string{}
	for _, k := range s.kinds {
		types[k.ID] = k.Type
	}
	for _, r := range s.rels {
		if match(types[r.From], r.Verb, types[r.To]) {
			return true
		}
	}
	return false
}

// properties returns the declared properties of the types; complete is false where one of them is not declared.
func (s Schema) properties(types []string) (names []string, complete bool) {
	found := map[string]bool{}
	for _, t := range types {
		d, ok := s.model.Type(t)
		if !ok {
			return nil, false
		}
		for _, p := range d.Properties {
			found[p.Name] = true
		}
	}
	return sortedKeys(found), true
}

// edgeProperties returns the declared properties of relationships of the verbs; of all for none.
func (s Schema) edgeProperties(verbs []string) []string {
	found := map[string]bool{}
	for _, r := range s.model.Relationships() {
		if len(verbs) == 0 || contains(verbs, r.Verb) {
			for _, p := range r.Properties {
				found[p.Name] = true
			}
		}
	}
	return sortedKeys(found)
}

// forgotten returns the properties of a type that keep their present value only.
func (s Schema) forgotten(typ string) []string {
	t, _ := s.model.Type(typ)
	return currentOnly(t.Properties)
}

// forgottenOfEdge is forgotten for a kind of relationship.
func (s Schema) forgottenOfEdge(k store.RelKind) []string {
	for _, r := range s.model.Relationships() {
		if r.Verb == k.Verb && r.TypeName() == k.Type {
			return currentOnly(r.Properties)
		}
	}
	return nil
}

func currentOnly(properties []graph.PropertyDecl) []string {
	var out []string
	for _, p := range properties {
		if p.Keeping == graph.CurrentOnly {
			out = append(out, p.Name)
		}
	}
	return out
}

// scalar returns the one scalar shape that a property has on all kinds of a node, or "" where it may be anything: a
// kind is not declared, declares another shape, or the node takes any kind.
func (s Schema) scalar(kinds []store.Kind, property string) graph.ValueKind {
	shape := graph.ValueKind("")
	for _, k := range kinds {
		d, ok := s.model.Type(k.Type)
		if !ok {
			return ""
		}
		for _, p := range d.Properties {
			if p.Name != property {
				continue
			}
			if p.Kind == graph.Texts || shape != "" && shape != p.Kind {
				return ""
			}
			shape = p.Kind
		}
	}
	return shape
}

// entityMetadata lists the properties that every entity has besides its own.
func entityMetadata() []string {
	return []string{"_key", "_type", "_class", "_source", "_beginOn", "_endOn", "_createdOn", "_deleted", "_version", "displayName", "tag.AccountName"}
}

// edgeMetadata lists the properties that every relationship has besides its own.
func edgeMetadata() []string {
	return []string{"_key", "_type", "_class", "_beginOn", "_endOn", "_deleted", "_fromEntityKey", "_toEntityKey", "displayName"}
}
