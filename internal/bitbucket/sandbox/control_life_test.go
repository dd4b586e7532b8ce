package sandbox_test

import (
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/windlass-hq/windlass/internal/bitbucket/sandbox"
)

// lives is one product and how its answers are read.
type lives struct {
	*sandbox.Sandbox
	orders
	prefix string
	truth  func() sandbox.Truth
	repo   func() sandbox.TruthRepository // the first with an open pull request
	name   string
}

func (l lives) act(path string, args object, status int) {
	l.Helper()
	l.do(l.prefix+path, args, status)
}

// pull is the newest pull request of the repository in a state.
func (l lives) pull(state string) sandbox.TruthPullRequest {
	l.Helper()
	all := l.repo().PullRequests
	for i := range all {
		if p := all[len(all)-1-i]; p.State == state {
			return p
		}
	}
	l.Fatalf("no pull request is %s", state)
	return sandbox.TruthPullRequest{}
}

func eachLife(t *testing.T, test func(t *testing.T, l lives)) {
	t.Helper()
	for _, prefix := range []string{"", "dc/"} {
		t.Run("product"+prefix, func(t *testing.T) {
			s, base := start(t, sandbox.Options{Repositories: 12, PullRequests: 90, Users: 14})
			l := lives{Sandbox: s, orders: orders{t, base}, prefix: prefix, truth: s.Truth}
			if prefix != "" {
				l.truth = s.DataCenter().Truth
			}
			id := ""
			for _, p := range l.truth().Spaces[0].Projects {
				for _, r := range p.Repositories {
					for _, pr := range r.PullRequests {
						if pr.State == "OPEN" && id == "" && p.Owner == "" && !r.Archived {
							id, l.name = r.ID, "acme/"+r.Slug
							if prefix != "" {
								l.name = p.Key + "/" + r.Slug
							}
						}
					}
				}
			}
			l.repo = func() sandbox.TruthRepository {
				for _, p := range l.truth().Spaces[0].Projects {
					for _, r := range p.Repositories {
						if r.ID == id {
							return r
						}
					}
				}
				return sandbox.TruthRepository{}
			}
			test(t, l)
		})
	}
}

func branch(r sandbox.TruthRepository, name string) sandbox.TruthBranch {
	for _, b := range r.Branches {
		if b.Name == name {
			return b
		}
	}
	return sandbox.TruthBranch{}
}

func TestLifeOfPullRequestsAndBranches(t *testing.T) {
	eachLife(t, func(t *testing.T, l lives) {
		main := l.repo().DefaultBranch
		l.act("push", object{"repository": l.name, "branch": "next"}, 200)
		one := branch(l.repo(), "next").Head
		l.act("push", object{"repository": l.name, "branch": "next"}, 200)
		two := branch(l.repo(), "next").Head
		l.act("push", object{"repository": l.name, "branch": "next", "force": true, "message": "again"}, 200)
		three := branch(l.repo(), "next").Head
		if one == two || two == three || one == three {
			t.Errorf("heads %s, %s, %s; want three", one, two, three)
		}
		l.act("push", object{"repository": l.name, "branch": main, "delete": true}, 409)

		p := l.pull("OPEN")
		l.act("comment", object{"repository": l.name, "id": p.ID, "user": "admin@acme.example"}, 200)
		commented := l.pull("OPEN")
		if commented.ID != p.ID || commented.Updated <= p.Updated || len(commented.People) < len(p.People) {
			t.Errorf("after a comment: %+v, before %+v", commented, p)
		}
		l.act("update", object{"repository": l.name, "id": p.ID, "destination": "next"}, 200)
		if got := l.pull("OPEN"); got.Target != "next" || got.TargetHash != three {
			t.Errorf("retargeted to %s at %s, want next at %s", got.Target, got.TargetHash, three)
		}
		l.act("update", object{"repository": l.name, "id": p.ID, "destination": "nowhere"}, 404)

		l.act("decline", object{"repository": l.name, "id": p.ID, "user": "admin@acme.example", "reason": "no"}, 200)
		l.act("update", object{"repository": l.name, "id": p.ID, "destination": main}, 409)
		if l.prefix != "" {
			l.act("reopen", object{"repository": l.name, "id": p.ID, "user": "admin"}, 200)
			if got := l.pull("OPEN"); got.ID != p.ID || got.Closed != 0 || got.ClosedBy != "" {
				t.Errorf("reopened: %+v", got)
			}
			l.act("reopen", object{"repository": l.name, "id": p.ID, "user": "admin"}, 409)
		}

		rules := len(l.repo().Restrictions)
		l.act("default-branch", object{"repository": l.name, "branch": "next"}, 200)
		l.act("default-branch", object{"repository": l.name, "branch": "nowhere"}, 404)
		if r := l.repo(); r.DefaultBranch != "next" || !branch(r, "next").Default || branch(r, main).Default || len(r.Restrictions) != rules {
			t.Errorf("default branch %s with %d restrictions, want next and %d", r.DefaultBranch, len(r.Restrictions), rules)
		}
		for _, public := range []bool{true, false} {
			l.act("public", object{"repository": l.name, "public": public}, 200)
			if l.repo().Public != public {
				t.Errorf("public: %t", !public)
			}
		}
	})
}

func TestLifeOfProjectsPeopleAndHooks(t *testing.T) {
	eachLife(t, func(t *testing.T, l lives) {
		project := l.truth().Spaces[0].Projects[0]
		ref := func(key string) string { return map[string]string{"": "acme/", "dc/": ""}[l.prefix] + key }
		l.act("rename/project", object{"project": ref(project.Key), "name": "Ünlike", "key": "ZZZ"}, 200)
		l.act("rename/project", object{"project": ref("ZZZ"), "key": "lower"}, 400)
		for _, p := range l.truth().Spaces[0].Projects {
			if p.ID == project.ID && (p.Key != "ZZZ" || p.Name != "Ünlike" || len(p.Repositories) != len(project.Repositories)) {
				t.Errorf("renamed project: %s %s with %d repositories", p.Key, p.Name, len(p.Repositories))
			}
		}
		l.act("public", object{"project": ref("ZZZ"), "public": !project.Public}, 200)

		if l.prefix == "" {
			other := l.truth().Spaces[0].Projects[1]
			for _, p := range l.truth().Spaces[0].Projects {
				for _, r := range p.Repositories {
					if "acme/"+r.Slug == l.name && p.ID == other.ID {
						other = l.truth().Spaces[0].Projects[0]
					}
				}
			}
			l.act("move/repository", object{"repository": l.name, "key": other.Key}, 200)
			moved := false
			for _, p := range l.truth().Spaces[0].Projects {
				for _, r := range p.Repositories {
					moved = moved || p.ID == other.ID && "acme/"+r.Slug == l.name
				}
			}
			if !moved {
				t.Error("the repository is where it was")
			}
		}

		u := l.truth().Users[3]
		name := map[string]string{"": u.ID, "dc/": u.Nickname}[l.prefix]
		l.act("rename/user", object{"user": name, "name": "Neo Nym", "nickname": "neo"}, 200)
		if got := l.truth().Users[3]; got.Name != "Neo Nym" || got.Nickname != "neo" || got.ID != u.ID {
			t.Errorf("renamed user: %+v", got)
		}

		at := l.repo()
		l.name = "acme/" + at.Slug
		if l.prefix != "" {
			for _, p := range l.truth().Spaces[0].Projects {
				for _, r := range p.Repositories {
					if r.ID == at.ID {
						l.name = p.Key + "/" + r.Slug
					}
				}
			}
		}
		id := l.do(l.prefix+"hook/add", object{"repository": l.name, "name": "a", "url": "https://a.example/", "events": []string{"one"}}, 200)["id"]
		l.act("hook/change", object{"repository": l.name, "id": id, "name": "b", "url": "https://b.example/", "events": []string{"one", "two"}, "active": true}, 200)
		l.act("hook/change", object{"repository": l.name, "id": "none", "name": "b", "url": "https://b.example/", "events": []string{"one"}}, 404)
		hooks := l.repo().Hooks
		if h := hooks[len(hooks)-1]; h.ID != id || h.Name != "b" || h.URL != "https://b.example/" || len(h.Events) != 2 || !h.Active {
			t.Errorf("changed hook: %+v", h)
		}
	})
}

// TestEveryAnswerTellsTheSandboxsClock: REST of both products, tokens, git, refusals and faults carry the Date of the
// clock that dates changes, and it can be set wrong.
func TestEveryAnswerTellsTheSandboxsClock(t *testing.T) {
	now := time.Date(2026, 11, 3, 10, 0, 0, 0, time.UTC)
	s, base := start(t, sandbox.Options{Repositories: 6, PullRequests: 20, Users: 8, Clock: func() time.Time { return now }, Skew: 3 * time.Minute})
	o := orders{t, base}
	check := func(want time.Time) {
		t.Helper()
		for _, path := range []string{
			"/2.0/repositories/acme", "/2.0/nothing", "/dc/rest/api/latest/projects", "/cloud/site/oauth2/access_token", "/acme/x.git/info/refs", "/sandbox/stats",
		} {
			resp, _ := get(t, token, base+path)
			if got := resp.Header.Get("Date"); got != want.Format(http.TimeFormat) {
				t.Errorf("%s: Date %s, want %s", path, got, want.Format(http.TimeFormat))
			}
		}
	}
	check(now.Add(3 * time.Minute))
	if _, err := s.AddFault(sandbox.Fault{Kind: sandbox.FaultLimited, Path: "/2.0/repositories", Count: 1}); err != nil {
		t.Fatal(err)
	}
	check(now.Add(3 * time.Minute))
	o.do("clock", object{"skew": "-3m"}, 200)
	check(now.Add(-3 * time.Minute))
	o.do("clock", object{"skew": "soon"}, 400)
	name := someRepository(t, base)
	o.do("rename/repository", object{"repository": name, "name": "late"}, 200)
	if got := want(t, 200, base+"/2.0/repositories/acme/late")["updated_on"]; got != "2026-11-03T09:57:00.000000+00:00" {
		t.Errorf("updated_on %v, want it by the sandbox's clock", got)
	}
}

// TestWindows asks for pull requests between two moments, in the ways that windows and backfills do.
func TestWindows(t *testing.T) {
	now := time.Date(2026, 11, 3, 10, 0, 0, 0, time.UTC)
	s, base := start(t, sandbox.Options{Repositories: 4, PullRequests: 120, Users: 8, Clock: func() time.Time { return now }})
	name := someRepository(t, base)
	list := base + "/2.0/repositories/" + name + "/pullrequests?pagelen=50&"
	all := walk(t, list+"state=OPEN&state=MERGED&state=DECLINED&state=SUPERSEDED&sort=-updated_on")
	if len(all) < 6 {
		t.Fatalf("%d pull requests", len(all))
	}
	for i := 1; i < len(all); i++ {
		if all[i-1]["updated_on"].(string) < all[i]["updated_on"].(string) {
			t.Fatal("not sorted by the latest update")
		}
	}
	newer, older := all[1]["updated_on"].(string), all[len(all)-3]["updated_on"].(string)
	for q, keep := range map[string]func(o object) bool{
		"updated_on>=" + older:                                   func(o object) bool { return o["updated_on"].(string) >= older },
		"updated_on>=" + older + " AND updated_on<" + newer:      func(o object) bool { u := o["updated_on"].(string); return u >= older && u < newer },
		"updated_on>=\"" + older + "\" AND updated_on<=" + newer: func(o object) bool { u := o["updated_on"].(string); return u >= older && u <= newer },
		`(state="MERGED" OR state="DECLINED") AND updated_on<` + newer: func(o object) bool {
			return (o["state"] == "MERGED" || o["state"] == "DECLINED") && o["updated_on"].(string) < newer
		},
	} {
		wanted := 0
		for _, o := range all {
			if keep(o) {
				wanted++
			}
		}
		got := walk(t, list+"state=OPEN&state=MERGED&state=DECLINED&state=SUPERSEDED&q="+url.QueryEscape(q))
		if len(got) != wanted || wanted == 0 || wanted == len(all) {
			t.Errorf("%s: %d of %d, want %d", q, len(got), len(all), wanted)
		}
		for _, o := range got {
			if !keep(o) {
				t.Errorf("%s: %v", q, o["updated_on"])
			}
		}
	}

	// Several states and a sort are too much for a large repository (FACTS 65).
	if _, err := s.AddFault(sandbox.Fault{Kind: sandbox.FaultSorted, Over: 3}); err != nil {
		t.Fatal(err)
	}
	want(t, 500, list+"state=OPEN&state=MERGED&sort=-updated_on")
	want(t, 200, list+"state=OPEN&state=MERGED")
	want(t, 200, list+"state=MERGED&sort=-updated_on")
	s.ClearFaults()
	if _, err := s.AddFault(sandbox.Fault{Kind: sandbox.FaultSorted, Over: 1000}); err != nil {
		t.Fatal(err)
	}
	want(t, 200, list+"state=OPEN&state=MERGED&sort=-updated_on")
}
