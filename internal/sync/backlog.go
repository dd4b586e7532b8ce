package sync

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sort"
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

// item is one repository whose pull requests are wanted. There may be ten thousand of them, so what it takes to ask
// for them is read when their turn comes.
type item struct {
	name    string // of the row of work
	wanted  int64
	scope   int64
	updated int64 // milliseconds
}

// backlog lists the pull requests of every repository that wants it, several at a time, those updated last first.
// It stops between two repositories once the deadline has passed (never for a zero one); what is left stays wanted.
func (p *pass) backlog(ctx context.Context, deadline time.Time) error {
	items, err := p.wanted(ctx)
	if err != nil || len(items) == 0 {
		return err
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
				title, entry, err := p.pullRequests(ctx, it)
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
				event := Event{Phase: "pull requests", Scope: title, Done: done, Total: len(items), Calls: p.reader.Calls()}
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
		return err
	}
	return spent
}

// wanted returns the repositories whose pull requests are to be listed, newest update first. Rows whose repository
// has gone meanwhile, or that were queued before pull requests were switched off, are settled.
func (p *pass) wanted(ctx context.Context) ([]item, error) {
	prefix := pullsPrefix(p.conn.ID)
	rows, err := p.Store.Wanted(ctx, prefix)
	if err != nil || len(rows) == 0 {
		return nil, err
	}
	updated, err := p.Store.ParentsUpdated(ctx, p.conn.ID, pullRequests)
	if err != nil {
		return nil, err
	}
	items := make([]item, 0, len(rows))
	for _, w := range rows {
		id, err := strconv.ParseInt(strings.TrimPrefix(w.Name, prefix), 10, 64)
		if at, known := updated[id]; err == nil && known && p.conn.Settings["pull-requests"] != "false" {
			items = append(items, item{name: w.Name, wanted: w.Wanted, scope: id, updated: at})
			continue
		}
		if _, err := p.Store.Settle(ctx, w.Name, w.Wanted); err != nil {
			return nil, err
		}
	}
	sort.SliceStable(items, func(i, j int) bool { return items[i].updated > items[j].updated })
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

// pullRequests lists the pull requests of one repository, closes what is confirmed gone, and settles the row of work.
func (p *pass) pullRequests(ctx context.Context, it item) (title string, entry store.LedgerEntry, err error) {
	scope, err := p.Store.ScopeByID(ctx, it.scope)
	if err != nil {
		return "", entry, err
	}
	ref, open, err := p.repository(ctx, scope.Parent)
	if err == nil && !open { // it went meanwhile
		_, err = p.Store.Settle(ctx, it.name, it.wanted)
		return scope.Title, entry, err
	}
	if err != nil {
		return scope.Title, entry, err
	}
	var since time.Time
	if p.opts.Since > 0 {
		since = p.Now().Add(-p.opts.Since)
	}
	l := p.reader.PullRequests(ref, since)
	entry, shown, err := p.read(ctx, scope, l)
	if err != nil {
		return scope.Title, entry, err
	}
	if entry.State == store.LedgerComplete && !since.IsZero() {
		entry.State, entry.WindowFrom, entry.WindowTo = store.LedgerWindowed, since, p.started
	}
	if entry.State == store.LedgerComplete {
		if err := p.settleAbsence(ctx, absence{scope: scope, listing: l, shown: shown}, &entry); err != nil {
			return scope.Title, entry, err
		}
	}
	p.tally.ended(scope, entry)
	// A row that was raised again meanwhile stays wanted. A failed listing is not tried again within this run, and is
	// wanted again by the next one. One transaction, since there are as many as repositories.
	return scope.Title, entry, p.Store.Write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		if err := p.Store.RecordLedgerIn(ctx, tx, entry); err != nil {
			return err
		}
		_, err := p.Store.SettleIn(ctx, tx, it.name, it.wanted)
		return err
	})
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
