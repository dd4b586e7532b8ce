package bitbucket

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/windlass-hq/windlass/internal/fault"
	"github.com/windlass-hq/windlass/internal/store"
)

// Throttle is how an instance wants to be asked, by all processes together. A zero value of a field means no limit.
type Throttle struct {
	InFlight  int     // requests that may be out at once
	PerSecond float64 // requests that may begin in a second
	Hours     Hours   // of the day at which requests may begin
}

// DefaultThrottle is kind to a Data Center (HARD-PARTS A, being kind to a Data Center).
func DefaultThrottle() Throttle { return Throttle{InFlight: 4, PerSecond: 5} }

// Pacer keeps the pace for all processes that share it. *store.Store is one, *store.Volatile another.
type Pacer interface {
	TakeTicket(ctx context.Context, realm string, p store.Pace) (store.Ticket, error)
	EndTicket(ctx context.Context, realm string, ticket int64) error
	SlowDown(ctx context.Context, realm string, sent time.Time) error
}

// governor lets the calls of one client begin when the throttle allows it.
type governor struct {
	pacer       Pacer // nil without limits of pace
	pace        store.Pace
	hours       Hours
	realm, conn string
	now         func() time.Time
	sleep       func(context.Context, time.Duration) error
	noWait      bool
	onWait      func(time.Time, string)
	slots       chan struct{} // of this client, so that only few ask the pacer again and again

	mu     sync.Mutex
	told   time.Time // the opening that onWait was told of last
	recent latency
}

func newGovernor(c *Client, o Options) *governor {
	g := &governor{
		hours: o.Throttle.Hours, realm: c.pool.realm, conn: o.Connection, now: o.Now, sleep: o.Sleep, noWait: o.NoWait, onWait: o.OnWait,
		pacer: o.Pacer, pace: store.Pace{PerSecond: o.Throttle.PerSecond, InFlight: o.Throttle.InFlight, Lease: c.timeout + time.Minute},
	}
	if o.Interactive {
		g.hours = Hours{} // a person asks
	}
	if g.pace.InFlight <= 0 && g.pace.PerSecond <= 0 {
		g.pacer = nil
		return g
	}
	if g.pacer == nil {
		g.pacer = store.NewVolatile(o.Now)
	}
	if g.pace.InFlight <= 0 {
		g.pace.InFlight = 1000
	}
	if g.pace.PerSecond <= 0 {
		g.pace.PerSecond = 100_000
	}
	g.slots = make(chan struct{}, g.pace.InFlight)
	return g
}

// opened waits for the hours at which calls may begin, or with NoWait says when they are.
func (g *governor) opened(ctx context.Context) error {
	for {
		now := g.now()
		opens := g.hours.Next(now)
		if !opens.After(now) {
			return nil
		}
		if g.noWait {
			return fault.New(fault.Limited, "the connection %q asks Bitbucket only at %s, next from %s", g.conn, g.hours, opens.Format("15:04 MST")).
				With("run it again then, or change the connection's option hours")
		}
		g.mu.Lock()
		tell := !g.told.Equal(opens) && g.onWait != nil
		g.told = opens
		g.mu.Unlock()
		if tell {
			g.onWait(opens, "Bitbucket is asked only at "+g.hours.String())
		}
		if err := g.sleep(ctx, opens.Sub(now)); err != nil {
			return canceled(err)
		}
	}
}

// begin waits until a call may begin and returns its ticket.
func (g *governor) begin(ctx context.Context) (int64, error) {
	if g.pacer == nil {
		return 0, nil
	}
	select {
	case g.slots <- struct{}{}:
	case <-ctx.Done():
		return 0, canceled(ctx.Err())
	}
	for {
		t, err := g.pacer.TakeTicket(ctx, g.realm, g.pace)
		if err != nil {
			<-g.slots
			return 0, remember(ctx, err)
		}
		if d := t.Begin.Sub(g.now()); d > 0 {
			if err := g.sleep(ctx, d); err != nil {
				<-g.slots
				err = canceled(err)
				if t.ID != 0 {
					ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
					defer cancel()
					err = errors.Join(err, g.pacer.EndTicket(ctx, g.realm, t.ID))
				}
				return 0, err
			}
		}
		if t.ID != 0 {
			return t.ID, nil
		}
	}
}

// end takes the ticket of a call back and slows down where the instance shows that it is asked too much.
func (g *governor) end(ctx context.Context, ticket int64, a answer) error {
	if g.pacer == nil {
		return nil
	}
	took := g.now().Sub(a.sentAt) // before the pacer is told: what its database takes is not the instance's doing
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	err := g.pacer.EndTicket(ctx, g.realm, ticket)
	<-g.slots
	g.mu.Lock()
	slower := a.err == nil && a.status/100 == 2 && g.recent.add(took)
	g.mu.Unlock()
	overrun := a.err == nil && (a.status == http.StatusTooManyRequests || a.status == http.StatusServiceUnavailable)
	if err == nil && (slower || overrun || a.err != nil && timedOut(a.err)) {
		err = g.pacer.SlowDown(ctx, g.realm, a.sentAt)
	}
	return remember(ctx, err)
}

// latency tells when answers take twice as long as they used to.
type latency struct {
	n             int              // answers since the pace was changed
	first         [settled]float64 // of them
	recent, usual float64          // seconds: moving averages over about 8 and 256 answers
}

const (
	// settled is how many answers it takes until the averages mean something, and strays how many of these are left out:
	// the slowest, since large pages and pauses at the beginning would hide a doubling later.
	settled, strays = 32, 4
	// doubled is how a doubling shows in averages that lag behind, within a dozen answers. The seconds beside it keep
	// out what a network varies by.
	doubled, jitters = 1.6, 0.01
)

func (l *latency) add(d time.Duration) (slower bool) {
	s := d.Seconds()
	if l.n < settled {
		l.first[l.n] = s
		if l.n++; l.n == settled {
			l.settle()
		}
		return false
	}
	l.recent += (min(s, 2*l.limit()) - l.recent) / 8 // one slow answer alone shows nothing
	if l.recent >= l.limit() {
		l.n = 0
		return true
	}
	l.usual += (min(s, 2*l.limit()) - l.usual) / 256
	return false
}

// settle takes the mean of the first answers as what is usual at this pace.
func (l *latency) settle() {
	slices.Sort(l.first[:])
	sum := 0.0
	for _, s := range l.first[:settled-strays] {
		sum += s
	}
	l.usual = sum / (settled - strays)
	l.recent = l.usual
}

// limit is from where on answers take too long, on average.
func (l *latency) limit() float64 { return doubled*l.usual + jitters }
