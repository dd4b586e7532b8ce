package bitbucket_test

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	_ "time/tzdata" // a zone whose clocks are changed, on any machine

	"pgregory.net/rapid"

	"github.com/windlass-hq/windlass/internal/bitbucket"
	"github.com/windlass-hq/windlass/internal/fault"
	"github.com/windlass-hq/windlass/internal/store"
	"github.com/windlass-hq/windlass/internal/store/storetest"
)

// instance is a Data Center that notes when calls begin and how many are out.
type instance struct {
	latency []time.Duration
	trouble map[int]int // status by number of the call

	mu    sync.Mutex
	begun []time.Time
	out   int
	most  int
}

func (in *instance) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	in.mu.Lock()
	in.begun = append(in.begun, time.Now())
	n := len(in.begun)
	in.out++
	in.most = max(in.most, in.out)
	in.mu.Unlock()
	time.Sleep(in.latency[n%len(in.latency)])
	in.mu.Lock()
	in.out--
	in.mu.Unlock()
	switch status := in.trouble[n]; status {
	case 0:
		answerJSON(w, 200, `{}`)
	case 429:
		limited(w, "1")
	default:
		answerJSON(w, status, `{}`)
	}
}

// windows returns the largest number of calls that began within any second, and how many did in every whole one.
func (in *instance) windows() (most int, histogram map[int]int) {
	histogram = map[int]int{}
	first := 0
	for i, at := range in.begun {
		for at.Sub(in.begun[first]) >= time.Second {
			first++
		}
		most = max(most, i-first+1)
		histogram[int(at.Sub(in.begun[0])/time.Second)]++
	}
	return most, histogram
}

// read sends calls from two processes at once.
func (in *instance) read(t *testing.T, throttle bitbucket.Throttle, pacer bitbucket.Pacer, workers, calls int) {
	t.Helper()
	var wg sync.WaitGroup
	for range 2 {
		c := client(t, in.ServeHTTP, func(o *bitbucket.Options) {
			o.Throttle, o.Pacer, o.Allowances, o.Realm = throttle, pacer, nil, "dc"
		})
		for range workers {
			wg.Go(func() {
				for range calls {
					if _, err := c.Do(t.Context(), bitbucket.Request{Path: "/x"}); err != nil && !fault.Is(err, fault.Unavailable) {
						t.Error(err)
					}
				}
			})
		}
	}
	wg.Wait()
}

// TestAnInstanceIsAskedAtItsPace is the law of being kind to a Data Center: over all processes never more calls in any
// second than the rate (and one that the edges of a second allow), and never more at once than may be.
func TestAnInstanceIsAskedAtItsPace(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		in := &instance{
			latency: rapid.SliceOfN(rapid.Custom(func(rt *rapid.T) time.Duration {
				return time.Duration(rapid.IntRange(0, 3000).Draw(rt, "ms")) * time.Millisecond
			}), 1, 6).Draw(rt, "latency"),
			trouble: map[int]int{},
		}
		for range rapid.IntRange(0, 4).Draw(rt, "troubles") {
			in.trouble[rapid.IntRange(1, 60).Draw(rt, "call")] = rapid.SampledFrom([]int{429, 503, 500}).Draw(rt, "status")
		}
		throttle := bitbucket.Throttle{InFlight: rapid.IntRange(1, 6).Draw(rt, "in flight"), PerSecond: float64(rapid.IntRange(1, 12).Draw(rt, "rate"))}
		workers, calls := rapid.IntRange(1, 4).Draw(rt, "workers"), rapid.IntRange(1, 12).Draw(rt, "calls")
		synctest.Test(t, func(t *testing.T) {
			in.read(t, throttle, store.NewVolatile(time.Now), workers, calls)
		})
		if got, want := len(in.begun), 2*workers*calls; got < want {
			rt.Errorf("%d calls, want %d", got, want)
		}
		if most, _ := in.windows(); most > int(throttle.PerSecond)+1 {
			rt.Errorf("%d calls began within a second, want at most %v and one", most, throttle.PerSecond)
		}
		if in.most > throttle.InFlight {
			rt.Errorf("%d calls were out at once, want at most %d", in.most, throttle.InFlight)
		}
	})
}

// TestAnInstanceIsAskedAtItsPaceOverADatabase prints the histogram of two processes that meet in the database alone.
func TestAnInstanceIsAskedAtItsPaceOverADatabase(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := storetest.SQLite(t).Open(t, storetest.WithNow(time.Now))
		in := &instance{latency: []time.Duration{20 * time.Millisecond, 700 * time.Millisecond}}
		in.read(t, bitbucket.DefaultThrottle(), s, 4, 10)
		most, histogram := in.windows()
		if most > 6 || in.most > 4 {
			t.Errorf("%d calls within a second and %d at once, want at most 5 (6 at the edges) and 4", most, in.most)
		}
		took := in.begun[len(in.begun)-1].Sub(in.begun[0])
		if took > 20*time.Second {
			t.Errorf("80 calls at 5 a second took %s", took)
		}
		t.Logf("%d calls in %s, at most %d within any second, %d at once; per second %v", len(in.begun), took, most, in.most, histogram)
	})
}

func TestTroubleSlowsCallsDownAndCalmBringsThePaceBack(t *testing.T) {
	for name, tc := range map[string]struct {
		trouble func(in *instance, n int)
	}{
		"503":     {func(in *instance, n int) { in.trouble[n] = 503 }},
		"429":     {func(in *instance, n int) { in.trouble[n] = 429 }},
		"latency": {func(in *instance, _ int) { in.latency = []time.Duration{200 * time.Millisecond} }},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				memory := store.NewVolatile(time.Now)
				in := &instance{latency: []time.Duration{100 * time.Millisecond}, trouble: map[int]int{}}
				c := client(t, in.ServeHTTP, func(o *bitbucket.Options) {
					o.Throttle, o.Pacer, o.Allowances, o.Realm = bitbucket.Throttle{InFlight: 4, PerSecond: 5}, memory, nil, "dc"
				})
				level := func() float64 {
					l, err := memory.Level(t.Context(), "dc")
					if err != nil {
						t.Fatal(err)
					}
					return l
				}
				ask := func(n int) time.Duration {
					start := time.Now()
					for range n {
						if _, err := get(t, c); err != nil {
							t.Fatal(err)
						}
					}
					return time.Since(start)
				}
				if took := ask(50); took > 10500*time.Millisecond || level() != 1 {
					t.Fatalf("undisturbed: 50 calls in %s at level %v, want 10.5 s at 1", took, level())
				}
				tc.trouble(in, 51)
				n := 0
				for ; level() == 1 && n < 60; n++ {
					ask(1)
				}
				if got := level(); got != 0.5 {
					t.Fatalf("after trouble the level is %v, want 0.5", got)
				}
				if took := ask(10); took < 3*time.Second { // at 2.5 a second
					t.Errorf("at half the pace 10 calls took %s", took)
				}
				time.Sleep(3 * time.Minute)
				if got := level(); got != 1 {
					t.Errorf("after three calm minutes the level is %v, want 1", got)
				}
			})
		})
	}
}

// sluggish is a pacer whose database takes its time to write that a call has ended.
type sluggish struct {
	*store.Volatile
	takes time.Duration
}

func (s *sluggish) EndTicket(ctx context.Context, realm string, ticket int64) error {
	time.Sleep(s.takes)
	return s.Volatile.EndTicket(ctx, realm, ticket)
}

// TestOnlyTheInstancesOwnTimeSlowsCallsDown: neither does a database of ours that becomes slow look like an instance
// that does, nor do a few answers that took long at the beginning hide that all of them do later.
func TestOnlyTheInstancesOwnTimeSlowsCallsDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		memory := &sluggish{Volatile: store.NewVolatile(time.Now)}
		in := &instance{latency: []time.Duration{5 * time.Second}}
		c := client(t, in.ServeHTTP, func(o *bitbucket.Options) {
			o.Throttle, o.Pacer, o.Allowances, o.Realm = bitbucket.Throttle{InFlight: 4, PerSecond: 5}, memory, nil, "dc"
		})
		ask := func(n int, latency, database time.Duration) float64 {
			in.latency, memory.takes = []time.Duration{latency}, database
			for range n {
				if _, err := get(t, c); err != nil {
					t.Fatal(err)
				}
			}
			level, err := memory.Level(t.Context(), "dc")
			if err != nil {
				t.Fatal(err)
			}
			return level
		}
		ask(3, 5*time.Second, 0)
		ask(40, 100*time.Millisecond, 0)
		if got := ask(40, 100*time.Millisecond, time.Second); got != 1 {
			t.Errorf("with a slow database the level is %v, want 1", got)
		}
		if got := ask(1, 30*time.Second, 0); got != 1 {
			t.Errorf("after one answer that took long the level is %v, want 1", got)
		}
		ask(20, 100*time.Millisecond, 0)
		if got := ask(12, 200*time.Millisecond, 0); got != 0.5 {
			t.Errorf("after answers that take twice as long the level is %v, want 0.5", got)
		}
	})
}

func TestCallsWaitForTheirHours(t *testing.T) {
	night, err := bitbucket.ParseHours("22:00-06:00")
	if err != nil {
		t.Fatal(err)
	}
	ok := func(w http.ResponseWriter, _ *http.Request) { answerJSON(w, 200, `{}`) }
	synctest.Test(t, func(t *testing.T) {
		zone := time.FixedZone("", 9*3600) // synctest begins at 00:00 UTC
		var told []string
		set := func(o *bitbucket.Options) {
			o.Throttle.Hours = night
			o.Now = func() time.Time { return time.Now().In(zone) }
			o.OnWait = func(until time.Time, why string) { told = append(told, until.Format("15:04")+" "+why) }
		}
		start := time.Now()
		c := client(t, ok, set)
		for range 2 {
			if _, err := get(t, c); err != nil {
				t.Fatal(err)
			}
		}
		if got, want := time.Since(start), 13*time.Hour; got != want {
			t.Errorf("waited %s, want %s", got, want)
		}
		if len(told) != 1 || !strings.HasPrefix(told[0], "22:00 ") || !strings.Contains(told[0], "22:00-06:00") {
			t.Errorf("told %q, want one line about 22:00", told)
		}
		time.Sleep(9 * time.Hour) // 07:00
		begun := time.Now()
		_, err := get(t, client(t, ok, set, func(o *bitbucket.Options) { o.NoWait = true }))
		if !fault.Is(err, fault.Limited) || !strings.Contains(err.Error(), "22:00") {
			t.Errorf("without waiting: %v, want limited until 22:00", err)
		}
		if _, err := get(t, client(t, ok, set, func(o *bitbucket.Options) { o.Interactive = true })); err != nil || time.Since(begun) != 0 {
			t.Errorf("for a person: %v after %s, want an answer at once", err, time.Since(begun))
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		if _, err := client(t, ok, set).Do(ctx, bitbucket.Request{Path: "/x"}); err == nil || time.Since(begun) != time.Hour {
			t.Errorf("the wait ended with %v after %s, want with the context after an hour", err, time.Since(begun))
		}
	})
}

func TestHoursAreReadAndKept(t *testing.T) {
	zone, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct{ hours, now, next string }{
		{"", "2026-03-02 12:00", "2026-03-02 12:00"},
		{"22:00-06:00", "2026-03-02 12:00", "2026-03-02 22:00"},
		{"22:00-06:00", "2026-03-02 22:00", "2026-03-02 22:00"},
		{"22:00-06:00", "2026-03-02 05:59", "2026-03-02 05:59"},
		{"22:00-06:00", "2026-03-02 06:00", "2026-03-02 22:00"},
		{"12:00-13:00, 20:00-24:00", "2026-03-02 13:00", "2026-03-02 20:00"},
		{"12:00-13:00,20:00-24:00", "2026-03-02 23:59", "2026-03-02 23:59"},
		{"12:00-13:00,20:00-24:00", "2026-03-02 00:00", "2026-03-02 12:00"},
		{"01:00-02:00", "2026-03-28 12:00", "2026-03-29 01:00"}, // the night in which clocks go forward
		{"09:00-10:00", "2026-03-28 12:00", "2026-03-29 09:00"},
	} {
		h, err := bitbucket.ParseHours(tc.hours)
		if err != nil {
			t.Errorf("ParseHours(%q): %v", tc.hours, err)
			continue
		}
		now, err := time.ParseInLocation("2006-01-02 15:04", tc.now, zone)
		if err != nil {
			t.Fatal(err)
		}
		if got := h.Next(now).Format("2006-01-02 15:04"); got != tc.next {
			t.Errorf("%q after %s: %s, want %s", tc.hours, tc.now, got, tc.next)
		}
		if again, err := bitbucket.ParseHours(h.String()); err != nil || again.String() != h.String() {
			t.Errorf("%q becomes %q, which is read as %q, %v", tc.hours, h, again, err)
		}
	}
	for _, text := range []string{"22:00", "22-06", "25:00-06:00", "22:00-06:00,", "06:00-06:00", "now-then", "22:00-06:60"} {
		if h, err := bitbucket.ParseHours(text); !fault.Is(err, fault.Invalid) || fault.RemedyOf(err) == "" {
			t.Errorf("ParseHours(%q) = %v, %v; want invalid with a remedy", text, h, err)
		}
	}
}
