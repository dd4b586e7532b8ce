package query

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Pos is a place in the text of a query. Line and Column start at 1; a column is a character, not a byte.
type Pos struct {
	Offset int // in bytes, from 0
	Line   int
	Column int
}

type tokenKind int

const (
	tokEnd     tokenKind = iota
	tokIdent             // also every keyword: the language has none that is reserved everywhere
	tokString            // text holds the value
	tokNumber            // text holds the digits
	tokBracket           // [odd-name]; text holds the name
	tokSymbol            // operators and punctuation
	tokBad               // text holds what is wrong with it; an error only where the parser reaches it
)

type token struct {
	kind tokenKind
	text string
	pos  Pos
	end  int // offset behind the last byte
}

// is reports whether the token is the given symbol.
func (t token) is(symbol string) bool { return t.kind == tokSymbol && t.text == symbol }

// word reports whether the token is the given keyword, in any case.
func (t token) word(keyword string) bool {
	return t.kind == tokIdent && strings.EqualFold(t.text, keyword)
}

// symbols in the order in which they are tried: longer ones first.
func symbols() []string {
	return []string{
		"!~=", "!^=", "!$=",
		"!=", ">=", "<=", "~=", "^=", "$=", ">>", "<<", "${",
		"=", ">", "<", "(", ")", "|", ",", ".", "*", "+", "-", "/", "^", "!", "#", "?", "{", "}",
	}
}

// lex splits text into tokens. It never fails: what cannot be a token becomes a tokBad that the parser reports when
// it gets there, so that an earlier and better message is not lost.
func lex(text string) []token {
	l := &lexer{text: text, pos: Pos{Line: 1, Column: 1}, symbols: symbols()}
	var out []token
	for {
		t := l.next()
		out = append(out, t)
		if t.kind == tokEnd {
			return out
		}
	}
}

type lexer struct {
	text    string
	pos     Pos
	symbols []string
}

func (l *lexer) rest() string { return l.text[l.pos.Offset:] }

// advance moves over n bytes and keeps line and column right.
func (l *lexer) advance(n int) {
	for end := l.pos.Offset + n; l.pos.Offset < end; {
		r, size := utf8.DecodeRuneInString(l.rest())
		l.pos.Offset += size
		if r == '\n' {
			l.pos.Line++
			l.pos.Column = 1
		} else {
			l.pos.Column++
		}
	}
}

// take makes a token of the next n bytes.
func (l *lexer) take(kind tokenKind, n int, text string) token {
	t := token{kind: kind, text: text, pos: l.pos}
	l.advance(n)
	t.end = l.pos.Offset
	return t
}

func (l *lexer) next() token {
	if bad, ok := l.skip(); ok {
		return bad
	}
	rest := l.rest()
	if rest == "" {
		return l.take(tokEnd, 0, "")
	}
	r, size := utf8.DecodeRuneInString(rest)
	switch {
	case r == utf8.RuneError && size <= 1:
		return l.take(tokBad, 1, "the text is not valid UTF-8")
	case r == '\'' || r == '"':
		return l.quoted(r)
	case r == '[':
		return l.bracket()
	case isDigit(r):
		return l.number()
	case isIdentStart(r):
		n := strings.IndexFunc(rest, func(r rune) bool { return !isIdent(r) })
		if n < 0 {
			n = len(rest)
		}
		return l.take(tokIdent, n, rest[:n])
	}
	for _, s := range l.symbols {
		if strings.HasPrefix(rest, s) {
			return l.take(tokSymbol, len(s), s)
		}
	}
	return l.take(tokBad, size, "unexpected character "+quote(string(r)))
}

// skip moves over white space and comments; a comment without end is a bad token.
func (l *lexer) skip() (token, bool) {
	for {
		rest := l.rest()
		n := len(rest) - len(strings.TrimLeftFunc(rest, unicode.IsSpace))
		l.advance(n)
		rest = rest[n:]
		if !strings.HasPrefix(rest, "/*") {
			return token{}, false
		}
		end := strings.Index(rest[2:], "*/")
		if end < 0 {
			return l.take(tokBad, len(rest), "this comment has no end; expected */"), true
		}
		l.advance(end + 4)
	}
}

// quoted reads a string. A backslash makes the following quote or backslash literal and stands for itself before
// anything else, so that 'C:\temp' means what it shows.
func (l *lexer) quoted(q rune) token {
	rest := l.rest()
	var b strings.Builder
	for i := 1; i < len(rest); {
		r, size := utf8.DecodeRuneInString(rest[i:])
		switch {
		case r == q:
			return l.take(tokString, i+size, b.String())
		case r == '\\' && i+1 < len(rest) && strings.IndexByte(`\'"`, rest[i+1]) >= 0:
			b.WriteByte(rest[i+1])
			i += 2
			continue
		case r == utf8.RuneError && size <= 1:
			return l.take(tokBad, len(rest), "this string is not valid UTF-8")
		case r == 0:
			return l.take(tokBad, len(rest), "this string holds the character NUL, which no property can hold")
		}
		b.WriteRune(r)
		i += size
	}
	return l.take(tokBad, len(rest), "this string has no end; expected "+string(q))
}

// bracket reads [a name that is no identifier].
func (l *lexer) bracket() token {
	rest := l.rest()
	end := strings.IndexByte(rest, ']')
	if end < 0 {
		return l.take(tokBad, len(rest), "this name has no end; expected ]")
	}
	name := strings.TrimSpace(rest[1:end])
	// The name becomes a quoted label of a JSON path, which has no escape that both databases share.
	odd := func(r rune) bool { return r == '"' || r == '\\' || r == utf8.RuneError || unicode.IsControl(r) }
	if name == "" || strings.ContainsFunc(name, odd) {
		return l.take(tokBad, end+1, `a property name in brackets must not be empty nor hold ", \ or control characters`)
	}
	return l.take(tokBracket, end+1, name)
}

func (l *lexer) number() token {
	rest := l.rest()
	digits := func(from int) int {
		for from < len(rest) && isDigit(rune(rest[from])) {
			from++
		}
		return from
	}
	n := digits(0)
	if n+1 < len(rest) && rest[n] == '.' && isDigit(rune(rest[n+1])) {
		n = digits(n + 1)
	}
	// An exponent only where digits follow, so that 1em stays a number and a word.
	if n < len(rest) && (rest[n] == 'e' || rest[n] == 'E') {
		m := n + 1
		if m < len(rest) && (rest[m] == '+' || rest[m] == '-') {
			m++
		}
		if e := digits(m); e > m {
			n = e
		}
	}
	return l.take(tokNumber, n, rest[:n])
}

func isDigit(r rune) bool      { return r >= '0' && r <= '9' }
func isIdentStart(r rune) bool { return r == '_' || r == '@' || unicode.IsLetter(r) }
func isIdent(r rune) bool      { return isIdentStart(r) || isDigit(r) || unicode.IsMark(r) }

// isIdentifier reports whether s reads as one identifier.
func isIdentifier(s string) bool {
	for i, r := range s {
		if r == utf8.RuneError || i == 0 && !isIdentStart(r) || !isIdent(r) {
			return false
		}
	}
	return s != ""
}
