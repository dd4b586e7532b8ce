package sync

import (
	"cmp"
	"context"
	"slices"
	"strings"
	gosync "sync"

	"github.com/windlass-hq/windlass/internal/bitbucket"
	"github.com/windlass-hq/windlass/internal/fault"
	"github.com/windlass-hq/windlass/internal/graph"
	"github.com/windlass-hq/windlass/internal/store"
)

// What administrators set is read in rotation: every list of every place is a scope with a moment at which it is due.
// A run makes the scopes of the places it listed and reads the few lists of accounts, projects and groups that are due,
// and of repositories as many as settingsPerRun; background work goes on with the rest, and `--full` reads all at once.

// settingsPerRun is how many lists of repositories a run by hand reads: settings rotate, they are no part of what a run
// costs.
const settingsPerRun = 300

// dueAtOnce bounds how many due lists are looked up for one slice of work.
const dueAtOnce = 4000

func isAccount(typ string) bool { return typ == graph.TypeWorkspace || typ == graph.TypeInstance }

// places are what this run has listed and can have settings, until their scopes are made.
type places struct {
	mu    gosync.Mutex
	known map[string]bool
	list  []bitbucket.Place
}

// meet adds the personal projects of a Data Center among what was only met: no list shows them (FACTS 125).
func (ps *places) meet(met []graph.Object) {
	ps.add(slices.DeleteFunc(slices.Clone(met), func(o graph.Object) bool { return o.Entity.Properties["projectType"] != "PERSONAL" }))
}

func (ps *places) add(objects []graph.Object) {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	if ps.known == nil {
		ps.known = map[string]bool{}
	}
	for _, o := range objects {
		switch o.Entity.Type {
		case graph.TypeWorkspace, graph.TypeInstance, graph.TypeProject, graph.TypeRepo:
			if !ps.known[o.Entity.Key] {
				ps.known[o.Entity.Key] = true
				ps.list = append(ps.list, placeOf(store.EntityRow{Entity: o.Entity}))
			}
		}
	}
}

// take returns the places and forgets them.
func (ps *places) take() []bitbucket.Place {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	list := ps.list
	ps.known, ps.list = nil, nil
	return list
}

// ownerKey is the key of the workspace or instance that something belongs to, by its own key and the owner's id.
func ownerKey(key, ownerID string) string {
	product, _, _ := strings.Cut(key, ":")
	return product + ":" + ownerID
}

// wantSettings makes the scopes of the settings of places.
func (p *pass) wantSettings(ctx context.Context, places []bitbucket.Place) error {
	byList := map[string][]store.TitledParent{}
	for _, place := range places {
		for _, l := range p.reader.Settings(place) {
			byList[l.Name] = append(byList[l.Name], store.TitledParent{Parent: place.Key, Title: l.Title})
		}
	}
	for _, name := range settingsLists() {
		if len(byList[name]) == 0 {
			continue
		}
		scopes, err := p.Store.EnsureScopes(ctx, p.conn.ID, name, byList[name])
		if err != nil {
			return err
		}
		if !p.withoutPermissions() || !onPermissions(name) {
			continue
		}
		for _, parent := range byList[name] {
			entry := store.LedgerEntry{
				Scope: scopes[parent.Parent].ID, Run: p.run.ID, State: store.LedgerDisabled,
				Reason: "permissions are switched off for this connection",
			}
			if err := p.record(ctx, scopes[parent.Parent], entry); err != nil {
				return err
			}
		}
	}
	return nil
}

func (p *pass) withoutPermissions() bool { return p.conn.Settings["permissions"] == "false" }

// dueSettings returns the lists that are due and that this run has not looked at, one item for each place. By hand it
// leaves out repositories beyond what a run reads, unless everything was asked for.
func (p *pass) dueSettings(ctx context.Context) ([]item, error) {
	lists := settingsLists()
	if p.withoutPermissions() {
		kept := lists[:0]
		for _, l := range lists {
			if !onPermissions(l) {
				kept = append(kept, l)
			}
		}
		lists = kept
	}
	now, limit := p.Now(), dueAtOnce
	if p.opts.Full {
		now, limit = now.Add(1000*day), 1<<30
	}
	scopes, err := p.Store.DueScopes(ctx, p.conn.ID, lists, now, limit)
	if err != nil {
		return nil, err
	}
	var above, repositories []*item // what is above repositories comes first: groups before what was granted to them
	at := map[string]*item{}
	for _, s := range scopes {
		repository := s.ParentType == graph.TypeRepo
		if p.looked[s.ID] || p.opts.Full && p.fresh(s.Scope) {
			continue
		}
		it := at[s.Parent]
		switch {
		case it != nil:
		case !repository:
			it = &item{kind: settingsItem, parent: s.Parent}
			above = append(above, it)
		case p.byHand() && !p.opts.Full && p.lists >= settingsPerRun:
			continue
		default:
			it = &item{kind: settingsItem, parent: s.Parent}
			repositories = append(repositories, it)
		}
		at[s.Parent] = it
		it.lists = append(it.lists, s.Scope)
		p.looked[s.ID] = true
		if repository {
			p.lists++
		}
	}
	out := make([]item, 0, len(above)+len(repositories))
	for _, it := range append(above, repositories...) {
		slices.SortFunc(it.lists, func(a, b store.Scope) int { return cmp.Compare(a.ID, b.ID) })
		out = append(out, *it)
	}
	return out, nil
}

// fresh reports whether a run that was interrupted and goes on has read the list before.
func (p *pass) fresh(s store.Scope) bool {
	return p.adopted && s.LastComplete != nil && s.LastComplete.After(p.run.StartedAt)
}

// settings reads the lists of one place that are due.
func (p *pass) settings(ctx context.Context, it item) (title string, last store.LedgerEntry, err error) {
	row, err := p.Store.Entity(ctx, it.parent, nil)
	if fault.Is(err, fault.NotFound) { // it went meanwhile
		return it.parent, last, nil
	}
	if err != nil {
		return it.parent, last, err
	}
	place := placeOf(row)
	var met []bitbucket.Place
	denied := map[string]store.LedgerEntry{} // by what the list needs
	for _, scope := range it.lists {
		if scope.Listing == bitbucket.ListBranches {
			if err := p.patterns(ctx, &place, row); err != nil {
				return scope.Title, last, err
			}
		}
		l, ok := p.settingsListing(place, scope.Listing)
		if !ok {
			entry := store.LedgerEntry{
				Scope: scope.ID, Run: p.run.ID, State: store.LedgerDisabled, Reason: "this version of Bitbucket has no such list",
				Due: p.Now().Add(week),
			}
			if err := p.record(ctx, scope, entry); err != nil {
				return scope.Title, last, err
			}
			continue
		}
		if scope.Listing == bitbucket.ListGroups {
			l = collecting(l, &met)
		}
		if before, ok := denied[l.Needs]; ok {
			before.Scope = scope.ID
			before.Reason = "not asked, since it takes the same right: " + before.Reason
			before.Due, before.Calls = p.due(scope.Listing, row.Type, p.Now(), true), 0
			if err := p.record(ctx, scope, before); err != nil {
				return scope.Title, last, err
			}
			continue
		}
		if last, err = p.settingsList(ctx, scope, l, row.Type); err != nil {
			return scope.Title, last, err
		}
		if last.State == store.LedgerDenied {
			denied[l.Needs] = last
		}
	}
	if len(met) > 0 {
		if err := p.wantSettings(ctx, met); err != nil {
			return place.Name, last, err
		}
	}
	return "settings of " + place.Name, last, nil
}

func (p *pass) settingsListing(place bitbucket.Place, name string) (Listing, bool) {
	for _, l := range p.reader.Settings(place) {
		if l.Name == name {
			return l, true
		}
	}
	return Listing{}, false
}

// settingsList reads one list, closes what is confirmed gone and says when it is due again.
func (p *pass) settingsList(ctx context.Context, scope store.Scope, l Listing, parentType string) (store.LedgerEntry, error) {
	gone := false // a group may be deleted between the list of groups and that of its members
	pages := l.Pages
	l.Pages = func(ctx context.Context, yield func(bitbucket.Page) error) error {
		err := pages(ctx, yield)
		gone = parentType == graph.TypeGroup && fault.Is(err, fault.NotFound)
		return err
	}
	entry, shown, err := p.read(ctx, scope, l)
	if gone { // the next list of groups closes it
		return entry, nil
	}
	if err != nil {
		return entry, err
	}
	if entry.State == store.LedgerComplete {
		if err := p.settleAbsence(ctx, absence{scope: scope, listing: l, shown: shown}, &entry); err != nil {
			return entry, err
		}
	}
	ended := entry.State == store.LedgerComplete || entry.State == store.LedgerDenied
	entry.Due = p.due(scope.Listing, parentType, p.Now(), ended)
	return entry, p.record(ctx, scope, entry)
}

// collecting notes the groups of a listing as places whose members may be listed.
func collecting(l Listing, met *[]bitbucket.Place) Listing {
	pages := l.Pages
	l.Pages = func(ctx context.Context, yield func(bitbucket.Page) error) error {
		*met = nil
		return pages(ctx, func(page bitbucket.Page) error {
			for _, o := range page.Objects {
				if o.Entity.Type == graph.TypeGroup {
					*met = append(*met, placeOf(store.EntityRow{Entity: o.Entity}))
				}
			}
			return yield(page)
		})
	}
	return l
}

// placeOf is what it takes to list the settings of a stored entity, from the properties that its converter wrote.
func placeOf(row store.EntityRow) bitbucket.Place {
	text := func(name string) string { s, _ := row.Properties[name].(string); return s }
	place := bitbucket.Place{Type: row.Type, Key: row.Key, Name: row.Name, ID: text("id"), Slug: text("slug"), OwnerID: text("ownerId")}
	place.Owner = ownerKey(row.Key, place.OwnerID)
	switch row.Type {
	case graph.TypeWorkspace, graph.TypeInstance:
		place.Owner, place.OwnerID, place.OwnerSlug = row.Key, place.ID, place.Slug
		if place.Slug != "" {
			place.Name = place.Slug
		}
	case graph.TypeProject:
		place.Project, place.OwnerSlug = text("key"), text("workspace")
		if place.Project != "" {
			place.Name = place.Project
		}
	case graph.TypeRepo:
		place.Project, place.ProjectKey, place.DefaultBranch = text("projectKey"), row.Home, text("defaultBranch")
		place.OwnerSlug = text("owner")
		if name := text("fullName"); name != "" {
			place.Name = name
		}
	}
	return place
}

// patterns adds to a repository which branches its restrictions are about, those of its project included.
func (p *pass) patterns(ctx context.Context, place *bitbucket.Place, row store.EntityRow) error {
	place.Patterns, place.PatternsKnown = nil, true
	for _, home := range []string{row.Key, row.Home} {
		scope, listed, err := p.Store.FindScope(ctx, store.ScopeKey{Connection: p.conn.ID, Parent: home, Listing: bitbucket.ListRestrictions})
		if err != nil {
			return err
		}
		if listed && scope.LastComplete == nil || !listed && home == row.Key { // Cloud's projects have no restrictions
			place.PatternsKnown = false
		}
		rules, err := p.Store.Children(ctx, home, graph.TypeRestriction)
		if err != nil {
			return err
		}
		for _, rule := range rules {
			pattern, _ := rule.Properties["pattern"].(string)
			switch kind, _ := rule.Properties["matchKind"].(string); {
			case kind == "branching_model" || kind == "MODEL_BRANCH" || kind == "MODEL_CATEGORY":
				place.PatternsKnown = false // which branches it means is set elsewhere
			case pattern != "":
				place.Patterns = append(place.Patterns, pattern)
			}
		}
	}
	return nil
}
