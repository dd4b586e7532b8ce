package datacenter_test

import (
	"flag"
	"net/http"
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
	if err != nil || len(inputs) < 17 {
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
		err = settingsFor(t, kind, body).Pages(ctx, add)
	}
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// settingsFor returns a list of settings that is answered with a body, whatever is asked.
func settingsFor(t *testing.T, list string, body []byte) bitbucket.Settings {
	t.Helper()
	place := enginePlace()
	place.Patterns, place.PatternsKnown = []string{"refs/heads/main", "release/*"}, true
	switch list {
	case bitbucket.ListGroups:
		place = instancePlace()
	case bitbucket.ListGroupMembers:
		place = devPlace()
	}
	c := openIn(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-AUSERNAME", "admin")
		_, _ = w.Write(body)
	}), with(adminPassword))
	return settingsOf(t, c, place, list)
}

// TestGoldenFilesShowNoSecret looks for the canaries of the inputs in what came of them.
func TestGoldenFilesShowNoSecret(t *testing.T) {
	files, err := filepath.Glob("testdata/webhooks/*.golden.json")
	if err != nil || len(files) != 2 {
		t.Fatal(files, err)
	}
	for _, name := range files {
		if b, err := os.ReadFile(name); err != nil || strings.Contains(string(b), "canary") {
			t.Errorf("%s shows a secret, or %v", name, err)
		}
	}
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
