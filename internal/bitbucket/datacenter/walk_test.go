package datacenter_test

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
	"github.com/windlass-hq/windlass/internal/bitbucket/datacenter"
)

// stand is a Bitbucket made of canned answers below /rest/api/latest: by path and query, or by path. A func answers
// itself. Every caller is logged in as ann.
type stand struct {
	answers map[string]any
	asked   []string
}

const app = `{"version":"9.4.3","buildNumber":"9004003","buildDate":"1720000000000","displayName":"Bitbucket"}`

func (s *stand) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	uri := strings.TrimPrefix(r.URL.RequestURI(), "/rest/api/latest")
	s.asked = append(s.asked, uri)
	w.Header().Set("Content-Type", "application/json;charset=UTF-8")
	w.Header().Set("X-AUSERNAME", "ann")
	path, _, _ := strings.Cut(uri, "?")
	for _, key := range []string{uri, path} {
		switch answer := s.answers[key].(type) {
		case nil:
			continue
		case string:
			fmt.Fprint(w, answer)
		case func(http.ResponseWriter, *http.Request):
			answer(w, r)
		}
		return
	}
	if path == "/application-properties" {
		fmt.Fprint(w, app)
		return
	}
	fail(w, 404, "com.atlassian.bitbucket.NoSuchEntityException", path+" does not exist")
}

// inMemory answers requests from a handler without a network, so that synctest's clock runs.
type inMemory struct{ handler http.Handler }

func (m inMemory) RoundTrip(r *http.Request) (*http.Response, error) {
	rec := httptest.NewRecorder()
	m.handler.ServeHTTP(rec, r)
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	return rec.Result(), nil
}

var (
	tokenA = bitbucket.Credential{Kind: bitbucket.Token, Secret: "token-a"}
	tokenB = bitbucket.Credential{Kind: bitbucket.Token, Secret: "token-b"}
)

func openIn(t *testing.T, h http.Handler, change ...func(*datacenter.Options)) *datacenter.Client {
	t.Helper()
	o := datacenter.Options{
		URL: "https://bb.example", Instance: "i1", Credentials: []bitbucket.Credential{tokenA}, Connection: "own",
		HTTP: &http.Client{Transport: inMemory{h}}, Now: time.Now, Version: "1.0",
	}
	for _, f := range change {
		f(&o)
	}
	c, err := datacenter.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func with(creds ...bitbucket.Credential) func(*datacenter.Options) {
	return func(o *datacenter.Options) { o.Credentials = creds }
}

func projects(keys ...string) func(*datacenter.Options) {
	return func(o *datacenter.Options) { o.Projects = keys }
}

func who(r *http.Request) string {
	return strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer token-")
}

func fail(w http.ResponseWriter, status int, exception, message string) {
	w.Header().Set("Content-Type", "application/json;charset=UTF-8")
	w.WriteHeader(status)
	fmt.Fprintf(w, `{"errors":[{"context":null,"message":%q,"exceptionName":%q}]}`, message, exception)
}

// page is one page of values; a negative next is the last page.
func page(start, limit, next int, values ...string) string {
	more := `"isLastPage":true`
	if next >= 0 {
		more = fmt.Sprintf(`"isLastPage":false,"nextPageStart":%d`, next)
	}
	return fmt.Sprintf(`{"size":%d,"limit":%d,%s,"values":[%s],"start":%d}`, len(values), limit, more, strings.Join(values, ","), start)
}

func projectJSON(id int, key string) string {
	return fmt.Sprintf(`{"key":%q,"id":%d,"name":"Project %[2]d","public":false,"type":"NORMAL","links":{"self":[{"href":"https://git.acme.example/projects/%[1]s"}]}}`, key, id)
}

func repoJSON(id int, slug, project string) string {
	return fmt.Sprintf(`{"slug":%q,"id":%d,"name":"Repo %[2]d","scmId":"git","state":"AVAILABLE","forkable":true,"project":%[3]s,"public":false,"archived":false}`, slug, id, project)
}

func userJSON(id int, name string) string {
	return fmt.Sprintf(`{"name":%q,"emailAddress":"%[1]s@acme.example","active":true,"displayName":"User %[2]d","id":%[2]d,"slug":%[1]q,"type":"NORMAL"}`, name, id)
}

func prJSON(id int, state string, updated int64, repo string) string {
	return fmt.Sprintf(`{"id":%d,"version":1,"title":"Change %[1]d","state":%q,"createdDate":1,"updatedDate":%d,"fromRef":{"id":"refs/heads/f","displayId":"f","latestCommit":"aa","repository":%[4]s},"toRef":{"id":"refs/heads/main","displayId":"main","latestCommit":"bb","repository":%[4]s},"author":{"user":%[5]s,"role":"AUTHOR","approved":false,"status":"UNAPPROVED"},"reviewers":[],"participants":[]}`,
		id, state, updated, repo, userJSON(1, "ann"))
}

func engine() bitbucket.RepoRef {
	return bitbucket.RepoRef{Key: "dc:i1:repo:42", ProjectKey: "dc:i1:project:7", Project: "ENG", Slug: "engine", UUID: "42", Name: "Engine", FullName: "eng/engine"}
}

const enginePRs = "/projects/ENG/repos/engine/pull-requests"

// TestWalk reads everything there is over several pages, and asks for exactly what it should: with the limit that the
// server grants, and the start that it names.
func TestWalk(t *testing.T) {
	eng, own := projectJSON(7, "ENG"), `{"key":"~BOB","id":8,"name":"Bob","type":"PERSONAL","owner":`+userJSON(2, "bob")+`}`
	s := &stand{answers: map[string]any{
		"/projects?limit=1000":                                page(0, 1000, -1, eng),
		"/users?limit=1000":                                   page(0, 1000, -1, userJSON(1, "ann"), userJSON(2, "bob")),
		"/repos?archived=ALL&limit=1000":                      page(0, 2, 5, repoJSON(42, "engine", eng), repoJSON(43, "other", eng)),
		"/repos?archived=ALL&limit=2&start=5":                 page(5, 2, -1, repoJSON(44, "mine", own)),
		enginePRs + "?order=NEWEST&state=ALL&limit=1000":      page(0, 1, 1, prJSON(2, "OPEN", 900, repoJSON(42, "engine", eng))),
		enginePRs + "?order=NEWEST&state=ALL&limit=1&start=1": page(1, 1, -1, prJSON(1, "MERGED", 800, repoJSON(42, "engine", eng))),
	}}
	c := openIn(t, s)
	ctx := t.Context()
	in, err := c.Instance(ctx)
	if err != nil || in.Key != "dc:i1" || in.Name != "Bitbucket" || in.Version != (datacenter.Version{Major: 9, Minor: 4, Patch: 3}) {
		t.Fatalf("Instance = %+v, %v", in, err)
	}
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
		if p.RequestedAt.IsZero() || p.Principal == "" || p.Again || len(p.Odd) > 0 {
			t.Errorf("page at %v by %q, again %v, odd %v", p.RequestedAt, p.Principal, p.Again, p.Odd)
		}
		return nil
	}
	for _, list := range []func(context.Context, func(bitbucket.Page) error) error{c.Projects, c.Users, c.Repositories} {
		if err := list(ctx, add); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.PullRequests(ctx, repos[0], add); err != nil {
		t.Fatal(err)
	}
	want := []string{
		"dc:i1:project:7", "dc:i1:user:1", "dc:i1:user:2", "dc:i1:repo:42", "dc:i1:repo:43",
		"dc:i1:repo:44", "met dc:i1:project:8", "met dc:i1:user:2",
		"dc:i1:repo:42:pr:2", "met dc:i1:user:1", "dc:i1:repo:42:pr:1",
	}
	if !slices.Equal(keys, want) {
		t.Errorf("keys\n got %q\nwant %q", keys, want)
	}
	if got, want := len(s.asked), 7; got != want || c.Calls() != int64(want) {
		t.Errorf("%d requests, %d calls, want %d: %q", got, c.Calls(), want, s.asked)
	}
	if got, want := repos[2], (bitbucket.RepoRef{
		Key: "dc:i1:repo:44", WorkspaceUUID: "i1", ProjectKey: "dc:i1:project:8", Project: "~BOB", Slug: "mine", UUID: "44",
		Name: "Repo 44", FullName: "~bob/mine",
	}); got != want {
		t.Errorf("personal repository %+v, want %+v", got, want)
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
