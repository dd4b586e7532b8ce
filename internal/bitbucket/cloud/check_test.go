package cloud_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/windlass-hq/windlass/internal/bitbucket"
	"github.com/windlass-hq/windlass/internal/bitbucket/cloud"
	"github.com/windlass-hq/windlass/internal/fault"
	"github.com/windlass-hq/windlass/internal/graph"
)

const allScopes = "account project pullrequest"

func tokenAnswer(scopes string) func(http.ResponseWriter, *http.Request) {
	return func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, `{"access_token":"fresh-token","scope":%q,"expires_in":7200}`, scopes)
	}
}

// withScopes answers with the header that names the scopes of the credential (FACTS 34).
func withScopes(scopes, body string) func(http.ResponseWriter, *http.Request) {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-OAuth-Scopes", scopes)
		fmt.Fprint(w, body)
	}
}

func refuse(status int, body string) func(http.ResponseWriter, *http.Request) {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		fmt.Fprint(w, body)
	}
}

const ann = `{"type":"user","display_name":"Ann","uuid":"{` + annUUID + `}"}`

func TestCheckFindsWhatACredentialLacks(t *testing.T) {
	apiToken := bitbucket.Credential{Kind: bitbucket.APIToken, Identity: "ann@acme.example", Secret: "hunter2-secret"}
	for name, tc := range map[string]struct {
		cred    bitbucket.Credential
		answers map[string]any
		noPRs   bool
		code    fault.Code // empty for none
		missing []string
		says    []string
		account string
	}{
		"all is well": {cred: consumer, answers: map[string]any{"/user": ann}, account: "Ann"},
		"scope missing": {
			cred: consumer, answers: map[string]any{"/user": ann, "/site/oauth2/access_token": tokenAnswer("account repository")},
			code: fault.Denied, missing: []string{"project", "pullrequest"}, account: "Ann",
			says: []string{"sand…ey", "project (for projects)", "pullrequest (for pull requests, reviewers and approvals)", "OAuth consumers"},
		},
		"no pull requests wanted": {
			cred: consumer, answers: map[string]any{"/user": ann, "/site/oauth2/access_token": tokenAnswer("account project")}, noPRs: true, account: "Ann",
		},
		"admin scopes read nothing": {
			cred: consumer, answers: map[string]any{"/user": ann, "/site/oauth2/access_token": tokenAnswer("account project:admin repository:admin")},
			code: fault.Denied, missing: []string{"project", "repository", "pullrequest"}, account: "Ann",
		},
		"API token without user scope": {
			cred:    apiToken,
			answers: map[string]any{"/user": refuse(403, `{"type":"error","error":{"message":"Your credentials lack one or more required privilege scopes.","detail":{"required":["read:user:bitbucket"],"granted":["read:repository:bitbucket"]}}}`)},
			code:    fault.Denied, missing: []string{"read:workspace:bitbucket", "read:project:bitbucket", "read:pullrequest:bitbucket"},
			says: []string{"ann@acme.example", "read:pullrequest:bitbucket", "make a new token"},
		},
		"access token by header": {
			cred: tokenA, answers: map[string]any{"/user": withScopes("pullrequest, account", ann)},
			code: fault.Denied, missing: []string{"project"}, account: "Ann",
		},
		"expired token": {
			cred: tokenA, answers: map[string]any{"/user": refuse(401, `{"type":"error","error":{"message":"Token is invalid, expired, or not supported for this endpoint."}}`)},
			code: fault.Unauthorized, says: []string{"fingerprint", "Token is invalid, expired", "connection credential add acme"},
		},
		"wrong client secret": {
			cred: consumer, answers: map[string]any{"/site/oauth2/access_token": refuse(401, `{"error":"unauthorized_client","error_description":"Invalid client secret"}`)},
			code: fault.Unauthorized, says: []string{"sand…ey", "Invalid client secret"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			tc.answers["/workspaces/acme"] = wsAnswer
			c, _ := open(t, tc.answers, func(o *cloud.Options) {
				o.Credentials, o.NoPullRequests = []bitbucket.Credential{tc.cred}, tc.noPRs
			})
			report, err := c.Check(t.Context(), []string{" Acme "})
			if fault.CodeOf(err) != tc.code {
				t.Fatalf("code %q, want %q: %v", fault.CodeOf(err), tc.code, err)
			}
			cr := report.Credentials[0]
			var missing []string
			for _, m := range cr.Missing {
				missing = append(missing, m.Scope)
			}
			if !slices.Equal(missing, tc.missing) || cr.Account != tc.account || cr.Valid != (tc.code != fault.Unauthorized) || (cr.Problem == "") != (err == nil) {
				t.Errorf("report %+v", cr)
			}
			for _, want := range tc.says {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q lacks %q", err, want)
				}
			}
			if text := fmt.Sprint(report, err); strings.Contains(text, "hunter2") || strings.Contains(text, "token-a") || strings.Contains(text, "sandbox-secret") {
				t.Errorf("a secret leaks: %s", text)
			}
			if cr.Valid && !report.Workspaces[0].Found {
				t.Errorf("workspace %+v", report.Workspaces[0])
			}
		})
	}
}

func TestAMistypedWorkspaceGetsSuggestions(t *testing.T) {
	entry := func(slug string) string {
		return `{"type":"workspace_access","administrator":false,"workspace":{"type":"workspace_base","slug":"` + slug + `","uuid":"{` + wsUUID + `}"}}`
	}
	answers := map[string]any{
		"/user":            ann,
		"/workspaces/acme": wsAnswer,
		"/workspaces/amce": refuse(404, `{"type":"error","error":{"message":"No workspace with identifier 'amce'."}}`),
		"/user/workspaces": `{"values":[` + entry("zebra") + `,` + entry("acme-labs") + `,` + entry("acme") + `]}`,
	}
	c, _ := open(t, answers)
	report, err := c.Check(t.Context(), []string{"acme", "amce"})
	if !fault.Is(err, fault.NotFound) || !strings.Contains(err.Error(), `"amce"`) || fault.RemedyOf(err) != "did you mean acme?" {
		t.Errorf("%v", err)
	}
	want := []bitbucket.WorkspaceReport{
		{Wanted: "acme", Found: true, Slug: "acme", Name: "Acme", UUID: wsUUID, Principals: []string{"oauth:sandbox-key"}},
		{Wanted: "amce", Near: []string{"acme"}, Problem: err.Error()},
	}
	if diff := cmp.Diff(want, report.Workspaces); diff != "" {
		t.Error(diff)
	}
	if _, err := c.Workspaces(t.Context(), []string{"amce"}); fault.RemedyOf(err) != "did you mean acme?" {
		t.Errorf("Workspaces: %v", err)
	}
	delete(answers, "/user/workspaces") // an access token may not list them
	if _, err := c.Workspaces(t.Context(), []string{"amce"}); !strings.Contains(fault.RemedyOf(err), "after bitbucket.org/") {
		t.Errorf("without suggestions: %v", err)
	}
}

func TestOwnWorkspacesAreFound(t *testing.T) {
	c, s := open(t, map[string]any{
		"/user/workspaces?pagelen=100":     `{"values":[{"workspace":{"slug":"acme","uuid":"{` + strings.ToUpper(wsUUID) + `}"}}]}`,
		"/workspaces/%7B" + wsUUID + "%7D": wsAnswer,
	})
	found, err := c.Workspaces(t.Context(), nil)
	if err != nil || len(found) != 1 || found[0].UUID != wsUUID {
		t.Errorf("%+v, %v; asked %q", found, err, s.asked)
	}
	none, _ := open(t, map[string]any{"/user/workspaces": `{"values":[]}`})
	if _, err := none.Workspaces(t.Context(), nil); !fault.Is(err, fault.NotFound) || !strings.Contains(err.Error(), "--workspace") {
		t.Errorf("%v", err)
	}
}

// TestOnlyWhoSeesEverythingListsAWorkspace has two tokens, one of which sees a single repository: it may not list
// the workspace, and only it is passed over.
func TestOnlyWhoSeesEverythingListsAWorkspace(t *testing.T) {
	listed := map[string]int{}
	c := openIn(t, func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/2.0/workspaces/acme":
			fmt.Fprint(w, wsAnswer)
		case r.URL.Query().Get("pagelen") == "1":
			fmt.Fprintf(w, `{"size":%d,"values":[]}`, map[string]int{"a": 1, "b": 40}[who(r)])
		default:
			listed[who(r)+" "+strings.TrimPrefix(r.URL.Path, "/2.0/")]++
			fmt.Fprint(w, `{"values":[]}`)
		}
	}, tokenA, tokenB)
	found, err := c.Workspaces(t.Context(), []string{"acme"})
	if err != nil {
		t.Fatal(err)
	}
	ignore := func(bitbucket.Page) error { return nil }
	for range 3 {
		if err := c.Repositories(t.Context(), found[0], ignore); err != nil {
			t.Fatal(err)
		}
		if err := c.PullRequests(t.Context(), acmeRepo(), ignore); err != nil {
			t.Fatal(err)
		}
	}
	prs := "repositories/{" + wsUUID + "}/{" + repoUUID + "}/pullrequests"
	if listed["b repositories/{"+wsUUID+"}"] != 3 || listed["a "+prs] == 0 {
		t.Errorf("listed %v: b lists the repositories, both list pull requests", listed)
	}
}

func TestExists(t *testing.T) {
	const repo = "cloud:" + repoUUID
	found := func(body string) func(string) (int, string) {
		return func(string) (int, string) { return 200, body }
	}
	status := func(byWho map[string]int) func(string) (int, string) {
		return func(me string) (int, string) { return byWho[me], `{"type":"error","error":{"message":"x"}}` }
	}
	for name, tc := range map[string]struct {
		ref    bitbucket.Ref
		path   string
		answer func(me string) (int, string)
		want   bitbucket.Presence
		code   fault.Code
	}{
		"repository":                    {bitbucket.Ref{Type: graph.TypeRepo, Key: repo, Workspace: wsUUID}, "/repositories/{" + wsUUID + "}/{" + repoUUID + "}", found(`{"uuid":"{` + repoUUID + `}"}`), bitbucket.Present, ""},
		"without workspace":             {bitbucket.Ref{Type: graph.TypeRepo, Key: repo}, "/repositories/{}/{" + repoUUID + "}", found(`{"uuid":"{` + repoUUID + `}"}`), bitbucket.Present, ""},
		"pull request":                  {bitbucket.Ref{Type: graph.TypePullRequest, Key: repo + ":pr:7", Workspace: "acme"}, "/repositories/acme/{" + repoUUID + "}/pullrequests/7", found(`{"id":7}`), bitbucket.Present, ""},
		"member":                        {bitbucket.Ref{Type: graph.TypeUser, Key: "cloud:user:" + annUUID, Workspace: "acme"}, "/workspaces/acme/members/{" + annUUID + "}", found(`{"user":{"uuid":"{` + annUUID + `}"}}`), bitbucket.Present, ""},
		"workspace":                     {bitbucket.Ref{Type: graph.TypeWorkspace, Key: "cloud:" + wsUUID}, "/workspaces/{" + wsUUID + "}", found(wsAnswer), bitbucket.Present, ""},
		"project":                       {bitbucket.Ref{Type: graph.TypeProject, Key: "cloud:" + projUUID, Workspace: "acme", Project: "ENG"}, "/workspaces/acme/projects/ENG", found(`{"uuid":"{` + projUUID + `}"}`), bitbucket.Present, ""},
		"another project under the key": {bitbucket.Ref{Type: graph.TypeProject, Key: "cloud:" + projUUID, Workspace: "acme", Project: "ENG"}, "/workspaces/acme/projects/ENG", found(`{"uuid":"{` + repoUUID + `}"}`), bitbucket.Gone, ""},
		"gone for both":                 {bitbucket.Ref{Type: graph.TypeRepo, Key: repo, Workspace: "acme"}, "", status(map[string]int{"a": 404, "b": 410}), bitbucket.Gone, ""},
		"hidden for one":                {bitbucket.Ref{Type: graph.TypeRepo, Key: repo, Workspace: "acme"}, "", status(map[string]int{"a": 403, "b": 404}), bitbucket.Hidden, ""},
		"one is dead":                   {bitbucket.Ref{Type: graph.TypeRepo, Key: repo, Workspace: "acme"}, "", status(map[string]int{"a": 401, "b": 404}), bitbucket.Gone, ""},
		"both are dead":                 {bitbucket.Ref{Type: graph.TypeRepo, Key: repo, Workspace: "acme"}, "", status(map[string]int{"a": 401, "b": 401}), "", fault.Unauthorized},
		"not understood":                {bitbucket.Ref{Type: graph.TypeRepo, Key: repo, Workspace: "acme"}, "", status(map[string]int{"a": 400, "b": 404}), "", fault.Unavailable},
		"the endpoint is gone, not the repository": {bitbucket.Ref{Type: graph.TypeRepo, Key: repo, Workspace: "acme"}, "", func(string) (int, string) {
			return 410, `{"type":"error","error":{"message":"CHANGE-2770 - Functionality has been deprecated"}}`
		}, "", fault.Unavailable},
		"seen by the second": {bitbucket.Ref{Type: graph.TypeRepo, Key: repo, Workspace: "acme"}, "", func(me string) (int, string) {
			if me == "a" {
				return 404, `{}`
			}
			return 200, `{"uuid":"{` + repoUUID + `}"}`
		}, bitbucket.Present, ""},
		"no such key": {bitbucket.Ref{Type: graph.TypeRepo, Key: "dc:1:repo:7"}, "", nil, "", fault.Internal},
	} {
		t.Run(name, func(t *testing.T) {
			c := openIn(t, func(w http.ResponseWriter, r *http.Request) {
				if got := strings.TrimPrefix(r.URL.Path, "/2.0"); tc.path != "" && got != tc.path {
					t.Errorf("asked %s, want %s", got, tc.path)
				}
				status, body := tc.answer(who(r))
				w.WriteHeader(status)
				fmt.Fprint(w, body)
			}, tokenA, tokenB)
			got, err := c.Exists(t.Context(), tc.ref)
			if got != tc.want || fault.CodeOf(err) != tc.code {
				t.Errorf("%q, %v; want %q, %q", got, err, tc.want, tc.code)
			}
		})
	}
}

func TestAddresses(t *testing.T) {
	for _, tc := range []struct{ api, site, problem string }{
		{"", "", ""},
		{"https://api.bitbucket.org", "", ""},
		{"https://bb.example/bb/2.0/", "https://bb.example/bb", ""},
		{"http://bb.example", "", "not encrypted"},
		{"bitbucket.org", "", "is not the URL"},
		{"https://bb.example", "ftp://x", "is not the URL"},
	} {
		_, err := cloud.New(cloud.Options{APIURL: tc.api, SiteURL: tc.site, Credentials: []bitbucket.Credential{consumer}})
		if (err == nil) != (tc.problem == "") || err != nil && (!fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), tc.problem)) {
			t.Errorf("%q, %q: %v, want %q", tc.api, tc.site, err, tc.problem)
		}
	}
	for _, creds := range [][]bitbucket.Credential{
		nil,
		{{Kind: bitbucket.Basic, Identity: "ann", Secret: "x"}},
		{{Kind: bitbucket.AppPassword, Identity: "ann", Secret: "x"}},
		{{Role: bitbucket.RoleHooks, Kind: bitbucket.Token, Secret: "x"}},
	} {
		if _, err := cloud.New(cloud.Options{Credentials: creds}); !fault.Is(err, fault.Invalid) || fault.RemedyOf(err) == "" {
			t.Errorf("%v: %v, want invalid with a remedy", creds, err)
		}
	}
}

// TestTheClientSecretGoesOnlyToItsSite checks where tokens are asked for when only the API's address is given.
func TestTheClientSecretGoesOnlyToItsSite(t *testing.T) {
	for api, want := range map[string]string{
		"https://api.bitbucket.org/2.0": "https://bitbucket.org/site/oauth2/access_token",
		"https://bitbucket.org/api/2.0": "https://bitbucket.org/site/oauth2/access_token",
		"https://proxy.example/bb/2.0":  "https://proxy.example/bb/site/oauth2/access_token",
	} {
		var asked string
		h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodPost {
				asked = r.URL.String()
				tokenAnswer(allScopes)(w, r)
				return
			}
			if _, _, ok := r.BasicAuth(); ok {
				t.Errorf("the client secret went to %s", r.URL)
			}
			fmt.Fprint(w, wsAnswer)
		})
		c, err := cloud.New(cloud.Options{APIURL: api, Credentials: []bitbucket.Credential{consumer}, HTTP: &http.Client{Transport: inMemory{h}}})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Workspaces(t.Context(), []string{"acme"}); err != nil || asked != want {
			t.Errorf("%s: tokens were asked of %s, want %s (%v)", api, asked, want, err)
		}
	}
}

// TestARemovedEndpointIsNoMistypedWorkspace: a 410 that names a change of the vendor's (FACTS 80) is told as that.
func TestARemovedEndpointIsNoMistypedWorkspace(t *testing.T) {
	c, _ := open(t, map[string]any{
		"/user": ann, "/workspaces/acme": refuse(410, `{"type":"error","error":{"message":"CHANGE-2770 - Functionality has been deprecated"}}`),
	})
	_, checked := c.Check(t.Context(), []string{"acme"})
	_, read := c.Workspaces(t.Context(), []string{"acme"})
	for _, err := range []error{checked, read} {
		if !fault.Is(err, fault.Unavailable) || !strings.Contains(err.Error(), "removed by Bitbucket") || !strings.Contains(err.Error(), "CHANGE-2770") {
			t.Errorf("%v, want that it was removed by Bitbucket", err)
		}
	}
}
