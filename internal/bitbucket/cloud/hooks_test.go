package cloud_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/windlass-hq/windlass/internal/bitbucket"
	"github.com/windlass-hq/windlass/internal/bitbucket/cloud"
	"github.com/windlass-hq/windlass/internal/bitbucket/openapitest"
	"github.com/windlass-hq/windlass/internal/bitbucket/sandbox"
	"github.com/windlass-hq/windlass/internal/fault"
	"github.com/windlass-hq/windlass/internal/graph"
)

func spec() bitbucket.HookSpec {
	return bitbucket.HookSpec{
		URL: "https://windlass.example/hooks/0123456789abcdef0123456789abcdef", Name: "Windlass", Secret: "hook-secret-1", Active: true,
		Events: []string{"pullrequest:created", "repo:push"},
	}
}

// places returns the workspace acme of a sandbox and one of its repositories.
func places(t *testing.T, c *cloud.Client) []bitbucket.Place {
	t.Helper()
	found, err := c.Workspaces(t.Context(), []string{"acme"})
	if err != nil {
		t.Fatal(err)
	}
	ws := found[0]
	out := []bitbucket.Place{{Type: graph.TypeWorkspace, Key: ws.Object.Entity.Key, Name: "acme", ID: ws.UUID, Slug: ws.Slug}}
	err = c.Repositories(t.Context(), ws, func(p bitbucket.Page) error {
		r := p.Repos[0]
		out = append(out[:1], bitbucket.Place{Type: graph.TypeRepo, Key: r.Key, Name: r.FullName, Owner: ws.Object.Entity.Key, Slug: r.Slug})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// TestHooksComeAndGo makes, changes and deletes webhooks of a workspace and of a repository, beside those of others,
// which stay as they are. Every request fits the vendor's document, as far as that describes it.
func TestHooksComeAndGo(t *testing.T) {
	s := box(t, sandbox.Options{Repositories: 5, PullRequests: 10, Users: 8})
	var mu sync.Mutex
	var sent []string // bodies of writes
	var doc *openapitest.Document
	t.Run("conformance", func(t *testing.T) { doc = openapitest.Load(t, "cloud.openapi.json") })
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.URL.Path, "/hooks") {
			body, _ := io.ReadAll(r.Body)
			r.Body = io.NopCloser(strings.NewReader(string(body)))
			if doc != nil {
				if err := doc.Request(r.Method, strings.TrimPrefix(r.URL.EscapedPath(), "/2.0"), r.URL.Query()); err != nil {
					t.Errorf("%s %s: %v", r.Method, r.URL, err)
				}
				if len(body) > 0 {
					typed := strings.Replace(string(body), "{", `{"type":"webhook_subscription",`, 1)
					if err := doc.Component("webhook_subscription", []byte(typed)); err != nil {
						t.Error(err)
					}
				}
			}
			mu.Lock()
			if r.Method != http.MethodGet {
				sent = append(sent, r.Method+" "+string(body))
			}
			mu.Unlock()
		}
		s.Handler().ServeHTTP(w, r)
	}))
	defer srv.Close()
	c, err := cloud.New(cloud.Options{APIURL: srv.URL, Credentials: []bitbucket.Credential{consumer}})
	if err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	for _, p := range places(t, c) {
		before, err := c.Hooks(ctx, p)
		if err != nil {
			t.Fatal(err)
		}
		want := spec()
		want.Events = c.HookEvents(p)
		made, err := c.CreateHook(ctx, p, want)
		if err != nil {
			t.Fatal(err)
		}
		if made.ID == "" || made.URL != want.URL || made.Name != want.Name || !made.Active || !slices.Equal(made.Events, want.Events) ||
			made.SecretSet == nil || !*made.SecretSet || made.CreatedAt.IsZero() {
			t.Errorf("%s: made %+v", p.Type, made)
		}
		listed := func() (own *bitbucket.Hook, others []bitbucket.Hook) {
			all, err := c.Hooks(ctx, p)
			if err != nil {
				t.Fatal(err)
			}
			for _, h := range all {
				if h.ID == made.ID {
					own = &h
				} else {
					others = append(others, h)
				}
			}
			return own, others
		}
		own, others := listed()
		if diff := cmp.Diff(&made, own); diff != "" {
			t.Errorf("%s (-made +listed):\n%s", p.Type, diff)
		}
		if diff := cmp.Diff(before, others); diff != "" {
			t.Errorf("%s: hooks of others (-before +after):\n%s", p.Type, diff)
		}

		want.Secret, want.Active, want.Events, want.Name = "", false, []string{"repo:push"}, "Windlass of Acme"
		if err := c.UpdateHook(ctx, p, made.ID, want); err != nil {
			t.Fatal(err)
		}
		if own, _ = listed(); own == nil || own.Active || own.Name != want.Name || !slices.Equal(own.Events, want.Events) || own.SecretSet == nil || !*own.SecretSet {
			t.Errorf("%s: changed to %+v; an empty secret keeps the one that is there", p.Type, own)
		}

		for range 2 { // what is gone already is no error
			if err := c.DeleteHook(ctx, p, made.ID); err != nil {
				t.Fatal(err)
			}
		}
		if own, others = listed(); own != nil || !slices.EqualFunc(before, others, func(a, b bitbucket.Hook) bool { return cmp.Equal(a, b) }) {
			t.Errorf("%s: after deleting %+v and %d others", p.Type, own, len(others))
		}
		if err := c.UpdateHook(ctx, p, made.ID, want); !fault.Is(err, fault.NotFound) {
			t.Errorf("%s: changing what is gone: %v", p.Type, err)
		}
	}
	if got, want := len(sent), 10; got != want {
		t.Errorf("%d writes, want %d: %s", got, want, sent)
	}
	for i, body := range sent {
		var fields map[string]any
		method, text, _ := strings.Cut(body, " ")
		if text != "" && json.Unmarshal([]byte(text), &fields) != nil {
			t.Errorf("no JSON: %s", body)
		}
		if _, secret := fields["secret"]; secret != (method == http.MethodPost) {
			t.Errorf("write %d: %s", i, body)
		}
	}
}

// A repository takes 50 webhooks; the refusal of one more says so.
func TestTheLastHookIsTold(t *testing.T) {
	s := box(t, sandbox.Options{Repositories: 3, PullRequests: 5, Users: 6})
	c := newClient(t, s)
	repo := places(t, c)[1]
	all, err := c.Hooks(t.Context(), repo)
	if err != nil {
		t.Fatal(err)
	}
	for i := len(all); i < 50; i++ {
		one := spec()
		one.URL += fmt.Sprint(i)
		if _, err := c.CreateHook(t.Context(), repo, one); err != nil {
			t.Fatal(err)
		}
	}
	_, err = c.CreateHook(t.Context(), repo, spec())
	if !fault.Is(err, fault.Conflict) || !strings.Contains(err.Error(), "50 webhooks") || !strings.Contains(err.Error(), repo.Name) {
		t.Errorf("got %v", err)
	}
	if all, err = c.Hooks(t.Context(), repo); err != nil || len(all) != 50 {
		t.Errorf("%d webhooks, %v", len(all), err)
	}
}

// answering returns a client of a server that answers requests for webhooks so.
func answering(t *testing.T, h http.HandlerFunc, creds ...bitbucket.Credential) *cloud.Client {
	t.Helper()
	return openIn(t, func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasSuffix(r.URL.Path, "/hooks") && !strings.Contains(r.URL.Path, "/hooks/") {
			t.Errorf("%s %s was asked", r.Method, r.URL)
		}
		h(w, r)
	}, creds...)
}

// No secret of ours and no address of ours is in any error, though the server repeats what it was sent.
func TestHookSecretsStayOutOfErrors(t *testing.T) {
	want := spec()
	want.Secret = `hush "hush" <1>`
	for _, status := range []int{400, 401, 403, 404, 409, 500, 503} {
		c := answering(t, func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodGet { // how many there are, after a 400
				fail(w, status, "no")
				return
			}
			body, _ := io.ReadAll(r.Body)
			fail(w, status, string(body)+" "+want.Secret.Reveal())
		}, tokenA)
		_, made := c.CreateHook(t.Context(), repoPlace(), want)
		changed := c.UpdateHook(t.Context(), repoPlace(), "1", want)
		for _, err := range []error{made, changed} {
			if err == nil {
				t.Fatalf("%d was taken for success", status)
			}
			for _, secret := range []string{"0123456789abcdef", "hush"} {
				if strings.Contains(err.Error(), secret) {
					t.Errorf("%d: %v", status, err)
				}
			}
		}
	}
}

func TestAHookThatMayHaveBeenMade(t *testing.T) {
	for name, h := range map[string]http.HandlerFunc{
		"server error": func(w http.ResponseWriter, _ *http.Request) { fail(w, 502, "no") },
		"no identity":  func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, `{"url":"https://x.example"}`) },
		"cut short":    func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, `{"uuid":"{1`) },
	} {
		asked := 0
		c := answering(t, func(w http.ResponseWriter, r *http.Request) { asked++; h(w, r) }, tokenA)
		if _, err := c.CreateHook(t.Context(), repoPlace(), spec()); !errors.Is(err, bitbucket.ErrUncertain) {
			t.Errorf("%s: %v, want it uncertain", name, err)
		}
		if asked != 1 {
			t.Errorf("%s: asked %d times", name, asked)
		}
	}
}

// A credential without the scope of projects makes a webhook for all other events.
func TestAHookWithoutProjects(t *testing.T) {
	var bodies []string
	c := answering(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		bodies = append(bodies, string(body))
		if strings.Contains(string(body), "project:updated") {
			w.WriteHeader(http.StatusForbidden)
			_, _ = io.WriteString(w, `{"type":"error","error":{"message":"no","detail":{"required":["project"],"granted":["webhook","repository","pullrequest"]}}}`)
			return
		}
		_, _ = io.WriteString(w, `{"uuid":"{0a}","events":["repo:push"]}`)
	}, tokenA)
	want := spec()
	want.Events = []string{"project:updated", "repo:push"}
	h, err := c.CreateHook(t.Context(), workspacePlace(), want)
	if err != nil || !slices.Equal(h.Events, []string{"repo:push"}) || len(bodies) != 2 {
		t.Errorf("%+v, %v after %d requests", h, err, len(bodies))
	}
	if !slices.Contains(want.Events, "project:updated") {
		t.Error("the spec of the caller was changed")
	}
}

func TestHookSpecsThatCannotBe(t *testing.T) {
	c := answering(t, func(http.ResponseWriter, *http.Request) { t.Error("a request was sent") }, tokenA)
	long := spec()
	long.Secret = bitbucket.Secret(strings.Repeat("x", 129))
	idle := spec()
	idle.Events = nil
	for _, s := range []bitbucket.HookSpec{long, idle} {
		if _, err := c.CreateHook(t.Context(), repoPlace(), s); !fault.Is(err, fault.Invalid) {
			t.Errorf("%v", err)
		}
	}
	if _, err := c.Hooks(t.Context(), projectPlace()); !fault.Is(err, fault.Internal) {
		t.Errorf("the webhooks of a project: %v", err)
	}
	if keys := c.HookEvents(projectPlace()); keys != nil {
		t.Errorf("the events of a project: %v", keys)
	}
}

// TestHookEvents holds that what is subscribed to is what the clients make something of.
func TestHookEvents(t *testing.T) {
	c := openIn(t, nil, tokenA)
	quiet, err := cloud.New(cloud.Options{APIURL: "https://bb.example", Credentials: []bitbucket.Credential{tokenA}, NoPullRequests: true})
	if err != nil {
		t.Fatal(err)
	}
	known := eventFiles(t)
	for _, p := range []bitbucket.Place{workspacePlace(), repoPlace()} {
		keys := c.HookEvents(p)
		if !slices.IsSorted(keys) || len(keys) < 10 || len(slices.Compact(slices.Clone(keys))) != len(keys) {
			t.Errorf("%s: %v", p.Type, keys)
		}
		for _, key := range keys {
			if len(known[key]) == 0 {
				t.Errorf("%s is no event", key)
			}
			if p.Type == graph.TypeRepo && (key == "project:updated" || key == "repo:created") {
				t.Errorf("a repository is not told of %s", key)
			}
		}
		for _, key := range quiet.HookEvents(p) {
			if strings.HasPrefix(key, "pullrequest:") {
				t.Errorf("%s without pull requests", key)
			}
		}
	}
}

// Several principals: who may not write is passed over, and a listing that begins again counts no hook twice.
func TestHooksOfSeveralPrincipals(t *testing.T) {
	c := openIn(t, func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Method == http.MethodPost && who(r) == "a":
			fail(w, 403, "not you")
		case r.Method == http.MethodPost:
			_, _ = io.WriteString(w, `{"uuid":"{0b}"}`)
		case who(r) == "a" && r.URL.Query().Get("page") == "2":
			fail(w, 403, "not you")
		case r.URL.Query().Get("page") == "2":
			_, _ = io.WriteString(w, `{"values":[{"uuid":"{02}","url":"https://two.example"}]}`)
		default:
			_, _ = io.WriteString(w, `{"values":[{"uuid":"{01}","url":"https://one.example"}],"next":"https://bb.example/2.0/hooks?page=2"}`)
		}
	}, tokenA, tokenB)
	all, err := c.Hooks(t.Context(), repoPlace())
	if err != nil || len(all) != 2 || all[0].ID != "01" || all[1].ID != "02" {
		t.Errorf("%+v, %v", all, err)
	}
	if h, err := c.CreateHook(t.Context(), repoPlace(), spec()); err != nil || h.ID != "0b" {
		t.Errorf("%+v, %v", h, err)
	}
}
