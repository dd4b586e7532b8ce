package sandbox_test

import (
	"bytes"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/windlass-hq/windlass/internal/bitbucket/sandbox"
)

func TestSameOptionsSameBytes(t *testing.T) {
	options := func() sandbox.Options { return sandbox.Options{Seed: 7, PublicURL: "https://bitbucket.example"} }
	_, a := start(t, options())
	_, b := start(t, options())
	other := options()
	other.Seed = 8
	_, c := start(t, other)
	name := someRepository(t, a)
	// The order of requests must not matter: b computes hashes from the commits, a from the pull requests.
	paths := []string{"/pullrequests/1", "/commits?pagelen=100", "/refs?pagelen=100", "/pullrequests?state=ALL&pagelen=50&fields=values", "/pullrequests/activity?pagelen=50", ""}
	read := func(base string, backwards bool) map[string][]byte {
		out := map[string][]byte{}
		for i := range paths {
			p := paths[i]
			if backwards {
				p = paths[len(paths)-1-i]
			}
			_, body := get(t, token, base+"/2.0/repositories/"+name+p)
			out[p] = bytes.ReplaceAll(body, []byte(base), []byte("BASE"))
		}
		return out
	}
	first, second := read(a, false), read(b, true)
	for _, p := range paths {
		if !bytes.Equal(first[p], second[p]) {
			t.Errorf("%s differs:\n%.300s\n%.300s", p, first[p], second[p])
		}
		if len(first[p]) < 200 {
			t.Errorf("%s is %s", p, first[p])
		}
	}
	_, x := get(t, token, a+"/2.0/workspaces/acme/members")
	_, y := get(t, token, c+"/2.0/workspaces/acme/members")
	if bytes.Equal(x, y) {
		t.Error("another seed gives the same members")
	}
}

// TestTheDataHasWhatRealDataHas checks that every oddity that a client must cope with occurs.
func TestTheDataHasWhatRealDataHas(t *testing.T) {
	_, base := start(t, sandbox.Options{Repositories: 120, PullRequests: 3000, Users: 80})
	seen := map[string]int{}
	note := func(what string, is bool) {
		if is {
			seen[what]++
		}
	}
	members := map[any]bool{}
	nicknames := map[any]int{}
	for _, m := range walk(t, base+"/2.0/workspaces/acme/members?pagelen=100") {
		members[at(m, "user.uuid")] = true
		nicknames[at(m, "user.nickname")]++
		note("unicode name", nonASCII(at(m, "user.display_name").(string)))
		note("nickname twice", nicknames[at(m, "user.nickname")] == 2)
	}
	sizes := []float64{}
	for _, r := range walk(t, base+"/2.0/repositories/acme?pagelen=100") {
		full := r["full_name"].(string)
		note("empty repository", r["mainbranch"] == nil)
		note("public repository", r["is_private"] == false)
		note("private repository", r["is_private"] == true)
		note("fork", r["parent"] != nil)
		note("slug unlike name", !strings.EqualFold(strings.ReplaceAll(r["name"].(string), " ", "-"), r["slug"].(string)))
		list := walk(t, base+"/2.0/repositories/"+full+"/pullrequests?state=ALL&pagelen=50&fields=%2Bvalues.participants,%2Bvalues.reviewers")
		sizes = append(sizes, float64(len(list)))
		for _, p := range list {
			created, updated := moment(t, p["created_on"]), moment(t, p["updated_on"])
			if updated.Before(created) || updated.After(time.Date(2026, 9, 1, 0, 0, 0, 0, time.UTC)) {
				t.Errorf("%s %v: created %v, updated %v", full, p["id"], created, updated)
			}
			note(p["state"].(string), true)
			note("draft", p["draft"] == true)
			if p["draft"] == true && p["state"] != "OPEN" {
				t.Errorf("%s %v is a draft and %v", full, p["id"], p["state"])
			}
			if (p["state"] == "MERGED") != (p["merge_commit"] != nil) {
				t.Errorf("%s %v: %v with merge commit %v", full, p["id"], p["state"], p["merge_commit"])
			}
			note("no author", p["author"] == nil)
			note("author left", p["author"] != nil && !members[at(p, "author.uuid")])
			note("fork deleted", at(p, "source.repository") == nil)
			from, _ := at(p, "source.repository.full_name").(string)
			note("from a fork", from != "" && from != full)
			note("description null", p["description"] == nil)
			note("description empty", p["description"] == "")
			note("long title", len(p["title"].(string)) > 200)
			note("unicode title", nonASCII(p["title"].(string)))
			note("unicode branch", nonASCII(at(p, "source.branch.name").(string)))
			note("declined with reason", p["state"] == "DECLINED" && p["reason"] != "")
			note("closed by another", p["closed_by"] != nil && at(p, "closed_by.uuid") != at(p, "author.uuid"))
			for _, x := range p["participants"].([]any) {
				state, on := at(x, "state"), at(x, "participated_on")
				if (state == "approved") != (at(x, "approved") == true) || state != nil && on == nil {
					t.Errorf("%s %v: participant %v", full, p["id"], x)
				}
				note("approved", state == "approved")
				note("changes requested", state == "changes_requested")
				note("asked only", on == nil)
				note("participant, no reviewer", at(x, "role") == "PARTICIPANT")
			}
		}
	}
	for _, what := range []string{
		"unicode name", "nickname twice", "empty repository", "public repository", "private repository", "fork", "slug unlike name",
		"OPEN", "MERGED", "DECLINED", "SUPERSEDED", "draft", "no author", "author left", "fork deleted", "from a fork", "description null",
		"description empty", "long title", "unicode title", "unicode branch", "declined with reason", "closed by another", "approved",
		"changes requested", "asked only", "participant, no reviewer",
	} {
		if seen[what] == 0 {
			t.Errorf("there is no %s", what)
		}
	}
	most, sum := 0.0, 0.0
	for _, n := range sizes {
		most, sum = max(most, n), sum+n
	}
	if mean := sum / float64(len(sizes)); most < 4*mean {
		t.Errorf("the largest repository has %v pull requests, the mean is %v: no power law", most, mean)
	}
}

func nonASCII(s string) bool {
	return strings.ContainsFunc(s, func(c rune) bool { return c > unicode.MaxASCII })
}

func moment(t testing.TB, v any) time.Time {
	t.Helper()
	at, err := time.Parse("2006-01-02T15:04:05.000000-07:00", v.(string))
	if err != nil {
		t.Fatal(err)
	}
	return at
}
