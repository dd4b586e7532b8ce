//go:build unix

package store_test

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/windlass-hq/windlass/internal/graph"
	"github.com/windlass-hq/windlass/internal/store"
	"github.com/windlass-hq/windlass/internal/store/storetest"
)

// The budget of DESIGN section 6: the graph is written at no less than half the rate of bare prepared inserts of the
// same rows into the same tables and indexes. Edges and changes are rows too.
const (
	benchPulls = 20_000
	benchRepos = 100
	benchUsers = 400
	benchPage  = 50
	benchLanes = 6
)

func openBench(b *testing.B) *store.Store {
	b.Helper()
	s, err := store.Open(b.Context(), store.Options{Dir: b.TempDir(), Key: bytes.Repeat([]byte{7}, 32), Now: time.Now})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := s.Close(); err != nil {
			b.Error(err)
		}
	})
	return s
}

func benchObject(i int) graph.Object {
	repo, pull := i%benchRepos, fmt.Sprintf("cloud:repo-%d:pr:%d", i%benchRepos, i)
	author, reviewer, approver := i*7%benchUsers, i*13%benchUsers, i*29%benchUsers
	user := func(n int) string { return fmt.Sprintf("cloud:user:%d", n) }
	state := [...]string{"MERGED", "MERGED", "OPEN", "DECLINED"}[i%4]
	text := fmt.Sprintf("Change number %d of the %s", i, bytes.Repeat([]byte("service "), 6))
	return graph.Object{
		Entity: graph.Entity{
			Key: pull, Type: graph.TypePullRequest, Name: text, Home: fmt.Sprintf("cloud:repo-%d", repo), Repo: fmt.Sprintf("cloud:repo-%d", repo),
			Revision: int64(1_700_000_000_000 + i), Raw: bytes.Repeat([]byte(text), 20),
			Properties: graph.Properties{
				"id": i, "title": text, "description": text, "state": state, "open": state == "OPEN", "merged": state == "MERGED",
				"declined": state == "DECLINED", "draft": false, "source": fmt.Sprintf("feature/%d", i), "target": "main",
				"sourceCommit": fmt.Sprintf("%012x", i*31), "targetCommit": fmt.Sprintf("%012x", i*37), "authorId": user(author),
				"author": "Somebody", "reviewerIds": []string{user(reviewer)}, "approverIds": []string{user(approver)},
				"approved": i%3 == 0, "approvalState": "approved", "taskCount": i % 5, "commentCount": i % 11, "createdOn": int64(1_600_000_000_000 + i),
				"updatedOn": int64(1_700_000_000_000 + i), "webLink": "https://bitbucket.org/acme/service/pull-requests/" + fmt.Sprint(i),
			},
		},
		Relationships: []graph.Relationship{
			{From: fmt.Sprintf("cloud:repo-%d", repo), Verb: graph.Has, To: pull},
			{From: user(author), Verb: graph.Opened, To: pull},
			{From: user(reviewer), Verb: graph.Reviewed, To: pull, Properties: graph.Properties{"requested": true, "acted": true}},
			{From: user(approver), Verb: graph.Approved, To: pull},
		},
	}
}

func benchBase() []graph.Object {
	var out []graph.Object
	for i := range benchRepos {
		out = append(out, graph.Object{Entity: graph.Entity{Key: fmt.Sprintf("cloud:repo-%d", i), Type: graph.TypeRepo, Name: "repo"}})
	}
	for i := range benchUsers {
		out = append(out, graph.Object{Entity: graph.Entity{Key: fmt.Sprintf("cloud:user:%d", i), Type: graph.TypeUser, Name: "user"}})
	}
	return out
}

// fill applies all pull requests page by page and returns how many rows that wrote.
func fill(b *testing.B, s *store.Store) (rows int64, took, cpu time.Duration) {
	b.Helper()
	ctx := b.Context()
	c, err := s.CreateConnection(ctx, store.Connection{Name: "bench", Product: "cloud"}, nil)
	if err != nil {
		b.Fatal(err)
	}
	base, err := s.EnsureScope(ctx, store.ScopeKey{Connection: c.ID, Listing: "base"}, "base")
	if err != nil {
		b.Fatal(err)
	}
	if _, err := s.Apply(ctx, store.Batch{Scope: base.ID, Objects: benchBase()}); err != nil {
		b.Fatal(err)
	}
	scope, err := s.EnsureScope(ctx, store.ScopeKey{Connection: c.ID, Listing: "pulls"}, "pulls")
	if err != nil {
		b.Fatal(err)
	}
	before := countRows(b, s.Reader())
	pages := make([][]graph.Object, 0, benchPulls/benchPage)
	for i := 0; i < benchPulls; i += benchPage {
		page := make([]graph.Object, benchPage)
		for j := range page {
			page[j] = benchObject(i + j)
		}
		pages = append(pages, page)
	}
	began, spent := time.Now(), processor(b)
	var lanes errgroup.Group // as many as sync lists repositories side by side
	for lane := range benchLanes {
		lanes.Go(func() error {
			for i := lane; i < len(pages); i += benchLanes {
				if _, err := s.Apply(ctx, store.Batch{Scope: scope.ID, Objects: pages[i]}); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err := lanes.Wait(); err != nil {
		b.Fatal(err)
	}
	took, cpu = time.Since(began), processor(b)-spent
	return countRows(b, s.Reader()) - before, took, cpu
}

// processor returns the processor time this process has used.
func processor(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func countRows(b *testing.B, db *sql.DB) (n int64) {
	b.Helper()
	for _, t := range []string{"entity", "rel", "raw", "change"} {
		var c int64
		if err := db.QueryRowContext(b.Context(), "SELECT count(*) FROM "+t).Scan(&c); err != nil {
			b.Fatal(err)
		}
		n += c
	}
	return n
}

// bareObjects is how many entities' rows a transaction of the peer holds: as many as DESIGN section 4 allows ours.
const bareObjects = 500

// bareTable is one table of the peer: its rows, in the order in which they came, with the entity each belongs to.
type bareTable struct {
	insert string
	rows   [][]any
	owners []int64
}

// bare copies the same rows by prepared inserts and nothing else: all rows of some entities in one transaction, then
// those of the next, since a graph whose relationships come in another transaction than their ends is none.
func bare(b *testing.B, from *store.Store) (rows int64, took, cpu time.Duration) {
	b.Helper()
	to := openBench(b)
	var tables []*bareTable
	for _, t := range []struct{ name, owner string }{{"entity", "id"}, {"raw", "entity_id"}, {"rel", "owner"}, {"change", "entity_id"}} {
		tables = append(tables, readBare(b, from.Reader(), t.name, t.owner))
	}
	began, spent := time.Now(), processor(b)
	for ids := tables[0].owners; len(ids) > 0; {
		n := min(bareObjects, len(ids))
		last := ids[n-1]
		ids = ids[n:]
		err := to.Write(b.Context(), func(_ context.Context, tx *sql.Tx) error {
			for _, t := range tables {
				n, err := t.copyUpTo(tx, last)
				if err != nil {
					return err
				}
				rows += n
			}
			return nil
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	return rows, time.Since(began), processor(b) - spent
}

func readBare(b *testing.B, db *sql.DB, name, owner string) *bareTable {
	b.Helper()
	r, err := db.QueryContext(b.Context(), "SELECT "+owner+", * FROM "+name+" ORDER BY 1")
	if err != nil {
		b.Fatal(err)
	}
	defer r.Close()
	columns, err := r.Columns()
	if err != nil {
		b.Fatal(err)
	}
	t := &bareTable{insert: "INSERT INTO " + name + " VALUES (?" + strings.Repeat(", ?", len(columns)-2) + ")"}
	for r.Next() {
		row, to := make([]any, len(columns)), make([]any, len(columns))
		for i := range row {
			to[i] = &row[i]
		}
		var id int64
		to[0] = &id
		if err := r.Scan(to...); err != nil {
			b.Fatal(err)
		}
		t.rows, t.owners = append(t.rows, row[1:]), append(t.owners, id)
	}
	if err := r.Err(); err != nil {
		b.Fatal(err)
	}
	return t
}

// copyUpTo inserts the rows that belong to entities up to an id.
func (t *bareTable) copyUpTo(tx *sql.Tx, last int64) (n int64, err error) {
	st, err := tx.Prepare(t.insert)
	if err != nil {
		return 0, err
	}
	for len(t.owners) > 0 && t.owners[0] <= last {
		if _, err := st.ExecContext(context.Background(), t.rows[0]...); err != nil {
			return n, err
		}
		t.rows, t.owners = t.rows[1:], t.owners[1:]
		n++
	}
	return n, nil
}

func BenchmarkApplyBesideBareInserts(b *testing.B) {
	for b.Loop() {
		s := openBench(b)
		rows, took, cpu := fill(b, s)
		bareRows, bareTook, bareCPU := bare(b, s)
		rate, peer := float64(rows)/took.Seconds(), float64(bareRows)/bareTook.Seconds()
		b.ReportMetric(rate, "rows/s")
		b.ReportMetric(peer, "bare-rows/s")
		b.ReportMetric(rate/peer, "ratio")
		b.ReportMetric(float64(bareCPU)/float64(cpu), "cpu-ratio") // what the ratio is on a machine with nothing else to do
		b.ReportMetric(float64(benchPulls)/took.Seconds(), "objects/s")
		st, err := s.Stats(b.Context())
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(st.WALBytes)/(1<<20), "WAL-MB")
	}
}

func BenchmarkApplyOnPostgreSQL(b *testing.B) {
	for b.Loop() {
		s, err := store.Open(b.Context(), store.Options{
			URL: storetest.Postgres(b), Dir: b.TempDir(), Key: bytes.Repeat([]byte{7}, 32), Now: time.Now,
		})
		if err != nil {
			b.Fatal(err)
		}
		rows, took, _ := fill(b, s)
		b.ReportMetric(float64(rows)/took.Seconds(), "rows/s")
		b.ReportMetric(float64(benchPulls)/took.Seconds(), "objects/s")
		if err := s.Close(); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkIdenticalListing(b *testing.B) {
	s := openBench(b)
	fill(b, s)
	page := make([]graph.Object, benchPulls)
	for i := range page {
		page[i] = benchObject(i)
	}
	for b.Loop() {
		c, err := s.Connection(b.Context(), "bench")
		if err != nil {
			b.Fatal(err)
		}
		scope, err := s.EnsureScope(b.Context(), store.ScopeKey{Connection: c.ID, Listing: "pulls"}, "pulls")
		if err != nil {
			b.Fatal(err)
		}
		began := time.Now()
		listing, err := s.BeginListing(b.Context(), scope.ID)
		if err != nil {
			b.Fatal(err)
		}
		for i := 0; i < benchPulls; i += benchPage {
			res, err := listing.Apply(b.Context(), store.Batch{Scope: scope.ID, Objects: page[i : i+benchPage]})
			if err != nil {
				b.Fatal(err)
			}
			if res.Unchanged != benchPage {
				b.Fatalf("%d of %d are unchanged", res.Unchanged, benchPage)
			}
		}
		if m := listing.Missing(); len(m) > 0 {
			b.Fatalf("%d are missing", len(m))
		}
		b.ReportMetric(benchPulls/time.Since(began).Seconds(), "objects/s")
	}
}
