package datacenter_test

import (
	"testing"
	"time"

	"github.com/windlass-hq/windlass/internal/bitbucket"
	"github.com/windlass-hq/windlass/internal/bitbucket/datacenter"
	"github.com/windlass-hq/windlass/internal/bitbucket/sandbox"
	"github.com/windlass-hq/windlass/internal/graph"
)

// TestPreflightTellsWhatAWalkTakes compares what is foretold with what reading really takes, where every repository
// could be looked at: then hardly anything is left to guess.
func TestPreflightTellsWhatAWalkTakes(t *testing.T) {
	for name, change := range map[string]func(*datacenter.Options){
		"instance": with(adminToken), "one project": projects("~admin"), "no pull requests": func(o *datacenter.Options) { o.NoPullRequests = true },
	} {
		t.Run(name, func(t *testing.T) {
			s := box(t, sandbox.Options{Repositories: bitbucket.SampleSize, PullRequests: 400, Users: 15, Seed: 3})
			if name == "one project" {
				if _, err := s.DataCenter().CreateProject(sandbox.DCProjectSpec{Owner: "admin"}); err != nil {
					t.Fatal(err)
				}
				if _, err := s.DataCenter().CreateRepository(sandbox.DCRepositorySpec{Project: "~admin", Name: "mine"}); err != nil {
					t.Fatal(err)
				}
			}
			p, err := openBox(t, s.Handler(), change).Preflight(t.Context(), time.Time{})
			if err != nil {
				t.Fatal(err)
			}
			w, err := walk(t, openBox(t, s.Handler(), change))
			if err != nil {
				t.Fatal(err)
			}
			got := map[string]int{}
			for _, e := range w.entities {
				got[e.Type]++
			}
			if p.Repositories != got[graph.TypeRepo] || p.AtLeast || p.Projects == 0 || p.Users < 10 {
				t.Errorf("foretold %+v, there are %v", p, got)
			}
			prs, calls := got[graph.TypePullRequest], w.calls
			if name == "no pull requests" {
				prs, calls = 0, w.calls-w.prCalls
			}
			if p.PullRequests.Number < prs || p.PullRequests.Number > prs+prs/10 || p.PullRequests.Unknown {
				t.Errorf("foretold %+v pull requests, there are %d", p.PullRequests, prs)
			}
			if p.Calls < calls || p.Calls > calls+calls/10 {
				t.Errorf("foretold %d calls, it took %d", p.Calls, calls)
			}
			if p.Spent > bitbucket.PreflightMax {
				t.Errorf("looking took %d calls, at most %d are allowed", p.Spent, bitbucket.PreflightMax)
			}
		})
	}
}
