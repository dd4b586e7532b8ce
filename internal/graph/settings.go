package graph

// settingsTypes are what administrators set: groups, grants, rules for branches, hooks, keys, environments, and the
// branches that such rules are about. Property names are those of reference/jupiterone.md 1.2 wherever it has one.
func settingsTypes() []TypeDecl {
	const resource = "the repository, project, workspace or instance"
	owner := versioned("ownerId", Text, "id of the workspace or instance")
	return []TypeDecl{
		{
			Type: TypeGroup, Classes: []string{"UserGroup"}, KeyForm: "cloud:{workspace}:group:{slug} or dc:{iid}:group:{name}", Home: "workspace or instance",
			Doc: "A group of users.",
			Properties: shared(
				versioned("slug", Text, "name in URLs; Cloud only"),
				versioned("permission", Text, "what the group may do in every new repository; Cloud only, absent for nothing"),
				versioned("autoAdd", Flag, "whether new members of the workspace join it; Cloud only"),
				owner,
			),
		},
		{
			Type: TypePermission, Classes: []string{"AccessPolicy"}, KeyForm: "{resource}:perm:{principal}", Home: resource,
			Doc: "What one user or group was granted directly in one place; what is inherited is not in it.",
			Properties: shared(
				versioned("permission", Text, "level, the same words on both products: read, write, admin, create-repo, of a workspace member, collaborator or owner, of an instance licensed_user, project_create, admin or sys_admin"),
				versioned("principalKey", Text, "key of the user or group"),
				versioned("principalType", Text, "user or group"),
				versioned("resourceKey", Text, "key of where it holds"),
				owner,
			),
		},
		{
			Type: TypeRestriction, Classes: []string{"AccessPolicy"}, KeyForm: "{resource}:restriction:{id}", Home: "repository or project",
			Doc: "A rule about some branches: who may do something, or what must be true for a merge.",
			Properties: shared(
				versioned("id", Text, "number of the rule"),
				versioned("type", Text, "branchrestriction; on Data Center the type of the rule, as in name"),
				versioned("pattern", Text, "branches it is about: a glob, or on Data Center what the matcher names"),
				versioned("matchKind", Text, "glob or branching_model; on Data Center BRANCH, PATTERN, MODEL_CATEGORY, MODEL_BRANCH or ANY_REF"),
				versioned("branchType", Text, "branch type of a branching model: development, production, feature, bugfix, release or hotfix"),
				versioned("value", Number, "number that the rule takes, such as how many approvals; absent where it takes none; Cloud only"),
				versioned("userIds", Texts, "ids of the users whom it allows or exempts"),
				versioned("groups", Texts, "names of the groups whom it allows or exempts; slugs on Cloud"),
				versioned("accessKeyIds", Texts, "ids of the access keys that it exempts; Data Center only"),
				owner,
			),
		},
		{
			Type: TypeWebhook, KeyForm: "{resource}:hook:{id}", Home: resource,
			Doc: "A webhook. Its secret is never kept; what looks like a secret in its address is masked.",
			Properties: shared(
				versioned("id", Text, "UUID in lower case without braces; on Data Center the number, as text"),
				versioned("url", Text, "where it sends to, secrets masked"),
				versioned("events", Texts, "keys of the events it is for, in order"),
				versioned("active", Flag, "whether it is on"),
				versioned("secretSet", Flag, "whether deliveries are signed, where the provider tells"),
				versioned("sslVerificationRequired", Flag, "whether the certificate of the receiver is checked; Data Center only"),
				versioned("scopeType", Text, "workspace, project or repository"),
				versioned("createdOn", Time, "creation in Bitbucket"),
				owner,
			),
		},
		{
			Type: TypeKey, KeyForm: "{resource}:key:{id}", Home: "repository or project",
			Doc: "A deploy key (Data Center: access key) of a repository or project.",
			Properties: shared(
				versioned("id", Text, "number of the key"),
				versioned("algorithm", Text, "such as ssh-ed25519"),
				versioned("fingerprint", Text, "SHA256:… of the public key, as ssh-keygen prints it"),
				versioned("permission", Text, "read or write; Cloud's can only read"),
				versioned("createdOn", Time, "when it was added"),
				versioned("expiresOn", Time, "when it ends, where the provider tells"),
				current("lastUsedOn", Time, "last use, where the provider tells"),
				owner,
			),
		},
		{
			Type: TypeEnvironment, KeyForm: "{resource}:env:{id}", Home: "repository",
			Doc: "An environment that pipelines deploy to; Cloud only.",
			Properties: shared(
				versioned("id", Text, "UUID in lower case without braces"),
				versioned("slug", Text, "name in URLs"),
				versioned("environmentType", Text, "Test, Staging or Production"),
				versioned("rank", Number, "order among the environments of its type"),
				versioned("hidden", Flag, "whether it is hidden"),
				versioned("adminOnly", Flag, "whether only administrators deploy to it"),
				owner,
			),
		},
		{
			Type: TypeBranch, KeyForm: "{repo}:branch:{ref}", Home: "repository",
			Doc: "A default branch, or one that a branch restriction names.",
			Properties: shared(
				versioned("commit", Text, "head of the branch"),
				versioned("isDefault", Flag, "whether it is the default branch"),
				versioned("isProtected", Flag, "whether a branch restriction is about it; absent where the restrictions cannot be read or resolved"),
				owner,
			),
		},
	}
}

func settingsRelationships() []RelationshipDecl {
	var out []RelationshipDecl
	has := func(to, doc string, from ...string) {
		for _, f := range from {
			out = append(out, RelationshipDecl{From: f, Verb: Has, To: to, Doc: doc})
		}
	}
	has(TypeGroup, "the group belongs to the account", TypeWorkspace, TypeInstance)
	has(TypeUser, "the user is a member of the group", TypeGroup)
	has(TypePermission, "it was granted to the user or group", TypeUser, TypeGroup)
	for _, from := range []string{TypeRepo, TypeProject, TypeWorkspace, TypeInstance} {
		out = append(out, RelationshipDecl{From: from, Verb: Allows, To: TypePermission, Doc: "it holds there"})
	}
	has(TypeRestriction, "the rule was made there", TypeRepo, TypeProject)
	for _, to := range []string{TypeUser, TypeGroup} {
		out = append(out, RelationshipDecl{From: TypeRestriction, Verb: Allows, To: to, Doc: "the rule allows or exempts them"})
	}
	has(TypeWebhook, "the webhook was made there", TypeRepo, TypeProject, TypeWorkspace)
	has(TypeKey, "the key was added there", TypeRepo, TypeProject)
	has(TypeEnvironment, "the repository deploys to it", TypeRepo)
	has(TypeBranch, "the branch is in the repository", TypeRepo)
	for _, to := range []string{TypeRepo, TypeProject} {
		out = append(out, RelationshipDecl{
			From: TypeUser, Verb: Reviews, To: to, Doc: "the user is a default reviewer",
			Properties: []PropertyDecl{
				versioned("conditions", Texts, "for which pull requests, as `source -> target`; absent where for all; Data Center only"),
				versioned("requiredApprovals", Number, "approvals that the conditions ask of the default reviewers; Data Center only"),
			},
		})
	}
	return out
}
