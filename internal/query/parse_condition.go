package query

import (
	"math"
	"strconv"
	"strings"
	"time"
)

// condition reads terms joined by OR and AND, of which AND binds tighter. Behind WHERE properties are written with an
// alias, behind WITH without.
func (p *parser) condition(aliased bool) (Expr, error) {
	if err := p.enter(); err != nil {
		return nil, err
	}
	defer p.leave()
	var alternatives []Expr
	for {
		var terms []Expr
		for {
			t, err := p.term(aliased)
			if err != nil {
				return nil, err
			}
			terms = append(terms, t)
			if !p.acceptWord("AND") {
				break
			}
		}
		alternatives = append(alternatives, and(terms...))
		if !p.acceptWord("OR") {
			return or(alternatives...), nil
		}
	}
}

func (p *parser) term(aliased bool) (Expr, error) {
	if p.accept("(") {
		e, err := p.condition(aliased)
		if err != nil {
			return nil, err
		}
		return e, p.expect(")")
	}
	return p.comparison(aliased)
}

// comparison reads property, operator and value; a constant on the left is turned around.
func (p *parser) comparison(aliased bool) (Expr, error) {
	start := p.peek()
	if p.startsConstant() {
		return p.turned(aliased)
	}
	left, err := p.operand(aliased)
	if err != nil {
		return nil, err
	}
	op, at, err := p.operator()
	if err != nil {
		return nil, err
	}
	right, err := p.right(aliased)
	if err != nil {
		return nil, err
	}
	for _, v := range right.Values {
		if err := p.fits(op, at, v); err != nil {
			return nil, err
		}
	}
	left.Pos = start.pos
	return &Compare{Left: left, Op: op, Right: right}, nil
}

// turned reads a comparison whose constant stands on the left: date.now - 7 days > lastSeenOn.
func (p *parser) turned(aliased bool) (Expr, error) {
	value, err := p.value(aliased)
	if err != nil {
		return nil, err
	}
	op, at, err := p.operator()
	if err != nil {
		return nil, err
	}
	switch op {
	case Greater:
		op = Less
	case Less:
		op = Greater
	case AtLeast:
		op = AtMost
	case AtMost:
		op = AtLeast
	case Equal, NotEqual:
	default:
		return nil, problem(p.text, at, "write the property first", "%s needs a property on its left", op)
	}
	if p.startsConstant() {
		return nil, problem(p.text, p.peek().pos, "", "a comparison needs a property on one side")
	}
	left, err := p.operand(aliased)
	if err != nil {
		return nil, err
	}
	return &Compare{Left: left, Op: op, Right: Right{Values: []Value{value}}}, p.fits(op, at, value)
}

// fits refuses values that an operator can never hold for, since that is a slip and not a question.
func (p *parser) fits(op Op, at Pos, v Value) error {
	positive, _ := op.positive()
	switch {
	case v.Kind == Property, positive == Equal:
		return nil
	case op.ordered() && v.Kind != Number && v.Kind != Moment:
		hint := ""
		if v.Kind == String {
			if _, ok := parseMoment(v.Text); ok {
				hint = "write date(" + v.Text + ")"
			}
		}
		return problem(p.text, v.Pos, hint, "%s compares numbers and dates only", op)
	case !op.ordered() && v.Kind != String:
		return problem(p.text, v.Pos, "put it in quotes", "%s compares strings only", op)
	}
	return nil
}

func (p *parser) operator() (Op, Pos, error) {
	t := p.peek()
	if t.kind == tokSymbol {
		switch op := Op(t.text); op {
		case Equal, NotEqual, Greater, Less, AtLeast, AtMost, Contains, StartsWith, EndsWith, NotContains, NotStarts, NotEnds:
			p.next()
			return op, t.pos, nil
		}
	}
	return "", t.pos, p.unexpected("a comparison: = != > < >= <= ~= ^= $= !~= !^= !$=")
}

// right reads a value, or a list of values in parentheses joined by OR or by AND.
func (p *parser) right(aliased bool) (Right, error) {
	open := p.peek()
	if !p.accept("(") {
		v, err := p.value(aliased)
		return Right{Values: []Value{v}}, err
	}
	if t := p.peek(); t.word("FIND") {
		return Right{}, notYet(p.text, open.pos, "subquery")
	}
	var r Right
	for {
		v, err := p.value(aliased)
		if err != nil {
			return r, err
		}
		r.Values = append(r.Values, v)
		t := p.peek()
		switch {
		case p.accept(")"):
			return r, nil
		case t.word("OR"), t.word("AND"):
			c := Conjunction(strings.ToUpper(t.text))
			if r.Conjunction != "" && r.Conjunction != c {
				return r, problem(p.text, t.pos, "use one of them, or two comparisons", "a list of values mixes AND and OR")
			}
			r.Conjunction = c
			p.next()
		default:
			return r, p.unexpected(`OR, AND or ")"`, "OR", "AND")
		}
	}
}

// startsConstant reports whether a constant, and no property, comes next.
func (p *parser) startsConstant() bool {
	t := p.peek()
	switch t.kind {
	case tokString, tokNumber:
		return true
	case tokIdent:
		return constantWord(t.text) && !p.ahead(1).is(".") || p.startsDate()
	case tokSymbol:
		return t.is("-")
	}
	return false
}

// constantWord reports whether a word alone is a constant.
func constantWord(s string) bool {
	switch strings.ToLower(s) {
	case "true", "false", "undefined", "null":
		return true
	}
	return false
}

func (p *parser) startsDate() bool {
	return p.peek().word("date") &&
		(p.ahead(1).is("(") || p.ahead(1).is(".") && p.ahead(2).word("now") && !p.ahead(3).is("."))
}

func (p *parser) value(aliased bool) (Value, error) {
	t := p.peek()
	v := Value{Pos: t.pos}
	if p.values++; p.values > maxValues {
		return v, problem(p.text, t.pos, "", "more than %d values", maxValues)
	}
	switch {
	case t.kind == tokString:
		v.Kind, v.Text = String, p.next().text
		return v, nil
	case t.kind == tokNumber, t.is("-"):
		return p.number()
	case t.is("/"):
		return v, notYet(p.text, t.pos, "regular expression")
	case t.is("("):
		return v, notYet(p.text, t.pos, "a list or subquery inside a list")
	case p.startsDate():
		d, err := p.date()
		v.Kind, v.Date = Moment, d
		return v, err
	case p.startsConstant():
		p.next()
		switch strings.ToLower(t.text) {
		case "true", "false":
			v.Kind, v.Bool = Boolean, t.word("true")
		}
		return v, nil
	}
	if t.kind != tokIdent && t.kind != tokBracket {
		return v, p.unexpected("a value: 'text', a number, true, false, undefined, a date or a property")
	}
	o, err := p.operand(aliased)
	v.Kind, v.Operand = Property, o
	return v, err
}

func (p *parser) number() (Value, error) {
	v := Value{Pos: p.peek().pos, Kind: Number}
	sign := ""
	if p.accept("-") {
		sign = "-"
	}
	t := p.peek()
	if t.kind != tokNumber {
		return v, p.unexpected("a number")
	}
	p.next()
	if n, err := strconv.ParseInt(sign+t.text, 10, 64); err == nil {
		v.Int = n
		return v, nil
	}
	f, err := strconv.ParseFloat(sign+t.text, 64)
	if err != nil {
		return v, problem(p.text, t.pos, "", "the number %s is too large", t.text)
	}
	if f == math.Trunc(f) && math.Abs(f) < 1<<53 {
		v.Int = int64(f)
		return v, nil
	}
	v.Float, v.IsFloat = f, true
	return v, nil
}

// moment reads the time behind AT: a date, or a string that holds one.
func (p *parser) moment() (*Date, error) {
	if t := p.peek(); t.kind == tokString {
		at, ok := parseMoment(t.text)
		if !ok {
			return nil, problem(p.text, t.pos, "write it as 2026-01-31 or 2026-01-31T12:00:00Z", "%s is no date", quote(t.text))
		}
		p.next()
		return &Date{Pos: t.pos, Time: at}, nil
	}
	if !p.startsDate() {
		return nil, p.unexpected("date.now - 7 days, date(2026-01-31) or '2026-01-31T12:00:00Z'")
	}
	d, err := p.date()
	return &d, err
}

// date reads date.now or date(…), and what is added to it.
func (p *parser) date() (Date, error) {
	d := Date{Pos: p.next().pos}
	if p.accept(".") {
		p.next()
		d.Now = true
	} else {
		open := p.next()
		from := p.at
		for !p.peek().is(")") {
			if p.peek().kind == tokEnd {
				return d, p.unexpected(`")"`)
			}
			p.next()
		}
		inside := strings.TrimSpace(p.text[open.end:p.peek().pos.Offset])
		if p.at == from+1 && p.tokens[from].kind == tokString {
			inside = p.tokens[from].text
		}
		at, ok := parseMoment(inside)
		if !ok {
			return d, problem(p.text, p.tokens[from].pos, "write it as date(2026-01-31) or date(2026-01-31T12:00:00Z)", "%s is no date", quote(inside))
		}
		p.next()
		d.Time = at
	}
	sign := int64(1)
	switch {
	case p.accept("+"):
	case p.accept("-"):
		sign = -1
	default:
		return d, nil
	}
	t := p.peek()
	n, err := strconv.ParseInt(t.text, 10, 64)
	if t.kind != tokNumber || err != nil || n > maxAmount {
		return d, p.unexpected("a whole number up to a million and a unit, such as 7 days")
	}
	p.next()
	u := p.peek()
	unit, ok := unitOf(u.text)
	if u.kind != tokIdent || !ok {
		return d, p.unexpected("a unit: minutes, hours, days, weeks, months or years", "hours", "days", "weeks", "months", "years", "minutes")
	}
	p.next()
	if n != 0 {
		d.Amount, d.Unit = sign*n, unit
	}
	return d, nil
}

// maxAmount bounds what is added to a date, so that no sum of times overflows 64 bits: a million years in
// milliseconds are 3 % of that range, a million hours in nanoseconds 39 %.
const maxAmount = 1_000_000

func unitOf(s string) (Unit, bool) {
	switch strings.ToLower(s) {
	case "minute", "minutes", "min", "mins":
		return Minutes, true
	case "hour", "hours", "hr", "hrs":
		return Hours, true
	case "day", "days":
		return Days, true
	case "week", "weeks", "wk", "wks":
		return Weeks, true
	case "month", "months", "mo", "mos":
		return Months, true
	case "year", "years", "yr", "yrs":
		return Years, true
	}
	return "", false
}

// parseMoment reads a date or time of ISO 8601; without a zone it is UTC.
func parseMoment(s string) (time.Time, bool) {
	for _, layout := range []string{
		"2006-01-02", time.RFC3339Nano, "2006-01-02T15:04Z07:00", "2006-01-02T15:04:05", "2006-01-02T15:04",
		"2006-01-02 15:04:05", "2006-01-02 15:04", "2006-01-02 15:04:05Z07:00",
	} {
		if t, err := time.Parse(layout, strings.TrimSpace(s)); err == nil {
			return t.UTC(), true
		}
	}
	return time.Time{}, false
}

// operand reads a property: bare in WITH, behind an alias elsewhere.
func (p *parser) operand(aliased bool) (Operand, error) {
	t := p.peek()
	o := Operand{Pos: t.pos}
	if !aliased {
		property, err := p.property()
		o.Property = property
		return o, err
	}
	alias, err := p.name("alias.property", false)
	if err != nil {
		return o, err
	}
	o.Alias = alias.Text
	if err := p.expect("."); err != nil {
		return o, err
	}
	o.Property, err = p.property()
	return o, err
}

// property reads a name with dots; any part may stand in brackets.
func (p *parser) property() (string, error) {
	var parts []string
	for {
		t := p.peek()
		if t.kind != tokIdent && t.kind != tokBracket {
			return "", p.unexpected("a property")
		}
		p.next()
		parts = append(parts, t.text)
		if !p.peek().is(".") || p.ahead(1).is("*") {
			return strings.Join(parts, "."), nil
		}
		p.next()
	}
}
