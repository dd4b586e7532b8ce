package job

import (
	"context"
	"errors"

	"github.com/windlass-hq/windlass/internal/fault"
)

// Progress tells how far Drain is.
type Progress struct {
	Name  string // the row of work that begins; empty at the end
	Done  int    // rows that are done
	Total int    // rows that were wanted so far
	Err   error  // why Name failed; nil when it begins
}

// Drain works off, in this process and one after the other, every row of work whose name starts with the prefix and
// that has a worker, until nothing is wanted: what a command without a server does before it returns. A row that
// fails is not tried twice; it stays wanted, and its error is among those returned. Jobs of River that were inserted
// beside the rows stay, and find nothing to do when a server starts.
func (e *Engine) Drain(ctx context.Context, prefix string, progress func(Progress)) error {
	if progress == nil {
		progress = func(Progress) {}
	}
	var errs []error
	failed := map[string]bool{}
	seen := map[string]bool{}
	done := 0
	for {
		rows, err := e.Store.Wanted(ctx, prefix)
		if err != nil {
			return errors.Join(append(errs, err)...)
		}
		var next string
		var wanted int64
		for _, r := range rows {
			if _, ok := e.workerOf(r.Name); !ok {
				continue
			}
			seen[r.Name] = true
			if next == "" && !failed[r.Name] {
				next, wanted = r.Name, r.Wanted
			}
		}
		if next == "" {
			progress(Progress{Done: done, Total: len(seen)})
			return errors.Join(errs...)
		}
		progress(Progress{Name: next, Done: done, Total: len(seen)})
		settled, err := e.drainOne(ctx, next, wanted)
		switch {
		case ctx.Err() != nil:
			return errors.Join(append(errs, fault.Wrap(context.Cause(ctx), fault.Canceled, "%s was interrupted", next).
				With("it stays wanted and goes on the next time"))...)
		case err != nil:
			failed[next] = true
			errs = append(errs, err)
			progress(Progress{Name: next, Done: done, Total: len(seen), Err: err})
		case settled:
			done++
		}
	}
}

// drainOne runs one round of a row of work.
func (e *Engine) drainOne(ctx context.Context, name string, wanted int64) (settled bool, err error) {
	w, _ := e.workerOf(name)
	err = w.Work(ctx, w.task(name, 1))
	var later snooze
	var hopeless giveUp
	switch {
	case err == nil:
		return e.Store.Settle(context.WithoutCancel(ctx), name, wanted)
	case errors.As(err, &later):
		return false, wait(ctx, later.after)
	case errors.As(err, &hopeless):
		_, settleErr := e.Store.Settle(context.WithoutCancel(ctx), name, wanted)
		return true, errors.Join(hopeless.err, settleErr)
	}
	return false, err
}
