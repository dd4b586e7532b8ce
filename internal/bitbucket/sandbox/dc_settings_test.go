package sandbox_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/windlass-hq/windlass/internal/bitbucket/openapitest"
	"github.com/windlass-hq/windlass/internal/bitbucket/sandbox"
)

// bare asks for a bare array and returns it.
func (v *validator) bare(path string) []object {
	v.Helper()
	var all []object
	if err := json.Unmarshal(v.get(path, 200), &all); err != nil {
		v.Fatal(err)
	}
	return all
}

// TestDataCenterSettingsConformToTheVendorsDocument reads every setting of every project and repository in the oldest
// and the newest version, and checks that each kind occurs.
func TestDataCenterSettingsConformToTheVendorsDocument(t *testing.T) {
	doc := openapitest.Load(t, "datacenter.openapi.json")
	for _, version := range []string{"7.6", "10.0"} {
		_, base := start(t, sandbox.Options{Repositories: 30, PullRequests: 60, Users: 20, DCVersion: version})
		v := &validator{T: t, doc: doc, base: base + "/dc"}
		token := asToken(dcToken)
		seen := map[string]int{}
		of := func(path, kind string) {
			seen[kind+" restrictions"] += len(v.all("/rest/branch-permissions/latest"+path+"/restrictions?limit=2", token))
			seen[kind+" keys"] += len(v.all("/rest/keys/latest"+path+"/ssh?limit=1", token))
			seen[kind+" users"] += len(v.all("/rest/api/latest"+path+"/permissions/users?limit=2", token))
			seen[kind+" groups"] += len(v.all("/rest/api/latest"+path+"/permissions/groups?limit=1", token))
			seen[kind+" reviewers"] += len(v.bare("/rest/default-reviewers/latest" + path + "/conditions"))
		}
		for _, p := range v.all("/rest/api/latest/projects?limit=100", token) {
			of("/projects/"+p["key"].(string), "project")
		}
		for _, r := range v.all("/rest/api/latest/repos?limit=100", token) {
			of("/projects/"+at(r, "project.key").(string)+"/repos/"+r["slug"].(string), "repository")
		}
		for _, of := range []string{"project", "repository"} {
			for _, kind := range []string{"restrictions", "keys", "users", "groups", "reviewers"} {
				if seen[of+" "+kind] == 0 {
					t.Errorf("%s: there are no %s %s", version, of, kind)
				}
			}
		}
	}
}

// dcRepository returns the path of a repository of a normal project.
func dcRepository(v *validator) (key, slug string) {
	v.Helper()
	for _, r := range v.all("/rest/api/latest/repos?limit=100", asToken(dcToken)) {
		if at(r, "project.type") == "NORMAL" && at(r, "public") == false {
			return at(r, "project.key").(string), r["slug"].(string)
		}
	}
	v.Fatal("there is no repository")
	return "", ""
}

func TestDataCenterSettingsChange(t *testing.T) {
	doc := openapitest.Load(t, "datacenter.openapi.json")
	s, base := start(t, sandbox.Options{Repositories: 24, PullRequests: 30, Users: 20})
	v := &validator{T: t, doc: doc, base: base + "/dc"}
	token, d := asToken(dcToken), s.DataCenter()
	key, slug := dcRepository(v)
	path := "/projects/" + key + "/repos/" + slug
	repo, project := sandbox.Place{Repository: key + "/" + slug}, sandbox.Place{Project: key}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}

	name, err := d.CreateGroup(sandbox.GroupSpec{Name: "Neue Gruppe"})
	must(err)
	must(d.SetGroupMember("", name, "robot-3", true))
	must(d.SetGroupMember("", "acme-developers", "robot-3", false))
	members := v.all("/rest/api/latest/admin/groups/more-members?context=Neue+Gruppe", asAdmin)
	if len(members) != 1 || members[0]["name"] != "robot-3" {
		t.Errorf("members of the new group: %v", members)
	}

	must(d.Grant(sandbox.GrantSpec{Place: repo, User: "robot-3", Permission: "ADMIN"}))
	must(d.Grant(sandbox.GrantSpec{Place: project, Group: name, Permission: "WRITE"}))
	must(d.Grant(sandbox.GrantSpec{Group: name, Permission: "PROJECT_CREATE"}))
	find := func(list []object, path, is string) object {
		for _, o := range list {
			if at(o, path) == is {
				return o
			}
		}
		return nil
	}
	if g := find(v.all("/rest/api/latest"+path+"/permissions/users", token), "user.name", "robot-3"); at(g, "permission") != "REPO_ADMIN" {
		t.Errorf("grant of a user: %v", g)
	}
	if g := find(v.all("/rest/api/latest/projects/"+key+"/permissions/groups", token), "group.name", name); at(g, "permission") != "PROJECT_WRITE" {
		t.Errorf("grant of a group: %v", g)
	}
	if g := find(v.all("/rest/api/latest/admin/permissions/groups", asAdmin), "group.name", name); at(g, "permission") != "PROJECT_CREATE" {
		t.Errorf("grant on the instance: %v", g)
	}
	must(d.SetDefaultPermission(key, "WRITE"))
	for permission, is := range map[string]bool{"PROJECT_READ": true, "PROJECT_WRITE": true, "PROJECT_ADMIN": false} {
		var answer struct{ Permitted bool }
		must(json.Unmarshal(v.get("/rest/api/latest/projects/"+key+"/permissions/"+permission+"/all", 200), &answer))
		if answer.Permitted != is {
			t.Errorf("%s is permitted to all: %v, want %v", permission, answer.Permitted, is)
		}
	}

	id, err := d.SetRestriction(sandbox.RestrictionSpec{Place: project, Kind: "no-creates", Match: "PATTERN", Pattern: "wip/*", Users: []string{"robot-3"}, Groups: []string{name}})
	must(err)
	// 2.0 is the number that the module had for long (FACTS 105).
	_, body := get(t, dcToken, base+"/dc/rest/branch-permissions/2.0"+path+"/restrictions?type=no-creates")
	var rules struct {
		Values []struct {
			ID     int64
			Scope  struct{ Type string }
			Groups []string
		}
	}
	must(json.Unmarshal(body, &rules))
	if len(rules.Values) != 1 || rules.Values[0].ID != id || rules.Values[0].Scope.Type != "PROJECT" || rules.Values[0].Groups[0] != name {
		t.Errorf("the project's restriction in the repository: %s", body)
	}

	must(d.DeleteGroup("", name))
	if g := find(v.all("/rest/api/latest/projects/"+key+"/permissions/groups", token), "group.name", name); g != nil {
		t.Errorf("a deleted group still has %v", g)
	}
	must(d.DeleteRestriction(project, id))
	if left := v.all("/rest/branch-permissions/latest"+path+"/restrictions?type=no-creates", token); len(left) != 0 {
		t.Errorf("a deleted restriction is listed: %v", left)
	}

	must(d.SetDefaultReviewers(sandbox.ReviewersSpec{Place: project, Users: nil}))
	must(d.SetDefaultReviewers(sandbox.ReviewersSpec{Place: repo, Users: []string{"robot-3"}, Approvals: 1, Branch: "main"}))
	rule := v.bare("/rest/default-reviewers/latest" + path + "/conditions")
	if len(rule) != 1 || at(rule[0], "targetRefMatcher.id") != "refs/heads/main" || at(rule[0], "requiredApprovals") != 1.0 {
		t.Errorf("default reviewers: %v", rule)
	}

	before := len(v.all("/rest/keys/latest"+path+"/ssh", token))
	keyID, err := d.AddKey(sandbox.KeySpec{Place: repo, Label: "mine", Write: true})
	must(err)
	if k := find(v.all("/rest/keys/latest"+path+"/ssh?filter=mine", token), "key.label", "mine"); at(k, "permission") != "REPO_WRITE" {
		t.Errorf("access key: %v", k)
	}
	must(d.DeleteKey(repo, keyID))
	if got := len(v.all("/rest/keys/latest"+path+"/ssh", token)); got != before {
		t.Errorf("%d keys are left, want %d", got, before)
	}
}

func TestDataCenterSettingsAreForAdministrators(t *testing.T) {
	doc := openapitest.Load(t, "datacenter.openapi.json")
	s, base := start(t, sandbox.Options{Repositories: 24, PullRequests: 30, Users: 20})
	v := &validator{T: t, doc: doc, base: base + "/dc"}
	key, slug := dcRepository(v)
	if err := s.DataCenter().AddCredential(sandbox.DCCredential{Name: "reader", User: "robot-2", Token: "reader", Permission: "read"}); err != nil {
		t.Fatal(err)
	}
	path := "/projects/" + key + "/repos/" + slug
	for _, p := range []string{
		"/rest/api/latest" + path + "/permissions/users", "/rest/branch-permissions/latest" + path + "/restrictions", "/rest/keys/latest" + path + "/ssh",
		"/rest/api/latest" + path + "/webhooks", "/rest/branch-permissions/latest/projects/" + key + "/restrictions", "/rest/keys/latest/projects/" + key + "/ssh",
	} {
		v.ask(http.MethodGet, p, 401, "", asToken("reader"))
	}
	v.ask(http.MethodGet, "/rest/default-reviewers/latest"+path+"/conditions", 200, "", asToken("reader"))
}

// TestOldDataCentersShowSecrets is FACTS 145: a client must drop what it is shown.
func TestOldDataCentersShowSecrets(t *testing.T) {
	for version, shown := range map[string]bool{"7.21": true, "9.4": false} {
		s, base := start(t, sandbox.Options{Repositories: 24, PullRequests: 30, Users: 20, DCVersion: version})
		v := &validator{T: t, base: base + "/dc", doc: openapitest.Load(t, "datacenter.openapi.json")}
		key, slug := dcRepository(v)
		id, err := s.DataCenter().AddHook(sandbox.HookSpec{
			Place: sandbox.Place{Repository: key + "/" + slug}, Name: "x", URL: "https://x.example/?token=canary-url", Events: []string{"pr:opened"},
			Secret: "canary-secret", Username: "bot", Password: "canary-password", Active: true,
		})
		if err != nil {
			t.Fatal(err)
		}
		body := v.get("/rest/api/latest/projects/"+key+"/repos/"+slug+"/webhooks/"+id, 200)
		for _, secret := range []string{"canary-secret", "canary-password"} {
			if got := bytes.Contains(body, []byte(secret)); got != shown {
				t.Errorf("%s shows %s: %v, want %v", version, secret, got, shown)
			}
		}
		if !strings.Contains(string(body), "canary-url") {
			t.Errorf("%s: the address is %s", version, body)
		}
	}
}
