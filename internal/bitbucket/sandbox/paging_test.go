package sandbox_test

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/windlass-hq/windlass/internal/bitbucket/sandbox"
)

func TestPagesJoinToTheWholeOnEveryPrefix(t *testing.T) {
	_, base := start(t, sandbox.Options{})
	name := someRepository(t, base)
	for _, prefix := range []string{"/cloud/2.0", "/2.0", "/api/2.0"} {
		for _, list := range []string{"/pullrequests?state=ALL", "/commits?", "/refs?", "/pullrequests/activity?"} {
			target := base + prefix + "/repositories/" + name + list
			whole := walk(t, target+"&pagelen=50")
			parts := walk(t, target+"&pagelen=7&fields=%2Bvalues.id")
			if len(whole) == 0 || len(whole) != len(parts) {
				t.Errorf("%s%s: %d in large pages, %d in small ones", prefix, list, len(whole), len(parts))
			}
			next, _ := want(t, http.StatusOK, target+"&pagelen=1")["next"].(string)
			if !strings.HasPrefix(next, base+prefix+"/repositories/") || !strings.Contains(next, "pagelen=1") {
				t.Errorf("next is %q; it must repeat host, prefix and query", next)
			}
		}
	}
}

func TestPageLimitsAreThoseOfBitbucket(t *testing.T) {
	_, base := start(t, sandbox.Options{})
	name := someRepository(t, base)
	repo := base + "/2.0/repositories/" + name
	for _, c := range []struct {
		target  string
		status  int
		message string
	}{
		{repo + "/pullrequests?pagelen=50", 200, ""},
		{repo + "/pullrequests?pagelen=51", 400, "Invalid pagelen"},
		{repo + "/pullrequests?pagelen=-1", 400, "Invalid pagelen"},
		{repo + "/pullrequests?pagelen=x", 400, "Invalid pagelen"},
		{repo + "/pullrequests?pagelen=0", 200, ""},
		{repo + "/pullrequests?page=0", 400, "Invalid page"},
		{repo + "/pullrequests?page=9999", 200, ""},
		{repo + "/pullrequests/activity?pagelen=51", 400, "Invalid pagelen"},
		{repo + "/commits?page=1", 400, "Invalid page"},
		{repo + "/commits?pagelen=100", 200, ""},
		{repo + "/pullrequests/1/commits?page=2", 400, "Invalid page"},
		{repo + "/pullrequests?state=CLOSED", 400, "Invalid pull request state: CLOSED"},
		{base + "/2.0/repositories/acme?pagelen=100", 200, ""},
		{base + "/2.0/repositories/acme?pagelen=101", 400, "Invalid pagelen"},
		{base + "/2.0/repositories/acme?sort=nonsense", 400, "Invalid sort attribute"},
		{base + "/2.0/workspaces/acme/members?pagelen=100", 200, ""},
		{base + "/2.0/workspaces/acmee", 404, "No workspace with identifier 'acmee'."},
		{base + "/2.0/nonsense", 404, "Resource not found"},
		{base + "/2.0/repositories", 410, "CHANGE-2770 - Functionality has been deprecated"},
		{base + "/2.0/repositories/", 410, "CHANGE-2770 - Functionality has been deprecated"},
		{base + "/2.0/user/permissions/workspaces", 410, "CHANGE-2770 - Functionality has been deprecated"},
	} {
		if got := at(want(t, c.status, c.target), "error.message"); c.message != "" && got != c.message {
			t.Errorf("%s: message %v, want %q", c.target, got, c.message)
		}
	}
}

func TestStatesSelectAndDefaultToOpen(t *testing.T) {
	_, base := start(t, sandbox.Options{})
	prs := base + "/2.0/repositories/" + someRepository(t, base) + "/pullrequests"
	count := map[string]int{}
	for _, p := range walk(t, prs+"?state=all&pagelen=50") {
		count[p["state"].(string)]++
	}
	if got := len(walk(t, prs)); got != count["OPEN"] || got == 0 {
		t.Errorf("%d by default, %d are open", got, count["OPEN"])
	}
	if got, sum := len(walk(t, prs+"?state=MERGED&state=DECLINED&pagelen=50")), count["MERGED"]+count["DECLINED"]; got != sum || count["MERGED"] == 0 {
		t.Errorf("%d merged or declined, want %d", got, sum)
	}
	if got := len(walk(t, prs+`?q=state="MERGED"&pagelen=50`)); got != count["MERGED"] {
		t.Errorf("q finds %d merged, want %d", got, count["MERGED"])
	}
	if got := len(walk(t, prs+`?q=participants.state!="nonsense"&pagelen=50`)); got != count["OPEN"] {
		t.Errorf("a q that does not name the state finds %d, want the %d open ones", got, count["OPEN"])
	}
}

func TestRepositoriesAreFoundByEveryName(t *testing.T) {
	_, base := start(t, sandbox.Options{})
	ws := want(t, 200, base+"/2.0/workspaces/acme")
	repo := walk(t, base+"/2.0/repositories/acme?pagelen=1")[0]
	wsID, id := url.PathEscape(ws["uuid"].(string)), url.PathEscape(repo["uuid"].(string))
	slug := strings.TrimPrefix(repo["full_name"].(string), "acme/")
	for _, path := range []string{"acme/" + slug, "acme/" + id, wsID + "/" + slug, wsID + "/" + id, "%7B%7D/" + id, "acme/" + strings.ToUpper(id)} {
		if got := want(t, 200, base+"/2.0/repositories/"+path)["uuid"]; got != repo["uuid"] {
			t.Errorf("%s is %v", path, got)
		}
	}
	want(t, 404, base+"/2.0/repositories/%7B%7D/"+slug)
}

func TestFieldsHasThreeModes(t *testing.T) {
	_, base := start(t, sandbox.Options{})
	repo := base + "/2.0/repositories/" + someRepository(t, base)
	keys := func(fields, path string) string {
		t.Helper()
		o := want(t, 200, repo+"/pullrequests?state=MERGED&pagelen=1&q=reviewers.uuid!=null&fields="+url.QueryEscape(fields))
		var v any = o
		if path != "" {
			if vs, ok := o["values"].([]any); ok {
				v = at(vs[0], path)
				if path == "." {
					v = vs[0]
				}
			} else {
				v = nil
			}
		}
		if l, ok := v.([]any); ok {
			v = l[0]
		}
		m, _ := v.(object)
		var ks []string
		for k := range m {
			ks = append(ks, k)
		}
		return fmt.Sprint(slices.Sorted(slices.Values(ks)))
	}
	base1 := keys("", ".")
	if strings.Contains(base1, "participants") || strings.Contains(base1, "reviewers") || !strings.Contains(base1, "title") {
		t.Errorf("by default a list shows %s", base1)
	}
	for _, c := range []struct{ fields, path, want string }{
		{"values.id", "", "[values]"},
		{"values.id,next", "", "[next values]"},
		{"values.id,values.author.uuid", ".", "[author id]"},
		{"values.id,values.author.uuid", "author", "[uuid]"},
		{"values.participants.user.uuid,values.participants.role", "participants", "[role user]"},
		{"values.reviewers.nickname", "reviewers", "[nickname]"},
		{"-values.links,-values.source,-values.destination,-values.rendered,-values.summary", "author", "[account_id display_name links nickname type uuid]"},
		{"-values.links.*", "links", "[]"},
		{"+values.source.repository.owner.uuid", "source.repository", "[full_name links name owner type uuid]"},
		{"+values.author.created_on", "author", "[account_id created_on display_name links nickname type uuid]"},
		{"-values.*,+values.id", ".", "[id]"},
		{"values.author.*", "author", "[account_id account_status created_on display_name is_staff links nickname type uuid]"},
		{" values.id", "", "[]"},
		{"-size,-values", "", "[next page pagelen]"},
	} {
		if got := keys(c.fields, c.path); got != c.want {
			t.Errorf("fields=%s: %q has %s, want %s", c.fields, c.path, got, c.want)
		}
	}
	plus := keys("+values.participants,+values.reviewers", ".")
	for _, k := range []string{"participants", "reviewers", "title", "links", "source"} {
		if !strings.Contains(plus, k) {
			t.Errorf("additive fields lack %q: %s", k, plus)
		}
	}
	all := keys("values.*", ".")
	for _, k := range []string{"participants", "rendered", "title"} {
		if !strings.Contains(all, k) {
			t.Errorf("the star lacks %q: %s", k, all)
		}
	}
	one := want(t, 200, repo+"/pullrequests/1")
	if one["participants"] == nil || one["reviewers"] == nil {
		t.Error("a single pull request lacks its participants or reviewers")
	}
}

func TestLinksFollowWhatTheCallerSees(t *testing.T) {
	c := newClock()
	_, base := start(t, sandbox.Options{Clock: c.now, PublicURL: "https://bitbucket.example/x/"})
	req, err := http.NewRequest(http.MethodGet, base+"/cloud/2.0/repositories/acme?pagelen=1", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	for k, v := range map[string]string{"Proto": "https", "Host": "proxy.example:8443", "Prefix": "/bb/"} {
		req.Header.Set("X-Forwarded-"+k, v)
	}
	resp, body := do(t, req)
	page := parse(t, string(body))
	if got, want := page["next"], "https://proxy.example:8443/bb/cloud/2.0/repositories/acme?pagelen=1&page=2"; got != want {
		t.Errorf("next %v, want %s", got, want)
	}
	if got, _ := at(page["values"].([]any)[0], "links.self.href").(string); !strings.HasPrefix(got, "https://bitbucket.example/x/2.0/repositories/acme/") {
		t.Errorf("self %s", got)
	}
	if got := resp.Header.Get("Date"); got != "Wed, 02 Sep 2026 12:00:00 GMT" {
		t.Errorf("Date %s", got)
	}
	tag := resp.Header.Get("ETag")
	req.Header.Set("If-None-Match", tag)
	if resp, body := do(t, req); resp.StatusCode != http.StatusNotModified || len(body) != 0 || tag == "" || resp.Header.Get("Cache-Control") != "private" {
		t.Errorf("with the tag %s: %s, %d bytes", tag, resp.Status, len(body))
	}
}
