package cloud_test

import (
	"maps"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/windlass-hq/windlass/internal/bitbucket"
	"github.com/windlass-hq/windlass/internal/bitbucket/cloud"
	"github.com/windlass-hq/windlass/internal/bitbucket/sandbox"
	"github.com/windlass-hq/windlass/internal/graph"
)

func newClient(t *testing.T, s *sandbox.Sandbox) *cloud.Client {
	t.Helper()
	srv := httptest.NewServer(s.Handler())
	t.Cleanup(srv.Close)
	c, err := cloud.New(cloud.Options{APIURL: srv.URL, Credentials: []bitbucket.Credential{consumer}})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// firstPlace is the first place of a type, by key, that a walk has seen.
func firstPlace(all seen, kind string) bitbucket.Place {
	var home, first graph.Entity
	for _, key := range slices.Backward(slices.Sorted(maps.Keys(all.entities))) {
		e := all.entities[key]
		if e.Type == graph.TypeWorkspace {
			home = e
		}
		if e.Type == kind && (kind != graph.TypeRepo || e.Properties["defaultBranch"] != nil) {
			first = e
		}
	}
	return placeOf(first, home)
}

func listOf(t *testing.T, c *cloud.Client, p bitbucket.Place, name string) bitbucket.Settings {
	t.Helper()
	for _, l := range c.Settings(p) {
		if l.List == name {
			if l.Right.Feature == "" || len(l.Right.Kinds) == 0 || !strings.HasSuffix(l.Title, " of "+p.Name) {
				t.Errorf("%+v", l)
			}
			return l
		}
	}
	t.Fatalf("a %s has no list %s", p.Type, name)
	return bitbucket.Settings{}
}

// readList reads one list and returns its objects by key.
func readList(t *testing.T, c *cloud.Client, p bitbucket.Place, name string) map[string]graph.Object {
	t.Helper()
	out := map[string]graph.Object{}
	err := listOf(t, c, p, name).Pages(t.Context(), func(page bitbucket.Page) error {
		for _, o := range page.Objects {
			out[o.Entity.Key] = o
		}
		if len(page.Odd) > 0 {
			t.Errorf("odd: %v", page.Odd)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func workspacePlace() bitbucket.Place {
	return bitbucket.Place{Type: graph.TypeWorkspace, Key: "cloud:" + wsUUID, Name: "acme", Owner: "cloud:" + wsUUID, OwnerID: wsUUID, OwnerSlug: "acme", ID: wsUUID, Slug: "acme"}
}

func projectPlace() bitbucket.Place {
	return bitbucket.Place{Type: graph.TypeProject, Key: "cloud:" + projUUID, Name: "ENG", Owner: "cloud:" + wsUUID, OwnerID: wsUUID, OwnerSlug: "acme", ID: projUUID, Project: "ENG"}
}

func repoPlace() bitbucket.Place {
	return bitbucket.Place{
		Type: graph.TypeRepo, Key: "cloud:" + repoUUID, Name: "acme/engine", Owner: "cloud:" + wsUUID, OwnerID: wsUUID, OwnerSlug: "acme", ID: repoUUID, Slug: "engine",
		Project: "ENG", ProjectKey: "cloud:" + projUUID, DefaultBranch: "main", Patterns: []string{"main", "release/*"}, PatternsKnown: true,
	}
}

// TestBranchesThatMatter makes branches and asks for those that patterns name. What the provider is asked is as narrow
// as its filter can say.
func TestBranchesThatMatter(t *testing.T) {
	s := box(t, sandbox.Options{Repositories: 4, PullRequests: 20, Users: 8})
	c := newClient(t, s)
	all, err := walk(t, c, "acme")
	if err != nil {
		t.Fatal(err)
	}
	p := firstPlace(all, graph.TypeRepo)
	for _, name := range []string{"release/1", "release/1/fix", "hot/release/2", "Release/3", "odd name"} {
		name = strings.ReplaceAll(name, " ", "_")
		if _, err := s.Push(sandbox.Push{Repository: p.Name, Branch: name}); err != nil {
			t.Fatal(err)
		}
	}
	for name, tc := range map[string]struct {
		patterns []string
		known    bool
		query    string
		want     map[string]any // isProtected by name
	}{
		"default":      {nil, true, `name = "DEFAULT"`, map[string]any{"DEFAULT": false}},
		"unknown":      {nil, false, `name = "DEFAULT"`, map[string]any{"DEFAULT": nil}},
		"exact":        {[]string{"DEFAULT", "release/1"}, true, `name = "DEFAULT" OR name = "release/1"`, map[string]any{"DEFAULT": true, "release/1": true}},
		"one segment":  {[]string{"release/*"}, true, `name = "DEFAULT" OR name ~ "release/"`, map[string]any{"DEFAULT": false, "release/1": true}},
		"all segments": {[]string{"release/**"}, false, `name = "DEFAULT" OR name ~ "release/"`, map[string]any{"DEFAULT": nil, "release/1": true, "release/1/fix": true}},
		"in front":     {[]string{"**/release/*"}, true, `name = "DEFAULT" OR name ~ "release/"`, map[string]any{"DEFAULT": false, "release/1": true, "hot/release/2": true}},
		"one letter":   {[]string{"odd?name"}, true, `name = "DEFAULT" OR name ~ "name"`, map[string]any{"DEFAULT": false, "odd_name": true}},
		"nothing":      {[]string{"no such"}, true, `name = "DEFAULT" OR name = "no such"`, map[string]any{"DEFAULT": false}},
	} {
		t.Run(name, func(t *testing.T) {
			q := p
			q.PatternsKnown = tc.known
			for _, pattern := range tc.patterns {
				q.Patterns = append(q.Patterns, strings.ReplaceAll(pattern, "DEFAULT", p.DefaultBranch))
			}
			got := map[string]any{}
			for _, o := range readList(t, c, q, bitbucket.ListBranches) {
				name := o.Entity.Properties["name"].(string)
				if o.Entity.Properties["isDefault"] != (name == p.DefaultBranch) || len(o.Entity.Properties["commit"].(string)) != 40 {
					t.Errorf("%+v", o.Entity)
				}
				if name == p.DefaultBranch {
					name = "DEFAULT"
				}
				got[name] = o.Entity.Properties["isProtected"]
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			asked := ""
			stub, st := open(t, nil)
			_ = listOf(t, stub, q, bitbucket.ListBranches).Pages(t.Context(), func(bitbucket.Page) error { return nil })
			for _, uri := range st.asked {
				u, err := url.Parse(uri)
				if err != nil {
					t.Fatal(err)
				}
				asked = u.Query().Get("q")
			}
			if want := strings.ReplaceAll(tc.query, "DEFAULT", p.DefaultBranch); asked != want {
				t.Errorf("asked %s, want %s", asked, want)
			}
		})
	}
	every := p
	every.Patterns, every.PatternsKnown = []string{"*", "**"}, true
	if got := readList(t, c, every, bitbucket.ListBranches); len(got) < 6 {
		t.Errorf("every branch: %d", len(got))
	}
}

// TestNoBranchIsWanted proves with one short call that nothing is there, and reads no further.
func TestNoBranchIsWanted(t *testing.T) {
	const list = "/repositories/%7B" + wsUUID + "%7D/%7B" + repoUUID + "%7D/refs/branches"
	c, s := open(t, map[string]any{"/repositories/{" + wsUUID + "}/{" + repoUUID + "}/refs/branches": `{"values":[{"name":"main"}],"next":"HOST/2.0/second"}`})
	p := repoPlace()
	p.DefaultBranch, p.Patterns = "", nil
	pages := 0
	err := listOf(t, c, p, bitbucket.ListBranches).Pages(t.Context(), func(page bitbucket.Page) error {
		pages++
		if len(page.Objects) > 0 || page.Principal == "" || page.RequestedAt.IsZero() {
			t.Errorf("%+v", page)
		}
		return nil
	})
	if err != nil || pages != 1 || len(s.asked) != 1 || !strings.HasPrefix(s.asked[0], "/2.0"+list) || !strings.Contains(s.asked[0], "pagelen=1") {
		t.Errorf("%v, %d pages, asked %q", err, pages, s.asked)
	}
}
