package query

import (
	"slices"
	"strconv"
	"strings"
)

// fetcher joins the entities and relationships of a step's rows, each when a column of it is first asked for.
type fetcher struct {
	p      *planner
	direct bool // the rows are those of a query's only step, which carries what is asked for
	joined map[slot]bool
	sql    []string
	conds  []string
}

// fetcher returns one for rows that have a step's ids.
func (p *planner) fetcher() *fetcher { return &fetcher{p: p, joined: map[slot]bool{}} }

// reader returns one for the rows of the last step itself.
func (p *planner) reader() *fetcher {
	f := p.fetcher()
	f.direct = p.direct()
	return f
}

func (f *fetcher) joins() string { return strings.Join(f.sql, "") }

// row returns the row of a slot; the step's own columns are those of alias s.
func (f *fetcher) row(s slot) row {
	if s.edge {
		c := edgeColumns(s.index)
		own := map[string]string{"from_id": "s." + c[0], "kind": "s." + c[1], "to_id": "s." + c[2]}
		l := f.p.hops[s.index]
		kinds := slices.Concat(l.forward, l.backward)
		col := f.joining(s, "rel", "r", "q", []string{"from_id", "kind", "to_id"}, []string{own["from_id"], own["kind"], own["to_id"]})
		return row{edge: true, edges: kinds, col: func(column string) string {
			if own[column] != "" {
				return own[column]
			}
			return col(column)
		}}
	}
	own := "s." + id(s.index)
	col := f.joining(s, "entity", "e", "o", []string{"id"}, []string{own})
	return row{kinds: f.p.nodes[s.index].kinds, col: func(column string) string {
		switch {
		case column == "id":
			return own
		case f.direct:
			return "s." + f.p.carried(column)
		}
		return col(column)
	}}
}

// joining returns the columns of a table, which is joined by its key when the first of them is asked for.
func (f *fetcher) joining(s slot, table, open, closed string, names, values []string) func(string) string {
	open, closed = open+numbered(s), closed+numbered(s)
	return func(column string) string {
		first := !f.joined[s]
		f.joined[s] = true
		if f.p.at != nil {
			joins, col := f.p.version(table, open, closed, names, values)
			if first {
				f.sql = append(f.sql, joins)
			}
			return col(column)
		}
		if first {
			f.sql = append(f.sql, " CROSS JOIN "+table+" AS "+open)
			f.conds = append(f.conds, equal(open, names, values)...)
		}
		return open + "." + column
	}
}

func equal(alias string, names, values []string) []string {
	var out []string
	for i, n := range names {
		out = append(out, alias+"."+n+" = "+values[i])
	}
	return out
}

func numbered(s slot) string { return strconv.Itoa(s.index) }
