package rig

import (
	"context"
	"net/http"
	"sync"
	"time"
)

// Clock goes as fast as work is done and jumps over every wait: what takes hours of waiting takes seconds. It is safe
// for concurrent use.
//
// When everybody waits cannot be asked of a process. The clock jumps when somebody sleeps, no request is out and none
// has been for stillness: long enough to write down an answer.
type Clock struct {
	began time.Time // on the machine's clock

	mu       sync.Mutex
	ahead    time.Duration // of the machine's clock
	sleepers map[*sleeper]bool
	requests int
	active   time.Time // when the last thing happened, on the machine's clock
}

type sleeper struct {
	wake time.Time
	done chan struct{}
}

// stillness is how long nothing must have happened, and heartbeat how often that is looked at.
const (
	stillness = 40 * time.Millisecond
	heartbeat = 2 * time.Millisecond
)

// NewClock returns a clock that starts now and stands still when the context ends.
func NewClock(ctx context.Context) *Clock {
	c := &Clock{began: time.Now(), sleepers: map[*sleeper]bool{}, active: time.Now()}
	go c.run(ctx)
	return c
}

// Now returns the time.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now()
}

func (c *Clock) now() time.Time { return c.began.Add(time.Since(c.began) + c.ahead) }

// Sleep returns when the time has passed on this clock.
func (c *Clock) Sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	c.mu.Lock()
	s := &sleeper{wake: c.now().Add(d), done: make(chan struct{})}
	c.sleepers[s] = true
	c.active = time.Now()
	c.mu.Unlock()
	select {
	case <-s.done:
		return nil
	case <-ctx.Done():
		c.mu.Lock()
		delete(c.sleepers, s)
		c.mu.Unlock()
		return ctx.Err()
	}
}

// Gate tells the clock of requests that are out.
func (c *Clock) Gate(next http.Handler) http.Handler {
	note := func(n int) {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.requests += n
		c.active = time.Now()
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		note(1)
		defer note(-1)
		next.ServeHTTP(w, r)
	})
}

func (c *Clock) run(ctx context.Context) {
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-beat.C:
			c.beat()
		}
	}
}

// beat wakes who has slept long enough; where nothing else happens it jumps to who wakes first.
func (c *Clock) beat() {
	c.mu.Lock()
	defer c.mu.Unlock()
	var first *sleeper
	woken := false
	for s := range c.sleepers {
		if !s.wake.After(c.now()) {
			c.wake(s)
			woken = true
		} else if first == nil || s.wake.Before(first.wake) {
			first = s
		}
	}
	if woken || first == nil || c.requests > 0 || time.Since(c.active) < stillness {
		return
	}
	c.ahead += max(first.wake.Sub(c.now()), 0)
	c.wake(first)
}

func (c *Clock) wake(s *sleeper) {
	delete(c.sleepers, s)
	close(s.done)
	c.active = time.Now()
}
