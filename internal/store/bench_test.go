//go:build unix

package store_test

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
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

// bare copies the same rows by prepared inserts, 10,000 pull requests' rows to a transaction, nothing else.
func bare(b *testing.B, from *store.Store) (rows int64, took, cpu time.Duration) {
	b.Helper()
	to := openBench(b)
	tables := []string{"entity", "rel", "raw", "change"}
	data := map[string][][]any{}
	inserts := map[string]string{}
	order := map[string]string{"rel": " ORDER BY owner"} // the order in which they came
	for _, t := range tables {
		r, err := from.Reader().QueryContext(b.Context(), "SELECT * FROM "+t+order[t])
		if err != nil {
			b.Fatal(err)
		}
		columns, err := r.Columns()
		if err != nil {
			b.Fatal(err)
		}
		for r.Next() {
			row, to := make([]any, len(columns)), make([]any, len(columns))
			for i := range row {
				to[i] = &row[i]
			}
			if err := r.Scan(to...); err != nil {
				b.Fatal(err)
			}
			data[t] = append(data[t], row)
		}
		if err := r.Err(); err != nil {
			b.Fatal(err)
		}
		values := ""
		for i := range columns {
			values += fmt.Sprintf(", $%d", i+1)
		}
		inserts[t] = "INSERT INTO " + t + " VALUES (" + values[2:] + ")"
	}
	began, spent := time.Now(), processor(b)
	const atOnce = 5000
	for _, t := range tables {
		for rest := data[t]; len(rest) > 0; {
			n := min(atOnce, len(rest))
			err := to.Write(b.Context(), func(_ context.Context, tx *sql.Tx) error {
				st, err := tx.Prepare(inserts[t])
				if err != nil {
					return err
				}
				for _, row := range rest[:n] {
					if _, err := st.ExecContext(context.Background(), row...); err != nil {
						return err
					}
				}
				return nil
			})
			if err != nil {
				b.Fatal(err)
			}
			rows += int64(n)
			rest = rest[n:]
		}
	}
	return rows, time.Since(began), processor(b) - spent
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
