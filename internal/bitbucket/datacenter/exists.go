package datacenter

import (
	"cmp"
	"context"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/windlass-hq/windlass/internal/bitbucket"
	"github.com/windlass-hq/windlass/internal/fault"
	"github.com/windlass-hq/windlass/internal/graph"
)

// Exists reads one object directly. With several principals all are asked until one sees it, so that Gone means that
// none does. The answer is matched by id: a repository that was made again under the same slug is not the one that was.
//
// Objects are found by path, which changes when a repository is renamed or moved; so a repository that is not where it
// was is looked for by name before it counts as gone.
func (c *Client) Exists(ctx context.Context, ref bitbucket.Ref) (bitbucket.Presence, error) {
	switch ref.Type {
	case graph.TypeInstance:
		if _, err := c.Instance(ctx); err != nil {
			return "", err
		}
		return bitbucket.Present, nil
	case graph.TypeProject:
		if id := c.keys.number(ref.Key, "project"); id != "" && ref.Project != "" {
			return c.lookUp(ctx, ref, projectsPath+"/"+url.PathEscape(ref.Project), matches(id))
		}
	case graph.TypeUser:
		if id := c.keys.number(ref.Key, "user"); id != "" && ref.Slug != "" {
			return c.lookUp(ctx, ref, "/api/latest/users/"+url.PathEscape(ref.Slug), matches(id))
		}
	case graph.TypeRepo:
		if id := c.keys.number(ref.Key, "repo"); id != "" {
			return c.repository(ctx, ref, ref.Key, id)
		}
	case graph.TypePullRequest:
		repo, number, _ := strings.Cut(ref.Key, ":pr:")
		if id, n := c.keys.number(repo, "repo"), positive(number); id != "" && n != "" {
			return c.pullRequest(ctx, ref, repo, id, n)
		}
	}
	return "", fault.New(fault.Internal, "%s %q cannot be read directly", ref.Type, ref.Key)
}

// positive returns a number that is written as such, or "".
func positive(s string) string {
	if n, err := strconv.ParseInt(s, 10, 64); err != nil || n <= 0 {
		return ""
	}
	return s
}

// matches tests whether an answer is about the object of an id.
func matches(id string) func(bitbucket.JSON) bool {
	return func(j bitbucket.JSON) bool {
		got, ok := readID(j.Get("id"))
		return ok && got == id
	}
}

// where returns where a repository was last seen.
func (c *Client) where(key string, ref bitbucket.Ref) place {
	c.mu.Lock()
	defer c.mu.Unlock()
	if at, ok := c.paths[key]; ok {
		return at
	}
	return place{ref.Project, ref.Slug}
}

func (c *Client) repository(ctx context.Context, ref bitbucket.Ref, key, id string) (bitbucket.Presence, error) {
	verdict := bitbucket.Gone
	at := c.where(key, ref)
	if at.project != "" && at.slug != "" {
		var err error
		if verdict, err = c.lookUp(ctx, ref, repoPath(at), matches(id)); err != nil || verdict != bitbucket.Gone {
			return verdict, err
		}
	}
	moved := false
	err := c.search(ctx, key, cmp.Or(ref.Name, at.slug), func(bitbucket.Page) { moved = true })
	if err != nil {
		return "", err
	}
	if moved {
		return bitbucket.Present, nil
	}
	return verdict, nil
}

// search looks for a repository by name, remembers where it is, and gives its page to found.
func (c *Client) search(ctx context.Context, key, name string, found func(bitbucket.Page)) error {
	if name == "" {
		return fault.New(fault.Internal, "%q cannot be read directly without project and slug, or a name", key)
	}
	what := "the repositories named " + name
	return c.anyOf(ctx, listing{
		what: what, path: "/api/latest/repos", query: c.alsoArchived(url.Values{"name": {name}}),
		convert: func(values []bitbucket.JSON, out *bitbucket.Page) {
			values = slices.DeleteFunc(slices.Clone(values), func(v bitbucket.JSON) bool {
				id, ok := readID(v.Get("id"))
				return !ok || c.keys.repo(id) != key
			})
			c.addRepositories(out, what, values, "", map[string]bool{})
		},
	}, func(principal string, p *bitbucket.Page) {
		if len(p.Repos) > 0 {
			c.keepRepositories(principal, p.Repos)
			found(*p)
		}
	}, func(bitbucket.Page) error { return nil })
}

func (c *Client) pullRequest(ctx context.Context, ref bitbucket.Ref, repo, id, number string) (bitbucket.Presence, error) {
	is := pullRequestOf(id, number)
	for moved := false; ; {
		at := c.where(repo, ref)
		if at.project != "" && at.slug != "" {
			verdict, err := c.lookUp(ctx, ref, repoPath(at)+"/pull-requests/"+number, is)
			if err != nil || verdict != bitbucket.Gone || moved {
				return verdict, err
			}
		}
		// It is gone, or the repository is elsewhere, or that is gone too.
		whole := bitbucket.Ref{Type: graph.TypeRepo, Key: repo, Project: at.project, Slug: at.slug, Name: ref.Name}
		verdict, err := c.repository(ctx, whole, repo, id)
		if err != nil || verdict != bitbucket.Present {
			return verdict, err
		}
		if now := c.where(repo, ref); now == at {
			return bitbucket.Gone, nil
		}
		moved = true
	}
}

// lookUp reads one path as every principal that may see it, until one does. Data Center tells what is not there (404)
// from what may not be seen (401, 403; FACTS 120, 139), so one principal that is told the former is enough.
func (c *Client) lookUp(ctx context.Context, ref bitbucket.Ref, path string, is func(bitbucket.JSON) bool) (bitbucket.Presence, error) {
	verdict := bitbucket.Hidden
	asked := 0
	var last error
	for _, p := range c.core.Principals() {
		resp, err := c.core.AskOne(ctx, p, path)
		switch {
		case err == nil && is(resp.Body):
			return bitbucket.Present, nil
		case err == nil, fault.Is(err, fault.NotFound):
			verdict = bitbucket.Gone
			asked++
		case fault.Is(err, fault.Denied):
			asked++
		case fault.Is(err, fault.Unauthorized):
			last = err // a dead credential says nothing; the others decide
		default:
			return "", err
		}
	}
	if asked == 0 {
		return "", firstErr(last, fault.New(fault.Denied, "no credential of the connection can read %s", ref.Key))
	}
	return verdict, nil
}

func firstErr(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
