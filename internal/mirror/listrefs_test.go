package mirror_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/windlass-hq/windlass/internal/bitbucket"
	"github.com/windlass-hq/windlass/internal/bitbucket/sandbox"
	"github.com/windlass-hq/windlass/internal/fault"
	"github.com/windlass-hq/windlass/internal/mirror"
)

// The credential and a repository of each product in the sandbox.
const (
	cloudToken = "sandbox-cloud-token"
	dcToken    = "sandbox-token"
)

// startSandbox serves one over HTTP.
func startSandbox(t testing.TB) (*sandbox.Sandbox, string) {
	t.Helper()
	s, err := sandbox.New(sandbox.Options{Repositories: 6, PullRequests: 20, Users: 6})
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(s.Handler())
	t.Cleanup(func() {
		srv.Close()
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s, srv.URL
}

// made is a repository of the Cloud with something pushed.
const made = "acme/made"

// fill creates the repository, with two branches and two tags, one annotated, and returns what git says of it.
func fill(t testing.TB, s *sandbox.Sandbox, base string) string {
	t.Helper()
	if _, err := s.CreateRepository(sandbox.RepositorySpec{Workspace: "acme", Name: "made"}); err != nil {
		t.Fatal(err)
	}
	signed := strings.Replace(base, "://", "://x-token-auth:"+cloudToken+"@", 1) + "/cloud/" + made + ".git"
	dir := t.TempDir()
	plain(t, dir, "init", "-q", "-b", "main")
	plain(t, dir, "commit", "-q", "--allow-empty", "-m", "One")
	plain(t, dir, "tag", "light")
	plain(t, dir, "tag", "-a", "-m", "Heavy", "heavy")
	plain(t, dir, "checkout", "-q", "-b", "feature/a")
	plain(t, dir, "commit", "-q", "--allow-empty", "-m", "Two")
	plain(t, dir, "push", "-q", signed, "main", "feature/a", "light", "heavy")
	return plain(t, dir, "ls-remote", "--symref", signed)
}

// parsed reads what git printed, in another way than the package does.
func parsed(text string) []mirror.Ref {
	var refs []mirror.Ref
	target := ""
	for line := range strings.SplitSeq(text, "\n") {
		f := strings.Fields(line)
		switch {
		case f[0] == "ref:":
			target = f[1]
		case f[1] == "HEAD":
			refs = append(refs, mirror.Ref{Name: "HEAD", Hash: f[0], Target: target})
		case strings.HasSuffix(f[1], "^{}"):
			refs[len(refs)-1].Peeled = f[0]
		default:
			refs = append(refs, mirror.Ref{Name: f[1], Hash: f[0]})
		}
	}
	return refs
}

func TestRefsOfTheCloud(t *testing.T) {
	s, base := startSandbox(t)
	want := parsed(fill(t, s, base))
	if len(want) != 5 || want[0].Target != "refs/heads/main" || want[3].Peeled == "" {
		t.Fatalf("git says %v", want)
	}
	g := open(t, mirror.Options{})
	r := remote(t, bitbucket.Cloud, base+"/cloud", "acme", "made")
	for kind, login := range map[bitbucket.Kind]bitbucket.Credential{
		"token": {Kind: bitbucket.Token, Secret: cloudToken},
		"api":   {Kind: bitbucket.APIToken, Identity: "admin@acme.example", Secret: "sandbox-api-token"},
	} {
		var err error
		if r.Login, err = mirror.LoginOf(bitbucket.Cloud, login, ""); err != nil {
			t.Fatal(err)
		}
		got, err := g.ListRefs(context.Background(), r)
		if err != nil {
			t.Fatalf("%s: %v", kind, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: refs differ (want, got):\n%s", kind, diff)
		}
	}
	r.WithoutHead = true
	got, err := g.ListRefs(context.Background(), r)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want[1:], got); diff != "" {
		t.Errorf("without HEAD: refs differ (want, got):\n%s", diff)
	}
}

func TestRefsOfAnEmptyRepository(t *testing.T) {
	s, base := startSandbox(t)
	if _, err := s.CreateRepository(sandbox.RepositorySpec{Workspace: "acme", Name: "empty"}); err != nil {
		t.Fatal(err)
	}
	r := remote(t, bitbucket.Cloud, base+"/cloud", "acme", "empty")
	r.Login = mirror.Login{User: "x-token-auth", Secret: cloudToken}
	if refs, err := open(t, mirror.Options{}).ListRefs(context.Background(), r); err != nil || len(refs) > 0 {
		t.Errorf("got %v, %v", refs, err)
	}
}

func TestRefsOfDataCenter(t *testing.T) {
	s, base := startSandbox(t)
	g := open(t, mirror.Options{})
	var project sandbox.TruthProject
	var truth sandbox.TruthRepository
	for _, p := range s.DataCenter().Truth().Spaces[0].Projects {
		for _, r := range p.Repositories {
			if len(r.Branches) > len(truth.Branches) {
				project, truth = p, r
			}
		}
	}
	r := remote(t, bitbucket.DataCenter, base+"/dc", project.Key, truth.Slug)
	var want, got []string
	for _, b := range truth.Branches {
		want = append(want, b.Head+" refs/heads/"+b.Name)
	}
	slices.Sort(want)
	var lists [][]mirror.Ref
	for _, c := range []bitbucket.Credential{{Kind: bitbucket.Token, Secret: dcToken}, {Kind: bitbucket.Basic, Identity: "admin", Secret: "sandbox-password"}} {
		var err error
		if r.Login, err = mirror.LoginOf(bitbucket.DataCenter, c, ""); err != nil {
			t.Fatal(err)
		}
		refs, err := g.ListRefs(context.Background(), r)
		if err != nil || len(refs) < 2 || refs[0].Target == "" {
			t.Fatalf("%s: %v, %v", c.Kind, refs, err)
		}
		lists = append(lists, refs)
	}
	if diff := cmp.Diff(lists[0], lists[1]); diff != "" {
		t.Errorf("token and password see different refs:\n%s", diff)
	}
	for _, ref := range lists[0] {
		if strings.HasPrefix(ref.Name, "refs/heads/") {
			got = append(got, ref.Hash+" "+ref.Name)
		}
	}
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" || len(got) == 0 {
		t.Errorf("branches differ (truth, git):\n%s", diff)
	}
	if want := "refs/heads/" + truth.DefaultBranch; lists[0][0].Target != want {
		t.Errorf("HEAD is %s, want %s", lists[0][0].Target, want)
	}
}

func TestRefusals(t *testing.T) {
	s, base := startSandbox(t)
	fill(t, s, base)
	g := open(t, mirror.Options{})
	for _, c := range []struct {
		product          bitbucket.Product
		path, owner, rep string
		login            mirror.Login
		want             fault.Code
	}{
		{bitbucket.Cloud, "/cloud", "acme", "made", mirror.Login{User: "x-token-auth", Secret: "wrong-secret"}, fault.Unauthorized},
		{bitbucket.Cloud, "/cloud", "acme", "made", mirror.Login{}, fault.Unauthorized},
		{bitbucket.Cloud, "/cloud", "acme", "no-such", mirror.Login{User: "x-token-auth", Secret: cloudToken}, fault.NotFound},
		{bitbucket.DataCenter, "/dc", "NONE", "none", mirror.Login{Secret: dcToken}, fault.NotFound},
		{bitbucket.DataCenter, "/dc", "NONE", "none", mirror.Login{Secret: "wrong-secret"}, fault.Unauthorized},
		{bitbucket.DataCenter, "/dc", "NONE", "none", mirror.Login{User: "admin", Secret: "wrong-secret"}, fault.Unauthorized},
	} {
		r := remote(t, c.product, base+c.path, c.owner, c.rep)
		r.Login = c.login
		_, err := g.ListRefs(context.Background(), r)
		if fault.CodeOf(err) != c.want || fault.RemedyOf(err) == "" {
			t.Errorf("%s with %q: %v (%s), want %s", r, c.login.User, err, fault.CodeOf(err), c.want)
		}
		if strings.Contains(fmt.Sprint(err), "wrong-secret") {
			t.Errorf("the error has the secret: %v", err)
		}
	}
}

// serve answers everything in one way.
func serve(t testing.TB, h http.HandlerFunc) string {
	t.Helper()
	srv := httptest.NewServer(h)
	srv.Config.ErrorLog = log.New(io.Discard, "", 0)
	t.Cleanup(srv.Close)
	return srv.URL
}

func TestStatuses(t *testing.T) {
	g := open(t, mirror.Options{})
	base := serve(t, func(rw http.ResponseWriter, req *http.Request) {
		status := 0
		_, _ = fmt.Sscanf(req.URL.Path, "/s%d/", &status)
		rw.Header().Set("Content-Type", "text/plain")
		rw.WriteHeader(status)
		// It repeats what it was sent, as some proxies do on their error pages.
		_, _ = fmt.Fprintf(rw, "You sent %s.\n", req.Header.Get("Authorization"))
	})
	for status, want := range map[int]fault.Code{
		401: fault.Unauthorized, 403: fault.Denied, 404: fault.NotFound, 429: fault.Limited, 500: fault.Unavailable, 503: fault.Unavailable,
	} {
		r := remote(t, bitbucket.Cloud, base, fmt.Sprintf("s%d", status), "web")
		r.Login = mirror.Login{User: "u", Secret: "hush-hush"}
		_, err := g.ListRefs(context.Background(), r)
		if fault.CodeOf(err) != want {
			t.Errorf("%d: %v (%s), want %s", status, err, fault.CodeOf(err), want)
		}
		if text := fmt.Sprint(err); strings.Contains(text, "hush-hush") || strings.Contains(text, "dTpodXNoLWh1c2g=") {
			t.Errorf("%d: the error has the secret: %s", status, text)
		}
	}
}

func TestNoCredentialFollowsARedirect(t *testing.T) {
	reached := make(chan string, 9)
	elsewhere := serve(t, func(_ http.ResponseWriter, req *http.Request) { reached <- req.Header.Get("Authorization") })
	base := serve(t, func(rw http.ResponseWriter, req *http.Request) {
		http.Redirect(rw, req, strings.Replace(elsewhere, "127.0.0.1", "localhost", 1)+req.URL.String(), http.StatusFound)
	})
	r := remote(t, bitbucket.Cloud, base, "acme", "web")
	r.Login = mirror.Login{User: "u", Secret: "hush"}
	_, err := open(t, mirror.Options{}).ListRefs(context.Background(), r)
	if !fault.Is(err, fault.Unavailable) || !strings.Contains(err.Error(), "sends elsewhere") {
		t.Errorf("got %v", err)
	}
	if len(reached) > 0 {
		t.Errorf("the other host was asked, with %q", <-reached)
	}
}

func TestOnlyARepositoryCanBeEmpty(t *testing.T) {
	g := open(t, mirror.Options{})
	for name, page := range map[string]string{
		"nothing": "", "a word": "welcome", "a page": "<html>\n<p>Sign in</p>\n</html>\n",
		"a list of the old protocol": "",
	} {
		base := serve(t, func(rw http.ResponseWriter, _ *http.Request) {
			rw.Header().Set("Content-Type", "text/html")
			_, _ = io.WriteString(rw, page)
		})
		if refs, err := g.ListRefs(context.Background(), remote(t, bitbucket.Cloud, base, "acme", "web")); !fault.Is(err, fault.Unavailable) {
			t.Errorf("%s: %v, %v", name, refs, err)
		}
	}
}

func TestARemoteThatNeverEnds(t *testing.T) {
	stop := make(chan struct{})
	silent := serve(t, func(_ http.ResponseWriter, req *http.Request) {
		select {
		case <-stop:
		case <-req.Context().Done():
		}
	})
	defer close(stop)
	r := remote(t, bitbucket.Cloud, silent, "acme", "web")
	r.Limits.Time = 300 * time.Millisecond
	g := open(t, mirror.Options{})
	began := time.Now()
	if _, err := g.ListRefs(context.Background(), r); !fault.Is(err, fault.Unavailable) || !strings.Contains(err.Error(), "within 300ms") {
		t.Errorf("got %v", err)
	}
	if took := time.Since(began); took > 4*time.Second {
		t.Errorf("it took %s", took)
	}
}

// packet writes a line of git's protocol.
func packet(line string) string { return fmt.Sprintf("%04x%s", len(line)+4, line) }

func TestHugeListsOfRefs(t *testing.T) {
	g := open(t, mirror.Options{})
	advertise := func(rw http.ResponseWriter, req *http.Request, n int) {
		rw.Header().Set("Content-Type", "application/x-git-upload-pack-advertisement")
		_, _ = io.WriteString(rw, packet("# service=git-upload-pack\n")+"0000")
		features := "\x00agent=x"
		for i := 0; i < n && req.Context().Err() == nil; i++ {
			_, err := io.WriteString(rw, packet(fmt.Sprintf("%040x refs/heads/b%09d%s\n", i+1, i, features)))
			if err != nil {
				return
			}
			features = ""
		}
		_, _ = io.WriteString(rw, "0000")
	}
	many := serve(t, func(rw http.ResponseWriter, req *http.Request) { advertise(rw, req, 2000) })
	r := remote(t, bitbucket.Cloud, many, "acme", "web")
	if refs, err := g.ListRefs(context.Background(), r); err != nil || len(refs) != 2000 {
		t.Errorf("%d refs, %v", len(refs), err)
	}
	r.Limits.Refs = 1999
	if _, err := g.ListRefs(context.Background(), r); !errors.Is(err, mirror.ErrTooLarge) {
		t.Errorf("more refs than may be: %v", err)
	}
	r.Limits = mirror.Limits{Output: 1 << 16}
	if _, err := g.ListRefs(context.Background(), r); !errors.Is(err, mirror.ErrTooLarge) {
		t.Errorf("more bytes than may be: %v", err)
	}
	endless := remote(t, bitbucket.Cloud, serve(t, func(rw http.ResponseWriter, req *http.Request) { advertise(rw, req, 1<<40) }), "acme", "web")
	endless.Limits = mirror.Limits{Memory: 160 << 20, Time: 30 * time.Second}
	if _, err := g.ListRefs(context.Background(), endless); !errors.Is(err, mirror.ErrTooLarge) {
		t.Errorf("refs without end: %v", err)
	}
}

func TestTLSOfThePrivateKind(t *testing.T) {
	s, plainBase := startSandbox(t)
	fill(t, s, plainBase)
	authority, err := sandbox.NewAuthority("bitbucket.corp.example")
	if err != nil {
		t.Fatal(err)
	}
	h, err := s.HandlerUnder("/bb")
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewUnstartedServer(h)
	srv.TLS = authority.Config(true)
	srv.Config.ErrorLog = log.New(io.Discard, "", 0)
	srv.StartTLS()
	t.Cleanup(srv.Close)
	cert, key, err := authority.Client()
	if err != nil {
		t.Fatal(err)
	}
	full := mirror.TLS{
		CAFile: file(t, "ca.pem", string(authority.PEM()), 0o600), CertFile: file(t, "cert.pem", string(cert), 0o600), KeyFile: file(t, "key.pem", string(key), 0o600),
	}
	g := open(t, mirror.Options{})
	r := remote(t, bitbucket.Cloud, srv.URL+"/bb/cloud", "acme", "made")
	r.Login = mirror.Login{User: "x-token-auth", Secret: cloudToken}
	for name, c := range map[string]struct {
		tls  mirror.TLS
		want fault.Code
	}{
		"nothing":               {mirror.TLS{}, fault.Unavailable},
		"only the authority":    {mirror.TLS{CAFile: full.CAFile}, fault.Unavailable},
		"only the certificate":  {mirror.TLS{CertFile: full.CertFile, KeyFile: full.KeyFile}, fault.Unavailable},
		"half of a certificate": {mirror.TLS{CAFile: full.CAFile, CertFile: full.CertFile}, fault.Invalid},
		"no certificate":        {mirror.TLS{CAFile: full.KeyFile}, fault.Invalid},
		"no file":               {mirror.TLS{CAFile: "/no/such/file"}, fault.Invalid},
		"all":                   {full, ""},
	} {
		r.TLS = c.tls
		refs, err := g.ListRefs(context.Background(), r)
		if fault.CodeOf(err) != c.want || (c.want == "") != (len(refs) == 5) {
			t.Errorf("%s: %d refs, %v (%s)", name, len(refs), err, fault.CodeOf(err))
		}
	}

	// Only the proxy knows the name.
	proxy := &sandbox.ForwardProxy{User: "u", Password: "proxy-secret", Hosts: map[string]string{"bitbucket.corp.example:443": strings.TrimPrefix(srv.URL, "https://")}}
	var asked bytes.Buffer
	front := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, req *http.Request) {
		_, _ = fmt.Fprintf(&asked, "%s %q %s\n", req.Method, req.Header["Authorization"], req.Host)
		proxy.ServeHTTP(rw, req)
	}))
	t.Cleanup(func() { front.Close(); proxy.Close() })
	r = remote(t, bitbucket.Cloud, "https://bitbucket.corp.example/bb/cloud", "acme", "made")
	r.Login, r.TLS = mirror.Login{User: "x-token-auth", Secret: cloudToken}, full
	through := strings.Replace(front.URL, "://", "://u:proxy-secret@", 1)
	for name, c := range map[string]struct {
		proxy, direct string
		want          fault.Code
	}{
		"with the password":  {through, "other.example", ""},
		"a wrong password":   {strings.Replace(through, "proxy-secret", "wrong-secret", 1), "", fault.Unavailable},
		"around it":          {through, "x, .corp.example", fault.Unavailable},
		"without":            {"", "", fault.Unavailable},
		"no proxy is there":  {"http://127.0.0.1:1", "", fault.Unavailable},
		"of an unknown kind": {"ftp://127.0.0.1:1", "", fault.Invalid},
		"no URL":             {"::", "", fault.Invalid},
	} {
		before := len(proxy.Seen())
		r.Proxy, r.NoProxy = c.proxy, c.direct
		refs, err := g.ListRefs(context.Background(), r)
		if fault.CodeOf(err) != c.want || (c.want == "") != (len(refs) == 5) || strings.Contains(fmt.Sprint(err), "-secret") {
			t.Errorf("%s: %d refs, %v (%s)", name, len(refs), err, fault.CodeOf(err))
		}
		if c.direct == "x, .corp.example" && len(proxy.Seen()) != before {
			t.Errorf("%s: the proxy was asked", name)
		}
	}
	if strings.Contains(asked.String(), "Basic") || !strings.Contains(asked.String(), "CONNECT [] bitbucket.corp.example:443") {
		t.Errorf("the proxy saw:\n%s", asked.String())
	}
}
