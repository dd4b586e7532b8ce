package graph

// The names of the Bitbucket types (DESIGN section 2).
const (
	TypeWorkspace   = "bitbucket_workspace"
	TypeInstance    = "bitbucket_instance"
	TypeProject     = "bitbucket_project"
	TypeRepo        = "bitbucket_repo"
	TypePullRequest = "bitbucket_pull_request"
	TypeUser        = "bitbucket_user"
	TypeGroup       = "bitbucket_group"
	TypePermission  = "bitbucket_permission"
	TypeRestriction = "bitbucket_branch_restriction"
	TypeWebhook     = "bitbucket_webhook"
	TypeKey         = "bitbucket_deploy_key"
	TypeEnvironment = "bitbucket_environment"
	TypeBranch      = "bitbucket_branch"
)

// The verbs between them.
const (
	Has      = "HAS"
	Owns     = "OWNS"
	Opened   = "OPENED"
	Reviewed = "REVIEWED"
	Approved = "APPROVED"
	Allows   = "ALLOWS"
	Reviews  = "REVIEWS"
)

// idDoc says what the property id holds of whatever both products have.
const idDoc = "UUID in lower case without braces; on Data Center the number, as text"

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
			Type: TypeInstance, Classes: []string{"Account"}, KeyForm: "dc:{iid}",
			Doc: "A Bitbucket Data Center.",
			Properties: shared(
				versioned("id", Text, "id that Windlass gave the instance when it was connected"),
				versioned("version", Text, "version as the instance states it"),
				versioned("buildNumber", Text, "build number as the instance states it"),
			),
		},
		{
			Type: TypeProject, Classes: []string{"Project"}, KeyForm: "cloud:{uuid} or dc:{iid}:project:{id}", Home: "workspace or instance",
			Doc: "A project.",
			Properties: shared(
				versioned("id", Text, idDoc),
				versioned("key", Text, "short key, unique in its workspace or instance"),
				versioned("description", Text, "description; absent where there is none"),
				versioned("public", Flag, "whether everybody may see it"),
				versioned("projectType", Text, "NORMAL or PERSONAL; Data Center only"),
				versioned("workspace", Text, "slug of the workspace; Cloud only"),
				versioned("ownerId", Text, "id of the workspace or instance"),
				versioned("defaultPermission", Text, "what every user of the instance may do in it: read, write, admin or none; Data Center only"),
				versioned("createdOn", Time, "creation in Bitbucket"),
				current("updatedOn", Time, "last update in Bitbucket"),
			),
		},
		{
			Type: TypeRepo, Classes: []string{"CodeRepo"}, KeyForm: "cloud:{uuid} or dc:{iid}:repo:{id}", Home: "project",
			Doc: "A repository.",
			Properties: shared(
				versioned("id", Text, idDoc),
				versioned("slug", Text, "name in URLs; may differ from the name"),
				versioned("fullName", Text, "workspace/slug, on Data Center project key/slug, in lower case"),
				versioned("owner", Text, "first part of fullName"),
				versioned("ownerId", Text, "id of the workspace or instance"),
				versioned("projectId", Text, "id of the project"),
				versioned("projectKey", Text, "key of the project"),
				versioned("public", Flag, "whether everybody may see it"),
				versioned("description", Text, "description; absent where there is none"),
				versioned("defaultBranch", Text, "name of the main branch; absent for an empty repository"),
				versioned("archived", Flag, "whether it is archived; Data Center from 8.0 only"),
				versioned("state", Text, "AVAILABLE, INITIALISING, INITIALISATION_FAILED or OFFLINE; Data Center only"),
				versioned("forkPolicy", Text, "allow_forks, no_public_forks or no_forks"),
				versioned("isFork", Flag, "whether it is a fork"),
				versioned("parentId", Text, "id of the repository it was forked from"),
				versioned("hierarchyId", Text, "what a repository and its forks have in common; Data Center only"),
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
			Type: TypeUser, Classes: []string{"User"}, KeyForm: "cloud:user:{uuid} or dc:{iid}:user:{id}",
			Doc: "A person or service account: every member of a workspace or instance and everybody met in what was read.",
			Properties: shared(
				versioned("id", Text, idDoc),
				versioned("accountId", Text, "Atlassian account id; Cloud only"),
				versioned("nickname", Text, "nickname; may be edited, not unique; Cloud only"),
				versioned("username", Text, "name to log in with, only where the provider has one"),
				versioned("slug", Text, "name in URLs; Data Center only"),
				versioned("email", Text, "e-mail address; Data Center only, and only where it shows one"),
				versioned("userType", Text, "user, team, app_user or another kind of account; on Data Center NORMAL or SERVICE"),
				versioned("active", Flag, "whether the account is active, where the provider says so"),
				versioned("createdOn", Time, "creation of the account"),
			),
		},
		{
			Type: TypePullRequest, Classes: []string{"Review", "PR"}, KeyForm: "{repo}:pr:{n}", Home: "repository",
			Doc: "A pull request of the repository it targets.",
			Properties: shared(
				versioned("id", Number, "number within the repository"),
				versioned("accountId", Text, "id of the workspace or instance"),
				versioned("repoId", Text, "id of the target repository"),
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
				versioned("sourceRepoId", Text, "id of the source repository; absent when it is gone"),
				versioned("sourceCommit", Text, "head of the source branch as the provider gives it: Cloud abbreviates"),
				versioned("targetCommit", Text, "head of the target branch as the provider gives it: Cloud abbreviates"),
				versioned("mergeCommit", Text, "merge commit as the provider gives it: Cloud abbreviates"),
				versioned("closeSourceBranch", Flag, "whether the source branch goes with the merge"),
				versioned("declineReason", Text, "reason given when it was declined"),
				versioned("authorId", Text, "id of the author; absent when the account is gone"),
				versioned("author", Text, "display name of the author"),
				versioned("reviewerIds", Texts, "ids of the people asked to review"),
				versioned("reviewers", Texts, "their display names"),
				versioned("approverIds", Texts, "ids of the people whose approval is current"),
				versioned("approvers", Texts, "their display names"),
				versioned("closedById", Text, "id of who merged or declined it"),
				versioned("closedBy", Text, "display name of who merged or declined it"),
				versioned("approved", Flag, "every commit is approved by somebody else; absent while unknown"),
				versioned("approvalState", Text, "approved, unapproved or unknown"),
				versioned("approvalReason", Text, "why approvalState is what it is"),
				versioned("closedOn", Time, "when it was merged or declined; Data Center only, since Cloud's list does not tell"),
				current("taskCount", Number, "open tasks"),
				current("commentCount", Number, "comments"),
				versioned("createdOn", Time, "creation in Bitbucket"),
				current("updatedOn", Time, "last update in Bitbucket; comments move it too"),
			),
		},
	}
}

func bitbucketRelationships() []RelationshipDecl {
	return append(contentRelationships(), settingsRelationships()...)
}

func contentRelationships() []RelationshipDecl {
	return []RelationshipDecl{
		{From: TypeWorkspace, Verb: Owns, To: TypeProject, Doc: "the workspace holds the project"},
		{From: TypeWorkspace, Verb: Owns, To: TypeRepo, Doc: "the workspace holds the repository"},
		{From: TypeWorkspace, Verb: Has, To: TypeUser, Doc: "the user is a member of the workspace"},
		{From: TypeInstance, Verb: Owns, To: TypeProject, Doc: "the instance holds the project"},
		{From: TypeInstance, Verb: Owns, To: TypeRepo, Doc: "the instance holds the repository"},
		{From: TypeInstance, Verb: Has, To: TypeUser, Doc: "the user is known to the instance"},
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
		{
			From: TypeUser, Verb: Approved, To: TypePullRequest, Doc: "the user's approval is current",
			Properties: []PropertyDecl{versioned("revision", Text, "commit that was approved; Data Center only")},
		},
	}
}
