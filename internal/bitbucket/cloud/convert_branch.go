package cloud

import (
	"context"
	"net/url"
	"slices"

	"github.com/windlass-hq/windlass/internal/bitbucket"
	"github.com/windlass-hq/windlass/internal/graph"
)

// longestQuery is how much may stand in a filter before all branches are listed instead: servers and proxies refuse
// long addresses.
const longestQuery = 1500

// branches lists the default branch and those that the patterns of the place match. The filter lets through every
// branch that may match; what does match is judged here. The parts of a branch that are not needed, such as message and
// author of its commit, are not asked for (FACTS 56).
//
// Where no default branch is known and there is no pattern, nothing is wanted. One short call is made all the same,
// because an empty list proves that what was listed before is gone, and a proof needs somebody who has read.
func (p place) branches() bitbucket.Settings {
	patterns := compile(p.Patterns)
	list := p.settings(bitbucket.ListBranches, "branches", bitbucket.FeatureBranches, func(ctx context.Context, right bitbucket.Right, l listing, yield func(bitbucket.Page) error) error {
		l.path, l.pagelen = p.base+"/refs/branches", pagelen
		fields := "fields=values.name,values.type,values.target.hash,values.links.html,next"
		switch q, ok := branchQuery(p.DefaultBranch, p.Patterns); {
		case q != "":
			l.path += "?q=" + url.QueryEscape(q) + "&" + fields
		case ok:
			l.path += "?" + fields
		default:
			l.path += "?" + fields
			l.pagelen, l.first = 1, true
		}
		l.convert = p.converter(l.what, func(j bitbucket.JSON, p place, _ *parties) (graph.Object, *bitbucket.Record, bool) {
			return convertBranch(j, p, patterns)
		})
		return p.c.listFor(ctx, right, l, yield)
	})
	list.Outside = func(e graph.Entity) bool { return !p.wants(e.Name, patterns) }
	return list
}

// wants reports whether a branch is listed: the default one, and what a pattern matches.
func (p place) wants(name string, patterns []glob) bool {
	return name == p.DefaultBranch || slices.ContainsFunc(patterns, func(g glob) bool { return g.matches(name) })
}

// branchQuery returns the filter for a default branch and patterns: exact names, and for globs their longest part without
// wildcard. It is empty where every branch may match; not ok where none is wanted.
func branchQuery(defaultBranch string, patterns []string) (q string, ok bool) {
	var terms []string
	add := func(pattern string, exact bool) (all bool) {
		part := literal(pattern, exact)
		term := `name ~ "` + part + `"`
		if part == pattern {
			term = `name = "` + part + `"`
		}
		if !slices.Contains(terms, term) {
			terms = append(terms, term)
		}
		return part == ""
	}
	if defaultBranch != "" && add(defaultBranch, true) {
		return "", true
	}
	for _, pattern := range patterns {
		if pattern != "" && add(pattern, false) {
			return "", true
		}
	}
	for i, term := range terms {
		if i > 0 {
			q += " OR "
		}
		q += term
	}
	if len(q) > longestQuery {
		return "", true
	}
	return q, q != ""
}

// convertBranch converts a branch that is the default or that a pattern matches; others are nothing to keep. Whether it
// is protected is known where a pattern matches, or where the patterns are all that there are.
func convertBranch(j bitbucket.JSON, p place, patterns []glob) (graph.Object, *bitbucket.Record, bool) {
	r := bitbucket.NewRecord(8)
	name, ok := j.Get("name").Text()
	if !ok || name == "" {
		return graph.Object{}, r, false
	}
	isDefault := name == p.DefaultBranch
	matched := slices.ContainsFunc(patterns, func(g glob) bool { return g.matches(name) })
	if !isDefault && !matched {
		return graph.Object{}, r, true
	}
	r.Props["name"] = name
	if p.DefaultBranch != "" {
		r.Props["isDefault"] = isDefault
	}
	if matched || p.PatternsKnown {
		r.Props["isProtected"] = matched
	}
	r.Text("commit", bitbucket.Inner(j.Get("target"), "hash"))
	setLink(r, j.Get("links"))
	return p.object(graph.TypeBranch, p.Key+":branch:"+name, name, graph.Has, r, bitbucket.Scrub(j)), r, true
}
