// Package sync draws a connection's Bitbucket into the graph.
//
// A run lists what is small at once (accounts, projects, members, repositories) and raises one row of work for the
// pull requests of every repository (pullrequests.go); what administrators set is due in rotation (settings.go,
// rotation.go). The backlog works both off. Pages are applied as they arrive. Nothing is
// closed before a listing has been read completely and each absence has been confirmed (absence.go), and nothing
// that was interrupted is read twice: the rows of work are the memory, not the process.
package sync

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/windlass-hq/windlass/internal/fault"
	"github.com/windlass-hq/windlass/internal/graph"
	"github.com/windlass-hq/windlass/internal/store"
)

// Options are what an Engine needs. All fields but Parallel and Ring are required.
type Options struct {
	Store *store.Store
	// Open makes the reader of a connection. onWait is called when the reader has to wait for an allowance.
	Open func(conn store.Connection, credentials []store.Credential, noWait bool, onWait func(until time.Time, why string)) (Reader, error)
	// Exclusive runs fn while this process alone holds the named lease; it answers fault.Conflict when another
	// process holds it, and cancels fn's context when the lease is lost.
	Exclusive func(ctx context.Context, name string, fn func(context.Context, store.Fence) error) error
	// Ring raises a row of work and wakes whoever works it off. Without it the row is only raised.
	Ring func(ctx context.Context, tx *sql.Tx, name string) error
	Now  func() time.Time
	Log  *slog.Logger
	// Parallel is how many repositories are listed at the same time; 6 where it is zero.
	Parallel int
}

// Engine runs synchronisations.
type Engine struct {
	Options
	readers *readers
}

// New returns an Engine.
func New(o Options) *Engine {
	if o.Parallel == 0 {
		o.Parallel = 6
	}
	if o.Ring == nil {
		o.Ring = func(ctx context.Context, tx *sql.Tx, name string) error { return o.Store.Raise(ctx, tx, name) }
	}
	return &Engine{Options: o, readers: &readers{byConnection: map[int64]keptReader{}}}
}

// Close gives back what readers that are kept for deliveries hold. Nothing else may be under way.
func (e *Engine) Close() { e.readers.close() }

// RunOptions say how one run differs from the plain one.
type RunOptions struct {
	Full           bool          // list again what an interrupted run had finished
	ConfirmDeletes string        // id of the run whose held closings are confirmed, or "all"
	Since          time.Duration // pull requests that are open or were updated within this time; zero for what the connection says
	NoWait         bool          // save and stop instead of waiting for an allowance
	Drain          bool          // somebody waits: read pull requests as far back as they go before returning
	Cause          graph.Cause   // who asked; a run of its own where empty
	// Without are credentials that the run does without, by id, with why. The summary says so.
	Without map[int64]string
}

// Event tells how far a run is.
type Event struct {
	Run     int64      `json:"run"`
	Phase   string     `json:"phase"` // listing, pull requests, history, settings, absences, waiting, done
	Scope   string     `json:"scope,omitempty"`
	Done    int        `json:"done"`
	Total   int        `json:"total"` // zero while unknown
	Calls   int64      `json:"calls"`
	Objects int        `json:"objects"`
	Waiting *time.Time `json:"waiting,omitempty"` // when work goes on, while an allowance is spent
	Message string     `json:"message,omitempty"`
}

// SyncWork names the row of work that stands for "this connection wants a run".
func SyncWork(connection int64) string { return fmt.Sprintf("connection/%d/sync", connection) }

// BacklogWork names the row of work that stands for "this connection has background work to do".
func BacklogWork(connection int64) string { return fmt.Sprintf("connection/%d/backlog", connection) }

// BacklogCause marks the runs that only work off what others queued, so that the schedule does not count them.
const BacklogCause = "backlog"

// Stream names the change stream of a connection.
func Stream(connection int64) string { return fmt.Sprintf("connection/%d", connection) }

// LeaseName names the lease that a run holds while it works on a connection.
func LeaseName(connection int64) string { return fmt.Sprintf("connection/%d", connection) }

// Run synchronises the named connection once. The summary is meaningful even beside an error: what was read before
// the error is stored. It answers fault.Conflict while another run of the connection is under way.
func (e *Engine) Run(ctx context.Context, name string, o RunOptions, progress func(Event)) (Summary, error) {
	conn, err := e.Store.Connection(ctx, name)
	if err != nil {
		return Summary{}, err
	}
	var sum Summary
	err = e.Exclusive(ctx, LeaseName(conn.ID), func(ctx context.Context, fence store.Fence) error {
		var err error
		sum, err = e.run(ctx, conn, fence, o, progress)
		return err
	})
	if fault.Is(err, fault.Conflict) && sum.Connection == "" {
		return sum, fault.Wrap(err, fault.Conflict, "a run of %q is under way", name).With("wait for it, or see windlass runs %s", name)
	}
	return sum, err
}

func (e *Engine) run(ctx context.Context, conn store.Connection, fence store.Fence, o RunOptions, progress func(Event)) (Summary, error) {
	p, err := e.newPass(ctx, conn, fence, o, progress)
	if err != nil {
		return Summary{}, err
	}
	err = p.objects(ctx)
	if err == nil {
		if o.Drain || o.Full {
			_, err = p.backlog(ctx, time.Time{})
		} else {
			err = e.Store.Write(ctx, func(ctx context.Context, tx *sql.Tx) error {
				return e.Ring(ctx, tx, BacklogWork(conn.ID))
			})
		}
	}
	return p.finish(ctx, err)
}

// Backlog works off what runs of the connection have left: pull requests that are wanted, the history of those, and
// settings that are due, for at most the given time so that a run that is due can come in between. It reports whether nothing is left. Without is as in RunOptions.
func (e *Engine) Backlog(ctx context.Context, name string, slice time.Duration, without map[int64]string, progress func(Event)) (done bool, err error) {
	conn, err := e.Store.Connection(ctx, name)
	if err != nil {
		return false, err
	}
	err = e.Exclusive(ctx, LeaseName(conn.ID), func(ctx context.Context, fence store.Fence) error {
		p, err := e.newPass(ctx, conn, fence, RunOptions{Cause: graph.Cause{Kind: "run", ID: BacklogCause}, Without: without}, progress)
		if err != nil {
			return err
		}
		done, err = p.backlog(ctx, e.Now().Add(slice))
		_, err = p.finish(ctx, err)
		return err
	})
	return done, err
}

// pass is one run under way.
type pass struct {
	*Engine
	conn     store.Connection
	reader   Reader
	fence    store.Fence
	opts     RunOptions
	progress func(Event)
	run      store.Run
	adopted  bool // the run was interrupted before and goes on
	started  time.Time
	tally    tally
	repos    repos
	places   places
	lists    int            // of settings of repositories that were looked up so far
	looked   map[int64]bool // scopes of settings that were looked up so far
	count    int            // repositories of the connection, once background work began
	absences []absence
	held     map[int64]bool  // scopes that hold closings of earlier runs
	confirm  map[string]bool // keys whose held closing was confirmed by the number of the run
}

func (e *Engine) newPass(ctx context.Context, conn store.Connection, fence store.Fence, o RunOptions, progress func(Event)) (*pass, error) {
	if progress == nil {
		progress = func(Event) {}
	}
	p := &pass{Engine: e, conn: conn, fence: fence, opts: o, started: e.Now(), looked: map[int64]bool{}}
	p.progress = func(ev Event) {
		ev.Run = p.run.ID
		progress(ev)
	}
	credentials, err := p.credentials(ctx)
	if err != nil {
		return nil, err
	}
	p.reader, err = e.Open(conn, credentials, o.NoWait, func(until time.Time, why string) {
		p.progress(Event{Phase: "waiting", Waiting: &until, Message: why, Calls: p.reader.Calls()})
	})
	if err != nil {
		return nil, err
	}
	if err := p.recallHeld(ctx); err != nil {
		return nil, err
	}
	if o.Cause.ID != BacklogCause {
		newest := slices.MaxFunc(credentials, func(a, b store.Credential) int { return a.CreatedAt.Compare(b.CreatedAt) })
		if err := e.Store.RetryDenied(ctx, conn.ID, newest.CreatedAt); err != nil {
			return nil, err
		}
	}
	old, err := e.Store.Interrupted(ctx, conn.ID)
	if err != nil {
		return nil, err
	}
	if old != nil {
		p.run, p.adopted = *old, true
		return p, nil
	}
	cause := o.Cause
	if cause.Kind == "" {
		cause.Kind = "run"
	}
	p.run, err = e.Store.StartRun(ctx, conn.ID, cause)
	return p, err
}

// credentials returns those that the pass may use.
func (p *pass) credentials(ctx context.Context) ([]store.Credential, error) {
	credentials, err := p.Store.Credentials(ctx, p.conn.ID)
	if err != nil {
		return nil, err
	}
	if len(credentials) == 0 {
		return nil, fault.New(fault.Invalid, "connection %q has no credential", p.conn.Name).
			With("add one: windlass connection credential add %s …", p.conn.Name)
	}
	credentials = slices.DeleteFunc(credentials, func(k store.Credential) bool {
		why, without := p.opts.Without[k.ID]
		if without {
			p.tally.warnings = append(p.tally.warnings, why)
			level := slog.LevelWarn
			if p.opts.Cause.ID == BacklogCause { // a slice of work that a run left behind, which has said it
				level = slog.LevelDebug
			}
			p.Log.Log(ctx, level, "a run does without a credential", "connection", p.conn.Name, "credential", k.ID, "reason", why)
		}
		return without
	})
	if len(credentials) == 0 {
		return nil, fault.New(fault.Invalid, "no credential of the connection %q is accepted: %s", p.conn.Name, strings.Join(p.tally.warnings, "; ")).
			With("add one that is: windlass connection credential add %s …", p.conn.Name)
	}
	return credentials, nil
}

// cause names this run in every change it makes.
func (p *pass) cause() graph.Cause {
	return graph.Cause{Kind: "run", ID: strconv.FormatInt(p.run.ID, 10)}
}

// finish writes the end of the run, whatever ended it, and builds the summary.
func (p *pass) finish(ctx context.Context, cause error) (Summary, error) {
	if ctx.Err() != nil { // the last words are written even when the run was cancelled
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(context.WithoutCancel(ctx), 30*time.Second)
		defer cancel()
	}
	defer p.reader.Close()

	sum, err := p.summary(ctx)
	if err != nil {
		return sum, errors.Join(cause, err)
	}
	p.run.Status, p.run.Error = sum.Status, "" // an adopted run leaves its interruption behind
	switch {
	case cause == nil:
	case errors.Is(cause, context.Canceled), errors.Is(cause, context.DeadlineExceeded):
		p.run.Status, sum.Status = Interrupted, Interrupted
		cause = fault.Wrap(cause, fault.Canceled, "the run of %q was interrupted; what was read is kept", p.conn.Name).
			With("windlass sync %s goes on where it stopped", p.conn.Name)
	default:
		if sum.Status = Partial; sum.read == 0 {
			sum.Status = Failed
		}
		p.run.Status = sum.Status
		// A spent allowance or a silent Bitbucket ends a run in the middle: the next one goes on from there, or a
		// workspace that needs more calls than an hour grants would never be read to its end.
		if fault.Is(cause, fault.Limited) || fault.Is(cause, fault.Unavailable) {
			p.run.Status = Interrupted
		}
	}
	if cause != nil {
		p.run.Error = cause.Error()
		if e, ok := errors.AsType[*fault.Error](cause); ok && fault.Is(cause, fault.Canceled) {
			p.run.Error = (&fault.Error{Message: e.Message, Remedy: e.Remedy}).Error() // without the statement it stood in
		}
	}
	ended := p.Now()
	p.run.EndedAt = &ended
	p.run.Calls += p.reader.Calls()
	if p.run.Summary, err = sum.encode(); err != nil {
		return sum, errors.Join(cause, err)
	}
	if err := p.Store.FinishRun(ctx, p.run); err != nil {
		return sum, errors.Join(cause, err)
	}
	p.progress(Event{Phase: "done", Calls: sum.Calls, Objects: sum.total(), Message: sum.Status})
	return sum, cause
}
