package datacenter

import (
	"context"
	"slices"
	"strings"

	"github.com/windlass-hq/windlass/internal/bitbucket"
	"github.com/windlass-hq/windlass/internal/fault"
)

// Check validates every credential and every wanted project; none wanted means those of Options. The report is complete
// whatever the error is; the error is the first thing that a person must put right, or nil. In the report a project
// stands where Cloud has a workspace: its slug is the key, its UUID the number.
//
// What a credential may do cannot be asked of a Data Center, so no scopes are reported.
func (c *Client) Check(ctx context.Context, projects []string) (bitbucket.Report, error) {
	var report bitbucket.Report
	var first error
	note := func(err error) {
		if first == nil {
			first = err
		}
	}
	wanted, err := clean(projects)
	if err != nil {
		return report, err
	}
	if len(wanted) == 0 {
		wanted = c.want
	}
	if err := c.identify(ctx); err != nil && !fault.Is(err, fault.Unauthorized) {
		return report, err // nothing can be judged
	}
	valid := false
	for _, cred := range c.creds {
		cr := c.verdict(cred)
		valid = valid || cr.Valid
		if cr.err != nil {
			note(cr.err)
		}
		report.Credentials = append(report.Credentials, cr.CredentialReport)
	}
	for _, w := range wanted {
		if !valid {
			break
		}
		wr := bitbucket.WorkspaceReport{Wanted: w}
		p, err := c.project(ctx, w)
		switch {
		case err == nil:
			wr.Found, wr.Slug, wr.Name, wr.UUID, wr.Principals = true, p.key, p.name, p.id, p.principals
		case bitbucket.Refused(err):
			if fault.Is(err, fault.NotFound) {
				wr.Near = c.near(ctx, w)
				err = unknownProject(w, wr.Near)
			}
			wr.Problem = err.Error()
			note(err)
		default:
			return report, err
		}
		report.Workspaces = append(report.Workspaces, wr)
	}
	return report, first
}

type judged struct {
	bitbucket.CredentialReport
	err error
}

// verdict reports what was found out about a credential.
func (c *Client) verdict(cred bitbucket.Credential) judged {
	v := c.verdictOn(cred)
	cr := bitbucket.CredentialReport{Principal: cred.Principal(), Name: cred.Name(), Role: cred.Role, Kind: cred.Kind}
	if v.err != nil {
		cr.Problem, cr.Remedy = v.err.Error(), fault.RemedyOf(v.err)
		return judged{cr, v.err}
	}
	cr.Valid, cr.Account = true, v.user
	if v.user != "" {
		cr.Principal = "user:" + v.user
	}
	return judged{cr, nil}
}

func unknownProject(wanted string, near []string) error {
	err := fault.New(fault.NotFound, "there is no project with the key %q, or no credential of this connection sees it", wanted)
	if len(near) > 0 {
		return err.With("did you mean %s?", strings.Join(near, " or "))
	}
	return err.With("check the key in the address bar after /projects/")
}

// near returns the keys of projects that are spelled or named like the wanted one, nearest first. It is help, so it
// fails silently.
func (c *Client) near(ctx context.Context, wanted string) []string {
	type candidate struct {
		key      string
		distance int
	}
	var list []candidate
	want := strings.ToLower(wanted)
	_ = c.list(ctx, listing{
		what: "the projects", path: projectsPath,
		convert: func(values []bitbucket.JSON, _ *bitbucket.Page) {
			for _, v := range values {
				o, _, ok := c.keys.convertProject(v)
				key, _ := o.Entity.Properties["key"].(string)
				if !ok || key == "" {
					continue
				}
				d := bitbucket.Distance(want, strings.ToLower(key))
				named := strings.EqualFold(o.Entity.Name, wanted)
				if named || d <= max(1, len(wanted)/3) || strings.Contains(strings.ToLower(key), want) {
					list = append(list, candidate{key, d})
				}
			}
		},
	}, func(bitbucket.Page) error { return nil })
	slices.SortStableFunc(list, func(a, b candidate) int { return a.distance - b.distance })
	var out []string
	for _, x := range list {
		if len(out) < 3 && !slices.Contains(out, x.key) {
			out = append(out, x.key)
		}
	}
	return out
}
