// Package graph holds the nouns of Windlass: entities, relationships and the changes between their versions.
//
// Everything that enters the program becomes graph, and everything that happens later reads it, so this package
// knows nothing of providers, databases or HTTP and imports only the standard library. model.go declares which
// types exist and what their properties mean; docs/data-model.md is generated from it.
package graph

import (
	"strings"
	"time"
)

// Source says where an entity's facts come from; it is shown as the property _source.
type Source string

// The sources of DESIGN section 2.
const (
	Provider Source = "provider" // read from Bitbucket
	Derived  Source = "derived"  // computed by Windlass
	Imported Source = "imported"
	Catalog  Source = "catalog"
	Manual   Source = "manual"
)

// Properties are the facts of an entity or relationship by name. A value is nil, a bool, an int64, a float64, a
// string, a []any of scalars, or a map[string]any; times are int64 milliseconds since the epoch.
//
// In what a converter hands over, an absent name means unknown (the stored value stays) and a nil value means
// known to be absent (the stored value goes). Stored properties never hold nil.
type Properties map[string]any

// Entity is one thing of the graph as one reader saw it, or as it is stored.
type Entity struct {
	Key        string // stable and unique over all connections; DESIGN section 2 has the forms
	Type       string // such as bitbucket_repo
	Name       string // displayName
	Properties Properties
	Home       string // key of the entity this one dies with; empty for none
	Repo       string // key of the repository it belongs to, for the viewer's predicate; empty for none
	Project    string // key of the project it belongs to, likewise
	Source     Source // empty means Provider

	// Revision orders two answers about the same thing by the provider's own word: its version or its updated time
	// in milliseconds. Zero where the provider has neither.
	Revision int64
	// Raw is the provider's JSON object as received, secrets dropped. It is kept in one version and is no part of
	// the comparison.
	Raw []byte
}

// Relationship is a directed, named edge. Its key is From|VERB|To; repeats merge into its properties.
type Relationship struct {
	From, Verb, To string
	Properties     Properties
}

// Key returns the public key of the relationship.
func (r Relationship) Key() string { return r.From + "|" + strings.ToUpper(r.Verb) + "|" + r.To }

// Object is what one conversion yields: an entity together with the relationships that the same answer proves.
// The entity owns them: applying the object again replaces exactly those it brought before in the same scope.
type Object struct {
	Entity        Entity
	Relationships []Relationship
	// UnknownVerbs names verbs about which this answer says nothing: stored relationships of these verbs that the
	// entity owns stay as they are.
	UnknownVerbs []string
}

// Op is what happened to an entity.
type Op string

// The operations of a Change.
const (
	Created Op = "created"
	Updated Op = "updated"
	Closed  Op = "closed"
)

// Reason says why something was closed.
type Reason string

// Only Deleted may ever be called deleted (HARD-PARTS A, closing with care).
const (
	Deleted    Reason = "deleted"     // the provider said so, or it is absent from a parent proven readable
	NotVisible Reason = "not_visible" // it may still exist; no credential of ours sees it any more
	Withdrawn  Reason = "withdrawn"   // the owner removed the connection that saw it
)

// Cause is what made a change happen.
type Cause struct {
	Kind string `json:"kind"` // run, delivery or user
	ID   string `json:"id"`
}

// Change is one thing that really happened to one entity and the relationships it owns, in one stream.
type Change struct {
	Stream   int64      // id of the stream; Seq has no gaps within it
	Seq      int64      // starts at 1
	At       time.Time  // when Windlass observed it
	Op       Op         //
	Reason   Reason     // only with Closed
	ID       int64      // the store's id of the entity
	Key      string     //
	Type     string     //
	Old, New Properties // changed versioned properties only; a creation or closing carries neither
	Edges    []EdgeChange
	Cause    Cause
	Origin   string // the capability that wrote it; consumers ignore their own
	Depth    int    // length of the chain of changes that led here; more than MaxDepth is cut
}

// MaxDepth is the longest chain of changes causing changes (DESIGN section 1).
const MaxDepth = 4

// EdgeChange is a relationship created, updated or closed together with its owner. In a Created change the
// relationships of the new entity are not repeated.
type EdgeChange struct {
	Op   Op     `json:"op"`
	From string `json:"from"`
	Verb string `json:"verb"`
	To   string `json:"to"`
}
