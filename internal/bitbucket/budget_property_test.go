package bitbucket_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/windlass-hq/windlass/internal/bitbucket"
	"github.com/windlass-hq/windlass/internal/store"
	"github.com/windlass-hq/windlass/internal/store/storetest"
)

// world is a Bitbucket that grants every principal an allowance per rolling hour and resource group, and two processes
// that read from it side by side over one memory of their spending.
type world struct {
	principals int
	allowances bitbucket.Allowances // of both groups
	wanted     map[string]int       // calls of each group that must be answered
	workers    int                  // of each process and group
	latency    []time.Duration      // of one call after the other, again and again
	refuse     map[int]bool         // calls that are refused without a reason, by their number
	restart    map[int]bool         // calls after which one process begins anew
	crashes    int                  // how often that is

	memory sync.Mutex
	opened atomic.Int32 // clients so far

	mu       sync.Mutex
	calls    int
	sent     map[store.Account][]time.Time // what the vendor counts
	got      map[string]int
	probes   map[store.Account]int // that are out
	rests    map[store.Account]rest
	told     map[string]rest // by process and account: when it was told that it is refused, and for how long at least
	refused  int
	done     func()
	problems []string
}

// rest is what the memory was told of an account.
type rest struct{ since, until time.Time }

func (w *world) problem(format string, args ...any) {
	w.problems = append(w.problems, fmt.Sprintf(format, args...))
}

// share is the part of an allowance that the processes of the world may spend.
const share = 0.8

// watched is the memory of the world; it sees every decision.
type watched struct {
	bitbucket.Spending
	w *world
}

func (m watched) ReserveCalls(ctx context.Context, a store.Account, wish store.Wish) (store.Grant, error) {
	m.w.memory.Lock() // what is decided and what is noted of it are one
	defer m.w.memory.Unlock()
	g, err := m.Spending.ReserveCalls(ctx, a, wish)
	m.w.mu.Lock()
	defer m.w.mu.Unlock()
	if g.Probe {
		if m.w.probes[a]++; m.w.probes[a] > 1 {
			m.w.problem("%d probes of %v are out at once", m.w.probes[a], a)
		}
	}
	switch r := m.w.rests[a]; {
	case g.Calls > 0 && time.Now().Before(r.until):
		m.w.problem("%d calls of %v were granted at %s, while it rests until %s", g.Calls, a, time.Now(), r.until)
	case g.Calls > 0 && !r.until.IsZero() && !g.Probe:
		m.w.problem("%d calls of %v were granted after its rest, without a probe", g.Calls, a)
	}
	return g, err
}

func (m watched) RestCalls(ctx context.Context, a store.Account, r store.Refusal) error {
	m.w.memory.Lock()
	defer m.w.memory.Unlock()
	m.w.mu.Lock()
	if r.Probe {
		m.w.probes[a]--
	}
	if m.w.rests[a].until.Before(r.Until) {
		m.w.rests[a] = rest{time.Now(), r.Until}
	}
	m.w.mu.Unlock()
	return m.Spending.RestCalls(ctx, a, r)
}

func (m watched) EndProbe(ctx context.Context, a store.Account, answered bool) error {
	m.w.memory.Lock()
	defer m.w.memory.Unlock()
	m.w.mu.Lock()
	m.w.probes[a]--
	if answered {
		delete(m.w.rests, a)
	}
	m.w.mu.Unlock()
	return m.Spending.EndProbe(ctx, a, answered)
}

func principalOf(i int) bitbucket.Credential {
	return bitbucket.Credential{Kind: bitbucket.Token, Secret: bitbucket.Secret(fmt.Sprintf("token-%d", i))}
}

// ServeHTTP answers a call as the vendor does: 429 beyond the allowance.
func (w *world) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	group := strings.TrimPrefix(r.URL.Path, "/2.0/")
	cred := bitbucket.Credential{Kind: bitbucket.Token, Secret: bitbucket.Secret(strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "))}
	a := store.Account{Realm: "bb.example", Principal: cred.Principal(), Group: group}
	now := time.Now()
	w.mu.Lock()
	w.calls++
	n := w.calls
	hour := 0
	for _, at := range w.sent[a] {
		if now.Sub(at) < time.Hour {
			hour++
		}
	}
	w.sent[a] = append(w.sent[a], now)
	if most := int(share * float64(w.allowances[group])); hour >= most {
		w.problem("call %d of %v is the %dth within an hour, at most %d are ours", n, a, hour+1, most)
	}
	// What a process had reserved before another one was refused may be used until its minute ends.
	if r := w.rests[a]; now.After(r.since.Add(time.Minute)) && now.Before(r.until) {
		w.problem("call %d of %v at %s, while it rests until %s", n, a, now, r.until)
	}
	process := r.UserAgent() + " " + a.Principal + " " + group
	if r := w.told[process]; now.After(r.since) && now.Before(r.until) {
		w.problem("call %d of %v comes from a process that was refused %s ago", n, a, now.Sub(r.since))
	}
	refuse := w.refuse[n]
	if refuse {
		w.refused++
	} else {
		w.got[group]++
	}
	w.mu.Unlock()
	time.Sleep(w.latency[n%len(w.latency)])
	w.mu.Lock()
	finished := true
	for group, n := range w.wanted {
		finished = finished && w.got[group] >= n
	}
	w.mu.Unlock()
	if finished {
		w.done()
	}
	if refuse {
		w.mu.Lock()
		w.told[process] = rest{time.Now(), now.Add(time.Minute)}
		w.mu.Unlock()
		limited(rw, "")
		return
	}
	answerJSON(rw, 200, `{}`)
}

func (w *world) open(t *testing.T, memory bitbucket.Spending) *bitbucket.Client {
	var creds []bitbucket.Credential
	for i := range w.principals {
		creds = append(creds, principalOf(i))
	}
	return client(t, w.ServeHTTP, with(creds...), func(o *bitbucket.Options) {
		o.Spending, o.Allowances, o.Share = watched{memory, w}, w.allowances, share
		o.Connection = fmt.Sprintf("process-%d", w.opened.Add(1))
	})
}

// run reads until everything is there and returns how long that took.
func (w *world) run(t *testing.T, memory bitbucket.Spending) time.Duration {
	w.sent, w.got = map[store.Account][]time.Time{}, map[string]int{}
	w.told = map[string]rest{}
	w.probes, w.rests = map[store.Account]int{}, map[store.Account]rest{}
	start := time.Now()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	w.done = cancel // whoever still waits for an allowance waits in vain
	var wg sync.WaitGroup
	for range 2 {
		c := w.open(t, memory)
		var mu sync.Mutex // of c
		for group := range w.wanted {
			for range w.workers {
				wg.Go(func() {
					for {
						w.mu.Lock()
						enough, again := w.got[group] >= w.wanted[group], w.restart[w.calls]
						delete(w.restart, w.calls)
						w.mu.Unlock()
						if enough || ctx.Err() != nil {
							return
						}
						mu.Lock()
						if again {
							c = w.open(t, memory) // as after a crash: what it had reserved is lost
						}
						now := c
						mu.Unlock()
						if _, err := now.Do(ctx, bitbucket.Request{Path: "/" + group, Group: group}); err != nil && ctx.Err() == nil {
							w.mu.Lock()
							w.problem("a call of %s: %v", group, err)
							w.mu.Unlock()
							return
						}
					}
				})
			}
		}
	}
	wg.Wait()
	return time.Since(start)
}

// longest is how long the work may take at most: every hour the shares of all principals are spent; an hour of ours is
// 61 minutes, since calls are counted by the minute; a refusal without a reason costs the rest of its principal; and
// what a process held when it crashed counts as spent.
func (w *world) longest() time.Duration {
	hours := 0
	for group, n := range w.wanted {
		n += w.refused + w.crashes*25*w.principals + 2*w.workers // calls that brought nothing
		perHour := int(share*float64(w.allowances[group])) * w.principals
		hours = max(hours, (n-1)/perHour)
	}
	slowest := time.Duration(0)
	for _, d := range w.latency {
		slowest += d
	}
	calls := time.Duration(w.calls) * slowest / time.Duration(len(w.latency))
	return time.Duration(hours)*61*time.Minute + calls + 2*time.Minute + time.Duration(w.refused)*(61+16)*time.Minute
}

// TestAllowancesAreKept is the law of the budget memory (HARD-PARTS A): in any rolling hour, of any principal and
// group, over all processes, restarts and refusals, no more calls than our share; one probe at a time; rests are kept;
// and little time is lost beside what the allowances give.
func TestAllowancesAreKept(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w := &world{
			principals: rapid.IntRange(1, 3).Draw(rt, "principals"),
			allowances: bitbucket.Allowances{
				"api": rapid.IntRange(5, 60).Draw(rt, "allowance"), "webhooks": rapid.IntRange(5, 60).Draw(rt, "allowance of webhooks"),
			},
			wanted:  map[string]int{"api": rapid.IntRange(1, 250).Draw(rt, "calls"), "webhooks": rapid.IntRange(0, 60).Draw(rt, "calls of webhooks")},
			workers: rapid.IntRange(1, 3).Draw(rt, "workers"),
			latency: rapid.SliceOfN(rapid.Custom(func(rt *rapid.T) time.Duration {
				return time.Duration(rapid.IntRange(0, 4000).Draw(rt, "ms")) * time.Millisecond
			}), 1, 8).Draw(rt, "latency"),
			refuse: chosen(rt, "refused"), restart: chosen(rt, "restarts"),
		}
		w.crashes = len(w.restart)
		var took time.Duration
		synctest.Test(t, func(t *testing.T) {
			took = w.run(t, store.NewVolatile(time.Now))
		})
		if len(w.problems) > 0 {
			rt.Fatalf("%d problems, the first: %s", len(w.problems), w.problems[0])
		}
		if most := w.longest(); took > most {
			rt.Fatalf("it took %s, at most %s are explained", took, most)
		}
	})
}

// chosen draws a few numbers of calls.
func chosen(rt *rapid.T, name string) map[int]bool {
	out := map[int]bool{}
	for _, n := range rapid.SliceOfN(rapid.IntRange(1, 200), 0, 3).Draw(rt, name) {
		out[n] = true
	}
	return out
}

// TestAllowancesAreKeptInADatabase is one such world over a database, where processes meet in it alone.
func TestAllowancesAreKeptInADatabase(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db := storetest.SQLite(t)
		s := db.Open(t, storetest.WithNow(time.Now))
		w := &world{
			principals: 2, allowances: bitbucket.Allowances{"api": 50, "webhooks": 20}, wanted: map[string]int{"api": 300, "webhooks": 40},
			workers: 2, latency: []time.Duration{time.Second, 0, 300 * time.Millisecond}, refuse: map[int]bool{20: true, 170: true}, restart: map[int]bool{},
		}
		took := w.run(t, s)
		for _, p := range w.problems {
			t.Error(p)
		}
		if most := w.longest(); took > most {
			t.Errorf("it took %s, at most %s are explained", took, most)
		}
		t.Logf("%d calls, %d refused, in %s", w.calls, w.refused, took)
	})
}
