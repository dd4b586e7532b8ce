package datacenter

import (
	"slices"
	"strings"

	"github.com/windlass-hq/windlass/internal/bitbucket"
	"github.com/windlass-hq/windlass/internal/graph"
)

// mentions collects the users and groups that one list of settings names, each once.
type mentions struct {
	people *bitbucket.People
	keys   keys
	groups map[string]bool // by name
	met    []graph.Object
}

func newMentions(k keys) *mentions {
	return &mentions{people: bitbucket.NewPeople("id", k.convertUser), keys: k, groups: map[string]bool{}}
}

// group adds a group of a name and returns its key.
func (m *mentions) group(name string) string {
	if !m.groups[name] {
		m.groups[name] = true
		m.met = append(m.met, m.keys.groupNamed(name))
	}
	return m.keys.group(name)
}

// take returns who was added since the last take.
func (m *mentions) take() []graph.Object {
	out := slices.Concat(m.met, m.people.Take())
	m.met = nil
	return out
}

// users reads a list of accounts as part of a record: who they are, in the order of their keys. Accounts that are gone
// stand as null. It returns false where not all can be told.
func (m *mentions) users(r *bitbucket.Record, name string, list bitbucket.JSON) (out []*bitbucket.Person, ok bool) {
	ok = true
	isList := list.Elements(func(v bitbucket.JSON) {
		switch who := m.people.Meet(v); {
		case who != nil:
			out = append(out, who)
		case !v.Null():
			r.Oddly(name, "a list with something that is no account with an identity")
			ok = false
		}
	})
	r.List(name, list)
	slices.SortFunc(out, func(a, b *bitbucket.Person) int { return order(a.ID, b.ID) })
	out = slices.CompactFunc(out, func(a, b *bitbucket.Person) bool { return a.ID == b.ID })
	return out, ok && (isList || list.Null())
}

// texts reads a list of texts as part of a record, sorted and each once, since their order means nothing. It returns
// false where not all can be read.
func texts(r *bitbucket.Record, name string, list bitbucket.JSON, read func(bitbucket.JSON) (string, bool)) (out []string, ok bool) {
	ok = true
	isList := list.Elements(func(v bitbucket.JSON) {
		if s, readable := read(v); readable && s != "" {
			out = append(out, s)
			return
		}
		r.Oddly(name, "a list with something that cannot be read")
		ok = false
	})
	r.List(name, list)
	slices.SortFunc(out, order)
	out = slices.Compact(out)
	return out, ok && (isList || list.Null())
}

// order compares numbers by value and other texts as such, so that 9 comes before 10.
func order(a, b string) int {
	if len(a) != len(b) && digits(a) && digits(b) {
		return len(a) - len(b)
	}
	return strings.Compare(a, b)
}

func digits(s string) bool {
	for _, c := range s {
		if c < '0' || c > '9' {
			return false
		}
	}
	return s != ""
}

// values returns texts as the value of a property.
func values(list []string) []any {
	out := make([]any, len(list))
	for i, s := range list {
		out[i] = s
	}
	return out
}
