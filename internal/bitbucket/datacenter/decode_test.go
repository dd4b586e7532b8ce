package datacenter

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

func testKeys() keys { return keys{"i1"} }

func testRepo() bitbucket.RepoRef {
	return bitbucket.RepoRef{Key: "dc:i1:repo:42", ProjectKey: "dc:i1:project:7", Project: "ENG", Slug: "engine", UUID: "42", Name: "Engine"}
}

func testPeople() *bitbucket.People { return bitbucket.NewPeople("id", testKeys().convertUser) }

// convertAll decodes a body as a page of every kind and returns what came out.
func convertAll(body []byte) []graph.Object {
	j := bitbucket.JSON(body)
	if !j.Valid() {
		return nil
	}
	k := testKeys()
	instance, _ := k.convertInstance(j, "https://bb.example")
	out := []graph.Object{instance}
	keep := func(o graph.Object, _ *bitbucket.Record, ok bool) {
		if ok {
			out = append(out, o)
		}
	}
	env, _ := listing{limit: pageLimit}.read(bitbucket.Step{}, j)
	met := testPeople()
	for _, v := range env.Values {
		keep(k.convertProject(v))
		keep(k.convertMember(v))
		keep(k.convertPullRequest(v, testRepo(), met))
		if res, r, ok := k.convertRepository(v); ok {
			keep(res.object, r, ok)
			for _, o := range []*graph.Object{res.project, res.owner} {
				if o != nil {
					out = append(out, *o)
				}
			}
		}
		identityOf(v)
		stale(v, 5)
	}
	olderThan(env.Values, 5)
	return append(out, met.Take()...)
}

// FuzzPage feeds anything to the decoders: they never panic, and what they keep is sound.
func FuzzPage(f *testing.F) {
	files, _ := filepath.Glob("testdata/*/*.json")
	for _, name := range files {
		if b, err := os.ReadFile(name); err == nil && !strings.HasSuffix(name, ".golden.json") {
			f.Add(b)
		}
	}
	f.Add([]byte(`{"values":[{"id":1,"participants":[null,{"user":{"id":{}}}],"reviewers":[]}],"nextPageStart":-1}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, o := range convertAll(body) {
			if o.Entity.Key != "dc:i1" && !strings.HasPrefix(o.Entity.Key, "dc:i1:") || strings.ContainsAny(o.Entity.Key, "|{} ") {
				t.Errorf("key %q", o.Entity.Key)
			}
			if !json.Valid(o.Entity.Raw) {
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

// fullPage returns a page of 100 pull requests as large as the vendor's: about 6 KB each, most of it repositories and
// links.
func fullPage() []byte {
	const host = "https://git.acme.example"
	user := func(i int) string {
		return fmt.Sprintf(`{"name":"person%d","emailAddress":"person%[1]d@acme.example","active":true,"displayName":"Person Number %[1]d","id":%[1]d,"slug":"person%[1]d","type":"NORMAL","links":{"self":[{"href":"%[2]s/users/person%[1]d"}]}}`, i+1, host)
	}
	repo := `{"slug":"engine","id":42,"name":"Engine","description":"The engine of everything that turns.","hierarchyId":"e3c939f9ef4a7fae272e","scmId":"git","state":"AVAILABLE","statusMessage":"Available","forkable":true,"project":{"key":"ENG","id":7,"name":"Engines","description":"All that turns.","public":false,"type":"NORMAL","links":{"self":[{"href":"` + host + `/projects/ENG"}]}},"public":false,"archived":false,"links":{"clone":[{"href":"` + host + `/scm/eng/engine.git","name":"http"},{"href":"ssh://git@git.acme.example:7999/eng/engine.git","name":"ssh"}],"self":[{"href":"` + host + `/projects/ENG/repos/engine/browse"}]}}`
	participant := func(i int, role, status string) string {
		return fmt.Sprintf(`{"user":%s,"lastReviewedCommit":"0123456789012345678901234567890123456789","role":%q,"approved":%t,"status":%q}`, user(i), role, status == "APPROVED", status)
	}
	var b strings.Builder
	b.WriteString(`{"size":100,"limit":100,"isLastPage":false,"values":[`)
	for i := range 100 {
		if i > 0 {
			b.WriteString(",")
		}
		text := fmt.Sprintf("Change number %d to the engine, with a text that says what and why over a few lines.\\n\\n* one\\n* two\\n", i+1)
		fmt.Fprintf(&b, `{"id":%d,"version":3,"title":"Change number %[1]d","description":"%[2]s","state":"MERGED","open":false,"closed":true,"draft":false,"createdDate":1735689600123,"updatedDate":1738368000123,"closedDate":1738368000100,`, i+1, text)
		fmt.Fprintf(&b, `"fromRef":{"id":"refs/heads/feature/%d","displayId":"feature/%[1]d","latestCommit":"0123456789012345678901234567890123456789","type":"BRANCH","repository":%[2]s},"toRef":{"id":"refs/heads/main","displayId":"main","latestCommit":"9876543210987654321098765432109876543210","type":"BRANCH","repository":%[2]s},"locked":false,`, i+1, repo)
		fmt.Fprintf(&b, `"author":%s,"reviewers":[%s,%s],"participants":[%s],`, participant(i%11, "AUTHOR", "UNAPPROVED"), participant(20+i%5, "REVIEWER", "APPROVED"), participant(30+i%5, "REVIEWER", "UNAPPROVED"), participant(40+i%5, "PARTICIPANT", "UNAPPROVED"))
		fmt.Fprintf(&b, `"properties":{"mergeResult":{"outcome":"CLEAN","current":true},"resolvedTaskCount":0,"commentCount":3,"openTaskCount":0,"mergeCommit":{"id":"5555555555555555555555555555555555555555","displayId":"55555555555"}},"links":{"self":[{"href":"%s/projects/ENG/repos/engine/pull-requests/%d"}]}}`, host, i+1)
	}
	b.WriteString(`],"start":0,"nextPageStart":100}`)
	return []byte(b.String())
}

// BenchmarkPullRequestPage measures what one page of 100 costs from the bytes of the answer to graph objects: check,
// decoding, conversion and scrubbing.
func BenchmarkPullRequestPage(b *testing.B) {
	body, k := fullPage(), testKeys()
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	n, before := 0, cpuTime(b)
	for b.Loop() {
		if !bitbucket.JSON(body).Valid() {
			b.Fatal("not valid")
		}
		env, err := listing{limit: pageLimit}.read(bitbucket.Step{}, body)
		if err != nil {
			b.Fatal(err)
		}
		met := testPeople()
		for _, v := range env.Values {
			if o, r, ok := k.convertPullRequest(v, testRepo(), met); ok && len(r.Odd()) == 0 && len(o.Relationships) == 6 {
				n++
			}
		}
	}
	if n != 100*b.N {
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
		n += 100
		var page struct{ Values []map[string]any }
		if err := json.Unmarshal(body, &page); err != nil || len(page.Values) != 100 {
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
