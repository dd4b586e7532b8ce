package sandbox_test

import (
	"context"
	"net/http"
	"testing"

	bitbucketv1 "github.com/gfleury/go-bitbucket-v1"
	"github.com/ktrysmt/go-bitbucket"

	"github.com/windlass-hq/windlass/internal/bitbucket/sandbox"
)

// The clients below were written by others for the real products. What they read proves the sandbox apart from
// Windlass' own reading of the vendor's documents.

func TestAnIndependentClientReadsTheCloud(t *testing.T) {
	s, base := start(t, sandbox.Options{})
	c, err := bitbucket.NewOAuthbearerTokenWithBaseUrlStr(token, base+"/cloud/2.0")
	if err != nil {
		t.Fatal(err)
	}
	c.Pagelen = 50
	repos, prs := 0, 0
	list, err := c.Repositories.ListForAccount(&bitbucket.RepositoriesOptions{Owner: "acme"})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range list.Items {
		repos++
		if r.Full_name != "acme/"+r.Slug || r.Uuid == "" {
			t.Errorf("repository %+v", r)
		}
		for _, state := range []string{"OPEN", "MERGED", "DECLINED", "SUPERSEDED"} { // of several it sends the last
			answer, err := c.Repositories.PullRequests.List(&bitbucket.PullRequestsOptions{Owner: "acme", RepoSlug: r.Slug, States: []string{state}})
			if err != nil {
				t.Fatal(err)
			}
			for _, p := range answer.(object)["values"].([]any) {
				prs++
				if at(p, "destination.repository.full_name") != r.Full_name || at(p, "state") != state {
					t.Errorf("%s, asked for %s: %v", r.Full_name, state, p)
				}
			}
		}
	}
	// The workspace acme-labs has the rest.
	bearer := oauthToken(t, base+"/site/oauth2/access_token", "sandbox-key", "sandbox-secret")
	for _, r := range walkAs(t, bearer, base+"/2.0/repositories/acme-labs") {
		repos++
		prs += len(walkAs(t, bearer, base+"/2.0/repositories/"+r["full_name"].(string)+"/pullrequests?state=ALL&pagelen=50"))
	}
	if n := s.Stats().Products.Cloud; repos != n.Repositories || prs != n.PullRequests {
		t.Errorf("the client read %d repositories and %d pull requests of %+v", repos, prs, n)
	}
}

func TestAnIndependentClientReadsTheDataCenter(t *testing.T) {
	s, base := start(t, sandbox.Options{})
	ctx := context.WithValue(t.Context(), bitbucketv1.ContextBasicAuth, bitbucketv1.BasicAuth{UserName: "admin", Password: "sandbox-password"})
	c := bitbucketv1.NewAPIClient(ctx, bitbucketv1.NewConfiguration(base+"/dc/rest", func(c *bitbucketv1.Configuration) { c.HTTPClient = http.DefaultClient }))

	var repos []bitbucketv1.Repository
	pages(t, func(start int) (*bitbucketv1.APIResponse, error) {
		return c.DefaultApi.GetRepositories_19(map[string]any{"limit": 7, "start": start})
	}, func(r *bitbucketv1.APIResponse) {
		page, err := bitbucketv1.GetRepositoriesResponse(r)
		if err != nil {
			t.Fatal(err)
		}
		repos = append(repos, page...)
	})
	archived := len(dcWalk(t, dcToken, base+"/dc/rest/api/latest/repos?archived=ARCHIVED&limit=100"))
	if want := s.Stats().Products.DataCenter.Repositories - archived; len(repos) != want {
		t.Errorf("the client read %d repositories, want %d", len(repos), want)
	}
	prs, want := 0, 0
	for _, r := range repos {
		if r.ID == 0 || r.Project == nil || r.Links == nil || len(r.Links.Clone) == 0 {
			t.Fatalf("repository %+v", r)
		}
		pages(t, func(start int) (*bitbucketv1.APIResponse, error) {
			return c.DefaultApi.GetPullRequestsPage(r.Project.Key, r.Slug, map[string]any{"state": "ALL", "limit": 9, "start": start})
		}, func(answer *bitbucketv1.APIResponse) {
			page, err := bitbucketv1.GetPullRequestsResponse(answer)
			if err != nil {
				t.Fatal(err)
			}
			for _, p := range page {
				prs++
				if p.ToRef.Repository.Slug != r.Slug || p.Author == nil || p.CreatedDate == 0 || p.Open == p.Closed {
					t.Errorf("pull request %+v of %s", p, r.Slug)
				}
			}
		})
		want += len(dcWalk(t, dcToken, base+"/dc/rest/api/latest/projects/"+r.Project.Key+"/repos/"+r.Slug+"/pull-requests?state=ALL&limit=100"))
	}
	if prs != want || prs == 0 {
		t.Errorf("the client read %d pull requests, want %d", prs, want)
	}
}

// pages walks a listing as the client's own examples do.
func pages(t testing.TB, ask func(start int) (*bitbucketv1.APIResponse, error), read func(*bitbucketv1.APIResponse)) {
	t.Helper()
	for start, more := 0, true; more; {
		r, err := ask(start)
		if err != nil {
			t.Fatal(err)
		}
		read(r)
		more, start = bitbucketv1.HasNextPage(r)
	}
}
