package query

import (
	"strconv"
	"strings"
)

// maxDepth bounds nested parentheses, so that hostile text cannot exhaust the stack.
const maxDepth = 200

// maxText bounds the text of a query. The longest one in JupiterOne's material has about 2,000 characters.
const maxText = 1 << 16

// maxHops bounds the length of a chain; PostgreSQL's planner and people both give up long before.
const maxHops = 16

// Parse reads a query and ties its aliases to their places. Errors are *fault.Error with code Invalid around a
// *Problem that shows the place. Parse(q.String()) yields the same tree.
func Parse(text string) (*Query, error) {
	if len(text) > maxText {
		return nil, problem(text[:excerptWidth], Pos{Line: 1, Column: 1}, "", "the query has %d bytes, more than %d", len(text), maxText)
	}
	p := &parser{text: text, tokens: lex(text)}
	q, err := p.query()
	if err != nil {
		return nil, err
	}
	q.text = text
	if err := bind(q); err != nil {
		return nil, err
	}
	return q, nil
}

// maxValues and maxItems bound the values in all conditions together and the items of RETURN: SQLite takes expressions
// of depth 1,000 and 2,000 columns, of which a whole entity needs nine.
const (
	maxValues = 500
	maxItems  = 100
)

type parser struct {
	text   string
	tokens []token
	at     int
	depth  int
	values int
}

func (p *parser) peek() token { return p.tokens[p.at] }

// ahead returns the token n places further on.
func (p *parser) ahead(n int) token { return p.tokens[min(p.at+n, len(p.tokens)-1)] }

func (p *parser) next() token {
	t := p.peek()
	if t.kind != tokEnd {
		p.at++
	}
	return t
}

// accept takes the next token when it is the symbol.
func (p *parser) accept(symbol string) bool {
	if p.peek().is(symbol) {
		p.next()
		return true
	}
	return false
}

// acceptWord takes the next token when it is the keyword.
func (p *parser) acceptWord(keyword string) bool {
	if p.peek().word(keyword) {
		p.next()
		return true
	}
	return false
}

func (p *parser) expect(symbol string) error {
	if !p.accept(symbol) {
		return p.unexpected(quote(symbol))
	}
	return nil
}

func (p *parser) enter() error {
	if p.depth++; p.depth > maxDepth {
		return problem(p.text, p.peek().pos, "", "more than %d nested parentheses", maxDepth)
	}
	return nil
}

func (p *parser) leave() { p.depth-- }

// unexpected reports the next token. Where keywords could stand there, the nearest of them is suggested.
func (p *parser) unexpected(expected string, keywords ...string) error {
	t := p.peek()
	hint := ""
	if expected != "" {
		hint = "expected " + expected
	}
	switch t.kind {
	case tokEnd:
		return problem(p.text, t.pos, hint, "unexpected end of the query")
	case tokBad:
		return problem(p.text, t.pos, "", "%s", t.text)
	case tokIdent:
		if n := nearest(t.text, keywords); n != "" {
			hint = "did you mean " + n + "?"
		}
	}
	if t.is("${") {
		return notYet(p.text, t.pos, "parameters (${…})")
	}
	return problem(p.text, t.pos, hint, "unexpected token %s", quote(p.text[t.pos.Offset:t.end]))
}

func (p *parser) query() (*Query, error) {
	q := &Query{}
	p.acceptWord("FIND")
	// UNIQUE is a keyword only where a selector follows it: nothing stops a class from having this name.
	if p.peek().word("UNIQUE") && p.startsNode(p.ahead(1)) {
		p.next()
		q.Unique = true
	}
	if t := p.peek(); t.kind == tokString {
		return nil, notYet(p.text, t.pos, "full text search")
	}
	start, err := p.node()
	if err != nil {
		return nil, err
	}
	q.Start = start
	for {
		t := p.peek()
		if t.is("(") && p.ahead(1).word("THAT") {
			return nil, notYet(p.text, t.pos, "optional traversal, (THAT …)?")
		}
		if !t.word("THAT") {
			break
		}
		hop, err := p.hop()
		if err != nil {
			return nil, err
		}
		if n := len(q.Hops); n > 0 && q.Hops[n-1].Not {
			return nil, problem(p.text, hop.Pos, "put it last", "nothing can follow a negated hop: it leaves no entity to go on from")
		}
		if q.Hops = append(q.Hops, hop); len(q.Hops) > maxHops {
			return nil, problem(p.text, hop.Pos, "", "more than %d hops", maxHops)
		}
	}
	if err := p.tail(q); err != nil {
		return nil, err
	}
	if p.peek().kind != tokEnd {
		return nil, p.unexpected("THAT, WHERE, RETURN, ORDER BY, SKIP, LIMIT, AT or the end",
			"THAT", "WITH", "AS", "WHERE", "RETURN", "ORDER", "SKIP", "LIMIT", "AT")
	}
	return q, nil
}

func (p *parser) startsNode(t token) bool {
	if t.kind == tokIdent {
		return !t.word("WITH") && !t.word("AS") && !t.word("THAT") && !t.word("WHERE") && !t.word("RETURN")
	}
	return t.is("*") || t.is("(") || t.is("#") || t.kind == tokString
}

// node reads a selector with its WITH and AS.
func (p *parser) node() (Node, error) {
	t := p.peek()
	n := Node{Pos: t.pos}
	switch {
	case t.is("#"):
		return n, notYet(p.text, t.pos, "smart class #"+p.ahead(1).text)
	case p.accept("*"):
		n.Any = true
	case p.accept("("):
		for {
			name, err := p.name("a class or type", true)
			if err != nil {
				return n, err
			}
			n.Names = append(n.Names, name)
			if p.accept(")") {
				break
			}
			if err := p.expect("|"); err != nil {
				return n, err
			}
		}
	default:
		name, err := p.name("a class, a type, * or alternatives (A|B)", true)
		if err != nil {
			return n, err
		}
		n.Names = []Name{name}
	}
	if p.peek().is("?") {
		return n, notYet(p.text, t.pos, "optional traversal, (…)?")
	}
	if p.acceptWord("WITH") {
		with, err := p.condition(false)
		if err != nil {
			return n, err
		}
		n.With = with
	}
	alias, err := p.alias()
	if err != nil {
		return n, err
	}
	n.Alias = alias
	if with := p.peek(); alias != nil && with.word("WITH") {
		return n, problem(p.text, with.pos, "write WITH … before AS "+alias.Text, "unexpected token %s", quote(with.text))
	}
	return n, nil
}

// name reads an identifier; as a selector it must not be a keyword, which there is always a word left out.
func (p *parser) name(expected string, selector bool) (Name, error) {
	t := p.peek()
	if t.kind != tokIdent || selector && reservedWord(t.text) {
		return Name{}, p.unexpected(expected)
	}
	p.next()
	return Name{Text: t.text, Pos: t.pos}, nil
}

// alias reads AS x where there is one.
func (p *parser) alias() (*Name, error) {
	if !p.acceptWord("AS") {
		return nil, nil
	}
	t := p.peek()
	if t.kind == tokIdent && reservedWord(t.text) {
		return nil, problem(p.text, t.pos, "choose another alias", "%s is a word of the language", quote(t.text))
	}
	name, err := p.name("an alias", false)
	if err != nil {
		return nil, err
	}
	return &name, nil
}

// reservedWord reports whether a word cannot be an alias (reference/jupiterone.md 3.1; AT is ours).
func reservedWord(s string) bool {
	switch strings.ToLower(s) {
	case "count", "sum", "avg", "min", "max", "find", "that", "with", "where", "return", "order", "by", "limit", "skip",
		"has", "relates", "to", "from", "and", "or", "not", "true", "false", "null", "undefined", "as", "at":
		return true
	}
	return false
}

// hop reads THAT, the relationship and the target.
func (p *parser) hop() (Hop, error) {
	h := Hop{Pos: p.next().pos}
	h.Not = p.accept("!")
	switch t := p.peek(); {
	case t.word("RELATES") && (p.ahead(1).word("TO") || p.ahead(1).is(">>") || p.ahead(1).is("<<")):
		p.next()
	case p.accept("("):
		for {
			verb, err := p.name("a verb", false)
			if err != nil {
				return h, err
			}
			h.Verbs = append(h.Verbs, Name{Text: strings.ToUpper(verb.Text), Pos: verb.Pos})
			if p.accept(")") {
				break
			}
			if err := p.expect("|"); err != nil {
				return h, err
			}
		}
	default:
		verb, err := p.name("a verb, alternatives (A|B) or RELATES TO", false)
		if err != nil {
			return h, err
		}
		h.Verbs = []Name{{Text: strings.ToUpper(verb.Text), Pos: verb.Pos}}
	}
	p.acceptWord("TO")
	for _, d := range []Direction{Forward, Backward} {
		if p.accept(string(d)) {
			h.Direction = d
			break
		}
	}
	p.acceptWord("TO")
	alias, err := p.alias()
	if err != nil {
		return h, err
	}
	h.Alias = alias
	h.Target, err = p.node()
	return h, err
}

// tail reads the clauses behind the path, in any order, each at most once.
func (p *parser) tail(q *Query) error {
	for {
		t := p.peek()
		var seen bool
		var err error
		switch {
		case t.word("WHERE"):
			p.next()
			seen = q.Where != nil
			q.Where, err = p.condition(true)
		case t.word("RETURN"):
			p.next()
			seen = q.Return != nil
			q.Return, err = p.items()
		case t.word("ORDER"):
			p.next()
			seen = q.Order != nil
			q.Order, err = p.order(t.pos)
		case t.word("SKIP"):
			p.next()
			seen = q.Skip != nil
			q.Skip, err = p.amount()
		case t.word("LIMIT"):
			p.next()
			seen = q.Limit != nil
			q.Limit, err = p.amount()
		case t.word("AT"):
			p.next()
			seen = q.At != nil
			q.At, err = p.moment()
		default:
			return nil
		}
		if err != nil {
			return err
		}
		if seen {
			return problem(p.text, t.pos, "", "%s stands twice", strings.ToUpper(t.text))
		}
	}
}

// amount reads the number of SKIP and LIMIT.
func (p *parser) amount() (*int64, error) {
	t := p.peek()
	n, err := strconv.ParseInt(t.text, 10, 64)
	if t.kind != tokNumber || err != nil {
		return nil, p.unexpected("a whole number")
	}
	p.next()
	return &n, nil
}
