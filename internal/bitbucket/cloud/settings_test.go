package cloud_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/windlass-hq/windlass/internal/bitbucket"
	"github.com/windlass-hq/windlass/internal/bitbucket/cloud"
	"github.com/windlass-hq/windlass/internal/bitbucket/sandbox"
	"github.com/windlass-hq/windlass/internal/fault"
	"github.com/windlass-hq/windlass/internal/graph"
)

// placeOf returns the place of an entity that a walk of a workspace has seen.
func placeOf(e graph.Entity, workspace graph.Entity) bitbucket.Place {
	text := func(e graph.Entity, name string) string { s, _ := e.Properties[name].(string); return s }
	p := bitbucket.Place{
		Type: e.Type, Key: e.Key, Name: e.Name, Owner: workspace.Key, OwnerID: text(workspace, "id"), OwnerSlug: text(workspace, "slug"), ID: text(e, "id"),
	}
	switch e.Type {
	case graph.TypeProject:
		p.Project = text(e, "key")
	case graph.TypeRepo:
		p.Project, p.ProjectKey, p.Slug = text(e, "projectKey"), e.Project, text(e, "slug")
		p.Name, p.DefaultBranch = text(e, "fullName"), text(e, "defaultBranch")
	}
	return p
}

// settled is what the lists of settings of a workspace say.
type settled struct {
	places  map[string]graph.Entity // what they were read of
	objects map[string]graph.Object
	met     map[string]graph.Object
	edges   map[string]bool
	odd     []bitbucket.Odd
	calls   map[string]int64 // by name of the list
	raw     bytes.Buffer     // everything that would be kept
}

// settle reads all settings of everything in a workspace, those of a repository with the patterns that its
// restrictions have just shown.
func settle(t *testing.T, c *cloud.Client, workspace string) settled {
	t.Helper()
	all, err := walk(t, c, workspace)
	if err != nil {
		t.Fatal(err)
	}
	out := settled{places: all.entities, objects: map[string]graph.Object{}, met: map[string]graph.Object{}, edges: map[string]bool{}, calls: map[string]int64{}}
	var home graph.Entity
	for _, e := range all.entities {
		if e.Type == graph.TypeWorkspace {
			home = e
		}
	}
	for _, key := range slices.Sorted(maps.Keys(all.entities)) {
		e := all.entities[key]
		p := placeOf(e, home)
		for i, list := range c.Settings(p) {
			if list.List == bitbucket.ListBranches {
				list = c.Settings(p)[i] // the patterns are known by now
			}
			before := c.Calls()
			err := list.Pages(t.Context(), func(page bitbucket.Page) error {
				for _, o := range page.Objects {
					if o.Entity.Type == graph.TypeRestriction {
						p.PatternsKnown = true
						if pattern, _ := o.Entity.Properties["pattern"].(string); pattern != "" {
							p.Patterns = append(p.Patterns, pattern)
						}
					}
				}
				out.add(page)
				return nil
			})
			if err != nil {
				t.Fatalf("%s: %v", list.Title, err)
			}
			out.calls[list.List] += c.Calls() - before
		}
	}
	return out
}

func (s *settled) add(p bitbucket.Page) {
	for _, o := range append(append([]graph.Object{}, p.Objects...), p.Met...) {
		for _, r := range o.Relationships {
			s.edges[r.Key()] = true
		}
		s.raw.Write(o.Entity.Raw)
		props, _ := json.Marshal(o.Entity)
		s.raw.Write(props)
	}
	for _, o := range p.Objects {
		s.objects[o.Entity.Key] = o
	}
	for _, o := range p.Met {
		s.met[o.Entity.Key] = o
	}
	s.odd = append(s.odd, p.Odd...)
}

// settings returns the objects, the edges and the secrets of a workspace, computed from small pages of the oracle.
func (o oracle) settings(workspace string) (keys map[string]string, edges map[string]bool, secrets []string) {
	keys, edges = map[string]string{}, map[string]bool{}
	ws := "cloud:" + id(o.get("/workspaces/"+workspace))
	principal := func(g map[string]any) string {
		if g["group"] != nil {
			return ws + ":group:" + g["group"].(map[string]any)["slug"].(string)
		}
		return "cloud:user:" + id(g["user"])
	}
	grants := func(place, path string) {
		for _, g := range o.all(path) {
			who := principal(g)
			perm := place + ":perm:" + who
			keys[perm] = fmt.Sprint(g["permission"])
			edges[place+"|ALLOWS|"+perm], edges[who+"|HAS|"+perm] = true, true
		}
	}
	list := func(place, path, part, id string) (all []map[string]any) {
		all = o.all(path)
		for _, x := range all {
			key := place + part + strings.Trim(strings.TrimSuffix(fmt.Sprint(x[id]), ".0"), "{}")
			if n, ok := x[id].(float64); ok {
				key = fmt.Sprintf("%s%s%.0f", place, part, n)
			}
			keys[key] = fmt.Sprint(x["type"])
			edges[place+"|HAS|"+key] = true
		}
		return all
	}
	hooks := func(place, path string) {
		for _, h := range list(place, path, ":hook:", "uuid") {
			url := h["url"].(string)
			if _, after, ok := strings.Cut(url, "token="); ok {
				secrets = append(secrets, after)
			}
			if before, _, ok := strings.Cut(url, "@"); ok {
				secrets = append(secrets, before[strings.LastIndexByte(before, ':')+1:])
			}
		}
	}
	groups := []map[string]any{}
	if err := json.Unmarshal(o.bytes(o.url+"/1.0/groups/"+workspace), &groups); err != nil {
		o.t.Fatal(err)
	}
	for _, g := range groups {
		key := ws + ":group:" + g["slug"].(string)
		keys[key] = g["name"].(string)
		edges[ws+"|HAS|"+key] = true
		for _, m := range g["members"].([]any) {
			edges[key+"|HAS|cloud:user:"+id(m)] = true
		}
	}
	grants(ws, "/workspaces/"+workspace+"/permissions?pagelen=7")
	hooks(ws, "/workspaces/"+workspace+"/hooks")
	for _, p := range o.all("/workspaces/" + workspace + "/projects") {
		place, at := "cloud:"+id(p), "/workspaces/"+workspace+"/projects/"+p["key"].(string)
		grants(place, at+"/permissions-config/users?pagelen=2")
		grants(place, at+"/permissions-config/groups?pagelen=2")
		for _, v := range o.all(at + "/default-reviewers") {
			edges["cloud:user:"+id(v["user"])+"|REVIEWS|"+place] = true
		}
		keys[place] = "restated"
		list(place, at+"/deploy-keys", ":key:", "id")
	}
	for _, r := range o.all("/repositories/" + workspace + "?pagelen=7") {
		place, at := "cloud:"+id(r), "/repositories/"+workspace+"/"+r["slug"].(string)
		main, _ := r["mainbranch"].(map[string]any)
		patterns := []string{}
		if main != nil {
			patterns = append(patterns, main["name"].(string))
		}
		for _, x := range list(place, at+"/branch-restrictions?pagelen=2", ":restriction:", "id") {
			key := fmt.Sprintf("%s:restriction:%.0f", place, x["id"])
			for _, u := range x["users"].([]any) {
				edges[key+"|ALLOWS|cloud:user:"+id(u)] = true
			}
			for _, g := range x["groups"].([]any) {
				edges[key+"|ALLOWS|"+principal(map[string]any{"group": g})] = true
			}
			if pattern := x["pattern"].(string); pattern != "" {
				patterns = append(patterns, pattern)
			}
		}
		grants(place, at+"/permissions-config/users?pagelen=2")
		grants(place, at+"/permissions-config/groups?pagelen=2")
		for _, v := range o.all(at + "/default-reviewers") {
			edges["cloud:user:"+id(v)+"|REVIEWS|"+place] = true
		}
		keys[place] = "restated"
		hooks(place, at+"/hooks")
		list(place, at+"/deploy-keys", ":key:", "id")
		list(place, at+"/environments", ":env:", "uuid")
		for _, b := range o.all(at + "/refs/branches?pagelen=3") {
			name := b["name"].(string)
			for _, pattern := range patterns {
				if ok, _ := path.Match(pattern, name); ok {
					keys[place+":branch:"+name] = "branch"
					edges[place+"|HAS|"+place+":branch:"+name] = true
				}
			}
		}
	}
	return keys, edges, secrets
}

// TestWholeSettings reads all settings of a sandbox, of both workspaces, and compares every object and relationship
// with what an independent reader computes. It proves on the way: a restriction that names somebody who is no member
// dangles nowhere, groups of one slug in two workspaces stay two, one list costs one call for each place, and no
// secret of a hook is anywhere in what is kept.
func TestWholeSettings(t *testing.T) {
	s := box(t, sandbox.Options{Repositories: 23, PullRequests: 60, Users: 17, Seed: 7})
	srv := httptest.NewServer(s.Handler())
	defer srv.Close()
	outsiders, slugs := 0, map[string]int{}
	for _, workspace := range []string{"acme", "acme-labs"} {
		wantKeys, wantEdges, secrets := oracle{t, srv.URL, consumerToken(t, srv.URL)}.settings(workspace)
		c, err := cloud.New(cloud.Options{APIURL: srv.URL + "/cloud/2.0", Credentials: []bitbucket.Credential{consumer}})
		if err != nil {
			t.Fatal(err)
		}
		got := settle(t, c, workspace)
		if len(got.odd) > 0 {
			t.Errorf("odd: %v", got.odd)
		}
		keys := map[string]string{}
		members := map[string]bool{}
		var all []graph.Object
		for key, o := range got.objects {
			keys[key] = ""
			all = append(all, o)
			if o.Entity.Type == graph.TypeGroup {
				slugs[o.Entity.Properties["slug"].(string)]++
			}
			if p := o.Entity.Properties; p["principalType"] == "user" && strings.HasPrefix(key, o.Entity.Home+":perm:") && p["name"] == "workspace_membership" {
				members[p["principalKey"].(string)] = true
			}
		}
		for key := range wantKeys {
			wantKeys[key] = ""
		}
		if diff := cmp.Diff(wantKeys, keys); diff != "" {
			t.Errorf("%s: objects (-want +got):\n%s", workspace, diff)
		}
		for key, o := range got.met {
			all = append(all, o)
			if o.Entity.Type == graph.TypeUser && !members[key] {
				outsiders++
			}
		}
		for _, e := range got.places {
			all = append(all, graph.Object{Entity: e})
		}
		checkDeclared(t, all)
		if diff := cmp.Diff(wantEdges, got.edges); diff != "" {
			t.Errorf("%s: relationships (-want +got):\n%s", workspace, diff)
		}
		for key := range got.edges {
			ends := strings.SplitN(key, "|", 3)
			for _, end := range []string{ends[0], ends[2]} {
				_, listed := got.objects[end]
				_, met := got.met[end]
				_, place := got.places[end]
				if !listed && !met && !place {
					t.Errorf("%s dangles at %s", key, end)
				}
			}
		}
		if len(secrets) == 0 {
			t.Error("the sandbox has no secrets in hooks, so nothing is proven")
		}
		for _, secret := range secrets {
			if bytes.Contains(got.raw.Bytes(), []byte(secret)) {
				t.Errorf("%s: the secret %q of a hook is kept", workspace, secret)
			}
		}
		places := map[string]int64{}
		for _, o := range got.objects {
			if o.Entity.Name == "" && o.Entity.Home == "" {
				places[o.Entity.Type]++
			}
		}
		repos, projects := places[graph.TypeRepo], places[graph.TypeProject]
		want := map[string]int64{
			bitbucket.ListGroups: 1, bitbucket.ListUserPermissions: 1 + projects + repos, bitbucket.ListGroupPermissions: projects + repos,
			bitbucket.ListWebhooks: 1 + repos, bitbucket.ListRestrictions: repos, bitbucket.ListReviewers: projects + repos,
			bitbucket.ListKeys: projects + repos, bitbucket.ListBranches: repos, bitbucket.ListEnvironments: repos,
		}
		if diff := cmp.Diff(want, got.calls); diff != "" {
			t.Errorf("%s: calls (-want +got):\n%s", workspace, diff)
		}
	}
	if outsiders == 0 {
		t.Error("nobody was named who is no member, so nothing is proven")
	}
	if slugs["developers"] != 2 {
		t.Errorf("groups by slug: %v, want each in both workspaces", slugs)
	}
}

// TestValuesOfSettings holds what JupiterOne drops: the number of a rule and the branch type.
func TestValuesOfSettings(t *testing.T) {
	s := box(t, sandbox.Options{Repositories: 4, PullRequests: 20, Users: 8})
	c := newClient(t, s)
	all, err := walk(t, c, "acme")
	if err != nil {
		t.Fatal(err)
	}
	p := firstPlace(all, graph.TypeRepo)
	two := int64(2)
	spec := func(r sandbox.RestrictionSpec) int64 {
		r.Repository = p.Name
		n, err := s.SetRestriction(r)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	approvals := spec(sandbox.RestrictionSpec{Kind: "require_approvals_to_merge", Pattern: "release/**", Value: &two})
	model := spec(sandbox.RestrictionSpec{Kind: "push", Match: "branching_model", BranchType: "production", Groups: []string{"releasers"}})
	got := readList(t, c, p, bitbucket.ListRestrictions)
	rule := got[fmt.Sprintf("%s:restriction:%d", p.Key, approvals)].Entity
	if rule.Properties["value"] != int64(2) || rule.Properties["pattern"] != "release/**" || rule.Name != "require_approvals_to_merge release/**" {
		t.Errorf("approvals: %+v", rule)
	}
	rule = got[fmt.Sprintf("%s:restriction:%d", p.Key, model)].Entity
	if rule.Properties["branchType"] != "production" || rule.Properties["value"] != nil || rule.Name != "push production" {
		t.Errorf("branching model: %+v", rule)
	}
	if diff := cmp.Diff([]any{"releasers"}, rule.Properties["groups"]); diff != "" {
		t.Errorf("groups (-want +got):\n%s", diff)
	}
	if rule.Home != p.Key || rule.Repo != p.Key || rule.Project != p.ProjectKey || rule.Project == "" {
		t.Errorf("home %q, repo %q, project %q", rule.Home, rule.Repo, rule.Project)
	}
}

// TestAChangedPermissionKeepsItsKey turns read into write: one object with another level, and no second one.
func TestAChangedPermissionKeepsItsKey(t *testing.T) {
	s := box(t, sandbox.Options{Repositories: 4, PullRequests: 20, Users: 8})
	c := newClient(t, s)
	all, err := walk(t, c, "acme")
	if err != nil {
		t.Fatal(err)
	}
	p := firstPlace(all, graph.TypeRepo)
	grant := func(level string) map[string]graph.Object {
		t.Helper()
		if err := s.Grant(sandbox.GrantSpec{Place: sandbox.Place{Repository: p.Name}, Group: "releasers", Permission: level}); err != nil {
			t.Fatal(err)
		}
		return readList(t, c, p, bitbucket.ListGroupPermissions)
	}
	before, after := grant("read"), grant("write")
	if diff := cmp.Diff(slices.Sorted(maps.Keys(before)), slices.Sorted(maps.Keys(after))); diff != "" {
		t.Errorf("keys (-before +after):\n%s", diff)
	}
	key := p.Key + ":perm:" + p.Owner + ":group:releasers"
	if a, b := before[key].Entity, after[key].Entity; a.Properties["permission"] != "read" || b.Properties["permission"] != "write" || b.Name != "write for Releasers" {
		t.Errorf("before %+v, after %+v", a, b)
	}
	if _, ok := grant("")[key]; ok {
		t.Error("a permission that was taken away is still listed")
	}
}

// TestReviewersAreStatedTogether puts default reviewers over several pages and takes them away again.
func TestReviewersAreStatedTogether(t *testing.T) {
	user := func(n int) string {
		return fmt.Sprintf(`{"type":"user","uuid":"{%08d-4444-4444-8444-444444444444}","display_name":"Person %d"}`, n, n)
	}
	const list = "/repositories/%7B" + wsUUID + "%7D/%7B" + repoUUID + "%7D/default-reviewers"
	edge := func(n int) string {
		return fmt.Sprintf("cloud:user:%08d-4444-4444-8444-444444444444|REVIEWS|cloud:%s", n, repoUUID)
	}
	for name, tc := range map[string]struct {
		first, second string // second is missing where empty
		want          []string
		unknown, lost bool
		broken        bool
	}{
		"two pages": {`[` + user(2) + `,` + user(1) + `]`, `[` + user(3) + `]`, []string{edge(1), edge(2), edge(3)}, false, false, false},
		"none":      {`[]`, ``, nil, false, false, false},
		"null":      {`[` + user(1) + `,null,{"user":null}]`, ``, []string{edge(1)}, true, true, false},
		"cut off":   {`[` + user(1) + `]`, `broken`, nil, false, false, true},
	} {
		t.Run(name, func(t *testing.T) {
			next := ""
			if tc.second != "" {
				next = `,"next":"HOST/2.0/second"`
			}
			answers := map[string]any{list + "?pagelen=100": `{"values":` + tc.first + next + `}`}
			if tc.second != "" && !tc.broken {
				answers["/second"] = `{"values":` + tc.second + `}`
			}
			c, _ := open(t, answers)
			var restated []graph.Object
			pages, lost := 0, 0
			err := listOf(t, c, repoPlace(), bitbucket.ListReviewers).Pages(t.Context(), func(p bitbucket.Page) error {
				if len(restated) > 0 {
					t.Error("the place was stated before the last page")
				}
				pages++
				restated = append(restated, p.Objects...)
				for _, o := range p.Odd {
					if o.Lost {
						lost++
					}
				}
				return nil
			})
			if tc.broken {
				if err == nil || len(restated) > 0 || pages != 1 {
					t.Errorf("error %v, %d pages, stated %v", err, pages, restated)
				}
				return
			}
			if err != nil || len(restated) != 1 || (lost > 0) != tc.lost {
				t.Fatalf("error %v, stated %v, %d lost", err, restated, lost)
			}
			o := restated[0]
			var got []string
			for _, r := range o.Relationships {
				got = append(got, r.Key())
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("relationships (-want +got):\n%s", diff)
			}
			if o.Entity.Key != "cloud:"+repoUUID || o.Entity.Name != "" || o.Entity.Home != "" || o.Entity.Raw != nil || len(o.UnknownVerbs) > 0 != tc.unknown {
				t.Errorf("%+v", o)
			}
		})
	}
}

// TestGroupsMayBeGone lets the old API end as its removal would look: groups and members are unknown then, not none.
func TestGroupsMayBeGone(t *testing.T) {
	for name, status := range map[string]int{"404": 404, "410": 410} {
		t.Run(name, func(t *testing.T) {
			for _, message := range []string{"Resource not found", "CHANGE-2770 - Functionality has been deprecated"} {
				c, s := open(t, map[string]any{"/1.0/groups/acme": func(w http.ResponseWriter, _ *http.Request) { fail(w, status, message) }})
				pages := 0
				err := listOf(t, c, workspacePlace(), bitbucket.ListGroups).Pages(t.Context(), func(bitbucket.Page) error { pages++; return nil })
				if !fault.Is(err, fault.Unavailable) || !strings.Contains(err.Error(), "unknown") || pages > 0 || fault.RemedyOf(err) == "" {
					t.Errorf("%v after %d pages", err, pages)
				}
				if diff := cmp.Diff([]string{"/1.0/groups/acme"}, s.asked); diff != "" {
					t.Errorf("asked (-want +got):\n%s", diff)
				}
			}
		})
	}
	c, _ := open(t, map[string]any{"/1.0/groups/acme": `{"values":[]}`})
	err := listOf(t, c, workspacePlace(), bitbucket.ListGroups).Pages(t.Context(), func(bitbucket.Page) error { return nil })
	if !fault.Is(err, fault.Unavailable) || !strings.Contains(err.Error(), "no list") {
		t.Errorf("an answer that is no list: %v", err)
	}
}

// TestRefusalsOfSettingsNameTheRight takes each right away. What comes is a denial that names it; a scope that is known
// to be missing is asked for once and not again for every repository.
func TestRefusalsOfSettingsNameTheRight(t *testing.T) {
	s := box(t, sandbox.Options{Repositories: 4, PullRequests: 20, Users: 8})
	c := newClient(t, s)
	all, err := walk(t, c, "acme")
	if err != nil {
		t.Fatal(err)
	}
	for kind, lists := range map[string]map[string]string{
		graph.TypeWorkspace: {bitbucket.ListGroups: "account", bitbucket.ListUserPermissions: "account", bitbucket.ListWebhooks: "webhook"},
		graph.TypeProject: {
			bitbucket.ListUserPermissions: "project:admin", bitbucket.ListGroupPermissions: "project:admin",
			bitbucket.ListReviewers: "project:admin", bitbucket.ListKeys: "project:admin",
		},
		graph.TypeRepo: {
			bitbucket.ListRestrictions: "repository:admin", bitbucket.ListUserPermissions: "repository:admin",
			bitbucket.ListGroupPermissions: "repository:admin", bitbucket.ListReviewers: "pullrequest", bitbucket.ListWebhooks: "webhook",
			bitbucket.ListKeys: "repository:admin", bitbucket.ListBranches: "repository", bitbucket.ListEnvironments: "pipeline",
		},
	} {
		p := firstPlace(all, kind)
		for list, scope := range lists {
			err := s.EditCredential("sandbox-key", func(c *sandbox.Credential) {
				c.Scopes = slices.DeleteFunc(sandbox.EveryScope(), func(x string) bool {
					return x == scope || x == scope+":write" || scope == "repository" && x != "account" // most others imply it
				})
			})
			if err != nil {
				t.Fatal(err)
			}
			c := newClient(t, s)
			read := func() error {
				return listOf(t, c, p, list).Pages(t.Context(), func(bitbucket.Page) error { return nil })
			}
			if err := read(); !fault.Is(err, fault.Denied) || !strings.Contains(err.Error()+fault.RemedyOf(err), scope) {
				t.Errorf("%s of a %s without %s: %v (%s)", list, kind, scope, err, fault.RemedyOf(err))
			}
			before := c.Calls()
			if err := read(); !fault.Is(err, fault.Denied) || c.Calls() != before {
				t.Errorf("%s of a %s without %s again: %v, %d calls", list, kind, scope, err, c.Calls()-before)
			}
		}
	}
}

// TestAccessTokensAreNotAskedForPermissions is FACTS 13: no call is made in vain, and the error names who can.
func TestAccessTokensAreNotAskedForPermissions(t *testing.T) {
	c, s := open(t, nil, func(o *cloud.Options) { o.Credentials = []bitbucket.Credential{tokenA} })
	for _, p := range []bitbucket.Place{workspacePlace(), repoPlace()} {
		err := listOf(t, c, p, bitbucket.ListUserPermissions).Pages(t.Context(), func(bitbucket.Page) error { return nil })
		if !fault.Is(err, fault.Denied) || !strings.Contains(fault.RemedyOf(err), "an OAuth consumer") {
			t.Errorf("%s: %v (%s)", p.Type, err, fault.RemedyOf(err))
		}
	}
	if len(s.asked) > 0 {
		t.Errorf("asked %q", s.asked)
	}
}

// TestPlacesThatNobodyKnows are a defect of the caller, or of a kind that has no settings here.
func TestPlacesThatNobodyKnows(t *testing.T) {
	c, s := open(t, nil)
	for _, p := range []bitbucket.Place{
		{Type: graph.TypeRepo, Key: "dc:1:repo:7"},
		{Type: graph.TypeProject, Key: "cloud:" + projUUID, OwnerID: wsUUID},
		{Type: graph.TypeRepo, OwnerID: wsUUID},
	} {
		lists := c.Settings(p)
		if len(lists) == 0 {
			t.Errorf("%+v has no lists", p)
		}
		for _, l := range lists {
			if err := l.Pages(t.Context(), func(bitbucket.Page) error { return nil }); !fault.Is(err, fault.Internal) {
				t.Errorf("%s: %v", l.Title, err)
			}
		}
	}
	for _, kind := range []string{graph.TypeGroup, graph.TypeUser, graph.TypePullRequest, graph.TypeInstance, ""} {
		if lists := c.Settings(bitbucket.Place{Type: kind, Key: "cloud:" + repoUUID, OwnerID: wsUUID}); lists != nil {
			t.Errorf("%q has lists: %v", kind, lists)
		}
	}
	if len(s.asked) > 0 {
		t.Errorf("asked %q", s.asked)
	}
}
