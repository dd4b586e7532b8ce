package sandbox

import (
	"net/http"
	"slices"
	"strings"
)

// dcNeed is what a route of Data Center asks of its caller before it looks at any object.
type dcNeed uint8

const (
	dcAnyone dcNeed = iota
	dcSignedIn
	dcByPassword    // signed in, but not by an HTTP access token (FACTS 113)
	dcAdministrator // the same, and an administrator
)

// dcRoutes is the table of a version of Data Center. Paths stand without /dc and with `latest`.
func dcRoutes(v dcVersion) []*route {
	const (
		api     = "/rest/api/latest"
		project = api + "/projects/{projectKey}"
		repo    = project + "/repos/{repositorySlug}"
		prs     = repo + "/pull-requests"
	)
	get := func(path string, need dcNeed, h func(*call) *failure) *route {
		return &route{method: http.MethodGet, path: path, need: need, handle: h}
	}
	since := func(major, minor int, r *route) *route {
		r.since = [2]int{major, minor}
		return r
	}
	all := []*route{
		get(api+"/application-properties", dcAnyone, (*call).dcApplication),
		get(api+"/projects", dcAnyone, (*call).dcProjects),
		get(project, dcAnyone, (*call).dcProject),
		get(project+"/repos", dcAnyone, (*call).dcProjectRepositories),
		get(project+"/permissions/users", dcSignedIn, (*call).dcProjectUsers),
		get(project+"/permissions/groups", dcSignedIn, (*call).dcProjectGroups),
		get(project+"/permissions/{permission}/all", dcSignedIn, (*call).dcDefaultPermission),
		get(api+"/repos", dcAnyone, (*call).dcRepositories),
		get(repo, dcAnyone, (*call).dcRepository),
		get(repo+"/branches", dcAnyone, (*call).dcBranches),
		get(repo+"/branches/default", dcAnyone, (*call).dcOldDefaultBranch),
		get(repo+"/tags", dcAnyone, (*call).dcTags),
		since(7, 5, get(repo+"/default-branch", dcAnyone, (*call).dcDefaultBranch)),
		get(repo+"/commits", dcAnyone, (*call).dcCommits),
		get(repo+"/commits/{commitId}", dcAnyone, (*call).dcCommitOne),
		get(repo+"/permissions/users", dcSignedIn, (*call).dcRepositoryUsers),
		get(repo+"/permissions/groups", dcSignedIn, (*call).dcRepositoryGroups),
		get(prs, dcAnyone, (*call).dcPullRequests),
		get(prs+"/{pullRequestId}", dcAnyone, (*call).dcPullRequest),
		get(prs+"/{pullRequestId}/activities", dcAnyone, (*call).dcActivities),
		get(prs+"/{pullRequestId}/commits", dcAnyone, (*call).dcPullRequestCommits),
		get(api+"/users", dcSignedIn, (*call).dcUsers),
		get(api+"/users/{userSlug}", dcSignedIn, (*call).dcUser),
		get(api+"/groups", dcSignedIn, (*call).dcGroupNames),
		get(api+"/admin/users", dcByPassword, (*call).dcAdminUsers),
		get(api+"/admin/groups", dcByPassword, (*call).dcAdminGroups),
		get(api+"/admin/groups/more-members", dcByPassword, (*call).dcMembers),
		get(api+"/admin/permissions/users", dcAdministrator, (*call).dcGlobalUsers),
		get(api+"/admin/permissions/groups", dcAdministrator, (*call).dcGlobalGroups),
		get(api+"/admin/rate-limit/settings", dcByPassword, (*call).dcRateLimits),
	}
	for _, at := range []string{repo, project} {
		for _, r := range []*route{
			get(at+"/webhooks", dcSignedIn, (*call).dcWebhooks),
			get(at+"/webhooks/{webhookId}", dcSignedIn, (*call).dcWebhook),
			get(at+"/webhooks/{webhookId}/latest", dcSignedIn, (*call).dcWebhookLatest),
			get(at+"/webhooks/{webhookId}/statistics", dcSignedIn, (*call).dcWebhookStatistics),
			get(at+"/webhooks/{webhookId}/statistics/summary", dcSignedIn, (*call).dcWebhookSummary),
			{method: http.MethodPost, path: at + "/webhooks/test", need: dcSignedIn, handle: (*call).dcTestWebhook},
			{method: http.MethodPost, path: at + "/webhooks", need: dcSignedIn, writes: true, handle: (*call).dcCreateWebhook},
			{method: http.MethodPut, path: at + "/webhooks/{webhookId}", need: dcSignedIn, writes: true, handle: (*call).dcUpdateWebhook},
			{method: http.MethodDelete, path: at + "/webhooks/{webhookId}", need: dcSignedIn, writes: true, handle: (*call).dcDeleteWebhook},
		} {
			if at == project {
				r = since(8, 8, r) // FACTS 107
			}
			all = append(all, r)
		}
	}
	all = append(all, dcSettingsRoutes()...)
	return slices.DeleteFunc(all, func(r *route) bool { return !v.atLeast(r.since[0], r.since[1]) })
}

// dcUnknown is the answer to paths that no resource has.
func dcUnknown(c *call) *failure {
	return &failure{
		status: http.StatusNotFound,
		body:   string(append(appendString([]byte(`{"message":`), "null for uri: "+origin(c.req)+c.req.URL.EscapedPath()), `,"status-code":404}`...)),
	}
}

// canonical rewrites the version 1.0 of a module to latest (FACTS 105), and the repositories below a user to those of
// the personal project (FACTS 125).
func canonical(path string) string {
	for _, module := range []string{"/rest/api", "/rest/oauth2", "/rest/default-reviewers", "/rest/keys"} {
		if rest, ok := strings.CutPrefix(path, module+"/1.0/"); ok {
			path = module + "/latest/" + rest
		}
	}
	if rest, ok := strings.CutPrefix(path, "/rest/branch-permissions/2.0/"); ok {
		path = "/rest/branch-permissions/latest/" + rest
	}
	if rest, ok := strings.CutPrefix(path, "/rest/api/latest/users/"); ok {
		if slug, tail, _ := strings.Cut(rest, "/"); tail == "repos" || strings.HasPrefix(tail, "repos/") {
			path = "/rest/api/latest/projects/~" + slug + "/" + tail
		}
	}
	return path
}
