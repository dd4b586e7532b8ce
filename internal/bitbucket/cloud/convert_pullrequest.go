package cloud

import (
	"slices"
	"strconv"
	"strings"

	"github.com/windlass-hq/windlass/internal/bitbucket"
	"github.com/windlass-hq/windlass/internal/graph"
)

// people collects everybody who is mentioned in one page, each once.
type people struct {
	met  []graph.Object
	seen map[string]bool
}

// meet adds the account, if it has an identity, and returns its UUID and name.
func (p *people) meet(j bitbucket.JSON) (uuid, name string) {
	if !j.IsObject() {
		return "", ""
	}
	var id, display bitbucket.JSON
	j.Each(func(key []byte, v bitbucket.JSON) {
		switch string(key) {
		case "uuid":
			id = v
		case "display_name":
			display = v
		}
	})
	uuid, ok := readUUID(id)
	if !ok {
		return "", ""
	}
	name, _ = display.Text()
	if p.seen[uuid] {
		return uuid, name
	}
	if p.seen == nil {
		p.seen = map[string]bool{}
	}
	p.seen[uuid] = true
	if o, _, ok := convertUser(j); ok {
		p.met = append(p.met, o)
	}
	return uuid, name
}

// descriptionLength is how much of a description becomes a property (reference/jupiterone.md 1.2); the whole text is
// in the raw object.
const descriptionLength = 80

// convertPullRequest converts a pull request of the repository that was listed.
func convertPullRequest(j bitbucket.JSON, repo bitbucket.RepoRef, met *people) (graph.Object, *record, bool) {
	w := readPullRequest(j)
	n, ok := w.id.Integer()
	if !ok || n <= 0 {
		return graph.Object{}, nil, false
	}
	r := newRecord(40)
	key := repo.Key + ":pr:" + strconv.FormatInt(n, 10)
	r.props["id"] = n
	if repo.WorkspaceUUID != "" {
		r.props["accountId"] = repo.WorkspaceUUID
	}
	r.props["repoId"] = repo.UUID
	if title := r.text("title", w.title); title != "" {
		r.props["name"] = title
	} else if _, known := r.props["title"]; known {
		r.props["name"] = nil
	}
	description := w.description
	if description.Missing() {
		description = inner(w.summary, "raw")
	}
	if text := r.text("description", description); text != "" {
		r.props["description"] = string(bitbucket.MaskSecrets([]byte(shorten(text, descriptionLength))))
	}
	if state := r.text("state", w.state); state != "" {
		r.props["open"] = state == "OPEN"
		r.props["merged"] = state == "MERGED"
		r.props["declined"] = state == "DECLINED"
	}
	r.flag("draft", w.draft)
	source, target := readEndpoint(w.source), readEndpoint(w.destination)
	r.text("source", inner(source.branch, "name"))
	r.text("sourceCommit", inner(source.commit, "hash"))
	r.uuid("sourceRepoId", source.repository)
	r.text("target", inner(target.branch, "name"))
	r.text("targetCommit", inner(target.commit, "hash"))
	r.text("mergeCommit", inner(w.mergeCommit, "hash"))
	repoName, _ := inner(target.repository, "name").Text()
	if id, ok := readUUID(inner(target.repository, "uuid")); ok && id != repo.UUID {
		r.oddly("destination", "another repository than the one listed")
		repoName = ""
	}
	repoName = firstOf(repoName, repo.Name, repo.Slug)
	if repoName != "" {
		r.props["repository"] = repoName
	}
	r.flag("closeSourceBranch", w.closeSourceBranch)
	r.text("declineReason", w.reason)
	author := r.person("authorId", "author", w.author, met)
	r.person("closedById", "closedBy", w.closedBy, met)
	r.number("taskCount", w.taskCount)
	r.number("commentCount", w.commentCount)
	r.link(w.links)
	r.time("createdOn", w.createdOn)
	revision := r.time("updatedOn", w.updatedOn)

	o := graph.Object{
		Entity: graph.Entity{
			Key: key, Type: graph.TypePullRequest, Name: repoName + "/" + strconv.FormatInt(n, 10), Properties: r.props,
			Home: repo.Key, Repo: repo.Key, Project: repo.ProjectKey, Source: graph.Provider, Revision: revision, Raw: bitbucket.Scrub(j),
		},
		Relationships: []graph.Relationship{{From: repo.Key, Verb: graph.Has, To: key}},
	}
	switch {
	case author != "":
		o.Relationships = append(o.Relationships, graph.Relationship{From: userKey(author), Verb: graph.Opened, To: key})
	case !w.author.Null(): // missing or unreadable, which says nothing; null says that the account is gone
		o.UnknownVerbs = append(o.UnknownVerbs, graph.Opened)
	}
	reviews(&o, r, w, author, met)
	return o, r, true
}

// person sets the id and name of somebody mentioned; both are absent where the account is gone.
func (r *record) person(idName, textName string, j bitbucket.JSON, met *people) string {
	switch {
	case j.Missing():
		return ""
	case j.Null():
		r.props[idName], r.props[textName] = nil, nil
		return ""
	}
	uuid, name := met.meet(j)
	if uuid == "" {
		r.oddly(idName, "no account with a UUID")
		return ""
	}
	r.props[idName] = uuid
	if name != "" {
		r.props[textName] = name
	}
	return uuid
}

// review is what is known about one person and one pull request.
type review struct {
	uuid, name                 string
	requested, acted, approved bool
	state                      any
	participatedOn             any
}

// reviews sets who was asked and who acted. The list of pull requests tells only when asked by fields (FACTS 57);
// where participants are missing nothing is known about reviews and approvals, which is not the same as none.
// Lists are sorted by id, because the order of an answer means nothing and must not make a version.
func reviews(o *graph.Object, r *record, w pullRequest, author string, met *people) {
	var list []review
	find := func(uuid, name string) *review {
		for i := range list {
			if list[i].uuid == uuid {
				return &list[i]
			}
		}
		list = append(list, review{uuid: uuid, name: name})
		return &list[len(list)-1]
	}
	askedKnown := w.reviewers.Elements(func(j bitbucket.JSON) {
		if uuid, name := met.meet(j); uuid != "" {
			find(uuid, name).requested = true
		}
	})
	actedKnown := w.participants.Elements(func(j bitbucket.JSON) {
		p := readParticipant(j)
		uuid, name := met.meet(p.user)
		if uuid == "" {
			return // an account that is gone; nothing can be linked
		}
		v := find(uuid, name)
		if role, _ := p.role.Text(); role == "REVIEWER" && !askedKnown {
			v.requested = true
		}
		if approved, _ := p.approved.Flag(); approved {
			v.approved, v.acted = true, true
		}
		if state, ok := p.state.Text(); ok && state != "" {
			v.state, v.acted = state, true
			v.approved = v.approved || state == "approved"
		}
		if t, ok := p.participatedOn.Time(); ok {
			v.participatedOn, v.acted = t, true
		}
	})
	for _, odd := range []struct {
		name string
		v    bitbucket.JSON
	}{{"reviewers", w.reviewers}, {"participants", w.participants}} {
		if !odd.v.Missing() && !odd.v.Null() && !odd.v.IsArray() {
			r.oddly(odd.name, "no list")
		}
	}
	slices.SortFunc(list, func(a, b review) int { return strings.Compare(a.uuid, b.uuid) })
	if askedKnown || actedKnown {
		r.names("reviewerIds", "reviewers", list, func(v review) bool { return v.requested })
	}
	if !actedKnown {
		o.UnknownVerbs = append(o.UnknownVerbs, graph.Reviewed, graph.Approved)
		return
	}
	r.names("approverIds", "approvers", list, func(v review) bool { return v.approved })
	for _, v := range list {
		if v.approved {
			o.Relationships = append(o.Relationships, graph.Relationship{From: userKey(v.uuid), Verb: graph.Approved, To: o.Entity.Key})
		}
		if !v.requested && (!v.acted || (v.uuid == author && v.state == nil && !v.approved)) {
			continue // only mentioned, or the author who took part in the talk: neither is a review
		}
		o.Relationships = append(o.Relationships, graph.Relationship{
			From: userKey(v.uuid), Verb: graph.Reviewed, To: o.Entity.Key,
			Properties: graph.Properties{"requested": v.requested, "acted": v.acted, "state": v.state, "participatedOn": v.participatedOn},
		})
	}
}

// names sets two parallel lists, of ids and of names.
func (r *record) names(idName, textName string, list []review, keep func(review) bool) {
	ids, names := []any{}, []any{}
	for _, v := range list {
		if keep(v) {
			ids = append(ids, v.uuid)
			names = append(names, v.name)
		}
	}
	r.props[idName], r.props[textName] = ids, names
}

// shorten returns the first n characters of a text.
func shorten(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for i := range s {
		if n == 0 {
			return s[:i]
		}
		n--
	}
	return s
}
