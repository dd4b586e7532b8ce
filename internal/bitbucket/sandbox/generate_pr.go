package sandbox

import (
	"math"
	"slices"
	"strings"
)

// fill gives a repository its generated pull requests.
func (w *world) fill(rp *repo, n int, epoch int64) {
	r := derive(w.seed, streamPR, rp.index)
	times := make([]int64, n)
	from := rp.created + 12*hour
	for i := range times {
		times[i] = from + int64(float64(epoch-from)*math.Pow(r.unit(), 0.7))
	}
	slices.Sort(times)
	all := make([]pullRequest, n)
	rp.prs = make([]*pullRequest, n)
	var forks []*repo
	for i := range all {
		p := &all[i]
		rp.prs[i] = p
		p.repo, p.id, p.created = rp, int32(i+1), times[i]
		g := derive(w.seed, streamPR, rp.index, uint64(i+1))
		w.compose(p, &g, epoch, i == n-1)
		switch {
		case len(w.outside) > 0 && g.chance(0.03):
			p.source = w.fork(rp, &forks, &g)
		case len(rp.forks) > 0 && g.chance(0.15):
			p.source = pick(&g, rp.forks)
		default:
			p.source = rp
		}
		if w.instance && p.state == superseded {
			p.state = declined
			if p.closedBy == nil {
				p.closedBy = p.author
			}
		}
		p.version = p.id & 3
		if p.state != open {
			p.version++
		}
		if i == 1 && n >= 20 {
			p.source = nil // so that also a small world has a fork that was deleted
		}
		rp.updated = max(rp.updated, p.updated)
	}
	rp.nextPR = int32(n + 1)
	w.prCount += n
}

// fork returns a fork in a workspace outside, or nil for one that was deleted.
func (w *world) fork(rp *repo, forks *[]*repo, g *random) *repo {
	if g.chance(0.3) {
		return nil
	}
	if len(*forks) < 3 && (len(*forks) == 0 || g.chance(0.3)) {
		ws := w.outside[g.intn(len(w.outside))]
		f := &repo{ws: ws, id: g.uuid(), slug: rp.slug, name: rp.name, parent: rp, private: rp.private, main: rp.main, created: rp.created + day, updated: rp.created + 2*day}
		*forks = append(*forks, f)
	}
	return pick(g, *forks)
}

// compose makes everything of a pull request but its repositories. The newest one of a repository is always open.
func (w *world) compose(p *pullRequest, g *random, epoch int64, newest bool) {
	key := strings.TrimPrefix(p.repo.project.key, "~")
	p.title = prTitle(g, key, int(p.id))
	p.desc, p.noDesc = prDescription(g)
	p.srcBranch = prBranch(g, key, int(p.id))
	p.dstBranch = p.repo.main
	if g.chance(0.06) {
		p.dstBranch = "release/" + string(rune('1'+g.intn(4))) + ".x"
	}
	p.author = w.author(p.repo, g)
	p.closeSource = g.chance(0.7)
	p.tasks = uint8(g.skewed(5))
	p.comments = uint8(g.skewed(25))

	life := int64(float64(20*minute) * math.Exp(9*g.unit()*g.unit()))
	end := p.created + life
	p.updated = p.created + life/2
	stays := 0.03 // open although it is old: stale ones
	if epoch-p.created < 45*day {
		stays = 0.3
	}
	switch x := g.unit(); {
	case end >= epoch || newest || g.chance(stays):
		p.state = open
		p.draft = g.chance(0.15)
		p.updated = min(p.updated, epoch-minute)
	case x < 0.83:
		p.state = merged
		p.squash = g.chance(0.25)
	case x < 0.97:
		p.state = declined
		p.keepSource = g.chance(0.3)
		if g.chance(0.4) {
			p.reason = pick(g, reasons())
		}
	default:
		p.state = superseded
	}
	if p.updated < p.created {
		p.updated = p.created
	}
	if p.state != open {
		p.closed, p.updated = end, end
		if g.chance(0.1) { // commented after it was closed
			p.updated = min(end+g.span(minute, 3*day), epoch-second)
		}
		if p.updated < end {
			p.updated = end
		}
	}
	w.review(p, g)
	if p.state != open {
		p.closedBy = p.author
		if len(p.people) > 0 && g.chance(0.4) {
			p.closedBy = p.people[0].user
		}
		if p.state == superseded && g.chance(0.5) {
			p.closedBy = nil
		}
	}
}

func (w *world) author(rp *repo, g *random) *user {
	if g.chance(0.6) {
		return w.users[pick(g, rp.team)]
	}
	return w.users[g.skewed(len(w.users))]
}

// review adds reviewers and participants. Verdicts are given between creation and close; whoever also commented
// later has a later participated_on than verdict.
func (w *world) review(p *pullRequest, g *random) {
	last := p.updated
	if p.closed != 0 {
		last = p.closed
	}
	add := func(reviewer bool) *participation {
		u := w.author(p.repo, g)
		if u == p.author || u.gone || slices.ContainsFunc(p.people, func(x participation) bool { return x.user == u }) {
			return nil
		}
		p.people = append(p.people, participation{user: u, reviewer: reviewer})
		return &p.people[len(p.people)-1]
	}
	n := 0
	if !g.chance(0.12) {
		n = 1 + g.skewed(5)
	}
	extra := 0
	if p.comments > 3 {
		extra = g.skewed(3)
	}
	p.people = make([]participation, 0, n+extra+1)
	for range n {
		x := add(true)
		if x == nil {
			continue
		}
		acted := 0.85
		switch p.state {
		case open:
			acted = 0.4
		case declined, superseded:
			acted = 0.45
		}
		if !g.chance(acted) {
			continue
		}
		x.at = g.span(p.created+second, last)
		x.on = x.at
		x.verdict = approved
		switch {
		case p.state == merged && g.chance(0.08), p.state != merged && g.chance(0.4):
			x.verdict = changesRequested
		case g.chance(0.1):
			x.verdict, x.at = noVerdict, 0
		}
		if g.chance(0.3) {
			x.on = g.span(x.on, last)
		}
	}
	for range extra {
		if x := add(false); x != nil {
			x.on = g.span(p.created, last)
			if g.chance(0.2) {
				x.verdict, x.at = approved, x.on
			}
		}
	}
	if p.comments > 5 && p.author != nil && !p.author.gone && g.chance(0.5) {
		p.people = append(p.people, participation{user: p.author, on: g.span(p.created, last)})
	}
}
