package sync

import (
	"context"
	"time"

	"github.com/windlass-hq/windlass/internal/bitbucket"
	"github.com/windlass-hq/windlass/internal/graph"
	"github.com/windlass-hq/windlass/internal/store"
)

// Reader reads one connection's Bitbucket. Both products come in this form, so the engine knows neither.
type Reader interface {
	// Accounts returns the workspaces (or the instance) that the connection covers. An account that cannot be read
	// is in the list with its Err; the error is for a failure that leaves nothing to read at all.
	Accounts(ctx context.Context) ([]Account, error)
	// PullRequests returns the listing of a repository's pull requests: all of them, or with
	// a time those that are open or were updated since.
	PullRequests(repo bitbucket.RepoRef, since time.Time) Listing
	// Poll returns what is asked often and costs little: the projects of an account, and where the provider can tell, the
	// repositories that were updated since a moment, which are no listing to prove absence by.
	Poll(account bitbucket.Place, since time.Time) (projects Listing, recent Listing, ok bool)
	// Settings returns the lists of what administrators have set in a place, in the order in which they are to be read;
	// none where it can have none. It asks nothing.
	Settings(place bitbucket.Place) []Listing
	// Allowance returns how many calls an hour are granted to all credentials together; 0 where nobody says.
	Allowance() int
	// Fetch reads one object as its listing would bring it; fault.NotFound where it is gone or not to be seen.
	Fetch(ctx context.Context, ref bitbucket.Ref) (bitbucket.Page, error)
	// Outside says of an object whether the connection does not cover it, such as since its owner chose other projects.
	Outside(e graph.Entity) bool
	// Exists reads one object directly, to tell a deleted one from one that a listing merely missed.
	Exists(ctx context.Context, ref bitbucket.Ref) (bitbucket.Presence, error)
	// Principals returns who reads for this connection, by the names that pages carry, and why one does not any more.
	Principals() map[string]error
	// Calls returns how many REST calls this reader has sent so far.
	Calls() int64
	// Close gives back what was reserved of the allowances and ends connections, once a run is over.
	Close()
}

// Account is a workspace or an instance with what can be listed in it.
type Account struct {
	Key      string // key of its entity
	Name     string // slug or host, for people
	Page     bitbucket.Page
	Listings []Listing // in the order in which they are to be read: parents first
	Err      error     // why it could not be read
}

// Listing is one list whose complete reading proves what is no longer there.
type Listing struct {
	Parent string // key of the entity it lists under
	Name   string // such as "repositories"; parent and name make the scope
	Title  string // for people, such as "repositories of acme"
	// Direct says that each member can be read directly, so that absence is confirmed by one read; otherwise a
	// second complete listing confirms it (HARD-PARTS A, closing with care).
	Direct bool
	// Owned says that the members are nowhere else, so that absence from it twice means deleted and not that we see them
	// no more.
	Owned bool
	// Needs is what reading it takes of a credential. Lists of one place that need the same are refused alike.
	Needs string
	// Repo is the repository whose parts are listed, where it is one.
	Repo bitbucket.RepoRef
	// Outside says of a member whether the connection does not cover it any more, such as when its owner chose other
	// projects: it is withdrawn without being asked about. Nil says that of none.
	Outside func(row store.EntityRow) bool
	// Pages reads the list from its first page to its last and hands over each page in order.
	Pages func(ctx context.Context, yield func(bitbucket.Page) error) error
}

// The names of listings. They are part of the scopes' identity in the database.
const (
	workspaces   = "workspaces"
	projects     = "projects"
	members      = "members"
	users        = "users"
	repositories = "repositories"
	pullRequests = "pull-requests"
)

// refOf builds the direct reference of a stored member of a listing, from the properties that its converter wrote.
func refOf(row store.EntityRow, l Listing) bitbucket.Ref {
	text := func(name string) string { s, _ := row.Properties[name].(string); return s }
	ref := bitbucket.Ref{Type: row.Type, Key: row.Key}
	switch row.Type {
	case graph.TypeProject:
		ref.Workspace, ref.Project = text("ownerId"), text("key")
	case graph.TypeRepo:
		ref.Workspace, ref.Project, ref.Slug, ref.Name = text("ownerId"), text("projectKey"), text("slug"), text("name")
	case graph.TypePullRequest:
		ref.Workspace, ref.Project, ref.Slug = text("accountId"), l.Repo.Project, l.Repo.Slug
	case graph.TypeUser:
		ref.Slug = text("slug")
	}
	return ref
}
