package sandbox

import (
	"cmp"
	"slices"
)

// event is an entry of a pull request's activity log (FACTS 73). Its kind is the key it is shown under.
type event struct {
	kind   string // update, approval, changes_requested, comment
	pr     *pullRequest
	by     *user
	at     int64
	state  state
	source hash
	number int
}

// events derives the log from what is stored: creation, pushes, comments, verdicts that still stand, and the close;
// newest first.
func (w *world) events(p *pullRequest) []event {
	first := p.srcHash
	if p.firstHash != (hash{}) {
		first = p.firstHash
	}
	all := []event{{kind: "update", pr: p, by: p.author, at: p.created, state: open, source: first}}
	for _, u := range p.updates {
		all = append(all, event{kind: "update", pr: p, by: u.by, at: u.at, state: open, source: u.source})
	}
	last := p.updated
	if p.closed != 0 {
		last = p.closed
		all = append(all, event{kind: "update", pr: p, by: p.closedBy, at: p.closed, state: p.state, source: p.srcHash})
	}
	for _, x := range p.people {
		switch x.verdict {
		case approved:
			all = append(all, event{kind: "approval", pr: p, by: x.user, at: x.at})
		case changesRequested:
			all = append(all, event{kind: "changes_requested", pr: p, by: x.user, at: x.at})
		}
	}
	g := derive(w.seed, streamPR, p.repo.index, uint64(p.id), 1)
	for n := range int(p.comments) {
		by := p.author
		if len(p.people) > 0 && n%2 == 0 {
			by = pick(&g, p.people).user
		}
		all = append(all, event{kind: "comment", pr: p, by: by, at: g.span(p.created, last), number: n + 1})
	}
	slices.SortStableFunc(all, func(a, b event) int { return cmp.Compare(b.at, a.at) })
	return all
}

func (c *call) getPullRequestActivity() *failure {
	p, f := c.pullRequest()
	if f != nil {
		return f
	}
	return respond(c, paging{byDefault: 20, max: 50, opaque: true}, c.s.world.events(p), c.out.event)
}

// getRepositoryActivity is the feed of all pull requests of a repository, newest first.
func (c *call) getRepositoryActivity() *failure {
	r, f := c.repository()
	if f != nil {
		return f
	}
	c.s.world.hashes(r)
	var all []event
	for _, p := range r.prs {
		all = append(all, c.s.world.events(p)...)
	}
	slices.SortStableFunc(all, func(a, b event) int { return cmp.Or(cmp.Compare(b.at, a.at), cmp.Compare(b.pr.id, a.pr.id)) })
	return respond(c, paging{byDefault: 20, max: 50, opaque: true}, all, c.out.event)
}

func (w *writer) event(e event) {
	if w.open(e.kind) {
		switch e.kind {
		case "update":
			w.str("title", e.pr.title)
			w.str("description", e.pr.desc)
			w.str("reason", e.pr.reason)
			w.parts("state", e.state.String())
			w.account("author", e.by)
			w.time("date", e.at)
			w.endpoint("source", e.pr.source, e.pr.srcBranch, e.source)
			w.endpoint("destination", e.pr.repo, e.pr.dstBranch, e.pr.dstHash)
		case "comment":
			w.parts("type", "pullrequest_comment")
			w.integer("id", int64(e.pr.id)*1000+int64(e.number))
			w.account("user", e.by)
			w.time("created_on", e.at)
			w.time("updated_on", e.at)
			w.boolean("deleted", false)
			w.markup("content", "Comment "+objectsOfWork()[e.number%len(objectsOfWork())]+".")
			w.pullRequestShort("pullrequest", e.pr)
		default:
			w.time("date", e.at)
			w.account("user", e.by)
			w.pullRequestShort("pullrequest", e.pr)
		}
		w.close()
	}
	w.pullRequestShort("pull_request", e.pr)
}
