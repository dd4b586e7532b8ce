package datacenter_test

import (
	"cmp"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/windlass-hq/windlass/internal/bitbucket"
	"github.com/windlass-hq/windlass/internal/bitbucket/datacenter"
	"github.com/windlass-hq/windlass/internal/bitbucket/sandbox"
	"github.com/windlass-hq/windlass/internal/fault"
	"github.com/windlass-hq/windlass/internal/graph"
)

func box(t *testing.T, o sandbox.Options) *sandbox.Sandbox {
	t.Helper()
	o.TempDir = t.TempDir()
	s, err := sandbox.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

var (
	adminToken    = bitbucket.Credential{Kind: bitbucket.Token, Secret: "sandbox-token"}
	robotToken    = bitbucket.Credential{Kind: bitbucket.Token, Secret: "sandbox-token-2"}
	adminPassword = bitbucket.Credential{Kind: bitbucket.Basic, Identity: "admin", Secret: "sandbox-password"}
)

// openBox returns a client of the sandbox's Data Center side.
func openBox(t *testing.T, h http.Handler, change ...func(*datacenter.Options)) *datacenter.Client {
	t.Helper()
	first := func(o *datacenter.Options) {
		o.URL, o.Credentials = "http://localhost:7990/dc", []bitbucket.Credential{adminToken}
	}
	return openIn(t, h, append([]func(*datacenter.Options){first}, change...)...)
}

// seen is a whole walk: entities and relationships by key.
type seen struct {
	entities map[string]graph.Entity
	edges    map[string]graph.Properties
	repos    []bitbucket.RepoRef
	odd      []bitbucket.Odd
	calls    int // for everything
	prCalls  int
}

func (s *seen) keep(objects []graph.Object, met bool) {
	for _, o := range objects {
		if _, known := s.entities[o.Entity.Key]; known && met {
			continue
		}
		s.entities[o.Entity.Key] = o.Entity
		for _, r := range o.Relationships {
			s.edges[r.Key()] = r.Properties
		}
	}
}

// walk reads everything of a connection.
func walk(t *testing.T, c *datacenter.Client) (seen, error) {
	t.Helper()
	s := seen{entities: map[string]graph.Entity{}, edges: map[string]graph.Properties{}}
	add := func(p bitbucket.Page) error {
		s.keep(p.Objects, false)
		s.keep(p.Met, true)
		s.repos = append(s.repos, p.Repos...)
		s.odd = append(s.odd, p.Odd...)
		return nil
	}
	ctx := t.Context()
	before := c.Calls()
	in, err := c.Instance(ctx)
	if err != nil {
		return s, err
	}
	_ = add(in.Page)
	for _, list := range []func() error{
		func() error { return c.Projects(ctx, add) },
		func() error { return c.Users(ctx, add) },
		func() error { return c.Repositories(ctx, add) },
	} {
		if err := list(); err != nil {
			return s, err
		}
	}
	beforePRs := c.Calls()
	for _, r := range s.repos {
		if err := c.PullRequests(ctx, r, add); err != nil {
			return s, err
		}
	}
	s.calls, s.prCalls = int(c.Calls()-before), int(c.Calls()-beforePRs)
	return s, nil
}

func compare(t *testing.T, got seen, wantKeys map[string]string, wantEdges map[string]bool) {
	t.Helper()
	keys, edges := map[string]string{}, map[string]bool{}
	var objects []graph.Object
	for k, e := range got.entities {
		keys[k] = e.Type
		objects = append(objects, graph.Object{Entity: e})
	}
	checkDeclared(t, objects)
	for k := range got.edges {
		edges[k] = true
	}
	if diff := gocmp.Diff(wantKeys, keys); diff != "" {
		t.Errorf("entities (-want +got):\n%s", diff)
	}
	if diff := gocmp.Diff(wantEdges, edges); diff != "" {
		t.Errorf("relationships (-want +got):\n%s", diff)
	}
	if len(got.odd) > 0 {
		t.Errorf("odd: %v", got.odd)
	}
}

// budget returns the calls that the pull requests of a walk may take at a page size.
func (s seen) budget(size int) int {
	perRepo := map[string]int{}
	for _, e := range s.entities {
		if e.Type == graph.TypePullRequest {
			perRepo[e.Home]++
		}
	}
	n := 0
	for _, r := range s.repos {
		n += max(1, (perRepo[r.Key]+size-1)/size)
	}
	return n
}

// TestWholeSandbox reads sandboxes of all versions, one of them in every way of logging in, and compares each entity and
// relationship with what an independent reader computes, the calls with their budget, and every property with the
// declared model.
func TestWholeSandbox(t *testing.T) {
	for _, version := range []string{"7.6", "7.21", "8.9", "9.4", "10.0"} {
		s := box(t, sandbox.Options{
			Repositories: 15, PullRequests: 150, Users: 14, Seed: 7, DCVersion: version, DCISODates: version == "10.0",
			Limits: sandbox.Limits{DCPage: 20},
		})
		o := oracle{t: t, handler: s.Handler()}
		wantKeys, wantEdges := o.graph()
		for name, change := range map[string]func(*datacenter.Options){
			"token":          with(adminToken),
			"password":       with(adminPassword),
			"token as Basic": with(bitbucket.Credential{Kind: bitbucket.Basic, Identity: "admin", Secret: "sandbox-token"}),
			"two users":      with(adminToken, robotToken),
			"one user twice": with(adminToken, adminPassword),
			"page as URL":    func(o *datacenter.Options) { o.URL += "/projects/ENG?x=1#y" },
		} {
			if version != "9.4" && name != "two users" {
				continue
			}
			t.Run(version+" "+name, func(t *testing.T) {
				c := openBox(t, s.Handler(), change)
				if report, err := c.Check(t.Context(), nil); err != nil {
					t.Errorf("Check: %v (%+v)", err, report)
				}
				got, err := walk(t, c)
				if err != nil {
					t.Fatal(err)
				}
				compare(t, got, wantKeys, wantEdges)
				if want := got.budget(20); got.prCalls != want {
					t.Errorf("pull requests took %d calls, budget %d", got.prCalls, want)
				}
				if constant := got.calls - got.prCalls; constant > 8 {
					t.Errorf("%d calls beside those for pull requests", constant)
				}
				checkTimes(t, got)
			})
		}
	}
}

// checkTimes tests that times were read in either form.
func checkTimes(t *testing.T, s seen) {
	t.Helper()
	n := 0
	for k, e := range s.entities {
		if e.Type != graph.TypePullRequest {
			continue
		}
		created, _ := e.Properties["createdOn"].(int64)
		closed, _ := e.Properties["closedOn"].(int64)
		if n++; created < 1e12 || e.Revision < created || (closed >= created) == (e.Properties["open"] == true) {
			t.Errorf("%s: created %d, updated %d, closed %d", k, created, e.Revision, closed)
		}
	}
	if n == 0 {
		t.Error("no pull request")
	}
}

// TestSandboxHasWhatMatters makes sure that the walk of TestWholeSandbox meets the odd corners of a real instance.
func TestSandboxHasWhatMatters(t *testing.T) {
	s := box(t, sandbox.Options{Repositories: 60, PullRequests: 600, Users: 40, Seed: 3})
	got, err := walk(t, openBox(t, s.Handler()))
	if err != nil {
		t.Fatal(err)
	}
	count := map[string]int{}
	for _, e := range got.entities {
		p := e.Properties
		for what, is := range map[string]bool{
			"archived":           p["archived"] == true,
			"fork":               e.Type == graph.TypeRepo && p["isFork"] == true,
			"personal project":   p["projectType"] == "PERSONAL",
			"public":             e.Type == graph.TypeRepo && p["public"] == true,
			"gone user":          e.Type == graph.TypeUser && p["active"] == false,
			"draft":              p["draft"] == true,
			"merged":             p["merged"] == true,
			"no description":     e.Type == graph.TypePullRequest && p["description"] == nil,
			"source is gone":     e.Type == graph.TypePullRequest && p["sourceRepoId"] == nil,
			"changes requested":  false,
			"name is no slug":    e.Type == graph.TypeUser && p["username"] != p["slug"],
			"repository of user": strings.HasPrefix(fmt.Sprint(p["fullName"]), "~"),
		} {
			if is {
				count[what]++
			}
		}
	}
	revisions, states := 0, map[any]int{}
	for k, p := range got.edges {
		if strings.Contains(k, "|APPROVED|") && p["revision"] != nil {
			revisions++
		}
		states[p["state"]]++
	}
	for _, what := range []string{"archived", "fork", "personal project", "public", "gone user", "draft", "merged", "no description", "name is no slug", "repository of user"} {
		if count[what] == 0 {
			t.Errorf("no %s among %v", what, count)
		}
	}
	if revisions == 0 || states["approved"] == 0 || states["changes_requested"] == 0 {
		t.Errorf("%d approvals of a revision, states %v", revisions, states)
	}
}

// TestChosenProjects reads two projects only, one of them personal, on versions before and since the filter.
func TestChosenProjects(t *testing.T) {
	for _, version := range []string{"7.6", "8.9", "10.0"} {
		t.Run(version, func(t *testing.T) {
			s := box(t, sandbox.Options{Repositories: 40, PullRequests: 100, Users: 20, DCVersion: version})
			all, err := walk(t, openBox(t, s.Handler()))
			if err != nil {
				t.Fatal(err)
			}
			var normal, personal string
			archived := 0
			for _, r := range all.repos {
				switch is := all.entities[r.Key].Properties["archived"] == true; {
				case strings.HasPrefix(r.Project, "~"):
					personal = r.Project
				case is || normal == "":
					normal = r.Project
				}
			}
			for _, r := range all.repos {
				if r.Project == normal && all.entities[r.Key].Properties["archived"] == true {
					archived++
				}
			}
			if personal == "" || version != "7.6" && archived == 0 {
				t.Fatalf("no repository to look at: %q, %q, %d", normal, personal, archived)
			}
			wantKeys, wantEdges := oracle{t: t, handler: s.Handler()}.graph(normal, personal)
			got, err := walk(t, openBox(t, s.Handler(), projects(strings.ToLower(normal), personal, normal)))
			if err != nil {
				t.Fatal(err)
			}
			compare(t, got, wantKeys, wantEdges)
		})
	}
}

// TestTokenOfOneProject sees only its project; beside a token of everything it takes nothing away.
func TestTokenOfOneProject(t *testing.T) {
	s := box(t, sandbox.Options{Repositories: 30, PullRequests: 120, Users: 20})
	all, err := walk(t, openBox(t, s.Handler()))
	if err != nil {
		t.Fatal(err)
	}
	var private []string // projects by number of repositories that only members see
	for _, r := range all.repos {
		if all.entities[r.Key].Properties["public"] == false && !strings.HasPrefix(r.Project, "~") {
			private = append(private, r.Project)
		}
	}
	one := private[0]
	err = s.DataCenter().AddCredential(sandbox.DCCredential{Name: "one", Token: "token-of-one", Projects: []string{one}})
	if err != nil {
		t.Fatal(err)
	}
	narrow := bitbucket.Credential{Kind: bitbucket.Token, Secret: "token-of-one"}
	some, err := walk(t, openBox(t, s.Handler(), with(narrow)))
	if err != nil {
		t.Fatal(err)
	}
	if len(some.repos) == 0 || len(some.repos) >= len(all.repos) {
		t.Fatalf("the token of one project sees %d of %d repositories", len(some.repos), len(all.repos))
	}
	for _, r := range some.repos {
		if e := all.entities[r.Key]; r.Project != one && e.Properties["public"] != true {
			t.Errorf("%s is seen", r.FullName)
		}
	}
	both, err := walk(t, openBox(t, s.Handler(), with(narrow, adminToken)))
	if err != nil {
		t.Fatal(err)
	}
	if a, b := slices.Sorted(maps.Keys(all.entities)), slices.Sorted(maps.Keys(both.entities)); !slices.Equal(a, b) {
		t.Errorf("both see %d entities, the wide one %d", len(b), len(a))
	}
	if want := both.budget(100); both.prCalls != want {
		t.Errorf("pull requests took %d calls, budget %d", both.prCalls, want)
	}
	hidden := slices.IndexFunc(all.repos, func(r bitbucket.RepoRef) bool {
		return !slices.ContainsFunc(some.repos, func(x bitbucket.RepoRef) bool { return x.Key == r.Key })
	})
	r := all.repos[hidden]
	ref := bitbucket.Ref{Type: graph.TypeRepo, Key: r.Key, Project: r.Project, Slug: r.Slug, Name: r.Name}
	if got, err := openBox(t, s.Handler(), with(narrow)).Exists(t.Context(), ref); got != bitbucket.Hidden || err != nil {
		t.Errorf("what the narrow one may not see: %q, %v", got, err)
	}
	if got, err := openBox(t, s.Handler(), with(narrow, adminToken)).Exists(t.Context(), ref); got != bitbucket.Present || err != nil {
		t.Errorf("what only the wide one sees: %q, %v", got, err)
	}
}

// TestSandboxFaults walks through what a real Bitbucket and the proxies before it do wrong. What passes must leave no
// trace in the result; what does not is a clear error.
func TestSandboxFaults(t *testing.T) {
	const api = "/dc/rest/api/latest"
	for name, tc := range map[string]struct {
		fault sandbox.Fault
		code  fault.Code // empty: the walk succeeds and is whole
		odd   int
	}{
		"500 twice":          {sandbox.Fault{Kind: sandbox.FaultStatus, Status: 500, Count: 2, Path: api + "/projects"}, "", 0},
		"503 page":           {sandbox.Fault{Kind: sandbox.FaultHTML, Status: 503, Count: 2, Path: "/dc"}, "", 0},
		"truncated twice":    {sandbox.Fault{Kind: sandbox.FaultTruncate, Count: 2, Path: api + "/repos"}, "", 0},
		"truncated for ever": {sandbox.Fault{Kind: sandbox.FaultTruncate, Path: api + "/repos"}, fault.Unavailable, 0},
		"login page":         {sandbox.Fault{Kind: sandbox.FaultHTML, Status: 200, Path: api + "/repos"}, fault.Unavailable, 0},
		"plain 404":          {sandbox.Fault{Kind: sandbox.FaultText, Status: 404, Path: api + "/repos"}, fault.NotFound, 0},
		"repeating page":     {sandbox.Fault{Kind: sandbox.FaultRepeat, Path: api + "/projects/"}, fault.Unavailable, 0},
		"429 without advice": {sandbox.Fault{Kind: sandbox.FaultLimited, Count: 2, Path: "/dc"}, "", 0},
		"429 with seconds":   {sandbox.Fault{Kind: sandbox.FaultLimited, RetryAfter: "5", Count: 3, Path: "/dc"}, "", 0},
		"author null":        {sandbox.Fault{Kind: sandbox.FaultOdd, Variant: "null-author", Path: api + "/projects/", Count: 6}, "", 0},
		"wrong types":        {sandbox.Fault{Kind: sandbox.FaultOdd, Variant: "wrong-types", Path: api, Count: 6}, "", 3},
		"no id":              {sandbox.Fault{Kind: sandbox.FaultOdd, Variant: "no-id", Path: api + "/projects/", Count: 1}, "", 1},
	} {
		t.Run(name, func(t *testing.T) {
			s := box(t, sandbox.Options{Repositories: 6, PullRequests: 80, Users: 8, Limits: sandbox.Limits{DCPage: 10}})
			synctest.Test(t, func(t *testing.T) {
				want, err := walk(t, openBox(t, s.Handler()))
				if err != nil {
					t.Fatal(err)
				}
				if _, err := s.AddFault(tc.fault); err != nil {
					t.Fatal(err)
				}
				got, err := walk(t, openBox(t, s.Handler()))
				if fault.CodeOf(err) != tc.code {
					t.Fatalf("code %q, want %q: %v", fault.CodeOf(err), tc.code, err)
				}
				if err != nil {
					if fault.RemedyOf(err) == "" && tc.code != fault.NotFound {
						t.Errorf("%v: no remedy", err)
					}
					t.Log(err)
					return
				}
				if len(got.odd) < tc.odd || tc.odd == 0 && len(got.odd) > 0 {
					t.Errorf("odd: %v, want %d", got.odd, tc.odd)
				}
				lost := slices.ContainsFunc(got.odd, func(o bitbucket.Odd) bool { return o.Lost })
				a, b := slices.Sorted(maps.Keys(want.entities)), slices.Sorted(maps.Keys(got.entities))
				if !lost && name != "author null" && !slices.Equal(a, b) || lost && len(b) >= len(a) {
					t.Errorf("%d entities, want %d, odd %v", len(b), len(a), got.odd)
				}
			})
		})
	}
}

// TestSandboxLimits reads faster than the instance allows: nothing is lost, and nobody waits long.
func TestSandboxLimits(t *testing.T) {
	for _, advice := range []string{"", "seconds", "date"} {
		t.Run(cmp.Or(advice, "none"), func(t *testing.T) {
			s := box(t, sandbox.Options{
				Repositories: 40, PullRequests: 80, Users: 8, RateLimit: true,
				Limits: sandbox.Limits{DCCapacity: 20, DCFill: 5, RetryAfter: advice}, Clock: nil,
			})
			synctest.Test(t, func(t *testing.T) {
				begin := time.Now()
				got, err := walk(t, openBox(t, s.Handler()))
				if err != nil || len(got.repos) < 40 {
					t.Fatalf("%d repositories, %v", len(got.repos), err)
				}
				if took := time.Since(begin); took > time.Minute {
					t.Errorf("took %s", took)
				}
			})
		})
	}
}
