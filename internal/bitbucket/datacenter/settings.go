package datacenter

import (
	"cmp"
	"net/url"
	"strings"

	"github.com/windlass-hq/windlass/internal/bitbucket"
	"github.com/windlass-hq/windlass/internal/graph"
)

// Settings returns the lists of what administrators have set in a place, in the order in which they are to be read. It
// sends nothing.
//
// What a project sets for its repositories is in their lists too; it is the project's, so the lists of a repository
// leave it out.
func (c *Client) Settings(p bitbucket.Place) []bitbucket.Settings {
	r := c.resource(p)
	switch p.Type {
	case graph.TypeInstance:
		return append([]bitbucket.Settings{r.groups()}, r.permissions("/api/latest/admin/permissions", bitbucket.FeatureGlobalPermissions)...)
	case graph.TypeGroup:
		return []bitbucket.Settings{r.members()}
	case graph.TypeProject:
		out := append([]bitbucket.Settings{r.restrictions()}, r.permissions("/api/latest"+r.path+"/permissions", bitbucket.FeatureProjectPermissions)...)
		out = append(out, r.defaultPermission(), r.reviewers())
		if v := c.Version(); v == (Version{}) || v.AtLeast(8, 8) { // FACTS 107
			out = append(out, r.webhooks())
		}
		return append(out, r.accessKeys())
	case graph.TypeRepo:
		out := append([]bitbucket.Settings{r.restrictions()}, r.permissions("/api/latest"+r.path+"/permissions", bitbucket.FeatureRepositoryPermissions)...)
		return append(out, r.reviewers(), r.webhooks(), r.accessKeys(), r.branches())
	}
	return nil
}

// resource is a place as its lists need it.
type resource struct {
	bitbucket.Place
	c             *Client
	title         string // for people
	path          string // below a module, such as /projects/ENG
	repo, project string // graph keys that its entities carry; empty for none
	word          string // in the names of its permissions
	scope         string // what the vendor calls it where it says what a setting belongs to
}

func (c *Client) resource(p bitbucket.Place) resource {
	r := resource{Place: p, c: c, title: cmp.Or(p.Name, p.Slug, p.Project, p.Key)}
	at := place{p.Project, p.Slug}
	switch p.Type {
	case graph.TypeInstance:
		r.title, r.word = cmp.Or(p.Name, "the instance"), "global"
	case graph.TypeProject:
		r.path, r.project = "/projects/"+url.PathEscape(at.project), p.Key
		r.word, r.scope = "project", "PROJECT"
	case graph.TypeRepo:
		at = c.where(p.Key, bitbucket.Ref{Project: p.Project, Slug: p.Slug})
		r.title = cmp.Or(p.Name, at.project+"/"+at.slug)
		r.path = strings.TrimPrefix(repoPath(at), "/api/latest")
		r.repo, r.project = p.Key, p.ProjectKey
		r.word, r.scope = "repository", "REPOSITORY"
	}
	return r
}

// may tells who is to be asked: of a repository those who listed it.
func (r resource) may(principal string) bool {
	return r.repo == "" || r.c.mayRead(principal, bitbucket.RepoRef{Key: r.repo})
}

// entity returns something that was set in the place.
func (r resource) entity(typ, suffix, name string, rec *bitbucket.Record, raw bitbucket.JSON) graph.Entity {
	rec.Props["ownerId"] = r.c.keys.iid
	return graph.Entity{
		Key: r.Key + suffix, Type: typ, Name: name, Properties: rec.Props,
		Home: r.Key, Repo: r.repo, Project: r.project, Source: graph.Provider, Raw: raw,
	}
}

// has is an object whose entity the place has.
func (r resource) has(e graph.Entity, more ...graph.Relationship) graph.Object {
	edges := append([]graph.Relationship{{From: r.Key, Verb: graph.Has, To: e.Key}}, more...)
	return graph.Object{Entity: e, Relationships: edges}
}

// elsewhere reports whether a setting belongs to another place than the one that was asked: to the project of a
// repository, or to the whole instance. One that does not say so belongs here.
func (r resource) elsewhere(scope bitbucket.JSON) bool {
	kind, ok := scope.Text()
	return ok && r.scope != "" && !strings.EqualFold(kind, r.scope)
}

func ofScope(r resource) func(bitbucket.JSON) bool {
	return func(v bitbucket.JSON) bool { return r.elsewhere(bitbucket.Inner(v, "scope", "type")) }
}
