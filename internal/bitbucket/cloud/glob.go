package cloud

import (
	"regexp"
	"strings"
)

// glob is a pattern of a branch restriction: `*` stands for anything within a segment of the name, `**` across
// segments, `?` for one character; `**/` may also stand for nothing. Names of branches hold none of these characters,
// so everything else is meant as it is written.
type glob struct {
	text string
	re   *regexp.Regexp // nil: only the text itself
}

func compile(patterns []string) []glob {
	var out []glob
	for _, p := range patterns {
		if p == "" {
			continue
		}
		g := glob{text: p}
		if strings.ContainsAny(p, wildcards) {
			g.re = expression(p)
		}
		out = append(out, g)
	}
	return out
}

const wildcards = "*?"

// expression translates a glob. The expressions of Go take time in proportion to the name, whatever the pattern.
func expression(pattern string) *regexp.Regexp {
	var b strings.Builder
	b.WriteString(`(?s)\A`)
	for rest := pattern; rest != ""; {
		switch {
		case strings.HasPrefix(rest, "**/"):
			b.WriteString(`(?:.*/)?`)
			rest = rest[3:]
		case strings.HasPrefix(rest, "**"):
			b.WriteString(`.*`)
			rest = rest[2:]
		case rest[0] == '*':
			b.WriteString(`[^/]*`)
			rest = rest[1:]
		case rest[0] == '?':
			b.WriteString(`[^/]`)
			rest = rest[1:]
		default:
			n := strings.IndexAny(rest, wildcards)
			if n < 0 {
				n = len(rest)
			}
			b.WriteString(regexp.QuoteMeta(rest[:n]))
			rest = rest[n:]
		}
	}
	b.WriteString(`\z`)
	re, err := regexp.Compile(b.String())
	if err != nil {
		return nil // longer than Go takes: it matches nothing but itself
	}
	return re
}

func (g glob) matches(name string) bool {
	return name == g.text || g.re != nil && g.re.MatchString(name)
}

// literal returns the longest part of a pattern that every match holds and that a filter can quote.
func literal(pattern string, exact bool) string {
	stop := `"\`
	if !exact {
		stop += wildcards
		pattern = strings.ReplaceAll(pattern, "**/", "*") // its slash need not be there
	}
	longest := ""
	for part := range strings.FieldsFuncSeq(pattern, func(c rune) bool { return strings.ContainsRune(stop, c) || c < ' ' || c == '\uFFFD' }) {
		if len(part) > len(longest) {
			longest = part
		}
	}
	return longest
}
