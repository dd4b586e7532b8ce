package storetest_test

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/windlass-hq/windlass/internal/fault"
	"github.com/windlass-hq/windlass/internal/graph"
	"github.com/windlass-hq/windlass/internal/store"
	"github.com/windlass-hq/windlass/internal/store/storetest"
)

// TestStoreEqualsTheModel draws sequences of listings, events, failures and withdrawals of three connections and
// compares the store with the naive model after each, and at every past moment at the end.
func TestStoreEqualsTheModel(t *testing.T) {
	storetest.EachDatabase(t, func(t *testing.T, db *storetest.Database) {
		// Two processes share a PostgreSQL database; each keeps caches that the other's writes must not make wrong.
		stores := []*store.Store{db.Open(t)}
		if db.URL != "" {
			stores = append(stores, db.Open(t))
		}
		var checks atomic.Int64
		rapid.Check(t, func(rt *rapid.T) {
			m := newMachine(rt, stores, db.Clock, checks.Add(1))
			rt.Repeat(map[string]func(*rapid.T){
				"again":    m.again,
				"event":    m.event,
				"listing":  m.listing,
				"withdraw": m.withdraw,
				"leave":    m.leave,
			})
			m.comparePast(rt)
			m.replay(rt)
		})
	})
}

// machine drives a store and the model side by side.
type machine struct {
	ctx      context.Context
	stores   []*store.Store
	store    *store.Store // the one that does the step
	clock    *storetest.Clock
	world    *world
	universe universe
	reading  reading
	lists    []source
	streams  []string
	cursor   map[string]int64
	said     []store.Batch
}

// source is one listing of one connection.
type source struct {
	listing
	connection string
	number     int64 // of the connection
}

func newMachine(t *rapid.T, stores []*store.Store, clock *storetest.Clock, check int64) *machine {
	s := stores[0]
	m := &machine{
		ctx: context.Background(), stores: stores, store: s, clock: clock, world: newWorld(graph.Standard()),
		universe: universe{prefix: fmt.Sprintf("check%d:", check)}, cursor: map[string]int64{},
	}
	m.reading = newReading(s, m.universe.prefix)
	m.world.names = m.reading.scopes
	clock.Advance(time.Hour)
	for _, name := range []string{"one", "two", "three"} {
		conn, err := s.CreateConnection(m.ctx, store.Connection{Name: fmt.Sprintf("%s-%d", name, check), Product: "cloud"}, nil)
		must(t, err)
		m.streams = append(m.streams, fmt.Sprintf("connection/%d", conn.ID))
		met := source{listing{name: "met", members: append(slices.Clone(people), "p1", "p2", "p3")}, name, conn.ID}
		m.world.met[conn.ID] = m.scope(t, met)
		m.lists = append(m.lists, met)
		for _, l := range m.universe.listings() {
			m.lists = append(m.lists, source{l, name, conn.ID})
		}
	}
	return m
}

// scope returns the scope of a source; it is made when it is first used.
func (m *machine) scope(t *rapid.T, src source) int64 {
	key := store.ScopeKey{Connection: src.number, Parent: m.universe.key(src.parent), Listing: src.name}
	sc, err := m.store.EnsureScope(m.ctx, key, src.name)
	must(t, err)
	m.world.scopes[sc.ID] = area{key.Connection, key.Parent, key.Listing}
	m.reading.scopes[sc.ID] = src.connection + "/" + src.parent + "/" + src.name
	return sc.ID
}

// drawSource picks a listing of a connection; what is only met has no answers of its own.
func (m *machine) drawSource(t *rapid.T, withMet bool) (source, int64) {
	from := m.lists
	if !withMet {
		from = slices.DeleteFunc(slices.Clone(from), func(s source) bool { return s.draw == nil })
	}
	i := rapid.IntRange(0, len(from)-1).Draw(t, "source")
	if len(m.stores) > 1 {
		m.store = rapid.SampledFrom(m.stores).Draw(t, "store")
	}
	scope := m.scope(t, from[i])
	t.Logf("scope %d: connection %s, %s of %q", scope, from[i].connection, from[i].name, from[i].parent)
	return from[i], scope
}

// event is an answer about a single object.
func (m *machine) event(t *rapid.T) {
	src, scope := m.drawSource(t, false)
	object, met := src.draw(t, rapid.SampledFrom(src.members).Draw(t, "member"))
	m.apply(t, m.store.Apply, scope, []graph.Object{object}, met)
}

// again repeats an earlier answer word for word, as most answers of a real provider do.
func (m *machine) again(t *rapid.T) {
	if len(m.said) == 0 {
		t.Skip("nothing was said yet")
	}
	b := m.said[len(m.said)-1-rapid.IntRange(0, len(m.said)-1).Draw(t, "how long ago")]
	m.apply(t, m.store.Apply, b.Scope, b.Objects, b.Met)
}

// meanwhile does what others may do while a listing is under way.
func (m *machine) meanwhile(t *rapid.T) {
	switch rapid.IntRange(0, 7).Draw(t, "meanwhile") {
	case 6:
		m.event(t)
	case 7:
		m.withdraw(t)
	}
}

// listing reads pages of two objects, completely or until it fails. What a complete one missed is withdrawn.
func (m *machine) listing(t *rapid.T) {
	src, scope := m.drawSource(t, false)
	before := m.world.members(scope)
	l, err := m.store.BeginListing(m.ctx, scope)
	must(t, err)
	differ(t, "Size", gocmp.Diff(len(before), l.Size()))
	stayed := slices.Clone(before)
	var shown []string
	for _, name := range src.members {
		if rapid.IntRange(0, 3).Draw(t, "missing "+name) < 3 {
			shown = append(shown, name)
		}
	}
	for page := range slices.Chunk(shown, 2) {
		var objects, met []graph.Object
		for _, name := range page {
			o, others := src.draw(t, name)
			objects = append(objects, o)
			for _, other := range others {
				if !slices.ContainsFunc(met, func(m graph.Object) bool { return m.Entity.Key == other.Entity.Key }) {
					met = append(met, other)
				}
			}
		}
		m.meanwhile(t)
		now := m.world.members(scope)
		stayed = slices.DeleteFunc(stayed, func(key string) bool { return !slices.Contains(now, key) })
		m.apply(t, l.Apply, scope, objects, met)
		if rapid.IntRange(0, 5).Draw(t, "fails") == 5 {
			return // an incomplete listing proves no absence
		}
	}
	// What it missed are members from before that no page showed. Those that others have taken away since may or may
	// not be named; what joined since never is.
	wasShown := func(key string) bool { return slices.Contains(shown, strings.TrimPrefix(key, m.universe.prefix)) }
	left := func(key string) bool { return !slices.Contains(stayed, key) }
	got := l.Missing()
	for _, key := range got {
		if !slices.Contains(before, key) {
			t.Logf("missing: %q", got)
			t.Fatal("the listing misses what was no member when it began")
		}
	}
	want := slices.DeleteFunc(slices.Clone(stayed), wasShown)
	differ(t, "Missing", gocmp.Diff(append([]string{}, want...), append([]string{}, slices.DeleteFunc(slices.Clone(got), left)...)))
	m.take(t, scope, got, rapid.SampledFrom([]graph.Reason{graph.Deleted, graph.NotVisible}).Draw(t, "reason"))
}

// withdraw takes some keys back, whether the scope has them or not.
func (m *machine) withdraw(t *rapid.T) {
	src, scope := m.drawSource(t, true)
	var keys []string
	for _, name := range src.members {
		if rapid.Bool().Draw(t, "withdraw "+name) {
			keys = append(keys, m.universe.key(name))
		}
	}
	m.take(t, scope, keys, rapid.SampledFrom([]graph.Reason{graph.Deleted, graph.NotVisible}).Draw(t, "reason"))
}

// leave takes back everything that a connection sees in one scope, as its removal does.
func (m *machine) leave(t *rapid.T) {
	_, scope := m.drawSource(t, true)
	m.take(t, scope, m.world.members(scope), graph.Withdrawn)
}

func (m *machine) apply(t *rapid.T, apply func(context.Context, store.Batch) (store.Result, error), scope int64, objects, met []graph.Object) {
	asked := m.tick(t)
	t.Logf("%s: apply to scope %d, asked %s:\n  objects %s\n  met %s", m.clock.Now().Format(time.TimeOnly), scope, asked.Format(time.TimeOnly), render(objects), render(met))
	res, err := apply(m.ctx, store.Batch{Scope: scope, Cause: graph.Cause{Kind: "run", ID: "1"}, Origin: "sync", RequestedAt: asked, Objects: objects, Met: met})
	must(t, err)
	m.world.apply(scope, objects, met, asked)
	m.said = append(m.said, store.Batch{Scope: scope, Objects: objects, Met: met})
	m.compare(t, res)
}

func (m *machine) take(t *rapid.T, scope int64, keys []string, reason graph.Reason) {
	asked := m.tick(t)
	t.Logf("%s: withdraw from scope %d, asked %s, %s: %q", m.clock.Now().Format(time.TimeOnly), scope, asked.Format(time.TimeOnly), reason, keys)
	res, err := m.store.Withdraw(m.ctx, store.Withdrawal{Scope: scope, Keys: keys, Reason: reason, Cause: graph.Cause{Kind: "run", ID: "1"}, Origin: "sync", RequestedAt: asked})
	must(t, err)
	m.world.withdraw(scope, keys, reason, asked)
	m.compare(t, res)
}

// tick moves the clock and returns when the next answer was asked for.
func (m *machine) tick(t *rapid.T) time.Time {
	now := m.clock.Advance(rapid.SampledFrom([]time.Duration{time.Second, 5 * time.Second}).Draw(t, "later"))
	return now.Add(-delay(t))
}

// compare looks at everything that is true after a step, and writes down what can be seen from now on.
func (m *machine) compare(t *rapid.T, res store.Result) {
	w := m.world
	differ(t, "the result", gocmp.Diff(w.counts, tally{res.Created, res.Updated, res.Deleted, res.Hidden, res.Withdrawn, res.Stale}))
	got, err := m.reading.now(m.ctx)
	must(t, err)
	differ(t, "the graph now", gocmp.Diff(w.inventory(), got))
	differ(t, "the changes", gocmp.Diff(rendered(w.changes), rendered(m.newChanges(t))))
	m.world.past = append(m.world.past, moment{m.clock.Now().Add(500 * time.Millisecond), w.look()})
}

// newChanges reads what was appended to the streams since the last call, and proves that no number is missing.
func (m *machine) newChanges(t *rapid.T) []happened {
	var out []happened
	for _, stream := range m.streams {
		list, err := m.store.Changes(m.ctx, stream, m.cursor[stream], 1000)
		must(t, err)
		for _, c := range list {
			m.cursor[stream]++
			if c.Seq != m.cursor[stream] {
				t.Logf("%s: sequence number %d, want %d", stream, c.Seq, m.cursor[stream])
				t.Fatal("the sequence has a gap")
			}
			h := happened{Op: c.Op, Reason: c.Reason, Key: c.Key}
			if c.Op == graph.Updated {
				h.Old, h.New = known(c.Old), known(c.New)
			}
			for _, e := range c.Edges {
				h.Edges = append(h.Edges, string(e.Op)+" "+tie{e.From, e.Verb, e.To}.String())
			}
			slices.Sort(h.Edges)
			out = append(out, h)
		}
	}
	return out
}

// known returns the properties that have a value.
func known(p graph.Properties) graph.Properties {
	out := graph.Properties{}
	merge(out, p)
	return out
}

func rendered(changes []happened) []string {
	out := make([]string, 0, len(changes))
	for _, c := range changes {
		out = append(out, render(c))
	}
	slices.Sort(out)
	return out
}

// comparePast reads the graph as of the moment after each step.
func (m *machine) comparePast(t *rapid.T) {
	var keys []string
	for key := range m.world.things {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	ids, err := m.reading.ids(m.ctx)
	must(t, err)
	for i, then := range m.world.past {
		got, err := m.reading.at(m.ctx, then.at, ids)
		must(t, err)
		t.Logf("as of %s", then.at.Format(time.TimeOnly))
		differ(t, "the past", gocmp.Diff(then.state, got))
		// The store's own reading of the past, for a few keys of each moment.
		for n := range min(2, len(keys)) {
			key := keys[(i*2+n)%len(keys)]
			row, err := m.store.Entity(m.ctx, key, &then.at)
			want, was := then.state.Entities[key]
			if !was {
				if !fault.Is(err, fault.NotFound) {
					t.Logf("Entity(%s) at %s = %v, %v; it did not exist", key, then.at.Format(time.TimeOnly), row, err)
					t.Fatal("Entity finds what did not exist")
				}
				continue
			}
			must(t, err)
			th := &thing{kind: row.Type, name: row.Name, home: row.Home, source: row.Source, facts: row.Properties}
			t.Logf("Entity(%s) at %s", key, then.at.Format(time.TimeOnly))
			differ(t, "the past by Entity", gocmp.Diff(want, render(m.world.versioned(th))))
		}
	}
}

// replay builds the graph from the change log alone: a creation says where to look, an update what became different,
// and a closing takes the relationships with it. Relationships are compared by name, since changes name them only.
func (m *machine) replay(t *rapid.T) {
	var log []graph.Change
	for _, stream := range m.streams {
		list, err := m.store.Changes(m.ctx, stream, 0, 100_000)
		must(t, err)
		log = append(log, list...)
	}
	slices.SortStableFunc(log, func(a, b graph.Change) int { return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.Seq, b.Seq)) })
	facts, edges := map[string]graph.Properties{}, map[tie]bool{}
	for _, c := range log {
		switch c.Op {
		case graph.Created:
			row, err := m.store.Entity(m.ctx, c.Key, &c.At)
			must(t, err)
			facts[c.Key] = m.world.versioned(&thing{kind: row.Type, name: row.Name, home: row.Home, source: row.Source, facts: row.Properties})
			list, err := m.store.Relationships(m.ctx, c.Key, &c.At)
			must(t, err)
			for _, r := range list {
				edges[tie{r.From, r.Verb, r.To}] = true
			}
		case graph.Updated:
			for name, old := range known(c.Old) {
				if render(facts[c.Key][name]) != render(old) {
					t.Logf("change %d of %s: %s was %v by the log so far, the change says %v", c.Seq, c.Key, name, facts[c.Key][name], old)
					t.Fatal("a change does not follow from the ones before it")
				}
				delete(facts[c.Key], name)
			}
			merge(facts[c.Key], c.New)
		case graph.Closed:
			delete(facts, c.Key)
			for e := range edges {
				if e.from == c.Key || e.to == c.Key {
					delete(edges, e)
				}
			}
		}
		for _, e := range c.Edges {
			if name := (tie{e.From, e.Verb, e.To}); e.Op == graph.Closed {
				delete(edges, name)
			} else {
				edges[name] = true
			}
		}
	}
	got := state{Entities: map[string]string{}, Edges: map[string]string{}}
	for key, f := range facts {
		got.Entities[key] = render(f)
	}
	for e := range edges {
		got.Edges[e.String()] = ""
	}
	want := m.world.look()
	for e := range want.Edges {
		want.Edges[e] = ""
	}
	differ(t, "the change log replayed", gocmp.Diff(want, got))
}

// must and differ log what is particular to this check and fail with a constant text, since rapid takes two failures
// for the same one only if their texts are equal, and every check has its own keys and times.
func must(t *rapid.T, err error) {
	t.Helper()
	if err != nil {
		t.Log(err)
		t.Fatal("the store failed")
	}
}

func differ(t *rapid.T, what, diff string) {
	t.Helper()
	if diff != "" {
		t.Logf("(-want +got):\n%s", diff)
		t.Fatalf("%s differs from the model", what)
	}
}
