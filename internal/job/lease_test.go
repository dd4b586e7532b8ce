package job_test

import (
	"context"
	"database/sql"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/windlass-hq/windlass/internal/fault"
	"github.com/windlass-hq/windlass/internal/job"
	"github.com/windlass-hq/windlass/internal/store"
	"github.com/windlass-hq/windlass/internal/store/storetest"
)

func TestExclusiveExcludes(t *testing.T) {
	each(t, func(t *testing.T, db *storetest.Database) {
		s := db.Open(t)
		a, b := newEngine(t, s, job.Options{}), newEngine(t, s, job.Options{})
		sorry := errors.New("sorry")
		err := a.Exclusive(t.Context(), "connection/1", func(ctx context.Context, _ store.Fence) error {
			for name, e := range map[string]*job.Engine{"another process": b, "the same process": a} {
				err := e.Exclusive(ctx, "connection/1", func(context.Context, store.Fence) error {
					t.Errorf("%s came in", name)
					return nil
				})
				if !fault.Is(err, fault.Conflict) || !errors.Is(err, job.ErrHeld) {
					t.Errorf("%s: %v, want a conflict with ErrHeld", name, err)
				}
			}
			if err := b.Exclusive(ctx, "connection/2", func(context.Context, store.Fence) error { return nil }); err != nil {
				t.Errorf("another lease: %v", err)
			}
			return sorry
		})
		if !errors.Is(err, sorry) {
			t.Errorf("Exclusive = %v, want what the function returned", err)
		}
		ran := false
		if err := b.Exclusive(t.Context(), "connection/1", func(context.Context, store.Fence) error { ran = true; return nil }); err != nil || !ran {
			t.Errorf("after the release: %v, ran = %v", err, ran)
		}
	})
}

// TestFencing has two holders: the first is held up until its lease has run out and the second has it. What the first
// writes then is refused, and its context ends. In the bubble a slow machine takes no time.
func TestFencing(t *testing.T) {
	each(t, func(t *testing.T, db *storetest.Database) { synctest.Test(t, func(t *testing.T) { fencing(t, db) }) })
}

func fencing(t *testing.T, db *storetest.Database) {
	s := db.Open(t)
	a, b := newEngine(t, s, job.Options{}), newEngine(t, s, job.Options{})
	checked := func(ctx context.Context, f store.Fence) error {
		return s.Write(ctx, func(ctx context.Context, tx *sql.Tx) error { return s.CheckFence(ctx, tx, &f) })
	}
	err := a.Exclusive(t.Context(), "connection/1", func(ctx context.Context, old store.Fence) error {
		if err := checked(ctx, old); err != nil {
			t.Errorf("the holder's own write: %v", err)
		}
		eventually(t, "the second to get the lease", func() bool {
			db.Clock.Advance(time.Hour) // the first may just have renewed it
			err := b.Exclusive(context.WithoutCancel(ctx), "connection/1", func(inner context.Context, young store.Fence) error {
				if young.Token <= old.Token {
					t.Errorf("token %d follows %d, want a greater one", young.Token, old.Token)
				}
				if err := checked(inner, young); err != nil {
					t.Errorf("the new holder's write: %v", err)
				}
				if err := checked(inner, old); !fault.Is(err, fault.Conflict) {
					t.Errorf("the old holder's write = %v, want it refused", err)
				}
				return nil
			})
			return err == nil
		})
		receive(t, ctx.Done(), "the first to learn of it")
		if cause := context.Cause(ctx); !errors.Is(cause, job.ErrLost) {
			t.Errorf("cause = %v, want ErrLost", cause)
		}
		return ctx.Err()
	})
	if !errors.Is(err, job.ErrLost) {
		t.Errorf("Exclusive = %v, want ErrLost in it", err)
	}
}

// TestLeaseIsRenewed works for longer than the lease lasts, by the clock of a bubble.
func TestLeaseIsRenewed(t *testing.T) {
	each(t, func(t *testing.T, db *storetest.Database) {
		synctest.Test(t, func(t *testing.T) {
			s := db.Open(t, storetest.WithNow(time.Now))
			const ttl = 20 * time.Second
			a, b := newEngine(t, s, job.Options{LeaseTTL: ttl}), newEngine(t, s, job.Options{})
			err := a.Exclusive(t.Context(), "connection/1", func(ctx context.Context, _ store.Fence) error {
				for end := time.Now().Add(5 * ttl); time.Now().Before(end); time.Sleep(time.Second) {
					err := b.Exclusive(ctx, "connection/1", func(context.Context, store.Fence) error { return nil })
					if !errors.Is(err, job.ErrHeld) {
						t.Fatalf("Exclusive = %v, want ErrHeld", err)
					}
				}
				return ctx.Err()
			})
			if err != nil {
				t.Errorf("the lease was lost: %v", err)
			}
		})
	})
}

// TestHeldLeaseIsNoFailure: a worker that finds its lease held is run again without a failure being counted.
func TestHeldLeaseIsNoFailure(t *testing.T) {
	db := storetest.SQLite(t)
	s := db.Open(t)
	began := make(chan job.Task, 10)
	var e *job.Engine
	e = newEngine(t, s, job.Options{Workers: []job.Worker{syncWorker(func(ctx context.Context, task job.Task) error {
		began <- task
		return e.Exclusive(ctx, "connection/1", func(context.Context, store.Fence) error { return nil })
	})}})
	start(t, e)
	var j job.Job
	err := e.Exclusive(t.Context(), "connection/1", func(context.Context, store.Fence) error {
		from := time.Now()
		ring(t, e, "connection/1/sync")
		receive(t, began, "the worker")
		eventually(t, "the job to wait", func() bool {
			j = jobs(t, e, job.JobFilter{Key: "connection/1/sync"})[0]
			return j.State == job.Waiting && !j.Next.IsZero() // not for its lane
		})
		if j.Error != "" || j.Next.Sub(from) < time.Second {
			t.Errorf("job = %+v, want it to wait for a moment without an error", j)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Retry(t.Context(), j.ID); err != nil { // not to wait for the pause
		t.Fatal(err)
	}
	if got := receive(t, began, "the worker").Attempt; got != 1 {
		t.Errorf("attempt = %d, want 1", got)
	}
	eventually(t, "the row to be settled", func() bool { return settled(t, e, "connection/1/sync") })
}
