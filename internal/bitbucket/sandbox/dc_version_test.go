package sandbox_test

import (
	"net/http"
	"slices"
	"testing"

	"github.com/windlass-hq/windlass/internal/bitbucket/sandbox"
)

// TestVersionsDiffer checks what each version has that others have not, because clients must cope with both.
func TestVersionsDiffer(t *testing.T) {
	since := map[string]string{ // the first version here that has it
		"archived": "8.9", "hierarchyId": "7.21", "draft": "9.4", "projectHooks": "8.9", "oauth": "7.21", "sslVerificationRequired": "8.9",
	}
	until := map[string]string{ // the last version here that has it
		"nullNext": "8.9", "secret": "7.21",
	}
	versions := dcVersions()
	for n, version := range versions {
		_, base := start(t, sandbox.Options{DCVersion: version})
		api := base + "/dc/rest/api/latest"
		repo := dcWalk(t, dcToken, api+"/repos?limit=100&archived=ALL")
		seen := map[string]bool{}
		_, seen["archived"] = repo[0]["archived"]
		_, seen["hierarchyId"] = repo[0]["hierarchyId"]
		last := dcWant(t, dcToken, 200, api+"/users?limit=1000")
		_, seen["nullNext"] = last["nextPageStart"]
		resp, _ := get(t, dcToken, api+"/projects/"+at(repo[0], "project.key").(string)+"/webhooks")
		seen["projectHooks"] = resp.StatusCode == http.StatusOK
		for _, r := range repo {
			one := api + "/projects/" + at(r, "project.key").(string) + "/repos/" + r["slug"].(string)
			for _, p := range dcWalk(t, dcToken, one+"/pull-requests?state=ALL&limit=100") {
				if _, ok := p["draft"]; ok {
					seen["draft"] = true
				}
			}
			for _, h := range dcWalk(t, dcToken, one+"/webhooks?limit=9") {
				if at(h, "configuration.secret") != nil {
					seen["secret"] = true
				}
				if h["sslVerificationRequired"] != nil {
					seen["sslVerificationRequired"] = true
				}
			}
		}
		token, err := http.PostForm(base+"/dc/rest/oauth2/latest/token", nil)
		if err != nil {
			t.Fatal(err)
		}
		_ = token.Body.Close()
		seen["oauth"] = token.StatusCode == http.StatusBadRequest
		for what, first := range since {
			if want := n >= slices.Index(versions, first); seen[what] != want {
				t.Errorf("%s: %s is there %v, want %v", version, what, seen[what], want)
			}
		}
		for what, newest := range until {
			if want := n <= slices.Index(versions, newest); seen[what] != want {
				t.Errorf("%s: %s is there %v, want %v", version, what, seen[what], want)
			}
		}
		active := dcWalk(t, dcToken, api+"/repos?limit=100")
		if hidden := len(repo) - len(active); (hidden > 0) != (n >= 2) {
			t.Errorf("%s: %d repositories are archived", version, hidden)
		}
	}
}

func TestDatesOfVersion10MayBeTexts(t *testing.T) {
	for _, c := range []struct {
		version string
		iso     bool
	}{{"9.4", false}, {"10.0", true}} {
		_, base := start(t, sandbox.Options{DCVersion: c.version, DCISODates: true})
		p := dcSomePullRequest(t, base)
		text, is := p["createdDate"].(string)
		if is != c.iso {
			t.Errorf("%s: createdDate is %v", c.version, p["createdDate"])
		}
		if is && (len(text) != len("2026-08-19T17:27:55.266Z") || text[len(text)-1] != 'Z') {
			t.Errorf("%s: createdDate is %s", c.version, text)
		}
	}
}

// dcSomePullRequest returns a pull request of the instance.
func dcSomePullRequest(t testing.TB, base string) object {
	t.Helper()
	api := base + "/dc/rest/api/latest"
	for _, r := range dcWalk(t, dcToken, api+"/repos?limit=100") {
		one := api + "/projects/" + at(r, "project.key").(string) + "/repos/" + r["slug"].(string)
		if list := dcWalk(t, dcToken, one+"/pull-requests?state=ALL&limit=100"); len(list) > 0 {
			return list[0]
		}
	}
	t.Fatal("there is no pull request")
	return nil
}
