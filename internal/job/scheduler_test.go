package job_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/windlass-hq/windlass/internal/graph"
	"github.com/windlass-hq/windlass/internal/job"
	"github.com/windlass-hq/windlass/internal/store"
	"github.com/windlass-hq/windlass/internal/store/storetest"
)

func connection(t *testing.T, s *store.Store, name, interval string) int64 {
	t.Helper()
	c, err := s.CreateConnection(t.Context(), store.Connection{Name: name, Product: "cloud", Interval: interval}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return c.ID
}

func syncWork(id int64) string { return fmt.Sprintf("connection/%d/sync", id) }

// TestConnectionsRunWhenTheyAreDue drives the schedule of two processes on one database by the test's clock: each
// connection runs once per interval, whichever process rings it.
func TestConnectionsRunWhenTheyAreDue(t *testing.T) {
	each(t, func(t *testing.T, db *storetest.Database) {
		s := db.Open(t)
		hourly, daily := connection(t, s, "hourly", "1h"), connection(t, s, "daily", "24h")
		connection(t, s, "never", "disabled")
		connection(t, s, "nonsense", "now and then")

		var mu sync.Mutex
		ran := map[string]int{}
		worker := syncWorker(func(ctx context.Context, task job.Task) error {
			var id int64
			fmt.Sscan(task.Stars[0], &id)
			run, err := s.StartRun(ctx, id, graph.Cause{Kind: "schedule"})
			if err != nil {
				return err
			}
			mu.Lock()
			ran[task.Name]++
			mu.Unlock()
			run.Status = "complete"
			return s.FinishRun(ctx, run)
		})
		o := job.Options{
			Now: db.Clock.Now, TickEvery: 10 * time.Millisecond, Workers: []job.Worker{worker},
			Schedule: job.Connections(s, syncWork, func(r store.Run) bool { return r.Cause.Kind == "schedule" }),
			LeaseTTL: 1000 * time.Hour, // the clock leaps
		}
		a, b := newEngine(t, s, o), newEngine(t, s, o)
		start(t, a)
		start(t, b)
		runs := func(want map[string]int) {
			t.Helper()
			eventually(t, fmt.Sprint("the runs ", want), func() bool {
				mu.Lock()
				defer mu.Unlock()
				return cmp.Equal(ran, want) && settled(t, a, "connection/")
			})
		}
		runs(map[string]int{syncWork(hourly): 1, syncWork(daily): 1}) // at once, since they never ran
		for i := 2; i <= 5; i++ {
			db.Clock.Advance(30 * time.Minute)
			// A backlog of the connection that begins now does not put the next run off.
			for range 25 {
				if _, err := s.StartRun(t.Context(), hourly, graph.Cause{Kind: "backlog"}); err != nil {
					t.Fatal(err)
				}
			}
			runs(map[string]int{syncWork(hourly): i - 1, syncWork(daily): 1})
			db.Clock.Advance(30 * time.Minute)
			runs(map[string]int{syncWork(hourly): i, syncWork(daily): 1})
		}
		db.Clock.Advance(17 * time.Hour) // 21 hours in all; a day may be a tenth shorter
		runs(map[string]int{syncWork(hourly): 6, syncWork(daily): 1})
		db.Clock.Advance(3 * time.Hour)
		runs(map[string]int{syncWork(hourly): 7, syncWork(daily): 2})
	})
}

// TestWorkThatLeavesNoRunIsNotRungAtEveryTick: a connection whose credential is gone gives up before a run begins.
func TestWorkThatLeavesNoRunIsNotRungAtEveryTick(t *testing.T) {
	db := storetest.SQLite(t)
	s := db.Open(t)
	id := connection(t, s, "broken", "1h")
	began := make(chan struct{}, 100)
	asked := make(chan struct{}, 10_000)
	schedule := job.Connections(s, syncWork, nil)
	e := newEngine(t, s, job.Options{
		Now: db.Clock.Now, TickEvery: 5 * time.Millisecond,
		Workers: []job.Worker{syncWorker(func(context.Context, job.Task) error {
			began <- struct{}{}
			return job.GiveUp(nil)
		})},
		Schedule: func(ctx context.Context) ([]job.Entry, error) {
			asked <- struct{}{}
			return schedule(ctx)
		},
		LeaseTTL: 1000 * time.Hour,
	})
	start(t, e)
	receive(t, began, "the worker")
	eventually(t, "the row to be settled", func() bool { return settled(t, e, syncWork(id)) })
	for len(asked) > 0 {
		<-asked
	}
	for range 10 {
		receive(t, asked, "a tick")
	}
	if n := len(began); n != 0 {
		t.Errorf("it ran %d times more within its interval, want none", n)
	}
	db.Clock.Advance(time.Hour)
	receive(t, began, "the next interval")
}
