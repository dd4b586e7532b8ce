package graph

// The names of the Bitbucket types (DESIGN section 2).
const (
	TypeWorkspace   = "bitbucket_workspace"
	TypeProject     = "bitbucket_project"
	TypeRepo        = "bitbucket_repo"
	TypePullRequest = "bitbucket_pull_request"
	TypeUser        = "bitbucket_user"
)

// The verbs between them.
const (
	Has      = "HAS"
	Owns     = "OWNS"
	Opened   = "OPENED"
	Reviewed = "REVIEWED"
	Approved = "APPROVED"
)

func versioned(name string, kind ValueKind, doc string) PropertyDecl {
	return PropertyDecl{Name: name, Kind: kind, Keeping: Versioned, Doc: doc}
}

func current(name string, kind ValueKind, doc string) PropertyDecl {
	return PropertyDecl{Name: name, Kind: kind, Keeping: CurrentOnly, Doc: doc}
}

// shared are the properties that every Bitbucket type has.
func shared(more ...PropertyDecl) []PropertyDecl {
	return append([]PropertyDecl{
		versioned("name", Text, "name as people see it"),
		versioned("webLink", Text, "page in Bitbucket"),
		{Name: "tag.AccountName", Kind: Text, Keeping: Computed, Doc: "account names of the connections that see it; a list when several differ"},
	}, more...)
}

// Property names are those of reference/jupiterone.md 1.2 wherever it has one.
func bitbucketTypes() []TypeDecl {
	return []TypeDecl{
		{
			Type: TypeWorkspace, Classes: []string{"Account"}, KeyForm: "cloud:{uuid}",
			Doc: "A workspace of Bitbucket Cloud.",
			Properties: shared(
				versioned("id", Text, "UUID, lower case, without braces"),
				versioned("slug", Text, "name in URLs"),
				versioned("isPrivate", Flag, "whether the workspace is private"),
				versioned("createdOn", Time, "creation in Bitbucket"),
				current("updatedOn", Time, "last update in Bitbucket"),
			),
		},
		{
			Type: TypeProject, Classes: []string{"Project"}, KeyForm: "cloud:{uuid}", Home: "workspace",
			Doc: "A project.",
			Properties: shared(
				versioned("id", Text, "UUID, lower case, without braces"),
				versioned("key", Text, "short key, unique in its workspace"),
				versioned("description", Text, "description; absent where there is none"),
				versioned("public", Flag, "whether everybody may see it"),
				versioned("workspace", Text, "slug of the workspace"),
				versioned("ownerId", Text, "UUID of the workspace"),
				versioned("createdOn", Time, "creation in Bitbucket"),
				current("updatedOn", Time, "last update in Bitbucket"),
			),
		},
		{
			Type: TypeRepo, Classes: []string{"CodeRepo"}, KeyForm: "cloud:{uuid}", Home: "project",
			Doc: "A repository.",
			Properties: shared(
				versioned("id", Text, "UUID, lower case, without braces"),
				versioned("slug", Text, "name in URLs; may differ from the name"),
				versioned("fullName", Text, "workspace/slug in lower case"),
				versioned("owner", Text, "slug of the workspace, in lower case"),
				versioned("ownerId", Text, "UUID of the workspace"),
				versioned("projectId", Text, "UUID of the project"),
				versioned("projectKey", Text, "key of the project"),
				versioned("public", Flag, "whether everybody may see it"),
				versioned("description", Text, "description; absent where there is none"),
				versioned("defaultBranch", Text, "name of the main branch; absent for an empty repository"),
				versioned("forkPolicy", Text, "allow_forks, no_public_forks or no_forks"),
				versioned("isFork", Flag, "whether it is a fork"),
				versioned("parentId", Text, "UUID of the repository it was forked from"),
				versioned("language", Text, "main language as set in Bitbucket"),
				versioned("scm", Text, "git"),
				versioned("hasIssues", Flag, "whether the issue tracker is on"),
				versioned("hasWiki", Flag, "whether the wiki is on"),
				versioned("website", Text, "website as set in Bitbucket"),
				current("size", Number, "size in bytes"),
				versioned("createdOn", Time, "creation in Bitbucket"),
				current("updatedOn", Time, "last update in Bitbucket"),
			),
		},
		{
			Type: TypeUser, Classes: []string{"User"}, KeyForm: "cloud:user:{uuid}",
			Doc: "A person or service account: every member of a workspace and everybody met in what was read.",
			Properties: shared(
				versioned("id", Text, "UUID, lower case, without braces"),
				versioned("accountId", Text, "Atlassian account id"),
				versioned("nickname", Text, "nickname; may be edited, not unique"),
				versioned("username", Text, "only where the provider has one"),
				versioned("userType", Text, "user, team, app_user or another kind of account"),
				versioned("active", Flag, "whether the account is active, where the provider says so"),
				versioned("createdOn", Time, "creation of the account"),
			),
		},
		{
			Type: TypePullRequest, Classes: []string{"Review", "PR"}, KeyForm: "{repo}:pr:{n}", Home: "repository",
			Doc: "A pull request of the repository it targets.",
			Properties: shared(
				versioned("id", Number, "number within the repository"),
				versioned("accountId", Text, "UUID of the workspace"),
				versioned("repoId", Text, "UUID of the target repository"),
				versioned("repository", Text, "name of the target repository"),
				versioned("title", Text, "title"),
				versioned("description", Text, "first 80 characters of the description; absent where there is none"),
				versioned("state", Text, "OPEN, MERGED, DECLINED or SUPERSEDED"),
				versioned("open", Flag, "state is OPEN"),
				versioned("merged", Flag, "state is MERGED"),
				versioned("declined", Flag, "state is DECLINED"),
				versioned("draft", Flag, "whether it is a draft; a draft is OPEN"),
				versioned("source", Text, "source branch"),
				versioned("target", Text, "target branch"),
				versioned("sourceRepoId", Text, "UUID of the source repository; absent when it is gone"),
				versioned("sourceCommit", Text, "head of the source branch as Bitbucket abbreviates it"),
				versioned("targetCommit", Text, "head of the target branch as Bitbucket abbreviates it"),
				versioned("mergeCommit", Text, "merge commit as Bitbucket abbreviates it"),
				versioned("closeSourceBranch", Flag, "whether the source branch goes with the merge"),
				versioned("declineReason", Text, "reason given when it was declined"),
				versioned("authorId", Text, "UUID of the author; absent when the account is gone"),
				versioned("author", Text, "display name of the author"),
				versioned("reviewerIds", Texts, "UUIDs of the people asked to review"),
				versioned("reviewers", Texts, "their display names"),
				versioned("approverIds", Texts, "UUIDs of the people whose approval is current"),
				versioned("approvers", Texts, "their display names"),
				versioned("closedById", Text, "UUID of who merged or declined it"),
				versioned("closedBy", Text, "display name of who merged or declined it"),
				versioned("approved", Flag, "every commit is approved by somebody else; absent while unknown"),
				versioned("approvalState", Text, "approved, unapproved or unknown"),
				versioned("approvalReason", Text, "why approvalState is what it is"),
				current("taskCount", Number, "tasks"),
				current("commentCount", Number, "comments"),
				versioned("createdOn", Time, "creation in Bitbucket"),
				current("updatedOn", Time, "last update in Bitbucket; comments move it too"),
			),
		},
	}
}

func bitbucketRelationships() []RelationshipDecl {
	return []RelationshipDecl{
		{From: TypeWorkspace, Verb: Owns, To: TypeProject, Doc: "the workspace holds the project"},
		{From: TypeWorkspace, Verb: Owns, To: TypeRepo, Doc: "the workspace holds the repository"},
		{From: TypeWorkspace, Verb: Has, To: TypeUser, Doc: "the user is a member of the workspace"},
		{From: TypeProject, Verb: Has, To: TypeRepo, Doc: "the repository belongs to the project"},
		{From: TypeRepo, Verb: Has, To: TypePullRequest, Doc: "the pull request targets the repository"},
		{From: TypeUser, Verb: Opened, To: TypePullRequest, Doc: "the user is its author"},
		{
			From: TypeUser, Verb: Reviewed, To: TypePullRequest, Doc: "the user was asked to review it, or acted on it",
			Properties: []PropertyDecl{
				versioned("requested", Flag, "asked to review"),
				versioned("acted", Flag, "approved, requested changes or took part"),
				versioned("state", Text, "approved, changes_requested, or absent"),
				current("participatedOn", Time, "latest participation; never an approval time"),
			},
		},
		{From: TypeUser, Verb: Approved, To: TypePullRequest, Doc: "the user's approval is current"},
	}
}
