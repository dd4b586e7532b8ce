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

// asConsumer returns a bearer token of the known OAuth consumer, which may read everything.
func asConsumer(t testing.TB, base string) string {
	t.Helper()
	return oauthToken(t, base+"/site/oauth2/access_token", "sandbox-key", "sandbox-secret")
}

// TestSettingsConformToTheVendorsDocument asks for every setting of every object and validates what comes back, and
// checks that each kind of setting occurs and comes in pages.
func TestSettingsConformToTheVendorsDocument(t *testing.T) {
	doc := openapitest.Load(t, "cloud.openapi.json")
	_, base := start(t, sandbox.Options{Repositories: 30, PullRequests: 60, Users: 30})
	bearer := asConsumer(t, base)
	seen := map[string]int{}
	all := func(path string) {
		t.Helper()
		bare, _, _ := strings.Cut(path, "?")
		for next := base + path; next != ""; {
			resp, body := get(t, bearer, next)
			if resp.StatusCode != http.StatusOK {
				t.Fatalf("GET %s: %s: %.300s", next, resp.Status, body)
			}
			if err := doc.Response("GET", strings.TrimPrefix(bare, "/cloud"), http.StatusOK, body); err != nil {
				t.Errorf("%.1500v", err)
			}
			var page struct {
				Values []object
				Next   string
			}
			if err := json.Unmarshal(body, &page); err != nil {
				t.Fatal(err)
			}
			kind := bare[strings.LastIndexByte(bare, '/')+1:]
			if strings.Contains(bare, "/projects/") {
				kind = "project " + kind
			}
			seen[kind] += len(page.Values)
			next = page.Next
		}
	}
	const ws = "/cloud/2.0/workspaces/acme"
	all(ws + "/permissions?pagelen=7")
	all(ws + "/permissions/repositories?pagelen=100")
	all(ws + "/hooks?pagelen=1")
	for _, p := range walkAs(t, bearer, base+ws+"/projects") {
		one := ws + "/projects/" + p["key"].(string)
		for _, list := range []string{"/permissions-config/users", "/permissions-config/groups", "/default-reviewers", "/deploy-keys"} {
			all(one + list + "?pagelen=2")
		}
	}
	for _, r := range walkAs(t, bearer, base+"/2.0/repositories/acme?pagelen=100") {
		one := "/cloud/2.0/repositories/" + r["full_name"].(string)
		for _, list := range []string{
			"/permissions-config/users", "/permissions-config/groups", "/branch-restrictions", "/default-reviewers",
			"/effective-default-reviewers", "/hooks", "/deploy-keys", "/environments",
		} {
			all(one + list + "?pagelen=3")
		}
		all(one + "/branching-model")
		all(one + "/effective-branching-model")
	}
	for _, kind := range []string{
		"permissions", "repositories", "hooks", "users", "groups", "branch-restrictions", "default-reviewers", "effective-default-reviewers",
		"deploy-keys", "environments", "project users", "project groups", "project default-reviewers", "project deploy-keys",
	} {
		if seen[kind] == 0 {
			t.Errorf("there are no %s", kind)
		}
	}
}

func TestEachSettingTellsWhatIsMissing(t *testing.T) {
	s, base := start(t, sandbox.Options{Repositories: 12, PullRequests: 30, Users: 20})
	bearer := asConsumer(t, base)
	name := someRepository(t, base)
	repo := base + "/2.0/repositories/" + name
	project := base + "/2.0/workspaces/acme/projects/" + at(want(t, 200, repo), "project.key").(string)
	ws := base + "/2.0/workspaces/acme"
	for path, scope := range map[string]string{
		ws + "/permissions":                    "account",
		ws + "/permissions/repositories":       "account",
		ws + "/hooks":                          "webhook",
		base + "/1.0/groups/acme":              "account",
		project + "/permissions-config/users":  "project:admin",
		project + "/permissions-config/groups": "project:admin",
		project + "/default-reviewers":         "project:admin",
		project + "/deploy-keys":               "project:admin",
		repo + "/permissions-config/users":     "repository:admin",
		repo + "/permissions-config/groups":    "repository:admin",
		repo + "/branch-restrictions":          "repository:admin",
		repo + "/default-reviewers":            "pullrequest",
		repo + "/effective-default-reviewers":  "pullrequest",
		repo + "/hooks":                        "webhook",
		repo + "/deploy-keys":                  "repository:admin",
		repo + "/environments":                 "pipeline",
	} {
		scopes := []string{}
		for _, x := range sandbox.EveryScope() {
			if x != scope && x != scope+":write" {
				scopes = append(scopes, x)
			}
		}
		if err := s.EditCredential("sandbox-key", func(c *sandbox.Credential) { c.Scopes = scopes }); err != nil {
			t.Fatal(err)
		}
		resp, body := get(t, bearer, path)
		var answer object
		if err := json.Unmarshal(body, &answer); err != nil {
			t.Fatal(err)
		}
		required, _ := at(answer, "error.detail.required").([]any)
		if resp.StatusCode != http.StatusForbidden || len(required) != 1 || required[0] != scope {
			t.Errorf("GET %s without %s: %s %.200s", path, scope, resp.Status, body)
		}
		if err := s.EditCredential("sandbox-key", func(c *sandbox.Credential) { c.Scopes = sandbox.EveryScope() }); err != nil {
			t.Fatal(err)
		}
		if resp, body := get(t, bearer, path); resp.StatusCode != http.StatusOK {
			t.Errorf("GET %s with every scope: %s %.200s", path, resp.Status, body)
		}
		if resp, _ := get(t, "", path); resp.StatusCode != http.StatusUnauthorized && resp.StatusCode != http.StatusNotFound {
			t.Errorf("GET %s without a credential: %s", path, resp.Status)
		}
	}
}

// TestAccessTokensReadNoPermissions is FACTS 13: their scopes do not help, though other settings are readable.
func TestAccessTokensReadNoPermissions(t *testing.T) {
	_, base := start(t, sandbox.Options{Repositories: 12, PullRequests: 30, Users: 20})
	repo := base + "/2.0/repositories/" + someRepository(t, base)
	project := base + "/2.0/workspaces/acme/projects/" + at(want(t, 200, repo), "project.key").(string)
	for path, status := range map[string]int{
		repo + "/permissions-config/users":                     403,
		repo + "/permissions-config/groups":                    403,
		project + "/permissions-config/users":                  403,
		project + "/permissions-config/groups":                 403,
		base + "/2.0/workspaces/acme/permissions":              403,
		base + "/2.0/workspaces/acme/permissions/repositories": 403,
		repo + "/branch-restrictions":                          200,
		repo + "/deploy-keys":                                  200,
		repo + "/hooks":                                        200,
	} {
		want(t, status, path)
	}
}

// TestATokenOfAProjectReadsNoSettingsElsewhere asks with a token of one project for a public repository of another one.
func TestATokenOfAProjectReadsNoSettingsElsewhere(t *testing.T) {
	s, base := start(t, sandbox.Options{Repositories: 12, PullRequests: 30, Users: 20})
	var keys []string
	for _, p := range walk(t, base+"/2.0/workspaces/acme/projects") {
		keys = append(keys, p["key"].(string))
	}
	if err := s.AddCredential(sandbox.Credential{Kind: sandbox.AccessToken, Name: "p", Secret: "p", Scopes: sandbox.EveryScope(), Projects: []string{"acme/" + keys[0]}}); err != nil {
		t.Fatal(err)
	}
	for key, status := range map[string]int{keys[0]: http.StatusOK, keys[1]: http.StatusForbidden} {
		if _, err := s.CreateRepository(sandbox.RepositorySpec{Workspace: "acme", Project: key, Name: "open " + key, Public: true}); err != nil {
			t.Fatal(err)
		}
		for _, list := range []string{"/branch-restrictions", "/hooks", "/deploy-keys"} {
			if resp, body := get(t, "p", base+"/2.0/repositories/acme/open-"+strings.ToLower(key)+list); resp.StatusCode != status {
				t.Errorf("%s of %s: %s, want %d: %.200s", list, key, resp.Status, status, body)
			}
		}
	}
}

// TestSettingsAreForAdministrators reads with API tokens of a member and of an administrator.
func TestSettingsAreForAdministrators(t *testing.T) {
	s, base := start(t, sandbox.Options{Repositories: 12, PullRequests: 30, Users: 20})
	id, err := s.CreateUser("Nobody Special", "nobody@acme.example")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.AddMember("acme", id, false); err != nil {
		t.Fatal(err)
	}
	scopes := []string{
		"read:workspace:bitbucket", "read:repository:bitbucket", "read:project:bitbucket", "admin:repository:bitbucket", "admin:project:bitbucket",
		"read:webhook:bitbucket", "read:pullrequest:bitbucket",
	}
	if err := s.AddCredential(sandbox.Credential{Kind: sandbox.APIToken, Name: "n", Key: "nobody@acme.example", Secret: "n", Scopes: scopes}); err != nil {
		t.Fatal(err)
	}
	name := someRepository(t, base)
	repo := base + "/2.0/repositories/" + name
	ask := func(path, user, password string) int {
		req, err := http.NewRequest(http.MethodGet, path, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.SetBasicAuth(user, password)
		resp, _ := do(t, req)
		return resp.StatusCode
	}
	paths := []string{repo + "/permissions-config/users", repo + "/branch-restrictions", repo + "/deploy-keys", repo + "/hooks"}
	for _, path := range append(paths, base+"/2.0/workspaces/acme/hooks", base+"/2.0/workspaces/acme/permissions/repositories", base+"/1.0/groups/acme") {
		if got := ask(path, "nobody@acme.example", "n"); got != http.StatusForbidden {
			t.Errorf("GET %s as a member: %d, want 403", path, got)
		}
		if got := ask(path, "admin@acme.example", "sandbox-api-token"); got != http.StatusOK {
			t.Errorf("GET %s as an administrator: %d, want 200", path, got)
		}
	}
	if err := s.Grant(sandbox.GrantSpec{Place: sandbox.Place{Repository: name}, User: id, Permission: "admin"}); err != nil {
		t.Fatal(err)
	}
	for _, path := range paths {
		if got := ask(path, "nobody@acme.example", "n"); got != http.StatusOK {
			t.Errorf("GET %s as an administrator of the repository: %d, want 200", path, got)
		}
	}
}

// TestSettingsFollowFromTheSeed reads the same settings of two sandboxes, of which one has seen changes elsewhere.
func TestSettingsFollowFromTheSeed(t *testing.T) {
	options := func(seed uint64) sandbox.Options {
		return sandbox.Options{Seed: seed, Repositories: 12, PullRequests: 30, Users: 20, PublicURL: "https://bitbucket.example"}
	}
	_, a := start(t, options(7))
	changed, b := start(t, options(7))
	_, c := start(t, options(8))
	repos := fullNames(t, a, "/2.0/repositories/acme?pagelen=100")
	if _, err := changed.CreateUser("One More", "more@acme.example"); err != nil {
		t.Fatal(err)
	}
	if err := changed.Grant(sandbox.GrantSpec{Place: sandbox.Place{Repository: repos[0]}, User: "more@acme.example", Permission: "admin"}); err != nil {
		t.Fatal(err)
	}
	read := func(base, path string) string {
		_, body := get(t, asConsumer(t, base), base+path)
		return string(body)
	}
	for _, name := range repos[1:] {
		for _, list := range []string{"/permissions-config/users", "/permissions-config/groups", "/branch-restrictions", "/hooks", "/deploy-keys", "/environments"} {
			path := "/2.0/repositories/" + name + list
			if x, y := read(a, path), read(b, path); x != y {
				t.Errorf("%s differs:\n%.300s\n%.300s", path, x, y)
			}
		}
	}
	if x, y := read(a, "/2.0/workspaces/acme/hooks"), read(c, "/2.0/workspaces/acme/hooks"); x == y {
		t.Error("another seed gives the same hooks")
	}
}

// fullNames returns the full names of the first page of repositories; its links lead elsewhere.
func fullNames(t testing.TB, base, path string) []string {
	t.Helper()
	var names []string
	for _, r := range want(t, 200, base+path)["values"].([]any) {
		names = append(names, at(r, "full_name").(string))
	}
	return names
}

func TestHooksComeAndGo(t *testing.T) {
	doc := openapitest.Load(t, "cloud.openapi.json")
	_, base := start(t, sandbox.Options{Repositories: 12, PullRequests: 30, Users: 20})
	bearer := asConsumer(t, base)
	send := func(method, path, body string, status int) object {
		t.Helper()
		req, err := http.NewRequest(method, base+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+bearer)
		resp, answer := do(t, req)
		if resp.StatusCode != status {
			t.Fatalf("%s %s: %s, want %d: %.300s", method, path, resp.Status, status, answer)
		}
		if strings.Contains(string(answer), "s3cret") {
			t.Errorf("%s %s shows the secret", method, path)
		}
		if len(answer) == 0 {
			return nil
		}
		if err := doc.Response(method, path, status, answer); err != nil && status < 300 {
			t.Errorf("%.1500v", err)
		}
		var o object
		if err := json.Unmarshal(answer, &o); err != nil {
			t.Fatal(err)
		}
		return o
	}
	for _, of := range []string{"/2.0/workspaces/acme", "/2.0/repositories/" + someRepository(t, base)} {
		before := len(walkAs(t, bearer, base+of+"/hooks"))
		h := send("POST", of+"/hooks", `{"description":"Windlass","url":"https://windlass.example/h/1","active":true,"secret":"s3cret","events":["repo:push"]}`, 201)
		one := of + "/hooks/" + url.PathEscape(h["uuid"].(string))
		if h["secret_set"] != true {
			t.Errorf("created: %v", h)
		}
		if got := send("PUT", one, `{"events":["pullrequest:created"]}`, 200); got["secret_set"] != true || at(got, "url") != "https://windlass.example/h/1" {
			t.Errorf("updated: %v", got)
		}
		if got := send("PUT", one, `{"secret":null}`, 200); got["secret_set"] != false {
			t.Errorf("secret removed: %v", got)
		}
		send("POST", of+"/hooks", `{"url":"nowhere","events":["repo:push"]}`, 400)
		send("POST", of+"/hooks", `{"url":"https://x.example","events":["nothing:known"]}`, 400)
		if got := len(walkAs(t, bearer, base+of+"/hooks")); got != before+1 {
			t.Errorf("%s has %d hooks, want %d", of, got, before+1)
		}
		send("DELETE", one, "", 204)
		send("GET", one, "", 404)
	}
}
