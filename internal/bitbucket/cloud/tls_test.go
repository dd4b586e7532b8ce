package cloud_test

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
	"sync"
	"testing"
	"time"

	"github.com/windlass-hq/windlass/internal/bitbucket"
	"github.com/windlass-hq/windlass/internal/bitbucket/cloud"
	"github.com/windlass-hq/windlass/internal/bitbucket/sandbox"
	"github.com/windlass-hq/windlass/internal/fault"
)

// private serves a handler over TLS under made-up names and returns an HTTP client that knows the private authority
// and finds the names.
func private(t *testing.T, h http.Handler, names ...string) *http.Client {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "private"}, DNSNames: names, IsCA: true, BasicConstraintsValid: true,
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

// TestTheRealNames stands in for the vendor's hosts, so the default addresses and the links of the answers are the
// real ones: tokens from bitbucket.org, everything else from api.bitbucket.org.
func TestTheRealNames(t *testing.T) {
	s := box(t, sandbox.Options{Repositories: 130, PullRequests: 60, Users: 120})
	var mu sync.Mutex
	hosts := map[string]bool{}
	client := private(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		hosts[r.Host+" "+r.Method] = true
		mu.Unlock()
		s.Handler().ServeHTTP(w, r)
	}), "api.bitbucket.org", "bitbucket.org")
	for _, api := range []string{"", "https://bitbucket.org/api/2.0"} {
		clear(hosts)
		c, err := cloud.New(cloud.Options{APIURL: api, Credentials: []bitbucket.Credential{consumer}, HTTP: client})
		if err != nil {
			t.Fatal(err)
		}
		got, err := walk(t, c, "acme")
		if err != nil || len(got.entities) < 190 {
			t.Fatalf("%d entities, %v", len(got.entities), err)
		}
		asked := "api.bitbucket.org GET"
		if api != "" {
			asked = "bitbucket.org GET"
		}
		if len(hosts) != 2 || !hosts["bitbucket.org POST"] || !hosts[asked] {
			t.Errorf("with API %q asked %v", api, hosts)
		}
	}
	plain, err := cloud.New(cloud.Options{Credentials: []bitbucket.Credential{consumer}, HTTP: &http.Client{Transport: &http.Transport{
		DialContext: client.Transport.(*http.Transport).DialContext,
	}}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := plain.Workspaces(t.Context(), []string{"acme"}); !fault.Is(err, fault.Unavailable) || !strings.Contains(err.Error(), "--ca-file") {
		t.Errorf("without the authority: %v", err)
	}
}

// TestBehindAProxyWithAPrefix serves the sandbox at /bb of a host with a private authority: once by a proxy that
// rewrites links, and once by one that does not, which must not lead the credential elsewhere.
func TestBehindAProxyWithAPrefix(t *testing.T) {
	s := box(t, sandbox.Options{Repositories: 130, PullRequests: 20, Users: 10})
	for name, rewrites := range map[string]bool{"rewriting": true, "careless": false} {
		t.Run(name, func(t *testing.T) {
			client := private(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				path, ok := strings.CutPrefix(r.URL.Path, "/bb")
				if !ok {
					t.Errorf("%s was asked", r.URL)
				}
				inner := r.Clone(r.Context())
				inner.URL.Path, inner.URL.RawPath = "/cloud"+path, ""
				rec := httptest.NewRecorder()
				s.Handler().ServeHTTP(rec, inner)
				body := rec.Body.String()
				if rewrites {
					body = strings.ReplaceAll(body, r.Host+"/cloud/2.0", r.Host+"/bb/2.0")
				}
				w.Header().Set("Content-Type", rec.Header().Get("Content-Type"))
				w.WriteHeader(rec.Code)
				_, _ = w.Write([]byte(body))
			}), "git.acme.example")
			c, err := cloud.New(cloud.Options{APIURL: "https://git.acme.example/bb", Credentials: []bitbucket.Credential{consumer}, HTTP: client})
			if err != nil {
				t.Fatal(err)
			}
			got, err := walk(t, c, "acme")
			switch {
			case rewrites && (err != nil || len(got.entities) < 140):
				t.Errorf("%d entities, %v", len(got.entities), err)
			case !rewrites && (!fault.Is(err, fault.Unavailable) || !strings.Contains(err.Error(), "https://git.acme.example/cloud/2.0")):
				t.Errorf("%v, want a refusal that names the link", err)
			}
		})
	}
}
