package datacenter

import (
	"slices"
	"strings"

	"github.com/windlass-hq/windlass/internal/bitbucket"
	"github.com/windlass-hq/windlass/internal/graph"
)

// reviewers lists who is asked to review new pull requests. The answer is a bare array (FACTS 138) without pages.
func (r resource) reviewers() bitbucket.Settings {
	return r.settings(setting{
		list: bitbucket.ListReviewers, feature: bitbucket.FeatureReviewers, title: "default reviewers",
		listing: listing{path: "/default-reviewers/latest" + r.path + "/conditions", bare: true},
		skip:    ofScope(r),
		gather:  func() gatherer { return &reviewers{place: r.Key, of: map[string]*duty{}} }, verb: graph.Reviews,
	})
}

// reviewers are the default reviewers of one place. Several conditions may name one user.
type reviewers struct {
	place string           // graph key
	of    map[string]*duty // by key of the user
}

// duty is when one user is asked.
type duty struct {
	always     bool
	conditions []string
	approvals  int64
	counted    bool // some condition says how many approvals it asks
}

func (r *reviewers) add(v bitbucket.JSON, met *mentions) (*bitbucket.Record, bool) {
	w := readCondition(v)
	rec := bitbucket.NewRecord(0)
	if !v.IsObject() {
		rec.Oddly("condition", "no object")
		return rec, false
	}
	from, to := readMatcher(w.source).text(), readMatcher(w.target).text()
	always := from == "any branch" && to == "any branch"
	rec.Object("sourceRefMatcher", w.source)
	rec.Object("targetRefMatcher", w.target)
	approvals, counted := w.approvals.Integer()
	if !counted && !w.approvals.Missing() && !w.approvals.Null() {
		rec.Oddly("requiredApprovals", "no whole number")
	}
	people, known := met.users(rec, "reviewers", w.reviewers)
	for _, who := range people {
		d := r.of[who.Key]
		if d == nil {
			d = &duty{}
			r.of[who.Key] = d
		}
		d.always = d.always || always
		d.conditions = append(d.conditions, from+" -> "+to)
		d.approvals, d.counted = max(d.approvals, approvals), d.counted || counted
	}
	return rec, known
}

func (r *reviewers) say() (graph.Properties, []graph.Relationship) {
	var edges []graph.Relationship
	for user, d := range r.of {
		props := graph.Properties{"conditions": nil}
		if !d.always {
			slices.Sort(d.conditions)
			props["conditions"] = values(slices.Compact(d.conditions))
		}
		if d.counted {
			props["requiredApprovals"] = d.approvals
		}
		edges = append(edges, graph.Relationship{From: user, Verb: graph.Reviews, To: r.place, Properties: props})
	}
	slices.SortFunc(edges, func(a, b graph.Relationship) int { return strings.Compare(a.From, b.From) })
	return nil, edges
}
