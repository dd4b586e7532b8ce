package cloud

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/windlass-hq/windlass/internal/bitbucket"
	"github.com/windlass-hq/windlass/internal/graph"
)

func testRepo() bitbucket.RepoRef {
	return bitbucket.RepoRef{Key: "cloud:33333333-3333-4333-8333-333333333333", UUID: "33333333-3333-4333-8333-333333333333", WorkspaceUUID: "11111111-1111-4111-8111-111111111111", Name: "Engine"}
}

func testPlace() place {
	r := testRepo()
	return place{Place: bitbucket.Place{
		Type: graph.TypeRepo, Key: r.Key, Name: "acme/engine", Owner: "cloud:" + r.WorkspaceUUID, OwnerID: r.WorkspaceUUID, OwnerSlug: "acme", ID: r.UUID,
		DefaultBranch: "main", Patterns: []string{"**"},
	}}
}

// convertAll decodes a body as a page of every kind and returns what came out.
func convertAll(body []byte) []graph.Object {
	j := bitbucket.JSON(body)
	if !j.Valid() {
		return nil
	}
	ws := Workspace{Slug: "acme", UUID: "11111111-1111-4111-8111-111111111111"}
	var out []graph.Object
	keep := func(o graph.Object, _ *bitbucket.Record, ok bool) {
		if ok {
			out = append(out, o)
		}
	}
	keep(convertWorkspace(j))
	wire, _ := readPage(j)
	j.Elements(func(v bitbucket.JSON) { wire.values = append(wire.values, v) })
	met := newPeople()
	at := testPlace()
	named := newParties(at)
	globs := compile(at.Patterns)
	for _, v := range wire.values {
		keep(convertProject(v, ws))
		keep(convertMember(v, ws))
		keep(convertUser(v))
		keep(convertPullRequest(v, testRepo(), met))
		if res, r, ok := convertRepository(v, ws); ok {
			keep(res.object, r, ok)
		}
		for _, convert := range []convertSetting{
			convertGroup, convertUserPermission, convertGroupPermission, convertRestriction, convertHook, convertKey, convertEnvironment,
			func(j bitbucket.JSON, p place, _ *parties) (graph.Object, *bitbucket.Record, bool) {
				return convertBranch(j, p, globs)
			},
		} {
			o, r, ok := convert(v, at, named)
			keep(o, r, ok && o.Entity.Key != "")
			(&bitbucket.Page{}).Note("the list", 0, o.Entity.Key, r, ok)
		}
		identity(v)
	}
	return append(append(out, met.Take()...), named.take()...)
}

// FuzzPage feeds anything to the decoders: they never panic, and what they keep is sound.
func FuzzPage(f *testing.F) {
	files, _ := filepath.Glob("testdata/*/*.json")
	for _, name := range files {
		if b, err := os.ReadFile(name); err == nil && !strings.HasSuffix(name, ".golden.json") {
			f.Add(b)
		}
	}
	f.Add([]byte(`{"values":[{"id":1,"participants":[null,{"user":{"uuid":"{}"}}]}]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, o := range convertAll(body) {
			key, _, _ := strings.Cut(o.Entity.Key, ":branch:") // the name of a branch may hold what it likes
			if key == "" || !strings.HasPrefix(key, "cloud:") || strings.ContainsAny(key, "|{}") {
				t.Errorf("key %q", o.Entity.Key)
			}
			if o.Entity.Raw != nil && !json.Valid(o.Entity.Raw) {
				t.Errorf("raw is no JSON: %q", o.Entity.Raw)
			}
			if _, err := json.Marshal(o.Entity.Properties); err != nil {
				t.Errorf("properties: %v", err)
			}
			for name, v := range o.Entity.Properties {
				if s, ok := v.(string); ok && strings.ContainsRune(s, 0) {
					t.Errorf("%s holds NUL", name)
				}
			}
		}
	})
}

// fullPage returns a page of 50 pull requests as large as the vendor's: about 6 KB each, most of it links.
func fullPage() []byte {
	user := func(i int) string {
		uuid := fmt.Sprintf("{%08d-4444-4444-8444-444444444444}", i)
		return fmt.Sprintf(`{"display_name":"Person Number %d","links":{"self":{"href":"https://api.bitbucket.org/2.0/users/%%7B%[2]s%%7D"},"avatar":{"href":"https://avatar-management--avatars.us-west-2.prod.public.atl-paas.net/initials/PN-%[1]d.png"},"html":{"href":"https://bitbucket.org/%%7B%[2]s%%7D/"}},"type":"user","uuid":"%[2]s","account_id":"557058:%[2]s","nickname":"person%[1]d"}`, i, uuid)
	}
	repo := `{"type":"repository","full_name":"acme/engine","links":{"self":{"href":"https://api.bitbucket.org/2.0/repositories/acme/engine"},"html":{"href":"https://bitbucket.org/acme/engine"},"avatar":{"href":"https://bytebucket.org/ravatar/%7B33333333-3333-4333-8333-333333333333%7D?ts=default"}},"name":"Engine","uuid":"{33333333-3333-4333-8333-333333333333}"}`
	var b strings.Builder
	b.WriteString(`{"pagelen":50,"size":50,"page":1,"values":[`)
	for i := range 50 {
		if i > 0 {
			b.WriteString(",")
		}
		var links []string
		base := fmt.Sprintf("https://api.bitbucket.org/2.0/repositories/acme/engine/pullrequests/%d", i+1)
		for _, name := range []string{"self", "commits", "approve", "request-changes", "diff", "diffstat", "comments", "activity", "merge", "decline", "statuses"} {
			links = append(links, fmt.Sprintf(`%q:{"href":"%s/%s"}`, name, base, name))
		}
		links = append(links, fmt.Sprintf(`"html":{"href":"https://bitbucket.org/acme/engine/pull-requests/%d"}`, i+1))
		text := fmt.Sprintf("Change number %d to the engine, with a text that says what and why over a few lines.\\n\\n* one\\n* two @{557058:abc}\\n", i+1)
		fmt.Fprintf(&b, `{"comment_count":3,"task_count":0,"type":"pullrequest","id":%d,"title":"Change number %[1]d","description":"%[2]s","rendered":{"title":{"type":"rendered","raw":"Change","markup":"markdown","html":"<p>Change</p>"},"description":{"type":"rendered","raw":"%[2]s","markup":"markdown","html":"<p>%[2]s</p>"}},"state":"MERGED","draft":false,"merge_commit":{"type":"commit","hash":"0123456789ab","links":{"self":{"href":"%[3]s/x"}}},"close_source_branch":true,"closed_by":%[4]s,"author":%[5]s,"reason":"","created_on":"2025-01-01T00:00:00.123456+00:00","updated_on":"2025-02-01T00:00:00.123456+00:00","destination":{"branch":{"name":"main"},"commit":{"hash":"0123456789ab","links":{"self":{"href":"%[3]s/y"},"html":{"href":"%[3]s/z"}},"type":"commit"},"repository":%[6]s},"source":{"branch":{"name":"feature/%[1]d","links":{},"sync_strategies":["merge_commit","rebase"]},"commit":{"hash":"ba9876543210","links":{"self":{"href":"%[3]s/y"},"html":{"href":"%[3]s/z"}},"type":"commit"},"repository":%[6]s},`,
			i+1, text, base, user(i%7), user(i%11), repo)
		fmt.Fprintf(&b, `"reviewers":[%s,%s],"participants":[{"type":"participant","user":%s,"role":"REVIEWER","approved":true,"state":"approved","participated_on":"2025-01-02T00:00:00.5+00:00"},{"type":"participant","user":%s,"role":"REVIEWER","approved":false,"state":null,"participated_on":null}],`,
			user(20+i%5), user(30+i%5), user(20+i%5), user(30+i%5))
		fmt.Fprintf(&b, `"links":{%s},"summary":{"type":"rendered","raw":"%s","markup":"markdown","html":"<p>%s</p>"}}`, strings.Join(links, ","), text, text)
	}
	b.WriteString(`],"next":"https://api.bitbucket.org/2.0/repositories/acme/engine/pullrequests?page=2"}`)
	return []byte(b.String())
}

// BenchmarkPullRequestPage measures what one page of 50 costs from the bytes of the answer to graph objects: check,
// decoding, conversion and scrubbing. The limit is 20,000 pull requests a second on one core.
func BenchmarkPullRequestPage(b *testing.B) {
	body := fullPage()
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	n, before := 0, cpuTime(b)
	for b.Loop() {
		if !bitbucket.JSON(body).Valid() {
			b.Fatal("not valid")
		}
		wire, _ := readPage(body)
		met := newPeople()
		for _, v := range wire.values {
			if o, r, ok := convertPullRequest(v, testRepo(), met); ok && len(r.Odd()) == 0 && len(o.Relationships) == 5 {
				n++
			}
		}
	}
	if n != 50*b.N {
		b.Fatalf("%d pull requests in %d pages", n, b.N)
	}
	b.ReportMetric(float64(n)/(cpuTime(b)-before).Seconds(), "pullrequests/cpu-s")
}

// BenchmarkPeerPage is the same page through encoding/json into maps: what a straightforward client pays.
func BenchmarkPeerPage(b *testing.B) {
	body := fullPage()
	b.SetBytes(int64(len(body)))
	n, before := 0, cpuTime(b)
	for b.Loop() {
		n += 50
		var page struct{ Values []map[string]any }
		if err := json.Unmarshal(body, &page); err != nil || len(page.Values) != 50 {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(n)/(cpuTime(b)-before).Seconds(), "pullrequests/cpu-s")
}

// cpuTime returns the processor time of this process, collection of garbage included, so that a busy machine does not
// make the figure worse than the code is.
func cpuTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
