package job

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver"
	"github.com/riverqueue/river/riverdriver/riverdatabasesql"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/riverdriver/riversqlite"
	"github.com/riverqueue/river/rivermigrate"
	"github.com/riverqueue/river/rivertype"

	"github.com/windlass-hq/windlass/internal/store"
)

// What River is told. There is one queue: how many jobs of what run at once is decided by the lanes.
const (
	queue     = river.QueueDefault
	fetchRoom = 64 // jobs fetched at once: those that run and those in the waiting room

	// Jobs are fetched as soon as they are announced (PostgreSQL NOTIFY, or ears on SQLite), at most this often. The
	// poll is for retries and for what was announced while nobody listened.
	fetchCooldown = 10 * time.Millisecond
	fetchPoll     = time.Second

	// A job that failed so often is given up by River; the sweeper then inserts a new one, since the row of work is
	// still wanted. It keeps the list of a job's errors short.
	maxAttempts = 50

	postgresConns = 4 // of River's own pool; one of them listens

	// River would take a job that runs for long as lost. We know better: its process holds a lease (sweep.go).
	never = 10 * 365 * 24 * time.Hour
)

// liveStates returns the states in which a job will run or runs. A second job of the same kind and key is not
// inserted beside one of them; running must be among them, see the package comment.
func liveStates() []rivertype.JobState {
	return []rivertype.JobState{
		rivertype.JobStateAvailable, rivertype.JobStatePending, rivertype.JobStateRetryable,
		rivertype.JobStateRunning, rivertype.JobStateScheduled,
	}
}

// args are the arguments of all jobs. Kind and key make a job unique.
type args struct {
	kind string
	Key  string `json:"key" river:"unique"`
	Lane string `json:"lane,omitempty"`
}

// Kind implements river.JobArgs.
func (a args) Kind() string { return a.kind }

// riverDoor is River as the rest of the package sees it: one client that inserts and lists through the store's
// handles, and, per session, one that works.
type riverDoor struct {
	driver  riverdriver.Driver[*sql.Tx]
	client  *river.Client[*sql.Tx] // inserts in the store's transactions
	reader  *river.Client[*sql.Tx] // lists through the read pool
	workers *river.Workers
}

func (e *Engine) openRiver() error {
	e.river.workers = river.NewWorkers()
	for i := range e.Workers {
		w := &e.Workers[i]
		river.AddWorkerArgs(e.river.workers, args{kind: w.Kind}, &shell{engine: e, worker: w})
	}
	driver := func(db *sql.DB) riverdriver.Driver[*sql.Tx] {
		if e.Store.URL() != "" {
			return riverdatabasesql.New(db)
		}
		return riversqlite.New(db)
	}
	e.river.driver = driver(e.Store.Writer())
	// The cooldown of a client that only inserts limits how often it announces; each announcement counts here.
	config := &river.Config{Logger: e.riverLog(), FetchCooldown: time.Millisecond, Workers: e.river.workers}
	var err error
	if e.river.client, err = river.NewClient(e.river.driver, config); err != nil {
		return fmt.Errorf("job engine: %w", err)
	}
	if e.river.reader, err = river.NewClient(driver(e.Store.Reader()), config); err != nil {
		return fmt.Errorf("job engine: %w", err)
	}
	return nil
}

// migrateRiver brings River's tables up to date; one process at a time.
func (e *Engine) migrateRiver(ctx context.Context) error {
	migrator, err := rivermigrate.New(e.river.driver, &rivermigrate.Config{Logger: e.riverLog()})
	if err != nil {
		return fmt.Errorf("job engine: %w", err)
	}
	for {
		if v, err := migrator.Validate(ctx); err == nil && v.OK {
			return nil
		}
		err := e.Exclusive(ctx, "job/migrate", func(ctx context.Context, _ store.Fence) error {
			_, err := migrator.Migrate(ctx, rivermigrate.DirectionUp, nil)
			return err
		})
		if err == nil {
			return nil
		}
		if !errors.Is(err, ErrHeld) {
			return fmt.Errorf("migrate the job tables: %w", err)
		}
		if err := wait(ctx, 50*time.Millisecond); err != nil {
			return err
		}
	}
}

// working is a River client that runs jobs, on either database.
type working interface {
	Start(ctx context.Context) error
	Stopped() <-chan struct{}
}

// workingClient returns a client that runs jobs under the given id, and how to free what it uses after it has
// stopped.
func (e *Engine) workingClient(ctx context.Context, id string) (working, func(), error) {
	config := &river.Config{
		ID:                          id,
		Logger:                      e.riverLog(),
		Workers:                     e.river.workers,
		Queues:                      map[string]river.QueueConfig{queue: {MaxWorkers: fetchRoom}},
		FetchCooldown:               fetchCooldown,
		FetchPollInterval:           fetchPoll,
		JobTimeout:                  -1,
		RescueStuckJobsAfter:        never,
		RetryPolicy:                 retryPolicy(e.Backoff),
		CompletedJobRetentionPeriod: 24 * time.Hour,
		CancelledJobRetentionPeriod: 7 * 24 * time.Hour,
		DiscardedJobRetentionPeriod: 7 * 24 * time.Hour,
	}
	if e.Store.URL() == "" {
		driver := listeningDriver{Driver: riversqlite.New(e.Store.Writer()), ears: e.ears}
		client, err := river.NewClient(driver, config)
		return client, func() {}, err
	}
	poolConfig, err := pgxpool.ParseConfig(e.Store.URL())
	if err != nil {
		return nil, nil, errors.New("the database URL cannot be read") // the cause may repeat the password
	}
	poolConfig.MaxConns = postgresConns
	poolConfig.ConnConfig.RuntimeParams["application_name"] = "windlass jobs"
	pool, err := pgxpool.NewWithConfig(ctx, poolConfig)
	if err != nil {
		return nil, nil, fmt.Errorf("connect: %w", err)
	}
	client, err := river.NewClient(riverpgxv5.New(pool), config)
	if err != nil {
		pool.Close()
		return nil, nil, err
	}
	return client, pool.Close, nil
}

// shell is the River worker around one of ours.
type shell struct {
	river.WorkerDefaults[args]
	engine *Engine
	worker *Worker
}

// Work implements river.Worker.
func (s *shell) Work(ctx context.Context, j *river.Job[args]) error {
	return s.engine.work(ctx, s.worker, j.JobRow, j.Args)
}

// retryPolicy says when a failed job is tried again.
type retryPolicy func(attempt int) time.Duration

// NextRetry implements river.ClientRetryPolicy. Jobs that failed together are spread by up to a tenth.
func (p retryPolicy) NextRetry(row *rivertype.JobRow) time.Time {
	d := p(row.Attempt)
	return time.Now().Add(d + d/10*time.Duration(row.ID%11)/10)
}

// finish ends a running job inside tx. River's own note that the job has ended comes later and finds it ended.
func (e *Engine) finish(ctx context.Context, tx *sql.Tx, p *riverdriver.JobSetStateIfRunningParams) error {
	_, err := e.river.driver.UnwrapExecutor(tx).JobSetStateIfRunningMany(ctx, &riverdriver.JobSetStateIfRunningManyParams{
		ID:              []int64{p.ID},
		Attempt:         []*int{p.Attempt},
		ErrData:         [][]byte{p.ErrData},
		FinalizedAt:     []*time.Time{p.FinalizedAt},
		MetadataDoMerge: []bool{false},
		MetadataUpdates: [][]byte{nil},
		ScheduledAt:     []*time.Time{p.ScheduledAt},
		State:           []rivertype.JobState{p.State},
	})
	if err != nil {
		return fmt.Errorf("end job %d: %w", p.ID, err)
	}
	return nil
}

// attemptError is an error as River keeps it with a job.
func attemptError(attempt int, err error) []byte {
	data, jsonErr := json.Marshal(rivertype.AttemptError{At: time.Now().UTC(), Attempt: attempt, Error: err.Error()})
	if jsonErr != nil {
		return []byte("{}")
	}
	return data
}

// riverLog passes River's warnings on, and the rest only where debugging is on.
func (e *Engine) riverLog() *slog.Logger {
	return slog.New(quiet{e.Log.Handler()}).With("component", "river")
}

// quiet makes debug lines of everything below a warning.
type quiet struct{ slog.Handler }

// Enabled implements slog.Handler.
func (q quiet) Enabled(ctx context.Context, level slog.Level) bool {
	if level < slog.LevelWarn {
		level = slog.LevelDebug
	}
	return q.Handler.Enabled(ctx, level)
}

// Handle implements slog.Handler.
func (q quiet) Handle(ctx context.Context, r slog.Record) error {
	if r.Level < slog.LevelWarn {
		r.Level = slog.LevelDebug
	}
	return q.Handler.Handle(ctx, r)
}

// WithAttrs implements slog.Handler.
func (q quiet) WithAttrs(attrs []slog.Attr) slog.Handler { return quiet{q.Handler.WithAttrs(attrs)} }

// WithGroup implements slog.Handler.
func (q quiet) WithGroup(name string) slog.Handler { return quiet{q.Handler.WithGroup(name)} }
