package datacenter

import (
	"cmp"
	"strconv"
	"strings"

	"github.com/windlass-hq/windlass/internal/bitbucket"
	"github.com/windlass-hq/windlass/internal/graph"
)

// convertPullRequest converts a pull request of the repository that was listed, or returns false. The list holds author, reviewers and
// participants in full (FACTS 128), but neither the time of an approval nor who merged it.
func (k keys) convertPullRequest(j bitbucket.JSON, repo bitbucket.RepoRef, met *bitbucket.People) (graph.Object, *bitbucket.Record, bool) {
	w := readPullRequest(j)
	n, ok := w.id.Integer()
	if !ok || n <= 0 {
		return graph.Object{}, nil, false
	}
	number := strconv.FormatInt(n, 10)
	r := bitbucket.NewRecord(32)
	key := repo.Key + ":pr:" + number
	r.Props["id"] = n
	r.Props["accountId"] = k.iid
	r.Props["repoId"] = repo.UUID
	if title := r.Text("title", w.title); title != "" {
		r.Props["name"] = title
	} else if _, known := r.Props["title"]; known {
		r.Props["name"] = nil
	}
	if w.description.Missing() {
		r.Props["description"] = nil // it is left out where there is none
	}
	r.Description("description", w.description)
	if state := r.Text("state", w.state); state != "" {
		r.Props["open"] = state == "OPEN"
		r.Props["merged"] = state == "MERGED"
		r.Props["declined"] = state == "DECLINED"
	}
	r.Flag("draft", w.draft)
	for _, part := range []struct {
		name  string
		value bitbucket.JSON
	}{{"fromRef", w.fromRef}, {"toRef", w.toRef}, {"author", w.author}, {"properties", w.properties}} {
		r.Object(part.name, part.value)
	}
	from, to := readRef(w.fromRef), readRef(w.toRef)
	branch(r, "source", from)
	r.Text("sourceCommit", from.latestCommit)
	sourceRepository(r, from.repository)
	branch(r, "target", to)
	r.Text("targetCommit", to.latestCommit)
	if id, ok := readID(bitbucket.Inner(to.repository, "id")); ok && id != repo.UUID {
		// The path leads to another repository by now, one that was made or moved there.
		r.Oddly("toRef", "in the repository "+id+", which is not the one that was listed ("+repo.UUID+")")
		return graph.Object{}, r, false
	}
	repoName := cmp.Or(repo.Name, repo.Slug)
	if repoName != "" {
		r.Props["repository"] = repoName
	}
	r.Text("mergeCommit", bitbucket.Inner(w.properties, "mergeCommit", "id"))
	r.Number("taskCount", bitbucket.Inner(w.properties, "openTaskCount"))
	r.Number("commentCount", bitbucket.Inner(w.properties, "commentCount"))
	author := r.Person("authorId", "author", bitbucket.Inner(w.author, "user"), met)
	r.Link("webLink", selfLink(w.links))
	r.Moment("createdOn", w.createdDate)
	if r.Props["open"] == true {
		// It may have been opened again. Who closed it is told by events only.
		r.Props["closedById"], r.Props["closedBy"] = nil, nil
		if w.closedDate.Missing() {
			r.Props["closedOn"] = nil
		}
	}
	r.Moment("closedOn", w.closedDate)
	revision := r.Moment("updatedOn", w.updatedDate)

	o := graph.Object{
		Entity: graph.Entity{
			Key: key, Type: graph.TypePullRequest, Name: repoName + "/" + number, Properties: r.Props,
			Home: repo.Key, Repo: repo.Key, Project: repo.ProjectKey, Source: graph.Provider, Revision: revision, Raw: bitbucket.Scrub(j),
		},
		Relationships: append(make([]graph.Relationship, 0, 6), graph.Relationship{From: repo.Key, Verb: graph.Has, To: key}),
	}
	switch {
	case author != nil:
		o.Relationships = append(o.Relationships, graph.Relationship{From: author.Key, Verb: graph.Opened, To: key})
	case w.author.Null() || bitbucket.Inner(w.author, "user").Null(): // the account is gone
	default:
		o.UnknownVerbs = append(o.UnknownVerbs, graph.Opened)
	}
	reviews(&o, r, w, author, met)
	return o, r, true
}

// branch sets the name of a branch, which comes whole and as people see it.
func branch(r *bitbucket.Record, name string, at ref) {
	if r.Text(name, at.displayID) != "" {
		return
	}
	if full, _ := at.id.Text(); full != "" {
		r.Props[name] = strings.TrimPrefix(full, "refs/heads/")
	}
}

// sourceRepository sets where a pull request comes from; a fork may be gone.
func sourceRepository(r *bitbucket.Record, repository bitbucket.JSON) {
	switch id, ok := readID(bitbucket.Inner(repository, "id")); {
	case ok:
		r.Props["sourceRepoId"] = id
	case repository.Null():
		r.Props["sourceRepoId"] = nil
	case !repository.Missing():
		r.Oddly("sourceRepoId", "no id of a repository")
	}
}

// reviews sets who was asked and who acted. Whoever approves becomes a reviewer, so both lists are needed to know who
// did not. A participant has commented or committed; of a reviewer who neither approved nor asked for changes it is not
// known whether they acted.
func reviews(o *graph.Object, r *bitbucket.Record, w pullRequest, author *bitbucket.Person, met *bitbucket.People) {
	var all bitbucket.Reviews
	revisions := map[string]string{}
	read := func(j bitbucket.JSON, asked bool) {
		p := readParticipant(j)
		who := met.Meet(p.user)
		if who == nil {
			return // an account that is gone; nothing can be linked
		}
		v := all.Of(who)
		role, _ := p.role.Text()
		v.Requested = v.Requested || asked || role == "REVIEWER"
		v.Acted = v.Acted || !asked && role != "REVIEWER"
		status, _ := p.status.Text()
		approved, _ := p.approved.Flag()
		if approved || status == "APPROVED" {
			v.Approved, v.Acted, v.State = true, true, "approved"
		} else if status == "NEEDS_WORK" {
			v.Acted, v.State = true, "changes_requested"
		}
		if commit, _ := p.lastReviewed.Text(); commit != "" {
			v.Acted = true
			revisions[who.ID] = commit
		}
	}
	askedKnown := w.reviewers.Elements(func(j bitbucket.JSON) { read(j, true) })
	tookPartKnown := w.participants.Elements(func(j bitbucket.JSON) { read(j, false) })
	r.List("reviewers", w.reviewers)
	r.List("participants", w.participants)
	all.Sort()
	if askedKnown {
		all.SetReviewers(r)
	}
	if !askedKnown || !tookPartKnown {
		o.UnknownVerbs = append(o.UnknownVerbs, graph.Reviewed, graph.Approved)
		return
	}
	all.SetApprovals(o, r, author, func(v *bitbucket.Review) {
		v.Reviewed = graph.Properties{"requested": v.Requested, "state": v.State}
		if v.Acted {
			v.Reviewed["acted"] = true
		}
		if commit := revisions[v.Who.ID]; v.Approved && commit != "" {
			v.Approval = graph.Properties{"revision": commit}
		}
	})
}
