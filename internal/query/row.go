package query

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"sort"

	"github.com/windlass-hq/windlass/internal/store"
)

// Row is one row of an answer: names and values in order. A value is nil for undefined, a bool, int64, float64 or
// string, a []any, a map[string]any, or a Row for a whole entity or relationship.
type Row struct {
	Names  []string
	Values []any
}

// Get returns the value of a column; nil also where there is none.
func (r Row) Get(name string) any {
	for i, n := range r.Names {
		if n == name {
			return r.Values[i]
		}
	}
	return nil
}

// MarshalJSON writes an object whose members stand in the order of the columns.
func (r Row) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	write := func(v any) error {
		if err := e.Encode(v); err != nil {
			return err
		}
		b.Truncate(b.Len() - 1) // the encoder's line end
		return nil
	}
	b.WriteByte('{')
	for i, name := range r.Names {
		if i > 0 {
			b.WriteByte(',')
		}
		if err := write(name); err != nil {
			return nil, err
		}
		b.WriteByte(':')
		if err := write(r.Values[i]); err != nil {
			return nil, err
		}
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// add appends a column; one that is there already, as with pr.*, pr.title, keeps its place and value.
func (r *Row) add(name string, value any) {
	if slices.Contains(r.Names, name) {
		return
	}
	r.append(name, value)
}

func (r *Row) append(name string, value any) {
	r.Names, r.Values = append(r.Names, name), append(r.Values, value)
}

// addProperties appends properties in order of their names. A property that is named like metadata is left out: the
// metadata has the word; so is one that is hidden.
func (r *Row) addProperties(v any, hidden []string) error {
	x, err := decodeJSON(v)
	if err != nil {
		return err
	}
	m, _ := x.(map[string]any)
	have := map[string]bool{}
	for _, n := range r.Names {
		have[n] = true
	}
	names := make([]string, 0, len(m))
	for n := range m {
		if !have[n] && !contains(hidden, n) {
			names = append(names, n)
		}
	}
	sort.Strings(names)
	for _, n := range names {
		r.append(n, m[n])
	}
	return nil
}

// emitter turns some columns of the statement into columns of the answer.
type emitter struct {
	name  string // "" for items that bring their own names
	width int    // columns of the statement
	emit  func(vals []any, out *Row) error
}

// emitters of one item: the columns it fetches from row r, and what becomes of them.
func (p *planner) wholeItem(item Item, r row) ([]string, emitter) {
	sql, read := p.entityColumns(r)
	if r.edge {
		sql, read = p.edgeColumns(r)
	}
	e := emitter{name: item.Column(), width: len(sql), emit: func(vals []any, out *Row) error {
		whole, err := read(vals)
		out.add(item.Column(), whole)
		return err
	}}
	if item.All {
		e.name = ""
		e.emit = func(vals []any, out *Row) error {
			whole, err := read(vals)
			for i, n := range whole.Names {
				out.add(item.Operand.Alias+"."+n, whole.Values[i])
			}
			return err
		}
	}
	return sql, e
}

// startItem is what a query without RETURN yields: the entity itself.
func (p *planner) startItem(r row) ([]string, emitter) {
	sql, read := p.entityColumns(r)
	return sql, emitter{width: len(sql), emit: func(vals []any, out *Row) error {
		whole, err := read(vals)
		*out = whole
		return err
	}}
}

// plainItem is alias.property, and the output of the operand is its column.
func plainItem(item Item, o operand) emitter {
	return emitter{name: item.Column(), width: 1, emit: func(vals []any, out *Row) error {
		v, err := o.decode(vals[0])
		out.add(item.Column(), v)
		return err
	}}
}

// entityColumns are the columns that make a whole entity.
func (p *planner) entityColumns(r row) ([]string, func([]any) (Row, error)) {
	sql := []string{
		r.col("key"), r.col("kind"), r.col("name"), r.col("source"), "(" + r.col("valid_from") + " / 1000)", created(r),
		r.col("version"), p.d.whole(r.col("props")),
	}
	var tag operand
	if p.tagged {
		tag = accounts{p, r.col("id")}
		sql = append(sql, tag.output())
	}
	kinds := map[int64]store.Kind{}
	for _, k := range p.schema.kinds {
		kinds[k.ID] = k
	}
	return sql, func(vals []any) (Row, error) {
		var out Row
		id, _ := vals[1].(int64)
		k, ok := kinds[id]
		if !ok {
			return out, fmt.Errorf("query: kind %d has appeared while the query ran", id)
		}
		classes := make([]any, len(k.Classes))
		for i, c := range k.Classes {
			classes[i] = c
		}
		out.add("_key", plain(vals[0]))
		out.add("_type", k.Type)
		out.add("_class", classes)
		out.add("displayName", plain(vals[2]))
		out.add("_source", plain(vals[3]))
		out.add("_beginOn", vals[4])
		out.add("_createdOn", vals[5])
		out.add("_version", vals[6])
		if tag != nil {
			names, err := tag.decode(vals[8])
			if err != nil {
				return out, err
			}
			if names != nil {
				out.add("tag.AccountName", names)
			}
		}
		return out, out.addProperties(vals[7], p.hidden(p.schema.forgotten(k.Type)))
	}
}

// edgeColumns are the columns that make a whole relationship.
func (p *planner) edgeColumns(r row) ([]string, func([]any) (Row, error)) {
	names := []string{"_key", "_type", "_class", "_fromEntityKey", "_toEntityKey", "displayName", "_beginOn"}
	var sql []string
	var ops []operand
	for _, n := range names {
		o := p.edgeOperand(r, n)
		sql, ops = append(sql, o.output()), append(ops, o)
	}
	sql = append(sql, p.d.whole(r.col("props")), r.col("kind"))
	forgotten := map[int64][]string{}
	for _, k := range r.edges {
		forgotten[k.ID] = p.schema.forgottenOfEdge(k)
	}
	return sql, func(vals []any) (Row, error) {
		var out Row
		for i, n := range names {
			v, err := ops[i].decode(vals[i])
			if err != nil {
				return out, err
			}
			out.add(n, v)
		}
		kind, _ := vals[len(names)+1].(int64)
		return out, out.addProperties(vals[len(names)], p.hidden(forgotten[kind]))
	}
}

// hidden are the names of properties that an answer leaves out: at a past moment those that are unknown then.
func (p *planner) hidden(forgotten []string) []string {
	if p.at == nil {
		return nil
	}
	return forgotten
}
