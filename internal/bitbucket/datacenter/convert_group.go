package datacenter

import (
	"cmp"
	"net/url"

	"github.com/windlass-hq/windlass/internal/bitbucket"
	"github.com/windlass-hq/windlass/internal/graph"
)

// groupNamed returns a group, of which nothing but its name is ever told.
func (k keys) groupNamed(name string) graph.Object {
	return graph.Object{Entity: graph.Entity{
		Key: k.group(name), Type: graph.TypeGroup, Name: name, Properties: graph.Properties{"name": name, "ownerId": k.iid},
		Home: k.instance(), Source: graph.Provider,
	}}
}

// groups lists the names of the groups, which every user may.
func (r resource) groups() bitbucket.Settings {
	return r.settings(setting{
		list: bitbucket.ListGroups, feature: bitbucket.FeatureGroups, title: "groups",
		listing: listing{path: "/api/latest/groups"},
		convert: all(func(v bitbucket.JSON, _ *mentions) (graph.Object, *bitbucket.Record, bool) {
			return r.c.keys.convertGroup(v)
		}),
	})
}

// convertGroup converts an element of the list of names.
func (k keys) convertGroup(v bitbucket.JSON) (graph.Object, *bitbucket.Record, bool) {
	name, _ := v.Text()
	if name == "" {
		return graph.Object{}, nil, false
	}
	o := k.groupNamed(name)
	o.Relationships = []graph.Relationship{{From: k.instance(), Verb: graph.Has, To: o.Entity.Key}}
	return o, bitbucket.NewRecord(0), true
}

// members lists who is in a group. The path is one of administrators, where tokens are not let in (FACTS 113).
func (r resource) members() bitbucket.Settings {
	return r.settings(setting{
		list: bitbucket.ListGroupMembers, feature: bitbucket.FeatureGroupMembers, title: "members",
		listing: listing{path: "/api/latest/admin/groups/more-members", query: url.Values{"context": {cmp.Or(r.Name, r.Slug)}}},
		gather:  func() gatherer { return &members{group: r.Key} }, verb: graph.Has,
	})
}

// members are the users of one group.
type members struct {
	group string // graph key
	edges []graph.Relationship
}

func (m *members) add(v bitbucket.JSON, met *mentions) (*bitbucket.Record, bool) {
	who := met.people.Meet(v)
	if who == nil {
		return nil, false
	}
	m.edges = append(m.edges, graph.Relationship{From: m.group, Verb: graph.Has, To: who.Key})
	return bitbucket.NewRecord(0), true
}

func (m *members) say() (graph.Properties, []graph.Relationship) { return nil, m.edges }
