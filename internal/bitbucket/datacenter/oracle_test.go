package datacenter_test

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"

	"github.com/windlass-hq/windlass/internal/graph"
)

// oracle reads the same instance its own way: with encoding/json, small pages and one request per pull request.
type oracle struct {
	t       *testing.T
	handler http.Handler
	token   string
}

func (o oracle) get(path string) map[string]any {
	o.t.Helper()
	req := httptest.NewRequest(http.MethodGet, "http://localhost:7990/dc/rest/api/1.0"+path, nil)
	req.Header.Set("Authorization", "Bearer "+cmp.Or(o.token, "sandbox-token"))
	rec := httptest.NewRecorder()
	o.handler.ServeHTTP(rec, req)
	body, _ := io.ReadAll(rec.Body)
	var v map[string]any
	if err := json.Unmarshal(body, &v); err != nil || rec.Code != 200 {
		o.t.Fatalf("%s: %d %v %.200s", path, rec.Code, err, body)
	}
	return v
}

func (o oracle) all(path string) (out []map[string]any) {
	for start := 0.0; ; {
		page := o.get(fmt.Sprintf("%s&start=%.0f", path, start))
		for _, v := range page["values"].([]any) {
			out = append(out, v.(map[string]any))
		}
		if page["isLastPage"] == true {
			return out
		}
		start = page["nextPageStart"].(float64)
	}
}

func key(kind string, v any) string {
	m, _ := v.(map[string]any)
	return fmt.Sprintf("dc:i1:%s:%.0f", kind, m["id"])
}

// graph returns the keys and the edges that there should be. Only repositories of the wanted projects are in it, where
// there are any.
func (o oracle) graph(wanted ...string) (keys map[string]string, edges map[string]bool) {
	keys, edges = map[string]string{"dc:i1": graph.TypeInstance}, map[string]bool{}
	user := func(v any) string {
		k := key("user", v)
		keys[k] = graph.TypeUser
		return k
	}
	project := func(p any) {
		keys[key("project", p)] = graph.TypeProject
		edges["dc:i1|OWNS|"+key("project", p)] = true
		if owner := p.(map[string]any)["owner"]; owner != nil {
			user(owner)
		}
	}
	for _, u := range o.all("/users?limit=7") {
		edges["dc:i1|HAS|"+user(u)] = true
	}
	for _, p := range o.all("/projects?limit=3") {
		if len(wanted) == 0 || slices.Contains(wanted, p["key"].(string)) {
			project(p)
		}
	}
	for _, r := range o.all("/repos?limit=7&archived=ALL") {
		in := r["project"].(map[string]any)
		if len(wanted) > 0 && !slices.Contains(wanted, in["key"].(string)) {
			continue
		}
		project(in)
		repo := key("repo", r)
		keys[repo] = graph.TypeRepo
		edges["dc:i1|OWNS|"+repo] = true
		edges[key("project", in)+"|HAS|"+repo] = true
		base := fmt.Sprintf("/projects/%s/repos/%s/pull-requests", in["key"], r["slug"])
		for _, state := range []string{"OPEN", "MERGED", "DECLINED"} {
			for _, short := range o.all(base + "?limit=9&order=OLDEST&state=" + state) {
				o.pullRequest(repo, o.get(fmt.Sprintf("%s/%.0f", base, short["id"])), keys, edges, user)
			}
		}
	}
	return keys, edges
}

func (o oracle) pullRequest(repo string, p map[string]any, keys map[string]string, edges map[string]bool, user func(any) string) {
	pr := fmt.Sprintf("%s:pr:%.0f", repo, p["id"])
	keys[pr] = graph.TypePullRequest
	edges[repo+"|HAS|"+pr] = true
	author := ""
	if a, _ := p["author"].(map[string]any); a != nil && a["user"] != nil {
		author = user(a["user"])
		edges[author+"|OPENED|"+pr] = true
	}
	for _, list := range []string{"reviewers", "participants"} {
		for _, v := range p[list].([]any) {
			part := v.(map[string]any)
			who := user(part["user"])
			if list == "reviewers" || who != author || part["status"] != "UNAPPROVED" {
				edges[who+"|REVIEWED|"+pr] = true
			}
			if part["approved"] == true {
				edges[who+"|APPROVED|"+pr] = true
			}
		}
	}
}
