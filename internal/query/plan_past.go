package query

import (
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/windlass-hq/windlass/internal/graph"
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

// moment binds the past moment.
func (p *planner) moment() string { return "CAST(" + p.once("moment", *p.at) + " AS BIGINT)" }

// valid is the condition that a row was valid at the moment asked for. The unary plus keeps SQLite from preferring an
// index on the time to that on the better predicate beside it (reference/storage.md section 3).
func (p *planner) valid(alias string, closed bool) []string {
	if p.at == nil {
		return nil
	}
	conds := []string{"+" + alias + ".valid_from <= " + p.moment()}
	if closed {
		conds = append(conds, alias+".valid_to > "+p.moment())
	}
	return conds
}

// version joins the version of a row that was valid at the past moment, by its key, and returns its columns: of the
// open row if it is old enough, else of a closed one. The closed ones are looked at only where the open one is not it:
// a key of NULL is not searched for.
func (p *planner) version(table, open, closed string, names, values []string) (joins string, col func(string) string) {
	missing := open + "." + names[0] + " IS NULL"
	past := append([]string{"CASE WHEN " + missing + " THEN " + values[0] + " END"}, values[1:]...)
	joins = " LEFT JOIN " + table + " AS " + open + " ON " + strings.Join(append(equal(open, names, values), p.valid(open, false)...), " AND ") +
		" LEFT JOIN " + table + "_old AS " + closed + " ON " + strings.Join(append(equal(closed, names, past), p.valid(closed, true)...), " AND ")
	return joins, func(column string) string {
		return "CASE WHEN " + missing + " THEN " + closed + "." + column + " ELSE " + open + "." + column + " END"
	}
}

// spans are the lengths by which closed versions are put into classes, from an hour up by fours; the last class has no
// bound. The indexes entity_old_at and entity_old_state are made of them (migration 0005).
//
// What was valid at a moment began before it and ended after it, and no order of rows brings those together: an index
// on either time leads through all of the history on its side. Among versions of about one length it does: those
// that were valid ended within that length after the moment.
func spans() []time.Duration {
	var out []time.Duration
	for d := time.Hour; d < 5000*time.Hour; d *= 4 {
		out = append(out, d)
	}
	return out
}

// span is the class of a closed version, as the indexes have it.
func span(alias string) string {
	length, s := alias+".valid_to - "+alias+".valid_from", "(CASE"
	for i, d := range spans() {
		s += " WHEN " + length + " <= " + strconv.FormatInt(d.Microseconds(), 10) + " THEN " + strconv.Itoa(i)
	}
	return s + " ELSE " + strconv.Itoa(len(spans())) + " END)"
}

// from is the table of a node that is not reached by a hop, and the condition that its rows were valid.
func (p *planner) from(pl place, t table) (string, []string) {
	valid := p.valid("e", t.closed)
	if !t.closed || pl.any || p.keyed(pl) {
		return t.entity + " AS e", valid
	}
	var classes []string
	for i := range len(spans()) + 1 {
		until := int64(math.MaxInt64)
		if i < len(spans()) {
			until = *p.at + spans()[i].Microseconds()
		}
		classes = append(classes, "SELECT "+strconv.Itoa(i)+" AS span, CAST("+p.once("until "+strconv.Itoa(i), until)+" AS BIGINT) AS until")
	}
	return "(" + strings.Join(classes, " UNION ALL ") + ") AS w CROSS JOIN " + t.entity + " AS e",
		append(valid, span("e")+" = w.span", "e.valid_to <= w.until")
}

// keyed reports whether a node is searched for by its key, which is the better index.
func (p *planner) keyed(pl place) bool {
	for _, c := range pl.conds {
		if cmp, ok := c.(*Compare); ok && cmp.Op == Equal && cmp.Left.Property == "_key" && cmp.Right.Values[0].Kind == String {
			return true
		}
	}
	return false
}

// known is a row whose columns hide a property where it is unknown: what keeps its present value only has none at a past
// moment. It is false where that is so of all kinds in question.
func (p *planner) known(r row, property string) (row, bool) {
	if p.at == nil {
		return r, true
	}
	var forgotten []int64
	all := len(r.kinds) + len(r.edges)
	for _, k := range r.kinds {
		if p.schema.model.Keeping(k.Type, property) == graph.CurrentOnly {
			forgotten = append(forgotten, k.ID)
		}
	}
	for _, k := range r.edges {
		if contains(p.schema.forgottenOfEdge(k), property) {
			forgotten = append(forgotten, k.ID)
		}
	}
	if len(forgotten) == 0 {
		return r, true
	}
	if !contains(p.forgotten, property) {
		p.forgotten = append(p.forgotten, property)
	}
	col := r.col
	r.col = func(column string) string {
		return "CASE WHEN " + p.in(col("kind"), forgotten) + " THEN NULL ELSE " + col(column) + " END"
	}
	return r, len(forgotten) < all
}
