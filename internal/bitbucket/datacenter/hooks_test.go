package datacenter_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/windlass-hq/windlass/internal/bitbucket"
	"github.com/windlass-hq/windlass/internal/bitbucket/datacenter"
	"github.com/windlass-hq/windlass/internal/bitbucket/openapitest"
	"github.com/windlass-hq/windlass/internal/bitbucket/sandbox"
	"github.com/windlass-hq/windlass/internal/fault"
)

const hookSecret = "canary-secret-of-the-hook"

func ourHook(c *datacenter.Client, p bitbucket.Place) bitbucket.HookSpec {
	return bitbucket.HookSpec{
		URL: "https://windlass.example/hooks/0123456789abcdef?a=1&b=2", Name: "Windlass", Secret: hookSecret, Events: c.HookEvents(p), Active: true,
	}
}

// TestHooks makes, changes and removes webhooks of projects and repositories in sandboxes of several versions, and holds
// every request against the vendor's document.
func TestHooks(t *testing.T) {
	asked := map[string]bool{}
	for _, version := range []string{"7.6", "8.9", "9.4", "10.0"} {
		t.Run(version, func(t *testing.T) {
			s := box(t, sandbox.Options{Repositories: 4, PullRequests: 4, Users: 6, DCVersion: version, Limits: sandbox.Limits{DCPage: 1}})
			var bodies []map[string]any
			c := openBox(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				uri := strings.TrimPrefix(r.URL.RequestURI(), "/dc/rest")
				asked[r.Method+" "+uri] = true
				if r.Method != http.MethodGet {
					var v map[string]any
					if r.Body != nil {
						body, _ := io.ReadAll(r.Body)
						r.Body = io.NopCloser(strings.NewReader(string(body)))
						if json.Unmarshal(body, &v) != nil {
							t.Errorf("%s %s is sent no JSON: %s", r.Method, uri, body)
						}
					}
					bodies = append(bodies, v)
				}
				s.Handler().ServeHTTP(w, r)
			}))
			got, err := walk(t, openBox(t, s.Handler()))
			if err != nil {
				t.Fatal(err)
			}
			ofProjects, ofRepos := placesOf(got)
			for _, p := range []bitbucket.Place{ofProjects[0], ofRepos[0]} {
				old := p.ProjectKey == "" && version == "7.6"
				bodies = nil
				before, err := c.Hooks(t.Context(), p)
				if err != nil {
					t.Fatal(err)
				}
				if old {
					if events := c.HookEvents(p); events != nil || before != nil {
						t.Errorf("projects of %s have webhooks: %q, %+v", version, events, before)
					}
					if _, err := c.CreateHook(t.Context(), p, ourHook(c, p)); !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), "8.8") {
						t.Errorf("made: %v", err)
					}
					if err := c.DeleteHook(t.Context(), p, "1"); err != nil || len(bodies) > 0 {
						t.Errorf("removed: %v with %d requests", err, len(bodies))
					}
					continue
				}
				cycle(t, c, p, before)
				if len(bodies) != 6 || bodies[0]["sslVerificationRequired"] != true || bodies[1]["sslVerificationRequired"] != true {
					t.Fatalf("%d requests: %v", len(bodies), bodies)
				}
				if diff := gocmp.Diff(map[string]any{"secret": hookSecret}, bodies[0]["configuration"]); diff != "" {
					t.Errorf("configuration: %s", diff)
				}
				if _, sent := bodies[2]["configuration"]; sent {
					t.Errorf("a configuration is sent without a secret: %v", bodies[2])
				}
			}
		})
	}
	documented(t, slices.Collect(maps.Keys(asked)))
}

// documented holds requests against the vendor's document, where it is at hand.
func documented(t *testing.T, asked []string) {
	t.Helper()
	t.Run("as documented", func(t *testing.T) {
		doc := openapitest.Load(t, "datacenter.openapi.json")
		for _, a := range asked {
			method, uri, _ := strings.Cut(a, " ")
			r := httptest.NewRequest(method, "http://x"+uri, nil)
			if err := doc.Request(method, r.URL.EscapedPath(), r.URL.Query()); err != nil {
				t.Errorf("%s: %v", a, err)
			}
		}
	})
}

// cycle is the life of two hooks of one place: six requests that write.
func cycle(t *testing.T, c *datacenter.Client, p bitbucket.Place, before []bitbucket.Hook) {
	t.Helper()
	ctx := t.Context()
	spec := ourHook(c, p)
	made, err := c.CreateHook(ctx, p, spec)
	if err != nil {
		t.Fatal(err)
	}
	if made.ID == "" || made.URL != spec.URL || made.Name != spec.Name || !made.Active || made.SecretSet == nil || !*made.SecretSet || made.CreatedAt.IsZero() {
		t.Errorf("made %+v", made)
	}
	if !slices.Equal(made.Events, spec.Events) || len(spec.Events) < 16 || slices.Contains(spec.Events, "project:modified") != (p.ProjectKey == "") {
		t.Errorf("events %q, want %q", made.Events, spec.Events)
	}
	second := spec
	second.URL += "&c=3"
	if _, err := c.CreateHook(ctx, p, second); err != nil {
		t.Fatal(err)
	}
	list := func() []bitbucket.Hook {
		t.Helper()
		all, err := c.Hooks(ctx, p)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(fmt.Sprintf("%+v", all), "canary") {
			t.Errorf("a secret is shown: %+v", all)
		}
		return all
	}
	if all := list(); len(all) != len(before)+2 {
		t.Errorf("%d webhooks, want %d", len(all), len(before)+2)
	}
	spec.Secret, spec.Active, spec.Name = "", false, "Windlass of acme"
	if err := c.UpdateHook(ctx, p, made.ID, spec); err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(list(), func(h bitbucket.Hook) bool { return h.ID == made.ID && !h.Active && h.Name == spec.Name })
	if i < 0 {
		t.Error("it was not changed")
	}
	if err := c.DeleteHook(ctx, p, made.ID); err != nil {
		t.Error(err)
	}
	if err := c.DeleteHook(ctx, p, made.ID); err != nil {
		t.Errorf("gone already: %v", err)
	}
	if err := c.UpdateHook(ctx, p, made.ID, spec); !fault.Is(err, fault.NotFound) {
		t.Errorf("changed after it was removed: %v", err)
	}
	if all := list(); len(all) != len(before)+1 {
		t.Errorf("%d webhooks, want %d", len(all), len(before)+1)
	}
}

// TestHooksOfOthersAreShownWithoutTheirSecrets reads what an old instance shows in clear.
func TestHooksOfOthersAreShownWithoutTheirSecrets(t *testing.T) {
	c := openIn(t, &stand{answers: map[string]any{
		"/projects/ENG/repos/engine/webhooks": page(0, 25, -1,
			`{"id":1,"name":"CI","createdDate":1500000000000,"events":["pr:opened","pr:opened",7],"configuration":{"secret":"canary"},"credentials":{"username":"u","password":"canary"},"url":"https://ci.example/x","active":true}`,
			`{"id":2,"name":"of the project","url":"https://x","scopeType":"project"}`,
			`{"id":3,"configuration":[],"url":7}`),
	}})
	got, err := c.Hooks(t.Context(), enginePlace())
	set := true
	want := []bitbucket.Hook{
		{ID: "1", URL: "https://ci.example/x", Name: "CI", Events: []string{"pr:opened"}, Active: true, SecretSet: &set, CreatedAt: time.UnixMilli(1500000000000).UTC()},
		{ID: "3"},
	}
	if diff := gocmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	c = openIn(t, &stand{answers: map[string]any{"/projects/ENG/repos/engine/webhooks": page(0, 25, -1, `{"url":"https://x"}`)}})
	if got, err := c.Hooks(t.Context(), enginePlace()); !fault.Is(err, fault.Unavailable) || got != nil {
		t.Errorf("a hook without an id: %+v, %v", got, err)
	}
}

// TestHooksThatMayNotBeMade names the right, and shows the secret to nobody.
func TestHooksThatMayNotBeMade(t *testing.T) {
	for name, tc := range map[string]struct {
		answer http.HandlerFunc
		want   fault.Code
		text   string
	}{
		"not permitted": {func(w http.ResponseWriter, _ *http.Request) {
			fail(w, 401, "com.atlassian.bitbucket.AuthorisationException", "You are not permitted to access this resource")
		}, fault.Denied, "REPO_ADMIN"},
		"forbidden": {func(w http.ResponseWriter, _ *http.Request) { fail(w, 403, "x", "no "+hookSecret) }, fault.Denied, "REPO_ADMIN"},
		"bad":       {func(w http.ResponseWriter, _ *http.Request) { fail(w, 400, "x", "the event "+hookSecret+" is unknown") }, fault.Invalid, "is unknown"},
		"no answer": {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(200) }, fault.Unavailable, "was made"},
		"no hook":   {func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"name":"x"}`) }, fault.Unavailable, "was made"},
	} {
		calls := 0
		c := openIn(t, handler(func(w http.ResponseWriter, r *http.Request) { calls++; tc.answer(w, r) }))
		if _, err := c.Instance(t.Context()); err != nil {
			t.Fatal(err)
		}
		before := c.Calls()
		_, err := c.CreateHook(t.Context(), enginePlace(), ourHook(c, enginePlace()))
		if !fault.Is(err, tc.want) || !strings.Contains(err.Error(), tc.text) || strings.Contains(err.Error(), "canary") {
			t.Errorf("%s: %v, want %s", name, err, tc.want)
		}
		if calls != 1 || c.Calls() != before+1 {
			t.Errorf("%s: %d requests, %d calls", name, calls, c.Calls()-before)
		}
		if errors.Is(err, bitbucket.ErrUncertain) != (tc.want == fault.Unavailable) {
			t.Errorf("%s: uncertain in %v", name, err)
		}
	}
	c := openIn(t, &stand{})
	for _, id := range []string{"", "../x", "0"} {
		if err := c.UpdateHook(t.Context(), enginePlace(), id, bitbucket.HookSpec{}); !fault.Is(err, fault.Internal) {
			t.Errorf("changed %q: %v", id, err)
		}
		if err := c.DeleteHook(t.Context(), enginePlace(), id); !fault.Is(err, fault.Internal) {
			t.Errorf("removed %q: %v", id, err)
		}
	}
}

// TestStatistics reads what an instance tells of deliveries, in the paths of the vendor's document.
func TestStatistics(t *testing.T) {
	const at = "/projects/ENG/repos/engine/webhooks/9"
	failed := `{"id":4,"event":"pr:opened","start":1767229200000,"finish":1767229201500,"request":{"method":"POST","url":"https://u:canary@x/"},"result":{"outcome":"ERROR","description":"Connect to https://u:canary@hooks.example/T00/B11/canary0123456789 failed"}}`
	counts := func(good, bad, none int) string {
		return fmt.Sprintf(`{"errors":%d,"failures":%d,"successes":%d,"window":{"start":1,"duration":86400000}}`, none, bad, good)
	}
	s := &stand{answers: map[string]any{
		at + "/statistics":         `{"counts":` + counts(7, 2, 1) + `,"lastSuccess":{"start":1767229000000,"finish":1767229000200,"result":{"outcome":"SUCCESS","description":"200"}},"lastFailure":{"start":1767228000000,"finish":1767228000100,"result":{"outcome":"FAILURE","description":"503"}},"lastError":` + failed + `}`,
		at + "/statistics/summary": `{"pr:opened":` + counts(3, 1, 0) + `,"repo:refs_changed":` + counts(4, 1, 1) + `,"odd":7}`,
		at + "/latest":             failed,
		at + "/latest?outcome=FAILURE": func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusNoContent)
		},
		at + "/latest?outcome=SUCCESS": `{"event":"pr:merged","start":"2026-01-01T01:00:00.000Z","duration":150,"result":{"outcome":"SUCCESS","statusCode":204}}`,
	}}
	c := openIn(t, s)
	ctx, p := t.Context(), enginePlace()
	got, err := c.HookStatistics(ctx, p, "9")
	want := bitbucket.HookStatistics{
		Successes: 7, Failures: 2, Errors: 1, LastSuccess: time.UnixMilli(1767229000200).UTC(), LastFailure: time.UnixMilli(1767229201500).UTC(),
	}
	if got.LastFault == "" || strings.Contains(got.LastFault, "canary") || !strings.Contains(got.LastFault, "hooks.example") {
		t.Errorf("fault %q", got.LastFault)
	}
	got.LastFault = ""
	if diff := gocmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	summary, err := c.HookCounts(ctx, p, "9")
	if diff := gocmp.Diff(map[string]bitbucket.HookStatistics{"pr:opened": {Successes: 3, Failures: 1}, "repo:refs_changed": {Successes: 4, Failures: 1, Errors: 1}}, summary); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	last, ok, err := c.LatestInvocation(ctx, p, "9", "")
	if err != nil || !ok || last.Event != "pr:opened" || last.Outcome != "ERROR" || last.Took != 1500*time.Millisecond || strings.Contains(fmt.Sprint(last), "canary") {
		t.Errorf("%+v, %t, %v", last, ok, err)
	}
	if last, ok, err = c.LatestInvocation(ctx, p, "9", "FAILURE"); ok || err != nil {
		t.Errorf("none: %+v, %t, %v", last, ok, err)
	}
	last, ok, err = c.LatestInvocation(ctx, p, "9", "SUCCESS")
	if diff := gocmp.Diff(datacenter.Invocation{Event: "pr:merged", Outcome: "SUCCESS", Status: 204, Start: time.UnixMilli(1767229200000).UTC(), Took: 150 * time.Millisecond}, last); diff != "" || !ok || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	if _, err := c.HookStatistics(ctx, p, "10"); !fault.Is(err, fault.NotFound) {
		t.Errorf("no such webhook: %v", err)
	}
	if n := len(s.asked); n != 6 {
		t.Errorf("%d requests: %q", n, s.asked)
	}
	var asked []string
	for _, uri := range s.asked {
		asked = append(asked, "GET /api/latest"+uri)
	}
	documented(t, asked)
	s.answers[at+"/statistics"] = `{"lastFailure":{"start":1767228000000,"result":{"outcome":"FAILURE","description":"503"}}}`
	if got, err := c.HookStatistics(ctx, p, "9"); err != nil || got.LastFault != "status 503 Service Unavailable" {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestCircuits(t *testing.T) {
	now := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	ago := func(d time.Duration) time.Time { return now.Add(-d) }
	for name, tc := range map[string]struct {
		s    bitbucket.HookStatistics
		want datacenter.Circuit
	}{
		"new":                   {bitbucket.HookStatistics{}, datacenter.CircuitClosed},
		"all well":              {bitbucket.HookStatistics{Successes: 9, LastSuccess: ago(time.Minute)}, datacenter.CircuitClosed},
		"well again":            {bitbucket.HookStatistics{Successes: 1, Failures: 9, LastSuccess: ago(time.Minute), LastFailure: ago(time.Hour)}, datacenter.CircuitClosed},
		"at the same moment":    {bitbucket.HookStatistics{Failures: 9, LastSuccess: ago(time.Hour), LastFailure: ago(time.Hour)}, datacenter.CircuitClosed},
		"one failed":            {bitbucket.HookStatistics{Errors: 1, LastFailure: ago(time.Minute)}, datacenter.CircuitFailing},
		"five failed":           {bitbucket.HookStatistics{Errors: 3, Failures: 2, LastFailure: ago(time.Minute)}, datacenter.CircuitOpen},
		"some failed, some not": {bitbucket.HookStatistics{Successes: 1, Failures: 9, LastSuccess: ago(time.Hour), LastFailure: ago(time.Minute)}, datacenter.CircuitFailing},
		"long ago, tried again": {bitbucket.HookStatistics{Failures: 9, LastFailure: ago(11 * time.Hour)}, datacenter.CircuitFailing},
		"skipped for ten hours": {bitbucket.HookStatistics{Failures: 9, LastFailure: ago(10 * time.Hour)}, datacenter.CircuitOpen},
	} {
		if got := datacenter.CircuitOf(tc.s, now); got != tc.want {
			t.Errorf("%s: %s, want %s", name, got, tc.want)
		}
	}
}
