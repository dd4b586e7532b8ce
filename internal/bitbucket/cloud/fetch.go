package cloud

import (
	"cmp"
	"context"
	"net/http"
	"net/url"
	"strings"

	"github.com/windlass-hq/windlass/internal/bitbucket"
	"github.com/windlass-hq/windlass/internal/fault"
	"github.com/windlass-hq/windlass/internal/graph"
)

// single is how one object is read and converted.
type single struct {
	path    string
	right   string // feature that it takes beside the required ones; empty for none
	convert func(bitbucket.JSON, *bitbucket.Page) (*bitbucket.Record, bool)
}

// Fetch reads one object with one request, as its listing would bring it: with its relationships and everybody whom it
// mentions. Types are workspace, project, repository, pull request, user (as member of a workspace), branch restriction,
// webhook, environment and branch. A workspace that this client has not met costs a request more, once, where the
// object does not name its workspace itself; repositories and pull requests are found without.
//
// Where it is gone, hidden, or another one stands under its address, the error is a fault.NotFound (Exists tells which);
// where no credential has what reading it takes, a fault.Denied that names the right.
func (c *Client) Fetch(ctx context.Context, ref bitbucket.Ref) (bitbucket.Page, error) {
	var ws Workspace
	if ref.Type != graph.TypeWorkspace && ref.Type != graph.TypeRepo {
		var err error
		if ws, err = c.located(ctx, ref); err != nil {
			return bitbucket.Page{}, err
		}
	}
	s, err := c.single(ref, ws)
	if err != nil {
		return bitbucket.Page{}, err
	}
	resp, err := c.one(ctx, s, ws.UUID)
	if err != nil {
		return bitbucket.Page{}, err
	}
	page := bitbucket.Page{RequestedAt: resp.RequestedAt, ServedAt: resp.ServedAt(), Principal: resp.Principal}
	r, ok := s.convert(resp.Body, &page)
	if !ok || len(page.Objects) != 1 {
		return bitbucket.Page{}, fault.New(fault.Unavailable, "the answer for %s %s has no identity that can be read", ref.Type, ref.Key).
			With("try again; check whether a proxy rewrites answers")
	}
	if got := page.Objects[0].Entity.Key; got != ref.Key {
		return bitbucket.Page{}, fault.New(fault.NotFound, "%s %s does not exist any more: another one stands in its place", ref.Type, ref.Key)
	}
	page.Note("the answer", 0, ref.Key, r, ok)
	return page, nil
}

// located returns the workspace of a reference with UUID and slug. Objects carry both, so what this client has not met
// is asked once.
func (c *Client) located(ctx context.Context, ref bitbucket.Ref) (Workspace, error) {
	id := normal(ref.Workspace)
	switch {
	case ref.Workspace == "" && ref.Type == graph.TypePullRequest:
		return Workspace{}, nil // its repository is found without (FACTS 6); only whose account it is stays unknown
	case ref.Workspace == "":
		return Workspace{}, fault.New(fault.Internal, "%s %q was asked without saying in which workspace it is", ref.Type, ref.Key)
	}
	c.mu.Lock()
	for slug, uuid := range c.bySlug {
		if uuid == id && id != "" || slug == ref.Workspace {
			defer c.mu.Unlock()
			return Workspace{Slug: slug, UUID: uuid}, nil
		}
	}
	c.mu.Unlock()
	resp, err := c.one(ctx, single{path: "/workspaces/" + segment(id, ref.Workspace)}, "")
	if err != nil {
		return Workspace{}, err
	}
	ws, ok := readWorkspaceRef(resp.Body)
	if !ok {
		return Workspace{}, fault.New(fault.Unavailable, "the answer about the workspace %s is no workspace", ref.Workspace).With("check --api-url")
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.bySlug[ws.Slug] = ws.UUID
	return ws, nil
}

func readWorkspaceRef(j bitbucket.JSON) (Workspace, bool) {
	id, ok := readUUID(bitbucket.Inner(j, "uuid"))
	slug, named := bitbucket.Inner(j, "slug").Text()
	return Workspace{Slug: slug, UUID: id}, ok && named && slug != ""
}

// one asks principal after principal until one may read an object. Those that rest come last.
func (c *Client) one(ctx context.Context, s single, workspace string) (*bitbucket.Response, error) {
	right := bitbucket.RightOf(bitbucket.Cloud, s.right)
	free, resting, err := c.core.Readiness(ctx)
	if err != nil {
		return nil, err
	}
	var refusal error
	for _, p := range append(free, resting...) {
		if c.blind(workspace, p) || s.right != "" && !able(right, c.core.Credential(p).Kind) {
			continue
		}
		resp, err := c.core.AskOne(ctx, p, s.path)
		if err == nil || !bitbucket.Refused(err) {
			return resp, err
		}
		refusal = graver(refusal, err)
	}
	switch {
	case refusal == nil:
		refusal = fault.New(fault.Denied, "no credential of the connection can read %s", s.path)
	case fault.Is(refusal, fault.Denied) && bitbucket.StatusOf(refusal) == http.StatusForbidden && len(bitbucket.GrantedIn(refusal)) == 0 && s.right == "":
		return nil, fault.Wrap(refusal, fault.NotFound, "it is hidden from every credential of the connection")
	}
	if s.right != "" && fault.Is(refusal, fault.Denied) {
		return nil, fault.Wrap(refusal, fault.Denied, "%s cannot be read", right.What).With("%s", fault.RemedyOf(refusal))
	}
	return nil, refusal
}

// able reports whether a kind of credential can ever have a right.
func able(right bitbucket.Right, kind bitbucket.Kind) bool {
	need, ok := right.Kinds[kind]
	return ok && need.Never == ""
}

// graver returns which of two refusals says more: a dead credential says nothing about the object, and who sees it and
// may not read it says more than who does not find it.
func graver(a, b error) error {
	rank := func(err error) int {
		switch {
		case err == nil:
			return 0
		case fault.Is(err, fault.Unauthorized):
			return 1
		case fault.Is(err, fault.NotFound):
			return 2
		}
		return 3
	}
	if rank(b) > rank(a) {
		return b
	}
	return a
}

// single says how the object of a reference is read.
func (c *Client) single(ref bitbucket.Ref, ws Workspace) (single, error) {
	if of, id, ok := strings.Cut(ref.Key, ":restriction:"); ok && ref.Type == graph.TypeRestriction {
		return c.setting(of, ref, ws, bitbucket.FeatureRestrictions, "/branch-restrictions/"+url.PathEscape(id), convertRestriction)
	}
	if of, id, ok := strings.Cut(ref.Key, ":hook:"); ok && ref.Type == graph.TypeWebhook {
		return c.setting(of, ref, ws, bitbucket.FeatureWebhooks, "/hooks/"+segment(id, ""), convertHook)
	}
	if of, id, ok := strings.Cut(ref.Key, ":env:"); ok && ref.Type == graph.TypeEnvironment {
		return c.setting(of, ref, ws, bitbucket.FeatureEnvironments, "/environments/"+segment(id, ""), convertEnvironment)
	}
	if of, name, ok := strings.Cut(ref.Key, ":branch:"); ok && ref.Type == graph.TypeBranch {
		return c.setting(of, ref, ws, bitbucket.FeatureBranches, "/refs/branches/"+url.PathEscape(name)+"?fields=name,type,target.hash,links.html", convertOneBranch)
	}
	path, _, err := direct(ref)
	if err != nil {
		return single{}, err
	}
	s := single{path: path}
	switch ref.Type {
	case graph.TypeWorkspace:
		s.convert = func(j bitbucket.JSON, out *bitbucket.Page) (*bitbucket.Record, bool) {
			return keep(out)(convertWorkspace(j))
		}
	case graph.TypeProject:
		s.convert = func(j bitbucket.JSON, out *bitbucket.Page) (*bitbucket.Record, bool) {
			return keep(out)(convertProject(j, ws))
		}
	case graph.TypeUser:
		s.convert = func(j bitbucket.JSON, out *bitbucket.Page) (*bitbucket.Record, bool) {
			return keep(out)(convertMember(j, ws))
		}
	case graph.TypeRepo:
		s.convert = c.convertOneRepository
	case graph.TypePullRequest:
		// Its own address answers participants and reviewers by itself (FACTS 57); they are asked for all the same,
		// since they must not be missing.
		s.path += "?fields=%2Bparticipants,%2Breviewers"
		key, _, _ := strings.Cut(ref.Key, ":pr:")
		repo := bitbucket.RepoRef{Key: key, UUID: keyUUID(key), WorkspaceUUID: ws.UUID, WorkspaceSlug: ws.Slug, Slug: ref.Slug}
		s.convert = func(j bitbucket.JSON, out *bitbucket.Page) (*bitbucket.Record, bool) {
			people := newPeople()
			r, ok := keep(out)(convertPullRequest(j, repo, people))
			out.Met = people.Take()
			return r, ok
		}
	}
	return s, nil
}

// keep returns what adds a converted object to a page.
func keep(out *bitbucket.Page) func(graph.Object, *bitbucket.Record, bool) (*bitbucket.Record, bool) {
	return func(o graph.Object, r *bitbucket.Record, ok bool) (*bitbucket.Record, bool) {
		if ok {
			out.Objects = append(out.Objects, o)
		}
		return r, ok
	}
}

// convertOneRepository converts a repository with its project, in the workspace that it names itself: a transfer may
// have moved it.
func (c *Client) convertOneRepository(j bitbucket.JSON, out *bitbucket.Page) (*bitbucket.Record, bool) {
	ws, ok := readWorkspaceRef(j.Get("workspace"))
	if !ok {
		return nil, false
	}
	c.mu.Lock()
	c.bySlug[ws.Slug] = ws.UUID
	c.mu.Unlock()
	res, r, ok := convertRepository(j, ws)
	if !ok {
		return r, false
	}
	out.Objects, out.Repos = []graph.Object{res.object}, []bitbucket.RepoRef{res.ref}
	if p := res.project; p != nil && !c.wasListed(p.Entity.Key) {
		out.Met = []graph.Object{*p}
	}
	return r, true
}

// setting is one element of a list of settings.
func (c *Client) setting(of string, ref bitbucket.Ref, ws Workspace, feature, path string, convert convertSetting) (single, error) {
	id := keyUUID(of)
	if id == "" {
		return single{}, fault.New(fault.Internal, "%s %q cannot be read directly", ref.Type, ref.Key)
	}
	p := bitbucket.Place{Type: graph.TypeRepo, Key: of, Owner: thingKey(ws.UUID), OwnerID: ws.UUID, OwnerSlug: ws.Slug, ID: id, Project: ref.Project, Slug: ref.Slug}
	if id == ws.UUID {
		p.Type, p.Slug = graph.TypeWorkspace, cmp.Or(ws.Slug, ref.Slug)
	}
	at := place{c: c, Place: p, base: base(p)}
	return single{path: at.base + path, right: feature, convert: func(j bitbucket.JSON, out *bitbucket.Page) (*bitbucket.Record, bool) {
		met := newParties(at)
		r, ok := keep(out)(convert(j, at, met))
		out.Met = met.take()
		return r, ok
	}}, nil
}

// convertOneBranch converts a branch of which it is not asked whether a list shows it, nor whether it is the default or
// protected: those follow from other lists.
func convertOneBranch(j bitbucket.JSON, p place, _ *parties) (graph.Object, *bitbucket.Record, bool) {
	name, _ := j.Get("name").Text()
	p.DefaultBranch, p.Patterns, p.PatternsKnown = name, nil, false
	o, r, ok := convertBranch(j, p, nil)
	delete(r.Props, "isDefault")
	return o, r, ok
}
