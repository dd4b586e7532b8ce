package cloud

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/windlass-hq/windlass/internal/bitbucket"
	"github.com/windlass-hq/windlass/internal/fault"
)

// needs are the rights without which reading this connection makes no sense; the table is bitbucket.Rights.
func (c *Client) needs() []bitbucket.Right {
	return slices.DeleteFunc(bitbucket.RightsOf(bitbucket.Cloud), func(r bitbucket.Right) bool {
		return !r.Required() || c.noPullRequests && r.Feature == bitbucket.FeaturePullRequests
	})
}

// Check validates every credential and every wanted workspace. The report is complete whatever the error is; the
// error is the first thing that a person must put right, or nil. Scopes that are missing are an error too: what
// they are for would be empty.
func (c *Client) Check(ctx context.Context, workspaces []string) (bitbucket.Report, error) {
	var report bitbucket.Report
	var first error
	note := func(err error) {
		if first == nil {
			first = err
		}
	}
	wanted, err := clean(workspaces)
	if err != nil {
		return report, err
	}
	sees := make([]map[string]found, 0, len(c.core.Principals()))
	for _, p := range c.core.Principals() {
		cr, seen, err := c.checkCredential(ctx, p, wanted)
		if fault.Is(err, fault.Unavailable) || fault.Is(err, fault.Canceled) || fault.Is(err, fault.Limited) || fault.Is(err, fault.Internal) {
			return report, err // nothing can be judged
		}
		note(err)
		report.Credentials = append(report.Credentials, cr)
		sees = append(sees, seen)
	}
	for _, w := range wanted {
		wr := bitbucket.WorkspaceReport{Wanted: w}
		for i, cr := range report.Credentials {
			if f, ok := sees[i][w]; ok {
				wr.Found, wr.Slug, wr.UUID, wr.Name = true, f.slug, f.uuid, f.name
				wr.Principals = append(wr.Principals, cr.Principal)
			}
		}
		if !wr.Found && slices.ContainsFunc(report.Credentials, func(cr bitbucket.CredentialReport) bool { return cr.Valid }) {
			wr.Near = c.near(ctx, w)
			err := unknownWorkspace(w, wr.Near)
			wr.Problem = err.Error()
			note(err)
		}
		report.Workspaces = append(report.Workspaces, wr)
	}
	return report, first
}

type found struct{ slug, uuid, name string }

// checkCredential asks who a principal is, what it may do, and which of the wanted workspaces it sees.
func (c *Client) checkCredential(ctx context.Context, p string, wanted []string) (bitbucket.CredentialReport, map[string]found, error) {
	cred := c.core.Credential(p)
	cr := bitbucket.CredentialReport{Principal: p, Name: cred.Name(), Role: cred.Role, Kind: cred.Kind}
	seen := map[string]found{}
	fail := func(err error) (bitbucket.CredentialReport, map[string]found, error) {
		cr.Problem, cr.Remedy = err.Error(), fault.RemedyOf(err)
		return cr, seen, err
	}
	if scopes, known, err := c.core.Granted(ctx, p); err != nil {
		return fail(err)
	} else if known {
		cr.Scopes, cr.ScopesKnown = scopes, true
	}
	learn := func(resp *bitbucket.Response, err error) {
		if err == nil && !cr.ScopesKnown {
			if h := resp.Header.Values("X-OAuth-Scopes"); len(h) > 0 {
				cr.Scopes, cr.ScopesKnown = bitbucket.ParseScopes(strings.Join(h, ",")), true
			}
		}
	}
	// A refusal for lack of a scope proves that the credential itself is good (FACTS 35, 36).
	user, err := c.core.AskOne(ctx, p, "/user")
	learn(user, err)
	switch {
	case err == nil:
		cr.Account, _ = user.Body.Get("display_name").Text()
	case fault.Is(err, fault.Denied) || fault.Is(err, fault.NotFound):
		if granted := bitbucket.GrantedIn(err); len(granted) > 0 && !cr.ScopesKnown {
			cr.Scopes, cr.ScopesKnown = granted, true
		}
	default:
		return fail(err)
	}
	cr.Valid = true
	for _, w := range wanted {
		resp, err := c.core.AskOne(ctx, p, "/workspaces/"+segment(normal(w), w))
		learn(resp, err)
		switch {
		case err == nil:
			o, _, ok := convertWorkspace(resp.Body)
			if !ok {
				return fail(fault.New(fault.Unavailable, "the answer about the workspace %s is no workspace", w).With("check --api-url"))
			}
			slug, _ := o.Entity.Properties["slug"].(string)
			seen[w] = found{slug: slug, uuid: keyUUID(o.Entity.Key), name: o.Entity.Name}
		case fault.Is(err, fault.NotFound), fault.Is(err, fault.Denied):
		default:
			return fail(err)
		}
	}
	if !cr.ScopesKnown {
		return cr, seen, nil
	}
	var names []string
	for _, r := range c.needs() {
		_, missing := r.Judge(cred.Kind, cr.Scopes, true)
		for _, scope := range missing {
			m := bitbucket.MissingScope{Scope: scope, Feature: r.What}
			cr.Missing = append(cr.Missing, m)
			names = append(names, fmt.Sprintf("%s (for %s)", m.Scope, m.Feature))
		}
	}
	if len(names) == 0 {
		return cr, seen, nil
	}
	return fail(fault.New(fault.Denied, "%s lacks %s", cred.Name(), strings.Join(names, ", ")).With("%s", addScope(cred.Kind)))
}

func addScope(kind bitbucket.Kind) string {
	switch kind {
	case bitbucket.OAuth:
		return "tick the permissions of the consumer under Workspace settings > OAuth consumers; they hold from the next token on"
	default:
		return "scopes of a token cannot be changed: make a new token with them and store it instead"
	}
}

// clean trims a list of workspaces and refuses an empty name: its listings would be everybody's (FACTS 81).
func clean(workspaces []string) ([]string, error) {
	out := make([]string, 0, len(workspaces))
	for _, w := range workspaces {
		w = strings.ToLower(strings.TrimSpace(w))
		if w == "" {
			return nil, fault.New(fault.Invalid, "the list of workspaces holds an empty name").With("check the commas of --workspace")
		}
		if strings.ContainsAny(w, "/?#% ") {
			return nil, fault.New(fault.Invalid, "%q is no workspace", w).
				With("give the part of the address after bitbucket.org/, without slashes and spaces")
		}
		if !slices.Contains(out, w) {
			out = append(out, w)
		}
	}
	return out, nil
}

func unknownWorkspace(wanted string, near []string) error {
	err := fault.New(fault.NotFound, "there is no workspace %q, or no credential of this connection sees it", wanted)
	if len(near) > 0 {
		return err.With("did you mean %s?", strings.Join(near, " or "))
	}
	return err.With("check the name in the address bar after bitbucket.org/")
}

// near returns the slugs of workspaces that we see and that are spelled like the wanted one, nearest first. It is
// help, so it fails silently: an access token, for one, may not list workspaces.
func (c *Client) near(ctx context.Context, wanted string) []string {
	type candidate struct {
		slug     string
		distance int
	}
	var list []candidate
	_ = c.list(ctx, c.accessible(func(slug, _ string) {
		d := bitbucket.Distance(wanted, slug)
		if d == 0 {
			return // listed, yet refused when it is asked for: that is no misspelling
		}
		if d <= max(2, len(wanted)/3) || strings.Contains(slug, wanted) || strings.Contains(wanted, slug) {
			list = append(list, candidate{slug, d})
		}
	}), func(bitbucket.Page) error { return nil })
	slices.SortStableFunc(list, func(a, b candidate) int { return a.distance - b.distance })
	var out []string
	for _, x := range list {
		if len(out) < 3 && !slices.Contains(out, x.slug) {
			out = append(out, x.slug)
		}
	}
	return out
}

// accessible is the listing of the workspaces that a principal belongs to (FACTS 69).
func (c *Client) accessible(each func(slug, uuid string)) listing {
	return listing{
		what: "your workspaces", path: "/user/workspaces", pagelen: pagelen,
		convert: func(values []bitbucket.JSON, _ *bitbucket.Page) {
			for _, v := range values {
				slug, _ := v.Get("workspace", "slug").Text()
				uuid, _ := readUUID(v.Get("workspace", "uuid"))
				if slug != "" || uuid != "" {
					each(slug, uuid)
				}
			}
		},
	}
}
