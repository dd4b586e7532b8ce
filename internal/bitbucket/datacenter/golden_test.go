package datacenter_test

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
	if err != nil || len(inputs) < 7 {
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
	answers := map[string]any{}
	for _, path := range []string{"/projects", "/users", "/repos", enginePRs} {
		answers[path] = string(body)
	}
	if kind == "instance" {
		answers["/application-properties"] = string(body)
	}
	c := openIn(t, &stand{answers: answers})
	ctx := t.Context()
	var out goldentest.Page
	add := func(p bitbucket.Page) error {
		out.Add(body, p)
		checkDeclared(t, append(append([]graph.Object{}, p.Objects...), p.Met...))
		return nil
	}
	var err error
	switch kind {
	case "instance":
		in, e := c.Instance(ctx)
		_ = add(in.Page)
		err = e
	case "projects":
		err = c.Projects(ctx, add)
	case "users":
		err = c.Users(ctx, add)
	case "repositories":
		err = c.Repositories(ctx, add)
	case "pullrequests":
		err = c.PullRequests(ctx, engine(), add)
	default:
		t.Fatalf("no listing %q", kind)
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
		case strings.Contains(key, ":group:"):
			return graph.TypeGroup
		case strings.Contains(key, ":user:"):
			return graph.TypeUser
		case strings.Contains(key, ":project:"):
			return graph.TypeProject
		case strings.Contains(key, ":repo:"):
			return graph.TypeRepo
		default:
			return graph.TypeInstance
		}
	})
}
