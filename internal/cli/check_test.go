package cli

import (
	"strings"
	"testing"
	"time"

	"github.com/windlass-hq/windlass/client"
	"github.com/windlass-hq/windlass/internal/config"
)

func TestPreflightInWords(t *testing.T) {
	for name, c := range map[string]struct {
		p    client.Preflight
		want []string
		not  []string
	}{
		"within the allowance": {
			p:    client.Preflight{Repositories: 52, PullRequests: 450, Projects: 8, Users: 1, Calls: 59, CallsPerHour: 1600, Hours: 0.037, PeerFormula: "F", PeerCalls: 1566, PeerHours: 0.979},
			want: []string{"A first read takes 52 repositories, 450 pull requests, 8 projects, 1 user.", "59 calls, 4 % of the 1,600 an hour that Windlass takes here: no waiting", "with F: 1,566 calls, 98 %"},
			not:  []string{"about", "at least", "git repositories"},
		},
		"more than an hour": {
			p:    client.Preflight{Repositories: 20000, PullRequests: 1234567, PullRequestsEstimated: true, Calls: 45000, CallsPerHour: 800, Hours: 56.25, GitBytes: 3_210_000_000},
			want: []string{"20,000 repositories, about 1,200,000 pull requests.", "45,000 calls, 2.3 days at the 800 an hour", "about 3.21 GB stay where they are"},
			not:  []string{"0 projects", "0 users"},
		},
		"a Data Center": {
			p:    client.Preflight{Repositories: 10000, AtLeast: true, PullRequestsUnknown: true, Calls: 10010, CallsPerHour: 18000, CallsPerSecond: 5, Hours: 0.556, PeerHours: 2.5},
			want: []string{"at least 10,000 repositories, pull requests that could not be counted", "at least 10,010 calls, 34 minutes at 5 calls a second", "2.5 hours at 5 calls a second"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDesk("")
			printPreflight(d.session(config.Config{}), &c.p)
			for _, want := range c.want {
				if !strings.Contains(d.out.String(), want) {
					t.Errorf("lacks %q:\n%s", want, &d.out)
				}
			}
			for _, not := range c.not {
				if strings.Contains(d.out.String(), not) {
					t.Errorf("says %q:\n%s", not, &d.out)
				}
			}
		})
	}
}

func TestTheSameFailureIsSaidOnce(t *testing.T) {
	d := newDesk("")
	reason := func(path string) string { return "lacks the scope pullrequest for GET " + path + " (add it)" }
	printScopes(d.session(config.Config{}), client.Summary{Connection: "acme", Scopes: []client.ScopeResult{
		{Scope: "a/pull-requests", Title: "pull requests of a", Status: "denied", Reason: reason("/a")},
		{Scope: "b/pull-requests", Title: "pull requests of b", Status: "denied", Reason: reason("/b")},
		{Scope: "c/pull-requests", Title: "pull requests of c", Status: "failed", Reason: reason("/c")},
		{Scope: "d/pull-requests", Title: "pull requests of d", Status: "complete"},
		{Scope: "w/projects", Title: "projects of w", Status: "denied", Reason: reason("/w")},
		{Scope: "e/pull-requests", Title: "pull requests of e", Status: "partial", Reason: "the listing of the pull requests of e does not end"},
		{Scope: "f/pull-requests", Title: "pull requests of f", Status: "partial", Reason: "the listing of the pull requests of f does not end"},
	}})
	got := d.out.String()
	want := "  pull requests of a and 1 more like it: denied: lacks the scope pullrequest for GET /a (add it)\n" +
		"  pull requests of c: failed: lacks the scope pullrequest for GET /c (add it)\n" +
		"  projects of w: denied: lacks the scope pullrequest for GET /w (add it)\n" +
		"  pull requests of e and 1 more like it: partial: the listing of the pull requests of e does not end\n"
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestRemarkOfARun(t *testing.T) {
	warned := &client.Summary{Warnings: []string{"a credential was not used: refused"}}
	for want, r := range map[string]client.Run{
		"":                                   {Summary: &client.Summary{}},
		"broken":                             {Error: "broken\nin two", Summary: warned},
		"a credential was not used: refused": {Summary: warned},
	} {
		if got := remark(r); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestAge(t *testing.T) {
	now := time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
	read := now.Add(-90 * time.Second)
	for want, st := range map[string]client.Staleness{
		"no limit: no interval is set": {Listings: 1},
		"never above 1 h 10 min while runs are on time; 1 of 3 listings not read to their end yet": {Listings: 3, Unread: 1, AtMost: 4200},
		"at most 1 min now; never above 1 h 0 min while runs are on time":                          {Listings: 1, Oldest: &read, AtMost: 3600},
		"overdue: it should be at most 59 min":                                                     {Listings: 1, AtMost: 3599, Overdue: true},
		"never above 3 days while runs are on time":                                                {Listings: 1, AtMost: 3 * 86400},
	} {
		if got := age(st, now); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
