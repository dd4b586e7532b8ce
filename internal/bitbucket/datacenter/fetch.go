package datacenter

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

// Fetch reads one object as its listing would bring it, by one call where the reference says where it is. It is a
// fault.NotFound where the object is gone, or hidden from every credential; Exists tells which.
//
// The answer is matched by id. A repository that is not where it was is looked for by name, and what is in it after it.
func (c *Client) Fetch(ctx context.Context, ref bitbucket.Ref) (bitbucket.Page, error) {
	switch ref.Type {
	case graph.TypeInstance:
		if ref.Key == c.keys.instance() {
			in, err := c.Instance(ctx)
			return in.Page, err
		}
	case graph.TypeProject:
		if id := c.keys.number(ref.Key, "project"); id != "" && ref.Project != "" {
			return c.fetchProject(ctx, ref, id)
		}
	case graph.TypeUser:
		if id := c.keys.number(ref.Key, "user"); id != "" && ref.Slug != "" {
			return c.fetchUser(ctx, ref, id)
		}
	case graph.TypeGroup:
		if name, ok := strings.CutPrefix(ref.Key, c.keys.group("")); ok && name != "" {
			return c.fetchGroup(ctx, ref, name)
		}
	case graph.TypeRepo:
		if id := c.keys.number(ref.Key, "repo"); id != "" {
			return c.fetchRepository(ctx, ref, ref.Key, id)
		}
	case graph.TypePullRequest:
		repo, number, _ := strings.Cut(ref.Key, ":pr:")
		if id, n := c.keys.number(repo, "repo"), positive(number); id != "" && n != "" {
			return c.fetchPullRequest(ctx, ref, repo, id, n)
		}
	case graph.TypeRestriction:
		return c.fetchSetting(ctx, ref, ":restriction:", func(r resource) (string, converter) {
			return "/branch-permissions/latest" + r.path + "/restrictions/", r.convertRestriction
		})
	case graph.TypeWebhook:
		return c.fetchSetting(ctx, ref, ":hook:", func(r resource) (string, converter) {
			return "/api/latest" + r.path + "/webhooks/", r.convertHook
		})
	}
	return bitbucket.Page{}, fault.New(fault.Internal, "%s %q cannot be read directly", ref.Type, ref.Key)
}

// converter makes an object of one element of a list.
type converter func(bitbucket.JSON, *mentions) (graph.Object, *bitbucket.Record, bool)

// get reads one path as every principal, until one sees the object that is meant.
func (c *Client) get(ctx context.Context, key, path string, is func(bitbucket.JSON) bool) (*bitbucket.Response, error) {
	gone := fault.New(fault.NotFound, "%s is not there any more", key)
	var missing, hidden, dead error
	for _, p := range c.core.Principals() {
		resp, err := c.core.AskOne(ctx, p, path)
		if err == nil {
			err = c.loggedIn("the data of "+key, resp)
		}
		switch {
		case err == nil && is(resp.Body):
			return resp, nil
		case err == nil:
			missing = gone // something else is there now
		case fault.Is(err, fault.NotFound):
			missing = fault.Wrap(err, fault.NotFound, "%s is not there any more, or hidden", key)
		case fault.Is(err, fault.Denied):
			hidden = fault.Wrap(err, fault.NotFound, "%s is hidden", key)
		case fault.Is(err, fault.Unauthorized):
			dead = err // says nothing; the others decide
		default:
			return nil, err
		}
	}
	return nil, firstErr(missing, hidden, dead, fault.New(fault.Denied, "no credential of the connection can read %s", key))
}

// pageOf begins the page of an answer.
func pageOf(resp *bitbucket.Response) bitbucket.Page {
	out := bitbucket.Page{RequestedAt: resp.RequestedAt, Principal: resp.Principal}
	if at, err := http.ParseTime(resp.Header.Get("Date")); err == nil {
		out.ServedAt = at
	}
	return out
}

// unreadable is the answer of something that is no Bitbucket.
func unreadable(key string) error {
	return fault.New(fault.Unavailable, "the answer about %s cannot be read", key).
		With("check --url: something other than Bitbucket Data Center may answer there")
}

// one is the page of a single object.
func one(resp *bitbucket.Response, key string, met []graph.Object, o graph.Object, r *bitbucket.Record, ok bool) (bitbucket.Page, error) {
	if !ok {
		return bitbucket.Page{}, unreadable(key)
	}
	out := pageOf(resp)
	out.Objects, out.Met = []graph.Object{o}, met
	out.Note(key, 0, o.Entity.Key, r, true)
	return out, nil
}

func (c *Client) fetchProject(ctx context.Context, ref bitbucket.Ref, id string) (bitbucket.Page, error) {
	resp, err := c.get(ctx, ref.Key, projectsPath+"/"+url.PathEscape(ref.Project), matches(id))
	if err != nil {
		return bitbucket.Page{}, err
	}
	o, r, ok := c.keys.convertProject(resp.Body)
	if ok {
		c.keepProject(o)
	}
	return one(resp, ref.Key, nil, o, r, ok)
}

func (c *Client) fetchUser(ctx context.Context, ref bitbucket.Ref, id string) (bitbucket.Page, error) {
	resp, err := c.get(ctx, ref.Key, "/api/latest/users/"+url.PathEscape(ref.Slug), matches(id))
	if err != nil {
		return bitbucket.Page{}, err
	}
	o, r, ok := c.keys.convertMember(resp.Body)
	return one(resp, ref.Key, nil, o, r, ok)
}

// fetchGroup reads a group through the list of names, since nothing tells a single one to everybody.
func (c *Client) fetchGroup(ctx context.Context, ref bitbucket.Ref, name string) (bitbucket.Page, error) {
	is := func(v bitbucket.JSON) bool { text, _ := v.Text(); return text == name }
	var out bitbucket.Page
	err := c.list(ctx, listing{
		what: "the groups named " + name, path: "/api/latest/groups", query: url.Values{"filter": {name}},
		convert: func(values []bitbucket.JSON, page *bitbucket.Page) {
			for _, v := range values {
				if o, _, ok := c.keys.convertGroup(v); ok && is(v) {
					page.Objects = []graph.Object{o}
				}
			}
		},
	}, func(p bitbucket.Page) error {
		if len(p.Objects) > 0 {
			out = p
		}
		return nil
	})
	switch {
	case fault.Is(err, fault.Denied):
		return out, fault.Wrap(err, fault.NotFound, "%s is hidden", ref.Key)
	case err != nil:
		return out, err
	case len(out.Objects) == 0:
		return out, fault.New(fault.NotFound, "%s is not there any more", ref.Key)
	}
	out.Again = false
	return out, nil
}

// places returns where a repository may be: where the reference says, which may come from an event that is newer than
// what this client knows, then where it was last seen.
func (c *Client) places(key string, ref bitbucket.Ref) (out []place) {
	for _, at := range []place{{ref.Project, ref.Slug}, c.where(key, ref)} {
		if at.project != "" && at.slug != "" && (len(out) == 0 || out[0] != at) {
			out = append(out, at)
		}
	}
	return out
}

// fetchRepository reads a repository where it may be, and looks for it by name where it is not.
func (c *Client) fetchRepository(ctx context.Context, ref bitbucket.Ref, key, id string) (bitbucket.Page, error) {
	var last error
	for _, at := range c.places(key, ref) {
		resp, err := c.get(ctx, key, repoPath(at), matches(id))
		if err == nil {
			out := pageOf(resp)
			c.addRepositories(&out, key, []bitbucket.JSON{resp.Body}, "", map[string]bool{})
			c.keepRepositories(resp.Principal, out.Repos)
			return out, nil
		}
		if last = err; !fault.Is(err, fault.NotFound) {
			return bitbucket.Page{}, err
		}
	}
	var out bitbucket.Page
	name := cmp.Or(ref.Name, ref.Slug, c.where(key, ref).slug)
	err := c.search(ctx, key, name, func(p bitbucket.Page) { out = p })
	switch {
	case err != nil && !fault.Is(err, fault.NotFound) && !fault.Is(err, fault.Denied):
		return bitbucket.Page{}, err
	case len(out.Objects) > 0:
		return out, nil
	}
	return bitbucket.Page{}, firstErr(last, fault.New(fault.NotFound, "%s is not there any more, or hidden", key))
}

// fetchPullRequest reads a pull request; where it is not found its repository may have moved, which then is read too.
func (c *Client) fetchPullRequest(ctx context.Context, ref bitbucket.Ref, repo, id, number string) (bitbucket.Page, error) {
	var last error
	tried := map[place]bool{}
	try := func(places []place) (bitbucket.Page, bool, error) {
		for _, at := range places {
			if tried[at] {
				continue
			}
			tried[at] = true
			resp, err := c.get(ctx, ref.Key, repoPath(at)+"/pull-requests/"+number, pullRequestOf(id, number))
			if err == nil {
				out, err := c.pullRequestPage(ref.Key, resp)
				return out, true, err
			}
			if last = err; !fault.Is(err, fault.NotFound) {
				return bitbucket.Page{}, true, err
			}
		}
		return bitbucket.Page{}, false, nil
	}
	if out, done, err := try(c.places(repo, ref)); done {
		return out, err
	}
	whole := ref
	whole.Type, whole.Key = graph.TypeRepo, repo
	if _, err := c.fetchRepository(ctx, whole, repo, id); err != nil {
		if fault.Is(err, fault.NotFound) {
			err = firstErr(last, err)
		}
		return bitbucket.Page{}, err
	}
	if out, done, err := try([]place{c.where(repo, ref)}); done {
		return out, err
	}
	return bitbucket.Page{}, last
}

// pullRequestPage converts a pull request with everybody who is in it. Its repository is embedded.
func (c *Client) pullRequestPage(key string, resp *bitbucket.Response) (bitbucket.Page, error) {
	res, _, ok := c.keys.convertRepository(bitbucket.Inner(resp.Body, "toRef", "repository"))
	if !ok {
		return bitbucket.Page{}, unreadable(key)
	}
	people := bitbucket.NewPeople("id", c.keys.convertUser)
	o, r, ok := c.keys.convertPullRequest(resp.Body, res.ref, people)
	return one(resp, key, people.Take(), o, r, ok)
}

// pullRequestOf tests whether an answer is the pull request of a number into the repository of an id.
func pullRequestOf(repo, number string) func(bitbucket.JSON) bool {
	return func(j bitbucket.JSON) bool {
		got, ok := readID(bitbucket.Inner(j, "toRef", "repository", "id"))
		return matches(number)(j) && ok && got == repo
	}
}

// fetchSetting reads something that was set in a project or repository. Of a repository it must be known what project it
// is in, because rights on what is in it follow from that; where it is not, the repository is read first.
func (c *Client) fetchSetting(ctx context.Context, ref bitbucket.Ref, mark string, of func(resource) (path string, convert converter)) (bitbucket.Page, error) {
	parent, number, _ := strings.Cut(ref.Key, mark)
	number = positive(number)
	p := bitbucket.Place{Key: parent, Owner: c.keys.instance(), OwnerID: c.keys.iid, Project: ref.Project, Slug: ref.Slug}
	if id := c.keys.number(parent, "project"); id != "" {
		p.Type, p.ID, p.ProjectKey = graph.TypeProject, id, parent
	} else if id := c.keys.number(parent, "repo"); id != "" {
		p.Type, p.ID = graph.TypeRepo, id
		whole := ref
		whole.Type, whole.Key, whole.Name = graph.TypeRepo, parent, ""
		page, err := c.fetchRepository(ctx, whole, parent, id)
		if err != nil {
			return bitbucket.Page{}, err
		}
		for _, r := range page.Repos {
			p.Project, p.Slug, p.ProjectKey = r.Project, r.Slug, r.ProjectKey
		}
	}
	if p.Type == "" || number == "" || p.Project == "" {
		return bitbucket.Page{}, fault.New(fault.Internal, "%s %q cannot be read directly", ref.Type, ref.Key)
	}
	r := c.resource(p)
	path, convert := of(r)
	resp, err := c.get(ctx, ref.Key, path+number, func(j bitbucket.JSON) bool {
		return matches(number)(j) && !r.elsewhere(bitbucket.Inner(j, "scope", "type")) && !r.elsewhere(j.Get("scopeType"))
	})
	if err != nil {
		return bitbucket.Page{}, err
	}
	met := newMentions(c.keys)
	o, rec, ok := convert(resp.Body, met)
	return one(resp, ref.Key, met.take(), o, rec, ok)
}
