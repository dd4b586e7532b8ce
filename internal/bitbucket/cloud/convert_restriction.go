package cloud

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/windlass-hq/windlass/internal/bitbucket"
	"github.com/windlass-hq/windlass/internal/graph"
)

// convertRestriction converts a branch restriction (FACTS 75) with its value, its branch type, and whom it allows or
// exempts: those need not be members of the workspace.
func convertRestriction(j bitbucket.JSON, p place, met *parties) (graph.Object, *bitbucket.Record, bool) {
	r := bitbucket.NewRecord(12)
	id, ok := readNumber(r, j.Get("id"))
	if !ok {
		return graph.Object{}, r, false
	}
	r.Props["id"] = id
	r.Text("type", j.Get("type"))
	kind := r.Text("name", j.Get("kind"))
	pattern := r.Text("pattern", j.Get("pattern"))
	matchKind := r.Text("matchKind", j.Get("branch_match_kind"))
	branchType := r.Text("branchType", j.Get("branch_type"))
	if matchKind == "glob" && j.Get("branch_type").Missing() {
		r.Props["branchType"] = nil // only rules about a branching model have one: a rule that was one before has none now
	}
	r.Number("value", j.Get("value"))
	users, usersKnown := named(r, "userIds", j.Get("users"), met.user)
	groups, groupsKnown := named(r, "groups", j.Get("groups"), met.group)

	key := p.Key + ":restriction:" + id
	name := strings.TrimSpace(cmp.Or(kind, "restriction "+id) + " " + cmp.Or(pattern, branchType))
	o := p.object(graph.TypeRestriction, key, name, graph.Has, r, bitbucket.Scrub(j))
	for _, to := range append(users, groups...) {
		o.Relationships = append(o.Relationships, graph.Relationship{From: key, Verb: graph.Allows, To: to})
	}
	if !usersKnown || !groupsKnown {
		o.UnknownVerbs = []string{graph.Allows}
	}
	return o, r, true
}

// named sets the ids of everybody in a list, in their order, and returns their keys. It is not known where the list is
// missing or holds somebody who cannot be told; null in the list is an account that is gone.
func named(r *bitbucket.Record, name string, list bitbucket.JSON, meet func(bitbucket.JSON) *party) (keys []string, known bool) {
	ids, byKey, unknown := map[string]bool{}, map[string]bool{}, false
	known = list.Elements(func(j bitbucket.JSON) {
		who := meet(j)
		switch {
		case who != nil:
			ids[who.id], byKey[who.key] = true, true
		case j.Null():
			r.Oddly(name, "a list with somebody who is gone")
		default:
			r.Oddly(name, "a list with somebody who has no identity")
			unknown = true
		}
	}) || list.Null()
	r.List(name, list)
	known = known && !unknown
	if known {
		r.Props[name] = boxed(slices.Sorted(maps.Keys(ids)))
	}
	return slices.Sorted(maps.Keys(byKey)), known
}
