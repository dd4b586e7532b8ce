package mirror_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/windlass-hq/windlass/internal/bitbucket"
	"github.com/windlass-hq/windlass/internal/fault"
	"github.com/windlass-hq/windlass/internal/mirror"
)

// remote returns a repository over HTTPS, or over HTTP on this machine.
func remote(t testing.TB, p bitbucket.Product, base, owner, slug string) mirror.Remote {
	t.Helper()
	r, err := mirror.HTTPS(mirror.Path{Product: p, Owner: owner, Slug: slug}, origin(t, base))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func origin(t testing.TB, base string) bitbucket.Origin {
	t.Helper()
	o, err := bitbucket.ParseOrigin(base, false)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func TestURLs(t *testing.T) {
	const cloud, dc = bitbucket.Cloud, bitbucket.DataCenter
	for _, c := range []struct {
		product                 bitbucket.Product
		base, owner, slug, want string
	}{
		{cloud, "https://bitbucket.org", "acme", "web", "https://bitbucket.org/acme/web.git"},
		{cloud, "http://127.0.0.1:7990/cloud/", "acme", "web.js", "http://127.0.0.1:7990/cloud/acme/web.js.git"},
		{dc, "https://git.corp.example/bb", "ENG", "web", "https://git.corp.example/bb/scm/eng/web.git"},
		{dc, "https://git.corp.example", "~J.Doe", "web", "https://git.corp.example/scm/~J.Doe/web.git"},
		{dc, "https://git.corp.example", "ENG", "a b?c#d%", "https://git.corp.example/scm/eng/a%20b%3Fc%23d%25.git"},
		{cloud, "https://bitbucket.org", "acme", "@evil.example", "https://bitbucket.org/acme/@evil.example.git"},
	} {
		if got := remote(t, c.product, c.base, c.owner, c.slug).URL(); got != c.want {
			t.Errorf("%s %s/%s: %s, want %s", c.base, c.owner, c.slug, got, c.want)
		}
	}
	for _, c := range []struct {
		product bitbucket.Product
		host    string
		port    int
		want    string
	}{
		{cloud, "bitbucket.org", 0, "ssh://git@bitbucket.org:22/eng/web.git"},
		{cloud, "altssh.bitbucket.org", 443, "ssh://git@altssh.bitbucket.org:443/eng/web.git"},
		{dc, "Git.corp.example", 0, "ssh://git@git.corp.example:7999/eng/web.git"},
		{dc, "::1", 22, "ssh://git@[::1]:22/eng/web.git"},
	} {
		r, err := mirror.SSH(mirror.Path{Product: c.product, Owner: "eng", Slug: "web"}, c.host, c.port)
		if err != nil || r.URL() != c.want {
			t.Errorf("%s: %s, %v, want %s", c.host, r.URL(), err, c.want)
		}
	}
}

func TestNamesThatAreNoneMakeNoURL(t *testing.T) {
	for _, name := range []string{"", ".", "..", "a/b", `a\b`, "a\nb", "-oProxyCommand=x", "a\x00", "\x7f", "a\xff"} {
		for _, p := range []mirror.Path{{bitbucket.Cloud, name, "web"}, {bitbucket.DataCenter, "ENG", name}} {
			if r, err := mirror.HTTPS(p, origin(t, "https://bitbucket.org")); !fault.Is(err, fault.Invalid) {
				t.Errorf("%q: %s, %v", name, r.URL(), err)
			}
		}
	}
	for _, host := range []string{"", "-oProxyCommand=touch", "a b", "a/b", "x@y", "h;id", "h\n"} {
		if r, err := mirror.SSH(mirror.Path{bitbucket.DataCenter, "ENG", "web"}, host, 0); !fault.Is(err, fault.Invalid) {
			t.Errorf("%q: %s, %v", host, r.URL(), err)
		}
	}
	if _, err := mirror.SSH(mirror.Path{bitbucket.DataCenter, "ENG", "web"}, "h", 70000); !fault.Is(err, fault.Invalid) {
		t.Errorf("port 70000: %v", err)
	}
	if _, err := mirror.HTTPS(mirror.Path{"gitlab", "ENG", "web"}, origin(t, "https://h")); err == nil {
		t.Error("a third product")
	}
}

func TestLogins(t *testing.T) {
	const cloud, dc = bitbucket.Cloud, bitbucket.DataCenter
	credential := func(k bitbucket.Kind) bitbucket.Credential {
		return bitbucket.Credential{Kind: k, Identity: "me@acme.example", Secret: "s"}
	}
	for _, c := range []struct {
		product bitbucket.Product
		kind    bitbucket.Kind
		user    string
		secret  string
	}{
		{cloud, bitbucket.Token, "x-token-auth", "s"},
		{cloud, bitbucket.OAuth, "x-token-auth", "issued"},
		{cloud, bitbucket.APIToken, "x-bitbucket-api-token-auth", "s"},
		{dc, bitbucket.Token, "", "s"},
		{dc, bitbucket.OAuth, "", "issued"},
		{dc, bitbucket.Basic, "me@acme.example", "s"},
	} {
		got, err := mirror.LoginOf(c.product, credential(c.kind), "issued")
		if err != nil || got.User != c.user || got.Secret.Reveal() != c.secret {
			t.Errorf("%s %s: %q %q %v", c.product, c.kind, got.User, got.Secret.Reveal(), err)
		}
	}
	for _, k := range []bitbucket.Kind{bitbucket.AppPassword, "other"} {
		if _, err := mirror.LoginOf(cloud, credential(k), ""); !fault.Is(err, fault.Invalid) {
			t.Errorf("%s: %v", k, err)
		}
	}
	if _, err := mirror.LoginOf(cloud, credential(bitbucket.OAuth), ""); !fault.Is(err, fault.Invalid) {
		t.Errorf("OAuth without a token: %v", err)
	}
}

func TestARemotePrintsWithoutSecrets(t *testing.T) {
	r := remote(t, bitbucket.Cloud, "https://bitbucket.org", "acme", "web")
	r.Login = mirror.Login{User: "u", Secret: "hush"}
	r.Proxy, r.Key.Private = "http://u:hush@proxy", "hush"
	var logged bytes.Buffer
	slog.New(slog.NewJSONHandler(&logged, nil)).Info("x", "remote", r, "pointer", &r)
	text, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	all := fmt.Sprintf("%v %+v %#v %s %q %d %v %+v", r, r, r, r, r, r, &r, []mirror.Remote{r}) + logged.String() + string(text)
	if strings.Contains(all, "hush") {
		t.Errorf("printed: %s", all)
	}
	var back string
	if err := json.Unmarshal(text, &back); err != nil || !cmp.Equal(back, r.URL()) {
		t.Errorf("JSON is %s", text)
	}
}
