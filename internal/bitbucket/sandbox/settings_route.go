package sandbox

import "net/http"

// settingsRoutes are the endpoints of Bitbucket Cloud that tell what administrators have set, with the scopes of the
// vendor's document.
func settingsRoutes() []*route {
	const (
		ws      = "/2.0/workspaces/{workspace}"
		project = ws + "/projects/{project_key}"
		repo    = "/2.0/repositories/{workspace}/{repo_slug}"

		rWorkspace, rProject, rRepo, rPR = "read:workspace:bitbucket", "read:project:bitbucket", "read:repository:bitbucket", "read:pullrequest:bitbucket"
		aRepo, aProject                  = "admin:repository:bitbucket", "admin:project:bitbucket"
		rHook, wHook                     = "read:webhook:bitbucket", "write:webhook:bitbucket"
	)
	get := func(path, scope, token string, h func(*call) *failure) *route {
		return &route{method: http.MethodGet, path: path, scope: scope, token: token, handle: h}
	}
	all := []*route{
		get(ws+"/permissions", "account", rWorkspace, (*call).getWorkspacePermissions),
		get(ws+"/permissions/repositories", "account", rRepo, (*call).getRepositoryPermissions),
		get(ws+"/permissions/repositories/{repo_slug}", "repository", rRepo, (*call).getRepositoryPermissions),
		get(project+"/permissions-config/users", "project:admin", rProject, (*call).getProjectUsers),
		get(project+"/permissions-config/groups", "project:admin", rProject, (*call).getProjectGroups),
		get(project+"/default-reviewers", "project:admin", rPR, (*call).getProjectReviewers),
		get(project+"/deploy-keys", "project:admin", aProject, (*call).getProjectKeys),
		get(repo+"/permissions-config/users", "repository:admin", rRepo, (*call).getRepositoryUsers),
		get(repo+"/permissions-config/groups", "repository:admin", rRepo, (*call).getRepositoryGroups),
		get(repo+"/branch-restrictions", "repository:admin", aRepo, (*call).getRestrictions),
		get(repo+"/branch-restrictions/{id}", "repository:admin", aRepo, (*call).getRestriction),
		get(repo+"/default-reviewers", "pullrequest", rPR, (*call).getReviewers),
		get(repo+"/effective-default-reviewers", "pullrequest", rPR, (*call).getEffectiveReviewers),
		get(repo+"/deploy-keys", "repository:admin", aRepo, (*call).getRepositoryKeys),
		get(repo+"/environments", "pipeline", "read:pipeline:bitbucket", (*call).getEnvironments),
		get(repo+"/environments/{environment_uuid}", "pipeline", "read:pipeline:bitbucket", (*call).getEnvironment),
		get(repo+"/branching-model", "repository", rRepo, (*call).getBranchingModel),
		get(repo+"/effective-branching-model", "repository", rRepo, (*call).getEffectiveBranchingModel),
	}
	for _, at := range []string{ws, repo} {
		all = append(
			all,
			get(at+"/hooks", "webhook", rHook, (*call).getHooks),
			get(at+"/hooks/{uid}", "webhook", rHook, (*call).getHook),
			&route{method: http.MethodPost, path: at + "/hooks", scope: "webhook", token: wHook, writes: true, handle: (*call).createHook},
			&route{method: http.MethodPut, path: at + "/hooks/{uid}", scope: "webhook", token: wHook, writes: true, handle: (*call).updateHook},
			&route{method: http.MethodDelete, path: at + "/hooks/{uid}", scope: "webhook", token: "delete:webhook:bitbucket", writes: true, handle: (*call).deleteHook},
		)
	}
	return all
}

// The answers to callers who lack a right; the texts are those of the vendor's document.
const (
	noRepositoryAdmin = "The requesting user isn't an admin of the repository."
	noProjectAdmin    = "The user doesn't have admin access to the project."
	noWorkspaceAdmin  = "The requesting user isn't an admin of the workspace."
)

func denied(text string) *failure { return fail(http.StatusForbidden, text, "") }

// administered finds the repository of a path for a caller who administers it.
func (c *call) administered() (*repo, *failure) {
	if c.cred == nil {
		return nil, c.unauthorized()
	}
	r, f := c.repository()
	switch {
	case f != nil:
		return nil, f
	case !c.cred.administers(r):
		return nil, denied(noRepositoryAdmin)
	}
	return r, nil
}

// administeredProject is the same for a project.
func (c *call) administeredProject() (*project, *failure) {
	if c.cred == nil {
		return nil, c.unauthorized()
	}
	ws, f := c.workspace()
	if f != nil {
		return nil, f
	}
	p := ws.project(c.args[1])
	switch {
	case p == nil || !c.cred.seesProject(p):
		return nil, fail(http.StatusNotFound, "Project "+c.args[1]+" not found", "")
	case !c.cred.administersProject(p):
		return nil, denied(noProjectAdmin)
	}
	return p, nil
}

// noPermissions says whether the caller is an access token: those can read no permissions whatever their scopes are
// (FACTS 13).
func (c *call) noPermissions() bool { return c.cred != nil && c.cred.Kind == AccessToken }
