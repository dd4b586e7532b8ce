package sandbox_test

import (
	"context"
	"crypto/ed25519"
	"encoding/pem"
	"errors"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"

	"github.com/windlass-hq/windlass/internal/bitbucket/sandbox"
)

// startSSH serves a sandbox over HTTP and SSH until the test ends, and makes git use the known key and this binary
// as its SSH client. It returns the beginning of clone URLs.
func startSSH(t testing.TB, o sandbox.Options) (s *sandbox.Sandbox, web, base string) {
	t.Helper()
	s, web = start(t, o)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- s.ServeSSH(ctx, l) }()
	t.Cleanup(func() {
		cancel()
		if err := <-served; err != nil {
			t.Error(err)
		}
		if s.SSHBase() != "" {
			t.Error("links name an SSH server that has gone")
		}
	})
	key, err := s.SSHPrivateKey()
	if err != nil {
		t.Fatal(err)
	}
	useKey(t, s, key)
	return s, web, "ssh://git@" + l.Addr().String()
}

// useKey lets git sign in with a private key.
func useKey(t testing.TB, s *sandbox.Sandbox, private []byte) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "id")
	if err := os.WriteFile(path, private, 0o600); err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv(clientKeyVariable, path)
	t.Setenv(clientHostKey, s.SSHHostKey())
	t.Setenv("GIT_SSH", self)
	t.Setenv("GORACE", "atexit_sleep_ms=0") // else every client under the race detector stays for a second
	t.Setenv("GIT_SSH_VARIANT", "ssh")
}

// newKey makes a key pair: the private part as a file of OpenSSH, the public one as a line of authorized_keys.
func newKey(t testing.TB, n byte) (private []byte, public string) {
	t.Helper()
	pair := ed25519.NewKeyFromSeed([]byte(strings.Repeat(string(rune('a'+n)), ed25519.SeedSize)))
	block, err := ssh.MarshalPrivateKey(pair, "test")
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewSignerFromKey(pair)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(block), strings.TrimSpace(string(ssh.MarshalAuthorizedKey(signer.PublicKey())))
}

// privateRepositories returns the full names of acme's private repositories that hold something.
func privateRepositories(t testing.TB, web string) []string {
	t.Helper()
	var names []string
	for _, r := range walk(t, web+"/cloud/2.0/repositories/acme?pagelen=100&q=is_private=true+AND+size>0") {
		names = append(names, r["full_name"].(string))
	}
	if len(names) < 2 {
		t.Fatalf("only %d private repositories", len(names))
	}
	return names
}

func TestCloneOverSSHIsThatOverHTTP(t *testing.T) {
	_, web, base := startSSH(t, sandbox.Options{})
	name := someRepository(t, web)
	dir := t.TempDir()
	git(t, dir, "clone", "-q", "--mirror", base+"/"+name+".git", "ssh")
	git(t, dir, "clone", "-q", "--mirror", cloneURL(web, name, "x-token-auth", token), "http")
	git(t, dir+"/ssh", "fsck", "--strict", "--full")
	if got, want := git(t, dir+"/ssh", "for-each-ref"), git(t, dir+"/http", "for-each-ref"); got != want || got == "" {
		t.Errorf("over SSH:\n%s\nover HTTP:\n%s", got, want)
	}
	for _, version := range []string{"0", "1", "2"} {
		if out := git(t, "", "-c", "protocol.version="+version, "ls-remote", base+"/"+name, "HEAD"); !strings.HasSuffix(out, "HEAD") {
			t.Errorf("protocol %s without .git: %q", version, out)
		}
	}
	git(t, dir, "clone", "-q", "--depth=1", "--filter=blob:none", "--no-checkout", base+"/"+name+".git", "partial")
}

func TestPushOverSSHShowsInREST(t *testing.T) {
	s, web, base := startSSH(t, sandbox.Options{})
	name := someRepository(t, web)
	api := web + "/cloud/2.0/repositories/" + name
	dir := filepath.Join(t.TempDir(), "clone")
	git(t, "", "clone", "-q", base+"/"+name+".git", dir)
	git(t, dir, "checkout", "-q", "-b", "feature/push")
	if err := os.WriteFile(filepath.Join(dir, "new.txt"), []byte("hello\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	git(t, dir, "add", "new.txt")
	git(t, dir, "commit", "-q", "-m", "By hand")
	git(t, dir, "tag", "-a", "-m", "annotated", "v99")
	git(t, dir, "push", "-q", "origin", "feature/push", "v99")
	id, err := s.OpenPullRequest(sandbox.PullRequestSpec{Repository: name, Title: "Mine", Source: "feature/push"})
	if err != nil {
		t.Fatal(err)
	}
	git(t, dir, "commit", "-q", "--allow-empty", "-m", "Again")
	git(t, dir, "push", "-q", "origin", "feature/push")
	head := git(t, dir, "rev-parse", "HEAD")
	if got := at(want(t, http.StatusOK, api+"/refs/branches/feature/push"), "target.hash"); got != head {
		t.Errorf("the branch is at %v, pushed %s", got, head)
	}
	if got := at(want(t, http.StatusOK, api+"/refs/tags/v99"), "target.hash"); got != git(t, dir, "rev-parse", "v99^{commit}") {
		t.Errorf("the tag is at %v", got)
	}
	pr := want(t, http.StatusOK, api+"/pullrequests?q=title=%22Mine%22")["values"].([]any)[0]
	if got := at(pr, "source.commit.hash").(string); !strings.HasPrefix(head, got) {
		t.Errorf("pull request %d is at %v, pushed %s", id, got, head)
	}
	activity := walk(t, api+"/pullrequests/"+strconv.Itoa(id)+"/activity")
	if by := at(activity[0], "update.author.nickname"); by != "admin" {
		t.Errorf("the pull request was moved by %v, want the key's user", by)
	}

	if out, err := tryGit(t, dir, "push", "origin", "feature/push"); err != nil || !strings.Contains(out, "up-to-date") {
		t.Errorf("a push of nothing: %v %s", err, out)
	}
	git(t, dir, "push", "-q", "origin", ":refs/tags/v99", "HEAD:refs/heads/other")
	git(t, dir, "push", "-q", "origin", "--delete", "other") // no pack at all
	for _, ref := range []string{"tags/v99", "branches/other"} {
		if resp, _ := get(t, token, api+"/refs/"+ref); resp.StatusCode != http.StatusNotFound {
			t.Errorf("%s was deleted and answers %d", ref, resp.StatusCode)
		}
	}
	git(t, dir, "commit", "-q", "--amend", "--allow-empty", "-m", "Other")
	if out, err := tryGit(t, dir, "push", "origin", "HEAD~:refs/heads/feature/push"); err == nil {
		t.Errorf("git pushed what is no fast-forward: %s", out)
	}
	git(t, dir, "push", "-q", "--force", "origin", "feature/push")
	git(t, "", "ls-remote", "--exit-code", cloneURL(web, name, "x-token-auth", token), "refs/heads/feature/push")
	if counted := s.Stats().Requests.ByEndpoint["SSH git-receive-pack /{workspace}/{repo_slug}.git"]; counted < 5 {
		t.Errorf("%d pushes were counted", counted)
	}
}

// TestPushWithDeltas pushes a pack in which objects refer to others, in both ways, and one that is large.
func TestPushWithDeltas(t *testing.T) {
	s, web, base := startSSH(t, sandbox.Options{})
	if _, err := s.CreateRepository(sandbox.RepositorySpec{Workspace: "acme", Name: "deltas"}); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	git(t, dir, "init", "-q", "-b", "main")
	for i, text := range []string{strings.Repeat("line of a file\n", 5000), strings.Repeat("line of a file\n", 5000) + "more\n", "x"} {
		if err := os.WriteFile(filepath.Join(dir, "file"), []byte(text+strconv.Itoa(i)), 0o600); err != nil {
			t.Fatal(err)
		}
		git(t, dir, "add", "file")
		git(t, dir, "commit", "-q", "-m", "Number "+strconv.Itoa(i))
	}
	git(t, dir, "push", "-q", base+"/acme/deltas.git", "main~1:refs/heads/main")
	git(t, dir, "push", "-q", "--thin", base+"/acme/deltas.git", "main")
	git(t, dir, "-c", "repack.useDeltaBaseOffset=false", "push", "-q", base+"/acme/deltas.git", "main:refs/heads/second")
	api := web + "/cloud/2.0/repositories/acme/deltas/refs/branches/"
	for _, branch := range []string{"main", "second"} {
		if got := at(want(t, http.StatusOK, api+branch), "target.hash"); got != git(t, dir, "rev-parse", "main") {
			t.Errorf("%s is at %v", branch, got)
		}
	}
}

func TestSSHKeysReachWhatTheyMay(t *testing.T) {
	s, web, base := startSSH(t, sandbox.Options{})
	names := privateRepositories(t, web)
	private, public := newKey(t, 1)
	useKey(t, s, private)
	if reaches(t, s, private, names[0]) {
		t.Error("an unknown key got in")
	}
	args := `{"name": "deploy", "key": ` + strconv.Quote(public) + `, "repositories": [` + strconv.Quote(names[0]) + `], "read_only": true}`
	control(t, web, "ssh-keys", args, http.StatusOK)
	control(t, web, "ssh-keys", args, http.StatusConflict)
	if !reaches(t, s, private, names[0]) {
		t.Error("the access key does not reach its repository")
	}
	if reaches(t, s, private, names[1]) {
		t.Error("the access key reaches another repository")
	}
	dir := filepath.Join(t.TempDir(), "clone")
	git(t, "", "clone", "-q", base+"/"+names[0]+".git", dir)
	if out, err := tryGit(t, dir, "push", "origin", "HEAD:refs/heads/new"); err == nil || !strings.Contains(out, "read-only") {
		t.Errorf("push with a read-only key: %v %s", err, out)
	}
	_, page := get(t, "", web+"/sandbox/ssh-keys")
	if text := string(page); !strings.Contains(text, `"deploy"`) || !strings.Contains(text, sandbox.KnownSSHKey) || strings.Contains(text, "PRIVATE") {
		t.Errorf("the list of keys is %s", text)
	}
	control(t, web, "ssh-keys/remove", `{"name": "deploy"}`, http.StatusOK)
	control(t, web, "ssh-keys/remove", `{"name": "deploy"}`, http.StatusNotFound)
	if reaches(t, s, private, names[0]) {
		t.Error("a removed key got in")
	}
	stranger, err := s.CreateUser("Stranger", "stranger@elsewhere.example")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.AddSSHKey(sandbox.SSHKey{Name: "stranger", Key: public, User: stranger}); err != nil {
		t.Fatal(err)
	}
	if reaches(t, s, private, names[0]) {
		t.Error("a user who is no member reads a private repository")
	}
	if err := s.AddMember("acme", stranger, false); err != nil {
		t.Fatal(err)
	}
	if !reaches(t, s, private, names[0]) {
		t.Error("a member does not read a private repository")
	}
	for _, bad := range []sandbox.SSHKey{{Name: "x"}, {Key: public}, {Name: "x", Key: "ssh-ed25519 AAAA"}, {Name: "x", Key: public, User: "nobody"}} {
		if err := s.AddSSHKey(bad); err == nil {
			t.Errorf("%+v was accepted", bad)
		}
	}
}

func TestSSHSpeaksOnlyGit(t *testing.T) {
	s, web, base := startSSH(t, sandbox.Options{})
	name := privateRepositories(t, web)[0]
	address := strings.TrimPrefix(base, "ssh://git@")
	client := dialSSH(t, s, address, "git")
	for _, command := range []string{
		"ls", "git-upload-pack", "git-upload-pack " + name, "git-upload-pack '/" + name + ".git' extra", "git-upload-pack --strict '/" + name + "'",
		"git-upload-pack '/" + name + "'; id", "git-upload-pack '/" + name + "''x'", "git-upload-archive '/" + name + "'", "git upload-pack '/" + name + "'",
		"git-upload-pack '/acme/../" + name + "'", "git-upload-pack '../../etc'", "git-upload-pack '/acme/none.git'", "git-upload-pack '/acme'",
		"git-receive-pack '/nobody/none'", "git-upload-pack '/acme'\\''/none.git'", "git-upload-pack  '/" + name + "'", "",
	} {
		if status, out := runSSH(t, client, command); status != 128 || out == "" {
			t.Errorf("%q ends with %d and says %q, want 128 and why", command, status, out)
		}
	}
	session, err := client.NewSession()
	if err != nil {
		t.Fatal(err)
	}
	if err := session.RequestPty("xterm", 24, 80, nil); err == nil {
		t.Error("a terminal was granted")
	}
	if err := session.RequestSubsystem("sftp"); err == nil {
		t.Error("sftp was granted")
	}
	if err := session.Setenv("GIT_PROTOCOL", "version=2:evil=1"); err == nil {
		t.Error("any environment was taken")
	}
	if err := session.Setenv("LD_PRELOAD", "x"); err == nil {
		t.Error("LD_PRELOAD was taken")
	}
	_ = session.Close()
	if _, err := client.Dial("tcp", address); err == nil {
		t.Error("a connection was forwarded")
	}
	private, err := s.SSHPrivateKey()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tryDialSSH(t, s, address, "root", private); err == nil {
		t.Error("root got in")
	}
	if _, err := ssh.Dial("tcp", address, &ssh.ClientConfig{
		User: "git", Auth: []ssh.AuthMethod{ssh.Password("sandbox-password")}, HostKeyCallback: ssh.InsecureIgnoreHostKey(),
	}); err == nil {
		t.Error("a password was taken")
	}
}

func TestSSHHostKeyFollowsFromTheSeed(t *testing.T) {
	keys := map[string]uint64{}
	for _, seed := range []uint64{1, 2} {
		for range 2 {
			s, err := sandbox.New(sandbox.Options{Seed: seed})
			if err != nil {
				t.Fatal(err)
			}
			key := s.SSHHostKey()
			if other, ok := keys[key]; ok && other != seed {
				t.Errorf("seeds %d and %d have the same host key", seed, other)
			}
			keys[key] = seed
		}
	}
	if len(keys) != 2 {
		t.Errorf("%d keys of 2 seeds", len(keys))
	}
}

func TestCloneLinksNameSSHOnlyWhileItServes(t *testing.T) {
	_, plain := start(t, sandbox.Options{})
	_, web, base := startSSH(t, sandbox.Options{})
	for address, links := range map[string]int{plain: 1, web: 2} {
		r := walk(t, address+"/cloud/2.0/repositories/acme?pagelen=1")[0]
		clone := at(r, "links.clone").([]any)
		if len(clone) != links {
			t.Errorf("%d clone links, want %d: %v", len(clone), links, clone)
			continue
		}
		if links == 2 && (at(clone[1], "name") != "ssh" || at(clone[1], "href") != base+"/"+r["full_name"].(string)+".git") {
			t.Errorf("the link for SSH is %v", clone[1])
		}
	}
}

func TestLimitAndFaultsHoldForSSH(t *testing.T) {
	s, web, base := startSSH(t, sandbox.Options{RateLimit: true, Limits: sandbox.Limits{Git: 2}})
	name := privateRepositories(t, web)[0]
	if _, err := s.AddFault(sandbox.Fault{Kind: sandbox.FaultStatus, Method: "SSH", Count: 1}); err != nil {
		t.Fatal(err)
	}
	for _, fine := range []bool{false, true, false} {
		if out, err := tryGit(t, "", "ls-remote", base+"/"+name); (err == nil) != fine {
			t.Errorf("got %v %s, want fine = %v", err, out, fine)
		}
	}
	if limited := s.Stats().Requests.Limited; limited != 1 {
		t.Errorf("%d were limited, want 1", limited)
	}
}

// TestShutdownEndsSessions leaves a client in the middle of everything; that nothing is left behind is seen by
// TestMain.
func TestShutdownEndsSessions(t *testing.T) {
	s, web := start(t, sandbox.Options{})
	name := privateRepositories(t, web)[0]
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- s.ServeSSH(ctx, l) }()
	client := dialSSH(t, s, l.Addr().String(), "git")
	for _, command := range []string{"git-upload-pack", "git-receive-pack"} {
		session, err := client.NewSession()
		if err != nil {
			t.Fatal(err)
		}
		out, err := session.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := session.StdinPipe(); err != nil { // stays open
			t.Fatal(err)
		}
		if err := session.Start(command + " '/" + name + ".git'"); err != nil {
			t.Fatal(err)
		}
		if _, err := out.Read(make([]byte, 4)); err != nil { // it runs
			t.Fatal(err)
		}
	}
	silent, err := net.Dial("tcp", l.Addr().String()) // never says a word
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	cancel()
	if err := <-served; err != nil {
		t.Error(err)
	}
	if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("the listener says %v, want that it is closed", err)
	}
}

func TestTooManySSHSessionsAreRefused(t *testing.T) {
	s, web, base := startSSH(t, sandbox.Options{})
	name := privateRepositories(t, web)[0]
	client := dialSSH(t, s, strings.TrimPrefix(base, "ssh://git@"), "git")
	opened := 0
	for range 20 {
		session, err := client.NewSession()
		if err != nil {
			break
		}
		opened++
		defer session.Close()
		out, err := session.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := session.StdinPipe(); err != nil {
			t.Fatal(err)
		}
		if err := session.Start("git-upload-pack '/" + name + ".git'"); err != nil {
			t.Fatal(err)
		}
		if _, err := out.Read(make([]byte, 4)); err != nil {
			t.Fatal(err)
		}
	}
	if opened != 8 {
		t.Errorf("%d sessions at once on one connection, want 8", opened)
	}
}

// TestOpenSSH tries the common client where the machine has it; everything else is tested with the one of this
// binary.
func TestOpenSSH(t *testing.T) {
	path, err := exec.LookPath("ssh")
	if err != nil {
		t.Log("this machine has no ssh")
		return
	}
	s, web, base := startSSH(t, sandbox.Options{})
	address := strings.TrimPrefix(base, "ssh://git@")
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	known := filepath.Join(t.TempDir(), "known_hosts")
	if err := os.WriteFile(known, []byte("[127.0.0.1]:"+port+" "+s.SSHHostKey()+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("GIT_SSH_COMMAND", path+" -F none -o IdentitiesOnly=yes -o IdentityAgent=none -o BatchMode=yes -o StrictHostKeyChecking=yes -o UserKnownHostsFile="+
		known+" -i "+os.Getenv(clientKeyVariable))
	name := someRepository(t, web)
	dir := filepath.Join(t.TempDir(), "clone")
	git(t, "", "clone", "-q", base+"/"+name+".git", dir)
	git(t, dir, "commit", "-q", "--allow-empty", "-m", "With OpenSSH")
	git(t, dir, "push", "-q", "origin", "HEAD:refs/heads/openssh")
	git(t, dir, "push", "-q", "origin", "--delete", "openssh")
}

func tryDialSSH(t testing.TB, s *sandbox.Sandbox, address, user string, private []byte) (*ssh.Client, error) {
	t.Helper()
	key, err := ssh.ParsePrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	host, _, _, _, err := ssh.ParseAuthorizedKey([]byte(s.SSHHostKey()))
	if err != nil {
		t.Fatal(err)
	}
	return ssh.Dial("tcp", address, &ssh.ClientConfig{
		User: user, Auth: []ssh.AuthMethod{ssh.PublicKeys(key)}, HostKeyCallback: ssh.FixedHostKey(host),
	})
}

// dialSSH connects with the known key.
func dialSSH(t testing.TB, s *sandbox.Sandbox, address, user string) *ssh.Client {
	t.Helper()
	private, err := s.SSHPrivateKey()
	if err != nil {
		t.Fatal(err)
	}
	client, err := tryDialSSH(t, s, address, user, private)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	return client
}

// reaches says whether a key gets in and is shown the refs of a repository.
func reaches(t testing.TB, s *sandbox.Sandbox, private []byte, name string) bool {
	t.Helper()
	client, err := tryDialSSH(t, s, strings.TrimPrefix(s.SSHBase(), "ssh://git@"), "git", private)
	if err != nil {
		return false
	}
	defer client.Close()
	session, err := client.NewSession()
	if err != nil {
		t.Fatal(err)
	}
	session.Stdin = strings.NewReader("0000") // wants nothing
	out, err := session.Output("git-upload-pack '/" + name + ".git'")
	return err == nil && strings.Contains(string(out), " HEAD\x00")
}

// runSSH runs a command and returns its status and what it said.
func runSSH(t testing.TB, client *ssh.Client, command string) (int, string) {
	t.Helper()
	session, err := client.NewSession()
	if err != nil {
		t.Fatal(err)
	}
	defer session.Close()
	out, err := session.CombinedOutput(command)
	if exit, ok := errors.AsType[*ssh.ExitError](err); ok {
		return exit.ExitStatus(), string(out)
	}
	if err != nil {
		t.Fatalf("%q: %v", command, err)
	}
	return 0, string(out)
}
