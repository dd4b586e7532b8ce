package sandbox_test

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/windlass-hq/windlass/internal/bitbucket/sandbox"
)

// startTLS serves a sandbox below a path behind an authority of its own.
func startTLS(t testing.TB, o sandbox.Options, path string, requireClient bool) (*sandbox.Authority, string) {
	t.Helper()
	s, _ := start(t, o)
	authority, err := sandbox.NewAuthority("bitbucket.corp.example")
	if err != nil {
		t.Fatal(err)
	}
	h, err := s.HandlerUnder(path)
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewUnstartedServer(h)
	srv.TLS = authority.Config(requireClient)
	srv.Config.ErrorLog = log.New(io.Discard, "", 0) // refused callers are part of the tests
	srv.StartTLS()
	t.Cleanup(srv.Close)
	return authority, srv.URL + path
}

// trusting returns a client that knows an authority, and perhaps a certificate of it and a proxy.
func trusting(t testing.TB, a *sandbox.Authority, certificate bool, proxy string) *http.Client {
	t.Helper()
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(a.PEM()) {
		t.Fatal("the authority's PEM holds no certificate")
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}
	if certificate {
		cert, key, err := a.Client()
		if err != nil {
			t.Fatal(err)
		}
		pair, err := tls.X509KeyPair(cert, key)
		if err != nil {
			t.Fatal(err)
		}
		transport.TLSClientConfig.Certificates = []tls.Certificate{pair}
	}
	if proxy != "" {
		u, err := url.Parse(proxy)
		if err != nil {
			t.Fatal(err)
		}
		transport.Proxy = http.ProxyURL(u)
	}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

func ask(t testing.TB, c *http.Client, target string) (int, object) {
	t.Helper()
	req, err := http.NewRequest(http.MethodGet, target, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	resp, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var o object
	if resp.StatusCode == http.StatusOK {
		if err := json.NewDecoder(resp.Body).Decode(&o); err != nil {
			t.Fatal(err)
		}
	}
	return resp.StatusCode, o
}

func TestBehindATLSProxyAtAPath(t *testing.T) {
	authority, base := startTLS(t, sandbox.Options{PublicURL: "https://bitbucket.corp.example"}, "/bb", false)
	if _, err := http.Get(base + "/cloud/2.0/user"); err == nil {
		t.Error("a caller without the authority trusts its server")
	}
	c := trusting(t, authority, false, "")
	list := base + "/cloud/2.0/repositories/acme?pagelen=1"
	status, page := ask(t, c, list)
	if status != http.StatusOK {
		t.Fatalf("%s answers %d", list, status)
	}
	if next := page["next"].(string); !strings.HasPrefix(next, base+"/cloud/2.0/") {
		t.Errorf("next is %s, want it below %s", next, base)
	}
	first := page["values"].([]any)[0]
	if self := at(first, "links.self.href").(string); !strings.HasPrefix(self, "https://bitbucket.corp.example/2.0/repositories/acme/") {
		t.Errorf("links.self is %s, want Bitbucket's own base URL", self)
	}
	if _, second := ask(t, c, page["next"].(string)); len(second["values"].([]any)) != 1 {
		t.Error("the second page is empty")
	}
	properties := base + "/dc/rest/api/latest/application-properties"
	if status, _ := ask(t, c, properties); status != http.StatusUnauthorized { // the token is of the Cloud
		t.Errorf("%s answers %d with a token that it does not know", properties, status)
	}
	resp, err := c.Get(base + "/dc/rest/api/latest/projects?limit=1")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var projects object
	if err := json.NewDecoder(resp.Body).Decode(&projects); err != nil {
		t.Fatal(err)
	}
	self := at(projects["values"].([]any)[0], "links.self").([]any)[0]
	if href := at(self, "href").(string); !strings.HasPrefix(href, "https://bitbucket.corp.example/dc/projects/") {
		t.Errorf("links.self of a project is %s, want Bitbucket's own base URL", href)
	}
	outside := strings.TrimSuffix(base, "/bb")
	for _, path := range []string{"/cloud/2.0/user", "/bbb/cloud/2.0/user", "/bb"} {
		if status, _ := ask(t, c, outside+path); status != http.StatusNotFound {
			t.Errorf("%s outside of /bb answers %d, want 404", path, status)
		}
	}
	if status, _ := ask(t, c, outside+"/sandbox/stats"); status != http.StatusOK {
		t.Errorf("the control API answers %d", status)
	}
}

func TestLinksRepeatThePathWithoutAPublicURL(t *testing.T) {
	authority, base := startTLS(t, sandbox.Options{}, "/bb", false)
	_, page := ask(t, trusting(t, authority, false, ""), base+"/cloud/2.0/repositories/acme?pagelen=1")
	if self := at(page["values"].([]any)[0], "links.self.href").(string); !strings.HasPrefix(self, base+"/cloud/2.0/") {
		t.Errorf("links.self is %s, want it below %s", self, base)
	}
}

func TestClientCertificateIsRequired(t *testing.T) {
	authority, base := startTLS(t, sandbox.Options{}, "/bb", true)
	other, err := sandbox.NewAuthority()
	if err != nil {
		t.Fatal(err)
	}
	target := base + "/cloud/2.0/workspaces/acme"
	if status, _ := ask(t, trusting(t, authority, true, ""), target); status != http.StatusOK {
		t.Errorf("with a certificate: %d", status)
	}
	if _, err := trusting(t, authority, false, "").Get(target); err == nil {
		t.Error("let in without a certificate")
	}
	stranger := trusting(t, authority, false, "")
	cert, key, err := other.Client()
	if err != nil {
		t.Fatal(err)
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	stranger.Transport.(*http.Transport).TLSClientConfig.Certificates = []tls.Certificate{pair}
	if _, err := stranger.Get(target); err == nil {
		t.Error("let in with another authority's certificate")
	}
}

func TestGitOverTLSWithPrivateAuthorityAndCertificate(t *testing.T) {
	authority, base := startTLS(t, sandbox.Options{}, "/bb", true)
	cert, key, err := authority.Client()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	file := func(name string, data []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	ca, certFile, keyFile := file("ca.pem", authority.PEM()), file("cert.pem", cert), file("key.pem", key)
	c := trusting(t, authority, true, "")
	_, page := ask(t, c, base+"/cloud/2.0/repositories/acme?pagelen=1&q=is_private=true&sort=-size")
	name := at(page["values"].([]any)[0], "full_name").(string)
	remote := cloneURL(base, name, "x-token-auth", token)
	t.Setenv("GIT_SSL_CAINFO", ca) // the machine's own variable would win over the configuration
	if out, err := tryGit(t, "", "ls-remote", remote); err == nil {
		t.Errorf("git got in without a certificate: %s", out)
	}
	git(t, "", "-c", "http.sslCert="+certFile, "-c", "http.sslKey="+keyFile, "ls-remote", remote)
}

func TestPathsToServeUnder(t *testing.T) {
	s, _ := start(t, sandbox.Options{})
	for path, good := range map[string]bool{
		"": true, "/": true, "/bb": true, "/bb/": true, "/a/b": true, "bb": false, "//host": false, "/b%62": false, "/a?b": false, "/a//b": false,
	} {
		if _, err := s.HandlerUnder(path); (err == nil) != good {
			t.Errorf("HandlerUnder(%q) = %v, want good = %v", path, err, good)
		}
	}
}

func TestForwardProxyCountsWhatGoesThrough(t *testing.T) {
	authority, base := startTLS(t, sandbox.Options{}, "/bb", false)
	_, plain := start(t, sandbox.Options{})
	at := strings.TrimSuffix(strings.TrimPrefix(base, "https://"), "/bb")
	p := &sandbox.ForwardProxy{User: "me", Password: "secret", Hosts: map[string]string{
		"bitbucket.corp.example:443": at, "plain.corp.example:80": strings.TrimPrefix(plain, "http://"),
	}}
	srv := httptest.NewServer(p)
	t.Cleanup(func() { p.Close(); srv.Close() })
	address := strings.TrimPrefix(srv.URL, "http://")
	c := trusting(t, authority, false, "http://me:secret@"+address)
	for range 2 {
		if status, _ := ask(t, c, "https://bitbucket.corp.example/bb/cloud/2.0/workspaces/acme"); status != http.StatusOK {
			t.Errorf("through the tunnel: %d", status)
		}
	}
	if status, _ := ask(t, c, "http://plain.corp.example/cloud/2.0/workspaces/acme?fields=slug"); status != http.StatusOK {
		t.Errorf("plain: %d", status)
	}
	if status, _ := ask(t, c, "http://example.com/"); status != http.StatusBadGateway {
		t.Errorf("to another machine: %d, want 502", status)
	}
	if _, err := trusting(t, authority, false, "http://"+address).Get("https://bitbucket.corp.example/bb/"); err == nil {
		t.Error("let through without a password")
	}
	want := map[string]int{
		"CONNECT bitbucket.corp.example:443": 1, "GET http://plain.corp.example/cloud/2.0/workspaces/acme": 1,
		"GET http://example.com/": 1, "407": 1,
	}
	if diff := cmp.Diff(want, p.Seen()); diff != "" {
		t.Errorf("seen (-want +got):\n%s", diff)
	}
}
