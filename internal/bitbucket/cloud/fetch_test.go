package cloud_test

import (
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/windlass-hq/windlass/internal/bitbucket"
	"github.com/windlass-hq/windlass/internal/fault"
	"github.com/windlass-hq/windlass/internal/graph"
)

const repoAnswer = `{"type":"repository","uuid":"{` + repoUUID + `}","name":"Engine","full_name":"acme/engine","slug":"engine",
"workspace":{"type":"workspace","uuid":"{` + wsUUID + `}","slug":"acme"},"project":{"type":"project","uuid":"{` + projUUID + `}","key":"ENG","name":"Engines"},
"updated_on":"2026-01-01T00:00:00+00:00"}`

var repoRef = bitbucket.Ref{Type: graph.TypeRepo, Key: "cloud:" + repoUUID, Workspace: wsUUID}

// TestWhoFetches holds who is asked for one object, and what is made of refusals.
func TestWhoFetches(t *testing.T) {
	lacking := `{"type":"error","error":{"message":"no","detail":{"required":["repository"],"granted":["account"]}}}`
	for name, tc := range map[string]struct {
		a, b int // status for the two principals; 0 means 200
		body string
		ref  bitbucket.Ref
		code fault.Code
		asks string
	}{
		"the first may":         {asks: "a"},
		"the first is dead":     {a: 401, asks: "ab"},
		"the first may not":     {a: 403, asks: "ab"},
		"the first sees none":   {a: 404, asks: "ab"},
		"nobody finds it":       {a: 404, b: 404, code: fault.NotFound, asks: "ab"},
		"hidden from all":       {a: 403, b: 403, code: fault.NotFound, asks: "ab"},
		"hidden from one":       {a: 404, b: 403, code: fault.NotFound, asks: "ab"},
		"all dead":              {a: 401, b: 401, code: fault.Unauthorized, asks: "ab"},
		"one dead, one none":    {a: 401, b: 404, code: fault.NotFound, asks: "ab"},
		"scope is missing":      {a: 403, b: 403, body: lacking, code: fault.Denied, asks: "ab"},
		"right is missing":      {a: 403, b: 403, ref: bitbucket.Ref{Type: graph.TypeRestriction, Key: "cloud:" + repoUUID + ":restriction:1", Workspace: wsUUID}, code: fault.Denied, asks: "ab"},
		"the server fails":      {a: 400, code: fault.Unavailable, asks: "a"},
		"answer without a UUID": {body: `{"name":"Engine"}`, code: fault.Unavailable, asks: "a"},
		"another repository":    {body: strings.Replace(repoAnswer, repoUUID, annUUID, 1), code: fault.NotFound, asks: "a"},
	} {
		t.Run(name, func(t *testing.T) {
			var asked []string
			c := openIn(t, func(w http.ResponseWriter, r *http.Request) {
				if strings.HasPrefix(r.URL.Path, "/2.0/workspaces/") {
					_, _ = io.WriteString(w, wsAnswer)
					return
				}
				asked = append(asked, who(r))
				status := map[string]int{"a": tc.a, "b": tc.b}[who(r)]
				switch {
				case status != 0 && tc.body != "":
					w.WriteHeader(status)
					_, _ = io.WriteString(w, tc.body)
				case status != 0:
					fail(w, status, "no")
				case tc.body != "":
					_, _ = io.WriteString(w, tc.body)
				default:
					_, _ = io.WriteString(w, repoAnswer)
				}
			}, tokenA, tokenB)
			ref := repoRef
			if tc.ref.Key != "" {
				ref = tc.ref
			}
			page, err := c.Fetch(t.Context(), ref)
			if got := fault.CodeOf(err); got != tc.code {
				t.Errorf("got %q (%v), want %q", got, err, tc.code)
			}
			if got := strings.Join(slices.Compact(asked), ""); got != tc.asks {
				t.Errorf("asked %q, want %q", got, tc.asks)
			}
			if err == nil && (len(page.Repos) != 1 || page.Repos[0].WorkspaceUUID != wsUUID || len(page.Met) != 1 || page.Met[0].Entity.Raw != nil) {
				t.Errorf("%+v", page)
			}
		})
	}
}

// A repository that was transferred is one of the workspace that it names itself, whatever was asked for.
func TestFetchOfWhatWasTransferred(t *testing.T) {
	c := openIn(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, repoAnswer) }, tokenA)
	ref := repoRef
	ref.Workspace = bobUUID
	page, err := c.Fetch(t.Context(), ref)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := page.Objects[0].Entity.Properties["ownerId"], wsUUID; got != want {
		t.Errorf("it belongs to %v, want %v", got, want)
	}
}

// Slugs and UUIDs of workspaces are asked for once, not for each object.
func TestAWorkspaceIsLookedUpOnce(t *testing.T) {
	lookups := 0
	c := openIn(t, func(w http.ResponseWriter, r *http.Request) {
		if !strings.Contains(r.URL.Path, "/projects/") {
			lookups++
			_, _ = io.WriteString(w, wsAnswer)
			return
		}
		_, _ = io.WriteString(w, `{"type":"project","uuid":"{`+projUUID+`}","key":"ENG","name":"Engines"}`)
	}, tokenA)
	for _, workspace := range []string{wsUUID, "acme", "{" + wsUUID + "}"} {
		page, err := c.Fetch(t.Context(), bitbucket.Ref{Type: graph.TypeProject, Key: "cloud:" + projUUID, Workspace: workspace, Project: "ENG"})
		if err != nil {
			t.Fatal(err)
		}
		if got := page.Objects[0].Entity.Properties["workspace"]; got != "acme" {
			t.Errorf("by %q: the workspace is %v", workspace, got)
		}
	}
	if lookups != 1 {
		t.Errorf("%d look-ups", lookups)
	}
}
