package bitbucket

import (
	"slices"
	"strings"
)

// Product is one of the two Bitbuckets.
type Product string

// The products. They are also the words that the store and the commands use.
const (
	Cloud      Product = "cloud"
	DataCenter Product = "datacenter"
)

// The features that other code asks for by name; the table holds more.
const (
	FeatureAccounts     = "accounts"
	FeatureProjects     = "projects"
	FeatureRepositories = "repositories"
	FeaturePullRequests = "pull-requests"

	FeatureGroups                = "groups"
	FeatureGroupMembers          = "group-members" // Data Center only; Cloud's groups come with them
	FeatureWorkspacePermissions  = "workspace-permissions"
	FeatureGlobalPermissions     = "global-permissions"
	FeatureRepositoryPermissions = "repository-permissions"
	FeatureProjectPermissions    = "project-permissions"
	FeatureRestrictions          = "branch-restrictions"
	FeatureReviewers             = "default-reviewers"
	FeatureProjectReviewers      = "project-default-reviewers" // Cloud only
	FeatureWebhooks              = "webhooks"
	FeatureKeys                  = "deploy-keys"
	FeatureProjectKeys           = "project-deploy-keys" // Cloud only
	FeatureBranches              = "branches"
	FeatureEnvironments          = "environments" // Cloud only
)

// Right is what one feature needs on one product. The table of all rights (Rights) is the only place that knows: the
// check of credentials, the preflight and docs/rights.md are made from it.
type Right struct {
	Product Product
	Feature string // stable name
	What    string // what it reads or writes, in words that follow "for" or "without it no"
	Role    Role   // which credentials of a connection do it
	Today   bool   // this version does it; the others are known so that a credential need be made only once
	Kinds   map[Kind]Need
}

// Required reports whether a connection makes no sense without the right. What the others read is marked as denied in
// the ledger where it is refused.
func (r Right) Required() bool {
	switch r.Feature {
	case FeatureAccounts, FeatureProjects, FeatureRepositories, FeaturePullRequests:
		return true
	}
	return false
}

// Need is what a credential of one kind must be granted for a feature.
type Need struct {
	Scopes []string // as the vendor calls them; all of them, or what implies them
	Note   string   // which credentials of the kind can be granted them
	Also   string   // what must hold beside the scopes, which nobody tells beforehand
	Never  string   // why no grant is enough; empty where one is
}

// Have says whether a right is there.
type Have string

// What is known of a right.
const (
	HaveYes     Have = "yes"
	HaveNo      Have = "no"
	HaveUnknown Have = "unknown" // the vendor does not tell beforehand; what is refused later is marked as denied
	HaveNever   Have = "never"   // this kind of credential cannot have it
)

// Judge says whether a credential of a kind has the right, and which scopes it lacks for it. granted counts only
// where known is true.
func (r Right) Judge(kind Kind, granted []string, known bool) (have Have, missing []string) {
	need, ok := r.Kinds[kind]
	if kind == APIToken && need.Never == "" && known && len(granted) > 0 && !slices.ContainsFunc(granted, granular) {
		need.Scopes = r.Kinds[OAuth].Scopes // the answer names them the classic way
	}
	switch {
	case !ok || need.Never != "":
		return HaveNever, nil
	case !known && len(need.Scopes) > 0:
		return HaveUnknown, nil
	}
	for _, s := range need.Scopes {
		if !HasScope(granted, s) {
			missing = append(missing, ScopeName(granted, s))
		}
	}
	switch {
	case len(missing) > 0:
		return HaveNo, missing
	case need.Also != "":
		return HaveUnknown, nil
	}
	return HaveYes, nil
}

// RightsOf returns the rights of one product in the order of the table.
func RightsOf(p Product) []Right {
	return slices.DeleteFunc(Rights(), func(r Right) bool { return r.Product != p })
}

// Serves reports whether credentials of a role do what the right is for; a credential without a role does everything
// it can.
func (r Right) Serves(role Role) bool { return role == RoleAny || role == r.Role }

// scopes is a need of nothing but scopes, separated by spaces.
func scopes(list string) Need { return Need{Scopes: strings.Fields(list)} }

func (n Need) also(text string) Need { n.Also = text; return n }

func (n Need) note(text string) Need { n.Note = text; return n }

func never(why string) Need { return Need{Never: why} }

// cloudKinds is a row for the three kinds that Cloud knows.
func cloudKinds(oauth, token, apiToken Need) map[Kind]Need {
	return map[Kind]Need{OAuth: oauth, Token: token, APIToken: apiToken}
}

// serverKinds is a row for the two kinds that Data Center knows.
func serverKinds(token, password Need) map[Kind]Need {
	return map[Kind]Need{Token: token, Basic: password}
}

// Words that the table repeats.
const (
	workspaceToken = "only a token of the workspace can have it"
	projectToken   = "only a token of the workspace or a project can have it"
	noPermissions  = "access tokens cannot read permissions"
	noAdminPath    = "tokens are not accepted on administrative paths"
	administers    = "the account must administer the repository"
)

// Rights is the table: feature by right by kind of credential by product. Sources: FACTS 13, 28 to 36 and the
// vendor's OpenAPI document for Cloud, FACTS 111, 113, 115, 132 to 138 and the vendor's OpenAPI document for Data
// Center. A Data Center user or token that has a right on a repository by way of its project or globally has it.
func Rights() []Right {
	return append(cloudRights(), serverRights()...)
}

func cloudRights() []Right {
	row := func(feature, what string, role Role, today bool, kinds map[Kind]Need) Right {
		return Right{Product: Cloud, Feature: feature, What: what, Role: role, Today: today, Kinds: kinds}
	}
	same := func(classic, granular string) map[Kind]Need {
		return cloudKinds(scopes(classic), scopes(classic), scopes(granular))
	}
	return []Right{
		row(FeatureAccounts, "workspaces and their members", RoleData, true,
			cloudKinds(scopes("account"), scopes("account").note(workspaceToken), scopes("read:workspace:bitbucket"))),
		row(FeatureProjects, "projects", RoleData, true,
			cloudKinds(scopes("project"), scopes("project").note(projectToken), scopes("read:project:bitbucket"))),
		row(FeatureRepositories, "repositories", RoleData, true, same("repository", "read:repository:bitbucket")),
		row(FeaturePullRequests, "pull requests, reviewers and approvals", RoleData, true, same("pullrequest", "read:pullrequest:bitbucket")),
		row("review-detail", "order of approvals, merge time", RoleData, false, same("pullrequest", "read:pullrequest:bitbucket")),
		row(FeatureReviewers, "default reviewers", RoleData, true, same("pullrequest", "read:pullrequest:bitbucket")),
		row(FeatureProjectReviewers, "default reviewers of a project", RoleAccess, true, cloudKinds(
			scopes("project:admin"), scopes("project:admin").note(workspaceToken), scopes("read:pullrequest:bitbucket").also("the account must administer the project"))),
		row(FeatureBranches, "default and protected branches", RoleData, true, same("repository", "read:repository:bitbucket")),
		row("commits", "all branches, commits and build statuses", RoleData, false, same("repository", "read:repository:bitbucket")),
		row("git", "mirrors of git repositories", RoleData, false, same("repository", "read:repository:bitbucket")),
		row(FeatureEnvironments, "environments", RoleData, true, same("pipeline", "read:pipeline:bitbucket")),
		row(FeatureGroups, "groups and their members", RoleAccess, true, cloudKinds(
			scopes("account").also("the account must administer the workspace; from the 1.0 API while that answers"),
			scopes("account").also("from the 1.0 API while that answers"),
			scopes("read:workspace:bitbucket").also("the account must administer the workspace; from the 1.0 API while that answers"))),
		row(FeatureWorkspacePermissions, "who owns and who is in a workspace", RoleAccess, true, cloudKinds(
			scopes("account"), never(noPermissions), scopes("read:workspace:bitbucket"))),
		row(FeatureRepositoryPermissions, "who may read, write and administer a repository", RoleAccess, true, cloudKinds(
			scopes("repository:admin"), never(noPermissions), scopes("read:repository:bitbucket").also(administers))),
		row(FeatureProjectPermissions, "who may read, write and administer a project", RoleAccess, true, cloudKinds(
			scopes("project:admin"), never(noPermissions), scopes("read:project:bitbucket").also("the account must administer the project"))),
		row(FeatureRestrictions, "branch restrictions", RoleAccess, true, same("repository:admin", "admin:repository:bitbucket")),
		row(FeatureKeys, "deploy keys", RoleAccess, true, same("repository repository:admin", "admin:repository:bitbucket")),
		row(FeatureProjectKeys, "deploy keys of a project", RoleAccess, true, cloudKinds(
			scopes("project project:admin"), scopes("project project:admin").note(workspaceToken), scopes("admin:project:bitbucket"))),
		row(FeatureWebhooks, "the list of webhooks", RoleHooks, true, same("webhook", "read:webhook:bitbucket")),
		row("webhooks-write", "webhooks of our own", RoleHooks, false, same("webhook repository pullrequest",
			"read:webhook:bitbucket write:webhook:bitbucket delete:webhook:bitbucket read:repository:bitbucket read:pullrequest:bitbucket")),
		row("deploy-keys-write", "deploy keys of our own", RoleWrite, false, cloudKinds(
			scopes("repository repository:admin"), never("access tokens cannot add deploy keys"),
			scopes("admin:repository:bitbucket write:ssh-key:bitbucket delete:ssh-key:bitbucket"))),
		row("statuses", "build statuses and reports on commits", RoleWrite, false, same("repository", "read:repository:bitbucket")),
		row("comments", "comments on pull requests", RoleWrite, false, same("pullrequest", "read:pullrequest:bitbucket")),
	}
}

func serverRights() []Right {
	row := func(feature, what string, role Role, today bool, token, password Need) Right {
		return Right{Product: DataCenter, Feature: feature, What: what, Role: role, Today: today, Kinds: serverKinds(token, password)}
	}
	same := func(feature, what string, role Role, today bool, right string) Right {
		return row(feature, what, role, today, scopes(right), scopes(right))
	}
	return []Right{
		row(FeatureAccounts, "the instance and its users", RoleData, true, Need{}, Need{}),
		same(FeatureProjects, "projects", RoleData, true, "PROJECT_READ"),
		same(FeatureRepositories, "repositories, personal and archived ones included", RoleData, true, "REPO_READ"),
		same(FeaturePullRequests, "pull requests, reviewers and approvals", RoleData, true, "REPO_READ"),
		same("review-detail", "order and times of approvals, merger", RoleData, false, "REPO_READ"),
		same(FeatureReviewers, "default reviewers", RoleData, true, "REPO_READ"),
		same(FeatureBranches, "default and protected branches", RoleData, true, "REPO_READ"),
		same("commits", "all branches, commits and build statuses", RoleData, false, "REPO_READ"),
		same("git", "mirrors of git repositories", RoleData, false, "REPO_READ"),
		row(FeatureGroups, "names of groups", RoleAccess, true, Need{}, Need{}),
		row(FeatureGroupMembers, "members of groups", RoleAccess, true, never(noAdminPath), scopes("LICENSED_USER")),
		row("last-login", "last logins and directories of users", RoleAccess, false, never(noAdminPath), scopes("LICENSED_USER")),
		same(FeatureRepositoryPermissions, "who may read, write and administer a repository", RoleAccess, true, "REPO_ADMIN"),
		same(FeatureProjectPermissions, "who may read, write and administer a project", RoleAccess, true, "PROJECT_ADMIN"),
		row(FeatureGlobalPermissions, "who administers the instance", RoleAccess, true, never(noAdminPath), Need{Also: "the user must administer the instance (`ADMIN`)"}),
		same(FeatureRestrictions, "branch restrictions", RoleAccess, true, "REPO_ADMIN"),
		same(FeatureKeys, "access keys", RoleAccess, true, "REPO_ADMIN"),
		same(FeatureWebhooks, "the list of webhooks", RoleHooks, true, "REPO_ADMIN"),
		same("webhooks-write", "webhooks of our own", RoleHooks, false, "REPO_ADMIN"),
		same("deploy-keys-write", "access keys of our own", RoleWrite, false, "REPO_ADMIN"),
		same("statuses", "build statuses and reports on commits", RoleWrite, false, "REPO_READ"),
		same("comments", "comments on pull requests", RoleWrite, false, "REPO_READ"),
	}
}

// Lacking lists the scopes that a credential lacks for what its role is there for.
func Lacking(p Product, c CredentialReport) []MissingScope {
	var out []MissingScope
	for _, r := range RightsOf(p) {
		if r.Role != c.Role {
			continue
		}
		have, missing := r.Judge(c.Kind, c.Scopes, c.ScopesKnown)
		if have != HaveNo {
			continue
		}
		for _, s := range missing {
			out = append(out, MissingScope{Scope: s, Feature: r.What})
		}
	}
	return out
}
