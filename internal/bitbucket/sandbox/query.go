package sandbox

import (
	"fmt"
	"strconv"
	"strings"
)

// condition is a node of a parsed `q`: a comparison, or AND or OR over others.
type condition struct {
	op       operator
	all      []condition // of opAnd and opOr
	path     []string
	literals []value // one, or many for opIn and opNotIn
}

type operator uint8

const (
	opAnd operator = iota
	opOr
	opEqual
	opUnequal
	opContains
	opLacks
	opGreater
	opGreaterEqual
	opLess
	opLessEqual
	opIn
	opNotIn
)

// maxQueryDepth bounds the parentheses of a query, so that no request can exhaust the stack.
const maxQueryDepth = 100

// parseQuery reads the language of FACTS 60 and 61: comparisons joined with AND, OR (which binds weaker) and
// parentheses; keywords in any case.
func parseQuery(text string) (condition, error) {
	p := &queryParser{text: text}
	c, err := p.alternatives(0)
	if err != nil {
		return condition{}, err
	}
	if p.skip(); p.pos < len(text) {
		return condition{}, p.errorf("unexpected %q", p.text[p.pos:min(p.pos+10, len(text))])
	}
	return c, nil
}

type queryParser struct {
	text string
	pos  int
}

func (p *queryParser) errorf(format string, args ...any) error {
	return fmt.Errorf("at character %d: "+format, append([]any{p.pos + 1}, args...)...)
}

func (p *queryParser) skip() {
	for p.pos < len(p.text) && strings.IndexByte(" \t\r\n", p.text[p.pos]) >= 0 {
		p.pos++
	}
}

func (p *queryParser) peek() byte {
	if p.skip(); p.pos < len(p.text) {
		return p.text[p.pos]
	}
	return 0
}

func wordByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_' || c == '.' || c == '-' || c == ':' || c == '+'
}

// word reads a run of letters, digits and the marks that occur in field names, numbers and times.
func (p *queryParser) word() string {
	p.skip()
	start := p.pos
	for p.pos < len(p.text) && wordByte(p.text[p.pos]) {
		p.pos++
	}
	return p.text[start:p.pos]
}

// keyword takes a keyword if it comes next.
func (p *queryParser) keyword(k string) bool {
	at := p.pos
	if strings.EqualFold(p.word(), k) {
		return true
	}
	p.pos = at
	return false
}

func (p *queryParser) alternatives(depth int) (condition, error) {
	return p.joined(depth, "OR", opOr, func() (condition, error) {
		return p.joined(depth, "AND", opAnd, func() (condition, error) { return p.term(depth) })
	})
}

func (p *queryParser) joined(depth int, word string, op operator, part func() (condition, error)) (condition, error) {
	if depth > maxQueryDepth {
		return condition{}, p.errorf("too many parentheses")
	}
	first, err := part()
	if err != nil {
		return condition{}, err
	}
	c := condition{op: op, all: []condition{first}}
	for p.keyword(word) {
		next, err := part()
		if err != nil {
			return condition{}, err
		}
		c.all = append(c.all, next)
	}
	if len(c.all) == 1 {
		return first, nil
	}
	return c, nil
}

func (p *queryParser) term(depth int) (condition, error) {
	if p.peek() == '(' {
		p.pos++
		c, err := p.alternatives(depth + 1)
		if err != nil {
			return c, err
		}
		if p.peek() != ')' {
			return c, p.errorf("a closing parenthesis is missing")
		}
		p.pos++
		return c, nil
	}
	field := p.word()
	if field == "" {
		return condition{}, p.errorf("a field name is missing")
	}
	c := condition{path: strings.Split(field, ".")}
	for _, part := range c.path {
		if part == "" || strings.ContainsAny(part, ":+-") {
			return c, p.errorf("%q is no field name", field)
		}
	}
	var err error
	if c.op, err = p.operator(); err != nil {
		return c, err
	}
	if c.op == opIn || c.op == opNotIn {
		c.literals, err = p.values()
		return c, err
	}
	v, err := p.literal()
	c.literals = []value{v}
	return c, err
}

func (p *queryParser) operator() (operator, error) {
	switch p.peek() {
	case '=':
		p.pos++
		return opEqual, nil
	case '~':
		p.pos++
		return opContains, nil
	case '!':
		if strings.HasPrefix(p.text[p.pos:], "!=") {
			p.pos += 2
			return opUnequal, nil
		}
		if strings.HasPrefix(p.text[p.pos:], "!~") {
			p.pos += 2
			return opLacks, nil
		}
	case '>', '<':
		op := opGreater
		if p.text[p.pos] == '<' {
			op = opLess
		}
		if p.pos++; p.pos < len(p.text) && p.text[p.pos] == '=' {
			p.pos++
			op++ // the one that also takes equality comes next
		}
		return op, nil
	}
	if p.keyword("IN") {
		return opIn, nil
	}
	at := p.pos
	if p.keyword("NOT") && p.keyword("IN") {
		return opNotIn, nil
	}
	p.pos = at
	return 0, p.errorf("an operator is missing")
}

func (p *queryParser) values() ([]value, error) {
	if p.peek() != '(' {
		return nil, p.errorf("a list in parentheses is missing")
	}
	p.pos++
	var vs []value
	for {
		v, err := p.literal()
		if err != nil {
			return nil, err
		}
		vs = append(vs, v)
		switch p.peek() {
		case ',':
			p.pos++
		case ')':
			p.pos++
			return vs, nil
		default:
			return nil, p.errorf("a comma or a closing parenthesis is missing")
		}
	}
}

func (p *queryParser) literal() (value, error) {
	if p.peek() == '"' {
		return p.quoted()
	}
	at := p.pos
	word := p.word()
	switch {
	case word == "":
		return value{}, p.errorf("a value is missing")
	case strings.EqualFold(word, "null"):
		return value{kind: kindNull}, nil
	case strings.EqualFold(word, "true"), strings.EqualFold(word, "false"):
		return value{kind: kindBool, b: strings.EqualFold(word, "true")}, nil
	}
	if t, err := parseMoment(word); err == nil {
		return value{kind: kindTime, t: t, s: word}, nil
	}
	if n, err := strconv.ParseFloat(word, 64); err == nil {
		return value{kind: kindNumber, n: n}, nil
	}
	p.pos = at
	return value{}, p.errorf("%q is no value; texts stand in double quotes", word)
}

func (p *queryParser) quoted() (value, error) {
	var b strings.Builder
	for i := p.pos + 1; i < len(p.text); i++ {
		switch c := p.text[i]; {
		case c == '"':
			p.pos = i + 1
			return value{kind: kindString, s: b.String()}, nil
		case c == '\\' && i+1 < len(p.text):
			i++
			b.WriteByte(p.text[i])
		default:
			b.WriteByte(c)
		}
	}
	return value{}, p.errorf("a closing quote is missing")
}
