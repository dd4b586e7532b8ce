package job_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/windlass-hq/windlass/internal/fault"
	"github.com/windlass-hq/windlass/internal/job"
	"github.com/windlass-hq/windlass/internal/store/storetest"
)

func TestJobsAreListed(t *testing.T) {
	each(t, func(t *testing.T, db *storetest.Database) {
		g := newGate()
		e := newEngine(t, db.Open(t), job.Options{Workers: []job.Worker{
			syncWorker(g.work),
			{Kind: "backlog", Pattern: "connection/*/backlog", Background: true, Work: g.work, Lane: func(t job.Task) string { return "connection/" + t.Stars[0] }},
		}})
		start(t, e)
		ring(t, e, "connection/1/sync")
		receive(t, g.began, "the worker")
		ring(t, e, "connection/1/backlog") // waits for the lane of its connection
		eventually(t, "the second job to be fetched", func() bool {
			list := jobs(t, e, job.JobFilter{Kind: "backlog"})
			return len(list) == 1 && list[0].Attempt == 1 && list[0].State == job.Waiting // fetched, and then at its lane
		})
		want := []job.Job{
			{Kind: "backlog", Key: "connection/1/backlog", State: job.Waiting, Attempt: 1},
			{Kind: "sync", Key: "connection/1/sync", State: job.Running, Attempt: 1},
		}
		got := jobs(t, e, job.JobFilter{})
		if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(job.Job{}, "ID", "Since")); diff != "" {
			t.Errorf("jobs (-want +got):\n%s", diff)
		}
		for _, j := range got {
			if age := time.Since(j.Since); age < -time.Minute || age > time.Minute {
				t.Errorf("job %d is in its state since %s, want just now", j.ID, j.Since)
			}
		}
		if got := jobs(t, e, job.JobFilter{Limit: 1}); len(got) != 1 || got[0].Kind != "backlog" {
			t.Errorf("the newest job = %+v, want the backlog", got)
		}
		g.let <- nil
		receive(t, g.began, "the backlog")
		g.let <- nil
		eventually(t, "both to end", func() bool {
			return len(jobs(t, e, job.JobFilter{})) == 0 && len(jobs(t, e, job.JobFilter{States: []job.State{job.Done}})) == 2
		})
		if _, err := e.Job(t.Context(), 4711); !fault.Is(err, fault.NotFound) {
			t.Errorf("Job(4711) = %v, want it not found", err)
		}
	})
}

func TestCancelARunningJob(t *testing.T) {
	each(t, func(t *testing.T, db *storetest.Database) {
		causes := make(chan error, 10)
		g := newGate()
		e := newEngine(t, db.Open(t), job.Options{SweepEvery: 10 * time.Millisecond, Workers: []job.Worker{
			syncWorker(func(ctx context.Context, task job.Task) error {
				err := g.work(ctx, task)
				causes <- context.Cause(ctx)
				return err
			}),
		}})
		start(t, e)
		ring(t, e, "connection/1/sync")
		receive(t, g.began, "the worker")
		ring(t, e, "connection/1/sync") // is cancelled too
		id := jobs(t, e, job.JobFilter{})[0].ID
		if err := e.Cancel(t.Context(), id); err != nil {
			t.Fatal(err)
		}
		if cause := receive(t, causes, "the worker to be cancelled"); cause == nil {
			t.Error("the worker's context did not end")
		}
		eventually(t, "the job to be canceled", func() bool {
			return cmp.Equal(states(t, e, "connection/1/sync"), []job.State{job.Canceled})
		})
		if err := e.Sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
		if !settled(t, e, "connection/1/sync") || len(g.began) != 0 {
			t.Error("canceled work is still wanted, or ran again")
		}
		if err := e.Cancel(t.Context(), id); !fault.Is(err, fault.Conflict) {
			t.Errorf("a second Cancel = %v, want a conflict", err)
		}
		if err := e.Cancel(t.Context(), 4711); !fault.Is(err, fault.NotFound) {
			t.Errorf("Cancel(4711) = %v, want it not found", err)
		}
		// A new ring is a new wish, and so is a retry.
		ring(t, e, "connection/1/sync")
		receive(t, g.began, "the worker")
		g.let <- nil
		eventually(t, "the row to be settled", func() bool { return settled(t, e, "connection/1/sync") })
		if err := e.Retry(t.Context(), id); err != nil {
			t.Fatal(err)
		}
		receive(t, g.began, "the retry")
		g.let <- nil
		eventually(t, "the row to be settled", func() bool { return settled(t, e, "connection/1/sync") })
	})
}

func TestCancelAWaitingJob(t *testing.T) {
	each(t, func(t *testing.T, db *storetest.Database) {
		g := newGate()
		e := newEngine(t, db.Open(t), job.Options{Workers: []job.Worker{syncWorker(g.work)}})
		ring(t, e, "connection/1/sync")
		if err := e.Cancel(t.Context(), jobs(t, e, job.JobFilter{})[0].ID); err != nil {
			t.Fatal(err)
		}
		start(t, e)
		ring(t, e, "connection/2/sync")
		if got := receive(t, g.began, "the worker").Name; got != "connection/2/sync" {
			t.Errorf("%s ran, want connection/2/sync alone", got)
		}
		g.let <- nil
		if diff := cmp.Diff([]job.State{job.Canceled}, states(t, e, "connection/1/sync")); diff != "" {
			t.Errorf("states (-want +got):\n%s", diff)
		}
	})
}

// TestCancelInAnotherProcess needs PostgreSQL, which tells the others; a SQLite database has one process.
func TestCancelInAnotherProcess(t *testing.T) {
	s := storetest.PostgreSQL(t).Open(t)
	g := newGate()
	o := job.Options{Workers: []job.Worker{syncWorker(g.work)}}
	worker, other := newEngine(t, s, o), newEngine(t, s, o)
	start(t, worker)
	ring(t, other, "connection/1/sync")
	receive(t, g.began, "the worker")
	if err := other.Cancel(t.Context(), jobs(t, other, job.JobFilter{})[0].ID); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the job to be canceled", func() bool {
		return cmp.Equal(states(t, other, "connection/1/sync"), []job.State{job.Canceled})
	})
	if !settled(t, other, "connection/1/sync") {
		t.Error("canceled work is still wanted")
	}
}

func TestRetryBringsForward(t *testing.T) {
	db := storetest.SQLite(t)
	g := newGate()
	e := newEngine(t, db.Open(t), job.Options{
		Workers: []job.Worker{syncWorker(g.work)},
		Backoff: func(int) time.Duration { return time.Hour },
	})
	start(t, e)
	ring(t, e, "connection/1/sync")
	receive(t, g.began, "the worker")
	g.let <- errors.New("bitbucket is down")
	var j job.Job
	eventually(t, "the job to back off", func() bool {
		list := jobs(t, e, job.JobFilter{States: []job.State{job.Retrying}})
		if len(list) == 1 {
			j = list[0]
		}
		return len(list) == 1
	})
	if err := e.Retry(t.Context(), j.ID); err != nil {
		t.Fatal(err)
	}
	if got := receive(t, g.began, "the retry").Attempt; got != 2 {
		t.Errorf("attempt = %d, want 2", got)
	}
	g.let <- nil
}
