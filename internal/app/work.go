package app

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/windlass-hq/windlass/internal/fault"
	"github.com/windlass-hq/windlass/internal/graph"
	"github.com/windlass-hq/windlass/internal/job"
	"github.com/windlass-hq/windlass/internal/store"
	"github.com/windlass-hq/windlass/internal/sync"
)

// slice is how long background work keeps a connection before it lets others in.
const slice = 10 * time.Second

// workers are what runs in the background: the runs that are due, what they leave behind, and what deliveries ask for.
func (a *App) workers() []job.Worker {
	lane := func(t job.Task) string { return "connection/" + t.Stars[0] }
	return []job.Worker{
		{Kind: "sync", Pattern: "connection/*/sync", Lane: lane, Priority: 1, Work: a.workSync},
		{Kind: "live", Pattern: "connection/*/live", Lane: func(t job.Task) string { return lane(t) + "/live" }, Priority: 1, Work: a.workDelivered},
		{Kind: "poll", Pattern: "connection/*/poll", Lane: func(t job.Task) string { return lane(t) + "/live" }, Priority: 2, Work: a.workPoll},
		{Kind: "backlog", Pattern: "connection/*/backlog", Lane: lane, Background: true, Priority: 3, Work: a.workBacklog},
	}
}

func (a *App) workSync(ctx context.Context, t job.Task) error {
	conn, err := a.connectionOf(ctx, t)
	if err != nil {
		return job.GiveUp(err)
	}
	stop := context.AfterFunc(ctx, func() { a.runs.cancelOf(conn.ID) })
	defer stop()
	refused, accepted, err := a.validate(ctx, conn)
	if err != nil {
		return verdict(ctx, err)
	}
	o := sync.RunOptions{Cause: graph.Cause{Kind: "run"}, Without: without(refused, accepted)}
	_, err = a.runs.do(conn, o, func(int64) {})
	return verdict(ctx, err)
}

// workDelivered reads what deliveries have made necessary, beside whatever run is under way.
func (a *App) workDelivered(ctx context.Context, t job.Task) error {
	conn, err := a.connectionOf(ctx, t)
	if err != nil {
		return job.GiveUp(err)
	}
	done, err := a.workLive(ctx, conn)
	if err == nil && !done {
		return job.Snooze(askAgain)
	}
	return verdict(ctx, err)
}

// workPoll looks for what is new between two runs.
func (a *App) workPoll(ctx context.Context, t job.Task) error {
	conn, err := a.connectionOf(ctx, t)
	if err != nil {
		return job.GiveUp(err)
	}
	forgone, err := a.forgone(ctx, conn)
	if err == nil {
		err = a.sync.Poll(ctx, conn.Name, forgone)
	}
	if err != nil && ctx.Err() == nil { // the next one comes within a minute, and runs say what is wrong
		a.Log.DebugContext(ctx, "a connection could not be polled", "connection", conn.Name, "reason", err.Error())
		return nil
	}
	return err
}

// schedule is what runs by the clock: every connection by its interval, and between two runs a poll.
func (a *App) schedule() func(context.Context) ([]job.Entry, error) {
	runs := job.Connections(a.store, sync.SyncWork, isRun)
	return func(ctx context.Context) ([]job.Entry, error) {
		entries, err := runs(ctx)
		if err != nil {
			return nil, err
		}
		connections, err := a.store.Connections(ctx)
		if err != nil {
			return nil, err
		}
		for _, c := range connections {
			if interval, err := job.ParseInterval(c.Interval); err == nil && !interval.Disabled() {
				entries = append(entries, job.Entry{Work: sync.PollWork(c.ID), Every: sync.PollEvery})
			}
		}
		return entries, nil
	}
}

func (a *App) workBacklog(ctx context.Context, t job.Task) error {
	conn, err := a.connectionOf(ctx, t)
	if err != nil {
		return job.GiveUp(err)
	}
	forgone, err := a.forgone(ctx, conn)
	if err != nil {
		return verdict(ctx, err)
	}
	done, err := a.sync.Backlog(ctx, conn.Name, slice, forgone, nil)
	if err == nil && !done {
		return job.Snooze(askAgain) // so that who waits for the connection gets in
	}
	return verdict(ctx, err)
}

// verdict says whether trying again helps: not where a person must act first, since the next run is due anyway.
func verdict(ctx context.Context, err error) error {
	switch fault.CodeOf(err) {
	case "":
		return nil
	case fault.Conflict:
		return job.Snooze(time.Second)
	case fault.Invalid, fault.Usage, fault.Unauthorized, fault.Denied, fault.NotFound:
		if ctx.Err() == nil {
			return job.GiveUp(err)
		}
	}
	return err
}

func (a *App) connectionOf(ctx context.Context, t job.Task) (store.Connection, error) {
	id, err := strconv.ParseInt(t.Stars[0], 10, 64)
	if err != nil {
		return store.Connection{}, fmt.Errorf("the row of work %s names no connection", t.Name)
	}
	all, err := a.store.Connections(ctx)
	if err != nil {
		return store.Connection{}, err
	}
	for _, c := range all {
		if c.ID == id {
			return c, nil
		}
	}
	return store.Connection{}, fault.New(fault.NotFound, "the connection with id %d was removed", id)
}
