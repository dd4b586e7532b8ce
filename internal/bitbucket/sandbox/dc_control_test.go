package sandbox_test

import (
	"net/http"
	"strconv"
	"testing"

	"github.com/windlass-hq/windlass/internal/bitbucket/sandbox"
)

// dcFilled returns the API paths of repositories with a default branch.
func dcFilled(t testing.TB, base string) (names, paths []string) {
	t.Helper()
	api := base + "/dc/rest/api/latest"
	for _, r := range dcWalk(t, dcToken, api+"/repos?limit=100") {
		one := api + "/projects/" + at(r, "project.key").(string) + "/repos/" + r["slug"].(string)
		if resp, _ := get(t, dcToken, one+"/default-branch"); resp.StatusCode == http.StatusOK {
			names = append(names, at(r, "project.key").(string)+"/"+r["slug"].(string))
			paths = append(paths, one)
		}
	}
	return names, paths
}

func TestDataCenterLifeOfAPullRequest(t *testing.T) {
	s, base := start(t, sandbox.Options{})
	names, paths := dcFilled(t, base)
	name, one := names[0], paths[0]
	main := dcWant(t, dcToken, 200, one+"/default-branch")["displayId"].(string)
	id := int(control(t, base, "dc/open", `{"repository":"`+name+`","title":"Try it","source":"feature/try","author":"admin","reviewers":["robot-2","robot-3"]}`, 200)["id"].(float64))
	pr := one + "/pull-requests/" + strconv.Itoa(id)
	p := dcWant(t, dcToken, 200, pr)
	if p["state"] != "OPEN" || p["open"] != true || at(p, "author.user.name") != "admin" || len(p["reviewers"].([]any)) != 2 || at(p, "fromRef.id") != "refs/heads/feature/try" {
		t.Errorf("opened: %v", p)
	}
	if newest := dcWant(t, dcToken, 200, one+"/pull-requests?state=ALL&limit=1")["values"].([]any)[0]; at(newest, "id") != p["id"] {
		t.Errorf("the newest is %v, want %v", at(newest, "id"), p["id"])
	}
	control(t, base, "dc/needs-work", `{"repository":"`+name+`","id":`+strconv.Itoa(id)+`,"user":"robot-2"}`, 200)
	control(t, base, "dc/approve", `{"repository":"`+name+`","id":`+strconv.Itoa(id)+`,"user":"robot-3"}`, 200)
	control(t, base, "dc/push", `{"repository":"`+name+`","branch":"feature/try","message":"More"}`, 200)
	p = dcWant(t, dcToken, 200, pr)
	verdicts := map[any]any{}
	for _, x := range p["reviewers"].([]any) {
		verdicts[at(x, "user.name")] = at(x, "status")
	}
	if verdicts["robot-2"] != "NEEDS_WORK" || verdicts["robot-3"] != "APPROVED" {
		t.Errorf("verdicts %v", verdicts)
	}
	version := p["version"].(float64)
	for query, want := range map[string]int{
		"username.1=robot-3": 1, "username.1=robot-3&role.1=AUTHOR": 0, "username.1=robot-3&role.1=REVIEWER&approved.1=true": 1,
		"username.1=robot-2&approved.1=true": 0, "at=refs/heads/" + main + "&filterText=try+IT": 1, "direction=OUTGOING&at=refs/heads/feature/try": 1,
	} {
		if got := len(dcWalk(t, dcToken, one+"/pull-requests?limit=100&"+query)); got != want {
			t.Errorf("%s: %d pull requests, want %d", query, got, want)
		}
	}
	mergedAs := control(t, base, "dc/merge", `{"repository":"`+name+`","id":`+strconv.Itoa(id)+`,"user":"admin"}`, 200)["hash"]
	p = dcWant(t, dcToken, 200, pr)
	if p["state"] != "MERGED" || p["closedDate"] == nil || p["version"].(float64) <= version || at(p, "properties.mergeCommit.id") != mergedAs {
		t.Errorf("merged: %v", p)
	}
	if head := dcWant(t, dcToken, 200, one+"/commits?limit=1")["values"].([]any)[0]; at(head, "id") != mergedAs {
		t.Errorf("the default branch is at %v, want %v", at(head, "id"), mergedAs)
	}
	var actions []string
	for _, a := range dcWalk(t, dcToken, pr+"/activities?limit=2") {
		actions = append(actions, a["action"].(string))
	}
	want := []string{"MERGED", "RESCOPED", "APPROVED", "REVIEWED", "OPENED"}
	if id%3 == 0 { // then there is also one about a reviewer
		want = []string{"MERGED", "RESCOPED", "APPROVED", "REVIEWED", "UPDATED", "OPENED"}
	}
	if len(actions) != len(want) || actions[0] != want[0] || actions[len(actions)-1] != "OPENED" {
		t.Errorf("activities %v, want %v", actions, want)
	}
	control(t, base, "dc/decline", `{"repository":"`+name+`","id":`+strconv.Itoa(id)+`,"user":"admin"}`, 409)
	if err := s.DataCenter().DeletePullRequest(name, id); err != nil {
		t.Fatal(err)
	}
	dcWant(t, dcToken, 404, pr)
}

func TestDataCenterRepositoriesChange(t *testing.T) {
	s, base := start(t, sandbox.Options{Clock: nil})
	dc := s.DataCenter()
	api := base + "/dc/rest/api/latest"
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	before := s.Stats().Products.DataCenter
	_, err := dc.CreateProject(sandbox.DCProjectSpec{Key: "NEW", Name: "Something new"})
	must(err)
	_, err = dc.CreateProject(sandbox.DCProjectSpec{Owner: "robot-2"})
	must(err)
	id, err := dc.CreateRepository(sandbox.DCRepositorySpec{Project: "NEW", Name: "First One"})
	must(err)
	again := func() object { return dcWant(t, dcToken, 200, api+"/projects/new/repos/first-one") }
	if got := again(); int(got["id"].(float64)) != id || got["archived"] != false {
		t.Errorf("created %v", got)
	}
	dcWant(t, dcToken, 404, api+"/projects/NEW/repos/first-one/commits")
	_, err = dc.Push(sandbox.Push{Repository: "NEW/first-one", Message: "Begin"})
	must(err)
	if n := len(dcWalk(t, dcToken, api+"/projects/NEW/repos/first-one/commits?limit=5")); n != 1 {
		t.Errorf("%d commits after the first push", n)
	}
	must(dc.ArchiveRepository("NEW/first-one", true))
	if got := again(); got["archived"] != true {
		t.Errorf("archived: %v", got)
	}
	listed := func(query string) int { return len(dcWalk(t, dcToken, api+"/repos?limit=100&name=first&"+query)) }
	if got := []int{listed(""), listed("archived=ARCHIVED"), listed("archived=all&projectkey=new")}; got[0] != 0 || got[1] != 1 || got[2] != 1 {
		t.Errorf("listed active, archived, all: %v", got)
	}
	must(dc.RenameRepository("NEW/first-one", "Second One"))
	dcWant(t, dcToken, 404, api+"/projects/NEW/repos/first-one")
	must(dc.MoveRepository("NEW/second-one", "~robot-2"))
	if got := dcWant(t, dcToken, 200, api+"/users/robot-2/repos/second-one"); int(got["id"].(float64)) != id || at(got, "project.type") != "PERSONAL" {
		t.Errorf("moved: %v", got)
	}
	must(dc.DeleteRepository("~robot-2/second-one"))
	other, err := dc.CreateRepository(sandbox.DCRepositorySpec{Project: "~robot-2", Name: "Second One"})
	must(err)
	if other == id {
		t.Errorf("a repository made again has the id %d of the deleted one", id)
	}
	must(dc.DeleteProject("NEW"))
	after := s.Stats().Products.DataCenter
	if before.Projects++; before.Projects != after.Projects || before.Repositories+1 != after.Repositories {
		t.Errorf("before %+v, after %+v", before, after)
	}
	_, err = dc.CreateUser("Neu@Acme", "Neu Mann", "neu@acme.example")
	must(err)
	if got := dcWant(t, dcToken, 200, api+"/users/neu_acme"); got["name"] != "Neu@Acme" || got["slug"] != "neu_acme" {
		t.Errorf("user %v", got)
	}
	must(dc.DeleteUser("Neu@Acme"))
	dcWant(t, dcToken, 404, api+"/users/neu_acme")
}

func TestDataCenterReach(t *testing.T) {
	s, base := start(t, sandbox.Options{})
	names, paths := dcFilled(t, base)
	api := base + "/dc/rest/api/latest"
	dc := s.DataCenter()
	for _, c := range []sandbox.DCCredential{
		{Name: "reader", User: "robot-4", Token: "read-two", Repositories: names[:2], Permission: "read"},
		{Name: "of-repository", Token: "one-only", Repositories: names[:1]},
		{Name: "user-4", User: "robot-4", Password: "pw4"},
	} {
		if err := dc.AddCredential(c); err != nil {
			t.Fatal(err)
		}
	}
	public := len(dcWalk(t, "", api+"/repos?limit=100"))
	if public == 0 {
		t.Error("nothing is public")
	}
	seen := dcWalk(t, "read-two", api+"/repos?limit=3")
	private := 0
	for _, r := range seen {
		if r["public"] == false {
			private++
		}
	}
	if private == 0 || private > 2 || len(seen) != public+private {
		t.Errorf("a reader of two repositories sees %d private and %d in all, public are %d", private, len(seen), public)
	}
	dcWant(t, "read-two", 200, paths[0])
	dcWant(t, "read-two", 401, paths[0]+"/webhooks")
	dcWant(t, "one-only", 200, paths[0]+"/webhooks")
	dcWant(t, "one-only", 401, api+"/admin/users")
	for i, one := range paths[2:] {
		if r := dcWant(t, dcToken, 200, one); r["public"] == false {
			dcWant(t, "read-two", 401, one)
			dcWant(t, "", 401, one+"/pull-requests")
			break
		} else if i == len(paths)-3 {
			t.Error("every repository is public")
		}
	}
	control(t, base, "dc/credential/edit", `{"name":"reader","revoked":true}`, 200)
	if resp, _ := get(t, "read-two", paths[0]); resp.StatusCode != http.StatusUnauthorized || resp.Header.Get("X-AUSERNAME") != "" {
		t.Errorf("revoked: %s, X-AUSERNAME %q", resp.Status, resp.Header.Get("X-AUSERNAME"))
	}
	control(t, base, "dc/credential/edit", `{"name":"reader","revoked":false,"repositories":["NO/such"]}`, 404)
}

func TestDataCenterPagesHaveGaps(t *testing.T) {
	_, base := start(t, sandbox.Options{Repositories: 80, Users: 100})
	api := base + "/dc/rest/api/latest"
	gaps := 0
	for start := 0; ; {
		page := dcWant(t, dcToken, 200, api+"/users?limit=5&start="+strconv.Itoa(start))
		next, ok := page["nextPageStart"].(float64)
		if !ok {
			break
		}
		if int(next) != start+int(page["size"].(float64)) {
			gaps++
		}
		start = int(next)
	}
	if gaps == 0 {
		t.Error("every page of users begins at start + size")
	}
	for target, want := range map[string]float64{"/users?limit=5000": 1000, "/projects?limit=0": 0, "/repos?limit=x": 0, "/repos?start=-1": 0} {
		resp, _ := get(t, dcToken, api+target)
		if want == 0 {
			if resp.StatusCode != http.StatusBadRequest {
				t.Errorf("%s: %s", target, resp.Status)
			}
			continue
		}
		if got := dcWant(t, dcToken, 200, api+target)["limit"]; got != want {
			t.Errorf("%s: limit %v is granted, want %v", target, got, want)
		}
	}
	_, paths := dcFilled(t, base)
	if got := dcWant(t, dcToken, 200, paths[0]+"/pull-requests?limit=1000")["limit"]; got != 100.0 {
		t.Errorf("pull requests: limit %v is granted", got)
	}
	if page := dcWant(t, dcToken, 200, api+"/users?start=100000"); page["isLastPage"] != true || len(page["values"].([]any)) != 0 {
		t.Errorf("behind the end: %v", page)
	}
}
