package app_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/windlass-hq/windlass/client"
	"github.com/windlass-hq/windlass/internal/app"
	"github.com/windlass-hq/windlass/internal/bitbucket/sandbox"
	"github.com/windlass-hq/windlass/internal/store/storetest"
)

// untold are the acts that no webhook of a product tells (FACTS 92, 146), so that runs and polls alone see them.
func untold(product string) []string {
	both := []string{
		"create/project", "delete/project", "default-branch", "create/user", "delete/user", "rename/user", "group/create", "group/delete",
		"group/add-member", "group/remove-member", "grant", "restriction/set", "restriction/delete", "reviewers/set", "hook/add", "hook/change",
		"hook/delete", "key/add", "key/delete",
		// It is told, but the repositories of a project tell its key, too, and on Data Center have it in their paths.
		"rename/project",
	}
	if product == "cloud" { // of repositories it tells of name, description, website and language only
		return append(both, "move/repository", "public", "member/add", "member/remove", "environment/add", "environment/delete")
	}
	return append(both, "create/repository", "delete/repository", "reopen", "default-permission",
		// They are told, but change the path of a repository, and nothing there can be asked for by its number: what was told
		// before them and is still to be read names the old path, where nothing is.
		"rename/repository", "move/repository")
}

// facts are what is compared, by graph key.
type facts map[string]map[string]string

func (f facts) add(key string, values map[string]any) {
	f[key] = map[string]string{}
	for name, v := range values {
		if text := fmt.Sprint(v); v != nil && text != "" && text != "false" && text != "[]" {
			f[key][name] = text
		}
	}
}

// differences are the first few.
func (f facts) differences(want facts) error {
	var out []string
	for key, w := range want {
		switch g, ok := f[key]; {
		case !ok:
			out = append(out, fmt.Sprintf("missing %s: %v", key, w))
		case !maps.Equal(g, w):
			out = append(out, fmt.Sprintf("%s:\n\tgot  %v\n\twant %v", key, g, w))
		}
	}
	for key, g := range f {
		if _, ok := want[key]; !ok {
			out = append(out, fmt.Sprintf("unexpected %s: %v", key, g))
		}
	}
	if len(out) == 0 {
		return nil
	}
	slices.Sort(out)
	return fmt.Errorf("%d differences between graph and truth:\n%s", len(out), strings.Join(out[:min(len(out), 12)], "\n"))
}

// told is an installation whose webhooks are delivered, with what is compared of it.
type told struct {
	hooked
	instance string
	personal map[string]bool // ids of repositories that were in personal projects, which have no webhooks
}

func bare(id string) string { return strings.Trim(id, "{}") }

// truth is what is so in the sandbox, of what has webhooks.
func (h told) truth() facts {
	all, prefix, short := h.box.Truth(), "cloud:", 12
	project, repository := prefix, prefix
	if h.product != "cloud" {
		all, prefix, short = h.box.DataCenter().Truth(), "dc:"+h.instance+":", 40
		project, repository = prefix+"project:", prefix+"repo:"
	}
	cut := func(hash string) string { return hash[:min(short, len(hash))] }
	out := facts{}
	for _, p := range all.Spaces[0].Projects {
		if p.Owner != "" {
			continue
		}
		out.add(project+bare(p.ID), map[string]any{"key": p.Key, "name": p.Name, "public": p.Public})
		for _, r := range p.Repositories {
			if h.personal[r.ID] {
				continue
			}
			key := repository + bare(r.ID)
			out.add(key, map[string]any{"slug": r.Slug, "name": r.Name, "projectKey": p.Key, "public": r.Public, "archived": r.Archived, "defaultBranch": r.DefaultBranch})
			for _, b := range r.Branches {
				if b.Default || b.Protected {
					out.add(key+":branch:"+b.Name, map[string]any{"commit": b.Head})
				}
			}
			for _, pr := range r.PullRequests {
				var approvers []string
				for _, x := range pr.People {
					if x.Verdict == "approved" {
						approvers = append(approvers, bare(x.User))
					}
				}
				slices.Sort(approvers)
				out.add(fmt.Sprintf("%s:pr:%d", key, pr.ID), map[string]any{
					"title": strings.TrimSpace(pr.Title), "state": pr.State, "draft": pr.Draft, "source": pr.Source, "target": pr.Target,
					"sourceCommit": cut(pr.SourceHash), "mergeCommit": cut(pr.MergeHash), "authorId": bare(pr.Author), "approverIds": approvers,
				})
			}
		}
	}
	return out
}

// graph is what an installation has, of the same.
func (h told) graph(ctx context.Context) (facts, error) {
	out := facts{}
	for typ, names := range map[string][]string{
		"bitbucket_project":      {"key", "name", "public"},
		"bitbucket_repo":         {"slug", "name", "projectKey", "public", "archived", "defaultBranch"},
		"bitbucket_branch":       {"commit"},
		"bitbucket_pull_request": {"title", "state", "draft", "source", "target", "sourceCommit", "mergeCommit", "authorId", "approverIds"},
	} {
		_, err := h.c.Stream(ctx, client.Query{Query: "FIND " + typ}, func(client.Piece) error { return nil }, func(b json.RawMessage) error {
			var row map[string]any
			if err := json.Unmarshal(b, &row); err != nil {
				return err
			}
			key, _ := row["_key"].(string)
			if own, _ := row["key"].(string); strings.HasPrefix(own, "~") || h.isPersonal(key) {
				return nil
			}
			values := map[string]any{}
			for _, name := range names {
				v := row[name]
				if list, ok := v.([]any); ok {
					texts := make([]string, len(list))
					for i := range list {
						texts[i] = fmt.Sprint(list[i])
					}
					slices.Sort(texts)
					v = texts
				}
				if text, ok := v.(string); ok {
					v = strings.TrimSpace(text)
				}
				values[name] = v
			}
			out.add(key, values)
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (h told) isPersonal(key string) bool {
	_, rest, ok := strings.Cut(key, ":repo:")
	id, _, _ := strings.Cut(rest, ":")
	return ok && h.personal[id]
}

// equal returns why the graph is not what is true.
func (h told) equal(ctx context.Context) error {
	got, err := h.graph(ctx)
	if err != nil {
		return err
	}
	return got.differences(h.truth())
}

// undone returns which deliveries have not been applied, or not well.
func (h told) undone(ctx context.Context) (n int, err error) {
	for f := (client.DeliveryFilter{Limit: 500}); ; {
		page, err := h.c.Deliveries(ctx, f)
		if err != nil {
			return n, err
		}
		for _, d := range page.Items {
			if n++; d.State != "done" {
				return n, fmt.Errorf("delivery %d of %s is %s: %s", d.ID, d.Event, d.State, d.Effect)
			}
		}
		if f.Cursor = page.Cursor; f.Cursor == "" {
			return n, nil
		}
	}
}

// newTold reads everything, makes webhooks, and lets a day pass that they tell of. Half of what happens in a day is then
// what no webhook tells, and stays away.
func newTold(t *testing.T, product string, postgres bool, lose float64) told {
	t.Helper()
	w := newWorldOf(t, sandbox.Options{
		Repositories: 12, PullRequests: 80, Users: 12, Skew: -25 * time.Hour, Webhooks: sandbox.Webhooks{Lose: lose, InFlight: 100000},
	})
	if postgres {
		w.cfg.Database = storetest.Postgres(t)
	}
	a, err := app.New(app.Options{Config: w.cfg, Schedules: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := a.Stop(); err != nil {
			t.Error(err)
		}
	})
	h := told{hooked: hooked{world: w, c: client.InProcess(a.Handler()), product: product, server: a.URL()}, personal: map[string]bool{}}
	conn := h.connected(t)
	if product != "cloud" {
		h.instance = conn.Settings["instance"]
		for _, p := range h.box.DataCenter().Truth().Spaces[0].Projects {
			for _, r := range p.Repositories {
				h.personal[r.ID] = p.Owner != ""
			}
		}
	}
	if run := sync(t, h.c, client.RunRequest{Drain: true, Full: true}); run.Status != client.RunComplete {
		t.Fatalf("the first run: %+v", run)
	}
	if err := h.equal(t.Context()); err != nil {
		t.Fatalf("after the first run: %v", err)
	}
	h.ensure(t, client.HookWish{})
	h.box.SetSkew(0)
	if _, err := h.box.Day(sandbox.DayOptions{Product: product, Seed: 11, Acts: 250, Without: untold(product)}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := h.box.Settle(ctx); err != nil {
		t.Fatal(err)
	}
	return h
}

// connected makes a connection that nothing but webhooks and this test makes read.
func (h told) connected(t *testing.T) client.Connection {
	t.Helper()
	n := client.NewConnection{NoPreflight: true, Name: "acme", Product: h.product, Interval: "disabled"}
	if h.product == "cloud" {
		n.Settings = map[string]string{"workspaces": "acme", "api-url": h.url + "/cloud/2.0"}
		n.Credentials = []client.NewCredential{{Kind: "oauth", Identity: "sandbox-key", Secret: "sandbox-secret"}}
	} else {
		n.Settings = map[string]string{"url": h.url + "/dc", "rate": "1000"}
		n.Credentials = []client.NewCredential{{Kind: "token", Secret: "sandbox-token"}}
	}
	if _, err := h.c.Connect(t.Context(), n); err != nil {
		t.Fatal(err)
	}
	conn, err := h.c.UpdateConnection(t.Context(), "acme", client.ConnectionUpdate{Settings: map[string]string{"public-url": h.server}})
	if err != nil {
		t.Fatal(err)
	}
	return conn
}

// TestWebhooksAloneKeepTheGraph lets a day pass at Bitbucket of which webhooks tell: without any run the graph becomes
// what is true, and every delivery is applied.
func TestWebhooksAloneKeepTheGraph(t *testing.T) {
	for _, product := range []string{"cloud", "datacenter"} {
		for _, postgres := range []bool{false, true} {
			if testing.Short() { // make test does all of them without the race detector
				continue
			}
			t.Run(fmt.Sprintf("%s/postgres=%t", product, postgres), func(t *testing.T) {
				h := newTold(t, product, postgres, 0)
				ctx := t.Context()
				n := 0
				eventually(t, func() error {
					var late error
					n, late = h.undone(ctx)
					return errors.Join(late, h.equal(ctx))
				})
				if n < 125 {
					t.Errorf("%d deliveries, want more: %+v", n, h.box.WebhookCounts())
				}
				runs, err := h.c.Runs(ctx, client.RunFilter{Connection: "acme"})
				if err != nil {
					t.Fatal(err)
				}
				for _, r := range runs.Items[:len(runs.Items)-1] {
					if r.Cause != (client.Cause{Kind: "run", ID: "backlog"}) { // that is what deliveries make due
						t.Errorf("a run besides what deliveries ask for: %+v", r)
					}
				}
			})
		}
	}
}

// TestLostWebhooksAreMadeUpFor loses a fifth of the deliveries: after the next run the graph is what is true.
func TestLostWebhooksAreMadeUpFor(t *testing.T) {
	for _, product := range []string{"cloud", "datacenter"} {
		for _, postgres := range []bool{false, true} {
			if testing.Short() { // make test does all of them without the race detector
				continue
			}
			t.Run(fmt.Sprintf("%s/postgres=%t", product, postgres), func(t *testing.T) {
				h := newTold(t, product, postgres, 0.2)
				eventually(t, func() error { _, err := h.undone(t.Context()); return err })
				if c := h.box.WebhookCounts(); c.Lost < 12 {
					t.Fatalf("hardly anything was lost: %+v", c)
				}
				if h.equal(t.Context()) == nil {
					t.Error("nothing is missing although deliveries were lost")
				}
				if run := sync(t, h.c, client.RunRequest{Drain: true, Full: true}); run.Status != client.RunComplete {
					t.Fatalf("the next run: %+v", run)
				}
				eventually(t, func() error { return h.equal(t.Context()) })
			})
		}
	}
}
