package cloud

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/windlass-hq/windlass/internal/fault"
	"github.com/windlass-hq/windlass/internal/graph"
)

// FuzzDecode feeds anything to the decoder of deliveries under any key: it never panics, refuses with a fault.Invalid,
// and what it says is about the repository, project or account that the body is about, whose scope is checked.
func FuzzDecode(f *testing.F) {
	files, _ := filepath.Glob("testdata/event/*/*.json")
	for _, name := range files {
		if b, err := os.ReadFile(name); err == nil && !strings.HasSuffix(name, ".golden.json") {
			f.Add(strings.Replace(filepath.Base(filepath.Dir(name)), "-", ":", 1), b)
		}
	}
	f.Add("repo:push", []byte(`{"repository":{"uuid":"{1}"},"push":{"changes":[{"old":null,"new":{"type":"branch","name":"x","target":{"hash":"abcdef0"}}},{}]}}`))
	f.Add("diagnostics:ping", []byte(`{"test":true}`))
	f.Fuzz(func(t *testing.T, key string, body []byte) {
		ev, err := Decode(key, body)
		if err != nil {
			if !fault.Is(err, fault.Invalid) {
				t.Errorf("%v", err)
			}
			return
		}
		if ev.Key != key || ev.Repository == "" && ev.Project == "" && key != eventSpan {
			t.Errorf("about nothing: %+v", ev)
		}
		if ev.Repo.Key != ev.Repository {
			t.Errorf("the repository is %q and %q", ev.Repo.Key, ev.Repository)
		}
		for _, k := range []string{ev.Actor, ev.Account, ev.Project, ev.Repository} {
			if k != "" && (!strings.HasPrefix(k, "cloud:") || strings.ContainsAny(k, "|{} ")) {
				t.Errorf("key %q", k)
			}
		}
		for _, o := range append(slices.Clone(ev.Page.Objects), ev.Page.Met...) {
			if o.Entity.Type != graph.TypeUser && !strings.HasPrefix(o.Entity.Key, ev.Repository+":pr:") {
				t.Errorf("%s is not of %s", o.Entity.Key, ev.Repository)
			}
			if o.Entity.Raw != nil && !json.Valid(o.Entity.Raw) {
				t.Errorf("raw is no JSON: %q", o.Entity.Raw)
			}
		}
		for _, c := range ev.Pushes {
			if c.Name == "" || c.Old == "" && c.New == "" {
				t.Errorf("a change of nothing: %+v", c)
			}
		}
		for _, ref := range ev.Fetch {
			if ref.Key == "" || key != eventFork && ref.Key != ev.Repository && ref.Key != ev.Project && !strings.HasPrefix(ref.Key, ev.Repository+":pr:") {
				t.Errorf("reads %+v because of %s", ref, ev.Repository)
			}
		}
		if _, err := json.Marshal(ev.Extra); err != nil {
			t.Errorf("extra: %v", err)
		}
		for name := range maps.Keys(ev.Extra) {
			if s, ok := ev.Extra[name].(string); ok && strings.ContainsRune(s, 0) {
				t.Errorf("%s holds NUL", name)
			}
		}
	})
}

// BenchmarkDecode measures what one delivery about a pull request costs.
func BenchmarkDecode(b *testing.B) {
	body, err := os.ReadFile("testdata/event/pullrequest-approved/plain.json")
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Decode(eventApproved, body); err != nil {
			b.Fatal(err)
		}
	}
}
