package app

import (
	"context"
	"errors"
	gosync "sync"
	"time"

	"github.com/windlass-hq/windlass/internal/api"
	"github.com/windlass-hq/windlass/internal/fault"
	"github.com/windlass-hq/windlass/internal/job"
	"github.com/windlass-hq/windlass/internal/store"
	"github.com/windlass-hq/windlass/internal/sync"
)

const (
	eventsKept = 256             // of a run; older ones are left out for who comes late
	endedKept  = 5 * time.Minute // so that who follows a run sees its end
	patience   = 45 * time.Second
	askAgain   = 200 * time.Millisecond
)

// runs are the runs of this process: it starts them, keeps their progress for who follows, and stops them.
type runs struct {
	app  *App
	life context.Context
	end  context.CancelCauseFunc
	busy gosync.WaitGroup

	mu   gosync.Mutex
	byID map[int64]*watched
	shut bool
}

// watched is one run.
type watched struct {
	connection int64
	cancel     context.CancelFunc
	events     []api.RunEvent
	last       int
	more       chan struct{} // closed at the next event
	endedAt    time.Time
}

func newRuns(a *App) *runs {
	r := &runs{app: a, byID: map[int64]*watched{}}
	r.life, r.end = context.WithCancelCause(context.Background())
	return r
}

// errStopping is why runs end when the process does.
var errStopping = errors.New("windlass is stopping")

// stop interrupts all runs and waits until they are saved. It may be called twice.
func (r *runs) stop(ctx context.Context) error {
	r.mu.Lock()
	r.shut = true
	r.mu.Unlock()
	r.end(errStopping)
	saved := make(chan struct{})
	go func() { r.busy.Wait(); close(saved) }()
	select {
	case <-saved:
		return nil
	case <-ctx.Done():
		return fault.New(fault.Internal, "a run does not stop").With("what it had read is kept; the next run goes on from there")
	}
}

// Start implements api.Runs. A credential that Bitbucket does not accept stops it, since a person is there to put that
// right. It returns as soon as the run has a number. While background work of the same connection
// holds its lease, it waits for its turn: that work goes in slices.
func (r *runs) Start(ctx context.Context, name string, o sync.RunOptions) (int64, error) {
	conn, err := r.app.store.Connection(ctx, name)
	if err != nil {
		return 0, err
	}
	refused, _, err := r.app.validate(ctx, conn)
	if err == nil {
		err = refuse(conn, refused)
	}
	if err != nil {
		return 0, err
	}
	deadline := time.Now().Add(patience)
	for {
		id, err := r.begin(ctx, conn, o)
		if !fault.Is(err, fault.Conflict) || r.reading(conn.ID) || time.Now().After(deadline) {
			return id, err
		}
		select {
		case <-ctx.Done():
			return 0, ctx.Err()
		case <-time.After(askAgain):
		}
	}
}

// alone implements api.Options.Alone: it waits for background work, which goes in slices, but not for a run.
func (r *runs) alone(ctx context.Context, connection int64, fn func(context.Context) error) error {
	deadline := time.Now().Add(patience)
	for {
		err := r.app.jobs.Exclusive(ctx, sync.LeaseName(connection), func(ctx context.Context, _ store.Fence) error { return fn(ctx) })
		switch {
		case !errors.Is(err, job.ErrHeld):
			return err
		case r.reading(connection) || time.Now().After(deadline):
			return fault.Wrap(err, fault.Conflict, "a run of the connection is under way").With("wait for it, or stop it")
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(askAgain):
		}
	}
}

// reading reports whether this process does a run of the connection that is no slice of background work.
func (r *runs) reading(connection int64) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, w := range r.byID {
		if w.connection == connection && w.endedAt.IsZero() {
			return true
		}
	}
	return false
}

// begin starts a run in the background and waits for its number, or for its failure.
func (r *runs) begin(ctx context.Context, conn store.Connection, o sync.RunOptions) (int64, error) {
	type begun struct {
		id  int64
		err error
	}
	first := make(chan begun, 1)
	go func() {
		var once gosync.Once
		_, err := r.do(conn, o, func(id int64) { once.Do(func() { first <- begun{id: id} }) })
		once.Do(func() { first <- begun{err: err} })
	}()
	select {
	case b := <-first:
		return b.id, b.err
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

// do runs a connection and returns when that has ended. started is called once the run has a number.
func (r *runs) do(conn store.Connection, o sync.RunOptions, started func(int64)) (sync.Summary, error) {
	r.mu.Lock()
	if r.shut {
		r.mu.Unlock()
		return sync.Summary{}, fault.Wrap(errStopping, fault.Canceled, "the run was not started")
	}
	r.busy.Add(1)
	r.mu.Unlock()
	defer r.busy.Done()

	ctx, cancel := context.WithCancel(r.life)
	defer cancel()
	var mu gosync.Mutex // guards id: progress comes from several goroutines
	id := int64(0)
	watch := func(e sync.Event) {
		mu.Lock()
		defer mu.Unlock()
		if id == 0 {
			id = e.Run
			r.add(id, conn.ID, cancel)
			started(id)
		}
		if e.Phase != "done" {
			r.note(id, e)
		}
	}
	sum, err := r.app.sync.Run(ctx, conn.Name, o, watch)
	if err == nil && o.Full {
		err = r.app.checkHooks(ctx, conn.ID)
	}
	mu.Lock()
	defer mu.Unlock()
	if id == 0 && sum.Run != 0 {
		id = sum.Run
		r.add(id, conn.ID, cancel)
		started(id)
	}
	if id != 0 {
		r.ended(id, err)
	}
	return sum, err
}

func (r *runs) add(id, connection int64, cancel context.CancelFunc) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for old, w := range r.byID {
		if !w.endedAt.IsZero() && time.Since(w.endedAt) > endedKept {
			delete(r.byID, old)
		}
	}
	last := 0
	if w, ok := r.byID[id]; ok { // an interrupted run that goes on keeps counting
		last = w.last
	}
	r.byID[id] = &watched{connection: connection, cancel: cancel, more: make(chan struct{}), last: last}
}

func (r *runs) note(id int64, e sync.Event) { r.push(id, api.RunEvent{Event: e}) }

func (r *runs) ended(id int64, err error) { r.push(id, api.RunEvent{Ended: true, Err: err}) }

func (r *runs) push(id int64, e api.RunEvent) {
	r.mu.Lock()
	defer r.mu.Unlock()
	w, ok := r.byID[id]
	if !ok {
		return
	}
	w.last++
	e.Number = w.last
	if len(w.events) == eventsKept {
		w.events = append(w.events[:0], w.events[eventsKept/2:]...)
	}
	w.events = append(w.events, e)
	if e.Ended {
		w.endedAt = time.Now()
	}
	close(w.more)
	w.more = make(chan struct{})
}

// Cancel implements api.Runs.
func (r *runs) Cancel(id int64) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	w, ok := r.byID[id]
	if !ok || !w.endedAt.IsZero() {
		return false
	}
	w.cancel()
	return true
}

// cancelOf stops the run of a connection, if there is one.
func (r *runs) cancelOf(connection int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, w := range r.byID {
		if w.connection == connection && w.endedAt.IsZero() {
			w.cancel()
		}
	}
}

// Events implements api.Runs.
func (r *runs) Events(id int64, after int) ([]api.RunEvent, <-chan struct{}, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	w, ok := r.byID[id]
	if !ok {
		return nil, nil, false
	}
	var out []api.RunEvent
	for _, e := range w.events {
		// Who has seen the end and asks again (a stream that broke off right then) gets the end again.
		if e.Number > after || e.Ended {
			out = append(out, e)
		}
	}
	return out, w.more, true
}

// isRun tells runs of the schedule's kind from slices of the backlog.
func isRun(r store.Run) bool { return r.Cause.ID != sync.BacklogCause }
