package cloud_test

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/windlass-hq/windlass/internal/bitbucket"
	"github.com/windlass-hq/windlass/internal/bitbucket/goldentest"
	"github.com/windlass-hq/windlass/internal/graph"
)

var update = flag.Bool("update", false, "rewrite the golden files from what the converters do now")

// TestGolden converts every input under testdata and compares with the golden file beside it.
func TestGolden(t *testing.T) {
	inputs, err := filepath.Glob("testdata/*/*.json")
	if err != nil || len(inputs) < 8 {
		t.Fatalf("inputs %q, %v", inputs, err)
	}
	for _, name := range inputs {
		if strings.HasSuffix(name, ".golden.json") {
			continue
		}
		t.Run(name, func(t *testing.T) {
			input, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			got := mustJSON(t, convertPage(t, filepath.Base(filepath.Dir(name)), input))
			file := strings.TrimSuffix(name, ".json") + ".golden.json"
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", file, diff)
			}
		})
	}
}

// convertPage serves a body as the answer of one listing and returns what the client made of it.
func convertPage(t *testing.T, kind string, body []byte) goldentest.Page {
	t.Helper()
	const (
		ws   = "/workspaces/%7B" + wsUUID + "%7D"
		repo = "/repositories/%7B" + wsUUID + "%7D/%7B" + repoUUID + "%7D"
	)
	c, _ := open(t, map[string]any{
		"/workspaces/acme":                                               string(body),
		ws + "/projects?pagelen=100":                                     string(body),
		ws + "/members?pagelen=100":                                      string(body),
		"/repositories/%7B" + wsUUID + "%7D?pagelen=100":                 string(body),
		"/repositories/{" + wsUUID + "}/{" + repoUUID + "}/pullrequests": string(body),

		"/1.0/groups/acme":                                                string(body),
		ws + "/permissions?pagelen=100":                                   string(body),
		repo + "/permissions-config/users?pagelen=100":                    string(body),
		repo + "/permissions-config/groups?pagelen=100":                   string(body),
		repo + "/branch-restrictions?pagelen=100":                         string(body),
		repo + "/default-reviewers?pagelen=100":                           string(body),
		repo + "/hooks?pagelen=100":                                       string(body),
		repo + "/deploy-keys?pagelen=100":                                 string(body),
		repo + "/environments?pagelen=100":                                string(body),
		"/repositories/{" + wsUUID + "}/{" + repoUUID + "}/refs/branches": string(body),
	})
	ctx := t.Context()
	var out goldentest.Page
	add := func(p bitbucket.Page) error {
		out.Add(body, p)
		checkDeclared(t, append(append([]graph.Object{}, p.Objects...), p.Met...))
		return nil
	}
	var err error
	switch kind {
	case "workspace":
		found, e := c.Workspaces(ctx, []string{"acme"})
		for _, w := range found {
			_ = add(bitbucket.Page{Objects: []graph.Object{w.Object}})
		}
		err = e
	case "projects":
		err = c.Projects(ctx, acme(), add)
	case "members":
		err = c.Members(ctx, acme(), add)
	case "repositories":
		err = c.Repositories(ctx, acme(), add)
	case "pullrequests":
		err = c.PullRequests(ctx, acmeRepo(), add)
	case "groups":
		err = listOf(t, c, workspacePlace(), bitbucket.ListGroups).Pages(ctx, add)
	case "workspacepermissions":
		err = listOf(t, c, workspacePlace(), bitbucket.ListUserPermissions).Pages(ctx, add)
	default:
		list := map[string]string{
			"userpermissions": bitbucket.ListUserPermissions, "grouppermissions": bitbucket.ListGroupPermissions, "restrictions": bitbucket.ListRestrictions,
			"reviewers": bitbucket.ListReviewers, "hooks": bitbucket.ListWebhooks, "keys": bitbucket.ListKeys,
			"environments": bitbucket.ListEnvironments, "branches": bitbucket.ListBranches,
		}[kind]
		err = listOf(t, c, repoPlace(), list).Pages(ctx, add)
	}
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// checkDeclared fails for everything that the model does not declare.
func checkDeclared(t *testing.T, objects []graph.Object) {
	t.Helper()
	goldentest.CheckDeclared(t, objects, func(key string) string {
		switch {
		case strings.Contains(key, ":perm:"):
			return graph.TypePermission
		case strings.HasPrefix(key, "cloud:user:"):
			return graph.TypeUser
		case strings.Contains(key, ":group:"):
			return graph.TypeGroup
		case key == "cloud:"+wsUUID:
			return graph.TypeWorkspace
		case key == "cloud:"+repoUUID:
			return graph.TypeRepo
		default:
			return graph.TypeProject
		}
	})
}
