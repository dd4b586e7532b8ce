// Package app is the program as a value: New, Start, Stop.
//
// A started App has an open database, the engines on top of it, and the API's handler. With Schedules it is a server:
// it also works background jobs off, keeps schedules and listens. Without, it is what a command runs in process: it
// holds the data directory's lock and does only what is asked of it.
package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"slices"
	"time"

	"github.com/windlass-hq/windlass/internal/api"
	"github.com/windlass-hq/windlass/internal/config"
	"github.com/windlass-hq/windlass/internal/fault"
	"github.com/windlass-hq/windlass/internal/graph"
	"github.com/windlass-hq/windlass/internal/intake"
	"github.com/windlass-hq/windlass/internal/job"
	"github.com/windlass-hq/windlass/internal/query"
	"github.com/windlass-hq/windlass/internal/store"
	"github.com/windlass-hq/windlass/internal/sync"
	"github.com/windlass-hq/windlass/internal/web"
)

// stopWithin bounds a graceful stop.
const stopWithin = 9 * time.Second

// Options are what an App needs.
type Options struct {
	Config    config.Config
	Schedules bool // be a server: jobs, schedules, listeners
	Now       func() time.Time
	Log       *slog.Logger
	// Tell says a line to the person who started the program, such as where a key was created. Nil for silence.
	Tell func(format string, args ...any)
}

// App is one process. Start and Stop are called once each; Stop may also follow a Start that failed.
type App struct {
	Options
	store   *store.Store
	jobs    *job.Engine
	sync    *sync.Engine
	queries *query.Engine
	runs    *runs
	api     *api.Server

	inbox    *store.Inbox
	drainer  *intake.Drainer
	receiver *intake.Receiver // of a server only

	url      string
	hooksURL string
	failed   chan error
	cleanup  []step
}

// step undoes one step of a start.
type step struct {
	name string
	undo func(context.Context) error
}

// New checks the options. It touches nothing.
func New(o Options) (*App, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Tell == nil {
		o.Tell = func(string, ...any) {}
	}
	if !o.Schedules {
		return &App{Options: o}, nil
	}
	if !config.Loopback(o.Config.Listen) {
		return nil, fault.New(fault.Usage, "--listen %s is not on the loopback interface, and there is no sign-in yet that would protect it", o.Config.Listen).
			With("use 127.0.0.1:8484 and reach it through an SSH tunnel")
	}
	return &App{Options: o, failed: make(chan error, 4)}, nil
}

// Start opens everything. What a failed start has opened is closed again. The context bounds the start, not the life.
func (a *App) Start(ctx context.Context) (err error) {
	defer func() {
		if err != nil {
			err = errors.Join(err, a.Stop())
		}
	}()
	if !a.Config.Postgres() || a.Schedules {
		if err := os.MkdirAll(a.Config.DataDir, 0o700); err != nil {
			return fault.Wrap(err, fault.Unavailable, "the data directory cannot be created").With("check the path given by --data-dir and who may write there")
		}
	}
	if !a.Config.Postgres() {
		l, err := acquire(a.Config.DataDir)
		if err != nil {
			return err
		}
		a.onStop("lock", func(context.Context) error { return l.release() })
	}
	if err := a.open(ctx); err != nil {
		return err
	}
	if !a.Schedules {
		return nil
	}
	a.startIntake()
	if err := a.listen(ctx); err != nil {
		return err
	}
	if err := a.jobs.Start(ctx); err != nil {
		return fmt.Errorf("start the background jobs: %w", err)
	}
	a.onStop("jobs", a.jobs.Stop)
	a.onStop("runs", a.runs.stop) // again, after the listeners' own in a server: first of all
	return nil
}

// open opens the database and builds what stands on it.
func (a *App) open(ctx context.Context) error {
	s, err := store.Open(ctx, store.Options{
		URL: a.Config.Database, Dir: a.Config.DataDir, KeyFile: a.Config.KeyFile, Now: a.Now, Log: a.Log,
	})
	if err != nil {
		return err
	}
	a.store = s
	a.onStop("database", func(context.Context) error { return s.Close() })
	if path := s.KeyCreated(); path != "" {
		a.Tell("Created the key %s, which encrypts stored credentials. Back it up, and not together with the data.", path)
	}
	if !a.Config.Postgres() {
		// The lock of the data directory says that nobody else lives here.
		if err := s.EndLeases(ctx); err != nil {
			return err
		}
	}
	a.runs = newRuns(a)
	past := history{a}
	daily := upkeep{past}
	a.jobs, err = job.New(ctx, job.Options{
		Store: s, Log: a.Log, Now: a.Now, Workers: append(a.workers(), daily.worker(), a.hooksWorker()),
		Schedule:   hooks{a}.schedule(daily.schedule(a.schedule())),
		StopWithin: stopWithin - 2*time.Second,
	})
	if err != nil {
		return fmt.Errorf("open the background jobs: %w", err)
	}
	a.sync = sync.New(sync.Options{
		Store: s, Open: a.openReader, Exclusive: a.jobs.Exclusive, Ring: a.jobs.Ring, Now: a.Now, Log: a.Log,
	})
	a.onStop("readers", func(context.Context) error { a.sync.Close(); return nil })
	a.queries = query.New(s, graph.Standard()).WithClock(a.Now).WithHistory(s.HistoryFrom)
	a.api = api.New(api.Options{
		Store: s, Runs: a.runs, Asker: asker{a.queries}, Jobs: a.jobs, Keys: keys{s}, History: past, Check: a.check, Preflight: a.preflight,
		Hooks: hooks{a}, Deliveries: deliveries{a},
		Budgets: a.budgets, Instance: newInstance, Resembles: a.resembles, Alone: a.runs.alone, Doctor: a.doctor, Ready: a.ready,
		Info: a.info(), Web: web.Handler(), Now: a.Now, Log: a.Log,
	})
	a.onStop("runs", a.runs.stop)
	return a.openIntake(ctx)
}

// Handler returns the API. It is only valid between Start and Stop.
func (a *App) Handler() http.Handler { return a.api.Handler() }

// URL returns where a server listens.
func (a *App) URL() string { return a.url }

// Socket returns the path of a server's socket.
func (a *App) Socket() string {
	path, _ := SocketPath(a.Config.DataDir) // Start has found it good
	return path
}

// Failed receives an error that ends a server, such as a listener that broke.
func (a *App) Failed() <-chan error { return a.failed }

// Stop undoes what Start did in reverse order, within ten seconds. Runs under way are saved as interrupted.
func (a *App) Stop() error {
	ctx, cancel := context.WithTimeout(context.Background(), stopWithin)
	defer cancel()
	var errs []error
	for _, s := range slices.Backward(a.cleanup) {
		if err := s.undo(ctx); err != nil {
			errs = append(errs, fmt.Errorf("close the %s: %w", s.name, err))
		}
	}
	a.cleanup = nil
	return errors.Join(errs...)
}

func (a *App) onStop(name string, undo func(context.Context) error) {
	a.cleanup = append(a.cleanup, step{name, undo})
}

// ready says whether the database answers; its schema was brought up to date when it was opened.
func (a *App) ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	var one int
	if err := a.store.Reader().QueryRowContext(ctx, "SELECT 1").Scan(&one); err != nil {
		return fault.Wrap(err, fault.Unavailable, "the database does not answer")
	}
	return nil
}
