package sync_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/windlass-hq/windlass/internal/bitbucket/sandbox"
	"github.com/windlass-hq/windlass/internal/store"
	"github.com/windlass-hq/windlass/internal/sync"
)

// due runs the connection as its schedule does, without the background work that it leaves behind.
func (f *fixture) due() sync.Summary {
	f.t.Helper()
	s, err := f.engine.Run(f.t.Context(), "acme", sync.RunOptions{}, nil)
	if err != nil {
		f.t.Fatalf("run: %v", err)
	}
	return s
}

// background does the work that runs left, to its end.
func (f *fixture) background() {
	f.t.Helper()
	done, err := f.engine.Backlog(f.t.Context(), "acme", 1000*time.Hour, nil, nil)
	if err != nil || !done {
		f.t.Fatalf("background work: done %v, error %v", done, err)
	}
}

// pullScopes returns the scopes of pull requests with their newest ledger rows.
func (f *fixture) pullScopes() (out []store.ScopeStatus) {
	f.t.Helper()
	conn, err := f.store.Connection(f.t.Context(), "acme")
	f.must(err)
	all, err := f.store.Scopes(f.t.Context(), conn.ID)
	f.must(err)
	for _, s := range all {
		if s.Listing == "pull-requests" {
			out = append(out, s)
		}
	}
	return out
}

// listed counts the calls of pull-request lists since the last time.
func (f *fixture) listed() int {
	list, _ := f.side.endpoints()
	n := f.sandbox.Stats().Requests.ByEndpoint[list]
	f.sandbox.ResetStats()
	return n
}

// A run that is due reads what is open or new; what it leaves to the background reads the rest, and then every list was
// read to its beginning.
func TestTheBackgroundReadsHistory(t *testing.T) {
	each(t, small(), func(t *testing.T, f *fixture) {
		var phases []string
		f.due()
		done, err := f.engine.Backlog(t.Context(), "acme", 1000*time.Hour, nil, func(e sync.Event) {
			if e.Phase == "pull requests" || e.Phase == "history" {
				phases = append(phases, e.Phase)
			}
		})
		if err != nil || !done {
			t.Fatalf("background work: done %v, error %v", done, err)
		}
		if len(phases) == 0 || phases[0] != "pull requests" || phases[len(phases)-1] != "history" {
			t.Errorf("what is current comes first and history last: %v", phases)
		}
		f.equal()
		for _, s := range f.pullScopes() {
			if s.State != store.LedgerComplete || s.FirstComplete == nil {
				t.Errorf("%s is %s after its history was read", s.Title, s.State)
			}
		}
	})
}

// With a limit to history the background reads as far as that, and says that it is a window.
func TestTheBackgroundKeepsToTheHistoryOption(t *testing.T) {
	each(t, small(), func(t *testing.T, f *fixture) {
		conn, err := f.store.Connection(t.Context(), "acme")
		f.must(err)
		none := "none"
		_, err = f.store.UpdateConnection(t.Context(), conn.ID, store.ConnectionUpdate{Settings: map[string]*string{"history": &none}})
		f.must(err)
		f.due()
		f.background()
		for _, s := range f.pullScopes() {
			if s.State != store.LedgerWindowed {
				t.Errorf("%s is %s, want windowed", s.Title, s.State)
			}
		}
		for key, line := range stored(t, f.store).entities {
			if strings.Contains(key, ":pr:") && !strings.Contains(line, "OPEN") {
				t.Errorf("%s is neither open nor new, but was read: %s", key, line)
			}
		}
	})
}

// Once everything is known, a run that is due asks for what changed since the watermark and finds it, however far the
// clock of Bitbucket is off; repositories where nothing happens are asked once a day.
func TestRunsThatAreDueReadWhatChanged(t *testing.T) {
	for _, skew := range []time.Duration{0, 3 * time.Minute, -3 * time.Minute} {
		t.Run(skew.String(), func(t *testing.T) {
			each(t, tiny(), func(t *testing.T, f *fixture) {
				f.sandbox.SetSkew(skew)
				f.due()
				f.background()
				f.equal()
				f.ahead.Add(int64(time.Hour))
				repository, person := f.somewhere()
				id, err := f.deeds.OpenPullRequest(sandbox.PullRequestSpec{Repository: repository, Title: "fresh", Author: person, Source: "fresh"})
				f.must(err)
				f.listed()
				f.due()
				f.background()
				f.equal()
				hot := f.listed()
				f.ahead.Add(int64(time.Hour))
				f.must(f.deeds.Decline(repository, id, person, "no"))
				f.due()
				f.background()
				f.equal()
				if got := f.listed(); got > hot {
					t.Errorf("%d lists of pull requests an hour later, %d before", got, hot)
				}
			})
		})
	}
}

// A repository without open pull requests and without a change for two weeks is asked once a day.
func TestColdRepositoriesAreListedDaily(t *testing.T) {
	each(t, sandbox.Options{Seed: 5, Repositories: 6, Users: 12, PullRequests: 1}, func(t *testing.T, f *fixture) {
		f.ahead.Add(int64(60 * 24 * time.Hour))
		f.due()
		f.background()
		f.listed()
		f.ahead.Add(int64(time.Hour))
		f.due()
		f.background()
		hourly := f.listed()
		f.ahead.Add(int64(24 * time.Hour))
		f.due()
		f.background()
		if daily := f.listed(); hourly >= 3 || daily < 5 {
			t.Errorf("%d lists after an hour, %d after a day; want next to none and all", hourly, daily)
		}
	})
}

// A listing that did not come to its end moves no watermark: what it missed is read by the next one.
func TestAFailedListingMovesNoWatermark(t *testing.T) {
	each(t, tiny(), func(t *testing.T, f *fixture) {
		f.due()
		f.background()
		before := map[int64]time.Time{}
		for _, s := range f.pullScopes() {
			before[s.ID] = f.scope(s.ID).Watermark
			if before[s.ID].IsZero() {
				t.Fatalf("%s has no watermark", s.Title)
			}
		}
		f.ahead.Add(int64(25 * time.Hour))
		broken := func(r *http.Request) bool {
			return strings.HasSuffix(r.URL.Path, "/pullrequests") || strings.HasSuffix(r.URL.Path, "/pull-requests")
		}
		f.broken.Store(&broken)
		f.due()
		f.background()
		for id, was := range before {
			if got := f.scope(id).Watermark; !got.Equal(was) {
				t.Errorf("scope %d failed, but its watermark moved from %v to %v", id, was, got)
			}
		}
		f.broken.Store(nil)
		f.due()
		f.background()
		for id, was := range before {
			if got := f.scope(id).Watermark; !got.After(was) {
				t.Errorf("scope %d was read, but its watermark stayed at %v", id, got)
			}
		}
	})
}

func (f *fixture) scope(id int64) store.Scope {
	f.t.Helper()
	s, err := f.store.ScopeByID(f.t.Context(), id)
	f.must(err)
	return s
}
