package store_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/windlass-hq/windlass/internal/fault"
	"github.com/windlass-hq/windlass/internal/graph"
	"github.com/windlass-hq/windlass/internal/store"
)

// The conformance suite in storetest covers both databases; here is what belongs to SQLite or to one machine.

func open(t *testing.T, dir string) *store.Store {
	t.Helper()
	s, err := store.Open(t.Context(), store.Options{Dir: dir, Key: bytes.Repeat([]byte{1}, 32), Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func scopeOf(t *testing.T, s *store.Store, name string) int64 {
	t.Helper()
	c, err := s.Connection(t.Context(), "acme")
	if fault.Is(err, fault.NotFound) {
		c, err = s.CreateConnection(t.Context(), store.Connection{Name: "acme", Product: "cloud"}, nil)
	}
	if err != nil {
		t.Fatal(err)
	}
	sc, err := s.EnsureScope(t.Context(), store.ScopeKey{Connection: c.ID, Listing: name}, name)
	if err != nil {
		t.Fatal(err)
	}
	return sc.ID
}

func apply(t *testing.T, s *store.Store, scope int64, objects ...graph.Object) store.Result {
	t.Helper()
	res, err := s.Apply(t.Context(), store.Batch{Scope: scope, Objects: objects})
	if err != nil {
		t.Fatal(err)
	}
	return res
}

func object(key, home string) graph.Object {
	return graph.Object{Entity: graph.Entity{Key: key, Type: "thing", Name: key, Home: home}}
}

func TestDataDirectoryMayHaveAnyName(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a b?c#d%20é")
	s := open(t, dir)
	apply(t, s, scopeOf(t, s, "things"), object("k", ""))
	if _, err := os.Stat(filepath.Join(dir, "windlass.db")); err != nil {
		t.Error(err)
	}
}

func TestCascadeLargerThanATransactionClosesEverything(t *testing.T) {
	s := open(t, t.TempDir())
	scope := scopeOf(t, s, "things")
	objects := []graph.Object{object("root", "")}
	for i := range 3 {
		middle := fmt.Sprintf("middle-%d", i)
		objects = append(objects, object(middle, "root"))
		for j := range 700 {
			objects = append(objects, object(fmt.Sprintf("leaf-%d-%d", i, j), middle))
		}
	}
	if got, want := apply(t, s, scope, objects...).Created, len(objects); got != want {
		t.Fatalf("created %d, want %d", got, want)
	}
	res, err := s.Withdraw(t.Context(), store.Withdrawal{Scope: scope, Keys: []string{"root"}, Reason: graph.Deleted})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(store.Result{Deleted: len(objects)}, res); diff != "" {
		t.Errorf("result (-want +got):\n%s", diff)
	}
	changes, err := s.Changes(t.Context(), "connection/1", int64(len(objects)), len(objects)+1)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := len(changes), len(objects); got != want {
		t.Fatalf("%d changes, want %d", got, want)
	}
	for i, c := range changes {
		if got, want := c.Seq, int64(len(objects)+i+1); got != want || c.Op != graph.Closed {
			t.Fatalf("change %d is %s with seq %d, want closed with %d", i, c.Op, got, want)
		}
	}
	if got, want := changes[len(changes)-1].Key, "root"; got != want {
		t.Errorf("the last to close is %s, want %s", got, want)
	}
}

func TestHomesInACircleClose(t *testing.T) {
	s := open(t, t.TempDir())
	scope := scopeOf(t, s, "things")
	apply(t, s, scope, object("a", "b"), object("b", "c"), object("c", "a"))
	res, err := s.Withdraw(t.Context(), store.Withdrawal{Scope: scope, Keys: []string{"a"}, Reason: graph.NotVisible})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := res.Hidden, 3; got != want {
		t.Errorf("closed %d, want %d", got, want)
	}
}

func TestIdenticalListingLeavesTheLogAlone(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	scope := scopeOf(t, s, "things")
	var objects []graph.Object
	for i := range 500 {
		o := object(fmt.Sprintf("k%d", i), "")
		o.Entity.Raw = []byte(`{"x":1}`)
		objects = append(objects, o)
	}
	apply(t, s, scope, objects...)
	before, err := os.Stat(filepath.Join(dir, "windlass.db-wal"))
	if err != nil {
		t.Fatal(err)
	}
	l, err := s.BeginListing(t.Context(), scope)
	if err != nil {
		t.Fatal(err)
	}
	res, err := l.Apply(t.Context(), store.Batch{Scope: scope, Objects: objects})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(store.Result{Unchanged: 500}, res); diff != "" {
		t.Errorf("result (-want +got):\n%s", diff)
	}
	after, err := os.Stat(filepath.Join(dir, "windlass.db-wal"))
	if err != nil {
		t.Fatal(err)
	}
	if !after.ModTime().Equal(before.ModTime()) || after.Size() != before.Size() {
		t.Errorf("the log was %d bytes of %v, now it is %d of %v", before.Size(), before.ModTime(), after.Size(), after.ModTime())
	}
}

func TestListingNoticesWhatClosedMeanwhile(t *testing.T) {
	s := open(t, t.TempDir())
	scope := scopeOf(t, s, "things")
	apply(t, s, scope, object("a", ""), object("b", ""))
	l, err := s.BeginListing(t.Context(), scope)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Withdraw(t.Context(), store.Withdrawal{Scope: scope, Keys: []string{"a"}, Reason: graph.Deleted}); err != nil {
		t.Fatal(err)
	}
	res, err := l.Apply(t.Context(), store.Batch{Scope: scope, Objects: []graph.Object{object("a", ""), object("b", "")}})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(store.Result{Created: 1, Unchanged: 1}, res); diff != "" {
		t.Errorf("result (-want +got):\n%s", diff)
	}
}

func TestUnreadableDatabaseURLDoesNotRepeatThePassword(t *testing.T) {
	for _, url := range []string{"mysql://me:hunter2@host/db", "postgres://me:hunter2@host:notaport/db"} {
		s, err := store.Open(t.Context(), store.Options{URL: url, Dir: t.TempDir(), Key: bytes.Repeat([]byte{1}, 32), Now: time.Now})
		if !fault.Is(err, fault.Invalid) {
			t.Errorf("%T: %v, want an invalid URL", s, err)
		}
		if err != nil && strings.Contains(err.Error(), "hunter2") {
			t.Errorf("the error repeats the password: %v", err)
		}
	}
}

func TestMissingUserConfigurationDirectoryNamesTheFlag(t *testing.T) {
	t.Setenv("HOME", "")
	t.Setenv("XDG_CONFIG_HOME", "")
	_, err := store.Open(t.Context(), store.Options{Dir: t.TempDir(), Now: time.Now})
	if err == nil || !strings.Contains(err.Error(), "--key-file") {
		t.Errorf("error is %v, want one that names --key-file", err)
	}
}

func TestSealedPrintsNothing(t *testing.T) {
	k, err := store.NewKeyring(bytes.Repeat([]byte{3}, 32))
	if err != nil {
		t.Fatal(err)
	}
	place := store.Place{Table: "t", Row: "1", Column: "c"}
	sealed, err := k.Seal("hunter2", place)
	if err != nil {
		t.Fatal(err)
	}
	stored, err := sealed.Value()
	if err != nil {
		t.Fatal(err)
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		got := fmt.Sprintf(verb, sealed) + fmt.Sprintf(verb, struct{ S store.Sealed }{sealed}) + fmt.Sprintf(verb, k)
		if strings.Contains(got, "hunter2") || strings.Contains(got, stored.(string)[12:]) {
			t.Errorf("%s prints %s", verb, got)
		}
	}
	other, err := store.NewKeyring(bytes.Repeat([]byte{4}, 32))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := other.Open(sealed, place); !fault.Is(err, fault.Invalid) || !strings.Contains(fault.RemedyOf(err), "--key-file") {
		t.Errorf("another key: %v, want an error that names --key-file", err)
	}
	rotated, err := store.NewKeyring(bytes.Repeat([]byte{4}, 32), bytes.Repeat([]byte{3}, 32))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := rotated.Open(sealed, place); err != nil || got != "hunter2" {
		t.Errorf("after rotation: %q, %v", got, err)
	}
}

func TestStatsSeeTheNoisiestProperty(t *testing.T) {
	s := open(t, t.TempDir())
	scope := scopeOf(t, s, "things")
	for i := range 4 {
		o := object("k", "")
		o.Entity.Properties = graph.Properties{"noisy": i, "calm": i / 2}
		apply(t, s, scope, o)
	}
	if err := s.Analyze(t.Context()); err != nil {
		t.Fatal(err)
	}
	st, err := s.Stats(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := []store.NoisyProperty{{Type: "thing", Property: "noisy", Changes: 3}, {Type: "thing", Property: "calm", Changes: 1}}
	if diff := cmp.Diff(want, st.Noisiest); diff != "" {
		t.Errorf("noisiest (-want +got):\n%s", diff)
	}
	if got, want := st.VersionsDay["thing"], 3; got != want {
		t.Errorf("versions = %d, want %d", got, want)
	}
	if st.Bytes == 0 || st.Schema < 3 || st.Rows["entity"] != 1 {
		t.Errorf("stats = %+v", st)
	}
}
