package sandbox

import (
	"iter"
	"strings"
)

// coAuthors yields names and addresses of the "Co-authored-by" lines of a message.
func coAuthors(message string) iter.Seq2[string, string] {
	const key = "co-authored-by:"
	return func(yield func(string, string) bool) {
		for line := range strings.Lines(message) {
			if len(line) < len(key) || !strings.EqualFold(line[:len(key)], key) {
				continue
			}
			name, rest, ok := strings.Cut(line[len(key):], "<")
			email, _, ok2 := strings.Cut(rest, ">")
			if ok && ok2 && !yield(strings.TrimSpace(name), strings.TrimSpace(email)) {
				return
			}
		}
	}
}

// mergedBranch reads the source branch out of a merge commit's subject.
func mergedBranch(subject string, tip hash) string {
	for _, start := range []string{"Merge branch '", "Merge remote-tracking branch '"} {
		if rest, ok := strings.CutPrefix(subject, start); ok {
			if name, _, ok := strings.Cut(rest, "'"); ok && name != "" {
				return name
			}
		}
	}
	if rest, ok := strings.CutPrefix(subject, "Merge pull request #"); ok {
		if _, from, ok := strings.Cut(rest, " from "); ok {
			if _, name, ok := strings.Cut(from, "/"); ok && name != "" {
				return name
			}
		}
	}
	if rest, ok := strings.CutPrefix(subject, "Merged in "); ok {
		if name, _, ok := strings.Cut(rest, " (pull request #"); ok && name != "" {
			return name
		}
	}
	return "merge-" + tip.String()[:12]
}
