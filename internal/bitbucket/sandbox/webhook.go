package sandbox

import (
	"context"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/windlass-hq/windlass/internal/fault"
)

// Webhooks say how deliveries go. Chances are between 0 and 1, drawn from the seed for one delivery after the other, so
// that the same acts lose the same ones. The zero value delivers as the vendor does.
type Webhooks struct {
	Lose      float64       `json:"lose"`      // never sent
	Duplicate float64       `json:"duplicate"` // sent twice, under the same id
	Reorder   float64       `json:"reorder"`   // sent after the next one of its hook
	Delay     time.Duration `json:"delay"`     // each waits for up to so long; in nanoseconds in JSON, like what follows

	Timeout  time.Duration `json:"timeout"`   // of one attempt; default 10 s (FACTS 97, 152)
	Pause    time.Duration `json:"pause"`     // between two attempts of the Cloud; default 200 ms
	InFlight int           `json:"in_flight"` // of Data Center: further ones are skipped; default 250 (FACTS 151)
}

// WebhookCounts count deliveries since the start. What was told is either waiting, or in one of the others.
type WebhookCounts struct {
	Told      int `json:"told"`      // events, once for each hook that subscribes to them
	Waiting   int `json:"waiting"`   // to be sent, or being sent
	Delivered int `json:"delivered"` // answered with 2xx
	Failed    int `json:"failed"`    // not, after all attempts
	Lost      int `json:"lost"`      // dropped by chance, as Webhooks.Lose says
	TooLarge  int `json:"too_large"` // of the Cloud: above 256 KB (FACTS 98)
	Skipped   int `json:"skipped"`   // of Data Center: too many in flight, or the circuit breaker was open
	Attempts  int `json:"attempts"`  // requests
}

// largestDelivery is what the Cloud sends at most (FACTS 98).
const largestDelivery = 256 << 10

// reorderWait is how long a delivery that is to come late waits for one that can overtake it.
const reorderWait = 100 * time.Millisecond

// courier delivers. Deliveries of one hook go one after the other, those of several hooks side by side, each hook by a
// goroutine that lives while there is something to deliver.
type courier struct {
	seed   uint64
	clock  func() time.Time
	agents [2]string // User-Agent of the Cloud and of Data Center

	client, careless *http.Client // the second verifies no certificates
	ctx              context.Context
	cancel           context.CancelFunc
	busy             sync.WaitGroup

	mu      sync.Mutex
	how     Webhooks
	serial  uint64
	lines   map[string]*line
	records map[int32]*record // of Data Center, by the hook's id
	counts  WebhookCounts
	idle    []chan struct{} // of those who wait until nothing is left
	closed  bool
}

// line is what waits for one hook.
type line struct {
	queue []*parcel
	more  chan struct{} // something was added
}

// parcel is one delivery to one hook, as things were when it was told.
type parcel struct {
	hook     string // which line it is in
	event    string
	url      string
	secret   string
	body     []byte
	request  uuid
	instance int32 // of Data Center: the hook's id
	scope    string
	// Of Data Center.
	username, password string
	careless           bool

	delay       time.Duration
	late, twice bool
}

func newCourier(o Options, version dcVersion, clock func() time.Time) (*courier, error) {
	c := &courier{
		seed: o.Seed, clock: clock, lines: map[string]*line{}, records: map[int32]*record{},
		agents: [2]string{"Bitbucket-Webhooks/2.0", "Atlassian HttpClient / Bitbucket-" + version.String() + " (" + version.build() + ") / Default"},
	}
	c.client, c.careless = newSender(false), newSender(true)
	c.ctx, c.cancel = context.WithCancel(context.Background())
	return c, c.set(o.Webhooks)
}

// set changes how deliveries go from now on.
func (c *courier) set(w Webhooks) error {
	for _, p := range []float64{w.Lose, w.Duplicate, w.Reorder} {
		if p < 0 || p > 1 {
			return fault.New(fault.Invalid, "%v is no chance", p).With("use a number between 0 and 1")
		}
	}
	if w.Delay < 0 || w.Timeout < 0 || w.Pause < 0 || w.InFlight < 0 {
		return fault.New(fault.Invalid, "webhooks cannot have a negative span of time or number")
	}
	if w.Timeout == 0 {
		w.Timeout = 10 * time.Second
	}
	if w.Pause == 0 {
		w.Pause = 200 * time.Millisecond
	}
	setDefault(&w.InFlight, 250)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.how = w
	return nil
}

// post takes a delivery on its way; it never blocks. What chance does to a delivery depends on its number alone.
func (c *courier) post(p *parcel) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return
	}
	c.serial++
	g := derive(c.seed, streamWebhook, c.serial)
	p.request = g.uuid()
	lost, far := g.chance(c.how.Lose), g.unit()
	p.twice, p.late, p.delay = g.chance(c.how.Duplicate), g.chance(c.how.Reorder), time.Duration(far*float64(c.how.Delay))
	c.counts.Told++
	switch {
	case lost:
		c.counts.Lost++
		return
	case p.instance == 0 && len(p.body) > largestDelivery:
		c.counts.TooLarge++
		return
	case p.instance != 0 && c.flying() >= c.how.InFlight:
		c.counts.Skipped++
		return
	}
	c.counts.Waiting++
	l := c.lines[p.hook]
	if l != nil {
		l.queue = append(l.queue, p)
		select {
		case l.more <- struct{}{}:
		default: // it knows
		}
		return
	}
	l = &line{queue: []*parcel{p}, more: make(chan struct{}, 1)}
	c.lines[p.hook] = l
	c.busy.Go(func() { c.work(p.hook, l) })
}

// flying counts what is on its way from Data Center.
func (c *courier) flying() (n int) {
	for _, l := range c.lines {
		for _, p := range l.queue {
			if p.instance != 0 {
				n++
			}
		}
	}
	return n
}

// work delivers what waits for one hook, to the end.
func (c *courier) work(hook string, l *line) {
	for {
		p := c.next(hook, l)
		if p == nil {
			return
		}
		c.deliver(p)
		c.mu.Lock()
		// It has stayed in the queue while it was under way.
		l.queue = slices.DeleteFunc(l.queue, func(x *parcel) bool { return x == p })
		if !c.closed {
			c.counts.Waiting--
		}
		c.settled()
		c.mu.Unlock()
	}
}

// next returns what is to be delivered now; nil where nothing waits, and then the line is gone.
func (c *courier) next(hook string, l *line) *parcel {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(l.queue) == 0 || c.closed {
		delete(c.lines, hook)
		return nil
	}
	p := l.queue[0]
	if !p.late {
		return p
	}
	p.late = false
	if len(l.queue) == 1 {
		c.mu.Unlock()
		select {
		case <-l.more:
		default:
			c.sleep(reorderWait, l.more)
		}
		c.mu.Lock()
	}
	if len(l.queue) > 1 {
		l.queue[0], l.queue[1] = l.queue[1], l.queue[0]
	}
	return l.queue[0]
}

// sleep waits for a time, or until something comes up. It returns false when the sandbox closes.
func (c *courier) sleep(d time.Duration, early <-chan struct{}) bool {
	if d <= 0 {
		return c.ctx.Err() == nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-early:
	case <-c.ctx.Done():
		return false
	}
	return true
}

// settled wakes those who wait until nothing is left. The caller holds the lock.
func (c *courier) settled() {
	if c.counts.Waiting > 0 {
		return
	}
	for _, w := range c.idle {
		close(w)
	}
	c.idle = nil
}

// settle waits until nothing is on its way any more.
func (c *courier) settle(ctx context.Context) error {
	c.mu.Lock()
	if c.counts.Waiting == 0 || c.closed {
		c.mu.Unlock()
		return nil
	}
	done := make(chan struct{})
	c.idle = append(c.idle, done)
	c.mu.Unlock()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return fault.Wrap(ctx.Err(), fault.Unavailable, "deliveries are still on their way")
	}
}

// close ends what is under way and drops what waits.
func (c *courier) close() {
	c.mu.Lock()
	c.closed = true
	c.counts.Waiting = 0
	c.settled()
	c.mu.Unlock()
	c.cancel()
	c.busy.Wait()
	c.client.CloseIdleConnections()
	c.careless.CloseIdleConnections()
}

// SetWebhooks changes how deliveries go from now on.
func (s *Sandbox) SetWebhooks(w Webhooks) error { return s.courier.set(w) }

// WebhookCounts returns how deliveries have gone so far.
func (s *Sandbox) WebhookCounts() WebhookCounts {
	s.courier.mu.Lock()
	defer s.courier.mu.Unlock()
	return s.courier.counts
}

// Settle waits until every delivery that was told is done, retries included.
func (s *Sandbox) Settle(ctx context.Context) error { return s.courier.settle(ctx) }
