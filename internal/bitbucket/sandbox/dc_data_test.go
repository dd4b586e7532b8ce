package sandbox_test

import (
	"bytes"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/windlass-hq/windlass/internal/bitbucket/sandbox"
)

func TestDataCenterSameOptionsSameBytes(t *testing.T) {
	options := func() sandbox.Options { return sandbox.Options{Seed: 7, PublicURL: "https://bitbucket.example"} }
	_, a := start(t, options())
	_, b := start(t, options())
	_, paths := dcFilled(t, a)
	one := strings.TrimPrefix(paths[0], a)
	api := "/dc/rest/api/latest"
	// The order of requests must not matter: b computes hashes from the commits, a from the pull requests.
	list := []string{
		one + "/pull-requests?state=ALL&limit=100", one + "/commits?limit=100", one + "/branches?limit=100", one,
		api + "/repos?limit=100&archived=ALL", api + "/users?limit=100", api + "/projects?limit=100",
	}
	first := map[string][]byte{}
	for _, p := range list {
		_, first[p] = get(t, dcToken, a+p)
	}
	for i := range list {
		p := list[len(list)-1-i]
		if _, body := get(t, dcToken, b+p); !bytes.Equal(body, first[p]) || len(body) < 200 {
			t.Errorf("%s differs:\n%.300s\n%.300s", p, first[p], body)
		}
	}
	if !bytes.Contains(first[one], []byte(`"href":"https://bitbucket.example/dc/projects/`)) {
		t.Errorf("links do not begin with the public URL: %s", first[one])
	}
}

// TestDataCenterHasWhatRealInstancesHave checks that every oddity that a client must cope with occurs.
func TestDataCenterHasWhatRealInstancesHave(t *testing.T) {
	_, base := start(t, sandbox.Options{Repositories: 120, PullRequests: 3000, Users: 80})
	api := base + "/dc/rest/api/latest"
	seen := map[string]int{}
	note := func(what string, is bool) {
		if is {
			seen[what]++
		}
	}
	emails := map[any]any{}
	for _, u := range dcWalk(t, dcToken, api+"/users?limit=100") {
		note("login unlike slug", u["name"] != u["slug"])
		note("foreign name", nonASCII(u["displayName"].(string)))
		emails[u["emailAddress"]] = u["displayName"]
	}
	for _, m := range walk(t, base+"/2.0/workspaces/acme/members?q=user.email+IN+(%22admin%40acme.example%22)") {
		note("person of both products", emails["admin@acme.example"] == at(m, "user.display_name"))
	}
	slugs := map[any]int{}
	for _, r := range dcWalk(t, dcToken, api+"/repos?limit=100&archived=ALL") {
		one := api + "/projects/" + at(r, "project.key").(string) + "/repos/" + r["slug"].(string)
		resp, _ := get(t, dcToken, one+"/default-branch")
		note("empty repository", resp.StatusCode == http.StatusNotFound)
		note("public repository", r["public"] == true)
		note("private repository", r["public"] == false)
		note("archived repository", r["archived"] == true)
		note("fork", r["origin"] != nil)
		note("personal repository", at(r, "project.type") == "PERSONAL")
		slugs[r["slug"]]++
		note("slug in two projects", slugs[r["slug"]] == 2)
		for _, p := range dcWalk(t, dcToken, one+"/pull-requests?state=ALL&limit=100") {
			note(p["state"].(string), true)
			note("draft", p["draft"] == true)
			note("no description", p["description"] == nil)
			note("from a fork", at(p, "fromRef.repository.id") != nil && at(p, "fromRef.repository.id") != r["id"])
			note("from a deleted fork", at(p, "fromRef.repository") == nil)
			note("deleted author", at(p, "author.user.active") == false && at(p, "author.user.emailAddress") == nil)
			for _, x := range p["reviewers"].([]any) {
				note(at(x, "status").(string), true)
			}
			note("participant", len(p["participants"].([]any)) > 0)
			if p["updatedDate"].(float64) < p["createdDate"].(float64) || (p["closedDate"] == nil) != (p["state"] == "OPEN") {
				t.Errorf("dates of %v", p)
			}
		}
	}
	for _, what := range []string{
		"login unlike slug", "foreign name", "person of both products", "empty repository", "public repository", "private repository",
		"archived repository", "fork", "personal repository", "slug in two projects", "OPEN", "MERGED", "DECLINED", "draft", "no description",
		"from a fork", "from a deleted fork", "deleted author", "APPROVED", "NEEDS_WORK", "UNAPPROVED", "participant",
	} {
		if seen[what] == 0 {
			t.Errorf("there is no %s", what)
		}
	}
	if seen["SUPERSEDED"] > 0 {
		t.Error("nothing is superseded on Data Center")
	}
}

// TestDataCenterReadsBesideChanges is meant for the race detector, and checks that every answer is whole.
func TestDataCenterReadsBesideChanges(t *testing.T) {
	s, base := start(t, sandbox.Options{})
	names, paths := dcFilled(t, base)
	dc := s.DataCenter()
	var wg sync.WaitGroup
	for _, target := range []string{
		paths[0] + "/pull-requests?state=ALL&limit=100", paths[0] + "/commits", paths[0] + "/branches", base + "/dc/rest/api/latest/repos?limit=100",
		base + "/dc/rest/api/latest/users", base + "/sandbox/stats",
	} {
		wg.Go(func() {
			for range 15 {
				if resp, body := get(t, dcToken, target); resp.StatusCode != http.StatusOK {
					t.Errorf("%s: %s %.200s", target, resp.Status, body)
				}
			}
		})
	}
	wg.Go(func() {
		for i := range 6 {
			n := strconv.Itoa(i)
			id, err := dc.OpenPullRequest(sandbox.PullRequestSpec{Repository: names[0], Title: "t", Source: "race-" + n})
			if err == nil {
				err = dc.Approve(names[0], id, "robot-2")
			}
			if err == nil {
				_, err = dc.Merge(names[0], id, "")
			}
			if err == nil {
				_, err = dc.CreateUser("racer"+n, "Racer", "racer"+n+"@acme.example")
			}
			if err == nil {
				_, err = dc.CreateRepository(sandbox.DCRepositorySpec{Project: strings.Split(names[0], "/")[0], Name: "race " + n})
			}
			if err == nil {
				err = dc.EditCredential("sandbox-token-3", func(c *sandbox.DCCredential) { c.Expired = !c.Expired })
			}
			if err != nil {
				t.Error(err)
			}
		}
	})
	wg.Wait()
	if got := len(dcWalk(t, dcToken, paths[0]+"/pull-requests?state=MERGED&filterText=t&username.1=admin&limit=100")); got < 6 {
		t.Errorf("%d merged, want at least 6", got)
	}
}

// TestForksHaveTheCommitsOfTheirPullRequests checks that what a pull request comes from can be read there, also after
// the repository that it goes to has changed.
func TestForksHaveTheCommitsOfTheirPullRequests(t *testing.T) {
	for _, changed := range []bool{false, true} {
		s, base := start(t, sandbox.Options{Repositories: 60, PullRequests: 900})
		api := base + "/dc/rest/api/latest"
		commits, branches := 0, 0
		for _, r := range dcWalk(t, dcToken, api+"/repos?limit=100") {
			one := api + "/projects/" + at(r, "project.key").(string) + "/repos/" + r["slug"].(string)
			for _, p := range dcWalk(t, dcToken, one+"/pull-requests?state=ALL&limit=100") {
				from := at(p, "fromRef.repository")
				if from == nil || at(from, "id") == r["id"] {
					continue
				}
				if changed && commits == 0 && p["state"] == "OPEN" {
					name := at(r, "project.key").(string) + "/" + r["slug"].(string)
					if _, err := s.DataCenter().Merge(name, int(p["id"].(float64)), "admin"); err != nil {
						t.Fatal(err)
					}
				}
				fork := api + "/projects/" + at(from, "project.key").(string) + "/repos/" + at(from, "slug").(string)
				dcWant(t, dcToken, 200, fork+"/commits/"+at(p, "fromRef.latestCommit").(string))
				commits++
				for _, b := range dcWalk(t, dcToken, fork+"/branches?limit=100") {
					if b["displayId"] == at(p, "fromRef.displayId") && b["latestCommit"] == at(p, "fromRef.latestCommit") {
						branches++
					}
				}
			}
		}
		if commits == 0 || branches == 0 {
			t.Errorf("%d pull requests come from forks, %d of them from a branch that is there", commits, branches)
		}
	}
}
