package bitbucket

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

// spending counts the requests of the last rolling hour by minute (FACTS 37: limits are per rolling hour).
type spending struct {
	minutes [60]int
	stamps  [60]int64 // the minute since the epoch that each slot counts
}

func (s *spending) add(at time.Time) {
	m := at.Unix() / 60
	slot := int(m % 60)
	if s.stamps[slot] != m {
		s.stamps[slot], s.minutes[slot] = m, 0
	}
	s.minutes[slot]++
}

// sum returns how many requests fall into the hour before now, and the minute of the oldest.
func (s *spending) sum(now time.Time) (n int, oldest time.Time) {
	m := now.Unix() / 60
	first := int64(0)
	for i, stamp := range s.stamps {
		if s.minutes[i] == 0 || stamp <= m-60 || stamp > m {
			continue
		}
		n += s.minutes[i]
		if first == 0 || stamp < first {
			first = stamp
		}
	}
	if n == 0 {
		return 0, now
	}
	return n, time.Unix(first*60, 0)
}

func (pr *principal) count(at time.Time) {
	pr.mu.Lock()
	defer pr.mu.Unlock()
	pr.spent.add(at)
}

func (pr *principal) spentAt(now time.Time) int {
	pr.mu.Lock()
	defer pr.mu.Unlock()
	n, _ := pr.spent.sum(now)
	return n
}

const (
	window = time.Hour // of the vendor's limits
	// telling is how many requests of ours make our own record tell when the allowance comes back: close to the
	// lowest published allowance of 1,000 (FACTS 38). With fewer, somebody else spent it too, at times we do not know.
	telling      = 900
	firstRest    = time.Minute
	longestRest  = 16 * time.Minute
	longestAfter = 2 * time.Hour // what a Retry-After may ask for at most
)

// restAfter returns how long the principal rests after a 429. The vendor mostly sends no Retry-After; where it does,
// it is seconds or a date (FACTS 44). Without it the principal rests until its oldest request is an hour old
// (HARD-PARTS A, budget memory); where our record is too short to tell, for 1, 2, 4 … 16 minutes between probes.
func (pr *principal) restAfter(a answer) time.Duration {
	if d, ok := retryAfter(a.header, a.sentAt); ok {
		return min(max(d, time.Second), longestAfter)
	}
	pr.mu.Lock()
	n, oldest := pr.spent.sum(a.sentAt)
	pr.mu.Unlock()
	if n >= telling {
		return max(oldest.Add(window+time.Minute).Sub(a.sentAt), firstRest)
	}
	pr.rest = min(max(2*pr.rest, firstRest), longestRest)
	return pr.rest
}

// retryAfter reads Retry-After as seconds or as an HTTP date. The date is compared with the answer's own Date where
// there is one, so that a wrong clock on either side does no harm.
func retryAfter(h http.Header, now time.Time) (time.Duration, bool) {
	v := strings.TrimSpace(h.Get("Retry-After"))
	if v == "" {
		return 0, false
	}
	if n, err := strconv.ParseInt(v, 10, 64); err == nil {
		if n < 0 {
			return 0, false
		}
		return time.Duration(min(n, int64(longestAfter/time.Second))) * time.Second, true
	}
	t, err := http.ParseTime(v)
	if err != nil {
		return 0, false
	}
	if d, err := http.ParseTime(h.Get("Date")); err == nil {
		now = d
	}
	return max(t.Sub(now), 0), true
}
