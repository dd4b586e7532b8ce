package cloud

import (
	"cmp"
	"context"
	"net/http"

	"github.com/windlass-hq/windlass/internal/bitbucket"
	"github.com/windlass-hq/windlass/internal/fault"
	"github.com/windlass-hq/windlass/internal/graph"
)

// groups lists the groups of a workspace with their members. Only the API 1.0 has them, which was removed but for this
// (FACTS 5). Where it does not answer any more, groups and members are unknown, which is not the same as none: the
// list ends with an error, and nothing is withdrawn.
func (p place) groups() bitbucket.Settings {
	return p.settings(bitbucket.ListGroups, "groups", bitbucket.FeatureGroups, func(ctx context.Context, right bitbucket.Right, l listing, yield func(bitbucket.Page) error) error {
		l.path, l.bare = "/1.0/groups/"+p.slugFirst(), true
		l.convert = p.converter(l.what, convertGroup)
		err := p.c.listFor(ctx, right, l, yield)
		if status := bitbucket.StatusOf(err); status == http.StatusNotFound || status == http.StatusGone {
			return fault.Wrap(err, fault.Unavailable, "the groups of %s and their members are unknown: the old API 1.0, the only one that lists groups, does not answer for it", cmp.Or(p.Name, p.OwnerSlug)).
				With("nothing was withdrawn; check that the credential's account administers the workspace, and watch Bitbucket's changelog")
		}
		return err
	})
}

// slugFirst names the workspace as the API 1.0 knows it: its slug, while one is known.
func (p place) slugFirst() string {
	if p.OwnerSlug != "" {
		return segment("", p.OwnerSlug)
	}
	return segment(p.OwnerID, "")
}

// convertGroup converts a group of the API 1.0, which brings its members.
func convertGroup(j bitbucket.JSON, p place, met *parties) (graph.Object, *bitbucket.Record, bool) {
	o, r, ok := groupObject(j, p, p.OwnerID)
	if !ok {
		return o, r, false
	}
	r.Text("permission", j.Get("permission"))
	r.Flag("autoAdd", j.Get("auto_add"))
	o.Entity.Raw = bitbucket.Scrub(j)
	members := j.Get("members")
	known := members.Elements(func(m bitbucket.JSON) {
		who := met.user(m)
		if who == nil {
			r.Oddly("members", "a list with somebody who has no identity")
			o.UnknownVerbs = []string{graph.Has}
			return
		}
		o.Relationships = append(o.Relationships, graph.Relationship{From: o.Entity.Key, Verb: graph.Has, To: who.key})
	})
	if !known {
		r.List("members", members)
		o.UnknownVerbs = []string{graph.Has}
	}
	return o, r, true
}

// convertGroupShort converts a group as permissions and restrictions embed it, which says nothing about its members.
// A group of another workspace stays that workspace's.
func convertGroupShort(j bitbucket.JSON, p place) (graph.Object, *bitbucket.Record, bool) {
	workspace := p.OwnerID
	if id, ok := readUUID(bitbucket.Inner(j, "workspace", "uuid")); ok {
		workspace = id
	}
	o, r, ok := groupObject(j, p, workspace)
	o.UnknownVerbs = []string{graph.Has}
	return o, r, ok
}

// groupObject is what both forms of a group tell. Its raw object is left out: the short form must not replace the
// whole one.
func groupObject(j bitbucket.JSON, p place, workspace string) (graph.Object, *bitbucket.Record, bool) {
	r := bitbucket.NewRecord(8)
	slug, ok := readSlug(j.Get("slug"))
	if !ok || workspace == "" {
		return graph.Object{}, r, false
	}
	r.Props["slug"] = slug
	name := r.Text("name", j.Get("name"))
	r.Props["ownerId"] = workspace
	setLink(r, j.Get("links"))
	key, owner := groupKey(workspace, slug), thingKey(workspace)
	o := graph.Object{
		Entity:        graph.Entity{Key: key, Type: graph.TypeGroup, Name: cmp.Or(name, slug), Properties: r.Props, Home: owner, Source: graph.Provider},
		Relationships: []graph.Relationship{{From: owner, Verb: graph.Has, To: key}},
	}
	if workspace != p.OwnerID {
		o.Relationships = nil // the other workspace may not be collected at all
	}
	return o, r, true
}
