package sync

import (
	"context"
	"fmt"
	"time"

	"github.com/windlass-hq/windlass/internal/bitbucket"
	"github.com/windlass-hq/windlass/internal/fault"
	"github.com/windlass-hq/windlass/internal/graph"
	"github.com/windlass-hq/windlass/internal/store"
)

// Between two runs, what is new is looked for with the fewest calls there are: a list of the projects every PollEvery,
// so that a new one is known within a minute, and on Cloud the repositories that were updated every recentEvery
// (HARD-PARTS B, polling only; Data Center sweep).
const (
	// PollEvery is how often a connection is polled; with the schedule's own tick a minute is kept.
	PollEvery   = 45 * time.Second
	recentEvery = 2 * time.Minute
	// pollsPerPrincipal is how many accounts one principal is polled for that often; with more it is done less often, since
	// polling may not take what reading needs.
	pollsPerPrincipal = 2
	// keptFor is how long a reader is kept for polls and deliveries, so that each does not sign in anew.
	keptFor = 10 * time.Minute
)

// PollWork names the row of work that stands for "this connection is to be polled".
func PollWork(connection int64) string { return fmt.Sprintf("connection/%d/poll", connection) }

// Poll looks for new projects and updated repositories of a connection. It adds and updates only: what has gone is the
// business of complete listings. A spent allowance is no error, since reading goes before.
func (e *Engine) Poll(ctx context.Context, name string, without map[int64]string) error {
	conn, err := e.Store.Connection(ctx, name)
	if err != nil {
		return err
	}
	return e.Exclusive(ctx, liveLease(conn.ID), func(ctx context.Context, _ store.Fence) error {
		p, err := e.livePass(ctx, conn, without)
		if err != nil {
			return err
		}
		accounts, err := p.accounts(ctx)
		if err != nil {
			return err
		}
		for _, account := range accounts {
			err := p.poll(ctx, account, len(accounts))
			if fault.Is(err, fault.Limited) {
				return nil
			}
			if err != nil {
				return err
			}
		}
		return p.newcomers(ctx)
	})
}

// accounts returns the workspaces or the instance that runs have listed.
func (p *pass) accounts(ctx context.Context) ([]bitbucket.Place, error) {
	scopes, err := p.Store.ScopesOf(ctx, p.conn.ID)
	if err != nil {
		return nil, err
	}
	var out []bitbucket.Place
	for _, s := range scopes {
		if s.Listing != projects {
			continue
		}
		row, err := p.Store.Entity(ctx, s.Parent, nil)
		if fault.Is(err, fault.NotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		out = append(out, placeOf(row))
	}
	return out, nil
}

func (p *pass) poll(ctx context.Context, account bitbucket.Place, accounts int) error {
	scope, ok, err := p.Store.FindScope(ctx, store.ScopeKey{Connection: p.conn.ID, Parent: account.Key, Listing: repositories})
	if err != nil || !ok {
		return err // it has not been listed yet
	}
	projectScope, ok, err := p.Store.FindScope(ctx, store.ScopeKey{Connection: p.conn.ID, Parent: account.Key, Listing: projects})
	if err != nil || !ok {
		return err
	}
	slower := float64(max(1, (accounts+pollsPerPrincipal-1)/max(1, pollsPerPrincipal*len(p.reader.Principals()))))
	every := func(d time.Duration) time.Duration { return time.Duration(slower*float64(d)) - PollEvery/2 }
	now := p.Now()
	since := scope.Watermark
	if since.IsZero() && scope.LastComplete != nil {
		since = scope.LastComplete.Add(-overlap)
	}
	all, recent, tells := p.reader.Poll(account, since)
	if last := projectScope.Watermark; last.IsZero() || now.Sub(last) >= every(PollEvery) {
		if _, err := p.glance(ctx, projectScope, all); err != nil {
			return err
		}
		if err := p.Store.SetWatermark(ctx, projectScope.ID, now); err != nil { // when it was asked, by our clock
			return err
		}
	}
	if !tells || since.IsZero() || now.Sub(since)-overlap < every(recentEvery) {
		return nil
	}
	clock, err := p.glance(ctx, scope, recent)
	if err != nil || clock.IsZero() {
		return err
	}
	return p.Store.SetWatermark(ctx, scope.ID, clock.Add(-overlap))
}

// glance applies what a listing shows and concludes nothing from what it does not show. It returns the provider's clock.
func (p *pass) glance(ctx context.Context, scope store.Scope, l Listing) (clock time.Time, err error) {
	err = l.Pages(ctx, func(page bitbucket.Page) error {
		if clock.IsZero() {
			if clock = page.ServedAt; clock.IsZero() {
				clock = page.RequestedAt
			}
		}
		_, err := p.Store.Apply(ctx, store.Batch{
			Scope: scope.ID, Stream: Stream(p.conn.ID), Cause: graph.Cause{Kind: "run", ID: "poll"}, Origin: "sync",
			RequestedAt: page.RequestedAt, Objects: page.Objects, Met: page.Met,
		})
		if err != nil {
			return stored{err}
		}
		p.repos.add(page.Repos)
		p.places.add(page.Objects)
		return nil
	})
	return clock, err
}
