package job

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"

	"github.com/windlass-hq/windlass/internal/fault"
)

// State is how far a job is.
type State string

// The states of a job.
const (
	Waiting  State = "waiting"  // for its time, or for its lane
	Running  State = "running"  // a worker is at it
	Retrying State = "retrying" // it failed and is tried again at Next
	Done     State = "done"
	Canceled State = "canceled" // by a person
	Dead     State = "dead"     // it was given up; Error says why
)

// Job is a wake-up as a person sees it.
type Job struct {
	ID      int64
	Kind    string
	Key     string // name of the row of work
	State   State
	Attempt int       // failures and the attempt under way; counted from 1
	Error   string    // of the last failed attempt
	Since   time.Time // when it came into its state
	Next    time.Time // when it runs next; zero when it runs or has ended
}

// JobFilter selects jobs. Its zero value selects all but those that are done.
type JobFilter struct {
	States []State
	Kind   string
	Key    string
	Limit  int // the newest; 1,000 where zero
}

// listMost is how many jobs River lists at once.
const listMost = 10_000

// Jobs lists jobs, newest first.
func (e *Engine) Jobs(ctx context.Context, f JobFilter) ([]Job, error) {
	if len(f.States) == 0 {
		f.States = []State{Waiting, Running, Retrying, Canceled, Dead}
	}
	if f.Limit <= 0 {
		f.Limit = 1000
	}
	var states []rivertype.JobState
	for _, s := range f.States {
		states = append(states, riverStates(s)...)
	}
	slices.Sort(states)
	jobs, err := e.list(ctx, slices.Compact(states))
	if err != nil {
		return nil, err
	}
	jobs = slices.DeleteFunc(jobs, func(j Job) bool {
		return !slices.Contains(f.States, j.State) || f.Kind != "" && j.Kind != f.Kind || f.Key != "" && j.Key != f.Key
	})
	return jobs[:min(len(jobs), f.Limit)], nil
}

// riverStates returns River's states among which jobs of our state are.
func riverStates(s State) []rivertype.JobState {
	switch s {
	case Waiting: // those that wait for their lane run for River
		return []rivertype.JobState{rivertype.JobStateAvailable, rivertype.JobStatePending, rivertype.JobStateScheduled, rivertype.JobStateRunning}
	case Running:
		return []rivertype.JobState{rivertype.JobStateRunning}
	case Retrying: // River makes jobs available that are tried again within seconds
		return []rivertype.JobState{rivertype.JobStateRetryable, rivertype.JobStateAvailable}
	case Done:
		return []rivertype.JobState{rivertype.JobStateCompleted}
	case Canceled:
		return []rivertype.JobState{rivertype.JobStateCancelled}
	default:
		return []rivertype.JobState{rivertype.JobStateDiscarded}
	}
}

func (e *Engine) list(ctx context.Context, states []rivertype.JobState) ([]Job, error) {
	rows, err := e.rows(ctx, e.river.reader.JobList, states)
	if err != nil {
		return nil, err
	}
	jobs := make([]Job, len(rows))
	for i, r := range rows {
		if jobs[i], err = e.jobOf(r); err != nil {
			return nil, err
		}
	}
	return jobs, nil
}

func (e *Engine) rows(ctx context.Context, list func(context.Context, *river.JobListParams) (*river.JobListResult, error), states []rivertype.JobState) ([]*rivertype.JobRow, error) {
	res, err := list(ctx, river.NewJobListParams().States(states...).OrderBy(river.JobListOrderByID, river.SortOrderDesc).First(listMost))
	if err != nil {
		return nil, fmt.Errorf("list jobs: %w", err)
	}
	return res.Jobs, nil
}

func (e *Engine) jobOf(r *rivertype.JobRow) (Job, error) {
	var a args
	if err := json.Unmarshal(r.EncodedArgs, &a); err != nil {
		return Job{}, fmt.Errorf("arguments of job %d: %w", r.ID, err)
	}
	j := Job{ID: r.ID, Kind: r.Kind, Key: a.Key, Attempt: r.Attempt, Since: r.CreatedAt}
	if len(r.Errors) > 0 {
		last := r.Errors[len(r.Errors)-1]
		j.Error, j.Since = last.Error, last.At
	}
	switch r.State {
	case rivertype.JobStateRunning:
		j.State, j.Since = Running, *cmp.Or(r.AttemptedAt, &r.CreatedAt)
		if e.running.waits(r.ID) {
			j.State = Waiting
		}
	case rivertype.JobStateCompleted:
		j.State, j.Since = Done, *cmp.Or(r.FinalizedAt, &r.CreatedAt)
	case rivertype.JobStateCancelled:
		j.State, j.Since = Canceled, *cmp.Or(r.FinalizedAt, &r.CreatedAt)
	case rivertype.JobStateDiscarded:
		j.State, j.Since = Dead, *cmp.Or(r.FinalizedAt, &r.CreatedAt)
	default:
		j.State, j.Next = Waiting, r.ScheduledAt
		if r.Attempt > 0 && len(r.Errors) >= r.Attempt {
			j.State = Retrying
		}
	}
	return j, nil
}

// Retry runs a job at once: one that waits or backs off is brought forward, one that is dead, canceled or done is
// rung again. A running one is left alone.
func (e *Engine) Retry(ctx context.Context, id int64) error {
	j, err := e.Job(ctx, id)
	if err != nil {
		return err
	}
	worker, ok := e.workerOfKind(j.Kind)
	if !ok {
		return fault.New(fault.Invalid, "job %d is of the kind %q, which this release does not have", id, j.Kind)
	}
	return e.Store.Write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		// A finished job stays as the record of what happened; the ring inserts another.
		if worker.Pattern != "" && (j.State == Dead || j.State == Canceled || j.State == Done) {
			return e.RingNow(ctx, tx, j.Key)
		}
		return e.Insert(ctx, tx, Wake{Kind: j.Kind, Key: j.Key, Urgent: true})
	})
}

// Cancel ends a job: what was wanted until now counts as done, and a running worker's context is cancelled, in
// whichever process it is. A ring after the cancel is served.
func (e *Engine) Cancel(ctx context.Context, id int64) error {
	j, err := e.Job(ctx, id)
	if err != nil {
		return err
	}
	if j.State == Dead || j.State == Canceled || j.State == Done {
		return fault.New(fault.Conflict, "job %d has ended already: %s", id, j.State)
	}
	wanted, err := e.wanted(ctx, j.Key)
	if err != nil {
		return err
	}
	err = e.Store.Write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		if worker, ok := e.workerOfKind(j.Kind); ok && worker.Pattern != "" && wanted > 0 {
			if _, err := e.Store.SettleIn(ctx, tx, j.Key, wanted); err != nil {
				return err
			}
		}
		if _, err := e.river.client.JobCancelTx(ctx, tx, id); err != nil {
			return fmt.Errorf("cancel job %d: %w", id, err)
		}
		return nil
	})
	if err != nil {
		return err
	}
	e.running.cancel(id) // in this process; on PostgreSQL River tells the others
	return nil
}

// Job returns one job.
func (e *Engine) Job(ctx context.Context, id int64) (Job, error) {
	r, err := e.river.reader.JobGet(ctx, id)
	if errors.Is(err, rivertype.ErrNotFound) {
		return Job{}, fault.New(fault.NotFound, "there is no job %d", id).With("see windlass jobs list")
	}
	if err != nil {
		return Job{}, fmt.Errorf("read job %d: %w", id, err)
	}
	return e.jobOf(r)
}

// running knows the jobs that this process works on.
type running struct {
	mu   sync.Mutex
	byID map[int64]*activity
}

type activity struct {
	name    string
	cancel  context.CancelCauseFunc
	working atomic.Bool // false while it waits for its lane
}

func (r *running) add(id int64, name string, cancel context.CancelCauseFunc) *activity {
	a := &activity{name: name, cancel: cancel}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.byID[id] = a
	return a
}

func (r *running) remove(id int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.byID, id)
}

func (r *running) cancel(id int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if a := r.byID[id]; a != nil {
		a.cancel(errCanceled)
	}
}

func (r *running) waits(id int64) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	a := r.byID[id]
	return a != nil && !a.working.Load()
}

func (r *running) names() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var names []string
	for _, a := range r.byID {
		names = append(names, a.name)
	}
	slices.Sort(names)
	return names
}
