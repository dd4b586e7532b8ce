package query

import (
	"encoding/json"
	"strconv"
	"strings"

	"github.com/windlass-hq/windlass/internal/graph"
	"github.com/windlass-hq/windlass/internal/store"
)

// row is a place of the path as SQL sees it: which kinds it can have, and how its columns are written there.
type row struct {
	kinds []store.Kind    // of an entity; all stored kinds for *
	edges []store.RelKind // of a relationship
	edge  bool
	// choice says that conditions on it can be answered by several indexes, of which the better one depends on the constants.
	choice bool
	col    func(column string) string
}

// operand is a property at a row. It is a set of values, of which most operands have at most one.
type operand interface {
	// undefined is a condition: the set is empty.
	undefined() string
	// test is a condition: some value stands in this relation to the constant. It may be NULL for false.
	test(op Op, c *constant) string
	// elements is a table of the values, for comparing two properties.
	elements() string
	// output is what is fetched; decode turns it into a value of the answer.
	output() string
	decode(v any) (any, error)
	// number is the value if it is a number, as DOUBLE PRECISION, else NULL.
	number() string
	// sort are the expressions to order by; the first ranks the types ("" for one type) and is never turned round.
	sort() []string
}

// operand finds out how a property of a row is stored.
func (p *planner) operand(r row, property string) operand {
	if r.edge {
		return p.edgeOperand(r, property)
	}
	switch property {
	case "_key":
		return column{p: p, expr: r.col("key"), kind: String}
	case "_source":
		return column{p: p, expr: r.col("source"), kind: String}
	case "displayName":
		return column{p: p, expr: r.col("name"), kind: String, seen: r.choice}
	case "_version":
		return column{p: p, expr: r.col("version"), kind: Number}
	case "_beginOn":
		return stamp{column{p: p, expr: "(" + r.col("valid_from") + " / 1000)", kind: Number, seen: r.choice}, r.col("valid_from")}
	case "_createdOn":
		return column{p: p, expr: created(r), kind: Number}
	case "_type":
		return named{p: p, key: r.col("kind"), table: "kind", value: "type", names: p.kindNames(r.kinds, func(k store.Kind) []string { return []string{k.Type} })}
	case "_class":
		return classed{named{p: p, key: r.col("kind"), table: "kind", value: "classes", names: p.kindNames(r.kinds, func(k store.Kind) []string { return k.Classes })}}
	case "_deleted":
		return column{p: p, expr: "CAST(0 AS BIGINT)", kind: Boolean} // what is shown was not, at its moment
	case "_endOn":
		return nothing{p} // likewise
	case "tag.AccountName":
		if !p.tagged {
			return nothing{p}
		}
		return accounts{p, r.col("id")}
	}
	r, known := p.known(r, property)
	if !known {
		return nothing{p}
	}
	if c, kind, ok := p.promoted(r.kinds, property); ok {
		return column{p: p, expr: r.col(c), kind: kind, nullable: true, seen: r.choice}
	}
	return jsonProperty{p: p, props: r.col("props"), path: p.path(property), scalar: p.schema.scalar(r.kinds, property)}
}

func (p *planner) edgeOperand(r row, property string) operand {
	key := func(id string) string {
		return "COALESCE((SELECT k.key FROM entity AS k WHERE k.id = " + id + "), (SELECT MAX(k.key) FROM entity_old AS k WHERE k.id = " + id + "))"
	}
	verb := func(k store.RelKind) []string { return []string{k.Verb} }
	switch property {
	case "_key":
		return column{p: p, kind: String, expr: "(" + key(r.col("from_id")) + " || '|' || (SELECT k.verb FROM rel_kind AS k WHERE k.id = " + r.col("kind") + ") || '|' || " + key(r.col("to_id")) + ")"}
	case "_fromEntityKey":
		return column{p: p, kind: String, expr: key(r.col("from_id"))}
	case "_toEntityKey":
		return column{p: p, kind: String, expr: key(r.col("to_id"))}
	case "_beginOn":
		return stamp{column{p: p, expr: "(" + r.col("valid_from") + " / 1000)", kind: Number}, r.col("valid_from")}
	case "_deleted":
		return column{p: p, expr: "CAST(0 AS BIGINT)", kind: Boolean}
	case "_endOn":
		return nothing{p}
	case "_class", "displayName":
		return named{p: p, key: r.col("kind"), table: "rel_kind", value: "verb", names: edgeNames(r.edges, verb)}
	case "_type":
		return named{p: p, key: r.col("kind"), table: "rel_kind", value: "type", names: edgeNames(r.edges, func(k store.RelKind) []string { return []string{k.Type} })}
	}
	r, known := p.known(r, property)
	if !known {
		return nothing{p}
	}
	return jsonProperty{p: p, props: r.col("props"), path: p.path(property)}
}

// created is the time in milliseconds at which Windlass first saw an entity: its oldest version's.
func created(r row) string {
	return "(CASE " + r.col("version") + " WHEN 1 THEN " + r.col("valid_from") +
		" ELSE COALESCE((SELECT MIN(h.valid_from) FROM entity_old AS h WHERE h.id = " + r.col("id") + "), " + r.col("valid_from") + ") END / 1000)"
}

// promoted returns the typed column of a property, where every kind in question either keeps it there or lacks it.
func (p *planner) promoted(kinds []store.Kind, property string) (column string, kind ValueKind, ok bool) {
	var shape graph.ValueKind
	switch property {
	case "state":
		column, kind, shape = "state", String, graph.Text
	case "approved":
		column, kind, shape = "approved", Boolean, graph.Flag
	case "createdOn":
		column, kind, shape = "created_on", Number, graph.Time
	case "updatedOn":
		column, kind, shape = "updated_on", Number, graph.Time
	default:
		return "", 0, false
	}
	for _, k := range kinds {
		d, declared := p.schema.model.Type(k.Type)
		if !declared {
			return "", 0, false
		}
		for _, decl := range d.Properties {
			if decl.Name == property && decl.Kind != shape {
				return "", 0, false
			}
		}
	}
	return column, kind, true
}

// jsonProperty is a property inside the JSON.
type jsonProperty struct {
	p      *planner
	props  string
	path   string          // bound
	scalar graph.ValueKind // as declared; "" where it may be a list or anything
}

func (o jsonProperty) undefined() string { return o.p.d.undefined(o.props, o.path) }

func (o jsonProperty) test(op Op, c *constant) string {
	if o.scalar != "" {
		return o.p.d.testScalar(o.props, o.path, op, c)
	}
	if sql, ok := o.p.d.testList(o.props, o.path, op, c); ok {
		return sql
	}
	return "EXISTS (SELECT 1 FROM " + o.elements() + " AS v WHERE " + o.p.d.test("v", op, c) + ")"
}

func (o jsonProperty) elements() string          { return o.p.d.elements(o.props, o.path) }
func (o jsonProperty) output() string            { return o.p.d.text(o.props, o.path) }
func (o jsonProperty) decode(v any) (any, error) { return decodeJSON(v) }
func (o jsonProperty) number() string            { return o.p.d.number(o.props, o.path) }
func (o jsonProperty) sort() []string            { return o.p.d.sortKeys(o.props, o.path) }

// compareScalars compares two properties that are declared alike and no lists without their tables of elements; ok is
// false for all others.
func compareScalars(left operand, op Op, right operand) (sql string, ok bool) {
	a, aok := left.(jsonProperty)
	b, bok := right.(jsonProperty)
	numeric := a.scalar == graph.Number || a.scalar == graph.Time
	if !aok || !bok || a.scalar == "" || a.scalar != b.scalar || op != Equal && !(op.ordered() && numeric) {
		return "", false
	}
	return a.p.d.scalar(a.props, a.path) + " " + string(op) + " " + b.p.d.scalar(b.props, b.path), true
}

// column is a property in a column of its own, or an expression of one type.
type column struct {
	p        *planner
	expr     string
	kind     ValueKind // String, Number (an integer) or Boolean (1 or 0)
	nullable bool
	seen     bool // an index is chosen by the constants that it is compared with
}

func (o column) undefined() string { return o.expr + " IS NULL" }

func (o column) test(op Op, c *constant) string {
	switch {
	case o.kind != c.kind:
		return "FALSE"
	case c.kind == Boolean:
		flag := map[any]int64{true: 1}[c.value]
		return o.expr + " = " + o.integer(o.p.bind(flag))
	case c.kind == Number:
		if _, whole := c.value.(int64); whole {
			return o.expr + " " + string(op) + " " + o.integer(c.bind())
		}
		return o.expr + " " + string(op) + " CAST(" + c.bind() + " AS NUMERIC)"
	case op == Equal && !o.seen:
		return o.expr + " = " + o.p.d.changingText(c.bind())
	case op == Equal:
		return o.expr + " = " + c.bind()
	}
	return o.p.d.matches(op, o.expr, c.bind())
}

// integer is a bound constant of the column's own type, without which PostgreSQL would not use its index.
func (o column) integer(bound string) string {
	if o.seen {
		return "CAST(" + bound + " AS BIGINT)"
	}
	return o.p.d.changing(bound)
}

func (o column) elements() string {
	return o.p.d.one(o.expr, map[ValueKind]string{String: "s", Number: "n", Boolean: "b"}[o.kind])
}

func (o column) output() string { return o.expr }

func (o column) decode(v any) (any, error) {
	if n, ok := v.(int64); ok && o.kind == Boolean {
		return n != 0, nil
	}
	return plain(v), nil
}

func (o column) number() string {
	if o.kind != Number {
		return "CAST(NULL AS DOUBLE PRECISION)"
	}
	return "CAST(" + o.expr + " AS DOUBLE PRECISION)"
}

func (o column) sort() []string {
	expr := o.expr
	if o.kind == String {
		expr = o.p.d.bytewise(expr)
	}
	if o.nullable {
		return []string{"CASE WHEN " + o.expr + " IS NULL THEN 1 ELSE 0 END", expr}
	}
	return []string{"", expr}
}

// stamp is a time of ours: shown in milliseconds, stored in microseconds. Comparisons are turned to the stored
// column, so that its index serves them.
type stamp struct {
	column
	micros string
}

// stampLimit is far outside of all times, and a thousandfold of it still fits.
const stampLimit = 1 << 52

func (o stamp) test(op Op, c *constant) string {
	ms, whole := c.value.(int64)
	if !whole {
		return o.column.test(op, c)
	}
	ms = max(-stampLimit, min(stampLimit, ms))
	at := func(ms int64) string { return o.integer(o.p.bind(ms * 1000)) }
	switch op {
	case Equal:
		return "(" + o.micros + " >= " + at(ms) + " AND " + o.micros + " < " + at(ms+1) + ")"
	case Greater:
		return o.micros + " >= " + at(ms+1)
	case AtLeast:
		return o.micros + " >= " + at(ms)
	case Less:
		return o.micros + " < " + at(ms)
	case AtMost:
		return o.micros + " < " + at(ms+1)
	}
	return o.column.test(op, c)
}

// names are the values that the kinds in question have, by kind.
type names struct {
	ids    []int64
	values [][]string
}

func (p *planner) kindNames(kinds []store.Kind, of func(store.Kind) []string) names {
	var n names
	for _, k := range kinds {
		n.ids, n.values = append(n.ids, k.ID), append(n.values, of(k))
	}
	return n
}

func edgeNames(kinds []store.RelKind, of func(store.RelKind) []string) names {
	var n names
	for _, k := range kinds {
		n.ids, n.values = append(n.ids, k.ID), append(n.values, of(k))
	}
	return n
}

// named is a property that follows from the kind: tests are settled before SQL is written.
type named struct {
	p     *planner
	key   string // the column with the kind's id
	table string // where the name stands
	value string // the column there
	names names
}

// among is the condition that the kind is one whose values satisfy f.
func (o named) among(f func(values []string) bool) string {
	var ids []int64
	for i, id := range o.names.ids {
		if f(o.names.values[i]) {
			ids = append(ids, id)
		}
	}
	if len(ids) == len(o.names.ids) && len(ids) > 0 {
		return "TRUE"
	}
	return o.p.in(o.key, ids)
}

func (o named) undefined() string { return o.among(func(v []string) bool { return len(v) == 0 }) }

func (o named) test(op Op, c *constant) string {
	if c.kind != String {
		return "FALSE"
	}
	text, _ := c.value.(string)
	if o.value == "type" && op == Equal {
		text = o.p.schema.canonical(text)
	}
	return o.among(func(values []string) bool {
		for _, v := range values {
			switch {
			case op == Equal && v == text,
				op == Contains && strings.Contains(v, text),
				op == StartsWith && strings.HasPrefix(v, text),
				op == EndsWith && strings.HasSuffix(v, text):
				return true
			}
		}
		return false
	})
}

func (o named) lookup() string {
	return "(SELECT k." + o.value + " FROM " + o.table + " AS k WHERE k.id = " + o.key + ")"
}

func (o named) elements() string          { return o.p.d.one(o.lookup(), "s") }
func (o named) output() string            { return o.lookup() }
func (o named) decode(v any) (any, error) { return plain(v), nil }
func (o named) number() string            { return "CAST(NULL AS DOUBLE PRECISION)" }
func (o named) sort() []string            { return []string{"", o.p.d.bytewise(o.lookup())} }

// classed is _class: like named, but a list.
type classed struct{ named }

func (o classed) elements() string { return o.p.d.many(o.p.d.classes(o.key)) }

// sort ranks as the JSON of a list does.
func (o classed) sort() []string {
	return []string{"CASE " + o.lookup() + " WHEN '[]' THEN 4 ELSE 3 END", o.p.d.bytewise(o.lookup())}
}

func (o classed) decode(v any) (any, error) { return decodeJSON(v) }

// accounts is tag.AccountName: the account names of the connections that see the entity now. Presences keep no
// history, so at a past moment the names are those of today, and none for what is closed since.
type accounts struct {
	p  *planner
	id string
}

// names is a table with one column n.
func (o accounts) names() string {
	return "(SELECT DISTINCT c.account_name AS n FROM (SELECT t.scope FROM entity AS t WHERE t.id = " + o.id +
		" UNION SELECT t.scope FROM presence AS t WHERE t.entity_id = " + o.id + ") AS s" +
		" JOIN scope ON scope.id = s.scope JOIN connection AS c ON c.id = scope.connection_id" +
		" WHERE c.tag_account_name <> 0 AND c.account_name <> '')"
}

func (o accounts) undefined() string { return "NOT EXISTS " + o.names() }

func (o accounts) test(op Op, c *constant) string {
	if c.kind != String {
		return "FALSE"
	}
	cond := "n = " + c.bind()
	if op != Equal {
		cond = o.p.d.matches(op, "n", c.bind())
	}
	return "EXISTS (SELECT 1 FROM " + o.names() + " AS v WHERE " + cond + ")"
}

func (o accounts) elements() string { return o.p.d.many(o.names()) }
func (o accounts) output() string   { return o.p.d.list(o.names()) }
func (o accounts) number() string   { return "CAST(NULL AS DOUBLE PRECISION)" }

// sort ranks as the value that is shown: nothing, a text or a list.
func (o accounts) sort() []string {
	of := func(what string) string { return "(SELECT " + what + " FROM " + o.names() + " AS v)" }
	return []string{"CASE " + of("COUNT(*)") + " WHEN 0 THEN 4 WHEN 1 THEN 1 ELSE 3 END", o.p.d.bytewise(of("MIN(n)"))}
}

// decode yields nothing, one name, or a list where several differ.
func (o accounts) decode(v any) (any, error) {
	x, err := decodeJSON(v)
	if l, ok := x.([]any); ok {
		switch len(l) {
		case 0:
			return nil, err
		case 1:
			return l[0], err
		}
	}
	return x, err
}

// nothing is a property that nobody has.
type nothing struct{ p *planner }

func (nothing) undefined() string         { return "TRUE" }
func (nothing) test(Op, *constant) string { return "FALSE" }
func (o nothing) elements() string        { return o.p.d.many("(SELECT '' AS n WHERE FALSE)") }
func (nothing) output() string            { return "CAST(NULL AS TEXT)" }
func (nothing) decode(any) (any, error)   { return nil, nil }
func (nothing) number() string            { return "CAST(NULL AS DOUBLE PRECISION)" }
func (nothing) sort() []string            { return []string{"", "CAST(NULL AS TEXT)"} }

// plain turns what a driver yields into a value of the answer.
func plain(v any) any {
	if b, ok := v.([]byte); ok {
		return string(b)
	}
	return v
}

// decodeJSON reads JSON text. Whole numbers become int64 and others float64.
func decodeJSON(v any) (any, error) {
	text, ok := plain(v).(string)
	if !ok || text == "" {
		return nil, nil
	}
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	var x any
	if err := d.Decode(&x); err != nil {
		return nil, err
	}
	return numbers(x), nil
}

// numbers replaces json.Number throughout.
func numbers(v any) any {
	switch v := v.(type) {
	case json.Number:
		if n, err := strconv.ParseInt(v.String(), 10, 64); err == nil {
			return n
		}
		f, _ := v.Float64() // the database has checked it
		return f
	case []any:
		for i := range v {
			v[i] = numbers(v[i])
		}
	case map[string]any:
		for k := range v {
			v[k] = numbers(v[k])
		}
	}
	return v
}
