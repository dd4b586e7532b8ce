package datacenter

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"time"

	"github.com/windlass-hq/windlass/internal/bitbucket"
	"github.com/windlass-hq/windlass/internal/fault"
	"github.com/windlass-hq/windlass/internal/graph"
)

// projectHooks is the first version whose projects have webhooks (FACTS 107).
func projectHooks() (major, minor int) { return 8, 8 }

// hasHooks reports whether a place can have webhooks in this version. Where the version is not known yet, the newest is
// assumed.
func (c *Client) hasHooks(p bitbucket.Place) bool {
	switch p.Type {
	case graph.TypeRepo:
		return true
	case graph.TypeProject:
		v := c.Version()
		return v == (Version{}) || v.AtLeast(projectHooks())
	}
	return false
}

// versioned finds out the version of the instance where it matters and is not known yet.
func (c *Client) versioned(ctx context.Context, p bitbucket.Place) error {
	if p.Type != graph.TypeProject || c.Version() != (Version{}) {
		return nil
	}
	return c.identify(ctx)
}

// HookEvents are the keys that Windlass subscribes to: those that tell of what is in the graph. It is nil where a place
// cannot have webhooks, as the projects of versions before 8.8.
//
// An instance refuses a webhook with a key that it does not know, so the list has only keys that all versions from 7.6
// know. The second spellings of FACTS 146, and pr:to_ref_updated, stand in manuals only; they are decoded and never
// asked for. A project's own change is told to the hooks of projects alone. It sends nothing: where neither Instance nor
// Check was called, the version is not known, and the newest is assumed.
func (c *Client) HookEvents(p bitbucket.Place) []string {
	if !c.hasHooks(p) {
		return nil
	}
	events := []string{
		"repo:refs_changed", "repo:modified", "repo:forked",
		"pr:opened", "pr:from_ref_updated", "pr:modified", "pr:reviewer:updated", "pr:reviewer:approved", "pr:reviewer:unapproved",
		needsWork, "pr:merged", "pr:declined", "pr:deleted", "pr:comment:added", "pr:comment:edited", "pr:comment:deleted",
	}
	if p.Type == graph.TypeProject {
		events = append([]string{"project:modified"}, events...)
	}
	return events
}

// Hooks lists the webhooks of a place, its own and nobody else's: what a repository inherits from its project is the
// project's.
func (c *Client) Hooks(ctx context.Context, p bitbucket.Place) ([]bitbucket.Hook, error) {
	if err := c.versioned(ctx, p); err != nil || !c.hasHooks(p) {
		return nil, err
	}
	r := c.resource(p)
	what := "the webhooks of " + r.title
	var all, read []bitbucket.Hook
	var odd error
	l := c.listingOf(listing{
		what: what, path: "/api/latest" + r.path + "/webhooks", may: r.may,
		convert: func(values []bitbucket.JSON, _ *bitbucket.Page) {
			for _, v := range values {
				if r.elsewhere(v.Get("scopeType")) {
					continue
				}
				h, ok := readHookOf(v)
				if !ok {
					odd = unreadable(what) // it may be ours, and would be made twice
				}
				read = append(read, h)
			}
		},
	})
	err := c.core.ListFor(ctx, bitbucket.RightOf(bitbucket.DataCenter, bitbucket.FeatureWebhooks), l, func(page bitbucket.Page) error {
		if page.Again {
			all = nil // somebody else reads them from the start
		}
		all, read = append(all, read...), nil
		return odd
	})
	if err != nil {
		return nil, err
	}
	return all, nil
}

// readHookOf reads a webhook. Of its secret no more is taken than whether there is one.
func readHookOf(v bitbucket.JSON) (bitbucket.Hook, bool) {
	w := readHook(v)
	id, ok := readID(w.id)
	if !ok {
		return bitbucket.Hook{}, false
	}
	h := bitbucket.Hook{ID: id}
	h.URL, _ = w.url.Text()
	h.Name, _ = w.name.Text()
	h.Active, _ = w.active.Flag()
	w.events.Elements(func(e bitbucket.JSON) {
		if key, ok := e.Text(); ok && !slices.Contains(h.Events, key) {
			h.Events = append(h.Events, key)
		}
	})
	if secret, _ := bitbucket.Inner(w.configuration, "secret").Text(); secret != "" {
		set := true
		h.SecretSet = &set
	}
	if at, ok := w.created.Moment(); ok {
		h.CreatedAt = time.UnixMilli(at).UTC()
	}
	return h, true
}

// wireHook is a webhook as it is sent. Without a configuration the instance is left with the one it has.
type wireHook struct {
	Name          string             `json:"name"`
	URL           string             `json:"url"`
	Events        []string           `json:"events"`
	Active        bool               `json:"active"`
	Verified      bool               `json:"sslVerificationRequired"`
	Configuration *wireConfiguration `json:"configuration,omitempty"`
}

type wireConfiguration struct {
	Secret string `json:"secret"`
}

// hookBody returns what is sent of a webhook. Certificates are always to be verified.
func hookBody(s bitbucket.HookSpec) ([]byte, error) {
	w := wireHook{Name: s.Name, URL: s.URL, Events: s.Events, Active: s.Active, Verified: true}
	if s.Secret != "" {
		w.Configuration = &wireConfiguration{s.Secret.Reveal()}
	}
	body, err := json.Marshal(w)
	if err != nil {
		return nil, fault.New(fault.Internal, "the webhook %s cannot be written", s.Name)
	}
	return body, nil
}

// writeHook sends a change of the webhooks of a place.
func (c *Client) writeHook(ctx context.Context, p bitbucket.Place, method, id string, s *bitbucket.HookSpec) (*bitbucket.Response, error) {
	if err := c.versioned(ctx, p); err != nil {
		return nil, err
	}
	r := c.resource(p)
	switch {
	case !c.hasHooks(p):
		return nil, fault.New(fault.Invalid, "%s cannot have webhooks in version %s of Bitbucket", r.title, c.Version()).
			With("webhooks of projects came with version 8.8: use those of repositories")
	case id != "" && positive(id) == "":
		return nil, fault.New(fault.Internal, "%q is no id of a webhook", id)
	}
	w := bitbucket.Write{Method: method, Path: "/api/latest" + r.path + "/webhooks", May: r.may}
	if id != "" {
		w.Path += "/" + id
	}
	if s != nil {
		body, err := hookBody(*s)
		if err != nil {
			return nil, err
		}
		w.Body, w.Secrets = body, []bitbucket.Secret{s.Secret}
	}
	resp, err := c.core.Send(ctx, w)
	if fault.Is(err, fault.Denied) {
		return nil, fault.Wrap(err, fault.Denied, "webhooks of %s may not be changed", r.title).
			With("it takes %s_ADMIN: give a credential for hooks that has it, or make the webhook by hand", map[string]string{graph.TypeProject: "PROJECT", graph.TypeRepo: "REPO"}[p.Type])
	}
	return resp, err
}

// CreateHook makes a webhook, whose secret goes to Bitbucket and comes back in nothing. Where the error is
// bitbucket.ErrUncertain, Hooks tells whether it was made.
func (c *Client) CreateHook(ctx context.Context, p bitbucket.Place, s bitbucket.HookSpec) (bitbucket.Hook, error) {
	resp, err := c.writeHook(ctx, p, http.MethodPost, "", &s)
	if err != nil {
		return bitbucket.Hook{}, err
	}
	h, ok := readHookOf(resp.Body)
	if !ok {
		return bitbucket.Hook{}, fault.Wrap(bitbucket.ErrUncertain, fault.Unavailable, "the answer to the new webhook %s cannot be read", s.Name).
			With("look whether it was made before making it again")
	}
	if s.Secret != "" {
		set := true
		h.SecretSet = &set
	}
	return h, nil
}

// UpdateHook makes a webhook what is wanted. Without a secret none is sent. What becomes of the one that is there is not
// documented, so whoever knows it sends it along.
func (c *Client) UpdateHook(ctx context.Context, p bitbucket.Place, id string, s bitbucket.HookSpec) error {
	if id == "" {
		return fault.New(fault.Internal, "no id of a webhook was given")
	}
	_, err := c.writeHook(ctx, p, http.MethodPut, id, &s)
	return err
}

// DeleteHook removes a webhook. That it is gone already is no error.
func (c *Client) DeleteHook(ctx context.Context, p bitbucket.Place, id string) error {
	if id == "" {
		return fault.New(fault.Internal, "no id of a webhook was given")
	}
	_, err := c.writeHook(ctx, p, http.MethodDelete, id, nil)
	if fault.Is(err, fault.NotFound) || !c.hasHooks(p) {
		return nil
	}
	return err
}
