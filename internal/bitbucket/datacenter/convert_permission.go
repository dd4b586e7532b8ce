package datacenter

import (
	"cmp"
	"strings"

	"github.com/windlass-hq/windlass/internal/bitbucket"
	"github.com/windlass-hq/windlass/internal/graph"
)

// permissions lists the direct grants to users and to groups (FACTS 133).
func (r resource) permissions(path, feature string) []bitbucket.Settings {
	grants := func(list, kind string) bitbucket.Settings {
		return r.settings(setting{
			list: list, feature: feature, title: kind + " permissions",
			listing: listing{path: path + "/" + kind + "s"},
			convert: all(func(v bitbucket.JSON, met *mentions) (graph.Object, *bitbucket.Record, bool) {
				return r.convertPermission(v, kind, met)
			}),
		})
	}
	return []bitbucket.Settings{grants(bitbucket.ListUserPermissions, "user"), grants(bitbucket.ListGroupPermissions, "group")}
}

// convertPermission converts a grant. Its key names place and holder, so that another level is the same grant changed.
func (r resource) convertPermission(j bitbucket.JSON, kind string, met *mentions) (graph.Object, *bitbucket.Record, bool) {
	holder, name := "", ""
	if kind == "user" {
		who := met.people.Meet(j.Get("user"))
		if who == nil {
			return graph.Object{}, nil, false
		}
		login, _ := bitbucket.Inner(j.Get("user"), "name").Text()
		holder, name = who.Key, cmp.Or(who.Name, login, who.ID)
	} else {
		name, _ = bitbucket.Inner(j.Get("group"), "name").Text()
		if name == "" {
			return graph.Object{}, nil, false
		}
		holder = met.group(name)
	}
	rec := bitbucket.NewRecord(6)
	rec.Props["name"] = r.word + "_" + kind + "_permission"
	label := "permission"
	if granted := rec.Text("permission", j.Get("permission")); granted != "" {
		label = level(granted)
		rec.Props["permission"] = label
	}
	rec.Props["principalKey"], rec.Props["principalType"], rec.Props["resourceKey"] = holder, kind, r.Key
	e := r.entity(graph.TypePermission, ":perm:"+holder, label+" for "+name, rec, bitbucket.Scrub(j))
	return graph.Object{Entity: e, Relationships: []graph.Relationship{
		{From: r.Key, Verb: graph.Allows, To: e.Key},
		{From: holder, Verb: graph.Has, To: e.Key},
	}}, rec, true
}

// level returns the word that both products have for a permission: REPO_WRITE and PROJECT_WRITE are write. What may be
// done on the instance keeps its name, in lower case.
func level(permission string) string {
	switch permission {
	case "PROJECT_CREATE":
		return "project_create"
	case "REPO_CREATE":
		return "create-repo"
	}
	for _, of := range []string{"REPO_", "PROJECT_"} {
		if short, ok := strings.CutPrefix(permission, of); ok && short != "" {
			return strings.ToLower(short)
		}
	}
	return strings.ToLower(permission)
}
