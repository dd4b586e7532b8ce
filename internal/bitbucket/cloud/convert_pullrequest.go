package cloud

import (
	"cmp"
	"strconv"

	"github.com/windlass-hq/windlass/internal/bitbucket"
	"github.com/windlass-hq/windlass/internal/graph"
)

// newPeople collects the accounts that a listing mentions.
func newPeople() *bitbucket.People { return bitbucket.NewPeople("uuid", convertUser) }

// convertPullRequest converts a pull request of the repository that was listed.
func convertPullRequest(j bitbucket.JSON, repo bitbucket.RepoRef, met *bitbucket.People) (graph.Object, *bitbucket.Record, bool) {
	w := readPullRequest(j)
	n, ok := w.id.Integer()
	if !ok || n <= 0 {
		return graph.Object{}, nil, false
	}
	r := bitbucket.NewRecord(40)
	key := repo.Key + ":pr:" + strconv.FormatInt(n, 10)
	r.Props["id"] = n
	if repo.WorkspaceUUID != "" {
		r.Props["accountId"] = repo.WorkspaceUUID
	}
	r.Props["repoId"] = repo.UUID
	if title := r.Text("title", w.title); title != "" {
		r.Props["name"] = title
	} else if _, known := r.Props["title"]; known {
		r.Props["name"] = nil
	}
	description := w.description
	if description.Missing() {
		description = bitbucket.Inner(w.summary, "raw")
	}
	r.Description("description", description)
	if state := r.Text("state", w.state); state != "" {
		r.Props["open"] = state == "OPEN"
		r.Props["merged"] = state == "MERGED"
		r.Props["declined"] = state == "DECLINED"
	}
	r.Flag("draft", w.draft)
	source, target := readEndpoint(w.source), readEndpoint(w.destination)
	r.Text("source", bitbucket.Inner(source.branch, "name"))
	r.Text("sourceCommit", bitbucket.Inner(source.commit, "hash"))
	setUUID(r, "sourceRepoId", source.repository)
	r.Text("target", bitbucket.Inner(target.branch, "name"))
	r.Text("targetCommit", bitbucket.Inner(target.commit, "hash"))
	r.Text("mergeCommit", bitbucket.Inner(w.mergeCommit, "hash"))
	repoName, _ := bitbucket.Inner(target.repository, "name").Text()
	if id, ok := readUUID(bitbucket.Inner(target.repository, "uuid")); ok && id != repo.UUID {
		r.Oddly("destination", "another repository than the one listed")
		repoName = ""
	}
	repoName = cmp.Or(repoName, repo.Name, repo.Slug)
	if repoName != "" {
		r.Props["repository"] = repoName
	}
	r.Flag("closeSourceBranch", w.closeSourceBranch)
	r.Text("declineReason", w.reason)
	author := r.Person("authorId", "author", w.author, met)
	r.Person("closedById", "closedBy", w.closedBy, met)
	r.Number("taskCount", w.taskCount)
	r.Number("commentCount", w.commentCount)
	setLink(r, w.links)
	r.Time("createdOn", w.createdOn)
	revision := r.Time("updatedOn", w.updatedOn)

	o := graph.Object{
		Entity: graph.Entity{
			Key: key, Type: graph.TypePullRequest, Name: repoName + "/" + strconv.FormatInt(n, 10), Properties: r.Props,
			Home: repo.Key, Repo: repo.Key, Project: repo.ProjectKey, Source: graph.Provider, Revision: revision, Raw: bitbucket.Scrub(j),
		},
		Relationships: append(make([]graph.Relationship, 0, 6), graph.Relationship{From: repo.Key, Verb: graph.Has, To: key}),
	}
	switch {
	case author != nil:
		o.Relationships = append(o.Relationships, graph.Relationship{From: author.Key, Verb: graph.Opened, To: key})
	case !w.author.Null(): // missing or unreadable, which says nothing; null says that the account is gone
		o.UnknownVerbs = append(o.UnknownVerbs, graph.Opened)
	}
	reviews(&o, r, w, author, met)
	return o, r, true
}

// reviews sets who was asked and who acted. The list of pull requests tells only when asked by fields (FACTS 57);
// where participants are missing nothing is known about reviews and approvals, which is not the same as none.
// Lists are sorted by id, because the order of an answer means nothing and must not make a version.
func reviews(o *graph.Object, r *bitbucket.Record, w pullRequest, author *bitbucket.Person, met *bitbucket.People) {
	var all bitbucket.Reviews
	askedKnown := w.reviewers.Elements(func(j bitbucket.JSON) {
		if who := met.Meet(j); who != nil {
			all.Of(who).Requested = true
		}
	})
	bare := false // an old form of webhooks lists accounts, which says nothing about who approved
	actedKnown := w.participants.Elements(func(j bitbucket.JSON) {
		p := readParticipant(j)
		bare = bare || p.user.Missing()
		who := met.Meet(p.user)
		if who == nil {
			return // an account that is gone; nothing can be linked
		}
		v := all.Of(who)
		if role, _ := p.role.Text(); role == "REVIEWER" && !askedKnown {
			v.Requested = true
		}
		if approved, _ := p.approved.Flag(); approved {
			v.Approved, v.Acted = true, true
		}
		if state, ok := p.state.Text(); ok && state != "" {
			v.State, v.Acted = state, true
			v.Approved = v.Approved || state == "approved"
		}
		if t, ok := p.participatedOn.Time(); ok {
			v.ParticipatedOn, v.Acted = t, true
		}
	})
	if bare {
		actedKnown = false
		r.Oddly("participants", "a list without the users")
	}
	r.List("reviewers", w.reviewers)
	r.List("participants", w.participants)
	all.Sort()
	if askedKnown || actedKnown {
		all.SetReviewers(r)
	}
	if !actedKnown {
		o.UnknownVerbs = append(o.UnknownVerbs, graph.Reviewed, graph.Approved)
		return
	}
	all.SetApprovals(o, r, author, func(v *bitbucket.Review) {
		v.Reviewed = graph.Properties{"requested": v.Requested, "acted": v.Acted, "state": v.State, "participatedOn": v.ParticipatedOn}
	})
}
