package job_test

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/windlass-hq/windlass/internal/job"
	"github.com/windlass-hq/windlass/internal/store/storetest"
)

func TestStartAndStopAreIdempotent(t *testing.T) {
	each(t, func(t *testing.T, db *storetest.Database) {
		g := newGate()
		e := newEngine(t, db.Open(t), job.Options{Workers: []job.Worker{syncWorker(g.work)}})
		stop(t, e) // not started
		for range 2 {
			start(t, e)
			start(t, e)
			ring(t, e, "connection/1/sync")
			receive(t, g.began, "the worker")
			g.let <- nil
			eventually(t, "the row to be settled", func() bool { return settled(t, e, "connection/1/sync") })
			stop(t, e)
			stop(t, e)
		}
		ring(t, e, "connection/1/sync") // rings are kept while it is stopped
		if n := len(g.began); n != 0 {
			t.Errorf("%d jobs ran after Stop, want none", n)
		}
	})
}

// TestStartOutlivesItsContext: the context of Start is that of starting.
func TestStartOutlivesItsContext(t *testing.T) {
	g := newGate()
	e := newEngine(t, storetest.SQLite(t).Open(t), job.Options{Workers: []job.Worker{syncWorker(g.work)}})
	ctx, cancel := context.WithCancel(t.Context())
	if err := e.Start(ctx); err != nil {
		t.Fatal(err)
	}
	cancel()
	ring(t, e, "connection/1/sync")
	receive(t, g.began, "the worker")
	g.let <- nil
}

// TestInterruptedWorkGoesOn stops in the middle of a job and starts again, as a restart does.
func TestInterruptedWorkGoesOn(t *testing.T) {
	each(t, func(t *testing.T, db *storetest.Database) {
		g := newGate()
		s := db.Open(t)
		e := newEngine(t, s, job.Options{Workers: []job.Worker{syncWorker(g.work)}})
		start(t, e)
		ring(t, e, "connection/1/sync")
		receive(t, g.began, "the worker")
		stop(t, e) // which returns though nobody lets the work go on
		list := jobs(t, e, job.JobFilter{})
		if len(list) != 1 || list[0].State != job.Waiting || list[0].Error != "" {
			t.Errorf("jobs after Stop = %+v, want one that waits without an error", list)
		}
		other := newEngine(t, s, job.Options{Workers: []job.Worker{syncWorker(g.work)}})
		start(t, other)
		if got := receive(t, g.began, "the second start").Attempt; got != 1 {
			t.Errorf("attempt = %d, want 1: a restart is no failure", got)
		}
		g.let <- nil
		eventually(t, "the row to be settled", func() bool { return settled(t, other, "connection/1/sync") })
	})
}

// TestStopNamesWhatDoesNotStop has a worker that ignores its context.
func TestStopNamesWhatDoesNotStop(t *testing.T) {
	release := make(chan struct{})
	began := make(chan struct{})
	e := newEngine(t, storetest.SQLite(t).Open(t), job.Options{
		StopWithin: 50 * time.Millisecond,
		Workers: []job.Worker{syncWorker(func(context.Context, job.Task) error {
			close(began)
			<-release
			return nil
		})},
	})
	start(t, e)
	ring(t, e, "connection/1/sync")
	receive(t, began, "the worker")
	err := e.Stop(t.Context())
	if err == nil || !strings.Contains(err.Error(), "sync connection/1/sync") {
		t.Errorf("Stop = %v, want an error that names the job", err)
	}
	close(release)
	eventually(t, "Stop to succeed", func() bool { return e.Stop(t.Context()) == nil })
	if !settled(t, e, "connection/1/sync") {
		t.Error("work that was done while stopping was not noted")
	}
}

// TestDeadProcessIsSucceeded: the first engine's machine is suspended in the middle of a job; to the second it is
// dead. The second takes the job over; the first, waking up, gives way and comes back under another name.
func TestDeadProcessIsSucceeded(t *testing.T) {
	each(t, func(t *testing.T, db *storetest.Database) {
		s := db.Open(t)
		first, second := newGate(), newGate()
		lost := make(chan error, 100)
		a := newEngine(t, s, job.Options{LeaseTTL: 3 * time.Second, SweepEvery: time.Hour, Workers: []job.Worker{
			syncWorker(func(ctx context.Context, task job.Task) error {
				err := first.work(ctx, task)
				lost <- context.Cause(ctx)
				return err
			}),
		}})
		start(t, a)
		ring(t, a, "connection/1/sync")
		receive(t, first.began, "the first process")

		b := newEngine(t, s, job.Options{LeaseTTL: 1000 * time.Hour, SweepEvery: 20 * time.Millisecond, Workers: []job.Worker{syncWorker(second.work)}})
		start(t, b)
		var task job.Task
		eventually(t, "the second process to take over", func() bool {
			db.Clock.Advance(10 * time.Second) // again and again: the first may just have renewed its lease
			select {
			case task = <-second.began:
				return true
			default:
				return false
			}
		})
		if task.Name != "connection/1/sync" {
			t.Errorf("task = %+v, want connection/1/sync", task)
		}
		if cause := receive(t, lost, "the first process to give way"); !errors.Is(cause, job.ErrLost) {
			t.Errorf("cause = %v, want ErrLost", cause)
		}
		second.let <- nil
		eventually(t, "the row to be settled", func() bool { return settled(t, b, "connection/1/sync") })
		// Two jobs, or more: until it learns of its loss, the first may fetch what the second inserts.
		eventually(t, "all of them to end", func() bool {
			return cmp.Equal(slices.Compact(states(t, b, "connection/1/sync")), []job.State{job.Done})
		})
		stop(t, b)
		// The first is back: with the second gone it does the work.
		ring(t, a, "connection/2/sync")
		for receive(t, first.began, "the first process to come back").Name != "connection/2/sync" {
		}
		first.let <- nil
		eventually(t, "the row to be settled", func() bool { return settled(t, a, "connection/2/sync") })
	})
}

// TestLivingProcessIsLeftAlone has two processes that sweep all the time.
func TestLivingProcessIsLeftAlone(t *testing.T) {
	each(t, func(t *testing.T, db *storetest.Database) {
		s := db.Open(t)
		g := newGate()
		o := job.Options{SweepEvery: 5 * time.Millisecond, Workers: []job.Worker{syncWorker(g.work)}}
		a, b := newEngine(t, s, o), newEngine(t, s, o)
		start(t, a)
		start(t, b)
		ring(t, a, "connection/1/sync")
		receive(t, g.began, "the worker")
		for range 20 {
			if err := errors.Join(a.Sweep(t.Context()), b.Sweep(t.Context())); err != nil {
				t.Fatal(err)
			}
		}
		if n := len(g.began); n != 0 {
			t.Errorf("the job ran %d times more while it ran, want none", n)
		}
		g.let <- nil
		eventually(t, "the row to be settled", func() bool { return settled(t, a, "connection/1/sync") })
		// A sweep that looked while the job ended may have rung once more; that wake-up finds nothing to do.
		eventually(t, "all wake-ups to end", func() bool {
			return cmp.Equal(slices.Compact(states(t, a, "connection/1/sync")), []job.State{job.Done})
		})
		if n := len(g.began); n != 0 {
			t.Errorf("the work was done %d times more than it was wanted", n)
		}
	})
}

// TestPostgresComesBack cuts all connections, as a restart of the server does, while a job runs.
func TestPostgresComesBack(t *testing.T) {
	db := storetest.PostgreSQL(t)
	s := db.Open(t)
	g := newGate()
	e := newEngine(t, s, job.Options{Workers: []job.Worker{syncWorker(g.work)}})
	start(t, e)
	ring(t, e, "connection/1/sync")
	receive(t, g.began, "the worker")
	// The statement may lose its own connection, so its error says nothing.
	_, _ = s.Writer().ExecContext(t.Context(), `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
		WHERE datname = current_database() AND pid <> pg_backend_pid()`)
	for range cap(g.let) { // the work is done again where its note was cut off
		g.let <- nil
	}
	done := func(name string) func() bool {
		return func() bool {
			rows, err := s.Wanted(t.Context(), name) // fails once for each connection that was cut
			return err == nil && len(rows) == 0
		}
	}
	eventually(t, "the row to be settled", done("connection/1/sync"))
	eventually(t, "a ring to succeed", func() bool {
		return s.Write(t.Context(), func(ctx context.Context, tx *sql.Tx) error { return e.Ring(ctx, tx, "connection/2/sync") }) == nil
	})
	for receive(t, g.began, "the worker").Name != "connection/2/sync" {
	}
	eventually(t, "the row to be settled", done("connection/2/sync"))
}

func TestBadWorkersAreRefused(t *testing.T) {
	s := storetest.SQLite(t).Open(t)
	work := func(context.Context, job.Task) error { return nil }
	for name, workers := range map[string][]job.Worker{
		"one letter":  {{Kind: "s", Work: work}},
		"upper case":  {{Kind: "Sync", Work: work}},
		"twice":       {{Kind: "sync", Work: work}, {Kind: "sync", Work: work}},
		"no function": {{Kind: "sync"}},
		"bad pattern": {{Kind: "sync", Pattern: "connection/[", Work: work}},
	} {
		if _, err := job.New(t.Context(), job.Options{Store: s, Now: time.Now, Workers: workers}); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
