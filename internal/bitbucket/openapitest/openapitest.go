// Package openapitest checks requests and answers against the vendor's OpenAPI documents. It is for tests only: the
// documents lie beside the repository, are not part of it, and a test that needs one is skipped where it is absent.
package openapitest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// Document is one OpenAPI 3.0 document with its known flaws mended (see flaws).
type Document struct {
	name      string
	root      map[string]any
	templates []template
	compiler  *jsonschema.Compiler

	mu       sync.Mutex
	compiled map[string]*jsonschema.Schema
}

// template is a path of the document.
type template struct {
	path string
	segs []string
	item map[string]any
}

// Load reads a document such as "cloud.openapi.json" from $WINDLASS_SHARED/bitbucket, or from ../shared/bitbucket
// beside the module. Where it is absent the test is skipped.
func Load(t testing.TB, name string) *Document {
	t.Helper()
	path, err := locate(name)
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if os.IsNotExist(err) {
		t.Skipf("conformance is not checked: the vendor's document %s is absent (set WINDLASS_SHARED to the folder that holds bitbucket/%s)", path, name)
	}
	if err != nil {
		t.Fatal(err)
	}
	d, err := parse(name, text)
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return d
}

func locate(name string) (string, error) {
	if shared := os.Getenv("WINDLASS_SHARED"); shared != "" {
		return filepath.Join(shared, "bitbucket", name), nil
	}
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return filepath.Join(filepath.Dir(dir), "shared", "bitbucket", name), nil
		}
		up := filepath.Dir(dir)
		if up == dir {
			return "", fmt.Errorf("no go.mod above the working directory, so %s cannot be looked for", name)
		}
		dir = up
	}
}

func parse(name string, text []byte) (*Document, error) {
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		return nil, err
	}
	root, ok := doc.(map[string]any)
	if !ok {
		return nil, fmt.Errorf("the document is no object")
	}
	d := &Document{name: name, root: root, compiler: jsonschema.NewCompiler(), compiled: map[string]*jsonschema.Schema{}}
	for _, key := range []string{"components", "paths"} {
		convert(root[key])
	}
	if err := d.mend(); err != nil {
		return nil, err
	}
	paths, _ := root["paths"].(map[string]any)
	for path, item := range paths {
		if it, ok := item.(map[string]any); ok {
			d.templates = append(d.templates, template{path, strings.Split(path, "/")[1:], it})
		}
	}
	d.compiler.DefaultDraft(jsonschema.Draft4) // the base of OpenAPI 3.0's schema language
	d.compiler.AssertFormat()
	return d, d.compiler.AddResource(d.base(), root)
}

func (d *Document) base() string { return "file:///" + d.name }

// convert turns OpenAPI 3.0's own keywords into those of JSON schema, in place.
func convert(v any) {
	switch v := v.(type) {
	case []any:
		for _, x := range v {
			convert(x)
		}
	case map[string]any:
		for k, x := range v {
			if k == "example" || k == "examples" {
				delete(v, k)
				continue
			}
			convert(x)
		}
		if v["nullable"] == true {
			if kind, ok := v["type"].(string); ok {
				v["type"] = []any{kind, "null"}
			}
			if values, ok := v["enum"].([]any); ok && !slices.Contains(values, nil) {
				v["enum"] = append(values, nil)
			}
		}
		if _, wrong := v["required"].(bool); wrong && v["in"] == nil {
			delete(v, "required")
		}
	}
}

// find returns the template that fits an escaped path best: the one with the most literal segments.
func (d *Document) find(path string) (template, error) {
	for _, prefix := range []string{"/2.0", "/rest"} {
		if rest, ok := strings.CutPrefix(path, prefix); ok && strings.HasPrefix(rest, "/") {
			path = rest
			break
		}
	}
	segs := strings.Split(path, "/")[1:]
	best, most := template{}, -1
	for _, t := range d.templates {
		if n := t.fits(segs); n > most {
			best, most = t, n
		}
	}
	if most < 0 {
		return best, fmt.Errorf("%s: no path of the document fits %s", d.name, path)
	}
	return best, nil
}

// fits counts literal segments, or returns -1.
func (t template) fits(segs []string) int {
	if len(segs) != len(t.segs) {
		return -1
	}
	n := 0
	for i, s := range t.segs {
		switch {
		case strings.HasPrefix(s, "{"):
			if segs[i] == "" {
				return -1
			}
		case s == segs[i]:
			n++
		default:
			return -1
		}
	}
	return n
}

func (d *Document) operation(method, path string) (template, map[string]any, error) {
	t, err := d.find(path)
	if err != nil {
		return t, nil, err
	}
	op, ok := t.item[strings.ToLower(method)].(map[string]any)
	if !ok {
		return t, nil, fmt.Errorf("%s: %s is not defined on %s", d.name, method, t.path)
	}
	return t, op, nil
}

// Response checks an answer. A status of 400 or more that the document does not describe is checked against the
// document's general error; plain-text errors, which the document never describes (FACTS 86), pass. Other undescribed
// statuses are an error.
func (d *Document) Response(method, path string, status int, body []byte) error {
	t, op, err := d.operation(method, path)
	if err != nil {
		return err
	}
	if status >= 400 && !json.Valid(body) {
		return nil
	}
	described := lookup(op, "responses", strconv.Itoa(status)) != nil
	kind := jsonType(lookup(op, "responses", strconv.Itoa(status), "content"))
	pointer := "#/paths/" + escape(t.path) + "/" + strings.ToLower(method) + "/responses/" + strconv.Itoa(status) + "/content/" + escape(kind) + "/schema"
	if lookup(op, "responses", strconv.Itoa(status), "content", kind, "schema") == nil {
		switch {
		case status < 400 && described:
			return nil
		case status < 400:
			return fmt.Errorf("%s: %s %s: status %d is not described", d.name, method, t.path, status)
		}
		pointer = "#/components/schemas/error"
	}
	s, err := d.schema(pointer)
	if err != nil {
		return err
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("%s %s: the answer is no JSON: %w", method, path, err)
	}
	if err := s.Validate(doc); err != nil {
		return fmt.Errorf("%s %s, status %d: %w", method, path, status, err)
	}
	return nil
}

// jsonType is the name under which an answer's JSON is described, with or without a character set.
func jsonType(content any) string {
	types, _ := content.(map[string]any)
	for name := range types {
		if strings.HasPrefix(name, "application/json;") {
			return name
		}
	}
	return "application/json"
}

// Request checks that a request's path, method and query are those of the document.
func (d *Document) Request(method, path string, query url.Values) error {
	t, op, err := d.operation(method, path)
	if err != nil {
		return err
	}
	declared := map[string]map[string]any{}
	for _, from := range []map[string]any{t.item, op} {
		list, _ := from["parameters"].([]any)
		for _, p := range list {
			if p, ok := d.resolve(p).(map[string]any); ok && p["in"] == "query" {
				declared[fmt.Sprint(p["name"])] = p
			}
		}
	}
	for name, values := range query {
		p, ok := declared[name]
		if !ok && !undeclared(name) {
			return fmt.Errorf("%s: %s %s has no query parameter %q", d.name, method, t.path, name)
		}
		for _, v := range values {
			if err := fitsParameter(p, v); err != nil {
				return fmt.Errorf("%s: %s %s: %s=%s: %w", d.name, method, t.path, name, v, err)
			}
		}
	}
	for name, p := range declared {
		if p["required"] == true && !query.Has(name) {
			return fmt.Errorf("%s: %s %s needs the query parameter %q", d.name, method, t.path, name)
		}
	}
	return nil
}

// fitsParameter checks type and enumeration of one value.
func fitsParameter(p map[string]any, value string) error {
	s, _ := p["schema"].(map[string]any)
	if items, ok := s["items"].(map[string]any); ok {
		s = items
	}
	switch s["type"] {
	case "integer":
		if _, err := strconv.ParseInt(value, 10, 64); err != nil {
			return err
		}
	case "boolean":
		if _, err := strconv.ParseBool(value); err != nil {
			return err
		}
	}
	if enum, ok := s["enum"].([]any); ok && !slices.Contains(enum, any(value)) {
		return fmt.Errorf("not one of %v", enum)
	}
	return nil
}

func (d *Document) resolve(v any) any {
	m, _ := v.(map[string]any)
	ref, ok := m["$ref"].(string)
	if !ok {
		return v
	}
	return lookup(d.root, strings.Split(strings.TrimPrefix(ref, "#/"), "/")...)
}

func lookup(v any, keys ...string) any {
	for _, k := range keys {
		m, ok := v.(map[string]any)
		if !ok {
			return nil
		}
		v = m[k]
	}
	return v
}

// escape writes a key of the document as part of a JSON pointer inside a URL.
func escape(key string) string {
	return url.PathEscape(strings.NewReplacer("~", "~0", "/", "~1").Replace(key))
}

func (d *Document) schema(pointer string) (*jsonschema.Schema, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if s := d.compiled[pointer]; s != nil {
		return s, nil
	}
	s, err := d.compiler.Compile(d.base() + pointer)
	if err != nil {
		return nil, fmt.Errorf("%s%s: %w", d.name, pointer, err)
	}
	d.compiled[pointer] = s
	return s, nil
}
