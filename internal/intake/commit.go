package intake

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/windlass-hq/windlass/internal/fault"
	"github.com/windlass-hq/windlass/internal/store"
)

// commitAtOnce is how many deliveries one transaction stores at most. While it runs, the next ones gather: that is what
// makes thousands a second of a disk that can sync some hundred times.
const commitAtOnce = 256

// errClosed is why nothing is stored any more.
var errClosed = errors.New("the intake has stopped")

// committer stores deliveries in groups, in the order in which they came.
type committer struct {
	o       Options
	pending chan *waiting
	done    chan struct{}

	mu     sync.Mutex
	closed bool
	lost   map[int64]bool       // connections of which deliveries were refused that may have been good
	works  map[string]time.Time // hooks that brought signed deliveries, until that is recorded
}

// waiting is a delivery that waits for its commit.
type waiting struct {
	d      *store.Delivery
	stored chan error // has room for one
}

func newCommitter(o Options) *committer {
	c := &committer{o: o, pending: make(chan *waiting, 4*commitAtOnce), done: make(chan struct{}), lost: map[int64]bool{}, works: map[string]time.Time{}}
	go c.run()
	return c
}

func (c *committer) close() {
	c.mu.Lock()
	if !c.closed {
		c.closed = true
		close(c.pending)
	}
	c.mu.Unlock()
	<-c.done
}

// put returns once the delivery is stored. An error says that it may not be; then its connection is listed again.
func (c *committer) put(ctx context.Context, d *store.Delivery) error {
	w := &waiting{d: d, stored: make(chan error, 1)}
	if err := c.enqueue(ctx, w); err != nil {
		c.lose(d.Connection)
		return err
	}
	select {
	case err := <-w.stored:
		if err != nil {
			c.lose(d.Connection)
		}
		return err
	case <-ctx.Done():
		c.lose(d.Connection)
		return ctx.Err()
	}
}

func (c *committer) enqueue(ctx context.Context, w *waiting) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return errClosed
	}
	select {
	case c.pending <- w:
		return nil
	default: // the disk does not follow: to wait for a place would only make the answer late
	}
	return errors.Join(ctx.Err(), errors.New("too many deliveries wait to be stored"))
}

func (c *committer) lose(connection int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lost[connection] = true
}

func (c *committer) verify(hook string, at time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.works[hook] = at
}

func (c *committer) run() {
	defer close(c.done)
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case w, ok := <-c.pending:
			if !ok {
				c.tidy()
				return
			}
			c.commit(c.gather(w))
		case <-tick.C:
			c.tidy()
		}
	}
}

// gather adds to a delivery what else waits now.
func (c *committer) gather(first *waiting) []*waiting {
	group := []*waiting{first}
	for len(group) < commitAtOnce {
		select {
		case w, ok := <-c.pending:
			if !ok {
				return group
			}
			group = append(group, w)
		default:
			return group
		}
	}
	return group
}

func (c *committer) commit(group []*waiting) {
	list := make([]*store.Delivery, len(group))
	for i, w := range group {
		list[i] = w.d
	}
	// Nobody cancels it: those who wait no longer have been told that it may not be stored, and it is no harm if it is.
	ctx, cancel := context.WithTimeout(context.Background(), 5*commitWithin)
	defer cancel()
	err := c.o.Put(ctx, list)
	connections := map[int64]bool{}
	for _, w := range group {
		w.stored <- err
		if err == nil && w.d.State == store.DeliveryNew {
			connections[w.d.Connection] = true
		}
	}
	for id := range connections {
		c.o.Stored(id)
	}
}

// tidy has connections listed again of which deliveries were refused, and records which hooks work.
func (c *committer) tidy() {
	c.mu.Lock()
	lost, works := c.lost, c.works
	c.lost, c.works = map[int64]bool{}, map[string]time.Time{}
	c.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), commitWithin)
	defer cancel()
	for id := range lost {
		if err := c.o.Lost(ctx, id); err != nil {
			c.o.Log.Warn("a connection that lost deliveries cannot be listed again yet", "connection", id, "reason", err.Error())
			c.lose(id)
		}
	}
	for hook, at := range works {
		if err := c.o.Verified(ctx, hook, at); err != nil && !fault.Is(err, fault.NotFound) {
			c.o.Log.Warn("that a hook works cannot be recorded", "hook", hook, "reason", err.Error())
		}
	}
}
