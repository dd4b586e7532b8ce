package query

import (
	"slices"
	"strconv"
	"strings"

	"github.com/windlass-hq/windlass/internal/store"
)

func id(node int) string { return "n" + strconv.Itoa(node) }

func edgeColumns(hop int) []string {
	n := strconv.Itoa(hop + 1)
	return []string{"f" + n, "k" + n, "t" + n}
}

// columns lists the columns of a step.
func (f frontier) columns() []string {
	var out []string
	for _, n := range f.nodes {
		out = append(out, id(n))
	}
	for _, h := range f.hops {
		out = append(out, edgeColumns(h)...)
	}
	return out
}

// kindCond restricts an entity to the kinds of a node, "" for any.
func (p *planner) kindCond(column string, pl place) string {
	if pl.any {
		return ""
	}
	ids := make([]int64, len(pl.kinds))
	for i, k := range pl.kinds {
		ids[i] = k.ID
	}
	return p.in(column, ids)
}

// entityRow is the row of a table alias.
func entityRow(alias string, pl place) row {
	return row{kinds: pl.kinds, col: func(c string) string { return alias + "." + c }}
}

func edgeRow(alias string, kinds []store.RelKind) row {
	return row{edge: true, edges: kinds, col: func(c string) string { return alias + "." + c }}
}

// filters writes the conditions of a node on a row, the viewer's included, its kinds not.
func (p *planner) filters(r row, pl place) []string {
	var conds []string
	for _, c := range pl.conds {
		conds = append(conds, p.condition(c, func(Operand) row { return r }))
	}
	if v := p.visible(r); v != "" {
		conds = append(conds, v)
	}
	return conds
}

// filtering reports whether a node needs its entity at all: a hop's relationship settles the kind by itself.
func (p *planner) filtering(pl place) bool { return len(pl.conds) > 0 || !p.viewer.everything }

// step adds a common table expression. It is materialised, so that the order of the steps stays the planner's and is
// not the database's to change.
func (p *planner) step(f frontier, branches []string, merge bool) {
	f.name = "s" + strconv.Itoa(len(p.steps))
	union := " UNION ALL "
	if merge {
		union = " UNION "
	}
	p.steps = append(p.steps, f.name+" AS MATERIALIZED ("+strings.Join(branches, union)+")")
	p.done = f
}

// walk writes the steps from the most selective node outwards.
func (p *planner) walk() {
	order := p.order()
	first := order[0]
	f := frontier{name: "s0", from: first, to: first, nodes: []int{first}, distinct: true}
	if p.direct() {
		p.done = f // the result writes it, once it knows which columns it wants of it
		return
	}
	p.step(f, p.start(first, nil), false)
	for _, n := range order[1:] {
		p.extend(n)
	}
}

// direct reports whether the query is one node. Its columns are then read where its rows are chosen, and not fetched
// again by its ids.
func (p *planner) direct() bool { return len(p.nodes) == 1 && p.not == nil }

// start selects the entities of a node, with further columns.
func (p *planner) start(node int, columns []string) []string {
	pl := p.nodes[node]
	var branches []string
	for _, t := range p.tables() {
		from, valid, left := p.from(pl, t)
		if !t.closed && p.at != nil && len(columns) == 0 && !p.filtering(pl) && !pl.any {
			// Nothing but ids is wanted of a whole kind: the index on the time holds them, and ends where they do.
			valid = []string{"e.valid_from <= " + p.moment()}
		}
		var conds []string
		if k := p.kindCond("e.kind", pl); k != "" {
			conds = append(conds, k)
		}
		r := entityRow("e", pl)
		r.choice = p.chosen(pl)
		if t.closed {
			// The bounds of the time are those of the classes.
			r.col = func(c string) string { return unindexed(c) + "e." + c }
		}
		conds = append(conds, p.filters(r, place{conds: left})...)
		conds = append(conds, valid...)
		list := []string{"e.id AS " + id(node)}
		for _, c := range columns {
			list = append(list, "e."+c+" AS "+carriedColumn(c))
		}
		branches = append(branches, "SELECT "+strings.Join(list, ", ")+" FROM "+from+whereAll(conds))
	}
	return branches
}

// unindexed keeps a database from choosing an index by a condition on a closed version's time, where it is column.
func unindexed(column string) string {
	if column == "valid_from" {
		return "+"
	}
	return ""
}

// carriedColumn is what a column of an entity is called in the step that carries it.
func carriedColumn(column string) string { return "v_" + column }

func whereAll(conds []string) string {
	if len(conds) == 0 {
		return ""
	}
	return " WHERE " + strings.Join(conds, " AND ")
}

// branch is one direction of a hop, from a node reached to a new one.
type branch struct {
	kinds    []store.RelKind
	near     string // the column of rel at the node reached
	far      string // the column of rel at the new node
	unlooped bool   // leave out relationships of an entity with itself: the other branch has them
}

// branches are the one or two directions in which a hop can be read.
func (l link) branches(leftwards bool) []branch {
	near, far := "from_id", "to_id"
	if leftwards {
		near, far = far, near
	}
	var out []branch
	if len(l.forward) > 0 || len(l.backward) == 0 {
		out = append(out, branch{kinds: l.forward, near: near, far: far})
	}
	if len(l.backward) > 0 {
		out = append(out, branch{kinds: l.backward, near: far, far: near, unlooped: overlap(l.forward, l.backward)})
	}
	return out
}

func overlap(a, b []store.RelKind) bool {
	return slices.ContainsFunc(a, func(x store.RelKind) bool {
		return slices.ContainsFunc(b, func(y store.RelKind) bool { return x.ID == y.ID })
	})
}

// parallel reports whether two relationships of the hop may join the same two entities.
func (l link) parallel() bool {
	verbs := map[string]bool{}
	for _, k := range append(append([]store.RelKind{}, l.forward...), l.backward...) {
		verbs[k.Verb] = true
	}
	return len(verbs) > 1 || len(l.forward) > 0 && len(l.backward) > 0
}

// conds writes the conditions on the relationship r of a branch.
func (b branch) conds(p *planner, l link, t table, near string) []string {
	ids := make([]int64, len(b.kinds))
	for i, k := range b.kinds {
		ids[i] = k.ID
	}
	conds := []string{"r." + b.near + " = " + near}
	if len(ids) == 0 || len(ids) < len(p.schema.rels) {
		conds = append(conds, p.in("r.kind", ids))
	}
	if b.unlooped {
		conds = append(conds, "r.from_id <> r.to_id")
	}
	conds = append(conds, p.valid("r", t.closed)...)
	r := edgeRow("r", b.kinds)
	for _, c := range l.conds {
		conds = append(conds, p.condition(c, func(Operand) row { return r }))
	}
	return conds
}

// extend goes from the rows reached to a neighbouring node. Columns that nothing needs any more are dropped on the way,
// and where the result is a set, rows that have become equal are merged: a chain then carries only its outer ends.
func (p *planner) extend(n int) {
	before := p.done
	leftwards := n < before.from
	hop, near := n-1, before.to
	if leftwards {
		hop, near = n, before.from
	}
	l, pl := p.hops[hop], p.nodes[n]
	after := frontier{from: min(before.from, n), to: max(before.to, n)}
	keep := func(node int) bool { return p.live(node, after) }
	for _, m := range before.nodes {
		if keep(m) {
			after.nodes = append(after.nodes, m)
		}
	}
	after.hops = slices.Clone(before.hops)
	if l.need || l.where {
		after.hops = append(after.hops, hop)
	}
	if keep(n) {
		after.nodes = append(after.nodes, n)
	}
	// Rows stay different unless a column went, the new one is not kept, or two edges lead to the same entity.
	dropped := len(after.nodes) <= len(before.nodes) || l.parallel() && !l.need && !l.where
	merge := p.sets() && (dropped || !before.distinct)
	after.distinct = before.distinct && !dropped || merge

	var branches []string
	directions := l.branches(leftwards)
	single := len(directions)*len(p.tables()) == 1 // else UNION merges
	for _, b := range directions {
		for _, t := range p.tables() {
			conds := b.conds(p, l, t, "s."+id(near))
			from := before.name + " AS s CROSS JOIN " + t.rel + " AS r"
			if p.filtering(pl) {
				joins, filters := p.looked(pl, "r."+b.far)
				from, conds = from+joins, append(conds, filters...)
			}
			columns := p.carry(before, after, n, hop, "r."+b.far)
			branches = append(branches, selects(merge && single)+columns+" FROM "+from+whereAll(conds))
		}
	}
	p.step(after, branches, merge)
}

// looked joins the entity behind a hop, by its id, and returns the conditions on it.
func (p *planner) looked(pl place, at string) (joins string, conds []string) {
	if p.at == nil {
		return " CROSS JOIN entity AS e", append([]string{"e.id = " + at}, p.filters(entityRow("e", pl), pl)...)
	}
	joins, col := p.version("entity", "e", "o", []string{"id"}, []string{at})
	return joins, append([]string{"COALESCE(e.id, o.id) IS NOT NULL"}, p.filters(row{kinds: pl.kinds, col: col}, pl)...)
}

// selects begins a SELECT that merges equal rows or not.
func selects(merge bool) string {
	if merge {
		return "SELECT DISTINCT "
	}
	return "SELECT "
}

// live reports whether a node's id is still needed once the rows reach over f: for the result, or to go on from.
func (p *planner) live(node int, f frontier) bool {
	return p.nodes[node].need || p.nodes[node].where ||
		node == f.from && f.from > 0 ||
		node == f.to && (f.to < len(p.nodes)-1 || p.not != nil)
}

// carry lists the columns of a step made from those of the step before and the new node and edge.
func (p *planner) carry(before, after frontier, node, hop int, far string) string {
	var out []string
	for _, m := range after.nodes {
		if m == node {
			out = append(out, far+" AS "+id(m))
		} else {
			out = append(out, "s."+id(m))
		}
	}
	for _, h := range after.hops {
		c := edgeColumns(h)
		if h == hop && !slices.Contains(before.hops, h) {
			out = append(out, "r.from_id AS "+c[0], "r.kind AS "+c[1], "r.to_id AS "+c[2])
			continue
		}
		for _, name := range c {
			out = append(out, "s."+name)
		}
	}
	if len(out) == 0 {
		return "1 AS one"
	}
	return strings.Join(out, ", ")
}

// negated keeps the rows whose last node has no such relationship to such an entity.
func (p *planner) negated() {
	before, l, pl := p.done, *p.not, *p.last
	n := len(p.nodes) - 1
	var conds []string
	for _, b := range l.branches(false) {
		if len(b.kinds) == 0 {
			continue
		}
		for _, t := range p.tables() {
			from, inner := t.rel+" AS r", b.conds(p, l, t, "s."+id(n))
			if p.filtering(pl) {
				joins, filters := p.looked(pl, "r."+b.far)
				from, inner = from+joins, append(inner, filters...)
			}
			conds = append(conds, "NOT EXISTS (SELECT 1 FROM "+from+whereAll(inner)+")")
		}
	}
	after := before
	after.nodes = nil
	for _, m := range before.nodes {
		if p.nodes[m].need || p.nodes[m].where {
			after.nodes = append(after.nodes, m)
		}
	}
	p.narrowed(after, "", conds)
}

// filtered applies what is left of WHERE.
func (p *planner) filtered() {
	before := p.done
	f := p.fetcher()
	var conds []string
	for _, c := range p.where {
		conds = append(conds, p.condition(c, func(o Operand) row { return f.row(o.ref) }))
	}
	after := before
	after.nodes, after.hops = nil, nil
	for _, m := range before.nodes {
		if p.nodes[m].need {
			after.nodes = append(after.nodes, m)
		}
	}
	for _, h := range before.hops {
		if p.hops[h].need {
			after.hops = append(after.hops, h)
		}
	}
	p.narrowed(after, f.joins(), append(f.conds, conds...))
}

// narrowed adds a step with fewer rows and columns than the one before.
func (p *planner) narrowed(after frontier, joins string, conds []string) {
	before := p.done
	dropped := len(after.nodes) < len(before.nodes) || len(after.hops) < len(before.hops)
	merge := p.sets() && (dropped || !before.distinct)
	after.distinct = before.distinct && !dropped || merge
	columns := p.carry(before, after, -1, -1, "")
	p.step(after, []string{selects(merge) + columns + " FROM " + before.name + " AS s" + joins + whereAll(conds)}, false)
}
