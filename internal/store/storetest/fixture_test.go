package storetest_test

import (
	"slices"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/windlass-hq/windlass/internal/fault"
	"github.com/windlass-hq/windlass/internal/graph"
	"github.com/windlass-hq/windlass/internal/store"
	"github.com/windlass-hq/windlass/internal/store/storetest"
)

// fixture is an open store with two connections that can see the same Bitbucket.
type fixture struct {
	*testing.T
	db       *storetest.Database
	store    *store.Store
	one, two store.Connection
}

// each runs a test on both databases.
func each(t *testing.T, test func(f *fixture)) {
	t.Helper()
	storetest.EachDatabase(t, func(t *testing.T, db *storetest.Database) { test(newFixture(t, db)) })
}

func newFixture(t *testing.T, db *storetest.Database) *fixture {
	t.Helper()
	f := &fixture{T: t, db: db, store: db.Open(t)}
	f.one, f.two = f.connection("one"), f.connection("two")
	return f
}

func (f *fixture) connection(name string, credentials ...store.Credential) store.Connection {
	f.Helper()
	c, err := f.store.CreateConnection(f.Context(), store.Connection{Name: name, Product: "cloud", AccountName: "account " + name, TagAccountName: true}, credentials)
	f.ok(err)
	return c
}

func (f *fixture) ok(err error) {
	f.Helper()
	if err != nil {
		f.Fatal(err)
	}
}

// scope returns the id of a listing of a connection.
func (f *fixture) scope(c store.Connection, parent, listing string) int64 {
	f.Helper()
	s, err := f.store.EnsureScope(f.Context(), store.ScopeKey{Connection: c.ID, Parent: parent, Listing: listing}, listing)
	f.ok(err)
	return s.ID
}

// later moves the clock by a second and returns the new time.
func (f *fixture) later() time.Time { return f.db.Clock.Advance(time.Second) }

func batch(scope int64, asked time.Time, objects ...graph.Object) store.Batch {
	return store.Batch{Scope: scope, Cause: graph.Cause{Kind: "run", ID: "7"}, Origin: "sync", RequestedAt: asked, Objects: objects}
}

// apply applies an answer that was asked for a second after the last one.
func (f *fixture) apply(scope int64, objects ...graph.Object) store.Result {
	f.Helper()
	return f.applyAsked(scope, f.later(), objects...)
}

func (f *fixture) applyAsked(scope int64, asked time.Time, objects ...graph.Object) store.Result {
	f.Helper()
	return f.applyBatch(batch(scope, asked, objects...))
}

func (f *fixture) applyBatch(b store.Batch) store.Result {
	f.Helper()
	r, err := f.store.Apply(f.Context(), b)
	f.ok(err)
	return r
}

// withdraw takes keys back, asked for a second after the last request.
func (f *fixture) withdraw(scope int64, reason graph.Reason, keys ...string) store.Result {
	f.Helper()
	return f.withdrawAsked(scope, f.later(), reason, keys...)
}

func (f *fixture) withdrawAsked(scope int64, asked time.Time, reason graph.Reason, keys ...string) store.Result {
	f.Helper()
	r, err := f.store.Withdraw(f.Context(), store.Withdrawal{
		Scope: scope, Keys: keys, Reason: reason, Cause: graph.Cause{Kind: "run", ID: "7"}, Origin: "sync", RequestedAt: asked,
	})
	f.ok(err)
	return r
}

// entity returns an open entity.
func (f *fixture) entity(key string) store.EntityRow {
	f.Helper()
	row, err := f.store.Entity(f.Context(), key, nil)
	f.ok(err)
	return row
}

// closed fails unless nothing open has the key.
func (f *fixture) closed(key string) {
	f.Helper()
	if row, err := f.store.Entity(f.Context(), key, nil); !fault.Is(err, fault.NotFound) {
		f.Fatalf("Entity(%s) = %+v, %v; want it closed (fault.NotFound)", key, row, err)
	}
}

// edges returns the open relationships of an entity by key, sorted.
func (f *fixture) edges(key string) []string {
	f.Helper()
	list, err := f.store.Relationships(f.Context(), key, nil)
	f.ok(err)
	out := []string{}
	for _, r := range list {
		out = append(out, r.Key())
	}
	slices.Sort(out)
	return out
}

// changes returns the whole log of a connection.
func (f *fixture) changes(c store.Connection) []graph.Change {
	f.Helper()
	list, err := f.store.Changes(f.Context(), streamOf(c), 0, 10_000)
	f.ok(err)
	return list
}

// since returns the changes that fn brought about, as op and key.
func (f *fixture) since(c store.Connection, fn func()) []string {
	f.Helper()
	before := len(f.changes(c))
	fn()
	out := []string{}
	for _, ch := range f.changes(c)[before:] {
		out = append(out, string(ch.Op)+" "+ch.Key)
	}
	return out
}

func streamOf(c store.Connection) string { return "connection/" + render(c.ID) }

// same compares any two values.
func (f *fixture) same(what string, got, want any) {
	f.Helper()
	if diff := gocmp.Diff(want, got); diff != "" {
		f.Errorf("%s differs (-want +got):\n%s", what, diff)
	}
}

// counts compares a result in the entities it counts; unchanged ones and dangling names are compared where they matter.
func (f *fixture) counts(got, want store.Result) {
	f.Helper()
	got.Unchanged, got.Dangling = want.Unchanged, want.Dangling
	f.same("result", got, want)
}

// at reads the graph as of a time from the tables.
func (f *fixture) at(when time.Time) state {
	f.Helper()
	r := newReading(f.store, "")
	ids, err := r.ids(f.Context())
	f.ok(err)
	s, err := r.at(f.Context(), when, ids)
	f.ok(err)
	return s
}

// The things that the suite speaks of.

func workspace(key string, facts ...any) graph.Object {
	return object(graph.TypeWorkspace, key, "", facts)
}

func project(key, home string, facts ...any) graph.Object {
	return object(graph.TypeProject, key, home, facts)
}

func repo(key, home string, facts ...any) graph.Object {
	return object(graph.TypeRepo, key, home, facts)
}

func pull(key, home string, facts ...any) graph.Object {
	return object(graph.TypePullRequest, key, home, facts)
}

func user(key string, facts ...any) graph.Object { return object(graph.TypeUser, key, "", facts) }

// object makes an object named like its key, with properties given as names and values.
func object(typ, key, home string, facts []any) graph.Object {
	p := graph.Properties{}
	for i := 0; i < len(facts); i += 2 {
		p[facts[i].(string)] = facts[i+1]
	}
	return graph.Object{Entity: graph.Entity{Key: key, Type: typ, Name: key, Home: home, Properties: p}}
}

// with adds a relationship.
func with(o graph.Object, from, verb, to string, facts ...any) graph.Object {
	r := graph.Relationship{From: from, Verb: verb, To: to}
	if len(facts) > 0 {
		r.Properties = object("", "", "", facts).Entity.Properties
	}
	o.Relationships = append(slices.Clone(o.Relationships), r)
	return o
}

// rev gives an object the provider's revision.
func rev(o graph.Object, revision int64) graph.Object {
	o.Entity.Revision = revision
	return o
}

// named gives an object another display name.
func named(o graph.Object, name string) graph.Object {
	o.Entity.Name = name
	return o
}

// run starts a run of a connection.
func (f *fixture) run(c store.Connection) store.Run {
	f.Helper()
	r, err := f.store.StartRun(f.Context(), c.ID, graph.Cause{Kind: "user", ID: "x"})
	f.ok(err)
	return r
}

// fails checks the code of an error and that it says what to do.
func (f *fixture) fails(err error, code fault.Code) {
	f.Helper()
	if !fault.Is(err, code) {
		f.Fatalf("error %v has code %q, want %q", err, fault.CodeOf(err), code)
	}
	if fault.RemedyOf(err) == "" {
		f.Errorf("%v does not say what to do", err)
	}
}
