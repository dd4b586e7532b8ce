package datacenter_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/windlass-hq/windlass/internal/bitbucket"
	"github.com/windlass-hq/windlass/internal/bitbucket/datacenter"
	"github.com/windlass-hq/windlass/internal/bitbucket/sandbox"
	"github.com/windlass-hq/windlass/internal/fault"
)

// private serves a handler over TLS under a made-up name and returns an HTTP client that knows the private authority
// and finds the name.
func private(t *testing.T, h http.Handler, name string) *http.Client {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "private"}, DNSNames: []string{name}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewUnstartedServer(h)
	srv.TLS = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
	srv.Config.ErrorLog = log.New(io.Discard, "", 0) // a refused certificate is part of the test
	srv.StartTLS()
	t.Cleanup(srv.Close)
	pool := x509.NewCertPool()
	pool.AddCert(cert)
	transport := &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: pool},
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, srv.Listener.Addr().String())
		},
	}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// TestUnderAContextPath serves the sandbox at /bb of a host with a private authority. Its answers name another host,
// as those of an instance behind a proxy do, and that matters nowhere.
func TestUnderAContextPath(t *testing.T) {
	s := box(t, sandbox.Options{Repositories: 30, PullRequests: 60, Users: 10, PublicURL: "https://inside.acme.example:7990"})
	client := private(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path, ok := strings.CutPrefix(r.URL.Path, "/bb/rest/")
		if !ok || r.Host != "git.acme.example" {
			t.Errorf("%s%s was asked", r.Host, r.URL)
		}
		inner := r.Clone(r.Context())
		inner.URL.Path, inner.URL.RawPath = "/dc/rest/"+path, ""
		s.Handler().ServeHTTP(w, inner)
	}), "git.acme.example")
	open := func(h *http.Client) func(*datacenter.Options) {
		return func(o *datacenter.Options) { o.URL, o.HTTP = "https://git.acme.example/bb/projects/X?y=z", h }
	}
	got, err := walk(t, openBox(t, s.Handler(), open(client)))
	if err != nil {
		t.Fatal(err)
	}
	keys, edges := oracle{t: t, handler: s.Handler()}.graph()
	compare(t, got, keys, edges)

	_, err = openBox(t, s.Handler(), open(&http.Client{Transport: &http.Transport{
		DialContext: client.Transport.(*http.Transport).DialContext,
	}})).Instance(t.Context())
	if !fault.Is(err, fault.Unavailable) || !strings.Contains(err.Error(), "--ca-file") {
		t.Errorf("without the authority: %v", err)
	}
}

// TestNoCredentialGoesElsewhere redirects to another host, another scheme and out of the context path.
func TestNoCredentialGoesElsewhere(t *testing.T) {
	for _, to := range []string{
		"https://evil.example/rest/api/latest/projects", "http://bb.example/rest/api/latest/projects",
		"https://bb.example:8443/rest/x", "https://bb.example/other", "//evil.example/rest/x", "https://bb.example/rest/../login",
	} {
		c := openIn(t, handler(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Host != "bb.example" || r.URL.Scheme != "https" || !strings.HasPrefix(r.URL.Path, "/rest/api/") {
				t.Errorf("%s was asked", r.URL)
			}
			w.Header().Set("Location", to)
			w.WriteHeader(http.StatusFound)
		}))
		err := c.Projects(t.Context(), func(bitbucket.Page) error { return nil })
		if !fault.Is(err, fault.Unavailable) || !strings.Contains(err.Error(), "no credential is sent there") {
			t.Errorf("%s: %v", to, err)
		}
	}
}
