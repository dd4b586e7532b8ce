package cloud

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/windlass-hq/windlass/internal/bitbucket"
	"github.com/windlass-hq/windlass/internal/fault"
	"github.com/windlass-hq/windlass/internal/graph"
)

// The limits of the vendor.
const (
	mostHooks     = 50  // of one repository (FACTS 100)
	longestSecret = 128 // characters (FACTS 90)
)

// hookable returns a workspace or a repository with its path.
func (c *Client) hookable(p bitbucket.Place) (place, error) {
	p.OwnerID = cmp.Or(p.OwnerID, keyUUID(p.Owner))
	p.ID = cmp.Or(p.ID, keyUUID(p.Key))
	if p.Type == graph.TypeWorkspace {
		p.OwnerID, p.OwnerSlug = cmp.Or(p.OwnerID, p.ID), cmp.Or(p.OwnerSlug, p.Slug)
	}
	at := place{c: c, Place: p, base: base(p)}
	if p.Type != graph.TypeWorkspace && p.Type != graph.TypeRepo {
		return at, fault.New(fault.Internal, "a %s of Bitbucket Cloud has no webhooks", p.Type)
	}
	if at.base == "" {
		return at, fault.New(fault.Internal, "the webhooks of %s were asked without saying where that is", at.title())
	}
	return at, nil
}

func (p place) title() string { return cmp.Or(p.Name, p.Slug, p.OwnerSlug, p.Key) }

// Hooks returns all webhooks of a workspace or a repository, those of others too. Their addresses may hold secrets of
// others: they are for comparing, not for showing.
func (c *Client) Hooks(ctx context.Context, p bitbucket.Place) ([]bitbucket.Hook, error) {
	at, err := c.hookable(p)
	if err != nil {
		return nil, err
	}
	var all, page []bitbucket.Hook
	var odd error
	l := listing{
		what: "the webhooks of " + at.title(), path: at.base + "/hooks", pagelen: pagelen, workspace: at.OwnerID,
		convert: func(values []bitbucket.JSON, _ *bitbucket.Page) {
			page = page[:0]
			for _, v := range values {
				h, ok := readHook(v)
				if !ok {
					odd = fault.New(fault.Unavailable, "one of the webhooks of %s has no identity that can be read", at.title()).
						With("try again; check whether a proxy rewrites answers")
				}
				page = append(page, h)
			}
		},
	}
	err = c.listFor(ctx, bitbucket.RightOf(bitbucket.Cloud, bitbucket.FeatureWebhooks), l, func(read bitbucket.Page) error {
		if read.Again {
			all = nil // another principal reads them from the start
		}
		all = append(all, page...)
		return odd
	})
	if err != nil {
		return nil, err
	}
	return all, nil
}

// readHook reads a webhook as Bitbucket has it (FACTS 90).
func readHook(j bitbucket.JSON) (bitbucket.Hook, bool) {
	id, ok := readUUID(j.Get("uuid"))
	if !ok {
		return bitbucket.Hook{}, false
	}
	h := bitbucket.Hook{ID: id, URL: text(j, "url"), Name: text(j, "description")}
	h.Active, _ = j.Get("active").Flag()
	j.Get("events").Elements(func(e bitbucket.JSON) {
		if key, ok := e.Text(); ok {
			h.Events = append(h.Events, key)
		}
	})
	slices.Sort(h.Events)
	if set, ok := j.Get("secret_set").Flag(); ok {
		h.SecretSet = &set
	}
	if ms, ok := j.Get("created_at").Time(); ok {
		h.CreatedAt = time.UnixMilli(ms).UTC()
	}
	return h, true
}

// CreateHook makes a webhook. It may come out without project:updated, which takes a scope that not every credential has:
// the Hook that is returned tells for which events it is. An error with bitbucket.ErrUncertain in its chain says that it may have been made all the
// same: look for its URL before making another.
func (c *Client) CreateHook(ctx context.Context, p bitbucket.Place, s bitbucket.HookSpec) (bitbucket.Hook, error) {
	at, err := c.hookable(p)
	if err != nil {
		return bitbucket.Hook{}, err
	}
	resp, err := at.writeHook(ctx, http.MethodPost, "/hooks", &s)
	if bitbucket.StatusOf(err) == http.StatusBadRequest && at.full(ctx) {
		return bitbucket.Hook{}, fault.Wrap(err, fault.Conflict, "%s has %d webhooks, which is as many as Bitbucket takes", at.title(), mostHooks).
			With("delete one that is not used any more, or use a webhook of the workspace")
	}
	if err != nil {
		return bitbucket.Hook{}, err
	}
	h, ok := readHook(resp.Body)
	if !ok {
		e := fault.Wrap(bitbucket.ErrUncertain, fault.Unavailable, "the webhook of %s was made, and the answer does not tell its identity", at.title())
		return bitbucket.Hook{}, e.With("look for its URL before making another")
	}
	return h, nil
}

// full reports whether a place has as many webhooks as it can have. It is asked only after a refusal, so what cannot be
// found out is not the reason.
func (p place) full(ctx context.Context) bool {
	all, err := p.c.Hooks(ctx, p.Place)
	return err == nil && len(all) >= mostHooks
}

// UpdateHook makes a webhook what the spec says, but for project:updated as CreateHook. An empty secret keeps the one that
// is there (FACTS 90).
func (c *Client) UpdateHook(ctx context.Context, p bitbucket.Place, id string, s bitbucket.HookSpec) error {
	at, err := c.hookable(p)
	if err != nil {
		return err
	}
	_, err = at.writeHook(ctx, http.MethodPut, "/hooks/"+segment(id, ""), &s)
	return err
}

// DeleteHook deletes a webhook; one that is gone already is no error.
func (c *Client) DeleteHook(ctx context.Context, p bitbucket.Place, id string) error {
	at, err := c.hookable(p)
	if err != nil {
		return err
	}
	_, err = at.writeHook(ctx, http.MethodDelete, "/hooks/"+segment(id, ""), nil)
	if fault.Is(err, fault.NotFound) {
		return nil
	}
	return err
}

// writeHook sends a request that changes a webhook as whoever may. Hearing of projects takes a scope of its own (FACTS 31),
// which the table of rights does not ask for: where it lacks the webhook does without.
func (p place) writeHook(ctx context.Context, method, path string, s *bitbucket.HookSpec) (*bitbucket.Response, error) {
	resp, err := p.sendHook(ctx, method, path, s)
	answer, ok := errors.AsType[*bitbucket.Answer](err)
	if !ok || s == nil || !fault.Is(err, fault.Denied) || !slices.Contains(s.Events, eventProjectUpdated) || !slices.ContainsFunc(answer.Required, ofProjects) {
		return resp, err
	}
	less := *s
	less.Events = slices.DeleteFunc(slices.Clone(s.Events), func(key string) bool { return key == eventProjectUpdated })
	return p.sendHook(ctx, method, path, &less)
}

// ofProjects reports whether a scope is that of projects, in either way of naming scopes.
func ofProjects(scope string) bool { return scope == "project" || scope == "read:project:bitbucket" }

func (p place) sendHook(ctx context.Context, method, path string, s *bitbucket.HookSpec) (*bitbucket.Response, error) {
	w := bitbucket.Write{Method: method, Path: p.base + path}
	if s != nil {
		if n := len([]rune(s.Secret.Reveal())); n > longestSecret {
			return nil, fault.New(fault.Invalid, "the secret of a webhook has %d characters, and Bitbucket takes %d at most", n, longestSecret)
		}
		if len(s.Events) == 0 {
			return nil, fault.New(fault.Invalid, "a webhook of %s is to be for no events", p.title())
		}
		var err error
		if w.Body, err = hookBody(*s); err != nil {
			return nil, err
		}
		w.Secrets = []bitbucket.Secret{s.Secret, bitbucket.Secret(s.URL)} // the path of the URL names the hook to us
	}
	if err := p.c.beforehand(ctx, listing{workspace: p.OwnerID}); err != nil {
		return nil, err
	}
	right := bitbucket.RightOf(bitbucket.Cloud, "webhooks-write")
	w.May = func(principal string) bool {
		return p.c.mayList(listing{workspace: p.OwnerID}, principal) && able(right, p.c.core.Credential(principal).Kind)
	}
	resp, err := p.c.core.Send(ctx, w)
	if answer, ok := errors.AsType[*bitbucket.Answer](err); ok && fault.Is(err, fault.Denied) && len(answer.Required) == 0 {
		return nil, fault.Wrap(err, fault.Denied, "webhooks of %s cannot be changed", p.title()).
			With("the credential of the role %s must administer it; or make the webhook by hand", right.Role)
	}
	return resp, err
}

// hookBody returns what the vendor takes. The secret is left out where it is empty, which keeps the one that is there.
func hookBody(s bitbucket.HookSpec) ([]byte, error) {
	body, err := json.Marshal(struct {
		Description string   `json:"description"`
		URL         string   `json:"url"`
		Active      bool     `json:"active"`
		Events      []string `json:"events"`
		Secret      string   `json:"secret,omitempty"`
	}{s.Name, s.URL, s.Active, s.Events, s.Secret.Reveal()})
	if err != nil {
		return nil, fault.New(fault.Internal, "a webhook cannot be written as JSON")
	}
	return body, nil
}

// HookEvents returns the keys that Windlass subscribes to: what changes the graph. What comes into being or goes as a
// whole, and projects, are only told to a workspace (FACTS 90). Build statuses, comments on commits and pipelines wait
// until something is made of them.
func (c *Client) HookEvents(p bitbucket.Place) []string {
	var keys []string
	switch p.Type {
	case graph.TypeWorkspace:
		keys = []string{eventPush, eventFork, eventRepoUpdated, eventRepoCreated, eventRepoDeleted, eventImported, eventTransfer, eventProjectUpdated}
	case graph.TypeRepo:
		keys = []string{eventPush, eventFork, eventRepoUpdated, eventTransfer}
	default:
		return nil
	}
	if !c.noPullRequests {
		keys = append(keys, eventOpened, eventChanged, eventApproved, eventUnapproved, eventChangesRequested, eventNoChangesRequested,
			eventMerged, eventDeclined, eventSourcePushed, eventCommented, eventCommentDeleted)
	}
	slices.Sort(keys)
	return keys
}
