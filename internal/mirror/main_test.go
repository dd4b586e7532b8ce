package mirror_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/windlass-hq/windlass/internal/mirror"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// open returns the wrapped git of this machine, which must leave nothing behind.
func open(t testing.TB, o mirror.Options) *mirror.Git {
	t.Helper()
	if o.TempDir == "" {
		var err error
		if o.TempDir, err = os.MkdirTemp("", "a b%h'"); err != nil { //nolint:usetesting // a short one: sockets have short names
			t.Fatal(err)
		}
	}
	g, err := mirror.Open(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if left, err := os.ReadDir(o.TempDir); err != nil || len(left) > 0 {
			t.Errorf("left behind: %v, %v", left, err)
		}
		if err := os.RemoveAll(o.TempDir); err != nil {
			t.Error(err)
		}
	})
	return g
}

// plain runs git as a person would who knows of no danger, though without the machine's own configuration.
func plain(t testing.TB, dir string, args ...string) string {
	t.Helper()
	out, err := tryPlain(t, dir, args...)
	if err != nil {
		t.Fatalf("git %v: %v\n%s", args, err, out)
	}
	return strings.TrimSpace(out)
}

func tryPlain(t testing.TB, dir string, args ...string) (string, error) {
	t.Helper()
	cmd := exec.Command("git", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/dev/null", "GIT_TERMINAL_PROMPT=0", "LC_ALL=C", "HOME="+t.TempDir(),
		"GIT_AUTHOR_NAME=Someone", "GIT_AUTHOR_EMAIL=a@acme.example", "GIT_COMMITTER_NAME=Someone", "GIT_COMMITTER_EMAIL=a@acme.example",
		"GIT_AUTHOR_DATE=1700000000 +0000", "GIT_COMMITTER_DATE=1700000000 +0000")
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// file writes a file below a test's own folder.
func file(t testing.TB, name, text string, mode os.FileMode) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
	return path
}

func read(t testing.TB, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}
