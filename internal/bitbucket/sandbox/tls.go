package sandbox

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/windlass-hq/windlass/internal/fault"
)

// Authority is a certificate authority of the sandbox's own, made in memory, with a certificate for the loopback
// names of this machine. No system trusts it, as none trusts a company's private one, so whoever connects must be
// given PEM.
type Authority struct {
	root   *x509.Certificate
	key    *ecdsa.PrivateKey
	pem    []byte
	server tls.Certificate
}

// NewAuthority makes an authority. Each has keys of its own. Its server may have further names, for callers that find
// them by a proxy or a resolver of their own.
func NewAuthority(names ...string) (*Authority, error) {
	a := &Authority{}
	var err error
	if a.key, err = newKey(); err != nil {
		return nil, err
	}
	root := certificate("Windlass sandbox authority")
	root.IsCA, root.BasicConstraintsValid, root.MaxPathLenZero = true, true, true
	root.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageCRLSign
	a.root = root // signs itself
	der, err := a.sign(root, a.key)
	if err != nil {
		return nil, err
	}
	if a.root, err = x509.ParseCertificate(der); err != nil {
		return nil, fault.Wrap(err, fault.Internal, "the sandbox cannot read the certificate it made")
	}
	a.pem = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})

	leaf := certificate("localhost")
	leaf.DNSNames = append([]string{"localhost"}, names...)
	leaf.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback}
	leaf.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	key, err := newKey()
	if err != nil {
		return nil, err
	}
	if der, err = a.sign(leaf, key); err != nil {
		return nil, err
	}
	a.server = tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
	return a, nil
}

// PEM is the authority's certificate, as --ca-file of a connection wants it.
func (a *Authority) PEM() []byte { return a.pem }

// Client makes a certificate that servers of this authority accept, and its key, both as PEM, as --tls-cert and
// --tls-key of a connection want them.
func (a *Authority) Client() (cert, key []byte, err error) {
	own, err := newKey()
	if err != nil {
		return nil, nil, err
	}
	c := certificate("Windlass")
	c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	der, err := a.sign(c, own)
	if err != nil {
		return nil, nil, err
	}
	private, err := x509.MarshalPKCS8PrivateKey(own)
	if err != nil {
		return nil, nil, fault.Wrap(err, fault.Internal, "the sandbox cannot write the key it made")
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}), nil
}

// Config is what a server of the sandbox needs. With requireClient only callers get in that show a certificate of
// Client, as with a proxy that checks certificates in front of a Data Center.
func (a *Authority) Config(requireClient bool) *tls.Config {
	c := &tls.Config{Certificates: []tls.Certificate{a.server}, MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"}}
	if requireClient {
		c.ClientAuth, c.ClientCAs = tls.RequireAndVerifyClientCert, x509.NewCertPool()
		c.ClientCAs.AddCert(a.root)
	}
	return c
}

func (a *Authority) sign(c *x509.Certificate, key *ecdsa.PrivateKey) ([]byte, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, fault.Wrap(err, fault.Internal, "the sandbox cannot number a certificate")
	}
	c.SerialNumber = serial
	der, err := x509.CreateCertificate(rand.Reader, c, a.root, &key.PublicKey, a.key)
	if err != nil {
		return nil, fault.Wrap(err, fault.Internal, "the sandbox cannot sign the certificate of %s", c.Subject.CommonName)
	}
	return der, nil
}

func newKey() (*ecdsa.PrivateKey, error) {
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fault.Wrap(err, fault.Internal, "the sandbox cannot make a key")
	}
	return k, nil
}

// certificate is valid whatever time the sandbox and its caller believe it to be: neither runs before 2020 or is
// around in 2050.
func certificate(name string) *x509.Certificate {
	return &x509.Certificate{
		Subject:   pkix.Name{CommonName: name, Organization: []string{"Windlass sandbox"}},
		NotBefore: time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC), NotAfter: time.Date(2050, 1, 1, 0, 0, 0, 0, time.UTC),
		KeyUsage: x509.KeyUsageDigitalSignature,
	}
}

// HandlerUnder serves what Handler serves below a path such as /bb, as a proxy in front of a Bitbucket does, and
// nothing else but the control API, which stays where it is. `next` repeats that path; links.self do so only without
// Options.PublicURL, because a Bitbucket behind a proxy writes the address it was configured with (FACTS 156).
func (s *Sandbox) HandlerUnder(path string) (http.Handler, error) {
	path = strings.TrimRight(path, "/")
	if path == "" {
		return s.Handler(), nil
	}
	if u, err := url.Parse(path); err != nil || path[0] != '/' || u.Path != path || u.Host != "" || strings.Contains(path, "//") {
		return nil, errors.Join(err, fault.New(fault.Usage, "%q is no path to serve the sandbox under", path).With("write it like /bb"))
	}
	return http.HandlerFunc(func(rw http.ResponseWriter, req *http.Request) {
		if strings.HasPrefix(req.URL.Path, "/sandbox/") {
			s.serve(rw, req)
			return
		}
		rest, ok := strings.CutPrefix(req.URL.EscapedPath(), path)
		if !ok || !strings.HasPrefix(rest, "/") {
			http.Error(rw, "There is nothing here; Bitbucket is at "+path+"/", http.StatusNotFound)
			return
		}
		inner := req.Clone(req.Context())
		inner.URL.Path, inner.URL.RawPath = strings.TrimPrefix(req.URL.Path, path), rest
		inner.Header.Set("X-Forwarded-Prefix", path)
		s.serve(rw, inner)
	}), nil
}
