package sandbox

import (
	"slices"
	"strconv"
	"time"
)

// The functions of this file write the bodies of the Cloud (FACTS 95, 96).

func micros(at int64) time.Time { return time.UnixMicro(at).UTC() }

// repositoryTold is the form of a repository in bodies: short, but with its project and workspace.
func (w *writer) repositoryTold(r *repo) {
	if !w.open("repository") {
		return
	}
	w.repository(r, false)
	w.parts("scm", "git")
	w.null("website")
	w.owner("owner", r.ws)
	if w.open("workspace") {
		w.workspaceObject(r.ws, false)
		w.close()
	}
	w.boolean("is_private", r.private)
	if r.project != nil && w.open("project") {
		w.project(r.project, false)
		w.close()
	}
	w.repositoryUnder("parent", r.parent)
	w.close()
}

// mostCommits is how many commits a body has for each ref that moved (FACTS 95).
const mostCommits = 5

func (w *writer) cloudPush(r *repo, g *graph, all []refMove) {
	if !w.open("push") {
		return
	}
	if w.list("changes") {
		for _, m := range all {
			w.item()
			w.side("old", r, g, m, m.old)
			w.side("new", r, g, m, m.new)
			w.boolean("created", m.old == hash{})
			w.boolean("closed", m.new == hash{})
			w.boolean("forced", g.forced(m))
			brought := g.brought(m)
			w.boolean("truncated", len(brought) > mostCommits)
			if w.list("commits") {
				for _, c := range brought[:min(len(brought), mostCommits)] {
					w.item()
					w.commit(r, c, false)
					w.endItem()
				}
				w.endList()
			}
			if w.open("links") {
				if m.new != (hash{}) {
					w.link("commits", w.api, "/repositories/", r.fullName(), "/commits?include="+m.new.String())
				}
				w.close()
			}
			w.endItem()
		}
		w.endList()
	}
	w.close()
}

// side writes what a ref was or is.
func (w *writer) side(k string, r *repo, g *graph, m refMove, at hash) {
	c := g.get(at)
	if c == nil {
		w.null(k)
		return
	}
	if w.open(k) {
		w.ref(r, ref{name: m.name, tag: m.tag, at: c})
		w.close()
	}
}

// cloudKeys are the keys of what happened. Who moves the source of a pull request updates it, too [believed].
func (n news) cloudKeys() []string {
	switch n.what {
	case prOpened:
		return []string{"pullrequest:created"}
	case prEdited, prReviewers:
		return []string{"pullrequest:updated"}
	case prPushed:
		return []string{"pullrequest:push", "pullrequest:updated"}
	case prMerged:
		return []string{"pullrequest:fulfilled"}
	case prDeclined:
		return []string{"pullrequest:rejected"}
	case prCommented:
		return []string{"pullrequest:comment_created"}
	case prJudged:
		was := noVerdict
		if i := slices.IndexFunc(n.people, func(x participation) bool { return x.user == n.by }); i >= 0 {
			was = n.people[i].verdict
		}
		switch {
		case n.verdict == approved:
			return []string{"pullrequest:approved"}
		case n.verdict == changesRequested:
			return []string{"pullrequest:changes_request_created"}
		case was == changesRequested:
			return []string{"pullrequest:changes_request_removed"}
		}
		return []string{"pullrequest:unapproved"}
	}
	return nil // support staff delete pull requests, and tell nobody
}

func (n news) cloudBody(w *writer) {
	if w.open("pullrequest") {
		w.pullRequest(n.p, true)
		w.close()
	}
	switch n.what {
	case prJudged:
		k := "approval"
		if key := n.cloudKeys()[0]; key != "pullrequest:approved" && key != "pullrequest:unapproved" {
			k = "changes_request"
		}
		if w.open(k) {
			w.time("date", n.p.updated)
			w.account("user", n.by)
			w.close()
		}
	case prCommented:
		if w.open("comment") {
			id := n.commentID()
			w.parts("type", "pullrequest_comment")
			w.integer("id", id)
			w.time("created_on", n.p.updated)
			w.time("updated_on", n.p.updated)
			w.markup("content", "A comment.")
			w.account("user", n.by)
			w.boolean("deleted", false)
			w.pullRequestShort("pullrequest", n.p)
			if w.open("links") {
				w.link("self", w.api, "/repositories/", n.p.repo.fullName(), "/pullrequests/", strconv.Itoa(int(n.p.id)), "/comments/", strconv.FormatInt(id, 10))
				w.close()
			}
			w.close()
		}
	}
}

// commentID makes up the id of the newest comment, since comments themselves are not kept.
func (n news) commentID() int64 { return n.p.updated / 1000 % 1e9 }
