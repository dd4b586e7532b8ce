package sandbox

import (
	"slices"
	"strings"
)

// settings are what administrators have set for a repository, a project, a workspace or an instance. Nobody stores
// them until they are changed: until then each reading derives them from the seed, so a large world costs nothing.
type settings struct {
	users, groups []grant // direct ones
	reviewers     []*user // of the Cloud: default reviewers
	restrictions  []*restriction
	hooks         []*cloudHook // those of Data Center are in repo.hooks and project.hooks
	keys          []*accessKey
	environments  []*environment

	// Of a workspace or an instance.
	teams  []team
	joined map[string]map[*user]bool // by slug: who was put into a group or taken out of it by hand

	// Of Data Center.
	conditions []*reviewRule
	everybody  string // the permission that every user of the instance has on a project
}

// grant is a permission that was given directly; inherited ones are not listed (FACTS 133).
type grant struct {
	user  *user
	group string // of the Cloud its slug
	level string // read, write, create-repo or admin; of Data Center READ, WRITE or ADMIN, of the instance the whole name
}

// team is a group of a workspace or an instance.
type team struct {
	slug, name string
	permission string // on new repositories; "" is null
	auto       bool   // new members come into it by themselves
}

// restriction is a rule for branches (FACTS 75 and 134).
type restriction struct {
	id      int64
	kind    string
	match   string // glob or branching_model; of Data Center the type of the matcher
	pattern string // of a glob; of Data Center the id of the matcher
	branch  string // branch_type of a branching_model
	value   int64
	valued  bool // the kind has a value
	users   []*user
	groups  []string
	keys    []*accessKey
}

// accessKey is an SSH key that belongs to a repository or a project.
type accessKey struct {
	id    int64
	label string
	text  string // algorithm and key, without the comment
	added int64
	used  int64 // zero: never
	write bool
}

// environment is where pipelines deploy to.
type environment struct {
	id   uuid
	name string
	kind string // Test, Staging or Production
	rank int64
}

// levels are the permissions of the Cloud from the least; a level of another list comes out as none.
func levelOf(name string) int {
	return slices.Index([]string{"", "read", "write", "create-repo", "admin"}, name)
}

// settings returns those of a repository.
func (r *repo) settings() *settings {
	if r.set != nil {
		return r.set
	}
	w := r.ws.world
	if w.instance {
		return r.deriveServer().without(w.lost[nil])
	}
	return r.derive().without(w.lost[r.ws])
}

func (p *project) settings() *settings {
	if p.set != nil {
		return p.set
	}
	w := p.ws.world
	if w.instance {
		return p.deriveServer().without(w.lost[nil])
	}
	return p.derive().without(w.lost[p.ws])
}

func (ws *workspace) settings() *settings {
	if ws.set != nil {
		return ws.set
	}
	return ws.derive()
}

// team finds a group by its slug, or by its name.
func (s *settings) team(ref string) *team {
	for i := range s.teams {
		if s.teams[i].slug == ref || s.teams[i].name == ref {
			return &s.teams[i]
		}
	}
	return nil
}

// in says whether a member of the workspace is in a group: as somebody said by hand, or else as follows from the seed.
func (ws *workspace) in(s *settings, t team, m member) bool {
	if said, ok := s.joined[t.slug][m.user]; ok {
		return said
	}
	if slices.Contains(ws.world.lost[ws], t.slug) {
		return false // a new one of an old name
	}
	r := derive(ws.world.seed, streamSettings, uint64(m.user.index), uint64(ws.id[0])<<8|uint64(ws.id[1]))
	releaser, partner := r.chance(0.15), r.chance(0.1)
	switch t.slug {
	case "administrators":
		return m.admin
	case "developers":
		return !m.admin
	case "releasers":
		return releaser
	case "prufer-co":
		return partner
	}
	return false
}

// reaches says whether a credential is for a repository: one that narrower ones merely see, as it is public, is not.
func (c *credential) reaches(r *repo) bool {
	return c != nil && c.seesWorkspace(r.ws) && (!c.narrowed() || c.projects[r.project] || c.repos[r])
}

func (c *credential) reachesProject(p *project) bool {
	return c != nil && c.seesWorkspace(p.ws) && (!c.narrowed() || c.projects[p])
}

// best is the highest permission that a user has by these grants, directly or by a group.
func (ws *workspace) best(m member, of ...*settings) string {
	groups, level := ws.settings(), ""
	for _, s := range of {
		for _, g := range s.users {
			if g.user == m.user && levelOf(g.level) > levelOf(level) {
				level = g.level
			}
		}
		for _, g := range s.groups {
			if t := groups.team(g.group); t != nil && levelOf(g.level) > levelOf(level) && ws.in(groups, *t, m) {
				level = g.level
			}
		}
	}
	return level
}

// levelOn is what a member may do with a repository.
func (r *repo) levelOn(m member) string {
	if m.admin {
		return "admin"
	}
	if r.project == nil {
		return r.ws.best(m, r.settings())
	}
	return strings.Replace(r.ws.best(m, r.settings(), r.project.settings()), "create-repo", "write", 1)
}

// administers says whether a caller has the rights of an administrator of a repository. Consumers and access tokens
// have what their scopes say.
func (c *credential) administers(r *repo) bool {
	if !c.reaches(r) {
		return false
	}
	if c.user == nil {
		return true
	}
	m := r.ws.member(c.user)
	return m != nil && r.levelOn(*m) == "admin"
}

func (c *credential) administersProject(p *project) bool {
	if !c.reachesProject(p) {
		return false
	}
	if c.user == nil {
		return true
	}
	m := p.ws.member(c.user)
	return m != nil && (m.admin || p.ws.best(*m, p.settings()) == "admin")
}

func (c *credential) administersWorkspace(ws *workspace) bool {
	if c == nil || !c.seesWorkspace(ws) || c.narrowed() {
		return false
	}
	if c.user == nil {
		return true
	}
	m := ws.member(c.user)
	return m != nil && m.admin
}
