package cloud

import (
	"cmp"
	"context"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/windlass-hq/windlass/internal/bitbucket"
	"github.com/windlass-hq/windlass/internal/fault"
	"github.com/windlass-hq/windlass/internal/graph"
)

// The largest pages that the vendor grants; more is answered with 400 (FACTS 51 to 53).
const (
	pagelen             = 100
	pullRequestsPagelen = 50
)

// Projects lists the projects of a workspace.
func (c *Client) Projects(ctx context.Context, ws Workspace, yield func(bitbucket.Page) error) error {
	what := "the projects of " + ws.Slug
	return c.list(ctx, listing{
		what: what, path: "/workspaces/" + segment(ws.UUID, ws.Slug) + "/projects", pagelen: pagelen, workspace: ws.UUID, whole: true,
		convert: func(values []bitbucket.JSON, out *bitbucket.Page) {
			for i, v := range values {
				o, r, ok := convertProject(v, ws)
				out.Note(what, i, o.Entity.Key, r, ok)
				if ok {
					out.Objects = append(out.Objects, o)
					c.mu.Lock()
					c.listed[o.Entity.Key] = true
					c.mu.Unlock()
				}
			}
		},
	}, yield)
}

// Members lists the users of a workspace, each with the relationship that the workspace has them.
func (c *Client) Members(ctx context.Context, ws Workspace, yield func(bitbucket.Page) error) error {
	what := "the members of " + ws.Slug
	return c.list(ctx, listing{
		what: what, path: "/workspaces/" + segment(ws.UUID, ws.Slug) + "/members", pagelen: pagelen, workspace: ws.UUID,
		convert: func(values []bitbucket.JSON, out *bitbucket.Page) {
			for i, v := range values {
				o, r, ok := convertMember(v, ws)
				out.Note(what, i, o.Entity.Key, r, ok)
				if ok {
					out.Objects = append(out.Objects, o)
				}
			}
		},
	}, yield)
}

// Repositories lists the repositories of a workspace. A project that Projects of this client did not list is met.
func (c *Client) Repositories(ctx context.Context, ws Workspace, yield func(bitbucket.Page) error) error {
	return c.RepositoriesSince(ctx, ws, time.Time{}, yield)
}

// RepositoriesSince lists like Repositories, but only what was updated since the given time (FACTS 63); a zero time
// lists all.
func (c *Client) RepositoriesSince(ctx context.Context, ws Workspace, since time.Time, yield func(bitbucket.Page) error) error {
	if ws.UUID == "" && ws.Slug == "" {
		// An empty workspace would ask the removed global list, which answers 410 (FACTS 81).
		return fault.New(fault.Invalid, "no workspace is named").With("give one with --workspace")
	}
	what := "the repositories of " + ws.Slug
	path := "/repositories/" + segment(ws.UUID, ws.Slug)
	if !since.IsZero() {
		path += "?q=" + url.QueryEscape("updated_on>="+since.UTC().Format(time.RFC3339Nano))
	}
	return c.list(ctx, listing{
		what: what, path: path, pagelen: pagelen, workspace: ws.UUID, whole: true,
		convert: func(values []bitbucket.JSON, out *bitbucket.Page) {
			met := map[string]bool{}
			for i, v := range values {
				res, r, ok := convertRepository(v, ws)
				out.Note(what, i, res.object.Entity.Key, r, ok)
				if !ok {
					continue
				}
				out.Objects = append(out.Objects, res.object)
				out.Repos = append(out.Repos, res.ref)
				if p := res.project; p != nil && !met[p.Entity.Key] && !c.wasListed(p.Entity.Key) {
					met[p.Entity.Key] = true
					out.Met = append(out.Met, *p)
				}
			}
		},
	}, yield)
}

func (c *Client) wasListed(key string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.listed[key]
}

// The states are named one by one: without them only open pull requests come (FACTS 64). OPEN stands first, so that
// where each state is listed by itself a pull request that closes meanwhile is seen twice and never missed.
const (
	allStates = "state=OPEN&state=MERGED&state=DECLINED&state=SUPERSEDED"
	// addPeople adds what the list leaves out by default (FACTS 57, 58).
	addPeople = "fields=%2Bvalues.participants,%2Bvalues.reviewers"
)

// PullRequests lists all pull requests of a repository with participants and reviewers. Everybody mentioned is met.
//
// Large repositories are known to fail on such lists (FACTS 65): after a 5xx the listing begins again with pages of
// half the size, and then state by state.
func (c *Client) PullRequests(ctx context.Context, repo bitbucket.RepoRef, yield func(bitbucket.Page) error) error {
	return c.PullRequestsSince(ctx, repo, time.Time{}, yield)
}

// PullRequestsSince lists like PullRequests, but only what is open or was updated since the given time (FACTS 60, 61,
// 63); a zero time lists all.
func (c *Client) PullRequestsSince(ctx context.Context, repo bitbucket.RepoRef, since time.Time, yield func(bitbucket.Page) error) error {
	c.complete(&repo)
	if repo.UUID == "" && repo.Slug == "" {
		return fault.New(fault.Internal, "pull requests were asked of a repository without UUID and name")
	}
	what := "the pull requests of " + cmp.Or(repo.FullName, repo.Name, repo.UUID)
	base := "/repositories/" + segment(repo.WorkspaceUUID, repo.WorkspaceSlug) + "/" + segment(repo.UUID, repo.Slug) + "/pullrequests?"
	if !since.IsZero() {
		base += "q=" + url.QueryEscape(window(since)) + "&"
	}
	again, yielded := false, false // an answer that was not yielded needs no taking back
	list := func(states string, size int) error {
		people := newPeople()
		return c.list(ctx, listing{
			what: what, path: base + states + "&" + addPeople, pagelen: size, workspace: repo.WorkspaceUUID, attempts: 3,
			convert: func(values []bitbucket.JSON, out *bitbucket.Page) {
				for i, v := range values {
					o, r, ok := convertPullRequest(v, repo, people)
					out.Note(what, i, o.Entity.Key, r, ok)
					if ok {
						out.Objects = append(out.Objects, o)
					}
				}
				out.Met = people.Take()
			},
		}, func(p bitbucket.Page) error {
			p.Again = p.Again || again
			again, yielded = false, true
			return yield(p)
		})
	}
	var err error
	for _, size := range []int{pullRequestsPagelen, pullRequestsPagelen / 2} {
		if err = list(allStates, size); !serverFailed(err) {
			return err
		}
		again = yielded
	}
	for state := range strings.SplitSeq(allStates, "&") {
		if err := list(state, pullRequestsPagelen/2); err != nil {
			return err
		}
	}
	return nil
}

// window is the filter of what is open or was updated since (FACTS 60, 61, 63).
func window(since time.Time) string {
	return `updated_on>=` + since.UTC().Format(time.RFC3339Nano) + ` OR state="OPEN"`
}

// complete fills in what a reference lacks and this client knows.
func (c *Client) complete(repo *bitbucket.RepoRef) {
	if repo.UUID == "" {
		repo.UUID = keyUUID(repo.Key)
	}
	if repo.WorkspaceUUID == "" {
		c.mu.Lock()
		repo.WorkspaceUUID = c.bySlug[repo.WorkspaceSlug]
		c.mu.Unlock()
	}
}

// Exists reads one object directly. With several principals all are asked until one sees it, so that Gone means that
// none does. The answer is matched by identity: another project under the same key is not the one that was.
func (c *Client) Exists(ctx context.Context, ref bitbucket.Ref) (bitbucket.Presence, error) {
	path, matches, err := direct(ref)
	if err != nil {
		return "", err
	}
	verdict := bitbucket.Gone
	var asked int
	var last error
	// Those that rest come last: where another one sees it they need not be waited for.
	free, resting, err := c.core.Readiness(ctx)
	if err != nil {
		return "", err
	}
	for _, p := range append(free, resting...) {
		if c.blind(normal(ref.Workspace), p) {
			continue
		}
		resp, err := c.core.AskOne(ctx, p, path)
		switch {
		case err == nil && matches(resp.Body):
			return bitbucket.Present, nil
		case err == nil, fault.Is(err, fault.NotFound): // not an endpoint that the vendor has removed, a 410 too (FACTS 80)
			asked++
		case bitbucket.StatusOf(err) == 403:
			verdict = bitbucket.Hidden
			asked++
		case fault.Is(err, fault.Unauthorized):
			last = err // a dead credential says nothing; the others decide
		default:
			return "", err
		}
	}
	if asked == 0 {
		if last == nil {
			last = fault.New(fault.Denied, "no credential of the connection can read %s", ref.Key)
		}
		return "", last
	}
	return verdict, nil
}

// blind reports whether a principal was asked and does not see a workspace that others see.
func (c *Client) blind(workspace, principal string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	sees, asked := c.sees[workspace][principal]
	return asked && !sees
}

// direct returns the path of an object and a test whether an answer is about it.
func direct(ref bitbucket.Ref) (string, func(bitbucket.JSON) bool, error) {
	id := keyUUID(ref.Key)
	workspace := segment(normal(ref.Workspace), ref.Workspace)
	same := func(path ...string) func(bitbucket.JSON) bool {
		return func(j bitbucket.JSON) bool {
			got, ok := readUUID(j.Get(path...))
			return ok && got == id
		}
	}
	switch ref.Type {
	case graph.TypeWorkspace:
		if id != "" {
			return "/workspaces/" + segment(id, ""), same("uuid"), nil
		}
	case graph.TypeProject:
		if id != "" && ref.Project != "" {
			return "/workspaces/" + workspace + "/projects/" + segment("", ref.Project), same("uuid"), nil
		}
	case graph.TypeRepo:
		if id != "" {
			return "/repositories/" + workspace + "/" + segment(id, ""), same("uuid"), nil
		}
	case graph.TypeUser:
		if id != "" {
			return "/workspaces/" + workspace + "/members/" + segment(id, ""), same("user", "uuid"), nil
		}
	case graph.TypePullRequest:
		repo, number, ok := strings.Cut(ref.Key, ":pr:")
		n, err := strconv.ParseInt(number, 10, 64)
		if repoID := keyUUID(repo); ok && err == nil && repoID != "" {
			return "/repositories/" + workspace + "/" + segment(repoID, "") + "/pullrequests/" + number, func(j bitbucket.JSON) bool {
				got, ok := j.Get("id").Integer()
				return ok && got == n
			}, nil
		}
	}
	return "", nil, fault.New(fault.Internal, "%s %q cannot be read directly", ref.Type, ref.Key)
}

// normal returns the UUID that a person or a reference gave for a workspace, or "" where it is a slug. A UUID stands
// in braces or has the usual 36 characters with four dashes.
func normal(workspace string) string {
	id, ok := normalUUID(workspace)
	if ok && (strings.HasPrefix(workspace, "{") || len(id) == 36 && strings.Count(id, "-") == 4) {
		return id
	}
	return ""
}
