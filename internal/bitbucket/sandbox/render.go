package sandbox

import (
	"html"
	"net/url"
)

// The functions of this file render the objects of Bitbucket Cloud. Each writes the keys of one object; `full` is
// false where the object stands inside another one, where most keys are left out unless `fields` asks for them
// (narrative "Condensed Versus Full Objects").

func (w *writer) user(u *user, full bool) {
	w.str("display_name", u.name)
	if w.open("links") {
		w.linkID("self", w.api+"/users/", u.id, "")
		w.linkID("avatar", w.site+"/account/", u.id, "/avatar/")
		w.linkID("html", w.site+"/", u.id, "/")
		w.close()
	}
	w.parts("type", "user")
	w.id("uuid", u.id)
	w.str("account_id", u.accountID)
	w.str("nickname", u.nickname)
	w.hidden = !full
	w.parts("account_status", "active")
	w.time("created_on", u.created)
	w.boolean("is_staff", false)
	w.hidden = false
}

// account writes a user below a key, or null where there is none (any more).
func (w *writer) account(k string, u *user) {
	if u == nil || u.gone {
		w.null(k)
		return
	}
	if w.open(k) {
		w.user(u, false)
		w.close()
	}
}

func (w *writer) workspaceObject(ws *workspace, full bool) {
	w.parts("type", "workspace")
	w.id("uuid", ws.id)
	w.str("name", ws.name)
	w.parts("slug", ws.slug)
	w.workspaceLinks(ws, full)
	w.hidden = !full
	w.boolean("is_private", ws.private)
	w.boolean("is_privacy_enforced", false)
	w.parts("forking_mode", "allow_forks")
	w.time("created_on", ws.created)
	w.time("updated_on", ws.updated)
	w.hidden = false
}

func (w *writer) workspaceLinks(ws *workspace, full bool) {
	if !w.open("links") {
		return
	}
	self := w.api + "/workspaces/" + ws.slug
	w.link("avatar", w.site, "/workspaces/", ws.slug, "/avatar/")
	w.link("html", w.site, "/", ws.slug, "/")
	w.link("self", self)
	w.hidden = !full
	w.link("members", self, "/members")
	w.link("projects", self, "/projects")
	w.link("repositories", w.api, "/repositories/", ws.slug)
	w.hidden = false
	w.close()
}

// workspaceBase is the short form in /user/workspaces.
func (w *writer) workspaceBase(ws *workspace) {
	w.parts("type", "workspace_base")
	w.id("uuid", ws.id)
	w.parts("slug", ws.slug)
	if w.open("links") {
		w.link("avatar", w.site, "/workspaces/", ws.slug, "/avatar/")
		w.link("self", w.api, "/workspaces/", ws.slug)
		w.close()
	}
	w.hidden = true
	w.str("name", ws.name)
	w.hidden = false
}

// owner writes a workspace as the account that owns things.
func (w *writer) owner(k string, ws *workspace) {
	if !w.open(k) {
		return
	}
	w.str("display_name", ws.name)
	if w.open("links") {
		w.linkID("self", w.api+"/workspaces/", ws.id, "")
		w.link("avatar", w.site, "/workspaces/", ws.slug, "/avatar/")
		w.link("html", w.site, "/", ws.slug, "/")
		w.close()
	}
	w.parts("type", "team")
	w.id("uuid", ws.id)
	w.parts("username", ws.slug)
	w.hidden = true
	w.time("created_on", ws.created)
	w.hidden = false
	w.close()
}

// membership shows a member; the address only when the caller may see it and asks (FACTS 68).
func (w *writer) membership(ws *workspace, m member, email bool) {
	w.parts("type", "workspace_membership")
	if w.open("user") {
		w.user(m.user, false)
		if email || w.find != nil {
			w.hidden = true
			w.str("email", m.user.email)
			w.hidden = false
		}
		w.close()
	}
	if w.open("workspace") {
		w.workspaceObject(ws, false)
		w.close()
	}
	if w.open("links") {
		w.linkID("self", w.api+"/workspaces/"+ws.slug+"/members/", m.user.id, "")
		w.close()
	}
}

func (w *writer) project(p *project, full bool) {
	w.parts("type", "project")
	w.parts("key", p.key)
	w.id("uuid", p.id)
	w.str("name", p.name)
	if w.open("links") {
		w.link("self", w.api, "/workspaces/", p.ws.slug, "/projects/", p.key)
		w.link("html", w.site, "/", p.ws.slug, "/workspace/projects/", p.key)
		w.link("avatar", w.site, "/", p.ws.slug, "/workspace/projects/", p.key, "/avatar/32")
		w.close()
	}
	w.hidden = !full
	w.owner("owner", p.ws)
	if w.open("workspace") {
		w.workspaceObject(p.ws, false)
		w.close()
	}
	if p.desc == "" {
		w.null("description")
	} else {
		w.str("description", p.desc)
	}
	w.boolean("is_private", p.private)
	w.boolean("has_publicly_visible_repos", !p.private)
	w.time("created_on", p.created)
	w.time("updated_on", p.updated)
	w.hidden = false
}

func (w *writer) repository(r *repo, full bool) {
	self := w.api + "/repositories/" + r.ws.slug + "/" + r.slug
	w.parts("type", "repository")
	w.parts("full_name", r.ws.slug, "/", r.slug)
	if w.open("links") {
		w.link("self", self)
		w.link("html", w.site, "/", r.ws.slug, "/", r.slug)
		w.linkID("avatar", w.site+"/ravatar/", r.id, "?ts=default")
		w.hidden = !full
		w.link("pullrequests", self, "/pullrequests")
		w.link("commits", self, "/commits")
		w.link("forks", self, "/forks")
		w.link("watchers", self, "/watchers")
		w.link("downloads", self, "/downloads")
		w.link("hooks", self, "/hooks")
		if w.list("clone") {
			w.item()
			w.parts("name", "https")
			w.parts("href", w.site, "/", r.ws.slug, "/", r.slug, ".git")
			w.endItem()
			if w.ssh != "" {
				w.item()
				w.parts("name", "ssh")
				w.parts("href", w.ssh, "/", r.ws.slug, "/", r.slug, ".git")
				w.endItem()
			}
			w.endList()
		}
		w.hidden = false
		w.close()
	}
	w.str("name", r.name)
	w.id("uuid", r.id)
	w.hidden = !full
	w.parts("slug", r.slug)
	w.str("description", r.desc)
	w.parts("scm", "git")
	w.parts("website")
	w.owner("owner", r.ws)
	if w.open("workspace") {
		w.workspaceObject(r.ws, false)
		w.close()
	}
	w.boolean("is_private", r.private)
	if r.project != nil && w.open("project") {
		w.project(r.project, false)
		w.close()
	}
	w.parts("fork_policy", "no_public_forks")
	w.time("created_on", r.created)
	w.time("updated_on", r.updated)
	w.integer("size", r.size)
	w.parts("language", r.language)
	w.boolean("has_issues", false)
	w.boolean("has_wiki", false)
	if r.empty {
		w.null("mainbranch")
	} else if w.open("mainbranch") {
		w.parts("type", "branch")
		w.str("name", r.main)
		w.close()
	}
	if r.parent == nil {
		w.null("parent")
	} else if w.open("parent") {
		w.repository(r.parent, false)
		w.close()
	}
	w.hidden = false
}

// repositoryUnder writes a repository below a key, or null where there is none any more.
func (w *writer) repositoryUnder(k string, r *repo) {
	if r == nil {
		w.null(k)
	} else if w.open(k) {
		w.repository(r, false)
		w.close()
	}
}

// markup writes a text as Bitbucket renders it.
func (w *writer) markup(k, text string) {
	if w.open(k) {
		w.parts("type", "rendered")
		w.str("raw", text)
		w.parts("markup", "markdown")
		if text == "" {
			w.parts("html")
		} else {
			w.str("html", "<p>"+html.EscapeString(text)+"</p>")
		}
		w.close()
	}
}

func escapePath(s string) string { return url.PathEscape(s) }
