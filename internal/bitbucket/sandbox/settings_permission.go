package sandbox

import "strings"

// ownGrants lists grants. These endpoints know no `q`, `sort` and `fields` (FACTS 67).
func ownGrants(c *call, all []grant, kind string, render func(grant)) *failure {
	c.out.view = view{full: true}
	w := c.out
	return respond(c, paging{byDefault: 10, max: 100}, standing(all), func(g grant) {
		w.parts("permission", g.level)
		if g.user != nil {
			w.parts("type", kind, "_user_permission")
			w.account("user", g.user)
		} else {
			w.parts("type", kind, "_group_permission")
		}
		render(g)
	})
}

// standing leaves out those whose account was deleted.
func standing(all []grant) []grant {
	return visible(all, func(g grant) bool { return g.user == nil || !g.user.gone })
}

// grantLink is the address of one grant.
func (w *writer) grantLink(g grant, base string) {
	if !w.open("links") {
		return
	}
	if g.user != nil {
		w.linkID("self", base+"/permissions-config/users/", g.user.id, "")
	} else {
		w.link("self", base, "/permissions-config/groups/", g.group)
	}
	w.close()
}

func (c *call) repositoryGrants(choose func(*settings) []grant) *failure {
	r, f := c.administered()
	if f != nil {
		return f
	}
	if c.noPermissions() {
		return denied(noRepositoryAdmin)
	}
	w := c.out
	return ownGrants(c, choose(r.settings()), "repository", func(g grant) {
		if g.user == nil && w.open("group") {
			w.group(r.ws, g.group)
			w.close()
		}
		w.repositoryUnder("repository", r)
		w.grantLink(g, w.api+"/repositories/"+r.fullName())
	})
}

func (c *call) projectGrants(choose func(*settings) []grant) *failure {
	p, f := c.administeredProject()
	if f != nil {
		return f
	}
	if c.noPermissions() {
		return denied(noProjectAdmin)
	}
	w := c.out
	return ownGrants(c, choose(p.settings()), "project", func(g grant) {
		if g.user == nil && w.open("group") {
			w.group(p.ws, g.group)
			w.close()
		}
		if w.open("project") {
			w.project(p, false)
			w.close()
		}
		w.grantLink(g, w.api+"/workspaces/"+p.ws.slug+"/projects/"+p.key)
	})
}

func ofUsers(s *settings) []grant  { return s.users }
func ofGroups(s *settings) []grant { return s.groups }

func (c *call) getRepositoryUsers() *failure  { return c.repositoryGrants(ofUsers) }
func (c *call) getRepositoryGroups() *failure { return c.repositoryGrants(ofGroups) }
func (c *call) getProjectUsers() *failure     { return c.projectGrants(ofUsers) }
func (c *call) getProjectGroups() *failure    { return c.projectGrants(ofGroups) }

// The fields that these two lists can be filtered by.
const (
	workspacePermissionFields  = " user workspace permission type added_on last_accessed "
	repositoryPermissionFields = " user repository permission type "
)

// getWorkspacePermissions lists members with their role (FACTS 71).
func (c *call) getWorkspacePermissions() *failure {
	ws, f := c.workspace()
	switch {
	case f != nil:
		return f
	case c.noPermissions():
		return denied(noWorkspaceAdmin)
	}
	render := func(w *writer, m member) {
		w.membership(ws, m, false)
		role := "member"
		if m.admin {
			role = "owner"
		}
		w.parts("permission", role)
		w.time("added_on", max(ws.created, m.user.created)+day)
		w.time("last_accessed", max(ws.updated, m.user.created)+2*day)
	}
	all, f := choose(c, workspacePermissionFields, ws.members, render)
	if f != nil {
		return f
	}
	return respond(c, paging{byDefault: 50, max: 100}, all, func(m member) { render(c.out, m) })
}

// accessTo is what one member may do with one repository.
type accessTo struct {
	repo *repo
	grant
}

// getRepositoryPermissions lists who may do what with each repository of a workspace, or with one. What somebody has
// by a group or a project counts; the highest permission is shown.
func (c *call) getRepositoryPermissions() *failure {
	ws, f := c.workspace()
	switch {
	case f != nil:
		return f
	case c.noPermissions() || !c.cred.administersWorkspace(ws) && len(c.args) == 1:
		return denied(noWorkspaceAdmin)
	}
	repos := ws.repos
	if len(c.args) > 1 {
		r, f := c.administered()
		if f != nil {
			return f
		}
		repos = []*repo{r}
	}
	all, f := choose(c, repositoryPermissionFields, ws.access(repos), (*writer).access)
	if f != nil {
		return f
	}
	return respond(c, paging{byDefault: 10, max: 100}, all, func(a accessTo) { c.out.access(a) })
}

func (w *writer) access(a accessTo) {
	w.parts("type", "repository_permission")
	w.parts("permission", a.level)
	w.account("user", a.user)
	w.repositoryUnder("repository", a.repo)
}

// access computes who may do what. Groups are looked up once, since there are many repositories.
func (ws *workspace) access(repos []*repo) []accessTo {
	groups := ws.settings()
	in := make(map[string][]bool, len(groups.teams))
	for _, t := range groups.teams {
		is := make([]bool, len(ws.members))
		for i, m := range ws.members {
			is[i] = ws.in(groups, t, m)
		}
		in[t.slug] = is
	}
	var all []accessTo
	for _, r := range repos {
		of := []*settings{r.settings()}
		if r.project != nil {
			of = append(of, r.project.settings())
		}
		for i, m := range ws.members {
			level := ""
			if m.admin {
				level = "admin"
			}
			for _, s := range of {
				for _, g := range s.users {
					if g.user == m.user && levelOf(g.level) > levelOf(level) {
						level = g.level
					}
				}
				for _, g := range s.groups {
					if is := in[g.group]; is != nil && is[i] && levelOf(g.level) > levelOf(level) {
						level = g.level
					}
				}
			}
			if level != "" {
				all = append(all, accessTo{r, grant{user: m.user, level: strings.Replace(level, "create-repo", "write", 1)}})
			}
		}
	}
	return all
}
