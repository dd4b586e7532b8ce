package cloud_test

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/windlass-hq/windlass/internal/bitbucket"
	"github.com/windlass-hq/windlass/internal/bitbucket/cloud"
	"github.com/windlass-hq/windlass/internal/bitbucket/sandbox"
)

func preflightClient(t *testing.T, o sandbox.Options, creds ...bitbucket.Credential) *cloud.Client {
	t.Helper()
	srv := httptest.NewServer(box(t, o).Handler())
	t.Cleanup(srv.Close)
	c, err := cloud.New(cloud.Options{APIURL: srv.URL + "/cloud", Credentials: creds, Connection: "acme", Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestPreflightTellsWhatAWalkTakes compares what is foretold with what reading really takes, where every repository
// could be looked at: then nothing is left to guess.
func TestPreflightTellsWhatAWalkTakes(t *testing.T) {
	token := bitbucket.Credential{Kind: bitbucket.Token, Secret: "sandbox-cloud-token"}
	o := sandbox.Options{Repositories: bitbucket.SampleSize, PullRequests: 400, Users: 15, Seed: 3}
	p, err := preflightClient(t, o, token).Preflight(t.Context(), []string{"acme"}, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	c := preflightClient(t, o, token)
	w, err := walk(t, c, "acme")
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]int{}
	for _, e := range w.entities {
		got[e.Type]++
	}
	if p.Repositories != got["bitbucket_repo"] || p.AtLeast || p.PullRequests != (bitbucket.Guess{Number: got["bitbucket_pull_request"], Exact: true}) {
		t.Errorf("foretold %+v, there are %v", p, got)
	}
	if p.Projects != got["bitbucket_project"] {
		t.Errorf("foretold %d projects, there are %d", p.Projects, got["bitbucket_project"])
	}
	if p.Calls != int(c.Calls()) {
		t.Errorf("foretold %d calls, it took %d", p.Calls, c.Calls())
	}
	if p.Spent > bitbucket.PreflightMax {
		t.Errorf("looking took %d calls, at most %d are allowed", p.Spent, bitbucket.PreflightMax)
	}
}

// TestPreflightOfMany foretells from a sample and stays within its bounds.
func TestPreflightOfMany(t *testing.T) {
	token := bitbucket.Credential{Kind: bitbucket.Token, Secret: "sandbox-cloud-token"}
	c := preflightClient(t, sandbox.Options{Repositories: 150, PullRequests: 1500, Users: 15, Seed: 3}, token)
	p, err := c.Preflight(t.Context(), []string{"acme"}, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	if p.Repositories <= 100 || p.PullRequests.Exact || p.PullRequests.Unknown || p.Calls < p.Repositories+4 {
		t.Errorf("foretold %+v", p)
	}
	if n := p.PullRequests.Number; n < 150 || n > 15_000 {
		t.Errorf("foretold %d pull requests of 1500", n)
	}
	if p.Spent != int(c.Calls()) || p.Spent > 30 {
		t.Errorf("looking took %d calls, told as %d", c.Calls(), p.Spent)
	}
}

// TestPreflightOfAWindow counts what a first read with a window takes: nothing here was updated in the far future.
func TestPreflightOfAWindow(t *testing.T) {
	token := bitbucket.Credential{Kind: bitbucket.Token, Secret: "sandbox-cloud-token"}
	o := sandbox.Options{Repositories: 6, PullRequests: 100, Users: 8, Seed: 3}
	all, err := preflightClient(t, o, token).Preflight(t.Context(), []string{"acme"}, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	open, err := preflightClient(t, o, token).Preflight(t.Context(), []string{"acme"}, time.Date(2999, 1, 1, 0, 0, 0, 0, time.UTC))
	if err != nil {
		t.Fatal(err)
	}
	if open.PullRequests.Number >= all.PullRequests.Number || open.PullRequests.Number == 0 {
		t.Errorf("%d open pull requests of %d", open.PullRequests.Number, all.PullRequests.Number)
	}
}

// TestPreflightWithoutTheRight says that pull requests are unknown, not that there are none.
func TestPreflightWithoutTheRight(t *testing.T) {
	c, _ := open(t, map[string]any{
		"/workspaces/acme":                                               wsAnswer,
		"/repositories/{" + wsUUID + "}":                                 `{"size":2,"values":[{"uuid":"{` + repoUUID + `}","slug":"one","size":2000},{"uuid":"{` + annUUID + `}","slug":"two","size":4000}]}`,
		"/workspaces/{" + wsUUID + "}/projects":                          refuse(http.StatusForbidden, `{"type":"error","error":{"message":"no"}}`),
		"/workspaces/{" + wsUUID + "}/members":                           `{"size":130,"values":[{}]}`,
		"/repositories/{" + wsUUID + "}/{" + repoUUID + "}/pullrequests": refuse(http.StatusForbidden, `{"type":"error","error":{"message":"no"}}`),
		"/repositories/{" + wsUUID + "}/{" + annUUID + "}/pullrequests":  refuse(http.StatusForbidden, `{"type":"error","error":{"message":"no"}}`),
	})
	p, err := c.Preflight(t.Context(), []string{"acme"}, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	if p.Repositories != 2 || !p.PullRequests.Unknown || p.Users != 130 || p.GitBytes != 6000 {
		t.Errorf("foretold %+v", p)
	}
}
