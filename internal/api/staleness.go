package api

import (
	"slices"
	"time"

	"github.com/windlass-hq/windlass/client"
	"github.com/windlass-hq/windlass/internal/config"
	"github.com/windlass-hq/windlass/internal/job"
	"github.com/windlass-hq/windlass/internal/store"
)

// staleness says for each kind of listing how old what is known can be. The age is that of the listing that was read to
// its end the longest time ago. While runs are on time none gets older than the interval and what a run takes: a run
// that has just begun to read saw nothing newer than its beginning, and the next one has read the same by its end.
func staleness(interval string, scopes []store.ScopeStatus, last *client.Run, now time.Time) []client.Staleness {
	byListing := map[string]*client.Staleness{}
	var order []string
	for _, sc := range scopes {
		if sc.Listing == store.MetListing || sc.State == store.LedgerDisabled {
			continue
		}
		st := byListing[sc.Listing]
		if st == nil {
			st = &client.Staleness{Listing: sc.Listing}
			byListing[sc.Listing] = st
			order = append(order, sc.Listing)
		}
		st.Listings++
		read, ok := readAt(sc)
		if !ok {
			st.Unread++
			continue
		}
		if st.Oldest == nil || read.Before(*st.Oldest) {
			st.Oldest = &read
		}
	}
	every := period(interval, now)
	if every > 0 && last != nil && last.EndedAt != nil {
		every += last.EndedAt.Sub(last.StartedAt)
	}
	slices.Sort(order)
	out := []client.Staleness{}
	for _, name := range order {
		st := byListing[name]
		st.AtMost = int64(every / time.Second)
		st.Overdue = every > 0 && st.Oldest != nil && now.Sub(*st.Oldest) > every
		out = append(out, *st)
	}
	return out
}

// readAt is when a listing was last read to its end; a reading with a window counts, since what it leaves out is known.
func readAt(sc store.ScopeStatus) (time.Time, bool) {
	switch {
	case sc.State == store.LedgerComplete || sc.State == store.LedgerWindowed:
		return sc.Until, true
	case sc.LastComplete != nil:
		return *sc.LastComplete, true
	}
	return time.Time{}, false
}

// period is the longest time between two runs of an interval; zero where nothing is scheduled. Cron expressions may
// skip a night or a weekend, so the widest gap of the coming weeks counts.
func period(text string, now time.Time) time.Duration {
	interval, err := job.ParseInterval(text)
	if err != nil || interval.Disabled() {
		return 0
	}
	if every, err := config.ParseDuration(text); err == nil {
		return every // runs come up to a tenth earlier
	}
	var widest time.Duration
	at := interval.Next(now, "")
	for range 50 {
		next := interval.Next(at, "")
		if next.IsZero() {
			break
		}
		if widest = max(widest, next.Sub(at)); next.Sub(now) > 32*24*time.Hour {
			break
		}
		at = next
	}
	return widest
}
