package sandbox

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// dcGroupNames is for every user, with tokens too, unlike /admin/groups.
func (c *call) dcGroupNames() *failure {
	return dcRespond(c, dcManyItems, c.dc.groupNames(), c.dcNamed, func(name string) { c.out.buf = appendString(c.out.buf, name) })
}

func (c *call) dcNamed(name string) bool { return matches(c.query.Get("filter"), name) }

func (c *call) dcAdminGroups() *failure {
	w := c.out
	return dcRespond(c, dcManyItems, c.dc.groupNames(), c.dcNamed, func(name string) {
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
	if !slices.Contains(c.dc.groupNames(), group) {
		return dcFail(http.StatusNotFound, "No such group: "+group, "com.atlassian.bitbucket.user.NoSuchGroupException")
	}
	return dcRespond(c, dcManyItems, c.dc.world.users, func(u *user) bool { return c.dcListed(u) && c.dc.inGroup(u, group) }, c.out.dcDetailed)
}

// dcListed chooses active users by the parameters filter and group.
func (c *call) dcListed(u *user) bool {
	filter, group := c.query.Get("filter"), c.query.Get("group")
	return !u.gone && (matches(filter, u.login) || matches(filter, u.name) || matches(filter, u.email)) && (group == "" || c.dc.inGroup(u, group))
}

// dcGlobalUsers and dcGlobalGroups list the direct grants on the whole instance.
func (c *call) dcGlobalUsers() *failure  { return c.dcGranted(c.dc.settings().users, "") }
func (c *call) dcGlobalGroups() *failure { return c.dcGranted(c.dc.settings().groups, "") }

func (c *call) dcGranted(list []grant, prefix string) *failure {
	w := c.out
	return dcRespond(c, dcManyItems, standing(list), func(g grant) bool {
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

func (c *call) dcRepositoryGrants(choose func(*settings) []grant) *failure {
	r, f := c.dcAdministered()
	if f != nil {
		return f
	}
	return c.dcGranted(choose(r.settings()), "REPO_")
}

func (c *call) dcProjectGrants(choose func(*settings) []grant) *failure {
	p, f := c.dcAdministeredProject()
	if f != nil {
		return f
	}
	return c.dcGranted(choose(p.settings()), "PROJECT_")
}

func (c *call) dcRepositoryUsers() *failure  { return c.dcRepositoryGrants(ofUsers) }
func (c *call) dcRepositoryGroups() *failure { return c.dcRepositoryGrants(ofGroups) }
func (c *call) dcProjectUsers() *failure     { return c.dcProjectGrants(ofUsers) }
func (c *call) dcProjectGroups() *failure    { return c.dcProjectGrants(ofGroups) }

// dcDefaultPermission says whether everybody has a permission on a project.
func (c *call) dcDefaultPermission() *failure {
	p, f := c.dcAdministeredProject()
	if f != nil {
		return f
	}
	asked, ok := strings.CutPrefix(c.args[1], "PROJECT_")
	if !ok || !slices.Contains(dcLevels(), asked) {
		return dcFail(http.StatusBadRequest, c.args[1]+" is not a valid project permission.", dcBadArgument)
	}
	given := p.settings().everybody
	c.out.root(func() {
		c.out.boolean("permitted", slices.Index(dcLevels(), asked) <= slices.Index(dcLevels(), given))
	})
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
