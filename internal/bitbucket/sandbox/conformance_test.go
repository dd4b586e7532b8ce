package sandbox_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/windlass-hq/windlass/internal/bitbucket/openapitest"
	"github.com/windlass-hq/windlass/internal/bitbucket/sandbox"
)

// TestAnswersConformToTheVendorsDocument asks every endpoint in every form and validates what comes back. The
// exceptions for flaws of the document stand in openapitest.
func TestAnswersConformToTheVendorsDocument(t *testing.T) {
	doc := openapitest.Load(t, "cloud.openapi.json")
	s, base := start(t, sandbox.Options{Repositories: 40, PullRequests: 600, Users: 60, ImportGit: oddClone(t)})
	checked := 0
	check := func(path string, status int) (next string) {
		t.Helper()
		resp, body := get(t, token, base+path)
		if resp.StatusCode != status {
			t.Fatalf("GET %s: %s, want %d: %.200s", path, resp.Status, status, body)
		}
		bare := strings.TrimPrefix(resp.Request.URL.EscapedPath(), "/cloud")
		if err := doc.Response("GET", bare, status, body); err != nil {
			t.Errorf("%.2000v", err)
		}
		checked++
		var page struct {
			Next string `json:"next"`
		}
		if status == http.StatusOK {
			if err := json.Unmarshal(body, &page); err != nil {
				t.Error(err)
			}
		}
		return strings.TrimPrefix(page.Next, base)
	}
	all := func(path string) {
		t.Helper()
		for n := 0; path != "" && n < 200; n++ {
			path = check(path, http.StatusOK)
		}
	}
	check("/cloud/2.0/user", 200)
	all("/cloud/2.0/user/workspaces")
	check("/2.0/workspaces/acme", 200)
	all("/2.0/workspaces/acme/members?pagelen=20")
	first := walk(t, base+"/2.0/workspaces/acme/members")[0]
	check("/2.0/workspaces/acme/members/"+url.PathEscape(at(first, "user.uuid").(string)), 200)
	all("/2.0/workspaces/acme/projects")
	check("/2.0/workspaces/acme/projects/IMPORT", 200)
	all("/2.0/repositories/acme?pagelen=100")
	all("/2.0/repositories/acme?pagelen=100&fields=*,values.*")
	for _, r := range walk(t, base+"/2.0/repositories/acme?pagelen=100") {
		api := "/cloud/2.0/repositories/" + r["full_name"].(string)
		check(api, 200)
		all(api + "/pullrequests?state=ALL&pagelen=50&fields=%2Bvalues.participants,%2Bvalues.reviewers")
		all(api + "/refs?pagelen=100")
		all(api + "/refs/branches?pagelen=100")
		all(api + "/refs/tags?pagelen=100")
		all(api + "/commits?pagelen=100")
	}
	name := someRepository(t, base)
	api := "/cloud/2.0/repositories/" + name
	for _, p := range walk(t, base+api+"/pullrequests?state=ALL&pagelen=50&fields=next,values.id") {
		one := api + "/pullrequests/" + json.Number(jsonText(t, p["id"])).String()
		check(one, 200)
		all(one + "/commits")
		all(one + "/activity?pagelen=50")
	}
	all(api + "/pullrequests/activity?pagelen=50")
	check(api+"/commit/"+at(walk(t, base+api+"/refs/branches")[0], "target.hash").(string), 200)

	check("/2.0/repositories/acme/nothing", 404)
	check("/2.0/workspaces/nothing", 404)
	check("/2.0/workspaces/acme/projects/NOTHING", 404)
	check(api+"/pullrequests/99999", 404)
	check(api+"/pullrequests/0", 404)
	check(api+"/pullrequests?pagelen=51", 400)
	check(api+"/pullrequests?q=nonsense", 400)
	if err := s.EditCredential("access-token", func(c *sandbox.Credential) { c.Scopes = []string{"account"} }); err != nil {
		t.Fatal(err)
	}
	check(api, 403)
	check("/2.0/repositories", 410)
	if checked < 200 {
		t.Errorf("only %d answers were checked", checked)
	}
}

func jsonText(t testing.TB, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
