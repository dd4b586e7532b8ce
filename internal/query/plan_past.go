package query

import (
	"slices"
	"strings"

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
func (p *planner) moment() string { return p.changing("moment", *p.at) }

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

// span is the class of a closed version e by how long it was valid, from an hour up by twos, and classes is the table of
// classes with their longest lengths. The indexes entity_old_at and entity_old_state are made of span (migration 0005).
//
// What was valid at a moment began before it and ended after it, and no order of rows brings those together: an index
// on either time leads through all of the history on its side. Among versions of about one length it does: those
// that were valid began within that length before the moment. Half as many again as were valid are then looked at.
const (
	span = "(CASE WHEN e.valid_to - e.valid_from <= 3600000000 THEN 0 WHEN e.valid_to - e.valid_from <= 7200000000 THEN 1 " +
		"WHEN e.valid_to - e.valid_from <= 14400000000 THEN 2 WHEN e.valid_to - e.valid_from <= 28800000000 THEN 3 " +
		"WHEN e.valid_to - e.valid_from <= 57600000000 THEN 4 WHEN e.valid_to - e.valid_from <= 115200000000 THEN 5 " +
		"WHEN e.valid_to - e.valid_from <= 230400000000 THEN 6 WHEN e.valid_to - e.valid_from <= 460800000000 THEN 7 " +
		"WHEN e.valid_to - e.valid_from <= 921600000000 THEN 8 WHEN e.valid_to - e.valid_from <= 1843200000000 THEN 9 " +
		"WHEN e.valid_to - e.valid_from <= 3686400000000 THEN 10 WHEN e.valid_to - e.valid_from <= 7372800000000 THEN 11 " +
		"WHEN e.valid_to - e.valid_from <= 14745600000000 THEN 12 ELSE 13 END)"
	classes = "(VALUES (0, 3600000000), (1, 7200000000), (2, 14400000000), (3, 28800000000), (4, 57600000000), (5, 115200000000), (6, 230400000000), " +
		"(7, 460800000000), (8, 921600000000), (9, 1843200000000), (10, 3686400000000), (11, 7372800000000), (12, 14745600000000), (13, 1152921504606846976))"
)

// judged is approved as entity_state_from and entity_old_state have it: 2 for neither.
const judged = "COALESCE(e.approved, 2)"

// from is the table of a node that is not reached by a hop, the condition that its rows were valid, and the conditions of
// the node that this does not imply.
func (p *planner) from(pl place, t table) (from string, valid []string, conds []Expr) {
	from, valid, conds = t.entity+" AS e", p.valid("e", t.closed), pl.conds
	if p.at == nil || pl.any || p.seeks(pl, "_key") {
		return from, valid, conds
	}
	stated := p.stated(pl)
	switch {
	case t.closed:
		after, until, bounded := p.began(pl)
		since := p.moment() + " - w.column2"
		if bounded {
			since = p.d.greater(since, p.changing("began after", after))
		}
		from = classes + " AS w CROSS JOIN " + from
		valid = []string{span + " = w.column1", "e.valid_from >= " + since, "e.valid_from <= " + p.changing("began until", until), "e.valid_to > " + p.moment()}
	case stated && !p.paged() && !p.seeks(pl, "createdOn", "updatedOn", "displayName", "_beginOn"):
		valid = []string{"e.valid_from <= " + p.moment()}
	default:
		return from, valid, conds
	}
	if !stated {
		return from, valid, conds
	}
	if i, approved := p.approved(pl); i >= 0 {
		return from, append(valid, judged+" = "+p.changing("judged", approved)), slices.Delete(slices.Clone(conds), i, i+1)
	}
	return "(VALUES (0), (1), (2)) AS j CROSS JOIN " + from, append(valid, judged+" = j.column1"), conds
}

// paged reports whether rows are wanted in the order of their ids and not all of them: reading in that order ends early.
func (p *planner) paged() bool {
	return p.direct() && p.q.Order == nil && (p.q.Return == nil || !p.sets()) && (p.q.Limit != nil || p.q.Skip != nil || p.limit > 0)
}

// stated reports whether a node is searched for by its state, which is a column.
func (p *planner) stated(pl place) bool {
	if !p.seeks(pl, "state") {
		return false
	}
	o, ok := p.operand(entityRow("e", pl), "state").(column)
	return ok && o.expr == "e.state"
}

// approved finds the condition that a node has a value in the column approved: its place, or a negative number.
func (p *planner) approved(pl place) (place int, value int64) {
	for i, c := range pl.conds {
		cmp, ok := c.(*Compare)
		if !ok || cmp.Op != Equal || cmp.Left.Property != "approved" || len(cmp.Right.Values) != 1 || cmp.Right.Values[0].Kind != Boolean {
			continue
		}
		if o, ok := p.operand(entityRow("e", pl), "approved").(column); ok && o.expr == "e.approved" {
			return i, map[bool]int64{true: 1}[cmp.Right.Values[0].Bool]
		}
	}
	return -1, 0
}

// seeks reports whether a node is searched for by one of some properties, for which there is an index: by equality, or
// where it is a time by an order.
func (p *planner) seeks(pl place, properties ...string) bool {
	for _, c := range pl.conds {
		cmp, ok := c.(*Compare)
		if !ok || !contains(properties, cmp.Left.Property) {
			continue
		}
		if kind := cmp.Right.Values[0].Kind; len(cmp.Right.Values) == 1 && kind != Property && kind != Undefined && (cmp.Op == Equal || cmp.Op.ordered()) {
			return true
		}
	}
	return false
}

// began are the moments between which the versions of a node began that were valid at the past moment, by its conditions on
// _beginOn. bounded says whether there is one that sets the former.
func (p *planner) began(pl place) (after, until int64, bounded bool) {
	after, until = -stampLimit*1000, *p.at
	for _, c := range pl.conds {
		cmp, ok := c.(*Compare)
		if !ok || cmp.Left.Property != "_beginOn" || len(cmp.Right.Values) != 1 {
			continue
		}
		v, ok := p.constant(&cmp.Right.Values[0]).value.(int64)
		if !ok {
			continue
		}
		v = max(-stampLimit, min(stampLimit, v)) * 1000
		switch cmp.Op {
		case Greater:
			after, bounded = max(after, v+1000), true
		case AtLeast:
			after, bounded = max(after, v), true
		case Less:
			until = min(until, v-1)
		case AtMost:
			until = min(until, v+999)
		case Equal:
			after, until, bounded = max(after, v), min(until, v+999), true
		}
	}
	return after, until, bounded
}

// chosen reports whether different indexes serve a node: what it is searched for by, and the order of a page.
func (p *planner) chosen(pl place) bool {
	n := 0
	for _, property := range []string{"state", "createdOn", "updatedOn", "displayName", "_beginOn"} {
		if p.seeks(pl, property) {
			n++
		}
	}
	return n > 1 || n > 0 && p.paged()
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
