package query

import (
	"slices"
	"sort"
	"strings"
)

// bind ties every alias of the query to a node or hop and checks what depends on it.
func bind(q *Query) error {
	b := &binder{q: q, names: map[string][]slot{}, explicit: map[string]slot{}}
	if err := b.collect(); err != nil {
		return err
	}
	if err := b.expr(q.Where); err != nil {
		return err
	}
	if err := b.items(); err != nil {
		return err
	}
	return b.order()
}

type binder struct {
	q        *Query
	explicit map[string]slot   // by alias, as written
	names    map[string][]slot // implicit: by class, type or verb; verbs in capitals
	gone     []string          // aliases and names behind !
}

// collect finds all names that the rest of the query may use.
func (b *binder) collect() error {
	if err := b.node(b.q.Start, 0, false); err != nil {
		return err
	}
	for i, h := range b.q.Hops {
		at := slot{edge: true, index: i}
		if h.Not {
			for _, v := range h.Verbs {
				b.gone = append(b.gone, v.Text)
			}
		} else {
			for _, v := range h.Verbs {
				b.names[v.Text] = append(b.names[v.Text], at)
			}
		}
		if err := b.alias(h.Alias, at, h.Not); err != nil {
			return err
		}
		if err := b.node(h.Target, i+1, h.Not); err != nil {
			return err
		}
	}
	return nil
}

func (b *binder) node(n Node, index int, gone bool) error {
	for _, name := range n.Names {
		if gone {
			b.gone = append(b.gone, name.Text)
		} else {
			b.names[name.Text] = append(b.names[name.Text], slot{index: index})
		}
	}
	return b.alias(n.Alias, slot{index: index}, gone)
}

func (b *binder) alias(a *Name, at slot, gone bool) error {
	switch {
	case a == nil:
		return nil
	case gone:
		b.gone = append(b.gone, a.Text)
		return nil
	}
	if _, twice := b.explicit[a.Text]; twice {
		return problem(b.q.text, a.Pos, "choose another alias", "the alias %s stands twice", quote(a.Text))
	}
	b.explicit[a.Text] = at
	return nil
}

// known lists what an operand may begin with, in order of the alphabet.
func (b *binder) known() []string {
	var out []string
	for name := range b.explicit {
		out = append(out, name)
	}
	for name, at := range b.names {
		if _, shadowed := b.explicit[name]; !shadowed && len(distinct(at)) == 1 {
			out = append(out, name)
		}
	}
	sort.Strings(out)
	return out
}

// resolve finds the place of an alias. An explicit one hides a class, type or verb of the same name.
func (b *binder) resolve(o *Operand) error {
	if at, ok := b.explicit[o.Alias]; ok {
		o.ref = at
		return nil
	}
	places := b.names[o.Alias]
	if len(places) == 0 {
		places = b.names[strings.ToUpper(o.Alias)] // verbs in any case
	}
	places = distinct(places)
	switch len(places) {
	case 1:
		o.ref = places[0]
		return nil
	case 0:
		if slices.Contains(b.gone, o.Alias) {
			return problem(b.q.text, o.Pos, "", "%s stands behind a negated hop and has no value", quote(o.Alias))
		}
		known := b.known()
		hint := didYouMean(o.Alias, known)
		if hint == "" {
			hint = `valid ones are "` + strings.Join(known, `", "`) + `"`
		}
		return problem(b.q.text, o.Pos, hint, "nothing in the query is named %s", quote(o.Alias))
	}
	return problem(b.q.text, o.Pos, "give the one you mean a name with AS", "%s occurs in several places of the query", quote(o.Alias))
}

func distinct(places []slot) []slot {
	var out []slot
	seen := map[slot]bool{}
	for _, p := range places {
		if !seen[p] {
			seen[p] = true
			out = append(out, p)
		}
	}
	return out
}

// expr binds the operands of WHERE.
func (b *binder) expr(e Expr) error {
	switch e := e.(type) {
	case *And:
		return b.exprs(e.Terms)
	case *Or:
		return b.exprs(e.Terms)
	case *Compare:
		if err := b.resolve(&e.Left); err != nil {
			return err
		}
		for i := range e.Right.Values {
			if v := &e.Right.Values[i]; v.Kind == Property {
				if err := b.resolve(&v.Operand); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func (b *binder) exprs(terms []Expr) error {
	for _, t := range terms {
		if err := b.expr(t); err != nil {
			return err
		}
	}
	return nil
}

func (b *binder) items() error {
	columns := map[string]bool{}
	for i := range b.q.Return {
		item := &b.q.Return[i]
		if err := b.resolve(&item.Operand); err != nil {
			return err
		}
		name := item.Column()
		if columns[name] {
			return problem(b.q.text, item.Pos, "name one of them with AS", "two columns are named %s", quote(name))
		}
		columns[name] = true
	}
	return nil
}

// order finds the returned column that ORDER BY means, or binds its operand.
func (b *binder) order() error {
	o := b.q.Order
	if o == nil {
		return nil
	}
	if o.By == nil {
		for i, item := range b.q.Return {
			if item.Column() == o.Label {
				return b.orderColumn(i)
			}
		}
		if b.q.Return == nil {
			return nil // a property of the start
		}
		var columns []string
		for _, item := range b.q.Return {
			columns = append(columns, item.Column())
		}
		hint := didYouMean(o.Label, columns)
		if hint == "" {
			hint = `columns are "` + strings.Join(columns, `", "`) + `"`
		}
		return problem(b.q.text, o.Pos, hint, "ORDER BY names %s, which is neither a column nor a property", quote(o.Label))
	}
	if err := b.resolve(&o.By.Operand); err != nil {
		return err
	}
	for i, item := range b.q.Return {
		if item.text() == o.By.text() {
			return b.orderColumn(i)
		}
	}
	switch {
	case b.q.Return == nil && (o.By.Operand.ref != slot{} || o.By.Func != None):
		return problem(b.q.text, o.Pos, "", "without RETURN, ORDER BY can use properties of the start only")
	case b.q.aggregated() || b.q.Unique && b.q.Return != nil:
		return problem(b.q.text, o.Pos, "add it to RETURN", "ORDER BY must use a returned column here, and %s is none", o.By.text())
	case o.By.Func != None:
		return problem(b.q.text, o.Pos, "add it to RETURN", "ORDER BY cannot use %s", o.By.text())
	}
	return nil
}

// orderColumn notes the column and refuses one without an order.
func (b *binder) orderColumn(i int) error {
	item := b.q.Return[i]
	if item.All || item.Func == None && item.Operand.Property == "" {
		return problem(b.q.text, b.q.Order.Pos, "name one property", "ORDER BY cannot use %s, which is a whole entity", item.text())
	}
	b.q.Order.column = i
	return nil
}

// aggregated reports whether RETURN has an aggregate, which makes its other items grouping keys.
func (q *Query) aggregated() bool {
	for _, i := range q.Return {
		if i.Func != None {
			return true
		}
	}
	return false
}
