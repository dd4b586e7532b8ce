package sandbox

import "strconv"

// dcMillis writes a moment as milliseconds since 1970; with Options.DCISODates version 10 writes texts as it does in
// webhooks (FACTS 149a).
func (w *writer) dcMillis(k string, micros int64) {
	if !w.iso {
		w.integer(k, micros/1000)
		return
	}
	if _, ok := w.key(k); ok {
		w.buf = append(w.buf, '"')
		w.buf = appendTime(w.buf, micros)
		w.buf = append(w.buf[:len(w.buf)-len("000+00:00")], 'Z', '"')
	}
}

// dcPullRequest writes a pull request; lists contain it in full (FACTS 128). The hashes must have been computed.
func (w *writer) dcPullRequest(p *pullRequest, attributes, properties bool) {
	w.buf = append(w.buf, '{')
	w.integer("id", int64(p.id))
	w.integer("version", int64(p.version))
	w.str("title", p.title)
	if p.desc != "" {
		w.str("description", p.desc)
	}
	w.parts("state", p.state.String())
	w.boolean("open", p.state == open)
	w.boolean("closed", p.state != open)
	if w.version.drafts() {
		w.boolean("draft", p.draft)
	}
	w.dcMillis("createdDate", p.created)
	w.dcMillis("updatedDate", p.updated)
	if p.state != open {
		w.dcMillis("closedDate", p.closed)
	}
	w.text(`,"fromRef":`)
	w.dcEndpoint(p.source, p.srcBranch, p.srcHash)
	w.text(`,"toRef":`)
	w.dcEndpoint(p.repo, p.dstBranch, p.dstHash)
	w.boolean("locked", false)
	w.text(`,"author":`)
	w.dcParticipant(participation{user: p.author}, "AUTHOR", p.srcHash)
	w.text(`,"reviewers":[`)
	for _, x := range p.people {
		if x.reviewer {
			w.comma()
			w.dcParticipant(x, "REVIEWER", p.srcHash)
		}
	}
	w.text(`],"participants":[`)
	for _, x := range p.people {
		if !x.reviewer && x.user != p.author {
			w.comma()
			w.dcParticipant(x, "PARTICIPANT", p.srcHash)
		}
	}
	w.buf = append(w.buf, ']')
	if attributes {
		w.text(`,"attributes":{}`)
	}
	if properties {
		w.dcAdditions(p)
	}
	w.text(`,"links":{`)
	w.selfLink(w.site, p.repo.path(), "/pull-requests/", strconv.Itoa(int(p.id)))
	w.text("}}")
}

// dcAdditions is what plugins add.
func (w *writer) dcAdditions(p *pullRequest) {
	w.text(`,"properties":{`)
	if p.state == open {
		w.text(`"mergeResult":{"outcome":"CLEAN","current":true},`)
	}
	w.text(`"resolvedTaskCount":0,"commentCount":`, strconv.Itoa(int(p.comments)), `,"openTaskCount":`, strconv.Itoa(int(p.tasks)))
	if p.mergeHash != (hash{}) {
		w.text(`,"mergeCommit":{"id":"`)
		w.buf = p.mergeHash.appendHex(w.buf, 40)
		w.text(`","displayId":"`)
		w.buf = p.mergeHash.appendHex(w.buf, 11)
		w.text(`"}`)
	}
	w.buf = append(w.buf, '}')
}

// dcEndpoint writes one side. A fork that was deleted leaves no repository behind.
func (w *writer) dcEndpoint(r *repo, branch string, at hash) {
	w.buf = append(w.buf, '{')
	w.str("id", "refs/heads/"+branch)
	w.str("displayId", branch)
	w.hash("latestCommit", at, 40)
	w.parts("type", "BRANCH")
	if r != nil {
		w.text(`,"repository":`)
		w.dcRepo(r)
	}
	w.buf = append(w.buf, '}')
}

func (w *writer) dcParticipant(x participation, role string, at hash) {
	w.text(`{"user":`)
	w.dcUser(x.user)
	w.parts("role", role)
	w.boolean("approved", x.verdict == approved)
	status := "UNAPPROVED"
	switch x.verdict {
	case approved:
		status = "APPROVED"
	case changesRequested:
		status = "NEEDS_WORK"
	}
	if x.verdict != noVerdict && role != "AUTHOR" {
		w.hash("lastReviewedCommit", at, 40)
	}
	w.parts("status", status)
	w.buf = append(w.buf, '}')
}
