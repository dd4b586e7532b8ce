package sandbox

import (
	"net/http"
	"strings"
)

// dcNeed is what a route of Data Center asks of its caller before it looks at any object.
type dcNeed uint8

const (
	dcAnyone dcNeed = iota
	dcSignedIn
	dcAdministrator
)

// dcRoutes is the table of Data Center. Paths stand without /dc and with `latest`.
func dcRoutes() []*route {
	const (
		api     = "/rest/api/latest"
		project = api + "/projects/{projectKey}"
		repo    = project + "/repos/{repositorySlug}"
		prs     = repo + "/pull-requests"
	)
	get := func(path string, need dcNeed, h func(*call) *failure) *route {
		return &route{method: http.MethodGet, path: path, need: need, handle: h}
	}
	return []*route{
		get(api+"/application-properties", dcAnyone, (*call).dcApplication),
		get(api+"/projects", dcAnyone, (*call).dcProjects),
		get(project, dcAnyone, (*call).dcProject),
		get(project+"/repos", dcAnyone, (*call).dcProjectRepositories),
		get(api+"/repos", dcAnyone, (*call).dcRepositories),
		get(repo, dcAnyone, (*call).dcRepository),
		get(prs, dcAnyone, (*call).dcPullRequests),
		get(prs+"/{pullRequestId}", dcAnyone, (*call).dcPullRequest),
		get(api+"/users", dcSignedIn, (*call).dcUsers),
		get(api+"/users/{userSlug}", dcSignedIn, (*call).dcUser),
	}
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
	for _, module := range []string{"/rest/api", "/rest/build-status", "/rest/oauth2"} {
		if rest, ok := strings.CutPrefix(path, module+"/1.0/"); ok {
			path = module + "/latest/" + rest
		}
	}
	if rest, ok := strings.CutPrefix(path, "/rest/api/latest/users/"); ok {
		if slug, tail, _ := strings.Cut(rest, "/"); tail == "repos" || strings.HasPrefix(tail, "repos/") {
			path = "/rest/api/latest/projects/~" + slug + "/" + tail
		}
	}
	return path
}
