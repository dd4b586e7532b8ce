package query

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/windlass-hq/windlass/internal/graph"
	"github.com/windlass-hq/windlass/internal/store"
)

// unreadNamed is how many listings a warning names, and unreadCounted how many it counts.
const (
	unreadNamed   = 5
	unreadCounted = 1000
)

// listing is what is known of a kind of listing: which questions it matters to. Without types it matters to all.
type listing struct {
	name  string
	types []string // one of them is asked for
	with  string   // and this type as well
	verb  string   // and this verb may be taken
	// within says that it lists what belongs to one entity below an account. Before that entity was known nobody could
	// list it: whether that had to be known is for the listing of such entities to say.
	within bool
}

// listings are those that internal/sync and the clients make. One that is not here matters to every question.
func listings() []listing {
	one := func(name, typ string) listing { return listing{name: name, types: []string{typ}, within: true} }
	settings := []string{graph.TypePermission, graph.TypeRestriction, graph.TypeWebhook, graph.TypeKey}
	return []listing{
		{name: "workspaces"},
		{name: "projects", types: slices.Concat(settings, []string{graph.TypeProject})},
		{name: "repositories", types: slices.Concat(settings, []string{graph.TypeRepo, graph.TypePullRequest, graph.TypeBranch, graph.TypeEnvironment})},
		{name: "members", types: []string{graph.TypeUser}},
		{name: "users", types: []string{graph.TypeUser}},
		{name: "groups", types: []string{graph.TypeGroup}},
		{name: "group-members", types: []string{graph.TypeGroup}, with: graph.TypeUser, within: true},
		{name: "default-reviewers", types: []string{graph.TypeRepo, graph.TypeProject}, with: graph.TypeUser, verb: graph.Reviews, within: true},
		one("pull-requests", graph.TypePullRequest),
		one("user-permissions", graph.TypePermission),
		one("group-permissions", graph.TypePermission),
		one("default-permission", graph.TypeProject),
		one("branch-restrictions", graph.TypeRestriction),
		one("webhooks", graph.TypeWebhook),
		one("deploy-keys", graph.TypeKey),
		one("branches", graph.TypeBranch),
		one("environments", graph.TypeEnvironment),
	}
}

// concern is what a question is about.
type concern struct {
	everything   bool
	types, verbs []string // verbs nil for any
}

// concerned finds out what a query is about: every type that one of its selectors means.
func concerned(q *Query, s Schema) concern {
	c := concern{verbs: []string{}}
	node := func(n Node) {
		c.everything = c.everything || n.Any
		for _, name := range n.Names {
			c.types = append(c.types, s.selected(name.Text)...)
		}
	}
	node(q.Start)
	for _, h := range q.Hops {
		node(h.Target)
		switch {
		case len(h.Verbs) == 0:
			c.verbs = nil
		case c.verbs != nil:
			c.verbs = append(c.verbs, verbs(h)...)
		}
	}
	return c
}

func (l listing) matters(c concern) bool {
	asked := func(typ string) bool { return c.everything || contains(c.types, typ) }
	return (len(l.types) == 0 || slices.ContainsFunc(l.types, asked)) && (l.with == "" || asked(l.with)) &&
		(l.verb == "" || c.verbs == nil || contains(c.verbs, l.verb))
}

// Doubts says what may be missing from an answer as of a past moment, whatever was asked: it goes with everything that
// is read there.
func (e *Engine) Doubts(ctx context.Context, at time.Time, viewer Viewer) ([]Warning, error) {
	return e.doubts(ctx, at, viewer, concern{everything: true})
}

// doubts says it of what a question is about.
func (e *Engine) doubts(ctx context.Context, at time.Time, viewer Viewer, c concern) ([]Warning, error) {
	out, err := e.unread(ctx, at, viewer, c)
	if err != nil || e.history == nil {
		return out, err
	}
	from, err := e.history(ctx)
	if err != nil {
		return nil, fmt.Errorf("read how far back history goes: %w", err)
	}
	if at.Before(from) {
		out = append(out, Warning{Message: fmt.Sprintf("at %s: versions that ended before %s have been removed, so what had changed by then is missing",
			at.UTC().Format(time.RFC3339), from.UTC().Format(time.RFC3339))})
	}
	return out, nil
}

// The listings of some names that had not been read completely once. Whoever no longer has a connection is not asked. Of
// what belongs to an entity that came later nothing was to be read, nor of one that had ended.
const unreadListings = `SELECT u.id, u.title, u.listing FROM (
	SELECT s.id, s.title, s.listing, s.parent FROM scope AS s
	WHERE s.listing IN (%[1]s) AND s.first_complete IS NULL AND s.connection_id IN (SELECT id FROM connection)
	UNION ALL SELECT s.id, s.title, s.listing, s.parent FROM scope AS s WHERE s.listing IN (%[1]s) AND s.first_complete > $1
) AS u WHERE u.listing NOT IN (%[2]s) OR EXISTS (SELECT 1 FROM entity AS e WHERE e.key = u.parent AND e.valid_from <= $1)
	OR EXISTS (SELECT 1 FROM entity_old AS e WHERE e.key = u.parent AND e.valid_from <= $1 AND e.valid_to > $1) LIMIT $2`

// anyUnread asks, in less time than it takes to prepare that, whether there may be some. Mostly there are none.
const anyUnread = `SELECT EXISTS (SELECT 1 FROM scope WHERE listing IN (%[1]s) AND first_complete IS NULL)
	OR EXISTS (SELECT 1 FROM scope WHERE listing IN (%[1]s) AND first_complete > %[2]s)`

// known returns the names of the listings that the store has. They are kinds of listings, of which a release brings a
// few more, so they are read again as seldom as sizes are.
func (e *Engine) known(ctx context.Context) ([]string, error) {
	now := e.now()
	e.mu.Lock()
	names, fresh := e.listings, e.listed
	e.mu.Unlock()
	if len(names) > 0 && now.Sub(fresh) < countsAge {
		return names, nil
	}
	names = nil
	err := each(ctx, e.st.Reader(), "SELECT DISTINCT listing FROM scope", nil, func(scan func(...any) error) error {
		var name string
		err := scan(&name)
		names = append(names, name)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read scopes: %w", err)
	}
	e.mu.Lock()
	e.listings, e.listed = names, now
	e.mu.Unlock()
	return names, nil
}

// unread warns about listings that had not been read completely once at the moment asked for: what they list may be
// missing from the answer. Listings named met prove nothing and are never complete.
// Their titles are for those who see everything: they name repositories.
func (e *Engine) unread(ctx context.Context, at time.Time, viewer Viewer, c concern) ([]Warning, error) {
	stored, err := e.known(ctx)
	if err != nil {
		return nil, err
	}
	// What matters, and what of it is looked at only where its entity was known. Names that the model of listings has are
	// asked for though none was stored yet when the stored ones were read.
	apart, asked, within := map[string]bool{store.MetListing: true}, map[string]bool{}, []string{""}
	for _, l := range listings() {
		apart[l.name] = !l.matters(c)
		asked[l.name] = true
		if l.within {
			within = append(within, l.name)
		}
	}
	for _, name := range stored {
		asked[name] = true
	}
	args := []any{at.UnixMicro()}
	var matter []string
	for _, name := range sortedKeys(asked) {
		if !apart[name] {
			args = append(args, name)
			matter = append(matter, e.d.changingText("$"+strconv.Itoa(len(args))))
		}
	}
	var some bool
	if err := e.asks.row(ctx, fmt.Sprintf(anyUnread, strings.Join(matter, ", "), e.d.changing("$1")), args, &some); err != nil {
		return nil, fmt.Errorf("read scopes: %w", err)
	}
	if !some {
		return nil, nil
	}
	args = slices.Insert(args, 1, any(unreadCounted+1))
	bind := func(names []string) string {
		var out []string
		for _, name := range names {
			args = append(args, name)
			out = append(out, "$"+strconv.Itoa(len(args)))
		}
		return strings.Join(out, ", ")
	}
	for i := range matter {
		matter[i] = "$" + strconv.Itoa(i+3)
	}
	text := fmt.Sprintf(unreadListings, strings.Join(matter, ", "), bind(within))
	type scope struct {
		id   int64
		name string
	}
	var found []scope
	err = each(ctx, e.st.Reader(), text, args, func(scan func(...any) error) error {
		var s scope
		var kind string
		if err := scan(&s.id, &s.name, &kind); err != nil {
			return err
		}
		if s.name == "" {
			s.name = kind
		}
		found = append(found, s)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read scopes: %w", err)
	}
	if len(found) == 0 {
		return nil, nil
	}
	slices.SortFunc(found, func(a, b scope) int { return int(a.id - b.id) })
	count := fmt.Sprintf("%d listings", len(found))
	switch {
	case len(found) == 1:
		count = "1 listing"
	case len(found) > unreadCounted:
		count = fmt.Sprintf("more than %d listings", unreadCounted)
	}
	message := fmt.Sprintf("at %s %s had not been read completely yet, so some of what they hold may be missing", at.UTC().Format(time.RFC3339), count)
	if viewer.everything {
		var names []string
		for _, s := range found[:min(unreadNamed, len(found))] {
			names = append(names, s.name)
		}
		message += ": " + strings.Join(names, ", ")
		if more := len(found) - len(names); more > 0 {
			message += fmt.Sprintf(" and %d more", more)
		}
	}
	return []Warning{{Message: message}}, nil
}
