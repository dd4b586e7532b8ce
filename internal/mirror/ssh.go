package mirror

import (
	"context"
	"errors"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"

	"github.com/windlass-hq/windlass/internal/bitbucket"
	"github.com/windlass-hq/windlass/internal/fault"
)

// SSHKey is how git signs in over SSH, always as the user git.
type SSHKey struct {
	Private bitbucket.Secret // as OpenSSH or PEM write it, without a passphrase
	// Hosts are the keys that the host may show, each as authorized_keys writes it: algorithm and key. For Bitbucket
	// Cloud's own hosts they are built in; every other host needs them, since a key that is not known is refused.
	Hosts []string
}

// hostKeys returns the keys of the vendor's own hosts, in force since 20 June 2023.
func hostKeys(host string) []string {
	switch host {
	case "bitbucket.org", "altssh.bitbucket.org":
		return []string{
			"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIazEu89wgQZ4bqs3d63QSMzYVa0MuJ2e2gKTKqu+UUO",
			"ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBPIQmuzMBuKdWeF4+a2sjSSpBK0iqitSQ+5BM9KhpexuGt20JpTVM7u5BDZngncgrqDMbWdxMWWOGtZ9UgbqgZE=",
		}
	}
	return nil
}

// openSSH makes git use the machine's ssh without any of its configuration: one key, which an agent of ours holds so
// that it is in no file, and host keys that are known beforehand.
func (g *Git) openSSH(s *session, r Remote, u *url.URL) error {
	if g.ssh == "" {
		return fault.New(fault.Unavailable, "there is no ssh on this machine, and %s is reached by it", s.name).
			With("install OpenSSH, or let the connection use HTTPS")
	}
	if proxy, err := r.proxy(); err != nil || proxy != "" {
		return errors.Join(err, fault.New(fault.Invalid, "SSH to %s does not go through the connection's proxy", s.host).
			With("let the connection use HTTPS, or name the host in no-proxy"))
	}
	known, err := knownHosts(u, r.Key.Hosts)
	if err != nil {
		return err
	}
	file := filepath.Join(s.dir, "known_hosts")
	if err := os.WriteFile(file, []byte(known), 0o600); err != nil {
		return fault.Wrap(err, fault.Internal, "the host keys of %s cannot be written", s.host)
	}
	socket := filepath.Join(s.dir, "a")
	if s.end, err = serveKey(socket, r.Key.Private); err != nil {
		return err
	}
	options := []string{
		"BatchMode=yes", "StrictHostKeyChecking=yes", "UserKnownHostsFile=" + sshPath(file), "GlobalKnownHostsFile=none",
		"UpdateHostKeys=no", "VerifyHostKeyDNS=no", "CheckHostIP=no", "CanonicalizeHostname=no",
		"IdentityAgent=" + sshPath(socket), "IdentityFile=none", "PreferredAuthentications=publickey", "AddKeysToAgent=no",
		"ForwardAgent=no", "ForwardX11=no", "ClearAllForwardings=yes", "PermitLocalCommand=no", "ProxyCommand=none",
		"ProxyJump=none", "ControlMaster=no", "ControlPath=none", "RequestTTY=no", "EscapeChar=none",
		"ConnectTimeout=15", "ServerAliveInterval=15", "ServerAliveCountMax=2", "LogLevel=ERROR",
	}
	words := []string{quote(g.ssh), "-F", "none"}
	for _, o := range options {
		words = append(words, "-o", quote(o))
	}
	s.env = append(s.env, "GIT_SSH_COMMAND="+strings.Join(words, " "), "GIT_SSH_VARIANT=ssh")
	return nil
}

// quote writes a word for the shell that git starts ssh with.
func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

// sshPath writes a path for ssh, which divides at spaces and fills in what stands behind a percent sign.
func sshPath(path string) string { return `"` + strings.ReplaceAll(path, "%", "%%") + `"` }

// knownHosts writes the keys that a host may show.
func knownHosts(u *url.URL, given []string) (string, error) {
	host, port := u.Hostname(), u.Port()
	keys := append(hostKeys(host), given...)
	if len(keys) == 0 {
		return "", fault.New(fault.Invalid, "no key of the SSH host %s is known, so it cannot be told from somebody in between", u.Host).
			With("give its public key to the connection, after comparing its fingerprint with the administrator's")
	}
	if port != "" && port != "22" {
		host = "[" + host + "]:" + port
	}
	var b strings.Builder
	for _, k := range keys {
		public, _, _, _, err := ssh.ParseAuthorizedKey([]byte(k))
		if err != nil {
			return "", fault.New(fault.Invalid, "a key that is given for the SSH host %s is none", u.Host).
				With("write it as authorized_keys does: algorithm and key")
		}
		b.WriteString(host + " " + string(ssh.MarshalAuthorizedKey(public)))
	}
	return b.String(), nil
}

// serveKey lets ssh sign with a key for as long as the call lasts.
func serveKey(socket string, private bitbucket.Secret) (end func() error, err error) {
	nothing := func() error { return nil }
	key, err := ssh.ParseRawPrivateKey([]byte(private.Reveal()))
	if _, locked := errors.AsType[*ssh.PassphraseMissingError](err); locked {
		return nothing, fault.New(fault.Invalid, "the SSH key has a passphrase").With("give a key without one; Windlass keeps it encrypted")
	}
	if err != nil {
		return nothing, fault.New(fault.Invalid, "the SSH key cannot be read").With("give a private key as OpenSSH writes it")
	}
	ring := agent.NewKeyring()
	if err := ring.Add(agent.AddedKey{PrivateKey: key}); err != nil {
		return nothing, fault.New(fault.Invalid, "the SSH key is of a kind that cannot be used").With("give an Ed25519, ECDSA or RSA key")
	}
	l, err := (&net.ListenConfig{}).Listen(context.Background(), "unix", socket)
	if err != nil {
		return nothing, fault.Wrap(err, fault.Internal, "the SSH key cannot be offered to ssh").With("set TMPDIR to a folder with a shorter name")
	}
	var serving sync.WaitGroup
	var mu sync.Mutex
	var open []net.Conn
	serving.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			open = append(open, conn)
			mu.Unlock()
			serving.Go(func() { _ = agent.ServeAgent(ring, conn) }) // it ends as ssh hangs up
		}
	})
	return func() error {
		err := l.Close()
		mu.Lock()
		for _, c := range open {
			_ = c.Close()
		}
		mu.Unlock()
		serving.Wait()
		return err
	}, nil
}
