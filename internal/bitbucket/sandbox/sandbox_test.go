package sandbox_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/windlass-hq/windlass/internal/bitbucket/sandbox"
)

// token is a known access token of the workspace acme.
const token = "sandbox-cloud-token"

// start serves a sandbox until the test ends.
func start(t testing.TB, o sandbox.Options) (*sandbox.Sandbox, string) {
	t.Helper()
	s, err := sandbox.New(o)
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

// get asks with a bearer token ("" for none) and returns the answer.
func get(t testing.TB, bearer, target string) (*http.Response, []byte) {
	t.Helper()
	req, err := http.NewRequest(http.MethodGet, target, nil)
	if err != nil {
		t.Fatal(err)
	}
	if bearer != "" {
		req.Header.Set("Authorization", "Bearer "+bearer)
	}
	return do(t, req)
}

func do(t testing.TB, req *http.Request) (*http.Response, []byte) {
	t.Helper()
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, body
}

// object is a decoded JSON object.
type object = map[string]any

// want asks, checks the status and decodes the answer.
func want(t testing.TB, status int, target string) object {
	t.Helper()
	resp, body := get(t, token, target)
	if resp.StatusCode != status {
		t.Fatalf("GET %s: status %d, want %d: %.300s", target, resp.StatusCode, status, body)
	}
	var o object
	if err := json.Unmarshal(body, &o); err != nil {
		t.Fatalf("GET %s: %v in %.300s", target, err, body)
	}
	return o
}

// walk follows `next` to the end and returns all values.
func walk(t testing.TB, target string) []object {
	t.Helper()
	var all []object
	for pages := 0; target != ""; pages++ {
		if pages > 1000 {
			t.Fatal("the pages do not end")
		}
		page := want(t, http.StatusOK, target)
		for _, v := range page["values"].([]any) {
			all = append(all, v.(object))
		}
		target, _ = page["next"].(string)
	}
	return all
}

// at returns what is found along dotted keys.
func at(v any, path string) any {
	for k := range strings.SplitSeq(path, ".") {
		o, ok := v.(object)
		if !ok {
			return nil
		}
		v = o[k]
	}
	return v
}

func TestEveryWorkspaceWalkAgreesWithTheStatistics(t *testing.T) {
	s, base := start(t, sandbox.Options{})
	api := base + "/cloud/2.0"
	projects, repos, prs := 0, 0, 0
	users := map[any]bool{}
	bearer := oauthToken(t, base+"/cloud/site/oauth2/access_token", "sandbox-key", "sandbox-secret")
	for _, ws := range []string{"acme", "acme-labs"} {
		for _, m := range walkAs(t, bearer, api+"/workspaces/"+ws+"/members?pagelen=9") {
			users[at(m, "user.uuid")] = true
		}
		projects += len(walkAs(t, bearer, api+"/workspaces/"+ws+"/projects?pagelen=7"))
		for _, r := range walkAs(t, bearer, api+"/repositories/"+ws+"?pagelen=5") {
			repos++
			list := walkAs(t, bearer, api+"/repositories/"+r["full_name"].(string)+"/pullrequests?state=ALL&pagelen=50&fields=%2Bvalues.participants")
			prs += len(list)
			for _, p := range list {
				people := append([]any{p["author"], p["closed_by"]}, p["participants"].([]any)...)
				for _, x := range people {
					if u := at(x, "user"); u != nil {
						x = u
					}
					if x != nil {
						users[at(x, "uuid")] = true
					}
				}
			}
		}
	}
	got := s.Stats().Products.Cloud
	if got.Projects != projects || got.Repositories != repos || got.PullRequests != prs {
		t.Errorf("stats %+v, walked %d projects, %d repositories, %d pull requests", got, projects, repos, prs)
	}
	if got.Users != len(users) {
		t.Errorf("stats count %d users, the walk met %d", got.Users, len(users))
	}
	if repos != 24 || prs != 300 {
		t.Errorf("walked %d repositories and %d pull requests, want 24 and 300", repos, prs)
	}
}

func walkAs(t testing.TB, bearer, target string) []object {
	t.Helper()
	var all []object
	for target != "" {
		resp, body := get(t, bearer, target)
		var page object
		if err := json.Unmarshal(body, &page); err != nil || resp.StatusCode != http.StatusOK {
			t.Fatalf("GET %s: %s %.300s", target, resp.Status, body)
		}
		for _, v := range page["values"].([]any) {
			all = append(all, v.(object))
		}
		target, _ = page["next"].(string)
	}
	return all
}

func oauthToken(t testing.TB, target, key, secret string) string {
	t.Helper()
	req, err := http.NewRequest(http.MethodPost, target, strings.NewReader(url.Values{"grant_type": {"client_credentials"}}.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	req.SetBasicAuth(key, secret)
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, body := do(t, req)
	var answer struct {
		AccessToken string `json:"access_token"`
		TokenType   string `json:"token_type"`
		ExpiresIn   int    `json:"expires_in"`
	}
	if err := json.Unmarshal(body, &answer); err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("token: %s %s", resp.Status, body)
	}
	if answer.TokenType != "bearer" || answer.ExpiresIn != int(2*time.Hour/time.Second) {
		t.Errorf("token answer %s", body)
	}
	return answer.AccessToken
}
