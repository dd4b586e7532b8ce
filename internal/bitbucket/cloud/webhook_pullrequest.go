package cloud

import (
	"cmp"

	"github.com/windlass-hq/windlass/internal/bitbucket"
	"github.com/windlass-hq/windlass/internal/graph"
)

// pullRequest reads an event about a pull request. The body has it as its own address would answer, with participants
// and reviewers (FACTS 96), so it becomes what the listing makes of it. What must not be believed of a webhook alone,
// approvals and the end of a pull request, is read from Bitbucket too (HARD-PARTS B), and so is one that came with
// parts missing.
func (d *delivery) pullRequest() error {
	pr := d.part("pullrequest")
	target := bitbucket.Inner(pr, "destination", "repository")
	repo := d.part("repository")
	if repo.Missing() || repo.Null() {
		repo = target
	}
	if err := d.about(repo); err != nil {
		return err
	}
	if id, ok := readUUID(bitbucket.Inner(target, "uuid")); ok && id != d.out.Repo.UUID {
		return d.unfit("its pull request goes into another repository than the one that it names")
	}
	o, r, ok := convertPullRequest(pr, d.out.Repo, d.people)
	if !ok {
		return d.unfit("its pull request has no number")
	}
	d.out.Page.Objects = []graph.Object{o}
	d.out.Page.Note("the delivery", 0, o.Entity.Key, r, ok)

	read := len(r.Odd()) > 0 || len(o.UnknownVerbs) > 0 || o.Entity.Revision == 0
	switch d.key {
	case eventApproved, eventUnapproved, eventChangesRequested, eventNoChangesRequested, eventMerged, eventDeclined:
		read = true
	}
	if read {
		d.out.Fetch = append(d.out.Fetch, bitbucket.Ref{
			Type: graph.TypePullRequest, Key: o.Entity.Key, Workspace: cmp.Or(d.out.Repo.WorkspaceUUID, d.out.Repo.WorkspaceSlug),
			Project: d.out.Repo.Project, Slug: d.out.Repo.Slug,
		})
	}

	judgement := d.part("approval")
	if judgement.Missing() {
		judgement = d.part("changes_request")
	}
	comment := d.part("comment")
	if who := d.people.Meet(judgement.Get("user")); who != nil {
		d.extra("judge", who.Key)
	}
	d.comment(comment)
	switch d.key {
	case eventOpened:
		d.happened(pr.Get("created_on"), pr.Get("updated_on"))
	case eventCommented:
		d.happened(comment.Get("created_on"), comment.Get("updated_on"))
	case eventCommentUpdated, eventCommentDeleted, eventCommentResolved, eventCommentReopened:
		d.happened(bitbucket.Inner(comment, "resolution", "created_on"), comment.Get("updated_on"), comment.Get("created_on"))
	default:
		d.happened(judgement.Get("date"), pr.Get("updated_on"))
	}
	return nil
}

// comment keeps which comment it is, never what it says.
func (d *delivery) comment(j bitbucket.JSON) {
	d.people.Meet(j.Get("user"))
	if n, ok := j.Get("id").Integer(); ok {
		d.extra("commentId", n)
	}
	if n, ok := bitbucket.Inner(j, "parent", "id").Integer(); ok {
		d.extra("commentParentId", n)
	}
	d.extra("commentPath", text(j, "inline", "path"))
}
