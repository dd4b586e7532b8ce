package sandbox

import (
	"math"
	"slices"
	"strconv"
	"strings"
)

// The first element of a derivation path, so that streams of different kinds never meet.
const (
	streamUser uint64 = iota + 1
	streamWorkspace
	streamProject
	streamRepo
	streamPR
	streamGit
	streamControl
	streamSSH
	streamSettings
	streamDay
	streamWebhook
)

const (
	second = int64(1e6)
	minute = 60 * second
	hour   = 60 * minute
	day    = 24 * hour
)

// generate makes the world of the options. It is a pure function of them.
func generate(o Options) *world {
	w := &world{seed: o.Seed}
	epoch := o.Epoch.UnixMicro()
	w.makeUsers(o.Users, epoch)
	acme := w.makeWorkspace("acme", "Acme Works", epoch, false)
	labs := w.makeWorkspace("acme-labs", "Acme Labs & Friends", epoch, false)
	w.workspaces = []*workspace{acme, labs}
	outsiders := w.join(acme, labs)
	for i, u := range outsiders {
		if i == 4 {
			break
		}
		ws := w.makeWorkspace("priv-"+slugify(u.nickname)+"-"+strconv.Itoa(i+1), u.name, epoch, true)
		w.outside = append(w.outside, ws)
	}
	nLabs := o.Repositories / 7
	w.makeProjects(acme, o.Repositories-nLabs, epoch)
	w.makeProjects(labs, nLabs, epoch)
	w.makeRepos(acme, 0, o.Repositories-nLabs, epoch)
	w.makeRepos(labs, o.Repositories-nLabs, nLabs, epoch)
	w.makePullRequests(o.PullRequests, epoch)
	return w
}

func (w *world) makeUsers(n int, epoch int64) {
	for i := range n {
		r := derive(w.seed, streamUser, uint64(i))
		given, family := personName(&r)
		u := &user{index: int32(i), id: r.uuid(), name: given + " " + family, nickname: slugify(given)}
		u.signed = u.name
		if u.nickname == "" || r.chance(0.3) {
			u.nickname = given // nicknames may hold anything, and repeat
		}
		u.accountID = "70" + strconv.Itoa(1000+r.intn(9000)) + ":" + strings.Trim(r.uuid().String(), "{}")
		local := slugify(given + "." + family)
		if local == "" || local == "." {
			local = "user"
		}
		u.email = strings.Trim(local, ".") + "." + strconv.Itoa(i) + "@acme.example"
		u.created = epoch - r.span(400*day, 3000*day)
		u.gone = i == 7 || i > 4 && r.chance(0.03) // there is always one
		if i == 0 {
			u.nickname, u.email, u.gone = "admin", "admin@acme.example", false
		}
		w.users = append(w.users, u)
	}
	w.people = n
}

func (w *world) makeWorkspace(slug, name string, epoch int64, outside bool) *workspace {
	r := derive(w.seed, streamWorkspace, uint64(len(w.workspaces)+len(w.outside)), uint64(len(slug)))
	return &workspace{
		world: w, id: r.uuid(), slug: slug, name: name, private: true, outside: outside,
		created: epoch - r.span(2100*day, 2500*day), updated: epoch - r.span(day, 300*day), bySlug: map[string]*repo{},
	}
}

// join makes members of most users and returns those who contribute from outside. Some who authored pull requests
// left or never were members.
func (w *world) join(acme, labs *workspace) []*user {
	var outsiders []*user
	for i, u := range w.users {
		r := derive(w.seed, streamUser, uint64(i), 1)
		switch {
		case u.gone:
		case i == 0:
			acme.members = append(acme.members, member{u, true})
			labs.members = append(labs.members, member{u, true})
		case i == 3 || i > 4 && r.chance(0.05):
			outsiders = append(outsiders, u)
		case i == 4 || i > 4 && r.chance(0.06): // left
		default:
			acme.members = append(acme.members, member{u, r.chance(0.05)})
			if r.chance(0.25) {
				labs.members = append(labs.members, member{u, false})
			}
		}
	}
	return outsiders
}

func (w *world) makeProjects(ws *workspace, repos int, epoch int64) {
	n := min(300, max(2, int(1.2*math.Sqrt(float64(repos)))))
	seen := map[string]bool{}
	for i := range n {
		r := derive(w.seed, streamProject, uint64(ws.id[0])<<8|uint64(ws.id[1]), uint64(i))
		name, key := projectName(&r, seen)
		p := &project{ws: ws, id: r.uuid(), key: key, name: name, private: i != 1 && r.chance(0.8), created: epoch - r.span(1500*day, 2000*day)}
		p.updated = p.created + r.span(0, 900*day)
		if r.chance(0.6) {
			p.desc = "Everything about " + strings.ToLower(name) + "."
		}
		ws.projects = append(ws.projects, p)
	}
	w.projCount += n
}

// projectName composes the name of a project and a key that none has yet.
func projectName(r *random, seen map[string]bool) (name, key string) {
	name = capital(pick(r, subjects()))
	switch {
	case r.chance(0.1):
		name += " – größere Vorhaben"
	case r.chance(0.3):
		name += " " + capital(pick(r, things()))
	}
	key = strings.ToUpper(slugify(name))
	key = strings.ReplaceAll(key[:min(3, len(key))], "-", "")
	for base, k := key, 2; seen[key]; k++ {
		key = base + strconv.Itoa(k)
	}
	seen[key] = true
	return name, key
}

// repoName composes the name of a repository and the slug that follows from it, or from an older name.
func repoName(r *random) (name, slug string) {
	name = capital(pick(r, subjects())) + " " + capital(pick(r, things()))
	slug = slugify(name)
	switch {
	case r.chance(0.06):
		name = "Übersicht " + name // the slug stays that of an older name
	case r.chance(0.04):
		name = "在庫 " + name
	case r.chance(0.3):
		name = slug
	case r.chance(0.05):
		slug = "legacy_" + slug + ".old"
	}
	return name, slug
}

func (w *world) makeRepos(ws *workspace, first, n int, epoch int64) {
	for i := range n {
		index := uint64(first + i)
		r := derive(w.seed, streamRepo, index)
		p := ws.projects[r.skewed(len(ws.projects))]
		name, slug := repoName(&r)
		for base, k := slug, 2; ws.bySlug[slug] != nil; k++ {
			slug = base + "-" + strconv.Itoa(k)
			if k == 2 && r.chance(0.8) {
				name += " " + capital(pick(&r, syllables()))
			}
		}
		rp := &repo{
			ws: ws, project: p, index: index, id: r.uuid(), slug: slug, name: name, language: pick(&r, languages()),
			private: p.private || r.chance(0.4), empty: r.chance(0.05), main: "main", nextPR: 1,
		}
		if i < 2 { // the first of a workspace always have something in them
			rp.empty = false
		}
		if r.chance(0.35) {
			rp.desc = "The " + strings.ToLower(name) + " of " + ws.name + "."
		}
		if r.chance(0.3) {
			rp.main = pick(&r, []string{"master", "master", "develop", "trunk"})
		}
		rp.created = epoch - r.span(60*day, 1400*day)
		rp.updated = rp.created + r.span(hour, 20*day)
		rp.size = int64(1000 * math.Pow(10, 4*r.unit()))
		if rp.empty {
			rp.size = 0
		}
		if i > 6 && r.chance(0.03) {
			rp.parent = ws.repos[r.intn(len(ws.repos))]
			rp.private = rp.private || rp.parent.private
		}
		for range 3 + r.intn(6) {
			rp.team = append(rp.team, int32(r.skewed(len(w.users))))
		}
		ws.repos = append(ws.repos, rp)
		ws.bySlug[slug] = rp
	}
	w.repoCount += n
	slices.SortStableFunc(ws.repos, func(a, b *repo) int { return int((a.created - b.created) / second) })
}

// shares divides total over n places by a power law; the order is shuffled by the seed.
func shares(seed uint64, total int, weight []float64) []int {
	sum := 0.0
	for _, x := range weight {
		sum += x
	}
	out := make([]int, len(weight))
	if sum == 0 {
		return out
	}
	left := total
	best := 0
	for i, x := range weight {
		out[i] = int(float64(total) * x / sum)
		left -= out[i]
		if x > weight[best] {
			best = i
		}
	}
	r := derive(seed, streamPR)
	for left > 0 { // what rounding left over
		i := r.intn(len(weight))
		if weight[i] > 0 {
			out[i]++
			left--
		}
	}
	return out
}

func (w *world) makePullRequests(total int, epoch int64) {
	var all []*repo
	for _, ws := range w.workspaces {
		all = append(all, ws.repos...)
	}
	weight := make([]float64, len(all))
	for i, rp := range all {
		r := derive(w.seed, streamRepo, rp.index, 1)
		rank := r.intn(len(all))
		if !rp.empty && rp.forked == nil && (!r.chance(0.08) || i == 0) {
			weight[i] = math.Pow(float64(rank+2), -0.9)
		}
	}
	for i, n := range shares(w.seed, total, weight) {
		w.fill(all[i], n, epoch)
	}
}
