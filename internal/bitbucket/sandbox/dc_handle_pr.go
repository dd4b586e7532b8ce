package sandbox

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// dcPullRequests lists pull requests: open ones to this repository, the one updated last first, unless the parameters
// say otherwise (FACTS 126 and 127).
func (c *call) dcPullRequests() *failure {
	r, f := c.dcRepositoryOf()
	if f != nil {
		return f
	}
	keep, f := c.dcPullRequestFilter()
	if f != nil {
		return f
	}
	list, f := c.dcDirection(r)
	if f != nil {
		return f
	}
	shown := make([]*pullRequest, 0, len(list))
	for _, p := range list {
		if keep(p) {
			shown = append(shown, p)
		}
	}
	switch order := c.query.Get("order"); strings.ToUpper(order) {
	case "", "NEWEST":
	case "OLDEST":
		slices.Reverse(shown)
	default:
		return dcFailAbout(http.StatusBadRequest, "order", order+" is not a valid order.", dcBadArgument)
	}
	attributes, properties := c.query.Get("withAttributes") != "false", c.query.Get("withProperties") != "false"
	return dcRespond(c, c.s.opts.Limits.DCPage, shown, nil, func(p *pullRequest) {
		c.dc.world.hashes(p.repo)
		c.out.dcPullRequest(p, attributes, properties)
	})
}

// dcDirection returns the pull requests to a repository, or from it, newest first.
func (c *call) dcDirection(r *repo) ([]*pullRequest, *failure) {
	switch d := c.query.Get("direction"); strings.ToUpper(d) {
	case "", "INCOMING":
		return r.byUpdate(), nil
	case "OUTGOING":
		var out []*pullRequest
		for _, p := range r.byUpdate() {
			if p.source == r {
				out = append(out, p)
			}
		}
		if r.parent != nil && c.who.sees(r.parent) {
			for _, p := range r.parent.byUpdate() {
				if p.source == r {
					out = append(out, p)
				}
			}
			slices.SortStableFunc(out, func(a, b *pullRequest) int { return int((b.updated - a.updated) / second) })
		}
		return out, nil
	default:
		return nil, dcFailAbout(http.StatusBadRequest, "direction", d+" is not a valid direction.", dcBadArgument)
	}
}

// dcPullRequestFilter reads the parameters that choose pull requests.
func (c *call) dcPullRequestFilter() (func(*pullRequest) bool, *failure) {
	q := c.query
	var show [4]bool
	switch s := strings.ToUpper(q.Get("state")); s {
	case "", "OPEN":
		show[open] = true
	case "MERGED":
		show[merged] = true
	case "DECLINED":
		show[declined] = true
	case "ALL":
		show = [4]bool{true, true, true, true}
	default:
		return nil, dcFailAbout(http.StatusBadRequest, "state", s+" is not a valid state.", dcBadArgument)
	}
	branch, atBranch := strings.CutPrefix(q.Get("at"), "refs/heads/")
	if q.Get("at") != "" && !atBranch {
		return nil, dcFailAbout(http.StatusBadRequest, "at", "A fully qualified branch is needed, such as refs/heads/master.", dcBadArgument)
	}
	outgoing := strings.EqualFold(q.Get("direction"), "OUTGOING")
	text, draft := q.Get("filterText"), ""
	if c.dc.version.drafts() {
		draft = q.Get("draft")
	}
	people := c.dcPeopleFilter()
	return func(p *pullRequest) bool {
		at := p.dstBranch
		if outgoing {
			at = p.srcBranch
		}
		return show[p.state] && (!atBranch || at == branch) && (text == "" || matches(text, p.title) || matches(text, p.desc)) &&
			(draft == "" || p.draft == (draft == "true")) && people(p)
	}, nil
}

// dcPeopleFilter reads username.N, role.N and approved.N; the numbering begins at 1, and what comes after a gap or
// after 10 is dropped.
func (c *call) dcPeopleFilter() func(*pullRequest) bool {
	type want struct{ login, role, approved string }
	var wants []want
	for n := 1; n <= 10; n++ {
		i := "." + strconv.Itoa(n)
		login := c.query.Get("username" + i)
		if login == "" {
			break
		}
		wants = append(wants, want{login, strings.ToUpper(c.query.Get("role" + i)), c.query.Get("approved" + i)})
	}
	return func(p *pullRequest) bool {
		for _, w := range wants {
			is := func(u *user, role string, ok bool) bool {
				return strings.EqualFold(u.login, w.login) && (w.role == "" || w.role == role) && (w.approved == "" || ok == (w.approved == "true"))
			}
			if is(p.author, "AUTHOR", false) || slices.ContainsFunc(p.people, func(x participation) bool {
				role := "PARTICIPANT"
				if x.reviewer {
					role = "REVIEWER"
				}
				return x.user != p.author && is(x.user, role, x.verdict == approved)
			}) {
				continue
			}
			return false
		}
		return true
	}
}

// dcPullRequestOf finds the pull request of a path.
func (c *call) dcPullRequestOf() (*pullRequest, *failure) {
	r, f := c.dcRepositoryOf()
	if f != nil {
		return nil, f
	}
	id, err := strconv.Atoi(c.args[2])
	if err != nil || id > 1<<30 {
		return nil, dcUnknown(c)
	}
	p, _ := r.pr(int32(id))
	if p == nil {
		return nil, dcFail(http.StatusNotFound, "No pull request exists with ID "+c.args[2]+" for this repository.", dcNoPullRequest)
	}
	c.dc.world.hashes(r)
	return p, nil
}

func (c *call) dcPullRequest() *failure {
	p, f := c.dcPullRequestOf()
	if f != nil {
		return f
	}
	c.out.dcPullRequest(p, true, true)
	return nil
}
