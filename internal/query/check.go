package query

import (
	"encoding/json"
	"fmt"
	"slices"
	"sort"
	"strings"
)

// Warning is a doubt about a query that runs all the same: the graph may yet learn the name.
type Warning struct {
	Pos     Pos
	Message string
}

// String returns message and place; warnings about the answer as a whole have no place.
func (w Warning) String() string {
	if w.Pos.Line == 0 {
		return w.Message
	}
	return fmt.Sprintf("%s at line %d, column %d", w.Message, w.Pos.Line, w.Pos.Column)
}

// MarshalJSON gives places as line and column.
func (w Warning) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		Message string `json:"message"`
		Line    int    `json:"line,omitempty"`
		Column  int    `json:"column,omitempty"`
	}{w.Message, w.Pos.Line, w.Pos.Column})
}

// Check compares the names of a query with what the graph knows.
func Check(q *Query, schema Schema) []Warning {
	c := &checker{schema: schema}
	nodes := make([][]string, 0, len(q.Hops)+1)
	nodes = append(nodes, c.node(q.Start))
	for i, h := range q.Hops {
		nodes = append(nodes, c.node(h.Target))
		c.hop(h, nodes[i], nodes[i+1])
	}
	lookup := func(o Operand) {
		switch {
		case o.Property == "":
		case o.ref.edge:
			h := q.Hops[o.ref.index]
			c.property(o, c.schema.edgeProperties(verbs(h)), edgeMetadata())
		default:
			c.entityProperty(o, nodes[o.ref.index])
		}
	}
	operands(q.Where, lookup)
	for _, i := range q.Return {
		lookup(i.Operand)
	}
	switch o := q.Order; {
	case o == nil || o.column >= 0:
	case o.By != nil:
		lookup(o.By.Operand)
	default:
		lookup(Operand{Pos: o.Pos, Property: o.Label})
	}
	return c.warnings
}

type checker struct {
	schema   Schema
	warnings []Warning
}

func (c *checker) warn(at Pos, hint, format string, args ...any) {
	m := fmt.Sprintf(format, args...)
	if hint != "" {
		m += "; " + hint
	}
	c.warnings = append(c.warnings, Warning{Pos: at, Message: m})
}

// node checks a selector and returns the types it can mean; nil where that is not known.
func (c *checker) node(n Node) []string {
	var types []string
	open := n.Any
	for _, name := range n.Names {
		found := c.schema.selected(name.Text)
		if len(found) == 0 {
			what, candidates := "type", c.schema.typeNames()
			if isClass(name.Text) {
				what, candidates = "class", c.schema.classNames()
			}
			hint := didYouMean(name.Text, candidates)
			if hint == "" {
				hint = didYouMean(name.Text, append(c.schema.typeNames(), c.schema.classNames()...))
			}
			c.warn(name.Pos, hint, "the graph has no %s %s", what, quote(name.Text))
			open = true
		}
		types = append(types, found...)
	}
	if open {
		types = nil
	}
	operands(n.With, func(o Operand) {
		if n.Alias != nil {
			if rest, ok := strings.CutPrefix(o.Property, n.Alias.Text+"."); ok {
				c.warn(o.Pos, "write "+rest, "properties in WITH stand without an alias")
				return
			}
		}
		c.entityProperty(o, types)
	})
	comparisons(n.With, func(cmp *Compare) { c.typeLiteral(cmp) })
	return types
}

// typeLiteral warns about an unknown type or class in a comparison with _type or _class.
func (c *checker) typeLiteral(cmp *Compare) {
	if op, _ := cmp.Op.positive(); op != Equal {
		return
	}
	for _, v := range cmp.Right.Values {
		switch {
		case v.Kind != String:
		case cmp.Left.Property == "_type" && !contains(c.schema.typeNames(), c.schema.canonical(v.Text)):
			c.warn(v.Pos, didYouMean(v.Text, c.schema.typeNames()), "the graph has no type %s", quote(v.Text))
		case cmp.Left.Property == "_class" && !contains(c.schema.classNames(), v.Text):
			c.warn(v.Pos, didYouMean(v.Text, c.schema.classNames()), "the graph has no class %s", quote(v.Text))
		}
	}
}

// hop checks the verbs, and whether any of them joins the two ends.
func (c *checker) hop(h Hop, from, to []string) {
	known := c.schema.verbNames()
	for _, v := range h.Verbs {
		if !contains(known, v.Text) {
			c.warn(v.Pos, didYouMean(v.Text, known), "the graph has no relationship %s", quote(v.Text))
			return
		}
	}
	if from == nil || to == nil || h.Not {
		return
	}
	forward, backward := c.schema.joins(from, verbs(h), to), c.schema.joins(to, verbs(h), from)
	name := strings.Join(verbs(h), "|")
	if name == "" {
		name = "relationship"
	}
	switch {
	case !forward && !backward:
		c.warn(h.Pos, "", "the graph has no %s between these two", name)
	case h.Direction == Forward && !forward, h.Direction == Backward && !backward:
		c.warn(h.Pos, "turn the arrow round", "%s goes the other way", name)
	}
}

func (c *checker) entityProperty(o Operand, types []string) {
	if o.Property == "" || types == nil {
		return
	}
	known, complete := c.schema.properties(types)
	if complete {
		c.property(o, known, entityMetadata())
	}
}

func (c *checker) property(o Operand, known, metadata []string) {
	all := append(append([]string{}, known...), metadata...)
	if !contains(all, o.Property) {
		c.warn(o.Pos, didYouMean(o.Property, all), "nothing here has the property %s", quote(o.Property))
	}
}

// verbs returns the verbs of a hop in capitals; none for RELATES TO.
func verbs(h Hop) []string {
	var out []string
	for _, v := range h.Verbs {
		out = append(out, v.Text)
	}
	return out
}

// comparisons calls f for every comparison of a condition.
func comparisons(e Expr, f func(*Compare)) {
	switch e := e.(type) {
	case *And:
		for _, t := range e.Terms {
			comparisons(t, f)
		}
	case *Or:
		for _, t := range e.Terms {
			comparisons(t, f)
		}
	case *Compare:
		f(e)
	}
}

// operands calls f for every property of a condition.
func operands(e Expr, f func(Operand)) {
	comparisons(e, func(c *Compare) {
		f(c.Left)
		for _, v := range c.Right.Values {
			if v.Kind == Property {
				f(v.Operand)
			}
		}
	})
}

func contains(list []string, s string) bool {
	return slices.Contains(list, s)
}

func sortedKeys[V any](m map[string]V) []string {
	out := make([]string, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	sort.Strings(out)
	return out
}
