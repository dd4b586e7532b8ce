package api

import (
	"context"
	"strings"

	"github.com/windlass-hq/windlass/client"
	"github.com/windlass-hq/windlass/internal/bitbucket"
	"github.com/windlass-hq/windlass/internal/fault"
	"github.com/windlass-hq/windlass/internal/store"
)

// checked is a check with what only the server needs of it.
type checked struct {
	client.Check
	principals int // that Bitbucket told apart
}

// checkLive asks Bitbucket what the credentials can do. What it refuses is in the check; an error means that nothing
// could be judged, or that a credential has no proper form.
func (s *Server) checkLive(ctx context.Context, conn store.Connection, credentials []store.Credential) (checked, error) {
	for i, k := range credentials {
		if err := bitbucketCredential(k).Validate(); err != nil {
			if len(credentials) > 1 {
				return checked{}, fault.Wrap(err, fault.Invalid, "credential %d", i+1)
			}
			return checked{}, err
		}
	}
	report, err := s.Check(ctx, conn, credentials)
	if err != nil && len(report.Credentials) == 0 {
		return checked{}, err
	}
	switch fault.CodeOf(err) {
	case fault.Unavailable, fault.Limited, fault.Canceled, fault.Internal:
		return checked{}, err
	}
	out := checked{Check: client.Check{
		OK: err == nil, Credentials: []client.CredentialCheck{}, Workspaces: []client.WorkspaceCheck{}, Rights: rights(conn, report),
	}}
	if i := report.Instance; i != nil {
		out.Instance = &client.InstanceCheck{URL: i.URL, Version: i.Version, ID: conn.Settings["instance"]}
	}
	principals := map[string]bool{}
	for _, c := range report.Credentials {
		w := client.CredentialCheck{
			Name: c.Name, Kind: string(c.Kind), Valid: c.Valid, Principal: orElse(c.Account, c.Principal), Scopes: c.Scopes, Remedy: c.Remedy,
			Problem: strings.TrimSuffix(c.Problem, " ("+c.Remedy+")"), // the report words an error whole
		}
		for _, m := range c.Missing {
			w.Missing = append(w.Missing, m.Scope+" (for "+m.Feature+")")
		}
		out.Credentials = append(out.Credentials, w)
		if c.Valid {
			principals[c.Principal] = true
		}
	}
	out.principals = len(principals)
	for _, w := range report.Workspaces {
		out.Workspaces = append(out.Workspaces, client.WorkspaceCheck{
			Slug: orElse(w.Slug, w.Wanted), Name: w.Name, Found: w.Found, Near: w.Near, Problem: w.Problem,
		})
	}
	return out, nil
}

// usable refuses a connection that could read nothing: with a credential that is not accepted or a workspace that is
// not there, before anything is stored. A credential that merely lacks a right is kept, with what it lacks.
func usable(conn store.Connection, c client.Check) error {
	for _, k := range c.Credentials {
		if !k.Valid {
			return fault.New(fault.Invalid, "%s", orElse(k.Problem, "Bitbucket does not accept "+k.Name)).
				With("%s", putRight(conn, k))
		}
	}
	what, where := "workspace", "check the name in the address bar after bitbucket.org/; nothing was stored"
	if conn.Product == string(bitbucket.DataCenter) {
		what, where = "project", "check the key in the address bar after /projects/; nothing was stored"
	}
	for _, w := range c.Workspaces {
		if !w.Found {
			err := fault.New(fault.Invalid, "there is no %s %q, or no credential of this connection sees it", what, w.Slug)
			if len(w.Near) > 0 {
				return err.With("did you mean %s? Nothing was stored", list(w.Near))
			}
			return err.With("%s", where)
		}
	}
	return nil
}

// putRight says what to do about a credential that is not accepted. Of a connection that is not stored yet none can be
// replaced.
func putRight(conn store.Connection, k client.CredentialCheck) string {
	if k.Remedy != "" && (conn.ID != 0 || !strings.Contains(k.Remedy, "windlass connection credential")) {
		return k.Remedy
	}
	switch bitbucket.Kind(k.Kind) {
	case bitbucket.OAuth:
		return "check key and secret, and that the consumer is private and has a callback URL; nothing was stored"
	case bitbucket.Token:
		return "check the token, and whether it has expired or was revoked; nothing was stored"
	case bitbucket.APIToken:
		return "check that the e-mail address is that of the token's Atlassian account, and whether it has expired; nothing was stored"
	}
	return "check user name and password; nothing was stored"
}

// keepVerdicts stores what a check found beside each credential, in the order in which they were checked.
func (s *Server) keepVerdicts(ctx context.Context, conn store.Connection, c client.Check) error {
	stored, err := s.Store.Credentials(ctx, conn.ID)
	if err != nil {
		return err
	}
	byPrincipal := map[string]client.CredentialCheck{}
	for _, k := range c.Credentials {
		byPrincipal[k.Name] = k
	}
	for _, k := range stored {
		if found, ok := byPrincipal[bitbucketCredential(k).Name()]; ok {
			if err := s.Store.SetVerdict(ctx, k.ID, verdict(found)); err != nil {
				return err
			}
		}
	}
	return nil
}

func verdict(c client.CredentialCheck) store.Verdict {
	return store.Verdict{Valid: c.Valid, Principal: c.Principal, Scopes: c.Scopes, Missing: c.Missing, Problem: c.Problem}
}

func bitbucketCredential(k store.Credential) bitbucket.Credential {
	return bitbucket.Credential{
		Role: bitbucket.Role(k.Role), Kind: bitbucket.Kind(k.Kind), Identity: k.Identity, Secret: bitbucket.Secret(k.Secret),
	}
}

func orElse(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

func list(names []string) string {
	var out strings.Builder
	for i, n := range names {
		if i > 0 {
			out.WriteString(" or ")
		}
		out.WriteString(n)
	}
	return out.String()
}
