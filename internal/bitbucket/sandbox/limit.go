package sandbox

import (
	"net/http"
	"strconv"
	"sync"
	"time"
)

// limiter keeps the times of the last requests of every principal and resource group, so that its hour really rolls:
// a request is let in when fewer than the allowance were let in during the hour before it (FACTS 37 to 45).
type limiter struct {
	mu     sync.Mutex
	limits Limits
	rings  map[string]*ring
}

// ring holds the times of the newest requests that were let in; its size is the allowance.
type ring struct {
	at   []int64
	next int
}

func newLimiter(l Limits) *limiter {
	return &limiter{limits: l, rings: map[string]*ring{}}
}

// verdictOf is what the limiter says to one request.
type verdictOf struct {
	ok    bool
	limit int
	near  bool          // less than a fifth is left (FACTS 42)
	wait  time.Duration // until the next one is let in
}

func (l *limiter) take(principal, group string, allowance int, now time.Time) verdictOf {
	l.mu.Lock()
	defer l.mu.Unlock()
	key := group + " " + principal
	r := l.rings[key]
	if r == nil || cap(r.at) != allowance {
		r = &ring{at: make([]int64, 0, allowance)}
		l.rings[key] = r
	}
	t := now.UnixMicro()
	v := verdictOf{limit: allowance}
	if len(r.at) == allowance {
		oldest := r.at[r.next]
		if free := oldest + hour; free > t {
			v.wait = time.Duration(free-t) * time.Microsecond
			v.near = true
			return v
		}
		r.at[r.next] = t
		r.next = (r.next + 1) % allowance
	} else {
		r.at = append(r.at, t)
	}
	used := 0
	for _, at := range r.at {
		if at+hour > t {
			used++
		}
	}
	v.ok = true
	v.near = (allowance-used)*5 < allowance
	return v
}

// tooMany is the recorded answer: plain text, no JSON (FACTS 44).
func tooMany(l Limits, wait time.Duration, now time.Time) *failure {
	f := plainText(http.StatusTooManyRequests, "Rate limit for this resource has been exceeded")
	switch l.RetryAfter {
	case "seconds":
		f.header = map[string]string{"Retry-After": strconv.Itoa(int(wait/time.Second) + 1)}
	case "date":
		f.header = map[string]string{"Retry-After": now.Add(wait + time.Second).UTC().Format(http.TimeFormat)}
	}
	return f
}
