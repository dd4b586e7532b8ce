package cloud_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/windlass-hq/windlass/internal/bitbucket"
	"github.com/windlass-hq/windlass/internal/bitbucket/cloud"
)

// stand is a Bitbucket made of canned answers: by path, or by path and query. A func answers itself.
type stand struct {
	t       *testing.T
	answers map[string]any
	asked   []string
	url     string
}

func (s *stand) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/site/oauth2/access_token" {
		if f, ok := s.answers[r.URL.Path].(func(http.ResponseWriter, *http.Request)); ok {
			f(w, r)
			return
		}
		fmt.Fprint(w, `{"access_token":"fresh-token","scopes":"account project pullrequest","expires_in":7200,"token_type":"bearer"}`)
		return
	}
	s.asked = append(s.asked, r.URL.RequestURI())
	for _, key := range []string{r.URL.RequestURI(), r.URL.Path} {
		switch answer := s.answers[strings.TrimPrefix(key, "/2.0")].(type) {
		case nil:
			continue
		case string:
			w.Header().Set("Content-Type", "application/json; charset=utf-8")
			fmt.Fprint(w, strings.ReplaceAll(answer, "HOST", s.url))
		case func(http.ResponseWriter, *http.Request):
			answer(w, r)
		}
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusNotFound)
	fmt.Fprint(w, `{"type":"error","error":{"message":"Resource not found"}}`)
}

var consumer = bitbucket.Credential{Kind: bitbucket.OAuth, Identity: "sandbox-key", Secret: "sandbox-secret"}

// open serves the answers and returns a client for them.
func open(t *testing.T, answers map[string]any, change ...func(*cloud.Options)) (*cloud.Client, *stand) {
	t.Helper()
	s := &stand{t: t, answers: answers}
	srv := httptest.NewServer(s)
	t.Cleanup(srv.Close)
	s.url = srv.URL
	o := cloud.Options{APIURL: srv.URL, Credentials: []bitbucket.Credential{consumer}, Connection: "acme", Version: "1.0", Now: time.Now}
	for _, f := range change {
		f(&o)
	}
	c, err := cloud.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return c, s
}

const (
	wsUUID   = "11111111-1111-4111-8111-111111111111"
	projUUID = "22222222-2222-4222-8222-222222222222"
	repoUUID = "33333333-3333-4333-8333-333333333333"
	annUUID  = "44444444-4444-4444-8444-444444444444"
	bobUUID  = "55555555-5555-4555-8555-555555555555"
)

var wsAnswer = `{"type":"workspace","uuid":"{` + wsUUID + `}","slug":"acme","name":"Acme"}`

func acme() cloud.Workspace { return cloud.Workspace{Slug: "acme", UUID: wsUUID} }

func acmeRepo() bitbucket.RepoRef {
	return bitbucket.RepoRef{Key: "cloud:" + repoUUID, WorkspaceSlug: "acme", WorkspaceUUID: wsUUID, ProjectKey: "cloud:" + projUUID, Slug: "engine", UUID: repoUUID, Name: "Engine", FullName: "acme/engine"}
}

// TestWalk reads everything there is by OAuth, over several pages, and asks for exactly what it should.
func TestWalk(t *testing.T) {
	user := func(id, name string) string {
		return `{"type":"user","uuid":"{` + id + `}","display_name":"` + name + `"}`
	}
	prs := "/repositories/%7B" + wsUUID + "%7D/%7B" + repoUUID + "%7D/pullrequests?state=OPEN&state=MERGED&state=DECLINED&state=SUPERSEDED&fields=%2Bvalues.participants,%2Bvalues.reviewers&pagelen=50"
	c, s := open(t, map[string]any{
		"/workspaces/acme": wsAnswer,
		"/workspaces/%7B" + wsUUID + "%7D/projects?pagelen=100": `{"values":[{"type":"project","uuid":"{` + projUUID + `}","key":"ENG","name":"Engines"}]}`,
		"/workspaces/%7B" + wsUUID + "%7D/members?pagelen=100":  `{"values":[{"type":"workspace_membership","user":` + user(annUUID, "Ann") + `}]}`,
		"/repositories/%7B" + wsUUID + "%7D?pagelen=100": `{"values":[{"type":"repository","uuid":"{` + repoUUID + `}","full_name":"acme/engine","slug":"engine","name":"Engine","updated_on":"2026-01-02T03:04:05.678901+00:00","project":{"type":"project","uuid":"{` + projUUID + `}","key":"ENG","name":"Engines"}}],
			"next":"HOST/2.0/opaque?page=8xhd"}`,
		"/opaque?page=8xhd": `{"values":[{"type":"repository","uuid":"{66666666-6666-4666-8666-666666666666}","full_name":"acme/other","name":"Other","project":{"type":"project","uuid":"{77777777-7777-4777-8777-777777777777}","key":"HID","name":"Hidden"}}]}`,
		prs: `{"values":[{"type":"pullrequest","id":7,"title":"Seven","state":"OPEN","author":` + user(annUUID, "Ann") + `,"reviewers":[` + user(bobUUID, "Bob") + `],
			"participants":[{"type":"participant","user":` + user(bobUUID, "Bob") + `,"role":"REVIEWER","approved":true,"state":"approved","participated_on":"2026-01-02T03:04:05+00:00"}]}]}`,
	})
	ctx := t.Context()
	found, err := c.Workspaces(ctx, []string{"acme"})
	if err != nil || len(found) != 1 || found[0].UUID != wsUUID || found[0].Slug != "acme" {
		t.Fatalf("Workspaces = %+v, %v", found, err)
	}
	ws := found[0]
	var keys []string
	var repos []bitbucket.RepoRef
	add := func(p bitbucket.Page) error {
		for _, o := range p.Objects {
			keys = append(keys, o.Entity.Key)
		}
		for _, o := range p.Met {
			keys = append(keys, "met "+o.Entity.Key)
		}
		repos = append(repos, p.Repos...)
		if p.RequestedAt.IsZero() || p.Principal != "oauth:sandbox-key" || p.Again || len(p.Odd) > 0 {
			t.Errorf("page at %v by %q, again %v, odd %v", p.RequestedAt, p.Principal, p.Again, p.Odd)
		}
		return nil
	}
	for _, list := range []func(context.Context, cloud.Workspace, func(bitbucket.Page) error) error{c.Projects, c.Members, c.Repositories} {
		if err := list(ctx, ws, add); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.PullRequests(ctx, repos[0], add); err != nil {
		t.Fatal(err)
	}
	want := []string{
		"cloud:" + projUUID, "cloud:user:" + annUUID, "cloud:" + repoUUID,
		"cloud:66666666-6666-4666-8666-666666666666", "met cloud:77777777-7777-4777-8777-777777777777",
		"cloud:" + repoUUID + ":pr:7", "met cloud:user:" + annUUID, "met cloud:user:" + bobUUID,
	}
	if !slices.Equal(keys, want) {
		t.Errorf("keys\n got %q\nwant %q", keys, want)
	}
	if got, want := len(s.asked), 6; got != want || c.Calls() != int64(want) {
		t.Errorf("%d requests, %d calls, want %d: %q", got, c.Calls(), want, s.asked)
	}
	if got, want := repos[0].UpdatedOn, int64(1767323045678); got != want {
		t.Errorf("UpdatedOn = %d, want %d", got, want)
	}
}

func mustJSON(t *testing.T, v any) string {
	t.Helper()
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return string(b) + "\n"
}
