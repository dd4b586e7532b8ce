package sandbox

import (
	"slices"

	"github.com/windlass-hq/windlass/internal/fault"
)

// Place says where a setting is: a repository ("workspace/slug", on Data Center "KEY/slug"), a project
// ("workspace/KEY", on Data Center "KEY") or a workspace. Exactly one is given; on Data Center none means the instance.
type Place struct {
	Workspace  string `json:"workspace"`
	Project    string `json:"project"`
	Repository string `json:"repository"`
}

// site is what a place stands for.
type site struct {
	world   *world
	ws      *workspace // whose groups count; nil: those of the instance
	project *project
	repo    *repo
	dc      *dataCenter // nil: Bitbucket Cloud
}

func (p Place) find(w *world, dc *dataCenter) (site, error) {
	at := site{world: w, dc: dc}
	given := 0
	for _, name := range []string{p.Workspace, p.Project, p.Repository} {
		if name != "" {
			given++
		}
	}
	var err error
	switch {
	case given > 1 || given == 0 && dc == nil:
		return at, fault.New(fault.Invalid, "a setting is in one place").With("give a workspace, a project or a repository")
	case p.Repository != "":
		if at.repo, err = w.findRepo(p.Repository); err == nil {
			at.ws = at.repo.ws
		}
	case p.Project != "" && dc != nil:
		at.project, err = dc.findProject(p.Project)
	case p.Project != "":
		if at.project, err = w.findProject(p.Project); err == nil {
			at.ws = at.project.ws
		}
	case p.Workspace != "" && dc != nil:
		err = fault.New(fault.Invalid, "Data Center has no workspaces")
	case p.Workspace != "":
		at.ws, err = w.findWorkspace(p.Workspace)
	}
	return at, err
}

// edit returns the settings, which stay as they are set from now on.
func (s site) edit() *settings {
	switch {
	case s.repo != nil:
		return s.repo.edit()
	case s.project != nil:
		return s.project.edit()
	case s.dc != nil:
		return s.dc.edit()
	}
	return s.ws.edit()
}

// groups returns the settings that hold the groups.
func (s site) groups() *settings {
	if s.dc != nil {
		return s.dc.settings()
	}
	return s.ws.settings()
}

// alter runs a change of the settings of a place under the lock.
func (a acts) alter(p Place, do func(site) error) error {
	a.s.mu.Lock()
	defer a.s.mu.Unlock()
	w := a.of()
	var dc *dataCenter
	if w.instance {
		dc = a.s.dc()
	}
	at, err := p.find(w, dc)
	if err != nil {
		return err
	}
	return do(at)
}

// people finds users by name.
func (s site) people(names []string) ([]*user, error) {
	var all []*user
	for _, name := range names {
		u, err := s.world.findUser(name)
		if err != nil {
			return nil, err
		}
		all = append(all, u)
	}
	return all, nil
}

// known checks that groups exist and returns the slugs that settings hold.
func (s site) known(names []string) ([]string, error) {
	var all []string
	for _, name := range names {
		t := s.groups().team(name)
		if t == nil {
			return nil, fault.New(fault.NotFound, "there is no group %q", name)
		}
		all = append(all, t.slug)
	}
	return all, nil
}

// GrantSpec is a direct permission of a user or a group. On the Cloud it is read, write, create-repo (of projects) or
// admin; on Data Center READ, WRITE or ADMIN, of the instance the whole name. An empty one takes the grant away.
type GrantSpec struct {
	Place
	User       string `json:"user"`
	Group      string `json:"group"`
	Permission string `json:"permission"`
}

// Grant gives a permission, changes it, or takes it away.
func (a acts) Grant(o GrantSpec) error {
	return a.alter(o.Place, func(at site) error {
		if (o.User == "") == (o.Group == "") {
			return fault.New(fault.Invalid, "a permission is given to a user or to a group")
		}
		if !at.accepts(o.Permission) {
			return fault.New(fault.Invalid, "%q is no permission here", o.Permission)
		}
		g := grant{level: o.Permission}
		if o.User != "" {
			u, err := at.world.findUser(o.User)
			if err != nil {
				return err
			}
			g.user = u
			s := at.edit()
			s.users = replaced(s.users, g)
			return nil
		}
		slugs, err := at.known([]string{o.Group})
		if err != nil {
			return err
		}
		g.group = slugs[0]
		s := at.edit()
		s.groups = replaced(s.groups, g)
		return nil
	})
}

// accepts says whether a permission exists at a place.
func (s site) accepts(permission string) bool {
	switch {
	case permission == "":
		return true
	case s.dc != nil && s.repo == nil && s.project == nil:
		return slices.Contains([]string{"LICENSED_USER", "PROJECT_CREATE", "ADMIN", "SYS_ADMIN"}, permission)
	case s.dc != nil:
		return slices.Contains(dcLevels(), permission)
	case s.repo != nil:
		return permission != "create-repo" && levelOf(permission) > 0
	case s.project != nil:
		return levelOf(permission) > 0
	}
	return false // of a workspace it follows from membership
}

func replaced(all []grant, g grant) []grant {
	i := slices.IndexFunc(all, func(x grant) bool { return x.user == g.user && x.group == g.group })
	all = slices.Clone(all)
	switch {
	case g.level == "" && i >= 0:
		return slices.Delete(all, i, i+1)
	case g.level == "":
		return all
	case i >= 0:
		all[i] = g
		return all
	}
	return append(all, g)
}

// GroupSpec is a group of a workspace, or of the instance on Data Center.
type GroupSpec struct {
	Workspace  string `json:"workspace"`
	Name       string `json:"name"`
	Permission string `json:"permission"` // of the Cloud: on new repositories
}

// CreateGroup makes an empty group and returns its slug, on Data Center its name.
func (a acts) CreateGroup(o GroupSpec) (string, error) {
	slug := o.Name
	err := a.alter(Place{Workspace: o.Workspace}, func(at site) error {
		if at.dc == nil {
			slug = slugify(o.Name)
		}
		s := at.edit()
		if slug == "" || s.team(slug) != nil {
			return fault.New(fault.Conflict, "there is a group %q already, or it has no name", o.Name)
		}
		s.teams = append(slices.Clone(s.teams), team{slug: slug, name: o.Name, permission: o.Permission})
		return nil
	})
	return slug, err
}

// DeleteGroup removes a group with its grants in all repositories and projects of the workspace or instance.
func (a acts) DeleteGroup(space, name string) error {
	return a.alter(Place{Workspace: space}, func(at site) error {
		slugs, err := at.known([]string{name})
		if err != nil {
			return err
		}
		s := at.edit()
		s.teams = slices.DeleteFunc(slices.Clone(s.teams), func(t team) bool { return t.slug == slugs[0] })
		delete(s.joined, slugs[0])
		spaces := []*workspace{at.ws}
		if at.dc != nil {
			spaces = at.world.workspaces
			s.drop(slugs[0])
		}
		at.world.lose(at.ws, slugs[0])
		for _, ws := range spaces {
			for _, p := range ws.projects {
				p.set.drop(slugs[0])
			}
			for _, r := range ws.repos {
				r.set.drop(slugs[0])
			}
		}
		return nil
	})
}

// lose remembers that a group was deleted, so that settings derived later do not name it. Of an instance ws is nil.
func (w *world) lose(ws *workspace, group string) {
	if w.lost == nil {
		w.lost = map[*workspace][]string{}
	}
	w.lost[ws] = append(w.lost[ws], group)
}

// without takes groups out of settings.
func (s *settings) without(groups []string) *settings {
	for _, g := range groups {
		s.drop(g)
	}
	return s
}

// drop takes a group out of settings; nil ones are those that nobody set.
func (s *settings) drop(group string) {
	if s == nil {
		return
	}
	s.groups = replaced(s.groups, grant{group: group})
	for i, x := range s.restrictions {
		if slices.Contains(x.groups, group) {
			y := *x
			y.groups = slices.DeleteFunc(slices.Clone(x.groups), func(g string) bool { return g == group })
			s.restrictions[i] = &y
		}
	}
}

// SetGroupMember puts a user into a group or takes one out. On the Cloud only members of the workspace are shown.
func (a acts) SetGroupMember(workspace, group, name string, is bool) error {
	return a.alter(Place{Workspace: workspace}, func(at site) error {
		slugs, err := at.known([]string{group})
		if err != nil {
			return err
		}
		u, err := at.world.findUser(name)
		if err != nil {
			return err
		}
		s := at.edit()
		if s.joined == nil {
			s.joined = map[string]map[*user]bool{}
		}
		if s.joined[slugs[0]] == nil {
			s.joined[slugs[0]] = map[*user]bool{}
		}
		s.joined[slugs[0]][u] = is
		return nil
	})
}
