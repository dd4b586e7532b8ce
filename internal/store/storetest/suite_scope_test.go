package storetest_test

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/windlass-hq/windlass/internal/graph"
	"github.com/windlass-hq/windlass/internal/store"
	"github.com/windlass-hq/windlass/internal/store/storetest"
)

func TestManyScopesAreMadeAtOnce(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open func(...storetest.Option) *store.Store) {
		s, ctx := open(), t.Context()
		c, err := s.CreateConnection(ctx, store.Connection{Name: "acme", Product: "cloud"}, nil)
		if err != nil {
			t.Fatal(err)
		}
		old, err := s.EnsureScope(ctx, store.ScopeKey{Connection: c.ID, Parent: "repo-7", Listing: "pulls"}, "before")
		if err != nil {
			t.Fatal(err)
		}
		var wanted []store.TitledParent
		for i := range 600 { // more than one transaction makes
			wanted = append(wanted, store.TitledParent{Parent: fmt.Sprintf("repo-%d", i), Title: fmt.Sprintf("pulls of %d", i)})
		}
		for range 2 {
			got, err := s.EnsureScopes(ctx, c.ID, "pulls", wanted)
			if err != nil {
				t.Fatal(err)
			}
			if len(got) != len(wanted) || got["repo-7"].ID != old.ID {
				t.Fatalf("%d scopes, the old one is number %d; want %d and %d", len(got), got["repo-7"].ID, len(wanted), old.ID)
			}
			for _, w := range wanted {
				if sc := got[w.Parent]; sc.Title != w.Title || sc.Connection != c.ID || sc.Listing != "pulls" || sc.ID == 0 {
					t.Fatalf("scope of %s = %+v", w.Parent, sc)
				}
			}
		}
	})
}

func TestProversAreRemembered(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open func(...storetest.Option) *store.Store) {
		s, ctx := open(), t.Context()
		c, err := s.CreateConnection(ctx, store.Connection{Name: "acme", Product: "cloud"}, nil)
		if err != nil {
			t.Fatal(err)
		}
		run, err := s.StartRun(ctx, c.ID, graph.Cause{Kind: "run"})
		if err != nil {
			t.Fatal(err)
		}
		key := store.ScopeKey{Connection: c.ID, Listing: "repositories"}
		sc, err := s.EnsureScope(ctx, key, "repositories")
		if err != nil {
			t.Fatal(err)
		}
		for _, step := range []struct {
			state store.LedgerState
			give  []string
			want  []string
		}{
			{store.LedgerComplete, []string{"a", "b"}, []string{"a", "b"}},
			{store.LedgerComplete, nil, []string{"a", "b"}},
			{store.LedgerPartial, []string{"c"}, []string{"a", "b"}},
			{store.LedgerComplete, []string{}, []string{}},
		} {
			if err := s.RecordLedger(ctx, store.LedgerEntry{Scope: sc.ID, Run: run.ID, State: step.state, Provers: step.give}); err != nil {
				t.Fatal(err)
			}
			got, err := s.EnsureScope(ctx, key, "repositories")
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(step.want, got.Provers); d != "" {
				t.Errorf("provers after %+v (-want +got):\n%s", step, d)
			}
		}
	})
}
