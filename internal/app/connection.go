package app

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/windlass-hq/windlass/internal/bitbucket"
	"github.com/windlass-hq/windlass/internal/bitbucket/cloud"
	"github.com/windlass-hq/windlass/internal/bitbucket/datacenter"
	"github.com/windlass-hq/windlass/internal/fault"
	"github.com/windlass-hq/windlass/internal/store"
	"github.com/windlass-hq/windlass/internal/sync"
)

// way is how a client of a connection is opened.
type way struct {
	noWait      bool
	onWait      func(time.Time, string)
	interactive bool           // a person waits for it
	projects    []string       // of a Data Center; none means the whole instance
	role        bitbucket.Role // whose credentials it uses beside those that do everything; data where empty
}

// openReader makes the reader of a connection; it is sync.Options.Open.
func (a *App) openReader(conn store.Connection, credentials []store.Credential, noWait bool, onWait func(time.Time, string)) (sync.Reader, error) {
	list := make([]bitbucket.Credential, len(credentials))
	for i, k := range credentials {
		list[i] = credentialOf(k)
	}
	w := way{noWait: noWait, onWait: onWait}
	switch bitbucket.Product(conn.Product) {
	case bitbucket.Cloud:
		c, others, err := sync.ByRole(list, func(role bitbucket.Role) (*cloud.Client, error) {
			w.role = role
			return a.openCloud(conn, list, w)
		})
		if err != nil {
			return nil, err
		}
		return sync.Cloud(c, others, workspaces(conn), a.Now), nil
	case bitbucket.DataCenter:
		w.projects = projects(conn)
		c, others, err := sync.ByRole(list, func(role bitbucket.Role) (*datacenter.Client, error) {
			w.role = role
			return a.openDataCenter(conn, list, w)
		})
		if err != nil {
			return nil, err
		}
		return sync.DataCenter(c, others, projects(conn)), nil
	}
	return nil, unknownProduct(conn)
}

func unknownProduct(conn store.Connection) error {
	return fault.New(fault.Invalid, "the connection %q is of %s, which this version cannot read", conn.Name, conn.Product)
}

// asked is what a client of either product can be asked before it reads.
type asked struct {
	check     func(ctx context.Context) (bitbucket.Report, error)
	granted   func(ctx context.Context) ([]string, bool, error) // nil where the check tells
	preflight func(ctx context.Context, since time.Time) (bitbucket.Preflight, error)
	close     func()
}

// ask opens a client for what a person waits for, limited to the named workspaces or projects. It never waits for an
// allowance.
func (a *App) ask(conn store.Connection, credentials []bitbucket.Credential, names []string) (asked, error) {
	w := way{noWait: true, interactive: true, projects: names}
	switch bitbucket.Product(conn.Product) {
	case bitbucket.Cloud:
		c, err := a.openCloud(conn, credentials, w)
		if err != nil {
			return asked{}, err
		}
		return asked{
			check: func(ctx context.Context) (bitbucket.Report, error) { return c.Check(ctx, names) },
			preflight: func(ctx context.Context, since time.Time) (bitbucket.Preflight, error) {
				return c.Preflight(ctx, names, since)
			},
			close: c.Close,
		}, nil
	case bitbucket.DataCenter:
		c, err := a.openDataCenter(conn, credentials, w)
		if err != nil {
			return asked{}, err
		}
		return asked{
			check: func(ctx context.Context) (bitbucket.Report, error) {
				report, err := c.Check(ctx, names)
				report.Instance = &bitbucket.InstanceReport{URL: c.URL()}
				if v := c.Version(); v != (datacenter.Version{}) {
					report.Instance.Version = v.String()
				}
				return report, err
			},
			granted: c.Granted, preflight: c.Preflight, close: c.Close,
		}, nil
	}
	return asked{}, unknownProduct(conn)
}

// wanted are the workspaces or projects that a connection names.
func wanted(conn store.Connection) []string {
	if conn.Product == string(bitbucket.DataCenter) {
		return projects(conn)
	}
	return workspaces(conn)
}

func split(list string) []string {
	var out []string
	for part := range strings.SplitSeq(list, ",") {
		if part = strings.TrimSpace(part); part != "" {
			out = append(out, part)
		}
	}
	return out
}

func credentialOf(k store.Credential) bitbucket.Credential {
	return bitbucket.Credential{
		Role: bitbucket.Role(k.Role), Kind: bitbucket.Kind(k.Kind), Identity: k.Identity, Secret: bitbucket.Secret(k.Secret),
	}
}

// How long a person waits: for what must be known, and for what is only good to know. A run does not wait long for what
// it will find out itself.
const (
	checkTime   = 90 * time.Second
	foretelling = 30 * time.Second
	validation  = 15 * time.Second
)

// preflight finds out what a first full read of a connection takes; it is api.Options.Preflight.
func (a *App) preflight(ctx context.Context, conn store.Connection, credentials []store.Credential) (bitbucket.Preflight, error) {
	ctx, cancel := context.WithTimeout(ctx, foretelling)
	defer cancel()
	var list []bitbucket.Credential
	for _, k := range credentials {
		if c := credentialOf(k); c.Role == bitbucket.RoleAny || c.Role == bitbucket.RoleData {
			list = append(list, c)
		}
	}
	c, err := a.ask(conn, list, wanted(conn))
	if err != nil {
		return bitbucket.Preflight{}, err
	}
	defer c.close()
	var since time.Time
	if w := sync.History(conn.Settings["history"]); w > 0 {
		since = a.Now().Add(-w)
	}
	return c.preflight(ctx, since)
}

// check asks Bitbucket what the credentials of a connection can do; it is api.Options.Check. Each is asked by itself and
// whatever its role, so that none hides behind another. The report is complete but where nothing could be judged; the
// error is the first thing that a person must put right.
func (a *App) check(ctx context.Context, conn store.Connection, credentials []store.Credential) (bitbucket.Report, error) {
	ctx, cancel := context.WithTimeout(ctx, checkTime)
	defer cancel()
	var report bitbucket.Report
	var first error
	for _, k := range credentials {
		r, err := a.checkOne(ctx, conn, k, wanted(conn), true)
		if err != nil && (len(r.Credentials) == 0 || unjudged(err)) {
			return report, err
		}
		report.Credentials = append(report.Credentials, r.Credentials...)
		if report.Instance == nil {
			report.Instance = r.Instance
		}
		report.Workspaces = merged(report.Workspaces, r.Workspaces)
		if first == nil && !fault.Is(err, fault.NotFound) {
			first = err // a workspace that one does not see may be seen by another
		}
	}
	valid := slices.ContainsFunc(report.Credentials, func(c bitbucket.CredentialReport) bool { return c.Valid })
	for _, w := range report.Workspaces {
		if first == nil && valid && !w.Found {
			first = fault.New(fault.NotFound, "%s", w.Problem)
		}
	}
	return report, first
}

// unjudged reports whether an error says nothing about a credential.
func unjudged(err error) bool {
	switch fault.CodeOf(err) {
	case fault.Unavailable, fault.Canceled, fault.Limited, fault.Internal:
		return true
	}
	return false
}

// checkOne asks about one credential. What it lacks is measured by its role: those of the roles access, hooks and write
// need not read pull requests. With rights it also finds out what the credential may do, where that takes calls of its own.
func (a *App) checkOne(ctx context.Context, conn store.Connection, k store.Credential, names []string, rights bool) (bitbucket.Report, error) {
	cred := credentialOf(k)
	role := cred.Role
	cred.Role = bitbucket.RoleAny
	c, err := a.ask(conn, []bitbucket.Credential{cred}, names)
	if err != nil {
		return bitbucket.Report{}, err
	}
	defer c.close()
	report, err := c.check(ctx)
	for i := range report.Credentials {
		cr := &report.Credentials[i]
		cr.Role = role
		if rights && cr.Valid && c.granted != nil {
			permissions, known, err := c.granted(ctx)
			if err != nil {
				return report, err
			}
			cr.Scopes, cr.ScopesKnown = permissions, known
		}
		if !cr.Valid || role == bitbucket.RoleAny || role == bitbucket.RoleData {
			continue
		}
		cr.Missing, cr.Problem, cr.Remedy = bitbucket.Lacking(bitbucket.Product(conn.Product), *cr), "", ""
		if fault.Is(err, fault.Denied) {
			err = nil
		}
	}
	return report, err
}

// merged adds what one more credential sees of the workspaces or projects.
func merged(all, more []bitbucket.WorkspaceReport) []bitbucket.WorkspaceReport {
	for _, w := range more {
		i := slices.IndexFunc(all, func(o bitbucket.WorkspaceReport) bool { return o.Wanted == w.Wanted })
		switch {
		case i < 0:
			all = append(all, w)
		case w.Found:
			w.Principals = append(all[i].Principals, w.Principals...)
			all[i] = w
		case !all[i].Found && len(all[i].Near) == 0:
			all[i] = w
		}
	}
	return all
}
