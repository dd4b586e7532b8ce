package datacenter

import "strings"

// matchesAny returns a test whether a branch, by its full name, is one that branch restrictions are about. A pattern is
// the id of a matcher: the full name of a branch, a pattern of branch names, or the one of any branch.
func matchesAny(patterns []string) func(ref string) bool {
	type path = []string
	var compiled []path
	everything := false
	for _, p := range patterns {
		switch {
		case p == anyRef:
			everything = true
		case p != "":
			compiled = append(compiled, compile(p))
		}
	}
	return func(ref string) bool {
		if everything {
			return true
		}
		segments := strings.Split(ref, "/")
		for _, p := range compiled {
			if matchPath(p, segments) {
				return true
			}
		}
		return false
	}
}

// compile takes a pattern apart. Patterns are those of Ant, and need only match an end of the full name that begins
// with a segment; a slash at the end stands for everything below (the vendor's manual, "Branch permission patterns").
func compile(pattern string) []string {
	if strings.HasSuffix(pattern, "/") {
		pattern += "**"
	}
	segments := strings.Split(strings.TrimPrefix(pattern, "/"), "/")
	if segments[0] == "refs" {
		return segments
	}
	return append([]string{"**"}, segments...)
}

// matchPath matches segment by segment; ** stands for any number of them.
func matchPath(pattern, path []string) bool {
	return match(pattern, path, func(p string) bool { return p == "**" }, func(p, s string) bool {
		return match([]rune(p), []rune(s), func(c rune) bool { return c == '*' }, func(c, d rune) bool { return c == '?' || c == d })
	})
}

// match matches a sequence against a pattern in which some elements stand for any number of elements. It goes back to the
// last of those only, which is enough and keeps the work at the product of the lengths.
func match[T any](pattern, seq []T, many func(T) bool, one func(p, s T) bool) bool {
	i, star, mark := 0, -1, 0
	for j := 0; j < len(seq); {
		switch {
		case i < len(pattern) && many(pattern[i]):
			star, mark = i, j
			i++
		case i < len(pattern) && one(pattern[i], seq[j]):
			i++
			j++
		case star >= 0:
			mark++
			i, j = star+1, mark
		default:
			return false
		}
	}
	for i < len(pattern) && many(pattern[i]) {
		i++
	}
	return i == len(pattern)
}
