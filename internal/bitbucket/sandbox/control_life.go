package sandbox

import (
	"strconv"
	"strings"

	"github.com/windlass-hq/windlass/internal/fault"
)

// Comment lets somebody comment on a pull request, whatever its state.
func (a acts) Comment(repository string, id int, name string) error {
	s := a.s
	s.mu.Lock()
	defer s.mu.Unlock()
	p, err := a.of().findPullRequest(repository, id)
	if err != nil {
		return err
	}
	u, err := a.of().findUser(name)
	if err != nil {
		return err
	}
	at := s.now()
	p.participant(u).on = at
	if p.comments < 255 {
		p.comments++
	}
	p.updated = at
	p.repo.edits++
	s.tellPull(prCommented, newsOf(p, u))
	return nil
}

// participant returns what a user does on a pull request, from now on something.
func (p *pullRequest) participant(u *user) *participation {
	for i := range p.people {
		if p.people[i].user == u {
			return &p.people[i]
		}
	}
	p.people = append(p.people, participation{user: u})
	return &p.people[len(p.people)-1]
}

// Reopen opens a pull request again that was declined. Bitbucket Cloud cannot do that.
func (d DataCenter) Reopen(repository string, id int, user string) error {
	return d.change(repository, func(x *edit) error {
		p, err := x.repo.ws.world.findPullRequest(repository, id)
		if err != nil {
			return err
		}
		if p.state != declined {
			return fault.New(fault.Conflict, "pull request %d of %s is %s", id, repository, p.state)
		}
		if _, err := x.user(user); err != nil {
			return err
		}
		p.close(nil, open, x.at)
		p.closed, p.reason = 0, ""
		return nil
	})
}

// retarget lets a pull request go into another branch.
func (x *edit) retarget(p *pullRequest, branch string) error {
	to, ok := x.graph.branches[branch]
	switch {
	case p.state != open:
		return fault.New(fault.Conflict, "pull request %d is %s", p.id, p.state)
	case !ok:
		return fault.New(fault.NotFound, "there is no branch %q", branch)
	case branch == p.srcBranch && p.source == p.repo:
		return fault.New(fault.Invalid, "a pull request needs a source branch other than %q", branch)
	}
	p.dstBranch, p.dstHash = branch, to
	return nil
}

// SetDefaultBranch makes another branch the default one. Settings that name the old one go on naming it.
func (a acts) SetDefaultBranch(repository, branch string) error {
	return a.change(repository, func(x *edit) error {
		if _, ok := x.graph.branches[branch]; !ok {
			return fault.New(fault.NotFound, "%s has no branch %q", repository, branch)
		}
		x.repo.edit()
		x.repo.main = branch
		return nil
	})
}

// SetPublic makes a repository or a project public, or private.
func (a acts) SetPublic(p Place, public bool) error {
	return a.alter(p, func(at site) error {
		switch {
		case at.repo != nil:
			was := a.s.shown(at.world, func(w *writer) { w.dcRepo(at.repo) })
			at.repo.private, at.repo.updated = !public, a.s.now()
			if at.dc != nil {
				a.s.tellRepository(at.repo, was)
			}
		case at.project != nil:
			p := at.project
			was, private := a.s.shown(at.world, func(w *writer) { w.dcProject(p) }), p.private
			p.private, p.updated = !public, a.s.now()
			a.s.tellProject(p, was, changed{"is_private", strconv.FormatBool(private), strconv.FormatBool(p.private)})
		default:
			return fault.New(fault.Invalid, "a repository or a project is public or private")
		}
		return nil
	})
}

// MoveRepository moves a repository to another project of its workspace.
func (s *Sandbox) MoveRepository(repository, key string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, err := s.world.findRepo(repository)
	if err != nil {
		return err
	}
	p, err := s.world.findProject(r.ws.slug + "/" + key)
	if err != nil {
		return err
	}
	r.project, r.updated = p, s.now()
	return nil
}

// RenameProject gives a project another name, another key, or both; what is empty stays. Its id stays.
func (s *Sandbox) RenameProject(project, name, key string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	p, err := s.world.findProject(project)
	if err != nil {
		return err
	}
	if key != "" && key != p.key && (key != strings.ToUpper(key) || p.ws.project(key) != nil) {
		return fault.New(fault.Invalid, "%q cannot be a project's key in %s", key, p.ws.slug)
	}
	oldName, oldKey := p.name, p.key
	p.rename(name, key, s.now())
	s.tellProject(p, nil, changed{"name", oldName, p.name}, changed{"key", oldKey, p.key})
	return nil
}

func (p *project) rename(name, key string, at int64) {
	if name != "" {
		p.name = name
	}
	if key != "" {
		p.key = key
	}
	p.updated = at
}

// RenameProject gives a project another name, another key, or both; what is empty stays. Its id stays.
func (d DataCenter) RenameProject(project, name, key string) error {
	return d.structure(func(dc *dataCenter) error {
		p, err := dc.findProject(project)
		if err != nil {
			return err
		}
		if other := dc.project(key); p.owner != nil || key != "" && (key != strings.ToUpper(key) || key[0] == '~' || other != nil && other != p) {
			return fault.New(fault.Invalid, "%s cannot become %q", p.key, key)
		}
		was := d.s.shown(dc.world, func(w *writer) { w.dcProject(p) })
		p.rename(name, key, d.s.now())
		p.ws.name, p.ws.slug = p.name, p.key
		d.s.tellProject(p, was)
		return nil
	})
}

// RenameUser gives an account another name and, if it is not empty, another nickname, which on Data Center is the name
// to sign in with. Its id stays.
func (a acts) RenameUser(user, name, nickname string) error {
	s := a.s
	s.mu.Lock()
	defer s.mu.Unlock()
	w := a.of()
	u, err := w.findUser(user)
	if err != nil {
		return err
	}
	if name == "" {
		return fault.New(fault.Invalid, "a user needs a name")
	}
	if nickname != "" && w.instance {
		if other := s.dc().userByLogin(nickname); other != nil && other != u {
			return fault.New(fault.Conflict, "there is a user %q already", nickname)
		}
		u.login = nickname
		s.dc().slugFor(u)
	} else if nickname != "" {
		u.nickname = nickname
	}
	u.name = name
	return nil
}

// slugFor gives a user the slug that follows from the name to sign in with, or the next free one.
func (d *dataCenter) slugFor(u *user) {
	u.slug = userSlug(u.login)
	for base, n := u.slug, '2'; ; n++ {
		if d.userBySlug(u.slug) == u {
			return
		}
		u.slug = base + string(n)
	}
}
