package sandbox

// group is how other objects name a group. One that was deleted since keeps its slug.
func (w *writer) group(ws *workspace, slug string) {
	name := slug
	if t := ws.settings().team(slug); t != nil {
		name = t.name
	}
	w.parts("type", "group")
	w.str("name", name)
	w.parts("slug", slug)
	w.parts("full_slug", ws.slug, ":", slug)
	w.owner("owner", ws)
	if w.open("workspace") {
		w.workspaceObject(ws, false)
		w.close()
	}
	if w.open("links") {
		w.link("self", w.api, "/groups/", ws.slug, "/", slug)
		w.link("html", w.site, "/", ws.slug, "/workspace/settings/groups/", slug)
		w.close()
	}
}

// getGroups is the remnant of API 1.0: a bare array (FACTS 5). Only administrators of the workspace may read it.
func (c *call) getGroups() *failure {
	ws, f := c.workspace()
	switch {
	case f != nil:
		return f
	case !c.cred.administersWorkspace(ws):
		return denied(noWorkspaceAdmin)
	}
	w, s := c.out, ws.settings()
	w.buf = append(w.buf, '[')
	for _, t := range s.teams {
		w.item()
		w.str("name", t.name)
		w.parts("slug", t.slug)
		if t.permission == "" {
			w.null("permission")
		} else {
			w.parts("permission", t.permission)
		}
		w.boolean("auto_add", t.auto)
		w.owner("owner", ws)
		if w.list("members") {
			for _, m := range ws.members {
				if !m.user.gone && ws.in(s, t, m) {
					w.item()
					w.user(m.user, false)
					w.boolean("is_active", true)
					w.boolean("is_team", false)
					w.endItem()
				}
			}
			w.endList()
		}
		w.endItem()
	}
	w.buf = append(w.buf, ']')
	return nil
}
