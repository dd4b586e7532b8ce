package store

import (
	"context"
	"errors"
	"sync"
	"time"
)

// lane is where all batches of this process wait for the writer. Whatever waits when a transaction begins shares it,
// so that several listings side by side cost one commit and one write to the disk instead of one each; while nobody
// else waits a batch is written at once.
type lane struct {
	store   *Store
	mu      sync.Mutex
	waiting []*task
	busy    bool
}

// task is one batch in the lane.
type task struct {
	ctx  context.Context //nolint:containedctx // that of the caller who waits for it
	w    *write
	q    *queue
	left []*claim // what is not committed yet
	done chan error

	result Result // of the transaction under way
	began  bool   // its fence was checked in the transaction under way
}

// apply writes the claims of a batch and waits until they are committed.
func (l *lane) apply(ctx context.Context, w *write) error {
	if len(w.claims) == 0 {
		return ctx.Err()
	}
	t := &task{ctx: ctx, w: w, q: newQueue(w.claims), left: w.claims, done: make(chan error, 1)}
	l.mu.Lock()
	l.waiting = append(l.waiting, t)
	if !l.busy {
		l.busy = true
		go l.run()
	}
	l.mu.Unlock()
	return <-t.done // the transaction under way needs what the caller gave, so it is waited for even when cancelled
}

// run writes slices until nobody waits.
func (l *lane) run() {
	var tasks []*task
	for first := true; ; first = false {
		l.mu.Lock()
		tasks = append(tasks, l.waiting...)
		l.waiting = nil
		if len(tasks) == 0 {
			l.busy = false
			l.mu.Unlock()
			return
		}
		l.mu.Unlock()
		tasks = l.fail(tasks, func(t *task) error { return t.ctx.Err() })
		if len(tasks) == 0 {
			continue
		}
		if !first {
			if err := l.store.yield(context.WithoutCancel(tasks[0].ctx)); err != nil {
				tasks = l.fail(tasks, func(*task) error { return err })
				continue
			}
		}
		tasks = l.slice(tasks)
		// The one that had the least of this slice comes first in the next.
		if len(tasks) > 1 {
			tasks = append(tasks[1:], tasks[0])
		}
	}
}

// fail ends the tasks for which there is an error and returns the others.
func (l *lane) fail(tasks []*task, why func(*task) error) []*task {
	kept := tasks[:0]
	for _, t := range tasks {
		if err := why(t); err != nil {
			t.done <- err
		} else {
			kept = append(kept, t)
		}
	}
	return kept
}

// slice writes what it can of the tasks within one transaction and returns those that are not finished. A task that
// fails takes its own part down only: the others are written again without it.
func (l *lane) slice(tasks []*task) []*task {
	g, err := l.store.beginGraph(context.WithoutCancel(tasks[0].ctx), nil)
	if err != nil {
		return l.fail(tasks, func(*task) error { return err })
	}
	for _, t := range tasks {
		t.result, t.began = Result{}, false
	}
	culprit, err := l.write(g, tasks)
	if err == nil {
		err, culprit = g.commit(), nil
	} else {
		err = errors.Join(err, g.rollback())
	}
	if err != nil {
		for _, t := range tasks {
			t.q = newQueue(t.left)
		}
		return l.fail(tasks, func(t *task) error {
			if culprit == nil || t == culprit {
				return err
			}
			return nil
		})
	}
	var unfinished []*task
	for _, t := range tasks {
		t.w.result.Add(t.result)
		if t.q.empty() {
			t.done <- nil
			continue
		}
		t.left = t.q.rest()
		unfinished = append(unfinished, t)
	}
	return unfinished
}

// write fills the transaction until its time is over. It names the task that failed.
func (l *lane) write(g *graphTx, tasks []*task) (culprit *task, err error) {
	size := chunkSQLite
	if g.s.dialect.postgres {
		size = chunkPostgres
	}
	began := time.Now()
	for _, t := range tasks {
		for !t.q.empty() {
			if !t.began {
				t.began = true
				if err := g.s.CheckFence(g.ctx, g.tx, t.w.fence); err != nil {
					return t, err
				}
			}
			c := newChunk(g, t.w, t.q.take(size))
			if err := c.run(); err != nil {
				return t, err
			}
			t.result.Add(c.result)
			if time.Since(began) >= slice {
				return nil, nil
			}
		}
	}
	return nil, nil
}
