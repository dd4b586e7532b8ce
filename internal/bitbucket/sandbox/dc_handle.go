package sandbox

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// The handlers of the instance, its users, projects and repositories. They run under the read lock.

// dcApplication needs no login (FACTS 104).
func (c *call) dcApplication() *failure {
	w, v := c.out, c.dc.version
	w.root(func() {
		w.parts("version", v.String())
		w.parts("buildNumber", v.build())
		w.parts("buildDate", strconv.FormatInt(1600000000000+int64(v.major)*40000000000+int64(v.minor)*2000000000, 10))
		w.parts("displayName", "Bitbucket")
	})
	return nil
}

// matches compares as the filters of Data Center do: in either case and without surrounding spaces.
func matches(filter, value string) bool {
	return strings.Contains(strings.ToLower(value), strings.ToLower(strings.TrimSpace(filter)))
}

// dcProjects lists projects; personal ones are not among them (FACTS 125).
func (c *call) dcProjects() *failure {
	level, f := c.wanted("permission", "PROJECT_")
	if f != nil {
		return f
	}
	var all []*project
	for _, ws := range c.dc.world.workspaces {
		if p := ws.projects[0]; p.owner == nil {
			all = append(all, p)
		}
	}
	name := c.query.Get("name")
	return dcRespond(c, dcManyItems, all, func(p *project) bool {
		return c.who.seesProject(p) && (level < dcWrite || c.who.onProject(p) >= level) && matches(name, p.name)
	}, c.out.dcProject)
}

// wanted reads a permission that a filter asks for.
func (c *call) wanted(parameter, prefix string) (dcLevel, *failure) {
	name := c.query.Get(parameter)
	if name == "" {
		return dcNothing, nil
	}
	if rest, ok := strings.CutPrefix(name, prefix); ok {
		if rest == "VIEW" {
			return dcRead, nil
		}
		if l, ok := parseDCLevel(rest); ok && rest != "" {
			return l, nil
		}
	}
	return dcNothing, dcFailAbout(http.StatusBadRequest, parameter, name+" is not a valid permission.", dcBadArgument)
}

// project finds the project of a path.
func (c *call) dcProjectOf() (*project, *failure) {
	p := c.dc.project(c.args[0])
	if p == nil && strings.HasPrefix(c.args[0], "~") {
		u := c.dc.userBySlug(c.args[0][1:])
		if u == nil {
			return nil, dcFail(http.StatusNotFound, "User "+c.args[0][1:]+" does not exist.", dcNoUser)
		}
	}
	switch {
	case p == nil:
		return nil, dcFail(http.StatusNotFound, "Project "+c.args[0]+" does not exist.", dcNoProject)
	case !c.who.seesProject(p):
		return nil, dcNotPermitted()
	}
	return p, nil
}

func (c *call) dcProject() *failure {
	p, f := c.dcProjectOf()
	if f != nil {
		return f
	}
	c.out.dcProject(p)
	return nil
}

// dcProjectRepositories lists the repositories of a project, archived ones included.
func (c *call) dcProjectRepositories() *failure {
	p, f := c.dcProjectOf()
	if f != nil {
		return f
	}
	return dcRespond(c, dcManyItems, p.ws.repos, c.who.sees, c.out.dcRepo)
}

// dcRepositories lists the repositories of the whole instance (FACTS 124).
func (c *call) dcRepositories() *failure {
	level, f := c.wanted("permission", "REPO_")
	if f != nil {
		return f
	}
	q := c.query
	visibility, state, archived := q.Get("visibility"), q.Get("state"), strings.ToUpper(q.Get("archived"))
	projectKey := q.Get("projectkey")
	switch {
	case visibility != "" && visibility != "public" && visibility != "private":
		return dcFailAbout(http.StatusBadRequest, "visibility", visibility+" is not a valid visibility.", dcBadArgument)
	case !slices.Contains([]string{"", "AVAILABLE", "INITIALISING", "INITIALISATION_FAILED"}, state):
		return dcFailAbout(http.StatusBadRequest, "state", state+" is not a valid state.", dcBadArgument)
	case !c.dc.version.archives():
		archived, projectKey = "ALL", "" // unknown there, so ignored
	case archived == "":
		archived = "ACTIVE"
	case archived != "ACTIVE" && archived != "ARCHIVED" && archived != "ALL":
		return dcFailAbout(http.StatusBadRequest, "archived", archived+" is not valid.", dcBadArgument)
	}
	name, projectName := q.Get("name"), q.Get("projectname")
	return dcRespond(c, dcManyItems, c.dc.repos, func(r *repo) bool {
		return c.who.on(r) >= max(dcRead, level) &&
			(archived == "ALL" || r.archived == (archived == "ARCHIVED")) &&
			(visibility == "" || r.private == (visibility == "private")) &&
			(state == "" || state == "AVAILABLE") &&
			matches(name, r.name) && matches(projectName, r.project.name) &&
			(projectKey == "" || strings.EqualFold(strings.TrimSpace(projectKey), r.ws.slug))
	}, c.out.dcRepo)
}

// dcRepositoryOf finds the repository of a path. What exists but may not be read is answered by 401 (FACTS 120).
func (c *call) dcRepositoryOf() (*repo, *failure) {
	p, f := c.dcProjectOf()
	if f != nil {
		return nil, f
	}
	r := p.repo(c.args[1])
	switch {
	case r == nil:
		return nil, dcFail(http.StatusNotFound, "Repository "+p.key+"/"+c.args[1]+" does not exist.", dcNoRepository)
	case !c.who.sees(r):
		return nil, dcNotPermitted()
	}
	return r, nil
}

func (c *call) dcRepository() *failure {
	r, f := c.dcRepositoryOf()
	if f != nil {
		return f
	}
	c.out.dcRepo(r)
	return nil
}

// dcUsers lists active users (FACTS 132).
func (c *call) dcUsers() *failure {
	return dcRespond(c, dcManyItems, c.dc.world.users, c.dcListed, c.out.dcUser)
}

func (c *call) dcUser() *failure {
	u := c.dc.userBySlug(c.args[0])
	if u == nil || u.gone {
		return dcFail(http.StatusNotFound, "No such user: "+c.args[0], dcNoUser)
	}
	c.out.dcUser(u)
	return nil
}
