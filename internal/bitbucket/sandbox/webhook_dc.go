package sandbox

import "strings"

// The functions of this file write the bodies of Data Center (FACTS 148 to 149a).

// newestCommits is how many commits newer versions send along (FACTS 149).
const newestCommits = 5

func (w *writer) dcPush(r *repo, g *graph, all []refMove) {
	w.text(`,"repository":`)
	w.dcRepo(r)
	w.text(`,"changes":[`)
	for _, m := range all {
		w.comma()
		w.text(`{"ref":`)
		w.dcRefTold(m.name, m.tag)
		w.str("refId", m.fullName())
		w.hash("fromHash", m.old, 40)
		w.hash("toHash", m.new, 40)
		kind := "UPDATE"
		switch {
		case m.old == hash{}:
			kind = "ADD"
		case m.new == hash{}:
			kind = "DELETE"
		}
		w.parts("type", kind)
		w.text("}")
	}
	w.text("]")
	if !w.version.atLeast(9, 0) {
		return
	}
	brought := g.brought(all[0])
	w.text(`,"commits":[`)
	for _, c := range brought[:min(len(brought), newestCommits)] {
		w.comma()
		w.dcCommit(c)
	}
	w.text("]")
	if c := g.get(all[0].new); c != nil {
		w.text(`,"toCommit":`)
		w.dcCommit(c)
	}
}

func (m refMove) fullName() string {
	if m.tag {
		return "refs/tags/" + m.name
	}
	return "refs/heads/" + m.name
}

func (w *writer) dcRefTold(name string, tag bool) {
	kind := "BRANCH"
	if tag {
		kind = "TAG"
	}
	w.text("{")
	w.str("id", refMove{name: name, tag: tag}.fullName())
	w.str("displayId", name)
	w.parts("type", kind)
	w.text("}")
}

// dcKeys are the keys of what happened. That a pull request was opened again no key tells (FACTS 146).
func (n news) dcKeys() []string {
	key := map[happening]string{
		prOpened: "opened", prEdited: "modified", prReviewers: "reviewer:updated", prPushed: "from_ref_updated", prMerged: "merged",
		prDeclined: "declined", prCommented: "comment:added", prDeleted: "deleted",
	}[n.what]
	if n.what == prJudged {
		key = map[verdict]string{approved: "reviewer:approved", changesRequested: "reviewer:needs_work", noVerdict: "reviewer:unapproved"}[n.verdict]
	}
	return []string{"pr:" + key}
}

func (n news) dcBody(w *writer) {
	w.text(`,"pullRequest":`)
	w.dcPullRequest(n.p, false, n.what == prMerged)
	switch n.what {
	case prEdited:
		w.str("previousTitle", n.title)
		if n.desc == "" {
			w.null("previousDescription")
		} else {
			w.str("previousDescription", n.desc)
		}
		w.text(`,"previousTarget":`)
		w.dcRefTold(n.target, false)
		w.buf = w.buf[:len(w.buf)-1]
		w.hash("latestCommit", n.targetHash, 40)
		w.hash("latestChangeset", n.targetHash, 40)
		w.text("}")
	case prReviewers:
		for _, list := range []struct {
			name string
			who  []*user
		}{{"addedReviewers", n.added}, {"removedReviewers", n.removed}} {
			w.text(`,"`, list.name, `":[`)
			for _, u := range list.who {
				w.comma()
				w.dcUser(u)
			}
			w.text("]")
		}
	case prPushed:
		w.hash("previousFromHash", n.source, 40)
	case prJudged:
		was := "UNAPPROVED"
		for _, x := range n.people {
			if x.user == n.by && x.verdict == approved {
				was = "APPROVED"
			} else if x.user == n.by && x.verdict == changesRequested {
				was = "NEEDS_WORK"
			}
		}
		for _, x := range n.p.people {
			if x.user == n.by {
				role := "PARTICIPANT"
				if x.reviewer {
					role = "REVIEWER"
				}
				w.text(`,"participant":`)
				w.dcParticipant(x, role, n.p.srcHash)
			}
		}
		w.parts("previousStatus", was)
	case prCommented:
		w.text(`,"comment":{`)
		w.integer("id", n.commentID())
		w.integer("version", 0)
		w.str("text", "A comment.")
		w.text(`,"author":`)
		w.dcUser(n.by)
		w.dcMillis("createdDate", n.p.updated)
		w.dcMillis("updatedDate", n.p.updated)
		w.text(`,"comments":[],"tasks":[]}`)
	}
}

// dcStamp writes when a commit was made; in what is told version 10 writes texts (FACTS 149a).
func (w *writer) dcStamp(k string, seconds int64) {
	if w.told {
		w.dcMillis(k, seconds*second)
		return
	}
	w.integer(k, seconds*1000)
}

// dcTestWebhook sends a test to an address and answers what came back (FACTS 144, 150). It is sent after the lock of the
// world is given back.
func (c *call) dcTestWebhook() *failure {
	if _, f := c.hooks(); f != nil {
		return f
	}
	address := c.query.Get("url")
	if !strings.HasPrefix(address, "http://") && !strings.HasPrefix(address, "https://") {
		return dcFailAbout(400, "url", "The URL must be absolute and use http or https.", dcBadArgument)
	}
	p := &parcel{instance: -1, event: "diagnostics:ping", url: address, body: []byte(`{"test": true}`), careless: c.query.Get("sslVerificationRequired") == "false"}
	if id := c.query.Get("webhookId"); id != "" {
		list, at, f := c.hookAt(id)
		if f != nil {
			return f
		}
		h := (*list)[at]
		p.secret, p.username, p.password = h.secret, h.username, h.password
	}
	c.s.courier.mu.Lock()
	limit := c.s.courier.how.Timeout
	c.s.courier.mu.Unlock()
	c.later = func() *failure {
		a := c.s.courier.attempt(p, 1, limit)
		if a.status == 0 {
			return dcFail(500, a.describe(), "com.atlassian.webhooks.WebhookTestException")
		}
		w := c.out
		w.text(`{"request":{"method":"POST"`)
		w.str("url", address)
		w.str("body", string(p.body))
		w.text(`},"response":{`)
		w.integer("statusCode", int64(a.status))
		w.text(`}}`)
		return nil
	}
	return nil
}
