package sandbox

import (
	"bytes"
	"cmp"
	"slices"
	"strconv"
	"strings"
)

// announcement is something that hooks may be told. Its body is written when the first hook wants it, while the world is as the
// act has left it.
type announcement struct {
	key     string
	repo    *repo    // whose hooks hear of it, and those above it
	project *project // the same, of what is about a project
	by      *user    // who did it; nil: the administrator
	body    func(*writer)
}

// tell takes an event to the hooks that subscribe to it. The caller holds the write lock.
func (s *Sandbox) tell(e announcement) {
	at := e.project
	if e.repo != nil {
		at = e.repo.project
	}
	if at == nil {
		return // outside: nobody here has hooks there
	}
	w := at.ws.world
	if e.by == nil {
		e.by = w.users[0]
	}
	var body []byte
	post := func(p parcel) {
		if body == nil {
			body = s.bodyOf(w, e)
		}
		p.event, p.body = e.key, body
		s.courier.post(&p)
	}
	if !w.instance {
		s.tellCloud(e, at.ws, post)
		return
	}
	var hooks []*webhook
	scope := at.number
	if e.repo != nil {
		hooks, scope = e.repo.hooks, e.repo.number
	}
	if s.dcVersion.atLeast(8, 8) { // FACTS 107
		hooks = slices.Concat(hooks, at.hooks)
	}
	for _, h := range hooks {
		if h.active && slices.Contains(h.events, e.key) {
			post(h.parcel(scope))
		}
	}
}

func (h *webhook) parcel(scope int32) parcel {
	return parcel{
		hook: "dc:" + strconv.Itoa(int(h.id)), instance: h.id, url: h.url, secret: h.secret, username: h.username, password: h.password, careless: !h.insured,
		scope: strconv.Itoa(int(scope)),
	}
}

// tellCloud tells the hooks of a repository, and those of the workspace, which alone hear of projects and of repositories
// that come into being (FACTS 90).
func (s *Sandbox) tellCloud(e announcement, ws *workspace, post func(parcel)) {
	var hooks []*cloudHook
	if e.repo != nil && e.key != "repo:created" {
		hooks = e.repo.settings().hooks
	}
	for _, h := range slices.Concat(hooks, ws.settings().hooks) {
		if h.active && slices.Contains(h.events, e.key) {
			post(parcel{hook: string(h.id.appendBare(nil)), url: h.url, secret: h.secret})
		}
	}
}

// bases are the addresses that links begin with.
type bases struct{ api, site string }

// remember keeps the address under which a product was called last: the real ones know their own.
func (s *Sandbox) remember(dc bool, b bases) {
	at := &s.cloudBases
	if dc {
		at = &s.dcBases
	}
	if old := at.Load(); old == nil || *old != b {
		at.Store(&b)
	}
}

// teller returns a writer for what is told of a world.
func (s *Sandbox) teller(w *world) *writer {
	out := &writer{view: view{full: true}, ssh: s.SSHBase()}
	at, known := bases{api: "https://api.bitbucket.example/2.0", site: "https://bitbucket.example"}, &s.cloudBases
	if w.instance {
		at, known = bases{site: "https://bitbucket.example/dc"}, &s.dcBases
		out.version, out.iso, out.told = s.dcVersion, s.dcVersion.atLeast(10, 0), true // FACTS 149a
	}
	if b := known.Load(); b != nil {
		at = *b
	}
	out.api, out.site = at.api, at.site
	return out
}

// bodyOf writes the body of an event (FACTS 95 and 148).
func (s *Sandbox) bodyOf(w *world, e announcement) []byte {
	out := s.teller(w)
	out.buf = append(out.buf, '{')
	if w.instance {
		out.parts("eventKey", e.key)
		out.parts("date", micros(s.lastNow).Format("2006-01-02T15:04:05-0700"))
		out.text(`,"actor":`)
		out.dcUser(e.by)
		out.body(e.body)
		return append(out.buf, '}')
	}
	if e.repo != nil {
		out.repositoryTold(e.repo)
	}
	out.account("actor", e.by)
	out.body(e.body)
	return append(out.buf, '}')
}

func (w *writer) body(more func(*writer)) {
	if more != nil {
		more(w)
	}
}

// refMove is a branch or a tag that moved; a zero hash means that it was not there, or is not any more.
type refMove struct {
	name     string
	tag      bool
	old, new hash
}

// moves compares what a set of refs was and is: in the order of names, what went last.
func moves(before, after map[string]hash, tag bool) (all []refMove) {
	for name, h := range after {
		if before[name] != h {
			all = append(all, refMove{name, tag, before[name], h})
		}
	}
	for name, h := range before {
		if _, ok := after[name]; !ok {
			all = append(all, refMove{name, tag, h, hash{}})
		}
	}
	slices.SortFunc(all, func(a, b refMove) int {
		x, y := 0, 0
		if a.new == (hash{}) {
			x = 1
		}
		if b.new == (hash{}) {
			y = 1
		}
		return cmp.Or(cmp.Compare(x, y), strings.Compare(a.name, b.name))
	})
	return all
}

// forced says whether a move dropped commits.
func (g *graph) forced(m refMove) bool {
	if m.old == (hash{}) || m.new == (hash{}) {
		return false
	}
	return !g.closure([]hash{m.new}, nil)[g.at[m.old]]
}

// brought returns the commits that came with a move, the newest first.
func (g *graph) brought(m refMove) []*commit {
	if m.new == (hash{}) {
		return nil
	}
	without := []hash{m.old}
	if m.old == (hash{}) {
		without = nil
		for name, h := range g.branches {
			if name != m.name {
				without = append(without, h)
			}
		}
	}
	return g.reach([]hash{m.new}, without)
}

// tellPush tells that refs moved, all at once.
func (s *Sandbox) tellPush(r *repo, by *user, all []refMove) {
	if len(all) == 0 {
		return
	}
	g := r.ws.world.graph(r)
	if r.ws.world.instance {
		s.tell(announcement{key: "repo:refs_changed", repo: r, by: by, body: func(w *writer) { w.dcPush(r, g, all) }})
		return
	}
	s.tell(announcement{key: "repo:push", repo: r, by: by, body: func(w *writer) { w.cloudPush(r, g, all) }})
}

// happening is what became of a pull request.
type happening int

const (
	prOpened happening = iota
	prEdited
	prReviewers
	prPushed // its source moved
	prJudged
	prMerged
	prDeclined
	prCommented
	prDeleted
)

// news is what is told of a pull request, with what was before.
type news struct {
	p              *pullRequest
	what           happening
	by             *user
	title, desc    string
	target         string
	targetHash     hash
	source         hash
	verdict        verdict
	people         []participation
	added, removed []*user
}

// newsOf remembers how a pull request is, before something happens to it.
func newsOf(p *pullRequest, by *user) news {
	return news{p: p, by: by, title: p.title, desc: p.desc, target: p.dstBranch, targetHash: p.dstHash, source: p.srcHash, people: slices.Clone(p.people)}
}

// tellPull tells what became of a pull request.
func (s *Sandbox) tellPull(what happening, n news) {
	n.what = what
	w := n.p.repo.ws.world
	w.hashes(n.p.repo)
	if what == prReviewers {
		n.compareReviewers()
	}
	keys, body := n.cloudKeys(), n.cloudBody
	if w.instance {
		keys, body = n.dcKeys(), n.dcBody
	}
	for _, key := range keys {
		s.tell(announcement{key: key, repo: n.p.repo, by: n.by, body: body})
	}
}

// compareReviewers finds out who is asked now and was not, and the reverse.
func (n *news) compareReviewers() {
	asked := func(all []participation, u *user) bool {
		return slices.ContainsFunc(all, func(x participation) bool { return x.user == u && x.reviewer })
	}
	for _, x := range n.p.people {
		if x.reviewer && !asked(n.people, x.user) {
			n.added = append(n.added, x.user)
		}
	}
	for _, x := range n.people {
		if x.reviewer && !asked(n.p.people, x.user) {
			n.removed = append(n.removed, x.user)
		}
	}
}

// changed is a value before and after.
type changed struct{ name, old, now string }

// tellProject tells that a project was changed.
func (s *Sandbox) tellProject(p *project, was []byte, all ...changed) {
	if p.ws.world.instance {
		s.tell(announcement{key: "project:modified", project: p, body: func(w *writer) {
			w.text(`,"old":`, string(was), `,"new":`)
			w.dcProject(p)
		}})
		return
	}
	s.tell(announcement{key: "project:updated", project: p, body: func(w *writer) {
		if w.open("project") {
			w.project(p, true)
			w.close()
		}
		w.changes(all)
	}})
}

// tellRepository tells that a repository of Data Center was changed, or one of the Cloud renamed: that tells of name,
// description, website and language only.
func (s *Sandbox) tellRepository(r *repo, was []byte, all ...changed) {
	if r.ws.world.instance {
		s.tell(announcement{key: "repo:modified", repo: r, body: func(w *writer) {
			w.text(`,"old":`, string(was), `,"new":`)
			w.dcRepo(r)
		}})
		return
	}
	s.tell(announcement{key: "repo:updated", repo: r, body: func(w *writer) { w.changes(all) }})
}

// changes writes what was and is; the values are texts, or truths written as such.
func (w *writer) changes(all []changed) {
	if !w.open("changes") {
		return
	}
	for _, x := range all {
		if x.old != x.now && w.open(x.name) {
			if x.now == "true" || x.now == "false" {
				w.boolean("old", x.old == "true")
				w.boolean("new", x.now == "true")
			} else {
				w.str("old", x.old)
				w.str("new", x.now)
			}
			w.close()
		}
	}
	w.close()
}

// shown returns how something of Data Center is shown now.
func (s *Sandbox) shown(w *world, render func(*writer)) []byte {
	if !w.instance {
		return nil
	}
	out := s.teller(w)
	render(out)
	return bytes.Clone(out.buf)
}
