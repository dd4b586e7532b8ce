package sandbox

import (
	"cmp"
	"slices"
)

// dcEvent is an entry of a pull request's activities (FACTS 130).
type dcEvent struct {
	event
	id     int64
	action string
	from   hash // of RESCOPED
}

// dcEvents derives the activities, newest first. Ids rise with time.
func (w *world) dcEvents(p *pullRequest) []dcEvent {
	var all []dcEvent
	for _, e := range slices.Backward(w.events(p)) {
		x := dcEvent{event: e}
		switch {
		case e.kind == "comment":
			x.action = "COMMENTED"
		case e.kind == "approval":
			x.action = "APPROVED"
		case e.kind == "changes_requested":
			x.action = "REVIEWED"
		case e.state == merged:
			x.action = "MERGED"
		case e.state == declined:
			x.action = "DECLINED"
		case e.at == p.created:
			x.action = "OPENED"
		default:
			x.action = "RESCOPED"
		}
		all = append(all, x)
	}
	if p.id%3 == 0 && len(p.people) > 1 && p.people[0].reviewer {
		all = append(all, dcEvent{event: event{pr: p, by: p.author, at: p.created + second}, action: "UPDATED"})
		slices.SortStableFunc(all, func(a, b dcEvent) int { return cmp.Compare(a.at, b.at) })
	}
	source := hash{}
	for i := range all {
		all[i].id = int64(p.repo.number)<<20 + int64(p.id)*1000 + int64(i) + 1
		switch all[i].action {
		case "OPENED":
			source = all[i].source
		case "RESCOPED":
			all[i].from, source = source, all[i].source
		}
	}
	slices.Reverse(all)
	return all
}

func (c *call) dcActivities() *failure {
	p, f := c.dcPullRequestOf()
	if f != nil {
		return f
	}
	w := c.out
	g := c.dc.world.graph(p.repo)
	return dcRespond(c, dcActivities, c.dc.world.dcEvents(p), nil, func(e dcEvent) { w.dcEvent(e, g) })
}

func (w *writer) dcEvent(e dcEvent, g *graph) {
	w.buf = append(w.buf, '{')
	w.integer("id", e.id)
	w.dcMillis("createdDate", e.at)
	w.text(`,"user":`)
	w.dcUser(e.by)
	w.parts("action", e.action)
	switch e.action {
	case "COMMENTED":
		w.parts("commentAction", "ADDED")
		w.text(`,"comment":{"properties":{"repositoryId":`)
		w.buf = appendPadded(w.buf, int64(e.pr.repo.number), 1)
		w.buf = append(w.buf, '}')
		w.integer("id", e.id)
		w.integer("version", 0)
		w.str("text", "Comment "+objectsOfWork()[e.number%len(objectsOfWork())]+".")
		w.text(`,"author":`)
		w.dcUser(e.by)
		w.dcMillis("createdDate", e.at)
		w.dcMillis("updatedDate", e.at)
		w.text(`,"comments":[],"tasks":[]}`)
	case "UPDATED":
		w.text(`,"addedReviewers":[`)
		w.dcUser(e.pr.people[0].user)
		w.text(`],"removedReviewers":[]`)
	case "RESCOPED":
		w.hash("fromHash", e.source, 40)
		w.hash("previousFromHash", e.from, 40)
		w.hash("toHash", e.pr.dstHash, 40)
		w.hash("previousToHash", e.pr.dstHash, 40)
	case "MERGED":
		if k := g.get(e.pr.mergeHash); k != nil {
			w.text(`,"commit":`)
			w.dcCommit(k)
		}
	}
	w.buf = append(w.buf, '}')
}
