package sync

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/windlass-hq/windlass/internal/bitbucket"
	"github.com/windlass-hq/windlass/internal/fault"
	"github.com/windlass-hq/windlass/internal/graph"
	"github.com/windlass-hq/windlass/internal/store"
)

// What a webhook says goes the same way as what a listing shows: its objects are applied in the scopes of their own
// listings, where the provider's revision decides which is newer, so that a delivery that is late or comes twice never
// moves the graph backwards. What it does not carry, and what must not be believed of it alone, becomes a row of work
// that Live works off by reading it from the provider.

// Applied is what a delivery did.
type Applied struct {
	Created, Updated int
	Unchanged        int
	Stale            int // objects of which something newer is known
	Wanted           int // objects and lists to be read because of it
	Note             string
}

// String says it in words.
func (a Applied) String() string {
	var parts []string
	for _, p := range []struct {
		n    int
		what string
	}{{a.Created, "created"}, {a.Updated, "updated"}, {a.Unchanged, "unchanged"}, {a.Stale, "older than what is known"}, {a.Wanted, "to be read"}} {
		if p.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", p.n, p.what))
		}
	}
	if a.Note != "" {
		parts = append(parts, a.Note)
	}
	if len(parts) == 0 {
		return "nothing to do"
	}
	return strings.Join(parts, ", ")
}

// LiveWork names the row of work that stands for "this connection has something to read because of a delivery".
func LiveWork(connection int64) string { return fmt.Sprintf("connection/%d/live", connection) }

func fetchPrefix(connection int64) string { return fmt.Sprintf("connection/%d/fetch/", connection) }

// fetchWork names the row of work for one object. The reference is in the name, so that wishes for one object are one.
func fetchWork(connection int64, ref bitbucket.Ref) (string, error) {
	b, err := json.Marshal(ref)
	if err != nil {
		return "", fmt.Errorf("name what is to be read: %w", err)
	}
	return fetchPrefix(connection) + string(b), nil
}

// Deliver applies what a verified delivery says. It needs no lease: it is one short write beside whatever run is under
// way. received is when the delivery came.
func (e *Engine) Deliver(ctx context.Context, conn store.Connection, ev bitbucket.Event, cause graph.Cause, received time.Time) (Applied, error) {
	var out Applied
	switch {
	case ev.Ping:
		out.Note = "a test of the connection"
		return out, nil
	case ev.Ignore != "":
		out.Note = ev.Ignore
		return out, nil
	}
	d := &delivery{Engine: e, conn: conn, cause: cause, received: received}
	if fresh, err := d.newcomer(ctx, &ev); err != nil {
		return out, err
	} else if fresh {
		out.Note = "its repository was not known"
	}
	for _, o := range ev.Page.Objects {
		if err := d.object(ctx, o, ev.Page.Met); err != nil {
			return out, err
		}
	}
	for _, r := range ev.Pushes {
		if err := d.push(ctx, ev, r); err != nil {
			return out, err
		}
	}
	for _, ref := range ev.Fetch {
		d.fetch(ref)
	}
	for _, l := range ev.Lists {
		if err := d.list(ctx, l.Place.Key, l.Name); err != nil {
			return out, err
		}
	}
	if err := d.raise(ctx); err != nil {
		return out, err
	}
	out.Created, out.Updated, out.Unchanged, out.Stale = d.result.Created, d.result.Updated+d.result.Refreshed, d.result.Unchanged, d.result.Stale
	out.Wanted = len(d.refs) + d.lists
	return out, nil
}

// delivery is one on its way into the graph.
type delivery struct {
	*Engine
	conn     store.Connection
	cause    graph.Cause
	received time.Time
	result   store.Result
	refs     []bitbucket.Ref
	lists    int
}

func (d *delivery) fetch(ref bitbucket.Ref) {
	if !slices.Contains(d.refs, ref) {
		d.refs = append(d.refs, ref)
	}
}

// newcomer has a repository read that the graph does not know, and reports whether that is so. Its pull requests and
// branches are listed once it is known, so nothing else of the event is needed.
func (d *delivery) newcomer(ctx context.Context, ev *bitbucket.Event) (bool, error) {
	if ev.Repository == "" {
		return false, nil
	}
	_, err := d.Store.Entity(ctx, ev.Repository, nil)
	if !fault.Is(err, fault.NotFound) {
		return false, err
	}
	r := ev.Repo
	d.fetch(bitbucket.Ref{
		Type: graph.TypeRepo, Key: ev.Repository, Workspace: cmp.Or(r.WorkspaceUUID, r.WorkspaceSlug), Project: r.Project, Slug: r.Slug, Name: r.Name,
	})
	ev.Page, ev.Pushes = bitbucket.Page{}, nil
	fetch := ev.Fetch[:0:0]
	for _, ref := range ev.Fetch {
		if ref.Key != ev.Repository && !strings.HasPrefix(ref.Key, ev.Repository+":") {
			fetch = append(fetch, ref)
		}
	}
	ev.Fetch = fetch
	return true, nil
}

// object applies one object in the scope of its listing. Where that is not known yet, what it lies in is read first.
func (d *delivery) object(ctx context.Context, o graph.Object, met []graph.Object) error {
	scope, ok, err := d.scopeOf(ctx, o.Entity)
	if err != nil {
		return err
	}
	if !ok {
		d.fetch(bitbucket.Ref{Type: o.Entity.Type, Key: o.Entity.Key})
		return nil
	}
	res, err := d.Store.Apply(ctx, store.Batch{
		Scope: scope.ID, Stream: Stream(d.conn.ID), Cause: d.cause, Origin: "sync", RequestedAt: d.received,
		Objects: []graph.Object{o}, Met: met,
	})
	if err != nil {
		return err
	}
	if len(res.Dangling) > 0 { // it points to what was never seen: the provider shows the whole of it
		d.fetch(bitbucket.Ref{Type: o.Entity.Type, Key: o.Entity.Key})
	}
	d.result.Add(res)
	return nil
}

// scopeOf returns the scope whose listing shows an entity; false where there is none yet.
func (e *Engine) scopeOf(ctx context.Context, connection int64, entity graph.Entity) (store.Scope, bool, error) {
	key := store.ScopeKey{Connection: connection, Parent: entity.Home, Listing: listingOf(entity.Type)}
	switch entity.Type {
	case graph.TypePullRequest:
		key.Parent, _, _ = strings.Cut(entity.Key, ":pr:")
	case graph.TypeRepo, graph.TypeProject:
		owner, _ := entity.Properties["ownerId"].(string)
		key.Parent = ownerKey(entity.Key, owner)
	}
	if key.Listing == "" || key.Parent == "" {
		return store.Scope{}, false, nil
	}
	return e.Store.FindScope(ctx, key)
}

func (d *delivery) scopeOf(ctx context.Context, entity graph.Entity) (store.Scope, bool, error) {
	return d.Engine.scopeOf(ctx, d.conn.ID, entity)
}

// listingOf is the name of the listing that shows entities of a type; empty where several do.
func listingOf(typ string) string {
	switch typ {
	case graph.TypePullRequest:
		return pullRequests
	case graph.TypeRepo:
		return repositories
	case graph.TypeProject:
		return projects
	case graph.TypeGroup:
		return bitbucket.ListGroups
	case graph.TypeRestriction:
		return bitbucket.ListRestrictions
	case graph.TypeWebhook:
		return bitbucket.ListWebhooks
	case graph.TypeKey:
		return bitbucket.ListKeys
	case graph.TypeEnvironment:
		return bitbucket.ListEnvironments
	case graph.TypeBranch:
		return bitbucket.ListBranches
	}
	return ""
}

// push moves the head of a branch that is known, where the push begins at the head that is known; else the branches are
// listed again, since a push came before this one or between.
func (d *delivery) push(ctx context.Context, ev bitbucket.Event, r bitbucket.RefChange) error {
	if r.Tag || ev.Repository == "" {
		return nil
	}
	row, err := d.Store.Entity(ctx, ev.Repository+":branch:"+r.Name, nil)
	switch {
	case fault.Is(err, fault.NotFound) && r.Old != "":
		return nil // no branch that is kept
	case fault.Is(err, fault.NotFound), err == nil && r.New == "":
		return d.list(ctx, ev.Repository, bitbucket.ListBranches)
	case err != nil:
		return err
	}
	head, _ := row.Properties["commit"].(string)
	switch {
	case head == r.New:
		d.result.Unchanged++
		return nil
	case r.Old == "" || head == "" || !strings.HasPrefix(r.Old, head) && !strings.HasPrefix(head, r.Old):
		return d.list(ctx, ev.Repository, bitbucket.ListBranches)
	}
	o := graph.Object{
		Entity:       graph.Entity{Key: row.Key, Type: row.Type, Name: row.Name, Home: row.Home, Source: graph.Provider, Properties: graph.Properties{"commit": r.New}},
		UnknownVerbs: []string{graph.Has},
	}
	return d.object(ctx, o, nil)
}

// list makes a list due and wants it read at once.
func (d *delivery) list(ctx context.Context, parent, name string) error {
	known, err := d.Store.MakeDue(ctx, d.conn.ID, parent, name)
	if err != nil || !known {
		return err
	}
	d.lists++
	return nil
}

// raise writes what is to be read and wakes whoever reads it.
func (d *delivery) raise(ctx context.Context) error {
	if len(d.refs) == 0 && d.lists == 0 {
		return nil
	}
	return d.Store.Write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		var errs error
		for _, ref := range d.refs {
			name, err := fetchWork(d.conn.ID, ref)
			if err != nil {
				errs = errors.Join(errs, err)
				continue
			}
			errs = errors.Join(errs, d.Store.Raise(ctx, tx, name))
		}
		if len(d.refs) > 0 {
			errs = errors.Join(errs, d.Ring(ctx, tx, LiveWork(d.conn.ID)))
		}
		if d.lists > 0 {
			errs = errors.Join(errs, d.Ring(ctx, tx, BacklogWork(d.conn.ID)))
		}
		return errs
	})
}
