package query

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/windlass-hq/windlass/internal/store"
)

// planner turns one query into one SQL statement. All it knows of the database is handed in, so that the same input
// makes the same text.
type planner struct {
	q      *Query
	d      dialect
	schema Schema
	counts map[int64]int64 // open entities by kind, roughly; for the order of the steps
	viewer Viewer
	now    time.Time
	at     *int64 // microseconds; nil for now
	limit  int    // besides the query's own; 0 for none
	tagged bool   // whether some connection has an account name to show

	args      []any
	bound     map[string]string    // placeholders of what may occur several times, by what it is
	constants map[*Value]*constant // likewise

	nodes []place // of the path without a negated target
	hops  []link
	not   *link  // the negated hop behind the path
	last  *place // its target
	where []Expr // what could not be moved to a node or hop

	steps   []string // WITH …
	done    frontier // of the last step
	columns []string // that a direct step carries
	// forgotten are properties that were asked for and are unknown at the past moment.
	forgotten []string
	split     bool // the result has its own ways of writing that step
}

// place is a node of the path.
type place struct {
	any   bool
	kinds []store.Kind
	conds []Expr // WITH, and what of WHERE concerns this node alone
	need  bool   // whether the result needs its id
	where bool   // whether the part of WHERE that comes last needs it
}

// link is a hop of the path.
type link struct {
	forward, backward []store.RelKind // by the direction from the node before it
	conds             []Expr
	need, where       bool // as of a place
}

// frontier describes the rows of a step.
type frontier struct {
	name     string
	from, to int   // the nodes reached, of which the outer two may go on
	nodes    []int // whose ids are columns n0, n1, …
	hops     []int // whose edges are columns f1, k1, t1, …
	distinct bool
}

// plan is a statement ready to run.
type plan struct {
	sql     string
	args    []any
	columns []string
	emit    []emitter
}

// bind adds an argument and returns its placeholder.
func (p *planner) bind(v any) string {
	p.args = append(p.args, v)
	return "$" + strconv.Itoa(len(p.args))
}

// once binds an argument that occurs several times. The name tells apart arguments of equal value and different type.
func (p *planner) once(name string, v any) string {
	if p.bound == nil {
		p.bound = map[string]string{}
	}
	if p.bound[name] == "" {
		p.bound[name] = p.bind(v)
	}
	return p.bound[name]
}

// changing binds a number by which SQLite does not choose an index (dialect.changing).
func (p *planner) changing(name string, n int64) string { return p.d.changing(p.once(name, n)) }

// path binds a property name.
func (p *planner) path(property string) string {
	return p.once("path "+property, p.d.path(property))
}

// in tests a column for one of some kinds; none at all is FALSE.
func (p *planner) in(column string, ids []int64) string {
	switch len(ids) {
	case 0:
		return "FALSE"
	case 1:
		return column + " = " + p.kind(ids[0])
	}
	list := make([]string, len(ids))
	for i, id := range ids {
		list[i] = p.kind(id)
	}
	return column + " IN (" + strings.Join(list, ", ") + ")"
}

// kind writes the number of a kind: ours, and there are few.
func (p *planner) kind(id int64) string {
	n := strconv.FormatInt(id, 10)
	if p.d.postgres {
		return p.once("kind "+n, id)
	}
	return n
}

// plan makes the statement.
func (p *planner) plan() *plan {
	p.resolve()
	p.pushDown()
	p.needs()
	p.walk()
	if p.not != nil {
		p.negated()
	}
	if len(p.where) > 0 {
		p.filtered()
	}
	return p.result()
}

// resolve finds the kinds of nodes and hops.
func (p *planner) resolve() {
	node := func(n Node) place {
		pl := place{any: n.Any, kinds: p.schema.kinds}
		if !n.Any {
			pl.kinds = nil
			seen := map[int64]bool{}
			for _, name := range n.Names {
				for _, k := range p.schema.kindsOf(name.Text) {
					if !seen[k.ID] {
						seen[k.ID] = true
						pl.kinds = append(pl.kinds, k)
					}
				}
			}
		}
		if n.With != nil {
			pl.conds = conjuncts(n.With)
		}
		return pl
	}
	p.nodes = []place{node(p.q.Start)}
	for _, h := range p.q.Hops {
		target := node(h.Target)
		l := p.link(h, p.nodes[len(p.nodes)-1], target)
		if h.Not {
			p.not, p.last = &l, &target
			return
		}
		p.nodes, p.hops = append(p.nodes, target), append(p.hops, l)
	}
}

// link finds the kinds of relationships that a hop can use, which settles verb, ends and direction.
func (p *planner) link(h Hop, from, to place) link {
	ids := func(pl place) map[int64]bool {
		m := map[int64]bool{}
		for _, k := range pl.kinds {
			m[k.ID] = true
		}
		return m
	}
	left, right := ids(from), ids(to)
	var l link
	for _, k := range p.schema.rels {
		if len(h.Verbs) > 0 && !contains(verbs(h), strings.ToUpper(k.Verb)) {
			continue
		}
		if h.Direction != Backward && left[k.From] && right[k.To] {
			l.forward = append(l.forward, k)
		}
		if h.Direction != Forward && left[k.To] && right[k.From] {
			l.backward = append(l.backward, k)
		}
	}
	return l
}

// conjuncts splits a condition at its outer ANDs.
func conjuncts(e Expr) []Expr {
	switch e := e.(type) {
	case nil:
		return nil
	case *And:
		return e.Terms
	}
	return []Expr{e}
}

// pushDown moves those parts of WHERE that concern one place to that place, where they narrow the path early.
func (p *planner) pushDown() {
	for _, c := range conjuncts(p.q.Where) {
		slots := map[slot]bool{}
		var only slot
		operands(c, func(o Operand) { slots[o.ref], only = true, o.ref })
		switch {
		case len(slots) > 1:
			p.where = append(p.where, c)
		case only.edge:
			p.hops[only.index].conds = append(p.hops[only.index].conds, c)
		default:
			p.nodes[only.index].conds = append(p.nodes[only.index].conds, c)
		}
	}
}

// needs marks what has to be kept to the end.
func (p *planner) needs() {
	mark := func(s slot) {
		if s.edge {
			p.hops[s.index].need = true
		} else {
			p.nodes[s.index].need = true
		}
	}
	for _, c := range p.where {
		operands(c, func(o Operand) {
			if o.ref.edge {
				p.hops[o.ref.index].where = true
			} else {
				p.nodes[o.ref.index].where = true
			}
		})
	}
	for _, i := range p.q.Return {
		mark(i.Operand.ref)
	}
	if o := p.q.Order; o != nil && o.By != nil {
		mark(o.By.Operand.ref)
	}
	if p.q.Return == nil {
		p.nodes[0].need = true
	}
}

// sets reports whether equal rows may be merged on the way, since the result is a set or aggregates sets.
func (p *planner) sets() bool {
	return p.q.Return == nil || p.q.Unique || p.q.aggregated()
}

// condition writes a condition; at gives the row of an operand. Written so that NULL counts as false: negation happens
// nowhere but around single comparisons.
func (p *planner) condition(e Expr, at func(Operand) row) string {
	join := func(terms []Expr, word string) string {
		sql := make([]string, len(terms))
		for i, t := range terms {
			sql[i] = p.condition(t, at)
		}
		return "(" + strings.Join(sql, word) + ")"
	}
	switch e := e.(type) {
	case *And:
		return join(e.Terms, " AND ")
	case *Or:
		return join(e.Terms, " OR ")
	case *Compare:
		return p.comparison(e, at)
	}
	panic(fmt.Sprintf("query: unknown expression %T", e))
}

// comparison writes one comparison. p != (a OR b) is the negation of p = (a OR b), and so on: De Morgan holds.
func (p *planner) comparison(c *Compare, at func(Operand) row) string {
	op, negated := c.Op.positive()
	left := p.operand(at(c.Left), c.Left.Property)
	var sql []string
	for i := range c.Right.Values {
		v := &c.Right.Values[i]
		switch v.Kind {
		case Undefined:
			sql = append(sql, left.undefined())
		case Property:
			right := p.operand(at(v.Operand), v.Operand.Property)
			if scalars, ok := compareScalars(left, op, right); ok {
				sql = append(sql, scalars)
				continue
			}
			sql = append(sql, "EXISTS (SELECT 1 FROM "+left.elements()+" AS v CROSS JOIN "+right.elements()+" AS w WHERE "+
				p.d.compareElements("v", op, "w")+")")
		default:
			sql = append(sql, left.test(op, p.constant(v)))
		}
	}
	s := sql[0]
	if len(sql) > 1 {
		s = "(" + strings.Join(sql, " "+string(c.Right.Conjunction)+" ") + ")"
	}
	if negated {
		return "(" + s + ") IS NOT TRUE"
	}
	return s
}

// constant returns the constant of a value, the same one wherever the value is used again.
func (p *planner) constant(v *Value) *constant {
	if c := p.constants[v]; c != nil {
		return c
	}
	c := &constant{p: p, kind: v.Kind}
	switch {
	case v.Kind == String:
		c.value = v.Text
	case v.Kind == Boolean:
		c.value = v.Bool
	case v.Kind == Moment:
		c.kind, c.value = Number, v.Date.Resolve(p.now).UnixMilli()
	case v.IsFloat:
		c.value = v.Float
	default:
		c.value = v.Int
	}
	if p.constants == nil {
		p.constants = map[*Value]*constant{}
	}
	p.constants[v] = c
	return c
}

// visible is the viewer's predicate on an entity, "" for whoever sees everything.
func (p *planner) visible(r row) string {
	if p.viewer.everything {
		return ""
	}
	list := func(ids ...int64) string {
		b, _ := json.Marshal(append([]int64{}, ids...)) // a list of numbers always encodes
		return p.d.ids(p.once("ids "+string(b), string(b)))
	}
	repos, projects := p.viewer.repos, p.viewer.projects
	return "(" + r.col("repo") + " IN " + list(repos...) +
		" OR " + r.col("repo") + " IS NULL AND " + r.col("project") + " IN " + list(projects...) +
		" OR " + r.col("id") + " IN " + list(append(append([]int64{}, repos...), projects...)...) +
		" OR " + r.col("repo") + " IS NULL AND " + r.col("project") + " IS NULL AND NOT " + p.confined(r) + ")"
}

// confined tests for the kinds that are repositories or projects themselves: those belong to somebody even where the
// columns do not say so.
func (p *planner) confined(r row) string {
	var ids []int64
	for _, k := range p.schema.kinds {
		if contains(k.Classes, "CodeRepo") || contains(k.Classes, "Project") {
			ids = append(ids, k.ID)
		}
	}
	return "(" + p.in(r.col("kind"), ids) + ")"
}
