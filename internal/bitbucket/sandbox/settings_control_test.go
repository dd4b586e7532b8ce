package sandbox_test

import (
	"encoding/json"
	"fmt"
	"net/url"
	"testing"

	"github.com/windlass-hq/windlass/internal/bitbucket/sandbox"
)

// orders sends acts to the control API.
type orders struct {
	testing.TB
	base string
}

func (o orders) do(path string, args object, status int) object {
	o.Helper()
	return control(o, o.base, path, jsonText(o, args), status)
}

// groups reads API 1.0.
func groups(t testing.TB, base string) map[string][]any {
	t.Helper()
	resp, body := get(t, token, base+"/1.0/groups/acme")
	var list []object
	if err := json.Unmarshal(body, &list); err != nil {
		t.Fatalf("%s %s", resp.Status, body)
	}
	out := map[string][]any{}
	for _, g := range list {
		out[g["slug"].(string)] = g["members"].([]any)
	}
	return out
}

func having(list []object, path string, is any) object {
	for _, o := range list {
		if at(o, path) == is {
			return o
		}
	}
	return nil
}

// TestSettingsChangeByTheControlAPI changes each kind of setting of the Cloud and reads it back.
func TestSettingsChangeByTheControlAPI(t *testing.T) {
	_, base := start(t, sandbox.Options{Repositories: 12, PullRequests: 30, Users: 20})
	bearer := asConsumer(t, base)
	o := orders{t, base}
	name := someRepository(t, base)
	repo := base + "/2.0/repositories/" + name
	key := at(want(t, 200, repo), "project.key").(string)
	project := base + "/2.0/workspaces/acme/projects/" + key
	user := at(walk(t, base+"/2.0/workspaces/acme/members")[2], "user.uuid").(string)
	list := func(path string) []object { t.Helper(); return walkAs(t, bearer, path) }

	slug := o.do("group/create", object{"workspace": "acme", "name": "Größe Team", "permission": "write"}, 200)["slug"]
	o.do("group/create", object{"workspace": "acme", "name": "Größe Team"}, 409)
	o.do("group/add-member", object{"workspace": "acme", "group": slug, "user": user}, 200)
	if got := groups(t, base)[slug.(string)]; len(got) != 1 || at(got[0], "uuid") != user {
		t.Errorf("members of %v: %v", slug, got)
	}
	for group, members := range groups(t, base) {
		if len(members) > 0 && at(members[0], "uuid") == user {
			o.do("group/remove-member", object{"workspace": "acme", "group": group, "user": user}, 200)
			if got := groups(t, base)[group]; len(got) != len(members)-1 {
				t.Errorf("%s has %d members after one of %d left", group, len(got), len(members))
			}
		}
	}

	o.do("grant", object{"repository": name, "user": user, "permission": "admin"}, 200)
	o.do("grant", object{"repository": name, "group": slug, "permission": "read"}, 200)
	o.do("grant", object{"project": "acme/" + key, "group": slug, "permission": "create-repo"}, 200)
	o.do("grant", object{"repository": name, "group": "nobody", "permission": "read"}, 404)
	o.do("grant", object{"repository": name, "user": user, "permission": "everything"}, 400)
	o.do("grant", object{"repository": name, "project": "acme/" + key, "user": user, "permission": "read"}, 400)
	if g := having(list(repo+"/permissions-config/users"), "user.uuid", user); at(g, "permission") != "admin" {
		t.Errorf("grant of the user: %v", g)
	}
	if g := having(list(repo+"/permissions-config/groups"), "group.slug", slug); at(g, "permission") != "read" || at(g, "group.name") != "Größe Team" {
		t.Errorf("grant of the group: %v", g)
	}
	if g := having(list(project+"/permissions-config/groups"), "group.slug", slug); at(g, "permission") != "create-repo" {
		t.Errorf("grant of the group on the project: %v", g)
	}
	of := base + "/2.0/workspaces/acme/permissions/repositories?pagelen=100&q=" + url.QueryEscape(fmt.Sprintf("user.uuid=%q AND repository.full_name=%q", user, name))
	if g := list(of); len(g) != 1 || g[0]["permission"] != "admin" {
		t.Errorf("what the user may do with the repository: %v", g)
	}
	o.do("grant", object{"repository": name, "user": user}, 200)
	if g := having(list(repo+"/permissions-config/users"), "user.uuid", user); g != nil {
		t.Errorf("a grant that was taken away: %v", g)
	}

	rule := object{"repository": name, "kind": "push", "branch_match_kind": "branching_model", "branch_type": "release", "users": []string{user}, "groups": []any{slug}}
	id := o.do("restriction/set", rule, 200)["id"]
	got := having(list(repo+"/branch-restrictions"), "id", id)
	if at(got, "branch_type") != "release" || len(got["users"].([]any)) != 1 || len(got["groups"].([]any)) != 1 || got["value"] != nil {
		t.Errorf("restriction: %v", got)
	}
	o.do("restriction/set", object{"repository": name, "id": id, "kind": "require_approvals_to_merge", "pattern": "main", "value": 3}, 200)
	if got := having(list(repo+"/branch-restrictions?kind=require_approvals_to_merge"), "id", id); at(got, "value") != 3.0 {
		t.Errorf("replaced restriction: %v", got)
	}
	o.do("restriction/set", object{"repository": name, "kind": "paint-it-red", "pattern": "main"}, 400)
	o.do("restriction/delete", object{"repository": name, "id": id}, 200)
	o.do("restriction/delete", object{"repository": name, "id": id}, 404)

	o.do("reviewers/set", object{"repository": name, "users": []string{user}}, 200)
	o.do("reviewers/set", object{"project": "acme/" + key, "users": []string{"admin@acme.example"}}, 200)
	if got := list(repo + "/default-reviewers"); len(got) != 1 || got[0]["uuid"] != user {
		t.Errorf("default reviewers: %v", got)
	}
	if got := list(repo + "/effective-default-reviewers"); len(got) != 2 || got[0]["reviewer_type"] != "repository" || got[1]["reviewer_type"] != "project" {
		t.Errorf("effective default reviewers: %v", got)
	}

	hook := o.do("hook/add", object{"repository": name, "url": "https://x.example/?token=canary", "events": []string{"repo:push"}, "secret": "canary-2", "active": true}, 200)["id"]
	if h := having(list(repo+"/hooks"), "uuid", hook); at(h, "secret_set") != true || h["secret"] != nil {
		t.Errorf("hook: %v", h)
	}
	o.do("hook/delete", object{"repository": name, "id": hook}, 200)
	k := o.do("key/add", object{"project": "acme/" + key, "label": "mine"}, 200)["id"]
	if got := having(list(project+"/deploy-keys"), "id", k); at(got, "label") != "mine" {
		t.Errorf("deploy key: %v", got)
	}
	o.do("key/delete", object{"project": "acme/" + key, "id": k}, 200)
	e := o.do("environment/add", object{"repository": name, "name": "Paris", "kind": "Staging"}, 200)["uuid"]
	if got := having(list(repo+"/environments"), "uuid", e); at(got, "environment_type.name") != "Staging" {
		t.Errorf("environment: %v", got)
	}
	o.do("environment/delete", object{"repository": name, "id": e}, 200)
	if h, k, e := having(list(repo+"/hooks"), "uuid", hook), having(list(project+"/deploy-keys"), "id", k), having(list(repo+"/environments"), "uuid", e); h != nil || k != nil || e != nil {
		t.Errorf("what was deleted is still there: %v %v %v", h, k, e)
	}
}

// TestADeletedGroupIsNamedNowhere deletes one of the generated groups, which settings that nobody changed name too.
func TestADeletedGroupIsNamedNowhere(t *testing.T) {
	s, base := start(t, sandbox.Options{Repositories: 12, PullRequests: 30, Users: 20})
	bearer := asConsumer(t, base)
	named := func() (n int) {
		for _, r := range walk(t, base+"/2.0/repositories/acme?pagelen=100") {
			one := base + "/2.0/repositories/" + r["full_name"].(string)
			if having(walkAs(t, bearer, one+"/permissions-config/groups"), "group.slug", "developers") != nil {
				n++
			}
		}
		return n
	}
	if named() == 0 {
		t.Fatal("no repository names the group, so this test would see nothing")
	}
	if err := s.DeleteGroup("acme", "developers"); err != nil {
		t.Fatal(err)
	}
	if n := named(); n != 0 {
		t.Errorf("%d repositories name a group that was deleted", n)
	}
	if _, is := groups(t, base)["developers"]; is {
		t.Error("the deleted group is listed")
	}
	if _, err := s.CreateGroup(sandbox.GroupSpec{Workspace: "acme", Name: "Developers"}); err != nil {
		t.Fatal(err)
	}
	if members := groups(t, base)["developers"]; len(members) != 0 || named() != 0 {
		t.Errorf("a new group of an old name has %d members and grants on %d repositories, want none", len(members), named())
	}
	if err := s.DeleteUser("admin@acme.example"); err != nil {
		t.Fatal(err)
	}
	for group, members := range groups(t, base) {
		for _, m := range members {
			if at(m, "display_name") == nil || at(m, "nickname") == "admin" {
				t.Errorf("%s still has the deleted account %v", group, m)
			}
		}
	}
}
