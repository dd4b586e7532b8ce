package sandbox_test

import (
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/windlass-hq/windlass/internal/bitbucket/sandbox"
)

// git runs the real git, free of the machine's configuration.
func git(t testing.TB, dir string, args ...string) string {
	t.Helper()
	out, err := tryGit(t, dir, args...)
	if err != nil {
		t.Fatalf("git %v: %v\n%s", args, err, out)
	}
	return strings.TrimSpace(out)
}

func tryGit(t testing.TB, dir string, args ...string) (string, error) {
	t.Helper()
	cmd := exec.Command("git", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/dev/null", "GIT_TERMINAL_PROMPT=0", "HOME="+t.TempDir(),
		"GIT_AUTHOR_NAME=Someone", "GIT_AUTHOR_EMAIL=admin@acme.example", "GIT_COMMITTER_NAME=Someone", "GIT_COMMITTER_EMAIL=admin@acme.example",
		"GIT_AUTHOR_DATE=1700000000 +0000", "GIT_COMMITTER_DATE=1700000000 +0000")
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// cloneURL is the git URL of a repository with a credential in it.
func cloneURL(base, name, user, password string) string {
	return strings.Replace(base, "://", "://"+user+":"+password+"@", 1) + "/cloud/" + name + ".git"
}

// someRepository returns the full name of acme's repository with the most pull requests.
func someRepository(t testing.TB, base string) string {
	t.Helper()
	name, most := "", -1.0
	for _, r := range walk(t, base+"/cloud/2.0/repositories/acme?pagelen=100") {
		full := r["full_name"].(string)
		if n := want(t, http.StatusOK, base+"/cloud/2.0/repositories/"+full+"/pullrequests?state=ALL&fields=size")["size"].(float64); n > most {
			name, most = full, n
		}
	}
	return name
}

func TestClonedHashesAreThoseOfREST(t *testing.T) {
	_, base := start(t, sandbox.Options{})
	name := someRepository(t, base)
	api := base + "/cloud/2.0/repositories/" + name
	dir := filepath.Join(t.TempDir(), "clone")
	prs := walk(t, api+"/pullrequests?state=ALL&pagelen=50") // hashes first, objects later
	git(t, "", "clone", "-q", "--bare", cloneURL(base, name, "x-token-auth", token), dir)
	git(t, dir, "fsck", "--strict", "--full")

	for _, b := range walk(t, api+"/refs/branches?pagelen=100") {
		branch := b["name"].(string)
		if got, hash := git(t, dir, "rev-parse", "refs/heads/"+branch), at(b, "target.hash"); got != hash {
			t.Errorf("branch %s: git has %s, REST %s", branch, got, hash)
		}
	}
	main := git(t, dir, "symbolic-ref", "--short", "HEAD")
	var rest []string
	for _, c := range walk(t, api+"/commits/"+main+"?pagelen=100") {
		rest = append(rest, c["hash"].(string))
	}
	cloned := strings.Fields(git(t, dir, "rev-list", main))
	slices.Sort(rest)
	slices.Sort(cloned)
	if !slices.Equal(rest, cloned) {
		t.Errorf("REST lists %d commits of %s, git %d", len(rest), main, len(cloned))
	}
	checked := 0
	fetch := []string{"fetch", "-q", "--no-tags", "origin"}
	for _, p := range prs {
		for _, key := range []string{"source.commit.hash", "destination.commit.hash", "merge_commit.hash"} {
			short, _ := at(p, key).(string)
			if short == "" {
				continue
			}
			full := want(t, http.StatusOK, api+"/commit/"+short)["hash"].(string)
			if !strings.HasPrefix(full, short) {
				t.Errorf("commit/%s answers %s", short, full)
			}
			fetch = append(fetch, full) // also those that no branch reaches
			checked++
		}
	}
	git(t, dir, fetch...)
	for _, full := range fetch[4:] {
		git(t, dir, "cat-file", "-e", full+"^{commit}")
	}
	if checked < 2*len(prs) {
		t.Errorf("only %d hashes of %d pull requests", checked, len(prs))
	}
}

func TestPushOverGitShowsInRESTAndBack(t *testing.T) {
	s, base := start(t, sandbox.Options{})
	name := someRepository(t, base)
	api := base + "/cloud/2.0/repositories/" + name
	dir := filepath.Join(t.TempDir(), "clone")
	git(t, "", "clone", "-q", cloneURL(base, name, "x-bitbucket-api-token-auth", "sandbox-api-token"), dir)
	git(t, dir, "checkout", "-q", "-b", "feature/push")
	if err := os.WriteFile(filepath.Join(dir, "new.txt"), []byte("hello\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	git(t, dir, "add", "new.txt")
	git(t, dir, "commit", "-q", "-m", "By hand")
	git(t, dir, "push", "-q", "origin", "feature/push")
	git(t, dir, "tag", "-a", "-m", "annotated", "v99")
	git(t, dir, "push", "-q", "origin", "v99")
	pushed := git(t, dir, "rev-parse", "HEAD")
	if got := at(want(t, http.StatusOK, api+"/refs/tags/v99"), "target.hash"); got != pushed {
		t.Errorf("the tag is at %v, pushed %s", got, pushed)
	}
	branch := want(t, http.StatusOK, api+"/refs/branches/feature/push")
	if got := at(branch, "target.hash"); got != pushed {
		t.Errorf("REST has %v, pushed %s", got, pushed)
	}
	if got := at(branch, "target.author.user.nickname"); got != "admin" {
		t.Errorf("author %v, want the account of the address", got)
	}

	id, err := s.OpenPullRequest(sandbox.PullRequestSpec{Repository: name, Title: "Mine", Source: "feature/push", CloseSource: true})
	if err != nil {
		t.Fatal(err)
	}
	git(t, dir, "commit", "-q", "--allow-empty", "-m", "Again")
	git(t, dir, "push", "-q", "origin", "feature/push")
	pr := want(t, http.StatusOK, api+"/pullrequests?q=title=%22Mine%22")["values"].([]any)[0]
	if got, head := at(pr, "source.commit.hash"), git(t, dir, "rev-parse", "--short=12", "HEAD"); got != head {
		t.Errorf("the pull request is at %v, pushed %s", got, head)
	}
	merge, err := s.Merge(name, id, "admin@acme.example")
	if err != nil {
		t.Fatal(err)
	}
	git(t, dir, "fetch", "-q", "--prune", "origin")
	if got := git(t, dir, "show", merge+":new.txt"); got != "hello" {
		t.Errorf("the merge holds %q", got)
	}
	if out, err := tryGit(t, dir, "rev-parse", "--verify", "-q", "origin/feature/push"); err == nil {
		t.Errorf("the source branch is still there: %s", out)
	}
	if out := git(t, dir, "ls-remote", "origin", "refs/tags/v99"); !strings.HasPrefix(out, git(t, dir, "rev-parse", "refs/tags/v99")) {
		t.Errorf("the annotated tag became %s", out)
	}
	git(t, dir, "fsck", "--strict")
	after, err := s.Push(sandbox.Push{Repository: name, Files: map[string]string{"docs/deep/file.md": "x\n"}})
	if err != nil {
		t.Fatal(err)
	}
	git(t, dir, "pull", "-q", "--ff-only", "origin", after.Branch+":refs/heads/check")
	if got := git(t, dir, "rev-parse", "refs/heads/check"); got != after.After || after.Before != merge {
		t.Errorf("pushed %+v after merge %s, git has %s", after, merge, got)
	}
}

func TestGitNeedsACredentialForPrivateRepositories(t *testing.T) {
	_, base := start(t, sandbox.Options{})
	private := walk(t, base+"/2.0/repositories/acme?pagelen=1&q=is_private=true")[0]["full_name"].(string)
	if _, err := tryGit(t, "", "ls-remote", base+"/"+private+".git"); err == nil {
		t.Error("anonymous access to a private repository")
	}
	if _, err := tryGit(t, "", "ls-remote", cloneURL(base, private, "x-token-auth", "wrong")); err == nil {
		t.Error("access with a wrong token")
	}
	git(t, "", "ls-remote", cloneURL(base, private, "anyone", "sandbox-api-token"))
}
