package sandbox_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/windlass-hq/windlass/internal/bitbucket/sandbox"
)

// TestTruthIsWhatAnswersShow compares, after some days, what is written down with what REST answers.
func TestTruthIsWhatAnswersShow(t *testing.T) {
	s, base := start(t, sandbox.Options{Repositories: 10, PullRequests: 60, Users: 14})
	for day := range 3 {
		for _, product := range []string{"cloud", "datacenter"} {
			if _, err := s.Day(sandbox.DayOptions{Product: product, Seed: 5, Day: day, Acts: 150}); err != nil {
				t.Fatal(err)
			}
		}
	}
	bearer := asConsumer(t, base)
	answered := []string{}
	for _, r := range walk(t, base+"/2.0/repositories/acme?pagelen=100") {
		at := fmt.Sprint("acme/", r["slug"])
		main, _ := r["mainbranch"].(object)
		answered = append(answered, fmt.Sprint("repository ", r["uuid"], r["slug"], r["name"], r["is_private"] == false, main["name"]))
		for _, p := range walk(t, base+"/2.0/repositories/"+at+"/pullrequests?pagelen=50&state=all&fields=%2Bvalues.participants") {
			people := p["participants"].([]any)
			answered = append(answered, fmt.Sprint("pull request ", at, p["id"], p["state"], p["title"], p["draft"], len(people)))
		}
		for _, x := range walkAs(t, bearer, base+"/2.0/repositories/"+at+"/branch-restrictions?pagelen=100") {
			answered = append(answered, fmt.Sprintf("restriction %s %.0f %v %v %d %d", at, x["id"], x["kind"], x["pattern"], len(x["users"].([]any)), len(x["groups"].([]any))))
		}
		for _, list := range []string{"users", "groups"} {
			answered = append(answered, fmt.Sprint(list, " of ", at, len(walkAs(t, bearer, base+"/2.0/repositories/"+at+"/permissions-config/"+list+"?pagelen=100"))))
		}
		answered = append(answered, fmt.Sprint("hooks, keys, reviewers, environments of ", at,
			len(walkAs(t, bearer, base+"/2.0/repositories/"+at+"/hooks?pagelen=100")), len(walkAs(t, bearer, base+"/2.0/repositories/"+at+"/deploy-keys?pagelen=100")),
			len(walkAs(t, bearer, base+"/2.0/repositories/"+at+"/default-reviewers?pagelen=100")), len(walkAs(t, bearer, base+"/2.0/repositories/"+at+"/environments?pagelen=100"))))
	}
	for slug, members := range groups(t, base) {
		answered = append(answered, fmt.Sprint("group ", slug, len(members)))
	}
	answered = append(answered, fmt.Sprint("members ", len(walk(t, base+"/2.0/workspaces/acme/members?pagelen=100"))))

	written := []string{}
	space := s.Truth().Spaces[0]
	for _, p := range space.Projects {
		for _, r := range p.Repositories {
			at := "acme/" + r.Slug
			var main any
			if r.DefaultBranch != "" {
				main = r.DefaultBranch
			}
			written = append(written, fmt.Sprint("repository ", any(r.ID), any(r.Slug), any(r.Name), r.Public, main))
			for _, p := range r.PullRequests {
				written = append(written, fmt.Sprint("pull request ", at, any(float64(p.ID)), any(p.State), any(p.Title), p.Draft, len(p.People)))
			}
			for _, x := range r.Restrictions {
				written = append(written, fmt.Sprintf("restriction %s %d %v %v %d %d", at, x.ID, x.Kind, x.Pattern, len(x.Users), len(x.Groups)))
			}
			users := 0
			for _, g := range r.Grants {
				if g.User != "" {
					users++
				}
			}
			written = append(written, fmt.Sprint("users of ", at, users), fmt.Sprint("groups of ", at, len(r.Grants)-users))
			written = append(written, fmt.Sprint("hooks, keys, reviewers, environments of ", at, len(r.Hooks), len(r.Keys), len(r.Reviewers), len(r.Environments)))
		}
	}
	for _, g := range space.Groups {
		written = append(written, fmt.Sprint("group ", g.Slug, len(g.Members)))
	}
	written = append(written, fmt.Sprint("members ", len(space.Members)))
	slices.Sort(answered)
	slices.Sort(written)
	if diff := cmp.Diff(answered, written); diff != "" {
		t.Errorf("(-answered +written):\n%s", diff)
	}
	if len(written) < 100 {
		t.Errorf("only %d lines were compared", len(written))
	}
}
