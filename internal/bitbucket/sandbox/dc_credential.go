package sandbox

import (
	"slices"
	"strconv"
	"strings"

	"github.com/windlass-hq/windlass/internal/fault"
)

// DCCredential is how somebody calls the Data Center side: a user's password (HTTP Basic), or an HTTP access token of
// a user, a project or a repository (FACTS 110 to 115). All credentials of one user are one principal: they share its
// rate limit, and X-AUSERNAME names it.
type DCCredential struct {
	Name     string `json:"name"`     // shown in the statistics, so no secret
	User     string `json:"user"`     // the name to sign in with; empty for tokens of projects and repositories
	Password string `json:"password"` // of a user; instead of Token
	Token    string `json:"token"`

	// What it reaches, beside what is public: project keys and "KEY/slug". For a user, both empty means everything. A
	// token without a user belongs to its one project or repository.
	Projects     []string `json:"projects"`
	Repositories []string `json:"repositories"`
	// Permission is what it may do there: read, write or admin (the default).
	Permission string `json:"permission"`
	// Admin says that the user is a system administrator; a token is not let in at /admin all the same (FACTS 113).
	Admin bool `json:"admin"`

	Revoked bool `json:"revoked"` // 401 from now on
	Expired bool `json:"expired"` // 401 from now on
}

type dcCredential struct {
	DCCredential
	user     *user // never nil
	projects map[*project]bool
	repos    map[*repo]bool
	level    dcLevel
}

// dcLevel is what is permitted on a project or a repository.
type dcLevel uint8

const (
	dcNothing dcLevel = iota
	dcRead
	dcWrite
	dcAdmin
)

func parseDCLevel(name string) (dcLevel, bool) {
	switch strings.ToLower(name) {
	case "read":
		return dcRead, true
	case "write":
		return dcWrite, true
	case "admin", "":
		return dcAdmin, true
	}
	return dcNothing, false
}

// addKnownDCCredentials makes those that are documented for everybody.
func (s *Sandbox) addKnownDCCredentials(d *dataCenter) {
	known := []DCCredential{
		{Name: "admin", User: "admin", Password: "sandbox-password", Admin: true},
		{Name: "sandbox-token", User: "admin", Token: "sandbox-token", Admin: true},
	}
	for i := range robots {
		n := strconv.Itoa(i + 2)
		known = append(known,
			DCCredential{Name: "sandbox-token-" + n, User: "robot-" + n, Token: "sandbox-token-" + n},
			DCCredential{Name: "robot-" + n, User: "robot-" + n, Password: "sandbox-password-" + n})
	}
	first := d.world.workspaces[0]
	known = append(known, DCCredential{Name: "project-token", Token: "project-token-" + first.slug, Projects: []string{first.slug}})
	for _, r := range d.repos {
		if !r.empty && r.project.owner == nil {
			known = append(known, DCCredential{Name: "repository-token", Token: "repository-token", Repositories: []string{r.fullName()}})
			break
		}
	}
	for _, c := range known {
		n, err := d.resolve(c)
		if err != nil {
			panic("sandbox: " + err.Error()) // they refer to nothing that can be missing
		}
		d.creds = append(d.creds, n)
	}
}

func (d *dataCenter) credential(name string) *dcCredential {
	for _, c := range d.creds {
		if c.Name == name {
			return c
		}
	}
	return nil
}

// resolve looks up what a credential refers to.
func (d *dataCenter) resolve(c DCCredential) (*dcCredential, error) {
	level, ok := parseDCLevel(c.Permission)
	n := &dcCredential{DCCredential: c, level: level, projects: map[*project]bool{}, repos: map[*repo]bool{}}
	switch {
	case !ok:
		return nil, fault.New(fault.Invalid, "unknown permission %q", c.Permission).With("use read, write or admin")
	case c.Name == "" || (c.Password == "") == (c.Token == ""):
		return nil, fault.New(fault.Invalid, "a credential needs a name and either a password or a token")
	}
	for _, key := range c.Projects {
		p := d.project(key)
		if p == nil {
			return nil, fault.New(fault.NotFound, "there is no project %q", key)
		}
		n.projects[p] = true
	}
	for _, name := range c.Repositories {
		r, err := d.world.findRepo(name)
		if err != nil {
			return nil, err
		}
		n.repos[r] = true
	}
	switch {
	case c.User != "":
		if n.user = d.userByLogin(c.User); n.user == nil || n.user.gone {
			return nil, fault.New(fault.NotFound, "nobody signs in as %q", c.User)
		}
	case c.Token == "" || len(c.Projects)+len(c.Repositories) != 1:
		return nil, fault.New(fault.Invalid, "a credential without a user is a token of one project or one repository")
	default:
		n.user = d.tokenUser(n)
	}
	return n, nil
}

// tokenUser is whom a project's or repository's token acts as: not among the users that REST lists.
func (d *dataCenter) tokenUser(c *dcCredential) *user {
	name := ""
	for p := range c.projects {
		name = "access-token-user/1/" + strconv.Itoa(int(p.number))
	}
	for r := range c.repos {
		name = "access-token-user/2/" + strconv.Itoa(int(r.number))
	}
	for _, other := range d.creds {
		if other.user.login == name {
			return other.user
		}
	}
	u := &user{name: c.Name, login: name, service: true}
	d.register(u, 1)
	return u
}

// AddCredential makes a credential known. A second one of the same name is refused.
func (d DataCenter) AddCredential(c DCCredential) error {
	d.s.mu.Lock()
	defer d.s.mu.Unlock()
	dc := d.s.dc()
	if dc.credential(c.Name) != nil {
		return fault.New(fault.Conflict, "there is a credential %q already", c.Name)
	}
	n, err := dc.resolve(c)
	if err != nil {
		return err
	}
	dc.creds = append(dc.creds, n)
	return nil
}

// EditCredential changes a credential in place: its secret, its reach, whether it is revoked or expired.
func (d DataCenter) EditCredential(name string, edit func(*DCCredential)) error {
	d.s.mu.Lock()
	defer d.s.mu.Unlock()
	dc := d.s.dc()
	old := dc.credential(name)
	if old == nil {
		return fault.New(fault.NotFound, "there is no credential %q", name)
	}
	c := old.DCCredential
	c.Projects, c.Repositories = slices.Clone(c.Projects), slices.Clone(c.Repositories)
	edit(&c)
	c.Name = name
	n, err := dc.resolve(c)
	if err != nil {
		return err
	}
	*old = *n
	return nil
}

// on says what a caller may do with a repository. Nil is an anonymous caller, who reads what is public.
func (c *dcCredential) on(r *repo) dcLevel {
	switch {
	case c != nil && (c.everywhere() || c.projects[r.project] || c.repos[r]):
		return c.level
	case !r.private:
		return dcRead
	}
	return dcNothing
}

func (c *dcCredential) everywhere() bool {
	return len(c.projects) == 0 && len(c.repos) == 0
}

// sees says whether a caller may read a repository.
func (c *dcCredential) sees(r *repo) bool { return c.on(r) >= dcRead }

// onProject says what a caller may do with a project as a whole.
func (c *dcCredential) onProject(p *project) dcLevel {
	switch {
	case c != nil && (c.everywhere() || c.projects[p]):
		return c.level
	case !p.private:
		return dcRead
	}
	return dcNothing
}

// seesProject says whether a project exists for a caller: also for those who read no more than one of its
// repositories (PROJECT_VIEW).
func (c *dcCredential) seesProject(p *project) bool {
	if c.onProject(p) >= dcRead {
		return true
	}
	if p.owner != nil && len(p.ws.repos) == 0 {
		return c != nil && c.user == p.owner
	}
	return slices.ContainsFunc(p.ws.repos, c.sees)
}
