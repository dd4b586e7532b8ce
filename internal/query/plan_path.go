package query

import (
	"slices"
	"strconv"
	"strings"

	"github.com/windlass-hq/windlass/internal/store"
)

// table is where open or closed rows come from.
type table struct {
	entity, rel string
	closed      bool
}

// tables are those to read: the open rows, and for a past moment the closed ones as well.
func (p *planner) tables() []table {
	open := table{entity: "entity", rel: "rel"}
	if p.at == nil {
		return []table{open}
	}
	return []table{open, {entity: "entity_old", rel: "rel_old", closed: true}}
}

// valid is the condition that a row was valid at the moment asked for. The unary plus keeps SQLite from preferring an
// index on the time to that on the better predicate beside it (reference/storage.md section 3).
func (p *planner) valid(alias string, t table) []string {
	if p.at == nil {
		return nil
	}
	conds := []string{"+" + alias + ".valid_from <= " + p.moment()}
	if t.closed {
		conds = append(conds, alias+".valid_to > "+p.moment())
	}
	return conds
}

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

// filters writes the conditions of a node on a table alias, the viewer's included, its kinds not.
func (p *planner) filters(alias string, pl place) []string {
	r := entityRow(alias, pl)
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

// step adds a common table expression. Every one but a lone first is materialised, so that the order of the steps
// stays the planner's and is not the database's to change.
func (p *planner) step(f frontier, branches []string, merge bool) {
	f.name = "s" + strconv.Itoa(len(p.steps))
	word := " AS MATERIALIZED ("
	if len(p.nodes) == 1 && p.not == nil && len(p.where) == 0 {
		word = " AS ("
	}
	union := " UNION ALL "
	if merge {
		union = " UNION "
	}
	p.steps = append(p.steps, f.name+word+strings.Join(branches, union)+")")
	p.done = f
}

// walk writes the steps from the most selective node outwards.
func (p *planner) walk() {
	order := p.order()
	first := order[0]
	pl := p.nodes[first]
	var branches []string
	for _, t := range p.tables() {
		var conds []string
		if k := p.kindCond("e.kind", pl); k != "" {
			conds = append(conds, k)
		}
		conds = append(conds, p.filters("e", pl)...)
		conds = append(conds, p.valid("e", t)...)
		branches = append(branches, "SELECT e.id AS "+id(first)+" FROM "+t.entity+" AS e"+whereAll(conds))
	}
	p.step(frontier{from: first, to: first, nodes: []int{first}, distinct: true}, branches, false)
	for _, n := range order[1:] {
		p.extend(n)
	}
}

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
	conds = append(conds, p.valid("r", t)...)
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
	// At a past moment the entity is looked at in a step of its own, which halves the number of branches.
	apart := p.at != nil && p.filtering(pl)
	mid := after
	if !slices.Contains(mid.nodes, n) && (keep(n) || apart) {
		mid.nodes = append(slices.Clone(mid.nodes), n)
	}
	// Rows stay different unless a column went, the new one is not kept, or two edges lead to the same entity.
	dropped := len(mid.nodes) <= len(before.nodes) || l.parallel() && !l.need && !l.where
	merge := p.sets() && (dropped || !before.distinct)
	mid.distinct = before.distinct && !dropped || merge

	var branches []string
	directions := l.branches(leftwards)
	single := len(directions)*len(p.tables()) == 1 // else UNION merges
	for _, b := range directions {
		for _, t := range p.tables() {
			conds := b.conds(p, l, t, "s."+id(near))
			from := before.name + " AS s CROSS JOIN " + t.rel + " AS r"
			if p.filtering(pl) && !apart {
				from += " CROSS JOIN entity AS e"
				conds = append(conds, "e.id = r."+b.far)
				conds = append(conds, p.filters("e", pl)...)
			}
			columns := p.carry(before, mid, n, hop, "r."+b.far)
			branches = append(branches, selects(merge && single)+columns+" FROM "+from+whereAll(conds))
		}
	}
	p.step(mid, branches, merge)
	if apart {
		p.checked(n, after)
	}
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

// checked keeps the rows whose node n satisfied its conditions at the moment asked for.
func (p *planner) checked(n int, after frontier) {
	before, pl := p.done, p.nodes[n]
	if p.live(n, after) {
		after.nodes = append(slices.Clone(after.nodes), n)
	}
	dropped := len(after.nodes) < len(before.nodes)
	merge := p.sets() && (dropped || !before.distinct)
	after.distinct = before.distinct && !dropped || merge
	var branches []string
	for _, t := range p.tables() {
		conds := append([]string{"e.id = s." + id(n)}, p.filters("e", pl)...)
		conds = append(conds, p.valid("e", t)...)
		columns := p.carry(before, after, -1, -1, "")
		branches = append(branches, "SELECT "+columns+" FROM "+before.name+" AS s CROSS JOIN "+t.entity+" AS e"+whereAll(conds))
	}
	p.step(after, branches, merge)
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
			entities := p.tables()
			if !p.filtering(pl) {
				entities = entities[:1]
			}
			for _, et := range entities {
				from := t.rel + " AS r"
				inner := b.conds(p, l, t, "s."+id(n))
				if p.filtering(pl) {
					from += " CROSS JOIN " + et.entity + " AS e"
					inner = append(append(append(inner, "e.id = r."+b.far), p.filters("e", pl)...), p.valid("e", et)...)
				}
				conds = append(conds, "NOT EXISTS (SELECT 1 FROM "+from+whereAll(inner)+")")
			}
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

// fetcher joins the entities and relationships of a step's rows, each when a column of it is first asked for.
type fetcher struct {
	p      *planner
	joined map[slot]bool
	sql    []string
	conds  []string
}

func (p *planner) fetcher() *fetcher { return &fetcher{p: p, joined: map[slot]bool{}} }

func (f *fetcher) joins() string { return strings.Join(f.sql, "") }

// row returns the row of a slot; the step's own columns are those of alias s.
func (f *fetcher) row(s slot) row {
	n := strconv.Itoa(s.index)
	if s.edge {
		c := edgeColumns(s.index)
		own := map[string]string{"from_id": "s." + c[0], "kind": "s." + c[1], "to_id": "s." + c[2]}
		l := f.p.hops[s.index]
		kinds := append(append([]store.RelKind{}, l.forward...), l.backward...)
		key := func(alias string) string {
			return alias + ".from_id = s." + c[0] + " AND " + alias + ".kind = s." + c[1] + " AND " + alias + ".to_id = s." + c[2]
		}
		return row{edge: true, edges: kinds, col: func(column string) string {
			if own[column] != "" {
				return own[column]
			}
			return f.column(s, "r"+n, "q"+n, "rel", key, column, "from_id")
		}}
	}
	key := func(alias string) string { return alias + ".id = s." + id(s.index) }
	return row{kinds: f.p.nodes[s.index].kinds, col: func(column string) string {
		if column == "id" {
			return "s." + id(s.index)
		}
		return f.column(s, "e"+n, "o"+n, "entity", key, column, "id")
	}}
}

// column joins the table once and returns the column of whichever version was valid.
func (f *fetcher) column(s slot, open, closed, name string, key func(string) string, column, mark string) string {
	past := f.p.at != nil
	if !f.joined[s] {
		f.joined[s] = true
		if past {
			// At most one of the two is there, and one of them is.
			for i, t := range f.p.tables() {
				alias := []string{open, closed}[i]
				table := map[string]string{"entity": t.entity, "rel": t.rel}[name]
				conds := append([]string{key(alias)}, f.p.valid(alias, t)...)
				f.sql = append(f.sql, " LEFT JOIN "+table+" AS "+alias+" ON "+strings.Join(conds, " AND "))
			}
		} else {
			f.sql = append(f.sql, " CROSS JOIN "+name+" AS "+open)
			f.conds = append(f.conds, key(open))
		}
	}
	if past {
		return "CASE WHEN " + open + "." + mark + " IS NULL THEN " + closed + "." + column + " ELSE " + open + "." + column + " END"
	}
	return open + "." + column
}
