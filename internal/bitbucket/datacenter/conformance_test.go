package datacenter_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/windlass-hq/windlass/internal/bitbucket"
	"github.com/windlass-hq/windlass/internal/bitbucket/openapitest"
	"github.com/windlass-hq/windlass/internal/bitbucket/sandbox"
	"github.com/windlass-hq/windlass/internal/graph"
)

// TestRequestsConformToTheVendorsDocument walks a sandbox in every way the client knows and validates each request it
// makes. It is skipped where the vendor's document is absent.
func TestRequestsConformToTheVendorsDocument(t *testing.T) {
	doc := openapitest.Load(t, "datacenter.openapi.json")
	s := box(t, sandbox.Options{Repositories: 40, PullRequests: 400, Users: 20, Limits: sandbox.Limits{DCPage: 20}})
	checked := map[string]int{}
	checking := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path, ok := strings.CutPrefix(r.URL.EscapedPath(), "/dc/rest")
		if !ok || r.Method != http.MethodGet {
			t.Errorf("%s %s", r.Method, r.URL)
		}
		checked[strings.Split(path, "/")[3]]++
		if strings.Contains(path, "/admin") {
			t.Errorf("%s needs an administrator (FACTS 113)", path)
		}
		if err := doc.Request(r.Method, path, r.URL.Query()); err != nil {
			t.Errorf("%s %s: %v", r.Method, r.URL, err)
		}
		s.Handler().ServeHTTP(w, r)
	})
	c := openBox(t, checking, with(adminToken, robotToken))
	ctx := t.Context()
	if _, err := c.Check(ctx, []string{"NOSUCHPROJECT"}); err == nil {
		t.Error("a project that does not exist was found")
	}
	got, err := walk(t, c)
	if err != nil {
		t.Fatal(err)
	}
	some := openBox(t, checking, projects(got.repos[0].Project))
	if _, err := walk(t, some); err != nil {
		t.Fatal(err)
	}
	asked := map[string]bool{}
	for key, e := range got.entities {
		if asked[e.Type] {
			continue
		}
		asked[e.Type] = true
		text := func(name string) string { s, _ := e.Properties[name].(string); return s }
		ref := bitbucket.Ref{Type: e.Type, Key: key, Project: text("key") + text("projectKey"), Slug: text("slug"), Name: text("name")}
		presence, err := c.Exists(ctx, ref)
		if err != nil || presence != bitbucket.Present && e.Type != graph.TypeUser { // an account that is gone is no user
			t.Errorf("%s: %q, %v", key, presence, err)
		}
		if e.Type == graph.TypeRepo {
			gone := ref
			gone.Key, gone.Slug = "dc:i1:repo:999999", "no-such-repository"
			if presence, err := c.Exists(ctx, gone); presence != bitbucket.Gone || err != nil {
				t.Errorf("no such repository: %q, %v", presence, err)
			}
		}
	}
	ignore := func(bitbucket.Page) error { return nil }
	if err := c.PullRequestsSince(ctx, got.repos[0], time.Unix(1_700_000_000, 0), ignore); err != nil {
		t.Error(err)
	}
	if len(asked) != 5 || checked["projects"] < 40 || checked["repos"] < 2 || checked["users"] < 2 || checked["application-properties"] < 2 {
		t.Errorf("checked %v, of %v", checked, asked)
	}
}
