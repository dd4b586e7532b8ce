package datacenter_test

import (
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"path"
	"slices"
	"strings"

	"github.com/windlass-hq/windlass/internal/graph"
)

// settingsOracle reads the settings of an instance its own way, as its administrator.
type settingsOracle struct{ oracle }

func (o settingsOracle) get(path string, into any) {
	o.t.Helper()
	req := httptest.NewRequest("GET", "http://localhost:7990/dc/rest"+path, nil)
	req.SetBasicAuth("admin", "sandbox-password")
	rec := httptest.NewRecorder()
	o.handler.ServeHTTP(rec, req)
	if err := json.Unmarshal(rec.Body.Bytes(), into); err != nil || rec.Code != 200 {
		o.t.Fatalf("%s: %d %v %.200s", path, rec.Code, err, rec.Body)
	}
}

// each decodes all elements of a list in pages of two.
func each[T any](o settingsOracle, path string) (out []T) {
	o.t.Helper()
	for start := 0; ; {
		var p struct {
			Values        []T
			IsLastPage    bool
			NextPageStart int
		}
		o.get(fmt.Sprintf("%slimit=2&start=%d", path, start), &p)
		out = append(out, p.Values...)
		if p.IsLastPage {
			return out
		}
		start = p.NextPageStart
	}
}

type (
	wireUser  struct{ ID int }
	wireScope struct {
		Type       string
		ResourceID int
	}
	wireGrant struct {
		User       *wireUser
		Group      struct{ Name string }
		Permission string
	}
	wireMatcher struct {
		ID   string
		Type struct{ ID string }
	}
	wireRule struct {
		ID         int
		Scope      wireScope
		Type       string
		Matcher    wireMatcher
		Users      []wireUser
		Groups     []string
		AccessKeys []struct{ Key struct{ ID int } }
	}
	wireCondition struct {
		Scope     wireScope
		Reviewers []wireUser
	}
	wireHook struct{ ID int }
	wireKey  struct {
		Key        struct{ ID int }
		Permission string
	}
	wireBranch struct {
		DisplayID string
		IsDefault bool
	}
)

// found is what lists of settings say: properties by entity, and relationships. Of properties only those that matter
// most are compared.
type found struct {
	entities map[string]string // key to type and level, kind or the like
	edges    map[string]bool
}

func newFound() found { return found{map[string]string{}, map[string]bool{}} }

func userKey(u wireUser) string { return fmt.Sprintf("dc:i1:user:%d", u.ID) }

func (o settingsOracle) grants(f found, base, place string) {
	for _, list := range []string{"users", "groups"} {
		for _, g := range each[wireGrant](o, base+"/"+list+"?") {
			holder := "dc:i1:group:" + g.Group.Name
			if g.User != nil {
				holder = userKey(*g.User)
			}
			key := place + ":perm:" + holder
			word := map[string]string{
				"REPO_READ": "read", "REPO_WRITE": "write", "REPO_ADMIN": "admin", "PROJECT_READ": "read", "PROJECT_WRITE": "write", "PROJECT_ADMIN": "admin",
				"LICENSED_USER": "licensed_user", "PROJECT_CREATE": "project_create", "ADMIN": "admin", "SYS_ADMIN": "sys_admin",
			}[g.Permission]
			f.entities[key] = graph.TypePermission + " " + word
			f.edges[place+"|ALLOWS|"+key] = true
			f.edges[holder+"|HAS|"+key] = true
		}
	}
}

// instance is what the lists of the instance and of its groups say.
func (o settingsOracle) instance() found {
	f := newFound()
	for _, name := range each[string](o, "/api/1.0/groups?") {
		key := "dc:i1:group:" + name
		f.entities[key] = graph.TypeGroup + " " + name
		f.edges["dc:i1|HAS|"+key] = true
		for _, u := range each[wireUser](o, "/api/1.0/admin/groups/more-members?context="+queryText(name)+"&") {
			f.edges[key+"|HAS|"+userKey(u)] = true
		}
	}
	o.grants(f, "/api/1.0/admin/permissions", "dc:i1")
	return f
}

func queryText(s string) string {
	var b strings.Builder
	for i := range len(s) {
		fmt.Fprintf(&b, "%%%02X", s[i])
	}
	return b.String()
}

// place is what the lists of a project, or of a repository, say.
func (o settingsOracle) place(at, key, scope string, hooks bool) found {
	f := newFound()
	for _, r := range each[wireRule](o, "/branch-permissions/2.0"+at+"/restrictions?") {
		if r.Scope.Type != scope {
			continue
		}
		rule := fmt.Sprintf("%s:restriction:%d", key, r.ID)
		f.entities[rule] = graph.TypeRestriction + " " + r.Type + " " + r.Matcher.Type.ID + " " + r.Matcher.ID
		f.edges[key+"|HAS|"+rule] = true
		for _, u := range r.Users {
			f.edges[rule+"|ALLOWS|"+userKey(u)] = true
		}
		for _, g := range r.Groups {
			f.edges[rule+"|ALLOWS|dc:i1:group:"+g] = true
		}
	}
	o.grants(f, "/api/1.0"+at+"/permissions", key)
	var conditions []wireCondition
	o.get("/default-reviewers/1.0"+at+"/conditions", &conditions)
	for _, c := range conditions {
		for _, u := range c.Reviewers {
			if c.Scope.Type == scope {
				f.edges[userKey(u)+"|REVIEWS|"+key] = true
			}
		}
	}
	if hooks {
		for _, h := range each[wireHook](o, "/api/1.0"+at+"/webhooks?") {
			f.entities[fmt.Sprintf("%s:hook:%d", key, h.ID)] = graph.TypeWebhook
			f.edges[fmt.Sprintf("%s|HAS|%[1]s:hook:%d", key, h.ID)] = true
		}
	}
	for _, k := range each[wireKey](o, "/keys/1.0"+at+"/ssh?") {
		id := fmt.Sprintf("%s:key:%d", key, k.Key.ID)
		f.entities[id] = graph.TypeKey + " " + strings.ToLower(strings.SplitN(k.Permission, "_", 2)[1])
		f.edges[key+"|HAS|"+id] = true
	}
	return f
}

// branches adds the default branch and those that restrictions of the place and its project are about. Only names
// without slashes and patterns that path.Match knows are in the sandbox.
func (o settingsOracle) branches(f found, at, key string) {
	var names, globs []string
	for _, r := range each[wireRule](o, "/branch-permissions/2.0"+at+"/restrictions?") {
		switch r.Matcher.Type.ID {
		case "BRANCH":
			names = append(names, strings.TrimPrefix(r.Matcher.ID, "refs/heads/"))
		case "PATTERN":
			globs = append(globs, r.Matcher.ID)
		}
	}
	for _, b := range each[wireBranch](o, "/api/1.0"+at+"/branches?") {
		protected := slices.Contains(names, b.DisplayID) || slices.ContainsFunc(globs, func(g string) bool {
			ok, err := path.Match(g, b.DisplayID)
			return g == "*" || ok && err == nil // the manual: it matches everything
		})
		if protected || b.IsDefault {
			id := key + ":branch:" + b.DisplayID
			f.entities[id] = fmt.Sprintf("%s default %t protected %t", graph.TypeBranch, b.IsDefault, protected)
			f.edges[key+"|HAS|"+id] = true
		}
	}
}
