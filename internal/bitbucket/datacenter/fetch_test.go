package datacenter_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/windlass-hq/windlass/internal/bitbucket"
	"github.com/windlass-hq/windlass/internal/bitbucket/datacenter"
	"github.com/windlass-hq/windlass/internal/bitbucket/sandbox"
	"github.com/windlass-hq/windlass/internal/fault"
	"github.com/windlass-hq/windlass/internal/graph"
)

// objectsOf reads every object of a sandbox through its listing, settings included.
func objectsOf(t *testing.T, c *datacenter.Client) (map[string]graph.Object, []bitbucket.RepoRef) {
	t.Helper()
	out := map[string]graph.Object{}
	var repos []bitbucket.RepoRef
	add := func(p bitbucket.Page) error {
		for _, o := range p.Objects {
			if o.Entity.Name != "" { // no list that says more about its place
				out[o.Entity.Key] = o
			}
		}
		repos = append(repos, p.Repos...)
		return nil
	}
	ctx := t.Context()
	in, err := c.Instance(ctx)
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(err)
	must(add(in.Page))
	must(c.Projects(ctx, add))
	must(c.Users(ctx, add))
	must(c.Repositories(ctx, add))
	places := []bitbucket.Place{instancePlace()}
	for _, r := range repos {
		must(c.PullRequests(ctx, r, add))
		places = append(places, bitbucket.Place{
			Type: graph.TypeRepo, Key: r.Key, Name: r.FullName, Owner: "dc:i1", OwnerID: "i1", ID: r.UUID, Project: r.Project, ProjectKey: r.ProjectKey, Slug: r.Slug,
		})
	}
	for _, o := range out {
		if o.Entity.Type == graph.TypeProject {
			id, _ := o.Entity.Properties["id"].(string)
			short, _ := o.Entity.Properties["key"].(string)
			places = append(places, bitbucket.Place{Type: graph.TypeProject, Key: o.Entity.Key, Name: short, Owner: "dc:i1", OwnerID: "i1", ID: id, Project: short})
		}
	}
	for _, p := range places {
		for _, s := range c.Settings(p) {
			switch s.List {
			case bitbucket.ListGroups, bitbucket.ListRestrictions, bitbucket.ListWebhooks:
				must(s.Pages(ctx, add))
			}
		}
	}
	return out, repos
}

// refOf names an object as the graph knows it.
func refOf(o graph.Object, all map[string]graph.Object) bitbucket.Ref {
	e := o.Entity
	at := e
	if e.Repo != "" && e.Type != graph.TypeRepo {
		at = all[e.Repo].Entity
	} else if e.Type != graph.TypeRepo && all[e.Home].Entity.Type == graph.TypeProject {
		at = all[e.Home].Entity
	}
	text := func(name string) string { s, _ := at.Properties[name].(string); return s }
	ref := bitbucket.Ref{Type: e.Type, Key: e.Key, Project: text("projectKey"), Slug: text("slug"), Name: text("name")}
	if at.Type == graph.TypeProject {
		ref.Project = text("key")
	}
	return ref
}

// TestAFetchIsAsItsListing reads every object of sandboxes by itself and through its listing: both must be the same,
// relationships and all.
func TestAFetchIsAsItsListing(t *testing.T) {
	asked := map[string]bool{}
	for _, version := range []string{"7.6", "9.4", "10.0"} {
		s := box(t, sandbox.Options{Repositories: 8, PullRequests: 40, Users: 12, Seed: 3, DCVersion: version, DCISODates: version == "10.0"})
		c := openBox(t, s.Handler(), with(adminPassword))
		all, _ := objectsOf(t, c)
		fresh := openBox(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			asked[r.Method+" "+strings.TrimPrefix(r.URL.RequestURI(), "/dc/rest")] = true
			s.Handler().ServeHTTP(w, r)
		}), with(adminPassword))
		if _, err := fresh.Instance(t.Context()); err != nil {
			t.Fatal(err)
		}
		types := map[string]int{}
		for _, key := range slices.Sorted(maps.Keys(all)) {
			want := all[key]
			if want.Entity.Type == graph.TypeRestriction && want.Entity.Repo == "" {
				continue // the sandbox has no path for a single one of a project; TestFetchOfWhatIsNotThere does
			}
			types[want.Entity.Type]++
			before := fresh.Calls()
			page, err := fresh.Fetch(t.Context(), refOf(want, all))
			if err != nil || len(page.Objects) != 1 || len(page.Odd) > 0 || page.RequestedAt.IsZero() || page.Principal == "" || page.Again {
				t.Errorf("%s %s: %v, %+v", version, key, err, page)
				continue
			}
			if diff := gocmp.Diff(want, page.Objects[0]); diff != "" {
				t.Errorf("%s %s (-listed +fetched):\n%s", version, key, diff)
			}
			limit := int64(1)
			if e := want.Entity; e.Repo != "" && e.Type != graph.TypePullRequest && e.Type != graph.TypeRepo {
				limit = 2 // its project must be known
			}
			if n := fresh.Calls() - before; n > limit {
				t.Errorf("%s %s took %d calls", version, key, n)
			}
		}
		for _, typ := range []string{graph.TypeInstance, graph.TypeProject, graph.TypeRepo, graph.TypePullRequest, graph.TypeUser, graph.TypeGroup, graph.TypeRestriction, graph.TypeWebhook} {
			if types[typ] == 0 {
				t.Errorf("%s: no %s was fetched", version, typ)
			}
		}
	}
	documented(t, slices.Sorted(maps.Keys(asked)))
}

// TestAnEventIsAsItsListing puts pull requests of sandboxes as REST shows them into deliveries of any key: what becomes
// of one is what its listing makes of it, but for who closed it.
func TestAnEventIsAsItsListing(t *testing.T) {
	type source struct {
		raw  json.RawMessage
		want graph.Object
	}
	var all []source
	for _, version := range []string{"7.6", "9.4", "10.0"} {
		s := box(t, sandbox.Options{Repositories: 10, PullRequests: 120, Users: 14, Seed: 11, DCVersion: version, DCISODates: version == "10.0"})
		c := openBox(t, s.Handler())
		o := oracle{t: t, handler: s.Handler()}
		listed, repos := objectsOf(t, openBox(t, s.Handler(), with(adminPassword)))
		for _, r := range repos {
			for _, v := range o.all("/projects/" + r.Project + "/repos/" + r.Slug + "/pull-requests?state=ALL&limit=100") {
				raw, err := json.Marshal(v)
				if err != nil {
					t.Fatal(err)
				}
				want := listed[fmt.Sprintf("%s:pr:%.0f", r.Key, v["id"])]
				want.Entity.Raw = nil // the order of its members is another one here
				all = append(all, source{raw, want})
			}
		}
		c.Close()
	}
	if len(all) < 300 {
		t.Fatalf("only %d pull requests", len(all))
	}
	rapid.Check(t, func(t *rapid.T) {
		from := rapid.SampledFrom(all).Draw(t, "pull request")
		state := from.want.Entity.Properties["state"]
		keys := []string{"pr:modified", "pr:from_ref_updated", "pr:reviewer:updated", "pr:reviewer:approved", "pr:comment:added"}
		switch state {
		case "OPEN":
			keys = append(keys, "pr:opened")
		case "MERGED":
			keys = append(keys, "pr:merged")
		case "DECLINED":
			keys = append(keys, "pr:declined")
		}
		key := rapid.SampledFrom(keys).Draw(t, "key")
		body := fmt.Sprintf(`{"eventKey":%q,"date":"2026-01-01T00:00:00+0000","actor":%s,"pullRequest":%s,"participant":{"user":null},"comment":{"id":5}}`,
			key, userJSON(1, "ann"), from.raw)
		ev, err := datacenter.Decode("i1", key, []byte(body))
		if err != nil || len(ev.Page.Objects) != 1 || len(ev.Page.Odd) > 0 {
			t.Fatalf("%v, %+v", err, ev.Page)
		}
		got := ev.Page.Objects[0]
		got.Entity.Raw = nil
		if key == "pr:merged" || key == "pr:declined" {
			if got.Entity.Properties["closedById"] != "1" {
				t.Errorf("closed by %v", got.Entity.Properties["closedById"])
			}
			delete(got.Entity.Properties, "closedById")
			delete(got.Entity.Properties, "closedBy")
		}
		if diff := gocmp.Diff(from.want, got); diff != "" {
			t.Errorf("%s (-listed +told):\n%s", key, diff)
		}
		met := map[string]bool{}
		for _, o := range ev.Page.Met {
			met[o.Entity.Key] = true
		}
		for _, r := range got.Relationships {
			if strings.Contains(r.From, ":user:") && !met[r.From] {
				t.Errorf("%s was not met", r.From)
			}
		}
		if ev.Repository != got.Entity.Home || ev.Project != got.Entity.Project || ev.Account != "dc:i1" {
			t.Errorf("about %q in %q of %q", ev.Repository, ev.Project, ev.Account)
		}
	})
}

// TestFetchAfterAMove follows a repository through a move, a deletion and a successor under its name.
func TestFetchAfterAMove(t *testing.T) {
	s := box(t, sandbox.Options{Repositories: 12, PullRequests: 60, Users: 12})
	dc := s.DataCenter()
	all, err := walk(t, openBox(t, s.Handler()))
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(all.repos, func(r bitbucket.RepoRef) bool {
		return all.entities[r.Key+":pr:1"].Key != "" && !strings.HasPrefix(r.Project, "~")
	})
	r := all.repos[i]
	j := slices.IndexFunc(all.repos, func(o bitbucket.RepoRef) bool { return o.Project != r.Project && !strings.HasPrefix(o.Project, "~") })
	to := all.repos[j].Project
	repo := bitbucket.Ref{Type: graph.TypeRepo, Key: r.Key, Project: r.Project, Slug: r.Slug, Name: r.Name}
	pr := bitbucket.Ref{Type: graph.TypePullRequest, Key: r.Key + ":pr:1", Project: r.Project, Slug: r.Slug, Name: r.Name}
	if err := dc.MoveRepository(r.Project+"/"+r.Slug, to); err != nil {
		t.Fatal(err)
	}
	knowing := openBox(t, s.Handler())
	for _, c := range []*datacenter.Client{openBox(t, s.Handler()), knowing, knowing} {
		for _, ref := range []bitbucket.Ref{pr, repo} {
			page, err := c.Fetch(t.Context(), ref)
			if err != nil || len(page.Objects) != 1 || page.Objects[0].Entity.Key != ref.Key {
				t.Fatalf("%s: %v, %+v", ref.Key, err, page.Objects)
			}
			if e := page.Objects[0].Entity; e.Project == r.ProjectKey {
				t.Errorf("%s is still in %s", ref.Key, e.Project)
			}
		}
	}
	before := knowing.Calls()
	moved := repo
	moved.Project = to
	if _, err := knowing.Fetch(t.Context(), moved); err != nil || knowing.Calls() != before+1 {
		t.Errorf("%v, %d calls where an event tells the place", err, knowing.Calls()-before)
	}
	if err := dc.DeleteRepository(to + "/" + r.Slug); err != nil {
		t.Fatal(err)
	}
	if _, err := dc.CreateRepository(sandbox.DCRepositorySpec{Project: to, Name: r.Name}); err != nil {
		t.Fatal(err)
	}
	for _, ref := range []bitbucket.Ref{repo, moved, pr} {
		for _, c := range []*datacenter.Client{openBox(t, s.Handler()), knowing} {
			if page, err := c.Fetch(t.Context(), ref); !fault.Is(err, fault.NotFound) || len(page.Objects) > 0 {
				t.Errorf("%s: %v, %+v", ref.Key, err, page.Objects)
			}
		}
	}
}

// TestFetchOfWhatIsNotThere tells what is gone and hidden from what cannot be judged.
func TestFetchOfWhatIsNotThere(t *testing.T) {
	eng := projectJSON(7, "ENG")
	answers := map[string]any{
		"/projects/GONE": nil,
		"/projects/ENG":  projectJSON(8, "ENG"), // another one by now
		"/projects/HID": func(w http.ResponseWriter, _ *http.Request) {
			fail(w, 401, "com.atlassian.bitbucket.AuthorisationException", "no")
		},
		"/projects/BAD":                    func(w http.ResponseWriter, _ *http.Request) { fail(w, 400, "x", "bad") },
		"/groups":                          page(0, 1000, -1, `"dev-ops"`, `"devs"`),
		"/projects/ENG/repos/e":            repoJSON(42, "e", eng),
		"/projects/ENG/repos/e/webhooks/5": `{"id":5,"name":"of the project","scopeType":"project"}`,
		"/repos":                           page(0, 1000, -1),
	}
	project := func(key string) bitbucket.Ref {
		return bitbucket.Ref{Type: graph.TypeProject, Key: "dc:i1:project:7", Project: key}
	}
	for name, tc := range map[string]struct {
		ref  bitbucket.Ref
		want fault.Code
	}{
		"gone":             {project("GONE"), fault.NotFound},
		"another one":      {project("ENG"), fault.NotFound},
		"hidden":           {project("HID"), fault.NotFound},
		"broken":           {project("BAD"), fault.Unavailable},
		"without a key":    {project(""), fault.Internal},
		"another instance": {bitbucket.Ref{Type: graph.TypeProject, Key: "dc:i2:project:7", Project: "ENG"}, fault.Internal},
		"user":             {bitbucket.Ref{Type: graph.TypeUser, Key: "dc:i1:user:9", Slug: "nobody"}, fault.NotFound},
		"group":            {bitbucket.Ref{Type: graph.TypeGroup, Key: "dc:i1:group:dev"}, fault.NotFound},
		"inherited hook":   {bitbucket.Ref{Type: graph.TypeWebhook, Key: "dc:i1:repo:42:hook:5", Project: "ENG", Slug: "e"}, fault.NotFound},
		"hook of what":     {bitbucket.Ref{Type: graph.TypeWebhook, Key: "dc:i1:hook:5"}, fault.Internal},
		"permission":       {bitbucket.Ref{Type: graph.TypePermission, Key: "dc:i1:perm:x"}, fault.Internal},
		"no repository":    {bitbucket.Ref{Type: graph.TypeRepo, Key: "dc:i1:repo:1", Project: "ENG", Slug: "x", Name: "X"}, fault.NotFound},
		"nowhere":          {bitbucket.Ref{Type: graph.TypeRepo, Key: "dc:i1:repo:1"}, fault.Internal},
		"no pull request":  {bitbucket.Ref{Type: graph.TypePullRequest, Key: "dc:i1:repo:42:pr:1", Project: "ENG", Slug: "e"}, fault.NotFound},
	} {
		page, err := openIn(t, &stand{answers: answers}).Fetch(t.Context(), tc.ref)
		if !fault.Is(err, tc.want) || len(page.Objects) > 0 {
			t.Errorf("%s: %v, want %s", name, err, tc.want)
		}
	}
	ofProject := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/rest/branch-permissions/latest/projects/ENG/restrictions/5" {
			fail(w, 404, "x", r.URL.Path)
			return
		}
		fmt.Fprint(w, `{"id":5,"type":"no-deletes","matcher":{"id":"main","type":{"id":"PATTERN"}},"scope":{"type":"PROJECT","resourceId":7},"users":[`+userJSON(1, "ann")+`],"groups":["devs"],"accessKeys":[]}`)
	})
	got, err := openIn(t, ofProject).Fetch(t.Context(), bitbucket.Ref{Type: graph.TypeRestriction, Key: "dc:i1:project:7:restriction:5", Project: "ENG"})
	if err != nil || len(got.Objects) != 1 || got.Objects[0].Entity.Project != "dc:i1:project:7" || len(got.Objects[0].Relationships) != 3 || len(got.Met) != 2 {
		t.Errorf("restriction of a project: %+v, %v", got, err)
	}
	got, err = openIn(t, &stand{answers: answers}).Fetch(t.Context(), bitbucket.Ref{Type: graph.TypeGroup, Key: "dc:i1:group:devs"})
	if err != nil || len(got.Objects) != 1 || len(got.Objects[0].Relationships) != 1 {
		t.Errorf("group: %+v, %v", got, err)
	}
}
