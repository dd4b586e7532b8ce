package query

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/windlass-hq/windlass/internal/graph"
	"github.com/windlass-hq/windlass/internal/store"
)

var update = flag.Bool("update", false, "rewrite the golden plans")

// declaredSchema is a graph that holds what the model declares and nothing else.
func declaredSchema() (Schema, map[int64]int64) {
	m := graph.Standard()
	sizes := map[string]int64{
		graph.TypeWorkspace: 3, graph.TypeProject: 100, graph.TypeRepo: 5000, graph.TypeUser: 20_000, graph.TypePullRequest: 100_000,
	}
	ids, counts := map[string]int64{}, map[int64]int64{}
	var kinds []store.Kind
	for i, t := range m.Types() {
		ids[t.Type] = int64(i + 1)
		counts[int64(i+1)] = sizes[t.Type]
		kinds = append(kinds, store.Kind{ID: int64(i + 1), Type: t.Type, Classes: t.Classes})
	}
	var rels []store.RelKind
	for i, r := range m.Relationships() {
		rels = append(rels, store.RelKind{ID: int64(i + 1), Verb: r.Verb, From: ids[r.From], To: ids[r.To], Type: r.TypeName()})
	}
	return NewSchema(m, kinds, rels), counts
}

// TestPlans shows what the planner makes of typical queries. A change here is a change of speed: look at it, measure,
// then run with -update.
func TestPlans(t *testing.T) {
	queries := []struct{ name, text string }{
		{"everything_of_a_class", "FIND PR"},
		{"two_predicates_counted", "FIND PR WITH state = 'OPEN' AND approved = false AS pr RETURN COUNT(pr)"},
		{"page_in_order_of_ids", "FIND PR WITH state = 'OPEN' LIMIT 250"},
		{"newest_first", "FIND PR WITH state = 'MERGED' ORDER BY createdOn DESC LIMIT 10"},
		{"name_contains", "FIND User WITH displayName ~= 'ann'"},
		{"unpromoted_scalar", "FIND PR WITH title ^= 'Fix' AND taskCount > 3 AND draft != true"},
		{"unpromoted_list", "FIND PR WITH reviewers = ('Ann' AND 'Bob')"},
		{"new_since", "FIND CodeRepo WITH _beginOn > date.now - 24hr AND _version = 1"},
		{"semi_join_from_the_selective_end", "FIND User THAT OPENED PR WITH createdOn > date.now - 7 days"},
		{"anchored_at_one_repository", "FIND User AS u THAT APPROVED PR THAT HAS CodeRepo WITH name = 'windlass' RETURN u.displayName, COUNT(PR) AS n ORDER BY n DESC LIMIT 10"},
		{"three_hops_of_one_workspace", "FIND bitbucket_workspace WITH slug = 'acme' THAT OWNS CodeRepo AS r THAT HAS PR THAT APPROVED << User AS u RETURN u, COUNT(PR)"},
		{"both_directions", "FIND (CodeRepo|Project) THAT HAS (PR|CodeRepo) AS x RETURN x._type, COUNT(x)"},
		{"negated", "FIND CodeRepo THAT !HAS PR WITH state = 'OPEN'"},
		{"where_across_aliases", "FIND User AS a THAT OPENED PR AS p THAT APPROVED AS r User AS b WHERE a.accountId = b.accountId AND p.state = 'MERGED' RETURN p.webLink, a.name, r._beginOn"},
		{"sum_over_distinct", "FIND User AS u THAT (OPENED|REVIEWED) PR AS p RETURN u.displayName, SUM(p.taskCount)"},
		{"in_the_past", "FIND CodeRepo WITH name = 'windlass' THAT HAS PR WITH state = 'OPEN' AS p AT '2026-03-01' RETURN p.title"},
		{"restricted_viewer", "FIND CodeRepo THAT HAS PR WITH state = 'OPEN' AS p RETURN COUNT(p)"},
	}
	schema, counts := declaredSchema()
	for _, d := range []string{"sqlite", "postgres"} {
		var b strings.Builder
		for _, c := range queries {
			q, err := Parse(c.text)
			if err != nil {
				t.Fatalf("%s: %v", c.name, err)
			}
			viewer := Everything()
			if c.name == "restricted_viewer" {
				viewer = Within([]int64{7, 8}, []int64{9})
			}
			p := &planner{q: q, d: dialect{postgres: d == "postgres"}, schema: schema, counts: counts, viewer: viewer, now: testNow(), tagged: true}
			if q.At != nil {
				micros := q.At.Resolve(testNow()).UnixMicro()
				p.at = &micros
			}
			plan := p.plan()
			fmt.Fprintf(&b, "-- %s\n-- %s\n%s\n", c.name, q, plan.sql)
			for i, a := range plan.args {
				fmt.Fprintf(&b, "-- $%d %T %v\n", i+1, a, a)
			}
			b.WriteString("\n")
		}
		file := filepath.Join("testdata", "plans."+d+".sql")
		if *update {
			if err := os.WriteFile(file, []byte(b.String()), 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), b.String()); diff != "" {
			t.Errorf("%s differs (-golden +now); if that is meant, run with -update\n%s", file, diff)
		}
	}
}
