package cloud_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/windlass-hq/windlass/internal/bitbucket"
	"github.com/windlass-hq/windlass/internal/graph"
)

var update = flag.Bool("update", false, "rewrite the golden files from what the converters do now")

// goldenObject is a graph object as the golden files show it. Raw is shown only where it is not the element as it
// was received.
type goldenObject struct {
	Key           string               `json:"key"`
	Type          string               `json:"type"`
	Name          string               `json:"name"`
	Home          string               `json:"home,omitempty"`
	Repo          string               `json:"repo,omitempty"`
	Project       string               `json:"project,omitempty"`
	Revision      int64                `json:"revision,omitempty"`
	Properties    graph.Properties     `json:"properties"`
	Relationships []goldenRelationship `json:"relationships,omitempty"`
	UnknownVerbs  []string             `json:"unknownVerbs,omitempty"`
	Scrubbed      json.RawMessage      `json:"scrubbed,omitempty"`
}

type goldenRelationship struct {
	Key        string           `json:"key"`
	Properties graph.Properties `json:"properties,omitempty"`
}

type goldenPage struct {
	Objects []goldenObject      `json:"objects"`
	Met     []goldenObject      `json:"met,omitempty"`
	Repos   []bitbucket.RepoRef `json:"repos,omitempty"`
	Odd     []bitbucket.Odd     `json:"odd,omitempty"`
}

func golden(input []byte, objects []graph.Object) []goldenObject {
	var out []goldenObject
	for _, o := range objects {
		g := goldenObject{
			Key: o.Entity.Key, Type: o.Entity.Type, Name: o.Entity.Name, Home: o.Entity.Home, Repo: o.Entity.Repo,
			Project: o.Entity.Project, Revision: o.Entity.Revision, Properties: o.Entity.Properties, UnknownVerbs: o.UnknownVerbs,
		}
		if !bytes.Contains(input, o.Entity.Raw) {
			g.Scrubbed = o.Entity.Raw
		}
		for _, r := range o.Relationships {
			g.Relationships = append(g.Relationships, goldenRelationship{r.Key(), r.Properties})
		}
		out = append(out, g)
	}
	return out
}

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
func convertPage(t *testing.T, kind string, body []byte) goldenPage {
	t.Helper()
	const ws = "/workspaces/%7B" + wsUUID + "%7D"
	c, _ := open(t, map[string]any{
		"/workspaces/acme":                                               string(body),
		ws + "/projects?pagelen=100":                                     string(body),
		ws + "/members?pagelen=100":                                      string(body),
		"/repositories/%7B" + wsUUID + "%7D?pagelen=100":                 string(body),
		"/repositories/{" + wsUUID + "}/{" + repoUUID + "}/pullrequests": string(body),
	})
	ctx := t.Context()
	var out goldenPage
	add := func(p bitbucket.Page) error {
		out.Objects = append(out.Objects, golden(body, p.Objects)...)
		out.Met = append(out.Met, golden(body, p.Met)...)
		out.Odd = append(out.Odd, p.Odd...)
		out.Repos = append(out.Repos, p.Repos...)
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
	default:
		t.Fatalf("no listing %q", kind)
	}
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// checkDeclared fails for every property, kind of value or relationship that the model does not declare.
func checkDeclared(t *testing.T, objects []graph.Object) {
	t.Helper()
	model := graph.Standard()
	kinds := map[string]string{}
	for _, o := range objects {
		kinds[o.Entity.Key] = o.Entity.Type
		decl, ok := model.Type(o.Entity.Type)
		if !ok {
			t.Errorf("type %q is not declared", o.Entity.Type)
		}
		declared := map[string]graph.ValueKind{}
		for _, p := range decl.Properties {
			declared[p.Name] = p.Kind
		}
		for name, value := range o.Entity.Properties {
			kind, ok := declared[name]
			if !ok {
				t.Errorf("%s.%s is not declared", o.Entity.Type, name)
			}
			if value != nil && !fits(kind, value) {
				t.Errorf("%s.%s = %T, declared %s", o.Entity.Type, name, value, kind)
			}
		}
		if o.Entity.Raw != nil && !json.Valid(o.Entity.Raw) {
			t.Errorf("%s: raw is no JSON: %s", o.Entity.Key, o.Entity.Raw)
		}
	}
	typeOf := func(key string) string {
		switch {
		case kinds[key] != "":
			return kinds[key]
		case strings.HasPrefix(key, "cloud:user:"):
			return graph.TypeUser
		case key == "cloud:"+wsUUID:
			return graph.TypeWorkspace
		case key == "cloud:"+repoUUID:
			return graph.TypeRepo
		default:
			return graph.TypeProject
		}
	}
	declared := map[string][]graph.PropertyDecl{}
	for _, r := range model.Relationships() {
		declared[r.TypeName()] = append([]graph.PropertyDecl{{}}, r.Properties...)
	}
	for _, o := range objects {
		for _, r := range o.Relationships {
			name := graph.RelationshipType(typeOf(r.From), r.Verb, typeOf(r.To))
			if declared[name] == nil {
				t.Errorf("relationship %s (%s) is not declared", name, r.Key())
			}
			for p := range r.Properties {
				found := false
				for _, d := range declared[name] {
					found = found || d.Name == p
				}
				if !found {
					t.Errorf("%s.%s is not declared", name, p)
				}
			}
		}
	}
}

func fits(kind graph.ValueKind, value any) bool {
	switch value.(type) {
	case string:
		return kind == graph.Text
	case bool:
		return kind == graph.Flag
	case int64:
		return kind == graph.Number || kind == graph.Time
	case []any:
		return kind == graph.Texts
	}
	return false
}
