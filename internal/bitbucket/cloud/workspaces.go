package cloud

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"

	"github.com/windlass-hq/windlass/internal/bitbucket"
	"github.com/windlass-hq/windlass/internal/fault"
)

// Workspaces reads the wanted workspaces, or with none wanted all that the credentials belong to. It learns on the
// way which principal sees which workspace, and with several principals which of them see fewer repositories: those
// never list a workspace, so their absence of a repository proves nothing (HARD-PARTS A, who proves absence).
func (c *Client) Workspaces(ctx context.Context, wanted []string) ([]Workspace, error) {
	names, err := clean(wanted)
	if err != nil {
		return nil, err
	}
	if len(names) == 0 {
		if names, err = c.own(ctx, c.core.Principals()); err != nil {
			return nil, err
		}
	}
	var out []Workspace
	known := map[string]bool{}
	for _, name := range names {
		ws, err := c.workspace(ctx, name)
		if err != nil {
			return out, err
		}
		if !known[ws.UUID] {
			known[ws.UUID] = true
			out = append(out, ws)
		}
	}
	return out, nil
}

// own returns the UUIDs of the workspaces that any principal belongs to.
func (c *Client) own(ctx context.Context, principals []string) ([]string, error) {
	var names []string
	var refusal error
	for _, p := range principals {
		l := c.accessible(func(slug, uuid string) {
			if uuid != "" {
				slug = "{" + uuid + "}"
			}
			names = append(names, slug)
		})
		l.only = p
		err := c.list(ctx, l, func(bitbucket.Page) error { return nil })
		if bitbucket.Refused(err) && len(principals) > 1 {
			refusal = err
			continue
		}
		if err != nil {
			return nil, err
		}
	}
	if len(names) == 0 {
		if refusal != nil {
			return nil, refusal
		}
		return nil, fault.New(fault.NotFound, "the credentials belong to no workspace").With("name one with --workspace")
	}
	return names, nil
}

// workspace reads one workspace as every principal that may be asked now, and keeps who sees it. Those that rest are
// asked later (late), unless there is nobody else.
func (c *Client) workspace(ctx context.Context, name string) (Workspace, error) {
	var ws Workspace
	var refusal error
	path := "/workspaces/" + segment(normal(name), name)
	sees := map[string]bool{}
	found := 0
	take := func(p string, resp *bitbucket.Response, err error) error {
		switch {
		case fault.Is(err, fault.NotFound):
			sees[p] = false
			return nil
		case bitbucket.Refused(err):
			sees[p], refusal = false, err
			return nil
		case err != nil:
			return err
		}
		o, _, ok := convertWorkspace(resp.Body)
		if !ok {
			return fault.New(fault.Unavailable, "the answer about the workspace %s is no workspace", name).
				With("check --api-url: something other than Bitbucket Cloud may answer there")
		}
		if found == 0 {
			slug, _ := o.Entity.Properties["slug"].(string)
			ws = Workspace{Slug: cmp.Or(slug, name), UUID: keyUUID(o.Entity.Key), Object: o}
		}
		sees[p] = true
		found++
		return nil
	}
	free, resting, err := c.core.Readiness(ctx)
	if err != nil {
		return ws, err
	}
	for _, p := range free {
		resp, err := c.core.Do(ctx, bitbucket.Request{Path: path, Principal: p})
		if errors.Is(err, bitbucket.ErrResting) {
			resting = append(resting, p)
		} else if err := take(p, resp, err); err != nil {
			return ws, err
		}
	}
	for _, p := range resting {
		if found > 0 {
			break
		}
		resp, err := c.core.AskOne(ctx, p, path)
		if err := take(p, resp, err); err != nil {
			return ws, err
		}
	}
	if found == 0 {
		if refusal != nil {
			return ws, refusal
		}
		return ws, unknownWorkspace(name, c.near(ctx, name))
	}
	sizes := map[string]int64{}
	if found > 1 {
		for _, p := range c.core.Principals() {
			if !sees[p] {
				continue
			}
			switch ok, err := c.measure(ctx, ws.UUID, p, sizes); {
			case err != nil:
				return ws, err
			case !ok:
				delete(sees, p)
			}
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sees[ws.UUID], c.sizes[ws.UUID], c.narrow[ws.UUID], c.bySlug[ws.Slug] = sees, sizes, narrower(sizes), ws.UUID
	return ws, nil
}

// What stands for the size of a listing that does not state it, and of one that a principal may not read.
const (
	unstated = -1
	refused  = -2
)

// measure finds out how many repositories of a workspace a principal sees. A size may be missing (FACTS 48); then
// nothing is concluded. It is not ok where the principal rests.
func (c *Client) measure(ctx context.Context, workspace, p string, sizes map[string]int64) (ok bool, err error) {
	resp, err := c.core.Do(ctx, bitbucket.Request{Path: "/repositories/" + segment(workspace, "") + "?pagelen=1&fields=size,values.uuid", Principal: p})
	switch {
	case errors.Is(err, bitbucket.ErrResting):
		return false, nil
	case bitbucket.Refused(err):
		sizes[p] = refused
	case err != nil:
		return false, err
	default:
		sizes[p] = unstated
		if n, ok := resp.Body.Get("size").Integer(); ok {
			sizes[p] = n
		}
	}
	return true, nil
}

// narrower returns the principals that see fewer repositories of a workspace than another one does.
func narrower(sizes map[string]int64) map[string]bool {
	most := int64(refused)
	for _, n := range sizes {
		most = max(most, n)
	}
	narrow := map[string]bool{}
	for p, n := range sizes {
		narrow[p] = n < most && n != unstated // where all are refused none is, so that the listing says why
	}
	return narrow
}

// late asks the principals that rested when a workspace was looked at, once they may be asked, so that their
// allowances are used too. What it cannot find out it leaves for the next time.
func (c *Client) late(ctx context.Context, workspace string) error {
	if len(c.unasked(workspace)) == 0 {
		return nil
	}
	c.asking.Lock() // one at a time, so that nobody is asked twice
	defer c.asking.Unlock()
	_, resting, err := c.core.Readiness(ctx)
	if err != nil {
		return err
	}
	for _, p := range c.unasked(workspace) {
		if slices.Contains(resting, p) {
			continue
		}
		_, err := c.core.Do(ctx, bitbucket.Request{Path: "/workspaces/" + segment(workspace, ""), Principal: p, Attempts: 1})
		if err != nil && !bitbucket.Refused(err) {
			continue // it rests again, or the network fails: the listing itself says more
		}
		c.mu.Lock()
		sees, sizes := maps.Clone(c.sees[workspace]), maps.Clone(c.sizes[workspace])
		c.mu.Unlock()
		sees[p] = err == nil
		for _, q := range slices.Sorted(maps.Keys(sees)) {
			if _, measured := sizes[q]; sees[q] && !measured {
				if _, err := c.measure(ctx, workspace, q, sizes); err != nil {
					return err
				}
			}
		}
		c.mu.Lock()
		c.sees[workspace], c.sizes[workspace], c.narrow[workspace] = sees, sizes, narrower(sizes)
		c.mu.Unlock()
	}
	return nil
}

// unasked returns the principals of which is not known whether they see a workspace that others were asked about.
func (c *Client) unasked(workspace string) []string {
	all := c.core.Principals()
	c.mu.Lock()
	defer c.mu.Unlock()
	sees := c.sees[workspace]
	if len(sees) == 0 {
		return nil
	}
	return slices.DeleteFunc(all, func(p string) bool { _, asked := sees[p]; return asked })
}
