package cloud

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/windlass-hq/windlass/internal/bitbucket"
	"github.com/windlass-hq/windlass/internal/fault"
	"github.com/windlass-hq/windlass/internal/graph"
)

// The keys of all events of the Cloud (FACTS 92).
const (
	eventPush                = "repo:push"
	eventFork                = "repo:fork"
	eventRepoUpdated         = "repo:updated"
	eventRepoCreated         = "repo:created"
	eventRepoDeleted         = "repo:deleted"
	eventImported            = "repo:imported"
	eventTransfer            = "repo:transfer"
	eventCommitComment       = "repo:commit_comment_created"
	eventStatusCreated       = "repo:commit_status_created"
	eventStatusUpdated       = "repo:commit_status_updated"
	eventOpened              = "pullrequest:created"
	eventChanged             = "pullrequest:updated"
	eventApproved            = "pullrequest:approved"
	eventUnapproved          = "pullrequest:unapproved"
	eventChangesRequested    = "pullrequest:changes_request_created"
	eventNoChangesRequested  = "pullrequest:changes_request_removed"
	eventMerged              = "pullrequest:fulfilled"
	eventDeclined            = "pullrequest:rejected"
	eventSourcePushed        = "pullrequest:push"
	eventCommented           = "pullrequest:comment_created"
	eventCommentUpdated      = "pullrequest:comment_updated"
	eventCommentDeleted      = "pullrequest:comment_deleted"
	eventCommentResolved     = "pullrequest:comment_resolved"
	eventCommentReopened     = "pullrequest:comment_reopened"
	eventIssueCreated        = "issue:created"
	eventIssueUpdated        = "issue:updated"
	eventIssueCommentCreated = "issue:comment_created"
	eventProjectUpdated      = "project:updated"
	eventSpan                = "pipeline:span_created"
)

// shape is what the body of an event looks like and how it is read.
type shape struct {
	// parts are the members that the body must have. Of those that tell one event from another (marks) it may have no
	// others: the signature covers the body only, and a body under the key of another event is not believed.
	parts []string
	read  func(*delivery) error
}

// marks are the members that only some events have (FACTS 95).
func marks() []string {
	return []string{"push", "fork", "commit", "commit_status", "pullrequest", "issue", "approval", "changes_request", "resourceSpans"}
}

// shapeOf returns the shape of an event; false for a key that the vendor does not have.
func shapeOf(key string) (shape, bool) {
	switch key {
	case eventPush:
		return shape{[]string{"repository", "push"}, (*delivery).push}, true
	case eventFork:
		return shape{[]string{"repository", "fork"}, (*delivery).forked}, true
	case eventRepoUpdated:
		return shape{[]string{"repository", "changes"}, (*delivery).repositoryChanged}, true
	case eventRepoCreated, eventRepoDeleted, eventImported:
		return shape{[]string{"repository"}, (*delivery).repositoryChanged}, true
	case eventTransfer:
		return shape{[]string{"repository"}, (*delivery).transferred}, true
	case eventCommitComment:
		return shape{[]string{"repository", "comment", "commit"}, (*delivery).commitComment}, true
	case eventStatusCreated, eventStatusUpdated:
		return shape{[]string{"repository", "commit_status"}, (*delivery).status}, true
	case eventOpened, eventChanged, eventMerged, eventDeclined, eventSourcePushed:
		return shape{[]string{"pullrequest"}, (*delivery).pullRequest}, true
	case eventApproved, eventUnapproved:
		return shape{[]string{"pullrequest", "approval"}, (*delivery).pullRequest}, true
	case eventChangesRequested, eventNoChangesRequested:
		return shape{[]string{"pullrequest", "changes_request"}, (*delivery).pullRequest}, true
	case eventCommented, eventCommentUpdated, eventCommentDeleted, eventCommentResolved, eventCommentReopened:
		return shape{[]string{"pullrequest", "comment"}, (*delivery).pullRequest}, true
	case eventIssueCreated, eventIssueUpdated, eventIssueCommentCreated:
		return shape{[]string{"repository", "issue"}, (*delivery).issue}, true
	case eventProjectUpdated:
		return shape{[]string{"project"}, (*delivery).project}, true
	case eventSpan:
		return shape{[]string{"resourceSpans"}, (*delivery).span}, true
	}
	return shape{}, false
}

// delivery is the body of one webhook delivery while it is read.
type delivery struct {
	key    string
	parts  map[string]bitbucket.JSON // members of the body; of one that repeats the last
	people *bitbucket.People
	out    bitbucket.Event
}

// Decode reads the body of a webhook delivery under the event key of its header. A key that the vendor does not have
// and a body that does not fit its key, that of a Data Center and of its third-party add-on among them (FACTS 154), are
// a fault.Invalid that says so; what a body that fits does not tell stays unknown.
//
// Bodies carry no time of their own (FACTS 95), so At is that of what they tell about, where that has one.
func Decode(key string, body []byte) (bitbucket.Event, error) {
	s, ok := shapeOf(key)
	if !ok {
		return bitbucket.Event{}, fault.New(fault.Invalid, "Bitbucket Cloud has no event %q", printable(key)).
			With("check where the delivery comes from; if Bitbucket has a new event, update Windlass")
	}
	d := &delivery{key: key, parts: map[string]bitbucket.JSON{}, people: newPeople(), out: bitbucket.Event{Key: key}}
	whole := bitbucket.JSON(body)
	if !whole.IsObject() || !whole.Valid() {
		return bitbucket.Event{}, d.unfit("it is no JSON object")
	}
	whole.Each(func(name []byte, v bitbucket.JSON) { d.parts[string(name)] = v })
	if whose := d.foreign(); whose != "" {
		return bitbucket.Event{}, d.unfit("it is that of %s", whose)
	}
	for _, part := range s.parts {
		switch v := d.part(part); {
		case v.Missing():
			return bitbucket.Event{}, d.unfit("it has no %s", part)
		case part == "resourceSpans" && !v.IsArray(), part != "resourceSpans" && !v.IsObject():
			return bitbucket.Event{}, d.unfit("its %s is of another kind", part)
		}
	}
	for _, mark := range marks() {
		if !slices.Contains(s.parts, mark) && !d.part(mark).Missing() {
			return bitbucket.Event{}, d.unfit("it has a %s, as other events have", mark)
		}
	}
	if err := s.read(d); err != nil {
		return bitbucket.Event{}, err
	}
	if who := d.people.Meet(d.part("actor")); who != nil { // null and "former users" without identity are nobody
		d.out.Actor = who.Key
	}
	d.out.Page.Met = append(d.out.Page.Met, d.people.Take()...)
	return d.out, nil
}

// part returns a member of the body.
func (d *delivery) part(name string) bitbucket.JSON { return d.parts[name] }

// foreign says whose body it is that has come to the Cloud's receiver; empty where nothing speaks against the Cloud.
func (d *delivery) foreign() string {
	const addon = "the third-party add-on Post Webhooks for Bitbucket Data Center"
	for _, name := range []string{"eventKey", "pullRequest", "test"} {
		if !d.part(name).Missing() {
			return "a Bitbucket Data Center"
		}
	}
	if !d.part("pullrequest").Get("fromRef").Missing() {
		return addon
	}
	for _, name := range []string{"ownerName", "fullName", "scmId"} {
		if !d.part("repository").Get(name).Missing() {
			return addon
		}
	}
	return ""
}

// unfit is the error for a body that is not that of its event.
func (d *delivery) unfit(format string, args ...any) error {
	e := fault.New(fault.Invalid, format, args...)
	return fault.New(fault.Invalid, "the body of the delivery does not fit the event %s: %s", d.key, e.Message).
		With("check where the delivery comes from, and whether a proxy changes it")
}

// printable makes a key that came from outside fit for a message.
func printable(key string) string {
	if len(key) > 80 {
		key = key[:80] + "…"
	}
	return strings.ToValidUTF8(key, "\uFFFD")
}

// about reads the repository that the event is about, in any of its forms: the short one has its UUID, its names and
// mostly its project and workspace (FACTS 96).
func (d *delivery) about(j bitbucket.JSON) error {
	repo, ok := readRepoRef(j)
	if !ok {
		return d.unfit("its repository has no UUID")
	}
	d.out.Repo, d.out.Repository, d.out.Project = repo, repo.Key, repo.ProjectKey
	if repo.WorkspaceUUID != "" {
		d.out.Account = thingKey(repo.WorkspaceUUID)
	}
	return nil
}

// readRepoRef reads how to ask for a repository from any of its forms.
func readRepoRef(j bitbucket.JSON) (bitbucket.RepoRef, bool) {
	w := readRepository(j)
	id, ok := readUUID(w.uuid)
	if !ok {
		return bitbucket.RepoRef{}, false
	}
	full, _ := w.fullName.Text()
	full = strings.ToLower(full)
	owner, last, _ := strings.Cut(full, "/")
	slug, _ := w.slug.Text()
	slug = cmp.Or(slug, last)
	name, _ := w.name.Text()
	repo := bitbucket.RepoRef{Key: thingKey(id), UUID: id, Slug: slug, Name: bitbucket.MaskSecrets(cmp.Or(name, slug)), FullName: full}
	repo.WorkspaceUUID, _ = readUUID(bitbucket.Inner(w.workspace, "uuid"))
	repo.WorkspaceSlug, _ = bitbucket.Inner(w.workspace, "slug").Text()
	repo.WorkspaceSlug = cmp.Or(repo.WorkspaceSlug, owner)
	if project, ok := readUUID(bitbucket.Inner(w.project, "uuid")); ok {
		repo.ProjectKey = thingKey(project)
		repo.Project, _ = bitbucket.Inner(w.project, "key").Text()
	}
	repo.UpdatedOn, _ = w.updatedOn.Time()
	return repo, true
}

// refOf names a repository for a direct read.
func refOf(repo bitbucket.RepoRef) bitbucket.Ref {
	return bitbucket.Ref{
		Type: graph.TypeRepo, Key: repo.Key, Workspace: cmp.Or(repo.WorkspaceUUID, repo.WorkspaceSlug), Project: repo.Project, Slug: repo.Slug, Name: repo.Name,
	}
}

// happened takes the first of the times that can be read as the time of the event.
func (d *delivery) happened(at ...bitbucket.JSON) {
	for _, v := range at {
		if ms, ok := v.Time(); ok {
			d.out.At = time.UnixMilli(ms).UTC()
			return
		}
	}
}

// extra keeps what only the event tells, for later capabilities. Texts that people write may hold addresses with
// secrets.
func (d *delivery) extra(name string, value any) {
	if s, ok := value.(string); ok {
		value = bitbucket.MaskSecrets(s)
	}
	if value == nil || value == "" {
		return
	}
	if d.out.Extra == nil {
		d.out.Extra = graph.Properties{}
	}
	d.out.Extra[name] = value
}

// text returns a text, or "".
func text(j bitbucket.JSON, path ...string) string {
	s, _ := j.Get(path...).Text()
	return s
}
