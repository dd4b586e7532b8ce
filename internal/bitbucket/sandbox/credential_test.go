package sandbox_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/windlass-hq/windlass/internal/bitbucket/sandbox"
)

func basic(t testing.TB, user, password, target string) (*http.Response, []byte) {
	t.Helper()
	req, err := http.NewRequest(http.MethodGet, target, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.SetBasicAuth(user, password)
	return do(t, req)
}

func message(t testing.TB, body []byte) string {
	t.Helper()
	var o object
	if err := json.Unmarshal(body, &o); err != nil {
		return string(body)
	}
	s, _ := at(o, "error.message").(string)
	return s
}

func TestEveryKindOfCredential(t *testing.T) {
	c := newClock()
	s, base := start(t, sandbox.Options{Clock: c.now})
	user := base + "/cloud/2.0/user"
	bearer := oauthToken(t, base+"/cloud/site/oauth2/access_token", "sandbox-key-9", "sandbox-secret-9")
	resp, body := get(t, bearer, user)
	if resp.StatusCode != 200 || resp.Header.Get("X-Credential-Type") != "oauth2" || resp.Header.Get("X-Accepted-OAuth-Scopes") != "account" {
		t.Errorf("consumer: %s %v %s", resp.Status, resp.Header, body)
	}
	if got := resp.Header.Get("X-OAuth-Scopes"); got != "account, pipeline, project, project:admin, pullrequest:write, repository:admin, webhook" {
		t.Errorf("scopes %q", got)
	}
	resp, body = basic(t, "admin@acme.example", "sandbox-api-token", user)
	if resp.StatusCode != 200 || resp.Header.Get("X-Credential-Type") != "apikey" || !strings.Contains(string(body), `"nickname":"admin"`) {
		t.Errorf("API token: %s %s", resp.Status, body)
	}
	resp, body = basic(t, "admin@acme.example", "password", user)
	if resp.StatusCode != 401 || resp.Header.Get("WWW-Authenticate") != `Basic realm="Bitbucket.org HTTP"` || !strings.HasPrefix(resp.Header.Get("Content-Type"), "text/plain") {
		t.Errorf("wrong password: %s %v %s", resp.Status, resp.Header, body)
	}
	resp, body = get(t, "sandbox-api-token", user)
	if resp.StatusCode != 401 || message(t, body) != "Token is invalid, expired, or not supported for this endpoint." {
		t.Errorf("API token as bearer: %s %s", resp.Status, body)
	}
	if resp, body = get(t, "", user); resp.StatusCode != 401 {
		t.Errorf("nobody: %s %s", resp.Status, body)
	}
	if resp, _ = get(t, "", user+"?access_token="+token); resp.StatusCode != 401 {
		t.Errorf("a token in the query counts: %s", resp.Status)
	}
	c.advance(2*time.Hour + time.Second)
	if resp, body = get(t, bearer, user); resp.StatusCode != 401 || message(t, body) != "Access token expired." {
		t.Errorf("after two hours: %s %s", resp.Status, body)
	}
	bearer = oauthToken(t, base+"/site/oauth2/access_token", "sandbox-key-9", "sandbox-secret-9")
	s.ExpireTokens("sandbox-key-9")
	if resp, _ = get(t, bearer, user); resp.StatusCode != 401 {
		t.Errorf("expired by hand: %s", resp.Status)
	}
	edit := func(name string, change func(*sandbox.Credential)) {
		t.Helper()
		if err := s.EditCredential(name, change); err != nil {
			t.Fatal(err)
		}
	}
	edit("access-token", func(c *sandbox.Credential) { c.Revoked = true })
	if resp, _ = get(t, token, user); resp.StatusCode != 401 {
		t.Errorf("revoked: %s", resp.Status)
	}
	if err := s.AddCredential(sandbox.Credential{Kind: sandbox.Consumer, Name: "sandbox-key", Secret: "x"}); err == nil {
		t.Error("a second credential of one name")
	}
}

func TestTokenAnswersHaveBothForms(t *testing.T) {
	s, base := start(t, sandbox.Options{})
	ask := func(key, secret, grant string) (int, object) {
		req, err := http.NewRequest(http.MethodPost, base+"/site/oauth2/access_token", strings.NewReader(url.Values{"grant_type": {grant}}.Encode()))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		if key != "" {
			req.SetBasicAuth(key, secret)
		}
		resp, body := do(t, req)
		var o object
		if err := json.Unmarshal(body, &o); err != nil {
			t.Fatalf("%s: %v", body, err)
		}
		return resp.StatusCode, o
	}
	_, now := ask("sandbox-key", "sandbox-secret", "client_credentials")
	s.SetOAuth(sandbox.OAuth{LegacyScopes: true, ExpiresIn: time.Minute})
	_, then := ask("sandbox-key", "sandbox-secret", "client_credentials")
	if now["scope"] == nil || now["scopes"] != nil || then["scope"] != nil || then["scopes"] != now["scope"] || then["expires_in"] != 60.0 {
		t.Errorf("answers %v and %v", now, then)
	}
	for _, c := range []struct{ key, secret, grant, want string }{
		{"sandbox-key", "wrong", "client_credentials", "unauthorized_client"},
		{"", "", "client_credentials", "unauthorized_client"},
		{"sandbox-key", "sandbox-secret", "password", "unsupported_grant_type"},
	} {
		if status, o := ask(c.key, c.secret, c.grant); status != 400 || o["error"] != c.want {
			t.Errorf("%v: %d %v", c, status, o)
		}
	}
	if got := s.Stats().Requests; got.Total != 0 || got.ByEndpoint["POST /site/oauth2/access_token"] != 5 {
		t.Errorf("statistics %+v", got)
	}
}

func TestMissingScopesAreNamed(t *testing.T) {
	s, base := start(t, sandbox.Options{})
	if err := s.AddCredential(sandbox.Credential{Kind: sandbox.AccessToken, Name: "few", Secret: "few-secret", Scopes: []string{"project", "repository:admin"}}); err != nil {
		t.Fatal(err)
	}
	name := someRepository(t, base)
	resp, body := get(t, "few-secret", base+"/2.0/repositories/"+name+"/pullrequests")
	var o struct {
		Error struct {
			Message string
			Detail  struct{ Required, Granted []string }
		}
	}
	if err := json.Unmarshal(body, &o); err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode != 403 || o.Error.Message != "Your credentials lack one or more required privilege scopes." ||
		!slices.Equal(o.Error.Detail.Required, []string{"pullrequest"}) || !slices.Equal(o.Error.Detail.Granted, []string{"project", "repository:admin"}) {
		t.Errorf("%s %s", resp.Status, body)
	}
	for path, status := range map[string]int{"/repositories/" + name: 200, "/workspaces/acme/projects": 200, "/workspaces/acme": 200, "/workspaces/acme/members": 403, "/user": 403} {
		if resp, _ := get(t, "few-secret", base+"/2.0"+path); resp.StatusCode != status {
			t.Errorf("%s: %s, want %d", path, resp.Status, status)
		}
	}
	if resp, _ := get(t, "few-secret", base+"/2.0/workspaces/acme"); resp.Header.Get("X-Accepted-OAuth-Scopes") != "" {
		t.Error("an endpoint without a scope names one")
	}
}

func TestNarrowCredentialsSeeTheirPartOnly(t *testing.T) {
	s, base := start(t, sandbox.Options{})
	repo := someRepository(t, base)
	all := walk(t, base+"/2.0/repositories/acme?pagelen=100")
	project := at(want(t, 200, base+"/2.0/repositories/"+repo), "project.key").(string)
	public, inProject := 0, 0
	for _, r := range all {
		switch {
		case at(r, "project.key") == project:
			inProject++
		case r["is_private"] == false:
			public++
		}
	}
	for _, c := range []sandbox.Credential{
		{Kind: sandbox.AccessToken, Name: "p", Secret: "p", Scopes: sandbox.EveryScope(), Projects: []string{"acme/" + project}},
		{Kind: sandbox.AccessToken, Name: "labs", Secret: "labs", Scopes: sandbox.EveryScope(), Workspaces: []string{"acme-labs"}},
	} {
		if err := s.AddCredential(c); err != nil {
			t.Fatal(err)
		}
	}
	if got := len(walkAs(t, "p", base+"/2.0/repositories/acme?pagelen=100")); got != inProject+public || got == len(all) {
		t.Errorf("a project's token sees %d of %d repositories, want %d", got, len(all), inProject+public)
	}
	if resp, _ := get(t, "labs", base+"/2.0/workspaces/acme"); resp.StatusCode != 404 {
		t.Errorf("a token of another workspace: %s", resp.Status)
	}
	var names []string
	for _, a := range walkAs(t, "labs", base+"/2.0/user/workspaces") {
		names = append(names, at(a, "workspace.slug").(string))
	}
	if !slices.Equal(names, []string{"acme-labs"}) {
		t.Errorf("workspaces %v", names)
	}
	if err := s.RemoveMember("acme", "admin@acme.example"); err != nil {
		t.Fatal(err)
	}
	if resp, _ := basic(t, "admin@acme.example", "sandbox-api-token", base+"/2.0/workspaces/acme"); resp.StatusCode != 404 {
		t.Errorf("who left still sees the workspace: %s", resp.Status)
	}
}
