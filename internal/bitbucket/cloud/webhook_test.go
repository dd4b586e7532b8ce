package cloud_test

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/windlass-hq/windlass/internal/bitbucket"
	"github.com/windlass-hq/windlass/internal/bitbucket/cloud"
	"github.com/windlass-hq/windlass/internal/bitbucket/goldentest"
	"github.com/windlass-hq/windlass/internal/bitbucket/openapitest"
	"github.com/windlass-hq/windlass/internal/fault"
	"github.com/windlass-hq/windlass/internal/graph"
)

// eventFiles returns the recorded shapes of deliveries, by event key.
func eventFiles(tb testing.TB) map[string][]string {
	tb.Helper()
	files, err := filepath.Glob("testdata/event/*/*.json")
	if err != nil || len(files) == 0 {
		tb.Fatalf("no deliveries: %v", err)
	}
	out := map[string][]string{}
	for _, name := range files {
		if !strings.HasSuffix(name, ".golden.json") {
			key := strings.Replace(filepath.Base(filepath.Dir(name)), "-", ":", 1)
			out[key] = append(out[key], name)
		}
	}
	return out
}

// shownEvent is an event as golden files show it.
type shownEvent struct {
	At         *time.Time            `json:"at,omitempty"`
	Actor      string                `json:"actor,omitempty"`
	Account    string                `json:"account,omitempty"`
	Project    string                `json:"project,omitempty"`
	Repository string                `json:"repository,omitempty"`
	Repo       *bitbucket.RepoRef    `json:"repo,omitempty"`
	Page       goldentest.Page       `json:"page"`
	Pushes     []bitbucket.RefChange `json:"pushes,omitempty"`
	Fetch      []bitbucket.Ref       `json:"fetch,omitempty"`
	Lists      []string              `json:"lists,omitempty"`
	Ignore     string                `json:"ignore,omitempty"`
	Extra      map[string]any        `json:"extra,omitempty"`
}

func showEvent(body []byte, ev bitbucket.Event) shownEvent {
	out := shownEvent{
		Actor: ev.Actor, Account: ev.Account, Project: ev.Project, Repository: ev.Repository, Pushes: ev.Pushes, Fetch: ev.Fetch, Ignore: ev.Ignore, Extra: ev.Extra,
	}
	if !ev.At.IsZero() {
		out.At = &ev.At
	}
	if ev.Repo != (bitbucket.RepoRef{}) {
		out.Repo = &ev.Repo
	}
	for _, l := range ev.Lists {
		out.Lists = append(out.Lists, l.Place.Type+" "+l.Place.Key+" "+l.Name)
	}
	out.Page.Add(body, ev.Page)
	for i := range out.Page.Objects {
		out.Page.Objects[i].Scrubbed = nil // golden files are indented, raw objects are not
	}
	for i := range out.Page.Met {
		out.Page.Met[i].Scrubbed = nil
	}
	return out
}

// TestEventGolden reads the deliveries of every event and compares with the golden file beside each.
func TestEventGolden(t *testing.T) {
	for key, files := range eventFiles(t) {
		for _, name := range files {
			t.Run(name, func(t *testing.T) {
				body, err := os.ReadFile(name)
				if err != nil {
					t.Fatal(err)
				}
				ev, err := cloud.Decode(key, body)
				if err != nil {
					t.Fatal(err)
				}
				if ev.Key != key || ev.Ping {
					t.Errorf("key %q, ping %v", ev.Key, ev.Ping)
				}
				checkDeclared(t, append(slices.Clone(ev.Page.Objects), ev.Page.Met...))
				checkMet(t, ev)
				got := mustJSON(t, showEvent(body, ev))
				if strings.Contains(got, "hush") {
					t.Errorf("a secret is kept:\n%s", got)
				}
				file := strings.TrimSuffix(name, ".json") + ".golden.json"
				if *update {
					if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
						t.Fatal(err)
					}
				}
				want, err := os.ReadFile(file)
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(string(want), got); diff != "" {
					t.Errorf("%s (-want +got):\n%s", file, diff)
				}
			})
		}
	}
}

// checkMet fails for every user and group that is pointed at and not met, the actor too.
func checkMet(t *testing.T, ev bitbucket.Event) {
	t.Helper()
	met := map[string]bool{"": true}
	all := append(slices.Clone(ev.Page.Objects), ev.Page.Met...)
	for _, o := range all {
		met[o.Entity.Key] = true
	}
	if !met[ev.Actor] {
		t.Errorf("the actor %s is not met", ev.Actor)
	}
	for _, o := range ev.Page.Objects {
		for _, r := range o.Relationships {
			for _, end := range []string{r.From, r.To} {
				if (strings.HasPrefix(end, "cloud:user:") || strings.Contains(end, ":group:")) && !met[end] {
					t.Errorf("%s leads to somebody who is not met", r.Key())
				}
			}
		}
	}
}

// TestEveryEventKeyIsRead holds that there are deliveries of as many events as the vendor has (FACTS 92), each under a key
// of the vendor's document.
func TestEveryEventKeyIsRead(t *testing.T) {
	have := slices.Sorted(maps.Keys(eventFiles(t)))
	if got, want := len(have), 29; got != want {
		t.Errorf("%d event keys, want the %d of the vendor: %v", got, want, have)
	}
	doc := openapitest.Load(t, "cloud.openapi.json")
	for _, key := range have {
		if err := doc.Component("webhook_subscription", []byte(`{"type":"webhook_subscription","events":["`+key+`"]}`)); err != nil {
			t.Error(err)
		}
	}
}

// TestBodiesDoNotFitOtherKeys sends every delivery under every other key. What has parts of its own is refused
// everywhere else.
func TestBodiesDoNotFitOtherKeys(t *testing.T) {
	files := eventFiles(t)
	// Events whose bodies have the same parts cannot be told apart; what they say is confirmed.
	class := func(key string) string {
		switch {
		case key == "repo:created" || key == "repo:deleted" || key == "repo:imported" || key == "repo:transfer" || key == "repo:updated":
			return "repository"
		case strings.HasPrefix(key, "pullrequest:comment"), key == "pullrequest:created", key == "pullrequest:updated", key == "pullrequest:push",
			key == "pullrequest:fulfilled", key == "pullrequest:rejected":
			return "pull request"
		case strings.HasPrefix(key, "pullrequest:changes"):
			return "changes"
		case key == "pullrequest:approved" || key == "pullrequest:unapproved":
			return "approval"
		case strings.HasPrefix(key, "repo:commit_status"):
			return "status"
		case strings.HasPrefix(key, "issue:"):
			return "issue"
		}
		return key
	}
	for key, names := range files {
		for _, name := range names {
			body, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			for other := range files {
				if class(other) == class(key) {
					continue
				}
				_, err := cloud.Decode(other, body)
				if !fault.Is(err, fault.Invalid) || !strings.Contains(fmt.Sprint(err), other) {
					t.Errorf("%s under the key %s: %v, want it refused", name, other, err)
				}
			}
		}
	}
}

func TestDecodeRefuses(t *testing.T) {
	const repo = `"repository":{"type":"repository","uuid":"{33333333-3333-4333-8333-333333333333}","full_name":"acme/engine","name":"Engine"}`
	for name, tc := range map[string]struct{ key, body, want string }{
		"unknown key":              {"repo:exploded", `{` + repo + `}`, `no event "repo:exploded"`},
		"key of a Data Center":     {"repo:refs_changed", `{"eventKey":"repo:refs_changed"}`, `no event "repo:refs_changed"`},
		"ping of a Data Center":    {"diagnostics:ping", `{"test":true}`, "no event"},
		"endless key":              {strings.Repeat("x", 10_000), `{}`, "no event"},
		"no JSON":                  {"repo:push", `{"push":`, "no JSON"},
		"a list":                   {"repo:push", `[]`, "no JSON object"},
		"nothing":                  {"repo:push", ``, "no JSON"},
		"trailing":                 {"repo:deleted", `{` + repo + `}{}`, "no JSON"},
		"body of a Data Center":    {"repo:push", `{"eventKey":"repo:refs_changed","date":"2026-01-01T00:00:00+0000",` + repo + `,"push":{"changes":[]}}`, "Data Center"},
		"DC pull request":          {"pullrequest:created", `{"actor":{},"pullRequest":{"id":1}}`, "Data Center"},
		"add-on, push":             {"repo:push", `{"actor":{"username":"ann"},"repository":{"scmId":"git","project":{"key":"ENG"},"slug":"engine","fullName":"ENG/engine","ownerName":"ENG"},"push":{"changes":[]}}`, "Post Webhooks"},
		"add-on, pull request":     {"pullrequest:created", `{"pullrequest":{"id":"1","fromRef":{},"toRef":{}},"repository":{"slug":"engine"}}`, "Post Webhooks"},
		"repository without UUID":  {"repo:deleted", `{"repository":{"full_name":"acme/engine"}}`, "no UUID"},
		"repository is text":       {"repo:deleted", `{"repository":"acme/engine"}`, "another kind"},
		"push without changes":     {"repo:push", `{` + repo + `,"push":{}}`, "no list of changes"},
		"pull request, no number":  {"pullrequest:created", `{` + repo + `,"pullrequest":{"title":"x"}}`, "no number"},
		"pull request elsewhere":   {"pullrequest:created", `{` + repo + `,"pullrequest":{"id":1,"destination":{"repository":{"uuid":"{44444444-3333-4333-8333-333333333333}"}}}}`, "another repository"},
		"fork without UUID":        {"repo:fork", `{` + repo + `,"fork":{}}`, "no UUID"},
		"project without UUID":     {"project:updated", `{"project":{"key":"ENG"}}`, "no UUID"},
		"approval under created":   {"pullrequest:created", `{` + repo + `,"pullrequest":{"id":1},"approval":{}}`, "approval"},
		"approved without a judge": {"pullrequest:approved", `{` + repo + `,"pullrequest":{"id":1}}`, "no approval"},
		"spans are no list":        {"pipeline:span_created", `{"resourceSpans":{}}`, "another kind"},
	} {
		t.Run(name, func(t *testing.T) {
			ev, err := cloud.Decode(tc.key, []byte(tc.body))
			if !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want %q", err, tc.want)
			}
			if len(ev.Page.Objects)+len(ev.Fetch)+len(ev.Pushes)+len(ev.Lists) > 0 {
				t.Errorf("what was refused says something: %+v", ev)
			}
			if err != nil && len(err.Error()) > 600 {
				t.Errorf("the error has %d characters", len(err.Error()))
			}
		})
	}
}

// TestConfirmation holds down what is read from Bitbucket although a webhook told it, and what is not.
func TestConfirmation(t *testing.T) {
	want := map[string]string{
		"pullrequest:approved": graph.TypePullRequest, "pullrequest:unapproved": graph.TypePullRequest, "pullrequest:changes_request_created": graph.TypePullRequest,
		"pullrequest:changes_request_removed": graph.TypePullRequest, "pullrequest:fulfilled": graph.TypePullRequest, "pullrequest:rejected": graph.TypePullRequest,
		"repo:created": graph.TypeRepo, "repo:deleted": graph.TypeRepo, "repo:updated": graph.TypeRepo, "repo:imported": graph.TypeRepo, "repo:transfer": graph.TypeRepo,
		"project:updated": graph.TypeProject,
	}
	for key, files := range eventFiles(t) {
		body, err := os.ReadFile(files[len(files)-1])
		if key == "pullrequest:created" || key == "pullrequest:updated" || key == "repo:fork" {
			continue // depends on the body: see the golden files
		}
		if err != nil {
			t.Fatal(err)
		}
		ev, err := cloud.Decode(key, body)
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		for _, ref := range ev.Fetch {
			got += ref.Type
		}
		if got != want[key] {
			t.Errorf("%s fetches %q, want %q", key, got, want[key])
		}
	}
}
