package sync_test

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"sort"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/windlass-hq/windlass/internal/bitbucket"
	"github.com/windlass-hq/windlass/internal/bitbucket/datacenter"
	"github.com/windlass-hq/windlass/internal/bitbucket/sandbox"
	"github.com/windlass-hq/windlass/internal/fault"
	"github.com/windlass-hq/windlass/internal/store"
	"github.com/windlass-hq/windlass/internal/store/storetest"
	"github.com/windlass-hq/windlass/internal/sync"
)

// dataCenterSide is a Bitbucket Data Center in a version.
type dataCenterSide struct{ version string }

func (d dataCenterSide) String() string { return "data center " + d.version }

func (dataCenterSide) product() string { return "datacenter" }

func (d dataCenterSide) prepare(o *sandbox.Options) { o.DCVersion = d.version }

func (dataCenterSide) settings() map[string]string { return map[string]string{"instance": "i1"} }

func (dataCenterSide) credential() store.Credential {
	return store.Credential{Kind: "token", Secret: "sandbox-token-2"}
}

func (dataCenterSide) access() store.Credential {
	return store.Credential{Kind: "basic", Identity: "admin", Secret: "sandbox-password"}
}

func (dataCenterSide) plain(f *fixture) store.Credential {
	f.t.Helper()
	f.must(f.sandbox.DataCenter().AddCredential(sandbox.DCCredential{Name: "plain", User: "robot-2", Token: "plain-token", Permission: "read"}))
	return store.Credential{Kind: "token", Secret: "plain-token"}
}

func (dataCenterSide) narrow(f *fixture) store.Credential {
	f.t.Helper()
	c := sandbox.DCCredential{
		Name: "narrow", User: "robot-3", Token: "narrow-token",
		Projects: []string{str((&dataCenterOracle{t: f.t, base: f.server.URL + "/dc"}).all("/projects")[0]["key"])},
	}
	f.must(f.sandbox.DataCenter().AddCredential(c))
	return store.Credential{Kind: "token", Secret: c.Token}
}

func (dataCenterSide) revoke(s *sandbox.Sandbox, narrow bool) error {
	name := "sandbox-token-2"
	if narrow {
		name = "narrow"
	}
	return s.DataCenter().EditCredential(name, func(c *sandbox.DCCredential) { c.Revoked = true })
}

func (dataCenterSide) open(f *fixture, c store.Connection, credentials []bitbucket.Credential, noWait bool, onWait func(time.Time, string)) (sync.Reader, error) {
	var projects []string
	if p := c.Settings["projects"]; p != "" {
		projects = strings.Split(p, ",")
	}
	client, others, err := sync.ByRole(credentials, func(role bitbucket.Role) (*datacenter.Client, error) {
		return datacenter.New(datacenter.Options{
			URL: f.server.URL + "/dc", Instance: c.Settings["instance"], Projects: projects, Connection: c.Name, Credentials: credentials,
			Role: role, Now: f.now, Sleep: f.sleep, Version: "test", NoWait: noWait, OnWait: onWait,
		})
	})
	if err != nil {
		return nil, err
	}
	return sync.DataCenter(client, others, projects), nil
}

func (dataCenterSide) oracle(f *fixture) oracle {
	return &dataCenterOracle{t: f.t, base: f.server.URL + "/dc"}
}

func (dataCenterSide) deeds(s *sandbox.Sandbox) deeds { return dataCenterDeeds{s.DataCenter()} }

func (dataCenterSide) budget(repositories int, pulls []int) int {
	n := (repositories + 999) / 1000
	for _, p := range pulls {
		n += max(1, (p+99)/100) // what the sandbox grants
	}
	return n
}

func (dataCenterSide) lists() string { return "/dc/rest/api/latest/projects/" }

func (dataCenterSide) endpoints() (pullRequests, one string) {
	const path = "/projects/{projectKey}/repos/{repositorySlug}/pull-requests"
	return "GET /rest/api/latest" + path, "GET /rest/api/latest" + path + "/{pullRequestId}"
}

type dataCenterDeeds struct{ sandbox.DataCenter }

func (d dataCenterDeeds) create(name string) error {
	in := sandbox.DCRepositorySpec{Project: "~admin", Name: name}
	_, err := d.CreateRepository(in)
	if fault.Is(err, fault.NotFound) {
		if _, err = d.CreateProject(sandbox.DCProjectSpec{Owner: "admin"}); err == nil {
			_, err = d.CreateRepository(in)
		}
	}
	return err
}

func (d dataCenterDeeds) leave(user string) error { return d.DeleteUser(user) }

// dataCenterOracle reads as the administrator, by version 1.0 of the API.
type dataCenterOracle struct {
	t    *testing.T
	base string
}

func (o *dataCenterOracle) get(path string) map[string]any {
	o.t.Helper()
	return get(o.t, o.base+"/rest/api/1.0"+path, func(r *http.Request) { r.SetBasicAuth("admin", "sandbox-password") })
}

func (o *dataCenterOracle) all(path string) (values []map[string]any) {
	o.t.Helper()
	sep := "?"
	if strings.Contains(path, "?") {
		sep = "&"
	}
	for start := 0.0; ; {
		page := o.get(path + sep + "limit=7&start=" + strconv.Itoa(int(start)))
		for _, v := range page["values"].([]any) {
			values = append(values, v.(map[string]any))
		}
		if page["isLastPage"] == true {
			return values
		}
		start = page["nextPageStart"].(float64)
	}
}

func (o *dataCenterOracle) repos() []map[string]any {
	if version := str(o.get("/application-properties")["version"]); strings.HasPrefix(version, "7.") {
		return o.all("/repos")
	}
	return o.all("/repos?archived=ALL")
}

func id(v any, path ...string) string {
	n, ok := at(v, append(path, "id")...).(float64)
	if !ok {
		return ""
	}
	return strconv.Itoa(int(n))
}

func (o *dataCenterOracle) user(w *world, u any) string {
	if id(u) == "" {
		return ""
	}
	key := "dc:i1:user:" + id(u)
	w.entity(key, "bitbucket_user", str(at(u, "displayName")), "", str(at(u, "name")))
	return key
}

func (o *dataCenterOracle) project(w *world, p any) string {
	key := "dc:i1:project:" + id(p)
	w.entity(key, "bitbucket_project", str(at(p, "name")), str(at(p, "key")))
	w.edge("dc:i1", "OWNS", key)
	if owner := at(p, "owner"); owner != nil {
		o.user(w, owner)
	}
	return key
}

func (o *dataCenterOracle) read() *world {
	o.t.Helper()
	w := newWorld()
	properties := o.get("/application-properties")
	w.entity("dc:i1", "bitbucket_instance", str(properties["displayName"])+" "+str(properties["version"]))
	for _, p := range o.all("/projects") {
		o.project(w, p)
	}
	for _, u := range o.all("/users") {
		w.edge("dc:i1", "HAS", o.user(w, u))
	}
	for _, r := range o.repos() {
		key := "dc:i1:repo:" + id(r)
		w.entity(key, "bitbucket_repo", str(r["name"]), str(r["slug"]), " ", r["public"] == true, " ", "")
		w.edge("dc:i1", "OWNS", key)
		w.edge(o.project(w, r["project"]), "HAS", key)
		o.pullRequests(w, r, key)
	}
	return w
}

func (o *dataCenterOracle) pullRequests(w *world, r map[string]any, repo string) {
	path := "/projects/" + url.PathEscape(str(at(r, "project", "key"))) + "/repos/" + str(r["slug"]) + "/pull-requests"
	for _, listed := range o.all(path + "?state=ALL") {
		pr := o.get(path + "/" + id(listed))
		key := repo + ":pr:" + id(pr)
		author := o.user(w, at(pr, "author", "user"))
		var approvers []string
		take := func(list any, asked bool) {
			entries, _ := list.([]any)
			for _, p := range entries {
				u := o.user(w, at(p, "user"))
				if u == "" {
					continue
				}
				if at(p, "approved") == true {
					approvers = append(approvers, strings.TrimPrefix(u, "dc:i1:user:"))
					w.edge(u, "APPROVED", key)
				}
				if asked || at(p, "approved") == true || at(p, "status") == "NEEDS_WORK" || u != author {
					w.edge(u, "REVIEWED", key)
				}
			}
		}
		take(pr["reviewers"], true)
		take(pr["participants"], false)
		sort.Strings(approvers)
		w.entity(key, "bitbucket_pull_request", str(pr["title"]), str(pr["state"]), " ", pr["draft"] == true, " ",
			str(at(pr, "fromRef", "displayId")), " ", str(at(pr, "toRef", "displayId")), " ",
			str(at(pr, "properties", "mergeCommit", "id")), " ", "", " ", approvers)
		w.edge(repo, "HAS", key)
		if author != "" {
			w.edge(author, "OPENED", key)
		}
	}
}

func (o *dataCenterOracle) repositories() (names []string, pulls map[string][]int) {
	o.t.Helper()
	pulls = map[string][]int{}
	for _, r := range o.repos() {
		name := str(at(r, "project", "key")) + "/" + str(r["slug"])
		names = append(names, name)
		for _, p := range o.all(fmt.Sprintf("/projects/%s/repos/%s/pull-requests?state=ALL", url.PathEscape(str(at(r, "project", "key"))), str(r["slug"]))) {
			n, _ := strconv.Atoi(id(p))
			pulls[name] = append(pulls[name], n)
		}
	}
	return names, pulls
}

func (o *dataCenterOracle) users() (names []string) {
	for _, u := range o.all("/users") {
		if name := str(u["name"]); name != "admin" && !strings.HasPrefix(name, "robot-") { // they sign in here
			names = append(names, name)
		}
	}
	return names
}

// smoke runs a test on the versions that the core suite leaves out.
func smoke(t *testing.T, o sandbox.Options, test func(t *testing.T, f *fixture)) {
	t.Helper()
	on(t, storetest.SQLite, o, test, dataCenterSide{"7.6"}, dataCenterSide{"7.21"}, dataCenterSide{"10.0"})
}

func TestOldAndNewVersionsReadAlike(t *testing.T) {
	for _, iso := range []bool{false, true} { // version 10 may write dates either way (FACTS 149a)
		o := small()
		o.DCISODates = iso
		smoke(t, o, func(t *testing.T, f *fixture) {
			f.sync(sync.RunOptions{}, sync.Complete)
			f.equal()
			names, pulls := f.oracle.repositories()
			repo := withPulls(t, names, pulls, 3)
			f.must(f.deeds.DeletePullRequest(repo, pulls[repo][0]))
			f.must(f.deeds.RenameRepository(repo, "Renamed meanwhile"))
			if s := f.sync(sync.RunOptions{}, sync.Complete); s.Changes.Deleted != 1 {
				t.Errorf("deleted = %d, want 1", s.Changes.Deleted)
			}
			f.equal()
			if s := f.sync(sync.RunOptions{}, sync.Complete); s.Changes != (sync.Changes{}) {
				t.Errorf("third run: %+v, want no changes", s.Changes)
			}
		})
	}
}

// TestChosenProjects: a connection that is limited to projects reads them alone, and what its owner takes off the list
// is withdrawn without being called deleted.
func TestChosenProjects(t *testing.T) {
	on(t, storetest.SQLite, small(), func(t *testing.T, f *fixture) {
		_, err := f.store.RemoveConnection(t.Context(), "acme")
		f.must(err)
		var keys []string
		for _, p := range (&dataCenterOracle{t: t, base: f.server.URL + "/dc"}).all("/projects") {
			keys = append(keys, str(p["key"]))
		}
		const personal = "~admin"
		f.must(f.deeds.create("Mine"))
		f.connect("some", map[string]string{"projects": keys[0] + "," + strings.ToLower(keys[1]) + "," + personal})
		projects := func() (out []string) {
			for key, line := range stored(t, f.store).entities {
				if strings.Contains(key, ":project:") {
					out = append(out, line[strings.LastIndex(line, " ")+1:])
				}
			}
			sort.Strings(out)
			return out
		}
		run := func() sync.Summary {
			t.Helper()
			s, err := f.engine.Run(t.Context(), "some", sync.RunOptions{Drain: true}, nil)
			f.must(err)
			return s
		}
		run()
		want := []string{keys[0], keys[1], personal}
		sort.Strings(want)
		if got := projects(); !slices.Equal(got, want) {
			t.Errorf("projects = %v, want %v", got, want)
		}
		conn, err := f.store.Connection(t.Context(), "some")
		f.must(err)
		fewer := keys[0]
		_, err = f.store.UpdateConnection(t.Context(), conn.ID, store.ConnectionUpdate{Settings: map[string]*string{"projects": &fewer}})
		f.must(err)
		s := run()
		if s.Changes.Deleted != 0 || s.Hidden != 0 || s.Held != 0 {
			t.Errorf("%d deleted, %d hidden, %d held after the list became shorter; want none", s.Changes.Deleted, s.Hidden, s.Held)
		}
		if got := projects(); !slices.Equal(got, []string{keys[0]}) {
			t.Errorf("projects = %v, want %s alone", got, keys[0])
		}
		for key, line := range stored(t, f.store).entities {
			if strings.Contains(key, ":pr:") || strings.Contains(key, ":repo:") {
				parent, _, _ := strings.Cut(key, ":pr:")
				if _, ok := stored(t, f.store).entities[parent]; !ok {
					t.Errorf("%s (%s) outlived its repository", key, line)
				}
			}
		}
	}, dataCenterSide{"9.4"})
}
