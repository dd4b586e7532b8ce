package cloud

import (
	"cmp"
	"strings"

	"github.com/windlass-hq/windlass/internal/bitbucket"
	"github.com/windlass-hq/windlass/internal/graph"
)

// convertUserPermission converts what one user was granted directly: in a workspace owner, collaborator or member
// (FACTS 71), in a project or repository a level.
func convertUserPermission(j bitbucket.JSON, p place, met *parties) (graph.Object, *bitbucket.Record, bool) {
	return convertPermission(j, p, "user", met.user)
}

// convertGroupPermission converts what one group was granted directly.
func convertGroupPermission(j bitbucket.JSON, p place, met *parties) (graph.Object, *bitbucket.Record, bool) {
	return convertPermission(j, p, "group", met.group)
}

// convertPermission converts a grant. Its key names place and principal and not the level, so that a change of the
// level is a version and neither a deletion nor a creation. The level none grants nothing and is no object.
func convertPermission(j bitbucket.JSON, p place, kind string, meet func(bitbucket.JSON) *party) (graph.Object, *bitbucket.Record, bool) {
	r := bitbucket.NewRecord(8)
	who := meet(j.Get(kind))
	if who == nil {
		r.Oddly(kind, "not there or has no identity")
		return graph.Object{}, r, false
	}
	level := r.Text("permission", j.Get("permission"))
	if level == "none" {
		return graph.Object{}, r, true
	}
	if r.Text("name", j.Get("type")) == "" {
		r.Props["name"] = permissionType(p.Type, kind)
	}
	r.Props["principalKey"], r.Props["principalType"], r.Props["resourceKey"] = who.key, kind, p.Key
	key := p.Key + ":perm:" + who.key
	o := p.object(graph.TypePermission, key, cmp.Or(level, "something")+" for "+who.name, graph.Allows, r, bitbucket.Scrub(j))
	o.Relationships = append(o.Relationships, graph.Relationship{From: who.key, Verb: graph.Has, To: key})
	return o, r, true
}

// permissionType is the word that Bitbucket uses for a grant, for an answer that leaves it out.
func permissionType(place, kind string) string {
	switch place {
	case graph.TypeWorkspace:
		return "workspace_membership"
	case graph.TypeRepo:
		return "repository_" + kind + "_permission"
	}
	return strings.TrimPrefix(place, "bitbucket_") + "_" + kind + "_permission"
}
