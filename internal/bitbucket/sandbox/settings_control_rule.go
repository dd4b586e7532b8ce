package sandbox

import (
	"slices"
	"strconv"
	"strings"

	"github.com/windlass-hq/windlass/internal/fault"
)

// RestrictionSpec is a rule for branches: of a repository of the Cloud, of a repository or a project of Data Center.
type RestrictionSpec struct {
	Place
	ID   int64  `json:"id"` // of the one to replace; 0 makes a new one
	Kind string `json:"kind"`
	// Match says how branches are chosen: glob (the default) or branching_model on the Cloud; on Data Center BRANCH,
	// PATTERN, MODEL_CATEGORY, MODEL_BRANCH or ANY_REF, where Pattern is the id of the matcher.
	Match      string   `json:"branch_match_kind"`
	Pattern    string   `json:"pattern"`
	BranchType string   `json:"branch_type"` // of a branching_model
	Value      *int64   `json:"value"`       // of the kinds that have one
	Users      []string `json:"users"`
	Groups     []string `json:"groups"`
}

// SetRestriction makes or replaces a branch restriction and returns its id.
func (a acts) SetRestriction(o RestrictionSpec) (int64, error) {
	id := o.ID
	err := a.alter(o.Place, func(at site) error {
		if at.repo == nil && (at.dc == nil || at.project == nil) {
			return fault.New(fault.Invalid, "there are no branch restrictions of %s", o.Workspace+o.Project)
		}
		x := &restriction{kind: o.Kind, match: o.Match, pattern: o.Pattern, branch: o.BranchType}
		if err := x.check(at.dc != nil); err != nil {
			return err
		}
		if o.Value != nil {
			x.value, x.valued = *o.Value, true
		}
		var err error
		if x.users, err = at.people(o.Users); err != nil {
			return err
		}
		if x.groups, err = at.known(o.Groups); err != nil {
			return err
		}
		s := at.edit()
		if id == 0 {
			id = a.made()
			x.id = id
			s.restrictions = append(slices.Clone(s.restrictions), x)
			return nil
		}
		i := slices.IndexFunc(s.restrictions, func(x *restriction) bool { return x.id == id })
		if i < 0 {
			return fault.New(fault.NotFound, "there is no branch restriction %d", id)
		}
		x.id, x.keys = id, s.restrictions[i].keys
		s.restrictions = slices.Clone(s.restrictions)
		s.restrictions[i] = x
		return nil
	})
	return id, err
}

// made is the next id of what control acts make. The caller holds the write lock.
func (a acts) made() int64 {
	a.s.serial++
	return dcMadeIDs + int64(a.s.serial)
}

// check refuses what Bitbucket does not know and sets the default way to match.
func (x *restriction) check(dc bool) error {
	kinds, matches := cloudKinds(), []string{"glob", "branching_model"}
	if dc {
		kinds = []string{"read-only", "no-deletes", "fast-forward-only", "pull-request-only", "no-creates"}
		matches = []string{"BRANCH", "PATTERN", "MODEL_CATEGORY", "MODEL_BRANCH", "ANY_REF"}
	}
	if x.match == "" {
		x.match = matches[0]
	}
	switch {
	case !slices.Contains(kinds, x.kind):
		return fault.New(fault.Invalid, "%q is no kind of branch restriction", x.kind).With("use one of %s", strings.Join(kinds, ", "))
	case !slices.Contains(matches, x.match):
		return fault.New(fault.Invalid, "%q is no way to choose branches", x.match).With("use one of %s", strings.Join(matches, ", "))
	case (x.match == "branching_model") != (x.branch != ""):
		return fault.New(fault.Invalid, "branch_type goes with branching_model, and only with it")
	}
	return nil
}

// cloudKinds are the kinds of FACTS 75.
func cloudKinds() []string {
	return []string{
		"push", "delete", "force", "restrict_merges", "require_tasks_to_be_completed", "require_approvals_to_merge",
		"require_review_group_approvals_to_merge", "require_default_reviewer_approvals_to_merge", "require_no_changes_requested",
		"require_passing_builds_to_merge", "require_commits_behind", "reset_pullrequest_approvals_on_change",
		"smart_reset_pullrequest_approvals", "reset_pullrequest_changes_requested_on_change", "require_all_dependencies_merged",
		"enforce_merge_checks", "allow_auto_merge_when_builds_pass", "require_all_comments_resolved",
	}
}

// DeleteRestriction removes a branch restriction.
func (a acts) DeleteRestriction(p Place, id int64) error {
	return a.alter(p, func(at site) error {
		s := at.edit()
		return remove(&s.restrictions, strconv.FormatInt(id, 10), func(x *restriction) string { return strconv.FormatInt(x.id, 10) })
	})
}

// remove deletes the one thing that has an id.
func remove[T any](all *[]T, id string, of func(T) string) error {
	i := slices.IndexFunc(*all, func(x T) bool { return of(x) == id })
	if i < 0 {
		return fault.New(fault.NotFound, "there is none with id %s", id)
	}
	*all = slices.Delete(slices.Clone(*all), i, i+1)
	return nil
}

// replace puts a changed copy in the place of the one thing that has an id, since readers may still hold the old one.
func replace[T any](all *[]*T, id string, of func(*T) string, change func(*T)) error {
	i := slices.IndexFunc(*all, func(x *T) bool { return of(x) == id })
	if i < 0 {
		return fault.New(fault.NotFound, "there is none with id %s", id)
	}
	x := *(*all)[i]
	change(&x)
	*all = slices.Clone(*all)
	(*all)[i] = &x
	return nil
}

// ReviewersSpec are the default reviewers of a repository or a project, all of them.
type ReviewersSpec struct {
	Place
	Users []string `json:"users"`
	// Of Data Center: how many of them must approve, and the branch that pull requests go to, by name; any if empty.
	Approvals int    `json:"approvals"`
	Branch    string `json:"branch"`
}

// SetDefaultReviewers replaces the default reviewers; on Data Center there is one condition then, or none.
func (a acts) SetDefaultReviewers(o ReviewersSpec) error {
	return a.alter(o.Place, func(at site) error {
		if at.repo == nil && at.project == nil {
			return fault.New(fault.Invalid, "default reviewers are of a repository or a project")
		}
		users, err := at.people(o.Users)
		if err != nil {
			return err
		}
		s := at.edit()
		if at.dc == nil {
			s.reviewers = users
			return nil
		}
		s.conditions = nil
		if len(users) > 0 {
			anywhere := refMatcher{"ANY_REF", "ANY_REF_MATCHER_ID"}
			rule := &reviewRule{id: a.made(), source: anywhere, target: anywhere, reviewers: users, approvals: int64(o.Approvals)}
			if o.Branch != "" {
				rule.target = refMatcher{"BRANCH", "refs/heads/" + o.Branch}
			}
			s.conditions = []*reviewRule{rule}
		}
		return nil
	})
}
