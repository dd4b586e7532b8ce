package cli

import (
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"

	"github.com/windlass-hq/windlass/internal/bitbucket/sandbox"
	"github.com/windlass-hq/windlass/internal/fault"
)

func TestSandboxIsReachedAsTheFlagsSay(t *testing.T) {
	dir := t.TempDir()
	f := entranceFlags{
		TLSCAOut: filepath.Join(dir, "ca.pem"), TLSCertOut: filepath.Join(dir, "cert.pem"), TLSKeyOut: filepath.Join(dir, "key.pem"),
		BasePath: "/bb", SSHListen: "127.0.0.1:0", SSHKeyOut: filepath.Join(dir, "id"),
	}
	b, err := startSandbox(t.Context(), sandbox.Options{}, "127.0.0.1:0", f)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.stop(); err != nil {
			t.Error(err)
		}
	})
	if !strings.HasPrefix(b.url, "https://127.0.0.1:") || !strings.HasSuffix(b.url, "/bb") {
		t.Errorf("the sandbox is said to be at %s", b.url)
	}
	ca, err := os.ReadFile(f.TLSCAOut)
	if err != nil {
		t.Fatal(err)
	}
	pair, err := tls.LoadX509KeyPair(f.TLSCertOut, f.TLSKeyOut)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(ca)
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, Certificates: []tls.Certificate{pair}}}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport}
	for path, want := range map[string]int{"/dc/rest/api/latest/application-properties": http.StatusOK, "/cloud/2.0/user": http.StatusUnauthorized} {
		resp, err := client.Get(b.url + path)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("%s answers %s, want %d", path, resp.Status, want)
		}
	}

	for _, private := range []string{f.SSHKeyOut, f.TLSKeyOut} {
		if info, err := os.Stat(private); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v; want a file of mode 0600", private, info, err)
		}
	}
	text, err := os.ReadFile(f.SSHKeyOut)
	if err != nil {
		t.Fatal(err)
	}
	key, err := ssh.ParsePrivateKey(text)
	if err != nil {
		t.Fatal(err)
	}
	host, _, _, _, err := ssh.ParseAuthorizedKey([]byte(b.SSHHostKey()))
	if err != nil {
		t.Fatal(err)
	}
	conn, err := ssh.Dial("tcp", b.ssh.Addr().String(), &ssh.ClientConfig{
		User: "git", Auth: []ssh.AuthMethod{ssh.PublicKeys(key)}, HostKeyCallback: ssh.FixedHostKey(host),
	})
	if err != nil {
		t.Fatal(err)
	}
	_ = conn.Close()

	if err := writeSSHKey(f.SSHKeyOut, b.Sandbox); err != nil {
		t.Errorf("the same key again: %v", err)
	}
	again, err := os.ReadFile(f.SSHKeyOut)
	if err != nil || string(again) != string(text) {
		t.Errorf("the key that was there was written again: %v", err)
	}
}

func TestSandboxRefusesAnEntranceThatCannotBe(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	mine := filepath.Join(t.TempDir(), "mine")
	if err := os.WriteFile(mine, []byte("my own key"), 0o600); err != nil {
		t.Fatal(err)
	}
	nowhere := filepath.Join(t.TempDir(), "no", "such", "folder")
	for name, c := range map[string]struct {
		flags   entranceFlags
		address string
		says    string
	}{
		"SSH for everybody":       {entranceFlags{SSHListen: "0.0.0.0:0"}, "127.0.0.1:0", "only on this machine"},
		"HTTP for everybody":      {entranceFlags{SSHListen: "127.0.0.1:0"}, "0.0.0.0:0", "only on this machine"},
		"SSH on a taken port":     {entranceFlags{SSHListen: taken.Addr().String()}, "127.0.0.1:0", "cannot listen"},
		"certificate without key": {entranceFlags{TLSCertOut: nowhere}, "127.0.0.1:0", "belong together"},
		"no path":                 {entranceFlags{BasePath: "bb"}, "127.0.0.1:0", "no path"},
		"somebody's key":          {entranceFlags{SSHKeyOut: mine}, "127.0.0.1:0", "holds something else"},
		"no folder":               {entranceFlags{TLSCAOut: nowhere}, "127.0.0.1:0", "--tls-ca-out"},
		"no folder for the key":   {entranceFlags{SSHKeyOut: nowhere}, "127.0.0.1:0", "--ssh-key-out"},
	} {
		b, err := startSandbox(t.Context(), sandbox.Options{}, c.address, c.flags)
		if err == nil {
			t.Errorf("%s: the sandbox started", name)
			_ = b.stop()
			continue
		}
		if fault.CodeOf(err) != fault.Usage || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, want a mistake in usage that says %q", name, err, c.says)
		}
	}
	if text, err := os.ReadFile(mine); err != nil || string(text) != "my own key" {
		t.Errorf("the file that was there holds %q, %v", text, err)
	}
}
