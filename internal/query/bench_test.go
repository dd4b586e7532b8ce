package query

import (
	"context"
	"database/sql"
	"fmt"
	"testing"

	"github.com/windlass-hq/windlass/internal/graph"
	"github.com/windlass-hq/windlass/internal/store/storetest"
)

// benchSize is the number of pull requests, ten to a repository, of the benchmarks' graph.
const benchSize = 50_000

// benchEngine fills a SQLite store with one workspace's worth of repositories, users and pull requests.
func benchEngine(b *testing.B) *Engine {
	b.Helper()
	st := storetest.SQLite(b).Open(b)
	err := st.Write(b.Context(), func(ctx context.Context, tx *sql.Tx) error {
		for _, text := range []string{
			`INSERT INTO kind(id, type, classes) VALUES (1, 'bitbucket_repo', '["CodeRepo"]'), (2, 'bitbucket_pull_request', '["Review","PR"]'), (3, 'bitbucket_user', '["User"]')`,
			`INSERT INTO rel_kind(id, verb, from_kind, to_kind, type) VALUES (1, 'HAS', 1, 2, 'bitbucket_repo_has_pull_request'), (2, 'OPENED', 3, 2, 'bitbucket_user_opened_pull_request'), (3, 'APPROVED', 3, 2, 'bitbucket_user_approved_pull_request')`,
			`INSERT INTO connection(id, name, product, account_name, tag_account_name, description, interval, settings, created_at, updated_at) VALUES (1, 'acme', 'cloud', 'acme', 1, '', '1h', '{}', 0, 0)`,
			`INSERT INTO scope(id, connection_id, parent, listing, title) VALUES (1, 1, '', 'all', 'all')`,
		} {
			if _, err := tx.ExecContext(ctx, text); err != nil {
				return err
			}
		}
		const entity = `WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < $1)
			INSERT INTO entity(id, key, kind, scope, hash, valid_from, version, written_at, revision, source, state, approved, created_on, name, props) `
		for _, text := range []string{
			`SELECT 1000000 + i, 'r' || i, 1, 1, 0, 1, 1, 0, 0, 'provider', NULL, NULL, NULL, 'repo ' || i, jsonb_object('name', 'repo-' || i, 'slug', 'repo-' || i) FROM n WHERE i < $1 / 10`,
			`SELECT 2000000 + i, 'u' || i, 3, 1, 0, 1, 1, 0, 0, 'provider', NULL, NULL, NULL, 'user ' || i, jsonb_object('name', 'user ' || i) FROM n WHERE i < $1 / 50`,
			`SELECT i, 'p' || i, 2, 1, 0, 1, 1, 0, 0, 'provider', CASE i % 20 WHEN 0 THEN 'OPEN' ELSE 'MERGED' END, i % 3 = 0, 1700000000000 + i * 1000000, 'repo/' || i,
				jsonb_object('title', 'Change ' || i, 'description', hex(randomblob(150)), 'taskCount', i % 5, 'state', CASE i % 20 WHEN 0 THEN 'OPEN' ELSE 'MERGED' END, 'createdOn', 1700000000000 + i * 1000000) FROM n`,
		} {
			if _, err := tx.ExecContext(ctx, entity+text, benchSize); err != nil {
				return err
			}
		}
		for _, text := range []string{
			`SELECT 1000000 + id / 10, 1, id FROM entity WHERE kind = 2`,
			`SELECT 2000000 + id % ($1 / 50), 2, id FROM entity WHERE kind = 2`,
			`SELECT 2000000 + (id * 7 + 1) % ($1 / 50), 3, id FROM entity WHERE kind = 2 AND approved = 1`,
		} {
			if _, err := tx.ExecContext(ctx, `INSERT INTO rel(from_id, kind, to_id, owner, scope, valid_from) SELECT f, k, t, t, 1, 1 FROM (`+
				fmt.Sprintf("SELECT a AS f, b AS k, c AS t FROM (SELECT NULL AS a, NULL AS b, NULL AS c WHERE $1 < 0 UNION ALL %s)", text)+`)`, benchSize); err != nil {
				return err
			}
		}
		_, err := tx.ExecContext(ctx, "ANALYZE")
		return err
	})
	if err != nil {
		b.Fatal(err)
	}
	return New(st, graph.Standard()).WithClock(testNow)
}

func BenchmarkRun(b *testing.B) {
	e := benchEngine(b)
	for _, bench := range []struct{ name, text string }{
		{"CountTwoPredicates", "FIND PR WITH state = 'OPEN' AND approved = false AS pr RETURN COUNT(pr)"},
		{"PageOf250", "FIND PR WITH state = 'OPEN' LIMIT 250"},
		{"OneHopByDate", "FIND User THAT OPENED PR WITH createdOn > date(2025-05-01) LIMIT 250"},
		{"TwoHopsAnchored", "FIND User AS u THAT APPROVED PR THAT HAS CodeRepo WITH name = 'repo-77' RETURN u.displayName, COUNT(PR)"},
		{"WholeGraph", "FIND CodeRepo AS r THAT HAS PR AS p THAT APPROVED << User AS u RETURN COUNT(r), COUNT(p), COUNT(u)"},
		{"StreamEverything", "FIND PR"},
	} {
		b.Run(bench.name, func(b *testing.B) {
			rows := 0
			for b.Loop() {
				info, err := e.Run(b.Context(), Request{Text: bench.text, Viewer: Everything()}, func(Row) error { return nil })
				if err != nil {
					b.Fatal(err)
				}
				rows = info.Rows
			}
			b.ReportMetric(float64(rows), "rows")
		})
	}
}

func BenchmarkParse(b *testing.B) {
	for b.Loop() {
		if _, err := Parse("FIND User AS u THAT OPENED PR WITH state = ('OPEN' OR 'MERGED') AND createdOn > date.now - 7 days AS PR " +
			"THAT HAS CodeRepo WITH name = 'repo-name' AS repo RETURN u.displayName, COUNT(PR) AS n ORDER BY n DESC LIMIT 5"); err != nil {
			b.Fatal(err)
		}
	}
}
