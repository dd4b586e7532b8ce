package cloud_test

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/windlass-hq/windlass/internal/bitbucket"
	"github.com/windlass-hq/windlass/internal/bitbucket/cloud"
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

// seen is a whole walk: entities and relationships by key.
type seen struct {
	entities map[string]graph.Entity
	edges    map[string]graph.Properties
	odd      []bitbucket.Odd
	prCalls  int
}

// walk reads everything of a workspace.
func walk(t *testing.T, c *cloud.Client, workspace string) (seen, error) {
	t.Helper()
	s := seen{entities: map[string]graph.Entity{}, edges: map[string]graph.Properties{}}
	var repos []bitbucket.RepoRef
	keep := func(objects []graph.Object) {
		for _, o := range objects {
			if _, ok := s.entities[o.Entity.Key]; !ok || o.Entity.Raw != nil {
				s.entities[o.Entity.Key] = o.Entity
			}
			for _, r := range o.Relationships {
				s.edges[r.Key()] = r.Properties
			}
		}
	}
	add := func(p bitbucket.Page) error {
		keep(p.Objects)
		for _, o := range p.Met {
			if _, ok := s.entities[o.Entity.Key]; !ok {
				keep([]graph.Object{o})
			}
		}
		repos = append(repos, p.Repos...)
		s.odd = append(s.odd, p.Odd...)
		return nil
	}
	ctx := t.Context()
	found, err := c.Workspaces(ctx, []string{workspace})
	if err != nil {
		return s, err
	}
	keep([]graph.Object{found[0].Object})
	for _, list := range []func() error{
		func() error { return c.Projects(ctx, found[0], add) },
		func() error { return c.Members(ctx, found[0], add) },
		func() error { return c.Repositories(ctx, found[0], add) },
	} {
		if err := list(); err != nil {
			return s, err
		}
	}
	before := c.Calls()
	for _, r := range repos {
		if err := c.PullRequests(ctx, r, add); err != nil {
			return s, err
		}
	}
	s.prCalls = int(c.Calls() - before)
	return s, nil
}

// oracle reads the same workspace its own way: with encoding/json, small pages and one request per pull request.
type oracle struct {
	t      *testing.T
	url    string
	bearer string
}

// get returns an object of the API 2.0.
func (o oracle) get(path string) map[string]any {
	o.t.Helper()
	if !strings.HasPrefix(path, "http") {
		path = o.url + "/2.0" + path
	}
	var v map[string]any
	if body := o.bytes(path); json.Unmarshal(body, &v) != nil {
		o.t.Fatalf("%s: %.200s", path, body)
	}
	return v
}

func (o oracle) bytes(url string) []byte {
	o.t.Helper()
	req, _ := http.NewRequest(http.MethodGet, url, nil)
	req.Header.Set("Authorization", "Bearer "+o.bearer)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		o.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(resp.Body)
	if resp.StatusCode != 200 {
		o.t.Fatalf("%s: %d %.200s", url, resp.StatusCode, body)
	}
	return body
}

// consumerToken returns an OAuth token of the consumer that everybody knows, which may read permissions too.
func consumerToken(t *testing.T, url string) string {
	t.Helper()
	req, _ := http.NewRequest(http.MethodPost, url+"/site/oauth2/access_token", strings.NewReader("grant_type=client_credentials"))
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.SetBasicAuth(consumer.Identity, consumer.Secret.Reveal())
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var answer struct {
		Token string `json:"access_token"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil || answer.Token == "" {
		t.Fatalf("%s: %v", resp.Status, err)
	}
	return answer.Token
}

func (o oracle) all(path string) (out []map[string]any) {
	for path != "" {
		page := o.get(path)
		for _, v := range page["values"].([]any) {
			out = append(out, v.(map[string]any))
		}
		path, _ = page["next"].(string)
	}
	return out
}

func id(v any) string {
	m, _ := v.(map[string]any)
	s, _ := m["uuid"].(string)
	return strings.ToLower(strings.Trim(s, "{}"))
}

// graph returns the keys and the edges that there should be.
func (o oracle) graph(workspace string) (keys map[string]string, edges map[string]bool) {
	keys, edges = map[string]string{}, map[string]bool{}
	ws := "cloud:" + id(o.get("/workspaces/"+workspace))
	keys[ws] = graph.TypeWorkspace
	user := func(v any) string {
		k := "cloud:user:" + id(v)
		keys[k] = graph.TypeUser
		return k
	}
	for _, p := range o.all("/workspaces/" + workspace + "/projects?pagelen=7") {
		keys["cloud:"+id(p)] = graph.TypeProject
		edges[ws+"|OWNS|cloud:"+id(p)] = true
	}
	for _, m := range o.all("/workspaces/" + workspace + "/members?pagelen=7") {
		edges[ws+"|HAS|"+user(m["user"])] = true
	}
	for _, r := range o.all("/repositories/" + workspace + "?pagelen=7") {
		repo := "cloud:" + id(r)
		keys[repo] = graph.TypeRepo
		edges[ws+"|OWNS|"+repo] = true
		edges["cloud:"+id(r["project"])+"|HAS|"+repo] = true
		base := "/repositories/" + workspace + "/" + r["slug"].(string) + "/pullrequests"
		for _, state := range []string{"OPEN", "MERGED", "DECLINED", "SUPERSEDED"} {
			for _, short := range o.all(base + "?pagelen=9&state=" + state) {
				p := o.get(fmt.Sprintf("%s/%v", base, short["id"]))
				pr := fmt.Sprintf("%s:pr:%v", repo, p["id"])
				keys[pr] = graph.TypePullRequest
				edges[repo+"|HAS|"+pr] = true
				author := ""
				if p["author"] != nil {
					author = user(p["author"])
					edges[author+"|OPENED|"+pr] = true
				}
				if p["closed_by"] != nil {
					user(p["closed_by"])
				}
				for _, v := range p["reviewers"].([]any) {
					edges[user(v)+"|REVIEWED|"+pr] = true
				}
				for _, v := range p["participants"].([]any) {
					part := v.(map[string]any)
					if part["user"] == nil {
						continue
					}
					who := user(part["user"])
					judged := part["approved"] == true || part["state"] != nil
					if judged || part["participated_on"] != nil && who != author {
						edges[who+"|REVIEWED|"+pr] = true
					}
					if part["approved"] == true {
						edges[who+"|APPROVED|"+pr] = true
					}
				}
			}
		}
	}
	return keys, edges
}

// TestWholeSandbox reads a sandbox and compares every entity and relationship with what an independent reader
// computes, the calls with the budget of DESIGN section 6, and every property with the declared model.
func TestWholeSandbox(t *testing.T) {
	s := box(t, sandbox.Options{Repositories: 23, PullRequests: 260, Users: 17, Seed: 7})
	srv := httptest.NewServer(s.Handler())
	defer srv.Close()
	wantKeys, wantEdges := oracle{t, srv.URL, "sandbox-cloud-token"}.graph("acme")

	for name, o := range map[string]cloud.Options{
		"OAuth, root":           {APIURL: srv.URL + "/2.0", Credentials: []bitbucket.Credential{consumer}},
		"OAuth, prefix":         {APIURL: srv.URL + "/cloud/2.0", Credentials: []bitbucket.Credential{consumer}},
		"OAuth, old API path":   {APIURL: srv.URL + "/api/2.0", Credentials: []bitbucket.Credential{consumer}},
		"access token":          {APIURL: srv.URL + "/cloud", Credentials: []bitbucket.Credential{{Kind: bitbucket.Token, Secret: "sandbox-cloud-token"}}},
		"API token":             {APIURL: srv.URL, Credentials: []bitbucket.Credential{{Kind: bitbucket.APIToken, Identity: "admin@acme.example", Secret: "sandbox-api-token"}}},
		"two consumers at once": {APIURL: srv.URL, Credentials: []bitbucket.Credential{consumer, {Kind: bitbucket.OAuth, Identity: "sandbox-key-2", Secret: "sandbox-secret-2"}}},
	} {
		t.Run(name, func(t *testing.T) {
			c, err := cloud.New(o)
			if err != nil {
				t.Fatal(err)
			}
			if report, err := c.Check(t.Context(), []string{"acme"}); err != nil {
				t.Errorf("Check: %v (%+v)", err, report)
			}
			got, err := walk(t, c, "acme")
			if err != nil {
				t.Fatal(err)
			}
			if len(got.odd) > 0 {
				t.Errorf("odd: %v", got.odd)
			}
			keys := map[string]string{}
			perRepo := map[string]int{}
			var objects []graph.Object
			for k, e := range got.entities {
				keys[k] = e.Type
				objects = append(objects, graph.Object{Entity: e})
				if e.Type == graph.TypePullRequest {
					perRepo[e.Home]++
				}
			}
			checkDeclared(t, objects)
			if diff := cmp.Diff(wantKeys, keys); diff != "" {
				t.Errorf("entities (-want +got):\n%s", diff)
			}
			edges := map[string]bool{}
			for k := range got.edges {
				edges[k] = true
			}
			if diff := cmp.Diff(wantEdges, edges); diff != "" {
				t.Errorf("relationships (-want +got):\n%s", diff)
			}
			budget := 0
			for k, e := range got.entities {
				if e.Type == graph.TypeRepo {
					budget += max(1, (perRepo[k]+49)/50)
				}
			}
			if got.prCalls != budget {
				t.Errorf("pull requests took %d calls, budget %d", got.prCalls, budget)
			}
		})
	}
}

// TestSandboxFaults walks through what a real Bitbucket and the proxies before it do wrong. What passes must leave
// no trace in the result; what does not is a clear error.
func TestSandboxFaults(t *testing.T) {
	for name, tc := range map[string]struct {
		fault sandbox.Fault
		code  fault.Code // empty: the walk succeeds and is whole
		odd   int
	}{
		"500 twice":            {sandbox.Fault{Kind: sandbox.FaultStatus, Status: 500, Count: 2, Path: "/2.0/repositories"}, "", 0},
		"503 page":             {sandbox.Fault{Kind: sandbox.FaultHTML, Status: 503, Count: 2}, "", 0},
		"truncated twice":      {sandbox.Fault{Kind: sandbox.FaultTruncate, Count: 2, Path: "/2.0/repositories"}, "", 0},
		"truncated for ever":   {sandbox.Fault{Kind: sandbox.FaultTruncate, Path: "/2.0/repositories"}, fault.Unavailable, 0},
		"login page":           {sandbox.Fault{Kind: sandbox.FaultHTML, Status: 200, Path: "/2.0/repositories"}, fault.Unavailable, 0},
		"repeating page":       {sandbox.Fault{Kind: sandbox.FaultRepeat, Path: "/2.0/repositories"}, fault.Unavailable, 0},
		"plain 404":            {sandbox.Fault{Kind: sandbox.FaultText, Status: 404, Path: "/2.0/repositories"}, fault.NotFound, 0},
		"429 without advice":   {sandbox.Fault{Kind: sandbox.FaultLimited, Count: 2}, "", 0},
		"429 with seconds":     {sandbox.Fault{Kind: sandbox.FaultLimited, RetryAfter: "120", Count: 3}, "", 0},
		"token expires midway": {sandbox.Fault{Kind: sandbox.FaultExpired, Skip: 5, Count: 1}, "", 0},
		"refused for ever":     {sandbox.Fault{Kind: sandbox.FaultExpired, Skip: 5}, fault.Unauthorized, 0},
		"author null":          {sandbox.Fault{Kind: sandbox.FaultOdd, Variant: "null-author", Path: "/2.0/repositories", Count: 6}, "", 0},
		"wrong types":          {sandbox.Fault{Kind: sandbox.FaultOdd, Variant: "wrong-types", Path: "/2.0/repositories", Count: 6}, "", 3},
		"no id":                {sandbox.Fault{Kind: sandbox.FaultOdd, Variant: "no-id", Path: "/2.0/repositories/", Count: 1}, "", 1},
	} {
		t.Run(name, func(t *testing.T) {
			s := box(t, sandbox.Options{Repositories: 6, PullRequests: 40, Users: 8})
			synctest.Test(t, func(t *testing.T) {
				read := func() (seen, error) {
					c, err := cloud.New(cloud.Options{
						APIURL: "http://localhost:7990", Credentials: []bitbucket.Credential{consumer}, Connection: "acme",
						HTTP: &http.Client{Transport: inMemory{s.Handler()}},
					})
					if err != nil {
						t.Fatal(err)
					}
					return walk(t, c, "acme")
				}
				want, err := read()
				if err != nil {
					t.Fatal(err)
				}
				if _, err := s.AddFault(tc.fault); err != nil {
					t.Fatal(err)
				}
				got, err := read()
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
				lost := 0
				for _, o := range got.odd {
					if o.Lost {
						lost++
					}
				}
				a, b := slices.Sorted(maps.Keys(want.entities)), slices.Sorted(maps.Keys(got.entities))
				if (lost > 0) != (len(b) < len(a)) && name != "author null" || lost == 0 && name != "author null" && !slices.Equal(a, b) {
					t.Errorf("%d entities, want %d, with %d lost", len(b), len(a), lost)
				}
			})
		})
	}
}

// TestTwoConsumersOutlastOne gives each consumer too small an allowance for the whole walk: two finish without
// waiting, one waits for its hour to pass.
func TestTwoConsumersOutlastOne(t *testing.T) {
	s := box(t, sandbox.Options{Repositories: 30, PullRequests: 40, Users: 8, RateLimit: true, Limits: sandbox.Limits{API: 25}})
	second := bitbucket.Credential{Kind: bitbucket.OAuth, Identity: "sandbox-key-2", Secret: "sandbox-secret-2"}
	third := bitbucket.Credential{Kind: bitbucket.OAuth, Identity: "sandbox-key-3", Secret: "sandbox-secret-3"}
	synctest.Test(t, func(t *testing.T) {
		read := func(creds ...bitbucket.Credential) (seen, time.Duration, int) {
			waits := 0
			var mu sync.Mutex
			c, err := cloud.New(cloud.Options{
				APIURL: "http://localhost:7990", Credentials: creds, Connection: "acme", HTTP: &http.Client{Transport: inMemory{s.Handler()}},
				OnWait: func(time.Time, string) { mu.Lock(); waits++; mu.Unlock() },
			})
			if err != nil {
				t.Fatal(err)
			}
			start := time.Now()
			got, err := walk(t, c, "acme")
			if err != nil {
				t.Fatal(err)
			}
			return got, time.Since(start), waits
		}
		two, took, waits := read(second, third)
		if took != 0 || waits != 0 {
			t.Errorf("two consumers waited %s, %d times", took, waits)
		}
		time.Sleep(2 * time.Hour)
		one, took, waits := read(consumer)
		if took > 2*time.Hour || len(one.entities) != len(two.entities) || len(one.edges) != len(two.edges) {
			t.Errorf("one consumer: %d entities in %s with %d waits; two: %d", len(one.entities), took, waits, len(two.entities))
		}
	})
}

// TestPullRequestsSince lists what is open or was updated after a moment, which is what the whole list holds of it.
func TestPullRequestsSince(t *testing.T) {
	s := box(t, sandbox.Options{Repositories: 3, PullRequests: 120, Users: 8})
	srv := httptest.NewServer(s.Handler())
	defer srv.Close()
	c, err := cloud.New(cloud.Options{APIURL: srv.URL, Credentials: []bitbucket.Credential{consumer}})
	if err != nil {
		t.Fatal(err)
	}
	all, err := walk(t, c, "acme")
	if err != nil {
		t.Fatal(err)
	}
	var updates []int64
	for _, e := range all.entities {
		if e.Type == graph.TypePullRequest {
			updates = append(updates, e.Revision)
		}
	}
	slices.Sort(updates)
	since := time.UnixMilli(updates[len(updates)/2])
	want := map[string]bool{}
	got := map[string]bool{}
	for key, e := range all.entities {
		if e.Type == graph.TypePullRequest && (e.Revision >= since.UnixMilli() || e.Properties["open"] == true) {
			want[key] = true
		}
		if e.Type == graph.TypeRepo {
			err := c.PullRequestsSince(t.Context(), bitbucket.RepoRef{Key: key, WorkspaceSlug: "acme"}, since, func(p bitbucket.Page) error {
				for _, o := range p.Objects {
					got[o.Entity.Key] = true
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	if diff := cmp.Diff(want, got); diff != "" || len(want) == len(updates) {
		t.Errorf("since %s, %d of %d (-want +got):\n%s", since, len(want), len(updates), diff)
	}
}
