package sandbox_test

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/windlass-hq/windlass/internal/bitbucket/sandbox"
)

// delivery is what a receiver got.
type delivery struct {
	key  string
	head http.Header
	text []byte
	body map[string]any
}

// at returns what is at a path of the body.
func (d delivery) at(path ...any) any {
	var v any = d.body
	for _, p := range path {
		switch p := p.(type) {
		case string:
			m, _ := v.(map[string]any)
			v = m[p]
		case int:
			l, _ := v.([]any)
			if p >= len(l) {
				return nil
			}
			v = l[p]
		}
	}
	return v
}

// receiver takes deliveries and answers as it is told.
type receiver struct {
	*httptest.Server
	answer atomic.Pointer[func(n int) int] // status of the n-th request; 0: none for as long as the sender waits

	mu  sync.Mutex
	got []delivery
}

func newReceiver(t *testing.T) *receiver {
	t.Helper()
	r := &receiver{}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		d := delivery{key: req.Header.Get("X-Event-Key"), head: req.Header}
		d.text, _ = io.ReadAll(req.Body)
		if err := json.Unmarshal(d.text, &d.body); err != nil {
			t.Errorf("%s: the body is no JSON object: %v\n%s", d.key, err, d.text)
		}
		r.mu.Lock()
		r.got = append(r.got, d)
		n := len(r.got)
		r.mu.Unlock()
		if f := r.answer.Load(); f != nil {
			status := (*f)(n)
			if status == 0 {
				<-req.Context().Done()
				return
			}
			w.WriteHeader(status)
		}
	}))
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) answers(f func(n int) int) { r.answer.Store(&f) }

// take returns what came since it was asked last.
func (r *receiver) take() []delivery {
	r.mu.Lock()
	defer r.mu.Unlock()
	got := r.got
	r.got = nil
	return got
}

// hooking is a sandbox with a receiver.
type hooking struct {
	*testing.T
	s *sandbox.Sandbox
	r *receiver
}

func newHooking(t *testing.T, o sandbox.Options) hooking {
	t.Helper()
	o.Repositories, o.PullRequests, o.Users, o.TempDir = 8, 40, 10, t.TempDir()
	s, err := sandbox.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return hooking{t, s, newReceiver(t)}
}

// after does something, waits for its deliveries and returns them.
func (h hooking) after(did error) []delivery {
	h.Helper()
	if did != nil {
		h.Fatal(did)
	}
	ctx, cancel := context.WithTimeout(h.Context(), time.Minute)
	defer cancel()
	if err := h.s.Settle(ctx); err != nil {
		h.Fatal(err)
	}
	return h.r.take()
}

func keysOf(all []delivery) []string {
	var keys []string
	for _, d := range all {
		keys = append(keys, d.key)
	}
	return keys
}

func (h hooking) want(what string, all []delivery, keys ...string) {
	h.Helper()
	if diff := cmp.Diff(keys, keysOf(all)); diff != "" {
		h.Fatalf("%s: (-want +got)\n%s", what, diff)
	}
}

func allCloudEvents() []string {
	return []string{
		"repo:push", "repo:fork", "repo:updated", "repo:created", "repo:deleted", "project:updated", "pullrequest:created", "pullrequest:updated",
		"pullrequest:approved", "pullrequest:unapproved", "pullrequest:changes_request_created", "pullrequest:changes_request_removed",
		"pullrequest:fulfilled", "pullrequest:rejected", "pullrequest:push", "pullrequest:comment_created",
	}
}

func allServerEvents() []string {
	return []string{
		"project:modified", "repo:refs_changed", "repo:modified", "repo:forked", "pr:opened", "pr:from_ref_updated", "pr:modified", "pr:reviewer:updated",
		"pr:reviewer:approved", "pr:reviewer:unapproved", "pr:reviewer:needs_work", "pr:merged", "pr:declined", "pr:deleted", "pr:comment:added",
	}
}

// signature is what a secret makes of a body.
func signature(secret string, body []byte) string {
	m := hmac.New(sha256.New, []byte(secret))
	m.Write(body)
	return "sha256=" + hex.EncodeToString(m.Sum(nil))
}

// live makes a repository and lets a pull request live in it, on either product; check looks at the deliveries of each
// act.
func (h hooking) live(acts interface {
	Push(sandbox.Push) (sandbox.Pushed, error)
	OpenPullRequest(sandbox.PullRequestSpec) (int, error)
	Approve(string, int, string) error
	Unapprove(string, int, string) error
	Comment(string, int, string) error
	Merge(string, int, string) (string, error)
	Decline(string, int, string, string) error
	UpdatePullRequest(sandbox.PullRequestUpdate) error
}, repo, author, reviewer string, check func(act string, got []delivery),
) {
	h.Helper()
	_, err := acts.Push(sandbox.Push{Repository: repo, Branch: "main", Author: author})
	check("first push", h.after(err))
	for range 5 {
		_, err = acts.Push(sandbox.Push{Repository: repo, Branch: "main", Author: author})
		h.after(err)
	}
	_, err = acts.Push(sandbox.Push{Repository: repo, Branch: "main", Author: author})
	check("push", h.after(err))
	_, err = acts.Push(sandbox.Push{Repository: repo, Branch: "main", Force: true, Author: author})
	check("force", h.after(err))
	_, err = acts.Push(sandbox.Push{Repository: repo, Branch: "feature/a", Author: author})
	h.after(err)
	id, err := acts.OpenPullRequest(sandbox.PullRequestSpec{Repository: repo, Title: "A", Source: "feature/a", Author: author, Reviewers: []string{reviewer}, CloseSource: true})
	check("open", h.after(err))
	check("approve", h.after(acts.Approve(repo, id, reviewer)))
	check("unapprove", h.after(acts.Unapprove(repo, id, reviewer)))
	check("comment", h.after(acts.Comment(repo, id, reviewer)))
	title := "B"
	check("edit", h.after(acts.UpdatePullRequest(sandbox.PullRequestUpdate{Repository: repo, ID: id, Title: &title})))
	check("reviewers", h.after(acts.UpdatePullRequest(sandbox.PullRequestUpdate{Repository: repo, ID: id, Reviewers: &[]string{}})))
	_, err = acts.Push(sandbox.Push{Repository: repo, Branch: "feature/a", Author: author})
	check("source", h.after(err))
	_, err = acts.Merge(repo, id, reviewer)
	check("merge", h.after(err))
	id, err = acts.OpenPullRequest(sandbox.PullRequestSpec{Repository: repo, Title: "C", Source: "feature/c", Author: author})
	h.after(err)
	check("decline", h.after(acts.Decline(repo, id, reviewer, "no")))
}

func TestTheCloudDelivers(t *testing.T) {
	h := newHooking(t, sandbox.Options{})
	users := h.s.Truth().Users
	author, reviewer := users[1].ID, users[2].ID
	_, err := h.s.AddHook(sandbox.HookSpec{Place: sandbox.Place{Workspace: "acme"}, Name: "all", URL: h.r.URL + "/ws", Events: allCloudEvents(), Secret: "of the workspace", Active: true})
	if err != nil {
		t.Fatal(err)
	}
	off := sandbox.HookSpec{Place: sandbox.Place{Workspace: "acme"}, Name: "off", URL: h.r.URL + "/off", Events: allCloudEvents()}
	if _, err := h.s.AddHook(off); err != nil {
		t.Fatal(err)
	}
	_, err = h.s.CreateRepository(sandbox.RepositorySpec{Workspace: "acme", Name: "Told of"})
	made := h.after(err)
	h.want("create", made, "repo:created")
	if made[0].at("repository", "full_name") != "acme/told-of" || made[0].at("repository", "project", "uuid") == nil || made[0].at("repository", "workspace", "slug") != "acme" {
		t.Errorf("the short form: %s", made[0].text)
	}
	head := made[0].head
	for name, want := range map[string]string{
		"Content-Type": "application/json", "User-Agent": "Bitbucket-Webhooks/2.0", "X-Attempt-Number": "1", "X-Hub-Signature": signature("of the workspace", made[0].text),
		"Authorization": "",
	} {
		if got := head.Get(name); got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
	if len(head.Get("X-Hook-UUID")) != 36 || len(head.Get("X-Request-UUID")) != 36 {
		t.Errorf("ids: %v", head)
	}

	wants := map[string][]string{
		"first push": {"repo:push"}, "push": {"repo:push"}, "force": {"repo:push"}, "open": {"pullrequest:created"}, "approve": {"pullrequest:approved"},
		"unapprove": {"pullrequest:unapproved"}, "comment": {"pullrequest:comment_created"}, "edit": {"pullrequest:updated"},
		"reviewers": {"pullrequest:updated"}, "source": {"repo:push", "pullrequest:push", "pullrequest:updated"},
		"merge": {"repo:push", "repo:push", "pullrequest:fulfilled"}, "decline": {"pullrequest:rejected"},
	}
	h.live(h.s, "acme/told-of", author, reviewer, func(act string, got []delivery) {
		t.Helper()
		h.want(act, got, wants[act]...)
		d := got[0]
		if act != "reviewers" && act != "edit" && d.at("actor", "uuid") == nil {
			t.Errorf("%s: nobody did it", act)
		}
		push := func(path ...any) any { return d.at(append([]any{"push", "changes", 0}, path...)...) }
		switch act {
		case "first push":
			if push("old") != nil || push("created") != true || push("new", "name") != "main" || push("truncated") != false {
				t.Errorf("%s: %s", act, d.text)
			}
		case "push":
			commits, _ := push("commits").([]any)
			if push("forced") != false || len(commits) != 1 || push("old", "target", "hash") == push("new", "target", "hash") {
				t.Errorf("%s: %s", act, d.text)
			}
		case "force":
			if push("forced") != true {
				t.Errorf("%s: %s", act, d.text)
			}
		case "open":
			if d.at("pullrequest", "reviewers", 0, "uuid") != reviewer || d.at("pullrequest", "participants", 0, "role") != "REVIEWER" {
				t.Errorf("%s: %s", act, d.text)
			}
		case "approve":
			if d.at("approval", "user", "uuid") != reviewer || d.at("pullrequest", "participants", 0, "approved") != true {
				t.Errorf("%s: %s", act, d.text)
			}
		case "merge":
			if closed := got[1]; closed.at("push", "changes", 0, "closed") != true || got[2].at("pullrequest", "state") != "MERGED" {
				t.Errorf("%s: %s", act, closed.text)
			}
		}
	})
	// A push with more commits than a body has.
	for range 6 {
		_, err = h.s.Push(sandbox.Push{Repository: "acme/told-of", Branch: "long"})
		h.after(err)
	}
	id, err := h.s.OpenPullRequest(sandbox.PullRequestSpec{Repository: "acme/told-of", Title: "Long", Source: "long", Author: author})
	h.after(err)
	_, err = h.s.Merge("acme/told-of", id, reviewer)
	long := h.after(err)
	h.want("merge of many commits", long, "repo:push", "pullrequest:fulfilled")
	if commits, _ := long[0].at("push", "changes", 0, "commits").([]any); len(commits) != 5 || long[0].at("push", "changes", 0, "truncated") != true {
		t.Errorf("%d commits: %s", len(commits), long[0].text)
	}
	renamed := h.after(h.s.RenameRepository("acme/told-of", "Called otherwise"))
	h.want("rename", renamed, "repo:updated")
	if renamed[0].at("changes", "name", "old") != "Told of" || renamed[0].at("changes", "full_name", "new") != "acme/called-otherwise" {
		t.Errorf("renamed: %s", renamed[0].text)
	}
	h.want("public", h.after(h.s.SetPublic(sandbox.Place{Repository: "acme/called-otherwise"}, true)))
	h.want("delete", h.after(h.s.DeleteRepository("acme/called-otherwise")), "repo:deleted")
	key := h.s.Truth().Spaces[0].Projects[0].Key
	project := h.after(h.s.RenameProject("acme/"+key, "Other", ""))
	h.want("project", project, "project:updated")
	if project[0].at("changes", "name", "new") != "Other" || project[0].at("changes", "key") != nil {
		t.Errorf("project: %s", project[0].text)
	}
}

func TestDataCenterDelivers(t *testing.T) {
	for _, version := range []string{"7.6", "9.4", "10.0"} {
		t.Run(version, func(t *testing.T) {
			h := newHooking(t, sandbox.Options{DCVersion: version})
			d := h.s.DataCenter()
			author, reviewer := "robot-2", "robot-3"
			if _, err := d.CreateProject(sandbox.DCProjectSpec{Key: "TOLD"}); err != nil {
				t.Fatal(err)
			}
			if _, err := d.CreateRepository(sandbox.DCRepositorySpec{Project: "TOLD", Name: "of"}); err != nil {
				t.Fatal(err)
			}
			place := sandbox.Place{Project: "TOLD"}
			if version == "7.6" {
				place = sandbox.Place{Repository: "TOLD/of"}
			}
			hook := sandbox.HookSpec{Place: place, Name: "all", URL: h.r.URL, Events: allServerEvents(), Secret: "s", Active: true, Username: "u", Password: "p"}
			if _, err := d.AddHook(hook); err != nil {
				t.Fatal(err)
			}
			wants := map[string][]string{
				"first push": {"repo:refs_changed"}, "push": {"repo:refs_changed"}, "force": {"repo:refs_changed"}, "open": {"pr:opened"},
				"approve": {"pr:reviewer:approved"}, "unapprove": {"pr:reviewer:unapproved"}, "comment": {"pr:comment:added"}, "edit": {"pr:modified"},
				"reviewers": {"pr:reviewer:updated"}, "source": {"repo:refs_changed", "pr:from_ref_updated"},
				"merge": {"repo:refs_changed", "repo:refs_changed", "pr:merged"}, "decline": {"pr:declined"},
			}
			h.live(d, "TOLD/of", author, reviewer, func(act string, got []delivery) {
				t.Helper()
				h.want(act, got, wants[act]...)
				e := got[0]
				if _, err := time.Parse("2006-01-02T15:04:05-0700", e.at("date").(string)); err != nil || e.at("eventKey") != e.key || e.at("actor", "name") == nil {
					t.Errorf("%s: %v %s", act, err, e.text)
				}
				switch act {
				case "first push":
					if e.at("changes", 0, "type") != "ADD" || e.at("changes", 0, "fromHash") != strings.Repeat("0", 40) || e.at("changes", 0, "refId") != "refs/heads/main" {
						t.Errorf("%s: %s", act, e.text)
					}
				case "push":
					_, iso := e.at("toCommit", "authorTimestamp").(string)
					if has := e.at("toCommit") != nil && e.at("commits", 0, "id") == e.at("changes", 0, "toHash"); has != (version != "7.6") || iso != (version == "10.0") {
						t.Errorf("%s: %s", act, e.text)
					}
				case "open":
					if _, iso := e.at("pullRequest", "createdDate").(string); iso != (version == "10.0") || e.at("pullRequest", "reviewers", 0, "user", "name") != reviewer {
						t.Errorf("%s: %s", act, e.text)
					}
				case "approve":
					if e.at("participant", "status") != "APPROVED" || e.at("previousStatus") != "UNAPPROVED" || e.at("actor", "name") != reviewer {
						t.Errorf("%s: %s", act, e.text)
					}
				case "unapprove":
					if e.at("previousStatus") != "APPROVED" {
						t.Errorf("%s: %s", act, e.text)
					}
				case "edit":
					if e.at("previousTitle") != "A" || e.at("pullRequest", "title") != "B" || e.at("previousTarget", "displayId") != "main" {
						t.Errorf("%s: %s", act, e.text)
					}
				case "reviewers":
					if e.at("removedReviewers", 0, "name") != reviewer || e.at("addedReviewers", 0) != nil {
						t.Errorf("%s: %s", act, e.text)
					}
				case "source":
					if got[1].at("previousFromHash") != e.at("changes", 0, "fromHash") {
						t.Errorf("%s: %s", act, got[1].text)
					}
				case "merge":
					if got[1].at("changes", 0, "type") != "DELETE" || got[2].at("pullRequest", "properties", "mergeCommit", "id") != e.at("changes", 0, "toHash") {
						t.Errorf("%s: %s", act, got[2].text)
					}
				}
			})
			id, err := d.OpenPullRequest(sandbox.PullRequestSpec{Repository: "TOLD/of", Title: "D", Source: "feature/d", Author: author})
			got := h.after(err)
			h.want("open with a new branch", got, "repo:refs_changed", "pr:opened")
			head := got[0].head
			if head.Get("X-Hub-Signature") != signature("s", got[0].text) || head.Get("Authorization") == "" || len(head.Get("X-Request-Id")) != 36 || head.Get("X-Attempt-Number") != "" || head.Get("Content-Type") != "application/json; charset=utf-8" {
				t.Errorf("headers %v", head)
			}
			h.want("deleted", h.after(d.DeletePullRequest("TOLD/of", id)), "pr:deleted")
			renamed := h.after(d.RenameRepository("TOLD/of", "again"))
			h.want("renamed", renamed, "repo:modified")
			if renamed[0].at("old", "slug") != "of" || renamed[0].at("new", "slug") != "again" {
				t.Errorf("renamed: %s", renamed[0].text)
			}
			project := h.after(d.RenameProject("TOLD", "Another", "TOLDX"))
			if version == "7.6" {
				h.want("project", project)
				return
			}
			h.want("project", project, "project:modified")
			if project[0].at("old", "key") != "TOLD" || project[0].at("new", "key") != "TOLDX" {
				t.Errorf("project: %s", project[0].text)
			}
		})
	}
}

// TestTheCloudRetries: after a time-out and 5xx, three attempts in all, never after 4xx.
func TestTheCloudRetries(t *testing.T) {
	h := newHooking(t, sandbox.Options{Webhooks: sandbox.Webhooks{Timeout: 300 * time.Millisecond, Pause: time.Microsecond}})
	repo := h.s.Truth().Spaces[0].Projects[0].Repositories[0]
	name := "acme/" + repo.Slug
	if _, err := h.s.AddHook(sandbox.HookSpec{Place: sandbox.Place{Repository: name}, Name: "x", URL: h.r.URL, Events: []string{"repo:push"}, Active: true}); err != nil {
		t.Fatal(err)
	}
	for title, tc := range map[string]struct {
		answer func(n int) int
		want   int
	}{
		"4xx": {func(int) int { return 404 }, 1}, "5xx": {func(int) int { return 503 }, 3}, "no answer": {func(int) int { return 0 }, 3},
		"second": {func(n int) int { return []int{500, 200}[n-1] }, 2}, "redirect": {func(int) int { return 302 }, 1},
	} {
		h.r.answers(tc.answer)
		_, err := h.s.Push(sandbox.Push{Repository: name, Branch: "retried"})
		got := h.after(err)
		if len(got) != tc.want {
			t.Errorf("%s: %d attempts, want %d", title, len(got), tc.want)
		}
		for i, d := range got {
			if d.head.Get("X-Attempt-Number") != string(rune('1'+i)) || d.head.Get("X-Request-UUID") != got[0].head.Get("X-Request-UUID") || !bytes.Equal(d.text, got[0].text) {
				t.Errorf("%s: attempt %d is %v", title, i, d.head)
			}
		}
	}
	before := h.s.WebhookCounts()
	_, err := h.s.Push(sandbox.Push{Repository: name, Branch: "large", Message: strings.Repeat("large ", 60000)})
	if got := h.after(err); len(got) != 0 || h.s.WebhookCounts().TooLarge == before.TooLarge {
		t.Errorf("%d deliveries above 256 KB, %+v", len(got), h.s.WebhookCounts())
	}
}

// TestTheCircuitBreaks: after five failures in a row nothing is sent for ten seconds of the sandbox's clock, after the
// next for twenty; statistics tell.
func TestTheCircuitBreaks(t *testing.T) {
	var ahead atomic.Int64
	start := time.Date(2026, 10, 1, 0, 0, 0, 0, time.UTC)
	h := newHooking(t, sandbox.Options{Clock: func() time.Time { return start.Add(time.Duration(ahead.Load())) }})
	d := h.s.DataCenter()
	p := d.Truth().Spaces[0].Projects[0]
	name, key := p.Key+"/"+p.Repositories[0].Slug, p.Key
	id, err := d.AddHook(sandbox.HookSpec{Place: sandbox.Place{Project: key}, Name: "x", URL: h.r.URL + "?token=hidden", Events: []string{"repo:refs_changed"}, Active: true})
	if err != nil {
		t.Fatal(err)
	}
	push := func() int {
		t.Helper()
		_, err := d.Push(sandbox.Push{Repository: name, Branch: "broken"})
		return len(h.after(err))
	}
	h.r.answers(func(int) int { return 503 })
	sent := 0
	for range 8 {
		sent += push()
	}
	if sent != 5 {
		t.Errorf("%d requests until the circuit broke, want 5", sent)
	}
	pass := func(d time.Duration, want int) {
		t.Helper()
		ahead.Add(int64(d))
		if got := push(); got != want {
			t.Errorf("%s later: %d requests, want %d", d, got, want)
		}
	}
	pass(8*time.Second, 0)
	pass(5*time.Second, 1) // fails again: twenty seconds now
	pass(15*time.Second, 0)
	h.r.answers(func(int) int { return 204 })
	pass(10*time.Second, 1)
	pass(0, 1)

	server := httptest.NewServer(h.s.Handler())
	defer server.Close()
	ask := func(path string) map[string]any {
		t.Helper()
		req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+"/dc/rest/api/latest/projects/"+key+"/webhooks/"+id+path, nil)
		req.Header.Set("Authorization", "Bearer sandbox-token")
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		var out map[string]any
		if err := json.NewDecoder(res.Body).Decode(&out); err != nil || res.StatusCode != http.StatusOK {
			t.Fatalf("%s: status %d, %v", path, res.StatusCode, err)
		}
		return out
	}
	counts := map[string]any{"errors": 0.0, "failures": 6.0, "successes": 2.0}
	all := ask("/statistics")
	if diff := cmp.Diff(counts, all["counts"]); diff != "" {
		t.Errorf("statistics (-want +got):\n%s", diff)
	}
	if all["lastFailure"] == nil || all["lastSuccess"] == nil || all["lastError"] != nil {
		t.Errorf("statistics %v", all)
	}
	if diff := cmp.Diff(map[string]any{"repo:refs_changed": counts}, ask("/statistics/summary")); diff != "" {
		t.Errorf("summary (-want +got):\n%s", diff)
	}
	if latest := ask("/latest"); (delivery{body: latest}).at("result", "outcome") != "SUCCESS" || latest["event"] != "repo:refs_changed" {
		t.Errorf("latest %v", latest)
	}
	if latest := ask("/latest?outcome=FAILURE"); (delivery{body: latest}).at("result", "description") != "503" {
		t.Errorf("latest failure %v", latest)
	}
	if c := h.s.WebhookCounts(); c.Skipped != 5 || c.Failed != 6 || c.Delivered != 2 || c.Told != 13 {
		t.Errorf("counts %+v", c)
	}

	// The test of a connection is another delivery, which no statistics count.
	req, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL+"/dc/rest/api/latest/projects/"+key+"/webhooks/test?url="+h.r.URL, nil)
	req.Header.Set("Authorization", "Bearer sandbox-token")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	ping := h.r.take()
	if res.StatusCode != http.StatusOK || len(ping) != 1 || ping[0].key != "diagnostics:ping" || string(ping[0].text) != `{"test": true}` {
		t.Errorf("the test: status %d, %v", res.StatusCode, ping)
	}
}

// TestNoMoreThanInFlight holds deliveries up: what is above the limit is skipped.
func TestNoMoreThanInFlight(t *testing.T) {
	h := newHooking(t, sandbox.Options{Webhooks: sandbox.Webhooks{InFlight: 3}})
	d := h.s.DataCenter()
	p := d.Truth().Spaces[0].Projects[0]
	if _, err := d.AddHook(sandbox.HookSpec{Place: sandbox.Place{Project: p.Key}, Name: "x", URL: h.r.URL, Events: []string{"repo:refs_changed"}, Active: true}); err != nil {
		t.Fatal(err)
	}
	release := make(chan struct{})
	h.r.answers(func(int) int { <-release; return 200 })
	var err error
	for range 9 {
		if _, err = d.Push(sandbox.Push{Repository: p.Key + "/" + p.Repositories[0].Slug, Branch: "many"}); err != nil {
			t.Fatal(err)
		}
	}
	close(release)
	if got := h.after(nil); len(got) != 3 || h.s.WebhookCounts().Skipped != 6 {
		t.Errorf("%d arrived, %+v; want 3 of 9", len(got), h.s.WebhookCounts())
	}
}

// TestChanceFollowsFromTheSeed plays one day twice with everything that chance can do.
func TestChanceFollowsFromTheSeed(t *testing.T) {
	play := func(w sandbox.Webhooks) ([]string, []string, sandbox.WebhookCounts) {
		now := time.Date(2026, 9, 10, 0, 0, 0, 0, time.UTC)
		h := newHooking(t, sandbox.Options{Clock: func() time.Time { return now }, Webhooks: w})
		if _, err := h.s.AddHook(sandbox.HookSpec{Place: sandbox.Place{Workspace: "acme"}, Name: "x", URL: h.r.URL, Events: allCloudEvents(), Active: true}); err != nil {
			t.Fatal(err)
		}
		_, err := h.s.Day(sandbox.DayOptions{Seed: 2, Acts: 120})
		var order []string
		for _, d := range h.after(err) {
			order = append(order, d.head.Get("X-Request-UUID"))
		}
		set := slices.Clone(order)
		slices.Sort(set)
		return order, set, h.s.WebhookCounts()
	}
	plain, all, counts := play(sandbox.Webhooks{})
	if counts.Lost != 0 || len(plain) < 60 || len(slices.Compact(slices.Clone(all))) != len(all) {
		t.Fatalf("%d deliveries, %+v", len(plain), counts)
	}
	w := sandbox.Webhooks{Lose: 0.2, Duplicate: 0.3, Reorder: 0.3, Delay: time.Millisecond}
	_, one, first := play(w)
	order, two, second := play(w)
	if diff := cmp.Diff(one, two); diff != "" || first.Lost != second.Lost {
		t.Errorf("chance differs (-first +second):\n%s", diff)
	}
	if first.Lost < first.Told/10 || first.Lost > first.Told*3/10 {
		t.Errorf("%d of %d were lost, want about a fifth", first.Lost, first.Told)
	}
	if len(slices.Compact(slices.Clone(two))) == len(two) {
		t.Error("nothing came twice")
	}
	at := map[string]int{}
	for i, id := range plain {
		at[id] = i
	}
	if slices.IsSortedFunc(order, func(a, b string) int { return at[a] - at[b] }) {
		t.Error("nothing came late")
	}
}
