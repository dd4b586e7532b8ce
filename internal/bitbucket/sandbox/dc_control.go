package sandbox

import (
	"slices"
	"strings"

	"github.com/windlass-hq/windlass/internal/fault"
)

// DataCenter is the Data Center side of a sandbox. Its repositories are written "KEY/slug", personal ones
// "~user/slug", projects by their key, and users by the name to sign in with, or by e-mail address.
type DataCenter struct{ acts }

// DataCenter returns the Data Center side.
func (s *Sandbox) DataCenter() DataCenter {
	return DataCenter{acts{s: s, of: func() *world { return s.dc().world }}}
}

// structure runs a change of the instance's structure and renews the order of its lists.
func (d DataCenter) structure(do func(*dataCenter) error) error {
	d.s.mu.Lock()
	defer d.s.mu.Unlock()
	dc := d.s.dc()
	defer dc.relist()
	return do(dc)
}

// DCProjectSpec is a project to create.
type DCProjectSpec struct {
	Key         string `json:"key"`
	Name        string `json:"name"` // default: the key
	Description string `json:"description"`
	Public      bool   `json:"public"`
	Owner       string `json:"owner"` // makes the personal project of a user; key and name then follow
}

// CreateProject makes a project and returns its id.
func (d DataCenter) CreateProject(o DCProjectSpec) (int, error) {
	id := 0
	err := d.structure(func(dc *dataCenter) error {
		var owner *user
		if o.Owner != "" {
			var err error
			if owner, err = dc.world.findUser(o.Owner); err != nil {
				return err
			}
			o.Key, o.Name, o.Public = "~"+owner.slug, owner.name, false
		}
		if o.Key == "" || owner == nil && (o.Key != strings.ToUpper(o.Key) || o.Key[0] == '~') || dc.project(o.Key) != nil {
			return fault.New(fault.Invalid, "%q cannot be a new project's key", o.Key)
		}
		if o.Name == "" {
			o.Name = o.Key
		}
		at := d.s.now()
		d.s.serial++
		g := derive(d.s.opts.Seed, streamControl, d.s.serial)
		p := dc.addProject(&project{
			id: g.uuid(), key: o.Key, name: o.Name, desc: o.Description, private: !o.Public, owner: owner, created: at, updated: at,
		}, at)
		id = int(p.number)
		return nil
	})
	return id, err
}

// DeleteProject removes a project and all its repositories.
func (d DataCenter) DeleteProject(key string) error {
	return d.structure(func(dc *dataCenter) error {
		p, err := dc.findProject(key)
		if err != nil {
			return err
		}
		for _, r := range p.ws.repos {
			dc.drop(d.s, r)
		}
		dc.world.workspaces = slices.DeleteFunc(slices.Clone(dc.world.workspaces), func(ws *workspace) bool { return ws == p.ws })
		dc.world.projCount--
		return nil
	})
}

func (d *dataCenter) findProject(key string) (*project, error) {
	if p := d.project(key); p != nil {
		return p, nil
	}
	return nil, fault.New(fault.NotFound, "there is no project %q", key)
}

// DCRepositorySpec is a repository to create.
type DCRepositorySpec struct {
	Project     string `json:"project"` // key
	Name        string `json:"name"`
	Slug        string `json:"slug"` // default: derived from the name
	Description string `json:"description"`
	Public      bool   `json:"public"`
	Fork        string `json:"fork"` // "KEY/slug" of what it is a fork of; its commits are not copied
}

// CreateRepository makes an empty repository and returns its id.
func (d DataCenter) CreateRepository(o DCRepositorySpec) (int, error) {
	id := 0
	err := d.structure(func(dc *dataCenter) error {
		p, err := dc.findProject(o.Project)
		if err != nil {
			return err
		}
		if o.Slug == "" {
			o.Slug = slugify(o.Name)
		}
		if o.Name == "" {
			o.Name = o.Slug
		}
		if err := p.accepts(o.Slug); err != nil {
			return err
		}
		at := d.s.now()
		d.s.serial++
		g := derive(d.s.opts.Seed, streamControl, d.s.serial)
		r := &repo{
			ws: p.ws, project: p, index: 1<<48 + d.s.serial, id: g.uuid(), slug: o.Slug, name: o.Name, desc: o.Description, private: !o.Public,
			empty: true, created: at, updated: at, main: "main", nextPR: 1,
		}
		if o.Fork != "" {
			if r.parent, err = dc.world.findRepo(o.Fork); err != nil {
				return err
			}
		}
		dc.lastRepo++
		dc.place(r)
		id = int(r.number)
		if r.parent != nil {
			d.s.tell(announcement{key: "repo:forked", repo: r.parent, body: func(w *writer) {
				w.text(`,"repository":`)
				w.dcRepo(r)
			}})
		}
		return nil
	})
	return id, err
}

// accepts says whether a slug is free in a project.
func (p *project) accepts(slug string) error {
	switch {
	case slug == "" || slug != slugify(slug):
		return fault.New(fault.Invalid, "%q is no slug", slug).With("use letters, digits, dots, hyphens and underscores")
	case p.ws.bySlug[slug] != nil:
		return fault.New(fault.Conflict, "%s/%s exists already", p.key, slug)
	}
	return nil
}

// RenameRepository gives a repository another name and the slug that follows from it. Its id stays.
func (d DataCenter) RenameRepository(repository, name string) error {
	return d.structure(func(dc *dataCenter) error {
		r, err := dc.world.findRepo(repository)
		if err != nil {
			return err
		}
		slug := slugify(name)
		if slug != r.slug {
			if err := r.project.accepts(slug); err != nil {
				return err
			}
		}
		was := d.s.shown(dc.world, func(w *writer) { w.dcRepo(r) })
		delete(r.ws.bySlug, r.slug)
		r.name, r.slug, r.updated = name, slug, d.s.now()
		r.ws.bySlug[slug] = r
		d.s.tellRepository(r, was)
		return nil
	})
}

// MoveRepository moves a repository to another project. Its id stays.
func (d DataCenter) MoveRepository(repository, project string) error {
	return d.structure(func(dc *dataCenter) error {
		r, err := dc.world.findRepo(repository)
		if err != nil {
			return err
		}
		to, err := dc.findProject(project)
		if err != nil {
			return err
		}
		if err := to.accepts(r.slug); err != nil {
			return err
		}
		was := d.s.shown(dc.world, func(w *writer) { w.dcRepo(r) })
		r.ws.repos = slices.DeleteFunc(slices.Clone(r.ws.repos), func(x *repo) bool { return x == r })
		delete(r.ws.bySlug, r.slug)
		r.project, r.ws, r.updated = to, to.ws, d.s.now()
		to.ws.repos = append(slices.Clone(to.ws.repos), r)
		to.ws.bySlug[r.slug] = r
		d.s.tellRepository(r, was)
		return nil
	})
}

// ArchiveRepository archives a repository, or takes it back into use.
func (d DataCenter) ArchiveRepository(repository string, archived bool) error {
	return d.structure(func(dc *dataCenter) error {
		r, err := dc.world.findRepo(repository)
		if err == nil {
			was := d.s.shown(dc.world, func(w *writer) { w.dcRepo(r) })
			r.archived, r.updated = archived, d.s.now()
			d.s.tellRepository(r, was)
		}
		return err
	})
}

// DeleteRepository removes a repository with its pull requests. Those that came from it to others lose their source.
func (d DataCenter) DeleteRepository(repository string) error {
	return d.structure(func(dc *dataCenter) error {
		r, err := dc.world.findRepo(repository)
		if err == nil {
			dc.drop(d.s, r)
		}
		return err
	})
}

func (d *dataCenter) drop(s *Sandbox, r *repo) {
	if r.parent != nil {
		for _, p := range r.parent.prs {
			if p.source == r {
				p.source = nil
				r.parent.edits++
			}
		}
	}
	s.drop(r)
}

// CreateUser makes an account and returns its id.
func (d DataCenter) CreateUser(login, name, email string) (int, error) {
	id := 0
	err := d.structure(func(dc *dataCenter) error {
		email = strings.ToLower(email)
		if login == "" || name == "" || email == "" || dc.userByLogin(login) != nil || dc.world.user(email) != nil {
			return fault.New(fault.Invalid, "a user needs a login, a name and an address of its own")
		}
		u := dc.world.addUser(name, email, d.s.now())
		u.login = login
		dc.register(u, 1)
		dc.slugFor(u)
		id = int(u.number)
		return nil
	})
	return id, err
}

// DeleteUser deletes an account: it cannot sign in, is not listed any more, and is shown as not active where it acted.
func (d DataCenter) DeleteUser(name string) error {
	return d.structure(func(dc *dataCenter) error {
		u, err := dc.world.findUser(name)
		if err == nil {
			u.gone = true
		}
		return err
	})
}

// SolveCaptcha lets a user sign in again who failed too often.
func (d DataCenter) SolveCaptcha(login string) {
	d.s.mu.RLock()
	defer d.s.mu.RUnlock()
	dc := d.s.dc()
	dc.guard.Lock()
	defer dc.guard.Unlock()
	delete(dc.failures, dc.userByLogin(login))
}

// NeedsWork is the opposite of Approve.
func (d DataCenter) NeedsWork(repository string, id int, user string) error {
	return d.RequestChanges(repository, id, user)
}
