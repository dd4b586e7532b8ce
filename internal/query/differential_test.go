package query

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/windlass-hq/windlass/internal/store/storetest"
)

// queryGen draws queries over the test world. Everything has an alias, so that every part can be referred to.
type queryGen struct {
	t     *rapid.T
	nodes int
	edges int
}

func oneOf[T any](t *rapid.T, label string, from ...T) T {
	return rapid.SampledFrom(from).Draw(t, label)
}

func chance(t *rapid.T, label string, percent int) bool {
	return rapid.IntRange(0, 99).Draw(t, label) < percent
}

func (g *queryGen) node(alias bool) Node {
	n := Node{}
	names := []string{"CodeRepo", "PR", "Review", "User", "Project", "Thing", "Nobody", "bitbucket_repo", "bitbucket_pullrequest", "bitbucket_user", "import_thing", "import_bare", "nobody"}
	switch {
	case chance(g.t, "any", 35):
		n.Any = true
	default:
		for range rapid.IntRange(1, 2).Draw(g.t, "names") {
			n.Names = append(n.Names, Name{Text: oneOf(g.t, "name", names...)})
		}
	}
	if chance(g.t, "with", 45) {
		n.With = g.condition(2, func() Operand { return Operand{Property: g.property(false)} })
	}
	if alias {
		n.Alias = &Name{Text: fmt.Sprintf("n%d", g.nodes)}
		g.nodes++
	}
	return n
}

func (g *queryGen) property(edge bool) string {
	if edge {
		return oneOf(g.t, "edge property", "state", "size", "_class", "_type", "_key", "_beginOn", "_fromEntityKey", "_toEntityKey", "displayName", "nothing")
	}
	if chance(g.t, "metadata", 30) {
		return oneOf(g.t, "metadatum", entityMetadata()...)
	}
	return oneOf(g.t, "property", append(worldProperties(), "nothing")...)
}

func (g *queryGen) operand() Operand {
	if g.edges > 0 && chance(g.t, "of edge", 30) {
		return Operand{Alias: fmt.Sprintf("r%d", rapid.IntRange(0, g.edges-1).Draw(g.t, "edge")), Property: g.property(true)}
	}
	return Operand{Alias: fmt.Sprintf("n%d", rapid.IntRange(0, g.nodes-1).Draw(g.t, "node")), Property: g.property(false)}
}

func (g *queryGen) condition(depth int, operand func() Operand) Expr {
	if depth > 0 && chance(g.t, "nested", 35) {
		var terms []Expr
		for range 2 {
			terms = append(terms, g.condition(depth-1, operand))
		}
		if chance(g.t, "and", 50) {
			return and(terms...)
		}
		return or(terms...)
	}
	ops := []Op{Equal, Equal, NotEqual, NotEqual, Greater, Less, AtLeast, AtMost, Contains, StartsWith, EndsWith, NotContains, NotStarts, NotEnds}
	c := &Compare{Left: operand(), Op: oneOf(g.t, "op", ops...)}
	values := 1
	if chance(g.t, "list", 25) {
		values = 2
		c.Right.Conjunction = oneOf(g.t, "conjunction", OneOf, AllOf)
	}
	for range values {
		c.Right.Values = append(c.Right.Values, g.value(c.Op, c.Left.Property, operand))
	}
	return c
}

func (g *queryGen) value(op Op, property string, operand func() Operand) Value {
	if chance(g.t, "property value", 15) {
		return Value{Kind: Property, Operand: operand()}
	}
	positive, _ := op.positive()
	text := func() Value {
		pool := []string{"a", "b", "ab", "B", "ä", "", "'", "%", "_", "OPEN", "1", `"`, `\`}
		switch property {
		case "_type":
			pool = []string{"bitbucket_repo", "bitbucket_pullrequest", "bitbucket", "repo", "import_thing", "nobody"}
		case "_class":
			pool = []string{"User", "PR", "Review", "e", "HAS", "IS"}
		case "_key", "_fromEntityKey", "_toEntityKey":
			pool = []string{"k:1", "k:2", "k:3", ":", "1", "k:1|HAS|k:2"}
		case "tag.AccountName":
			pool = []string{"acme", "beta", "a", "untagged"}
		case "_source":
			pool = []string{"provider", "manual"}
		}
		return Value{Kind: String, Text: oneOf(g.t, "text", pool...)}
	}
	number := func() Value {
		switch property {
		case "createdOn", "updatedOn", "_beginOn", "_createdOn":
			if chance(g.t, "exact", 30) {
				m := oneOf(g.t, "moment", moments()...)
				return Value{Kind: Number, Int: m.UnixMilli()}
			}
			return Value{Kind: Moment, Date: Date{Now: true, Amount: -int64(rapid.IntRange(1, 12).Draw(g.t, "days")), Unit: Days}}
		}
		if chance(g.t, "fraction", 20) {
			return Value{Kind: Number, Float: 1.5, IsFloat: true}
		}
		return Value{Kind: Number, Int: oneOf[int64](g.t, "number", -1, 0, 1, 2, 3, 55)}
	}
	switch {
	case positive.ordered():
		return number()
	case positive != Equal:
		return text()
	}
	switch rapid.IntRange(0, 4).Draw(g.t, "kind of value") {
	case 0:
		return Value{Kind: Undefined}
	case 1:
		return Value{Kind: Boolean, Bool: chance(g.t, "true", 50)}
	case 2:
		return number()
	}
	return text()
}

func (g *queryGen) query() string { return g.tree().String() }

// tree draws a whole query.
func (g *queryGen) tree() *Query {
	q := &Query{Start: g.node(true)}
	hops := rapid.IntRange(0, 3).Draw(g.t, "hops")
	for i := range hops {
		h := Hop{Direction: oneOf(g.t, "direction", Either, Either, Forward, Backward)}
		if !chance(g.t, "relates", 40) {
			for range rapid.IntRange(1, 2).Draw(g.t, "verbs") {
				h.Verbs = append(h.Verbs, Name{Text: oneOf(g.t, "verb", append(worldVerbs(), "NEVER")...)})
			}
		}
		h.Not = i == hops-1 && chance(g.t, "not", 25)
		h.Target = g.node(!h.Not)
		if !h.Not {
			h.Alias = &Name{Text: fmt.Sprintf("r%d", g.edges)}
			g.edges++
		}
		q.Hops = append(q.Hops, h)
	}
	if chance(g.t, "where", 30) {
		q.Where = g.condition(2, g.operand)
	}
	if chance(g.t, "return", 75) {
		q.Unique = chance(g.t, "unique", 20)
		for i := range rapid.IntRange(1, 3).Draw(g.t, "items") {
			q.Return = append(q.Return, g.item(i))
		}
	}
	return q
}

func (g *queryGen) item(i int) Item {
	item := Item{Operand: g.operand(), Label: fmt.Sprintf("c%d", i)}
	if chance(g.t, "aggregate", 30) {
		item.Func = oneOf(g.t, "function", Count, Count, Min, Max, Avg, Sum)
		if item.Func == Count && chance(g.t, "of alias", 60) {
			item.Operand.Property = ""
		}
		return item
	}
	if chance(g.t, "whole", 15) {
		item.Operand.Property = ""
		if chance(g.t, "all", 50) {
			item.All, item.Label = true, ""
			item.Operand.Alias = fmt.Sprintf("n%d", i%g.nodes)
		}
	}
	return item
}

func TestParseReadsWhatStringPrints(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		g := &queryGen{t: rt}
		want := g.tree()
		got, err := Parse(want.String())
		if err != nil {
			if strings.Contains(err.Error(), "two columns") {
				rt.Skip()
			}
			rt.Fatalf("%s: %v", want, err)
		}
		if got.Order != nil {
			got.Order.column = -1
		}
		unbound := cmp.Comparer(func(a, b slot) bool { return true })
		if diff := cmp.Diff(want, got, sameTree(), unbound); diff != "" {
			rt.Fatalf("%s\n(-drawn +parsed)\n%s", want, diff)
		}
	})
}

// TestSQLMeansWhatTheNaiveEvaluatorMeans is the proof of the planner: random queries over random graphs, now and in
// the past, for the owner and for somebody who sees a part, on both databases.
func TestSQLMeansWhatTheNaiveEvaluatorMeans(t *testing.T) {
	storetest.EachDatabase(t, func(t *testing.T, db *storetest.Database) {
		for seed := range uint64(3) {
			t.Run(fmt.Sprint(seed), func(t *testing.T) {
				each := db
				if seed > 0 {
					each = map[string]func(testing.TB) *storetest.Database{"sqlite": storetest.SQLite, "postgres": storetest.PostgreSQL}[db.Name](t)
				}
				w := randomWorld(seed)
				differential(t, w, engineOver(t, each.Open(t), w))
			})
		}
	})
}

// differential asks one world the same question twice.
func differential(t *testing.T, w world, e *Engine) {
	rapid.Check(t, func(rt *rapid.T) {
		g := &queryGen{t: rt}
		text := g.query()
		q, err := Parse(text)
		if err != nil {
			if strings.Contains(err.Error(), "two columns") {
				rt.Skip()
			}
			rt.Fatalf("%s: %v", text, err)
		}
		viewer := Everything()
		if chance(rt, "restricted", 30) {
			viewer = Within([]int64{1, 2}, []int64{1})
		}
		r := Request{Text: text, Viewer: viewer}
		at := testNow()
		if chance(rt, "past", 50) {
			at = oneOf(rt, "at", moments()...).Add(time.Duration(rapid.IntRange(-1, 1).Draw(rt, "offset")) * time.Microsecond)
			r.At = &at
		}
		n := &naive{w: w, q: q, at: at.UnixMicro(), now: testNow(), viewer: viewer}
		want := n.answer()

		counts, err := e.sizes(context.Background(), mustSchema(rt, e))
		if err != nil {
			rt.Fatal(err)
		}
		assertNoLiterals(rt, e, q, r, counts)

		var got []Row
		if _, err := e.Run(context.Background(), r, func(row Row) error {
			got = append(got, row)
			return nil
		}); err != nil {
			rt.Fatalf("%s\n%v", text, err)
		}
		if diff := cmp.Diff(texts(canonAll(want)), texts(canonAll(got))); diff != "" {
			rt.Fatalf("%s\nat %v viewer %+v\n(-naive +sql)\n%s\n%s", text, r.At, viewer, diff, sqlOf(rt, e, q, r, counts))
		}
		g.bounded(e, q, r, got)
	})
}

// bounded asks again with an order and a bound, which must choose from the same rows.
func (g *queryGen) bounded(e *Engine, q *Query, r Request, all []Row) {
	column := ""
	switch {
	case q.Return == nil:
		column = oneOf(g.t, "order", "displayName", "state", "createdOn", "size", "_version", "_key")
	case q.Return[0].Operand.Property != "" || q.Return[0].Func != None:
		column = q.Return[0].Column()
	}
	desc := chance(g.t, "desc", 50)
	skip, limit := rapid.IntRange(0, 3).Draw(g.t, "skip"), rapid.IntRange(0, 5).Draw(g.t, "limit")
	text := r.Text
	if column != "" {
		text += " ORDER BY " + column + map[bool]string{true: " DESC"}[desc]
	}
	var sorted, got []Row
	ask := func(text string, into *[]Row) {
		r.Text = text
		if _, err := e.Run(context.Background(), r, func(row Row) error {
			*into = append(*into, row)
			return nil
		}); err != nil {
			g.t.Fatalf("%s\n%v", text, err)
		}
	}
	ask(text, &sorted)
	if diff := cmp.Diff(texts(canonAll(all)), texts(canonAll(sorted))); diff != "" {
		g.t.Fatalf("%s\nordering changes the rows\n%s", text, diff)
	}
	for i := 1; column != "" && i < len(sorted); i++ {
		a, b := sorted[i-1].Get(column), sorted[i].Get(column)
		ra, na, ta := sortRank(a)
		rb, nb, tb := sortRank(b)
		if desc {
			na, nb, ta, tb = nb, na, tb, ta
		}
		if ra > rb || ra == rb && (na > nb || na == nb && ta > tb) {
			g.t.Fatalf("%s\n%v stands before %v", text, a, b)
		}
	}
	ask(fmt.Sprintf("%s SKIP %d LIMIT %d", text, skip, limit), &got)
	want := sorted[min(skip, len(sorted)):]
	want = want[:min(limit, len(want))]
	a, b := make([]string, 0), make([]string, 0)
	for _, row := range want {
		a = append(a, canon(row))
	}
	for _, row := range got {
		b = append(b, canon(row))
	}
	if diff := cmp.Diff(a, b); diff != "" {
		g.t.Fatalf("%s SKIP %d LIMIT %d\n(-page of all +page)\n%s", text, skip, limit, diff)
	}
}

func mustSchema(t rapid.TB, e *Engine) Schema {
	s, err := e.Schema(context.Background())
	if err != nil {
		t.Fatalf("schema: %v", err)
	}
	return s
}

// planOf plans a query as Run does.
func planOf(t rapid.TB, e *Engine, q *Query, r Request, counts map[int64]int64) *plan {
	p := &planner{q: q, d: e.d, schema: mustSchema(t, e), viewer: r.Viewer, now: testNow(), limit: r.Limit, tagged: true, counts: counts}
	if r.At != nil {
		micros := r.At.UnixMicro()
		p.at = &micros
	}
	return p.plan()
}

func sqlOf(t rapid.TB, e *Engine, q *Query, r Request, counts map[int64]int64) string {
	p := planOf(t, e, q, r, counts)
	return p.sql + "\n" + fmt.Sprintf("%q", p.args)
}

// assertNoLiterals plans the query with every constant and property name replaced by others of the same kind: the
// statement must stay the same, so nothing of the text is in it.
func assertNoLiterals(t *rapid.T, e *Engine, q *Query, r Request, counts map[int64]int64) {
	before := planOf(t, e, q, r, counts).sql
	for _, c := range before {
		if c == 'ä' {
			t.Fatalf("%s: a constant stands in the statement\n%s", q, before)
		}
	}
	changed, err := Parse(q.String())
	if err != nil {
		t.Fatal(err)
	}
	change := func(e Expr) {
		comparisons(e, func(c *Compare) {
			if strings.HasPrefix(c.Left.Property, "_") || c.Left.Property == "displayName" && c.Left.Alias != "" {
				return // _type and _class are settled before SQL: another constant is another statement
			}
			for i := range c.Right.Values {
				switch v := &c.Right.Values[i]; v.Kind {
				case String:
					v.Text = "'; DROP TABLE entity; --"
				case Number:
					if !v.IsFloat {
						v.Int = 424242
					}
				case Boolean:
					v.Bool = !v.Bool
				}
			}
		})
	}
	change(changed.Start.With)
	for _, h := range changed.Hops {
		change(h.Target.With)
	}
	change(changed.Where)
	// The order of the steps is estimated from constants' kinds, never from their values.
	if after := planOf(t, e, changed, r, counts).sql; after != before {
		t.Fatalf("%s: other constants make another statement\n%s\n%s", q, before, after)
	}
}
