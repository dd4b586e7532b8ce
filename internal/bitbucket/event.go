package bitbucket

import (
	"time"

	"github.com/windlass-hq/windlass/internal/graph"
)

// Event is what the body of one webhook delivery says. Its signature covers the body only (HARD-PARTS B), so the key of
// the event, which comes in a header, is believed as far as the body fits it.
//
// What a body shows whole is in Page, in the form in which the listing of it would bring it; its revision tells whether
// it is newer than what is known. What it does not show, or what must not be believed of a webhook alone (that
// something is gone, approved, merged, or granted), is in Fetch and Lists: those are read from the provider.
type Event struct {
	Key   string    // as the provider calls it
	At    time.Time // when it happened by the provider's clock; zero where the body does not tell
	Actor string    // graph key of who did it; empty where nobody can be told

	// What it is about, for the check against the scope of the hook: graph keys, empty where the body does not tell.
	Account, Project, Repository string

	Repo   RepoRef          // the repository, where it is about one
	Page   Page             // objects to apply, each in the scope of its own listing, and everybody who is met
	Pushes []RefChange      // branches and tags that moved
	Fetch  []Ref            // objects to read directly: they changed, came or went
	Lists  []List           // lists to read again
	Ping   bool             // a test of the connection: it changes nothing
	Ignore string           // why nothing is to be done although the event is known, such as a build status
	Extra  graph.Properties // what the event alone tells, for later capabilities: comment, status
}

// List names one list of a place, by its listing name.
type List struct {
	Place Place
	Name  string
}

// RefChange is a branch or tag that moved.
type RefChange struct {
	Tag       bool
	Name      string // short name
	Old, New  string // hashes; empty where it was created or deleted
	Forced    bool   // what the ref had before is no ancestor of what it has now, where the provider tells
	Truncated bool   // the body does not list all commits
}

// HookSpec is a webhook as it is wanted. The secret goes to Bitbucket and nowhere else.
type HookSpec struct {
	URL, Name string
	Secret    Secret
	Events    []string
	Active    bool
}

// Hook is a webhook as Bitbucket has it.
type Hook struct {
	ID        string
	URL, Name string // the URL whole, since hooks are found by it; it may hold secrets of others
	Events    []string
	Active    bool
	SecretSet *bool // nil where Bitbucket does not tell
	CreatedAt time.Time

	Statistics *HookStatistics // Data Center only, and only where it was asked for
}

// HookStatistics is what a Data Center tells about the deliveries of a hook.
type HookStatistics struct {
	Successes, Failures, Errors int
	LastSuccess, LastFailure    time.Time
	LastFault                   string // outcome of the last one that failed, without anything secret
}
