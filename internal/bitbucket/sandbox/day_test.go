package sandbox_test

import (
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/windlass-hq/windlass/internal/bitbucket/sandbox"
)

// lived is a sandbox after some days on a clock of its own.
func lived(t testing.TB, product string, seed uint64, days int) (*sandbox.Sandbox, []sandbox.Act) {
	t.Helper()
	begin := time.Date(2026, 9, 10, 0, 0, 0, 0, time.UTC)
	var passed atomic.Int64 // days; deliveries to webhooks read the clock, too
	clock := func() time.Time { return begin.Add(time.Duration(passed.Load()) * 24 * time.Hour) }
	s, err := sandbox.New(sandbox.Options{Repositories: 16, PullRequests: 120, Users: 20, TempDir: t.TempDir(), Clock: clock})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	var all []sandbox.Act
	for n := range days {
		passed.Add(1)
		now := clock()
		acts, err := s.Day(sandbox.DayOptions{Product: product, Seed: seed, Day: n})
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range acts {
			if a.At.Before(now.Add(-24*time.Hour)) || a.At.After(now) {
				t.Errorf("day %d: an act at %s, want one of the day before %s", n, a.At, now)
			}
		}
		all = append(all, acts...)
	}
	return s, all
}

func TestADayFollowsFromItsSeed(t *testing.T) {
	for _, product := range []string{"cloud", "datacenter"} {
		if testing.Short() && product != "cloud" { // under the race detector one is enough
			continue
		}
		t.Run(product, func(t *testing.T) {
			days := 3
			if testing.Short() {
				days = 1
			}
			first, one := lived(t, product, 7, days)
			second, two := lived(t, product, 7, days)
			if diff := cmp.Diff(one, two); diff != "" {
				t.Errorf("the same days are not the same (-first +second):\n%s", diff)
			}
			if diff := cmp.Diff(first.Truth(), second.Truth()); diff != "" {
				t.Errorf("what is true on the Cloud after them differs (-first +second):\n%s", diff)
			}
			if diff := cmp.Diff(first.DataCenter().Truth(), second.DataCenter().Truth()); diff != "" {
				t.Errorf("what is true on Data Center after them differs (-first +second):\n%s", diff)
			}
			_, other := lived(t, product, 8, days)
			if cmp.Equal(one, other) {
				t.Error("another seed gives the same days")
			}
		})
	}
}

// TestDaysHaveEveryKindOfAct: in thirty days everything happens, and hardly anything is refused.
func TestDaysHaveEveryKindOfAct(t *testing.T) {
	common := []string{
		"push", "open", "approve", "unapprove", "comment", "merge", "decline", "update", "create/repository", "rename/repository", "move/repository",
		"delete/repository", "public", "default-branch", "create/project", "rename/project", "create/user", "delete/user", "rename/user", "group/create",
		"group/delete", "group/add-member", "group/remove-member", "grant", "restriction/set", "restriction/delete", "reviewers/set", "hook/add",
		"hook/change", "hook/delete", "key/add", "key/delete",
	}
	own := map[string][]string{
		"cloud":      {"request-changes", "member/add", "member/remove", "environment/add", "environment/delete"},
		"datacenter": {"needs-work", "reopen", "archive/repository", "default-permission"},
	}
	for product, more := range own {
		t.Run(product, func(t *testing.T) {
			_, acts := lived(t, product, 7, 30)
			done, refused := map[string]int{}, 0
			for _, a := range acts {
				if a.Refused != "" {
					refused++
					continue
				}
				done[strings.TrimPrefix(a.Command, "dc/")]++
			}
			for _, c := range append(common, more...) {
				if done[c] == 0 {
					t.Errorf("nobody ever did %s", c)
				}
			}
			if refused*20 > len(acts) {
				t.Errorf("%d of %d acts were refused", refused, len(acts))
			}
			t.Logf("%d acts, %d refused: %v", len(acts), refused, done)
		})
	}
}
