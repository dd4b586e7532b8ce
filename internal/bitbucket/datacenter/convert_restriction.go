package datacenter

import (
	"cmp"
	"strings"

	"github.com/windlass-hq/windlass/internal/bitbucket"
	"github.com/windlass-hq/windlass/internal/graph"
)

// anyRef is the id of the matcher that chooses every branch and tag.
const anyRef = "ANY_REF_MATCHER_ID"

// restrictions lists the branch permissions of a place (FACTS 134).
func (r resource) restrictions() bitbucket.Settings {
	return r.settings(setting{
		list: bitbucket.ListRestrictions, feature: bitbucket.FeatureRestrictions, title: "branch restrictions",
		listing: listing{path: "/branch-permissions/latest" + r.path + "/restrictions"},
		skip:    ofScope(r), convert: all(r.convertRestriction),
	})
}

func (r resource) convertRestriction(j bitbucket.JSON, met *mentions) (graph.Object, *bitbucket.Record, bool) {
	w := readRestriction(j)
	id, ok := readID(w.id)
	if !ok {
		return graph.Object{}, nil, false
	}
	rec := bitbucket.NewRecord(12)
	rec.Props["id"] = id
	kind := rec.Text("type", w.kind)
	if kind != "" {
		rec.Props["name"] = kind
	}
	rec.Object("matcher", w.matcher)
	m := readMatcher(w.matcher)
	rec.Text("matchKind", m.kind)
	pattern := rec.Text("pattern", m.id)
	rec.Props["branchType"] = nil
	if strings.HasPrefix(m.kindName(), "MODEL_") && pattern != "" {
		rec.Props["branchType"] = strings.ToLower(pattern)
	}

	users, usersKnown := met.users(rec, "users", w.users)
	groups, groupsKnown := texts(rec, "groups", w.groups, bitbucket.JSON.Text)
	keys, keysKnown := texts(rec, "accessKeyIds", w.accessKeys, func(v bitbucket.JSON) (string, bool) { return readID(bitbucket.Inner(v, "key", "id")) })
	var edges []graph.Relationship
	key := r.Key + ":restriction:" + id
	ids := make([]any, len(users))
	for i, who := range users {
		ids[i] = who.ID
		edges = append(edges, graph.Relationship{From: key, Verb: graph.Allows, To: who.Key})
	}
	for _, name := range groups {
		edges = append(edges, graph.Relationship{From: key, Verb: graph.Allows, To: met.group(name)})
	}
	if usersKnown {
		rec.Props["userIds"] = ids
	}
	if groupsKnown {
		rec.Props["groups"] = values(groups)
	}
	if keysKnown {
		rec.Props["accessKeyIds"] = values(keys)
	}
	name := strings.TrimSpace(cmp.Or(kind, "restriction") + " " + m.text())
	o := r.has(r.entity(graph.TypeRestriction, ":restriction:"+id, name, rec, bitbucket.Scrub(without(j, "text"))), edges...)
	if !usersKnown || !groupsKnown {
		o.UnknownVerbs = []string{graph.Allows}
	}
	return o, rec, true
}

// kindName returns how a matcher chooses, such as BRANCH.
func (m matcher) kindName() string {
	kind, _ := m.kind.Text()
	return kind
}

// text names the branches of a matcher for people: those of a branching model by the name of the model, since what it
// stands for is set elsewhere.
func (m matcher) text() string {
	id, _ := m.id.Text()
	display, _ := m.display.Text()
	switch kind := m.kindName(); {
	case kind == "ANY_REF" || id == anyRef:
		return "any branch"
	case strings.HasPrefix(kind, "MODEL_"):
		return "model " + cmp.Or(display, id)
	case kind == "PATTERN":
		return cmp.Or(id, display)
	default:
		return cmp.Or(display, strings.TrimPrefix(id, "refs/heads/"))
	}
}
