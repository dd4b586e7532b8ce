package sandbox_test

import (
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/windlass-hq/windlass/internal/bitbucket/sandbox"
)

// oddClone makes a repository with odd names, merges of several kinds and a configuration that must not take effect.
func oddClone(t testing.TB) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "Odd Répo.git-x")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	at := 1600000000
	run := func(name, email string, args ...string) string {
		t.Helper()
		at += 60
		cmd := exec.Command("git", args...)
		cmd.Dir = dir
		date := strconv.Itoa(at) + " +0200"
		cmd.Env = append(os.Environ(), "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/dev/null", "HOME="+dir,
			"GIT_AUTHOR_NAME="+name, "GIT_AUTHOR_EMAIL="+email, "GIT_AUTHOR_DATE="+date,
			"GIT_COMMITTER_NAME=The Merger", "GIT_COMMITTER_EMAIL=Merger@Example.com", "GIT_COMMITTER_DATE="+date)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("git %v: %v\n%s", args, err, out)
		}
		return strings.TrimSpace(string(out))
	}
	const zoe, ada, old = "zoe@example.org", "ADA@Example.org", "ada@example.org"
	run("", "", "init", "-q", "-b", "trunk")
	run("Zoë “Z” 李", zoe, "commit", "-q", "--allow-empty", "-m", "root")
	run("Ada Old", old, "checkout", "-q", "-b", "feature/ümläut")
	run("Ada Old", old, "commit", "-q", "--allow-empty", "-m", "one")
	run("Ada New", ada, "commit", "-q", "--allow-empty", "-m", "two\n\nCo-authored-by: Bo B <BO@example.net>\nco-authored-by: nobody")
	run("", "", "checkout", "-q", "trunk")
	run("Zoë “Z” 李", zoe, "merge", "-q", "--no-ff", "-m", "Merge branch 'feature/ümläut' into trunk", "feature/ümläut")
	run("", "", "checkout", "-q", "-b", "a", "HEAD~1")
	run("Bo", "bo@example.net", "commit", "-q", "--allow-empty", "-m", "a")
	run("", "", "checkout", "-q", "-b", "b", "HEAD~1")
	run("Bo", "bo@example.net", "commit", "-q", "--allow-empty", "-m", "b")
	run("", "", "checkout", "-q", "trunk")
	run("Zoë “Z” 李", zoe, "merge", "-q", "-m", "An octopus\nwith a second subject line\n\nbody", "a", "b")
	run("x", "x@y", "tag", "-a", "v1", "-m", "tagged")
	run("x", "x@y", "config", "core.pager", "false")
	run("x", "x@y", "config", "core.fsmonitor", "touch "+filepath.Join(dir, "EXECUTED"))
	return dir
}

func TestImportEqualsGitLog(t *testing.T) {
	dir := oddClone(t)
	_, base := start(t, sandbox.Options{ImportGit: dir})
	repo := walk(t, base+`/cloud/2.0/repositories/acme?q=project.key="IMPORT"`)[0]
	if got := repo["name"]; got != "Odd Répo.git-x" {
		t.Errorf("name %v", got)
	}
	api := base + "/cloud/2.0/repositories/" + repo["full_name"].(string)
	prs := walk(t, api+"/pullrequests?state=MERGED&sort=id&fields=%2Bvalues.participants")
	var merges []string
	for line := range strings.Lines(git(t, dir, "log", "--first-parent", "--reverse", "--merges", "--format=%H")) {
		merges = append(merges, strings.TrimSpace(line))
	}
	if len(prs) != len(merges) || len(prs) != 2 {
		t.Fatalf("%d pull requests, git has %d merges", len(prs), len(merges))
	}
	for i, m := range merges {
		p := prs[i]
		show := func(format, rev string) string { return git(t, dir, "log", "-1", "--format="+format, rev) }
		check := func(what, path, want string) {
			t.Helper()
			if got := at(p, path); got != want {
				t.Errorf("pull request %d: %s is %v, git log says %s", i+1, what, got, want)
			}
		}
		if got := p["id"]; got != float64(i+1) {
			t.Errorf("number %v, want %d", got, i+1)
		}
		check("title", "title", show("%s", m))
		check("author", "author.display_name", map[int]string{0: "Ada New", 1: "Bo"}[i])
		check("closed by", "closed_by.display_name", show("%cn", m))
		check("source", "source.commit.hash", show("%H", m+"^2")[:12])
		check("destination", "destination.commit.hash", show("%H", m+"^1")[:12])
		check("merge", "merge_commit.hash", m[:12])
		check("created", "created_on", rest(t, show("%at", m+"^2")))
		check("updated", "updated_on", rest(t, show("%ct", m)))
		check("target", "destination.branch.name", "trunk")
	}
	if got := at(prs[0], "source.branch.name"); got != "feature/ümläut" {
		t.Errorf("source branch %v", got)
	}

	members := map[string]string{}
	for _, m := range walk(t, base+`/cloud/2.0/workspaces/acme/members?q=user.email~"example.org"+OR+user.email~"example.net"+OR+user.email~"example.com"&fields=%2Bvalues.user.email`) {
		members[at(m, "user.email").(string)] = at(m, "user.display_name").(string)
	}
	for email, name := range map[string]string{"zoe@example.org": "Zoë “Z” 李", "ada@example.org": "Ada New", "bo@example.net": "Bo", "merger@example.com": "The Merger"} {
		if members[email] != name {
			t.Errorf("%s is %q, want %q", email, members[email], name)
		}
	}
	if len(members) != 4 {
		t.Errorf("members %v", members)
	}

	var hashes []string
	for _, c := range walk(t, api+"/commits?pagelen=100") {
		hashes = append(hashes, c["hash"].(string))
	}
	logged := strings.Fields(git(t, dir, "log", "--all", "--format=%H"))
	slices.Sort(hashes)
	slices.Sort(logged)
	if !slices.Equal(hashes, logged) {
		t.Errorf("REST lists %d commits, git log %d", len(hashes), len(logged))
	}
	clone := filepath.Join(t.TempDir(), "again")
	git(t, "", "clone", "-q", cloneURL(base, repo["full_name"].(string), "x-token-auth", token), clone)
	if got, head := git(t, clone, "rev-parse", "HEAD"), git(t, dir, "rev-parse", "HEAD"); got != head {
		t.Errorf("the clone is at %s, the original at %s", got, head)
	}
	if _, err := os.Stat(filepath.Join(dir, "EXECUTED")); err == nil {
		t.Error("the configuration of the imported repository was executed")
	}
}

// rest writes epoch seconds as REST does.
func rest(t testing.TB, secs string) string {
	t.Helper()
	n, err := strconv.ParseInt(secs, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return time.Unix(n, 0).UTC().Format("2006-01-02T15:04:05.000000+00:00")
}

func TestImportOfNoRepositorySaysSo(t *testing.T) {
	_, err := sandbox.New(sandbox.Options{ImportGit: t.TempDir()})
	if err == nil || !strings.Contains(err.Error(), "is not a git repository") {
		t.Errorf("error %v", err)
	}
}

func TestControlWorksOnAnImport(t *testing.T) {
	s, base := start(t, sandbox.Options{ImportGit: oddClone(t)})
	name := walk(t, base+`/cloud/2.0/repositories/acme?q=project.key="IMPORT"`)[0]["full_name"].(string)
	id, err := s.OpenPullRequest(sandbox.PullRequestSpec{Repository: name, Title: "More", Source: "more"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Merge(name, id, ""); err != nil {
		t.Fatal(err)
	}
	p := want(t, http.StatusOK, base+"/2.0/repositories/"+name+"/pullrequests/"+strconv.Itoa(id))
	if p["state"] != "MERGED" || id != 3 {
		t.Errorf("pull request %d is %v", id, p["state"])
	}
}
