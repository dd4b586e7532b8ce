package bitbucket

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

const (
	window       = time.Hour // of the vendor's limits (FACTS 37)
	firstRest    = time.Minute
	longestRest  = 16 * time.Minute
	longestAfter = 2 * time.Hour // what a Retry-After may ask for at most
	// A Data Center's allowance comes back by the second (FACTS 141); its own client falls back to five (FACTS 142).
	firstPause   = 5 * time.Second
	longestPause = 5 * time.Minute
)

// restAfter returns how long an account rests after a 429. The vendor mostly sends no Retry-After; where it does, it
// is seconds or a date (FACTS 44). Without it the account rests until its oldest call is an hour old (HARD-PARTS A,
// budget memory). If the call that then finds out is refused too, somebody else spends the allowance at times that we
// do not know: it rests for 1, 2, 4 … 16 minutes between further ones.
func (acc *account) restAfter(a answer, probe bool) time.Duration {
	if d, ok := retryAfter(a.header, a.sentAt); ok {
		return min(max(d, time.Second), longestAfter)
	}
	growing := func(first, longest time.Duration) time.Duration {
		return min(first<<min(acc.refused, 10), longest)
	}
	switch {
	case acc.assumed <= 0:
		return growing(firstPause, longestPause)
	case probe:
		return growing(firstRest, longestRest)
	}
	// A minute more, since calls are counted by the minute.
	return min(max(acc.oldest.Add(window+time.Minute).Sub(a.sentAt), firstRest), window+time.Minute)
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
