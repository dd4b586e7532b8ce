package sandbox

import (
	"net/http"
	"slices"
	"strings"
)

// The handlers of workspaces, members, projects and repositories. They run under the read lock.

func (c *call) getUser() *failure {
	if c.cred == nil {
		return c.unauthorized()
	}
	c.out.root(func() {
		if c.cred.user != nil {
			c.out.user(c.cred.user, true)
			return
		}
		c.out.appUser(c.cred)
	})
	return nil
}

// appUser is how consumers and access tokens appear as callers (FACTS 13 and 22).
func (w *writer) appUser(c *credential) {
	r := derive(0, uint64(len(c.Name)))
	for _, b := range []byte(c.Name) {
		r.s = mix(r.s ^ uint64(b))
	}
	id := r.uuid()
	w.str("display_name", c.Name)
	if w.open("links") {
		w.linkID("self", w.api+"/users/", id, "")
		w.linkID("avatar", w.site+"/account/", id, "/avatar/")
		w.close()
	}
	w.parts("type", "app_user")
	w.id("uuid", id)
	w.parts("account_status", "active")
	w.parts("kind", "repository_access_token")
}

// getUserWorkspaces is the successor of the removed listings (FACTS 69): filtered by slug and administrator only.
func (c *call) getUserWorkspaces() *failure {
	if c.cred == nil {
		return c.unauthorized()
	}
	type access struct {
		ws    *workspace
		admin bool
	}
	var all []access
	for _, ws := range c.s.world.workspaces {
		if c.cred.seesWorkspace(ws) {
			admin := true
			if c.cred.user != nil {
				admin = ws.member(c.cred.user).admin
			}
			all = append(all, access{ws, admin})
		}
	}
	if want := c.query.Get("administrator"); want != "" {
		all = slices.DeleteFunc(all, func(a access) bool { return a.admin != (want == "true") })
	}
	render := func(a access) {
		c.out.parts("type", "workspace_access")
		c.out.boolean("administrator", a.admin)
		if c.out.open("workspace") {
			c.out.workspaceBase(a.ws)
			c.out.close()
		}
	}
	all, f := choose(c, accessFields, all, func(w *writer, a access) {
		w.str("slug", a.ws.slug)
		w.boolean("administrator", a.admin)
		if w.open("workspace") {
			w.workspaceBase(a.ws)
			w.close()
		}
	})
	if f != nil {
		return f
	}
	return respond(c, paging{byDefault: 25, max: 100}, all, render)
}

func (c *call) workspace() (*workspace, *failure) {
	ws := c.s.world.workspace(c.args[0])
	if ws == nil || !c.cred.seesWorkspace(ws) {
		return nil, fail(http.StatusNotFound, "No workspace with identifier '"+c.args[0]+"'.", "")
	}
	return ws, nil
}

func (c *call) getWorkspace() *failure {
	ws, f := c.workspace()
	if f != nil {
		return f
	}
	c.out.root(func() { c.out.workspaceObject(ws, true) })
	return nil
}

// getMembers lists members; those who may see addresses can ask for up to 90 by e-mail (FACTS 68).
func (c *call) getMembers() *failure {
	ws, f := c.workspace()
	if f != nil {
		return f
	}
	if q := c.query.Get("q"); strings.Contains(q, "user.email") {
		if strings.Count(q, "@") > 90 {
			return fail(http.StatusBadRequest, "A maximum of 90 emails can be queried at once.", "")
		}
		if c.cred.user != nil && !ws.member(c.cred.user).admin {
			return fail(http.StatusForbidden, "Only administrators can query members by e-mail.", "")
		}
		c.email = true
	}
	members, f := choose(c, memberFields, ws.members, func(w *writer, m member) { w.membership(ws, m, c.email) })
	if f != nil {
		return f
	}
	return respond(c, paging{byDefault: 50, max: 100}, members, func(m member) { c.out.membership(ws, m, c.email) })
}

func (c *call) getMember() *failure {
	ws, f := c.workspace()
	if f != nil {
		return f
	}
	ref := c.args[1]
	for _, m := range ws.members {
		if m.user.id.String() == strings.ToLower(ref) || m.user.accountID == ref {
			c.out.root(func() { c.out.membership(ws, m, false) })
			return nil
		}
	}
	return fail(http.StatusNotFound, "User "+ref+" is not a member of workspace "+ws.slug+".", "")
}

func (c *call) getProjects() *failure {
	ws, f := c.workspace()
	if f != nil {
		return f
	}
	all := visible(ws.projects, c.cred.seesProject)
	all, f = choose(c, projectFields, all, func(w *writer, p *project) { w.project(p, true) })
	if f != nil {
		return f
	}
	return respond(c, paging{byDefault: 50, max: 100}, all, func(p *project) { c.out.project(p, true) })
}

func (c *call) getProject() *failure {
	ws, f := c.workspace()
	if f != nil {
		return f
	}
	p := ws.project(c.args[1])
	if p == nil || !c.cred.seesProject(p) {
		return fail(http.StatusNotFound, "Project "+c.args[1]+" not found", "")
	}
	c.out.root(func() { c.out.project(p, true) })
	return nil
}

func (c *call) getRepositories() *failure {
	if c.args[0] == "{}" {
		return c.removed() // FACTS 81
	}
	ws := c.s.world.workspace(c.args[0])
	if ws == nil {
		return fail(http.StatusNotFound, "No workspace with identifier '"+c.args[0]+"'.", "")
	}
	all := visible(ws.repos, c.cred.sees)
	all, f := choose(c, repositoryFields, all, func(w *writer, r *repo) { w.repository(r, true) })
	if f != nil {
		return f
	}
	return respond(c, paging{byDefault: 10, max: 100}, all, func(r *repo) { c.out.repository(r, true) })
}

// repository finds the repository of a path. The workspace may be empty braces when the repository is given by id
// (FACTS 6). What the caller may not see does not exist (FACTS 89).
func (c *call) repository() (*repo, *failure) {
	var r *repo
	if c.args[0] == "{}" {
		if _, ok := parseUUID(c.args[1]); ok {
			for _, ws := range c.s.world.workspaces {
				if r = ws.find(c.args[1]); r != nil {
					break
				}
			}
		}
	} else if ws := c.s.world.workspace(c.args[0]); ws != nil {
		r = ws.find(c.args[1])
	}
	if r == nil || !c.cred.sees(r) {
		return nil, fail(http.StatusNotFound, "You may not have access to this repository or it no longer exists in this workspace. "+
			"If you think this repository exists and you have access, make sure you are authenticated.", "")
	}
	return r, nil
}

func (c *call) getRepository() *failure {
	r, f := c.repository()
	if f != nil {
		return f
	}
	c.out.root(func() { c.out.repository(r, true) })
	return nil
}

func visible[T any](all []T, see func(T) bool) []T {
	for i, x := range all {
		if !see(x) {
			out := slices.Clone(all[:i])
			for _, y := range all[i+1:] {
				if see(y) {
					out = append(out, y)
				}
			}
			return out
		}
	}
	return all
}
