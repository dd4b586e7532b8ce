package sync

import (
	"fmt"
	"slices"
	"strings"

	"github.com/windlass-hq/windlass/internal/bitbucket"
)

// Whoever misses a member may simply not be allowed to see it. So every scope remembers its provers: the principals
// that have shown all its members. What another one misses is closed only when each credential of the connection was
// asked about it directly, or when the owner has removed the credentials that did see it (HARD-PARTS A, who proves
// absence).

// together joins principals whose views make up one listing. No name holds a line break (bitbucket.Credential).
const together = "\n"

// provers returns who is known to see every member after a listing, given who was before it; nil was not known.
func (s shown) provers(before []string) []string {
	covers := before == nil || slices.Contains(before, s.by)
	switch {
	case len(s.missing) == 0 && s.joined == 0 && covers && before != nil:
		return before
	case len(s.missing) == 0 && s.joined == 0:
		return append(slices.Clone(before), s.by)
	case len(s.missing) == 0, covers && s.joined > 0, before == nil:
		return []string{s.by} // whether the others see what has joined is not known
	case covers || s.joined == 0:
		return before
	default:
		return []string{} // what it missed and what it added: nobody has seen both
	}
}

// proof is how much the absence of a member from a listing, confirmed, says.
type proof int

const (
	full     proof = iota // it is gone
	narrower              // nobody who is left sees it
)

// proof judges the listing behind an absence. A text says why it proves nothing.
func (p *pass) proof(a absence) (proof, string) {
	if a.scope.Provers == nil || slices.Contains(a.scope.Provers, a.by) {
		return full, ""
	}
	for _, why := range p.opts.Without {
		return full, "a credential of the connection, which may see more, is not accepted: " + why
	}
	left, by := p.reader.Principals(), strings.ReplaceAll(a.by, together, ", ")
	for principal, trouble := range left {
		if trouble != nil {
			return full, fmt.Sprintf("%s, which read this listing, may see less than %s, which cannot be asked: %s", by, principal, trouble)
		}
	}
	removed := len(a.scope.Provers) > 0 // the credentials of every prover
	for _, prover := range a.scope.Provers {
		intact := true
		for principal := range strings.SplitSeq(prover, together) {
			_, here := left[principal]
			intact = intact && here
		}
		removed = removed && !intact
	}
	switch {
	case removed:
		return narrower, ""
	case !a.listing.Direct:
		return full, fmt.Sprintf("they were seen by other credentials than %s, which read this listing and may see less", by)
	}
	return full, "" // all are asked about each of them
}

// principals returns who reads, and what keeps some from it, from the budgets of a client.
func principals(budgets []bitbucket.Budget) map[string]error {
	out := make(map[string]error, len(budgets))
	for _, b := range budgets {
		out[b.Principal] = nil
		if b.Trouble != "" {
			out[b.Principal] = fmt.Errorf("%s", b.Trouble)
		}
	}
	return out
}
