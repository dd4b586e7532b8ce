package intake

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

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
	// Home returns the keys of the project that a repository is in and of the workspace or instance, as far as the graph
	// knows.
	Home func(ctx context.Context, repository string) (project, account string, err error)
	// Decode reads a body by its event key, Apply carries out what it says and tells it in words.
	Decode func(conn store.Connection, key string, body []byte) (bitbucket.Event, error)
	Apply  func(ctx context.Context, conn store.Connection, ev bitbucket.Event, cause graph.Cause, received time.Time) (string, error)
	// Exclusive runs fn while this process alone holds a lease; fault.Conflict where another one holds it.
	Exclusive func(ctx context.Context, name string, fn func(context.Context, store.Fence) error) error
	Now       func() time.Time
	Log       *slog.Logger
}

// Drainer applies stored deliveries, connection by connection, those about one repository in the order in which they came.
type Drainer struct {
	DrainOptions
	wake chan struct{}

	mu      sync.Mutex
	rung    map[int64]bool
	working map[int64]bool
	tries   map[int64]int // of deliveries that failed for a reason that may be theirs
}

// NewDrainer returns a Drainer; Run does the work.
func NewDrainer(o DrainOptions) *Drainer {
	return &Drainer{DrainOptions: o, wake: make(chan struct{}, 1), rung: map[int64]bool{}, working: map[int64]bool{}, tries: map[int64]int{}}
}

const (
	drainAtOnce = 250
	// lookEach is how often connections are looked for that nobody rang for: what another process stored and did not live
	// to apply.
	lookEach = 5 * time.Second
	// askAgain is how soon a connection is tried again whose lease another process holds.
	askAgain = 200 * time.Millisecond
	drainers = 4 // connections at the same time
	// drainFor is how long one connection is drained before others have their turn.
	drainFor = time.Second
	// sideBySide is how many repositories of a connection are worked on at the same time. Their writes meet in the store,
	// where whatever waits shares one commit.
	sideBySide = 16
	// settleWithin bounds the record of what was applied, which is not given up when the context ends.
	settleWithin = 5 * time.Second
)

// Ring says that deliveries of a connection wait.
func (d *Drainer) Ring(connection int64) {
	d.mu.Lock()
	d.rung[connection] = true
	d.mu.Unlock()
	d.rouse()
}

func (d *Drainer) rouse() {
	select {
	case d.wake <- struct{}{}:
	default: // it is awake
	}
}

// take returns the connections that are to be drained and are not, and takes them for drained.
func (d *Drainer) take() []int64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	var out []int64
	for id := range d.rung {
		if !d.working[id] {
			d.working[id] = true
			delete(d.rung, id)
			out = append(out, id)
		}
	}
	return out
}

func (d *Drainer) leave(connection int64) {
	d.mu.Lock()
	delete(d.working, connection)
	again := d.rung[connection]
	d.mu.Unlock()
	if again {
		d.rouse()
	}
}

// Run applies deliveries until the context ends; it returns when nothing is being applied any more.
func (d *Drainer) Run(ctx context.Context) {
	tick := time.NewTicker(lookEach)
	defer tick.Stop()
	var busy sync.WaitGroup
	defer busy.Wait()
	places := make(chan struct{}, drainers)
	d.ringWaiting(ctx)
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			d.ringWaiting(ctx)
		case <-d.wake:
		}
		for _, id := range d.take() {
			busy.Go(func() {
				defer d.leave(id)
				select {
				case places <- struct{}{}:
					defer func() { <-places }()
					d.connection(ctx, id)
				case <-ctx.Done():
				}
			})
		}
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

// connection applies what waits of one connection, for some time.
func (d *Drainer) connection(ctx context.Context, id int64) {
	done := false
	err := d.Exclusive(ctx, "connection/"+strconv.FormatInt(id, 10)+"/deliver", func(ctx context.Context, _ store.Fence) (err error) {
		done, err = d.drain(ctx, id, d.Now().Add(drainFor))
		return err
	})
	switch {
	case ctx.Err() != nil:
	case err == nil && !done:
		d.Ring(id)
	case err == nil:
	case fault.Is(err, fault.Conflict):
		time.AfterFunc(askAgain, func() { d.Ring(id) })
	default:
		d.Log.WarnContext(ctx, "deliveries cannot be applied now; they are kept", "connection", id, "reason", err.Error())
	}
}

// Drain applies what waits of one connection to the end. An error leaves the rest waiting.
func (d *Drainer) Drain(ctx context.Context, connection int64) error {
	for {
		done, err := d.drain(ctx, connection, d.Now().Add(drainFor))
		if done || err != nil {
			return err
		}
	}
}

// drain applies what waits until nothing does or a moment has come, and reports whether nothing does.
func (d *Drainer) drain(ctx context.Context, connection int64, until time.Time) (done bool, err error) {
	for {
		waiting, err := d.Inbox.New(ctx, connection, drainAtOnce)
		if err != nil || len(waiting) == 0 {
			return err == nil, err
		}
		applied, err := d.applyAll(ctx, waiting)
		if len(applied) > 0 {
			if err := d.settle(ctx, applied); err != nil {
				return false, err
			}
		}
		if err != nil {
			return false, err
		}
		if !d.Now().Before(until) {
			return false, nil
		}
	}
}

// settle records what became of deliveries, also when the context has ended.
func (d *Drainer) settle(ctx context.Context, applied []store.Delivery) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleWithin)
	defer cancel()
	return d.Inbox.Settle(ctx, applied)
}

// believed is a delivery with what has been found out about it.
type believed struct {
	*store.Delivery
	conn store.Connection
	hook store.Hook
	ev   bitbucket.Event
}

// applyAll applies deliveries and returns those of which it is known what became. Deliveries about one repository are
// applied in their order; those about none, such as about a project, wait for all before them and let none pass.
func (d *Drainer) applyAll(ctx context.Context, waiting []store.Delivery) ([]store.Delivery, error) {
	b := batch{Drainer: d, connections: map[int64]store.Connection{}, hooks: map[string]store.Hook{}}
	var err error
	for i := range waiting {
		dl := &waiting[i]
		var one believed
		if one, err = b.read(ctx, dl); err != nil {
			break
		}
		if dl.State != store.DeliveryNew {
			continue
		}
		if one.ev.Repository == "" {
			if err = b.flush(ctx); err != nil {
				break
			}
			b.add("", one)
			err = b.flush(ctx)
		} else {
			b.add(one.ev.Repository, one)
		}
		if err != nil {
			break
		}
	}
	err = errors.Join(err, b.flush(ctx))
	var done []store.Delivery
	for _, dl := range waiting {
		if dl.State != store.DeliveryNew {
			done = append(done, dl)
		}
	}
	return done, err
}

// batch are deliveries that are being applied.
type batch struct {
	*Drainer
	connections map[int64]store.Connection
	hooks       map[string]store.Hook
	queues      map[string][]believed // by repository
}

func (b *batch) add(repository string, one believed) {
	if b.queues == nil {
		b.queues = map[string][]believed{}
	}
	b.queues[repository] = append(b.queues[repository], one)
}

// flush applies what was added.
func (b *batch) flush(ctx context.Context) error {
	queues := b.queues
	b.queues = nil
	var g errgroup.Group // one that fails stops only those that come after it in its own queue
	g.SetLimit(sideBySide)
	for _, queue := range queues {
		g.Go(func() error {
			for _, one := range queue {
				if err := b.one(ctx, one); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return g.Wait()
}

// read finds out what a delivery says. One that is not to be applied has a state afterwards; an error is one that
// concerns not only this delivery.
func (b *batch) read(ctx context.Context, dl *store.Delivery) (one believed, err error) {
	one.Delivery = dl
	if dl.State != store.DeliveryNew { // its body is damaged
		now := b.Now()
		dl.AppliedAt = &now
		return one, nil
	}
	one.conn, err = remembered(b.connections, dl.Connection, func() (store.Connection, error) { return b.Connection(ctx, dl.Connection) })
	if fault.Is(err, fault.NotFound) {
		return one, b.end(dl, store.DeliveryDone, "the connection was removed")
	}
	if err != nil {
		return one, err
	}
	one.hook, err = remembered(b.hooks, dl.Hook, func() (store.Hook, error) { return b.Hook(ctx, dl.Hook) })
	if fault.Is(err, fault.NotFound) {
		return one, b.end(dl, store.DeliveryDone, "the hook was removed")
	}
	if err != nil {
		return one, err
	}
	if one.ev, err = b.decode(ctx, one.conn, dl); err != nil {
		return one, b.end(dl, store.DeliveryFailed, err.Error())
	}
	return one, nil
}

func remembered[K comparable, V any](known map[K]V, key K, read func() (V, error)) (V, error) {
	if v, ok := known[key]; ok {
		return v, nil
	}
	v, err := read()
	if err == nil {
		known[key] = v
	}
	return v, err
}

// end says in a delivery what became of it.
func (d *Drainer) end(dl *store.Delivery, state store.DeliveryState, effect string) error {
	now := d.Now()
	dl.State, dl.Effect, dl.AppliedAt = state, effect, &now
	d.mu.Lock()
	delete(d.tries, dl.ID)
	d.mu.Unlock()
	return nil
}

// triesOfOne is how often a delivery is tried that fails for a reason that may be its own: what comes after it must not
// wait forever.
const triesOfOne = 5

// one applies a delivery and says in it what became of it. An error is one that concerns not only this delivery, such as
// a database that does not answer.
func (d *Drainer) one(ctx context.Context, one believed) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	dl, ev := one.Delivery, one.ev
	reach, about, err := d.covers(ctx, one.hook, ev)
	if err != nil {
		return err
	}
	if reach == outside {
		d.Log.WarnContext(ctx, "a delivery is about what its hook was not made for; it was not applied",
			"connection", one.conn.Name, "place", one.hook.PlaceName, "delivery", dl.ID, "event", dl.Event, "about", about)
		return d.end(dl, store.DeliveryOutOfScope, "it is about "+about+", which the hook of "+one.hook.PlaceName+" does not cover")
	}
	if dl.Verdict == Unsigned || reach == readsOnly {
		ev = doorbell(ev)
	}
	effect, err := d.apply(ctx, one, ev)
	switch {
	case err == nil:
		return d.end(dl, store.DeliveryDone, effect)
	case ctx.Err() != nil, fault.Is(err, fault.Unavailable):
		return fmt.Errorf("delivery %d: %w", dl.ID, err)
	case fault.Is(err, fault.Invalid), fault.Is(err, fault.NotFound), errors.Is(err, errPanicked):
		return d.end(dl, store.DeliveryFailed, err.Error())
	}
	d.mu.Lock()
	d.tries[dl.ID]++
	tried := d.tries[dl.ID]
	d.mu.Unlock()
	if tried < triesOfOne {
		return fmt.Errorf("delivery %d: %w", dl.ID, err)
	}
	d.Log.ErrorContext(ctx, "a delivery was given up", "connection", one.conn.Name, "delivery", dl.ID, "tries", tried, "reason", err.Error())
	return d.end(dl, store.DeliveryFailed, err.Error())
}

// errPanicked is what becomes of a mistake of ours that a delivery brings out: it is that delivery's end and not that of
// the intake.
var errPanicked = errors.New("Windlass made a mistake with it; the log of the server says which") //nolint:staticcheck // a name

func (d *Drainer) apply(ctx context.Context, one believed, ev bitbucket.Event) (effect string, err error) {
	defer d.caught(ctx, one.Delivery, &err)
	return d.Apply(ctx, one.conn, ev, graph.Cause{Kind: "delivery", ID: strconv.FormatInt(one.ID, 10)}, one.ReceivedAt)
}

func (d *Drainer) decode(ctx context.Context, conn store.Connection, dl *store.Delivery) (ev bitbucket.Event, err error) {
	defer d.caught(ctx, dl, &err)
	return d.Decode(conn, dl.Event, dl.Body)
}

// caught turns a panic into an error. What panicked may hold text of the body, so the log has the place alone.
func (d *Drainer) caught(ctx context.Context, dl *store.Delivery, err *error) {
	if recover() != nil {
		d.Log.ErrorContext(ctx, "a delivery brought a mistake of Windlass out; please report it", "delivery", dl.ID, "event", dl.Event, "stack", string(debug.Stack()))
		*err = errPanicked
	}
}
