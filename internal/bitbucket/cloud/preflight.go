package cloud

import (
	"context"
	"net/url"
	"strconv"
	"time"

	"github.com/windlass-hq/windlass/internal/bitbucket"
)

// Preflight finds out what a first full read of the wanted workspaces takes, or with none wanted of all that the
// credentials reach. since is the start of the window of pull requests; a zero time means all.
func (c *Client) Preflight(ctx context.Context, wanted []string, since time.Time) (bitbucket.Preflight, error) {
	before := c.Calls()
	var sum bitbucket.Preflight
	found, err := c.Workspaces(ctx, wanted)
	if err != nil {
		return sum, err
	}
	principals := len(c.core.Principals())
	sum.PullRequests.Exact = true
	for _, ws := range found {
		if c.Calls()-before >= bitbucket.PreflightMax {
			sum.AtLeast, sum.PullRequests.Exact, sum.PullRequests.AtLeast = true, false, true
			break
		}
		one, err := c.preflight(ctx, ws, since, max(1, bitbucket.SampleSize/len(found)))
		if err != nil {
			return sum, err
		}
		sum.Projects += one.Projects
		sum.Users += one.Users
		sum.Repositories += one.Repositories
		sum.AtLeast = sum.AtLeast || one.AtLeast
		sum.PullRequests.Number += one.PullRequests.Number
		sum.PullRequests.Exact = sum.PullRequests.Exact && one.PullRequests.Exact
		sum.PullRequests.Unknown = sum.PullRequests.Unknown || one.PullRequests.Unknown
		sum.GitBytes += one.GitBytes
		sum.Calls += one.Calls + principals // each one is asked for the workspace
		if principals > 1 {
			sum.Calls += principals // and how many repositories it sees
		}
	}
	sum.Spent = int(c.Calls() - before)
	return sum, nil
}

// preflight looks at one workspace. At most sample of its repositories are asked for their pull requests.
func (c *Client) preflight(ctx context.Context, ws Workspace, since time.Time, sample int) (bitbucket.Preflight, error) {
	var p bitbucket.Preflight
	repos, err := c.glance(ctx, ws, "/repositories/"+segment(ws.UUID, ws.Slug)+"?fields=size,next,values.uuid,values.slug,values.size&pagelen="+strconv.Itoa(pagelen))
	if err != nil {
		return p, err
	}
	values := valuesOf(repos)
	p.Repositories, p.AtLeast = total(repos, len(values))
	bytes := int64(0)
	for _, v := range values {
		n, _ := v.Get("size").Integer()
		bytes += max(0, n)
	}
	if len(values) > 0 {
		p.GitBytes = int64(float64(bytes) / float64(len(values)) * float64(p.Repositories))
	}
	for path, to := range map[string]*int{"/projects": &p.Projects, "/members": &p.Users} {
		one, err := c.glance(ctx, ws, "/workspaces/"+segment(ws.UUID, ws.Slug)+path+"?pagelen=1&fields=size,next,values.uuid,values.user.uuid")
		if bitbucket.Refused(err) {
			continue // what a credential lacks is told elsewhere
		}
		if err != nil {
			return p, err
		}
		*to, _ = total(one, len(valuesOf(one)))
	}
	p.Calls = bitbucket.Pages(p.Projects, pagelen) + bitbucket.Pages(p.Users, pagelen) + bitbucket.Pages(p.Repositories, pagelen)
	if c.noPullRequests {
		p.PullRequests.Exact = true
		return p, nil
	}
	var counted []int
	for _, at := range bitbucket.Sample(len(values), sample) {
		uuid, _ := readUUID(values[at].Get("uuid"))
		slug, _ := values[at].Get("slug").Text()
		n, ok, err := c.countPullRequests(ctx, ws, segment(uuid, slug), since)
		if err != nil {
			return p, err
		}
		if ok {
			counted = append(counted, n)
		}
	}
	var calls int
	p.PullRequests.Number, calls = bitbucket.Estimate(p.Repositories, counted, pullRequestsPagelen)
	p.PullRequests.Exact = len(counted) == p.Repositories
	p.PullRequests.Unknown = len(counted) == 0 && p.Repositories > 0
	p.Calls += calls
	return p, nil
}

// countPullRequests returns how many pull requests of a repository a first read takes, where the vendor tells.
func (c *Client) countPullRequests(ctx context.Context, ws Workspace, repo string, since time.Time) (int, bool, error) {
	path := "/repositories/" + segment(ws.UUID, ws.Slug) + "/" + repo + "/pullrequests?" + allStates + "&pagelen=1&fields=size"
	if !since.IsZero() {
		path += "&q=" + url.QueryEscape(window(since))
	}
	one, err := c.glance(ctx, ws, path)
	if bitbucket.Refused(err) || serverFailed(err) {
		return 0, false, nil
	}
	if err != nil {
		return 0, false, err
	}
	n, ok := one.Get("size").Integer()
	return int(n), ok, nil
}

// glance asks as whoever sees the workspace whole.
func (c *Client) glance(ctx context.Context, ws Workspace, path string) (bitbucket.JSON, error) {
	c.mu.Lock()
	sees, narrow := c.sees[ws.UUID], c.narrow[ws.UUID]
	c.mu.Unlock()
	p, err := c.core.Choose(ctx, func(p string) bool { return sees[p] && !narrow[p] }, "")
	if err != nil {
		return bitbucket.JSON{}, err
	}
	resp, err := c.core.AskOne(ctx, p, path)
	if err != nil {
		return bitbucket.JSON{}, err
	}
	return resp.Body, nil
}

func valuesOf(page bitbucket.JSON) []bitbucket.JSON {
	var out []bitbucket.JSON
	page.Get("values").Elements(func(v bitbucket.JSON) { out = append(out, v) })
	return out
}

// total is the size that a page tells, or how much is on it where it tells none (FACTS 48).
func total(page bitbucket.JSON, onPage int) (n int, more bool) {
	if size, ok := page.Get("size").Integer(); ok {
		return int(size), false
	}
	_, next := page.Get("next").Text()
	return onPage, next
}
