package cloud_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/windlass-hq/windlass/internal/bitbucket"
	"github.com/windlass-hq/windlass/internal/bitbucket/cloud"
	"github.com/windlass-hq/windlass/internal/bitbucket/sandbox"
	"github.com/windlass-hq/windlass/internal/fault"
	"github.com/windlass-hq/windlass/internal/graph"
)

// lived is a sandbox after a random day, with all that its listings show.
type lived struct {
	c       *cloud.Client
	o       oracle
	ws      cloud.Workspace
	objects map[string]graph.Object // by key
	people  map[string][]graph.Object
}

func liveADay(t *testing.T, seed uint64) lived {
	t.Helper()
	s := box(t, sandbox.Options{Repositories: 9, PullRequests: 90, Users: 14, Seed: seed})
	if _, err := s.Day(sandbox.DayOptions{Seed: seed, Day: 1, Acts: 120}); err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(s.Handler())
	t.Cleanup(srv.Close)
	c, err := cloud.New(cloud.Options{APIURL: srv.URL, Credentials: []bitbucket.Credential{consumer}})
	if err != nil {
		t.Fatal(err)
	}
	l := lived{c: c, o: oracle{t, srv.URL, consumerToken(t, srv.URL)}, objects: map[string]graph.Object{}, people: map[string][]graph.Object{}}
	ctx := t.Context()
	found, err := c.Workspaces(ctx, []string{"acme"})
	if err != nil {
		t.Fatal(err)
	}
	l.ws = found[0]
	l.objects[l.ws.Object.Entity.Key] = l.ws.Object
	var repos []bitbucket.RepoRef
	add := func(p bitbucket.Page) error {
		for _, o := range p.Objects {
			l.objects[o.Entity.Key] = o
			l.people[o.Entity.Home] = append(l.people[o.Entity.Home], p.Met...)
		}
		repos = append(repos, p.Repos...)
		return nil
	}
	for _, list := range []func() error{
		func() error { return c.Projects(ctx, l.ws, add) },
		func() error { return c.Members(ctx, l.ws, add) },
		func() error { return c.Repositories(ctx, l.ws, add) },
	} {
		if err := list(); err != nil {
			t.Fatal(err)
		}
	}
	for _, r := range repos {
		if err := c.PullRequests(ctx, r, add); err != nil {
			t.Fatal(err)
		}
	}
	for key, o := range settle(t, c, "acme").objects {
		if _, place := l.objects[key]; !place { // what a list says more about its place is no object of its own
			l.objects[key] = o
		}
	}
	return l
}

// of returns the keys of the objects of a type, in order.
func (l lived) of(kind string) []string {
	return slices.DeleteFunc(slices.Sorted(maps.Keys(l.objects)), func(key string) bool { return l.objects[key].Entity.Type != kind })
}

// plain returns an object without what legitimately differs by the address that it was read from: its raw form, and the
// properties named.
func plain(o graph.Object, without ...string) graph.Object {
	o.Entity.Raw = nil
	o.Entity.Properties = maps.Clone(o.Entity.Properties)
	for _, name := range without {
		delete(o.Entity.Properties, name)
	}
	o.Relationships = slices.SortedFunc(slices.Values(o.Relationships), func(a, b graph.Relationship) int { return strings.Compare(a.Key(), b.Key()) })
	return o
}

// TestAnEventMakesWhatTheListingMakes takes random pull requests of sandboxes after a random day, writes deliveries about
// them as Bitbucket does, and compares what they become with what the listing made. Of the repository the delivery has
// any of its forms.
func TestAnEventMakesWhatTheListingMakes(t *testing.T) {
	var days []lived
	for seed := range uint64(3) {
		days = append(days, liveADay(t, seed+1))
	}
	keys := []string{"created", "updated", "push", "fulfilled", "rejected", "approved", "unapproved", "changes_request_created", "comment_created"}
	rapid.Check(t, func(rt *rapid.T) {
		l := days[rapid.IntRange(0, len(days)-1).Draw(rt, "day")]
		pr := rapid.SampledFrom(l.of(graph.TypePullRequest)).Draw(rt, "pull request")
		key := rapid.SampledFrom(keys).Draw(rt, "key")
		want := l.objects[pr]
		repo := l.objects[want.Entity.Home].Entity
		path := fmt.Sprintf("/repositories/acme/%s", repo.Properties["slug"])
		body := map[string]any{
			"actor":       rapid.SampledFrom([]any{nil, map[string]any{"type": "user", "uuid": "{99999999-4444-4444-8444-444444444444}", "display_name": "Zoe"}}).Draw(rt, "actor"),
			"pullrequest": l.o.get(fmt.Sprintf("%s/pullrequests/%d", path, want.Entity.Properties["id"])),
		}
		whole := l.o.get(path)
		short := map[string]any{}
		members := []string{"type", "uuid", "name", "full_name"}
		known := rapid.Bool().Draw(rt, "repository with workspace and project")
		if known {
			members = append(members, "workspace", "project")
		}
		for _, name := range append(members, rapid.SliceOf(rapid.SampledFrom([]string{"owner", "links", "is_private", "parent", "scm", "website"})).Draw(rt, "more")...) {
			short[name] = whole[name]
		}
		body["repository"] = short
		switch key {
		case "approved", "unapproved":
			body["approval"] = map[string]any{"date": "2026-01-01T00:00:00+00:00", "user": body["actor"]}
		case "changes_request_created":
			body["changes_request"] = map[string]any{"date": "2026-01-01T00:00:00+00:00", "user": body["actor"]}
		case "comment_created":
			body["comment"] = map[string]any{"id": 1}
		}
		text, err := json.Marshal(body)
		if err != nil {
			rt.Fatal(err)
		}
		ev, err := cloud.Decode("pullrequest:"+key, text)
		if err != nil {
			rt.Fatal(err)
		}
		if len(ev.Page.Objects) != 1 || len(ev.Page.Odd) > 0 {
			rt.Fatalf("%d objects, odd %v", len(ev.Page.Objects), ev.Page.Odd)
		}
		got := plain(ev.Page.Objects[0])
		want = plain(want)
		if !known { // a short form tells neither workspace nor project
			want.Entity.Project = ""
			delete(want.Entity.Properties, "accountId")
		}
		if diff := cmp.Diff(want, got); diff != "" {
			rt.Errorf("listing and event differ (-listing +event):\n%s", diff)
		}
		checkMet(t, ev)
		met := map[string]graph.Object{}
		for _, o := range l.people[want.Entity.Home] {
			met[o.Entity.Key] = o
		}
		for _, o := range ev.Page.Met {
			if o.Entity.Key == ev.Actor {
				continue
			}
			if diff := cmp.Diff(plain(met[o.Entity.Key]), plain(o)); diff != "" {
				rt.Errorf("%s is somebody else (-listing +event):\n%s", o.Entity.Key, diff)
			}
		}
	})
}

// TestFetchBringsWhatTheListingBrings reads objects of every type one by one.
func TestFetchBringsWhatTheListingBrings(t *testing.T) {
	l := liveADay(t, 7)
	for kind, tc := range map[string]struct {
		most    int
		without []string // what a single object does not tell
		project bool     // its project is not told
	}{
		graph.TypeWorkspace:   {most: 1},
		graph.TypeProject:     {most: 5},
		graph.TypeRepo:        {most: 9},
		graph.TypePullRequest: {most: 40, project: true},
		graph.TypeUser:        {most: 9},
		graph.TypeRestriction: {most: 20, project: true},
		graph.TypeWebhook:     {most: 20, project: true},
		graph.TypeEnvironment: {most: 9, project: true},
		graph.TypeBranch:      {most: 15, project: true, without: []string{"isDefault", "isProtected"}},
	} {
		t.Run(kind, func(t *testing.T) {
			keys := l.of(kind)
			if len(keys) == 0 {
				t.Fatal("the sandbox has none")
			}
			for _, key := range keys[:min(len(keys), tc.most)] {
				want := plain(l.objects[key], tc.without...)
				if tc.project {
					want.Entity.Project = ""
				}
				short, _ := want.Entity.Properties["key"].(string)
				before := l.c.Calls()
				page, err := l.c.Fetch(t.Context(), bitbucket.Ref{Type: kind, Key: key, Workspace: l.ws.UUID, Project: short})
				if err != nil {
					t.Fatalf("%s: %v", key, err)
				}
				if n := l.c.Calls() - before; n != 1 {
					t.Errorf("%s took %d calls", key, n)
				}
				if len(page.Objects) != 1 || len(page.Odd) > 0 || page.RequestedAt.IsZero() || page.Principal == "" {
					t.Fatalf("%s: %+v", key, page)
				}
				if diff := cmp.Diff(want, plain(page.Objects[0], tc.without...)); diff != "" {
					t.Errorf("%s (-listing +fetch):\n%s", key, diff)
				}
				if kind == graph.TypeRepo && (len(page.Repos) != 1 || page.Repos[0].Key != key) {
					t.Errorf("how to ask for what is in %s: %+v", key, page.Repos)
				}
				checkMet(t, bitbucket.Event{Page: page})
			}
		})
	}
}

func TestFetchOfWhatIsNotThere(t *testing.T) {
	l := liveADay(t, 8)
	repo := l.of(graph.TypeRepo)[0]
	const nobody = "99999999-9999-4999-8999-999999999999"
	for name, ref := range map[string]bitbucket.Ref{
		"repository":      {Type: graph.TypeRepo, Key: "cloud:" + nobody},
		"pull request":    {Type: graph.TypePullRequest, Key: repo + ":pr:99999"},
		"member":          {Type: graph.TypeUser, Key: "cloud:user:" + nobody},
		"restriction":     {Type: graph.TypeRestriction, Key: repo + ":restriction:99999"},
		"webhook":         {Type: graph.TypeWebhook, Key: repo + ":hook:" + nobody},
		"environment":     {Type: graph.TypeEnvironment, Key: repo + ":env:" + nobody},
		"branch":          {Type: graph.TypeBranch, Key: repo + ":branch:no/such"},
		"another project": {Type: graph.TypeProject, Key: "cloud:" + nobody, Project: l.objects[l.of(graph.TypeProject)[0]].Entity.Properties["key"].(string)},
		"workspace":       {Type: graph.TypeWorkspace, Key: "cloud:" + nobody},
	} {
		ref.Workspace = l.ws.UUID
		if page, err := l.c.Fetch(t.Context(), ref); !fault.Is(err, fault.NotFound) {
			t.Errorf("%s: %+v, %v; want it not found", name, page.Objects, err)
		}
	}
	for name, ref := range map[string]bitbucket.Ref{
		"permission":        {Type: graph.TypePermission, Key: repo + ":perm:x", Workspace: l.ws.UUID},
		"no number":         {Type: graph.TypePullRequest, Key: repo + ":pr:x", Workspace: l.ws.UUID},
		"without workspace": {Type: graph.TypeWebhook, Key: repo + ":hook:1"},
		"hook of nothing":   {Type: graph.TypeWebhook, Key: "x:y:hook:1", Workspace: l.ws.UUID},
	} {
		if _, err := l.c.Fetch(t.Context(), ref); !fault.Is(err, fault.Internal) {
			t.Errorf("%s: %v, want it refused", name, err)
		}
	}
}

// TestWhatADeliveryWantsCanBeFetched reads what deliveries want to be read, as they name it.
func TestWhatADeliveryWantsCanBeFetched(t *testing.T) {
	l := liveADay(t, 9)
	send := func(key string, parts map[string]any) {
		t.Helper()
		body, err := json.Marshal(parts)
		if err != nil {
			t.Fatal(err)
		}
		ev, err := cloud.Decode(key, body)
		if err != nil {
			t.Fatal(err)
		}
		if len(ev.Fetch) == 0 {
			t.Errorf("%s wants nothing", key)
		}
		for _, ref := range ev.Fetch {
			page, err := l.c.Fetch(t.Context(), ref)
			if err != nil {
				t.Fatalf("%s: %+v: %v", key, ref, err)
			}
			if diff := cmp.Diff(plain(l.objects[ref.Key]).Entity.Properties, plain(page.Objects[0]).Entity.Properties); diff != "" && ref.Workspace != "" {
				t.Errorf("%s (-listing +fetch):\n%s", key, diff)
			}
		}
	}
	for _, key := range l.of(graph.TypeRepo) {
		whole := l.o.get("/repositories/acme/" + l.objects[key].Entity.Properties["slug"].(string))
		short := map[string]any{"uuid": whole["uuid"], "full_name": whole["full_name"]}
		send("repo:created", map[string]any{"repository": whole})
		send("repo:updated", map[string]any{"repository": short, "changes": map[string]any{}})
		send("repo:fork", map[string]any{"repository": short, "fork": whole})
		delete(short, "full_name")
		send("repo:deleted", map[string]any{"repository": short})
	}
	for _, key := range l.of(graph.TypeProject) {
		whole := l.o.get("/workspaces/acme/projects/" + l.objects[key].Entity.Properties["key"].(string))
		send("project:updated", map[string]any{"project": whole, "workspace": map[string]any{"slug": "acme"}})
	}
	pr := l.objects[l.of(graph.TypePullRequest)[0]].Entity
	repo := l.o.get("/repositories/acme/" + l.objects[pr.Home].Entity.Properties["slug"].(string))
	send("pullrequest:fulfilled", map[string]any{
		"repository":  map[string]any{"uuid": repo["uuid"], "name": repo["name"]},
		"pullrequest": map[string]any{"id": pr.Properties["id"], "state": "MERGED"},
	})
}
