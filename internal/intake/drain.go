package intake

import (
	"context"
	"fmt"
	"log/slog"
	"strconv"
	"sync"
	"time"

	"github.com/windlass-hq/windlass/internal/bitbucket"
	"github.com/windlass-hq/windlass/internal/fault"
	"github.com/windlass-hq/windlass/internal/graph"
	"github.com/windlass-hq/windlass/internal/store"
)

// Inbox is what draining needs of the stored deliveries.
type Inbox interface {
	Waiting(ctx context.Context) ([]int64, error)
	New(ctx context.Context, connection int64, limit int) ([]store.Delivery, error)
	Settle(ctx context.Context, done []store.Delivery) error
}

// DrainOptions are what a Drainer needs; all fields are required.
type DrainOptions struct {
	Inbox Inbox
	// Connection returns a connection by its id, Hook a hook by its id; fault.NotFound where it was removed meanwhile.
	Connection func(ctx context.Context, id int64) (store.Connection, error)
	Hook       func(ctx context.Context, id string) (store.Hook, error)
	// Home returns the key of the project that a repository is in, as far as the graph knows.
	Home func(ctx context.Context, repository string) (string, error)
	// Decode reads a body by its event key, Apply carries out what it says and tells it in words.
	Decode func(conn store.Connection, key string, body []byte) (bitbucket.Event, error)
	Apply  func(ctx context.Context, conn store.Connection, ev bitbucket.Event, cause graph.Cause, received time.Time) (string, error)
	// Exclusive runs fn while this process alone holds a lease; fault.Conflict where another one holds it.
	Exclusive func(ctx context.Context, name string, fn func(context.Context, store.Fence) error) error
	Now       func() time.Time
	Log       *slog.Logger
}

// Drainer applies stored deliveries in order, connection by connection.
type Drainer struct {
	DrainOptions
	wake chan struct{}

	mu   sync.Mutex
	rung map[int64]bool
}

// NewDrainer returns a Drainer; Run does the work.
func NewDrainer(o DrainOptions) *Drainer {
	return &Drainer{DrainOptions: o, wake: make(chan struct{}, 1), rung: map[int64]bool{}}
}

const (
	drainAtOnce = 100
	// lookEach is how often connections are looked for that nobody rang for: what another process stored and did not live
	// to apply.
	lookEach = 5 * time.Second
	// askAgain is how soon a connection is tried again whose lease another process holds.
	askAgain = 200 * time.Millisecond
	drainers = 4 // connections at the same time
)

// Ring says that deliveries of a connection wait.
func (d *Drainer) Ring(connection int64) {
	d.mu.Lock()
	d.rung[connection] = true
	d.mu.Unlock()
	select {
	case d.wake <- struct{}{}:
	default: // it is awake
	}
}

func (d *Drainer) take() []int64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	var out []int64
	for id := range d.rung {
		out = append(out, id)
	}
	clear(d.rung)
	return out
}

// Run applies deliveries until the context ends. What is being applied then is finished.
func (d *Drainer) Run(ctx context.Context) {
	tick := time.NewTicker(lookEach)
	defer tick.Stop()
	d.ringWaiting(ctx)
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			d.ringWaiting(ctx)
		case <-d.wake:
		}
		var busy sync.WaitGroup
		places := make(chan struct{}, drainers)
		for _, id := range d.take() {
			busy.Add(1)
			places <- struct{}{}
			go func() {
				defer func() { <-places; busy.Done() }()
				d.connection(ctx, id)
			}()
		}
		busy.Wait()
	}
}

func (d *Drainer) ringWaiting(ctx context.Context) {
	ids, err := d.Inbox.Waiting(ctx)
	if err != nil {
		if ctx.Err() == nil {
			d.Log.WarnContext(ctx, "the inbox cannot be read", "reason", err.Error())
		}
		return
	}
	for _, id := range ids {
		d.Ring(id)
	}
}

// connection applies what waits of one connection.
func (d *Drainer) connection(ctx context.Context, id int64) {
	err := d.Exclusive(ctx, "connection/"+strconv.FormatInt(id, 10)+"/deliver", func(ctx context.Context, _ store.Fence) error {
		return d.Drain(ctx, id)
	})
	switch {
	case err == nil || ctx.Err() != nil:
	case fault.Is(err, fault.Conflict):
		time.AfterFunc(askAgain, func() { d.Ring(id) })
	default:
		d.Log.WarnContext(ctx, "deliveries cannot be applied now; they are kept", "connection", id, "reason", err.Error())
	}
}

// Drain applies what waits of one connection, in order, to the end. An error leaves the rest waiting.
func (d *Drainer) Drain(ctx context.Context, connection int64) error {
	for {
		waiting, err := d.Inbox.New(ctx, connection, drainAtOnce)
		if err != nil || len(waiting) == 0 {
			return err
		}
		var done []store.Delivery
		for _, dl := range waiting {
			if err = d.one(ctx, &dl); err != nil {
				break
			}
			done = append(done, dl)
		}
		if len(done) > 0 {
			if err := d.Inbox.Settle(context.WithoutCancel(ctx), done); err != nil {
				return err
			}
		}
		if err != nil {
			return err
		}
	}
}

// one applies a delivery and says in it what became of it. An error is one that concerns not only this delivery, such as
// a database that does not answer.
func (d *Drainer) one(ctx context.Context, dl *store.Delivery) error {
	state, effect, err := d.effect(ctx, dl)
	if err != nil {
		return err
	}
	now := d.Now()
	dl.State, dl.Effect, dl.AppliedAt = state, effect, &now
	return nil
}

func (d *Drainer) effect(ctx context.Context, dl *store.Delivery) (store.DeliveryState, string, error) {
	conn, err := d.Connection(ctx, dl.Connection)
	if fault.Is(err, fault.NotFound) {
		return store.DeliveryDone, "the connection was removed", nil
	}
	if err != nil {
		return "", "", err
	}
	hook, err := d.Hook(ctx, dl.Hook)
	if fault.Is(err, fault.NotFound) {
		return store.DeliveryDone, "the hook was removed", nil
	}
	if err != nil {
		return "", "", err
	}
	ev, err := d.Decode(conn, dl.Event, dl.Body)
	if err != nil {
		return store.DeliveryFailed, err.Error(), nil
	}
	outside, err := d.outside(ctx, hook, ev)
	if err != nil {
		return "", "", err
	}
	if outside != "" {
		d.Log.WarnContext(ctx, "a delivery is about what its hook was not made for; it was not applied",
			"connection", conn.Name, "hook", hook.ID, "delivery", dl.ID, "event", dl.Event, "about", outside)
		return store.DeliveryOutOfScope, "it is about " + outside + ", which the hook of " + hook.PlaceName + " does not cover", nil
	}
	if dl.Verdict == Unsigned {
		ev = doorbell(ev)
	}
	effect, err := d.Apply(ctx, conn, ev, graph.Cause{Kind: "delivery", ID: strconv.FormatInt(dl.ID, 10)}, dl.ReceivedAt)
	switch code := fault.CodeOf(err); {
	case err == nil:
		return store.DeliveryDone, effect, nil
	case ctx.Err() != nil, code == fault.Internal, code == fault.Unavailable, code == "":
		return "", "", fmt.Errorf("delivery %d: %w", dl.ID, err)
	}
	return store.DeliveryFailed, err.Error(), nil
}

// outside returns what an event is about where its hook does not cover it.
func (d *Drainer) outside(ctx context.Context, hook store.Hook, ev bitbucket.Event) (string, error) {
	switch hook.PlaceType {
	case graph.TypeRepo:
		if ev.Repository != "" && ev.Repository != hook.Place {
			return ev.Repository, nil
		}
	case graph.TypeProject:
		project := ev.Project
		if project == "" && ev.Repository != "" {
			home, err := d.Home(ctx, ev.Repository)
			if err != nil {
				return "", err
			}
			project = home
		}
		if project != "" && project != hook.Place {
			return project, nil
		}
	default:
		if ev.Account != "" && ev.Account != hook.Place {
			return ev.Account, nil
		}
	}
	return "", nil
}

// doorbell is what an unsigned event may cause: that what it names is read, and nothing that it claims.
func doorbell(ev bitbucket.Event) bitbucket.Event {
	bell := bitbucket.Event{Key: ev.Key, Ping: ev.Ping, Ignore: ev.Ignore, Account: ev.Account, Project: ev.Project, Repository: ev.Repository, Repo: ev.Repo}
	bell.Fetch, bell.Lists = ev.Fetch, ev.Lists
	for _, o := range ev.Page.Objects {
		bell.Fetch = append(bell.Fetch, bitbucket.Ref{Type: o.Entity.Type, Key: o.Entity.Key})
	}
	if len(ev.Pushes) > 0 && ev.Repository != "" {
		bell.Lists = append(bell.Lists, bitbucket.List{Place: bitbucket.Place{Type: graph.TypeRepo, Key: ev.Repository}, Name: bitbucket.ListBranches})
	}
	return bell
}
