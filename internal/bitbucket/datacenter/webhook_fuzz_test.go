package datacenter

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/windlass-hq/windlass/internal/fault"
)

// FuzzDecode feeds anything to every event key: nothing panics, what is kept is sound, and what is refused leaves nothing.
func FuzzDecode(f *testing.F) {
	files, _ := filepath.Glob("testdata/deliveries/*/*.json")
	for _, name := range files {
		if b, err := os.ReadFile(name); err == nil && !strings.HasSuffix(name, ".golden.json") {
			key, _, _ := strings.Cut(filepath.Base(name), ".")
			f.Add(strings.ReplaceAll(key, "-", ":"), b)
		}
	}
	f.Add("repo:push", []byte(`{"push":{"changes":[]}}`))
	f.Add("repo:refs_changed", []byte(`{"repository":{"id":1},"changes":[{"ref":[],"fromHash":{},"toHash":0}],"commits":{},"toCommit":[],"actor":7}`))
	f.Fuzz(func(t *testing.T, key string, body []byte) {
		ev, err := Decode("i1", key, body)
		if err != nil {
			if !fault.Is(err, fault.Invalid) || len(ev.Page.Objects)+len(ev.Page.Met)+len(ev.Pushes)+len(ev.Fetch) > 0 {
				t.Errorf("%v with %+v", err, ev)
			}
			return
		}
		if _, err := json.Marshal(ev.Extra); err != nil {
			t.Error(err)
		}
		for _, o := range slices.Concat(ev.Page.Objects, ev.Page.Met) {
			sound(t, key, o)
			if !strings.HasPrefix(o.Entity.Key, "dc:i1:") {
				t.Errorf("key %q", o.Entity.Key)
			}
		}
		for _, p := range ev.Pushes {
			if p.Name == "" || p.Old == "" && p.New == "" {
				t.Errorf("push %+v", p)
			}
		}
		for _, r := range ev.Fetch {
			if !strings.HasPrefix(r.Key, "dc:i1:") || r.Type == "" {
				t.Errorf("fetch %+v", r)
			}
		}
		if ev.Repository != ev.Repo.Key || ev.Ping && (ev.Repository != "" || len(ev.Page.Objects) > 0) {
			t.Errorf("about %q and %q, ping %t", ev.Repository, ev.Repo.Key, ev.Ping)
		}
	})
}
