package bitbucket

import (
	"context"

	"github.com/windlass-hq/windlass/internal/graph"
)

// The lists of what administrators set. They are part of the scopes' identity in the database.
const (
	ListGroups            = "groups"
	ListGroupMembers      = "group-members"
	ListUserPermissions   = "user-permissions"
	ListGroupPermissions  = "group-permissions"
	ListDefaultPermission = "default-permission"
	ListRestrictions      = "branch-restrictions"
	ListReviewers         = "default-reviewers"
	ListWebhooks          = "webhooks"
	ListKeys              = "deploy-keys"
	ListBranches          = "branches"
	ListEnvironments      = "environments"
)

// Place is an entity whose settings can be listed: an account, a project, a repository or a group.
type Place struct {
	Type, Key string // of the graph
	Name      string // for people: slug, project key, full name of a repository, name of a group

	Owner     string // graph key of the workspace or instance
	OwnerID   string // its UUID, or the id of the instance
	OwnerSlug string // slug of the workspace

	ID      string // UUID without braces; on Data Center the number
	Project string // short key: of a project itself, and of a repository's
	Slug    string // of a repository or a group

	ProjectKey string // graph key of a repository's project, where it is known

	DefaultBranch string   // of a repository, where it is known
	Patterns      []string // of its branch restrictions: what the branches that are listed must match
	PatternsKnown bool     // whether those are all
}

// Settings is one list of what administrators have set in a place.
//
// An object whose key is that of the place itself says more about it (the default reviewers of a repository are
// relationships of the repository): the store adds what it says and neither opens the place nor keeps it open by it.
type Settings struct {
	List  string // one of the constants above; with the place it makes the scope
	Title string // for people, such as "user permissions of acme/api"
	Right Right  // what reading it takes
	// Outside says of a member that the list did not show whether it is still there and only not listed any more, such as
	// a branch that no restriction names now. Nil says that of none. It is asked after Pages has ended.
	Outside func(member graph.Entity) bool
	// Pages reads the list from its first page to its last. An error with the code Denied names the missing right.
	Pages func(ctx context.Context, yield func(Page) error) error
}

// Restates returns the object through which a list says more about its place.
func (p Place) Restates(props graph.Properties, relationships ...graph.Relationship) graph.Object {
	return graph.Object{
		Entity:        graph.Entity{Key: p.Key, Type: p.Type, Properties: props, Source: graph.Provider},
		Relationships: relationships,
	}
}
