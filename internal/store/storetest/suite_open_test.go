package storetest_test

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/windlass-hq/windlass/internal/fault"
	"github.com/windlass-hq/windlass/internal/store"
	"github.com/windlass-hq/windlass/internal/store/storetest"
)

func TestReopeningKeepsEverything(t *testing.T) {
	each(t, func(f *fixture) {
		f.tree(f.one)
		want, err := newReading(f.store, "").now(f.Context())
		f.ok(err)
		instance := f.store.Instance()
		f.ok(f.store.Close())
		f.store = f.db.Open(f.T)
		got, err := newReading(f.store, "").now(f.Context())
		f.ok(err)
		f.same("graph", got, want)
		f.same("instance", f.store.Instance(), instance)
		// Ids and sequence numbers go on, and what is known is recognised.
		f.same("repeated", f.apply(f.scope(f.one, "", "workspaces"), workspace("w", "slug", "acme")), store.Result{Unchanged: 1})
		before := len(f.changes(f.one))
		f.counts(f.apply(f.scope(f.one, "", "workspaces"), workspace("new")), store.Result{Created: 1})
		log := f.changes(f.one)
		f.same("sequence number", log[before].Seq, int64(before+1))
	})
}

func TestSchemaFromTheFutureIsRefused(t *testing.T) {
	each(t, func(f *fixture) {
		// The number of a release that does not exist yet.
		_, err := f.store.Writer().ExecContext(f.Context(), `INSERT INTO goose_db_version (version_id, is_applied) VALUES ($1, $2)`, 9999, true)
		f.ok(err)
		f.ok(f.store.Close())
		f.db.Open(f.T, storetest.Refused(&err))
		f.fails(err, fault.Conflict)
		if !strings.Contains(err.Error(), "newer") {
			f.Errorf("%v does not say that the database is newer", err)
		}
	})
}

func TestWrongKeyIsRefused(t *testing.T) {
	each(t, func(f *fixture) {
		f.ok(f.store.Close())
		var err error
		f.db.Open(f.T, storetest.WithKey(bytes.Repeat([]byte{1}, 32)), storetest.Refused(&err))
		f.fails(err, fault.Invalid)
		f.db.Open(f.T, storetest.WithKeyFile(filepath.Join(f.TempDir(), "missing")), storetest.Refused(&err))
		f.fails(err, fault.NotFound)
		f.store = f.db.Open(f.T)
	})
}

func TestKeyInsideTheDataDirectoryIsRefused(t *testing.T) {
	storetest.EachDatabase(t, func(t *testing.T, db *storetest.Database) {
		f := &fixture{T: t, db: db}
		inside := filepath.Join(db.Dir, "keys", "key")
		link := filepath.Join(t.TempDir(), "link")
		f.ok(os.Symlink(db.Dir, link))
		for _, path := range []string{inside, filepath.Join(link, "key"), filepath.Join(db.Dir, "..", filepath.Base(db.Dir), "key")} {
			var err error
			db.Open(t, storetest.WithKeyFile(path), storetest.Refused(&err))
			f.fails(err, fault.Invalid)
			if _, err := os.Stat(path); !os.IsNotExist(err) {
				f.Errorf("%s: %v, want that it was not created", path, err)
			}
		}
	})
}

func TestKeyFileIsCreatedForANewDatabaseOnlyAndReadableByItsOwnerOnly(t *testing.T) {
	storetest.EachDatabase(t, func(t *testing.T, db *storetest.Database) {
		f := &fixture{T: t, db: db}
		path := filepath.Join(t.TempDir(), "windlass", "key")
		s := db.Open(t, storetest.WithKeyFile(path))
		f.same("created", s.KeyCreated(), path)
		info, err := os.Stat(path)
		f.ok(err)
		f.same("mode", info.Mode().Perm(), fs.FileMode(0o600))
		f.ok(s.Close())
		s = db.Open(t, storetest.WithKeyFile(path))
		f.same("created again", s.KeyCreated(), "")
		f.ok(s.Close())
	})
}

func TestDataDirectoryAndDatabaseAreClosedToOthers(t *testing.T) {
	db := storetest.SQLite(t)
	db.Dir = filepath.Join(db.Dir, "data")
	f := &fixture{T: t, db: db, store: db.Open(t)}
	f.connection("one")
	f.ok(filepath.WalkDir(db.Dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := e.Info()
		if err == nil && info.Mode().Perm()&0o077 != 0 {
			f.Errorf("%s has mode %v, want nothing for group and others", path, info.Mode())
		}
		return err
	}))
}

func TestReaderCannotWrite(t *testing.T) {
	each(t, func(f *fixture) {
		if _, err := f.store.Reader().ExecContext(f.Context(), "DELETE FROM connection"); err == nil {
			f.Error("the reading pool deletes rows")
		}
		list, err := f.store.Connections(f.Context())
		f.ok(err)
		f.same("connections", len(list), 2)
	})
}

func TestFileThatIsNoDatabaseIsNamed(t *testing.T) {
	db := storetest.SQLite(t)
	f := &fixture{T: t, db: db, store: db.Open(t)}
	f.ok(f.store.Close())
	files, err := filepath.Glob(filepath.Join(db.Dir, "*.db"))
	f.ok(err)
	f.ok(os.WriteFile(files[0], bytes.Repeat([]byte("this is no database "), 1000), 0o600))
	db.Open(t, storetest.Refused(&err))
	f.fails(err, fault.Unavailable)
}

// TestMigrationsHaveTheSameNumbers keeps the two folders in step: a schema version means the same on both databases.
func TestMigrationsHaveTheSameNumbers(t *testing.T) {
	f := &fixture{T: t}
	names := func(dialect string) []string {
		entries, err := os.ReadDir(filepath.Join("..", "migrations", dialect))
		if err != nil {
			f.Fatal(err)
		}
		out := []string{}
		for i, e := range entries {
			number, _, ok := strings.Cut(e.Name(), "_")
			if want := strings.Repeat("0", 4-len(render(i+1))) + render(i+1); !ok || number != want || filepath.Ext(e.Name()) != ".sql" {
				f.Errorf("%s/%s: want the next number %s and .sql", dialect, e.Name(), want)
			}
			out = append(out, e.Name())
		}
		return out
	}
	got, want := names("postgres"), names("sqlite")
	f.same("names in postgres", got, want)
	if len(want) == 0 {
		f.Error("there are no migrations")
	}
}
