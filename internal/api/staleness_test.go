package api

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/windlass-hq/windlass/client"
	"github.com/windlass-hq/windlass/internal/store"
)

func TestStaleness(t *testing.T) {
	now := time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
	ago := func(d time.Duration) *time.Time { at := now.Add(-d); return &at }
	at := rhythm{every: 70 * time.Minute, now: now} // an hour, and ten minutes for a run
	type known struct {
		store.ScopeTotals
		store.ScopeReads
	}
	totals := []known{
		{store.ScopeTotals{Listing: "branch-restrictions", Scopes: 2, Complete: 2}, store.ScopeReads{Oldest: ago(25 * time.Hour)}},
		{store.ScopeTotals{Listing: "environments", Scopes: 1, Complete: 1}, store.ScopeReads{Oldest: ago(29 * 24 * time.Hour)}},
		{store.ScopeTotals{Listing: "pull-requests", Scopes: 6, Complete: 1, Windowed: 1, Partial: 1, Denied: 1, Unread: 1, Disabled: 1, NeverComplete: 3}, store.ScopeReads{Never: 2, Oldest: ago(26 * time.Hour)}},
		{store.ScopeTotals{Listing: "repositories", Scopes: 1, Complete: 1}, store.ScopeReads{Oldest: ago(10 * time.Minute)}},
		{store.ScopeTotals{Listing: "user-permissions", Scopes: 1, Disabled: 1}, store.ScopeReads{}},
		{store.ScopeTotals{Listing: "webhooks", Scopes: 1, Complete: 1}, store.ScopeReads{Oldest: ago(7 * 24 * time.Hour)}},
	}
	judged := func(p rhythm) []client.Staleness {
		var out []client.ListingTotals
		for _, t := range totals {
			out = append(out, totalsOf(t.ScopeTotals, t.ScopeReads, p))
		}
		return staleness(out)
	}
	const day = 24 * 60 * 60
	want := []client.Staleness{
		{Listing: "branch-restrictions", Listings: 2, Oldest: ago(25 * time.Hour), AtMost: day + 70*60},
		{Listing: "environments", Listings: 1, Oldest: ago(29 * 24 * time.Hour), AtMost: 28*day + 70*60, Overdue: true},
		{Listing: "pull-requests", Listings: 5, Unread: 2, Oldest: ago(26 * time.Hour), AtMost: day + 70*60, Overdue: true},
		{Listing: "repositories", Listings: 1, Oldest: ago(10 * time.Minute), AtMost: 70 * 60},
		{Listing: "webhooks", Listings: 1, Oldest: ago(7 * 24 * time.Hour), AtMost: 7*day + 70*60},
	}
	if diff := cmp.Diff(judged(at), want); diff != "" {
		t.Errorf("(-got +want):\n%s", diff)
	}
	for _, st := range judged(rhythm{now: now}) {
		if st.AtMost != 0 || st.Overdue {
			t.Errorf("without an interval nothing is promised, but %+v", st)
		}
	}
}

// TestPeriod wants the widest gap: who reads on weekdays at three is three days behind on Monday.
func TestPeriod(t *testing.T) {
	now := time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
	for interval, want := range map[string]time.Duration{
		"disabled": 0, "30m": 30 * time.Minute, "7d": 7 * 24 * time.Hour, "0 3 * * 1-5": 3 * 24 * time.Hour, "@daily": 24 * time.Hour,
	} {
		if got := period(interval, now); got != want {
			t.Errorf("%s: got %s, want %s", interval, got, want)
		}
	}
}
