package sandbox

import (
	"math"
	"strconv"
	"strings"
)

// dcPlace keeps the random streams of the Data Center side apart from those of the Cloud: it is added to the places
// of repositories and projects below the seed.
const dcPlace uint64 = 1 << 40

// robots is how many accounts exist besides the people: one for each known token but the first (see doc.go).
const robots = 8

// generateDC makes the Data Center side of the options. Its people are those of the Cloud side, with the same names
// and addresses; all else is its own.
func generateDC(o Options, v dcVersion) *dataCenter {
	epoch := o.Epoch.UnixMicro()
	d := &dataCenter{version: v, total: o.Repositories, world: &world{seed: o.Seed, instance: true}, oauth: newDCOAuth(), failures: map[*user]int{}, buckets: map[string]*bucket{}}
	w := d.world
	w.makeUsers(o.Users, epoch)
	d.enrol()
	personal := o.Repositories / 12
	d.makeProjects(min(300, max(2, int(1.2*math.Sqrt(float64(o.Repositories-personal))))), epoch)
	d.makeRepos(o.Repositories-personal, epoch)
	d.makePersonal(personal, epoch)
	d.relist()
	w.makePullRequests(o.PullRequests, epoch)
	for i := range robots {
		u := w.addUser("Robot "+strconv.Itoa(i+2), "robot-"+strconv.Itoa(i+2)+"@acme.example", epoch-300*day)
		u.login = "robot-" + strconv.Itoa(i+2)
		d.register(u, 1)
	}
	return d
}

// register gives a user the next id and the slug that follows from the login name.
func (d *dataCenter) register(u *user, gap int32) {
	d.lastUser += gap
	u.number = d.lastUser
	u.slug = userSlug(u.login)
}

// userSlug turns a login name into what paths carry: both can differ (FACTS 132).
func userSlug(login string) string {
	return strings.Map(func(c rune) rune {
		if c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '.' || c == '-' || c == '_' {
			return c
		}
		return '_'
	}, strings.ToLower(login))
}

// enrol makes accounts of the instance from the people. Names to sign in with are of every kind that companies use.
func (d *dataCenter) enrol() {
	for i, u := range d.world.users {
		r := derive(d.world.seed, streamUser, uint64(i), dcPlace)
		local, _, _ := strings.Cut(u.email, "@")
		switch {
		case i == 0:
			u.login = "admin"
		case i%9 == 4:
			u.login = u.email
		case i%9 == 6:
			u.login = "U" + strconv.Itoa(10000+7*i)
		case r.chance(0.05):
			u.login = "müller+" + strconv.Itoa(i)
		default:
			u.login = local
		}
		d.register(u, 1+int32(r.skewed(4)))
	}
}

// addProject makes a project with the workspace that stands for it.
func (d *dataCenter) addProject(p *project, at int64) *project {
	d.lastProject++
	p.number = d.lastProject
	p.ws = &workspace{world: d.world, id: p.id, slug: p.key, name: p.name, private: p.private, created: at, updated: at, projects: []*project{p}, bySlug: map[string]*repo{}}
	d.world.workspaces = append(d.world.workspaces, p.ws)
	d.world.projCount++
	return p
}

func (d *dataCenter) makeProjects(n int, epoch int64) {
	seen := map[string]bool{}
	for i := range n {
		r := derive(d.world.seed, streamProject, dcPlace, uint64(i))
		name, key := projectName(&r, seen)
		p := &project{id: r.uuid(), key: key, name: name, private: i != 1 && r.chance(0.8), created: epoch - r.span(1500*day, 2000*day)}
		if i == 3 {
			p.key = "OLD_" + key // underscores are allowed
		}
		if r.chance(0.6) {
			p.desc = "Everything about " + strings.ToLower(name) + "."
		}
		d.lastProject += int32(r.skewed(3))
		d.addProject(p, p.created)
	}
}

// makeRepos spreads repositories over the projects. A slug is unique in its project only.
func (d *dataCenter) makeRepos(n int, epoch int64) {
	projects := d.world.workspaces
	for i := range n {
		r := derive(d.world.seed, streamRepo, dcPlace+uint64(i))
		p := projects[r.skewed(len(projects))].projects[0]
		name, slug := repoName(&r)
		rp := d.addRepo(p, name, slug, dcPlace+uint64(i), &r, epoch)
		rp.empty = i > 1 && r.chance(0.05)
		rp.archived = i == 5 || i > 5 && r.chance(0.05)
		rp.private = p.private || r.chance(0.4)
		if rp.empty {
			rp.size = 0
		}
		if i%5 == 1 {
			d.equip(rp, &r)
		}
	}
}

// makePersonal makes the repositories of personal projects: forks, and what people keep to themselves (FACTS 125).
func (d *dataCenter) makePersonal(n int, epoch int64) {
	shared := d.world.workspaces
	homes := map[*user]*project{}
	for i := range n {
		r := derive(d.world.seed, streamRepo, 2*dcPlace+uint64(i))
		u := d.world.users[1+r.skewed(len(d.world.users)-1)]
		if u.gone {
			u = d.world.users[1]
		}
		home := homes[u]
		if home == nil {
			home = d.addProject(&project{id: r.uuid(), key: "~" + u.slug, name: u.name, private: true, owner: u}, epoch-400*day)
			homes[u] = home
		}
		name, slug := repoName(&r)
		var parent *repo
		if i%3 == 0 {
			parent = d.busy(shared, &r)
		}
		fork := parent != nil && home.ws.bySlug[parent.slug] == nil
		if fork {
			name, slug = parent.name, parent.slug
		}
		rp := d.addRepo(home, name, slug, 2*dcPlace+uint64(i), &r, epoch)
		rp.private = !r.chance(0.2)
		if fork {
			rp.parent, rp.forked, rp.main, rp.private = parent, parent, parent.main, rp.private || parent.private
			rp.created = parent.created + day
			rp.updated = rp.created
			parent.forks = append(parent.forks, rp)
		}
	}
}

// busy returns one of the repositories that are worked on most, since those are forked, or nil.
func (d *dataCenter) busy(projects []*workspace, r *random) *repo {
	var best *repo
	least := 0
	for range 30 {
		in := pick(r, projects).repos
		if len(in) == 0 {
			continue
		}
		rp := pick(r, in)
		g := derive(d.world.seed, streamRepo, rp.index, 1)
		if rank := g.intn(d.total); !rp.empty && (best == nil || rank < least) {
			best, least = rp, rank
		}
	}
	return best
}

// addRepo makes a repository; a slug that is taken gets a number.
func (d *dataCenter) addRepo(p *project, name, slug string, place uint64, r *random, epoch int64) *repo {
	for base, k := slug, 2; p.ws.bySlug[slug] != nil; k++ {
		slug = base + "-" + strconv.Itoa(k)
		if k == 2 && name != base {
			name += " " + capital(pick(r, syllables()))
		}
	}
	rp := &repo{ws: p.ws, project: p, index: place, id: r.uuid(), slug: slug, name: name, language: pick(r, languages()), main: "main", nextPR: 1}
	if r.chance(0.35) {
		rp.desc = "The " + strings.ToLower(name) + " of " + p.name + "."
	}
	if r.chance(0.4) {
		rp.main = pick(r, []string{"master", "master", "develop", "trunk"})
	}
	rp.created = epoch - r.span(60*day, 1400*day)
	rp.updated = rp.created + r.span(hour, 20*day)
	rp.size = int64(1000 * math.Pow(10, 4*r.unit()))
	for range 3 + r.intn(6) {
		rp.team = append(rp.team, int32(r.skewed(len(d.world.users))))
	}
	d.lastRepo += 1 + int32(r.skewed(5))
	d.place(rp)
	return rp
}

// place puts a repository that has no id yet into its project.
func (d *dataCenter) place(r *repo) {
	r.number = d.lastRepo
	r.ws.repos = append(r.ws.repos, r)
	r.ws.bySlug[r.slug] = r
	d.world.repoCount++
}
