package cloud_test

import (
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/windlass-hq/windlass/internal/bitbucket"
	"github.com/windlass-hq/windlass/internal/bitbucket/cloud"
	"github.com/windlass-hq/windlass/internal/bitbucket/openapitest"
	"github.com/windlass-hq/windlass/internal/bitbucket/sandbox"
	"github.com/windlass-hq/windlass/internal/graph"
)

// TestRequestsConformToTheVendorsDocument walks a sandbox in every way the client knows and validates each request
// it makes. It is skipped where the vendor's document is absent.
func TestRequestsConformToTheVendorsDocument(t *testing.T) {
	doc := openapitest.Load(t, "cloud.openapi.json")
	s := box(t, sandbox.Options{Repositories: 120, PullRequests: 900, Users: 20})
	var mu sync.Mutex
	checked := map[string]int{}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// What is left of the API 1.0 is in no document (FACTS 5).
		if r.Method == http.MethodGet && r.URL.Path != "/1.0/groups/acme" {
			mu.Lock()
			checked[r.Method]++
			mu.Unlock()
			if err := doc.Request(r.Method, r.URL.EscapedPath(), r.URL.Query()); err != nil {
				t.Errorf("%s %s: %v", r.Method, r.URL, err)
			}
		}
		s.Handler().ServeHTTP(w, r)
	}))
	defer srv.Close()
	c, err := cloud.New(cloud.Options{
		APIURL:      srv.URL,
		Credentials: []bitbucket.Credential{consumer, {Kind: bitbucket.Token, Secret: "sandbox-cloud-token"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	if _, err := c.Check(ctx, []string{"acme", "amce"}); err == nil {
		t.Error("a workspace that does not exist was found")
	}
	if _, err := c.Workspaces(ctx, nil); err != nil {
		t.Error(err)
	}
	got, err := walk(t, c, "acme")
	if err != nil {
		t.Fatal(err)
	}
	asked := map[string]bool{}
	for key, e := range got.entities {
		if asked[e.Type] {
			continue
		}
		asked[e.Type] = true
		short, _ := e.Properties["key"].(string)
		ref := bitbucket.Ref{Type: e.Type, Key: key, Workspace: "acme", Project: short}
		presence, err := c.Exists(ctx, ref)
		if err != nil || presence != bitbucket.Present && e.Type != graph.TypeUser { // a user met elsewhere is no member
			t.Errorf("%s: %q, %v", key, presence, err)
		}
		if _, err := c.Fetch(ctx, ref); err != nil && e.Type != graph.TypeUser {
			t.Errorf("%s: %v", key, err)
		}
		if e.Type == graph.TypeRepo {
			ignore := func(bitbucket.Page) error { return nil }
			if err := c.PullRequestsSince(ctx, bitbucket.RepoRef{Key: key, WorkspaceSlug: "acme"}, time.Unix(1_700_000_000, 0), ignore); err != nil {
				t.Error(err)
			}
		}
	}
	for key, o := range settle(t, c, "acme").objects {
		e := o.Entity
		if asked[e.Type] || e.Type == graph.TypePermission || e.Type == graph.TypeGroup || e.Type == graph.TypeKey {
			continue // nothing reads one of these by itself
		}
		asked[e.Type] = true
		if _, err := c.Fetch(ctx, bitbucket.Ref{Type: e.Type, Key: key, Workspace: "acme"}); err != nil {
			t.Errorf("%s: %v", key, err)
		}
	}
	if len(asked) != 9 || checked[http.MethodGet] < 120 {
		t.Errorf("%d requests were checked, of %v", checked[http.MethodGet], asked)
	}
}
