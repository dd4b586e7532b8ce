package sandbox

import (
	"slices"
	"strings"

	"github.com/windlass-hq/windlass/internal/fault"
)

// RepositorySpec is a repository to create.
type RepositorySpec struct {
	Workspace   string `json:"workspace"`
	Project     string `json:"project"` // key; default: the first project
	Name        string `json:"name"`
	Slug        string `json:"slug"` // default: derived from the name
	Description string `json:"description"`
	Public      bool   `json:"public"`
}

// CreateRepository makes an empty repository and returns its id in braces.
func (s *Sandbox) CreateRepository(o RepositorySpec) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	ws, err := s.world.findWorkspace(o.Workspace)
	if err != nil {
		return "", err
	}
	if len(ws.projects) == 0 {
		return "", fault.New(fault.Conflict, "workspace %s has no project", ws.slug).With("create one first")
	}
	p := ws.projects[0]
	if o.Project != "" {
		if p, err = s.world.findProject(o.Workspace + "/" + o.Project); err != nil {
			return "", err
		}
	}
	if o.Slug == "" {
		o.Slug = slugify(o.Name)
	}
	if o.Name == "" {
		o.Name = o.Slug
	}
	if o.Slug == "" || o.Slug != slugify(o.Slug) {
		return "", fault.New(fault.Invalid, "%q is no slug", o.Slug).With("use letters, digits, dots, hyphens and underscores")
	}
	if ws.bySlug[o.Slug] != nil {
		return "", fault.New(fault.Conflict, "%s/%s exists already", ws.slug, o.Slug)
	}
	at := s.now()
	s.serial++
	g := derive(s.opts.Seed, streamControl, s.serial)
	r := &repo{
		ws: ws, project: p, index: 1<<48 + s.serial, id: g.uuid(), slug: o.Slug, name: o.Name, desc: o.Description, private: !o.Public,
		empty: true, created: at, updated: at, main: "main", nextPR: 1,
	}
	ws.repos = append(slices.Clone(ws.repos), r)
	ws.bySlug[r.slug] = r
	s.world.repoCount++
	s.tell(announcement{key: "repo:created", repo: r})
	return r.id.String(), nil
}

// RenameRepository gives a repository another name and the slug that follows from it. Its id stays.
func (s *Sandbox) RenameRepository(repository, name string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, err := s.world.findRepo(repository)
	if err != nil {
		return err
	}
	slug := slugify(name)
	if slug == "" {
		return fault.New(fault.Invalid, "no slug can be made of the name %q", name)
	}
	if other := r.ws.bySlug[slug]; other != nil && other != r {
		return fault.New(fault.Conflict, "%s/%s exists already", r.ws.slug, slug)
	}
	delete(r.ws.bySlug, r.slug)
	oldName, oldFull := r.name, r.fullName()
	r.name, r.slug, r.updated = name, slug, s.now()
	r.ws.bySlug[slug] = r
	s.tellRepository(r, nil, changed{"name", oldName, r.name}, changed{"full_name", oldFull, r.fullName()})
	return nil
}

// DeleteRepository removes a repository with its pull requests.
func (s *Sandbox) DeleteRepository(repository string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, err := s.world.findRepo(repository)
	if err != nil {
		return err
	}
	s.drop(r)
	return nil
}

// drop removes a repository. Forks of it lose their parent.
func (s *Sandbox) drop(r *repo) {
	ws := r.ws
	ws.repos = slices.DeleteFunc(slices.Clone(ws.repos), func(x *repo) bool { return x == r })
	delete(ws.bySlug, r.slug)
	world := ws.world
	for _, w := range world.workspaces {
		for _, x := range w.repos {
			if x.parent == r {
				x.parent = nil
			}
		}
	}
	world.repoCount--
	world.prCount -= len(r.prs)
	if !world.instance { // Data Center tells nobody (FACTS 146)
		s.tell(announcement{key: "repo:deleted", repo: r})
	}
}

// CreateProject makes a project and returns its id in braces.
func (s *Sandbox) CreateProject(workspace, key, name string) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	ws, err := s.world.findWorkspace(workspace)
	if err != nil {
		return "", err
	}
	if key == "" || key != strings.ToUpper(key) || ws.project(key) != nil {
		return "", fault.New(fault.Invalid, "%q cannot be a new project's key in %s", key, workspace)
	}
	at := s.now()
	s.serial++
	g := derive(s.opts.Seed, streamControl, s.serial)
	p := &project{ws: ws, id: g.uuid(), key: key, name: name, private: true, created: at, updated: at}
	ws.projects = append(slices.Clone(ws.projects), p)
	s.world.projCount++
	return p.id.String(), nil
}

// DeleteProject removes a project and all its repositories.
func (s *Sandbox) DeleteProject(name string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	p, err := s.world.findProject(name)
	if err != nil {
		return err
	}
	for _, r := range p.ws.repos {
		if r.project == p {
			s.drop(r)
		}
	}
	p.ws.projects = slices.DeleteFunc(slices.Clone(p.ws.projects), func(x *project) bool { return x == p })
	s.world.projCount--
	return nil
}

// CreateUser makes an account that belongs to no workspace yet and returns its id in braces.
func (s *Sandbox) CreateUser(name, email string) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	email = strings.ToLower(email)
	if name == "" || s.world.user(email) != nil {
		return "", fault.New(fault.Invalid, "a user needs a name and an address of its own")
	}
	return s.world.addUser(name, email, s.now()).id.String(), nil
}

// DeleteUser deletes an account: it leaves all workspaces, and what it did has no author any more.
func (s *Sandbox) DeleteUser(name string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	u, err := s.world.findUser(name)
	if err != nil {
		return err
	}
	u.gone = true
	for _, ws := range s.world.workspaces {
		ws.leave(u)
	}
	return nil
}

// AddMember lets a user join a workspace. Users are named by id in braces, account id, e-mail address, or a nickname
// that only one has.
func (s *Sandbox) AddMember(workspace, name string, admin bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	ws, err := s.world.findWorkspace(workspace)
	if err != nil {
		return err
	}
	u, err := s.world.findUser(name)
	if err != nil {
		return err
	}
	ws.leave(u)
	ws.members = append(ws.members, member{u, admin})
	return nil
}

// RemoveMember lets a user leave a workspace.
func (s *Sandbox) RemoveMember(workspace, name string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	ws, err := s.world.findWorkspace(workspace)
	if err != nil {
		return err
	}
	u, err := s.world.findUser(name)
	if err != nil {
		return err
	}
	if ws.member(u) == nil {
		return fault.New(fault.NotFound, "%s is no member of %s", name, workspace)
	}
	ws.leave(u)
	return nil
}

func (ws *workspace) leave(u *user) {
	ws.members = slices.DeleteFunc(slices.Clone(ws.members), func(m member) bool { return m.user == u })
}
