package job_test

import (
	"context"
	"database/sql"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/windlass-hq/windlass/internal/fault"
	"github.com/windlass-hq/windlass/internal/job"
	"github.com/windlass-hq/windlass/internal/store/storetest"
)

// TestDrainWithoutAServer works off what is wanted in a process that runs no jobs.
func TestDrainWithoutAServer(t *testing.T) {
	each(t, func(t *testing.T, db *storetest.Database) {
		sorry := errors.New("sorry")
		var ran []string
		var e *job.Engine
		e = newEngine(t, db.Open(t), job.Options{Workers: []job.Worker{
			syncWorker(func(ctx context.Context, task job.Task) error {
				ran = append(ran, task.Name)
				switch task.Stars[0] {
				case "2":
					return sorry
				case "3":
					return job.GiveUp(errors.New("no credential"))
				}
				return e.Store.Write(ctx, func(ctx context.Context, tx *sql.Tx) error { // work makes more work
					return e.Ring(ctx, tx, "connection/1/backlog")
				})
			}),
			{Kind: "backlog", Pattern: "connection/*/backlog", Work: func(_ context.Context, task job.Task) error {
				ran = append(ran, task.Name)
				if len(ran) < 3 {
					return job.Snooze(0) // in slices
				}
				return nil
			}},
		}})
		ring(t, e, "connection/1/sync")
		ring(t, e, "connection/2/sync")
		ring(t, e, "connection/3/sync")
		ring(t, e, "other/1/sync")
		var told []job.Progress
		err := e.Drain(t.Context(), "connection/", func(p job.Progress) { told = append(told, p) })
		if !errors.Is(err, sorry) || !strings.Contains(err.Error(), "no credential") {
			t.Errorf("Drain = %v, want both errors", err)
		}
		// The test's clock stands still, so the oldest wishes are all of one age and go by name.
		want := []string{"connection/1/sync", "connection/1/backlog", "connection/1/backlog", "connection/2/sync", "connection/3/sync"}
		if diff := cmp.Diff(want, ran); diff != "" {
			t.Errorf("ran (-want +got):\n%s", diff)
		}
		if got, want := told[len(told)-1], (job.Progress{Done: 2, Total: 4}); got != want {
			t.Errorf("last progress = %+v, want %+v", got, want)
		}
		if !settled(t, e, "connection/1/") || settled(t, e, "connection/2/") || !settled(t, e, "connection/3/") || settled(t, e, "other/") {
			t.Error("what failed and what has another prefix must stay wanted, and nothing else")
		}
	})
}

func TestDrainStopsWhenItIsTold(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	e := newEngine(t, storetest.SQLite(t).Open(t), job.Options{Workers: []job.Worker{
		syncWorker(func(ctx context.Context, _ job.Task) error {
			cancel() // Ctrl-C
			return ctx.Err()
		}),
	}})
	ring(t, e, "connection/1/sync", "connection/2/sync")
	err := e.Drain(ctx, "connection/", nil)
	if !fault.Is(err, fault.Canceled) || fault.RemedyOf(err) == "" {
		t.Errorf("Drain = %v, want it canceled, with what to do", err)
	}
	if settled(t, e, "connection/1/") || settled(t, e, "connection/2/") {
		t.Error("interrupted work was settled")
	}
}

// TestJobsLeftByDrainFindNothing: a server that starts later does not do the work again.
func TestJobsLeftByDrainFindNothing(t *testing.T) {
	each(t, func(t *testing.T, db *storetest.Database) {
		n := 0
		e := newEngine(t, db.Open(t), job.Options{Workers: []job.Worker{syncWorker(func(context.Context, job.Task) error { n++; return nil })}})
		ring(t, e, "connection/1/sync")
		if err := e.Drain(t.Context(), "", nil); err != nil {
			t.Fatal(err)
		}
		start(t, e)
		eventually(t, "the job to end", func() bool { return cmp.Equal(states(t, e, "connection/1/sync"), []job.State{job.Done}) })
		stop(t, e)
		if n != 1 {
			t.Errorf("the work was done %d times, want once", n)
		}
	})
}
