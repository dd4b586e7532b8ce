package mirror_test

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/windlass-hq/windlass/internal/fault"
	"github.com/windlass-hq/windlass/internal/mirror"
)

// example makes a repository with loose and packed objects and refs.
func example(t testing.TB, format string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "repo")
	plain(t, "", "init", "-q", "-b", "main", "--object-format="+format, dir)
	plain(t, dir, "commit", "-q", "--allow-empty", "-m", "One")
	plain(t, dir, "branch", "packed/one")
	plain(t, dir, "tag", "-a", "-m", "Tag", "v1")
	plain(t, dir, "gc", "-q")
	plain(t, dir, "commit", "-q", "--allow-empty", "-m", "Two")
	plain(t, dir, "branch", "loose")
	plain(t, dir, "symbolic-ref", "refs/remotes/origin/HEAD", "refs/heads/main")
	return dir
}

// files lists everything in a folder with its time, so that a write shows.
func files(t testing.TB, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		all[path] = info.ModTime().String() + info.Mode().String()
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestAPathIsReadAsGitReadsIt(t *testing.T) {
	g := open(t, mirror.Options{})
	dir := example(t, "sha1")
	bare := filepath.Join(t.TempDir(), "bare.git")
	plain(t, "", "clone", "-q", "--mirror", dir, bare)
	shallow := filepath.Join(t.TempDir(), "shallow")
	plain(t, "", "clone", "-q", "--depth=1", "--no-local", dir, shallow)
	detached := filepath.Join(t.TempDir(), "detached")
	plain(t, "", "clone", "-q", "--no-hardlinks", dir, detached)
	plain(t, detached, "checkout", "-q", "--detach", "HEAD~1")
	for name, dir := range map[string]string{"tree": dir, "bare": bare, "shallow": shallow, "sha256": example(t, "sha256"), "detached": detached} {
		before := files(t, dir)
		f, err := g.OpenPath(context.Background(), dir)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		got := map[string]string{}
		for _, r := range f.Refs() {
			got[r.Name] = r.Hash
		}
		want := map[string]string{"HEAD": plain(t, dir, "rev-parse", "HEAD")}
		for line := range strings.SplitSeq(plain(t, dir, "for-each-ref", "--format=%(objectname) %(refname) %(symref)"), "\n") {
			if p := strings.Fields(line); len(p) == 2 {
				want[p[1]] = p[0]
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: refs (git, ours):\n%s", name, diff)
		}
		for _, args := range [][]string{{"rev-list", "--all", "--objects"}, {"log", "-p", "--all"}, {"rev-parse", "HEAD", "v1^{commit}"}} {
			out, err := f.Run(context.Background(), mirror.Command{Args: args})
			if err != nil {
				if name != "shallow" { // which has no tag
					t.Errorf("%s: %v", name, err)
				}
				continue
			}
			if want := plain(t, dir, args...); strings.TrimSpace(string(out)) != want {
				t.Errorf("%s: git %v prints\n%s\nwant\n%s", name, args, out, want)
			}
		}
		if diff := cmp.Diff(before, files(t, dir)); diff != "" {
			t.Errorf("%s: reading it changed it:\n%s", name, diff)
		}
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestPathsWithoutARepository(t *testing.T) {
	g := open(t, mirror.Options{})
	empty, dir := t.TempDir(), example(t, "sha1")
	table := file(t, "config", "[core]\n\trepositoryformatversion = 1\n[extensions]\n\trefStorage = reftable\n", 0o600)
	for path, want := range map[string]fault.Code{
		empty: fault.NotFound, filepath.Join(empty, "none"): fault.NotFound, table: fault.NotFound, filepath.Join(dir, ".git/refs"): fault.NotFound,
	} {
		if f, err := g.OpenPath(context.Background(), path); fault.CodeOf(err) != want {
			t.Errorf("%s: %v, %v", path, f, err)
		}
	}
	for name, text := range map[string]string{"another form of refs": read(t, table), "no configuration": "[[[", "other hashes": "[extensions]\n\tobjectFormat = sha512\n"} {
		if err := os.WriteFile(filepath.Join(dir, ".git/config"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := g.OpenPath(context.Background(), dir); !fault.Is(err, fault.Invalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
