package sync_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	gosync "sync"
	"testing"
	"time"

	"github.com/windlass-hq/windlass/internal/bitbucket/sandbox"
	"github.com/windlass-hq/windlass/internal/fault"
	"github.com/windlass-hq/windlass/internal/store"
	"github.com/windlass-hq/windlass/internal/sync"
)

func small() sandbox.Options {
	return sandbox.Options{Seed: 3, Repositories: 14, PullRequests: 160, Users: 20}
}

func TestGraphEqualsBitbucket(t *testing.T) {
	each(t, small(), func(t *testing.T, f *fixture) {
		first := f.sync(sync.RunOptions{}, sync.Complete)
		f.equal()
		if first.Changes.Created == 0 || first.Changes.Deleted != 0 {
			t.Errorf("first run: changes %+v", first.Changes)
		}
		total := 0
		for _, n := range first.Objects {
			total += n
		}
		if total != first.Changes.Created {
			t.Errorf("first run created %d, but %d objects are open", first.Changes.Created, total)
		}
	})
}

func TestSecondSyncWritesNothing(t *testing.T) {
	each(t, small(), func(t *testing.T, f *fixture) {
		f.sync(sync.RunOptions{}, sync.Complete)
		before := f.count()
		second := f.sync(sync.RunOptions{}, sync.Complete)
		if second.Changes != (sync.Changes{}) {
			t.Errorf("second run: changes %+v, want none", second.Changes)
		}
		if after := f.count(); after != before {
			t.Errorf("rows after the second run: %s, before: %s", after, before)
		}
	})
}

// count returns the sizes of the tables that a run without changes must leave alone, and the newest times in them.
func (f *fixture) count() string {
	f.t.Helper()
	var out strings.Builder
	for _, q := range []string{
		"SELECT count(*), coalesce(max(valid_from), 0) FROM entity", "SELECT count(*), coalesce(max(valid_to), 0) FROM entity_old",
		"SELECT count(*), coalesce(max(valid_from), 0) FROM rel", "SELECT count(*), coalesce(max(valid_to), 0) FROM rel_old",
		"SELECT count(*), coalesce(max(at), 0) FROM change", "SELECT count(*), coalesce(max(received_at), 0) FROM raw",
		"SELECT count(*), 0 FROM presence", "SELECT count(*), 0 FROM rel_presence", "SELECT count(*), 0 FROM ledger",
	} {
		var n, newest int64
		if err := f.store.Reader().QueryRowContext(f.t.Context(), q).Scan(&n, &newest); err != nil {
			f.t.Fatal(err)
		}
		fmt.Fprintf(&out, "%d@%d ", n, newest)
	}
	return out.String()
}

func TestCallsStayWithinTheBudget(t *testing.T) {
	each(t, small(), func(t *testing.T, f *fixture) {
		names, pulls := f.oracle.repositories()
		sizes := make([]int, 0, len(names))
		for _, n := range names {
			sizes = append(sizes, len(pulls[n]))
		}
		budget := f.side.budget(len(names), sizes)
		const constant = 4 // workspace, projects, members, and the page that ends a list of exactly full pages
		f.sandbox.ResetStats()
		s := f.sync(sync.RunOptions{}, sync.Complete)
		if int(s.Calls) > budget+constant {
			t.Errorf("calls = %d, want at most %d + %d", s.Calls, budget, constant)
		}
		lists, one := f.side.endpoints()
		by := f.sandbox.Stats().Requests.ByEndpoint
		if by[one] != 0 || by[lists] == 0 {
			t.Errorf("%d calls for single pull requests and %d for lists of them, want none and some (%v)", by[one], by[lists], by)
		}
	})
}

func TestWhatDisappearsCloses(t *testing.T) {
	each(t, small(), func(t *testing.T, f *fixture) {
		f.sync(sync.RunOptions{}, sync.Complete)
		names, pulls := f.oracle.repositories()
		repo := withPulls(t, names, pulls, 3)
		f.must(f.deeds.DeletePullRequest(repo, pulls[repo][0]))
		s := f.sync(sync.RunOptions{}, sync.Complete)
		if s.Changes.Deleted != 1 {
			t.Errorf("deleted = %d after one deletion, want 1", s.Changes.Deleted)
		}
		f.equal()

		f.must(f.deeds.DeleteRepository(repo))
		s = f.sync(sync.RunOptions{}, sync.Complete)
		if want := 1 + len(pulls[repo]) - 1; s.Changes.Deleted != want {
			t.Errorf("deleted = %d after a repository went, want %d: itself and what it held", s.Changes.Deleted, want)
		}
		f.equal()
	})
}

func withPulls(t *testing.T, names []string, pulls map[string][]int, n int) string {
	t.Helper()
	for _, name := range names {
		if len(pulls[name]) >= n {
			return name
		}
	}
	t.Fatalf("no repository with %d pull requests", n)
	return ""
}

func TestRandomLife(t *testing.T) {
	each(t, small(), func(t *testing.T, f *fixture) {
		r := seeded(11)
		f.sync(sync.RunOptions{}, sync.Complete)
		users := f.oracle.users()
		pick := func(list []string) string { return list[r.IntN(len(list))] }
		days := 8
		if testing.Short() { // under the race detector, where a day takes ten times as long
			days = 2
		}
		for day := range days {
			for range 6 {
				names, pulls := f.oracle.repositories()
				repo := pick(names)
				pr := 0
				if n := len(pulls[repo]); n > 0 {
					pr = pulls[repo][r.IntN(n)]
				}
				var err error
				switch r.IntN(10) {
				case 0:
					err = f.deeds.RenameRepository(repo, fmt.Sprintf("Día %d — renamed", day*10+r.IntN(1000)))
				case 1:
					err = f.deeds.create(fmt.Sprintf("New %d-%d", day, r.IntN(1000)))
				case 2:
					err = f.deeds.Approve(repo, pr, pick(users))
				case 3:
					err = f.deeds.RequestChanges(repo, pr, pick(users))
				case 4:
					_, err = f.deeds.Merge(repo, pr, pick(users))
				case 5:
					err = f.deeds.Decline(repo, pr, pick(users), "not <now>")
				case 6:
					_, err = f.deeds.OpenPullRequest(sandbox.PullRequestSpec{Repository: repo, Title: "Änderung 🙂", Source: fmt.Sprintf("f/%d", r.IntN(10000)), Author: pick(users), Reviewers: []string{pick(users), pick(users)}})
				case 7:
					err = f.deeds.leave(pick(users))
				case 8:
					err = f.deeds.DeletePullRequest(repo, pr)
				case 9:
					if len(names) > 6 {
						err = f.deeds.DeleteRepository(repo)
					}
				}
				// An act that the state of things forbids is no act: the sandbox answers as Bitbucket would.
				if err != nil && !fault.Is(err, fault.Conflict) && !fault.Is(err, fault.NotFound) && !fault.Is(err, fault.Invalid) && !fault.Is(err, fault.Denied) {
					t.Fatal(err)
				}
			}
			f.sync(sync.RunOptions{ConfirmDeletes: "all"}, sync.Complete)
			f.equal()
		}
	})
}

func TestManyMissingAreHeldUntilConfirmed(t *testing.T) {
	o := small()
	o.PullRequests = 400
	each(t, o, func(t *testing.T, f *fixture) {
		f.sync(sync.RunOptions{}, sync.Complete)
		names, pulls := f.oracle.repositories()
		repo := withPulls(t, names, pulls, 30)
		for _, id := range pulls[repo][:15] {
			f.must(f.deeds.DeletePullRequest(repo, id))
		}
		held := f.sync(sync.RunOptions{}, sync.Partial)
		if held.Held != 15 || held.Changes.Deleted != 0 {
			t.Fatalf("held = %d, deleted = %d, want 15 and 0", held.Held, held.Changes.Deleted)
		}
		if _, err := f.engine.Run(t.Context(), "acme", sync.RunOptions{ConfirmDeletes: "987654", Drain: true}, nil); !fault.Is(err, fault.NotFound) {
			t.Errorf("confirming a run that holds nothing: %v, want not found", err)
		}
		s := f.sync(sync.RunOptions{ConfirmDeletes: strconv.FormatInt(held.Run, 10)}, sync.Complete)
		if s.Changes.Deleted != 15 || s.Held != 0 {
			t.Errorf("confirmed: deleted = %d, held = %d, want 15 and 0", s.Changes.Deleted, s.Held)
		}
		f.equal()
		if left, err := f.store.HeldClosings(t.Context(), 1); err != nil || len(left) != 0 {
			t.Errorf("still held: %v, %v", left, err)
		}
	})
}

// TestAListingThatSeesThemAgainReleasesWhatWasHeld: a page that claims to be the last hides many; nothing may close,
// and nothing is left to confirm once Bitbucket is itself again.
func TestAListingThatSeesThemAgainReleasesWhatWasHeld(t *testing.T) {
	each(t, sandbox.Options{Seed: 3, Repositories: 4, PullRequests: 500, Users: 8}, func(t *testing.T, f *fixture) {
		f.sync(sync.RunOptions{}, sync.Complete)
		_, err := f.sandbox.AddFault(sandbox.Fault{Kind: sandbox.FaultMissing, Path: f.side.lists()})
		f.must(err)
		held := f.sync(sync.RunOptions{}, sync.Partial)
		if held.Held == 0 || held.Changes.Deleted != 0 {
			t.Fatalf("held = %d, deleted = %d, want some and none", held.Held, held.Changes.Deleted)
		}
		f.sandbox.ClearFaults()
		f.sync(sync.RunOptions{}, sync.Complete)
		if left, err := f.store.HeldClosings(t.Context(), 1); err != nil || len(left) != 0 {
			t.Errorf("still held: %v, %v", left, err)
		}
		f.equal()
	})
}

func TestAMemberWhoLeavesLosesTheMembershipOnly(t *testing.T) {
	each(t, small(), func(t *testing.T, f *fixture) {
		f.sync(sync.RunOptions{}, sync.Complete)
		members := f.oracle.users()
		before := len(stored(t, f.store).edges)
		f.must(f.deeds.leave(members[len(members)-1]))
		f.sync(sync.RunOptions{}, sync.Complete)
		f.equal()
		if after := len(stored(t, f.store).edges); after >= before {
			t.Errorf("%d relationships, %d before somebody left", after, before)
		}
	})
}

func TestAFailedListingClosesNothing(t *testing.T) {
	faults := []struct {
		name string
		bad  sandbox.Fault
	}{ // in this order: each takes a pull request away, and a page can repeat only while there are two
		{"a page that repeats", sandbox.Fault{Kind: sandbox.FaultRepeat}},
		{"503 on the second page", sandbox.Fault{Kind: sandbox.FaultStatus, Status: 503, Skip: 1}},
		{"truncated JSON", sandbox.Fault{Kind: sandbox.FaultTruncate}},
		{"a proxy's page", sandbox.Fault{Kind: sandbox.FaultHTML, Status: 200}},
	}
	each(t, sandbox.Options{Seed: 3, Repositories: 5, PullRequests: 190, Users: 12}, func(t *testing.T, f *fixture) {
		f.sync(sync.RunOptions{}, sync.Complete)
		names, pulls := f.oracle.repositories()
		repo := withPulls(t, names, pulls, 52)
		for _, tc := range faults {
			name, bad := tc.name, tc.bad
			f.must(f.deeds.DeletePullRequest(repo, pulls[repo][0]))
			pulls[repo] = pulls[repo][1:]
			before := len(stored(t, f.store).entities)
			bad.Path = f.side.lists()
			_, err := f.sandbox.AddFault(bad)
			f.must(err)
			s, err := f.engine.Run(t.Context(), "acme", sync.RunOptions{Drain: true}, nil)
			if s.Status != sync.Partial {
				t.Errorf("%s: status = %s (%v), want partial", name, s.Status, err)
			}
			if got := len(stored(t, f.store).entities); got != before || s.Changes.Deleted != 0 {
				t.Errorf("%s: %d entities, %d before; deleted %d; want nothing closed", name, got, before, s.Changes.Deleted)
			}
			f.sandbox.ClearFaults()
			if s := f.sync(sync.RunOptions{}, sync.Complete); s.Changes.Deleted != 1 {
				t.Errorf("%s: deleted = %d once Bitbucket was itself again, want 1", name, s.Changes.Deleted)
			}
		}
		f.equal()
	})
}

func TestAnOddObjectIsReportedAndTheRunGoesOn(t *testing.T) {
	for _, tc := range []struct{ variant, status string }{{"wrong-types", sync.Complete}, {"null-author", sync.Complete}, {"no-id", sync.Partial}} {
		t.Run(tc.variant, func(t *testing.T) {
			each(t, small(), func(t *testing.T, f *fixture) {
				names, pulls := f.oracle.repositories()
				repo := withPulls(t, names, pulls, 5)
				_, err := f.sandbox.AddFault(sandbox.Fault{Kind: sandbox.FaultOdd, Variant: tc.variant, Path: f.side.lists(), Skip: 1})
				f.must(err)
				s := f.sync(sync.RunOptions{}, tc.status)
				if tc.variant == "wrong-types" && s.Skipped == 0 {
					t.Error("nothing was reported as skipped")
				}
				f.sandbox.ClearFaults()
				f.sync(sync.RunOptions{}, sync.Complete)
				f.equal()
				_ = repo
			})
		})
	}
}

func TestAnInterruptedRunGoesOn(t *testing.T) {
	each(t, small(), func(t *testing.T, f *fixture) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		var once gosync.Once
		done := 0
		s, err := f.engine.Run(ctx, "acme", sync.RunOptions{Drain: true}, func(e sync.Event) {
			if e.Phase == "pull requests" && e.Done == 5 {
				once.Do(func() { done = e.Done; cancel() })
			}
		})
		if !errors.Is(err, context.Canceled) || s.Status != sync.Interrupted {
			t.Fatalf("status %s, error %v; want an interrupted run", s.Status, err)
		}
		if !strings.Contains(err.Error(), "windlass sync acme") {
			t.Errorf("the message does not say how to go on: %v", err)
		}
		f.sandbox.ResetStats()
		again := f.sync(sync.RunOptions{}, sync.Complete)
		if again.Run != s.Run {
			t.Errorf("run %d, want the interrupted run %d to go on", again.Run, s.Run)
		}
		if run, err := f.store.Run(t.Context(), again.Run); err != nil || run.Error != "" || run.Status != sync.Complete {
			t.Errorf("the run is stored as %s with error %q (%v), want complete without one", run.Status, run.Error, err)
		}
		names, _ := f.oracle.repositories()
		if lists := pullRequestScopes(again); lists > len(names)-done {
			t.Errorf("%d of %d repositories were listed again although %d had been finished", lists, len(names), done)
		}
		f.equal()
	})
}

// TestASpentAllowanceIsNoLoss: with fewer calls an hour than one run needs, runs that do not wait come to the end
// together, each going on where the one before stopped.
func TestASpentAllowanceIsNoLoss(t *testing.T) {
	o := small()
	o.RateLimit, o.Limits.API = true, 12
	onCloud(t, o, func(t *testing.T, f *fixture) {
		for hour := 1; ; hour++ {
			s, err := f.engine.Run(t.Context(), "acme", sync.RunOptions{Drain: true, NoWait: true}, nil)
			if err == nil {
				if s.Status != sync.Complete || hour < 2 {
					t.Errorf("hour %d: %s without an error", hour, s.Status)
				}
				break
			}
			if !fault.Is(err, fault.Limited) || s.Status != sync.Partial {
				t.Fatalf("hour %d: status %s, error %v; want partial and limited", hour, s.Status, err)
			}
			if hour > 6 {
				t.Fatal("it never comes to an end")
			}
			f.ahead.Add(int64(61 * time.Minute))
		}
		f.must(f.sandbox.EditCredential("access-token", func(c *sandbox.Credential) { c.HourlyLimit = 1_000_000 }))
		f.equal()
	})
}

func pullRequestScopes(s sync.Summary) (n int) {
	for _, sc := range s.Scopes {
		if strings.HasSuffix(sc.Scope, "/pull-requests") {
			n++
		}
	}
	return n
}

func TestSwitchingPullRequestsOffDeletesNone(t *testing.T) {
	each(t, small(), func(t *testing.T, f *fixture) {
		first := f.sync(sync.RunOptions{}, sync.Complete)
		c, err := f.store.Connection(t.Context(), "acme")
		f.must(err)
		off := "false"
		_, err = f.store.UpdateConnection(t.Context(), c.ID, store.ConnectionUpdate{Settings: map[string]*string{"pull-requests": &off}})
		f.must(err)
		s := f.sync(sync.RunOptions{}, sync.Complete)
		if got, want := s.Objects["bitbucket_pull_request"], first.Objects["bitbucket_pull_request"]; got != want || s.Changes.Deleted != 0 {
			t.Errorf("%d pull requests, %d before; deleted %d", got, want, s.Changes.Deleted)
		}
		for _, sc := range s.Scopes {
			if strings.HasSuffix(sc.Scope, "/pull-requests") && sc.Status != "disabled" {
				t.Errorf("%s is %s, want disabled", sc.Title, sc.Status)
			}
		}
	})
}

func TestAWindowClosesNothing(t *testing.T) {
	each(t, small(), func(t *testing.T, f *fixture) {
		first := f.sync(sync.RunOptions{}, sync.Complete)
		s := f.sync(sync.RunOptions{Since: time.Minute}, sync.Complete)
		if s.Changes.Deleted != 0 || s.Objects["bitbucket_pull_request"] != first.Objects["bitbucket_pull_request"] {
			t.Errorf("a window of a minute changed the graph: %+v", s.Changes)
		}
		for _, sc := range s.Scopes {
			if strings.HasSuffix(sc.Scope, "/pull-requests") && sc.Status != "windowed" {
				t.Errorf("%s is %s, want windowed", sc.Title, sc.Status)
			}
		}
	})
}

// TestAWindowOnAnEmptyGraphReadsWhatIsOpen: --history none means what is open or was updated in the last day.
func TestAWindowOnAnEmptyGraphReadsWhatIsOpen(t *testing.T) {
	each(t, small(), func(t *testing.T, f *fixture) {
		f.sync(sync.RunOptions{Since: time.Hour}, sync.Complete)
		want := map[string]bool{}
		for key, line := range f.oracle.read().entities {
			if strings.Contains(key, ":pr:") && strings.Contains(line, "OPEN") {
				want[key] = true
			}
		}
		for key := range stored(t, f.store).entities {
			if strings.Contains(key, ":pr:") && !want[key] {
				t.Errorf("%s is neither open nor new, but was read", key)
			}
			delete(want, key)
		}
		for key := range want {
			t.Errorf("%s is open and was not read", key)
		}
	})
}

func TestUnknownWorkspaceFailsWithANearName(t *testing.T) {
	onCloud(t, small(), func(t *testing.T, f *fixture) {
		f.connect("typo", map[string]string{"workspaces": "acmee"})
		s, err := f.engine.Run(t.Context(), "typo", sync.RunOptions{Drain: true}, nil)
		if err == nil || s.Status != sync.Failed || !strings.Contains(err.Error(), "acme") {
			t.Errorf("status %s, error %v; want failed with the near name", s.Status, err)
		}
	})
}

func TestTwoRunsOfOneConnectionExcludeEachOther(t *testing.T) {
	each(t, small(), func(t *testing.T, f *fixture) {
		fence, err := f.store.AcquireLease(t.Context(), "connection/1", "somebody", time.Hour)
		f.must(err)
		_, err = f.engine.Run(t.Context(), "acme", sync.RunOptions{Drain: true}, nil)
		if !fault.Is(err, fault.Conflict) {
			t.Errorf("second run: %v, want a conflict", err)
		}
		f.must(f.store.ReleaseLease(t.Context(), fence))
		f.sync(sync.RunOptions{}, sync.Complete)
	})
}

func TestBacklogWorksOffWhatARunQueued(t *testing.T) {
	each(t, small(), func(t *testing.T, f *fixture) {
		if _, err := f.engine.Run(t.Context(), "acme", sync.RunOptions{}, nil); err != nil {
			t.Fatal(err)
		}
		done, err := f.engine.Backlog(t.Context(), "acme", time.Hour, nil, nil)
		if err != nil || !done {
			t.Fatalf("backlog: done %v, error %v", done, err)
		}
		f.equal()
	})
}

// A credential that the check before a run has refused is not tried by what the run leaves behind either, and that
// pass says so too.
func TestBacklogDoesWithoutWhatWasRefused(t *testing.T) {
	each(t, small(), func(t *testing.T, f *fixture) {
		if _, err := f.engine.Run(t.Context(), "acme", sync.RunOptions{}, nil); err != nil {
			t.Fatal(err)
		}
		conn, err := f.store.Connection(t.Context(), "acme")
		f.must(err)
		refused := store.Credential{ConnectionID: conn.ID, Kind: "token", Secret: "dead"}
		dead, err := f.store.AddCredential(t.Context(), refused)
		f.must(err)
		done, err := f.engine.Backlog(t.Context(), "acme", time.Hour, map[int64]string{dead.ID: "a credential was not used: dead"}, nil)
		if err != nil || !done {
			t.Fatalf("backlog: done %v, error %v", done, err)
		}
		runs, err := f.store.Runs(t.Context(), store.RunFilter{Limit: 1})
		f.must(err)
		if len(runs) != 1 || !strings.Contains(runs[0].Summary, "a credential was not used: dead") {
			t.Errorf("the summary does not say it: %+v", runs)
		}
		f.equal()
	})
}
