// Package job runs what Windlass does in the background: River behind a small door, on SQLite and PostgreSQL.
//
// A job is a wake-up, never the fact that there is work. The fact is a row of work (wanted, done) that Ring raises in
// the transaction that makes the work; the job that Ring inserts beside it only says "look now". The worker reads
// wanted, does the work, and ends in one transaction that finds wanted unchanged and completes the job, else it goes
// on. A sweeper rings again whatever is wanted without a live job. So a wake-up that is lost, doubled or coalesced
// harms nothing, and workers must only be able to run twice.
//
// Exclusive work holds a lease with a fence (lease.go), jobs that must not crowd each other share a lane (lane.go),
// connections are synchronised when they are due (schedule.go, scheduler.go), and a process without a server works
// off by itself what is wanted (drain.go).
package job

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/windlass-hq/windlass/internal/fault"
	"github.com/windlass-hq/windlass/internal/store"
)

// The lanes that every job is in beside its own. Their sizes are set in Options.Concurrency like any other's.
const (
	Foreground = "foreground" // everything that is not background; 8 jobs at once unless set
	Background = "background" // backfills and the like; 2 jobs at once unless set
)

// Options are what an Engine needs. Store, Now and Workers are required.
type Options struct {
	Store   *store.Store
	Log     *slog.Logger     // nil for none
	Now     func() time.Time // decides what is due; River and timers keep the real clock
	Workers []Worker

	// Concurrency says how many jobs may run at once in a lane, by the lane's name ("connection/3", "background") or
	// by what stands before its first slash ("connection"). A lane that is named nowhere takes one.
	Concurrency map[string]int

	// Schedule returns what runs by the clock; nil for nothing. It is asked every TickEvery.
	Schedule func(context.Context) ([]Entry, error)

	LeaseTTL   time.Duration                   // how long a dead process keeps its leases; 20 s where zero
	SweepEvery time.Duration                   // how often lost wake-ups are looked for; 10 s where zero
	TickEvery  time.Duration                   // how often Schedule is asked; 15 s where zero
	StopWithin time.Duration                   // how long Stop waits for workers that were cancelled; 9 s where zero
	Backoff    func(attempt int) time.Duration // pause after a failed attempt, counted from 1; Backoff where nil
}

// Engine runs jobs. It is safe for concurrent use. A new Engine runs nothing before Start, but Insert, Ring,
// Exclusive, Drain and the listing work from the beginning.
type Engine struct {
	Options
	river   riverDoor
	lanes   *lanes
	running running
	ears    *ears  // SQLite: wakes the fetcher of this process
	holder  string // names this process in leases
	count   atomic.Int64

	mu   sync.Mutex // guards live
	live *life      // nil while stopped
}

// life is one stretch between Start and Stop.
type life struct {
	cancel context.CancelCauseFunc
	done   chan struct{} // closed when everything has ended
}

// kindPattern is what River accepts as the kind of a job, and what reads well in a list.
const kindPattern = `^[a-z][a-z0-9_-]{1,60}$`

// New returns an Engine and migrates River's own tables, which lie beside those of the store.
func New(ctx context.Context, o Options) (*Engine, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	orDefault(&o.LeaseTTL, 20*time.Second)
	orDefault(&o.SweepEvery, 10*time.Second)
	orDefault(&o.TickEvery, 15*time.Second)
	orDefault(&o.StopWithin, 9*time.Second)
	if o.Backoff == nil {
		o.Backoff = Backoff
	}
	kind := regexp.MustCompile(kindPattern)
	seen := map[string]bool{}
	for i, w := range o.Workers {
		_, err := path.Match(w.Pattern, "")
		switch {
		case !kind.MatchString(w.Kind):
			return nil, fmt.Errorf("worker %d: the kind %q must be two or more lower-case letters, digits, - or _", i, w.Kind)
		case seen[w.Kind]:
			return nil, fmt.Errorf("worker %d: the kind %q is registered twice", i, w.Kind)
		case w.Work == nil:
			return nil, fmt.Errorf("worker %q does no work", w.Kind)
		case err != nil:
			return nil, fmt.Errorf("worker %q: pattern %q: %w", w.Kind, w.Pattern, err)
		}
		seen[w.Kind] = true
	}
	e := &Engine{Options: o, ears: newEars(), holder: holderName()}
	e.lanes = newLanes(o.Concurrency)
	e.running.byID = map[int64]*activity{}
	if err := e.openRiver(); err != nil {
		return nil, err
	}
	if err := e.migrateRiver(ctx); err != nil {
		return nil, err
	}
	return e, nil
}

// holderName names this process in leases, so that a person can find who holds one.
func holderName() string {
	host, err := os.Hostname()
	if err != nil {
		host = "localhost"
	}
	return fmt.Sprintf("%s/%d/%s", host, os.Getpid(), strings.ToLower(rand.Text()[:6]))
}

func orDefault(d *time.Duration, value time.Duration) {
	if *d == 0 {
		*d = value
	}
}

// Backoff is the pause after a failed attempt: a second, doubled each time, an hour at most.
func Backoff(attempt int) time.Duration {
	const most = time.Hour
	if attempt > 12 {
		return most
	}
	return min(time.Second<<max(attempt-1, 0), most)
}

// Start begins to work jobs off, to sweep and to keep the schedule, until Stop. Cancelling ctx afterwards does not
// stop the Engine. Starting a started Engine does nothing; a stopped one may be started again.
func (e *Engine) Start(ctx context.Context) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.live != nil {
		return nil
	}
	ctx, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	l := &life{cancel: cancel, done: make(chan struct{})}
	ready := make(chan error, 1)
	go func() {
		defer close(l.done)
		e.supervise(ctx, ready)
	}()
	if err := <-ready; err != nil {
		cancel(err)
		<-l.done
		return err
	}
	e.live = l
	return nil
}

// supervise runs one session after the other: a process that was held up for so long that it lost its lease (a
// suspended machine) comes back under a new name, since others may have taken over its jobs.
func (e *Engine) supervise(ctx context.Context, ready chan<- error) {
	begun := false
	pause := time.Second
	for {
		began := time.Now()
		err := e.session(ctx, func() {
			if !begun {
				begun = true
				ready <- nil
			}
		})
		if !begun {
			ready <- err
			return
		}
		if ctx.Err() != nil {
			return
		}
		if time.Since(began) > time.Minute {
			pause = time.Second
		}
		e.Log.WarnContext(ctx, "background work was interrupted and starts again", "reason", fmt.Sprint(err), "in", pause)
		if wait(ctx, pause) != nil {
			return
		}
		pause = min(2*pause, time.Minute)
	}
}

// Stop cancels what runs and waits until it has ended, at most StopWithin and as long as ctx lasts. What was
// interrupted stays wanted and goes on with the next Start. Stopping a stopped Engine does nothing. After an error
// the workers it names still run; Stop may be called again.
func (e *Engine) Stop(ctx context.Context) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.live == nil {
		return nil
	}
	e.live.cancel(errStopped)
	limit := time.NewTimer(e.StopWithin)
	defer limit.Stop()
	select {
	case <-e.live.done:
		e.live = nil
		return nil
	case <-ctx.Done():
	case <-limit.C:
	}
	left := e.running.names()
	if len(left) == 0 {
		left = []string{"the job engine"}
	}
	return fault.New(fault.Internal, "background work does not stop: %s", strings.Join(left, ", ")).
		With("what it had not finished is done again at the next start")
}

// errStopped is the cause with which running work is cancelled at Stop.
var errStopped = errors.New("windlass is stopping")

// wait lets d pass; it returns early with the cause when ctx ends.
func wait(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
