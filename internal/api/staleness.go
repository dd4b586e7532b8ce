package api

import (
	"time"

	"github.com/windlass-hq/windlass/client"
	"github.com/windlass-hq/windlass/internal/config"
	"github.com/windlass-hq/windlass/internal/job"
	"github.com/windlass-hq/windlass/internal/store"
	"github.com/windlass-hq/windlass/internal/sync"
)

// staleness says for each kind of listing how old what is known can be. The age is that of the listing that was read to
// its end the longest time ago.
func staleness(totals []client.ListingTotals) []client.Staleness {
	out := []client.Staleness{}
	for _, t := range totals {
		if t.Disabled < t.Scopes {
			out = append(out, client.Staleness{
				Listing: t.Listing, Listings: t.Scopes - t.Disabled, Unread: t.NeverRead, Oldest: t.Oldest, AtMost: t.AtMost, Overdue: t.Overdue,
			})
		}
	}
	return out
}

// rhythm is how often a connection is read.
type rhythm struct {
	every time.Duration // the interval and what a run takes; zero where nothing is scheduled
	now   time.Time
}

// rhythm returns how often a connection is read; runs holds its newest run, if there is one. A run that has just begun to
// read saw nothing newer than its beginning, and the next one has read the same by its end.
func (s *Server) rhythm(c store.Connection, runs []store.Run) rhythm {
	p := rhythm{every: period(c.Interval, s.now()), now: s.now()}
	if p.every > 0 && len(runs) > 0 && runs[0].EndedAt != nil {
		p.every += runs[0].EndedAt.Sub(runs[0].StartedAt)
	}
	return p
}

// judge says how old a listing of a kind gets at most while runs are on time, and whether the oldest one is older. What
// is read by turns has a pace of its own: it is read by the first run after its time has come.
func (p rhythm) judge(listing string, oldest *time.Time) (seconds int64, overdue bool) {
	if p.every == 0 {
		return 0, false
	}
	most := sync.Lag(listing) + p.every
	return int64(most / time.Second), oldest != nil && p.now.Sub(*oldest) > most
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
