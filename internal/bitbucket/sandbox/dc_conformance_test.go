package sandbox_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"github.com/windlass-hq/windlass/internal/bitbucket/openapitest"
	"github.com/windlass-hq/windlass/internal/bitbucket/sandbox"
)

// dcVersions are all that --dc-version can be.
func dcVersions() []string { return []string{"7.6", "7.21", "8.9", "9.4", "10.0"} }

// TestDataCenterConformsToTheVendorsDocument asks every endpoint in every version and validates what comes back. The
// document is that of version 9.4; older answers have fewer keys, which it allows.
func TestDataCenterConformsToTheVendorsDocument(t *testing.T) {
	doc := openapitest.Load(t, "datacenter.openapi.json")
	for _, version := range dcVersions() {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			_, base := start(t, sandbox.Options{Repositories: 24, PullRequests: 200, Users: 20, DCVersion: version})
			v := &validator{T: t, doc: doc, base: base + "/dc"}
			v.everything(version)
			if v.checked < 200 {
				t.Errorf("only %d answers were checked", v.checked)
			}
		})
	}
}

// validator asks and compares with the document.
type validator struct {
	*testing.T
	doc     *openapitest.Document
	base    string
	checked int
}

func (v *validator) ask(method, path string, status int, body string, login func(*http.Request)) []byte {
	v.Helper()
	req, err := http.NewRequest(method, v.base+path, strings.NewReader(body))
	if err != nil {
		v.Fatal(err)
	}
	login(req)
	resp, answer := do(v, req)
	if resp.StatusCode != status {
		v.Fatalf("%s %s: %s, want %d: %.300s", method, path, resp.Status, status, answer)
	}
	if method == http.MethodPost && status == http.StatusCreated {
		status = http.StatusOK // FACTS 145: what the document calls 200
	}
	bare := strings.Replace(req.URL.EscapedPath()[len("/dc"):], "/rest/api/1.0/", "/rest/api/latest/", 1)
	if len(answer) > 0 {
		if err := v.doc.Response(method, bare, status, answer); err != nil {
			v.Errorf("%.1500v", err)
		}
	}
	v.checked++
	return answer
}

func asToken(token string) func(*http.Request) {
	return func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+token) }
}

func asAdmin(r *http.Request) { r.SetBasicAuth("admin", "sandbox-password") }

func anonymously(*http.Request) {}

func (v *validator) get(path string, status int) []byte {
	v.Helper()
	return v.ask(http.MethodGet, path, status, "", asToken(dcToken))
}

// all walks a listing and returns its values.
func (v *validator) all(path string, login func(*http.Request)) []object {
	v.Helper()
	var values []object
	sep := "?"
	if strings.Contains(path, "?") {
		sep = "&"
	}
	for next, pages := "0", 0; next != "" && pages < 100; pages++ {
		var page struct {
			Values        []json.RawMessage
			NextPageStart *int
		}
		if err := json.Unmarshal(v.ask(http.MethodGet, path+sep+"start="+next, 200, "", login), &page); err != nil {
			v.Fatal(err)
		}
		for _, raw := range page.Values {
			var o object
			if bytes.HasPrefix(raw, []byte("{")) {
				if err := json.Unmarshal(raw, &o); err != nil {
					v.Fatal(err)
				}
			}
			values = append(values, o)
		}
		if next = ""; page.NextPageStart != nil {
			next = strconv.Itoa(*page.NextPageStart)
		}
	}
	return values
}

func (v *validator) everything(version string) {
	const api = "/rest/api/latest"
	token := asToken(dcToken)
	v.ask(http.MethodGet, api+"/application-properties", 200, "", anonymously)
	v.ask(http.MethodGet, "/rest/api/1.0/application-properties", 200, "", anonymously)
	for _, u := range v.all(api+"/users?limit=7", token) {
		v.get(api+"/users/"+url.PathEscape(u["slug"].(string)), 200)
	}
	v.all(api+"/groups?limit=2", token)
	v.all(api+"/admin/users?limit=9", asAdmin)
	v.all(api+"/admin/groups?limit=9", asAdmin)
	v.all(api+"/admin/groups/more-members?limit=9&context=acme-developers", asAdmin)
	v.ask(http.MethodGet, api+"/admin/rate-limit/settings", 200, "", asAdmin)
	v.all(api+"/admin/permissions/users", asAdmin)
	v.all(api+"/admin/permissions/groups?limit=2", asAdmin)
	robot := func(r *http.Request) { r.SetBasicAuth("robot-2", "sandbox-password-2") }
	for path, status := range map[string]int{"/admin/users": 200, "/admin/groups": 200, "/admin/permissions/users": 401, "/admin/permissions/groups": 401} {
		v.get(api+path, 401) // a token, though it is the administrator's
		v.ask(http.MethodGet, api+path, status, "", robot)
	}
	v.all(api+"/repos?limit=9", token)
	for _, p := range v.all(api+"/projects?limit=3", token) {
		one := api + "/projects/" + p["key"].(string)
		v.get(one, 200)
		v.all(one+"/permissions/users", token)
		v.all(one+"/permissions/groups", token)
		v.get(one+"/permissions/PROJECT_READ/all", 200)
		for _, r := range v.all(one+"/repos", token) {
			v.repository(one+"/repos/"+r["slug"].(string), r)
		}
		if version != "7.6" && version != "7.21" {
			v.webhooks(one)
		}
	}
	for _, r := range v.all(api+"/repos?limit=9&archived=ALL", token) {
		if at(r, "project.type") == "PERSONAL" {
			v.get(api+"/projects/"+at(r, "project.key").(string), 200)
			v.repository(api+"/projects/"+at(r, "project.key").(string)+"/repos/"+r["slug"].(string), r)
		}
	}
	v.get(api+"/projects/NOTHING", 404)
	v.get(api+"/projects/NOTHING/repos", 404)
	v.get(api+"/users/nobody", 404)
	v.get(api+"/repos?visibility=secret", 400)
	v.ask(http.MethodGet, api+"/users", 401, "", anonymously)
	v.ask(http.MethodGet, api+"/users", 401, "", asToken("nonsense"))
}

func (v *validator) repository(one string, r object) {
	token := asToken(dcToken)
	v.get(one, 200)
	v.all(one+"/branches?limit=9", token)
	v.all(one+"/tags?limit=9&orderBy=ALPHABETICAL", token)
	v.all(one+"/permissions/users", token)
	v.all(one+"/permissions/groups", token)
	v.all(one+"/webhooks", token)
	branches := v.all(one+"/branches?limit=1000", token)
	if len(branches) == 0 {
		v.get(one+"/default-branch", 404)
		v.get(one+"/branches/default", 204)
		v.get(one+"/commits", 404)
	} else {
		v.get(one+"/default-branch", 200)
		v.get(one+"/branches/default", 200)
		v.get(one+"/commits/"+branches[0]["latestCommit"].(string), 200)
		v.all(one+"/commits?limit=40", token)
	}
	for i, p := range v.all(one+"/pull-requests?state=ALL&limit=100&withAttributes=false&withProperties=false", token) {
		if i > 3 {
			break
		}
		pr := one + "/pull-requests/" + strconv.Itoa(int(p["id"].(float64)))
		v.get(pr, 200)
		v.all(pr+"/activities?limit=5", token)
		v.all(pr+"/commits", token)
	}
	v.get(one+"/pull-requests/99999", 404)
	v.get(one+"/pull-requests?state=OLD", 400)
	if r["archived"] == true {
		return
	}
	v.get(one+"x", 404)
}

func (v *validator) webhooks(at string) {
	token := asToken(dcToken)
	const hook = `{"name":"Windlass","url":"https://windlass.example/hooks/1","events":["pr:opened"],"active":true,"configuration":{"secret":"s3cret-of-the-test"}}`
	var created struct{ ID int }
	if err := json.Unmarshal(v.ask(http.MethodPost, at+"/webhooks", 201, hook, token), &created); err != nil {
		v.Fatal(err)
	}
	one := at + "/webhooks/" + strconv.Itoa(created.ID)
	v.get(one, 200)
	v.ask(http.MethodPut, one, 200, strings.Replace(hook, "pr:opened", "pr:merged", 1), token)
	if got := v.all(at+"/webhooks?event=pr:merged", token); len(got) != 1 {
		v.Errorf("%s: %d hooks listen to pr:merged, want 1", at, len(got))
	}
	v.ask(http.MethodPost, at+"/webhooks", 400, `{"name":"x","url":"nowhere","events":["pr:opened"]}`, token)
	v.ask(http.MethodDelete, one, 204, "", token)
	v.get(one, 404)
}
