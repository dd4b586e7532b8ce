package sandbox

import (
	"context"
	"net"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/windlass-hq/windlass/internal/fault"
)

// What the SSH server bears, so that a test that forgets to hang up does no harm.
const (
	sshConnections = 64 // at once; further ones are hung up on
	sshSessions    = 8  // at once on one connection
	sshHandshake   = 10 * time.Second
	sshLifetime    = 30 * time.Minute // of a connection with all that runs on it
)

// ServeSSH serves git over SSH for both products until the context ends; then it hangs up, waits for everything it
// started and returns nil. The listener is closed in any case. While it serves, links.clone name its address.
//
// Cloud is found at ssh://git@HOST:PORT/{workspace}/{repo}.git, Data Center at ssh://git@HOST:PORT/{key}/{slug}.git
// and .../~{user}/{slug}.git (FACTS 101 and 155). Where a path could mean both, the Cloud has it if it has a workspace
// of that name.
func (s *Sandbox) ServeSSH(ctx context.Context, l net.Listener) error {
	ctx, cancel := context.WithCancel(ctx)
	var running sync.WaitGroup
	defer running.Wait()
	defer cancel()
	defer context.AfterFunc(ctx, func() { _ = l.Close() })()
	defer func() { _ = l.Close() }()
	config, err := s.sshConfig()
	if err != nil {
		return err
	}
	base := "ssh://git@" + l.Addr().String()
	s.sshBase.Store(&base)
	defer s.sshBase.CompareAndSwap(&base, nil)
	slots := make(chan struct{}, sshConnections)
	for {
		conn, err := l.Accept()
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return fault.Wrap(err, fault.Internal, "the sandbox takes no more SSH connections on %s", l.Addr())
		}
		select {
		case slots <- struct{}{}:
			running.Go(func() {
				defer func() { <-slots }()
				s.sshConnection(ctx, conn, config)
			})
		default:
			_ = conn.Close()
		}
	}
}

// SSHBase is the beginning of clone URLs while ServeSSH serves, such as ssh://git@127.0.0.1:7999, else "".
func (s *Sandbox) SSHBase() string {
	if base := s.sshBase.Load(); base != nil {
		return *base
	}
	return ""
}

func (s *Sandbox) sshConfig() (*ssh.ServerConfig, error) {
	host, err := ssh.NewSignerFromKey(s.sshKeyPair(sshHostKey))
	if err != nil {
		return nil, fault.Wrap(err, fault.Internal, "the sandbox's host key cannot be used")
	}
	c := &ssh.ServerConfig{ServerVersion: "SSH-2.0-windlass-sandbox", PublicKeyCallback: s.sshLogin}
	c.AddHostKey(host)
	return c, nil
}

// sshConnection speaks with one client until it hangs up, the context ends or its time is over.
func (s *Sandbox) sshConnection(ctx context.Context, conn net.Conn, config *ssh.ServerConfig) {
	ctx, cancel := context.WithTimeout(ctx, sshLifetime)
	defer func() { _ = conn.Close() }()
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	early := time.AfterFunc(sshHandshake, func() { _ = conn.Close() })
	client, channels, requests, err := ssh.NewServerConn(conn, config)
	early.Stop()
	if err != nil {
		cancel()
		return // the client was told why, as far as SSH tells
	}
	var running sync.WaitGroup
	defer running.Wait() // what waits for the client ends with the connection
	defer func() { _ = conn.Close() }()
	defer cancel()
	running.Go(func() { ssh.DiscardRequests(requests) })
	slots := make(chan struct{}, sshSessions)
	for wanted := range channels {
		if wanted.ChannelType() != "session" {
			_ = wanted.Reject(ssh.UnknownChannelType, "only sessions are offered")
			continue
		}
		select {
		case slots <- struct{}{}:
			running.Go(func() {
				defer func() { <-slots }()
				channel, requests, err := wanted.Accept()
				if err != nil {
					return
				}
				t := &sshSession{s: s, key: client.Permissions.Extensions[sshKeyName], channel: channel, running: &running}
				t.serve(ctx, requests)
			})
		default:
			_ = wanted.Reject(ssh.ResourceShortage, "too many sessions at once")
		}
	}
}
