package storetest_test

import (
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/windlass-hq/windlass/internal/graph"
	"github.com/windlass-hq/windlass/internal/store"
)

// stores returns two stores on one database as two processes have them; on SQLite, which one process holds, the same
// one twice.
func (f *fixture) stores() [2]*store.Store {
	f.Helper()
	if f.db.URL == "" {
		return [2]*store.Store{f.store, f.store}
	}
	return [2]*store.Store{f.store, f.db.Open(f.T)}
}

func TestReaderOfAStreamWithTwoWritersNeverSkipsAChange(t *testing.T) {
	each(t, func(f *fixture) {
		const writers, rounds = 4, 25
		stores := f.stores()
		scope := f.scope(f.one, "r", "pulls")
		asked := f.later()
		errs := make(chan error, writers)
		for w := range writers {
			go func() {
				for i := range rounds {
					b := batch(scope, asked, pull("pr"+render(w)+"-"+render(i), "", "title", "t"), pull("second"+render(w)+"-"+render(i), ""))
					b.Stream = "shared"
					if _, err := stores[w%2].Apply(f.Context(), b); err != nil {
						errs <- err
						return
					}
				}
				errs <- nil
			}()
		}
		// A consumer that always goes on after the last number it saw must see every number.
		var cursor int64
		seen := map[string]bool{}
		read := func() {
			list, err := f.store.Changes(f.Context(), "shared", cursor, 10)
			f.ok(err)
			for _, c := range list {
				if c.Seq != cursor+1 {
					f.Fatalf("change %d follows %d", c.Seq, cursor)
				}
				cursor = c.Seq
				seen[c.Key] = true
			}
		}
		for finished := 0; finished < writers; {
			select {
			case err := <-errs:
				f.ok(err)
				finished++
			default:
				read()
			}
		}
		for before := int64(-1); before != cursor; {
			before = cursor
			read()
		}
		f.same("changes seen", len(seen), writers*rounds*2)
		f.same("last number", cursor, int64(writers*rounds*2))
	})
}

func TestConcurrentWritersOfTheSameEntitiesAgree(t *testing.T) {
	each(t, func(f *fixture) {
		const rounds = 10
		stores := f.stores()
		scopes := [2]int64{f.scope(f.one, "r", "pulls"), f.scope(f.two, "r", "pulls")}
		asked := f.later()
		var wg sync.WaitGroup
		results := make([]store.Result, 2)
		for w := range 2 {
			wg.Go(func() {
				for i := range rounds {
					var objects []graph.Object
					for k := range 20 {
						key := "pr" + render(i) + "-" + render(k)
						objects = append(objects, with(pull(key, "", "title", "t"), "pr"+render(i)+"-0", graph.Has, key))
					}
					if w == 1 {
						slices.Reverse(objects) // so that writers meet in opposite order
					}
					r, err := stores[w].Apply(f.Context(), batch(scopes[w], asked, objects...))
					if err != nil {
						f.Errorf("writer %d: %v", w, err)
						return
					}
					results[w].Created += r.Created
				}
			})
		}
		wg.Wait()
		f.same("created by both together", results[0].Created+results[1].Created, rounds*20)
		now, err := newReading(f.store, "").now(f.Context())
		f.ok(err)
		f.same("entities", len(now.Entities), rounds*20)
		// Each connection sees all of them: what one withdraws stays for the other.
		for _, scope := range scopes {
			l, err := f.store.BeginListing(f.Context(), scope)
			f.ok(err)
			f.same("members", l.Size(), rounds*20)
		}
	})
}

func TestWriterAndWithdrawerOfTheSameEntitiesDoNotDeadlock(t *testing.T) {
	each(t, func(f *fixture) {
		const rounds = 15
		stores := f.stores()
		scopes := [2]int64{f.scope(f.one, "r", "pulls"), f.scope(f.two, "r", "pulls")}
		keys := []string{}
		for k := range 10 {
			keys = append(keys, "pr"+render(k))
		}
		var wg sync.WaitGroup
		for w := range 2 {
			wg.Go(func() {
				for i := range rounds {
					objects := []graph.Object{}
					for k, key := range keys {
						objects = append(objects, with(pull(key, "", "title", "t"+render(i)), keys[(k+1)%len(keys)], graph.Has, key))
					}
					if w == 1 {
						slices.Reverse(objects)
					}
					now := f.db.Clock.Advance(time.Millisecond)
					if _, err := stores[w].Apply(f.Context(), batch(scopes[w], now, objects...)); err != nil {
						f.Errorf("writer %d: apply: %v", w, err)
					}
					if _, err := stores[w].Withdraw(f.Context(), store.Withdrawal{Scope: scopes[w], Keys: keys, Reason: graph.NotVisible, RequestedAt: f.db.Clock.Now()}); err != nil {
						f.Errorf("writer %d: withdraw: %v", w, err)
					}
				}
			})
		}
		wg.Wait()
		// Whatever the order was, a last word from both closes everything, and the log agrees with the graph.
		for _, scope := range scopes {
			f.withdraw(scope, graph.Withdrawn, keys...)
		}
		now, err := newReading(f.store, "").now(f.Context())
		f.ok(err)
		f.same("graph", now, state{Entities: map[string]string{}, Edges: map[string]string{}})
		open := map[string]int{}
		for _, c := range append(f.changes(f.one), f.changes(f.two)...) {
			switch c.Op {
			case graph.Created:
				open[c.Key]++
			case graph.Closed:
				open[c.Key]--
			}
		}
		for key, n := range open {
			if n != 0 {
				f.Errorf("%s: the log holds %d more creations than closings", key, n)
			}
		}
	})
}
