package query

import (
	"math"
	"slices"
	"strconv"
	"strings"
)

// result writes the final SELECT over the last step.
func (p *planner) result() *plan {
	slices.Sort(p.done.nodes)
	slices.Sort(p.done.hops)
	if p.q.Return != nil && p.sets() {
		return p.grouped()
	}
	return p.rows()
}

// carried is the name under which the only step of a direct query carries a column.
func (p *planner) carried(column string) string {
	if !slices.Contains(p.columns, column) {
		p.columns = append(p.columns, column)
	}
	return carriedColumn(column)
}

func (p *planner) statement(body string) string {
	if p.split {
		return body
	}
	if p.direct() {
		return "WITH s0 AS (" + strings.Join(p.start(0, p.columns), " UNION ALL ") + ")\n" + body
	}
	return "WITH " + strings.Join(p.steps, ",\n") + "\n" + body
}

// window writes LIMIT and OFFSET, "" where nothing bounds the rows.
func (p *planner) window() string {
	limit, skip := int64(math.MaxInt64), int64(0)
	if p.q.Limit != nil {
		limit = *p.q.Limit
	}
	if p.limit > 0 {
		limit = min(limit, int64(p.limit))
	}
	if p.q.Skip != nil {
		skip = *p.q.Skip
	}
	if limit == math.MaxInt64 && skip == 0 {
		return ""
	}
	return " LIMIT " + p.bind(limit) + " OFFSET " + p.bind(skip)
}

func (p *planner) finish(out *plan, body string) *plan {
	out.sql = p.statement(body)
	out.args = p.args // the statement adds to them
	if p.q.Return == nil {
		out.columns = []string{"_key", "_type", "_class", "displayName"}
	}
	for _, e := range out.emit {
		if e.name != "" {
			out.columns = append(out.columns, e.name)
		}
	}
	return out
}

// items adds the emitters of RETURN (or of the start) and returns the columns they fetch.
func (p *planner) items(out *plan, at func(slot) row) []string {
	if p.q.Return == nil {
		sql, e := p.startItem(at(slot{}))
		out.emit = append(out.emit, e)
		return sql
	}
	var columns []string
	for _, item := range p.q.Return {
		r := at(item.Operand.ref)
		if item.Operand.Property == "" {
			sql, e := p.wholeItem(item, r)
			columns, out.emit = append(columns, sql...), append(out.emit, e)
			continue
		}
		o := p.operand(r, item.Operand.Property)
		columns, out.emit = append(columns, o.output()), append(out.emit, plainItem(item, o))
	}
	return columns
}

// orderKeys are the expressions of ORDER BY at the rows; nil without it.
func (p *planner) orderKeys(at func(slot) row) []string {
	o := p.q.Order
	switch {
	case o == nil:
		return nil
	case o.column >= 0:
		by := p.q.Return[o.column].Operand
		return p.operand(at(by.ref), by.Property).sort()
	case o.By != nil:
		return p.operand(at(o.By.Operand.ref), o.By.Operand.Property).sort()
	}
	return p.operand(at(slot{}), o.Label).sort()
}

func (p *planner) descending() bool { return p.q.Order != nil && p.q.Order.Desc }

// orderBy makes the terms of ORDER BY. The first key ranks the types, undefined last, and keeps its direction.
func orderBy(keys []string, desc bool) []string {
	var out []string
	for i, k := range keys {
		switch {
		case k == "":
		case i > 0 && desc:
			out = append(out, k+" DESC")
		default:
			out = append(out, k)
		}
	}
	return out
}

// rows writes a result of one row per path, or per start. With a bound the rows are chosen by ids and what orders them
// alone, and only those chosen are fetched.
func (p *planner) rows() *plan {
	out := &plan{}
	var own []string
	for _, c := range p.done.columns() {
		own = append(own, "s."+c)
	}
	from, window := p.done.name+" AS s", p.window()
	var keys []string
	f := p.reader()
	if window != "" {
		columns := slices.Clone(own)
		inner := p.orderKeys(f.row)
		for i, k := range inner {
			if k != "" {
				name := "o" + strconv.Itoa(i)
				columns = append(columns, k+" AS "+name)
				inner[i], keys = name, append(keys, "s."+name)
			} else {
				keys = append(keys, "")
			}
		}
		from = "(SELECT " + strings.Join(columns, ", ") + " FROM " + from + f.joins() + whereAll(f.conds) +
			" ORDER BY " + strings.Join(append(orderBy(inner, p.descending()), own...), ", ") + window + ") AS s"
		f = p.fetcher()
	}
	columns := p.items(out, f.row)
	if window == "" {
		keys = p.orderKeys(f.row)
	}
	by := append(orderBy(keys, p.descending()), own...)
	return p.finish(out, "SELECT "+strings.Join(columns, ", ")+" FROM "+from+f.joins()+whereAll(f.conds)+" ORDER BY "+strings.Join(by, ", "))
}

// grouped writes a result with aggregates, or a UNIQUE one, which is the same without them.
func (p *planner) grouped() *plan {
	g := &grouping{p: p, f: p.reader()}
	for i, item := range p.q.Return {
		if item.Func == None {
			g.key(i, item)
		} else {
			g.aggregate(i, item)
		}
	}
	return g.plan()
}

// grouping collects what a grouped result computes: in the innermost SELECT the keys and what is aggregated, above it
// the groups, and on top whole entities that are keys.
type grouping struct {
	p *planner
	f *fetcher

	inner   []string // expressions with names
	windows []firstOf
	keys    []string // names to group by
	outer   []string // names of keys, and aggregates with names
	order   []string // ORDER BY over the groups, which are called s
	ties    []string // what makes the order complete
	top     []func(f *fetcher, out *plan) []string
	whole   bool     // whether a key is a whole entity or relationship
	merged  []string // aggregates of aggregates; of those of rows that were split in two
	joint   bool     // some aggregate cannot be made of parts
	named   map[string]bool
}

// firstOf marks one row of each entity within a group, so that SUM and AVG take it once.
type firstOf struct {
	name string
	ids  []string
}

// add puts an expression into the innermost SELECT and makes its name a key.
func (g *grouping) add(expr, name string) {
	if g.named == nil {
		g.named = map[string]bool{}
	}
	if !g.named[name] {
		g.named[name] = true
		g.inner, g.keys, g.outer = append(g.inner, expr+" AS "+name), append(g.keys, name), append(g.outer, name)
	}
}

// key adds an item that groups.
func (g *grouping) key(i int, item Item) {
	p, s := g.p, item.Operand.ref
	if item.Operand.Property == "" {
		g.whole = true
		columns := []string{id(s.index)}
		if s.edge {
			columns = edgeColumns(s.index)
		}
		for _, c := range columns {
			g.add("s."+c, c)
			g.ties = append(g.ties, "s."+c)
		}
		g.top = append(g.top, func(f *fetcher, out *plan) []string {
			sql, e := p.wholeItem(item, f.row(s))
			out.emit = append(out.emit, e)
			return sql
		})
		return
	}
	o := p.operand(g.f.row(s), item.Operand.Property)
	name := "c" + strconv.Itoa(i)
	g.add(o.output(), name)
	if p.q.Order != nil && p.q.Order.column == i {
		var keys []string
		for j, k := range o.sort() {
			if k == "" {
				keys = append(keys, "")
				continue
			}
			sortName := "o" + strconv.Itoa(j)
			g.add(k, sortName)
			keys = append(keys, "s."+sortName)
		}
		g.order = orderBy(keys, p.q.Order.Desc)
	}
	g.ties = append(g.ties, "CASE WHEN s."+name+" IS NULL THEN 1 ELSE 0 END", tie(p.d, o, "s."+name))
	g.top = append(g.top, func(_ *fetcher, out *plan) []string {
		out.emit = append(out.emit, plainItem(item, o))
		return []string{"s." + name}
	})
}

// tie orders by an output; texts byte by byte.
func tie(d dialect, o operand, name string) string {
	switch c := o.(type) {
	case column:
		if c.kind != String {
			return name
		}
	case stamp:
		return name
	}
	return d.bytewise(name)
}

// aggregate adds COUNT, MIN, MAX, AVG or SUM.
func (g *grouping) aggregate(i int, item Item) {
	p, s, n := g.p, item.Operand.ref, strconv.Itoa(i)
	name := "a" + n
	// Each row is a different entity: nothing to tell apart.
	single := !s.edge && p.done.distinct && len(p.done.hops) == 0 && slices.Equal(p.done.nodes, []int{s.index})
	self := []string{"s." + id(s.index)}
	if s.edge {
		self = nil
		for _, c := range edgeColumns(s.index) {
			self = append(self, "s."+c)
		}
	}
	sql := ""
	switch {
	case item.Func == Count && item.Operand.Property == "":
		expr := self[0]
		if s.edge {
			expr = "CAST(" + self[0] + " AS TEXT) || '.' || CAST(" + self[1] + " AS TEXT) || '.' || CAST(" + self[2] + " AS TEXT)"
		}
		g.inner = append(g.inner, expr+" AS "+name)
		sql = "COUNT(DISTINCT " + name + ")"
		if single {
			sql = "COUNT(" + name + ")"
		}
	case item.Func == Count:
		o := p.operand(g.f.row(s), item.Operand.Property)
		expr := o.output()
		switch o.(type) {
		case jsonProperty, accounts, classed:
			expr = "NULLIF(" + expr + ", '[]')" // the empty list is undefined
		}
		g.inner = append(g.inner, expr+" AS "+name)
		sql = "COUNT(DISTINCT " + name + ")"
	default:
		o := p.operand(g.f.row(s), item.Operand.Property)
		g.inner = append(g.inner, o.number()+" AS "+name)
		sql = string(item.Func) + "(" + name + ")"
		if (item.Func == Sum || item.Func == Avg) && !single {
			var ids []string
			for j, c := range self {
				idName := "i" + n + "_" + strconv.Itoa(j)
				g.inner = append(g.inner, c+" AS "+idName)
				ids = append(ids, idName)
			}
			g.windows = append(g.windows, firstOf{name: "w" + n, ids: ids})
			sql = string(item.Func) + "(CASE WHEN w" + n + " = 1 THEN " + name + " END)"
		}
	}
	switch {
	case item.Func == Count && item.Operand.Property == "":
		g.merged = append(g.merged, "CAST(SUM("+name+") AS BIGINT) AS "+name)
	case item.Func == Count, item.Func == Avg:
		g.joint = true
	default:
		g.merged = append(g.merged, string(item.Func)+"("+name+") AS "+name)
	}
	g.outer = append(g.outer, sql+" AS "+name)
	if p.q.Order != nil && p.q.Order.column == i {
		g.order = orderBy([]string{"CASE WHEN s." + name + " IS NULL THEN 1 ELSE 0 END", "s." + name}, p.q.Order.Desc)
	}
	g.top = append(g.top, func(_ *fetcher, out *plan) []string {
		out.emit = append(out.emit, emitter{name: item.Column(), width: 1, emit: func(vals []any, row *Row) error {
			row.add(item.Column(), whole(vals[0]))
			return nil
		}})
		return []string{"s." + name}
	})
}

// whole makes an integer of a floating-point number that is one.
func whole(v any) any {
	if f, ok := v.(float64); ok && f == math.Trunc(f) && math.Abs(f) < 1<<53 {
		return int64(f)
	}
	return v
}

func (g *grouping) plan() *plan {
	p := g.p
	from := "(SELECT " + strings.Join(g.inner, ", ") + " FROM " + p.done.name + " AS s" + g.f.joins() + whereAll(g.f.conds) + ") AS g"
	if len(g.windows) > 0 {
		var windows []string
		for _, w := range g.windows {
			// The first row of each entity within its group.
			windows = append(windows, "ROW_NUMBER() OVER (PARTITION BY "+strings.Join(slices.Concat(w.ids, g.keys), ", ")+") AS "+w.name)
		}
		from = "(SELECT g.*, " + strings.Join(windows, ", ") + " FROM " + from + ") AS g"
	}
	by := ""
	if len(g.keys) > 0 {
		by = " GROUP BY " + strings.Join(g.keys, ", ")
	}
	groups := "SELECT " + strings.Join(g.outer, ", ") + " FROM " + from + by
	if p.at != nil && p.direct() && !g.joint {
		// Open and closed versions are grouped apart, each in the order of an index, and then their few groups together.
		var parts []string
		for _, branch := range p.start(0, p.columns) {
			parts = append(parts, "SELECT "+strings.Join(g.outer, ", ")+" FROM (SELECT "+strings.Join(g.inner, ", ")+" FROM ("+branch+") AS s) AS g"+by)
		}
		p.split = true
		groups = "SELECT " + strings.Join(slices.Concat(g.keys, g.merged), ", ") + " FROM (" + strings.Join(parts, " UNION ALL ") + ") AS g" + by
	}
	by = ""
	if terms := slices.Concat(g.order, g.ties); len(terms) > 0 {
		by = " ORDER BY " + strings.Join(terms, ", ")
	}
	window := p.window()
	if g.whole && window != "" {
		groups = "SELECT s.* FROM (" + groups + ") AS s" + by + window
		window = ""
	}
	out, f := &plan{}, p.fetcher()
	var columns []string
	for _, t := range g.top {
		columns = append(columns, t(f, out)...)
	}
	return p.finish(out, "SELECT "+strings.Join(columns, ", ")+" FROM ("+groups+") AS s"+f.joins()+whereAll(f.conds)+by+window)
}
