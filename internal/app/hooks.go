package app

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/windlass-hq/windlass/client"
	"github.com/windlass-hq/windlass/internal/bitbucket"
	"github.com/windlass-hq/windlass/internal/fault"
	"github.com/windlass-hq/windlass/internal/graph"
	"github.com/windlass-hq/windlass/internal/intake"
	"github.com/windlass-hq/windlass/internal/job"
	"github.com/windlass-hq/windlass/internal/store"
)

// hooks looks after the webhooks of connections; it is api.Options.Hooks.
type hooks struct{ *App }

func (h hooks) registrar() *intake.Registrar {
	return &intake.Registrar{Store: h.store, Log: h.Log, Now: h.Now}
}

// Address implements api.Hooks: a connection's own address counts before the server's.
func (h hooks) Address(conn store.Connection) string {
	if own := conn.Settings["public-url"]; own != "" {
		return own
	}
	return h.Config.PublicURL
}

// Ensure implements api.Hooks.
func (h hooks) Ensure(ctx context.Context, conn store.Connection, wish client.HookWish, note func(client.HookProgress)) (client.HookOutcomes, error) {
	var out client.HookOutcomes
	err := h.only(ctx, conn, func(ctx context.Context) error {
		c, err := h.hookClients(ctx, conn, note)
		if err != nil {
			return err
		}
		defer c.close()
		outcomes, advice, err := h.ensure(ctx, conn, c, wish, note)
		out = client.HookOutcomes{Items: wireOutcomes(c.hooks, outcomes), Advice: advice}
		return err
	})
	return out, err
}

// only runs fn while nobody else makes or removes webhooks of the connection.
func (h hooks) only(ctx context.Context, conn store.Connection, fn func(context.Context) error) error {
	err := h.jobs.Exclusive(ctx, hooksWork(conn.ID), func(ctx context.Context, _ store.Fence) error { return fn(ctx) })
	if errors.Is(err, job.ErrHeld) {
		return fault.Wrap(err, fault.Conflict, "webhooks of %q are being looked after just now", conn.Name).With("wait a moment")
	}
	return err
}

func (h hooks) ensure(ctx context.Context, conn store.Connection, c hookClients, wish client.HookWish, note func(client.HookProgress)) ([]intake.Outcome, []string, error) {
	p, err := c.places(ctx)
	if err != nil {
		return nil, nil, err
	}
	out, err := h.registrar().Ensure(ctx, c.hooks, intake.Wish{
		Connection: conn, PublicURL: h.Address(conn), Places: p.all, ByHand: wish.ByHand, Rotate: wish.Rotate,
		Progress: func(done, total int, place string) { note(client.HookProgress{Done: done, Total: total, Place: place}) },
	})
	for _, f := range p.failed {
		out = append(out, intake.Outcome{Place: bitbucket.Place{Name: f.name}, Did: "failed", Reason: f.err.Error()})
	}
	advice := h.uncovered(conn, p)
	if strings.HasPrefix(h.Address(conn), "http://") {
		advice = append(advice, "the address begins with http, so what webhooks bring can be read on the way: use https")
	}
	if err != nil || len(p.failed) > 0 { // what cannot be seen now is no reason to take anything away
		return out, advice, err
	}
	gone, err := h.withdraw(ctx, c, conn, p)
	return append(out, gone...), advice, err
}

// withdraw removes the hooks of places that the connection does not read any more.
func (h hooks) withdraw(ctx context.Context, c hookClients, conn store.Connection, p places) ([]intake.Outcome, error) {
	stored, err := h.store.Hooks(ctx, conn.ID)
	if err != nil {
		return nil, err
	}
	wanted := map[string]bool{}
	for _, place := range p.all {
		wanted[place.Key] = true
	}
	var out []intake.Outcome
	var others []store.Hook
	for _, hook := range stored {
		if wanted[hook.Place] {
			continue
		}
		deleted, err := h.deleted(ctx, hook.Place)
		if err != nil {
			return out, err
		}
		if !deleted {
			others = append(others, hook)
			continue
		}
		if err := h.store.RemoveHook(ctx, hook.ID); err != nil && !fault.Is(err, fault.NotFound) {
			return out, err
		}
		out = append(out, intake.Outcome{Place: h.placeOf(ctx, hook), Hook: hook, Did: "removed", Reason: "its place was deleted"})
	}
	left, err := h.registrar().Withdraw(ctx, c.hooks, others, func(hook store.Hook) bitbucket.Place { return h.placeOf(ctx, hook) })
	return append(out, left...), err
}

// deleted reports whether the graph knows that a place was deleted: it took its webhooks with it.
func (a *App) deleted(ctx context.Context, key string) (bool, error) {
	versions, err := a.store.History(ctx, key)
	if err != nil || len(versions) == 0 {
		return false, err
	}
	last := versions[len(versions)-1]
	return last.ValidTo != nil && graph.Reason(last.Reason) == graph.Deleted, nil
}

// uncovered says which repositories of a connection no webhook can be about.
func (h hooks) uncovered(conn store.Connection, p places) []string {
	if p.personal == 0 {
		return nil
	}
	what := "repositories have"
	if p.personal == 1 {
		what = "repository has"
	}
	often := "every " + conn.Interval
	if conn.Interval == "disabled" {
		often = "by hand only: its interval is disabled"
	}
	return []string{fmt.Sprintf("%d personal %s no webhook, since personal projects have none: what changes there is seen by the runs of %q (%s)",
		p.personal, what, conn.Name, often)}
}

// Remove implements api.Hooks. It needs no credential that works: what it cannot delete, it tells.
func (h hooks) Remove(ctx context.Context, conn store.Connection, note func(client.HookProgress)) (client.HookOutcomes, error) {
	var out client.HookOutcomes
	err := h.only(ctx, conn, func(ctx context.Context) error {
		stored, err := h.store.Hooks(ctx, conn.ID)
		if err != nil || len(stored) == 0 {
			return err
		}
		places := map[string]bitbucket.Place{}
		for _, hook := range stored {
			places[hook.Place] = h.placeOf(ctx, hook)
		}
		var deleter intake.HookClient
		c, err := h.hookClients(ctx, conn, note)
		if err != nil {
			h.Log.WarnContext(ctx, "webhooks cannot be deleted in Bitbucket", "connection", conn.Name, "reason", err.Error())
		} else {
			defer c.close()
			deleter = counted{HookClient: c.hooks, total: len(stored), done: new(int), note: note}
		}
		outcomes, err := h.registrar().Remove(ctx, deleter, conn, places)
		out.Items = wireOutcomes(c.hooks, outcomes)
		return err
	})
	return out, err
}

// counted tells how many webhooks have been deleted.
type counted struct {
	intake.HookClient
	total int
	done  *int
	note  func(client.HookProgress)
}

// DeleteHook implements intake.HookClient.
func (c counted) DeleteHook(ctx context.Context, p bitbucket.Place, id string) error {
	c.note(client.HookProgress{Done: *c.done, Total: c.total, Place: p.Name})
	*c.done++
	return c.HookClient.DeleteHook(ctx, p, id)
}

// wireOutcomes is the wire form. Only what a person has to enter goes out with its secret.
func wireOutcomes(c intake.HookClient, list []intake.Outcome) []client.HookOutcome {
	out := make([]client.HookOutcome, len(list))
	for i, o := range list {
		out[i] = client.HookOutcome{
			Place: o.Place.Name, PlaceType: o.Place.Type, Hook: o.Hook.ID, RemoteID: o.Hook.RemoteID, Did: o.Did, Reason: o.Reason,
		}
		if o.Did == "by hand" {
			out[i].URL, out[i].Secret, out[i].Events = o.Hook.URL, o.Secret, eventsOf(c, o.Place)
		}
	}
	return out
}

// Refused implements api.Hooks.
func (h hooks) Refused() client.Refusals {
	out := client.Refusals{Counts: map[string]int64{}, Last: []client.Refusal{}}
	if h.receiver == nil {
		return out
	}
	last, counts := h.receiver.Refused()
	out.Counts = counts
	for _, r := range last {
		out.Last = append(out.Last, client.Refusal{At: r.At, Remote: r.Remote, Hook: r.Hook, Event: r.Event, Size: r.Size, Status: r.Status, Why: r.Why})
	}
	return out
}

const (
	checkHooksEvery = "24h" // an interval of package job
	hooksPattern    = "connection/*/hooks"
)

// hooksWork names the row of work that stands for "see whether the webhooks of this connection are as they should be";
// the lease of whoever does it has the same name.
func hooksWork(connection int64) string { return fmt.Sprintf("connection/%d/hooks", connection) }

// hooksWorker looks once a day whether webhooks are as they should be, and after every full run.
func (a *App) hooksWorker() job.Worker {
	return job.Worker{
		Kind: "hooks", Pattern: hooksPattern, Background: true, Priority: 4,
		Lane: func(t job.Task) string { return "connection/" + t.Stars[0] + "/hooks" }, Work: hooks{a}.work,
	}
}

// checkHooks has the webhooks of a connection looked at soon, where it has some that Windlass made.
func (a *App) checkHooks(ctx context.Context, connection int64) error {
	stored, err := a.store.Hooks(ctx, connection)
	if err != nil || !slices.ContainsFunc(stored, func(h store.Hook) bool { return h.MadeBy == store.MadeByWindlass }) {
		return err
	}
	return a.store.Write(ctx, func(ctx context.Context, tx *sql.Tx) error { return a.jobs.Ring(ctx, tx, hooksWork(connection)) })
}

// work makes webhooks again that somebody deleted or changed, and those of new places. It is only for connections that
// have some that Windlass made: a person decided so.
func (h hooks) work(ctx context.Context, t job.Task) error {
	conn, err := h.connectionOf(ctx, t)
	if err != nil {
		return job.GiveUp(err)
	}
	made, _, err := h.madeByUs(ctx, conn)
	if err != nil || !made {
		return err
	}
	if h.Address(conn) == "" {
		return job.GiveUp(fault.New(fault.Invalid, "the webhooks of %q have no address any more", conn.Name).With("set --public-url again, or: windlass hook remove %s", conn.Name))
	}
	var outcomes []intake.Outcome
	err = h.only(ctx, conn, func(ctx context.Context) error {
		silent := func(client.HookProgress) {}
		c, err := h.hookClients(ctx, conn, silent)
		if err != nil {
			return err
		}
		defer c.close()
		outcomes, _, err = h.ensure(ctx, conn, c, client.HookWish{}, silent)
		return err
	})
	for _, o := range outcomes {
		switch o.Did {
		case "found", "by hand":
		case "failed", "left behind":
			h.Log.WarnContext(ctx, "a webhook is not as it should be", "connection", conn.Name, "place", o.Place.Name, "did", o.Did, "reason", o.Reason)
		default:
			h.Log.InfoContext(ctx, "a webhook was put right", "connection", conn.Name, "place", o.Place.Name, "did", o.Did)
		}
	}
	return verdict(ctx, err)
}

// madeByUs reports whether a connection has webhooks that Windlass made, and when they were looked at last.
func (h hooks) madeByUs(ctx context.Context, conn store.Connection) (made bool, last time.Time, err error) {
	stored, err := h.store.Hooks(ctx, conn.ID)
	for _, hook := range stored {
		if hook.MadeBy != store.MadeByWindlass {
			continue
		}
		made = true
		if hook.CheckedAt != nil && hook.CheckedAt.After(last) {
			last = *hook.CheckedAt
		}
	}
	return made, last, err
}

// schedule adds looking after webhooks to what else runs by the clock.
func (h hooks) schedule(others func(context.Context) ([]job.Entry, error)) func(context.Context) ([]job.Entry, error) {
	return func(ctx context.Context) ([]job.Entry, error) {
		entries, err := others(ctx)
		if err != nil {
			return nil, err
		}
		connections, err := h.store.Connections(ctx)
		if err != nil {
			return nil, err
		}
		for _, conn := range connections {
			made, last, err := h.madeByUs(ctx, conn)
			if err != nil {
				return nil, err
			}
			if made {
				entries = append(entries, job.Entry{Work: hooksWork(conn.ID), Interval: checkHooksEvery, Last: last})
			}
		}
		return entries, nil
	}
}

// placeOf is what it takes to reach the place of a hook again: from the graph, else from what its record says.
func (a *App) placeOf(ctx context.Context, h store.Hook) bitbucket.Place {
	if row, err := a.store.Entity(ctx, h.Place, nil); err == nil {
		return placeOfEntity(row.Entity)
	}
	p := bitbucket.Place{Type: h.PlaceType, Key: h.Place, Name: h.PlaceName}
	switch h.PlaceType {
	case graph.TypeProject:
		p.Project = h.PlaceName
	case graph.TypeRepo:
		p.Project, p.Slug, _ = strings.Cut(h.PlaceName, "/")
	}
	return p
}

// sortPlaces puts places in the order of their names.
func sortPlaces(list []bitbucket.Place) {
	slices.SortFunc(list, func(a, b bitbucket.Place) int { return strings.Compare(a.Name, b.Name) })
}
