package job

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver"
	"github.com/riverqueue/river/rivertype"

	"github.com/windlass-hq/windlass/internal/store"
)

// sweepLoop sweeps at once and then every SweepEvery.
func (e *Engine) sweepLoop(ctx context.Context, s session) {
	tick := time.NewTicker(e.SweepEvery)
	defer tick.Stop()
	for {
		if err := errors.Join(e.adopt(ctx, s), e.Sweep(ctx)); err != nil && ctx.Err() == nil {
			e.Log.WarnContext(ctx, "looking for lost jobs failed and is tried again", "error", err.Error())
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// Sweep inserts a job for every row of work that is wanted, has a worker, and has no live job. The Engine does it by
// itself while it is started.
func (e *Engine) Sweep(ctx context.Context) error {
	rows, err := e.Store.Wanted(ctx, "")
	if err != nil {
		return err
	}
	var lost []Wake
	for _, r := range rows {
		if w, ok := e.workerOf(r.Name); ok {
			lost = append(lost, Wake{Kind: w.Kind, Key: r.Name})
		}
	}
	if len(lost) == 0 {
		return nil
	}
	live, err := e.list(ctx, liveStates())
	if err != nil {
		return err
	}
	has := make(map[Wake]bool, len(live))
	for _, j := range live {
		has[Wake{Kind: j.Kind, Key: j.Key}] = true
	}
	for _, w := range lost {
		if has[w] {
			continue
		}
		if err := e.insertLost(ctx, w); err != nil {
			return err
		}
	}
	return nil
}

// insertLost inserts the job of a row that seemed to have none, if it is wanted still: a row that was settled after it
// was read, and before the jobs were, has no job either.
func (e *Engine) insertLost(ctx context.Context, w Wake) error {
	return e.Store.Write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		wanted, err := e.Store.WantedIn(ctx, tx, w.Key)
		if err != nil || wanted == 0 {
			return err
		}
		e.Log.InfoContext(ctx, "a lost job is inserted again", "kind", w.Kind, "key", w.Key)
		return e.Insert(ctx, tx, w)
	})
}

// errLeft is recorded with a job whose process went away.
var errLeft = errors.New("the process that worked on it ended without a word; another job took its place")

// adopt replaces jobs that a process left running when it died. That it died is known from its place:
// its lease can be had, or we have it ourselves with a later fence.
func (e *Engine) adopt(ctx context.Context, own session) error {
	running, err := e.rows(ctx, e.river.reader.JobList, []rivertype.JobState{rivertype.JobStateRunning})
	if err != nil {
		return err
	}
	places := map[int]bool{}
	for _, r := range running {
		if place, token, ok := parseSession(lastSession(r)); ok && (place != own.place || token != own.fence.Token) {
			places[place] = true
		}
	}
	for place := range places {
		if place == own.place {
			err = e.adoptFrom(ctx, place, own.fence)
		} else {
			err = e.Exclusive(ctx, placeLease(place), func(ctx context.Context, fence store.Fence) error {
				return e.adoptFrom(ctx, place, fence)
			})
		}
		if err != nil && !errors.Is(err, ErrHeld) { // held: alive, or its successor does it
			return err
		}
	}
	return nil
}

// adoptFrom replaces the jobs that sessions at a place left behind, up to the fence that the caller holds. Each is
// ended and another inserted in its place, rather than made available again: should its process be alive after all
// (a suspended machine wakes up), what it reports of its job then changes nothing.
func (e *Engine) adoptFrom(ctx context.Context, place int, fence store.Fence) error {
	return e.Store.Write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		if err := e.Store.CheckFence(ctx, tx, &fence); err != nil {
			return err
		}
		running, err := e.rows(ctx, func(ctx context.Context, p *river.JobListParams) (*river.JobListResult, error) {
			return e.river.client.JobListTx(ctx, tx, p)
		}, []rivertype.JobState{rivertype.JobStateRunning})
		if err != nil {
			return err
		}
		now := time.Now().UTC()
		var p riverdriver.JobRescueManyParams
		var again []Wake
		for _, r := range running {
			if at, token, ok := parseSession(lastSession(r)); !ok || at != place || token >= fence.Token {
				continue
			}
			var a args
			if err := json.Unmarshal(r.EncodedArgs, &a); err != nil {
				return fmt.Errorf("arguments of job %d: %w", r.ID, err)
			}
			e.Log.WarnContext(ctx, "a job was left behind and is taken over", "job", r.ID, "kind", r.Kind, "key", a.Key)
			p.ID = append(p.ID, r.ID)
			p.Error = append(p.Error, attemptError(r.Attempt, errLeft))
			p.FinalizedAt = append(p.FinalizedAt, &now)
			p.ScheduledAt = append(p.ScheduledAt, r.ScheduledAt)
			p.State = append(p.State, string(rivertype.JobStateCompleted))
			if _, ok := e.workerOfKind(r.Kind); ok {
				again = append(again, Wake{Kind: r.Kind, Key: a.Key, Lane: a.Lane, Priority: r.Priority})
			}
		}
		if len(p.ID) == 0 {
			return nil
		}
		if _, err := e.river.driver.UnwrapExecutor(tx).JobRescueMany(ctx, &p); err != nil {
			return fmt.Errorf("take over jobs: %w", err)
		}
		for _, w := range again {
			if err := e.Insert(ctx, tx, w); err != nil {
				return err
			}
		}
		return nil
	})
}

// lastSession returns the session that worked on a job last.
func lastSession(r *rivertype.JobRow) string {
	if len(r.AttemptedBy) == 0 {
		return ""
	}
	return r.AttemptedBy[len(r.AttemptedBy)-1]
}
