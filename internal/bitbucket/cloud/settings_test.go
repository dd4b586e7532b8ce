package cloud_test

import (
	"bytes"
	"fmt"
	"maps"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/windlass-hq/windlass/internal/bitbucket"
	"github.com/windlass-hq/windlass/internal/bitbucket/cloud"
	"github.com/windlass-hq/windlass/internal/bitbucket/sandbox"
	"github.com/windlass-hq/windlass/internal/graph"
)

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

// TestPagesThatLookAlikeAreTwo has elements that differ only behind a long beginning: two pages of them are no circle.
func TestPagesThatLookAlikeAreTwo(t *testing.T) {
	const repo = "/repositories/%7B" + wsUUID + "%7D/%7B" + repoUUID + "%7D"
	padding := `"padding":"` + strings.Repeat("x", 300) + `"`
	for list, tc := range map[string]struct{ path, element string }{
		bitbucket.ListGroupPermissions: {repo + "/permissions-config/groups?pagelen=100", `{` + padding + `,"permission":"read","group":{` + padding + `,"slug":"NAME"}}`},
		bitbucket.ListBranches:         {"/repositories/{" + wsUUID + "}/{" + repoUUID + "}/refs/branches", `{` + padding + `,"name":"release/NAME"}`},
	} {
		page := func(name string) string { return `{"values":[` + strings.ReplaceAll(tc.element, "NAME", name) + `]` }
		c, _ := open(t, map[string]any{tc.path: page("a") + `,"next":"HOST/2.0/second"}`, "/second": page("b") + `}`})
		if got := readList(t, c, repoPlace(), list); len(got) != 2 {
			t.Errorf("%s: %d objects, want 2", list, len(got))
		}
	}
}
