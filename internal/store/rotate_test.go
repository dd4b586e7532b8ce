package store_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/windlass-hq/windlass/internal/fault"
	"github.com/windlass-hq/windlass/internal/store"
	"github.com/windlass-hq/windlass/internal/store/storetest"
)

// vault is a database with a key file and a number of credentials whose secrets are known.
type vault struct {
	*testing.T
	db   *storetest.Database
	path string
	conn int64
	want map[string]string // secret by identity
}

func newVault(t *testing.T, db *storetest.Database, credentials int) (*vault, *store.Store) {
	t.Helper()
	v := &vault{T: t, db: db, path: filepath.Join(t.TempDir(), "key"), want: map[string]string{}}
	s := v.open()
	c, err := s.CreateConnection(t.Context(), store.Connection{Name: "acme", Product: "cloud"}, nil)
	v.ok(err)
	v.conn = c.ID
	for i := range credentials {
		v.add(s, fmt.Sprint("app-", i))
	}
	return v, s
}

func (v *vault) open() *store.Store {
	v.Helper()
	return v.db.Open(v.T, storetest.WithKeyFile(v.path))
}

func (v *vault) ok(err error) {
	v.Helper()
	if err != nil {
		v.Fatal(err)
	}
}

func (v *vault) add(s *store.Store, identity string) {
	v.Helper()
	_, err := s.AddCredential(v.Context(), store.Credential{ConnectionID: v.conn, Role: "data", Kind: "oauth", Identity: identity, Secret: "secret of " + identity})
	v.ok(err)
	v.want[identity] = "secret of " + identity
}

// opens fails unless a store opens every secret.
func (v *vault) opens(what string, s *store.Store) {
	v.Helper()
	list, err := s.Credentials(v.Context(), v.conn)
	if err != nil {
		v.Fatalf("%s: %v", what, err)
	}
	got := map[string]string{}
	for _, c := range list {
		got[c.Identity] = c.Secret
	}
	if diff := cmp.Diff(v.want, got); diff != "" {
		v.Fatalf("%s: secrets differ (-want +got):\n%s", what, diff)
	}
}

// keys returns the lines of the key file that are keys.
func (v *vault) keys(path string) []string {
	v.Helper()
	text, err := os.ReadFile(path)
	v.ok(err)
	var out []string
	for line := range strings.Lines(string(text)) {
		if !strings.HasPrefix(line, "#") {
			out = append(out, strings.TrimSpace(line))
		}
	}
	return out
}

// sealedWith counts sealed texts by the key they name.
func (v *vault) sealedWith(s *store.Store) map[string]int {
	v.Helper()
	rows, err := s.Reader().QueryContext(v.Context(), "SELECT secret FROM credential UNION ALL SELECT value FROM meta WHERE name = 'key_check'")
	v.ok(err)
	defer rows.Close()
	out := map[string]int{}
	for rows.Next() {
		var text string
		v.ok(rows.Scan(&text))
		out[strings.Split(text, ":")[1]]++
	}
	v.ok(rows.Err())
	return out
}

func TestRotationSealsEverythingAnewAndRetiresTheOldKey(t *testing.T) {
	storetest.EachDatabase(t, func(t *testing.T, db *storetest.Database) {
		v, s := newVault(t, db, 120)
		before := v.keys(v.path)
		old := filepath.Join(t.TempDir(), "old")
		text, err := os.ReadFile(v.path)
		v.ok(err)
		v.ok(os.WriteFile(old, text, 0o600))
		other := v.open() // another process, which knows the first key only

		r, err := s.RotateKey(t.Context())
		v.ok(err)
		if !r.Added || r.Resealed != 120 || len(r.Retired) != 1 {
			t.Errorf("rotation: %+v, want a key added, 120 texts and one key retired", r)
		}
		if got := v.sealedWith(s); got[r.Key] != 121 || len(got) != 1 {
			t.Errorf("sealed with %v, want all 121 with %s", got, r.Key)
		}
		after := v.keys(v.path)
		if len(after) != 1 || after[0] == before[0] {
			t.Errorf("key file holds %d keys, want the new one alone", len(after))
		}
		if diff := cmp.Diff(before, v.keys(v.path+".retired")); diff != "" {
			t.Errorf("retired keys differ (-want +got):\n%s", diff)
		}
		for _, path := range []string{v.path, v.path + ".retired"} {
			info, err := os.Stat(path)
			v.ok(err)
			if info.Mode().Perm() != 0o600 {
				t.Errorf("mode of %s is %v", path, info.Mode())
			}
		}
		v.opens("the process that rotated", s)
		v.opens("another process", other)
		v.add(other, "late") // it seals with the key of today though it was opened before
		if got := v.sealedWith(s); got[r.Key] != 122 {
			t.Errorf("sealed with %v, want all with %s", got, r.Key)
		}
		v.opens("a new process", v.open())
		db.Open(t, storetest.WithKeyFile(old), storetest.Refused(&err))
		if !fault.Is(err, fault.Invalid) {
			t.Errorf("open with the old key: %v, want it refused", err)
		}
		again, err := s.RotateKey(t.Context())
		v.ok(err)
		if again.Key == r.Key || again.Resealed != 121 {
			t.Errorf("second rotation: %+v", again)
		}
		v.opens("after the second", other)
	})
}

var errKilled = errors.New("killed")

// TestRotationMayBeKilledAnywhere ends a rotation at its first point, its second and so on. After each, a new process
// and one that was there before open everything, and a repeated rotation completes it with one new key.
func TestRotationMayBeKilledAnywhere(t *testing.T) {
	storetest.EachDatabase(t, func(t *testing.T, db *storetest.Database) {
		v, s := newVault(t, db, 110)
		other := v.open()
		var points []string
		for n := 1; ; n++ {
			left := n
			points = points[:0]
			s.CrashAt(func(point string) error {
				points = append(points, point)
				if left--; left == 0 {
					return errKilled
				}
				return nil
			})
			_, err := s.RotateKey(t.Context())
			if err == nil {
				break
			}
			if !errors.Is(err, errKilled) {
				t.Fatalf("point %d: %v", n, err)
			}
			at := points[len(points)-1]
			v.opens("killed at "+at+": another process", other)
			fresh := v.open()
			v.opens("killed at "+at+": a new process", fresh)
			v.add(fresh, "while half rotated at "+at)
			v.opens("killed at "+at+": another process after one more", other)
			held := len(v.keys(v.path))
			r, err := fresh.RotateKey(t.Context())
			v.ok(err)
			if got := v.sealedWith(s); len(got) != 1 || got[r.Key] == 0 {
				t.Errorf("killed at %s, then completed: sealed with %v, want %s alone", at, got, r.Key)
			}
			if got := v.keys(v.path); len(got) != 1 || held > 2 {
				t.Errorf("killed at %s: the file held %d keys, then %d", at, held, len(got))
			}
			v.ok(fresh.Close())
		}
		want := []string{"add draft", "add rename", "reseal check", "reseal rows", "reseal rows", "reseal rows", "retire draft", "retire rename", "drop draft", "drop rename"}
		if diff := cmp.Diff(want, points); diff != "" {
			t.Errorf("points differ (-want +got):\n%s", diff)
		}
	})
}

func TestKeyIsDistributedBeforeAnythingIsSealedWithIt(t *testing.T) {
	storetest.EachDatabase(t, func(t *testing.T, db *storetest.Database) {
		v, s := newVault(t, db, 3)
		copied := filepath.Join(t.TempDir(), "copy")
		distribute := func() {
			text, err := os.ReadFile(v.path)
			v.ok(err)
			v.ok(os.WriteFile(copied, text, 0o600))
		}
		distribute()
		node := db.Open(t, storetest.WithKeyFile(copied))
		id, err := s.AddKey(t.Context())
		v.ok(err)
		v.add(v.open(), "added after the key") // its file has the new key first, and it must not seal with it yet
		v.opens("the node without the new key", node)
		// The older copy of the file must not lead back.
		distribute()
		r, err := s.RotateKey(t.Context())
		v.ok(err)
		if r.Key != id || r.Added {
			t.Errorf("rotation %+v, want it to go on with %s", r, id)
		}
		v.opens("the node with the new key", node)
		if ids, err := node.RetireKeys(t.Context()); err != nil || len(ids) != 1 {
			t.Errorf("retire on the node = %v, %v; want the old key", ids, err)
		}
	})
}

func TestOlderCopyOfTheKeyFileDoesNotLeadBack(t *testing.T) {
	v, s := newVault(t, storetest.SQLite(t), 2)
	old, err := os.ReadFile(v.path)
	v.ok(err)
	_, err = s.RotateKey(t.Context())
	v.ok(err)
	v.ok(os.WriteFile(v.path, old, 0o600))
	if _, err := s.Reseal(t.Context()); !fault.Is(err, fault.Invalid) || fault.RemedyOf(err) == "" {
		t.Errorf("Reseal with the old file: %v, want it refused with a remedy", err)
	}
	v.opens("still", s)
}

func TestTextWhoseKeyIsLostIsNamedAndTheOthersAreSealedAnew(t *testing.T) {
	v, s := newVault(t, storetest.SQLite(t), 60)
	k, err := store.NewKeyring(make([]byte, 32))
	v.ok(err)
	foreign, err := k.Seal("x", store.Place{Table: "credential", Row: "1", Column: "secret"})
	v.ok(err)
	_, err = s.Writer().ExecContext(t.Context(), "UPDATE credential SET secret = $1 WHERE id = (SELECT min(id) FROM credential)", foreign)
	v.ok(err)
	r, err := s.RotateKey(t.Context())
	if !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), k.ID()) {
		t.Errorf("rotation: %v, want that key %s is named", err, k.ID())
	}
	if got := v.sealedWith(s); got[r.Key] != 60 || got[k.ID()] != 1 {
		t.Errorf("sealed with %v", got)
	}
	if len(v.keys(v.path)) != 2 {
		t.Error("the old key left the file although not everything could be sealed anew")
	}
}

func TestLinkToTheKeyFileStays(t *testing.T) {
	v, s := newVault(t, storetest.SQLite(t), 1)
	target := filepath.Join(t.TempDir(), "target")
	v.ok(os.Rename(v.path, target))
	v.ok(os.Chmod(target, 0o640))
	v.ok(os.Symlink(target, v.path))
	_, err := s.RotateKey(t.Context())
	v.ok(err)
	if info, err := os.Lstat(v.path); err != nil || info.Mode()&os.ModeSymlink == 0 {
		t.Errorf("the link became %v, %v", info, err)
	}
	info, err := os.Stat(target)
	v.ok(err)
	if info.Mode().Perm() != 0o640 {
		t.Errorf("mode %v, want what its group may read to stay so", info.Mode())
	}
	v.opens("by the link", v.open())
}

func TestKeyThatIsNoFileCannotBeRotated(t *testing.T) {
	s := open(t, t.TempDir())
	if _, err := s.RotateKey(t.Context()); !fault.Is(err, fault.Invalid) {
		t.Errorf("RotateKey = %v, want fault.Invalid", err)
	}
}
