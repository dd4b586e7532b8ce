package storetest_test

import (
	"testing"
	"time"

	"github.com/windlass-hq/windlass/internal/store"
)

// TestGapsAndReads records each state in a scope of its own, and one that was complete before it was denied.
func TestGapsAndReads(t *testing.T) {
	each(t, func(f *fixture) {
		run := f.run(f.one)
		record := func(scope int64, state store.LedgerState, reason string) {
			f.Helper()
			f.ok(f.store.RecordLedger(f.Context(), store.LedgerEntry{Scope: scope, Run: run.ID, State: state, Reason: reason}))
		}
		f.scope(f.one, "", store.MetListing)
		f.scope(f.one, "a", "webhooks") // not read yet
		record(f.scope(f.one, "b", "webhooks"), store.LedgerDenied, "no right")
		record(f.scope(f.one, "c", "webhooks"), store.LedgerDisabled, "switched off")
		first := f.later()
		record(f.scope(f.one, "d", "webhooks"), store.LedgerWindowed, "")
		f.later()
		lost := f.scope(f.one, "e", "webhooks")
		record(lost, store.LedgerComplete, "")
		run = f.run(f.one)
		f.later()
		record(lost, store.LedgerDenied, "no right")
		record(f.scope(f.one, "f", "groups"), store.LedgerDisabled, "switched off")
		f.scope(f.two, "g", "webhooks")

		gaps, err := f.store.ScopeGaps(f.Context(), f.one.ID)
		f.ok(err)
		gap := func(parent string, state store.LedgerState, reason string, never bool) store.ScopeGap {
			return store.ScopeGap{Parent: parent, Listing: "webhooks", Title: "webhooks", State: state, Reason: reason, Never: never}
		}
		f.same("gaps", gaps, []store.ScopeGap{
			gap("a", "", "", true), gap("b", store.LedgerDenied, "no right", true), gap("d", store.LedgerWindowed, "", true),
			gap("e", store.LedgerDenied, "no right", false),
		})

		reads, err := f.store.ScopeReads(f.Context(), f.one.ID)
		f.ok(err)
		f.same("listings", len(reads), 1)
		got := reads["webhooks"]
		f.same("never read", got.Never, 2)
		if got.Oldest == nil || got.Oldest.Before(first) || got.Oldest.Sub(first) >= time.Second {
			f.Errorf("the oldest was read %v, want that of the windowed one at %v", got.Oldest, first)
		}
	})
}
