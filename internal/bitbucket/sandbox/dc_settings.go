package sandbox

import "slices"

// reviewRule says who must review pull requests between which branches.
type reviewRule struct {
	id        int64
	source    refMatcher
	target    refMatcher
	reviewers []*user
	approvals int64
}

// refMatcher chooses branches (FACTS 134).
type refMatcher struct{ kind, id string }

// The ids of what is derived: those of projects are apart from those of repositories, and what control acts make comes
// after all of them. All fit in 31 bits.
const (
	dcProjectIDs = 1 << 28
	dcMadeIDs    = 1 << 30
)

// dcLevels are the permissions on repositories and projects from the least.
func dcLevels() []string { return []string{"READ", "WRITE", "ADMIN"} }

// dcGroups are the groups of a new instance, by name.
func dcGroups() []string {
	return []string{"acme-developers", "acme-releasers", "bitbucket-users", "Größe & Partner", "stash-administrators"}
}

// settings of the instance: its groups and the grants on it.
func (d *dataCenter) settings() *settings {
	if d.set != nil {
		return d.set
	}
	s := &settings{
		users: []grant{{user: d.world.users[0], level: "SYS_ADMIN"}, {user: d.world.users[1], level: "PROJECT_CREATE"}},
		groups: []grant{
			{group: "acme-developers", level: "PROJECT_CREATE"}, {group: "bitbucket-users", level: "LICENSED_USER"}, {group: "stash-administrators", level: "ADMIN"},
		},
	}
	for _, name := range dcGroups() {
		s.teams = append(s.teams, team{slug: name, name: name})
	}
	return s
}

func (d *dataCenter) edit() *settings {
	d.set = d.settings()
	return d.set
}

// groupNames lists the groups by name.
func (d *dataCenter) groupNames() []string {
	var names []string
	for _, t := range d.settings().teams {
		names = append(names, t.name)
	}
	return names
}

// inGroup says who is a member of a group: as somebody said by hand, or else as follows from the seed. Everybody who
// may sign in is in the group of users.
func (d *dataCenter) inGroup(u *user, group string) bool {
	if d.set != nil {
		if said, ok := d.set.joined[group][u]; ok {
			return said
		}
	}
	if slices.Contains(d.world.lost[nil], group) {
		return false // a new one of an old name
	}
	r := derive(d.world.seed, streamUser, uint64(u.number), 2*dcPlace)
	developer, releaser, partner := r.chance(0.7), r.chance(0.1), r.chance(0.05)
	switch group {
	case "bitbucket-users":
		return true
	case "acme-developers":
		return developer
	case "acme-releasers":
		return releaser
	case "Größe & Partner":
		return partner
	case "stash-administrators":
		return u.login == "admin"
	}
	return false
}

// grantsOf derives the direct grants below a place of the seed: to some of the people, and to groups.
func (w *world) grantsOf(place uint64, team []int32) (users, groups []grant) {
	r := derive(w.seed, streamRepo, place, 2)
	levels := []string{"ADMIN", "WRITE", "WRITE", "READ"}
	for i, at := range team {
		u := w.users[at]
		if !u.gone && !slices.ContainsFunc(users, func(g grant) bool { return g.user == u }) {
			users = append(users, grant{user: u, level: levels[min(i, len(levels)-1)]})
		}
	}
	for _, name := range dcGroups()[:3] {
		if r.chance(0.4) {
			groups = append(groups, grant{group: name, level: pick(&r, levels[1:])})
		}
	}
	return users, groups
}

func (r *repo) deriveServer() *settings {
	s := &settings{}
	s.users, s.groups = r.ws.world.grantsOf(r.index, r.team)
	g := derive(r.ws.world.seed, streamSettings, r.index)
	s.guard(&g, int64(r.number)*idsOf, r.main, r.ws.world, r.team, r.created)
	return s
}

func (p *project) deriveServer() *settings {
	w := p.ws.world
	people := []int32{}
	if p.owner == nil {
		r := derive(w.seed, streamProject, dcPlace, uint64(p.number), 1)
		for range 1 + r.intn(4) {
			people = append(people, int32(r.skewed(w.people+robots)))
		}
	}
	s := &settings{}
	s.users, s.groups = w.grantsOf(dcPlace<<1|uint64(p.number), people)
	if p.number%2 == 0 {
		s.everybody = "READ"
	}
	if p.owner == nil {
		g := derive(w.seed, streamSettings, dcPlace<<1|uint64(p.number))
		s.guard(&g, dcProjectIDs+int64(p.number)*idsOf, "", w, people, p.created)
	}
	return s
}

// guard derives restrictions, conditions and access keys. What holds for a project is about branches that every
// repository can have; what holds for a repository is about its main branch.
func (s *settings) guard(g *random, first int64, main string, w *world, people []int32, created int64) {
	var some []*user
	for _, at := range people[:min(2, len(people))] {
		if u := w.someUser(at); u != nil && !slices.Contains(some, u) {
			some = append(some, u)
		}
	}
	if g.chance(0.4) {
		s.keys = append(s.keys, makeKey(g, first, "ci@acme.example", created+day))
		s.keys[0].write = g.chance(0.3)
	}
	at := refMatcher{"MODEL_BRANCH", "production"}
	if main != "" {
		at = refMatcher{"BRANCH", "refs/heads/" + main}
	}
	add := func(kind string, m refMatcher, users []*user, groups []string, keys []*accessKey) {
		s.restrictions = append(s.restrictions, &restriction{
			id: first + int64(len(s.restrictions)), kind: kind, match: m.kind, pattern: m.id, users: users, groups: groups, keys: keys,
		})
	}
	if g.chance(0.7) {
		add("fast-forward-only", at, nil, nil, nil)
		add("no-deletes", at, nil, nil, nil)
		add("pull-request-only", at, some, []string{"acme-releasers"}, s.keys)
	}
	if g.chance(0.3) {
		add("read-only", refMatcher{"PATTERN", "release/*"}, nil, []string{"acme-releasers", "Größe & Partner"}, nil)
		add("no-deletes", refMatcher{"MODEL_CATEGORY", "RELEASE"}, nil, nil, nil)
	}
	if len(some) > 0 && g.chance(0.5) {
		s.conditions = append(s.conditions, &reviewRule{id: first, source: refMatcher{"ANY_REF", "ANY_REF_MATCHER_ID"}, target: at, reviewers: some, approvals: int64(g.intn(2))})
	}
}
