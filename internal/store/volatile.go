package store

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"
)

// Volatile keeps spending and pace in memory, by the same rules as a Store, for what has no database. Several clients
// may share one. It is safe for concurrent use.
type Volatile struct {
	now func() time.Time

	mu        sync.Mutex
	accounts  map[Account]*volatileAccount
	throttles map[string]*volatileThrottle
}

type volatileAccount struct {
	accountState
	minutes map[int64]int
}

type volatileThrottle struct {
	throttleState
	out map[int64]time.Time // by ticket
}

// NewVolatile returns an empty one.
func NewVolatile(now func() time.Time) *Volatile {
	return &Volatile{now: now, accounts: map[Account]*volatileAccount{}, throttles: map[string]*volatileThrottle{}}
}

func (v *Volatile) account(a Account) *volatileAccount {
	if v.accounts[a] == nil {
		v.accounts[a] = &volatileAccount{minutes: map[int64]int{}}
	}
	return v.accounts[a]
}

// sum returns how many calls fall into the hour before now and the minute of the oldest. Older minutes are dropped.
func (a *volatileAccount) sum(now time.Time) (spent int, oldest int64) {
	for m, n := range a.minutes {
		if m <= minuteOf(now)-leaves || n == 0 {
			delete(a.minutes, m)
			continue
		}
		if spent == 0 || m < oldest {
			oldest = m
		}
		spent += n
	}
	return spent, oldest
}

// ReserveCalls is as Store.ReserveCalls.
func (v *Volatile) ReserveCalls(_ context.Context, a Account, w Wish) (Grant, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	acc, now := v.account(a), v.now()
	spent, oldest := acc.sum(now)
	g := w.grant(now, acc.accountState, spent, oldest)
	if g.Calls > 0 {
		if g.Oldest.IsZero() {
			g.Oldest = time.Unix(minuteOf(now)*60, 0).UTC()
		}
		acc.minutes[minuteOf(now)] += g.Calls
	}
	if g.Probe {
		acc.probeUntil = now.Add(w.Lease).UnixMicro()
	}
	return g, nil
}

// ReturnCalls is as Store.ReturnCalls.
func (v *Volatile) ReturnCalls(_ context.Context, a Account, at time.Time, calls int) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	m := v.account(a).minutes
	m[minuteOf(at)] = max(m[minuteOf(at)]-calls, 0)
	return nil
}

// RestCalls is as Store.RestCalls.
func (v *Volatile) RestCalls(_ context.Context, a Account, r Refusal) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.account(a).refuse(r)
	return nil
}

// EndProbe is as Store.EndProbe.
func (v *Volatile) EndProbe(_ context.Context, a Account, answered bool) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.account(a).endProbe(answered)
	return nil
}

// LearnAllowance is as Store.LearnAllowance.
func (v *Volatile) LearnAllowance(_ context.Context, a Account, perHour int) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.account(a).allowance = perHour
	return nil
}

// Spending is as Store.Spending.
func (v *Volatile) Spending(_ context.Context, f SpendingFilter) ([]Spent, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	now := v.now()
	var out []Spent
	for a, acc := range v.accounts {
		if a.Realm != f.Realm || len(f.Principals) > 0 && !slices.Contains(f.Principals, a.Principal) {
			continue
		}
		p := Spent{Account: a, Allowance: acc.allowance}
		var oldest int64
		if p.Calls, oldest = acc.sum(now); p.Calls > 0 {
			p.Oldest = time.Unix(oldest*60, 0).UTC()
		}
		if acc.restsUntil > now.UnixMicro() {
			p.RestsUntil = timeOf(acc.restsUntil)
		}
		out = append(out, p)
	}
	slices.SortFunc(out, func(a, b Spent) int {
		return cmp.Or(cmp.Compare(a.Principal, b.Principal), cmp.Compare(a.Group, b.Group))
	})
	return out, nil
}

func (v *Volatile) throttle(realm string) *volatileThrottle {
	if v.throttles[realm] == nil {
		v.throttles[realm] = &volatileThrottle{throttleState: throttleState{level: fullLevel}, out: map[int64]time.Time{}}
	}
	return v.throttles[realm]
}

// TakeTicket is as Store.TakeTicket.
func (v *Volatile) TakeTicket(_ context.Context, realm string, p Pace) (Ticket, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	th, now := v.throttle(realm), v.now()
	for ticket, until := range th.out {
		if !until.After(now) {
			delete(th.out, ticket)
		}
	}
	t := th.take(now, p, len(th.out))
	if t.ID != 0 {
		th.out[t.ID] = t.Begin.Add(p.Lease)
	}
	return t, nil
}

// EndTicket is as Store.EndTicket.
func (v *Volatile) EndTicket(_ context.Context, realm string, ticket int64) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	delete(v.throttle(realm).out, ticket)
	return nil
}

// SlowDown is as Store.SlowDown.
func (v *Volatile) SlowDown(_ context.Context, realm string, sent time.Time) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.throttle(realm).slow(v.now(), sent)
	return nil
}

// Level is as Store.Level.
func (v *Volatile) Level(_ context.Context, realm string) (float64, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	return float64(v.throttle(realm).levelNow(v.now())) / fullLevel, nil
}
