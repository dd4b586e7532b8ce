package cloud

import (
	"context"
	"maps"
	"slices"

	"github.com/windlass-hq/windlass/internal/bitbucket"
	"github.com/windlass-hq/windlass/internal/graph"
)

// reviewers lists the default reviewers of a repository or project. They are relationships of the place itself, so the
// last page states them all together, also where there are none, so that those that were there end. Somebody without
// identity leaves unknown whether anybody ended.
func (p place) reviewers(feature string) bitbucket.Settings {
	return p.settings(bitbucket.ListReviewers, "default reviewers", feature, func(ctx context.Context, right bitbucket.Right, l listing, yield func(bitbucket.Page) error) error {
		l.path, l.pagelen = p.base+"/default-reviewers", pagelen
		met, who, whole := newParties(p), map[string]bool{}, true
		l.convert = func(values []bitbucket.JSON, out *bitbucket.Page) {
			if out.Again {
				who, whole = map[string]bool{}, true
			}
			for i, v := range values {
				u := met.user(reviewer(v))
				r := bitbucket.NewRecord(0)
				out.Note(l.what, i, p.Key, r, u != nil)
				if u == nil {
					whole = false
					continue
				}
				who[u.key] = true
			}
			out.Met = met.take()
		}
		return withLast(func(held func(bitbucket.Page) error) error { return p.c.listFor(ctx, right, l, held) }, func(last *bitbucket.Page) {
			var edges []graph.Relationship
			for _, key := range slices.Sorted(maps.Keys(who)) {
				edges = append(edges, graph.Relationship{From: key, Verb: graph.Reviews, To: p.Key})
			}
			o := p.Restates(nil, edges...)
			if !whole {
				o.UnknownVerbs = []string{graph.Reviews}
			}
			last.Objects = append(last.Objects, o)
		}, yield)
	})
}

// reviewer returns the account of a default reviewer: repositories list the accounts themselves, projects wrap them.
func reviewer(j bitbucket.JSON) bitbucket.JSON {
	if user := j.Get("user"); !user.Missing() {
		return user
	}
	return j
}

// withLast yields the pages of a listing one page late, so that the last one can be completed. Where the listing ends
// with an error no page is the last one.
func withLast(list func(yield func(bitbucket.Page) error) error, complete func(*bitbucket.Page), yield func(bitbucket.Page) error) error {
	var held *bitbucket.Page
	err := list(func(p bitbucket.Page) error {
		before := held
		held = &p
		if before == nil {
			return nil
		}
		return yield(*before)
	})
	if held == nil {
		return err
	}
	if err == nil {
		complete(held)
	}
	if e := yield(*held); e != nil {
		return e
	}
	return err
}
