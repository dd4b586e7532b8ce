package sandbox

import "strconv"

// pullRequest writes a pull request. In lists `people` is false: reviewers and participants are then shown only to
// those who ask for them (FACTS 57). The hashes must have been computed.
func (w *writer) pullRequest(p *pullRequest, people bool) {
	id := strconv.Itoa(int(p.id))
	self := w.api + "/repositories/" + p.repo.ws.slug + "/" + p.repo.slug + "/pullrequests/" + id
	w.parts("type", "pullrequest")
	w.integer("id", int64(p.id))
	w.str("title", p.title)
	if p.noDesc {
		w.null("description")
	} else {
		w.str("description", p.desc)
	}
	w.parts("state", p.state.String())
	w.boolean("draft", p.draft)
	w.boolean("queued", false)
	w.account("author", p.author)
	w.endpoint("source", p.source, p.srcBranch, p.srcHash)
	w.endpoint("destination", p.repo, p.dstBranch, p.dstHash)
	if p.mergeHash == (hash{}) {
		w.null("merge_commit")
	} else {
		w.commitRef("merge_commit", p.repo, p.mergeHash)
	}
	w.integer("comment_count", int64(p.comments))
	w.integer("task_count", int64(p.tasks))
	w.boolean("close_source_branch", p.closeSource)
	w.account("closed_by", p.closedBy)
	w.str("reason", p.reason)
	w.time("created_on", p.created)
	w.time("updated_on", p.updated)
	w.markup("summary", p.desc)
	if w.open("links") {
		w.link("self", self)
		w.link("html", w.site, "/", p.repo.ws.slug, "/", p.repo.slug, "/pull-requests/", id)
		w.link("commits", self, "/commits")
		w.link("approve", self, "/approve")
		w.link("diff", self, "/diff")
		w.link("diffstat", self, "/diffstat")
		w.link("comments", self, "/comments")
		w.link("activity", self, "/activity")
		w.link("merge", self, "/merge")
		w.link("decline", self, "/decline")
		w.close()
	}
	w.hidden = !people
	if w.open("rendered") {
		w.markup("title", p.title)
		w.markup("description", p.desc)
		w.close()
	}
	w.people(p)
	w.hidden = false
}

func (w *writer) people(p *pullRequest) {
	if w.list("reviewers") {
		for _, x := range p.people {
			if x.reviewer && !x.user.gone {
				w.item()
				w.user(x.user, false)
				w.endItem()
			}
		}
		w.endList()
	}
	if !w.list("participants") {
		return
	}
	for i := range p.people {
		if x := &p.people[i]; !x.user.gone {
			w.item()
			w.participant(x)
			w.endItem()
		}
	}
	w.endList()
}

// participant writes one as FACTS 59 has it.
func (w *writer) participant(x *participation) {
	w.parts("type", "participant")
	w.account("user", x.user)
	if x.reviewer {
		w.parts("role", "REVIEWER")
	} else {
		w.parts("role", "PARTICIPANT")
	}
	w.boolean("approved", x.verdict == approved)
	switch x.verdict {
	case approved:
		w.parts("state", "approved")
	case changesRequested:
		w.parts("state", "changes_requested")
	default:
		w.null("state")
	}
	w.time("participated_on", x.on)
}

func (w *writer) endpoint(k string, r *repo, branch string, h hash) {
	if !w.open(k) {
		return
	}
	if w.open("branch") {
		w.str("name", branch)
		w.close()
	}
	switch {
	case h == (hash{}):
		w.null("commit")
	case r == nil: // the hash outlives the fork
		if w.open("commit") {
			w.parts("type", "commit")
			w.hash("hash", h, 12)
			w.close()
		}
	default:
		w.commitRef("commit", r, h)
	}
	w.repositoryUnder("repository", r)
	w.close()
}

// commitRef writes the short form of a commit, whose hash has 12 digits.
func (w *writer) commitRef(k string, r *repo, h hash) {
	if !w.open(k) {
		return
	}
	w.parts("type", "commit")
	w.hash("hash", h, 12)
	if w.open("links") {
		short := h.String()[:12]
		w.link("self", w.api, "/repositories/", r.ws.slug, "/", r.slug, "/commit/", short)
		w.link("html", w.site, "/", r.ws.slug, "/", r.slug, "/commits/", short)
		w.close()
	}
	w.close()
}

// pullRequestShort is the form inside activity entries.
func (w *writer) pullRequestShort(k string, p *pullRequest) {
	if !w.open(k) {
		return
	}
	id := strconv.Itoa(int(p.id))
	w.parts("type", "pullrequest")
	w.integer("id", int64(p.id))
	w.str("title", p.title)
	if w.open("links") {
		w.link("self", w.api, "/repositories/", p.repo.ws.slug, "/", p.repo.slug, "/pullrequests/", id)
		w.link("html", w.site, "/", p.repo.ws.slug, "/", p.repo.slug, "/pull-requests/", id)
		w.close()
	}
	w.close()
}
