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

// Why a delivery is not even tried to be stored.
var (
	errClosed = errors.New("the intake has stopped")
	errQueue  = errors.New("too many deliveries wait to be stored")
)

// committer stores deliveries in groups, in the order in which they came.
type committer struct {
	o       Options
	pending chan *waiting
	done    sync.WaitGroup
	end     chan struct{}

	mu     sync.Mutex
	closed bool
	lost   map[int64]bool       // connections of which deliveries were refused that may have been good
	lostOf map[string]bool      // hooks that could not be looked up, whose connections are not known
	works  map[string]time.Time // hooks that brought signed deliveries, until that is recorded
}

// waiting is a delivery that waits for its commit.
type waiting struct {
	d      *store.Delivery
	stored chan error // has room for one
}

func newCommitter(o Options) *committer {
	c := &committer{
		o: o, pending: make(chan *waiting, 4*commitAtOnce), end: make(chan struct{}),
		lost: map[int64]bool{}, lostOf: map[string]bool{}, works: map[string]time.Time{},
	}
	c.done.Go(c.run)
	c.done.Go(c.look)
	return c
}

func (c *committer) close() {
	c.mu.Lock()
	if !c.closed {
		c.closed = true
		close(c.pending)
		close(c.end)
	}
	c.mu.Unlock()
	c.done.Wait()
	c.tidy() // what the last commits lost
}

// put returns once the delivery is stored. An error says that it may not be; then its connection has to be listed again.
func (c *committer) put(ctx context.Context, d *store.Delivery) error {
	w := &waiting{d: d, stored: make(chan error, 1)}
	if err := c.enqueue(w); err != nil {
		return err
	}
	select {
	case err := <-w.stored:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (c *committer) enqueue(w *waiting) error {
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
	return errQueue
}

func (c *committer) lose(connection int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lost[connection] = true
}

// loseOf is lose for a hook that could not be looked up.
func (c *committer) loseOf(hook string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.lostOf) < keptHooks { // more than there are hooks: the others are guesses
		c.lostOf[hook] = true
	}
}

func (c *committer) verify(hook string, at time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.works[hook] = at
}

func (c *committer) run() {
	for w := range c.pending {
		c.commit(c.gather(w))
	}
}

// look tidies up every second. It is beside the commits, which must not wait for the graph's database.
func (c *committer) look() {
	tick := time.NewTicker(tidyEach)
	defer tick.Stop()
	for {
		select {
		case <-c.end:
			return
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

// tidyEach is how often what was lost and what works is written down.
const tidyEach = time.Second

// tidy has connections listed again of which deliveries were refused, and records which hooks work.
func (c *committer) tidy() {
	c.mu.Lock()
	lost, lostOf, works := c.lost, c.lostOf, c.works
	c.lost, c.lostOf, c.works = map[int64]bool{}, map[string]bool{}, map[string]time.Time{}
	c.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), tidyWithin)
	defer cancel()
	for id := range lostOf {
		hook, err := c.o.Hook(ctx, id)
		switch {
		case err == nil:
			lost[hook.Connection] = true
		case !fault.Is(err, fault.NotFound):
			c.loseOf(id)
		}
	}
	for id := range lost {
		if err := c.o.Lost(ctx, id); err != nil {
			c.o.Log.Warn("a connection that lost deliveries cannot be listed again yet", "connection", id, "reason", err.Error())
			c.lose(id)
		}
	}
	for hook, at := range works {
		if err := c.o.Verified(ctx, hook, at); err != nil && !fault.Is(err, fault.NotFound) {
			c.o.Log.Warn("that a hook works cannot be recorded", "hook", hook[:min(len(hook), 8)], "reason", err.Error())
		}
	}
}

// tidyWithin bounds one round of that.
const tidyWithin = 5 * time.Second
