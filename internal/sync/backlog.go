package sync

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	gosync "sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/windlass-hq/windlass/internal/bitbucket"
	"github.com/windlass-hq/windlass/internal/fault"
	"github.com/windlass-hq/windlass/internal/graph"
	"github.com/windlass-hq/windlass/internal/store"
)

// maxFailures is how many repositories in a row may fail for reasons of the provider before a run gives up: then it
// is Bitbucket or the network, and asking for the remaining thousands would only harm.
const maxFailures = 8

// item is one piece of background work: the pull requests of a repository, or the settings of a place. There may be ten
// thousand of them, so what it takes to ask for them is read when their turn comes.
type item struct {
	kind itemKind

	name   string // of the row of work, of pull requests
	wanted int64
	scope  int64

	parent string // key of the place, of settings
	lists  []store.Scope
}

type itemKind int

const (
	currentItem  itemKind = iota // pull requests that are open or changed since the last time
	historyItem                  // all pull requests of a repository, as far back as the connection goes
	settingsItem                 // lists of what administrators set
)

// backlog does the background work that is wanted, several pieces at a time. It stops between two of them once the
// deadline has passed (never for a zero one); what is left stays wanted. It reports whether nothing was left.
func (p *pass) backlog(ctx context.Context, deadline time.Time) (done bool, err error) {
	for {
		left, err := p.backlogOnce(ctx, deadline)
		if err != nil || !left {
			return err == nil, err
		}
		if !deadline.IsZero() && !p.Now().Before(deadline) {
			return false, nil
		}
	}
}

// backlogOnce does the work that is wanted now. It reports whether there may be more: that it stopped before the end, or
// that what it did may have made other work.
func (p *pass) backlogOnce(ctx context.Context, deadline time.Time) (left bool, err error) {
	items, err := p.wanted(ctx)
	if err != nil || len(items) == 0 {
		return false, err
	}
	var (
		mu       gosync.Mutex
		begun    int
		done     int
		failures int
		spent    error // why nothing more is begun, while what is under way may end
	)
	next := func() (item, bool) {
		mu.Lock()
		defer mu.Unlock()
		late := !deadline.IsZero() && !p.Now().Before(deadline)
		if spent != nil || late || begun == len(items) {
			return item{}, false
		}
		begun++
		return items[begun-1], true
	}
	g, ctx := errgroup.WithContext(ctx)
	for range min(p.Parallel, len(items)) {
		g.Go(func() error {
			for it, ok := next(); ok; it, ok = next() {
				title, entry, err := p.do(ctx, it)
				if fault.Is(err, fault.Limited) {
					mu.Lock()
					spent = err
					mu.Unlock()
					return nil
				}
				if err != nil {
					return err
				}
				mu.Lock()
				done++
				if entry.State == store.LedgerFailed {
					failures++
				} else {
					failures = 0
				}
				giveUp := failures >= maxFailures
				event := Event{Phase: it.kind.String(), Scope: title, Done: done, Total: len(items), Calls: p.reader.Calls()}
				mu.Unlock()
				event.Objects = p.tally.applied(store.Result{}, 0)
				p.progress(event)
				if giveUp {
					return fault.New(fault.Unavailable, "%d repositories in a row could not be read, the last because: %s", maxFailures, entry.Reason).
						With("the rest stays queued; run windlass sync %s again when Bitbucket answers", p.conn.Name)
				}
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return true, err
	}
	return true, spent
}

// String is the phase of a run in which the work is done.
func (k itemKind) String() string {
	switch k {
	case historyItem:
		return "history"
	case settingsItem:
		return "settings"
	default:
		return "pull requests"
	}
}

func (p *pass) do(ctx context.Context, it item) (title string, entry store.LedgerEntry, err error) {
	if it.kind == settingsItem {
		return p.settings(ctx, it)
	}
	return p.pullRequests(ctx, it)
}

// wanted returns what there is to do, each kind in its order and the kinds in turn.
func (p *pass) wanted(ctx context.Context) ([]item, error) {
	known, err := p.Store.ParentStates(ctx, p.conn.ID, pullRequests)
	if err != nil {
		return nil, err
	}
	p.count = len(known)
	current, err := p.wantedPulls(ctx, currentItem, pullsPrefix(p.conn.ID), known)
	if err != nil {
		return nil, err
	}
	history, err := p.wantedPulls(ctx, historyItem, historyPrefix(p.conn.ID), known)
	if err != nil {
		return nil, err
	}
	if p.byHand() { // its listings go back as far as there is to go
		history = nil
	}
	settings, err := p.dueSettings(ctx)
	if err != nil {
		return nil, err
	}
	return inTurn(current, history, settings), nil
}

// wantedPulls returns the repositories whose pull requests are to be listed: those that never were first, then those
// that were the longest time ago; among equals those that were updated last. Rows whose repository has gone meanwhile,
// or that were queued before pull requests were switched off, are settled.
func (p *pass) wantedPulls(ctx context.Context, kind itemKind, prefix string, known map[int64]store.ParentState) ([]item, error) {
	rows, err := p.Store.Wanted(ctx, prefix)
	if err != nil {
		return nil, err
	}
	items := make([]item, 0, len(rows))
	for _, w := range rows {
		id, err := strconv.ParseInt(strings.TrimPrefix(w.Name, prefix), 10, 64)
		if _, ok := known[id]; err == nil && ok && p.conn.Settings["pull-requests"] != "false" {
			items = append(items, item{kind: kind, name: w.Name, wanted: w.Wanted, scope: id})
			continue
		}
		if _, err := p.Store.Settle(ctx, w.Name, w.Wanted); err != nil {
			return nil, err
		}
	}
	slices.SortStableFunc(items, func(a, b item) int {
		x, y := known[a.scope], known[b.scope]
		if kind == currentItem && !p.byHand() {
			if c := x.Watermark.Compare(y.Watermark); c != 0 {
				return c
			}
		}
		return cmp.Compare(y.Updated, x.Updated)
	})
	return items, nil
}

// repository returns the reference of a repository by its key, from the graph; false where it is not open.
func (p *pass) repository(ctx context.Context, key string) (bitbucket.RepoRef, bool, error) {
	row, err := p.Store.Entity(ctx, key, nil)
	if fault.Is(err, fault.NotFound) {
		return bitbucket.RepoRef{}, false, nil
	}
	if err != nil {
		return bitbucket.RepoRef{}, false, err
	}
	text := func(name string) string { s, _ := row.Properties[name].(string); return s }
	return bitbucket.RepoRef{
		Key: key, WorkspaceSlug: text("owner"), WorkspaceUUID: text("ownerId"), ProjectKey: row.Home,
		Project: text("projectKey"), Slug: text("slug"), UUID: text("id"), Name: text("name"), FullName: text("fullName"),
	}, true, nil
}

// recallHeld reads what earlier runs held, and of that the keys whose closing this run was told to go through with.
func (p *pass) recallHeld(ctx context.Context) error {
	held, err := p.Store.HeldClosings(ctx, p.conn.ID)
	if err != nil {
		return err
	}
	p.held, p.confirm = map[int64]bool{}, map[string]bool{}
	for _, h := range held {
		p.held[h.Scope] = true
		if strconv.FormatInt(h.Run, 10) == p.opts.ConfirmDeletes {
			for _, k := range h.Members {
				p.confirm[k] = true
			}
		}
	}
	if p.opts.ConfirmDeletes != "" && p.opts.ConfirmDeletes != "all" && len(p.confirm) == 0 {
		return fault.New(fault.NotFound, "run %s of %q holds no closings", p.opts.ConfirmDeletes, p.conn.Name).
			With("see windlass runs %s", p.conn.Name)
	}
	return nil
}

// release ends what a scope holds once a complete listing was settled without holding anything: by a person's word,
// or because the listing saw the missing members again.
func (p *pass) release(ctx context.Context, scope int64) error {
	switch {
	case !p.held[scope]:
		return nil
	case p.opts.ConfirmDeletes != "":
		return p.Store.ConfirmHeld(ctx, scope, "all")
	default:
		return p.Store.DropHeld(ctx, scope)
	}
}

func (p *pass) withdraw(ctx context.Context, scope int64, keys []string, reason graph.Reason) (store.Result, error) {
	res, err := p.Store.Withdraw(ctx, store.Withdrawal{
		Scope: scope, Keys: keys, Reason: reason, Stream: Stream(p.conn.ID), Cause: p.cause(), Origin: "sync",
		RequestedAt: p.Now(), Fence: &p.fence,
	})
	if err != nil {
		return res, errors.Join(fmt.Errorf("withdraw %d objects", len(keys)), err)
	}
	p.tally.applied(res, 0)
	return res, nil
}
