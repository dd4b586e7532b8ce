package sandbox_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/windlass-hq/windlass/internal/bitbucket/sandbox"
)

func TestMain(m *testing.M) {
	if os.Getenv(clientKeyVariable) != "" { // git runs this binary in place of ssh
		os.Exit(sshClient(os.Args[1:]))
	}
	code := m.Run()
	http.DefaultClient.CloseIdleConnections()
	for end := time.Now().Add(time.Minute); code == 0; { // goleak itself waits for a second only
		err := goleak.Find()
		if err == nil {
			break
		}
		if time.Now().After(end) {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

// control posts to the control API and returns the answer.
func control(t testing.TB, base, act, args string, status int) object {
	t.Helper()
	req, err := http.NewRequest(http.MethodPost, base+"/sandbox/"+act, strings.NewReader(args))
	if err != nil {
		t.Fatal(err)
	}
	resp, body := do(t, req)
	if resp.StatusCode != status {
		t.Fatalf("%s %s: %s %s", act, args, resp.Status, body)
	}
	var o object
	if len(body) > 0 {
		if err := json.Unmarshal(body, &o); err != nil {
			t.Fatalf("%s: %v in %s", act, err, body)
		}
	}
	return o
}

func TestLifeOfAPullRequest(t *testing.T) {
	c := newClock()
	_, base := start(t, sandbox.Options{Clock: c.now})
	uuid := control(t, base, "create/repository", `{"workspace":"acme","name":"Brand New"}`, 200)["uuid"]
	api := base + "/2.0/repositories/acme/brand-new"
	if got := want(t, 200, api); got["uuid"] != uuid || got["mainbranch"] != nil {
		t.Errorf("new repository %v, want %v", got, uuid)
	}
	if got := walk(t, api+"/commits"); len(got) != 0 {
		t.Errorf("commits of an empty repository: %v", got)
	}
	const repo = `"repository":"acme/brand-new"`
	control(t, base, "push", `{`+repo+`,"branch":"master","files":{"README.md":"hi"}}`, 200)
	if got := at(want(t, 200, api), "mainbranch.name"); got != "master" {
		t.Errorf("main branch %v", got)
	}
	members := walk(t, base+"/2.0/workspaces/acme/members")
	who := func(i int) string { return at(members[i], "user.uuid").(string) }
	c.advance(time.Hour)
	id := control(t, base, "open", `{`+repo+`,"title":"First","source":"f","author":"`+who(1)+`","reviewers":["`+who(2)+`"],"close_source_branch":true}`, 200)["id"]
	pr := api + "/pullrequests/" + strconv.Itoa(int(id.(float64)))
	on := `{` + repo + `,"id":1,"user":"`
	state := func() object { return want(t, 200, pr)["participants"].([]any)[0].(object) }
	if got := state(); got["state"] != nil || got["participated_on"] != nil || got["role"] != "REVIEWER" {
		t.Errorf("asked: %v", got)
	}
	c.advance(time.Hour)
	control(t, base, "request-changes", on+who(2)+`"}`, 200)
	if got := state(); got["state"] != "changes_requested" || got["participated_on"] != "2026-09-02T14:00:00.000000+00:00" {
		t.Errorf("changes requested: %v", got)
	}
	before := at(want(t, 200, pr), "source.commit.hash")
	control(t, base, "push", `{`+repo+`,"branch":"f"}`, 200)
	if got := at(want(t, 200, pr), "source.commit.hash"); got == before {
		t.Error("the pull request did not follow its branch")
	}
	control(t, base, "approve", on+who(2)+`"}`, 200)
	control(t, base, "unapprove", on+who(2)+`"}`, 200)
	control(t, base, "approve", on+who(2)+`"}`, 200)
	control(t, base, "approve", on+who(3)+`"}`, 200)
	hash := control(t, base, "merge", on+who(3)+`"}`, 200)["hash"].(string)
	got := want(t, 200, pr)
	if got["state"] != "MERGED" || at(got, "merge_commit.hash") != hash[:12] || at(got, "closed_by.uuid") != who(3) || len(got["participants"].([]any)) != 2 {
		t.Errorf("merged: %v", got)
	}
	if len(want(t, 200, api+"/refs/branches")["values"].([]any)) != 1 {
		t.Error("the source branch is still there")
	}
	kinds := map[string]int{}
	for _, e := range walk(t, pr+"/activity") {
		for k := range e {
			kinds[k]++
		}
	}
	if kinds["update"] != 3 || kinds["approval"] != 2 || kinds["pull_request"] != 5 {
		t.Errorf("activity %v", kinds)
	}
	control(t, base, "approve", on+who(1)+`"}`, 409)
	control(t, base, "open", `{`+repo+`,"title":"Second","source":"g"}`, 200)
	control(t, base, "decline", `{`+repo+`,"id":2,"reason":"no"}`, 200)
	if got := want(t, 200, api+"/pullrequests/2"); got["state"] != "DECLINED" || got["reason"] != "no" {
		t.Errorf("declined: %v", got)
	}
	control(t, base, "delete/pull-request", `{`+repo+`,"id":2}`, 200)
	want(t, 404, api+"/pullrequests/2")
	control(t, base, "rename/repository", `{`+repo+`,"name":"Other Name"}`, 200)
	want(t, 404, api)
	if got := want(t, 200, base+"/2.0/repositories/acme/other-name"); got["uuid"] != uuid {
		t.Errorf("renamed: %v", got)
	}
	control(t, base, "delete/repository", `{"repository":"acme/other-name"}`, 200)
	want(t, 404, base+"/2.0/repositories/acme/other-name")
}

func TestControlOfMembersProjectsAndMistakes(t *testing.T) {
	s, base := start(t, sandbox.Options{})
	before := s.Stats().Objects
	control(t, base, "create/user", `{"name":"New One","email":"New@Acme.example"}`, 200)
	control(t, base, "member/add", `{"workspace":"acme","user":"new@acme.example"}`, 200)
	count := len(walk(t, base+"/2.0/workspaces/acme/members"))
	control(t, base, "member/remove", `{"workspace":"acme","user":"new@acme.example"}`, 200)
	if got := len(walk(t, base+"/2.0/workspaces/acme/members")); got != count-1 {
		t.Errorf("%d members, want %d", got, count-1)
	}
	control(t, base, "create/project", `{"workspace":"acme","key":"NEWP","name":"New"}`, 200)
	control(t, base, "create/repository", `{"workspace":"acme","project":"NEWP","name":"x"}`, 200)
	control(t, base, "delete/project", `{"project":"acme/NEWP"}`, 200)
	want(t, 404, base+"/2.0/repositories/acme/x")
	after := s.Stats().Objects
	if before != after {
		t.Errorf("objects %+v, want %+v", after, before)
	}
	name := someRepository(t, base)
	author := at(want(t, 200, base+"/2.0/repositories/"+name+"/pullrequests/3"), "author.uuid").(string)
	control(t, base, "delete/user", `{"user":"`+author+`"}`, 200)
	if got := want(t, 200, base+"/2.0/repositories/"+name+"/pullrequests/3"); got["author"] != nil {
		t.Errorf("the deleted author is %v", got["author"])
	}
	id := control(t, base, "fault/add", `{"kind":"status","status":500,"count":1}`, 200)["id"].(float64)
	want(t, 500, base+"/2.0/user")
	if got := control(t, base, "fault/remove", `{"id":`+strconv.Itoa(int(id))+`}`, 200)["hit"]; got != 1.0 {
		t.Errorf("hit %v", got)
	}
	control(t, base, "credential/edit", `{"name":"access-token","scopes":["account"]}`, 200)
	want(t, 403, base+"/2.0/repositories/acme")
	for act, status := range map[string]int{"push": 400, "nonsense": 404, "merge": 400} {
		control(t, base, act, `{"repositry":"acme/x"}`, status)
	}
	control(t, base, "push", `{"repository":"acme/missing"}`, 404)
}

func TestStatisticsHaveExactlyTheDocumentedForm(t *testing.T) {
	_, base := start(t, sandbox.Options{})
	want(t, 200, base+"/cloud/2.0/repositories/acme?pagelen=1")
	want(t, 200, base+"/2.0/repositories/acme?pagelen=1")
	want(t, 404, base+"/api/2.0/nothing")
	git(t, "", "ls-remote", cloneURL(base, someRepository(t, base), "x-token-auth", token))
	control(t, base, "stats/reset", "", 204)
	want(t, 200, base+"/cloud/2.0/repositories/acme?pagelen=1")
	want(t, 200, base+"/2.0/repositories/acme?pagelen=1")
	_, body := get(t, "", base+"/sandbox/stats")
	got := strings.TrimSpace(string(body))
	want := `{"requests":{"total":2,"limited":0,"by_endpoint":{"GET /2.0/repositories/{workspace}":2},"by_credential":{"access-token":2}},"objects":{"projects":14,"repositories":48,"pull_requests":600,"users":67}}`
	if got != want {
		t.Errorf("stats\n%s\nwant\n%s", got, want)
	}
}
