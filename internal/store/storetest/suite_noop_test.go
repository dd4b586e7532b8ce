package storetest_test

import (
	"database/sql"
	"strings"
	"testing"
	"time"

	"github.com/windlass-hq/windlass/internal/graph"
	"github.com/windlass-hq/windlass/internal/store"
	"github.com/windlass-hq/windlass/internal/store/storetest"
)

// traces returns what moves when anything is written: on SQLite the counter that every commit moves, as seen by a
// connection that does not write; on PostgreSQL the write-ahead log's position
// and the next transaction number.
func (f *fixture) traces(watch *sql.Conn) string {
	f.Helper()
	if f.db.URL != "" {
		var position, next string
		f.ok(watch.QueryRowContext(f.Context(), "SELECT pg_current_wal_insert_lsn()::text, pg_snapshot_xmax(pg_current_snapshot())::text").Scan(&position, &next))
		return position + " " + next
	}
	var version int64
	f.ok(watch.QueryRowContext(f.Context(), "PRAGMA data_version").Scan(&version))
	return render(version)
}

func TestWritesThatChangeNothingWriteNothing(t *testing.T) {
	each(t, func(f *fixture) {
		f.tree(f.one)
		f.tree(f.two)
		pulls, repos := f.scope(f.one, "r", "pulls"), f.scope(f.one, "w", "repositories")
		dangling := with(pull("pr2", "nowhere", "title", "t"), "stranger", graph.Opened, "pr2")
		f.apply(pulls, dangling)
		fence, err := f.store.AcquireLease(f.Context(), "x", "a", time.Hour)
		f.ok(err)
		same := with(with(pull("pr", "r", "title", "t"), "r", graph.Has, "pr"), "u", graph.Opened, "pr")
		steps := map[string]func(){
			"repeated claim": func() {
				b := batch(pulls, f.later(), same)
				b.Met = []graph.Object{user("u")}
				f.same("result", f.applyBatch(b), store.Result{Unchanged: 2})
			},
			"repeated claim under a lease": func() {
				b := batch(pulls, f.later(), same)
				b.Fence = &fence
				f.same("result", f.applyBatch(b), store.Result{Unchanged: 1})
			},
			"repeated claim with something dangling": func() {
				f.counts(f.apply(pulls, dangling), store.Result{Unchanged: 1})
			},
			"stale claim": func() {
				f.counts(f.applyAsked(pulls, f.db.Clock.Now().Add(-time.Hour), pull("pr", "r", "title", "old")), store.Result{Stale: 1})
			},
			"complete listing": func() {
				l, err := f.store.BeginListing(f.Context(), repos)
				f.ok(err)
				_, err = l.Apply(f.Context(), batch(repos, f.later(), with(repo("r", "p", "description", "x"), "p", graph.Has, "r")))
				f.ok(err)
				f.same("missing", len(l.Missing()), 0)
			},
			"withdrawal of what is not seen": func() { f.withdraw(repos, graph.Deleted, "nobody") },
			"empty withdrawal":               func() { f.withdraw(repos, graph.Deleted) },
			"empty batch":                    func() { f.apply(repos) },
			"known scope":                    func() { f.scope(f.one, "r", "pulls") },
		}
		watch, err := f.store.Reader().Conn(f.Context())
		f.ok(err)
		defer watch.Close()
		for name, step := range steps {
			before := f.traces(watch)
			step()
			if after := f.traces(watch); after != before {
				f.Errorf("%s wrote something: %s became %s", name, before, after)
			}
		}
		before := f.traces(watch)
		f.apply(repos, repo("r", "p", "description", "y"))
		if after := f.traces(watch); after == before {
			f.Error("a real write leaves no trace, so this test proves nothing")
		}
	})
}

func TestFullDiskIsNamedAndLosesNothing(t *testing.T) {
	// max_page_count is SQLite's own way to make the disk full: the same error, without a disk to fill.
	f := sqliteFixture(t)
	pulls := f.scope(f.one, "r", "pulls")
	var pages int
	f.ok(f.store.Writer().QueryRowContext(f.Context(), "PRAGMA page_count").Scan(&pages))
	if _, err := f.store.Writer().ExecContext(f.Context(), "PRAGMA max_page_count = "+render(pages+200)); err != nil {
		f.Fatal(err)
	}
	acknowledged := 0
	var failed error
	for n := 0; failed == nil && n < 200; n++ {
		if _, failed = f.store.Apply(f.Context(), batch(pulls, f.later(), bulk(n)...)); failed == nil {
			acknowledged += bulkSize
		}
	}
	if acknowledged == 0 {
		f.Fatal("nothing was written before the disk was full")
	}
	f.fails(failed, "unavailable")
	if !strings.Contains(failed.Error(), "full") {
		f.Errorf("%v does not say that the disk is full", failed)
	}
	f.consistent(acknowledged)
	// With space again everything goes on, the failed part included.
	if _, err := f.store.Writer().ExecContext(f.Context(), "PRAGMA max_page_count = 1000000"); err != nil {
		f.Fatal(err)
	}
	again := bulk(acknowledged / bulkSize)
	f.apply(pulls, again...)
	f.consistent(acknowledged + bulkSize)
}

// sqliteFixture is for what only SQLite has.
func sqliteFixture(t *testing.T) *fixture {
	t.Helper()
	return newFixture(t, storetest.SQLite(t))
}

const bulkSize = 50

// bulk makes one batch of pull requests, different for each n.
func bulk(n int) []graph.Object {
	var out []graph.Object
	for i := range bulkSize {
		key := "bulk:" + render(n) + ":" + render(i)
		o := pull(key, "", "title", strings.Repeat(key+" ", 20))
		if i > 0 {
			o = with(o, "bulk:"+render(n)+":0", graph.Has, key)
		}
		out = append(out, o)
	}
	return out
}

// consistent proves that at least the acknowledged entities are there, that the change log has no gaps, and that it
// agrees with the graph.
func (f *fixture) consistent(acknowledged int) {
	f.Helper()
	now, err := newReading(f.store, "").now(f.Context())
	f.ok(err)
	if len(now.Entities) < acknowledged {
		f.Errorf("%d entities are there, %d were acknowledged", len(now.Entities), acknowledged)
	}
	open := map[string]string{}
	var after int64
	for {
		list, err := f.store.Changes(f.Context(), streamOf(f.one), after, 1000)
		f.ok(err)
		if len(list) == 0 {
			break
		}
		for _, c := range list {
			if c.Seq != after+1 {
				f.Fatalf("change %d follows %d", c.Seq, after)
			}
			after = c.Seq
			switch c.Op {
			case graph.Created:
				open[c.Key] = ""
			case graph.Closed:
				delete(open, c.Key)
			}
		}
	}
	keys := map[string]string{}
	for key := range now.Entities {
		keys[key] = ""
	}
	f.same("entities by the change log", open, keys)
}
