package datacenter_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/windlass-hq/windlass/internal/bitbucket"
	"github.com/windlass-hq/windlass/internal/bitbucket/sandbox"
	"github.com/windlass-hq/windlass/internal/fault"
	"github.com/windlass-hq/windlass/internal/graph"
)

// TestExists follows objects through what may happen to them.
func TestExists(t *testing.T) {
	s := box(t, sandbox.Options{Repositories: 12, PullRequests: 60, Users: 12})
	dc := s.DataCenter()
	all, err := walk(t, openBox(t, s.Handler()))
	if err != nil {
		t.Fatal(err)
	}
	var first, second, third bitbucket.RepoRef
	for _, r := range all.repos {
		if all.entities[r.Key+":pr:1"].Key == "" || strings.HasPrefix(r.Project, "~") {
			continue
		}
		switch {
		case first.Key == "":
			first = r
		case second.Key == "":
			second = r
		case third.Key == "":
			third = r
		}
	}
	repo := func(r bitbucket.RepoRef) bitbucket.Ref {
		return bitbucket.Ref{Type: graph.TypeRepo, Key: r.Key, Project: r.Project, Slug: r.Slug, Name: r.Name}
	}
	pr := func(r bitbucket.RepoRef, n int) bitbucket.Ref {
		return bitbucket.Ref{Type: graph.TypePullRequest, Key: fmt.Sprintf("%s:pr:%d", r.Key, n), Project: r.Project, Slug: r.Slug, Name: r.Name}
	}
	var user graph.Entity
	for _, e := range all.entities {
		if e.Type == graph.TypeUser && e.Properties["slug"] == "admin" {
			user = e
		}
	}
	exists := func(what string, ref bitbucket.Ref, want bitbucket.Presence) {
		t.Helper()
		if got, err := openBox(t, s.Handler()).Exists(t.Context(), ref); got != want || err != nil {
			t.Errorf("%s: %q, %v, want %q", what, got, err, want)
		}
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	exists("instance", bitbucket.Ref{Type: graph.TypeInstance, Key: "dc:i1"}, bitbucket.Present)
	exists("project", bitbucket.Ref{Type: graph.TypeProject, Key: first.ProjectKey, Project: first.Project}, bitbucket.Present)
	exists("another project under its key", bitbucket.Ref{Type: graph.TypeProject, Key: "dc:i1:project:999999", Project: first.Project}, bitbucket.Gone)
	exists("user", bitbucket.Ref{Type: graph.TypeUser, Key: user.Key, Slug: "admin"}, bitbucket.Present)
	exists("no user", bitbucket.Ref{Type: graph.TypeUser, Key: "dc:i1:user:999999", Slug: "nobody"}, bitbucket.Gone)
	exists("repository", repo(first), bitbucket.Present)
	exists("pull request", pr(first, 1), bitbucket.Present)
	exists("no pull request", pr(first, 99999), bitbucket.Gone)

	must(dc.RenameRepository(first.Project+"/"+first.Slug, first.Name+" two"))
	exists("renamed repository", repo(first), bitbucket.Present)
	exists("pull request of it", pr(first, 1), bitbucket.Present)
	exists("no pull request of it", pr(first, 99999), bitbucket.Gone)

	must(dc.DeletePullRequest(second.Project+"/"+second.Slug, 1))
	exists("deleted pull request", pr(second, 1), bitbucket.Gone)

	must(dc.DeleteRepository(second.Project + "/" + second.Slug))
	exists("deleted repository", repo(second), bitbucket.Gone)
	exists("pull request of it", pr(second, 2), bitbucket.Gone)
	if _, err := dc.CreateRepository(sandbox.DCRepositorySpec{Project: second.Project, Name: second.Name, Slug: second.Slug}); err != nil {
		t.Fatal(err)
	}
	exists("repository made again", repo(second), bitbucket.Gone)
	exists("pull request of the old one", pr(second, 2), bitbucket.Gone)

	must(dc.DeleteProject(third.Project))
	exists("repository of a deleted project", repo(third), bitbucket.Gone)
	exists("deleted project", bitbucket.Ref{Type: graph.TypeProject, Key: third.ProjectKey, Project: third.Project}, bitbucket.Gone)

	for _, ref := range []bitbucket.Ref{
		{Type: "person", Key: "person:1"},
		{Type: graph.TypeRepo, Key: "dc:other:repo:1", Project: "ENG", Slug: "x"},
		{Type: graph.TypePullRequest, Key: first.Key + ":pr:x", Project: "ENG", Slug: "x"},
		{Type: graph.TypeUser, Key: user.Key},
		{Type: graph.TypeProject, Key: first.ProjectKey},
		{Type: graph.TypeRepo, Key: first.Key},
	} {
		if got, err := openBox(t, s.Handler()).Exists(t.Context(), ref); !fault.Is(err, fault.Internal) {
			t.Errorf("%+v: %q, %v", ref, got, err)
		}
	}
}
