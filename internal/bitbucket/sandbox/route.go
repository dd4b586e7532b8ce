package sandbox

import (
	"net/http"
	"net/url"
	"strings"
)

// route is an endpoint. Its name is method and path as the vendor's document writes them.
type route struct {
	name   string
	method string
	path   string
	segs   []string
	scope  string // OAuth scope asked for; "" none
	token  string // scope of API tokens asked for
	need   dcNeed // of Data Center
	since  [2]int // version of Data Center that has it first
	writes bool   // changes the world
	handle func(*call) *failure
}

type routeTable struct {
	bySize  map[int][]*route
	open    []*route // those whose last parameter takes the rest of the path
	unknown *route
}

func newRouteTable(rs []*route, unknown func(*call) *failure) *routeTable {
	t := &routeTable{bySize: map[int][]*route{}}
	t.unknown = &route{name: "(unknown)", handle: unknown}
	for _, r := range rs {
		r.segs = strings.Split(r.path, "/")[1:]
		if last := len(r.segs) - 1; strings.HasSuffix(r.segs[last], "...}") {
			r.path = strings.Replace(r.path, "...}", "}", 1)
			t.open = append(t.open, r)
		} else {
			t.bySize[len(r.segs)] = append(t.bySize[len(r.segs)], r)
		}
		r.name = r.method + " " + r.path
	}
	return t
}

// match finds the route of an escaped path. A trailing slash is ignored.
func (t *routeTable) match(method, path string) (*route, []string) {
	if method == http.MethodHead {
		method = http.MethodGet
	}
	segs := strings.Split(strings.TrimSuffix(path, "/"), "/")[1:]
	for _, r := range t.bySize[len(segs)] {
		if r.method == method && fits(r.segs, segs) {
			return r.arguments(segs)
		}
	}
	for _, r := range t.open {
		if n := len(r.segs); r.method == method && len(segs) >= n && fits(r.segs, segs[:n]) {
			segs = append(segs[:n-1:n-1], strings.Join(segs[n-1:], "/"))
			return r.arguments(segs)
		}
	}
	return t.unknown, nil
}

func fits(pattern, segs []string) bool {
	for i, p := range pattern {
		if p[0] != '{' && p != segs[i] || p[0] == '{' && segs[i] == "" {
			return false
		}
	}
	return true
}

func (r *route) arguments(segs []string) (*route, []string) {
	var args []string
	for i, p := range r.segs {
		if p[0] == '{' {
			v, err := url.PathUnescape(segs[i])
			if err != nil {
				v = segs[i]
			}
			args = append(args, v)
		}
	}
	return r, args
}

// cloudUnknown is the answer to paths that no resource has.
func cloudUnknown(*call) *failure { return fail(http.StatusNotFound, "Resource not found", "") }

// cloudRoutes is the table of Bitbucket Cloud.
func cloudRoutes() []*route {
	const (
		ws   = "/2.0/workspaces/{workspace}"
		list = "/2.0/repositories/{workspace}"
		one  = list + "/{repo_slug}"
		prs  = one + "/pullrequests"
		pr   = prs + "/{pull_request_id}"
	)
	get := func(path, scope, token string, h func(*call) *failure) *route {
		return &route{method: http.MethodGet, path: path, scope: scope, token: token, handle: h}
	}
	const (
		rUser, rWorkspace, rProject, rRepo, rPR = "read:user:bitbucket", "read:workspace:bitbucket", "read:project:bitbucket", "read:repository:bitbucket", "read:pullrequest:bitbucket"
	)
	return append([]*route{
		get("/2.0/user", "account", rUser, (*call).getUser),
		get("/2.0/user/workspaces", "account", rWorkspace, (*call).getUserWorkspaces),
		get(ws, "", rWorkspace, (*call).getWorkspace),
		get(ws+"/members", "account", rWorkspace, (*call).getMembers),
		get(ws+"/members/{member}", "account", rWorkspace, (*call).getMember),
		get(ws+"/projects", "project", rProject, (*call).getProjects),
		get(ws+"/projects/{project_key}", "project", rProject, (*call).getProject),
		get(list, "repository", rRepo, (*call).getRepositories),
		get(one, "repository", rRepo, (*call).getRepository),
		get(prs, "pullrequest", rPR, (*call).getPullRequests),
		get(prs+"/activity", "pullrequest", rPR, (*call).getRepositoryActivity),
		get(pr, "pullrequest", rPR, (*call).getPullRequest),
		get(pr+"/commits", "pullrequest", rPR, (*call).getPullRequestCommits),
		get(pr+"/activity", "pullrequest", rPR, (*call).getPullRequestActivity),
		get(one+"/refs", "repository", rRepo, (*call).getRefs),
		get(one+"/refs/branches", "repository", rRepo, (*call).getBranches),
		get(one+"/refs/tags", "repository", rRepo, (*call).getTags),
		get(one+"/refs/branches/{name...}", "repository", rRepo, (*call).getBranch),
		get(one+"/refs/tags/{name...}", "repository", rRepo, (*call).getTag),
		get(one+"/commits", "repository", rRepo, (*call).getCommits),
		get(one+"/commits/{revision...}", "repository", rRepo, (*call).getCommits),
		get(one+"/commit/{commit}", "repository", rRepo, (*call).getCommit),
		get("/1.0/groups/{workspace}", "account", rWorkspace, (*call).getGroups),
		get("/2.0/repositories", "", "", (*call).removed),
		get("/2.0/workspaces", "", "", (*call).removed),
		get("/2.0/snippets", "", "", (*call).removed),
		get("/2.0/user/permissions/workspaces", "", "", (*call).removed),
		get("/2.0/user/permissions/repositories", "", "", (*call).removed),
	}, settingsRoutes()...)
}

// removed answers what CHANGE-2770 took away (FACTS 79 and 80).
func (c *call) removed() *failure {
	const announcement = `{"announcement_url":"https://developer.atlassian.com/cloud/bitbucket/changelog/#CHANGE-2770"}`
	return &failure{status: http.StatusGone, body: `{"type":"error","error":{"message":"CHANGE-2770 - Functionality has been deprecated",` +
		`"detail":"Please read the changelog entry for more details.","data":` + announcement + `},"data":` + announcement + `}`}
}
