package bitbucket

import (
	"cmp"
	"context"
	"encoding/base64"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/windlass-hq/windlass/internal/fault"
	"github.com/windlass-hq/windlass/internal/store"
)

// ErrResting says that the principal a request was bound to has spent its allowance. Choose again.
var ErrResting = errors.New("the allowance of this credential is spent")

// pool keeps the principals of one connection. Credentials of one principal share its allowance and count once
// (FACTS 39); of several the first is used while it is good.
type pool struct {
	now        func() time.Time
	sleep      func(context.Context, time.Duration) error
	noWait     bool
	onWait     func(time.Time, string)
	spending   Spending
	realm      string
	allowances Allowances
	share      float64 // of an allowance, that this client may spend
	shareShown float64 // without what is for interactive acts
	lease      time.Duration

	mu      sync.Mutex // of all below, and of all principals
	byID    map[string]*principal
	order   []*principal
	changed chan struct{} // closed and replaced whenever a principal becomes free or dies
}

// principal is one party that the vendor counts requests of. All of it belongs to the pool's lock.
type principal struct {
	id         string
	cred       Credential
	tokens     *tokens      // OAuth only
	spare      []*principal // further credentials of the same party
	identified bool         // the id came from the vendor
	accounts   map[string]*account
	dead       error // refused for good
}

func newPool(c *Client, o Options) (*pool, error) {
	p := &pool{
		now: o.Now, sleep: o.Sleep, noWait: o.NoWait, onWait: o.OnWait, spending: o.Spending, realm: o.Realm,
		allowances: o.Allowances, share: o.Share, lease: c.timeout + time.Minute,
		byID: map[string]*principal{}, changed: make(chan struct{}),
	}
	if p.spending == nil {
		p.spending = store.NewVolatile(o.Now)
	}
	if p.realm == "" {
		p.realm = o.API.Realm()
	}
	if p.share <= 0 || p.share > 1 {
		p.share = DefaultShare
	}
	p.shareShown = p.share
	if o.Interactive {
		p.share = min(p.share+interactiveShare, 1)
	}
	role := cmp.Or(o.Role, RoleData)
	for _, cred := range o.Credentials {
		if err := cred.Validate(); err != nil {
			return nil, err
		}
		if cred.Role != RoleAny && cred.Role != role {
			continue
		}
		pr := &principal{id: cred.Principal(), cred: cred, accounts: map[string]*account{}}
		if cred.Kind == OAuth {
			pr.tokens = &tokens{client: c, url: o.TokenURL, cred: cred}
		}
		if first := p.byID[pr.id]; first != nil {
			if first.cred.Secret != cred.Secret {
				first.spare = append(first.spare, pr)
			}
			continue
		}
		p.byID[pr.id] = pr
		p.order = append(p.order, pr)
	}
	if len(p.order) == 0 {
		return nil, fault.New(fault.Invalid, "the connection %q has no credential to read with", o.Connection).
			With("add one: windlass connection credential add %s --role %s …", o.Connection, role)
	}
	return p, nil
}

// find returns a principal by its id, or nil.
func (p *pool) find(id string) *principal {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.byID[id]
}

// Principals returns the ids of all principals in the order of their credentials.
func (c *Client) Principals() []string {
	c.pool.mu.Lock()
	defer c.pool.mu.Unlock()
	out := make([]string, len(c.pool.order))
	for i, p := range c.pool.order {
		out[i] = p.id
	}
	return out
}

// Credential returns the credential of a principal.
func (c *Client) Credential(principal string) Credential {
	c.pool.mu.Lock()
	defer c.pool.mu.Unlock()
	if p := c.pool.byID[principal]; p != nil {
		return p.cred
	}
	return Credential{}
}

// briefly is what even who does not want to wait waits: the pauses of a Data Center, whose allowances come back by the
// second (FACTS 141), are no more than those between attempts.
const briefly = 15 * time.Second

// Choose is ChooseFor for the default resource group.
func (c *Client) Choose(ctx context.Context, ok func(principal string) bool, prefer string) (string, error) {
	return c.ChooseFor(ctx, DefaultGroup, ok, prefer)
}

// ChooseFor returns the principal to go on with for requests of a resource group: prefer if it is free, else the free
// one that has spent the smallest part of its allowance. It considers those that ok accepts (nil accepts all). When
// all of them rest it waits for the first, or with NoWait returns a fault.Limited; when none is left it returns what
// the last one was refused with.
func (c *Client) ChooseFor(ctx context.Context, group string, ok func(principal string) bool, prefer string) (string, error) {
	p := c.pool
	var told time.Time
	for {
		among := p.among(ok)
		if err := p.look(ctx, group, among); err != nil {
			return "", err
		}
		v := p.survey(group, among, prefer)
		switch {
		case v.best != "":
			return v.best, nil
		case v.candidates == 0 && v.dead != nil:
			return "", v.dead
		case v.candidates == 0:
			return "", fault.New(fault.Denied, "no credential of the connection %q can read this", c.conn)
		case p.noWait && !v.probing && v.soonest.Sub(p.now()) > briefly:
			return "", c.limited(v.soonest, v.refused)
		}
		if !v.soonest.Equal(told) && !v.soonest.IsZero() && !v.busy && p.onWait != nil {
			why := "our share of the allowances of all credentials is spent"
			if v.refused {
				why = "the allowances of all credentials are spent"
			}
			p.onWait(v.soonest, why)
			told = v.soonest
		}
		until := v.soonest
		if next := p.now().Add(lookEach); !v.refused && until.After(next) {
			until = next // others may give back what they do not use
		}
		if err := p.wait(ctx, until, v.changed); err != nil {
			return "", canceled(err)
		}
	}
}

// view is how the principals stand at one moment.
type view struct {
	best       string
	candidates int       // that live
	soonest    time.Time // when the first of those that rest is free again
	refused    bool      // it rests because the vendor refused calls
	busy       bool      // it is looked after by another process
	probing    bool      // a call is out that finds out whether a rest is over
	dead       error     // why the last dead one is
	changed    <-chan struct{}
}

// among returns the principals that ok accepts. It is called without the lock, so that it may ask the client.
func (p *pool) among(ok func(principal string) bool) []*principal {
	p.mu.Lock()
	list := slices.Clone(p.order)
	ids := make([]string, len(list))
	for i, pr := range list {
		ids[i] = pr.id
	}
	p.mu.Unlock()
	if ok == nil {
		return list
	}
	var out []*principal
	for i, pr := range list {
		if ok(ids[i]) {
			out = append(out, pr)
		}
	}
	return out
}

func (p *pool) survey(group string, among []*principal, prefer string) view {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.now()
	v := view{changed: p.changed}
	var best *principal
	var load *account
	for _, pr := range among {
		if pr.dead != nil {
			v.dead = pr.dead
			continue
		}
		v.candidates++
		acc := p.account(pr, group)
		switch {
		case acc.probing:
			v.probing = true
		case !acc.free(now):
			if v.soonest.IsZero() || acc.again.Before(v.soonest) {
				v.soonest, v.refused, v.busy = acc.again, acc.limited, acc.busy
			}
		case best == nil || pr == p.byID[prefer] || (best != p.byID[prefer] && better(acc, load)):
			best, load = pr, acc
		}
	}
	if best != nil {
		v.best = best.id
	}
	return v
}

// Readiness tells which principals may be asked now for the default resource group, and which rest, the first to be
// free again first. Where one of many will do, those that rest need not be waited for.
func (c *Client) Readiness(ctx context.Context) (free, resting []string, err error) {
	p := c.pool
	all := p.among(nil)
	if err := p.look(ctx, DefaultGroup, all); err != nil {
		return nil, nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.now()
	again := map[string]time.Time{}
	for _, pr := range all {
		if acc := p.account(pr, DefaultGroup); pr.dead == nil && !acc.probing && !acc.free(now) {
			again[pr.id] = acc.again
			resting = append(resting, pr.id)
		} else {
			free = append(free, pr.id)
		}
	}
	slices.SortStableFunc(resting, func(a, b string) int { return again[a].Compare(again[b]) })
	return free, resting, nil
}

func better(a, b *account) bool {
	if a.near != b.near {
		return !a.near
	}
	return a.load() < b.load()
}

func (c *Client) limited(until time.Time, refused bool) error {
	what := "our share of the request allowance of every credential"
	if refused {
		what = "the request allowance of every credential"
	}
	return fault.New(fault.Limited, "%s of the connection %q is spent until about %s", what, c.conn, until.UTC().Format("15:04:05 MST")).
		With("run it again then (without --no-wait it waits for that), or add another credential: windlass connection credential add %s", c.conn)
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

// bury stops the use of a credential that was refused. It reports whether the principal has another, which is used
// from now on.
func (p *pool) bury(pr *principal, cred Credential, err error) (another bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	defer p.announce()
	if pr.cred.Secret != cred.Secret {
		return true // somebody else found out before us
	}
	if len(pr.spare) > 0 {
		pr.cred, pr.tokens, pr.spare = pr.spare[0].cred, pr.spare[0].tokens, pr.spare[1:]
		return true
	}
	pr.dead = err
	return false
}

// revive undoes bury, since a later success proves otherwise.
func (p *pool) revive(pr *principal) {
	p.mu.Lock()
	defer p.mu.Unlock()
	pr.dead = nil
}

func (p *pool) announce() {
	close(p.changed)
	p.changed = make(chan struct{})
}

// login is a credential as it was when a call was prepared.
type login struct {
	cred   Credential
	tokens *tokens
}

// ready returns the login of a principal, or why it is not worth preparing a call.
func (p *pool) ready(pr *principal, group string) (login, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch acc := p.account(pr, group); {
	case pr.dead != nil:
		return login{}, pr.dead
	case !acc.probing && !acc.free(p.now()):
		return login{}, ErrResting
	}
	return login{pr.cred, pr.tokens}, nil
}

// authorize returns the Authorization header, and the OAuth token in it, if any.
func (l login) authorize(ctx context.Context) (header, token string, err error) {
	switch l.cred.Kind {
	case OAuth:
		token, err := l.tokens.get(ctx)
		return "Bearer " + token, token, err
	case Token:
		return "Bearer " + l.cred.Secret.Reveal(), "", nil
	default:
		pair := l.cred.Identity + ":" + l.cred.Secret.Reveal()
		return "Basic " + base64.StdEncoding.EncodeToString([]byte(pair)), "", nil
	}
}

func sorted[T any](m map[string]T) []string { return slices.Sorted(maps.Keys(m)) }
