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
	scope := func(listing string, state store.LedgerState, until, complete *time.Time) store.ScopeStatus {
		s := store.ScopeStatus{State: state, Scope: store.Scope{ScopeKey: store.ScopeKey{Listing: listing}, LastComplete: complete}}
		if until != nil {
			s.Until = *until
		}
		return s
	}
	scopes := []store.ScopeStatus{
		scope("repositories", store.LedgerComplete, ago(10*time.Minute), ago(10*time.Minute)),
		scope("pull-requests", store.LedgerComplete, ago(5*time.Minute), ago(5*time.Minute)),
		scope("pull-requests", store.LedgerWindowed, ago(20*time.Minute), nil),
		scope("pull-requests", store.LedgerPartial, ago(time.Minute), ago(3*time.Hour)), // tried lately, read long ago
		scope("pull-requests", store.LedgerDenied, ago(time.Minute), nil),
		scope("pull-requests", "", nil, nil),
		scope("permissions", store.LedgerDisabled, ago(time.Minute), nil),
		scope(store.MetListing, "", nil, nil),
	}
	at := rhythm{every: 70 * time.Minute, now: now} // an hour, and ten minutes for a run
	want := []client.Staleness{
		{Listing: "pull-requests", Listings: 5, Unread: 2, Oldest: ago(3 * time.Hour), AtMost: 70 * 60, Overdue: true},
		{Listing: "repositories", Listings: 1, Oldest: ago(10 * time.Minute), AtMost: 70 * 60},
	}
	if diff := cmp.Diff(staleness(scopes, at), want); diff != "" {
		t.Errorf("(-got +want):\n%s", diff)
	}
	for _, st := range staleness(scopes, rhythm{now: now}) {
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
