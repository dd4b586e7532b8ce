package datacenter

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/windlass-hq/windlass/internal/bitbucket"
	"github.com/windlass-hq/windlass/internal/graph"
)

// always answers every request with one body.
type always []byte

func (a always) RoundTrip(*http.Request) (*http.Response, error) {
	rec := httptest.NewRecorder()
	rec.Header().Set("X-AUSERNAME", "admin")
	_, _ = rec.Write(a)
	return rec.Result(), nil
}

// FuzzSettings feeds anything to every list of settings: nothing panics, what is kept is sound, and what may hold a
// secret is not kept.
func FuzzSettings(f *testing.F) {
	files, _ := filepath.Glob("testdata/*/*.json")
	for _, name := range files {
		if b, err := os.ReadFile(name); err == nil && !strings.HasSuffix(name, ".golden.json") {
			f.Add(b)
		}
	}
	f.Add([]byte(`{"values":[{"id":1,"configuration":[],"credentials":7,"url":"https://a:b@c/"}],"permitted":true}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		if len(body) > 1<<16 || !bitbucket.JSON(body).Valid() {
			return
		}
		c, err := New(Options{
			URL: "https://bb.example", Instance: "i1", Credentials: []bitbucket.Credential{{Kind: bitbucket.Basic, Identity: "admin", Secret: "x"}},
			HTTP: &http.Client{Transport: always(body)}, Now: time.Now, Sleep: func(context.Context, time.Duration) error { return nil },
		})
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range []bitbucket.Place{
			{Type: graph.TypeInstance, Key: "dc:i1"},
			{Type: graph.TypeGroup, Key: "dc:i1:group:g", Name: "g"},
			{Type: graph.TypeProject, Key: "dc:i1:project:7", Project: "ENG"},
			{Type: graph.TypeRepo, Key: "dc:i1:repo:42", Project: "ENG", Slug: "engine", ProjectKey: "dc:i1:project:7", Patterns: []string{"*"}},
		} {
			for _, s := range c.Settings(p) {
				_ = s.Pages(t.Context(), func(page bitbucket.Page) error {
					for _, o := range slices.Concat(page.Objects, page.Met) {
						sound(t, s.List, o)
					}
					return nil
				})
			}
		}
	})
}

// sound fails for an object that cannot be stored, or that holds what may be a secret.
func sound(t *testing.T, list string, o graph.Object) {
	t.Helper()
	e := o.Entity
	if e.Type == "" || e.Key != "dc:i1" && !strings.HasPrefix(e.Key, "dc:i1:") || !utf8.ValidString(e.Key) || strings.ContainsRune(e.Key, 0) {
		t.Errorf("%s: %s %q", list, e.Type, e.Key)
	}
	for _, r := range o.Relationships {
		if r.From == "" || r.Verb == "" || r.To == "" || r.From != e.Key && r.To != e.Key && e.Type != graph.TypePermission {
			t.Errorf("%s: %s owns %q", list, e.Key, r.Key())
		}
	}
	if e.Raw != nil && !json.Valid(e.Raw) {
		t.Errorf("%s: raw is no JSON: %q", list, e.Raw)
	}
	if _, err := json.Marshal(e.Properties); err != nil {
		t.Errorf("%s: properties: %v", list, err)
	}
	for name, v := range e.Properties {
		if s, ok := v.(string); ok && (strings.ContainsRune(s, 0) || !utf8.ValidString(s)) {
			t.Errorf("%s: %s holds %q", list, name, s)
		}
	}
	if list != bitbucket.ListWebhooks {
		return
	}
	for _, name := range []string{"configuration", "credentials", "statistics", "url", "name"} {
		if raw := bitbucket.JSON(e.Raw); !raw.Get(name).Missing() {
			t.Errorf("raw of a webhook: %s", raw)
		}
	}
	if url, _ := e.Properties["url"].(string); bitbucket.MaskSecrets(url) != url || strings.Contains(url, "#") {
		t.Errorf("url %q", url)
	}
}
