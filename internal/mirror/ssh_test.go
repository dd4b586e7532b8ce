package mirror_test

import (
	"context"
	"crypto/ed25519"
	"encoding/pem"
	"fmt"
	"net"
	"net/url"
	"os/exec"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/crypto/ssh"

	"github.com/windlass-hq/windlass/internal/bitbucket"
	"github.com/windlass-hq/windlass/internal/bitbucket/sandbox"
	"github.com/windlass-hq/windlass/internal/fault"
	"github.com/windlass-hq/windlass/internal/mirror"
)

// startSSH serves the sandbox over SSH and returns where.
func startSSH(t testing.TB, s *sandbox.Sandbox) (host string, port int) {
	t.Helper()
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
	})
	u, err := url.Parse("ssh://" + l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Sscan(u.Port(), &port); err != nil {
		t.Fatal(err)
	}
	return u.Hostname(), port
}

func TestRefsOverSSH(t *testing.T) {
	if _, err := exec.LookPath("ssh"); err != nil {
		t.Log("this machine has no ssh")
		return
	}
	s, base := startSandbox(t)
	want := parsed(fill(t, s, base))
	host, port := startSSH(t, s)
	key, err := s.SSHPrivateKey()
	if err != nil {
		t.Fatal(err)
	}
	good := mirror.SSHKey{Private: bitbucket.Secret(key), Hosts: []string{s.SSHHostKey()}}
	g := open(t, mirror.Options{})
	list := func(path mirror.Path, k mirror.SSHKey) ([]mirror.Ref, error) {
		r, err := mirror.SSH(path, host, port)
		if err != nil {
			t.Fatal(err)
		}
		r.Key = k
		return g.ListRefs(context.Background(), r)
	}
	there := mirror.Path{Product: bitbucket.Cloud, Owner: "acme", Slug: "made"}
	got, err := list(there, good)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("refs differ (want, got):\n%s", diff)
	}

	stranger, other := newKey(t)
	for name, c := range map[string]struct {
		path mirror.Path
		key  mirror.SSHKey
		want fault.Code
	}{
		"a key that nobody knows":    {there, mirror.SSHKey{Private: stranger, Hosts: good.Hosts}, fault.Unauthorized},
		"a host with another key":    {there, mirror.SSHKey{Private: good.Private, Hosts: []string{other}}, fault.Unavailable},
		"a host with an unknown key": {there, mirror.SSHKey{Private: good.Private}, fault.Invalid},
		"a host with no key":         {there, mirror.SSHKey{Private: good.Private, Hosts: []string{"nonsense"}}, fault.Invalid},
		"a key that is none":         {there, mirror.SSHKey{Private: "hush-hush", Hosts: good.Hosts}, fault.Invalid},
		"no repository":              {mirror.Path{Product: bitbucket.Cloud, Owner: "acme", Slug: "none"}, good, fault.NotFound},
	} {
		_, err := list(c.path, c.key)
		if fault.CodeOf(err) != c.want || strings.Contains(fmt.Sprint(err), "hush") {
			t.Errorf("%s: %v (%s), want %s", name, err, fault.CodeOf(err), c.want)
		}
	}

	r, err := mirror.SSH(there, host, port)
	if err != nil {
		t.Fatal(err)
	}
	r.Key, r.Proxy = good, "http://127.0.0.1:1"
	if _, err := g.ListRefs(context.Background(), r); !fault.Is(err, fault.Invalid) {
		t.Errorf("through a proxy: %v", err)
	}
}

// newKey makes a key pair.
func newKey(t testing.TB) (private bitbucket.Secret, public string) {
	t.Helper()
	pair := ed25519.NewKeyFromSeed([]byte(strings.Repeat("k", ed25519.SeedSize)))
	block, err := ssh.MarshalPrivateKey(pair, "test")
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewSignerFromKey(pair)
	if err != nil {
		t.Fatal(err)
	}
	return bitbucket.Secret(pem.EncodeToMemory(block)), strings.TrimSpace(string(ssh.MarshalAuthorizedKey(signer.PublicKey())))
}

// TestKeysOfTheVendor compares what is built in with the fingerprints that the vendor published.
func TestKeysOfTheVendor(t *testing.T) {
	dump := t.TempDir()
	program := pretend(t, "git version 2.39.5", `cp "$(echo "$GIT_SSH_COMMAND" | sed 's/.*UserKnownHostsFile="//; s/".*//; s/%%/%/g')" `+dump+`/known; exit 1`)
	g := open(t, mirror.Options{Program: program, TempDir: t.TempDir()})
	for host, name := range map[string]string{"bitbucket.org": "bitbucket.org", "altssh.bitbucket.org": "[altssh.bitbucket.org]:443"} {
		port := 0
		if strings.HasPrefix(host, "alt") {
			port = 443
		}
		r, err := mirror.SSH(mirror.Path{Product: bitbucket.Cloud, Owner: "acme", Slug: "web"}, host, port)
		if err != nil {
			t.Fatal(err)
		}
		r.Key.Private, _ = newKey(t)
		_, _ = g.ListRefs(context.Background(), r) // the program fails
		var got []string
		for line := range strings.Lines(read(t, dump+"/known")) {
			f := strings.Fields(line)
			key, _, _, _, err := ssh.ParseAuthorizedKey([]byte(f[1] + " " + f[2]))
			if err != nil || f[0] != name {
				t.Fatalf("%q: %v", line, err)
			}
			got = append(got, ssh.FingerprintSHA256(key))
		}
		want := []string{"SHA256:ybgmFkzwOSotHTHLJgHO0QN8L0xErw6vd0VhFA9m3SM", "SHA256:FC73VB6C4OQLSCrjEayhMp9UMxS97caD/Yyi2bhW/J0"}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: fingerprints (want, got):\n%s", host, diff)
		}
	}
}

func TestAHostShowsItsKeys(t *testing.T) {
	s, web := startSandbox(t)
	host, port := startSSH(t, s)
	keys, err := mirror.HostKeys(context.Background(), host, port)
	if err != nil {
		t.Fatal(err)
	}
	public, _, _, _, err := ssh.ParseAuthorizedKey([]byte(s.SSHHostKey()))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]mirror.HostKey{{Line: s.SSHHostKey(), Fingerprint: ssh.FingerprintSHA256(public)}}, keys); diff != "" {
		t.Errorf("keys (want, got):\n%s", diff)
	}

	// A server that does not speak SSH, and none at all.
	u, err := url.Parse(web)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Sscan(u.Port(), &port); err != nil {
		t.Fatal(err)
	}
	stopped, stop := context.WithCancel(context.Background())
	stop()
	for name, c := range map[string]struct {
		ctx  context.Context
		host string
		port int
		want fault.Code
	}{
		"HTTP": {context.Background(), host, port, fault.Unavailable}, "nobody": {context.Background(), host, 1, fault.Unavailable},
		"an option": {context.Background(), "-oX", 1, fault.Invalid}, "stopped": {stopped, host, port, fault.Canceled},
	} {
		if _, err := mirror.HostKeys(c.ctx, c.host, c.port); fault.CodeOf(err) != c.want {
			t.Errorf("%s: %v (%s), want %s", name, err, fault.CodeOf(err), c.want)
		}
	}
}
