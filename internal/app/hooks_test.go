package app_test

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/windlass-hq/windlass/client"
	"github.com/windlass-hq/windlass/internal/app"
	"github.com/windlass-hq/windlass/internal/bitbucket/sandbox"
)

// hooked is a world with one connection of a product.
type hooked struct {
	world
	c       *client.Client
	product string
	server  string // where it listens, if it does
}

func (h hooked) connectTo(t *testing.T, product string) {
	t.Helper()
	n := client.NewConnection{NoPreflight: true, Name: "acme", Product: product, Interval: "1h"}
	if product == "cloud" {
		n.Settings = map[string]string{"workspaces": "acme", "api-url": h.url + "/cloud/2.0"}
		n.Credentials = []client.NewCredential{{Kind: "oauth", Identity: "sandbox-key", Secret: "sandbox-secret"}}
	} else {
		n.Settings = map[string]string{"url": h.url + "/dc", "rate": "1000"}
		n.Credentials = []client.NewCredential{{Kind: "token", Secret: "sandbox-token"}}
	}
	if _, err := h.c.Connect(t.Context(), n); err != nil {
		t.Fatal(err)
	}
}

// there returns the hooks of Windlass in the sandbox, by the names of their places.
func (h hooked) there() map[string][]sandbox.TruthHook {
	truth := h.box.Truth()
	if h.product != "cloud" {
		truth = h.box.DataCenter().Truth()
	}
	out := map[string][]sandbox.TruthHook{}
	add := func(name string, list []sandbox.TruthHook) {
		for _, hook := range list {
			if hook.Name == "Windlass" {
				out[name] = append(out[name], hook)
			}
		}
	}
	for _, space := range truth.Spaces {
		add(space.Slug, space.Hooks)
		for _, p := range space.Projects {
			add(p.Key, p.Hooks)
			for _, r := range p.Repositories {
				add(strings.ToLower(p.Key)+"/"+r.Slug, r.Hooks)
			}
		}
	}
	return out
}

// wrecked changes or deletes a hook as an administrator would.
func (h hooked) wrecked(t *testing.T, place string, change func(*sandbox.HookSpec)) {
	t.Helper()
	hook := h.there()[place][0]
	spec := sandbox.HookSpec{ID: hook.ID, Name: hook.Name, URL: hook.URL, Events: hook.Events, Active: hook.Active}
	acts := interface {
		ChangeHook(sandbox.HookSpec) error
		DeleteHook(sandbox.Place, string) error
	}(h.box)
	if h.product != "cloud" {
		acts = h.box.DataCenter()
	}
	switch {
	case h.product == "cloud":
		spec.Workspace = place
	case strings.Contains(place, "/"):
		key, slug, _ := strings.Cut(place, "/")
		spec.Repository = strings.ToUpper(key) + "/" + slug
	default:
		spec.Project = place
	}
	err := error(nil)
	if change == nil {
		err = acts.DeleteHook(spec.Place, spec.ID)
	} else {
		change(&spec)
		err = acts.ChangeHook(spec)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func quiet(client.HookProgress) {}

// did counts outcomes by what was done.
func did(out client.HookOutcomes) map[string]int {
	n := map[string]int{}
	for _, o := range out.Items {
		n[o.Did]++
	}
	return n
}

func (h hooked) ensure(t *testing.T, w client.HookWish) client.HookOutcomes {
	t.Helper()
	out, err := h.c.EnsureHooks(t.Context(), "acme", w, quiet)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func inProduct(t *testing.T, product, version string, server bool, now func() time.Time) hooked {
	t.Helper()
	w := newWorldOf(t, sandbox.Options{Repositories: 24, PullRequests: 30, Users: 8, DCVersion: version})
	h := hooked{world: w, product: product}
	a, err := app.New(app.Options{Config: w.cfg, Schedules: server, Now: now})
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
	h.c, h.server = client.InProcess(a.Handler()), a.URL()
	h.connectTo(t, product)
	return h
}

// TestHooksAreMadeAndKept makes webhooks, finds them, repairs and moves them, and removes them, with both products and a
// Data Center whose projects have none.
func TestHooksAreMadeAndKept(t *testing.T) {
	for _, tc := range []struct{ product, version, placeType string }{
		{"cloud", "", "bitbucket_workspace"}, {"datacenter", "9.4", "bitbucket_project"}, {"datacenter", "7.6", "bitbucket_repo"},
	} {
		t.Run(tc.product+tc.version, func(t *testing.T) {
			h := inProduct(t, tc.product, tc.version, false, nil)
			ctx := t.Context()

			_, err := h.c.EnsureHooks(ctx, "acme", client.HookWish{}, quiet)
			if client.CodeOf(err) != "invalid" {
				t.Fatalf("without an address: got %v, want a refusal", err)
			}
			for _, want := range []string{"repositories up to 1 h 0 min", "branch-restrictions up to 1 d 1 h", "deploy-keys", "public-url=https://"} {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("without an address: %q does not say %q", err, want)
				}
			}
			public := func(url string) {
				t.Helper()
				if _, err := h.c.UpdateConnection(ctx, "acme", client.ConnectionUpdate{Settings: map[string]string{"public-url": url}}); err != nil {
					t.Fatal(err)
				}
			}
			public("https://windlass.example/base/")

			var told []client.HookProgress
			out, err := h.c.EnsureHooks(ctx, "acme", client.HookWish{}, func(p client.HookProgress) { told = append(told, p) })
			if err != nil {
				t.Fatal(err)
			}
			n := len(out.Items)
			if n == 0 || did(out)["made"] != n || len(told) < n {
				t.Fatalf("first: %v with %d notes of progress", did(out), len(told))
			}
			there := h.there()
			if len(there) != n {
				t.Errorf("%d places have webhooks, want %d: %v", len(there), n, there)
			}
			for _, o := range out.Items {
				hooks := there[o.Place]
				if len(hooks) != 1 || o.PlaceType != tc.placeType || hooks[0].URL != "https://windlass.example/base/hooks/"+o.Hook || strings.Trim(hooks[0].ID, "{}") != strings.Trim(o.RemoteID, "{}") {
					t.Errorf("%s: %+v is not %+v", o.Place, hooks, o)
				}
				if o.Secret != "" || o.URL != "" {
					t.Errorf("%s: what nobody has to enter is shown", o.Place)
				}
				if strings.HasPrefix(o.Place, "~") && tc.placeType == "bitbucket_project" {
					t.Errorf("a personal project has a webhook: %s", o.Place)
				}
			}
			if again := did(h.ensure(t, client.HookWish{})); again["found"] != n || len(again) != 1 {
				t.Errorf("again: %v, want %d found", again, n)
			}

			list, err := h.c.Hooks(ctx, client.HookFilter{Connection: "acme"})
			if err != nil || len(list.Items) != n {
				t.Fatalf("%d listed, %v", len(list.Items), err)
			}
			for _, i := range list.Items {
				if i.Health != "waiting" || i.MadeBy != "windlass" || i.Mode != "signed" || i.Connection != "acme" || len(i.Events) < 10 || i.CheckedAt == nil || i.Delay != nil {
					t.Errorf("listed %+v", i)
				}
			}

			place := out.Items[0].Place
			h.wrecked(t, place, nil)
			if got := did(h.ensure(t, client.HookWish{})); got["made"] != 1 || got["found"] != n-1 {
				t.Errorf("after one was deleted: %v", got)
			}
			h.wrecked(t, place, func(s *sandbox.HookSpec) { s.Events, s.Active = s.Events[:2], false })
			if got := did(h.ensure(t, client.HookWish{})); got["repaired"] != 1 || got["found"] != n-1 {
				t.Errorf("after one was changed: %v", got)
			}
			if hook := h.there()[place][0]; !hook.Active || len(hook.Events) < 10 {
				t.Errorf("it was not repaired: %+v", hook)
			}
			public("https://elsewhere.example")
			if got := did(h.ensure(t, client.HookWish{})); got["repaired"] != n {
				t.Errorf("after a move: %v", got)
			}
			if got := did(h.ensure(t, client.HookWish{Rotate: true})); got["repaired"] != n {
				t.Errorf("with other secrets: %v", got)
			}

			gone, err := h.c.RemoveHooks(ctx, "acme", quiet)
			if err != nil || did(gone)["removed"] != n || len(h.there()) != 0 {
				t.Errorf("removed %v, %v; there are still %v", did(gone), err, h.there())
			}
			if list, err := h.c.Hooks(ctx, client.HookFilter{}); err != nil || len(list.Items) != 0 {
				t.Errorf("still listed: %+v, %v", list, err)
			}
		})
	}
}

// TestPersonalRepositoriesAreSaid reads a Data Center first: only then it is known that there are any.
func TestPersonalRepositoriesAreSaid(t *testing.T) {
	h := inProduct(t, "datacenter", "9.4", false, nil)
	h.publish(t)
	sync(t, h.c, client.RunRequest{Drain: true})
	out := h.ensure(t, client.HookWish{})
	want := "personal repositories have no webhook"
	if len(out.Advice) != 1 || !strings.Contains(out.Advice[0], want) || !strings.Contains(out.Advice[0], "every 1h") {
		t.Errorf("got %q, want one that says %q", out.Advice, want)
	}
}

func (h hooked) publish(t *testing.T) {
	t.Helper()
	_, err := h.c.UpdateConnection(t.Context(), "acme", client.ConnectionUpdate{Settings: map[string]string{"public-url": "https://windlass.example"}})
	if err != nil {
		t.Fatal(err)
	}
}

// TestPlacesThatAreNotReadAnyMore narrows a Data Center connection to one project.
func TestPlacesThatAreNotReadAnyMore(t *testing.T) {
	h := inProduct(t, "datacenter", "9.4", false, nil)
	h.publish(t)
	all := h.ensure(t, client.HookWish{})
	keep := all.Items[0].Place
	_, err := h.c.UpdateConnection(t.Context(), "acme", client.ConnectionUpdate{Settings: map[string]string{"projects": keep}})
	if err != nil {
		t.Fatal(err)
	}
	if got := did(h.ensure(t, client.HookWish{})); got["found"] != 1 || got["removed"] != len(all.Items)-1 {
		t.Errorf("got %v, want one found and %d removed", got, len(all.Items)-1)
	}
	if there := h.there(); len(there) != 1 || len(there[keep]) != 1 {
		t.Errorf("there is %v, want only that of %s", there, keep)
	}
}

// TestHooksThatAreLeftBehind removes a connection whose credential is dead: what stays in Bitbucket is told.
func TestHooksThatAreLeftBehind(t *testing.T) {
	for _, product := range []string{"cloud", "datacenter"} {
		t.Run(product, func(t *testing.T) {
			h := inProduct(t, product, "9.4", false, nil)
			h.publish(t)
			made := h.ensure(t, client.HookWish{})
			p, err := h.c.PreviewRemoval(t.Context(), "acme")
			if err != nil || p.Hooks != len(made.Items) {
				t.Errorf("the preview says %d webhooks, want %d; %v", p.Hooks, len(made.Items), err)
			}
			if product == "cloud" {
				err = h.box.EditCredential("sandbox-key", func(c *sandbox.Credential) { c.Revoked = true })
			} else {
				err = h.box.DataCenter().EditCredential("sandbox-token", func(c *sandbox.DCCredential) { c.Revoked = true })
			}
			if err != nil {
				t.Fatal(err)
			}
			out, err := h.c.RemoveConnection(t.Context(), "acme")
			if err != nil || len(out.LeftBehind) != len(made.Items) {
				t.Fatalf("left behind: %+v, %v", out, err)
			}
			for _, o := range out.LeftBehind {
				if o.Did != "left behind" || o.RemoteID == "" || o.Place == "" || o.Reason == "" {
					t.Errorf("it is not told what to delete: %+v", o)
				}
			}
			if len(h.there()) != len(made.Items) {
				t.Errorf("the sandbox has %v", h.there())
			}
		})
	}
}

// TestHooksGoWithTheirConnection removes a connection whose credential works.
func TestHooksGoWithTheirConnection(t *testing.T) {
	h := inProduct(t, "datacenter", "9.4", false, nil)
	h.publish(t)
	h.ensure(t, client.HookWish{})
	out, err := h.c.RemoveConnection(t.Context(), "acme")
	if err != nil || len(out.LeftBehind) != 0 || len(h.there()) != 0 {
		t.Errorf("removed: %+v, %v; there is %v", out, err, h.there())
	}
}

// TestWhatHooksBring makes webhooks by hand, delivers to them, and looks at what came.
func TestWhatHooksBring(t *testing.T) {
	for product, event := range map[string]string{"cloud": "repo:push", "datacenter": "repo:refs_changed"} {
		t.Run(product, func(t *testing.T) {
			clock := &later{}
			h := inProduct(t, product, "9.4", true, clock.now)
			ctx := t.Context()
			h.publish(t)
			sync(t, h.c, client.RunRequest{Drain: true})
			out := h.ensure(t, client.HookWish{ByHand: true})
			if len(h.there()) != 0 {
				t.Errorf("something was made: %v", h.there())
			}
			first := out.Items[0]
			if first.Did != "by hand" || len(first.Secret) != 64 || first.URL != "https://windlass.example/hooks/"+first.Hook || len(first.Events) < 10 {
				t.Fatalf("by hand: %+v", first)
			}
			for _, o := range h.ensure(t, client.HookWish{ByHand: true}).Items {
				if o.Secret != "" {
					t.Errorf("the secret of %s is shown twice", o.Place)
				}
			}
			hook := func() client.Hook {
				t.Helper()
				list, err := h.c.Hooks(ctx, client.HookFilter{Connection: "acme"})
				if err != nil {
					t.Fatal(err)
				}
				i := slices.IndexFunc(list.Items, func(x client.Hook) bool { return x.ID == first.Hook })
				return list.Items[i]
			}
			if got := hook(); got.Health != "waiting" || got.MadeBy != "hand" {
				t.Errorf("before a delivery: %+v", got)
			}

			body := h.push(t, first.Place, time.Now().Add(-3*time.Second))
			url := h.server + "/hooks/" + first.Hook
			if got := deliver(t, url, "not the secret", event, body); got != http.StatusUnauthorized {
				t.Errorf("with another secret: status %d, want 401", got)
			}
			if got := deliver(t, url, first.Secret, event, body); got != http.StatusOK {
				t.Fatalf("status %d", got)
			}
			dl := h.settled(t, 1)
			if dl.State != "done" || dl.Verdict != "signed" || dl.Event != event || dl.Connection != "acme" || dl.Hook != first.Hook {
				t.Errorf("delivery %+v", dl)
			}
			until(t, "the delivery is on record", func() bool { return hook().Health == "delivers" })
			got := hook()
			if product == "datacenter" && (got.Delay == nil || *got.Delay < 2 || *got.Delay > 60) {
				t.Errorf("delay %v, want about 3 s", got.Delay)
			}
			refused, err := h.c.RefusedDeliveries(ctx)
			if err != nil || refused.Counts["the signature does not fit the body"] != 1 || len(refused.Last) != 1 {
				t.Errorf("refused: %+v, %v", refused, err)
			}
			clock.set(9 * 24 * time.Hour)
			if got := hook(); got.Health != "silent" {
				t.Errorf("nine days later: %s, want silent", got.Health)
			}

			// What is shown, and that nothing secret is.
			bare, err := h.c.Delivery(ctx, dl.ID, false)
			if err != nil || bare.Body != nil || bare.Headers["X-Event-Key"] == nil || bare.Headers["X-Hub-Signature"] != nil {
				t.Errorf("shown: %+v, %v", bare, err)
			}
			whole, err := h.c.Delivery(ctx, dl.ID, true)
			text, _ := json.Marshal(whole.Body)
			if err != nil || !strings.Contains(string(text), "acme") && product == "cloud" || strings.Contains(string(text), "canary-in-the-body") {
				t.Errorf("shown with its body: %s, %v", text, err)
			}

			// Once more: the same effect again, and a list by state.
			again, err := h.c.ReplayDelivery(ctx, dl.ID)
			if err != nil || again.ID != dl.ID {
				t.Errorf("replayed: %+v, %v", again, err)
			}
			if dl := h.settled(t, 1); dl.State != "done" || dl.AppliedAt == nil {
				t.Errorf("after the replay: %+v", dl)
			}
			if deliver(t, url, first.Secret, event, body) != http.StatusOK {
				t.Error("a duplicate is refused")
			}
			dups, err := h.c.Deliveries(ctx, client.DeliveryFilter{Connection: "acme", State: "duplicate", Hook: first.Hook})
			if err != nil || len(dups.Items) != 1 {
				t.Errorf("duplicates: %+v, %v", dups, err)
			}
			page, err := h.c.Deliveries(ctx, client.DeliveryFilter{Limit: 1})
			if err != nil || len(page.Items) != 1 || page.Cursor == "" {
				t.Fatalf("first page: %+v, %v", page, err)
			}
			page, err = h.c.Deliveries(ctx, client.DeliveryFilter{Limit: 1, Cursor: page.Cursor})
			if err != nil || len(page.Items) != 1 || page.Items[0].ID != dl.ID || page.Cursor != "" {
				t.Errorf("second page: %+v, %v", page, err)
			}
			if _, err := h.c.ReplayDelivery(ctx, 99); client.CodeOf(err) != "not_found" {
				t.Errorf("replay of nothing: %v", err)
			}

			// Another secret: both are good for a day.
			rotated := h.ensure(t, client.HookWish{ByHand: true, Rotate: true})
			i := slices.IndexFunc(rotated.Items, func(o client.HookOutcome) bool { return o.Hook == first.Hook })
			if i < 0 || rotated.Items[i].Secret == "" || rotated.Items[i].Secret == first.Secret {
				t.Fatalf("rotated: %+v", rotated)
			}
			clock.set(10 * 24 * time.Hour)
			for _, secret := range []string{rotated.Items[i].Secret} {
				if got := deliver(t, url, secret, event, append(body, ' ')); got != http.StatusOK {
					t.Errorf("with the new secret: status %d", got)
				}
			}
		})
	}
}

// push is a delivery of a push that changes nothing, in a place, with a secret in it.
func (h hooked) push(t *testing.T, place string, at time.Time) []byte {
	t.Helper()
	page, err := h.c.QueryPage(t.Context(), client.Query{Query: "FIND bitbucket_repo", Limit: 1000})
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range page.Rows {
		text := func(name string) string { s, _ := row[name].(string); return s }
		if h.product == "cloud" && strings.HasPrefix(text("fullName"), place+"/") {
			return fmt.Appendf(nil, `{"actor":{"display_name":"A"},"repository":{"type":"repository","uuid":"{%s}","full_name":%q,"name":"x",
				"workspace":{"uuid":"{%s}","slug":%q},"links":{"x":"https://u:canary-in-the-body@h.example/"}},
				"push":{"changes":[{"old":null,"new":{"type":"tag","name":"v1","target":{"hash":"1111111111111111111111111111111111111111"}},"created":true}]}}`,
				text("id"), text("fullName"), text("ownerId"), place)
		}
		if h.product == "datacenter" && text("projectKey") == place {
			id := row["_key"].(string)
			number := id[strings.LastIndex(id, ":")+1:]
			home := cmp.Or(text("projectId"), "1")
			return fmt.Appendf(nil, `{"eventKey":"repo:refs_changed","date":%q,"actor":{"name":"admin","id":1,"slug":"admin"},
				"repository":{"slug":%q,"id":%s,"name":"x","project":{"key":%q,"id":%s,"type":"NORMAL"},"links":{"x":[{"href":"https://u:canary-in-the-body@h.example/"}]}},
				"changes":[{"ref":{"id":"refs/tags/v1","displayId":"v1","type":"TAG"},"refId":"refs/tags/v1",
				"fromHash":"0000000000000000000000000000000000000000","toHash":"1111111111111111111111111111111111111111","type":"ADD"}]}`,
				at.UTC().Format("2006-01-02T15:04:05-0700"), text("slug"), number, place, home)
		}
	}
	t.Fatalf("no repository in %s", place)
	return nil
}

// settled waits until a delivery is applied.
func (h hooked) settled(t *testing.T, id int64) client.Delivery {
	t.Helper()
	var d client.Delivery
	until(t, "the delivery is applied", func() bool {
		var err error
		if d, err = h.c.Delivery(t.Context(), id, false); err != nil {
			t.Fatal(err)
		}
		return d.State != "new"
	})
	return d
}

// until looks until something is so.
func until(t *testing.T, what string, so func() bool) {
	t.Helper()
	eventually(t, func() error {
		if so() {
			return nil
		}
		return fmt.Errorf("it does not come to be that %s", what)
	})
}

// TestReplayWithoutAServer applies what a server had taken in, in process. What is too old goes.
func TestReplayWithoutAServer(t *testing.T) {
	w := newWorld(t)
	a, c, stop := w.start(t, true)
	h := hooked{world: w, c: c, product: "cloud"}
	h.connectTo(t, "cloud")
	h.publish(t)
	sync(t, c, client.RunRequest{Drain: true})
	first := h.ensure(t, client.HookWish{ByHand: true}).Items[0]
	if got := deliver(t, a.URL()+"/hooks/"+first.Hook, first.Secret, "repo:push", h.push(t, first.Place, time.Now())); got != http.StatusOK {
		t.Fatalf("status %d", got)
	}
	before := h.settled(t, 1)
	stop()

	_, alone, stop := w.start(t, false)
	got, err := alone.ReplayDelivery(t.Context(), 1)
	if err != nil || got.State != "done" || !got.AppliedAt.After(*before.AppliedAt) {
		t.Errorf("replayed: %+v, %v; it was applied at %v", got, err, before.AppliedAt)
	}
	if diff := gocmp.Diff(before.Effect, got.Effect); diff != "" {
		t.Errorf("it did something else: %s", diff)
	}
	stop()

	clock := &later{}
	clock.set(31 * 24 * time.Hour)
	b, err := app.New(app.Options{Config: w.cfg, Schedules: true, Now: clock.now})
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	late := client.InProcess(b.Handler())
	until(t, "old deliveries are removed", func() bool {
		list, err := late.Deliveries(t.Context(), client.DeliveryFilter{})
		return err == nil && len(list.Items) == 0
	})
	if err := b.Stop(); err != nil {
		t.Error(err)
	}
	none(t, w.cfg.DataDir, first.Secret)
}

// none fails where a file under a directory holds a text.
func none(t *testing.T, dir, text string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, e os.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		held, err := os.ReadFile(path)
		if err == nil && strings.Contains(string(held), text) {
			t.Errorf("%s holds a secret readable", path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestHooksAreLookedAfter lets a server find out that a webhook was deleted: a day later, and after a full run.
func TestHooksAreLookedAfter(t *testing.T) {
	clock := &later{}
	w := newWorld(t)
	_, c, stop := w.start(t, false)
	h := hooked{world: w, c: c, product: "datacenter"}
	h.connectTo(t, "datacenter")
	h.publish(t)
	never := "disabled"
	if _, err := c.UpdateConnection(t.Context(), "acme", client.ConnectionUpdate{Interval: &never}); err != nil {
		t.Fatal(err)
	}
	n := len(h.ensure(t, client.HookWish{}).Items)
	stop()
	place := slices.Sorted(maps.Keys(h.there()))[0]
	h.wrecked(t, place, nil)

	clock.set(25 * time.Hour)
	a, err := app.New(app.Options{Config: w.cfg, Schedules: true, Now: clock.now})
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
	until(t, "the webhook is made again after a day", func() bool { return len(h.there()) == n })
	h.wrecked(t, place, nil)
	h.c = client.InProcess(a.Handler())
	if len(h.there()) != n-1 {
		t.Fatalf("there is %v", h.there())
	}
	sync(t, h.c, client.RunRequest{Full: true})
	until(t, "the webhook is made again after a full run", func() bool { return len(h.there()) == n })
}
