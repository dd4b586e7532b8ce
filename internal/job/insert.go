package job

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"
)

// Wake is a wake-up.
type Wake struct {
	Kind     string    // of a worker
	Key      string    // what it is about; with Kind it makes the job unique
	Lane     string    // instead of the worker's own
	Priority int       // 1, first, to 4; the worker's where zero
	At       time.Time // not before; at once where zero

	// Urgent brings forward a job that is there already and waits for its time or its next attempt, as when a person
	// asks. Without it a job that backs off is left alone.
	Urgent bool
}

// Insert inserts a job in the caller's transaction, unless one of the same kind and key waits or runs already. It is
// the only door to River. A caller to whom the job matters raises a row of work beside it: Ring does both.
func (e *Engine) Insert(ctx context.Context, tx *sql.Tx, w Wake) error {
	worker, ok := e.workerOfKind(w.Kind)
	if !ok {
		return fmt.Errorf("insert a job: no worker for %q", w.Kind)
	}
	priority := w.Priority
	if priority == 0 {
		priority = worker.Priority
	}
	if priority == 0 {
		priority = 2
	}
	a := args{kind: w.Kind, Key: w.Key, Lane: w.Lane}
	opts := &river.InsertOpts{
		MaxAttempts: maxAttempts,
		Priority:    priority,
		Queue:       queue,
		ScheduledAt: w.At,
		UniqueOpts:  river.UniqueOpts{ByArgs: true, ByState: liveStates()},
	}
	if !w.Urgent {
		if _, err := e.river.client.InsertManyFastTx(ctx, tx, []river.InsertManyParams{{Args: a, InsertOpts: opts}}); err != nil {
			return fmt.Errorf("insert job %s %s: %w", w.Kind, w.Key, err)
		}
		e.ears.wake()
		return nil
	}
	res, err := e.river.client.InsertTx(ctx, tx, a, opts)
	if err != nil {
		return fmt.Errorf("insert job %s %s: %w", w.Kind, w.Key, err)
	}
	if res.UniqueSkippedAsDuplicate && res.Job.State != rivertype.JobStateRunning {
		if _, err := e.river.client.JobRetryTx(ctx, tx, res.Job.ID); err != nil {
			return fmt.Errorf("hurry job %d: %w", res.Job.ID, err)
		}
	}
	e.ears.wake()
	return nil
}

// Ring says in the caller's transaction that there is work of the given name, and wakes its worker. A name that no
// worker works off is only raised.
func (e *Engine) Ring(ctx context.Context, tx *sql.Tx, name string) error {
	return e.ring(ctx, tx, name, false)
}

// RingNow is Ring for what a person asked for: a job that backs off after a failure is tried at once.
func (e *Engine) RingNow(ctx context.Context, tx *sql.Tx, name string) error {
	return e.ring(ctx, tx, name, true)
}

func (e *Engine) ring(ctx context.Context, tx *sql.Tx, name string, urgent bool) error {
	// The row first: whoever completes a job locks in the same order, and a ring that comes while a job is being
	// completed waits here until it is, so that it finds no live job.
	if err := e.Store.Raise(ctx, tx, name); err != nil {
		return err
	}
	worker, ok := e.workerOf(name)
	if !ok {
		return nil
	}
	return e.Insert(ctx, tx, Wake{Kind: worker.Kind, Key: name, Urgent: urgent})
}
