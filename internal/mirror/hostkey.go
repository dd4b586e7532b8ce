package mirror

import (
	"context"
	"errors"
	"net"
	"strconv"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/windlass-hq/windlass/internal/fault"
)

// HostKey is a key that an SSH host shows.
type HostKey struct {
	Line        string // algorithm and key, as SSHKey.Hosts wants it
	Fingerprint string // SHA256:…, as administrators compare it
}

// askTime is how long a host may take to show one key.
const askTime = 15 * time.Second

// HostKeys asks an SSH host for its keys, for a person to compare with the administrator's and to confirm: the answer
// may come from somebody in between, so it must not be believed without that. Nobody signs in.
func HostKeys(ctx context.Context, host string, port int) ([]HostKey, error) {
	if !fitHost().MatchString(host) {
		return nil, fault.New(fault.Invalid, "%q is no name of an SSH host", host)
	}
	address := net.JoinHostPort(host, strconv.Itoa(port))
	var keys []HostKey
	var failed error
	for _, kinds := range [][]string{
		{ssh.KeyAlgoED25519},
		{ssh.KeyAlgoECDSA256, ssh.KeyAlgoECDSA384, ssh.KeyAlgoECDSA521},
		{ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256},
	} {
		key, err := askHost(ctx, address, kinds)
		switch {
		case err == nil:
			keys = append(keys, HostKey{strings.TrimSpace(string(ssh.MarshalAuthorizedKey(key))), ssh.FingerprintSHA256(key)})
		case ctx.Err() != nil:
			return nil, fault.Wrap(ctx.Err(), fault.Canceled, "asking %s for its SSH keys was stopped", address)
		default:
			failed = err
		}
	}
	if len(keys) == 0 {
		return nil, fault.Wrap(failed, fault.Unavailable, "%s shows no SSH key", address).With("check the host and the port (--ssh-port), and the network")
	}
	return keys, nil
}

// askHost begins a handshake and breaks it off as soon as the host has proven a key.
func askHost(ctx context.Context, address string, kinds []string) (ssh.PublicKey, error) {
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err //nolint:wrapcheck // It names the address, and HostKeys wraps it.
	}
	defer func() { _ = conn.Close() }() // nothing was sent that matters
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	var seen ssh.PublicKey
	enough := errors.New("seen")
	client, _, _, err := ssh.NewClientConn(conn, address, &ssh.ClientConfig{
		User: "git", HostKeyAlgorithms: kinds,
		HostKeyCallback: func(_ string, _ net.Addr, key ssh.PublicKey) error { seen = key; return enough },
	})
	if err == nil {
		_ = client.Close() // a host that goes on without having shown a key
	}
	if seen == nil {
		return nil, errors.Join(err, errors.New("no key was shown"))
	}
	return seen, nil
}
