package sync_test

import (
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/windlass-hq/windlass/internal/fault"
	"github.com/windlass-hq/windlass/internal/sync"
)

// both makes a connection "both" with a credential that sees everything and one that sees a project, in either order,
// and reads it.
func (f *fixture) both(t *testing.T, narrowFirst bool) {
	t.Helper()
	all, narrow := f.side.credential(), f.side.narrow(f)
	if narrowFirst {
		all, narrow = narrow, all
	}
	f.connectAs("both", nil, all, narrow)
	if s := f.run(t, sync.RunOptions{}); s.Status != sync.Complete {
		t.Fatalf("first run: %s (%+v)", s.Status, s.Scopes)
	}
}

func (f *fixture) run(t *testing.T, o sync.RunOptions) sync.Summary {
	t.Helper()
	o.Drain, o.NoWait = true, true
	s, err := f.engine.Run(t.Context(), "both", o, nil)
	if err != nil && !fault.Is(err, fault.Limited) {
		t.Fatal(err)
	}
	return s
}

func noneClosed(t *testing.T, when string, s sync.Summary) {
	t.Helper()
	if s.Changes.Deleted != 0 || s.Hidden != 0 || s.Held != 0 {
		t.Errorf("%s: %d deleted, %d hidden, %d held; want none", when, s.Changes.Deleted, s.Hidden, s.Held)
	}
}

// TestTwoTokensOfDifferentSightNeverDelete: one token sees everything, a second sees one project, and the first is
// limited in mid-listing, wherever that is (HARD-PARTS A, who proves absence).
func TestTwoTokensOfDifferentSightNeverDelete(t *testing.T) {
	each(t, small(), func(t *testing.T, f *fixture) {
		f.both(t, true)
		before := len(stored(t, f.store).entities)
		secret := f.side.credential().Secret
		for _, pass := range []int64{0, 1, 2, 3, 4, 5, 7, 12} {
			var asked atomic.Int64
			limited := func(r *http.Request) bool {
				return strings.Contains(r.Header.Get("Authorization"), secret) && asked.Add(1) > pass
			}
			f.limited.Store(&limited)
			noneClosed(t, "limited", f.run(t, sync.RunOptions{ConfirmDeletes: "all"}))
			if got := len(stored(t, f.store).entities); got != before {
				t.Fatalf("limited after %d calls: %d entities, %d before", pass, got, before)
			}
		}
		f.limited.Store(nil)
		if s := f.run(t, sync.RunOptions{}); s.Status != sync.Complete {
			t.Errorf("once both could be asked again: %s", s.Status)
		}
		f.equal()
		names, pulls := f.oracle.repositories()
		repo := withPulls(t, names, pulls, 3)
		f.must(f.deeds.DeletePullRequest(repo, pulls[repo][0]))
		if s := f.run(t, sync.RunOptions{}); s.Changes.Deleted != 1 {
			for _, sc := range s.Scopes {
				if sc.Status != sync.Complete || sc.Reason != "" {
					t.Logf("%s is %s: %s", sc.Title, sc.Status, sc.Reason)
				}
			}
			t.Errorf("deleted = %d, hidden = %d after one deletion, want 1 and none (%s)", s.Changes.Deleted, s.Hidden, s.Status)
		}
		f.equal()
	})
}

// TestARevokedCredentialDeletesNothing: what only a revoked token saw is not gone.
func TestARevokedCredentialDeletesNothing(t *testing.T) {
	each(t, small(), func(t *testing.T, f *fixture) {
		f.both(t, false)
		before := len(stored(t, f.store).entities)
		f.must(f.side.revoke(f.sandbox, false))
		for range 2 {
			s := f.run(t, sync.RunOptions{ConfirmDeletes: "all"})
			noneClosed(t, "revoked", s)
			if s.Status == sync.Complete {
				t.Error("a run that could not tell what became of most objects calls itself complete")
			}
		}
		if got := len(stored(t, f.store).entities); got != before {
			t.Errorf("%d entities, %d before", got, before)
		}
	})
}

// TestARemovedCredentialHides: once its owner has removed the credential that saw them, objects are no longer visible,
// which a person confirms; nobody knows that they were deleted.
func TestARemovedCredentialHides(t *testing.T) {
	each(t, small(), func(t *testing.T, f *fixture) {
		conn, err := f.store.Connection(t.Context(), "acme")
		f.must(err)
		_, err = f.store.RemoveConnection(t.Context(), conn.Name) // it would go on seeing everything
		f.must(err)
		f.both(t, false)
		conn, err = f.store.Connection(t.Context(), "both")
		f.must(err)
		credentials, err := f.store.Credentials(t.Context(), conn.ID)
		f.must(err)
		f.must(f.store.RemoveCredential(t.Context(), conn.ID, credentials[0].ID))
		s := f.run(t, sync.RunOptions{})
		if s.Changes.Deleted != 0 || s.Hidden != 0 || s.Held == 0 {
			t.Errorf("%d deleted, %d hidden, %d held before anybody said so; want none but the last", s.Changes.Deleted, s.Hidden, s.Held)
		}
		s = f.run(t, sync.RunOptions{ConfirmDeletes: "all"})
		if s.Changes.Deleted != 0 || s.Hidden == 0 {
			t.Errorf("%d deleted, %d hidden; want none and some", s.Changes.Deleted, s.Hidden)
		}
	})
}
