package datacenter

import (
	"cmp"
	"context"
	"net/url"
	"slices"
	"strings"

	"github.com/windlass-hq/windlass/internal/bitbucket"
	"github.com/windlass-hq/windlass/internal/fault"
	"github.com/windlass-hq/windlass/internal/graph"
)

const projectsPath = "/api/latest/projects"

// Users lists the users of the instance, each with the relationship that the instance has them.
func (c *Client) Users(ctx context.Context, yield func(bitbucket.Page) error) error {
	const what = "the users"
	return c.list(ctx, listing{
		what: what, path: "/api/latest/users",
		convert: func(values []bitbucket.JSON, out *bitbucket.Page) {
			for i, v := range values {
				o, r, ok := c.keys.convertMember(v)
				out.Note(what, i, o.Entity.Key, r, ok)
				if ok {
					out.Objects = append(out.Objects, o)
				}
			}
		},
	}, yield)
}

// Projects lists the projects of the instance, or each of the wanted ones. Personal projects are in no list (FACTS 125)
// and are met with their repositories, unless they are wanted by key.
//
// A wanted project that cannot be read makes an error after the others were yielded.
func (c *Client) Projects(ctx context.Context, yield func(bitbucket.Page) error) error {
	if len(c.want) > 0 {
		return c.wantedProjects(ctx, yield)
	}
	const what = "the projects"
	shown := map[string]bool{}
	return c.anyOf(ctx, listing{
		what: what, path: projectsPath,
		convert: func(values []bitbucket.JSON, out *bitbucket.Page) {
			for i, v := range values {
				o, r, ok := c.keys.convertProject(v)
				out.Note(what, i, o.Entity.Key, r, ok)
				if ok {
					out.Objects = append(out.Objects, o)
					c.keepProject(o)
				}
			}
		},
	}, func(_ string, p *bitbucket.Page) { unseen(p, shown) }, yield)
}

// unseen drops the objects of a page that were shown before.
func unseen(p *bitbucket.Page, shown map[string]bool) {
	known := func(key string) bool {
		was := shown[key]
		shown[key] = true
		return was
	}
	again := map[string]bool{}
	p.Objects = slices.DeleteFunc(p.Objects, func(o graph.Object) bool {
		again[o.Entity.Key] = known(o.Entity.Key)
		return again[o.Entity.Key]
	})
	p.Repos = slices.DeleteFunc(p.Repos, func(r bitbucket.RepoRef) bool { return again[r.Key] })
}

func (c *Client) wantedProjects(ctx context.Context, yield func(bitbucket.Page) error) error {
	var first error
	for _, key := range c.want {
		p, err := c.wanted(ctx, key)
		switch {
		case err == nil:
			if err := yield(p.page); err != nil {
				return err
			}
		case bitbucket.Refused(err):
			if first == nil {
				first = err
			}
		default:
			return err
		}
	}
	return first
}

// foundProject is a project that was read by itself, and who sees it.
type foundProject struct {
	page       bitbucket.Page
	key, id    string // as the instance writes it
	name       string
	principals []string
}

// project reads one project as every principal.
func (c *Client) project(ctx context.Context, key string) (foundProject, error) {
	var out foundProject
	var refusal error
	for _, p := range c.core.Principals() {
		resp, err := c.core.AskOne(ctx, p, projectsPath+"/"+url.PathEscape(key))
		if err != nil {
			if !bitbucket.Refused(err) {
				return out, err
			}
			if refusal == nil || fault.Is(refusal, fault.NotFound) {
				refusal = err
			}
			continue
		}
		o, r, ok := c.keys.convertProject(resp.Body)
		if !ok {
			return out, fault.New(fault.Unavailable, "the answer about the project %s is no project", key).
				With("check --url: something other than Bitbucket Data Center may answer there")
		}
		if len(out.principals) == 0 {
			short, _ := o.Entity.Properties["key"].(string)
			id, _ := o.Entity.Properties["id"].(string)
			out.page = bitbucket.Page{Objects: []graph.Object{o}, RequestedAt: resp.RequestedAt, Principal: p}
			out.page.Note("the project "+key, 0, o.Entity.Key, r, true)
			out.key, out.id, out.name = cmp.Or(short, key), id, o.Entity.Name
			c.keepProject(o)
		}
		out.principals = append(out.principals, p)
	}
	if len(out.principals) > 0 {
		return out, nil
	}
	return out, refusal
}

// wanted reads a project that the connection names, and says what is like it where there is none.
func (c *Client) wanted(ctx context.Context, key string) (foundProject, error) {
	p, err := c.project(ctx, key)
	switch {
	case fault.Is(err, fault.NotFound):
		err = unknownProject(key, c.near(ctx, key))
	case err == nil:
		c.mu.Lock()
		c.found[key] = p
		c.mu.Unlock()
	}
	return p, err
}

// foundBefore returns a wanted project that Projects has read, or reads it.
func (c *Client) foundBefore(ctx context.Context, key string) (foundProject, error) {
	c.mu.Lock()
	p, ok := c.found[key]
	c.mu.Unlock()
	if ok {
		return p, nil
	}
	return c.wanted(ctx, key)
}

func (c *Client) keepProject(o graph.Object) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.listed[o.Entity.Key] = true
}

// Repositories lists the repositories of the instance, or of the wanted projects. A project that Projects of this
// client did not list is met, as all personal ones are, and so are the owners of those.
//
// With several principals each of them lists, since they may see different repositories.
func (c *Client) Repositories(ctx context.Context, yield func(bitbucket.Page) error) error {
	if len(c.want) == 0 {
		return c.repositories(ctx, listing{what: "the repositories", path: "/api/latest/repos", query: c.alsoArchived(nil)}, "", yield)
	}
	var first error
	for _, key := range c.want {
		p, err := c.foundBefore(ctx, key)
		if err == nil {
			err = c.repositories(ctx, c.projectRepositories(p), p.key, yield)
		}
		switch {
		case err == nil:
		case bitbucket.Refused(err):
			if first == nil {
				first = err
			}
		default:
			return err
		}
	}
	return first
}

// alsoArchived asks for archived repositories too, which the list leaves out unless asked. Versions before 8.0 know
// neither the filter nor archived repositories (FACTS 108, 124).
func (c *Client) alsoArchived(query url.Values) url.Values {
	if v := c.Version(); v == (Version{}) || v.AtLeast(8, 0) {
		if query == nil {
			query = url.Values{}
		}
		query.Set("archived", "ALL")
	}
	return query
}

// projectRepositories is the listing of one project's repositories. From 8.0 it is the list of all repositories with
// the project as a filter, since only that list is documented to tell archived ones (FACTS 124).
func (c *Client) projectRepositories(p foundProject) listing {
	l := listing{
		what: "the repositories of " + p.key, path: projectsPath + "/" + url.PathEscape(p.key) + "/repos",
		may: func(id string) bool { return slices.Contains(p.principals, id) },
	}
	if c.Version().AtLeast(8, 0) {
		l.path, l.query = "/api/latest/repos", c.alsoArchived(url.Values{"projectkey": {p.key}})
	}
	return l
}

// repositories reads a list of repositories; project is the key of the only project wanted, if there is one.
func (c *Client) repositories(ctx context.Context, l listing, project string, yield func(bitbucket.Page) error) error {
	met, shown := map[string]bool{}, map[string]bool{}
	l.convert = func(values []bitbucket.JSON, out *bitbucket.Page) {
		c.addRepositories(out, l.what, values, project, met)
	}
	return c.anyOf(ctx, l, func(principal string, p *bitbucket.Page) {
		c.keepRepositories(principal, p.Repos)
		unseen(p, shown)
	}, yield)
}

// addRepositories converts repositories into a page, with what each is in and, of a personal project, whose it is; met
// are those that were before.
func (c *Client) addRepositories(out *bitbucket.Page, what string, values []bitbucket.JSON, project string, met map[string]bool) {
	for i, v := range values {
		res, r, ok := c.keys.convertRepository(v)
		if ok && project != "" && !strings.EqualFold(res.ref.Project, project) {
			continue // a server that does not know the filter
		}
		out.Note(what, i, res.object.Entity.Key, r, ok)
		if !ok {
			continue
		}
		out.Objects = append(out.Objects, res.object)
		out.Repos = append(out.Repos, res.ref)
		for _, o := range []*graph.Object{res.project, res.owner} {
			if o != nil && !met[o.Entity.Key] && !c.wasListed(o.Entity.Key) {
				met[o.Entity.Key] = true
				out.Met = append(out.Met, *o)
			}
		}
	}
}

// keepRepositories remembers where repositories are and, of several principals, who sees which.
func (c *Client) keepRepositories(principal string, repos []bitbucket.RepoRef) {
	c.mu.Lock()
	defer c.mu.Unlock()
	several := len(c.core.Principals()) > 1
	if several && c.sees[principal] == nil {
		c.sees[principal] = map[string]bool{}
	}
	for _, r := range repos {
		if r.Project != "" && r.Slug != "" {
			c.paths[r.Key] = place{r.Project, r.Slug}
		}
		if several {
			c.sees[principal][r.Key] = true
		}
	}
}

func (c *Client) wasListed(key string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.listed[key]
}
