package cloud

import (
	"cmp"
	"context"

	"github.com/windlass-hq/windlass/internal/bitbucket"
	"github.com/windlass-hq/windlass/internal/fault"
	"github.com/windlass-hq/windlass/internal/graph"
)

// Settings returns the lists of what administrators have set in a workspace, a project or a repository, in the order
// in which they are to be read: restrictions first, since the branches that are listed follow from them. It sends
// nothing; Pages does. Each list asks for pages of 100, which the permission lists take too although they know neither
// `q` nor `sort` nor `fields` (FACTS 53, 67).
func (c *Client) Settings(p bitbucket.Place) []bitbucket.Settings {
	p.OwnerID = cmp.Or(p.OwnerID, keyUUID(p.Owner))
	if p.Type == graph.TypeWorkspace {
		p.OwnerID = cmp.Or(p.OwnerID, p.ID, keyUUID(p.Key))
		p.OwnerSlug = cmp.Or(p.OwnerSlug, p.Slug)
	}
	p.ID = cmp.Or(p.ID, keyUUID(p.Key))
	at := place{c: c, Place: p, base: base(p)}
	switch p.Type {
	case graph.TypeWorkspace:
		return []bitbucket.Settings{
			at.groups(),
			at.of(bitbucket.ListUserPermissions, "user permissions", bitbucket.FeatureWorkspacePermissions, "/permissions", convertUserPermission),
			at.of(bitbucket.ListWebhooks, "webhooks", bitbucket.FeatureWebhooks, "/hooks", convertHook),
		}
	case graph.TypeProject:
		const grants = bitbucket.FeatureProjectPermissions
		return []bitbucket.Settings{
			at.of(bitbucket.ListUserPermissions, "user permissions", grants, "/permissions-config/users", convertUserPermission),
			at.of(bitbucket.ListGroupPermissions, "group permissions", grants, "/permissions-config/groups", convertGroupPermission),
			at.reviewers(bitbucket.FeatureProjectReviewers),
			at.of(bitbucket.ListKeys, "deploy keys", bitbucket.FeatureProjectKeys, "/deploy-keys", convertKey),
		}
	case graph.TypeRepo:
		const grants = bitbucket.FeatureRepositoryPermissions
		return []bitbucket.Settings{
			at.of(bitbucket.ListRestrictions, "branch restrictions", bitbucket.FeatureRestrictions, "/branch-restrictions", convertRestriction),
			at.of(bitbucket.ListUserPermissions, "user permissions", grants, "/permissions-config/users", convertUserPermission),
			at.of(bitbucket.ListGroupPermissions, "group permissions", grants, "/permissions-config/groups", convertGroupPermission),
			at.reviewers(bitbucket.FeatureReviewers),
			at.of(bitbucket.ListWebhooks, "webhooks", bitbucket.FeatureWebhooks, "/hooks", convertHook),
			at.of(bitbucket.ListKeys, "deploy keys", bitbucket.FeatureKeys, "/deploy-keys", convertKey),
			at.branches(),
			at.of(bitbucket.ListEnvironments, "environments", bitbucket.FeatureEnvironments, "/environments", convertEnvironment),
		}
	}
	return nil
}

// place is a place whose settings this client lists.
type place struct {
	bitbucket.Place
	c    *Client
	base string // path of the place below the API; "" where it is not known
}

// base returns the path of a place. Workspaces and repositories go by UUID; projects have only their short key.
func base(p bitbucket.Place) string {
	if p.OwnerID == "" && p.OwnerSlug == "" {
		return ""
	}
	workspace := segment(p.OwnerID, p.OwnerSlug)
	switch {
	case p.Type == graph.TypeWorkspace:
		return "/workspaces/" + workspace
	case p.Type == graph.TypeProject && p.Project != "":
		return "/workspaces/" + workspace + "/projects/" + segment("", p.Project)
	case p.Type == graph.TypeRepo && (p.ID != "" || p.Slug != ""):
		return "/repositories/" + workspace + "/" + segment(p.ID, p.Slug)
	}
	return ""
}

// convertSetting converts one element of a list of settings. Whoever is named in it is met. An object without key is
// nothing to keep, though it could be read.
type convertSetting func(j bitbucket.JSON, p place, met *parties) (graph.Object, *bitbucket.Record, bool)

// of is a list whose elements become one object each.
func (p place) of(list, title, feature, path string, convert convertSetting) bitbucket.Settings {
	return p.settings(list, title, feature, func(ctx context.Context, right bitbucket.Right, l listing, yield func(bitbucket.Page) error) error {
		l.path, l.pagelen = p.base+path, pagelen
		l.convert = p.converter(l.what, convert)
		return p.c.listFor(ctx, right, l, yield)
	})
}

// settings is a list that pages read. They get a listing that lacks its path and how it is converted.
func (p place) settings(list, title, feature string, pages func(context.Context, bitbucket.Right, listing, func(bitbucket.Page) error) error) bitbucket.Settings {
	right := bitbucket.RightOf(bitbucket.Cloud, feature)
	title += " of " + cmp.Or(p.Name, p.Key)
	return bitbucket.Settings{
		List: list, Title: title, Right: right,
		Pages: func(ctx context.Context, yield func(bitbucket.Page) error) error {
			if p.base == "" {
				return fault.New(fault.Internal, "the %s were asked without saying where that is", title)
			}
			return pages(ctx, right, listing{what: "the " + title, workspace: p.OwnerID}, yield)
		},
	}
}

// converter returns what converts a page of elements.
func (p place) converter(what string, convert convertSetting) func([]bitbucket.JSON, *bitbucket.Page) {
	met := newParties(p)
	return func(values []bitbucket.JSON, out *bitbucket.Page) {
		for i, v := range values {
			o, r, ok := convert(v, p, met)
			out.Note(what, i, o.Entity.Key, r, ok)
			if ok && o.Entity.Key != "" {
				out.Objects = append(out.Objects, o)
			}
		}
		out.Met = met.take()
	}
}

// object returns an object that lies in the place, with the relationship through which the place has or allows it.
func (p place) object(kind, key, name, verb string, r *bitbucket.Record, raw bitbucket.JSON) graph.Object {
	if p.OwnerID != "" {
		r.Props["ownerId"] = p.OwnerID
	}
	e := graph.Entity{Key: key, Type: kind, Name: name, Properties: r.Props, Home: p.Key, Source: graph.Provider, Raw: raw}
	switch p.Type {
	case graph.TypeRepo:
		e.Repo, e.Project = p.Key, p.ProjectKey
	case graph.TypeProject:
		e.Project = p.Key
	}
	return graph.Object{Entity: e, Relationships: []graph.Relationship{{From: p.Key, Verb: verb, To: key}}}
}
