package datacenter

import (
	"bytes"
	"strconv"
	"strings"
	"time"

	"github.com/windlass-hq/windlass/internal/bitbucket"
	"github.com/windlass-hq/windlass/internal/fault"
	"github.com/windlass-hq/windlass/internal/graph"
)

// keyLength is how much of an unknown key a message shows.
const keyLength = 60

// decoders returns what reads the body of an event key. Two keys have a second spelling, of which one manual each
// knows (FACTS 146).
func decoders() map[string]func(*event) error {
	return map[string]func(*event) error{
		"diagnostics:ping": (*event).ping,

		"project:modified": (*event).projectModified,

		"repo:refs_changed":    (*event).refsChanged,
		"repo:modified":        (*event).repositoryModified,
		"repo:forked":          (*event).forked,
		"repo:comment:added":   (*event).commitComment,
		"repo:comment:edited":  (*event).commitComment,
		"repo:comment:deleted": (*event).commitComment,
		"repo:secret_detected": (*event).secretDetected,

		"mirror:repo_synchronized": (*event).mirrored,

		"pr:opened":              (*event).pullRequestChanged,
		"pr:from_ref_updated":    (*event).pullRequestChanged,
		"pr:to_ref_updated":      (*event).pullRequestChanged,
		"pr:modified":            (*event).pullRequestChanged,
		"pr:comment:added":       (*event).pullRequestComment,
		"pr:comment:edited":      (*event).pullRequestComment,
		"pr:comment:deleted":     (*event).pullRequestComment,
		"pr:reviewer:updated":    (*event).reviewersChanged,
		"pr:reviewer:approved":   (*event).reviewed,
		"pr:reviewer:unapproved": (*event).reviewed,
		needsWork:                (*event).reviewed,
		"pr:merged":              (*event).pullRequestClosed,
		"pr:declined":            (*event).pullRequestClosed,
		"pr:deleted":             (*event).pullRequestDeleted,
	}
}

const needsWork = "pr:reviewer:needs_work"

// usual returns the usual spelling of a key.
func usual(key string) string {
	switch key {
	case "proj:modified":
		return "project:modified"
	case "pr:reviewer:changes_requested":
		return needsWork
	}
	return key
}

// Decode reads the body of a delivery of the instance with the given id. It needs no client and sends nothing.
//
// The key is that of the header, which is not signed; the body, which is, names its key too, and where the two differ
// the delivery is refused. An error is a fault.Invalid that names the key.
//
// A pull request becomes what its listing would make of it, so that neither undoes the other. Only who closed it is
// added, which no listing tells. The project and the repository of an event come in a short form here, in which what is
// missing need not be absent, so that they are in Event.Repo and never in the page.
func Decode(instance, key string, body []byte) (bitbucket.Event, error) {
	if instance == "" || strings.ContainsAny(instance, ":|") {
		return bitbucket.Event{}, fault.New(fault.Internal, "%q is no id of an instance", instance)
	}
	j := bitbucket.JSON(bytes.TrimSpace(body))
	if !j.IsObject() || !j.Valid() {
		return bitbucket.Event{}, fault.New(fault.Invalid, "the body of a delivery of %s is no JSON object", shown(key)).
			With("something between Bitbucket and here may change or cut what is sent")
	}
	k := keys{instance}
	e := &event{keys: k, body: readDelivery(j), people: bitbucket.NewPeople("id", k.convertUser), extra: bitbucket.NewRecord(4)}
	e.out.Key = key
	if e.ofAddOn() {
		return bitbucket.Event{}, fault.New(fault.Invalid, "the delivery of %s comes from the add-on Post Webhooks for Bitbucket, whose bodies say other things than Bitbucket's own", shown(key)).
			With("make the webhook under Repository settings > Webhooks, and remove the one under Post Webhooks")
	}
	decode := decoders()[usual(key)]
	if decode == nil {
		return bitbucket.Event{}, fault.New(fault.Invalid, "Bitbucket Data Center has no event %s that Windlass knows", shown(key)).
			With("choose the events in the webhook that Windlass asks for; a newer version of Windlass may know more")
	}
	if own, known := e.body.eventKey.Text(); known && usual(own) != usual(key) {
		return bitbucket.Event{}, fault.New(fault.Invalid, "the header of a delivery says %s, and its body %s", shown(key), shown(own)).
			With("whatever forwards deliveries must keep the header X-Event-Key as it is")
	}
	if err := decode(e); err != nil {
		return bitbucket.Event{}, err
	}
	return e.finish(), nil
}

// shown is a foreign text as a message may hold it.
func shown(text string) string {
	if len(text) > keyLength {
		text = strings.ToValidUTF8(text[:keyLength], "") + "…"
	}
	return strconv.QuoteToGraphic(text)
}

// event is a delivery that is being read.
type event struct {
	keys   keys
	body   delivery
	people *bitbucket.People
	extra  *bitbucket.Record
	out    bitbucket.Event
}

// ofAddOn reports whether the body is one of the add-on Post Webhooks, which look like those of Bitbucket Cloud
// (FACTS 154).
func (e *event) ofAddOn() bool {
	return e.out.Key == "repo:push" || strings.HasPrefix(e.out.Key, "pullrequest:") ||
		e.body.push.IsObject() || e.body.cloudRequest.IsObject()
}

// unfit refuses a body that lacks what its key promises.
func (e *event) unfit(why string) error {
	return fault.New(fault.Invalid, "the body of a delivery does not fit its key %s: %s", shown(e.out.Key), why).
		With("nothing was taken from it; what it was about is read with the next run")
}

// what names the delivery in notes about what is odd in it.
func (e *event) what() string { return "a delivery of " + e.out.Key }

// actor returns who did it; nil where nobody can be told, as with what a mirror or the system did.
func (e *event) actor() *bitbucket.Person { return e.people.Meet(e.body.actor) }

// finish adds what all bodies have.
func (e *event) finish() bitbucket.Event {
	e.extra.Object("actor", e.body.actor)
	if at, ok := e.body.date.Moment(); ok {
		e.out.At = time.UnixMilli(at).UTC()
	} else if !e.body.date.Missing() && !e.body.date.Null() {
		e.extra.Oddly("date", "no time")
	}
	if who := e.actor(); who != nil {
		e.out.Actor = who.Key
	}
	e.out.Page.Met = append(e.out.Page.Met, e.people.Take()...)
	e.out.Page.Note(e.what(), 0, e.what(), e.extra, true)
	if len(e.extra.Props) > 0 {
		e.out.Extra = e.extra.Props
	}
	return e.out
}

// ping is a test of the connection (FACTS 150).
func (e *event) ping() error {
	if !e.body.repository.Missing() || !e.body.pullRequest.Missing() {
		return e.unfit("it tells of more than a test of the connection")
	}
	e.out.Ping = true
	return nil
}

// about sets the repository that the event is about.
func (e *event) about(v bitbucket.JSON) (bitbucket.RepoRef, error) {
	res, _, ok := e.keys.convertRepository(v)
	if !ok {
		return bitbucket.RepoRef{}, e.unfit("it names no repository with an id")
	}
	e.out.Account, e.out.Project, e.out.Repository, e.out.Repo = e.keys.instance(), res.ref.ProjectKey, res.ref.Key, res.ref
	return res.ref, nil
}

// fetch asks for a repository to be read.
func (e *event) fetch(r bitbucket.RepoRef) {
	e.out.Fetch = append(e.out.Fetch, bitbucket.Ref{Type: graph.TypeRepo, Key: r.Key, Project: r.Project, Slug: r.Slug, Name: r.Name})
}

// person notes somebody by graph key.
func (e *event) person(name string, who *bitbucket.Person) {
	if who != nil {
		e.extra.Props[name] = who.Key
	}
}
