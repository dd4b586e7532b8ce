package sandbox_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/windlass-hq/windlass/internal/bitbucket/sandbox"
)

func TestDataCenterBucketRefillsPerUser(t *testing.T) {
	clock := newClock()
	s, base := start(t, sandbox.Options{Clock: clock.now, RateLimit: true, Limits: sandbox.Limits{RetryAfter: "seconds"}})
	target := base + "/dc/rest/api/latest/projects?limit=1"
	count := func(bearer string, n int) (fine int) {
		t.Helper()
		for range n {
			resp, body := get(t, bearer, target)
			switch resp.StatusCode {
			case http.StatusOK:
				fine++
			case http.StatusTooManyRequests:
				if json.Valid(body) || resp.Header.Get("Retry-After") == "" {
					t.Fatalf("429 with %q and %v", body, resp.Header)
				}
			default:
				t.Fatal(resp.Status)
			}
		}
		return fine
	}
	if got := count("sandbox-token-2", 70); got != 60 {
		t.Errorf("%d of 70 calls were let in, want 60", got)
	}
	if got := count("sandbox-token-3", 3); got != 3 {
		t.Errorf("another user: %d of 3", got)
	}
	clock.advance(2 * time.Second)
	if got := count("sandbox-token-2", 20); got != 10 {
		t.Errorf("after two seconds %d, want 10", got)
	}
	clock.advance(time.Hour)
	if err := s.DataCenter().AddCredential(sandbox.DCCredential{Name: "second", User: "robot-2", Token: "second"}); err != nil {
		t.Fatal(err)
	}
	if got := count("second", 40) + count("sandbox-token-2", 40); got != 60 {
		t.Errorf("two tokens of one user: %d calls, want 60 together", got)
	}
	if got := s.Stats().Requests; got.Limited != 10+10+20 {
		t.Errorf("%d limited requests are counted, want 40", got.Limited)
	}
}

func TestDataCenterFaults(t *testing.T) {
	s, base := start(t, sandbox.Options{})
	target := base + "/dc/rest/api/latest/repos?limit=5"
	try := func(f sandbox.Fault, status int) object {
		t.Helper()
		f.Path = "/dc/rest/api/latest/repos"
		id, err := s.AddFault(f)
		if err != nil {
			t.Fatal(err)
		}
		resp, body := get(t, dcToken, target)
		if resp.StatusCode != status {
			t.Errorf("%s: %s, want %d", f.Kind, resp.Status, status)
		}
		if s.RemoveFault(id) != 1 {
			t.Errorf("%s hit nothing", f.Kind)
		}
		var o object
		if err := json.Unmarshal(body, &o); err != nil && resp.Header.Get("Content-Type") == "application/json" {
			t.Errorf("%s: %v", f.Kind, err)
		}
		return o
	}
	if o := try(sandbox.Fault{Kind: sandbox.FaultStatus, Status: 503}, 503); len(o["errors"].([]any)) != 1 {
		t.Errorf("503: %v", o)
	}
	if o := try(sandbox.Fault{Kind: sandbox.FaultExpired}, 401); len(o["errors"].([]any)) != 1 {
		t.Errorf("401: %v", o)
	}
	try(sandbox.Fault{Kind: sandbox.FaultLimited, RetryAfter: "7"}, 429)
	if o := try(sandbox.Fault{Kind: sandbox.FaultRepeat}, 200); o["isLastPage"] != false || o["nextPageStart"] != 0.0 {
		t.Errorf("repeat: %v %v", o["isLastPage"], o["nextPageStart"])
	}
	if o := try(sandbox.Fault{Kind: sandbox.FaultMissing}, 200); o["isLastPage"] != true || o["nextPageStart"] != nil {
		t.Errorf("missing-next: %v %v", o["isLastPage"], o["nextPageStart"])
	}
	if o := try(sandbox.Fault{Kind: sandbox.FaultOdd, Variant: "no-id"}, 200); at(o["values"].([]any)[0], "id") != nil {
		t.Error("odd: the first repository has an id")
	}
}

func TestDataCenterOAuth(t *testing.T) {
	clock := newClock()
	_, base := start(t, sandbox.Options{Clock: clock.now})
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	code := func(scope string) string {
		t.Helper()
		req, err := http.NewRequest(http.MethodGet, base+"/dc/rest/oauth2/latest/authorize?response_type=code&client_id=sandbox-client&state=st&scope="+scope+
			"&redirect_uri="+url.QueryEscape("https://windlass.example/back"), nil)
		if err != nil {
			t.Fatal(err)
		}
		req.SetBasicAuth("admin", "sandbox-password")
		resp, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		at, err := resp.Location()
		if err != nil || at.Host != "windlass.example" || at.Query().Get("state") != "st" {
			t.Fatalf("%s: %v %v", resp.Status, at, err)
		}
		return at.Query().Get("code")
	}
	exchange := func(form url.Values) (int, object) {
		t.Helper()
		form.Set("client_id", "sandbox-client")
		form.Set("client_secret", "sandbox-client-secret")
		form.Set("redirect_uri", "https://windlass.example/back")
		req, err := http.NewRequest(http.MethodPost, base+"/dc/rest/oauth2/latest/token", strings.NewReader(form.Encode()))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		resp, body := do(t, req)
		var o object
		if err := json.Unmarshal(body, &o); err != nil {
			t.Fatalf("%s: %s", resp.Status, body)
		}
		return resp.StatusCode, o
	}
	admin := base + "/dc/rest/api/latest/admin/permissions/users?limit=1"
	first := code("SYSTEM_ADMIN")
	status, got := exchange(url.Values{"grant_type": {"authorization_code"}, "code": {first}})
	if status != 200 || got["expires_in"] != 3600.0 || got["token_type"] != "Bearer" {
		t.Fatalf("%d %v", status, got)
	}
	dcWant(t, got["access_token"].(string), 200, admin)
	if status, _ := exchange(url.Values{"grant_type": {"authorization_code"}, "code": {first}}); status != 400 {
		t.Errorf("a code was good twice: %d", status)
	}
	clock.advance(time.Hour)
	dcWant(t, got["access_token"].(string), 401, admin)
	refresh := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {got["refresh_token"].(string)}}
	status, renewed := exchange(refresh)
	if status != 200 {
		t.Fatalf("refresh: %d %v", status, renewed)
	}
	dcWant(t, renewed["access_token"].(string), 200, admin)
	if status, _ := exchange(refresh); status != 400 {
		t.Errorf("a refresh token was good twice: %d", status)
	}
	late := code("REPO_READ")
	clock.advance(11 * time.Second)
	if status, _ := exchange(url.Values{"grant_type": {"authorization_code"}, "code": {late}}); status != 400 {
		t.Errorf("a code was good after 11 seconds: %d", status)
	}
	_, reading := exchange(url.Values{"grant_type": {"authorization_code"}, "code": {code("REPO_READ")}})
	dcWant(t, reading["access_token"].(string), 401, admin)
	_, paths := dcFilled(t, base)
	dcWant(t, reading["access_token"].(string), 401, paths[0]+"/webhooks")
}
