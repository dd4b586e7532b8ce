package sandbox_test

import (
	"net/http"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/windlass-hq/windlass/internal/bitbucket/sandbox"
)

// dcCloneURL is the git URL of a repository of Data Center with a credential in it; name is "KEY/slug".
func dcCloneURL(base, name, user, password string) string {
	key, slug, _ := strings.Cut(name, "/")
	return strings.Replace(base, "://", "://"+url.QueryEscape(user)+":"+password+"@", 1) + "/dc/scm/" + strings.ToLower(key) + "/" + slug + ".git"
}

// dcName is "KEY/slug" of a repository that REST shows.
func dcName(r object) string { return at(r, "project.key").(string) + "/" + r["slug"].(string) }

// dcPath is the path of a repository below the REST API.
func dcPath(base, name string) string {
	key, slug, _ := strings.Cut(name, "/")
	return base + "/dc/rest/api/latest/projects/" + key + "/repos/" + slug
}

// number is a JSON number as text.
func number(v any) string { return strconv.Itoa(int(v.(float64))) }

// dcRepositories returns the names of private repositories, normal or personal ones, that have an open pull request
// of a branch of their own, with that pull request.
func dcRepositories(t testing.TB, base string, personal bool) (names []string, prs []object) {
	t.Helper()
	for _, r := range dcWalk(t, dcToken, base+"/dc/rest/api/latest/repos?limit=100") {
		if (at(r, "project.type") == "PERSONAL") != personal || r["public"] == true || at(r, "project.public") == true || r["archived"] == true {
			continue
		}
		name := dcName(r)
		for _, p := range dcWalk(t, dcToken, dcPath(base, name)+"/pull-requests?state=OPEN") {
			if at(p, "fromRef.repository.id") == r["id"] {
				names, prs = append(names, name), append(prs, p)
				break
			}
		}
	}
	if len(names) == 0 || !personal && len(names) < 2 {
		t.Fatalf("only %d private repositories with an open pull request", len(names))
	}
	return names, prs
}

func TestDataCenterCloneHasTheHashesOfREST(t *testing.T) {
	_, web, base := startSSH(t, sandbox.Options{Repositories: 60, PullRequests: 900, Users: 20})
	for _, personal := range []bool{false, true} {
		names, prs := dcRepositories(t, web, personal)
		key, slug, _ := strings.Cut(names[0], "/")
		links := at(dcWant(t, dcToken, http.StatusOK, dcPath(web, names[0])), "links.clone").([]any)
		if got, want := at(links[0], "href"), web+"/dc/scm/"+strings.ToLower(key)+"/"+slug+".git"; got != want {
			t.Errorf("the link is %v, want %s", got, want)
		}
		if got, want := at(links[1], "href"), base+"/"+strings.ToLower(key)+"/"+slug+".git"; got != want {
			t.Errorf("the link for SSH is %v, want %s", got, want)
		}
		for _, remote := range []string{dcCloneURL(web, names[0], "admin", "sandbox-password"), at(links[1], "href").(string)} {
			dir := filepath.Join(t.TempDir(), "clone")
			git(t, "", "clone", "-q", "--bare", remote, dir)
			git(t, dir, "fsck", "--strict", "--full")
			branch := at(prs[0], "fromRef.displayId").(string)
			if got, hash := git(t, dir, "rev-parse", "refs/heads/"+branch), at(prs[0], "fromRef.latestCommit"); got != hash {
				t.Errorf("%s of %s is at %s, REST says %v", branch, remote, got, hash)
			}
		}
	}
}

func TestDataCenterPushesShowInREST(t *testing.T) {
	_, web, base := startSSH(t, sandbox.Options{Repositories: 60, PullRequests: 900, Users: 20})
	names, prs := dcRepositories(t, web, false)
	key, slug, _ := strings.Cut(names[0], "/")
	branch, id := at(prs[0], "fromRef.displayId").(string), number(prs[0]["id"])
	for _, remote := range []string{
		dcCloneURL(web, names[0], "admin", dcToken), base + "/" + key + "/" + slug, base + "/" + strings.ToLower(key) + "/" + slug + ".git",
	} {
		dir := filepath.Join(t.TempDir(), "clone")
		git(t, "", "clone", "-q", "-b", branch, remote, dir)
		git(t, dir, "commit", "-q", "--allow-empty", "-m", "By hand")
		before := dcWant(t, dcToken, http.StatusOK, dcPath(web, names[0])+"/pull-requests/"+id)
		git(t, dir, "push", "-q", "origin", branch)
		after := dcWant(t, dcToken, http.StatusOK, dcPath(web, names[0])+"/pull-requests/"+id)
		if got, head := at(after, "fromRef.latestCommit"), git(t, dir, "rev-parse", "HEAD"); got != head {
			t.Errorf("after a push to %s the pull request is at %v, want %s", remote, got, head)
		}
		if after["updatedDate"].(float64) <= before["updatedDate"].(float64) {
			t.Errorf("after a push to %s the pull request is as old as before", remote)
		}
	}
}

func TestDataCenterRefsOfPullRequests(t *testing.T) {
	s, web := start(t, sandbox.Options{Repositories: 60, PullRequests: 900, Users: 20})
	names, _ := dcRepositories(t, web, false)
	remote := dcCloneURL(web, names[0], "admin", dcToken)
	refs := func() map[string]string {
		found := map[string]string{}
		for line := range strings.Lines(git(t, "", "ls-remote", remote, "refs/pull-requests/*")) {
			hash, ref, _ := strings.Cut(strings.TrimSpace(line), "\t")
			found[ref] = hash
		}
		return found
	}
	check := func() []object {
		t.Helper()
		want := map[string]string{}
		prs := dcWalk(t, dcToken, dcPath(web, names[0])+"/pull-requests?state=ALL")
		for _, p := range prs {
			want["refs/pull-requests/"+number(p["id"])+"/from"] = at(p, "fromRef.latestCommit").(string)
		}
		if diff := cmp.Diff(want, refs()); diff != "" {
			t.Errorf("refs of pull requests (-REST +git):\n%s", diff)
		}
		return prs
	}
	prs := check()
	dir := filepath.Join(t.TempDir(), "clone")
	git(t, "", "clone", "-q", "--mirror", remote, dir) // every one of them leads to objects
	git(t, dir, "fsck", "--strict", "--full")
	if out, err := tryGit(t, dir, "push", "origin", "HEAD:refs/pull-requests/1/from"); err == nil {
		t.Errorf("a pull request's ref can be pushed to: %s", out)
	}
	if err := s.DataCenter().DeletePullRequest(names[0], int(prs[0]["id"].(float64))); err != nil {
		t.Fatal(err)
	}
	if left := check(); len(left) != len(prs)-1 {
		t.Errorf("%d pull requests are left of %d", len(left), len(prs))
	}
}

func TestDataCenterGitCredentials(t *testing.T) {
	s, web := start(t, sandbox.Options{Repositories: 60, PullRequests: 900, Users: 20})
	names, _ := dcRepositories(t, web, false)
	add := func(c sandbox.DCCredential) {
		if err := s.DataCenter().AddCredential(c); err != nil {
			t.Fatal(err)
		}
	}
	key, _, _ := strings.Cut(names[0], "/")
	add(sandbox.DCCredential{Name: "of-repository", Token: "of-repository", Repositories: names[:1], Permission: "read"})
	add(sandbox.DCCredential{Name: "of-project", Token: "of-project", Projects: []string{key}, Permission: "write"})
	add(sandbox.DCCredential{Name: "dead", Token: "dead", User: "robot-3", Revoked: true})
	bearer := func(name, token string, args ...string) (string, error) {
		remote := strings.Replace(dcCloneURL(web, name, "", ""), ":@", "", 1)
		args = append(args, remote)
		if args[0] == "push" {
			args = append(args, "HEAD:refs/heads/try") // whatever is checked out where the test runs
		}
		return tryGit(t, "", append([]string{"-c", "http.extraHeader=Authorization: Bearer " + token}, args...)...)
	}
	for _, c := range []struct {
		what, token, name string
		fine              bool
	}{
		{"a user's token", dcToken, names[0], true},
		{"a repository's token", "of-repository", names[0], true},
		{"a repository's token elsewhere", "of-repository", names[1], false},
		{"a project's token", "of-project", names[0], true},
		{"a revoked token", "dead", names[0], false},
		{"no token of anybody", "nonsense", names[0], false},
	} {
		if out, err := bearer(c.name, c.token, "ls-remote"); (err == nil) != c.fine {
			t.Errorf("%s as Bearer: %v %s", c.what, err, out)
		}
	}
	for _, c := range []struct {
		what, user, password string
		fine                 bool
	}{
		{"a password", "admin", "sandbox-password", true},
		{"a user's token", "robot-2", "sandbox-token-2", true},
		{"another user's token", "admin", "sandbox-token-2", false},
		{"a repository's token", "x-token-auth", "of-repository", false}, // FACTS 111
		{"a project's token", "admin", "of-project", false},
	} {
		if out, err := tryGit(t, "", "ls-remote", dcCloneURL(web, names[0], c.user, c.password)); (err == nil) != c.fine {
			t.Errorf("%s as Basic: %v %s", c.what, err, out)
		}
	}
	if out, err := bearer(names[0], "of-repository", "push", "--dry-run"); err == nil || !strings.Contains(out, "not permitted") && !strings.Contains(out, "403") {
		t.Errorf("a token that may only read pushed: %v %s", err, out)
	}
	if err := s.DataCenter().ArchiveRepository(names[1], true); err != nil {
		t.Fatal(err)
	}
	if out, err := bearer(names[1], dcToken, "push", "--dry-run"); err == nil || !strings.Contains(out, "403") {
		t.Errorf("a push to an archived repository: %v %s", err, out)
	}
	resp, _ := get(t, "", strings.Replace(dcCloneURL(web, names[0], "", ""), ":@", "", 1)+"/info/refs?service=git-upload-pack")
	if resp.StatusCode != http.StatusUnauthorized || !strings.HasPrefix(resp.Header.Get("WWW-Authenticate"), "Basic ") {
		t.Errorf("an anonymous caller is answered %s with %q", resp.Status, resp.Header.Get("WWW-Authenticate"))
	}
	resp, _ = get(t, dcToken, web+"/dc/scm/none/none.git/info/refs?service=git-upload-pack")
	if resp.StatusCode != http.StatusNotFound || resp.Header.Get("X-AUSERNAME") != "admin" {
		t.Errorf("a repository that is not there: %s as %q", resp.Status, resp.Header.Get("X-AUSERNAME"))
	}
	if n := s.Stats().Requests.ByEndpoint["GET /scm/{projectKey}/{repositorySlug}.git/info/refs"]; n < 10 {
		t.Errorf("%d requests of git were counted", n)
	}
}

func TestDataCenterSSHKeys(t *testing.T) {
	s, web, base := startSSH(t, sandbox.Options{Repositories: 60, PullRequests: 900, Users: 20})
	names, prs := dcRepositories(t, web, false)
	cloud := privateRepositories(t, web)[0]
	private, public := newKey(t, 2)
	useKey(t, s, private)
	check := func(what string, k sandbox.SSHKey, reached ...bool) {
		t.Helper()
		k.Name, k.Key = "k", public
		if err := s.AddSSHKey(k); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		for i, name := range []string{names[0], names[1], cloud} {
			if got := reaches(t, s, private, strings.ToLower(name)); got != reached[i] {
				t.Errorf("%s: %s: reached = %v, want %v", what, name, got, reached[i])
			}
		}
		if k.ReadOnly {
			dir := filepath.Join(t.TempDir(), "clone")
			git(t, "", "clone", "-q", base+"/"+strings.ToLower(names[0])+".git", dir)
			if out, err := tryGit(t, dir, "push", "origin", "HEAD:refs/heads/new"); err == nil || !strings.Contains(out, "not permitted") {
				t.Errorf("%s: push: %v %s", what, err, out)
			}
		}
		if err := s.RemoveSSHKey("k"); err != nil {
			t.Fatal(err)
		}
	}
	key, _, _ := strings.Cut(names[0], "/")
	sameProject := strings.HasPrefix(names[1], key+"/")
	check("a user's key", sandbox.SSHKey{User: "robot-2", ReadOnly: true}, true, true, false)
	check("the administrator's key", sandbox.SSHKey{}, true, true, true)
	check("a repository's key", sandbox.SSHKey{Repositories: names[:1], ReadOnly: true}, true, false, false)
	check("a project's key", sandbox.SSHKey{Projects: []string{key}}, true, sameProject, false)
	check("a key of the Cloud", sandbox.SSHKey{Repositories: []string{cloud}}, false, false, true)
	if err := s.AddSSHKey(sandbox.SSHKey{Name: "k", Key: public, Repositories: []string{"NONE/none"}}); err == nil {
		t.Error("a key of no repository was accepted")
	}

	if err := s.AddSSHKey(sandbox.SSHKey{Name: "deploy", Key: public, Repositories: names[:1]}); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "clone")
	branch := at(prs[0], "fromRef.displayId").(string)
	git(t, "", "clone", "-q", "-b", branch, base+"/"+strings.ToLower(names[0])+".git", dir)
	git(t, dir, "commit", "-q", "--allow-empty", "-m", "By a machine")
	git(t, dir, "push", "-q", "origin", branch)
	pr := dcPath(web, names[0]) + "/pull-requests/" + number(prs[0]["id"])
	if got := at(dcWant(t, dcToken, http.StatusOK, pr), "fromRef.latestCommit"); got != git(t, dir, "rev-parse", "HEAD") {
		t.Errorf("the access key's push left the pull request at %v", got)
	}
}

func TestCloudWorkspacesWinOverProjects(t *testing.T) {
	s, web, base := startSSH(t, sandbox.Options{})
	if _, err := s.DataCenter().CreateProject(sandbox.DCProjectSpec{Key: "ACME", Name: "Same name"}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.DataCenter().CreateRepository(sandbox.DCRepositorySpec{Project: "ACME", Name: "only-here"}); err != nil {
		t.Fatal(err)
	}
	git(t, "", "ls-remote", base+"/"+privateRepositories(t, web)[0]+".git")
	if _, err := tryGit(t, "", "ls-remote", base+"/acme/only-here.git"); err == nil {
		t.Error("a project was found under the name of a workspace")
	}
	git(t, "", "ls-remote", dcCloneURL(web, "ACME/only-here", "admin", dcToken))
}

func TestDataCenterLimitHoldsForGitOverHTTPOnly(t *testing.T) {
	_, unlimited := start(t, sandbox.Options{})
	names, _ := dcRepositories(t, unlimited, false)
	standing := func() time.Time { return time.Date(2026, 9, 2, 0, 0, 0, 0, time.UTC) }
	_, web, base := startSSH(t, sandbox.Options{RateLimit: true, Clock: standing, Limits: sandbox.Limits{DCCapacity: 3}})
	git(t, "", "ls-remote", dcCloneURL(web, names[0], "robot-9", "sandbox-token-9"))
	for range 3 {
		git(t, "", "ls-remote", base+"/"+strings.ToLower(names[0])+".git") // FACTS 141
	}
	if out, err := tryGit(t, "", "ls-remote", dcCloneURL(web, names[0], "robot-9", "sandbox-token-9")); err == nil || !strings.Contains(out, "429") {
		t.Errorf("the third and fourth request: %v %s", err, out)
	}
}
