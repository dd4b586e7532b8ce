package storetest_test

import (
	"context"
	"database/sql"
	"testing"
	"time"

	"github.com/windlass-hq/windlass/internal/fault"
	"github.com/windlass-hq/windlass/internal/graph"
	"github.com/windlass-hq/windlass/internal/store"
)

func (f *fixture) raise(names ...string) {
	f.Helper()
	f.ok(f.store.Write(f.Context(), func(ctx context.Context, tx *sql.Tx) error { return f.store.Raise(ctx, tx, names...) }))
}

// wanted returns the names of work under a prefix.
func (f *fixture) wanted(prefix string) []string {
	f.Helper()
	list, err := f.store.Wanted(f.Context(), prefix)
	f.ok(err)
	out := []string{}
	for _, w := range list {
		out = append(out, w.Name)
	}
	return out
}

func TestRaisedWorkIsWantedUntilSettled(t *testing.T) {
	each(t, func(f *fixture) {
		f.raise("a/2")
		f.later()
		f.raise("a/1", "b/1", "a%x")
		f.same("oldest first, of the prefix only", f.wanted("a/"), []string{"a/2", "a/1"})
		list, err := f.store.Wanted(f.Context(), "a/2")
		f.ok(err)
		settled, err := f.store.Settle(f.Context(), "a/2", list[0].Wanted)
		f.ok(err)
		f.same("settled", settled, true)
		f.same("left", f.wanted("a/"), []string{"a/1"})
		f.same("a prefix is no pattern", f.wanted("a%"), []string{"a%x"})
	})
}

func TestWorkRaisedWhileItRunsIsNotSettled(t *testing.T) {
	each(t, func(f *fixture) {
		f.raise("a")
		list, err := f.store.Wanted(f.Context(), "a")
		f.ok(err)
		f.raise("a")
		settled, err := f.store.Settle(f.Context(), "a", list[0].Wanted)
		f.ok(err)
		f.same("settled", settled, false)
		list, err = f.store.Wanted(f.Context(), "a")
		f.ok(err)
		if len(list) != 1 {
			f.Fatal("the work that was raised in between is lost")
		}
		settled, err = f.store.Settle(f.Context(), "a", list[0].Wanted)
		f.ok(err)
		f.same("settled", settled, true)
	})
}

func TestWantedInSaysWhatIsWantedInATransaction(t *testing.T) {
	each(t, func(f *fixture) {
		wantedIn := func(name string) (wanted int64) {
			f.ok(f.store.Write(f.Context(), func(ctx context.Context, tx *sql.Tx) (err error) {
				wanted, err = f.store.WantedIn(ctx, tx, name)
				return err
			}))
			return wanted
		}
		f.same("never raised", wantedIn("a"), int64(0))
		f.raise("a")
		f.raise("a", "b")
		f.same("raised twice", wantedIn("a"), int64(2))
		settled, err := f.store.Settle(f.Context(), "a", 2)
		f.ok(err)
		f.same("settled", settled, true)
		f.same("after it was settled", wantedIn("a"), int64(0))
		f.same("another", wantedIn("b"), int64(1))
	})
}

func TestWorkRaisedInATransactionThatFailsIsNotWanted(t *testing.T) {
	each(t, func(f *fixture) {
		err := f.store.Write(f.Context(), func(ctx context.Context, tx *sql.Tx) error {
			f.ok(f.store.Raise(ctx, tx, "a"))
			return fault.New(fault.Invalid, "changed my mind")
		})
		if !fault.Is(err, fault.Invalid) {
			f.Errorf("Write = %v, want the error of the function", err)
		}
		f.same("wanted", f.wanted(""), []string{})
	})
}

func TestLeaseHasOneHolderUntilItRunsOut(t *testing.T) {
	each(t, func(f *fixture) {
		first, err := f.store.AcquireLease(f.Context(), "x", "a", time.Minute)
		f.ok(err)
		_, err = f.store.AcquireLease(f.Context(), "x", "b", time.Minute)
		f.fails(err, fault.Conflict)
		f.db.Clock.Advance(50 * time.Second)
		f.ok(f.store.RenewLease(f.Context(), first, time.Minute))
		f.db.Clock.Advance(50 * time.Second)
		_, err = f.store.AcquireLease(f.Context(), "x", "b", time.Minute)
		f.fails(err, fault.Conflict)
		f.db.Clock.Advance(10 * time.Second)
		second, err := f.store.AcquireLease(f.Context(), "x", "b", time.Minute)
		f.ok(err)
		if second.Token <= first.Token {
			f.Errorf("token %d after %d, want it to rise", second.Token, first.Token)
		}
		f.fails(f.store.RenewLease(f.Context(), first, time.Minute), fault.Conflict)
		f.ok(f.store.ReleaseLease(f.Context(), first)) // what was lost frees nothing
		_, err = f.store.AcquireLease(f.Context(), "x", "c", time.Minute)
		f.fails(err, fault.Conflict)
		f.ok(f.store.ReleaseLease(f.Context(), second))
		third, err := f.store.AcquireLease(f.Context(), "x", "c", time.Minute)
		f.ok(err)
		if third.Token <= second.Token {
			f.Errorf("token %d after %d, want it to rise", third.Token, second.Token)
		}
	})
}

func TestWritesOfAFormerLeaseHolderAreRefused(t *testing.T) {
	each(t, func(f *fixture) {
		ws := f.scope(f.one, "", "workspaces")
		old, err := f.store.AcquireLease(f.Context(), "x", "a", time.Minute)
		f.ok(err)
		b := batch(ws, f.later(), workspace("w", "slug", "a"))
		b.Fence = &old
		f.applyBatch(b)
		f.db.Clock.Advance(time.Hour)
		fresh, err := f.store.AcquireLease(f.Context(), "x", "b", time.Minute)
		f.ok(err)
		b = batch(ws, f.later(), workspace("w", "slug", "late"), workspace("x"))
		b.Fence = &old
		_, err = f.store.Apply(f.Context(), b)
		f.fails(err, fault.Conflict)
		f.same("slug", f.entity("w").Properties["slug"], any("a"))
		f.closed("x")
		_, err = f.store.Withdraw(f.Context(), store.Withdrawal{Scope: ws, Keys: []string{"w"}, Reason: graph.Deleted, RequestedAt: f.later(), Fence: &old})
		f.fails(err, fault.Conflict)
		f.entity("w")
		b.Fence = &fresh
		f.applyBatch(b)
		f.same("slug", f.entity("w").Properties["slug"], any("late"))
	})
}

func TestOnlyOneOfManyGetsALease(t *testing.T) {
	each(t, func(f *fixture) {
		stores := []*store.Store{f.store}
		if f.db.URL != "" {
			stores = append(stores, f.db.Open(f.T), f.db.Open(f.T))
		}
		const tries = 24
		won := make(chan string, tries)
		done := make(chan error, tries)
		for i := range tries {
			go func() {
				holder := "holder " + render(i)
				_, err := stores[i%len(stores)].AcquireLease(f.Context(), "x", holder, time.Minute)
				if err == nil {
					won <- holder
				} else if fault.Is(err, fault.Conflict) {
					err = nil
				}
				done <- err
			}()
		}
		for range tries {
			if err := <-done; err != nil {
				f.Error(err)
			}
		}
		f.same("winners", len(won), 1)
	})
}

func TestLedgerRowIsExtendedWhileTheStateStays(t *testing.T) {
	each(t, func(f *fixture) {
		scope := f.scope(f.one, "w", "repositories")
		record := func(state store.LedgerState, reason string) int64 {
			run := f.run(f.one)
			f.later()
			f.ok(f.store.RecordLedger(f.Context(), store.LedgerEntry{Scope: scope, Run: run.ID, State: state, Reason: reason, Calls: 3}))
			return run.ID
		}
		record(store.LedgerComplete, "")
		began := f.db.Clock.Now()
		record(store.LedgerComplete, "")
		last := record(store.LedgerComplete, "")
		rows, err := f.store.Ledger(f.Context(), scope)
		f.ok(err)
		if len(rows) != 1 {
			f.Fatalf("%d rows, want one that was extended", len(rows))
		}
		f.same("since", rows[0].Since.Equal(began), true)
		f.same("until", rows[0].Until.Equal(f.db.Clock.Now()), true)
		f.same("last run", rows[0].LastRun, last)
		record(store.LedgerPartial, "page 3 failed")
		record(store.LedgerPartial, "page 4 failed")
		record(store.LedgerComplete, "")
		rows, err = f.store.Ledger(f.Context(), scope)
		f.ok(err)
		var states []store.LedgerState
		for _, r := range rows {
			states = append(states, r.State)
		}
		f.same("states", states, []store.LedgerState{store.LedgerComplete, store.LedgerPartial, store.LedgerPartial, store.LedgerComplete})
	})
}

func TestSecondEntryOfOneRunReplacesTheFirst(t *testing.T) {
	each(t, func(f *fixture) {
		scope, run := f.scope(f.one, "w", "repositories"), f.run(f.one)
		f.ok(f.store.RecordLedger(f.Context(), store.LedgerEntry{Scope: scope, Run: run.ID, State: store.LedgerComplete}))
		f.ok(f.store.RecordLedger(f.Context(), store.LedgerEntry{Scope: scope, Run: run.ID, State: store.LedgerPartial, Reason: "held"}))
		rows, err := f.store.Ledger(f.Context(), scope)
		f.ok(err)
		f.same("rows", len(rows), 1)
		f.same("state", rows[0].State, store.LedgerPartial)
	})
}

func TestScopesTellTheirStateAndMembers(t *testing.T) {
	each(t, func(f *fixture) {
		scope := f.scope(f.one, "w", "repositories")
		f.same("the same key is the same scope", f.scope(f.one, "w", "repositories"), scope)
		f.apply(f.scope(f.two, "w", "repositories"), repo("a", ""))
		f.apply(scope, repo("a", ""), repo("b", ""))
		f.later()
		f.ok(f.store.RecordLedger(f.Context(), store.LedgerEntry{Scope: scope, Run: f.run(f.one).ID, State: store.LedgerComplete}))
		list, err := f.store.Scopes(f.Context(), f.one.ID)
		f.ok(err)
		if len(list) != 1 {
			f.Fatalf("%d scopes, want 1", len(list))
		}
		s := list[0]
		f.same("id", s.ID, scope)
		f.same("state", s.State, store.LedgerComplete)
		f.same("members, further presences included", s.Members, 2)
		f.same("first complete", s.FirstComplete.Equal(f.db.Clock.Now()), true)
	})
}

func TestRunsAreListedNewestFirstAndAnInterruptedOneIsFound(t *testing.T) {
	each(t, func(f *fixture) {
		first := f.run(f.one)
		first.Status, first.Calls, first.Summary = "complete", 12, `{"x":1}`
		f.later()
		f.ok(f.store.FinishRun(f.Context(), first))
		if r, err := f.store.Interrupted(f.Context(), f.one.ID); err != nil || r != nil {
			f.Fatalf("Interrupted = %v, %v; want none", r, err)
		}
		f.run(f.two)
		second := f.run(f.one)
		r, err := f.store.Interrupted(f.Context(), f.one.ID)
		f.ok(err)
		if r == nil || r.ID != second.ID {
			f.Fatalf("Interrupted = %v, want run %d", r, second.ID)
		}
		list, err := f.store.Runs(f.Context(), store.RunFilter{Connection: f.one.ID})
		f.ok(err)
		if len(list) != 2 || list[0].ID != second.ID {
			f.Fatalf("runs %v, want %d and %d", list, second.ID, first.ID)
		}
		f.same("summary", list[1].Summary, `{"x":1}`)
		f.same("calls", list[1].Calls, int64(12))
		f.same("ended", list[1].EndedAt != nil && list[1].EndedAt.Equal(f.db.Clock.Now()), true)
	})
}

func TestOddObjectsOfARunAreListed(t *testing.T) {
	each(t, func(f *fixture) {
		run, scope := f.run(f.one), f.scope(f.one, "w", "repositories")
		f.ok(f.store.RecordOdd(f.Context(), store.Odd{Run: run.ID, Scope: scope, Key: "a", Problem: "no \x00 name"}))
		list, err := f.store.Odds(f.Context(), run.ID)
		f.ok(err)
		f.same("odds", len(list), 1)
		f.same("problem", list[0].Problem, "no \ufffd name")
	})
}
