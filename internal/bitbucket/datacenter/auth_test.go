package datacenter_test

import (
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/windlass-hq/windlass/internal/bitbucket"
	"github.com/windlass-hq/windlass/internal/bitbucket/datacenter"
	"github.com/windlass-hq/windlass/internal/bitbucket/sandbox"
	"github.com/windlass-hq/windlass/internal/fault"
	"github.com/windlass-hq/windlass/internal/graph"
)

// TestNotPermittedIsNotRefused answers 401 for what somebody known may not read (FACTS 120): the credential stays in
// use, and what it may not read is denied.
func TestNotPermittedIsNotRefused(t *testing.T) {
	c := openIn(t, handler(func(w http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.URL.Path, "/repos/engine/") {
			fail(w, 401, "com.atlassian.bitbucket.AuthorisationException", "You are not permitted to access this resource")
			return
		}
		fmt.Fprint(w, page(0, 1000, -1, projectJSON(1, "P1")))
	}))
	ignore := func(bitbucket.Page) error { return nil }
	err := c.PullRequests(t.Context(), engine(), ignore)
	if !fault.Is(err, fault.Denied) || !strings.Contains(err.Error(), "not permitted") {
		t.Errorf("%v, want denied with the instance's words", err)
	}
	ref := bitbucket.Ref{Type: graph.TypePullRequest, Key: "dc:i1:repo:42:pr:1", Project: "ENG", Slug: "engine"}
	if got, err := c.Exists(t.Context(), ref); got != bitbucket.Hidden || err != nil {
		t.Errorf("Exists: %q, %v", got, err)
	}
	if names, err := listProjects(t, c); err != nil || len(names) != 1 {
		t.Errorf("afterwards: %q, %v", names, err)
	}
	for _, b := range c.Budgets() {
		if b.Trouble != "" {
			t.Errorf("%s is in trouble: %s", b.Name, b.Trouble)
		}
	}
}

// TestARevokedTokenIsRefused answers 401 to everything from one moment on.
func TestARevokedTokenIsRefused(t *testing.T) {
	revoked := false
	inner := handler(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, page(0, 1000, -1, projectJSON(1, "P1"))) })
	calls := 0
	c := openIn(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		calls++
		if revoked && who(r) == "a" {
			fail(w, 401, "com.atlassian.bitbucket.auth.IncorrectPasswordAuthenticationException", "Authentication failed.")
			return
		}
		inner.ServeHTTP(w, r)
	}), with(tokenA, tokenB))
	if _, err := c.Instance(t.Context()); err != nil {
		t.Fatal(err)
	}
	revoked = true
	if names, err := listProjects(t, c); err != nil || len(names) != 1 {
		t.Errorf("the other one: %q, %v", names, err)
	}
	calls = 0
	if names, err := listProjects(t, c); err != nil || len(names) != 1 || calls != 1 {
		t.Errorf("%d calls after the token was found dead, %q, %v", calls, names, err)
	}

	c = openIn(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fail(w, 401, "x", "no") }))
	if _, err := listProjects(t, c); !fault.Is(err, fault.Unauthorized) {
		t.Errorf("refused at once: %v", err)
	}
	if report, err := c.Check(t.Context(), nil); !fault.Is(err, fault.Unauthorized) || report.Credentials[0].Valid {
		t.Errorf("checked afterwards: %+v, %v", report, err)
	}
}

// TestWhatARefusalSays answers 401 in several ways to somebody who was identified, then revokes the credential. Only a
// refusal that names the same user, and is about permission and nothing else, is believed without asking again; after
// whichever the credential is judged by who it belongs to (HARD-PARTS B, a dead credential).
func TestWhatARefusalSays(t *testing.T) {
	const permission = "com.atlassian.bitbucket.AuthorisationException"
	says := func(user string, exceptions ...string) func(http.ResponseWriter) {
		return func(w http.ResponseWriter) {
			w.Header().Set("X-AUSERNAME", user)
			w.WriteHeader(401)
			var all []string
			for _, e := range exceptions {
				all = append(all, fmt.Sprintf(`{"context":null,"message":"You are not permitted","exceptionName":%q}`, e))
			}
			fmt.Fprint(w, `{"errors":[`+strings.Join(all, ",")+`]}`)
		}
	}
	for name, tc := range map[string]struct {
		answer func(http.ResponseWriter)
		calls  int64
	}{
		"it says all":         {says("a", permission), 1},
		"twice":               {says("a", permission, permission), 1},
		"of nobody":           {says("", permission), 2},
		"of somebody else":    {says("b", permission), 2},
		"of a login":          {says("a", "com.atlassian.bitbucket.auth.IncorrectPasswordAuthenticationException"), 2},
		"of a login as well":  {says("a", permission, "com.atlassian.bitbucket.auth.IncorrectPasswordAuthenticationException"), 2},
		"without a reason":    {says("a"), 2},
		"a reason of no name": {says("a", ""), 2},
		"no JSON": {func(w http.ResponseWriter) {
			w.Header().Set("X-AUSERNAME", "a")
			w.WriteHeader(401)
			fmt.Fprint(w, permission)
		}, 2},
		"a web page": {func(w http.ResponseWriter) {
			w.Header().Set("X-AUSERNAME", "a")
			w.Header().Set("Content-Type", "text/html")
			w.WriteHeader(401)
			fmt.Fprint(w, "<html>log in")
		}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			revoked := false
			c := openIn(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				switch {
				case revoked:
					fail(w, 401, "com.atlassian.bitbucket.auth.IncorrectPasswordAuthenticationException", "Authentication failed.")
				case strings.HasSuffix(r.URL.Path, "/application-properties"):
					w.Header().Set("X-AUSERNAME", who(r))
					fmt.Fprint(w, app)
				default:
					tc.answer(w)
				}
			}))
			if _, err := c.Instance(t.Context()); err != nil {
				t.Fatal(err)
			}
			ignore := func(bitbucket.Page) error { return nil }
			before := c.Calls()
			err := c.PullRequests(t.Context(), engine(), ignore)
			if calls := c.Calls() - before; tc.calls > 0 && (calls != tc.calls || !fault.Is(err, fault.Denied)) {
				t.Errorf("%d calls, want %d; %v", calls, tc.calls, err)
			}
			if tc.calls > 0 && c.Budgets()[0].Trouble != "" {
				t.Errorf("it is in trouble: %s", c.Budgets()[0].Trouble)
			}
			revoked = true
			if err := c.PullRequests(t.Context(), engine(), ignore); !fault.Is(err, fault.Unauthorized) {
				t.Errorf("revoked: %v", err)
			}
			before = c.Calls()
			if err := c.PullRequests(t.Context(), engine(), ignore); !fault.Is(err, fault.Unauthorized) || c.Calls() != before {
				t.Errorf("dead, and asked again: %v", err)
			}
		})
	}
}

// TestWrongPassword asks once: more tries would lock the user out (FACTS 119).
func TestWrongPassword(t *testing.T) {
	s := box(t, sandbox.Options{Repositories: 2, PullRequests: 2, Users: 5})
	wrong := bitbucket.Credential{Kind: bitbucket.Basic, Identity: "admin", Secret: "wrong-password"}
	failed := 0
	counting := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rec := httptest.NewRecorder()
		s.Handler().ServeHTTP(rec, r)
		if rec.Code == 401 {
			failed++
		}
		maps.Copy(w.Header(), rec.Header())
		w.WriteHeader(rec.Code)
		_, _ = w.Write(rec.Body.Bytes())
	})
	synctest.Test(t, func(t *testing.T) {
		c := openBox(t, counting, with(wrong))
		report, err := c.Check(t.Context(), []string{"ENG"})
		if !fault.Is(err, fault.Unauthorized) || !strings.Contains(err.Error(), "Authentication failed") || report.Credentials[0].Valid {
			t.Errorf("%v", err)
		}
		if _, err := walk(t, c); !fault.Is(err, fault.Unauthorized) {
			t.Errorf("walk: %v", err)
		}
		if failed != 1 {
			t.Errorf("%d failed logins", failed)
		}
		for range 5 { // somebody else tries on
			_, _ = openBox(t, counting, with(wrong)).Instance(t.Context())
		}
		_, err = openBox(t, counting, with(adminPassword)).Instance(t.Context())
		if !fault.Is(err, fault.Unauthorized) || !strings.Contains(err.Error(), "CAPTCHA") || !strings.Contains(fault.RemedyOf(err), "log in") {
			t.Errorf("%v, want a word about the CAPTCHA", err)
		}
		s.DataCenter().SolveCaptcha("admin")
		if _, err := openBox(t, counting, with(adminPassword)).Instance(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// TestAnotherUsersAnswer lets a cache answer with what another user was shown.
func TestAnotherUsersAnswer(t *testing.T) {
	c := openIn(t, handler(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-AUSERNAME", "mallory")
		fmt.Fprint(w, page(0, 1000, -1, projectJSON(1, "P1")))
	}))
	if _, err := c.Instance(t.Context()); err != nil {
		t.Fatal(err)
	}
	if names, err := listProjects(t, c); !fault.Is(err, fault.Unavailable) || !strings.Contains(err.Error(), "mallory") || len(names) > 0 {
		t.Errorf("%q, %v", names, err)
	}
}

// TestNamesInHeaders come percent-encoded.
func TestNamesInHeaders(t *testing.T) {
	for header, want := range map[string]string{"ann": "ann", "ann%40acme.example": "ann@acme.example", "J%C3%B6rg": "Jörg", "%zz": "%zz", "a+b": "a b"} {
		c := openIn(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X-AUSERNAME", header)
			fmt.Fprint(w, app)
		}))
		report, err := c.Check(t.Context(), nil)
		if err != nil || report.Credentials[0].Account != want || report.Credentials[0].Principal != "user:"+want {
			t.Errorf("%s: %+v, %v", header, report.Credentials, err)
		}
	}
}

// TestTheClientOfARoleIsJudgedByItsOwnCredentials opens the client that reads settings: what the credential for data is
// worth is not its concern.
func TestTheClientOfARoleIsJudgedByItsOwnCredentials(t *testing.T) {
	data, access := tokenA, tokenB
	data.Role, access.Role = bitbucket.RoleData, bitbucket.RoleAccess
	for refused, good := range map[string]bool{"a": true, "b": false} {
		c := openIn(t, refusing(refused), with(data, access), func(o *datacenter.Options) { o.Role = bitbucket.RoleAccess })
		if _, err := c.Instance(t.Context()); (err == nil) != good || !good && !fault.Is(err, fault.Unauthorized) {
			t.Errorf("%s is refused: %v", refused, err)
		}
	}
}

// refusing answers application-properties as the caller, and refuses one of them.
func refusing(refused string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if who(r) == refused {
			fail(w, 401, "com.atlassian.bitbucket.auth.IncorrectPasswordAuthenticationException", "Authentication failed.")
			return
		}
		w.Header().Set("X-AUSERNAME", who(r))
		fmt.Fprint(w, app)
	})
}
