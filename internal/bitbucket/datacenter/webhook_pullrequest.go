package datacenter

import (
	"strings"

	"github.com/windlass-hq/windlass/internal/bitbucket"
	"github.com/windlass-hq/windlass/internal/graph"
)

// readPullRequestOf converts the pull request of the body, as it stands in the repository that it goes into, and notes
// what the event is about.
func (e *event) readPullRequestOf() (graph.Object, bitbucket.Ref, error) {
	j := e.body.pullRequest
	if !j.IsObject() {
		return graph.Object{}, bitbucket.Ref{}, e.unfit("it has no pull request")
	}
	repo, err := e.about(bitbucket.Inner(j, "toRef", "repository"))
	if err != nil {
		return graph.Object{}, bitbucket.Ref{}, err
	}
	o, r, ok := e.keys.convertPullRequest(j, repo, e.people)
	if !ok {
		return graph.Object{}, bitbucket.Ref{}, e.unfit("its pull request has no number")
	}
	e.out.Page.Note(e.what(), 0, o.Entity.Key, r, true)
	ref := bitbucket.Ref{Type: graph.TypePullRequest, Key: o.Entity.Key, Project: repo.Project, Slug: repo.Slug, Name: repo.Name}
	return o, ref, nil
}

// show applies what the body shows; confirm reads it again, because a webhook alone does not prove it.
func (e *event) show(o graph.Object) { e.out.Page.Objects = append(e.out.Page.Objects, o) }

func (e *event) confirm(ref bitbucket.Ref) { e.out.Fetch = append(e.out.Fetch, ref) }

// pullRequestChanged reads what was opened or updated. A change of title, description or target has one key; which of
// them it was, the previous values tell (FACTS 153).
func (e *event) pullRequestChanged() error {
	o, _, err := e.readPullRequestOf()
	if err != nil {
		return err
	}
	e.show(o)
	e.extra.Text("previousTitle", e.body.oldTitle)
	e.extra.Description("previousDescription", e.body.oldDescription)
	e.extra.Object("previousTarget", e.body.oldTarget)
	if e.body.oldTarget.IsObject() {
		at := readRef(e.body.oldTarget)
		branch(e.extra, "previousTarget", at)
		e.extra.Text("previousTargetCommit", at.latestCommit)
	}
	e.extra.Text("previousSourceCommit", e.body.oldFrom)
	e.extra.Text("previousTargetCommit", e.body.oldTo)
	return nil
}

// pullRequestComment reads a comment, whose text stays in the delivery.
func (e *event) pullRequestComment() error {
	o, _, err := e.readPullRequestOf()
	if err != nil {
		return err
	}
	e.show(o)
	return e.remark()
}

// remark notes the comment of the body.
func (e *event) remark() error {
	c := readRemark(e.body.comment)
	id, ok := readID(c.id)
	if !ok {
		return e.unfit("it has no comment with an id")
	}
	e.extra.Props["comment"] = id
	if parent, ok := readID(e.body.commentParent); ok {
		e.extra.Props["commentParent"] = parent
	}
	e.person("commentAuthor", e.people.Meet(c.author))
	e.extra.Moment("commentCreatedOn", c.created)
	e.extra.Moment("commentUpdatedOn", c.updated)
	e.extra.Text("commentSeverity", c.severity)
	e.extra.Text("commentState", c.state)
	return nil
}

// reviewersChanged reads who is asked to review now.
func (e *event) reviewersChanged() error {
	o, ref, err := e.readPullRequestOf()
	if err != nil {
		return err
	}
	e.show(o)
	e.confirm(ref)
	for _, list := range []struct {
		name  string
		value bitbucket.JSON
	}{{"addedReviewers", e.body.added}, {"removedReviewers", e.body.removed}} {
		e.extra.List(list.name, list.value)
		var who []any
		list.value.Elements(func(v bitbucket.JSON) {
			if p := e.people.Meet(v); p != nil {
				who = append(who, p.Key)
			}
		})
		if who != nil {
			e.extra.Props[list.name] = who
		}
	}
	return nil
}

// reviewed reads the judgement of one person. When it was made only the event tells: lists do not (FACTS 129).
func (e *event) reviewed() error {
	o, ref, err := e.readPullRequestOf()
	if err != nil {
		return err
	}
	if !e.body.participant.IsObject() {
		return e.unfit("it names nobody who reviewed")
	}
	e.show(o)
	e.confirm(ref)
	p := readParticipant(e.body.participant)
	e.person("reviewer", e.people.Meet(p.user))
	if status := e.extra.Text("status", p.status); status != "" {
		e.extra.Props["status"] = strings.ToLower(status)
	}
	if status := e.extra.Text("previousStatus", e.body.previousStatus); status != "" {
		e.extra.Props["previousStatus"] = strings.ToLower(status)
	}
	e.extra.Text("revision", p.lastReviewed)
	e.extra.Moment("reviewedOn", e.body.date)
	return nil
}

// pullRequestClosed reads what was merged or declined, and by whom, which no list tells.
func (e *event) pullRequestClosed() error {
	o, ref, err := e.readPullRequestOf()
	if err != nil {
		return err
	}
	want, on := "MERGED", "mergedOn"
	if e.out.Key == "pr:declined" {
		want, on = "DECLINED", "declinedOn"
	}
	if state, known := e.body.pullRequest.Get("state").Text(); known && state != want {
		return e.unfit("its pull request is " + shown(state))
	}
	if who := e.actor(); who != nil {
		o.Entity.Properties["closedById"] = who.ID
		if who.Name != "" {
			o.Entity.Properties["closedBy"] = who.Name
		}
		e.extra.Props["closedBy"] = who.Key
	}
	if at, ok := o.Entity.Properties["closedOn"].(int64); ok {
		e.extra.Props[on] = at
	} else if at, ok := e.body.date.Moment(); ok {
		e.extra.Props[on] = at
	}
	e.show(o)
	e.confirm(ref)
	return nil
}

// pullRequestDeleted reads what is said to be gone. The body shows it as it was, which is not applied: it would open
// again what was closed before.
func (e *event) pullRequestDeleted() error {
	_, ref, err := e.readPullRequestOf()
	if err != nil {
		return err
	}
	e.confirm(ref)
	e.person("deletedBy", e.actor())
	e.extra.Moment("deletedOn", e.body.date)
	return nil
}
