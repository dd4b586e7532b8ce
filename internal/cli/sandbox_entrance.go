package cli

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"

	"github.com/windlass-hq/windlass/internal/bitbucket/sandbox"
	"github.com/windlass-hq/windlass/internal/config"
	"github.com/windlass-hq/windlass/internal/fault"
)

// entranceFlags say how a sandbox is reached, beside its address.
type entranceFlags struct {
	TLS        bool   `name:"tls" help:"Serve https, with a certificate of an authority that is made anew for each run."`
	TLSCAOut   string `name:"tls-ca-out" help:"Write the authority's certificate, as --ca-file of a connection wants it. Implies --tls." placeholder:"FILE"`
	TLSCertOut string `name:"tls-cert-out" help:"Let in only callers with a client certificate, and write one. Implies --tls." placeholder:"FILE"`
	TLSKeyOut  string `name:"tls-key-out" help:"Write the key of that certificate." placeholder:"FILE"`
	BasePath   string `name:"base-path" help:"Serve Bitbucket below a path, as behind a proxy." placeholder:"/PATH"`
	SSHListen  string `name:"ssh-listen" help:"Serve git over SSH too, at this address." placeholder:"HOST:PORT"`
	SSHKeyOut  string `name:"ssh-key-out" help:"Write the private key that the SSH server knows." placeholder:"FILE"`
}

// authority returns the authority of the run with its files written, or nil without TLS.
func (f entranceFlags) authority() (*sandbox.Authority, error) {
	if (f.TLSCertOut == "") != (f.TLSKeyOut == "") {
		return nil, fault.New(fault.Usage, "--tls-cert-out and --tls-key-out belong together: one is of no use without the other")
	}
	if !f.TLS && f.TLSCAOut == "" && f.TLSCertOut == "" {
		return nil, nil
	}
	a, err := sandbox.NewAuthority()
	if err != nil {
		return nil, err
	}
	if err := writeOut("--tls-ca-out", f.TLSCAOut, a.PEM(), 0o644); err != nil || f.TLSCertOut == "" {
		return a, err
	}
	cert, key, err := a.Client()
	if err != nil {
		return nil, err
	}
	if err := writeOut("--tls-cert-out", f.TLSCertOut, cert, 0o644); err != nil {
		return nil, err
	}
	return a, writeOut("--tls-key-out", f.TLSKeyOut, key, 0o600)
}

// writeOut writes what a flag asks for; without a path it does nothing.
func writeOut(flag, path string, data []byte, mode os.FileMode) error {
	if path == "" {
		return nil
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, mode)
	if err == nil {
		err = f.Chmod(mode) // it may have been there
		if err == nil {
			_, err = f.Write(data)
		}
		err = errors.Join(err, f.Close())
	}
	if err != nil {
		return fault.Wrap(err, fault.Usage, "%s: the file cannot be written", flag)
	}
	return nil
}

// writeSSHKey writes the known private key. A file that is there is kept if it holds that key, and refused otherwise:
// somebody's own key must not be lost to a sandbox.
func writeSSHKey(path string, world *sandbox.Sandbox) error {
	if path == "" {
		return nil
	}
	if old, err := os.ReadFile(path); err == nil {
		if world.IsSSHKey(old) {
			return nil
		}
		return fault.New(fault.Usage, "--ssh-key-out: %s is there and holds something else", path).With("give another file, or remove that one")
	}
	key, err := world.SSHPrivateKey()
	if err != nil {
		return err
	}
	return writeOut("--ssh-key-out", path, key, 0o600)
}

// listen opens an address of this machine.
func listen(ctx context.Context, flag, address string) (net.Listener, error) {
	if !config.Loopback(address) {
		return nil, fault.New(fault.Usage, "the sandbox listens only on this machine, not on %s: its passwords are known to everybody", address).
			With("use 127.0.0.1 and a port")
	}
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fault.Wrap(err, fault.Usage, "the sandbox cannot listen on %s", address).With("give another address with %s", flag)
	}
	return l, nil
}

// entrance is what stands before a sandbox.
type entrance struct {
	handler http.Handler
	tls     *tls.Config // nil: plain
	path    string
	ssh     net.Listener // nil: none
}

// open prepares what the flags ask for.
func (f entranceFlags) open(ctx context.Context, world *sandbox.Sandbox) (e entrance, err error) {
	if e.handler, err = world.HandlerUnder(f.BasePath); err != nil {
		return e, err
	}
	if e.path = f.BasePath; e.path == "/" {
		e.path = ""
	}
	a, err := f.authority()
	if err != nil {
		return e, err
	}
	if a != nil {
		e.tls = a.Config(f.TLSCertOut != "")
	}
	if err := writeSSHKey(f.SSHKeyOut, world); err != nil {
		return e, err
	}
	if f.SSHListen != "" {
		e.ssh, err = listen(ctx, "--ssh-listen", f.SSHListen)
	}
	return e, err
}

// tell says how git over SSH is reached.
func (e entrance) tell(out io.Writer, world *sandbox.Sandbox) {
	if e.ssh != nil {
		fmt.Fprintf(out, "Git over SSH at ssh://git@%s, host key %s\n", e.ssh.Addr(), world.SSHHostKey())
	}
}
