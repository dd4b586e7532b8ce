package api

import (
	"context"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/windlass-hq/windlass/client"
	"github.com/windlass-hq/windlass/internal/fault"
	"github.com/windlass-hq/windlass/internal/store"
)

type scopesIn struct {
	Named
	State         string `query:"state" enum:"complete,windowed,partial,failed,denied,disabled,unread" doc:"Only listings in this state."`
	Listing       string `query:"listing" maxLength:"100" doc:"Only listings of this kind, such as user-permissions."`
	NeverComplete bool   `query:"neverComplete" doc:"Only listings that have never been read to their end."`
	Limit         int    `query:"limit" default:"250" minimum:"1" maximum:"1000"`
	Cursor        string `query:"cursor" doc:"Cursor of the page before."`
}

func (s *Server) listScopes(ctx context.Context, in *scopesIn) (*body[client.List[client.Scope]], error) {
	c, err := s.Store.Connection(ctx, in.Name)
	if err != nil {
		return nil, err
	}
	after := int64(0)
	if in.Cursor != "" {
		if after, err = strconv.ParseInt(in.Cursor, 10, 64); err != nil || after < 1 {
			return nil, fault.New(fault.Invalid, "the cursor is none that this server gave").With("start again without a cursor")
		}
	}
	found, err := s.Store.ScopesBy(ctx, store.ScopeFilter{
		Connection: c.ID, Listing: in.Listing, State: store.LedgerState(in.State), NeverComplete: in.NeverComplete, After: after, Limit: in.Limit + 1,
	})
	if err != nil {
		return nil, err
	}
	out := client.List[client.Scope]{Items: []client.Scope{}}
	for i, sc := range found { // in order of their ids
		if i == in.Limit {
			out.Cursor = strconv.FormatInt(found[i-1].ID, 10)
			break
		}
		out.Items = append(out.Items, scopeOf(sc))
	}
	return &body[client.List[client.Scope]]{out}, nil
}

// scopeOf is the wire form of a stored scope.
func scopeOf(sc store.ScopeStatus) client.Scope {
	return client.Scope{
		ID: sc.ID, Parent: sc.Parent, Listing: sc.Listing, Title: sc.Title, State: string(sc.State), Reason: sc.Reason,
		Since: timeOrNil(sc.Since), FirstComplete: sc.FirstComplete, LastComplete: sc.LastComplete,
		Calls: int64(sc.Calls), Members: sc.Members,
	}
}

type ledgerIn struct {
	Named
	Scope string `path:"scope" maxLength:"2000" doc:"Id, title, or parent and listing with a slash between them; percent-encoded."`
}

// ledger answers the states of one listing over time.
func (s *Server) ledger(ctx context.Context, in *ledgerIn) (*body[client.Ledger], error) {
	c, err := s.Store.Connection(ctx, in.Name)
	if err != nil {
		return nil, err
	}
	sc, err := s.scope(ctx, c, in.Scope)
	if err != nil {
		return nil, err
	}
	rows, err := s.Store.Ledger(ctx, sc.ID)
	if err != nil {
		return nil, err
	}
	out := client.Ledger{Scope: scopeOf(sc), Rows: []client.LedgerRow{}}
	for _, r := range slices.Backward(rows) {
		out.Rows = append(out.Rows, client.LedgerRow{
			State: string(r.State), Reason: r.Reason, Since: r.Since, Until: r.Until, FirstRun: r.Run, LastRun: r.LastRun,
			Calls: int64(r.Calls), WindowFrom: timeOrNil(r.WindowFrom), WindowTo: timeOrNil(r.WindowTo),
		})
	}
	return &body[client.Ledger]{out}, nil
}

// scope finds a scope of a connection by what people call it.
func (s *Server) scope(ctx context.Context, c store.Connection, name string) (store.ScopeStatus, error) {
	found, err := s.Store.ScopesBy(ctx, store.ScopeFilter{Connection: c.ID, Name: name, Limit: titlesShown})
	if err != nil {
		return store.ScopeStatus{}, err
	}
	switch len(found) {
	case 0:
		return store.ScopeStatus{}, fault.New(fault.NotFound, "the connection %q has no listing %q", c.Name, name).
			With("windlass runs %s --scopes lists them", c.Name)
	case 1:
		return found[0], nil
	}
	return store.ScopeStatus{}, fault.New(fault.Invalid, "several listings of %q are called %q", c.Name, name).
		With("name one by its number: windlass runs %s --scopes lists them", c.Name)
}

func (s *Server) completeness(ctx context.Context, in *Named) (*body[client.Completeness], error) {
	c, err := s.Store.Connection(ctx, in.Name)
	if err != nil {
		return nil, err
	}
	out, err := s.Completeness(ctx, c)
	return &body[client.Completeness]{out}, err
}

// Completeness says how well everything is known that a connection reads.
func (s *Server) Completeness(ctx context.Context, c store.Connection) (client.Completeness, error) {
	out := client.Completeness{Connection: c.Name}
	var err error
	if out.Listings, err = s.totals(ctx, c); err != nil {
		return out, err
	}
	gaps, err := s.Store.ScopeGaps(ctx, c.ID)
	if err != nil {
		return out, err
	}
	var never, denied groups
	for _, g := range gaps {
		if g.Never {
			never.add(g)
		}
		if g.State == store.LedgerDenied {
			denied.add(g)
		}
	}
	if out.NeverComplete, err = s.grouped(ctx, never); err != nil {
		return out, err
	}
	out.Denied, err = s.grouped(ctx, denied)
	return out, err
}

// totals counts the listings of a connection by kind and state.
func (s *Server) totals(ctx context.Context, c store.Connection) ([]client.ListingTotals, error) {
	counts, err := s.Store.ScopeTotals(ctx, c.ID)
	if err != nil {
		return nil, err
	}
	reads, err := s.Store.ScopeReads(ctx, c.ID)
	if err != nil {
		return nil, err
	}
	runs, err := s.Store.Runs(ctx, store.RunFilter{Connection: c.ID, Limit: 1})
	if err != nil {
		return nil, err
	}
	p, out := s.rhythm(c, runs), []client.ListingTotals{}
	for _, t := range counts {
		out = append(out, totalsOf(t, reads[t.Listing], p))
	}
	return out, nil
}

func totalsOf(t store.ScopeTotals, r store.ScopeReads, p rhythm) client.ListingTotals {
	out := client.ListingTotals{
		Listing: t.Listing, Scopes: t.Scopes, Complete: t.Complete, Windowed: t.Windowed, Partial: t.Partial, Failed: t.Failed, Denied: t.Denied,
		Disabled: t.Disabled, Unread: t.Unread, NeverComplete: t.NeverComplete, NeverRead: r.Never, Oldest: r.Oldest,
	}
	if t.Disabled < t.Scopes { // nobody waits for what is switched off
		out.AtMost, out.Overdue = p.judge(t.Listing, r.Oldest)
	}
	return out
}

// titlesShown is how many listings of a group are named.
const titlesShown = 5

// groups collects listings that are in the same state for the same reason, as people see it: without what only says
// which of them it was.
type groups struct {
	byText map[string]*client.ScopeGroup
	parent map[string]string // of the first one
	order  []string
}

func (g *groups) add(sc store.ScopeGap) {
	if g.byText == nil {
		g.byText, g.parent = map[string]*client.ScopeGroup{}, map[string]string{}
	}
	key := sc.Listing + "\x00" + string(sc.State) + "\x00" + plain(sc.Reason, sc.Title)
	one := g.byText[key]
	if one == nil {
		why, needs := split(plain(sc.Reason, ""))
		one = &client.ScopeGroup{Listing: sc.Listing, State: string(sc.State), Reason: why, Needs: needs, Titles: []string{}}
		g.byText[key], g.parent[key] = one, sc.Parent
		g.order = append(g.order, key)
	}
	one.Count++
	if len(one.Titles) < titlesShown {
		one.Titles = append(one.Titles, orElse(sc.Title, sc.Listing))
	}
}

// grouped returns the groups, the largest first, each with the type of what is listed under.
func (s *Server) grouped(ctx context.Context, g groups) ([]client.ScopeGroup, error) {
	out := []client.ScopeGroup{}
	for _, key := range g.order {
		one := *g.byText[key]
		if parent := g.parent[key]; parent != "" {
			e, err := s.Store.Entity(ctx, parent, nil)
			if err != nil && !fault.Is(err, fault.NotFound) { // it may be closed
				return nil, err
			}
			one.Of = e.Type
		}
		out = append(out, one)
	}
	slices.SortStableFunc(out, func(a, b client.ScopeGroup) int { return b.Count - a.Count })
	return out, nil
}

// plain cuts out of a reason which listing and which request it was, so that the same of many reads the same.
func plain(reason, title string) string {
	if title != "" {
		reason = strings.ReplaceAll(reason, title, "")
		if _, of, ok := strings.Cut(title, " of "); ok && len(of) > 2 {
			reason = strings.ReplaceAll(reason, of, "")
		}
	}
	return request.ReplaceAllString(reason, "")
}

// request is how reasons name a request.
var request = regexp.MustCompile(`\b(GET|POST) \S+ ?`)

// split parts a reason from what it takes, which a refusal names in brackets at its end.
func split(reason string) (why, needs string) {
	before, rest, found := strings.Cut(reason, " (it takes ")
	if !found {
		return reason, ""
	}
	return before, strings.TrimSuffix(rest, ")")
}

func timeOrNil(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}
