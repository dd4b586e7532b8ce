package cloud

import (
	"slices"
	"strconv"
	"strings"

	"github.com/windlass-hq/windlass/internal/bitbucket"
	"github.com/windlass-hq/windlass/internal/graph"
)

// people collects everybody who is mentioned in one listing, each once.
type people struct {
	met  []graph.Object
	seen map[string]*person // by the UUID as it was written
}

// person is somebody who was met.
type person struct {
	uuid, key string
	name      string
	box       any // uuid, boxed once, since it stands in many lists
	nameBox   any
}

// meet adds the account, and returns who it is; nil where it has no identity.
func (p *people) meet(j bitbucket.JSON) *person {
	if !j.IsObject() {
		return nil
	}
	id := j.Get("uuid")
	if known := p.seen[string(id)]; known != nil {
		return known
	}
	uuid, ok := readUUID(id)
	if !ok {
		return nil
	}
	o, _, ok := convertUser(j)
	if !ok {
		return nil
	}
	p.met = append(p.met, o)
	name, _ := o.Entity.Properties["name"].(string)
	known := &person{uuid: uuid, key: o.Entity.Key, name: name, box: uuid, nameBox: name}
	if p.seen == nil {
		p.seen = map[string]*person{}
	}
	p.seen[string(id)] = known
	return known
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
		r.props["description"] = bitbucket.MaskSecrets(shorten(text, descriptionLength))
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
		Relationships: append(make([]graph.Relationship, 0, 6), graph.Relationship{From: repo.Key, Verb: graph.Has, To: key}),
	}
	switch {
	case author != nil:
		o.Relationships = append(o.Relationships, graph.Relationship{From: author.key, Verb: graph.Opened, To: key})
	case !w.author.Null(): // missing or unreadable, which says nothing; null says that the account is gone
		o.UnknownVerbs = append(o.UnknownVerbs, graph.Opened)
	}
	reviews(&o, r, w, author, met)
	return o, r, true
}

// person sets the id and name of somebody mentioned; both are absent where the account is gone.
func (r *record) person(idName, textName string, j bitbucket.JSON, met *people) *person {
	switch {
	case j.Missing():
		return nil
	case j.Null():
		r.props[idName], r.props[textName] = nil, nil
		return nil
	}
	who := met.meet(j)
	if who == nil {
		r.oddly(idName, "no account with a UUID")
		return nil
	}
	r.props[idName] = who.box
	if who.name != "" {
		r.props[textName] = who.nameBox
	}
	return who
}

// review is what is known about one person and one pull request.
type review struct {
	who                        *person
	requested, acted, approved bool
	state                      any
	participatedOn             any
}

// reviews sets who was asked and who acted. The list of pull requests tells only when asked by fields (FACTS 57);
// where participants are missing nothing is known about reviews and approvals, which is not the same as none.
// Lists are sorted by id, because the order of an answer means nothing and must not make a version.
func reviews(o *graph.Object, r *record, w pullRequest, author *person, met *people) {
	list := make([]review, 0, 8)
	find := func(who *person) *review {
		for i := range list {
			if list[i].who.uuid == who.uuid {
				return &list[i]
			}
		}
		list = append(list, review{who: who})
		return &list[len(list)-1]
	}
	askedKnown := w.reviewers.Elements(func(j bitbucket.JSON) {
		if who := met.meet(j); who != nil {
			find(who).requested = true
		}
	})
	actedKnown := w.participants.Elements(func(j bitbucket.JSON) {
		p := readParticipant(j)
		who := met.meet(p.user)
		if who == nil {
			return // an account that is gone; nothing can be linked
		}
		v := find(who)
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
	r.listOrOdd("reviewers", w.reviewers)
	r.listOrOdd("participants", w.participants)
	slices.SortFunc(list, func(a, b review) int { return strings.Compare(a.who.uuid, b.who.uuid) })
	if askedKnown || actedKnown {
		r.names("reviewerIds", "reviewers", list, func(v *review) bool { return v.requested })
	}
	if !actedKnown {
		o.UnknownVerbs = append(o.UnknownVerbs, graph.Reviewed, graph.Approved)
		return
	}
	r.names("approverIds", "approvers", list, func(v *review) bool { return v.approved })
	for _, v := range list {
		if v.approved {
			o.Relationships = append(o.Relationships, graph.Relationship{From: v.who.key, Verb: graph.Approved, To: o.Entity.Key})
		}
		own := author != nil && v.who.uuid == author.uuid
		if !v.requested && (!v.acted || own && v.state == nil && !v.approved) {
			continue // only mentioned, or the author who took part in the talk: neither is a review
		}
		o.Relationships = append(o.Relationships, graph.Relationship{
			From: v.who.key, Verb: graph.Reviewed, To: o.Entity.Key,
			Properties: graph.Properties{"requested": v.requested, "acted": v.acted, "state": v.state, "participatedOn": v.participatedOn},
		})
	}
}

// listOrOdd notes a value that should be a list and is not.
func (r *record) listOrOdd(name string, v bitbucket.JSON) {
	if !v.Missing() && !v.Null() && !v.IsArray() {
		r.oddly(name, "no list")
	}
}

// names sets two parallel lists, of ids and of names.
func (r *record) names(idName, textName string, list []review, keep func(*review) bool) {
	n := 0
	for i := range list {
		if keep(&list[i]) {
			n++
		}
	}
	ids, names := make([]any, 0, n), make([]any, 0, n)
	for i := range list {
		if keep(&list[i]) {
			ids = append(ids, list[i].who.box)
			names = append(names, list[i].who.nameBox)
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
