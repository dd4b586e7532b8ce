package query

import (
	"encoding/json"
	"fmt"
	"math"
	"sort"
	"strings"
)

// project makes rows of paths.
func (n *naive) project(paths []path) []Row {
	if n.q.Return == nil {
		var out []Row
		seen := map[int64]bool{}
		for _, p := range paths {
			if t := p.nodes[0]; !seen[t.id] {
				seen[t.id] = true
				out = append(out, wholeThing(t))
			}
		}
		return out
	}
	if !n.q.aggregated() {
		var out []Row
		seen := map[string]bool{}
		for _, p := range paths {
			var r Row
			for _, i := range n.q.Return {
				n.addItem(&r, i, p)
			}
			if k := canon(r); !n.q.Unique || !seen[k] {
				seen[k] = true
				out = append(out, r)
			}
		}
		return out
	}
	groups, order := map[string][]path{}, []string{}
	for _, p := range paths {
		var r Row
		for _, i := range n.q.Return {
			if i.Func == None {
				n.addItem(&r, i, p)
			}
		}
		k := canon(r)
		if _, ok := groups[k]; !ok {
			order = append(order, k)
		}
		groups[k] = append(groups[k], p)
	}
	keyless := true
	for _, i := range n.q.Return {
		keyless = keyless && i.Func != None
	}
	if keyless && len(order) == 0 {
		order = []string{""}
	}
	var out []Row
	for _, k := range order {
		var r Row
		for _, i := range n.q.Return {
			if i.Func == None {
				n.addItem(&r, i, groups[k][0])
			} else {
				r.add(i.Column(), n.aggregate(i, groups[k]))
			}
		}
		out = append(out, r)
	}
	return out
}

func (n *naive) addItem(r *Row, i Item, p path) {
	if i.Operand.Property != "" {
		r.add(i.Column(), n.value(p, i.Operand))
		return
	}
	var w Row
	if i.Operand.ref.edge {
		w = n.wholeEdge(p.edges[i.Operand.ref.index])
	} else {
		w = wholeThing(p.nodes[i.Operand.ref.index])
	}
	if !i.All {
		r.add(i.Column(), w)
		return
	}
	for j, name := range w.Names {
		r.add(i.Operand.Alias+"."+name, w.Values[j])
	}
}

func (n *naive) aggregate(i Item, paths []path) any {
	seen := map[string]any{}
	for _, p := range paths {
		who := ""
		if i.Operand.ref.edge {
			e := p.edges[i.Operand.ref.index]
			who = fmt.Sprint(e.from, e.verb, e.to)
		} else {
			who = fmt.Sprint(p.nodes[i.Operand.ref.index].id)
		}
		if i.Operand.Property == "" {
			seen[who] = true
			continue
		}
		v := n.value(p, i.Operand)
		if i.Func == Count {
			if defined(v) {
				seen[canon(v)] = true
			}
		} else if f, ok := numeric(v); ok {
			seen[who] = f
		}
	}
	if i.Func == Count {
		return int64(len(seen))
	}
	if len(seen) == 0 {
		return nil
	}
	sum, low, high := 0.0, math.Inf(1), math.Inf(-1)
	for _, v := range seen {
		f := v.(float64)
		sum, low, high = sum+f, min(low, f), max(high, f)
	}
	return map[Func]any{Sum: sum, Min: low, Max: high, Avg: sum / float64(len(seen))}[i.Func]
}

func wholeThing(t thing) Row {
	var r Row
	for _, name := range []string{"_key", "_type", "_class", "displayName", "_source", "_beginOn", "_createdOn", "_version", "tag.AccountName"} {
		v := thingValue(t, name)
		if name != "tag.AccountName" || v != nil {
			r.add(name, v)
		}
	}
	for _, name := range sortedKeys(t.props) {
		r.add(name, t.props[name])
	}
	return r
}

func (n *naive) wholeEdge(e bond) Row {
	var r Row
	for _, name := range []string{"_key", "_type", "_class", "_fromEntityKey", "_toEntityKey", "displayName", "_beginOn"} {
		r.add(name, n.edgeValue(e, name))
	}
	for _, name := range sortedKeys(e.props) {
		r.add(name, e.props[name])
	}
	return r
}

// canon writes a value so that equal values are equal texts; floating-point noise is rounded away.
func canon(v any) string {
	switch v := v.(type) {
	case Row:
		parts := make([]string, len(v.Names))
		for i := range v.Names {
			parts[i] = v.Names[i] + "=" + canon(v.Values[i])
		}
		return "{" + strings.Join(parts, ",") + "}"
	case []any:
		parts := make([]string, len(v))
		for i := range v {
			parts[i] = canon(v[i])
		}
		return "[" + strings.Join(parts, ",") + "]"
	case float64, int64:
		f, _ := numeric(v)
		if f == math.Trunc(f) && math.Abs(f) < 1<<53 {
			return fmt.Sprint(int64(f))
		}
		return fmt.Sprintf("%.9g", f)
	}
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(b)
}

func canonAll(rows []Row) []string {
	out := make([]string, len(rows))
	for i, r := range rows {
		out[i] = canon(r)
	}
	sort.Strings(out)
	return out
}

// sortRank says where a value sorts among others: by type, then by size.
func sortRank(v any) (rank int, number float64, text string) {
	switch v := v.(type) {
	case nil:
		return 4, 0, ""
	case int64:
		return 0, float64(v), ""
	case float64:
		return 0, v, ""
	case string:
		return 1, 0, v
	case bool:
		if v {
			return 2, 1, ""
		}
		return 2, 0, ""
	case []any:
		if len(v) == 0 {
			return 4, 0, ""
		}
	}
	return 3, 0, ""
}
