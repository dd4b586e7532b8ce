package bitbucket

import (
	"context"
	"encoding/base64"
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/windlass-hq/windlass/internal/fault"
)

// ErrResting says that the principal a request was bound to has spent its allowance. Choose again.
var ErrResting = errors.New("the allowance of this credential is spent")

// Budget is what one principal has spent and whether it may go on.
type Budget struct {
	Principal  string
	Name       string    // as messages call it
	Spent      int       // requests of the last rolling hour, by this process
	RestsUntil time.Time // zero unless it rests
	Trouble    string    // why it is not used any more; empty while it works
}

// pool keeps the principals of one connection. Credentials of one principal share its allowance and count once
// (FACTS 39); of several the first is used.
type pool struct {
	now    func() time.Time
	sleep  func(context.Context, time.Duration) error
	noWait bool
	onWait func(time.Time, string)

	byID  map[string]*principal
	order []*principal

	mu      sync.Mutex
	changed chan struct{} // closed and replaced whenever a principal becomes free or dies
}

// principal is one party that the vendor counts requests of. All fields below mu belong to the pool's lock.
type principal struct {
	id     string
	cred   Credential
	tokens *tokens // OAuth only

	mu    sync.Mutex
	spent spending // under mu

	until   time.Time     // rests until then; zero when free
	probing bool          // a request is out that finds out whether the rest is over
	rest    time.Duration // length of the last rest without a word from the vendor
	near    bool          // the vendor says that less than a fifth is left (FACTS 42)
	dead    error         // refused for good
}

func newPool(c *Client, o Options) (*pool, error) {
	p := &pool{
		now: o.Now, sleep: o.Sleep, noWait: o.NoWait, onWait: o.OnWait,
		byID: map[string]*principal{}, changed: make(chan struct{}),
	}
	for _, cred := range o.Credentials {
		if err := cred.Validate(); err != nil {
			return nil, err
		}
		if cred.Role != RoleAny && cred.Role != RoleData {
			continue
		}
		pr := &principal{id: cred.Principal(), cred: cred}
		if p.byID[pr.id] != nil {
			continue
		}
		if cred.Kind == OAuth {
			pr.tokens = &tokens{client: c, url: o.TokenURL, cred: cred}
		}
		p.byID[pr.id] = pr
		p.order = append(p.order, pr)
	}
	if len(p.order) == 0 {
		return nil, fault.New(fault.Invalid, "the connection %q has no credential to read with", o.Connection).
			With("add one: windlass connection credential add %s --role data …", o.Connection)
	}
	return p, nil
}

// Principals returns the ids of all principals in the order of their credentials.
func (c *Client) Principals() []string {
	out := make([]string, len(c.pool.order))
	for i, p := range c.pool.order {
		out[i] = p.id
	}
	return out
}

// Credential returns the credential of a principal.
func (c *Client) Credential(principal string) Credential {
	if p := c.pool.byID[principal]; p != nil {
		return p.cred
	}
	return Credential{}
}

// Budgets returns what every principal has spent.
func (c *Client) Budgets() []Budget {
	now := c.now()
	out := make([]Budget, 0, len(c.pool.order))
	for _, p := range c.pool.order {
		b := Budget{Principal: p.id, Name: p.cred.Name(), Spent: p.spentAt(now)}
		c.pool.mu.Lock()
		if p.until.After(now) {
			b.RestsUntil = p.until
		}
		if p.dead != nil {
			b.Trouble = p.dead.Error()
		}
		c.pool.mu.Unlock()
		out = append(out, b)
	}
	return out
}

// Choose returns the principal to go on with: prefer if it is free, else the free one that has spent least. It
// considers those that ok accepts (nil accepts all). When all of them rest it waits for the first, or with NoWait
// returns a fault.Limited; when none is left it returns what the last one was refused with.
func (c *Client) Choose(ctx context.Context, ok func(principal string) bool, prefer string) (string, error) {
	p := c.pool
	var told time.Time
	for {
		now := p.now()
		p.mu.Lock()
		var best *principal
		var soonest time.Time
		var dead error
		candidates := 0
		for _, pr := range p.order {
			if ok != nil && !ok(pr.id) {
				continue
			}
			candidates++
			switch {
			case pr.dead != nil:
				dead = pr.dead
				candidates--
			case pr.probing:
			case pr.until.After(now):
				if soonest.IsZero() || pr.until.Before(soonest) {
					soonest = pr.until
				}
			case best == nil || pr.id == prefer || (best.id != prefer && better(pr, best, now)):
				best = pr
			}
		}
		changed := p.changed
		p.mu.Unlock()
		switch {
		case best != nil:
			return best.id, nil
		case candidates == 0 && dead != nil:
			return "", dead
		case candidates == 0:
			return "", fault.New(fault.Denied, "no credential of the connection %q can read this", c.conn)
		case p.noWait && !soonest.IsZero():
			return "", c.limited(soonest)
		}
		if !soonest.Equal(told) && !soonest.IsZero() && p.onWait != nil {
			p.onWait(soonest, "the allowances of all credentials are spent")
			told = soonest
		}
		if err := p.wait(ctx, soonest, changed); err != nil {
			return "", canceled(err)
		}
	}
}

func (c *Client) limited(until time.Time) error {
	return fault.New(fault.Limited, "the request allowance of every credential of the connection %q is spent until about %s",
		c.conn, until.UTC().Format("15:04:05 MST")).
		With("run it again then, without --no-wait to wait for it, or add another credential: windlass connection credential add %s", c.conn)
}

func better(a, b *principal, now time.Time) bool {
	if a.near != b.near {
		return !a.near
	}
	return a.spentAt(now) < b.spentAt(now)
}

// wait returns at the given time (if any), when a principal's state changes, or with the context's error.
func (p *pool) wait(ctx context.Context, until time.Time, changed <-chan struct{}) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if until.IsZero() {
		select {
		case <-changed:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	slept := make(chan error, 1)
	go func() { slept <- p.sleep(ctx, until.Sub(p.now())) }()
	select {
	case <-changed:
		return nil
	case err := <-slept:
		return err
	}
}

// enter lets a request of the principal through, or returns ErrResting. After a rest one request goes first, to find
// out whether the allowance is back; the others wait for what it finds.
func (p *pool) enter(ctx context.Context, pr *principal) error {
	for {
		now := p.now()
		p.mu.Lock()
		changed := p.changed
		switch {
		case pr.dead != nil:
			err := pr.dead
			p.mu.Unlock()
			return err
		case pr.until.After(now):
			p.mu.Unlock()
			return ErrResting
		case !pr.probing:
			pr.probing = !pr.until.IsZero()
			p.mu.Unlock()
			return nil
		}
		p.mu.Unlock()
		if err := p.wait(ctx, time.Time{}, changed); err != nil {
			return canceled(err)
		}
	}
}

// leave records what came of a request that enter let through.
func (p *pool) leave(pr *principal, a answer) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case a.err != nil:
	case a.status == http.StatusTooManyRequests:
		until := a.sentAt.Add(pr.restAfter(a))
		if until.After(pr.until) {
			pr.until = until
		}
	default:
		if a.sentAt.After(pr.until) { // an answer to a request from before the rest says nothing about it
			pr.until, pr.rest = time.Time{}, 0
		}
		if near := a.header.Get("X-RateLimit-NearLimit"); near != "" {
			pr.near = near == "true"
		}
	}
	if pr.probing {
		pr.probing = false
		p.announce()
	}
}

// bury stops the use of a principal that was refused; revive undoes it, since a later success proves otherwise.
func (p *pool) bury(pr *principal, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	pr.dead = err
	p.announce()
}

func (p *pool) revive(pr *principal) {
	p.mu.Lock()
	defer p.mu.Unlock()
	pr.dead = nil
}

func (p *pool) announce() {
	close(p.changed)
	p.changed = make(chan struct{})
}

// authorize returns the Authorization header of the principal's credential, and the OAuth token in it, if any.
func (pr *principal) authorize(ctx context.Context) (header, token string, err error) {
	switch pr.cred.Kind {
	case OAuth:
		token, err := pr.tokens.get(ctx)
		return "Bearer " + token, token, err
	case Token:
		return "Bearer " + pr.cred.Secret.Reveal(), "", nil
	default:
		pair := pr.cred.Identity + ":" + pr.cred.Secret.Reveal()
		return "Basic " + base64.StdEncoding.EncodeToString([]byte(pair)), "", nil
	}
}
