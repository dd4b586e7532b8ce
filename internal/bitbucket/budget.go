package bitbucket

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/windlass-hq/windlass/internal/fault"
	"github.com/windlass-hq/windlass/internal/store"
)

// Spending remembers what principals have spent and until when they rest, for all processes that share it. Calls are
// counted before they are made, so that no number of processes spends more than the share together. *store.Store is
// one, *store.Volatile another.
type Spending interface {
	ReserveCalls(ctx context.Context, a store.Account, w store.Wish) (store.Grant, error)
	ReturnCalls(ctx context.Context, a store.Account, at time.Time, calls int) error
	RestCalls(ctx context.Context, a store.Account, r store.Refusal) error
	EndProbe(ctx context.Context, a store.Account, answered bool) error
	LearnAllowance(ctx context.Context, a store.Account, perHour int) error
}

// Allowances say how many calls per rolling hour a vendor grants to a principal where it does not name a number
// itself, by resource group; the empty group stands for every other one. None at all means that there is no limit per
// hour, as on Data Center.
type Allowances map[string]int

func (a Allowances) of(group string) int {
	if n, ok := a[group]; ok {
		return n
	}
	return a[""]
}

// Unpublished is an allowance per rolling hour whose size nobody has published: calls are made until one is refused.
const Unpublished = 1_000_000_000

const (
	// DefaultGroup is the resource group of a request that names none.
	DefaultGroup = "api"
	// DefaultShare is the part of an allowance that is used; the rest is left to others (HARD-PARTS A, budget memory).
	DefaultShare = 0.8
	// interactiveShare comes on top for what a person waits for.
	interactiveShare = 0.05
)

// Budget is what one principal has spent of one resource group, and whether it may go on.
type Budget struct {
	Principal  string
	Name       string // as messages call it
	Group      string
	Spent      int       // calls of the last rolling hour by every process on the database
	Allowance  int       // calls per rolling hour; 0 where there is no limit per hour, or none is published
	Known      bool      // the vendor named the allowance; otherwise it is assumed
	Reserve    int       // of the allowance, left to others
	RestsUntil time.Time // zero unless calls of this group are refused, by the vendor or because the share is spent
	Limited    bool      // it rests because the vendor refused a call
	Trouble    string    // why the principal is not used any more; empty while it works
}

// StoredBudget returns the budget that stored spending amounts to, without a client. The share is 0 for the default.
func StoredBudget(s store.Spent, cred *Credential, a Allowances, share float64, now time.Time) Budget {
	b := Budget{
		Principal: s.Principal, Name: s.Principal, Group: s.Group, Spent: s.Calls, RestsUntil: s.RestsUntil,
		Limited: !s.RestsUntil.IsZero(),
	}
	if cred != nil {
		b.Name = cred.Name()
	}
	b.terms(a.of(s.Group), s.Allowance, share)
	if full := s.Oldest.Add(window + time.Minute); b.Allowance > 0 && b.Spent >= b.Allowance-b.Reserve && full.After(now) && !b.Limited {
		b.RestsUntil = full
	}
	return b
}

func (b *Budget) terms(assumed, named int, share float64) {
	if assumed <= 0 || assumed == Unpublished && named <= 0 {
		return
	}
	b.Allowance = assumed
	if named > 0 {
		b.Allowance, b.Known = named, true
	}
	if share <= 0 {
		share = DefaultShare
	}
	b.Reserve = b.Allowance - int(float64(b.Allowance)*share)
}

// account is what this process knows of one principal's allowance for one resource group. All of it belongs to the
// pool's lock.
type account struct {
	key     store.Account
	assumed int

	left         int       // calls that are reserved and not made
	made         int       // of the last reservation
	since, until time.Time // when they were reserved, and before when they may be made
	trying       bool      // what is left is the call that finds out whether a rest is over
	block        int       // how many were reserved last
	looked       time.Time // when the memory was asked last

	asking  bool      // the memory is being asked
	probing bool      // the call that finds out is out
	changes int       // refusals so far, so that an answer of the memory from before one is not taken
	again   time.Time // no calls before then
	limited bool      // because of a 429, not of our share
	busy    bool      // because another process is finding out

	spent, allowance, refused int
	oldest                    time.Time
	near                      bool // the vendor says that less than a fifth is left (FACTS 42)
}

// free reports whether a call may be made now, as far as is known.
func (acc *account) free(now time.Time) bool {
	return acc.left > 0 && now.Before(acc.until) || !acc.again.After(now)
}

// load returns which part of the allowance is spent; without a limit per hour, the calls themselves.
func (acc *account) load() float64 {
	allowance := acc.assumed
	if acc.allowance > 0 {
		allowance = acc.allowance
	}
	return float64(acc.spent-acc.left) / float64(max(allowance, 1))
}

// account returns the principal's account for a group. The pool is locked.
func (p *pool) account(pr *principal, group string) *account {
	if group == "" {
		group = DefaultGroup
	}
	acc := pr.accounts[group]
	if acc == nil {
		acc = &account{key: store.Account{Realm: p.realm, Principal: pr.id, Group: group}, assumed: p.allowances.of(group)}
		pr.accounts[group] = acc
	}
	return acc
}

// The size of a reservation. It doubles while calls come fast and shrinks when they do not, so that little is held
// back from other processes and little lost by one that dies.
const (
	maxBlock = 25
	fast     = time.Second
	lookEach = time.Minute // how old what is known of others' spending may be when principals are compared
)

// wish says what to ask the memory for.
func (p *pool) wish(calls int, assumed int) store.Wish {
	return store.Wish{Calls: calls, Assumed: assumed, Share: p.share, Lease: p.lease}
}

// reserve asks the memory for calls; look only asks how things stand. The caller has set acc.asking.
func (p *pool) reserve(ctx context.Context, acc *account, look bool) error {
	p.mu.Lock()
	now, changes, key := p.now(), acc.changes, acc.key
	unused, since, trial := 0, acc.since, false
	calls := 0
	if !look {
		switch {
		case acc.left > 0:
			acc.block = max(acc.block/2, 1)
		case now.Sub(acc.since) < fast:
			acc.block = min(2*acc.block, maxBlock)
		default:
			acc.block = max(acc.block/2, 1)
		}
		calls = max(acc.block, 1)
	}
	if !look || !now.Before(acc.until) { // what was not used in its minute is others' again
		trial = acc.left > 0 && acc.trying
		unused, acc.left = acc.left, 0
	}
	p.mu.Unlock()

	err := p.giveBack(ctx, key, since, unused)
	if err == nil && trial {
		err = p.spending.EndProbe(ctx, key, false)
	}
	var g store.Grant
	if err == nil {
		g, err = p.spending.ReserveCalls(ctx, key, p.wish(calls, acc.assumed))
	}

	p.mu.Lock()
	acc.asking = false
	p.announce()
	if err != nil {
		p.mu.Unlock()
		return remember(ctx, err)
	}
	if acc.changes != changes { // refused while we asked: what was granted is not to be used
		p.mu.Unlock()
		if g.Probe {
			return remember(ctx, p.spending.EndProbe(ctx, key, false))
		}
		return p.giveBack(ctx, key, now, g.Calls)
	}
	acc.spent, acc.allowance, acc.refused, acc.oldest, acc.looked = g.Spent, g.Allowance, g.Refused, g.Oldest, now
	acc.again, acc.limited, acc.busy = g.Again, g.Resting, g.Busy
	if !look {
		acc.left, acc.made, acc.since, acc.until, acc.trying, acc.block = g.Calls, 0, now, g.Until, g.Probe, max(g.Calls, 1)
	}
	p.mu.Unlock()
	return nil
}

func (p *pool) giveBack(ctx context.Context, key store.Account, since time.Time, calls int) error {
	if calls == 0 {
		return nil
	}
	return remember(ctx, p.spending.ReturnCalls(ctx, key, since, calls))
}

// remember words a failure of the memory.
func remember(ctx context.Context, err error) error {
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return canceled(ctx.Err())
	case fault.CodeOf(err) != fault.Internal:
		return err
	}
	return fault.Wrap(err, fault.Internal, "what was spent of the allowance could not be kept")
}

// turn is the right to one call.
type turn struct {
	acc   *account
	probe bool
}

// enter lets a call of the principal through, or returns ErrResting. After a rest one call goes first, to find out
// whether the allowance is back; the others wait for what it finds.
func (p *pool) enter(ctx context.Context, pr *principal, group string) (turn, error) {
	for {
		now := p.now()
		p.mu.Lock()
		acc, changed := p.account(pr, group), p.changed
		switch {
		case pr.dead != nil:
			defer p.mu.Unlock()
			return turn{}, pr.dead
		case acc.probing || acc.asking:
			p.mu.Unlock()
			if err := p.wait(ctx, time.Time{}, changed); err != nil {
				return turn{}, canceled(err)
			}
		case acc.left > 0 && now.Before(acc.until):
			defer p.mu.Unlock()
			acc.left--
			acc.made++
			acc.probing = acc.trying
			return turn{acc, acc.trying}, nil
		case acc.again.After(now):
			p.mu.Unlock()
			return turn{}, ErrResting
		default:
			acc.asking = true
			p.mu.Unlock()
			if err := p.reserve(ctx, acc, false); err != nil {
				return turn{}, err
			}
		}
	}
}

// leave records what came of a call that enter let through.
func (p *pool) leave(ctx context.Context, t turn, a answer) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	acc := t.acc
	if a.err == nil && a.status == http.StatusTooManyRequests {
		p.mu.Lock()
		until := a.sentAt.Add(acc.restAfter(a, t.probe))
		if until.After(acc.again) || !acc.limited {
			acc.again = until
		}
		acc.changes++
		acc.limited, acc.busy = true, false
		acc.probing = acc.probing && !t.probe
		key, since, unused := acc.key, acc.since, acc.left
		acc.left, acc.spent = 0, acc.spent-unused
		p.announce()
		p.mu.Unlock()
		if err := p.spending.RestCalls(ctx, key, store.Refusal{Until: until, Probe: t.probe}); err != nil {
			return remember(ctx, err)
		}
		return p.giveBack(ctx, key, since, unused)
	}
	p.mu.Lock()
	answered := a.err == nil && a.status < http.StatusInternalServerError
	learned := p.learn(acc, a)
	if t.probe {
		acc.probing = false
		if answered {
			acc.again, acc.limited, acc.refused = time.Time{}, false, 0
		}
		p.announce()
	}
	key := acc.key
	p.mu.Unlock()
	if t.probe {
		if err := p.spending.EndProbe(ctx, key, answered); err != nil {
			return remember(ctx, err)
		}
	}
	if learned > 0 {
		return remember(ctx, p.spending.LearnAllowance(ctx, key, learned))
	}
	return nil
}

// learn takes what the headers say about the allowance (FACTS 41, 42), and returns one that was not known. Where
// there is no limit per hour such headers mean something else (FACTS 142).
func (p *pool) learn(acc *account, a answer) int {
	if a.err != nil || acc.assumed <= 0 {
		return 0
	}
	if near := a.header.Get("X-RateLimit-NearLimit"); near != "" {
		acc.near = near == "true"
	}
	n, err := strconv.Atoi(a.header.Get("X-RateLimit-Limit"))
	if err != nil || n <= 0 || n > 1_000_000 || n == acc.allowance {
		return 0
	}
	acc.allowance = n
	return n
}

// look brings what is known of the principals' spending up to date, at most once a minute each.
func (p *pool) look(ctx context.Context, group string, among []*principal) error {
	p.mu.Lock()
	var old []*account
	now := p.now()
	for _, pr := range among {
		if pr.dead != nil {
			continue
		}
		if acc := p.account(pr, group); !acc.asking && !acc.probing && now.Sub(acc.looked) >= lookEach {
			acc.asking = true
			old = append(old, acc)
		}
	}
	p.mu.Unlock()
	for i, acc := range old {
		if err := p.reserve(ctx, acc, true); err != nil {
			p.mu.Lock()
			for _, rest := range old[i:] {
				rest.asking = false
			}
			p.announce()
			p.mu.Unlock()
			return err
		}
	}
	return nil
}

// settle gives back what is reserved and was not used.
func (p *pool) settle(ctx context.Context) error {
	type rest struct {
		key   store.Account
		since time.Time
		calls int
		trial bool
	}
	var all []rest
	p.mu.Lock()
	for _, pr := range p.order {
		for _, acc := range pr.accounts {
			if acc.left > 0 {
				all = append(all, rest{acc.key, acc.since, acc.left, acc.trying})
				acc.left = 0
			}
		}
	}
	p.mu.Unlock()
	for _, r := range all {
		if r.trial {
			if err := p.spending.EndProbe(ctx, r.key, false); err != nil {
				return remember(ctx, err)
			}
		}
		if err := p.giveBack(ctx, r.key, r.since, r.calls); err != nil {
			return err
		}
	}
	return nil
}

// Budgets returns what every principal has spent, per resource group that was asked, the default one always.
func (c *Client) Budgets() []Budget {
	p := c.pool
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.now()
	var out []Budget
	for _, pr := range p.order {
		p.account(pr, DefaultGroup)
		for _, group := range sorted(pr.accounts) {
			acc := pr.accounts[group]
			b := Budget{Principal: pr.id, Name: pr.cred.Name(), Group: group, Spent: acc.spent - acc.left}
			b.terms(acc.assumed, acc.allowance, p.shareShown)
			if acc.again.After(now) {
				b.RestsUntil, b.Limited = acc.again, acc.limited
			}
			if pr.dead != nil {
				b.Trouble = pr.dead.Error()
			}
			out = append(out, b)
		}
	}
	return out
}
