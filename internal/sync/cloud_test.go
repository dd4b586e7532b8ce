package sync_test

import (
	"fmt"
	"net/http"
	"sort"
	"strings"
	"testing"
	"time"

	"github.com/windlass-hq/windlass/internal/bitbucket"
	"github.com/windlass-hq/windlass/internal/bitbucket/cloud"
	"github.com/windlass-hq/windlass/internal/bitbucket/sandbox"
	"github.com/windlass-hq/windlass/internal/store"
	"github.com/windlass-hq/windlass/internal/sync"
)

// cloudSide is Bitbucket Cloud, workspace acme.
type cloudSide struct{}

func (cloudSide) String() string { return "cloud" }

func (cloudSide) product() string { return "cloud" }

func (cloudSide) prepare(*sandbox.Options) {}

func (cloudSide) settings() map[string]string { return map[string]string{"workspaces": "acme"} }

func (cloudSide) credential() store.Credential {
	return store.Credential{Kind: "token", Secret: "sandbox-cloud-token-2"}
}

func (cloudSide) access() store.Credential {
	return store.Credential{Kind: "oauth", Identity: "sandbox-key", Secret: "sandbox-secret"}
}

func (cloudSide) plain(f *fixture) store.Credential {
	f.t.Helper()
	f.must(f.sandbox.AddCredential(sandbox.Credential{
		Kind: sandbox.Consumer, Name: "plain", Key: "plain-key", Secret: "plain-secret", Scopes: []string{"account", "project", "pullrequest"},
	}))
	return store.Credential{Kind: "oauth", Identity: "plain-key", Secret: "plain-secret"}
}

func (cloudSide) narrow(f *fixture) store.Credential {
	f.t.Helper()
	c := sandbox.Credential{
		Kind: sandbox.AccessToken, Name: "narrow", Secret: "narrow-token", Scopes: sandbox.EveryScope(),
		Projects: []string{"acme/" + str((&cloudOracle{t: f.t, base: f.server.URL + "/cloud/2.0", token: "sandbox-cloud-token"}).all("/workspaces/acme/projects")[0]["key"])},
	}
	f.must(f.sandbox.AddCredential(c))
	return store.Credential{Kind: "token", Secret: c.Secret}
}

func (cloudSide) revoke(s *sandbox.Sandbox, narrow bool) error {
	name := "access-token-2"
	if narrow {
		name = "narrow"
	}
	return s.EditCredential(name, func(c *sandbox.Credential) { c.Revoked = true })
}

func (cloudSide) open(f *fixture, c store.Connection, credentials []bitbucket.Credential, noWait bool, onWait func(time.Time, string)) (sync.Reader, error) {
	client, others, err := sync.ByRole(credentials, func(role bitbucket.Role) (*cloud.Client, error) {
		return cloud.New(cloud.Options{
			APIURL: f.server.URL + "/cloud", SiteURL: f.server.URL + "/cloud", Connection: c.Name, Credentials: credentials, Role: role,
			Now: f.now, Sleep: f.sleep, Version: "test", NoWait: noWait, OnWait: onWait,
		})
	})
	if err != nil {
		return nil, err
	}
	return sync.Cloud(client, others, []string{c.Settings["workspaces"]}, f.now), nil
}

func (cloudSide) deeds(s *sandbox.Sandbox) deeds { return cloudDeeds{s} }

func (cloudSide) oracle(f *fixture) oracle {
	return &cloudOracle{t: f.t, base: f.server.URL + "/cloud/2.0", token: "sandbox-cloud-token"}
}

func (cloudSide) budget(repositories int, pulls []int) int {
	n := (repositories + 99) / 100
	for _, p := range pulls {
		n += max(1, (p+49)/50)
	}
	return n
}

func (cloudSide) lists() string { return "/2.0/repositories/" }

func (cloudSide) endpoints() (pullRequests, one string) {
	return "GET /2.0/repositories/{workspace}/{repo_slug}/pullrequests", "GET /2.0/repositories/{workspace}/{repo_slug}/pullrequests/{pull_request_id}"
}

type cloudDeeds struct{ *sandbox.Sandbox }

func (d cloudDeeds) create(name string) error {
	_, err := d.CreateRepository(sandbox.RepositorySpec{Workspace: "acme", Name: name})
	return err
}

func (d cloudDeeds) leave(user string) error { return d.RemoveMember("acme", user) }

type cloudOracle struct {
	t     *testing.T
	base  string // …/2.0
	token string
}

func (o *cloudOracle) get(ref string) map[string]any {
	o.t.Helper()
	if !strings.HasPrefix(ref, "http") {
		ref = o.base + ref
	}
	return get(o.t, ref, func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+o.token) })
}

func (o *cloudOracle) all(ref string) (values []map[string]any) {
	o.t.Helper()
	for ref != "" {
		page := o.get(ref)
		for _, v := range page["values"].([]any) {
			values = append(values, v.(map[string]any))
		}
		ref, _ = page["next"].(string)
	}
	return values
}

func bare(uuid any) string {
	s, _ := uuid.(string)
	return strings.ToLower(strings.Trim(s, "{}"))
}

func (o *cloudOracle) user(w *world, u any) string {
	if at(u, "uuid") == nil {
		return ""
	}
	key := "cloud:user:" + bare(at(u, "uuid"))
	w.entity(key, "bitbucket_user", str(at(u, "display_name")), str(at(u, "nickname")), "")
	return key
}

func (o *cloudOracle) read() *world {
	o.t.Helper()
	w := newWorld()
	for _, slug := range []string{"acme"} {
		ws := o.get("/workspaces/" + slug)
		wsKey := "cloud:" + bare(ws["uuid"])
		w.entity(wsKey, "bitbucket_workspace", str(ws["name"]), slug)
		for _, p := range o.all("/workspaces/" + slug + "/projects?pagelen=10") {
			key := "cloud:" + bare(p["uuid"])
			w.entity(key, "bitbucket_project", str(p["name"]), str(p["key"]))
			w.edge(wsKey, "OWNS", key)
		}
		for _, m := range o.all("/workspaces/" + slug + "/members?pagelen=10") {
			w.edge(wsKey, "HAS", o.user(w, m["user"]))
		}
		for _, r := range o.all("/repositories/" + slug + "?pagelen=10") {
			key := "cloud:" + bare(r["uuid"])
			w.entity(key, "bitbucket_repo", str(r["name"]), str(r["slug"]), " ", r["is_private"] == false, " ", str(at(r, "mainbranch", "name")))
			w.edge(wsKey, "OWNS", key)
			if project := at(r, "project", "uuid"); project != nil {
				w.edge("cloud:"+bare(project), "HAS", key)
			}
			o.pullRequests(w, slug, str(r["slug"]), key)
		}
	}
	return w
}

func (o *cloudOracle) pullRequests(w *world, workspace, slug, repo string) {
	path := "/repositories/" + workspace + "/" + slug + "/pullrequests"
	for _, listed := range o.all(path + "?pagelen=10&state=OPEN&state=MERGED&state=DECLINED&state=SUPERSEDED") {
		pr := o.get(path + fmt.Sprintf("/%.0f", listed["id"]))
		key := fmt.Sprintf("%s:pr:%.0f", repo, pr["id"])
		author := o.user(w, pr["author"])
		var approvers []string
		for _, r := range pr["reviewers"].([]any) {
			if u := o.user(w, r); u != "" {
				w.edge(u, "REVIEWED", key)
			}
		}
		for _, p := range pr["participants"].([]any) {
			u := o.user(w, at(p, "user"))
			if u == "" {
				continue
			}
			if at(p, "approved") == true {
				approvers = append(approvers, strings.TrimPrefix(u, "cloud:user:"))
				w.edge(u, "APPROVED", key)
			}
			voted := at(p, "approved") == true || at(p, "state") != nil
			if voted || (at(p, "participated_on") != nil && u != author) { // the author's own talk is no review
				w.edge(u, "REVIEWED", key)
			}
		}
		sort.Strings(approvers)
		w.entity(key, "bitbucket_pull_request", str(pr["title"]), str(pr["state"]), " ", pr["draft"] == true, " ",
			str(at(pr, "source", "branch", "name")), " ", str(at(pr, "destination", "branch", "name")), " ",
			str(at(pr, "merge_commit", "hash")), " ", bare(at(pr, "closed_by", "uuid")), " ", approvers)
		w.edge(repo, "HAS", key)
		if author != "" {
			w.edge(author, "OPENED", key)
		}
		o.user(w, pr["closed_by"])
	}
}

func (o *cloudOracle) repositories() (names []string, pulls map[string][]int) {
	o.t.Helper()
	pulls = map[string][]int{}
	for _, r := range o.all("/repositories/acme?pagelen=100") {
		name := "acme/" + str(r["slug"])
		names = append(names, name)
		for _, p := range o.all("/repositories/" + name + "/pullrequests?pagelen=50&state=OPEN&state=MERGED&state=DECLINED&state=SUPERSEDED") {
			pulls[name] = append(pulls[name], int(p["id"].(float64)))
		}
	}
	return names, pulls
}

func (o *cloudOracle) users() (names []string) {
	for _, m := range o.all("/workspaces/acme/members?pagelen=100") {
		names = append(names, str(at(m, "user", "uuid")))
	}
	return names
}
