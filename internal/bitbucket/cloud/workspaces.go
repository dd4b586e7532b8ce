package cloud

import (
	"context"

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
	principals := c.core.Principals()
	if len(names) == 0 {
		if names, err = c.own(ctx, principals); err != nil {
			return nil, err
		}
	}
	var out []Workspace
	known := map[string]bool{}
	for _, name := range names {
		ws, err := c.workspace(ctx, name, principals)
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

// workspace reads one workspace as every principal, and keeps who sees it.
func (c *Client) workspace(ctx context.Context, name string, principals []string) (Workspace, error) {
	var ws Workspace
	var refusal error
	sees := map[string]bool{}
	for _, p := range principals {
		resp, err := c.core.AskOne(ctx, p, "/workspaces/"+segment(normal(name), name))
		switch {
		case err == nil:
		case fault.Is(err, fault.NotFound):
			continue
		case bitbucket.Refused(err):
			refusal = err
			continue
		default:
			return ws, err
		}
		o, _, ok := convertWorkspace(resp.Body)
		if !ok {
			return ws, fault.New(fault.Unavailable, "the answer about the workspace %s is no workspace", name).
				With("check --api-url: something other than Bitbucket Cloud may answer there")
		}
		if len(sees) == 0 {
			slug, _ := o.Entity.Properties["slug"].(string)
			ws = Workspace{Slug: firstOf(slug, name), UUID: keyUUID(o.Entity.Key), Object: o}
		}
		sees[p] = true
	}
	if len(sees) == 0 {
		if refusal != nil {
			return ws, refusal
		}
		return ws, unknownWorkspace(name, c.near(ctx, name))
	}
	narrow := map[string]bool{}
	if len(sees) > 1 {
		var err error
		if narrow, err = c.narrower(ctx, ws, sees); err != nil {
			return ws, err
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sees[ws.UUID], c.narrow[ws.UUID], c.bySlug[ws.Slug] = sees, narrow, ws.UUID
	return ws, nil
}

// narrower returns the principals that see fewer repositories of a workspace than another one does, by the size of
// the listing. A size may be missing (FACTS 48); then nothing is concluded.
func (c *Client) narrower(ctx context.Context, ws Workspace, sees map[string]bool) (map[string]bool, error) {
	sizes := map[string]int64{}
	most := int64(0)
	narrow := map[string]bool{}
	for _, p := range c.core.Principals() {
		if !sees[p] {
			continue
		}
		resp, err := c.core.AskOne(ctx, p, "/repositories/"+segment(ws.UUID, "")+"?pagelen=1&fields=size,values.uuid")
		if bitbucket.Refused(err) {
			narrow[p] = true
			continue
		}
		if err != nil {
			return nil, err
		}
		if n, ok := resp.Body.Get("size").Integer(); ok {
			sizes[p] = n
			most = max(most, n)
		}
	}
	for p, n := range sizes {
		if n < most {
			narrow[p] = true
		}
	}
	if len(narrow) == len(sees) {
		return map[string]bool{}, nil // all are refused; let the listing say why
	}
	return narrow, nil
}
