package query

import (
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/windlass-hq/windlass/internal/graph"
)

// The naive evaluator: the meaning of the language in plain loops over everything, written from
// reference/jupiterone.md section 3 and the package comment, not from the planner.

// forever ends an interval that has not ended.
const forever = int64(math.MaxInt64)

type thing struct { // one version of an entity
	id            int64
	key, typ      string
	classes       []string
	name, source  string
	props         map[string]any
	version       int64
	from, to      int64 // µs
	first         int64 // of the oldest version
	repo, project int64
	accounts      []string
}

type bond struct { // one version of a relationship
	from, to   int64
	verb       string
	props      map[string]any
	begin, end int64
}

type world struct {
	things []thing
	ties   []bond
	model  *graph.Model
}

// naive answers one query.
type naive struct {
	w      world
	q      *Query
	at     int64 // µs
	now    time.Time
	viewer Viewer
	things map[int64]thing
	ties   []bond
}

type path struct {
	nodes []thing
	edges []bond
}

func (n *naive) sees(t thing) bool {
	if n.viewer.everything {
		return true
	}
	in := func(id int64, list []int64) bool {
		return slices.Contains(list, id)
	}
	switch {
	case in(t.id, n.viewer.repos), in(t.id, n.viewer.projects):
		return true
	case t.repo != 0:
		return in(t.repo, n.viewer.repos)
	case t.project != 0:
		return in(t.project, n.viewer.projects)
	}
	return !contains(t.classes, "CodeRepo") && !contains(t.classes, "Project")
}

// answer returns the rows in no particular order.
func (n *naive) answer() []Row {
	n.things = map[int64]thing{}
	for _, t := range n.w.things {
		if t.from <= n.at && n.at < t.to && n.sees(t) {
			if n.at < n.now.UnixMicro() {
				t.props = maps.Clone(t.props)
				maps.DeleteFunc(t.props, func(name string, _ any) bool { return n.w.model.Keeping(t.typ, name) == graph.CurrentOnly })
			}
			n.things[t.id] = t
		}
	}
	for _, e := range n.w.ties {
		_, from := n.things[e.from]
		_, to := n.things[e.to]
		if e.begin <= n.at && n.at < e.end && from && to {
			n.ties = append(n.ties, e)
		}
	}
	var paths []path
	for _, t := range n.things {
		if n.selects(n.q.Start, t) {
			paths = append(paths, path{nodes: []thing{t}})
		}
	}
	for _, h := range n.q.Hops {
		var next []path
		for _, p := range paths {
			last := p.nodes[len(p.nodes)-1]
			found := n.follow(h, last)
			if h.Not {
				if len(found) == 0 {
					next = append(next, p)
				}
				continue
			}
			for _, f := range found {
				next = append(next, path{
					nodes: append(append([]thing{}, p.nodes...), f.nodes[0]),
					edges: append(append([]bond{}, p.edges...), f.edges[0]),
				})
			}
		}
		paths = next
	}
	var kept []path
	for _, p := range paths {
		if n.q.Where == nil || n.holds(n.q.Where, func(o Operand) any { return n.value(p, o) }) {
			kept = append(kept, p)
		}
	}
	return n.project(kept)
}

// follow returns one path of one edge and one node for every way the hop can be taken.
func (n *naive) follow(h Hop, from thing) []path {
	var out []path
	for _, e := range n.ties {
		if len(h.Verbs) > 0 && !contains(verbs(h), e.verb) {
			continue
		}
		var ends []int64
		if e.from == from.id && h.Direction != Backward {
			ends = append(ends, e.to)
		}
		if e.to == from.id && h.Direction != Forward && (e.from != e.to || h.Direction == Backward) {
			ends = append(ends, e.from)
		}
		for _, id := range ends {
			if t := n.things[id]; n.selects(h.Target, t) {
				out = append(out, path{nodes: []thing{t}, edges: []bond{e}})
			}
		}
	}
	return out
}

func (n *naive) selects(node Node, t thing) bool {
	match := node.Any
	for _, name := range node.Names {
		if strings.ToUpper(name.Text[:1]) == name.Text[:1] {
			match = match || contains(t.classes, name.Text)
		} else {
			match = match || n.w.model.Canonical(name.Text) == t.typ
		}
	}
	return match && (node.With == nil || n.holds(node.With, func(o Operand) any { return thingValue(t, o.Property) }))
}

func (n *naive) value(p path, o Operand) any {
	if o.ref.edge {
		return n.edgeValue(p.edges[o.ref.index], o.Property)
	}
	return thingValue(p.nodes[o.ref.index], o.Property)
}

func thingValue(t thing, property string) any {
	switch property {
	case "_key":
		return t.key
	case "_type":
		return t.typ
	case "_class":
		return append([]any{}, list(t.classes)...)
	case "_source":
		return t.source
	case "displayName":
		return t.name
	case "_version":
		return t.version
	case "_deleted":
		return false
	case "_endOn":
		return nil
	case "_beginOn":
		return t.from / 1000
	case "_createdOn":
		return t.first / 1000
	case "tag.AccountName":
		switch len(t.accounts) {
		case 0:
			return nil
		case 1:
			return t.accounts[0]
		}
		return list(t.accounts)
	}
	return t.props[property]
}

func (n *naive) edgeValue(e bond, property string) any {
	from, to := n.things[e.from], n.things[e.to]
	switch property {
	case "_key":
		return from.key + "|" + e.verb + "|" + to.key
	case "_fromEntityKey":
		return from.key
	case "_toEntityKey":
		return to.key
	case "_class", "displayName":
		return e.verb
	case "_type":
		return graph.RelationshipType(from.typ, e.verb, to.typ)
	case "_deleted":
		return false
	case "_endOn":
		return nil
	case "_beginOn":
		return e.begin / 1000
	}
	return e.props[property]
}

func list(ss []string) []any {
	var out []any
	for _, s := range ss {
		out = append(out, s)
	}
	return out
}

// set is a property as the language sees it.
func set(v any) []any {
	switch v := v.(type) {
	case nil, map[string]any:
		return nil
	case []any:
		return v
	}
	return []any{v}
}

func defined(v any) bool {
	l, isList := v.([]any)
	return v != nil && (!isList || len(l) > 0)
}

func (n *naive) holds(e Expr, value func(Operand) any) bool {
	switch e := e.(type) {
	case *And:
		for _, t := range e.Terms {
			if !n.holds(t, value) {
				return false
			}
		}
		return true
	case *Or:
		for _, t := range e.Terms {
			if n.holds(t, value) {
				return true
			}
		}
		return false
	}
	c := e.(*Compare)
	left := value(c.Left)
	single := func(op Op, v Value) bool {
		switch v.Kind {
		case Undefined:
			return !defined(left)
		case Property:
			for _, b := range set(value(v.Operand)) {
				if n.some(left, op, b) {
					return true
				}
			}
			return false
		}
		k := n.constantOf(v)
		if s, ok := k.(string); ok && c.Left.Property == "_type" && op == Equal {
			k = n.w.model.Canonical(s)
		}
		return n.some(left, op, k)
	}
	all := func(op Op) bool {
		hits := 0
		for _, v := range c.Right.Values {
			if single(op, v) {
				hits++
			}
		}
		if c.Right.Conjunction == AllOf {
			return hits == len(c.Right.Values)
		}
		return hits > 0
	}
	switch c.Op {
	case NotEqual:
		return !all(Equal)
	case NotContains:
		return !all(Contains)
	case NotStarts:
		return !all(StartsWith)
	case NotEnds:
		return !all(EndsWith)
	}
	return all(c.Op)
}

func (n *naive) constantOf(v Value) any {
	switch v.Kind {
	case String:
		return v.Text
	case Boolean:
		return v.Bool
	case Moment:
		return v.Date.Resolve(n.now).UnixMilli()
	}
	if v.IsFloat {
		return v.Float
	}
	return v.Int
}

// some reports whether an element of a stands in the relation to b.
func (n *naive) some(a any, op Op, b any) bool {
	for _, x := range set(a) {
		xs, xIsText := x.(string)
		bs, bIsText := b.(string)
		xf, xIsNumber := numeric(x)
		bf, bIsNumber := numeric(b)
		hit := false
		switch op {
		case Equal:
			hit = x == b && !xIsNumber || xIsNumber && bIsNumber && xf == bf
		case Contains:
			hit = xIsText && bIsText && strings.Contains(xs, bs)
		case StartsWith:
			hit = xIsText && bIsText && strings.HasPrefix(xs, bs)
		case EndsWith:
			hit = xIsText && bIsText && strings.HasSuffix(xs, bs)
		case Greater:
			hit = xIsNumber && bIsNumber && xf > bf
		case Less:
			hit = xIsNumber && bIsNumber && xf < bf
		case AtLeast:
			hit = xIsNumber && bIsNumber && xf >= bf
		case AtMost:
			hit = xIsNumber && bIsNumber && xf <= bf
		}
		if hit {
			return true
		}
	}
	return false
}

func numeric(v any) (float64, bool) {
	switch v := v.(type) {
	case int64:
		return float64(v), true
	case float64:
		return v, true
	}
	return 0, false
}
