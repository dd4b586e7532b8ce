package query

import (
	"errors"
	"fmt"
	"strings"

	"github.com/windlass-hq/windlass/internal/fault"
)

// Problem is what is wrong with the text of a query, and where.
type Problem struct {
	Pos     Pos
	Message string // without the place
	Hint    string // what to write instead; may be empty
	Excerpt string // the line, and a caret below the place
}

// Error returns message, place, excerpt and hint.
func (p *Problem) Error() string {
	s := fmt.Sprintf("%s at line %d, column %d", p.Message, p.Pos.Line, p.Pos.Column)
	if p.Hint != "" {
		s += "; " + p.Hint
	}
	return s + "\n" + p.Excerpt
}

// ProblemOf returns the Problem in err's chain, for callers that mark the place themselves.
func ProblemOf(err error) (*Problem, bool) {
	return errors.AsType[*Problem](err)
}

// problem makes the error that Parse returns.
func problem(text string, at Pos, hint, format string, args ...any) error {
	p := &Problem{Pos: at, Message: fmt.Sprintf(format, args...), Hint: hint, Excerpt: excerpt(text, at)}
	return fault.Wrap(p, fault.Invalid, "the query cannot be read")
}

// notYet refuses a construct of the language that this release does not answer.
func notYet(text string, at Pos, construct string) error {
	return problem(text, at, "", "%s: not yet supported", construct)
}

// excerptWidth keeps the excerpt of a long line readable: so many characters before and behind the place.
const excerptWidth = 60

// excerpt shows the line of a place and a caret under it. Tabs count as one column and are shown as a space.
func excerpt(text string, at Pos) string {
	lines := strings.Split(text, "\n")
	if at.Line < 1 || at.Line > len(lines) {
		return ""
	}
	line := []rune(strings.ToValidUTF8(strings.TrimRight(lines[at.Line-1], "\r"), "?"))
	for i, r := range line {
		if r < ' ' {
			line[i] = ' '
		}
	}
	column := min(at.Column-1, len(line))
	from, to := max(0, column-excerptWidth), min(len(line), column+excerptWidth)
	prefix, suffix := "", ""
	if from > 0 {
		prefix = "…"
	}
	if to < len(line) {
		suffix = "…"
	}
	return "  " + prefix + string(line[from:to]) + suffix +
		"\n  " + strings.Repeat(" ", len([]rune(prefix))+column-from) + "^"
}

// quote puts a name into double quotes for a message.
func quote(s string) string { return `"` + s + `"` }

// nearest returns the candidate that a misspelt name most probably means, or "". Case counts least.
func nearest(name string, candidates []string) string {
	best, bestDistance := "", len([]rune(name))/3+2
	for _, c := range candidates {
		d := distance(strings.ToLower(name), strings.ToLower(c))
		if len(name) > 2 && strings.Contains(strings.ToLower(c), strings.ToLower(name)) {
			d = min(d, 2) // Repo for CodeRepo
		}
		if c != name && (d < bestDistance || d == bestDistance && best != "" && c < best) {
			best, bestDistance = c, d
		}
	}
	return best
}

// didYouMean words the suggestion, or returns "".
func didYouMean(name string, candidates []string) string {
	if n := nearest(name, candidates); n != "" {
		return "did you mean " + quote(n) + "?"
	}
	return ""
}

// distance is the number of single-character edits between two words; neighbours swapped count as one.
func distance(a, b string) int {
	x, y := []rune(a), []rune(b)
	before, previous, current := make([]int, len(y)+1), make([]int, len(y)+1), make([]int, len(y)+1)
	for j := range previous {
		previous[j] = j
	}
	for i := 1; i <= len(x); i++ {
		current[0] = i
		for j := 1; j <= len(y); j++ {
			cost := 1
			if x[i-1] == y[j-1] {
				cost = 0
			}
			current[j] = min(previous[j]+1, current[j-1]+1, previous[j-1]+cost)
			if i > 1 && j > 1 && x[i-1] == y[j-2] && x[i-2] == y[j-1] {
				current[j] = min(current[j], before[j-2]+1)
			}
		}
		before, previous, current = previous, current, before
	}
	return previous[len(y)]
}
