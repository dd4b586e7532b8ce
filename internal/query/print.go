package query

import (
	"strconv"
	"strings"
	"time"
)

// String prints the query in its normal spelling: keywords and verbs in capitals, every clause in the order of the
// grammar, as few parentheses as the meaning needs.
func (q *Query) String() string {
	var b strings.Builder
	b.WriteString("FIND ")
	if q.Unique {
		b.WriteString("UNIQUE ")
	}
	q.Start.print(&b)
	for _, h := range q.Hops {
		h.print(&b)
	}
	if q.Where != nil {
		b.WriteString(" WHERE ")
		printExpr(&b, q.Where, false)
	}
	for i, item := range q.Return {
		b.WriteString([]string{" RETURN ", ", "}[min(i, 1)])
		b.WriteString(item.text())
		if item.Label != "" {
			b.WriteString(" AS " + printLabel(item.Label))
		}
	}
	if o := q.Order; o != nil {
		b.WriteString(" ORDER BY ")
		if o.By != nil {
			b.WriteString(o.By.text())
		} else {
			b.WriteString(printLabel(o.Label))
		}
		if o.Desc {
			b.WriteString(" DESC")
		}
	}
	if q.Skip != nil {
		b.WriteString(" SKIP " + strconv.FormatInt(*q.Skip, 10))
	}
	if q.Limit != nil {
		b.WriteString(" LIMIT " + strconv.FormatInt(*q.Limit, 10))
	}
	if q.At != nil {
		b.WriteString(" AT " + q.At.text())
	}
	return b.String()
}

func (n Node) print(b *strings.Builder) {
	switch {
	case n.Any:
		b.WriteString("*")
	default:
		printNames(b, n.Names)
	}
	if n.With != nil {
		b.WriteString(" WITH ")
		printExpr(b, n.With, false)
	}
	if n.Alias != nil {
		b.WriteString(" AS " + n.Alias.Text)
	}
}

func printNames(b *strings.Builder, names []Name) {
	texts := make([]string, len(names))
	for i, n := range names {
		texts[i] = n.Text
	}
	if len(texts) == 1 {
		b.WriteString(texts[0])
		return
	}
	b.WriteString("(" + strings.Join(texts, "|") + ")")
}

func (h Hop) print(b *strings.Builder) {
	b.WriteString(" THAT ")
	if h.Not {
		b.WriteString("!")
	}
	if len(h.Verbs) == 0 {
		b.WriteString("RELATES TO")
	} else {
		printNames(b, h.Verbs)
	}
	if h.Direction != Either {
		b.WriteString(" " + string(h.Direction))
	}
	if h.Alias != nil {
		b.WriteString(" AS " + h.Alias.Text)
	}
	b.WriteString(" ")
	h.Target.print(b)
}

// printExpr prints a condition; inside AND an OR needs parentheses.
func printExpr(b *strings.Builder, e Expr, inAnd bool) {
	join := func(terms []Expr, word string, inAnd bool) {
		for i, t := range terms {
			if i > 0 {
				b.WriteString(word)
			}
			printExpr(b, t, inAnd)
		}
	}
	switch e := e.(type) {
	case *And:
		join(e.Terms, " AND ", true)
	case *Or:
		if inAnd {
			b.WriteString("(")
		}
		join(e.Terms, " OR ", false)
		if inAnd {
			b.WriteString(")")
		}
	case *Compare:
		b.WriteString(e.Left.text() + " " + string(e.Op) + " ")
		if e.Right.Conjunction == "" {
			b.WriteString(e.Right.Values[0].text())
			return
		}
		texts := make([]string, len(e.Right.Values))
		for i, v := range e.Right.Values {
			texts[i] = v.text()
		}
		b.WriteString("(" + strings.Join(texts, " "+string(e.Right.Conjunction)+" ") + ")")
	}
}

func (v Value) text() string {
	switch v.Kind {
	case String:
		return printString(v.Text)
	case Number:
		if v.IsFloat {
			return strconv.FormatFloat(v.Float, 'g', -1, 64)
		}
		return strconv.FormatInt(v.Int, 10)
	case Boolean:
		return strconv.FormatBool(v.Bool)
	case Moment:
		return v.Date.text()
	case Property:
		return v.Operand.text()
	}
	return "undefined"
}

func (d Date) text() string {
	s := "date.now"
	if !d.Now {
		s = "date(" + d.Time.UTC().Format(time.RFC3339Nano) + ")"
	}
	switch {
	case d.Unit == "":
		return s
	case d.Amount < 0:
		return s + " - " + strconv.FormatInt(-d.Amount, 10) + " " + string(d.Unit)
	}
	return s + " + " + strconv.FormatInt(d.Amount, 10) + " " + string(d.Unit)
}

func (o Operand) text() string {
	switch {
	case o.Alias == "":
		return printProperty(o.Property)
	case o.Property == "":
		return o.Alias
	}
	return o.Alias + "." + printProperty(o.Property)
}

func (i Item) text() string {
	s := i.Operand.text()
	if i.All {
		s += ".*"
	}
	if i.Func != None {
		s = string(i.Func) + "(" + s + ")"
	}
	return s
}

// printProperty prints a property name, in brackets where it would read as something else.
func printProperty(name string) string {
	parts := strings.Split(name, ".")
	for _, part := range parts {
		if !isIdentifier(part) {
			return "[" + name + "]"
		}
	}
	if len(parts) == 1 && constantWord(name) || strings.EqualFold(parts[0], "date") {
		return "[" + name + "]"
	}
	return name
}

func printString(s string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(s) + "'"
}

func printLabel(s string) string {
	if isIdentifier(s) {
		return s
	}
	return printString(s)
}
