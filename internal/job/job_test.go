package job_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/windlass-hq/windlass/internal/job"
	"github.com/windlass-hq/windlass/internal/store/storetest"
)

func TestRingRunsTheWorkerOnce(t *testing.T) {
	each(t, func(t *testing.T, db *storetest.Database) {
		g := newGate()
		e := newEngine(t, db.Open(t), job.Options{Workers: []job.Worker{syncWorker(g.work)}})
		start(t, e)
		ring(t, e, "connection/7/sync")
		want := job.Task{Name: "connection/7/sync", Stars: []string{"7"}, Attempt: 1}
		if diff := cmp.Diff(want, receive(t, g.began, "the worker")); diff != "" {
			t.Errorf("task (-want +got):\n%s", diff)
		}
		g.let <- nil
		eventually(t, "the row to be settled", func() bool { return settled(t, e, "connection/7/sync") })
		if diff := cmp.Diff([]job.State{job.Done}, states(t, e, "connection/7/sync")); diff != "" {
			t.Errorf("states (-want +got):\n%s", diff)
		}
		if n := len(g.began); n != 0 {
			t.Errorf("the worker ran %d times more, want none", n)
		}
	})
}

func TestRolledBackRingIsNone(t *testing.T) {
	each(t, func(t *testing.T, db *storetest.Database) {
		g := newGate()
		e := newEngine(t, db.Open(t), job.Options{Workers: []job.Worker{syncWorker(g.work)}})
		start(t, e)
		sorry := errors.New("sorry")
		err := e.Store.Write(t.Context(), func(ctx context.Context, tx *sql.Tx) error {
			return errors.Join(e.Ring(ctx, tx, "connection/1/sync"), sorry)
		})
		if !errors.Is(err, sorry) {
			t.Fatalf("Write = %v, want %v", err, sorry)
		}
		ring(t, e, "connection/2/sync")
		if got := receive(t, g.began, "the worker").Name; got != "connection/2/sync" {
			t.Errorf("%s ran, want connection/2/sync alone", got)
		}
		g.let <- nil
		if got := states(t, e, "connection/1/sync"); len(got) != 0 {
			t.Errorf("jobs of the rolled-back ring: %v, want none", got)
		}
	})
}

// TestTenThousandRings rings while a job runs: all but the first are coalesced, and the last is served.
func TestTenThousandRings(t *testing.T) {
	each(t, func(t *testing.T, db *storetest.Database) {
		rings := 10_000
		if testing.Short() {
			rings = 100
		}
		g := newGate()
		e := newEngine(t, db.Open(t), job.Options{Workers: []job.Worker{syncWorker(g.work)}})
		start(t, e)
		ring(t, e, "connection/1/sync")
		receive(t, g.began, "the first round")
		began := time.Now()
		for left := rings; left > 0; {
			n := min(left, rings/4, 250) // as a storing transaction that rings for each of its objects
			write(t, e, func(ctx context.Context, tx *sql.Tx) error {
				for range n {
					if err := e.Ring(ctx, tx, "connection/1/sync"); err != nil {
						return err
					}
				}
				return nil
			})
			left -= n
		}
		t.Logf("%d rings in %s", rings, time.Since(began).Round(time.Millisecond))
		g.let <- nil
		receive(t, g.began, "the round that serves the last ring")
		g.let <- nil
		eventually(t, "the row to be settled", func() bool { return settled(t, e, "connection/1/sync") })
		if n := len(g.began); n != 0 {
			t.Errorf("the worker ran %d times more, want none", n)
		}
		if diff := cmp.Diff([]job.State{job.Done}, states(t, e, "connection/1/sync")); diff != "" {
			t.Errorf("states (-want +got):\n%s", diff)
		}
	})
}

// TestRingsRaceWithTheEnd rings again and again just when jobs end. No ring may be lost, though nothing sweeps.
func TestRingsRaceWithTheEnd(t *testing.T) {
	each(t, func(t *testing.T, db *storetest.Database) {
		var served atomic.Int64
		s := db.Open(t)
		worker := syncWorker(func(ctx context.Context, task job.Task) error {
			rows, err := s.Wanted(ctx, task.Name)
			for _, r := range rows {
				served.Store(r.Wanted)
			}
			return err
		})
		e := newEngine(t, s, job.Options{Workers: []job.Worker{worker}, SweepEvery: time.Hour})
		start(t, e)
		rings := 200
		if testing.Short() {
			rings = 50
		}
		for i := range rings {
			ring(t, e, "connection/1/sync")
			if i%3 == 0 {
				eventually(t, "the row to be settled", func() bool { return settled(t, e, "connection/1/sync") })
			}
		}
		eventually(t, "the last ring to be served", func() bool { return served.Load() == int64(rings) })
		eventually(t, "the row to be settled", func() bool { return settled(t, e, "connection/1/sync") })
	})
}

func TestLostWakeUpIsSwept(t *testing.T) {
	each(t, func(t *testing.T, db *storetest.Database) {
		g := newGate()
		e := newEngine(t, db.Open(t), job.Options{Workers: []job.Worker{syncWorker(g.work)}, SweepEvery: 20 * time.Millisecond})
		start(t, e)
		write(t, e, func(ctx context.Context, tx *sql.Tx) error {
			return e.Store.Raise(ctx, tx, "connection/3/sync", "connection/3/pulls/9") // raised, but nobody woken
		})
		if got := receive(t, g.began, "the sweeper").Name; got != "connection/3/sync" {
			t.Errorf("%s ran, want connection/3/sync", got)
		}
		// While it runs it is not inserted again.
		if err := e.Sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]job.State{job.Running}, states(t, e, "connection/3/sync")); diff != "" {
			t.Errorf("states (-want +got):\n%s", diff)
		}
		g.let <- nil
		eventually(t, "the row to be settled", func() bool { return settled(t, e, "connection/3/sync") })
		if settled(t, e, "connection/3/pulls/") {
			t.Error("a row without a worker was settled")
		}
	})
}

func TestDoubledWakeUpFindsNothing(t *testing.T) {
	each(t, func(t *testing.T, db *storetest.Database) {
		g := newGate()
		e := newEngine(t, db.Open(t), job.Options{Workers: []job.Worker{syncWorker(g.work)}})
		write(t, e, func(ctx context.Context, tx *sql.Tx) error {
			return e.Insert(ctx, tx, job.Wake{Kind: "sync", Key: "connection/1/sync"}) // a wake-up without work
		})
		start(t, e)
		eventually(t, "the job to end", func() bool {
			return cmp.Equal(states(t, e, "connection/1/sync"), []job.State{job.Done})
		})
		if n := len(g.began); n != 0 {
			t.Errorf("the worker ran %d times, want none", n)
		}
	})
}

func TestJobWithoutARow(t *testing.T) {
	each(t, func(t *testing.T, db *storetest.Database) {
		g := newGate()
		e := newEngine(t, db.Open(t), job.Options{Workers: []job.Worker{{Kind: "mail", Work: g.work}}})
		start(t, e)
		for range 2 { // the second is the same job
			write(t, e, func(ctx context.Context, tx *sql.Tx) error {
				return e.Insert(ctx, tx, job.Wake{Kind: "mail", Key: "welcome"})
			})
		}
		want := job.Task{Name: "welcome", Attempt: 1}
		if diff := cmp.Diff(want, receive(t, g.began, "the worker")); diff != "" {
			t.Errorf("task (-want +got):\n%s", diff)
		}
		g.let <- nil
		eventually(t, "the job to end", func() bool { return cmp.Equal(states(t, e, "welcome"), []job.State{job.Done}) })
		err := e.Store.Write(t.Context(), func(ctx context.Context, tx *sql.Tx) error {
			return e.Insert(ctx, tx, job.Wake{Kind: "telegram", Key: "welcome"})
		})
		if err == nil {
			t.Error("a job of an unknown kind was inserted")
		}
	})
}

func TestFailureIsTriedAgainWithItsReason(t *testing.T) {
	each(t, func(t *testing.T, db *storetest.Database) {
		g := newGate()
		e := newEngine(t, db.Open(t), job.Options{Workers: []job.Worker{syncWorker(g.work)}, Backoff: func(attempt int) time.Duration {
			if attempt == 2 {
				return time.Hour
			}
			return time.Millisecond
		}})
		start(t, e)
		ring(t, e, "connection/1/sync")
		receive(t, g.began, "the first attempt")
		g.let <- errors.New("bitbucket is down")
		if got := receive(t, g.began, "the second attempt").Attempt; got != 2 {
			t.Errorf("attempt = %d, want 2", got)
		}
		g.let <- errors.New("bitbucket is still down")
		var j job.Job
		eventually(t, "the job to back off", func() bool {
			list := jobs(t, e, job.JobFilter{States: []job.State{job.Retrying}})
			if len(list) == 1 {
				j = list[0]
			}
			return len(list) == 1
		})
		if j.Error != "bitbucket is still down" || j.Attempt != 2 || time.Until(j.Next) < 50*time.Minute {
			t.Errorf("job = %+v, want the last error, attempt 2 and an hour's pause", j)
		}
		// A ring leaves the pause alone; one by hand does not.
		ring(t, e, "connection/1/sync")
		if got := states(t, e, "connection/1/sync"); !cmp.Equal(got, []job.State{job.Retrying}) {
			t.Errorf("states after a ring = %v, want it to back off still", got)
		}
		write(t, e, func(ctx context.Context, tx *sql.Tx) error { return e.RingNow(ctx, tx, "connection/1/sync") })
		if got := receive(t, g.began, "the attempt by hand").Attempt; got != 3 {
			t.Errorf("attempt = %d, want 3", got)
		}
		g.let <- nil
		eventually(t, "the row to be settled", func() bool { return settled(t, e, "connection/1/sync") })
	})
}

func TestPanicIsAFailure(t *testing.T) {
	each(t, func(t *testing.T, db *storetest.Database) {
		g := newGate()
		first := true
		e := newEngine(t, db.Open(t), job.Options{Workers: []job.Worker{syncWorker(func(ctx context.Context, task job.Task) error {
			if first {
				first = false
				panic("a defect of ours")
			}
			return g.work(ctx, task)
		})}})
		start(t, e)
		ring(t, e, "connection/1/sync")
		receive(t, g.began, "the attempt after the panic") // so the lane was left
		if list := jobs(t, e, job.JobFilter{}); len(list) != 1 || list[0].Error != "a defect of ours" {
			t.Errorf("jobs = %+v, want one with the panic as its error", list)
		}
		g.let <- nil
	})
}

func TestSnoozeGoesOnLater(t *testing.T) {
	each(t, func(t *testing.T, db *storetest.Database) {
		g := newGate()
		e := newEngine(t, db.Open(t), job.Options{Workers: []job.Worker{syncWorker(g.work)}})
		start(t, e)
		ring(t, e, "connection/1/sync")
		receive(t, g.began, "the first slice")
		g.let <- job.Snooze(0)
		if got := receive(t, g.began, "the second slice").Attempt; got != 1 {
			t.Errorf("attempt = %d, want 1: a snooze is no failure", got)
		}
		g.let <- nil
		eventually(t, "the row to be settled", func() bool { return settled(t, e, "connection/1/sync") })
	})
}

func TestGivenUpIsDeadUntilRung(t *testing.T) {
	each(t, func(t *testing.T, db *storetest.Database) {
		g := newGate()
		e := newEngine(t, db.Open(t), job.Options{Workers: []job.Worker{syncWorker(g.work)}})
		start(t, e)
		ring(t, e, "connection/1/sync")
		receive(t, g.began, "the worker")
		g.let <- fmt.Errorf("run: %w", job.GiveUp(errors.New("the token is revoked")))
		eventually(t, "the job to die", func() bool {
			return cmp.Equal(states(t, e, "connection/1/sync"), []job.State{job.Dead})
		})
		list := jobs(t, e, job.JobFilter{})
		if len(list) != 1 || list[0].Error != "the token is revoked" {
			t.Errorf("jobs = %+v, want the reason", list)
		}
		if err := e.Sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
		if !settled(t, e, "connection/1/sync") || len(states(t, e, "connection/1/sync")) != 1 {
			t.Error("a given-up row is still wanted, or was swept up")
		}
		if err := e.Retry(t.Context(), list[0].ID); err != nil {
			t.Fatal(err)
		}
		receive(t, g.began, "the retry")
		g.let <- nil
		eventually(t, "the row to be settled", func() bool { return settled(t, e, "connection/1/sync") })
	})
}

// TestRingBesidesAGivingUp rings while the worker is about to give up: the ring asks for another try.
func TestRingBesidesAGivingUp(t *testing.T) {
	each(t, func(t *testing.T, db *storetest.Database) {
		g := newGate()
		e := newEngine(t, db.Open(t), job.Options{Workers: []job.Worker{syncWorker(g.work)}, SweepEvery: time.Hour})
		start(t, e)
		ring(t, e, "connection/1/sync")
		receive(t, g.began, "the worker")
		ring(t, e, "connection/1/sync")
		g.let <- job.GiveUp(errors.New("the token is revoked"))
		receive(t, g.began, "the round of the second ring")
		g.let <- nil
		eventually(t, "the row to be settled", func() bool { return settled(t, e, "connection/1/sync") })
	})
}

func TestWakeAtALaterTime(t *testing.T) {
	each(t, func(t *testing.T, db *storetest.Database) {
		g := newGate()
		e := newEngine(t, db.Open(t), job.Options{Workers: []job.Worker{{Kind: "mail", Work: g.work}}})
		start(t, e)
		at := time.Now().Add(time.Hour).Truncate(time.Millisecond)
		insert := func(w job.Wake) {
			t.Helper()
			write(t, e, func(ctx context.Context, tx *sql.Tx) error { return e.Insert(ctx, tx, w) })
		}
		insert(job.Wake{Kind: "mail", Key: "digest", At: at})
		insert(job.Wake{Kind: "mail", Key: "digest"}) // leaves the time alone
		list := jobs(t, e, job.JobFilter{})
		if len(list) != 1 || list[0].State != job.Waiting || !list[0].Next.Equal(at) {
			t.Errorf("jobs = %+v, want one that waits until %s", list, at)
		}
		insert(job.Wake{Kind: "mail", Key: "digest", Urgent: true})
		receive(t, g.began, "the worker")
		g.let <- nil
		eventually(t, "the job to end", func() bool { return cmp.Equal(states(t, e, "digest"), []job.State{job.Done}) })
	})
}
