package mirror

import (
	"slices"
	"strings"

	"github.com/windlass-hq/windlass/internal/bitbucket"
)

// Changes returns what a webhook would have told of the way from one list of refs to a later one of the same
// repository: branches first, then tags, each in order of names. A push that is found by comparing is so the same as
// one that is announced (DESIGN section 1.4).
//
// Hashes are those of commits: a tag that was annotated anew on its commit has not moved. Whether a branch was forced
// cannot be told from lists. Names are made UTF-8, as those in webhooks are. HEAD is no change.
//
// Both lists must be whole: what is missing in the later one is reported as deleted.
func Changes(before, after []Ref) []bitbucket.RefChange {
	type pair struct{ old, new string }
	moved := map[string]pair{}
	for _, r := range before {
		moved[r.Name] = pair{old: r.Commit()}
	}
	for _, r := range after {
		p := moved[r.Name]
		p.new = r.Commit()
		moved[r.Name] = p
	}
	var all []bitbucket.RefChange
	for name, p := range moved {
		if p.old == p.new {
			continue
		}
		c := bitbucket.RefChange{Old: p.old, New: p.new}
		switch {
		case strings.HasPrefix(name, heads):
			c.Name = name[len(heads):]
		case strings.HasPrefix(name, tags):
			c.Name, c.Tag = name[len(tags):], true
		default:
			continue
		}
		c.Name = strings.ToValidUTF8(c.Name, "\uFFFD")
		all = append(all, c)
	}
	slices.SortFunc(all, func(a, b bitbucket.RefChange) int {
		if a.Tag != b.Tag {
			if a.Tag {
				return 1
			}
			return -1
		}
		if n := strings.Compare(a.Name, b.Name); n != 0 {
			return n
		}
		return strings.Compare(a.Old+a.New, b.Old+b.New)
	})
	return all
}
