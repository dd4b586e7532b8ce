package sandbox_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"github.com/windlass-hq/windlass/internal/bitbucket/sandbox"
)

// dcToken is a known token of the Data Center side.
const dcToken = "sandbox-token"

// dcWant asks with a bearer token, checks the status and decodes the answer.
func dcWant(t testing.TB, bearer string, status int, target string) object {
	t.Helper()
	resp, body := get(t, bearer, target)
	if resp.StatusCode != status {
		t.Fatalf("GET %s: status %d, want %d: %.300s", target, resp.StatusCode, status, body)
	}
	var o object
	if err := json.Unmarshal(body, &o); err != nil {
		t.Fatalf("GET %s: %v in %.300s", target, err, body)
	}
	return o
}

// dcWalk follows nextPageStart to the end and returns all values; the target must have a query.
func dcWalk(t testing.TB, bearer, target string) []object {
	t.Helper()
	var all []object
	for start, pages := 0, 0; ; pages++ {
		page := dcWant(t, bearer, http.StatusOK, target+"&start="+strconv.Itoa(start))
		values := page["values"].([]any)
		if got := int(page["size"].(float64)); got != len(values) || int(page["start"].(float64)) != start {
			t.Fatalf("%s: size %d of %d values, start %v", target, got, len(values), page["start"])
		}
		for _, v := range values {
			all = append(all, v.(object))
		}
		next, ok := page["nextPageStart"].(float64)
		if page["isLastPage"] == true {
			if ok {
				t.Fatalf("%s: a last page has nextPageStart %v", target, next)
			}
			return all
		}
		if !ok || int(next) < start+len(values) || len(values) == 0 || pages > 1000 {
			t.Fatalf("%s: page at %d with %d values is followed by %v", target, start, len(values), page["nextPageStart"])
		}
		start = int(next)
	}
}

func TestDataCenterWalkAgreesWithTheStatistics(t *testing.T) {
	s, base := start(t, sandbox.Options{Repositories: 60, PullRequests: 900, Users: 60})
	api := base + "/dc/rest/api/latest"
	users, projects, prs, repos := map[any]bool{}, map[any]bool{}, 0, map[any]bool{}
	for _, u := range dcWalk(t, dcToken, api+"/users?limit=7") {
		if users[u["id"]] || u["active"] != true {
			t.Errorf("listed again or not active: %v", u)
		}
		users[u["id"]] = true
	}
	for _, p := range dcWalk(t, dcToken, api+"/projects?limit=3") {
		projects[p["id"]] = true
		if strings.HasPrefix(p["key"].(string), "~") {
			t.Errorf("a personal project is listed: %v", p["key"])
		}
	}
	normal := len(projects)
	for _, r := range dcWalk(t, dcToken, api+"/repos?limit=9&archived=ALL") {
		if repos[r["id"]] {
			t.Errorf("repository %v twice", r["id"])
		}
		repos[r["id"]] = true
		projects[at(r, "project.id")] = true
		one := api + "/projects/" + at(r, "project.key").(string) + "/repos/" + r["slug"].(string)
		list := dcWalk(t, dcToken, one+"/pull-requests?state=ALL&limit=50")
		prs += len(list)
		last := 9e15
		for _, p := range list {
			if updated := p["updatedDate"].(float64); updated > last {
				t.Errorf("%s %v is newer than the one before", one, p["id"])
			} else {
				last = updated
			}
			users[at(p, "author.user.id")] = true
			for _, k := range []string{"reviewers", "participants"} {
				for _, x := range p[k].([]any) {
					users[at(x, "user.id")] = true
				}
			}
		}
		for i := range list {
			list[i] = nil
		}
	}
	got := s.Stats().Products.DataCenter
	want := sandbox.ObjectStats{Projects: len(projects), Repositories: len(repos), PullRequests: prs, Users: len(users)}
	if got != want || got.Repositories != 60 || got.PullRequests != 900 {
		t.Errorf("stats count %+v, the walk %+v", got, want)
	}
	if normal == len(projects) {
		t.Error("there is no personal project")
	}
	if sum := s.Stats(); sum.Objects.Repositories != 120 || sum.Objects.PullRequests != 1800 {
		t.Errorf("both products together: %+v", sum.Objects)
	}
}

func TestDataCenterTellsWhoCalls(t *testing.T) {
	_, base := start(t, sandbox.Options{})
	props := base + "/dc/rest/api/1.0/application-properties"
	resp, body := get(t, "", props)
	if resp.StatusCode != http.StatusOK || resp.Header.Get("X-AUSERNAME") != "" || !strings.Contains(string(body), `"version":"9.4.`) {
		t.Errorf("anonymous: %s %q %s", resp.Status, resp.Header.Get("X-AUSERNAME"), body)
	}
	for token, want := range map[string]string{"sandbox-token": "admin", "sandbox-token-2": "robot-2", "sandbox-token-9": "robot-9", "nonsense": ""} {
		resp, _ := get(t, token, props)
		if got := resp.Header.Get("X-AUSERNAME"); got != want {
			t.Errorf("%s: X-AUSERNAME %q, want %q", token, got, want)
		}
	}
	key := dcWalk(t, dcToken, base+"/dc/rest/api/latest/projects?limit=5")[0]
	token := "project-token-" + key["key"].(string)
	resp, _ = get(t, token, props)
	name, err := url.QueryUnescape(resp.Header.Get("X-AUSERNAME"))
	if want := "access-token-user/1/" + strconv.Itoa(int(key["id"].(float64))); err != nil || name != want || !strings.Contains(resp.Header.Get("X-AUSERNAME"), "%2F") {
		t.Errorf("project token: X-AUSERNAME %q, want %s encoded", resp.Header.Get("X-AUSERNAME"), want)
	}
	basic := func(name, password string) *http.Response {
		req, err := http.NewRequest(http.MethodGet, base+"/dc/rest/api/latest/users?limit=1", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.SetBasicAuth(name, password)
		resp, _ := do(t, req)
		return resp
	}
	for _, c := range []struct {
		name, password string
		want           int
	}{
		{"admin", "sandbox-password", 200},
		{"ADMIN", "sandbox-token", 200},
		{"robot-2", "sandbox-token-2", 200},
		{"robot-2", "sandbox-token", 401},
		{"access-token-user/1/1", token, 401},
		{"x-token-auth", token, 401},
	} {
		if got := basic(c.name, c.password).StatusCode; got != c.want {
			t.Errorf("%s with %s: status %d, want %d", c.name, c.password, got, c.want)
		}
	}
	for range 5 {
		basic("robot-3", "wrong")
	}
	if resp := basic("robot-3", "sandbox-token-3"); resp.StatusCode != 401 || resp.Header.Get("X-Authentication-Denied-Reason") != "CAPTCHA_CHALLENGE" {
		t.Errorf("after five failures: %s %v", resp.Status, resp.Header)
	}
	if resp, _ := get(t, "sandbox-token-3", base+"/dc/rest/api/latest/users?limit=1"); resp.StatusCode != http.StatusOK {
		t.Errorf("a Bearer token needs no CAPTCHA: %s", resp.Status)
	}
}
