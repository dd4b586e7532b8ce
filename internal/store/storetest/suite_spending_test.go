package storetest_test

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/windlass-hq/windlass/internal/store"
	"github.com/windlass-hq/windlass/internal/store/storetest"
)

// spendingMemory is what a Store and a Volatile have in common.
type spendingMemory interface {
	ReserveCalls(ctx context.Context, a store.Account, w store.Wish) (store.Grant, error)
	ReturnCalls(ctx context.Context, a store.Account, at time.Time, calls int) error
	RestCalls(ctx context.Context, a store.Account, r store.Refusal) error
	EndProbe(ctx context.Context, a store.Account, answered bool) error
	LearnAllowance(ctx context.Context, a store.Account, perHour int) error
	Spending(ctx context.Context, f store.SpendingFilter) ([]store.Spent, error)
	TakeTicket(ctx context.Context, realm string, p store.Pace) (store.Ticket, error)
	EndTicket(ctx context.Context, realm string, ticket int64) error
	SlowDown(ctx context.Context, realm string, sent time.Time) error
	Level(ctx context.Context, realm string) (float64, error)
}

// spender speaks to one memory; two are two processes on one database.
type spender struct {
	*fixture
	memory, other spendingMemory
	clock         *storetest.Clock
}

// eachMemory runs a test on both databases, with two processes, and in memory.
func eachMemory(t *testing.T, test func(s *spender)) {
	t.Helper()
	storetest.EachDatabase(t, func(t *testing.T, db *storetest.Database) {
		f := &fixture{T: t, db: db, store: db.Open(t)}
		test(&spender{fixture: f, memory: f.store, other: db.Open(t), clock: db.Clock})
	})
	t.Run("volatile", func(t *testing.T) {
		clock := storetest.NewClock()
		v := store.NewVolatile(clock.Now)
		test(&spender{fixture: &fixture{T: t}, memory: v, other: v, clock: clock})
	})
}

func account(group string) store.Account {
	return store.Account{Realm: "bb.example", Principal: "token:abc", Group: group}
}

// wish asks for calls of an allowance of 100 of which 80 are ours.
func wish(calls int) store.Wish {
	return store.Wish{Calls: calls, Assumed: 100, Share: 0.8, Lease: 2 * time.Minute}
}

func (s *spender) reserve(m spendingMemory, a store.Account, w store.Wish) store.Grant {
	s.Helper()
	g, err := m.ReserveCalls(s.Context(), a, w)
	s.ok(err)
	return g
}

func (s *spender) spent(a store.Account) store.Spent {
	s.Helper()
	list, err := s.other.Spending(s.Context(), store.SpendingFilter{Realm: a.Realm, Principals: []string{a.Principal}})
	s.ok(err)
	for _, p := range list {
		if p.Account == a {
			return p
		}
	}
	return store.Spent{}
}

func TestProcessesShareOneAllowance(t *testing.T) {
	eachMemory(t, func(s *spender) {
		start := s.clock.Now()
		s.same("first", s.reserve(s.memory, account("api"), wish(50)).Calls, 50)
		s.clock.Advance(10 * time.Minute)
		g := s.reserve(s.other, account("api"), wish(50))
		s.same("what is left", g.Calls, 30)
		s.same("spent", g.Spent, 80)
		s.same("oldest", g.Oldest.Equal(start), true)
		s.same("another group", s.reserve(s.other, account("webhooks"), wish(50)).Calls, 50)
		g = s.reserve(s.memory, account("api"), wish(1))
		s.same("nothing is left", g.Calls, 0)
		s.same("nothing was refused", g.Resting, false)
		s.same("again", g.Again.Sub(start), 61*time.Minute) // whenever in its minute the oldest call was made
		s.clock.Advance(g.Again.Sub(s.clock.Now()) - time.Second)
		s.same("a second before", s.reserve(s.memory, account("api"), wish(60)).Calls, 0)
		s.clock.Advance(time.Second)
		s.same("an hour later", s.reserve(s.memory, account("api"), wish(60)).Calls, 50)
		s.same("listed", s.spent(account("api")).Calls, 80)
	})
}

func TestWhatWasNotSpentIsGivenBack(t *testing.T) {
	eachMemory(t, func(s *spender) {
		at := s.clock.Now()
		s.reserve(s.memory, account("api"), wish(80))
		s.clock.Advance(time.Minute)
		s.ok(s.memory.ReturnCalls(s.Context(), account("api"), at, 30))
		s.same("spent", s.spent(account("api")).Calls, 50)
		s.same("again free", s.reserve(s.other, account("api"), wish(80)).Calls, 30)
		s.ok(s.memory.ReturnCalls(s.Context(), account("api"), at, 1000))
		s.same("never less than nothing", s.spent(account("api")).Calls, 30)
	})
}

func TestRestsHoldInEveryProcessAndEndWithOneProbe(t *testing.T) {
	eachMemory(t, func(s *spender) {
		a := account("api")
		s.reserve(s.memory, a, wish(1))
		until := s.clock.Now().Add(5 * time.Minute)
		s.ok(s.memory.RestCalls(s.Context(), a, store.Refusal{Until: until}))
		s.ok(s.memory.RestCalls(s.Context(), a, store.Refusal{Until: until.Add(-time.Minute)}))
		g := s.reserve(s.other, a, wish(10))
		s.same("calls while it rests", g.Calls, 0)
		s.same("resting", g.Resting, true)
		s.same("until", g.Again.Equal(until), true)
		s.same("listed", s.spent(a).RestsUntil.Equal(until), true)
		s.same("another group", s.reserve(s.other, account("raw"), wish(10)).Calls, 10)
		s.clock.Advance(5 * time.Minute)
		g = s.reserve(s.other, a, wish(10))
		s.same("one probe", []any{g.Calls, g.Probe}, []any{1, true})
		g = s.reserve(s.memory, a, wish(10))
		s.same("no second probe", []any{g.Calls, g.Busy}, []any{0, true})

		// It is refused, so the rest goes on, and the next one is counted as a further try.
		until = s.clock.Now().Add(time.Minute)
		s.ok(s.other.RestCalls(s.Context(), a, store.Refusal{Until: until, Probe: true}))
		s.clock.Advance(time.Minute)
		g = s.reserve(s.memory, a, wish(10))
		s.same("the next probe", []any{g.Calls, g.Probe, g.Refused}, []any{1, true, 1})
		s.ok(s.memory.EndProbe(s.Context(), a, false)) // the network broke: it proves nothing
		g = s.reserve(s.other, a, wish(10))
		s.same("still a probe", []any{g.Calls, g.Probe}, []any{1, true})
		s.clock.Advance(2 * time.Minute) // its process died
		g = s.reserve(s.memory, a, wish(10))
		s.same("a probe that never came back", []any{g.Calls, g.Probe}, []any{1, true})
		s.ok(s.memory.EndProbe(s.Context(), a, true))
		g = s.reserve(s.other, a, wish(10))
		s.same("free", []any{g.Calls, g.Probe, g.Refused}, []any{10, false, 0})
	})
}

func TestNamedAllowanceReplacesTheAssumedOne(t *testing.T) {
	eachMemory(t, func(s *spender) {
		s.ok(s.memory.LearnAllowance(s.Context(), account("api"), 1000))
		g := s.reserve(s.other, account("api"), wish(5000))
		s.same("calls", []int{g.Calls, g.Allowance}, []int{800, 1000})
		unlimited := wish(5000)
		unlimited.Assumed = 0
		s.same("no limit per hour", s.reserve(s.other, account("api"), unlimited).Calls, 5000)
		s.same("listed", s.spent(account("api")), store.Spent{Account: account("api"), Calls: 5800, Allowance: 1000, Oldest: s.clock.Now().Truncate(time.Minute)})
	})
}

func TestSpendingSurvivesARestart(t *testing.T) {
	each(t, func(f *fixture) {
		s := &spender{fixture: f, memory: f.store, clock: f.db.Clock}
		s.reserve(f.store, account("api"), wish(80))
		f.ok(f.store.RestCalls(f.Context(), account("api"), store.Refusal{Until: f.db.Clock.Now().Add(time.Hour)}))
		f.ok(f.store.Close())
		f.store = f.db.Open(f.T)
		g := s.reserve(f.store, account("api"), wish(1))
		f.same("spent and resting", []any{g.Calls, g.Spent, g.Resting}, []any{0, 80, true})
	})
}

func (s *spender) ticket(m spendingMemory, p store.Pace) store.Ticket {
	s.Helper()
	t, err := m.TakeTicket(s.Context(), "dc", p)
	s.ok(err)
	return t
}

func TestCallsOfAllProcessesKeepTheirDistance(t *testing.T) {
	eachMemory(t, func(s *spender) {
		pace := store.Pace{PerSecond: 5, InFlight: 4, Lease: time.Minute}
		start := s.clock.Now()
		var first store.Ticket
		for i := range 4 {
			m := s.memory
			if i%2 == 1 {
				m = s.other
			}
			ticket := s.ticket(m, pace)
			if i == 0 {
				first = ticket
			}
			want := time.Duration(i) * 210 * time.Millisecond // a fifth of a second, and a twentieth of that for the way
			if got := ticket.Begin.Sub(start); ticket.ID == 0 || got < want || got > want+time.Millisecond {
				s.Errorf("call %d begins after %s, want %s", i, got, want)
			}
		}
		fifth := s.ticket(s.other, pace)
		s.same("no fifth at once", fifth.ID, int64(0))
		s.same("it is told when to ask again", fifth.Begin.After(start), true)
		s.ok(s.other.EndTicket(s.Context(), "dc", first.ID))
		s.same("one ended", s.ticket(s.memory, pace).ID != 0, true)
		s.clock.Advance(2 * time.Minute) // nobody said that the others have ended
		for range 4 {
			s.same("leases run out", s.ticket(s.other, pace).ID != 0, true)
		}
	})
}

func TestTroubleHalvesThePaceAndItComesBack(t *testing.T) {
	eachMemory(t, func(s *spender) {
		pace := store.Pace{PerSecond: 10, InFlight: 4, Lease: time.Minute}
		level := func(want float64) {
			s.Helper()
			got, err := s.other.Level(s.Context(), "dc")
			s.ok(err)
			s.same("level", got, want)
		}
		level(1)
		sent := s.clock.Now()
		s.clock.Advance(time.Second)
		s.ok(s.memory.SlowDown(s.Context(), "dc", sent))
		level(0.5)
		s.ok(s.other.SlowDown(s.Context(), "dc", sent)) // the same trouble, met by another call
		level(0.5)
		s.clock.Advance(5 * time.Second)
		s.ok(s.other.SlowDown(s.Context(), "dc", s.clock.Now())) // and by one that was sent too soon to show anything
		level(0.5)
		a, b := s.ticket(s.memory, pace), s.ticket(s.other, pace)
		if got := b.Begin.Sub(a.Begin); got < 210*time.Millisecond || got > 211*time.Millisecond {
			s.Errorf("at half the pace the distance is %s, want 200 ms and a twentieth", got)
		}
		s.same("half as many at once", s.ticket(s.memory, pace).ID, int64(0))
		s.clock.Advance(25 * time.Second)
		level(0.625)
		for range 10 {
			s.clock.Advance(11 * time.Second)
			s.ok(s.other.SlowDown(s.Context(), "dc", s.clock.Now()))
		}
		level(0.062)
		s.clock.Advance(time.Hour)
		level(1)
	})
}

// TestCallsKeepTheirDistanceWhenTheDatabaseIsSlow: a ticket that took long to be written down does not lie in the past
// when it is given, and the next one keeps its distance from when the call can really begin.
func TestCallsKeepTheirDistanceWhenTheDatabaseIsSlow(t *testing.T) {
	storetest.EachDatabase(t, func(t *testing.T, db *storetest.Database) {
		stalls := []time.Duration{700 * time.Millisecond, 0, 300 * time.Millisecond, 0, 0, 2 * time.Second, 0}
		asked := 0
		s := db.Open(t, storetest.WithNow(func() time.Time {
			asked++
			if asked%2 == 0 { // every ticket reads the clock when it is decided and when it is written
				return db.Clock.Advance(stalls[(asked/2-1)%len(stalls)])
			}
			return db.Clock.Now()
		}))
		asked = 0
		var last time.Time
		for i := range 2 * len(stalls) {
			ticket, err := s.TakeTicket(t.Context(), "dc", store.Pace{PerSecond: 5, InFlight: 100, Lease: time.Hour})
			if err != nil {
				t.Fatal(err)
			}
			if now := db.Clock.Now(); ticket.Begin.Before(now) {
				t.Errorf("call %d was to begin %s ago", i, now.Sub(ticket.Begin))
			}
			if d := ticket.Begin.Sub(last); d < 200*time.Millisecond {
				t.Errorf("calls %d and %d are %s apart, want 200 ms", i-1, i, d)
			}
			last = ticket.Begin
		}
	})
}

// TestReservationsOfManyAtOnceAddUp lets two processes ask at the same moment, many times over.
func TestReservationsOfManyAtOnceAddUp(t *testing.T) {
	eachMemory(t, func(s *spender) {
		var wg sync.WaitGroup
		granted := make([]int, 8)
		for i := range granted {
			m := s.memory
			if i%2 == 1 {
				m = s.other
			}
			wg.Go(func() {
				for range 6 {
					g, err := m.ReserveCalls(s.Context(), account("api"), wish(3))
					if err != nil {
						s.Error(err)
						return
					}
					granted[i] += g.Calls
				}
			})
		}
		wg.Wait()
		sum := 0
		for _, n := range granted {
			sum += n
		}
		s.same("granted of 144 wanted", sum, 80)
		s.same("counted", s.spent(account("api")).Calls, 80)

		probes := make([]store.Grant, 8)
		s.ok(s.memory.RestCalls(s.Context(), account("raw"), store.Refusal{Until: s.clock.Now().Add(time.Minute)}))
		s.clock.Advance(time.Minute)
		for i := range probes {
			m := s.memory
			if i%2 == 1 {
				m = s.other
			}
			wg.Go(func() {
				g, err := m.ReserveCalls(s.Context(), account("raw"), wish(3))
				if err != nil {
					s.Error(err)
				}
				probes[i] = g
			})
		}
		wg.Wait()
		calls := 0
		for _, g := range probes {
			calls += g.Calls
		}
		s.same("calls after a rest", calls, 1)
	})
}

// TestTicketsOfManyAtOnceKeepTheirDistance lets two processes begin calls at the same moment.
func TestTicketsOfManyAtOnceKeepTheirDistance(t *testing.T) {
	eachMemory(t, func(s *spender) {
		pace := store.Pace{PerSecond: 10, InFlight: 6, Lease: time.Minute}
		var wg sync.WaitGroup
		tickets := make([]store.Ticket, 16)
		for i := range tickets {
			m := s.memory
			if i%2 == 1 {
				m = s.other
			}
			wg.Go(func() {
				ticket, err := m.TakeTicket(s.Context(), "dc", pace)
				if err != nil {
					s.Error(err)
				}
				tickets[i] = ticket
			})
		}
		wg.Wait()
		taken := slices.DeleteFunc(tickets, func(t store.Ticket) bool { return t.ID == 0 })
		slices.SortFunc(taken, func(a, b store.Ticket) int { return a.Begin.Compare(b.Begin) })
		s.same("tickets", len(taken), 6)
		for i := 1; i < len(taken); i++ {
			if d := taken[i].Begin.Sub(taken[i-1].Begin); d < 100*time.Millisecond || taken[i].ID == taken[i-1].ID {
				s.Errorf("calls %v and %v are %s apart, want 100 ms", taken[i-1], taken[i], d)
			}
		}
	})
}
