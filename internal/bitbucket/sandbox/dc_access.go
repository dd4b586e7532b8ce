package sandbox

import (
	"net/http"
	"slices"
	"strconv"
)

// dcGroups are the groups of the instance, by name.
func dcGroups() []string {
	return []string{"acme-developers", "acme-releasers", "bitbucket-users", "Größe & Partner", "stash-administrators"}
}

// inGroup says who is a member of a group. Everybody who may sign in is in the group of users.
func (d *dataCenter) inGroup(u *user, group string) bool {
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

// dcGroupNames is for every user, with tokens too, unlike /admin/groups.
func (c *call) dcGroupNames() *failure {
	return dcRespond(c, dcManyItems, dcGroups(), c.dcNamed, func(name string) { c.out.buf = appendString(c.out.buf, name) })
}

func (c *call) dcNamed(name string) bool { return matches(c.query.Get("filter"), name) }

func (c *call) dcAdminGroups() *failure {
	w := c.out
	return dcRespond(c, dcManyItems, dcGroups(), c.dcNamed, func(name string) {
		w.buf = append(w.buf, '{')
		w.str("name", name)
		w.boolean("deletable", name != "bitbucket-users")
		w.buf = append(w.buf, '}')
	})
}

// dcDetailed adds what only administrators see (FACTS 132).
func (w *writer) dcDetailed(u *user) {
	w.dcUserKeys(u)
	w.parts("directoryName", "Bitbucket Internal Directory")
	w.boolean("deletable", u.login != "admin")
	w.boolean("mutableDetails", true)
	w.boolean("mutableGroups", true)
	if u.number%7 != 0 { // those never signed in
		w.integer("lastAuthenticationTimestamp", (u.created+300*day)/1000)
	}
	w.buf = append(w.buf, '}')
}

func (c *call) dcAdminUsers() *failure {
	return dcRespond(c, dcManyItems, c.dc.world.users, c.dcListed, c.out.dcDetailed)
}

// dcMembers lists who is in the group that the parameter context names.
func (c *call) dcMembers() *failure {
	group := c.query.Get("context")
	if !slices.Contains(dcGroups(), group) {
		return dcFail(http.StatusNotFound, "No such group: "+group, "com.atlassian.bitbucket.user.NoSuchGroupException")
	}
	return dcRespond(c, dcManyItems, c.dc.world.users, func(u *user) bool { return c.dcListed(u) && c.dc.inGroup(u, group) }, c.out.dcDetailed)
}

// dcListed chooses active users by the parameters filter and group.
func (c *call) dcListed(u *user) bool {
	filter, group := c.query.Get("filter"), c.query.Get("group")
	return !u.gone && (matches(filter, u.login) || matches(filter, u.name) || matches(filter, u.email)) && (group == "" || c.dc.inGroup(u, group))
}

// grant is a permission that was given directly; inherited ones are not listed (FACTS 133).
type grant struct {
	user  *user
	group string
	level string // READ, WRITE or ADMIN; of the instance the whole name
}

// grantsOf derives the direct grants below a place of the seed: to some of the people, and to groups.
func (d *dataCenter) grantsOf(place uint64, team []int32) (users, groups []grant) {
	r := derive(d.world.seed, streamRepo, place, 2)
	levels := []string{"ADMIN", "WRITE", "WRITE", "READ"}
	for i, at := range team {
		u := d.world.users[at]
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

func (c *call) dcGrants(level dcLevel, prefix string, place uint64, team []int32, ofUsers bool) *failure {
	if level < dcAdmin {
		return dcNotPermitted()
	}
	list, groups := c.dc.grantsOf(place, team)
	if !ofUsers {
		list = groups
	}
	return c.dcGranted(list, prefix)
}

// dcGlobalUsers and dcGlobalGroups list the direct grants on the whole instance.
func (c *call) dcGlobalUsers() *failure {
	return c.dcGranted([]grant{{user: c.dc.world.users[0], level: "SYS_ADMIN"}, {user: c.dc.world.users[1], level: "PROJECT_CREATE"}}, "")
}

func (c *call) dcGlobalGroups() *failure {
	return c.dcGranted([]grant{{group: "acme-developers", level: "PROJECT_CREATE"}, {group: "bitbucket-users", level: "LICENSED_USER"}, {group: "stash-administrators", level: "ADMIN"}}, "")
}

func (c *call) dcGranted(list []grant, prefix string) *failure {
	w := c.out
	return dcRespond(c, dcManyItems, list, func(g grant) bool {
		return g.user == nil && c.dcNamed(g.group) || g.user != nil && c.dcNamed(g.user.login)
	}, func(g grant) {
		w.buf = append(w.buf, '{')
		if g.user != nil {
			w.text(`"user":`)
			w.dcUser(g.user)
		} else {
			w.text(`"group":{`)
			w.str("name", g.group)
			w.buf = append(w.buf, '}')
		}
		w.parts("permission", prefix, g.level)
		w.buf = append(w.buf, '}')
	})
}

func (c *call) dcRepositoryGrants(ofUsers bool) *failure {
	r, f := c.dcRepositoryOf()
	if f != nil {
		return f
	}
	return c.dcGrants(c.who.on(r), "REPO_", r.index, r.team, ofUsers)
}

func (c *call) dcProjectGrants(ofUsers bool) *failure {
	p, f := c.dcProjectOf()
	if f != nil {
		return f
	}
	team := []int32{}
	if p.owner == nil {
		r := derive(c.dc.world.seed, streamProject, dcPlace, uint64(p.number), 1)
		for range 1 + r.intn(4) {
			team = append(team, int32(r.skewed(len(c.dc.world.users))))
		}
	}
	return c.dcGrants(c.who.onProject(p), "PROJECT_", dcPlace<<1|uint64(p.number), team, ofUsers)
}

func (c *call) dcRepositoryUsers() *failure  { return c.dcRepositoryGrants(true) }
func (c *call) dcRepositoryGroups() *failure { return c.dcRepositoryGrants(false) }
func (c *call) dcProjectUsers() *failure     { return c.dcProjectGrants(true) }
func (c *call) dcProjectGroups() *failure    { return c.dcProjectGrants(false) }

// dcDefaultPermission says whether everybody has a permission on a project.
func (c *call) dcDefaultPermission() *failure {
	p, f := c.dcProjectOf()
	if f != nil {
		return f
	}
	if c.who.onProject(p) < dcAdmin {
		return dcNotPermitted()
	}
	switch c.args[1] {
	case "PROJECT_READ", "PROJECT_WRITE", "PROJECT_ADMIN":
	default:
		return dcFail(http.StatusBadRequest, c.args[1]+" is not a valid project permission.", dcBadArgument)
	}
	c.out.root(func() { c.out.boolean("permitted", c.args[1] == "PROJECT_READ" && p.number%2 == 0) })
	return nil
}

// dcRateLimits are the settings of FACTS 141.
func (c *call) dcRateLimits() *failure {
	l := c.s.opts.Limits
	c.out.root(func() {
		c.out.boolean("enabled", c.s.opts.RateLimit)
		c.out.text(`,"defaultSettings":{"capacity":`, strconv.Itoa(l.DCCapacity), `,"fillRate":`, strconv.Itoa(l.DCFill), "}")
	})
	return nil
}
