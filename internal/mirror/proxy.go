package mirror

import (
	"bytes"
	"encoding/pem"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/windlass-hq/windlass/internal/fault"
)

// proxy returns the proxy for the remote; empty where it is reached without one.
func (r Remote) proxy() (string, error) {
	if r.Proxy == "" || bypasses(r.NoProxy, r.host) {
		return "", nil
	}
	u, err := url.Parse(r.Proxy)
	if err != nil || u.Hostname() == "" {
		return "", fault.New(fault.Invalid, "the connection's proxy is no URL").With("write it like http://proxy.example.com:3128")
	}
	switch u.Scheme {
	case "http", "https", "socks5", "socks5h":
		return r.Proxy, nil
	}
	return "", fault.New(fault.Invalid, "git knows no proxy of kind %q", u.Scheme).With("use http, https or socks5")
}

// bypasses reports whether a host, or a domain above it, is in the list.
func bypasses(list, host string) bool {
	host = strings.ToLower(host)
	for d := range strings.SplitSeq(strings.ToLower(list), ",") {
		d = strings.TrimPrefix(strings.TrimSpace(d), ".")
		if d != "" && (d == "*" || d == host || strings.HasSuffix(host, "."+d)) {
			return true
		}
	}
	return false
}

// authorities writes a file of the connection's authorities and the machine's: git knows one file, and the REST API
// trusts both.
func (s *session) authorities(file string) (string, error) {
	own, err := os.ReadFile(file)
	if err != nil {
		return "", fault.Wrap(err, fault.Invalid, "the connection's ca-file cannot be read")
	}
	if b, _ := pem.Decode(own); b == nil || b.Type != "CERTIFICATE" {
		return "", fault.New(fault.Invalid, "%s holds no certificate", file).With("give a file of certificates in PEM form")
	}
	both := filepath.Join(s.dir, "ca.pem")
	if err := os.WriteFile(both, bytes.Join([][]byte{own, systemAuthorities()}, []byte("\n")), 0o600); err != nil {
		return "", fault.Wrap(err, fault.Internal, "the authorities of %s cannot be written", s.name)
	}
	return both, nil
}

// systemAuthorities returns what the machine trusts, where Linux and the BSDs keep it; nothing elsewhere, where a
// connection with a ca-file trusts that alone.
func systemAuthorities() []byte {
	for _, file := range []string{
		os.Getenv("SSL_CERT_FILE"),
		"/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/ca-bundle.pem",
		"/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem", "/etc/ssl/cert.pem", "/usr/local/etc/ssl/cert.pem",
	} {
		if file == "" {
			continue
		}
		if data, err := os.ReadFile(file); err == nil {
			return data
		}
	}
	return nil
}
