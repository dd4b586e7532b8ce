package cloud

import (
	"cmp"

	"github.com/windlass-hq/windlass/internal/bitbucket"
	"github.com/windlass-hq/windlass/internal/graph"
)

// parties collects everybody whom a list of settings names, accounts and groups, each once. So whatever points to
// somebody has somebody to point to, though they are no members of the workspace.
type parties struct {
	people *bitbucket.People
	place  place
	groups map[string]bool
	met    []graph.Object
}

// party is a user or a group.
type party struct {
	kind string // user or group
	key  string
	id   string // UUID of a user, slug of a group
	name string
}

func newParties(p place) *parties {
	return &parties{people: newPeople(), place: p, groups: map[string]bool{}}
}

// user adds an account; nil where it has no identity.
func (m *parties) user(j bitbucket.JSON) *party {
	who := m.people.Meet(j)
	if who == nil {
		return nil
	}
	return &party{kind: "user", key: who.Key, id: who.ID, name: cmp.Or(who.Name, who.ID)}
}

// group adds a group; nil where it has no identity.
func (m *parties) group(j bitbucket.JSON) *party {
	o, r, ok := convertGroupShort(j, m.place)
	if !ok {
		return nil
	}
	if !m.groups[o.Entity.Key] {
		m.groups[o.Entity.Key] = true
		m.met = append(m.met, o)
	}
	slug, _ := r.Props["slug"].(string)
	return &party{kind: "group", key: o.Entity.Key, id: slug, name: o.Entity.Name}
}

// take returns whom user and group added since the last take.
func (m *parties) take() []graph.Object {
	met := append(m.people.Take(), m.met...)
	m.met = nil
	return met
}
