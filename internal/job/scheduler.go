package job

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/windlass-hq/windlass/internal/store"
)

// Entry is something that runs by the clock.
type Entry struct {
	Work     string        // the row of work that is rung when it is due
	Interval string        // as ParseInterval reads it
	Every    time.Duration // instead of Interval: exactly so often; zero for Interval
	Seed     string        // spreads entries of one interval; Work where empty
	Last     time.Time     // when it began to run last; zero for never, which is due at once
}

// next is when the entry is due again. What runs very often is not spread: it would be less often than it says.
func (e Entry) next(interval Interval, last time.Time, seed string) time.Time {
	if e.Every > 0 {
		return last.Add(e.Every)
	}
	return interval.Next(last, seed)
}

// Connections returns a Schedule that rings work(id) of every connection whose interval has passed since its newest
// run began. A run counts when counts says so (a backlog is a run too); nil for all.
func Connections(s *store.Store, work func(connection int64) string, counts func(store.Run) bool) func(context.Context) ([]Entry, error) {
	newest := newestRuns{store: s, counts: counts, known: map[int64]store.Run{}}
	return func(ctx context.Context) ([]Entry, error) {
		connections, err := s.Connections(ctx)
		if err != nil {
			return nil, err
		}
		entries := make([]Entry, len(connections))
		for i, c := range connections {
			last, err := newest.of(ctx, c.ID)
			if err != nil {
				return nil, err
			}
			entries[i] = Entry{Work: work(c.ID), Interval: c.Interval, Seed: fmt.Sprintf("%s/%d", s.Instance(), c.ID), Last: last}
		}
		return entries, nil
	}
}

// newestRuns finds the newest run that counts of each connection, however many that do not count came after it. It
// remembers what it found, so that it need not look further back again.
type newestRuns struct {
	store  *store.Store
	counts func(store.Run) bool

	mu    sync.Mutex
	known map[int64]store.Run
}

func (n *newestRuns) of(ctx context.Context, connection int64) (time.Time, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	const page = 10
	f := store.RunFilter{Connection: connection, Limit: page}
	for {
		runs, err := n.store.Runs(ctx, f)
		if err != nil {
			return time.Time{}, err
		}
		for _, r := range runs {
			if r.ID <= n.known[connection].ID {
				return n.known[connection].StartedAt, nil
			}
			if n.counts == nil || n.counts(r) {
				n.known[connection] = store.Run{ID: r.ID, StartedAt: r.StartedAt}
				return r.StartedAt, nil
			}
			f.Before = r.ID
		}
		if len(runs) < page {
			return n.known[connection].StartedAt, nil
		}
	}
}

// scheduleLoop rings what is due, at once and then every TickEvery.
func (e *Engine) scheduleLoop(ctx context.Context) {
	tick := time.NewTicker(e.TickEvery)
	defer tick.Stop()
	var s scheduler
	for {
		if err := s.tick(ctx, e); err != nil && ctx.Err() == nil && !errors.Is(err, ErrHeld) {
			e.Log.WarnContext(ctx, "the schedule could not be kept and is tried again", "error", err.Error())
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// scheduler remembers what it rang, so that work which ends without leaving a run behind is not rung at every tick.
type scheduler struct {
	rang map[string]time.Time
}

// tick rings what is due. Only the process that holds the lease does, and it looks again once it has it: another may
// have rung in between.
func (s *scheduler) tick(ctx context.Context, e *Engine) error {
	due, err := s.due(ctx, e)
	if err != nil || len(due) == 0 {
		return err
	}
	return e.Exclusive(ctx, "job/schedule", func(ctx context.Context, fence store.Fence) error {
		now := e.Now()
		due, err := s.due(ctx, e)
		if err != nil {
			return err
		}
		for _, name := range due {
			err := e.Store.Write(ctx, func(ctx context.Context, tx *sql.Tx) error {
				if err := e.Store.CheckFence(ctx, tx, &fence); err != nil {
					return err
				}
				return e.Ring(ctx, tx, name)
			})
			if err != nil {
				return err
			}
			if s.rang == nil {
				s.rang = map[string]time.Time{}
			}
			s.rang[name] = now
		}
		return nil
	})
}

// due returns the rows of work whose time has come and that are not wanted already.
func (s *scheduler) due(ctx context.Context, e *Engine) ([]string, error) {
	// The wishes are read before the runs: work that ended in between is then taken for wanted still. The other way
	// round it had neither run nor wish, and was rung again at once.
	wanted := map[string]bool{}
	rows, err := e.Store.Wanted(ctx, "")
	if err != nil {
		return nil, err
	}
	for _, r := range rows {
		wanted[r.Name] = true
	}
	entries, err := e.Schedule(ctx)
	if err != nil {
		return nil, err
	}
	now := e.Now()
	var due []string
	for _, entry := range entries {
		interval, err := Interval{every: entry.Every}, error(nil)
		if entry.Every == 0 {
			interval, err = ParseInterval(entry.Interval)
		}
		if err != nil {
			e.Log.WarnContext(ctx, "an interval cannot be read; nothing runs by it", "work", entry.Work, "error", err.Error())
			continue
		}
		if interval.Disabled() {
			continue
		}
		last := entry.Last
		if rang := s.rang[entry.Work]; rang.After(last) {
			last = rang
		}
		seed := entry.Seed
		if seed == "" {
			seed = entry.Work
		}
		if !last.IsZero() && entry.next(interval, last.In(now.Location()), seed).After(now) {
			continue
		}
		if !wanted[entry.Work] {
			due = append(due, entry.Work)
		}
	}
	return due, nil
}
