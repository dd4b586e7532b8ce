package api

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/windlass-hq/windlass/client"
	"github.com/windlass-hq/windlass/internal/bitbucket"
	"github.com/windlass-hq/windlass/internal/fault"
	"github.com/windlass-hq/windlass/internal/job"
	"github.com/windlass-hq/windlass/internal/store"
)

// Named is the part of a request that names a connection. It is exported since huma looks only into exported fields.
type Named struct {
	Name string `path:"name" maxLength:"100"`
}

func (s *Server) listConnections(ctx context.Context, _ *struct{}) (*body[client.List[client.Connection]], error) {
	all, err := s.Store.Connections(ctx)
	if err != nil {
		return nil, err
	}
	out := client.List[client.Connection]{Items: []client.Connection{}}
	for _, c := range all {
		w, err := s.connection(ctx, c)
		if err != nil {
			return nil, err
		}
		out.Items = append(out.Items, w)
	}
	return &body[client.List[client.Connection]]{out}, nil
}

type createIn struct{ Body client.NewConnection }

// prepare turns what was sent into a connection that could be stored, and looks at it live.
//
// What was decided about the instance is only said with decided: before that a person may be asked.
func (s *Server) prepare(ctx context.Context, n client.NewConnection, decided bool) (store.Connection, []store.Credential, checked, error) {
	fail := func(err error) (store.Connection, []store.Credential, checked, error) {
		return store.Connection{}, nil, checked{}, err
	}
	if _, err := s.Store.Connection(ctx, n.Name); err == nil {
		return fail(fault.New(fault.Conflict, "there is a connection %q already", n.Name).
			With("use another name, or change that one: windlass connection edit %s", n.Name))
	} else if !fault.Is(err, fault.NotFound) {
		return fail(err)
	}
	if n.Interval == "" {
		n.Interval = "1h"
	}
	if _, err := job.ParseInterval(n.Interval); err != nil {
		return fail(err)
	}
	set, warnings, err := checkSettings(bitbucket.Product(n.Product), n.Settings)
	if err != nil {
		return fail(err)
	}
	conn := store.Connection{
		Name: n.Name, Product: n.Product, AccountName: n.AccountName, TagAccountName: n.TagAccountName,
		Description: n.Description, Interval: n.Interval, Settings: map[string]string{},
	}
	if conn.AccountName == "" {
		conn.AccountName = n.Name
	}
	for k, v := range set {
		if v != nil {
			conn.Settings[k] = *v
		}
	}
	said, same, err := s.place(ctx, conn)
	if err != nil {
		return fail(err)
	}
	credentials := make([]store.Credential, len(n.Credentials))
	for i, k := range n.Credentials {
		credentials[i] = newCredential(k)
	}
	check, err := s.checkLive(ctx, conn, credentials)
	if err != nil {
		return fail(err)
	}
	check.Warnings = append(check.Warnings, warnings...)
	if said != "" && decided {
		check.Warnings = append(check.Warnings, said)
	}
	if check.Instance != nil {
		check.Instance.Same = same
	}
	if err := usable(conn, check.Check); err != nil {
		return fail(err)
	}
	if conn.Product == string(bitbucket.DataCenter) && n.Settings["instance"] == "" && len(same) == 0 {
		like, err := s.lookalike(ctx, conn, credentials)
		if err != nil {
			return fail(err)
		}
		if like != "" && check.Instance != nil {
			check.Instance.Like = like
		}
		if like != "" && decided {
			check.Warnings = append(check.Warnings, "its projects are those of "+like+", which has another URL. If it is the same Bitbucket, connect it with --same-instance-as "+like)
		}
	}
	if !n.NoPreflight {
		if err := s.foretell(ctx, conn, credentials, &check); err != nil {
			return fail(err)
		}
	}
	return conn, credentials, check, s.advise(ctx, conn, credentials, &check)
}

func (s *Server) preflightConnection(ctx context.Context, in *createIn) (*body[client.Check], error) {
	_, _, check, err := s.prepare(ctx, in.Body, false)
	return &body[client.Check]{check.Check}, err
}

func (s *Server) createConnection(ctx context.Context, in *createIn) (*body[client.Connected], error) {
	conn, credentials, check, err := s.prepare(ctx, in.Body, true)
	if err != nil {
		return nil, err
	}
	conn, err = s.Store.CreateConnection(ctx, conn, credentials)
	if err != nil {
		return nil, err
	}
	if err := s.keepVerdicts(ctx, conn, check.Check); err != nil {
		return nil, err
	}
	w, err := s.connection(ctx, conn)
	return &body[client.Connected]{client.Connected{Connection: w, Check: check.Check}}, err
}

func (s *Server) getConnection(ctx context.Context, in *Named) (*body[client.ConnectionDetail], error) {
	c, err := s.Store.Connection(ctx, in.Name)
	if err != nil {
		return nil, err
	}
	out := client.ConnectionDetail{Credentials: []client.Credential{}, Scopes: map[string]int{}}
	if out.Connection, err = s.connection(ctx, c); err != nil {
		return nil, err
	}
	credentials, err := s.Store.Credentials(ctx, c.ID)
	if err != nil {
		return nil, err
	}
	for _, k := range credentials {
		out.Credentials = append(out.Credentials, credential(k))
	}
	if out.Objects, err = s.Store.CountByType(ctx, &c.ID); err != nil {
		return nil, err
	}
	totals, err := s.totals(ctx, c)
	if err != nil {
		return nil, err
	}
	for _, t := range totals {
		for state, n := range map[store.LedgerState]int{
			store.LedgerComplete: t.Complete, store.LedgerWindowed: t.Windowed, store.LedgerPartial: t.Partial,
			store.LedgerFailed: t.Failed, store.LedgerDenied: t.Denied, store.LedgerDisabled: t.Disabled,
		} {
			if n > 0 {
				out.Scopes[string(state)] += n
			}
		}
	}
	held, err := s.Store.HeldClosings(ctx, c.ID)
	if err != nil {
		return nil, err
	}
	for _, h := range held {
		out.Held += len(h.Members)
	}
	budgets, err := s.Budgets(ctx, c, credentials)
	if err != nil {
		return nil, err
	}
	out.Budgets = budgetsOf(budgets)
	out.Staleness = staleness(totals)
	return &body[client.ConnectionDetail]{out}, nil
}

type updateIn struct {
	Named
	Body client.ConnectionUpdate
}

func (s *Server) updateConnection(ctx context.Context, in *updateIn) (*body[client.Connection], error) {
	c, err := s.Store.Connection(ctx, in.Name)
	if err != nil {
		return nil, err
	}
	u := in.Body
	if u.Interval != nil {
		if _, err := job.ParseInterval(*u.Interval); err != nil {
			return nil, err
		}
	}
	set, err := s.tried(ctx, c, u)
	if err != nil {
		return nil, err
	}
	c, err = s.Store.UpdateConnection(ctx, c.ID, store.ConnectionUpdate{
		AccountName: u.AccountName, TagAccountName: u.TagAccountName, Description: u.Description, Interval: u.Interval, Settings: set,
	})
	if err != nil {
		return nil, err
	}
	w, err := s.connection(ctx, c)
	return &body[client.Connection]{w}, err
}

// tried returns the options that an update sets. Those that say where to read, or what, are tried live first, so that a
// mistyped one does not replace one that worked.
func (s *Server) tried(ctx context.Context, c store.Connection, u client.ConnectionUpdate) (map[string]*string, error) {
	set, _, err := checkSettings(bitbucket.Product(c.Product), u.Settings)
	if err != nil {
		return nil, err
	}
	if v, ok := set["instance"]; ok && (v == nil || *v != c.Settings["instance"]) {
		return nil, fault.New(fault.Usage, "the id of the instance cannot be changed: it is part of every key").
			With("remove the connection and connect it again with --set instance=…")
	}
	wanted := c
	wanted.Settings = maps.Clone(c.Settings)
	try := false
	for name, v := range set {
		if v == nil {
			delete(wanted.Settings, name)
		} else {
			wanted.Settings[name] = *v
		}
		try = try || wanted.Settings[name] != c.Settings[name] && slices.Contains(leadingSettings(), name)
	}
	if _, ok := set["url"]; ok {
		if _, _, err := s.place(ctx, wanted); err != nil {
			return nil, err
		}
		base := wanted.Settings["url"]
		set["url"] = &base
	}
	if !try || u.Unchecked {
		return set, nil
	}
	credentials, err := s.Store.Credentials(ctx, c.ID)
	if err != nil || len(credentials) == 0 {
		return set, err
	}
	check, err := s.checkLive(ctx, wanted, credentials)
	if err == nil {
		err = usable(wanted, check.Check)
	}
	if err == nil && wanted.Settings["url"] != c.Settings["url"] {
		err = s.moved(ctx, wanted, credentials)
	}
	if err != nil {
		remedy := fault.RemedyOf(err)
		text := strings.TrimSuffix(err.Error(), " ("+remedy+")")
		for _, said := range []string{"; nothing was stored", "? Nothing was stored"} {
			remedy = strings.TrimSuffix(remedy, said)
		}
		return nil, fault.New(fault.CodeOf(err), "nothing was changed, since it would not work: %s", text).
			With("%s; or store it untried with --yes", orElse(remedy, "check what was given"))
	}
	return set, nil
}

func (s *Server) previewRemoval(ctx context.Context, in *Named) (*body[client.Removal], error) {
	p, err := s.Store.PreviewRemoval(ctx, in.Name)
	if err != nil {
		return nil, err
	}
	credentials, err := s.Store.Credentials(ctx, p.Connection.ID)
	if err != nil {
		return nil, err
	}
	hooks, err := s.Store.Hooks(ctx, p.Connection.ID)
	if err != nil {
		return nil, err
	}
	return &body[client.Removal]{client.Removal{
		Connection: in.Name, Closes: orNone(p.Closes), Stays: orNone(p.Keeps), Credentials: len(credentials), Runs: p.Runs, Hooks: len(hooks),
	}}, nil
}

// hooksWithin bounds how long removing a connection deletes webhooks; an answer has two minutes.
const hooksWithin = 90 * time.Second

// deleteConnection deletes the webhooks of a connection in Bitbucket while its credentials are still there, and then the
// connection.
func (s *Server) deleteConnection(ctx context.Context, in *Named) (*body[client.Removed], error) {
	c, err := s.Store.Connection(ctx, in.Name)
	if err != nil {
		return nil, err
	}
	out := client.Removed{LeftBehind: []client.HookOutcome{}}
	err = s.Alone(ctx, c.ID, func(ctx context.Context) error {
		within, cancel := context.WithTimeout(ctx, hooksWithin)
		defer cancel()
		done, err := s.Hooks.Remove(within, c, func(client.HookProgress) {})
		if err != nil && within.Err() != nil && ctx.Err() == nil {
			return fault.New(fault.Conflict, "the connection %q has more webhooks than can be deleted while somebody waits; %d are done", c.Name, len(done.Items)).
				With("first windlass hook remove %s", c.Name)
		}
		if err != nil {
			return err
		}
		for _, o := range done.Items {
			if o.Did == "left behind" {
				out.LeftBehind = append(out.LeftBehind, o)
			}
		}
		_, err = s.Store.RemoveConnection(ctx, in.Name)
		return err
	})
	return &body[client.Removed]{out}, err
}

func (s *Server) testConnection(ctx context.Context, in *Named) (*body[client.Check], error) {
	c, err := s.Store.Connection(ctx, in.Name)
	if err != nil {
		return nil, err
	}
	credentials, err := s.Store.Credentials(ctx, c.ID)
	if err != nil {
		return nil, err
	}
	check, err := s.checkLive(ctx, c, credentials)
	if err != nil {
		return nil, err
	}
	return &body[client.Check]{check.Check}, s.keepVerdicts(ctx, c, check.Check)
}

func (s *Server) listCredentials(ctx context.Context, in *Named) (*body[client.List[client.Credential]], error) {
	c, err := s.Store.Connection(ctx, in.Name)
	if err != nil {
		return nil, err
	}
	all, err := s.Store.Credentials(ctx, c.ID)
	if err != nil {
		return nil, err
	}
	out := client.List[client.Credential]{Items: []client.Credential{}}
	for _, k := range all {
		out.Items = append(out.Items, credential(k))
	}
	return &body[client.List[client.Credential]]{out}, nil
}

type credentialIn struct {
	Named
	Body client.NewCredential
}

func (s *Server) createCredential(ctx context.Context, in *credentialIn) (*body[client.Credential], error) {
	c, err := s.Store.Connection(ctx, in.Name)
	if err != nil {
		return nil, err
	}
	old, err := s.Store.Credentials(ctx, c.ID)
	if err != nil {
		return nil, err
	}
	k := newCredential(in.Body)
	for _, o := range old {
		if o.Kind == k.Kind && o.Identity == k.Identity && o.Secret == k.Secret && o.Role == k.Role {
			return nil, fault.New(fault.Conflict, "the connection %q has this credential already (number %d)", c.Name, o.ID)
		}
	}
	check, err := s.checkLive(ctx, c, []store.Credential{k})
	if err != nil {
		return nil, err
	}
	if err := usable(c, check.Check); err != nil {
		return nil, err
	}
	k.ConnectionID = c.ID
	if k, err = s.Store.AddCredential(ctx, k); err != nil {
		return nil, err
	}
	v := verdict(check.Credentials[0])
	k.Verdict = &v
	if err := s.Store.SetVerdict(ctx, k.ID, v); err != nil {
		return nil, err
	}
	return &body[client.Credential]{credential(k)}, nil
}

type credentialIDIn struct {
	Named
	ID int64 `path:"id" minimum:"1"`
}

func (s *Server) deleteCredential(ctx context.Context, in *credentialIDIn) (*none, error) {
	c, err := s.Store.Connection(ctx, in.Name)
	if err != nil {
		return nil, err
	}
	return nil, s.Store.RemoveCredential(ctx, c.ID, in.ID)
}

// connection is the wire form of a stored one, with its newest run.
func (s *Server) connection(ctx context.Context, c store.Connection) (client.Connection, error) {
	out := client.Connection{
		Name: c.Name, Product: c.Product, AccountName: c.AccountName, TagAccountName: c.TagAccountName,
		Description: c.Description, Interval: c.Interval, Settings: c.Settings, CreatedAt: c.CreatedAt, UpdatedAt: c.UpdatedAt,
	}
	if out.Settings == nil {
		out.Settings = map[string]string{}
	}
	runs, err := s.Store.Runs(ctx, store.RunFilter{Connection: c.ID, Limit: 1})
	if err != nil || len(runs) == 0 {
		return out, err
	}
	r, err := run(runs[0], c.Name)
	out.LastRun = &r
	return out, err
}

func newCredential(n client.NewCredential) store.Credential {
	return store.Credential{Role: n.Role, Kind: n.Kind, Identity: strings.TrimSpace(n.Identity), Secret: strings.TrimSpace(n.Secret)}
}

func credential(k store.Credential) client.Credential {
	out := client.Credential{
		ID: k.ID, Role: k.Role, Kind: k.Kind, Identity: k.Identity, CreatedAt: k.CreatedAt, ExpiresAt: k.ExpiresAt, CheckedAt: k.CheckedAt,
	}
	if out.Kind == string(bitbucket.Token) && out.Identity == "" { // messages name it so too
		principal := bitbucket.Credential{Kind: bitbucket.Token, Secret: bitbucket.Secret(k.Secret)}.Principal()
		out.Identity = strings.TrimPrefix(principal, "token:")
	}
	if v := k.Verdict; v != nil {
		out.Verdict = &client.CredentialCheck{
			Name: k.Kind, Valid: v.Valid, Principal: v.Principal, Scopes: v.Scopes, Missing: v.Missing, Problem: v.Problem,
		}
	}
	return out
}

func orNone(m map[string]int) map[string]int {
	if m == nil {
		return map[string]int{}
	}
	return m
}
