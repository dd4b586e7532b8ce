package sync

import (
	"context"
	"database/sql"
	"encoding/json"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/windlass-hq/windlass/internal/bitbucket"
	"github.com/windlass-hq/windlass/internal/fault"
	"github.com/windlass-hq/windlass/internal/graph"
	"github.com/windlass-hq/windlass/internal/store"
)

// liveLease names the lease of what is read because of deliveries. It is another one than that of runs, which may take
// hours.
func liveLease(connection int64) string { return LeaseName(connection) + "/live" }

// liveParallel is how many objects are read at the same time.
const liveParallel = 4

// Live reads what deliveries have made necessary: objects that changed, came or are said to have gone. What cannot be
// read now stays wanted; it reports whether nothing is left. Without is as in RunOptions.
func (e *Engine) Live(ctx context.Context, name string, slice time.Duration, without map[int64]string) (done bool, err error) {
	conn, err := e.Store.Connection(ctx, name)
	if err != nil {
		return false, err
	}
	err = e.Exclusive(ctx, liveLease(conn.ID), func(ctx context.Context, _ store.Fence) error {
		p, err := e.livePass(ctx, conn, without)
		if err != nil {
			return err
		}
		deadline := e.Now().Add(slice)
		for {
			rows, err := e.Store.Wanted(ctx, fetchPrefix(conn.ID))
			if err != nil || len(rows) == 0 {
				done = err == nil
				return err
			}
			if err := p.fetchAll(ctx, rows); err != nil {
				return err
			}
			if !e.Now().Before(deadline) {
				return nil
			}
		}
	})
	return done, err
}

// livePass is a pass that reads single objects. It is no run of its own: its changes name what asked for them.
func (e *Engine) livePass(ctx context.Context, conn store.Connection, without map[int64]string) (*pass, error) {
	p := &pass{Engine: e, conn: conn, started: e.Now(), looked: map[int64]bool{}, progress: func(Event) {}}
	p.opts.Without = without
	credentials, err := p.credentials(ctx)
	if err != nil {
		return nil, err
	}
	p.reader, err = e.readers.get(conn, credentials, e.Now(), func() (Reader, error) {
		return e.Open(conn, credentials, true, func(time.Time, string) {})
	})
	return p, err
}

// fetchAll reads the objects of rows of work, several at a time. It ends with the first error that concerns all.
func (p *pass) fetchAll(ctx context.Context, rows []store.Work) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(liveParallel)
	for _, row := range rows {
		g.Go(func() error {
			var ref bitbucket.Ref
			if err := json.Unmarshal([]byte(strings.TrimPrefix(row.Name, fetchPrefix(p.conn.ID))), &ref); err != nil {
				p.Log.WarnContext(ctx, "a wish names nothing that can be read", "work", row.Name)
			} else if err := p.fetch(ctx, ref); err != nil {
				if endsRun(ctx, err) || fault.Is(err, fault.Unavailable) || fault.CodeOf(err) == "" || fault.Is(err, fault.Internal) {
					return err // it stays wanted
				}
				p.Log.WarnContext(ctx, "an object that a delivery named cannot be read", "connection", p.conn.Name, "key", ref.Key, "reason", err.Error())
			}
			_, err := p.Store.Settle(ctx, row.Name, row.Wanted)
			return err
		})
	}
	return g.Wait()
}

// fetch reads one object and applies it, or closes what is confirmed to be gone.
func (p *pass) fetch(ctx context.Context, ref bitbucket.Ref) error {
	ref, err := p.completed(ctx, ref)
	if err != nil {
		return err
	}
	asked := p.Now()
	page, err := p.reader.Fetch(ctx, ref)
	if fault.Is(err, fault.NotFound) {
		return p.gone(ctx, ref, asked)
	}
	if err != nil {
		return err
	}
	for _, o := range page.Objects {
		outside, err := p.outside(ctx, o.Entity)
		if err != nil {
			return err
		}
		if outside {
			return p.leave(ctx, o.Entity, page.RequestedAt)
		}
		scope, ok, err := p.scopeOf(ctx, p.conn.ID, o.Entity)
		if err != nil {
			return err
		}
		if !ok { // its account or repository has not been listed yet: the next run meets it
			return p.Store.Write(ctx, func(ctx context.Context, tx *sql.Tx) error { return p.Ring(ctx, tx, SyncWork(p.conn.ID)) })
		}
		_, err = p.Store.Apply(ctx, store.Batch{
			Scope: scope.ID, Stream: Stream(p.conn.ID), Cause: followUp(), Origin: "sync", RequestedAt: page.RequestedAt,
			Objects: []graph.Object{o}, Met: page.Met,
		})
		if err != nil {
			return err
		}
		p.places.add([]graph.Object{o})
	}
	p.repos.add(page.Repos)
	return p.newcomers(ctx)
}

// outside reports whether the connection does not cover an object: by itself, or as part of a repository that it does not
// cover.
func (p *pass) outside(ctx context.Context, e graph.Entity) (bool, error) {
	if p.reader.Outside(e) {
		return true, nil
	}
	repo, _, ok := strings.Cut(e.Key, ":pr:")
	if !ok {
		return false, nil
	}
	row, err := p.Store.Entity(ctx, repo, nil)
	if fault.Is(err, fault.NotFound) {
		return false, nil // it may be new
	}
	return p.reader.Outside(row.Entity), err
}

// leave takes what the connection does not cover out of its part of the graph, such as a repository that was moved to a
// project that was not chosen. What is not in it needs nothing.
func (p *pass) leave(ctx context.Context, e graph.Entity, asked time.Time) error {
	row, err := p.Store.Entity(ctx, e.Key, nil)
	if fault.Is(err, fault.NotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	scope, ok, err := p.scopeOf(ctx, p.conn.ID, row.Entity)
	if err != nil || !ok {
		return err
	}
	return p.close(ctx, scope.ID, e.Key, graph.Withdrawn, asked)
}

// close withdraws one object because of a delivery.
func (p *pass) close(ctx context.Context, scope int64, key string, reason graph.Reason, asked time.Time) error {
	_, err := p.Store.Withdraw(ctx, store.Withdrawal{
		Scope: scope, Keys: []string{key}, Reason: reason, Stream: Stream(p.conn.ID), Cause: followUp(), Origin: "sync", RequestedAt: asked,
	})
	return err
}

// followUp is the cause of what is read because of a delivery.
func followUp() graph.Cause { return graph.Cause{Kind: "delivery", ID: "follow-up"} }

// newcomers makes the scopes of what was just met, and wants its pull requests where there are none yet.
func (p *pass) newcomers(ctx context.Context) error {
	listed := p.repos.take()
	if len(listed) > 0 && p.conn.Settings["pull-requests"] != "false" {
		scopes, err := p.Store.EnsureScopes(ctx, p.conn.ID, pullRequests, listed)
		if err != nil {
			return err
		}
		var names []string
		for _, repo := range listed {
			if s := scopes[repo.Parent]; s.Watermark.IsZero() {
				names = append(names, pullsWork(p.conn.ID, s.ID))
			}
		}
		if len(names) > 0 {
			err := p.Store.Write(ctx, func(ctx context.Context, tx *sql.Tx) error {
				if err := p.Store.Raise(ctx, tx, names...); err != nil {
					return err
				}
				return p.Ring(ctx, tx, BacklogWork(p.conn.ID))
			})
			if err != nil {
				return err
			}
		}
	}
	return p.wantSettings(ctx, p.places.take())
}

// completed adds to a reference what the graph knows and a delivery did not tell.
func (p *pass) completed(ctx context.Context, ref bitbucket.Ref) (bitbucket.Ref, error) {
	row, err := p.Store.Entity(ctx, ref.Key, nil)
	if fault.Is(err, fault.NotFound) && ref.Type == graph.TypePullRequest {
		repo, _, _ := strings.Cut(ref.Key, ":pr:")
		known, open, err := p.repository(ctx, repo)
		if err != nil || !open {
			return ref, err
		}
		return filled(ref, bitbucket.Ref{Workspace: known.WorkspaceUUID, Project: known.Project, Slug: known.Slug}), nil
	}
	if fault.Is(err, fault.NotFound) {
		return ref, nil
	}
	if err != nil {
		return ref, err
	}
	l := Listing{}
	if ref.Type == graph.TypePullRequest {
		repo, _, err := p.repository(ctx, row.Home)
		if err != nil {
			return ref, err
		}
		l.Repo = repo
	}
	return filled(ref, refOf(row, l)), nil
}

// filled takes from known what ref lacks. What a delivery says of names is newer than what the graph knows.
func filled(ref, known bitbucket.Ref) bitbucket.Ref {
	for _, f := range []struct{ to, from *string }{
		{&ref.Workspace, &known.Workspace}, {&ref.Project, &known.Project}, {&ref.Slug, &known.Slug}, {&ref.Name, &known.Name},
	} {
		if *f.to == "" {
			*f.to = *f.from
		}
	}
	return ref
}

// gone closes an object that could not be read, if the provider confirms that it is no more, with what has it as home.
func (p *pass) gone(ctx context.Context, ref bitbucket.Ref, asked time.Time) error {
	row, err := p.Store.Entity(ctx, ref.Key, nil)
	if fault.Is(err, fault.NotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	certain, err := p.byIdentity(ctx, row)
	if err != nil {
		return err
	}
	if !certain { // the next run lists it, and what that misses it asks about
		return p.Store.Write(ctx, func(ctx context.Context, tx *sql.Tx) error { return p.Ring(ctx, tx, SyncWork(p.conn.ID)) })
	}
	verdict, err := p.reader.Exists(ctx, ref)
	if err != nil {
		return err
	}
	reason := graph.Deleted
	switch verdict {
	case bitbucket.Present:
		return fault.New(fault.Unavailable, "%s is there, but cannot be read", row.Name)
	case bitbucket.Hidden:
		reason = graph.NotVisible
	}
	scope, ok, err := p.scopeOf(ctx, p.conn.ID, row.Entity)
	if err != nil || !ok {
		return err
	}
	return p.close(ctx, scope.ID, ref.Key, reason, asked)
}

// byIdentity reports whether an answer of 404 is about the object and not about a path that it no longer has. Cloud reads
// by UUID. A Data Center reads by project key and slug, which a delivery that is late, or the graph before the next one,
// may name as they were: there only what is in a repository that is found under its path can be told to be gone.
func (p *pass) byIdentity(ctx context.Context, row store.EntityRow) (bool, error) {
	switch {
	case bitbucket.Product(p.conn.Product) == bitbucket.Cloud:
		return true, nil
	case row.Type == graph.TypeRepo || row.Type == graph.TypeProject:
		return false, nil
	case row.Type != graph.TypePullRequest:
		return true, nil
	}
	repo, err := p.Store.Entity(ctx, row.Home, nil)
	if fault.Is(err, fault.NotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	verdict, err := p.reader.Exists(ctx, refOf(repo, Listing{}))
	return err == nil && verdict == bitbucket.Present, err
}
