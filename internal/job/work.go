package job

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver"
	"github.com/riverqueue/river/rivertype"
)

// errCanceled is the cause with which a person's Cancel ends running work.
var errCanceled = errors.New("canceled on request")

// Pauses of jobs that could not even begin.
const (
	heldPause = 5 * time.Second // another process holds the lease
	fullPause = 2 * time.Second // the waiting room of the lane is full
)

// work runs one of River's jobs to its end.
func (e *Engine) work(ctx context.Context, w *Worker, row *rivertype.JobRow, a args) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	a.kind = w.Kind // not among the stored arguments
	act := e.running.add(row.ID, w.Kind+" "+a.Key, cancel)
	defer e.running.remove(row.ID)

	t := w.task(a.Key, row.Attempt)
	var wanted int64
	var err error
	if w.Pattern == "" {
		err = e.perform(ctx, w, t, act, row, a)
	} else {
		wanted, err = e.untilDone(ctx, w, t, act, row, a)
	}
	return e.verdict(ctx, row, a, wanted, err)
}

// perform runs the worker's function once, in its lanes.
func (e *Engine) perform(ctx context.Context, w *Worker, t Task, act *activity, row *rivertype.JobRow, a args) error {
	leave, err := e.lanes.enter(ctx, row.Priority, w.lanesOf(t, a.Lane)...)
	if err != nil {
		return err
	}
	defer leave()
	act.working.Store(true)
	defer act.working.Store(false)
	return w.Work(ctx, t)
}

// untilDone works until nothing is wanted. It leaves the lane between two rounds, so that a row that is rung without
// end does not keep others out. Beside an error it returns the wish that the failed round was to serve.
func (e *Engine) untilDone(ctx context.Context, w *Worker, t Task, act *activity, row *rivertype.JobRow, a args) (int64, error) {
	for {
		wanted, err := e.wanted(ctx, t.Name)
		if err != nil {
			return 0, err
		}
		if wanted > 0 {
			if err := e.perform(ctx, w, t, act, row, a); err != nil {
				return wanted, err
			}
		}
		settled, err := e.settle(ctx, t.Name, wanted, riverdriver.JobSetStateCompleted(row.ID, time.Now().UTC(), nil))
		if settled || err != nil {
			return wanted, err
		}
	}
}

// wanted returns the newest wish of a row of work, or zero when nothing is wanted.
func (e *Engine) wanted(ctx context.Context, name string) (int64, error) {
	rows, err := e.Store.Wanted(ctx, name)
	if err != nil {
		return 0, err
	}
	for _, r := range rows {
		if r.Name == name {
			return r.Wanted, nil
		}
	}
	return 0, nil
}

// settle notes that everything up to wanted is done and, where that is all, ends the job in the same transaction. So
// a ring finds either a job that will see it or none at all.
func (e *Engine) settle(ctx context.Context, name string, wanted int64, end *riverdriver.JobSetStateIfRunningParams) (settled bool, err error) {
	// Done work is noted even when the engine stops meanwhile.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	err = e.Store.Write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		var err error
		if settled, err = e.Store.SettleIn(ctx, tx, name, wanted); err != nil || !settled {
			return err
		}
		return e.finish(ctx, tx, end)
	})
	return settled && err == nil, err
}

// verdict turns how the work ended into what River is to do with the job.
func (e *Engine) verdict(ctx context.Context, row *rivertype.JobRow, a args, wanted int64, err error) error {
	cause := context.Cause(ctx)
	now := time.Now().UTC()
	var later snooze
	var hopeless giveUp
	switch {
	case err == nil:
		return nil
	case errors.Is(cause, errCanceled), errors.Is(cause, rivertype.ErrJobCancelledRemotely):
		// Cancel has settled what was wanted until then.
		return e.end(ctx, a, 0, riverdriver.JobSetStateCancelled(row.ID, now, attemptError(row.Attempt, errCanceled), nil))
	case cause != nil: // the engine stops, or this process lost its lease
		return river.JobSnooze(0)
	case errors.As(err, &later):
		return river.JobSnooze(later.after)
	case errors.Is(err, errFull):
		return river.JobSnooze(fullPause)
	case errors.Is(err, ErrHeld), errors.Is(err, ErrLost):
		return river.JobSnooze(heldPause)
	case errors.As(err, &hopeless):
		return e.end(ctx, a, wanted, riverdriver.JobSetStateDiscarded(row.ID, now, attemptError(row.Attempt, hopeless.err), nil))
	default:
		return err
	}
}

// end ends a job for good with the state that p says and settles the wish it was to serve, so that the sweeper leaves
// it alone. A newer wish is served by the same job.
func (e *Engine) end(ctx context.Context, a args, wanted int64, p *riverdriver.JobSetStateIfRunningParams) error {
	settled, err := e.settle(ctx, a.Key, wanted, p)
	if err != nil {
		return fmt.Errorf("end %s %s: %w", a.kind, a.Key, err)
	}
	if !settled {
		return river.JobSnooze(0)
	}
	return nil
}
