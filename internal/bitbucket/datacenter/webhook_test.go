package datacenter_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/windlass-hq/windlass/internal/bitbucket"
	"github.com/windlass-hq/windlass/internal/bitbucket/datacenter"
	"github.com/windlass-hq/windlass/internal/bitbucket/goldentest"
	"github.com/windlass-hq/windlass/internal/fault"
	"github.com/windlass-hq/windlass/internal/graph"
)

// goldenEvent is what golden files show of a delivery.
type goldenEvent struct {
	Key, Actor                   string
	At                           time.Time
	Account, Project, Repository string                `json:",omitempty"`
	Repo                         *bitbucket.RepoRef    `json:",omitempty"`
	Page                         *goldentest.Page      `json:",omitempty"`
	Pushes                       []bitbucket.RefChange `json:",omitempty"`
	Fetch                        []bitbucket.Ref       `json:",omitempty"`
	Lists                        []bitbucket.List      `json:",omitempty"`
	Ping                         bool                  `json:",omitempty"`
	Ignore                       string                `json:",omitempty"`
	Extra                        graph.Properties      `json:",omitempty"`
}

// keyOf returns the event key that a file is named for: pr-opened.fork-gone.json.
func keyOf(file string) string {
	key, _, _ := strings.Cut(filepath.Base(file), ".")
	return strings.ReplaceAll(key, "-", ":")
}

func deliveries(t testing.TB) []string {
	t.Helper()
	files, err := filepath.Glob("testdata/deliveries/*/*.json")
	files = slices.DeleteFunc(files, func(f string) bool { return strings.HasSuffix(f, ".golden.json") })
	if err != nil || len(files) < 100 {
		t.Fatalf("%d deliveries, %v", len(files), err)
	}
	return files
}

// TestGoldenDeliveries decodes a delivery of every event key as four versions send it, and odd ones.
func TestGoldenDeliveries(t *testing.T) {
	for _, name := range deliveries(t) {
		t.Run(name, func(t *testing.T) {
			body, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			ev, err := datacenter.Decode("i1", keyOf(name), body)
			if err != nil {
				t.Fatal(err)
			}
			checkDeclared(t, append(slices.Clone(ev.Page.Objects), ev.Page.Met...))
			shown := goldenEvent{
				Key: ev.Key, Actor: ev.Actor, At: ev.At, Account: ev.Account, Project: ev.Project, Repository: ev.Repository,
				Pushes: ev.Pushes, Fetch: ev.Fetch, Lists: ev.Lists, Ping: ev.Ping, Ignore: ev.Ignore, Extra: ev.Extra,
			}
			if ev.Repo.Key != "" {
				shown.Repo = &ev.Repo
			}
			if p := ev.Page; len(p.Objects)+len(p.Met)+len(p.Odd) > 0 {
				shown.Page = &goldentest.Page{}
				shown.Page.Add(body, p)
			}
			got := mustJSON(t, shown)
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
			if strings.Contains(got, "canary") {
				t.Error("it shows a secret")
			}
		})
	}
}

// TestVersionsAgree compares what one event means as the oldest and as the newest version send it: forms of dates, missing
// links and the like must make no difference.
func TestVersionsAgree(t *testing.T) {
	type meaning struct {
		Key, Actor, Repository string
		At                     time.Time
		Pushes                 []bitbucket.RefChange
		Fetch                  []bitbucket.Ref
		Objects                map[string]map[string]any
		Revisions              []int64
	}
	of := func(version, key string) meaning {
		name := "testdata/deliveries/" + version + "/" + strings.ReplaceAll(key, ":", "-") + ".json"
		body, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		ev, err := datacenter.Decode("i1", key, body)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		m := meaning{Key: ev.Key, Actor: ev.Actor, Repository: ev.Repository, At: ev.At, Pushes: ev.Pushes, Fetch: ev.Fetch, Objects: map[string]map[string]any{}}
		for _, o := range ev.Page.Objects {
			props := map[string]any(o.Entity.Properties)
			delete(props, "webLink") // the oldest have none in deliveries
			delete(props, "draft")   // nor this
			m.Objects[o.Entity.Key] = props
			m.Revisions = append(m.Revisions, o.Entity.Revision)
		}
		for i := range m.Pushes {
			m.Pushes[i].Truncated = false // commits come with newer ones only
		}
		return m
	}
	files, err := filepath.Glob("testdata/deliveries/7.6/*.json")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, f := range files {
		key := keyOf(f)
		if strings.HasSuffix(f, ".golden.json") || key == "pr:reviewer:needs_work" { // spelled otherwise by newer ones
			continue
		}
		n++
		want := of("7.6", key)
		for _, version := range []string{"8.9", "9.4", "10.0"} {
			if diff := cmp.Diff(want, of(version, key)); diff != "" {
				t.Errorf("%s of %s (-7.6 +it):\n%s", key, version, diff)
			}
		}
	}
	if n < 19 {
		t.Errorf("only %d keys were compared", n)
	}
}

const (
	wireRepo = `{"id":42,"slug":"engine","name":"Engine","project":{"id":7,"key":"ENG","name":"Engines"}}`
	wirePR   = `{"id":1,"title":"x","state":"OPEN","toRef":{"id":"refs/heads/main","repository":` + wireRepo + `}}`
)

// TestRefusedDeliveries are bodies that do not fit their key: each is refused by its name, and nothing of it is taken.
func TestRefusedDeliveries(t *testing.T) {
	for name, tc := range map[string]struct{ key, body, want string }{
		"no key":              {"", `{}`, `""`},
		"unknown key":         {"repo:exploded", `{"eventKey":"repo:exploded"}`, `"repo:exploded"`},
		"endless key":         {strings.Repeat("ä", 1000), `{}`, "…"},
		"no JSON":             {"pr:opened", `push=1`, "no JSON object"},
		"cut":                 {"pr:opened", `{"pullRequest":{`, "no JSON object"},
		"a list":              {"pr:opened", `[]`, "no JSON object"},
		"another key inside":  {"pr:opened", `{"eventKey":"pr:merged","pullRequest":` + wirePR + `}`, `"pr:merged"`},
		"push without repo":   {"repo:refs_changed", `{"changes":[]}`, "no repository with an id"},
		"push without change": {"repo:refs_changed", `{"repository":` + wireRepo + `}`, "no list of changes"},
		"no pull request":     {"pr:merged", `{"repository":` + wireRepo + `}`, "no pull request"},
		"no number":           {"pr:opened", `{"pullRequest":{"id":"1","toRef":{"repository":` + wireRepo + `}}}`, "no number"},
		"no target":           {"pr:opened", `{"pullRequest":{"id":1}}`, "no repository with an id"},
		"merged but open":     {"pr:merged", `{"pullRequest":` + wirePR + `}`, `"OPEN"`},
		"declined but open":   {"pr:declined", `{"pullRequest":` + wirePR + `}`, `"OPEN"`},
		"approved by nobody":  {"pr:reviewer:approved", `{"pullRequest":` + wirePR + `}`, "nobody who reviewed"},
		"no comment":          {"pr:comment:added", `{"pullRequest":` + wirePR + `,"comment":{"text":"x"}}`, "no comment"},
		"no commit comment":   {"repo:comment:added", `{"repository":` + wireRepo + `}`, "no comment"},
		"two repositories":    {"repo:modified", `{"old":{"id":41},"new":` + wireRepo + `}`, "two repositories"},
		"modified to nothing": {"repo:modified", `{"old":` + wireRepo + `}`, "no repository with an id"},
		"two projects":        {"proj:modified", `{"old":{"id":6},"new":{"id":7}}`, "two projects"},
		"no project":          {"project:modified", `{"old":{"id":6}}`, "no project with an id"},
		"no fork":             {"repo:forked", `{}`, "no repository with an id"},
		"fork of no number":   {"repo:forked", `{"repository":{"id":3,"origin":{"slug":"x"}}}`, "no repository with an id"},
		"no mirror":           {"mirror:repo_synchronized", `{"repository":` + wireRepo + `}`, "no mirror"},
		"no places":           {"repo:secret_detected", `{"repository":` + wireRepo + `}`, "no list of places"},
		"places of nothing":   {"repo:secret_detected", `{"secretLocations":[7]}`, "no repository with an id"},
		"more than a ping":    {"diagnostics:ping", `{"test":true,"repository":` + wireRepo + `}`, "more than a test"},
		"add-on, push":        {"repo:push", `{"actor":{"username":"ann"},"repository":{"fullName":"ENG/engine"},"push":{"changes":[{"new":{"type":"branch","name":"main"}}]}}`, "Post Webhooks"},
		"add-on, native key":  {"repo:refs_changed", `{"repository":` + wireRepo + `,"push":{"changes":[]}}`, "Post Webhooks"},
		"add-on, request":     {"pullrequest:created", `{"pullrequest":{"id":"1","title":"x"}}`, "Post Webhooks"},
	} {
		ev, err := datacenter.Decode("i1", tc.key, []byte(tc.body))
		if !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), tc.want) || len(err.Error()) > 500 {
			t.Errorf("%s: %v, want %s", name, err, tc.want)
		}
		if err != nil && tc.key != "" && len(tc.key) < 50 && !strings.Contains(err.Error(), tc.key) {
			t.Errorf("%s: %v does not name the key", name, err)
		}
		if fault.RemedyOf(err) == "" {
			t.Errorf("%s: %v tells nothing to do", name, err)
		}
		if diff := cmp.Diff(bitbucket.Event{}, ev); diff != "" {
			t.Errorf("%s: something was taken:\n%s", name, diff)
		}
	}
	if _, err := datacenter.Decode("a:b", "pr:opened", []byte(`{}`)); !fault.Is(err, fault.Internal) {
		t.Errorf("an instance without an id: %v", err)
	}
}

// TestTruncatedPushes follows the parents of the commits that a body tells.
func TestTruncatedPushes(t *testing.T) {
	hash := func(c string) string { return strings.Repeat(c, 40) }
	told := func(pairs ...string) string { // commit, then its parents
		var out []string
		for _, p := range pairs {
			var parents []string
			for _, c := range p[1:] {
				parents = append(parents, `{"id":"`+hash(string(c))+`"}`)
			}
			out = append(out, `{"id":"`+hash(p[:1])+`","parents":[`+strings.Join(parents, ",")+`]}`)
		}
		return strings.Join(out, ",")
	}
	for name, tc := range map[string]struct {
		from, to, commits string
		want              bool
	}{
		"all":                  {"1", "3", told("32", "21"), false},
		"one missing":          {"1", "3", told("32"), true},
		"none told":            {"1", "3", "", true},
		"a merge, all":         {"1", "4", told("432", "31", "21"), false},
		"a merge of something": {"1", "4", told("439", "31"), true},
		"new from the root":    {"0", "2", told("21", "1"), false},
		"new from something":   {"0", "2", told("21"), true},
		"deleted":              {"1", "0", "", false},
		"in circles":           {"1", "3", told("32", "23"), false},
	} {
		body := `{"repository":` + wireRepo + `,"changes":[{"refId":"refs/heads/main","fromHash":"` + hash(tc.from) + `","toHash":"` + hash(tc.to) +
			`","type":"UPDATE"}],"commits":[` + tc.commits + `]}`
		ev, err := datacenter.Decode("i1", "repo:refs_changed", []byte(body))
		if err != nil || len(ev.Pushes) != 1 || ev.Pushes[0].Truncated != tc.want {
			t.Errorf("%s: %+v, %v", name, ev.Pushes, err)
		}
	}
}
