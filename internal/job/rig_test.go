package job_test

import (
	"context"
	"database/sql"
	"log/slog"
	"os"
	"testing"
	"time"

	"github.com/windlass-hq/windlass/internal/job"
	"github.com/windlass-hq/windlass/internal/store"
	"github.com/windlass-hq/windlass/internal/store/storetest"
)

// patience is how long a test waits for what must come; it passes only when something is broken, however
// slow and busy the machine.
const patience = 2 * time.Minute

func TestMain(m *testing.M) { os.Exit(storetest.MainWithoutLeaks(m)) }

// each runs a test on both databases, beside others: these tests wait more than they work.
func each(t *testing.T, test func(t *testing.T, db *storetest.Database)) {
	t.Helper()
	t.Parallel()
	storetest.EachDatabase(t, test)
}

// newEngine returns an engine that is stopped before its store is closed.
func newEngine(t testing.TB, s *store.Store, o job.Options) *job.Engine {
	t.Helper()
	o.Store = s
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Backoff == nil {
		o.Backoff = func(int) time.Duration { return time.Millisecond }
	}
	if o.StopWithin == 0 {
		o.StopWithin = patience
	}
	e, err := job.New(t.Context(), o)
	if err != nil {
		t.Fatalf("New: %v", err)
	}
	t.Cleanup(func() { stop(t, e) })
	return e
}

func start(t testing.TB, e *job.Engine) {
	t.Helper()
	if err := e.Start(t.Context()); err != nil {
		t.Fatalf("Start: %v", err)
	}
}

func stop(t testing.TB, e *job.Engine) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := e.Stop(ctx); err != nil {
		t.Errorf("Stop: %v", err)
	}
}

func ring(t testing.TB, e *job.Engine, names ...string) {
	t.Helper()
	write(t, e, func(ctx context.Context, tx *sql.Tx) error {
		for _, n := range names {
			if err := e.Ring(ctx, tx, n); err != nil {
				return err
			}
		}
		return nil
	})
}

func write(t testing.TB, e *job.Engine, fn func(ctx context.Context, tx *sql.Tx) error) {
	t.Helper()
	if err := e.Store.Write(t.Context(), fn); err != nil {
		t.Fatalf("Write: %v", err)
	}
}

// receive waits for a signal.
func receive[T any](t testing.TB, c <-chan T, what string) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(patience):
		t.Fatalf("waited for %s in vain", what)
		panic("unreachable")
	}
}

// eventually polls a condition that no signal tells of: what River notes after a worker has returned.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	end := time.After(patience)
	for !ok() {
		select {
		case <-tick.C:
		case <-end:
			t.Fatalf("waited for %s in vain", what)
		}
	}
}

// settled reports that nothing of the prefix is wanted.
func settled(t testing.TB, e *job.Engine, prefix string) bool {
	t.Helper()
	rows, err := e.Store.Wanted(t.Context(), prefix)
	if err != nil {
		t.Fatalf("Wanted: %v", err)
	}
	return len(rows) == 0
}

func jobs(t testing.TB, e *job.Engine, f job.JobFilter) []job.Job {
	t.Helper()
	list, err := e.Jobs(t.Context(), f)
	if err != nil {
		t.Fatalf("Jobs: %v", err)
	}
	return list
}

// states returns the states of all jobs of a key, newest first.
func states(t testing.TB, e *job.Engine, key string) []job.State {
	t.Helper()
	var got []job.State
	for _, j := range jobs(t, e, job.JobFilter{Key: key, States: []job.State{job.Waiting, job.Running, job.Retrying, job.Done, job.Canceled, job.Dead}}) {
		got = append(got, j.State)
	}
	return got
}

// gate is a worker that tells when it begins and goes on when it is let.
type gate struct {
	began chan job.Task
	let   chan error
}

func newGate() *gate { return &gate{began: make(chan job.Task, 100), let: make(chan error, 100)} }

func (g *gate) work(ctx context.Context, t job.Task) error {
	g.began <- t
	select {
	case err := <-g.let:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func syncWorker(work func(context.Context, job.Task) error) job.Worker {
	return job.Worker{Kind: "sync", Pattern: "connection/*/sync", Work: work, Lane: func(t job.Task) string { return "connection/" + t.Stars[0] }}
}
