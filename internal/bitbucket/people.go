package bitbucket

import (
	"slices"
	"strings"

	"github.com/windlass-hq/windlass/internal/graph"
)

// People collects everybody who is mentioned in one listing, each once.
type People struct {
	identity string // member of an account that holds its identity
	convert  func(JSON) (graph.Object, *Record, bool)
	met      []graph.Object
	seen     map[string]*Person // by the identity as it was written
}

// Person is somebody who was met.
type Person struct {
	ID, Key, Name string
	id, name      any // ID and Name, boxed once, since they stand in many lists
}

// NewPeople returns an empty collection of accounts that are told apart by a member of their JSON and converted by a
// function, which sets the properties id and name.
func NewPeople(identity string, convert func(JSON) (graph.Object, *Record, bool)) *People {
	return &People{identity: identity, convert: convert, seen: map[string]*Person{}}
}

// Meet adds the account and returns who it is; nil where it has no identity.
func (p *People) Meet(j JSON) *Person {
	if !j.IsObject() {
		return nil
	}
	id := j.Get(p.identity)
	if known := p.seen[string(id)]; known != nil {
		return known
	}
	o, _, ok := p.convert(j)
	if !ok {
		return nil
	}
	p.met = append(p.met, o)
	known := &Person{Key: o.Entity.Key, id: o.Entity.Properties["id"], name: o.Entity.Properties["name"]}
	known.ID, _ = known.id.(string)
	known.Name, _ = known.name.(string)
	known.name = known.Name // a list of names has a text for everybody
	p.seen[string(id)] = known
	return known
}

// Take returns whom Meet added since the last Take.
func (p *People) Take() []graph.Object {
	met := p.met
	p.met = nil
	return met
}

// Person sets the id and name of somebody mentioned; both are absent where the account is gone. It returns nil where
// nobody can be told.
func (r *Record) Person(idName, textName string, j JSON, met *People) *Person {
	switch {
	case j.Missing():
		return nil
	case j.Null():
		r.Props[idName], r.Props[textName] = nil, nil
		return nil
	}
	who := met.Meet(j)
	if who == nil {
		r.Oddly(idName, "no account with an identity")
		return nil
	}
	r.Props[idName] = who.id
	if who.Name != "" {
		r.Props[textName] = who.name
	}
	return who
}

// Review is what is known about one person and one pull request.
type Review struct {
	Who                        *Person
	Requested, Acted, Approved bool
	State                      any // approved or changes_requested; nil for neither
	ParticipatedOn             any // milliseconds; nil where it is not known
	Reviewed, Approval         graph.Properties
}

// Reviews are the reviews of one pull request, one for each person.
type Reviews struct{ list []Review }

// Of returns the review of a person, which it adds where there is none. The pointer is good until the next call.
func (v *Reviews) Of(who *Person) *Review {
	for i := range v.list {
		if v.list[i].Who.ID == who.ID {
			return &v.list[i]
		}
	}
	if v.list == nil {
		v.list = make([]Review, 0, 8)
	}
	v.list = append(v.list, Review{Who: who})
	return &v.list[len(v.list)-1]
}

// Sort puts the reviews into the order of the people's ids, because the order of an answer means nothing and must not
// make a version.
func (v *Reviews) Sort() {
	slices.SortFunc(v.list, func(a, b Review) int { return strings.Compare(a.Who.ID, b.Who.ID) })
}

// SetReviewers sets who was asked.
func (v *Reviews) SetReviewers(r *Record) {
	v.names(r, "reviewerIds", "reviewers", func(x *Review) bool { return x.Requested })
}

// SetApprovals sets whose approval is current, and adds the relationships of everybody who was asked or acted.
// Properties of those come from describe.
func (v *Reviews) SetApprovals(o *graph.Object, r *Record, author *Person, describe func(*Review)) {
	v.names(r, "approverIds", "approvers", func(x *Review) bool { return x.Approved })
	for i := range v.list {
		x := &v.list[i]
		own := author != nil && x.Who.ID == author.ID
		reviewed := x.Requested || x.Acted && (!own || x.State != nil || x.Approved)
		if !reviewed && !x.Approved {
			continue // only mentioned, or the author who took part in the talk: neither is a review
		}
		describe(x)
		if x.Approved {
			o.Relationships = append(o.Relationships, graph.Relationship{
				From: x.Who.Key, Verb: graph.Approved, To: o.Entity.Key, Properties: x.Approval,
			})
		}
		if reviewed {
			o.Relationships = append(o.Relationships, graph.Relationship{
				From: x.Who.Key, Verb: graph.Reviewed, To: o.Entity.Key, Properties: x.Reviewed,
			})
		}
	}
}

// names sets two parallel lists, of ids and of names.
func (v *Reviews) names(r *Record, idName, textName string, keep func(*Review) bool) {
	n := 0
	for i := range v.list {
		if keep(&v.list[i]) {
			n++
		}
	}
	ids, names := make([]any, 0, n), make([]any, 0, n)
	for i := range v.list {
		if keep(&v.list[i]) {
			ids = append(ids, v.list[i].Who.id)
			names = append(names, v.list[i].Who.name)
		}
	}
	r.Props[idName], r.Props[textName] = ids, names
}
