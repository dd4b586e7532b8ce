package sandbox

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// getPullRequests lists pull requests: open ones unless `state` or a `q` that names the state says otherwise, newest
// first unless `sort` says otherwise (FACTS 64).
func (c *call) getPullRequests() *failure {
	r, f := c.repository()
	if f != nil {
		return f
	}
	show, f := c.states()
	if f != nil {
		return f
	}
	if c.fault != nil && c.fault.Kind == FaultSorted && c.query.Get("sort") != "" && len(c.query["state"]) > 1 && len(r.prs) > c.fault.Over {
		return fail(http.StatusInternalServerError, "Something went wrong (500)", "")
	}
	c.s.world.hashes(r)
	var list []*pullRequest
	for _, p := range slices.Backward(r.prs) {
		if show[p.state] {
			list = append(list, p)
		}
	}
	list, f = choose(c, pullRequestFields, list, func(w *writer, p *pullRequest) { w.pullRequest(p, true) })
	if f != nil {
		return f
	}
	return respond(c, paging{byDefault: 10, max: 50}, list, func(p *pullRequest) { c.out.pullRequest(p, false) })
}

// states reads the repeated `state` parameter, by place of the state.
func (c *call) states() ([4]bool, *failure) {
	var show [4]bool
	named := c.query["state"]
	if len(named) == 0 {
		if q, err := parseQuery(c.query.Get("q")); err == nil && q.names("state") {
			return [4]bool{true, true, true, true}, nil
		}
		show[open] = true
		return show, nil
	}
	for _, name := range named {
		known := false
		for _, s := range []state{open, merged, declined, superseded} {
			if strings.EqualFold(name, s.String()) || strings.EqualFold(name, "all") {
				show[s], known = true, true
			}
		}
		if !known {
			return show, fail(http.StatusBadRequest, "Invalid pull request state: "+name, "")
		}
	}
	return show, nil
}

// pullRequest finds the pull request of a path.
func (c *call) pullRequest() (*pullRequest, *failure) {
	r, f := c.repository()
	if f != nil {
		return nil, f
	}
	id, err := strconv.Atoi(c.args[2])
	if err != nil || id <= 0 || id > 1<<30 {
		return nil, plainText(http.StatusNotFound, "Not Found") // FACTS 86
	}
	p, _ := r.pr(int32(id))
	if p == nil {
		return nil, fail(http.StatusNotFound, "Pull request "+c.args[2]+" not found in repository "+r.fullName()+".", "")
	}
	c.s.world.hashes(r)
	return p, nil
}

func (c *call) getPullRequest() *failure {
	p, f := c.pullRequest()
	if f != nil {
		return f
	}
	c.out.root(func() { c.out.pullRequest(p, true) })
	return nil
}

func (c *call) getPullRequestCommits() *failure {
	p, f := c.pullRequest()
	if f != nil {
		return f
	}
	g := c.s.world.graph(p.repo)
	list := g.reach([]hash{p.srcHash}, []hash{p.dstHash})
	return respond(c, paging{byDefault: 30, max: 100, opaque: true}, list, func(k *commit) { c.out.commit(p.repo, k, false) })
}
