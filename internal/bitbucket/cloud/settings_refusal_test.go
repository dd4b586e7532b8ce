package cloud_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/windlass-hq/windlass/internal/bitbucket"
	"github.com/windlass-hq/windlass/internal/bitbucket/cloud"
	"github.com/windlass-hq/windlass/internal/bitbucket/sandbox"
	"github.com/windlass-hq/windlass/internal/fault"
	"github.com/windlass-hq/windlass/internal/graph"
)

// TestGroupsMayBeGone lets the old API end as its removal would look: groups and members are unknown then, not none.
func TestGroupsMayBeGone(t *testing.T) {
	for name, status := range map[string]int{"404": 404, "410": 410} {
		t.Run(name, func(t *testing.T) {
			for _, message := range []string{"Resource not found", "CHANGE-2770 - Functionality has been deprecated"} {
				c, s := open(t, map[string]any{"/1.0/groups/acme": func(w http.ResponseWriter, _ *http.Request) { fail(w, status, message) }})
				pages := 0
				err := listOf(t, c, workspacePlace(), bitbucket.ListGroups).Pages(t.Context(), func(bitbucket.Page) error { pages++; return nil })
				if !fault.Is(err, fault.Unavailable) || !strings.Contains(err.Error(), "unknown") || pages > 0 || fault.RemedyOf(err) == "" {
					t.Errorf("%v after %d pages", err, pages)
				}
				if diff := cmp.Diff([]string{"/1.0/groups/acme"}, s.asked); diff != "" {
					t.Errorf("asked (-want +got):\n%s", diff)
				}
			}
		})
	}
	c, _ := open(t, map[string]any{"/1.0/groups/acme": `{"values":[]}`})
	err := listOf(t, c, workspacePlace(), bitbucket.ListGroups).Pages(t.Context(), func(bitbucket.Page) error { return nil })
	if !fault.Is(err, fault.Unavailable) || !strings.Contains(err.Error(), "no list") {
		t.Errorf("an answer that is no list: %v", err)
	}
}

// TestRefusalsOfSettingsNameTheRight takes each right away. What comes is a denial that names it; a scope that is known
// to be missing is asked for once and not again for every repository.
func TestRefusalsOfSettingsNameTheRight(t *testing.T) {
	s := box(t, sandbox.Options{Repositories: 4, PullRequests: 20, Users: 8})
	c := newClient(t, s)
	all, err := walk(t, c, "acme")
	if err != nil {
		t.Fatal(err)
	}
	for kind, lists := range map[string]map[string]string{
		graph.TypeWorkspace: {bitbucket.ListGroups: "account", bitbucket.ListUserPermissions: "account", bitbucket.ListWebhooks: "webhook"},
		graph.TypeProject: {
			bitbucket.ListUserPermissions: "project:admin", bitbucket.ListGroupPermissions: "project:admin",
			bitbucket.ListReviewers: "project:admin", bitbucket.ListKeys: "project:admin",
		},
		graph.TypeRepo: {
			bitbucket.ListRestrictions: "repository:admin", bitbucket.ListUserPermissions: "repository:admin",
			bitbucket.ListGroupPermissions: "repository:admin", bitbucket.ListReviewers: "pullrequest", bitbucket.ListWebhooks: "webhook",
			bitbucket.ListKeys: "repository:admin", bitbucket.ListBranches: "repository", bitbucket.ListEnvironments: "pipeline",
		},
	} {
		p := firstPlace(all, kind)
		for list, scope := range lists {
			err := s.EditCredential("sandbox-key", func(c *sandbox.Credential) {
				c.Scopes = slices.DeleteFunc(sandbox.EveryScope(), func(x string) bool {
					return x == scope || x == scope+":write" || scope == "repository" && x != "account" // most others imply it
				})
			})
			if err != nil {
				t.Fatal(err)
			}
			c := newClient(t, s)
			read := func() error {
				return listOf(t, c, p, list).Pages(t.Context(), func(bitbucket.Page) error { return nil })
			}
			if err := read(); !fault.Is(err, fault.Denied) || !strings.Contains(err.Error()+fault.RemedyOf(err), scope) {
				t.Errorf("%s of a %s without %s: %v (%s)", list, kind, scope, err, fault.RemedyOf(err))
			}
			before := c.Calls()
			if err := read(); !fault.Is(err, fault.Denied) || c.Calls() != before {
				t.Errorf("%s of a %s without %s again: %v, %d calls", list, kind, scope, err, c.Calls()-before)
			}
		}
	}
}

// TestAccessTokensAreNotAskedForPermissions is FACTS 13: no call is made in vain, and the error names who can.
func TestAccessTokensAreNotAskedForPermissions(t *testing.T) {
	c, s := open(t, nil, func(o *cloud.Options) { o.Credentials = []bitbucket.Credential{tokenA} })
	for _, p := range []bitbucket.Place{workspacePlace(), repoPlace()} {
		err := listOf(t, c, p, bitbucket.ListUserPermissions).Pages(t.Context(), func(bitbucket.Page) error { return nil })
		if !fault.Is(err, fault.Denied) || !strings.Contains(fault.RemedyOf(err), "an OAuth consumer") {
			t.Errorf("%s: %v (%s)", p.Type, err, fault.RemedyOf(err))
		}
	}
	if len(s.asked) > 0 {
		t.Errorf("asked %q", s.asked)
	}
}

// TestPlacesThatNobodyKnows are a defect of the caller, or of a kind that has no settings here.
func TestPlacesThatNobodyKnows(t *testing.T) {
	c, s := open(t, nil)
	for _, p := range []bitbucket.Place{
		{Type: graph.TypeRepo, Key: "dc:1:repo:7"},
		{Type: graph.TypeProject, Key: "cloud:" + projUUID, OwnerID: wsUUID},
		{Type: graph.TypeRepo, OwnerID: wsUUID},
	} {
		lists := c.Settings(p)
		if len(lists) == 0 {
			t.Errorf("%+v has no lists", p)
		}
		for _, l := range lists {
			if err := l.Pages(t.Context(), func(bitbucket.Page) error { return nil }); !fault.Is(err, fault.Internal) {
				t.Errorf("%s: %v", l.Title, err)
			}
		}
	}
	for _, kind := range []string{graph.TypeGroup, graph.TypeUser, graph.TypePullRequest, graph.TypeInstance, ""} {
		if lists := c.Settings(bitbucket.Place{Type: kind, Key: "cloud:" + repoUUID, OwnerID: wsUUID}); lists != nil {
			t.Errorf("%q has lists: %v", kind, lists)
		}
	}
	if len(s.asked) > 0 {
		t.Errorf("asked %q", s.asked)
	}
}
