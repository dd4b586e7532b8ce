package storetest_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/windlass-hq/windlass/internal/fault"
	"github.com/windlass-hq/windlass/internal/graph"
	"github.com/windlass-hq/windlass/internal/store"
	"github.com/windlass-hq/windlass/internal/store/storetest"
)

// canary is a secret that must not be found anywhere.
const canary = "canary-5Fq0wZ-plain"

func TestCredentialsAreReadBackAsGiven(t *testing.T) {
	each(t, func(f *fixture) {
		c := f.connection("three",
			store.Credential{Role: "data", Kind: "oauth", Identity: "key", Secret: canary},
			store.Credential{Role: "access", Kind: "api-token", Identity: "me@example.org", Secret: "other"})
		f.ok(f.store.Close())
		f.store = f.db.Open(f.T)
		list, err := f.store.Credentials(f.Context(), c.ID)
		f.ok(err)
		if len(list) != 2 {
			f.Fatalf("%d credentials, want 2", len(list))
		}
		f.same("secret", list[0].Secret, canary)
		f.same("identity", list[1].Identity, "me@example.org")
		f.ok(f.store.RemoveCredential(f.Context(), c.ID, list[0].ID))
		list, err = f.store.Credentials(f.Context(), c.ID)
		f.ok(err)
		f.same("left", len(list), 1)
	})
}

func TestNothingPlainLiesInTheDatabase(t *testing.T) {
	each(t, func(f *fixture) {
		f.connection("three", store.Credential{Role: "data", Kind: "token", Identity: "visible-identity", Secret: canary})
		everything := f.dump()
		f.ok(f.store.Close())
		everything = append(everything, f.dump()...)
		if !bytes.Contains(everything, []byte("visible-identity")) {
			f.Fatal("the dump does not hold what it must hold, so it proves nothing")
		}
		if bytes.Contains(everything, []byte(canary)) {
			f.Error("the secret lies in the database in plain text")
		}
		if bytes.Contains(everything, storetest.Key()) {
			f.Error("the key lies in the database")
		}
	})
}

// dump returns every byte of the data directory, write-ahead log included, and on PostgreSQL a dump of the database.
func (f *fixture) dump() []byte {
	f.Helper()
	var out []byte
	f.ok(filepath.WalkDir(f.db.Dir, func(path string, e os.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		out = append(out, b...)
		return err
	}))
	if f.db.URL == "" {
		return out
	}
	dump, err := exec.LookPath("pg_dump")
	if err != nil {
		bin, err := storetest.ServerPrograms()
		f.ok(err)
		dump = filepath.Join(bin, "pg_dump")
	}
	b, err := exec.CommandContext(f.Context(), dump, f.db.URL).Output()
	f.ok(err)
	return append(out, b...)
}

func TestSealedTextOpensOnlyInItsOwnPlace(t *testing.T) {
	each(t, func(f *fixture) {
		c := f.connection("three",
			store.Credential{Role: "data", Kind: "token", Secret: "first"},
			store.Credential{Role: "write", Kind: "token", Secret: "second"})
		list, err := f.store.Credentials(f.Context(), c.ID)
		f.ok(err)
		_, err = f.store.Writer().ExecContext(f.Context(), `UPDATE credential SET secret = (SELECT secret FROM credential WHERE id = $1) WHERE id = $2`, list[0].ID, list[1].ID)
		f.ok(err)
		if list, err := f.store.Credentials(f.Context(), c.ID); err == nil {
			f.Errorf("a sealed text copied to another row opens as %q", list[1].Secret)
		}
	})
}

func TestCredentialNeverPrintsItsSecret(t *testing.T) {
	c := store.Credential{Role: "data", Kind: "token", Identity: "key", Secret: canary}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q"} {
		if s := fmt.Sprintf(verb, c) + fmt.Sprintf(verb, []store.Credential{c}) + fmt.Sprintf(verb, &c); strings.Contains(s, canary) {
			t.Errorf("%s prints %s", verb, s)
		}
	}
	if s := render(c); strings.Contains(s, canary) {
		t.Errorf("JSON is %s", s)
	}
}

func TestConnectionNameIsUnique(t *testing.T) {
	each(t, func(f *fixture) {
		_, err := f.store.CreateConnection(f.Context(), store.Connection{Name: "one", Product: "cloud"}, []store.Credential{{Role: "data", Kind: "token", Secret: "x"}})
		f.fails(err, fault.Conflict)
		name := "one"
		_, err = f.store.UpdateConnection(f.Context(), f.two.ID, store.ConnectionUpdate{Name: &name})
		f.fails(err, fault.Conflict)
		list, err := f.store.Connections(f.Context())
		f.ok(err)
		f.same("connections", len(list), 2)
	})
}

func TestUpdateChangesOnlyWhatItNames(t *testing.T) {
	each(t, func(f *fixture) {
		account, value := "Acme", "1h"
		f.later()
		_, err := f.store.UpdateConnection(f.Context(), f.one.ID, store.ConnectionUpdate{AccountName: &account, Settings: map[string]*string{"a": &value, "b": &value}})
		f.ok(err)
		c, err := f.store.UpdateConnection(f.Context(), f.one.ID, store.ConnectionUpdate{Interval: &value, Settings: map[string]*string{"b": nil}})
		f.ok(err)
		f.same("settings", c.Settings, map[string]string{"a": "1h"})
		read, err := f.store.Connection(f.Context(), "one")
		f.ok(err)
		f.same("read", read, c)
		f.same("account", read.AccountName, "Acme")
		f.same("interval", read.Interval, "1h")
	})
}

func TestUnknownConnectionIsNamed(t *testing.T) {
	each(t, func(f *fixture) {
		_, err := f.store.Connection(f.Context(), "nobody")
		f.fails(err, fault.NotFound)
		if !strings.Contains(err.Error(), "nobody") {
			f.Errorf("%v does not name the connection", err)
		}
	})
}

func TestRemovedConnectionTakesOnlyItsOwnSightAway(t *testing.T) {
	each(t, func(f *fixture) {
		c := f.connection("three", store.Credential{Role: "data", Kind: "token", Secret: "x"})
		f.tree(c)
		f.apply(f.scope(f.two, "", "workspaces"), workspace("w"))
		scope := f.scope(c, "", "workspaces")
		f.ok(f.store.RecordLedger(f.Context(), store.LedgerEntry{Scope: scope, Run: f.run(c).ID, State: store.LedgerComplete}))
		preview, err := f.store.PreviewRemoval(f.Context(), "three")
		f.ok(err)
		f.entity("pr")
		f.later()
		removal, err := f.store.RemoveConnection(f.Context(), "three")
		f.ok(err)
		f.same("preview of what closes", preview.Closes, map[string]int{graph.TypeProject: 1, graph.TypeRepo: 1, graph.TypePullRequest: 1, graph.TypeUser: 1})
		f.same("preview of what stays", preview.Keeps, map[string]int{graph.TypeWorkspace: 1})
		f.counts(removal, store.Result{Withdrawn: 4})
		for _, key := range []string{"p", "r", "pr", "u"} {
			f.closed(key)
			history, err := f.store.History(f.Context(), key)
			f.ok(err)
			f.same("reason of "+key, history[len(history)-1].Reason, string(graph.Withdrawn))
		}
		f.same("shared", f.entity("w").Name, "w")
		_, err = f.store.Connection(f.Context(), "three")
		f.fails(err, fault.NotFound)
		credentials, err := f.store.Credentials(f.Context(), c.ID)
		f.ok(err)
		f.same("credentials", len(credentials), 0)
		ledger, err := f.store.Ledger(f.Context(), scope)
		f.ok(err)
		f.same("ledger, which is evidence", len(ledger), 1)
	})
}

func TestAccountNamesFollowThePresences(t *testing.T) {
	each(t, func(f *fixture) {
		mine, theirs := f.scope(f.one, "", "workspaces"), f.scope(f.two, "", "workspaces")
		f.apply(mine, workspace("w"), workspace("x"))
		f.apply(theirs, workspace("w"))
		w, x := f.entity("w").ID, f.entity("x").ID
		names, err := f.store.AccountNames(f.Context(), []int64{w, x})
		f.ok(err)
		f.same("names", names, map[int64][]string{w: {"account one", "account two"}, x: {"account one"}})
		f.withdraw(mine, graph.NotVisible, "w")
		names, err = f.store.AccountNames(f.Context(), []int64{w})
		f.ok(err)
		f.same("names", names, map[int64][]string{w: {"account two"}})
	})
}

func TestOpenEntitiesAreCountedByTypeAndConnection(t *testing.T) {
	each(t, func(f *fixture) {
		f.tree(f.one)
		f.apply(f.scope(f.two, "", "workspaces"), workspace("w"), workspace("x"))
		all, err := f.store.CountByType(f.Context(), nil)
		f.ok(err)
		f.same("all", all, map[string]int{graph.TypeWorkspace: 2, graph.TypeProject: 1, graph.TypeRepo: 1, graph.TypePullRequest: 1, graph.TypeUser: 1})
		two, err := f.store.CountByType(f.Context(), &f.two.ID)
		f.ok(err)
		f.same("of the second", two, map[string]int{graph.TypeWorkspace: 2})
	})
}
