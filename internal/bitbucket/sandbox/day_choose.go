package sandbox

import (
	"maps"
	"slices"
	"strconv"
)

// The functions of this file choose what an act is about. Lists are in the order of the world, never in that of a map.

// name makes up a name that nothing else has by chance.
func (d *today) name(of string) string { return of + "-" + strconv.FormatUint(d.r.next()%1e9, 36) }

// space is a workspace, mostly the first, or any project's on Data Center.
func (d *today) space() *workspace {
	if d.dc == nil && d.r.chance(0.8) {
		return d.w.workspaces[0]
	}
	return pick(&d.r, d.w.workspaces)
}

// aRepo is a repository; those that were made first have more going on.
func (d *today) aRepo() *repo {
	for range 20 {
		ws := d.space()
		if d.dc != nil {
			ws = d.dc.repos[d.r.skewed(len(d.dc.repos))].ws
		}
		if len(ws.repos) > 0 {
			return ws.repos[d.r.skewed(len(ws.repos))]
		}
	}
	return nil
}

// full is a repository with commits that is in use.
func (d *today) full() *repo {
	for range 20 {
		if r := d.aRepo(); r != nil && !r.empty && !r.archived {
			return r
		}
	}
	return nil
}

// pull is a pull request: one in a state, mostly a new one.
func (d *today) pull(is ...state) *pullRequest {
	for range 20 {
		r := d.full()
		if r == nil {
			return nil
		}
		var some []*pullRequest
		for _, p := range slices.Backward(r.prs) {
			if len(is) == 0 || slices.Contains(is, p.state) {
				some = append(some, p)
			}
		}
		if len(some) > 0 {
			return some[d.r.skewed(len(some))]
		}
	}
	return nil
}

// person is somebody who works here.
func (d *today) person(ws *workspace) *user {
	for range 20 {
		u := pick(&d.r, d.w.users)
		if d.dc == nil {
			if len(ws.members) == 0 {
				return nil
			}
			u = pick(&d.r, ws.members).user
		}
		if !u.gone && !u.service {
			return u
		}
	}
	return nil
}

func (d *today) people(ws *workspace, n int) (names []string) {
	for range n {
		if u := d.person(ws); u != nil && !slices.Contains(names, d.ref(u)) {
			names = append(names, d.ref(u))
		}
	}
	return names
}

// ref is how acts name a user.
func (d *today) ref(u *user) string {
	if d.dc != nil {
		return u.login
	}
	return u.id.String()
}

// branches are those of a repository by name.
func (d *today) branches(r *repo) []string {
	return slices.Sorted(maps.Keys(d.w.graph(r).branches))
}

// side is one of the branches but the main one, or nothing.
func (d *today) side(r *repo) (string, bool) {
	all := slices.DeleteFunc(d.branches(r), func(b string) bool { return b == r.main })
	if len(all) == 0 {
		return "", false
	}
	return pick(&d.r, all), true
}

// aProject is a project that people share.
func (d *today) aProject() *project {
	for range 20 {
		ws := d.space()
		if len(ws.projects) == 0 {
			continue
		}
		if p := pick(&d.r, ws.projects); p.owner == nil {
			return p
		}
	}
	return nil
}

// projectRef is how acts name a project.
func (d *today) projectRef(p *project) string {
	if d.dc != nil {
		return p.key
	}
	return p.ws.slug + "/" + p.key
}

// setting is a place whose settings change and what they are now.
type setting struct {
	Place
	ws   *workspace
	repo *repo
	set  *settings
}

// aSetting is a repository, or sometimes a project.
func (d *today) aSetting(projects float64) (setting, bool) {
	if d.r.chance(projects) {
		p := d.aProject()
		if p == nil {
			return setting{}, false
		}
		return setting{Place: Place{Project: d.projectRef(p)}, ws: p.ws, set: p.settings()}, true
	}
	r := d.aRepo()
	if r == nil {
		return setting{}, false
	}
	return setting{Place: Place{Repository: r.fullName()}, ws: r.ws, repo: r, set: r.settings()}, true
}

// with is a setting for which something holds.
func (d *today) with(projects float64, holds func(setting) bool) (setting, bool) {
	for range 20 {
		if at, ok := d.aSetting(projects); ok && holds(at) {
			return at, true
		}
	}
	return setting{}, false
}

// teams are the groups that can be named in a workspace.
func (d *today) teams(ws *workspace) []team {
	if d.dc != nil {
		return d.dc.settings().teams
	}
	return ws.settings().teams
}

func (d *today) aTeam(ws *workspace) (team, bool) {
	all := d.teams(ws)
	if len(all) == 0 {
		return team{}, false
	}
	return pick(&d.r, all), true
}

// groupSpace is what acts on groups call the workspace; Data Center has none.
func (d *today) groupSpace(ws *workspace) string {
	if d.dc != nil {
		return ""
	}
	return ws.slug
}
