package datacenter

import (
	"cmp"
	"context"
	"math"
	"net/url"
	"slices"
	"time"

	"github.com/windlass-hq/windlass/internal/bitbucket"
	"github.com/windlass-hq/windlass/internal/fault"
)

// PullRequests lists all pull requests into a repository. Everybody mentioned is met.
func (c *Client) PullRequests(ctx context.Context, repo bitbucket.RepoRef, yield func(bitbucket.Page) error) error {
	return c.PullRequestsSince(ctx, repo, time.Time{}, yield)
}

// PullRequestsSince lists like PullRequests, but only what is open or was updated since the given time; a zero time
// lists all. There is no filter for it (FACTS 126), but the newest come first (FACTS 127): so the list of all is read
// until it is older, and then what is open, unless the list ended before.
//
// Where the server fails on large pages, or takes too long for them, the listing begins again with smaller ones.
func (c *Client) PullRequestsSince(ctx context.Context, repo bitbucket.RepoRef, since time.Time, yield func(bitbucket.Page) error) error {
	if err := c.complete(&repo); err != nil {
		return err
	}
	granted := pageLimit
	list := &pullRequestListing{c: c, repo: repo, since: since.UnixMilli(), yield: yield, granted: &granted}
	if since.IsZero() {
		list.since = 0
	}
	err := list.read(ctx, pageLimit)
	if bitbucket.TooMuch(err) && granted > smallLimit {
		list.again = list.yielded
		err = list.read(ctx, smallLimit)
	}
	return err
}

// pullRequestListing reads the pull requests of one repository.
type pullRequestListing struct {
	c       *Client
	repo    bitbucket.RepoRef
	since   int64 // milliseconds; 0 for all
	granted *int
	again   bool // the next page begins the proof anew
	yielded bool // there was a page
	yield   func(bitbucket.Page) error
}

func (p *pullRequestListing) read(ctx context.Context, limit int) error {
	cut := false
	if err := p.list(ctx, "ALL", limit, &cut); err != nil || !cut {
		return err
	}
	return p.list(ctx, "OPEN", limit, nil)
}

// list reads the pull requests of one state, newest first. With cut, it ends where they are older than wanted, and
// says that it did.
func (p *pullRequestListing) list(ctx context.Context, state string, limit int, cut *bool) error {
	what := "the pull requests of " + cmp.Or(p.repo.FullName, p.repo.Project+"/"+p.repo.Slug)
	people := bitbucket.NewPeople("id", p.c.keys.convertUser)
	l := listing{
		what: what, path: repoPath(place{p.repo.Project, p.repo.Slug}) + "/pull-requests",
		query: url.Values{"state": {state}, "order": {"NEWEST"}}, limit: limit, attempts: 3, granted: p.granted,
		may: func(principal string) bool { return p.c.mayRead(principal, p.repo) },
		convert: func(values []bitbucket.JSON, out *bitbucket.Page) {
			for i, v := range values {
				if p.since > 0 && stale(v, p.since) {
					continue
				}
				o, r, ok := p.c.keys.convertPullRequest(v, p.repo, people)
				out.Note(what, i, o.Entity.Key, r, ok)
				if ok {
					out.Objects = append(out.Objects, o)
				}
			}
			out.Met = people.Take()
		},
	}
	if cut != nil && p.since > 0 {
		l.enough = func(values []bitbucket.JSON) bool {
			*cut = olderThan(values, p.since)
			return *cut
		}
	}
	return p.c.list(ctx, l, func(page bitbucket.Page) error {
		page.Again = page.Again || p.again
		p.again, p.yielded = false, true
		return p.yield(page)
	})
}

// olderThan reports whether everything behind these pull requests is older than a moment. That they are in the order
// of their last update is known from other clients only (FACTS 127), so a page that is in another order is not relied
// on.
func olderThan(values []bitbucket.JSON, since int64) bool {
	if len(values) == 0 {
		return false
	}
	times := make([]int64, len(values))
	for i, v := range values {
		t, ok := v.Get("updatedDate").Moment()
		if !ok {
			return false
		}
		times[i] = -t
	}
	return slices.IsSorted(times) && -times[len(times)-1] < since
}

// updated returns when a pull request was last updated; one that does not tell counts as new.
func updated(v bitbucket.JSON) int64 {
	t, ok := v.Get("updatedDate").Moment()
	if !ok {
		return math.MaxInt64
	}
	return t
}

// stale reports whether a pull request is closed and was last updated before a moment.
func stale(v bitbucket.JSON, since int64) bool {
	state, _ := v.Get("state").Text()
	return state != "OPEN" && updated(v) < since
}

// complete fills in what a reference lacks and this client knows.
func (c *Client) complete(repo *bitbucket.RepoRef) error {
	if repo.UUID == "" {
		repo.UUID = c.keys.number(repo.Key, "repo")
	}
	if repo.Project == "" || repo.Slug == "" {
		c.mu.Lock()
		at := c.paths[repo.Key]
		c.mu.Unlock()
		repo.Project, repo.Slug = cmp.Or(repo.Project, at.project), cmp.Or(repo.Slug, at.slug)
	}
	if repo.UUID == "" || repo.Project == "" || repo.Slug == "" {
		return fault.New(fault.Internal, "pull requests were asked of a repository (%q) without id, project and slug", repo.Key)
	}
	return nil
}

// mayRead reports whether a principal is to be asked for what is in a repository: those who listed it, as far as that
// is known, else all.
func (c *Client) mayRead(principal string, repo bitbucket.RepoRef) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	known := false
	for _, sees := range c.sees {
		known = known || sees[repo.Key]
	}
	return !known || c.sees[principal][repo.Key]
}

func repoPath(at place) string {
	return projectsPath + "/" + url.PathEscape(at.project) + "/repos/" + url.PathEscape(at.slug)
}
