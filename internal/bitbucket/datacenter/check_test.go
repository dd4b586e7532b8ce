package datacenter_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/windlass-hq/windlass/internal/bitbucket"
	"github.com/windlass-hq/windlass/internal/bitbucket/datacenter"
	"github.com/windlass-hq/windlass/internal/bitbucket/sandbox"
	"github.com/windlass-hq/windlass/internal/fault"
)

func TestOptions(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(*datacenter.Options)
		code   fault.Code
		says   string
	}{
		"no URL":           {func(o *datacenter.Options) { o.URL = "" }, fault.Invalid, "not the URL"},
		"plain http":       {func(o *datacenter.Options) { o.URL = "http://bb.example" }, fault.Invalid, "--allow-http"},
		"no instance":      {func(o *datacenter.Options) { o.Instance = "" }, fault.Internal, "instance id"},
		"instance of keys": {func(o *datacenter.Options) { o.Instance = "a:b" }, fault.Internal, "instance id"},
		"empty project":    {projects("ENG", " "), fault.Invalid, "--project"},
		"no project":       {projects("projects/ENG"), fault.Invalid, "no project key"},
		"API token":        {with(bitbucket.Credential{Kind: bitbucket.APIToken, Identity: "a@b", Secret: "x"}), fault.Invalid, "HTTP access token"},
		"no credential":    {with(), fault.Invalid, "no credential"},
	} {
		t.Run(name, func(t *testing.T) {
			o := datacenter.Options{URL: "https://bb.example", Instance: "i1", Credentials: []bitbucket.Credential{tokenA}, Connection: "own"}
			tc.change(&o)
			if _, err := datacenter.New(o); !fault.Is(err, tc.code) || !strings.Contains(err.Error(), tc.says) {
				t.Errorf("%v, want %q", err, tc.says)
			}
		})
	}
	c, err := datacenter.New(datacenter.Options{URL: "http://bb.example/bb/dashboard", Instance: "i1", Credentials: []bitbucket.Credential{tokenA}, AllowHTTP: true})
	if err != nil || c.URL() != "http://bb.example/bb" {
		t.Errorf("%v, %v", c, err)
	}
}

func TestCheck(t *testing.T) {
	s := box(t, sandbox.Options{Repositories: 20, PullRequests: 20, Users: 12})
	dc := s.DataCenter()
	for _, p := range []string{"ZEBRA", "ZEBRAS"} {
		if _, err := dc.CreateProject(sandbox.DCProjectSpec{Key: p, Name: "The " + p}); err != nil {
			t.Fatal(err)
		}
	}
	must := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	must(dc.AddCredential(sandbox.DCCredential{Name: "zebra", Token: "token-of-zebra", Projects: []string{"ZEBRA"}}))
	must(dc.AddCredential(sandbox.DCCredential{Name: "old", User: "robot-3", Token: "old-token", Expired: true}))
	zebra := bitbucket.Credential{Kind: bitbucket.Token, Secret: "token-of-zebra"}
	old := bitbucket.Credential{Kind: bitbucket.Token, Secret: "old-token"}

	t.Run("all is well", func(t *testing.T) {
		report, err := openBox(t, s.Handler(), with(adminPassword, zebra)).Check(t.Context(), []string{"zebra"})
		if err != nil || len(report.Credentials) != 2 || len(report.Workspaces) != 1 {
			t.Fatalf("%+v, %v", report, err)
		}
		a, b := report.Credentials[0], report.Credentials[1]
		if !a.Valid || a.Account != "admin" || a.ScopesKnown || a.Problem != "" || !b.Valid || !strings.HasPrefix(b.Account, "access-token-user/") {
			t.Errorf("credentials %+v", report.Credentials)
		}
		p := report.Workspaces[0]
		if !p.Found || p.Slug != "ZEBRA" || p.Name != "The ZEBRA" || p.UUID == "" || !slices.Equal(p.Principals, []string{a.Principal, b.Principal}) {
			t.Errorf("project %+v", p)
		}
	})
	t.Run("one is refused", func(t *testing.T) {
		report, err := openBox(t, s.Handler(), with(adminToken, old)).Check(t.Context(), nil)
		if !fault.Is(err, fault.Unauthorized) || !report.Credentials[0].Valid || report.Credentials[1].Valid || report.Credentials[1].Problem == "" {
			t.Errorf("%+v, %v", report, err)
		}
	})
	t.Run("mistyped project", func(t *testing.T) {
		report, err := openBox(t, s.Handler()).Check(t.Context(), []string{"ZEBAR", "ZEBRA"})
		if !fault.Is(err, fault.NotFound) || !strings.Contains(fault.RemedyOf(err), "ZEBRA") || report.Workspaces[0].Found || !report.Workspaces[1].Found {
			t.Errorf("%+v, %v", report, err)
		}
		if !slices.Contains(report.Workspaces[0].Near, "ZEBRA") {
			t.Errorf("near %q", report.Workspaces[0].Near)
		}
	})
	t.Run("project out of reach", func(t *testing.T) {
		report, err := openBox(t, s.Handler(), with(zebra)).Check(t.Context(), []string{"ZEBRAS"})
		if !fault.Is(err, fault.Denied) || !report.Credentials[0].Valid || report.Workspaces[0].Found {
			t.Errorf("%+v, %v", report, err)
		}
	})
	t.Run("refused at /admin", func(t *testing.T) {
		c := openBox(t, s.Handler())
		n := 0
		if err := c.Users(t.Context(), func(p bitbucket.Page) error { n += len(p.Objects); return nil }); err != nil || n < 12 {
			t.Errorf("%d users without /admin, %v", n, err)
		}
	})
}

// TestTheWrongThingAnswers points a connection at something that is no Data Center.
func TestTheWrongThingAnswers(t *testing.T) {
	for name, tc := range map[string]struct {
		answer http.HandlerFunc
		code   fault.Code
		says   string
	}{
		"web page": {func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprint(w, "<!DOCTYPE html><title>Confluence</title>")
		}, fault.Unavailable, "Confluence"},
		"other JSON": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X-AUSERNAME", "ann")
			fmt.Fprint(w, `{"baseUrl":"https://jira"}`)
		}, fault.Unavailable, "states no version"},
		"nothing": {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(404) }, fault.NotFound, "application-properties"},
	} {
		t.Run(name, func(t *testing.T) {
			c := openIn(t, tc.answer)
			if _, err := c.Instance(t.Context()); !fault.Is(err, tc.code) || !strings.Contains(err.Error(), tc.says) {
				t.Errorf("Instance: %v", err)
			}
			if _, err := c.Check(t.Context(), nil); err == nil || !strings.Contains(err.Error(), tc.says) {
				t.Errorf("Check: %v", err)
			}
		})
	}
}
