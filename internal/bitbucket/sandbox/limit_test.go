package sandbox_test

import (
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/windlass-hq/windlass/internal/bitbucket/sandbox"
)

// clock is a clock that stands still until it is moved.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func newClock() *clock { return &clock{t: time.Date(2026, 9, 2, 12, 0, 0, 0, time.UTC)} }

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

func TestTheHourOfALimitRolls(t *testing.T) {
	c := newClock()
	s, base := start(t, sandbox.Options{RateLimit: true, Limits: sandbox.Limits{API: 10}, Clock: c.now})
	target := base + "/2.0/repositories/acme?pagelen=1"
	ask := func(bearer string) int {
		resp, body := get(t, bearer, target)
		if resp.StatusCode == http.StatusTooManyRequests {
			if got := string(body); got != "Rate limit for this resource has been exceeded" || resp.Header.Get("Retry-After") != "" {
				t.Errorf("429 says %q, Retry-After %q", got, resp.Header.Get("Retry-After"))
			}
		}
		return resp.StatusCode
	}
	for i := range 10 { // one every five minutes
		resp, _ := get(t, token, target)
		near := resp.Header.Get("X-RateLimit-NearLimit")
		if resp.StatusCode != http.StatusOK || resp.Header.Get("X-RateLimit-Limit") != "10" || near != fmt.Sprint(i >= 8) {
			t.Errorf("call %d: %s, limit %s, near %s", i+1, resp.Status, resp.Header.Get("X-RateLimit-Limit"), near)
		}
		c.advance(5 * time.Minute)
	}
	if got := ask(token); got != http.StatusTooManyRequests {
		t.Errorf("call 11 after 50 minutes: %d, want 429", got)
	}
	if got := ask("sandbox-cloud-token-2"); got != http.StatusOK {
		t.Errorf("another principal: %d, want 200", got)
	}
	c.advance(10 * time.Minute) // the first call is an hour old now
	if first, second := ask(token), ask(token); first != http.StatusOK || second != http.StatusTooManyRequests {
		t.Errorf("after an hour: %d and %d, want 200 and 429", first, second)
	}
	if got := s.Stats().Requests; got.Limited != 2 || got.Total != 14 || got.ByCredential["access-token"] != 13 {
		t.Errorf("statistics %+v", got)
	}
}

func TestRetryAfterComesInEveryForm(t *testing.T) {
	for _, form := range []string{"seconds", "date"} {
		c := newClock()
		_, base := start(t, sandbox.Options{RateLimit: true, Limits: sandbox.Limits{API: 1, RetryAfter: form}, Clock: c.now})
		get(t, token, base+"/2.0/user")
		resp, _ := get(t, token, base+"/2.0/user")
		got := resp.Header.Get("Retry-After")
		wait, err := strconv.Atoi(got)
		if form == "date" {
			at, e := http.ParseTime(got)
			wait, err = int(at.Sub(c.now())/time.Second), e
		}
		if err != nil || wait < 3600 || wait > 3602 {
			t.Errorf("%s: Retry-After %q", form, got)
		}
	}
}

func TestConsumersHaveAllowancesOfTheirOwnAndAnonymousOnesPerAddress(t *testing.T) {
	c := newClock()
	_, base := start(t, sandbox.Options{RateLimit: true, Limits: sandbox.Limits{API: 2, Anonymous: 1}, Clock: c.now})
	a := oauthToken(t, base+"/site/oauth2/access_token", "sandbox-key", "sandbox-secret")
	b := oauthToken(t, base+"/site/oauth2/access_token", "sandbox-key", "sandbox-secret")
	other := oauthToken(t, base+"/site/oauth2/access_token", "sandbox-key-2", "sandbox-secret-2")
	var got []int
	for _, bearer := range []string{a, b, a, other, "", ""} {
		resp, _ := get(t, bearer, base+"/2.0/repositories/acme")
		got = append(got, resp.StatusCode)
	}
	if fmt.Sprint(got) != "[200 200 429 200 200 429]" {
		t.Errorf("statuses %v: two tokens of one consumer must share its allowance", got)
	}
}
