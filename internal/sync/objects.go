package sync

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	gosync "sync"
	"time"

	"github.com/windlass-hq/windlass/internal/bitbucket"
	"github.com/windlass-hq/windlass/internal/fault"
	"github.com/windlass-hq/windlass/internal/graph"
	"github.com/windlass-hq/windlass/internal/store"
)

// repos are the repositories that this run has listed, until their pull requests are wanted.
type repos struct {
	mu    gosync.Mutex
	known map[string]bool
	list  []store.TitledParent
}

func (r *repos) add(refs []bitbucket.RepoRef) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.known == nil {
		r.known = map[string]bool{}
	}
	for _, ref := range refs {
		if !r.known[ref.Key] {
			r.known[ref.Key] = true
			r.list = append(r.list, store.TitledParent{Parent: ref.Key, Title: "pull requests of " + ref.FullName})
		}
	}
}

// take returns the repositories and forgets them.
func (r *repos) take() []store.TitledParent {
	r.mu.Lock()
	defer r.mu.Unlock()
	list := r.list
	r.known, r.list = nil, nil
	return list
}

// objects lists everything but pull requests, closes what is gone, and raises the work for pull requests.
func (p *pass) objects(ctx context.Context) error {
	p.progress(Event{Phase: "listing", Scope: workspaces})
	accounts, err := p.reader.Accounts(ctx)
	if err != nil {
		return err
	}
	scope, err := p.Store.EnsureScope(ctx, store.ScopeKey{Connection: p.conn.ID, Listing: workspaces}, "workspaces")
	if err != nil {
		return err
	}
	listing, err := p.Store.BeginListing(ctx, scope.ID)
	if err != nil {
		return err
	}
	var failed error
	for _, a := range accounts {
		if a.Err != nil {
			failed = errors.Join(failed, a.Err)
			continue
		}
		if _, err := p.apply(ctx, listing.Apply, scope.ID, a.Page, true); err != nil {
			return err
		}
		p.places.add(a.Page.Objects)
	}
	if failed != nil && p.tally.read == 0 {
		return failed
	}
	if err := p.endAccounts(ctx, scope, listing, accounts, failed); err != nil {
		return err
	}
	for _, a := range accounts {
		if a.Err != nil {
			continue
		}
		for _, l := range a.Listings {
			if err := p.list(ctx, l); err != nil {
				return err
			}
		}
	}
	if err := p.closeAbsent(ctx); err != nil {
		return err
	}
	if err := p.wantPullRequests(ctx); err != nil {
		return err
	}
	return p.wantSettings(ctx, p.places.take())
}

// endAccounts writes the ledger row of the accounts and withdraws those that the owner took off the connection's
// list. An account that merely did not answer stays.
func (p *pass) endAccounts(ctx context.Context, scope store.Scope, listing *store.Listing, accounts []Account, failed error) error {
	entry := store.LedgerEntry{Scope: scope.ID, Run: p.run.ID, State: store.LedgerComplete, Calls: len(accounts)}
	if failed != nil {
		entry.State, entry.Reason = store.LedgerPartial, failed.Error()
	}
	if err := p.record(ctx, scope, entry); err != nil {
		return err
	}
	if failed != nil || p.conn.Settings["workspaces"] == "" {
		return nil
	}
	gone := listing.Missing()
	if len(gone) == 0 {
		return nil
	}
	_, err := p.withdraw(ctx, scope.ID, gone, graph.Withdrawn)
	return err
}

// list reads one listing from first page to last and applies it. Only a failure that concerns the whole run is
// returned; what concerns the listing goes to the ledger.
func (p *pass) list(ctx context.Context, l Listing) error {
	scope, err := p.Store.EnsureScope(ctx, store.ScopeKey{Connection: p.conn.ID, Parent: l.Parent, Listing: l.Name}, l.Title)
	if err != nil {
		return err
	}
	entry, shown, err := p.read(ctx, scope, l)
	if err != nil {
		return err
	}
	if entry.State == store.LedgerComplete {
		p.absences = append(p.absences, absence{scope: scope, listing: l, shown: shown})
	}
	return p.record(ctx, scope, entry)
}

// shown is what a listing that was read to its end has shown of its scope.
type shown struct {
	missing []string // members that it did not show
	joined  int      // objects that were no members before
	size    int      // members before it
	by      string   // the principal that read it, or those whose views make it up together
}

// read reads a listing and says how it ended and what it showed.
func (p *pass) read(ctx context.Context, scope store.Scope, l Listing) (store.LedgerEntry, shown, error) {
	entry := store.LedgerEntry{Scope: scope.ID, Run: p.run.ID, State: store.LedgerComplete}
	listing, err := p.Store.BeginListing(ctx, scope.ID)
	if err != nil {
		return entry, shown{}, err
	}
	lost, objects, by := 0, 0, map[string]bool{}
	err = l.Pages(ctx, func(page bitbucket.Page) error {
		entry.Calls++
		if page.Again { // what was read before is true but proves no absence: the proof begins here
			lost, objects, by = 0, 0, map[string]bool{}
			if listing, err = p.Store.BeginListing(ctx, scope.ID); err != nil {
				return stored{err}
			}
		}
		by[page.Principal] = true
		p.repos.add(page.Repos)
		p.places.add(page.Objects)
		p.places.meet(page.Met)
		n, err := p.apply(ctx, listing.Apply, scope.ID, page, false)
		if err != nil {
			return stored{err}
		}
		for _, o := range page.Odd {
			if o.Lost {
				lost++
			}
			if err := p.odd(ctx, scope.ID, o); err != nil {
				return stored{err}
			}
		}
		objects += len(page.Objects)
		p.progress(Event{Phase: "listing", Scope: l.Title, Done: objects, Calls: p.reader.Calls(), Objects: n})
		return nil
	})
	switch {
	case err == nil && lost > 0:
		entry.State, entry.Reason = store.LedgerPartial, fmt.Sprintf("objects without a readable identity: %d", lost)
	case err == nil:
	default:
		if ours, ok := errors.AsType[stored](err); ok {
			return entry, shown{}, ours.err
		}
		if endsRun(ctx, err) {
			return entry, shown{}, err
		}
		entry.State, entry.Reason = stateOf(err, entry.Calls), err.Error()
	}
	was := shown{
		missing: listing.Missing(), joined: listing.Joined(), size: listing.Size(),
		by: strings.Join(slices.Sorted(maps.Keys(by)), together),
	}
	if entry.State == store.LedgerComplete {
		entry.Provers = was.provers(scope.Provers)
	}
	return entry, was, nil
}

// stored marks an error of our own store on its way through a reader.
type stored struct{ err error }

func (s stored) Error() string { return s.err.Error() }

// endsRun reports whether a listing's failure is the run's failure: cancelled, no living credential, nothing left of
// the allowance.
func endsRun(ctx context.Context, err error) bool {
	return ctx.Err() != nil || fault.Is(err, fault.Unauthorized) || fault.Is(err, fault.Limited) || fault.Is(err, fault.Canceled)
}

func stateOf(err error, pages int) store.LedgerState {
	switch {
	case fault.Is(err, fault.Denied):
		return store.LedgerDenied
	case pages > 0:
		return store.LedgerPartial
	default:
		return store.LedgerFailed
	}
}

// apply writes one page. It returns how many objects the run has applied so far.
func (p *pass) apply(ctx context.Context, apply func(context.Context, store.Batch) (store.Result, error), scope int64, page bitbucket.Page, withOdd bool) (int, error) {
	res, err := apply(ctx, store.Batch{
		Scope: scope, Stream: Stream(p.conn.ID), Cause: p.cause(), Origin: "sync", RequestedAt: page.RequestedAt,
		Fence: &p.fence, Objects: page.Objects, Met: page.Met, Began: p.run.StartedAt,
	})
	if err != nil {
		return 0, err
	}
	n := p.tally.applied(res, len(page.Objects))
	for _, d := range res.Dangling {
		if err := p.odd(ctx, scope, bitbucket.Odd{Key: d, Problem: "points to something that was never seen"}); err != nil {
			return n, err
		}
	}
	if withOdd {
		for _, o := range page.Odd {
			if err := p.odd(ctx, scope, o); err != nil {
				return n, err
			}
		}
	}
	return n, nil
}

func (p *pass) odd(ctx context.Context, scope int64, o bitbucket.Odd) error {
	p.tally.oddity(o.Key+": "+o.Problem, !o.Lost)
	return p.Store.RecordOdd(ctx, store.Odd{Run: p.run.ID, Scope: scope, Key: o.Key, Problem: o.Problem})
}

func (p *pass) record(ctx context.Context, scope store.Scope, entry store.LedgerEntry) error {
	p.tally.ended(scope, entry)
	return p.Store.RecordLedger(ctx, entry)
}

// adoptedFor is how long a run that goes on counts what it had finished as fresh.
const adoptedFor = 72 * time.Hour

// wants returns whose pull requests a run lists: by hand those of every repository, else of those that are new or hot,
// and of the others once a day. What an interrupted run had finished is not listed again.
func (p *pass) wants(ctx context.Context) (func(store.Scope) bool, error) {
	finished := map[int64]bool{}
	if p.adopted && !p.opts.Full {
		scopes, err := p.Store.Scopes(ctx, p.conn.ID)
		if err != nil {
			return nil, err
		}
		for _, s := range scopes {
			done := s.State == store.LedgerComplete || s.State == store.LedgerWindowed && !p.byHand()
			finished[s.ID] = s.LastRun == p.run.ID && done && p.started.Sub(s.Until) < adoptedFor
		}
	}
	if p.byHand() {
		return func(s store.Scope) bool { return !finished[s.ID] }, nil
	}
	open, err := p.Store.WithOpenPullRequests(ctx)
	if err != nil {
		return nil, err
	}
	states, err := p.Store.ParentStates(ctx, p.conn.ID, pullRequests)
	if err != nil {
		return nil, err
	}
	return func(s store.Scope) bool {
		switch {
		case finished[s.ID]:
			return false
		case s.Watermark.IsZero(), open[s.Parent], p.started.Sub(time.UnixMilli(states[s.ID].Updated)) < hotFor:
			return true
		}
		return p.started.Sub(s.Watermark) >= coldEvery
	}, nil
}

// wantPullRequests raises the work for the pull requests of every repository listed in this run, or writes that they
// are switched off. What an interrupted run had finished is not wanted again.
func (p *pass) wantPullRequests(ctx context.Context) error {
	off := p.conn.Settings["pull-requests"] == "false"
	listed := p.repos.take()
	scopes, err := p.Store.EnsureScopes(ctx, p.conn.ID, pullRequests, listed)
	if err != nil {
		return err
	}
	wanted, err := p.wants(ctx)
	if err != nil {
		return err
	}
	var names []string
	for _, repo := range listed {
		scope := scopes[repo.Parent]
		if off {
			entry := store.LedgerEntry{Scope: scope.ID, Run: p.run.ID, State: store.LedgerDisabled, Reason: "pull requests are switched off for this connection"}
			if err := p.record(ctx, scope, entry); err != nil {
				return err
			}
			continue
		}
		if wanted(scope) {
			names = append(names, pullsWork(p.conn.ID, scope.ID))
		}
	}
	for len(names) > 0 {
		n := min(len(names), 500) // keeps the writer's time short
		err := p.Store.Write(ctx, func(ctx context.Context, tx *sql.Tx) error { return p.Store.Raise(ctx, tx, names[:n]...) })
		if err != nil {
			return err
		}
		names = names[n:]
	}
	return nil
}
