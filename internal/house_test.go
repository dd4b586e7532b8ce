// Package internal_test proves the order of the house: which package may import which (ARCHITECTURE.md, "The house").
package internal_test

import (
	"bytes"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"sort"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/windlass-hq/windlass"

// A layer holds packages whose imports obey one rule. Packages stand in the order of the house: each may import what
// stands above it and nothing below.
type layer struct {
	name     string
	packages []string
	// sideways says whether a package may import those above it in its own layer.
	sideways bool
}

// house returns the layers from the top down. A new package is added here, in its place; one that is planned stands
// here before it exists.
func house() []layer {
	return []layer{
		{name: "noun", packages: []string{"internal/graph", "internal/fault"}},
		{name: "tool", sideways: true, packages: []string{
			"internal/store", "internal/job",
			"internal/bitbucket", "internal/bitbucket/cloud", "internal/bitbucket/datacenter", "internal/bitbucket/sandbox",
			"internal/mirror", "internal/query", "internal/notify", "internal/report", "internal/auth", "internal/config",
		}},
		{name: "capability", packages: []string{
			"internal/sync", "internal/intake", "internal/alert", "internal/people", "internal/evidence",
			"internal/secret", "internal/build", "internal/catalog",
		}},
		{name: "door", sideways: true, packages: []string{"internal/api", "internal/web"}},
		{name: "wiring", sideways: true, packages: []string{"internal/app", "internal/cli"}},
		{name: "rig", packages: []string{"bench/rig"}},
		{name: "program", packages: []string{"cmd/windlass", "bench/sync", "bench/limits", "bench/pace", "bench/history", "bench/intake"}},
	}
}

// exceptions returns the rules that are stricter or looser than the order, by the package that they bind.
func exceptions() map[string]exception {
	return map[string]exception{
		"internal/graph": {none: true, why: "nouns import only the standard library", stdlib: true},
		"internal/fault": {none: true, why: "nouns import only the standard library", stdlib: true},
		"client":         {none: true, why: "other people's programs import it"},
		"internal/api":   {also: []string{"client"}, why: "it answers with the client's own structs, so that the two cannot differ"},
		"internal/cli":   {also: []string{"client"}, why: "commands speak to the API through the client"},
		"internal/app":   {also: []string{"client"}, why: "it stands behind interfaces of the API, which speak in the client's own structs"},
		"bench/sync":     {none: true, why: "it drives the binary from outside"},
		"internal/bitbucket/sandbox": {
			never: []string{"internal/bitbucket/cloud", "internal/bitbucket/datacenter"},
			why:   "the sandbox and the clients are checked against each other, so they share no code",
		},
	}
}

type exception struct {
	none   bool     // imports nothing of the module
	stdlib bool     // and nothing of others
	also   []string // may import these against the order
	never  []string // must not import these, though the order allows it
	why    string
}

// testOnly returns the packages that only test files may import, so that test code stays out of the binary.
func testOnly() []string {
	return []string{"internal/store/storetest", "internal/bitbucket/openapitest", "internal/bitbucket/goldentest"}
}

// place is where a package stands: its layer and its position from the top.
type place struct {
	layer    layer
	position int
}

func places() map[string]place {
	at := map[string]place{}
	n := 0
	for _, l := range house() {
		for _, p := range l.packages {
			at[p] = place{l, n}
			n++
		}
	}
	return at
}

// judge returns what is wrong with the imports of one package, or nothing. Imports of the module's own packages come
// without the module's path.
func judge(pkg string, imports []string) []string {
	var wrong []string
	at := places()
	rule := exceptions()[pkg]
	own, known := at[pkg]
	if !known && rule.why == "" && !slices.Contains(testOnly(), pkg) {
		return []string{pkg + " stands nowhere in the house: add it to house() in internal/house_test.go, in its place"}
	}
	for _, imported := range imports {
		theirs, ours := at[imported]
		_, special := exceptions()[imported]
		if !ours && !special && !slices.Contains(testOnly(), imported) {
			if rule.stdlib && strings.Contains(strings.SplitN(imported, "/", 2)[0], ".") {
				wrong = append(wrong, fmt.Sprintf("%s imports %s: %s", pkg, imported, rule.why))
			}
			continue // another module's, or reported as a package of its own
		}
		complain := func(why string) {
			wrong = append(wrong, fmt.Sprintf("%s imports %s: %s", pkg, imported, why))
		}
		switch {
		case slices.Contains(rule.also, imported):
		case rule.none:
			complain(rule.why)
		case slices.Contains(rule.never, imported):
			complain(rule.why)
		case slices.Contains(testOnly(), imported):
			complain("only tests may")
		case slices.Contains(testOnly(), pkg):
			// Test support may use whatever the tests of its package may.
		case !ours:
			complain("it stands outside the house")
		case theirs.position > own.position:
			complain(fmt.Sprintf("arrows go one way, and %s (%s) stands below %s (%s)", imported, theirs.layer.name, pkg, own.layer.name))
		case theirs.layer.name == own.layer.name && !own.layer.sideways:
			complain(fmt.Sprintf("a %s never imports another; they meet in the graph", own.layer.name))
		}
	}
	return wrong
}

func TestArrowsGoOneWay(t *testing.T) {
	imports, err := importsOf("..")
	if err != nil {
		t.Fatal(err)
	}
	if len(imports) < 3 {
		t.Fatalf("found %d packages; the walk is broken", len(imports))
	}
	for _, pkg := range sortedKeys(imports) {
		for _, wrong := range judge(pkg, imports[pkg]) {
			t.Error(wrong)
		}
	}
}

// TestJudge keeps the judge itself honest: a house that can be broken without a word is none.
func TestJudge(t *testing.T) {
	for _, tc := range []struct {
		pkg, imported string
		wrong         bool
	}{
		{"internal/store", "internal/graph", false},
		{"internal/sync", "internal/bitbucket/cloud", false},
		{"internal/job", "internal/store", false},
		{"internal/api", "internal/sync", false},
		{"internal/cli", "client", false},
		{"internal/api", "client", false},
		{"internal/app", "client", false},
		{"internal/cli", "internal/app", false},
		{"cmd/windlass", "internal/cli", false},
		{"internal/store/storetest", "internal/store", false},
		{"internal/store", "modernc.org/sqlite", false},
		{"internal/store", "internal/job", true},
		{"internal/sync", "internal/alert", true},
		{"internal/alert", "internal/sync", true},
		{"internal/query", "internal/api", true},
		{"internal/graph", "internal/fault", true},
		{"internal/fault", "internal/graph", true},
		{"internal/graph", "golang.org/x/sync/errgroup", true},
		{"internal/bitbucket/sandbox", "internal/bitbucket/cloud", true},
		{"internal/app", "internal/store/storetest", true},
		{"internal/store", "client", true},
		{"client", "internal/fault", true},
		{"bench/sync", "internal/store", true},
		{"internal/surprise", "strings", true},
	} {
		got := judge(tc.pkg, []string{tc.imported})
		if (len(got) > 0) != tc.wrong {
			t.Errorf("judge(%s, %s) = %v, want wrong = %v", tc.pkg, tc.imported, got, tc.wrong)
		}
		for _, text := range got {
			if !strings.Contains(text, tc.pkg) {
				t.Errorf("judge(%s, %s) does not name the package: %s", tc.pkg, tc.imported, text)
			}
		}
	}
}

// maxLines is how long a file may be and still be read in one go (CONTRIBUTING.md).
const maxLines = 500

// longFiles returns the files that may be longer, with the reason.
func longFiles() map[string]string { return map[string]string{} }

func TestFilesStayReadable(t *testing.T) {
	seen := map[string]bool{}
	err := eachGoFile("..", func(name string, source []byte) error {
		if strings.HasSuffix(name, "_test.go") {
			return nil // a table may be long
		}
		lines := bytes.Count(source, []byte("\n"))
		_, excused := longFiles()[name]
		seen[name] = true
		switch {
		case lines > maxLines && !excused:
			t.Errorf("%s has %d lines, at most %d are readable: split it by purpose", name, lines, maxLines)
		case lines <= maxLines && excused:
			t.Errorf("%s has only %d lines: take it off longFiles()", name, lines)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for name := range longFiles() {
		if !seen[name] {
			t.Errorf("%s is excused in longFiles() and does not exist", name)
		}
	}
}

// importsOf returns what each package below root imports in files that end up in a binary, module paths cut off from
// the module's own. Packages of tests alone are left out.
func importsOf(root string) (map[string][]string, error) {
	out := map[string][]string{}
	err := eachGoFile(root, func(name string, source []byte) error {
		if strings.HasSuffix(name, "_test.go") {
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, source, parser.ImportsOnly)
		if err != nil {
			return err
		}
		pkg := path.Dir(name)
		out[pkg] = append(out[pkg], importPaths(file)...)
		return nil
	})
	return out, err
}

func importPaths(file *ast.File) []string {
	var out []string
	for _, spec := range file.Imports {
		p, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			continue // the parser has accepted it already
		}
		out = append(out, strings.TrimPrefix(p, module+"/"))
	}
	return out
}

// eachGoFile calls f for every Go file below root, by its path from there with forward slashes.
func eachGoFile(root string, f func(name string, source []byte) error) error {
	if _, err := os.Stat(filepath.Join(root, "go.mod")); err != nil {
		return fmt.Errorf("%s is not the module's root: %w", root, err)
	}
	return filepath.WalkDir(root, func(file string, d fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil // a temporary file of somebody else's build
		case err != nil:
			return err
		case d.IsDir() && file != root && (strings.HasPrefix(d.Name(), ".") || d.Name() == "node_modules" || d.Name() == "testdata"):
			return fs.SkipDir
		case d.IsDir() || filepath.Ext(file) != ".go":
			return nil
		}
		source, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		name, err := filepath.Rel(root, file)
		if err != nil {
			return err
		}
		return f(filepath.ToSlash(name), source)
	})
}

func sortedKeys(m map[string][]string) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	return keys
}
