package sandbox

import "slices"

// The functions of this file are what people do with repositories, projects and accounts.

// arguments are those of an act by name.
type arguments = map[string]any

func (d *today) createRepository() (order, bool) {
	p := d.aProject()
	if p == nil {
		return order{}, false
	}
	name := capital(pick(&d.r, subjects())) + " " + pick(&d.r, things()) + " " + d.name("no")
	if d.dc != nil {
		return order{"create/repository", DCRepositorySpec{Project: p.key, Name: name, Public: d.r.chance(0.2)}}, true
	}
	return order{"create/repository", RepositorySpec{Workspace: p.ws.slug, Project: p.key, Name: name, Public: d.r.chance(0.2)}}, true
}

// onRepo is an act on a repository.
func (d *today) onRepo(command string, args func(*repo) arguments) (order, bool) {
	r := d.aRepo()
	if r == nil {
		return order{}, false
	}
	all := args(r)
	if all == nil {
		return order{}, false
	}
	all["repository"] = r.fullName()
	return order{command, all}, true
}

func (d *today) renameRepository() (order, bool) {
	return d.onRepo("rename/repository", func(*repo) arguments {
		return arguments{"name": "Größer " + pick(&d.r, subjects()) + " " + d.name("no")}
	})
}

func (d *today) moveRepository() (order, bool) {
	return d.onRepo("move/repository", func(r *repo) arguments {
		p := d.aProject()
		switch {
		case p == nil || p == r.project:
			return nil
		case d.dc != nil:
			return arguments{"project": p.key}
		case p.ws != r.ws:
			return nil
		}
		return arguments{"key": p.key}
	})
}

func (d *today) archive() (order, bool) {
	if d.dc == nil {
		return order{}, false
	}
	return d.onRepo("archive/repository", func(r *repo) arguments { return arguments{"archived": !r.archived} })
}

// deleteRepository leaves a few.
func (d *today) deleteRepository() (order, bool) {
	return d.onRepo("delete/repository", func(r *repo) arguments {
		if d.w.repoCount < 6 || d.pinned(r) {
			return nil
		}
		return arguments{}
	})
}

// pinned says whether a credential of the sandbox is for a repository or its project.
func (d *today) pinned(r *repo) bool {
	for _, c := range d.s.creds {
		if c.repos[r] || c.projects[r.project] {
			return true
		}
	}
	if d.dc != nil {
		for _, c := range d.dc.creds {
			if c.repos[r] || c.projects[r.project] {
				return true
			}
		}
	}
	return false
}

func (d *today) publish() (order, bool) {
	if d.r.chance(0.3) {
		p := d.aProject()
		if p == nil {
			return order{}, false
		}
		return order{"public", arguments{"project": d.projectRef(p), "public": p.private}}, true
	}
	return d.onRepo("public", func(r *repo) arguments { return arguments{"public": r.private} })
}

func (d *today) defaultBranch() (order, bool) {
	return d.onRepo("default-branch", func(r *repo) arguments {
		if r.empty {
			return nil
		}
		branch, ok := d.side(r)
		if !ok {
			return nil
		}
		return arguments{"branch": branch}
	})
}

func (d *today) createProject() (order, bool) {
	key := "N" + string(rune('A'+d.r.intn(26))) + string(rune('A'+d.r.intn(26))) + string(rune('A'+d.r.intn(26)))
	name := "Neues " + capital(pick(&d.r, subjects()))
	if d.dc != nil {
		return order{"create/project", DCProjectSpec{Key: key, Name: name, Public: d.r.chance(0.2)}}, true
	}
	return order{"create/project", arguments{"workspace": d.space().slug, "key": key, "name": name}}, true
}

func (d *today) renameProject() (order, bool) {
	p := d.aProject()
	if p == nil {
		return order{}, false
	}
	all := arguments{"project": d.projectRef(p), "name": capital(pick(&d.r, subjects())) + " & " + d.name("co")}
	if d.r.chance(0.3) {
		all["key"] = "K" + string(rune('A'+d.r.intn(26))) + string(rune('A'+d.r.intn(26))) + string(rune('A'+d.r.intn(26)))
	}
	return order{"rename/project", all}, true
}

// deleteProject takes a small one.
func (d *today) deleteProject() (order, bool) {
	p := d.aProject()
	if p == nil || d.w.projCount < 5 {
		return order{}, false
	}
	n := 0
	for _, r := range p.ws.repos {
		if r.project == p {
			n++
			if d.pinned(r) {
				return order{}, false
			}
		}
	}
	return order{"delete/project", arguments{"project": d.projectRef(p)}}, n <= 3
}

// join brings somebody in: a new account on Data Center, a member of a workspace on the Cloud.
func (d *today) join() (order, bool) {
	given, family := personName(&d.r)
	name := d.name("new")
	if d.dc != nil || d.r.chance(0.3) {
		all := arguments{"name": given + " " + family, "email": name + "@acme.example"}
		if d.dc != nil {
			all["user"] = name
		}
		return order{"create/user", all}, true
	}
	u := pick(&d.r, d.w.users)
	return order{"member/add", arguments{"workspace": d.space().slug, "user": d.ref(u), "admin": d.r.chance(0.2)}}, !u.gone && !d.keep[u]
}

// leave lets somebody go: out of a workspace, or altogether.
func (d *today) leave() (order, bool) {
	ws := d.space()
	u := d.person(ws)
	if u == nil || d.keep[u] {
		return order{}, false
	}
	if d.dc == nil && d.r.chance(0.7) {
		return order{"member/remove", arguments{"workspace": ws.slug, "user": d.ref(u)}}, len(ws.members) > 5
	}
	here := 0
	for _, x := range d.w.users {
		if !x.gone {
			here++
		}
	}
	return order{"delete/user", arguments{"user": d.ref(u)}}, here > 8
}

func (d *today) renameUser() (order, bool) {
	u := d.person(d.space())
	if u == nil || d.keep[u] {
		return order{}, false
	}
	given, family := personName(&d.r)
	all := arguments{"user": d.ref(u), "name": given + " " + family}
	if d.r.chance(0.4) {
		all["nickname"] = d.name("nick")
	}
	return order{"rename/user", all}, true
}

func (d *today) createGroup() (order, bool) {
	o := GroupSpec{Workspace: d.groupSpace(d.space()), Name: "Team " + d.name("größe")}
	if d.dc == nil && d.r.chance(0.5) {
		o.Permission = pick(&d.r, []string{"read", "write", "admin"})
	}
	return order{"group/create", o}, true
}

// deleteGroup takes one that people made, so that all have others left.
func (d *today) deleteGroup() (order, bool) {
	ws := d.space()
	t, ok := d.aTeam(ws)
	if !ok || slices.Contains([]string{"bitbucket-users", "stash-administrators", "administrators"}, t.slug) {
		return order{}, false
	}
	return order{"group/delete", seat{Workspace: d.groupSpace(ws), Group: t.slug}}, len(d.teams(ws)) > 3
}

func (d *today) inGroup(command string) (order, bool) {
	ws := d.space()
	t, ok := d.aTeam(ws)
	u := d.person(ws)
	if !ok || u == nil || d.keep[u] {
		return order{}, false
	}
	return order{command, seat{Workspace: d.groupSpace(ws), Group: t.slug, User: d.ref(u)}}, true
}

func (d *today) joinGroup() (order, bool)  { return d.inGroup("group/add-member") }
func (d *today) leaveGroup() (order, bool) { return d.inGroup("group/remove-member") }
