package storetest_test

import (
	"strconv"
	"testing"
	"time"

	"github.com/windlass-hq/windlass/internal/store"
)

func TestScopesAreSelectedAndCounted(t *testing.T) {
	each(t, func(f *fixture) {
		run := f.run(f.one)
		states := []store.LedgerState{
			"", store.LedgerComplete, store.LedgerDenied, store.LedgerDisabled, store.LedgerFailed, store.LedgerPartial, store.LedgerWindowed,
			store.LedgerDenied, store.LedgerDisabled,
		}
		ids := make([]int64, len(states))
		var first time.Time
		for i, state := range states {
			parent := "r" + strconv.Itoa(i)
			ids[i] = f.scope(f.one, parent, "webhooks")
			record := func(state store.LedgerState) {
				f.ok(f.store.RecordLedger(f.Context(), store.LedgerEntry{Scope: ids[i], Run: run.ID, State: state}))
			}
			switch {
			case state == "":
			case i >= 7: // complete once, then something else
				now := f.later()
				if state == store.LedgerDenied {
					first = now
				}
				record(store.LedgerComplete)
				run = f.run(f.one)
				record(state)
			default:
				f.later()
				record(state)
			}
		}
		f.scope(f.one, "", store.MetListing)
		other := f.scope(f.one, "w", "groups")
		f.scope(f.two, "w", "groups")
		f.apply(other, user("u"))

		pick := func(sf store.ScopeFilter) []int64 {
			f.Helper()
			sf.Connection = f.one.ID
			list, err := f.store.ScopesBy(f.Context(), sf)
			f.ok(err)
			out := []int64{}
			for _, sc := range list {
				out = append(out, sc.ID)
			}
			return out
		}
		f.same("all", pick(store.ScopeFilter{}), append(append([]int64{}, ids...), other))
		f.same("a page", pick(store.ScopeFilter{After: ids[1], Limit: 2}), ids[2:4])
		f.same("denied", pick(store.ScopeFilter{State: store.LedgerDenied}), []int64{ids[2], ids[7]})
		f.same("unread webhooks", pick(store.ScopeFilter{State: store.ScopeUnread, Listing: "webhooks"}), []int64{ids[0]})
		f.same("never complete", pick(store.ScopeFilter{NeverComplete: true}), []int64{ids[0], ids[2], ids[4], ids[5], ids[6], other})
		f.same("by name", pick(store.ScopeFilter{Name: "w/groups"}), []int64{other})
		f.same("by title", pick(store.ScopeFilter{Name: "groups"}), []int64{other})
		f.same("by id", pick(store.ScopeFilter{Name: strconv.FormatInt(ids[3], 10)}), []int64{ids[3]})
		f.same("met", len(pick(store.ScopeFilter{Listing: store.MetListing})), 1)

		// As Scopes has it, members and ledger row included.
		all, err := f.store.Scopes(f.Context(), f.one.ID)
		f.ok(err)
		page, err := f.store.ScopesBy(f.Context(), store.ScopeFilter{Connection: f.one.ID, Listing: "groups"})
		f.ok(err)
		f.same("status", page, all[len(all)-1:])
		f.same("members", page[0].Members, 1)

		totals, err := f.store.ScopeTotals(f.Context(), f.one.ID)
		f.ok(err)
		f.same("totals", totals, []store.ScopeTotals{
			{Listing: "groups", Scopes: 1, Unread: 1, NeverComplete: 1},
			{
				Listing: "webhooks", Scopes: 9, Complete: 1, Windowed: 1, Partial: 1, Failed: 1, Denied: 2, Disabled: 2, Unread: 1,
				NeverComplete: 5, OldestComplete: totals[1].OldestComplete,
			},
		})
		if got := totals[1].OldestComplete; got == nil || !got.Before(first) {
			f.Errorf("oldest completion %v, want that of the second one, before %v", got, first)
		}
	})
}
