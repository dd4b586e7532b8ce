package datacenter

import (
	"context"
	"errors"
	"net/url"
	"strconv"
	"time"

	"github.com/windlass-hq/windlass/internal/bitbucket"
)

// Preflight finds out what a first full read of the instance, or of the wanted projects, takes. since is the start of
// the window of pull requests; a zero time means all. There are no totals to ask for (FACTS 123): lists are counted
// page by page, as far as that costs little beside reading.
func (c *Client) Preflight(ctx context.Context, since time.Time) (bitbucket.Preflight, error) {
	before := c.Calls()
	var p bitbucket.Preflight
	if _, err := c.Instance(ctx); err != nil {
		return p, err
	}
	var repos []bitbucket.RepoRef
	for _, l := range []struct {
		read  func(context.Context, func(bitbucket.Page) error) error
		count func(bitbucket.Page)
	}{
		{c.Projects, func(page bitbucket.Page) { p.Projects += len(page.Objects) }},
		{c.Users, func(page bitbucket.Page) { p.Users += len(page.Objects) }},
		{c.Repositories, func(page bitbucket.Page) { repos = append(repos, page.Repos...) }},
	} {
		pages := 0
		err := l.read(ctx, func(page bitbucket.Page) error {
			l.count(page)
			if pages++; pages == preflightPages {
				return errEnough
			}
			return nil
		})
		switch {
		case errors.Is(err, errEnough):
			p.AtLeast = true
		case bitbucket.Refused(err): // what a credential may not read is told elsewhere
		case err != nil:
			return p, err
		}
	}
	p.Repositories = len(repos)
	p.Calls = int(c.Calls() - before) // reading them takes what counting them took
	if c.noPullRequests {
		p.PullRequests.Exact = true
		p.Spent = p.Calls
		return p, nil
	}
	page, counted, exact := pageLimit, []int(nil), true
	for _, i := range bitbucket.Sample(len(repos), bitbucket.SampleSize) {
		n, granted, sure, err := c.countPullRequests(ctx, repos[i], since, len(counted) == 0)
		if bitbucket.Refused(err) {
			continue
		}
		if err != nil {
			return p, err
		}
		if granted > 0 {
			page = granted
		}
		exact = exact && sure
		counted = append(counted, n)
	}
	var calls int
	p.PullRequests.Number, calls = bitbucket.Estimate(len(repos), counted, page)
	p.PullRequests.Exact = exact && len(counted) == len(repos)
	p.PullRequests.Unknown = len(counted) == 0 && len(repos) > 0
	p.PullRequests.AtLeast = p.AtLeast
	p.Calls += calls
	p.Spent = int(c.Calls() - before)
	return p, nil
}

// preflightPages is how many pages of a list are counted at most.
const preflightPages = 10

var errEnough = errors.New("enough was counted")

// countPullRequests returns how many pull requests of a repository a first read takes, and with askPage the size of the
// pages that the server grants for them (else 0). Numbers of pull requests begin at 1 in each repository, so where
// there are more than a page the highest number among the newest tells how many there have been.
func (c *Client) countPullRequests(ctx context.Context, repo bitbucket.RepoRef, since time.Time, askPage bool) (n, granted int, exact bool, err error) {
	list := func(query url.Values) (bitbucket.JSON, error) {
		id, err := c.core.Choose(ctx, func(id string) bool { return c.mayRead(id, repo) }, "")
		if err != nil {
			return nil, err
		}
		resp, err := c.core.AskOne(ctx, id, repoPath(place{repo.Project, repo.Slug})+"/pull-requests?"+query.Encode())
		if err != nil {
			return nil, err
		}
		return resp.Body, nil
	}
	if askPage { // an empty page says what is granted, and is small
		far, err := list(url.Values{"state": {"ALL"}, "limit": {strconv.Itoa(pageLimit)}, "start": {"10000000"}})
		if err != nil {
			return 0, 0, false, err
		}
		limit, _ := far.Get("limit").Integer()
		granted = int(limit)
	}
	newest, err := list(url.Values{"state": {"ALL"}, "order": {"NEWEST"}, "limit": {"50"}})
	if err != nil {
		return 0, granted, false, err
	}
	open, highest, recent, size := 0, 0, 0, 0
	newest.Get("values").Elements(func(v bitbucket.JSON) {
		size++
		id, _ := v.Get("id").Integer()
		highest = max(highest, int(id))
		state, _ := v.Get("state").Text()
		switch {
		case state == "OPEN":
			open++
		case updated(v) >= since.UnixMilli():
			recent++
		}
	})
	last, known := newest.Get("isLastPage").Flag()
	whole := last || !known
	switch {
	case since.IsZero() && whole:
		return size, granted, true, nil
	case since.IsZero():
		return highest, granted, false, nil
	case whole:
		return open + recent, granted, true, nil
	}
	stillOpen, err := list(url.Values{"state": {"OPEN"}, "limit": {strconv.Itoa(smallLimit)}})
	if err != nil {
		return 0, granted, false, err
	}
	open = 0
	stillOpen.Get("values").Elements(func(bitbucket.JSON) { open++ })
	last, _ = stillOpen.Get("isLastPage").Flag()
	return open + recent, granted, last && recent < size-1, nil
}

// Granted finds out which permissions a connection's only credential has somewhere, by asking for one thing that it has
// each of them on: nothing tells it outright. known is false where there is nothing to see, which says nothing.
func (c *Client) Granted(ctx context.Context) (permissions []string, known bool, err error) {
	permissions = []string{"LICENSED_USER"}
	for _, probe := range []struct{ permission, path string }{
		{"PROJECT_READ", projectsPath + "?limit=1"},
		{"PROJECT_ADMIN", projectsPath + "?limit=1&permission=PROJECT_ADMIN"},
		{"REPO_READ", "/api/latest/repos?limit=1"},
		{"REPO_ADMIN", "/api/latest/repos?limit=1&permission=REPO_ADMIN"},
	} {
		id, err := c.core.Choose(ctx, nil, "")
		if err != nil {
			return nil, false, err
		}
		resp, err := c.core.AskOne(ctx, id, probe.path)
		if bitbucket.Refused(err) {
			continue
		}
		if err != nil {
			return nil, false, err
		}
		some := false
		resp.Body.Get("values").Elements(func(bitbucket.JSON) { some = true })
		if some {
			permissions = append(permissions, probe.permission)
			known = true
		}
	}
	return permissions, known, nil
}
