package sandbox

import (
	"net/http"
	"strconv"
	"time"
)

// bucket is the token bucket of one user (FACTS 141).
type bucket struct {
	left float64
	at   time.Time
}

// dcSpend takes one token from the caller's bucket. It holds for REST and for git over HTTP; callers who are not
// signed in have no bucket.
func (s *Sandbox) dcSpend(c *dcCredential) *failure {
	if !s.opts.RateLimit || c == nil {
		return nil
	}
	l := s.opts.Limits
	d := s.dc()
	now := s.clock()
	d.guard.Lock()
	defer d.guard.Unlock()
	b := d.buckets[c.user.login]
	if b == nil {
		b = &bucket{left: float64(l.DCCapacity), at: now}
		d.buckets[c.user.login] = b
	}
	if passed := now.Sub(b.at); passed > 0 {
		b.left = min(float64(l.DCCapacity), b.left+passed.Seconds()*float64(l.DCFill))
		b.at = now
	}
	if b.left >= 1 {
		b.left--
		return nil
	}
	wait := time.Duration((1 - b.left) / float64(l.DCFill) * float64(time.Second))
	return dcTooMany(l, wait, now)
}

const dcLimited = "Rate limit exceeded. Too many requests."

// dcTooMany is the answer to a limited call. Its body is not JSON, let alone a page (FACTS 142 and 143).
func dcTooMany(l Limits, wait time.Duration, now time.Time) *failure {
	f := plainText(http.StatusTooManyRequests, dcLimited)
	switch l.RetryAfter {
	case "seconds":
		f.header = map[string]string{
			"Retry-After": strconv.Itoa(int(wait/time.Second) + 1), "X-RateLimit-Limit": strconv.Itoa(l.DCCapacity), "X-RateLimit-Remaining": "0",
			"X-RateLimit-Interval-Seconds": "1", "X-RateLimit-FillRate": strconv.Itoa(l.DCFill),
		}
	case "date":
		f.header = map[string]string{"Retry-After": now.Add(wait + time.Second).UTC().Format(http.TimeFormat)}
	}
	return f
}
