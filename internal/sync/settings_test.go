package sync_test

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/windlass-hq/windlass/internal/bitbucket"
	"github.com/windlass-hq/windlass/internal/bitbucket/sandbox"
	"github.com/windlass-hq/windlass/internal/graph"
	"github.com/windlass-hq/windlass/internal/store"
	"github.com/windlass-hq/windlass/internal/sync"
)

// eachWithSettings is each for what reads settings, by a credential that sees all of them.
func eachWithSettings(t *testing.T, o sandbox.Options, test func(t *testing.T, f *fixture)) {
	t.Helper()
	each(t, o, func(t *testing.T, f *fixture) {
		f.settings = true
		f.replaceCredential(f.side.access())
		test(t, f)
	})
}

// replaceCredential gives the connection another credential instead of those that it has.
func (f *fixture) replaceCredential(k store.Credential) {
	f.t.Helper()
	ctx := f.t.Context()
	conn, err := f.store.Connection(ctx, "acme")
	f.must(err)
	old, err := f.store.Credentials(ctx, conn.ID)
	f.must(err)
	k.ConnectionID = conn.ID
	_, err = f.store.AddCredential(ctx, k)
	f.must(err)
	for _, o := range old {
		f.must(f.store.RemoveCredential(ctx, conn.ID, o.ID))
	}
}

func tiny() sandbox.Options {
	return sandbox.Options{Seed: 5, Repositories: 6, PullRequests: 30, Users: 12}
}

// a repository of the connection, with its Bitbucket name, and somebody to grant something to.
func (f *fixture) somewhere() (repository, person string) {
	f.t.Helper()
	truth := f.deeds.Truth()
	for _, s := range truth.Spaces {
		if f.side.product() == "cloud" && s.Slug != "acme" {
			continue
		}
		for _, p := range s.Projects {
			for _, r := range p.Repositories {
				if p.Owner != "" {
					continue
				}
				repository = "acme/" + r.Slug
				if f.side.product() == "datacenter" {
					repository = p.Key + "/" + r.Slug
				}
			}
		}
		for _, m := range s.Members {
			for _, u := range truth.Users {
				if u.ID == m.User && !u.Gone {
					person = u.Nickname
				}
			}
		}
	}
	return repository, person
}

// ofType returns the open entities of a type by key.
func (f *fixture) ofType(typ string) map[string]string {
	f.t.Helper()
	out := map[string]string{}
	for key, line := range stored(f.t, f.store).entities {
		if strings.HasPrefix(line, typ+" ") {
			out[key] = line
		}
	}
	return out
}

func (f *fixture) states(s sync.Summary, listing string) map[string]int {
	out := map[string]int{}
	for _, sc := range s.Scopes {
		if strings.HasSuffix(sc.Scope, "/"+listing) {
			out[sc.Status]++
		}
	}
	return out
}

func TestSettingsAreReadOnceAndThenWhenTheyAreDue(t *testing.T) {
	eachWithSettings(t, tiny(), func(t *testing.T, f *fixture) {
		first := f.sync(sync.RunOptions{}, sync.Complete)
		for _, typ := range []string{graph.TypeGroup, graph.TypePermission, graph.TypeRestriction, graph.TypeKey, graph.TypeBranch} {
			if first.Objects[typ] == 0 {
				t.Errorf("the first run found no %s", typ)
			}
		}
		// listed counts the settings lists that a run read, by name.
		listed := func(s sync.Summary) map[string]int {
			out := map[string]int{}
			for _, sc := range s.Scopes {
				if name := sc.Scope[strings.LastIndex(sc.Scope, "/")+1:]; sync.Cadence(name) > 0 {
					out[name]++
				}
			}
			return out
		}
		all := listed(first)
		if got := listed(f.sync(sync.RunOptions{}, sync.Complete)); len(got) != 0 {
			t.Errorf("a second run at once read %v", got)
		}
		f.ahead.Add(int64(25 * time.Hour))
		daily := listed(f.sync(sync.RunOptions{}, sync.Complete))
		if got, want := daily[bitbucket.ListRestrictions], all[bitbucket.ListRestrictions]; got != want {
			t.Errorf("a day later %d lists of restrictions were read, want all %d", got, want)
		}
		if got := daily[bitbucket.ListKeys]; got != 0 {
			t.Errorf("a day later %d lists of keys were read, which are due weekly", got)
		}
		full := f.sync(sync.RunOptions{Full: true}, sync.Complete)
		if got := listed(full); !maps.Equal(got, all) {
			t.Errorf("--full read %v, want everything: %v", got, all)
		}
		if full.Changes != (sync.Changes{}) {
			t.Errorf("nothing had changed, but --full changed %+v", full.Changes)
		}
	})
}

// One run after a grant was changed or taken away shows it: the level is a version of the same permission, and what was
// taken away is deleted, since a second complete listing misses it too.
func TestGrantsChangeAndGo(t *testing.T) {
	eachWithSettings(t, tiny(), func(t *testing.T, f *fixture) {
		repository, person := f.somewhere()
		grant := func(level string) {
			t.Helper()
			if f.side.product() == "datacenter" {
				level = strings.ToUpper(level)
			}
			f.must(f.deeds.Grant(sandbox.GrantSpec{Place: sandbox.Place{Repository: repository}, User: person, Permission: level}))
		}
		grant("")
		f.sync(sync.RunOptions{}, sync.Complete)
		before := f.ofType(graph.TypePermission)
		grant("read")
		f.sync(sync.RunOptions{Full: true}, sync.Complete)
		key := ""
		for k := range f.ofType(graph.TypePermission) {
			if _, was := before[k]; !was {
				key = k
			}
		}
		if key == "" {
			t.Fatal("a new grant did not become a permission")
		}
		grant("admin")
		if s := f.sync(sync.RunOptions{Full: true}, sync.Complete); s.Changes.Created != 0 || s.Changes.Deleted != 0 {
			t.Errorf("another level: %+v, want an update only", s.Changes)
		}
		history, err := f.store.History(t.Context(), key)
		f.must(err)
		var levels []string
		for _, v := range history {
			levels = append(levels, v.Properties["permission"].(string))
		}
		if want := []string{"read", "admin"}; !slices.Equal(levels, want) {
			t.Errorf("levels %v, want %v", levels, want)
		}
		grant("")
		if s := f.sync(sync.RunOptions{Full: true}, sync.Complete); s.Changes.Deleted != 1 {
			t.Errorf("a grant was taken away: %+v", s.Changes)
		}
		if !maps.Equal(f.ofType(graph.TypePermission), before) {
			t.Error("the permissions differ from those before the grant")
		}
	})
}

// A credential without the right leaves everything as it is: the listings are denied, the reason names the right, and
// the run is complete all the same. A credential that has it is used at once.
func TestWhatIsDeniedStaysAndIsNamed(t *testing.T) {
	eachWithSettings(t, tiny(), func(t *testing.T, f *fixture) {
		first := f.sync(sync.RunOptions{}, sync.Complete)
		f.replaceCredential(f.side.plain(f))
		s := f.sync(sync.RunOptions{Full: true}, sync.Complete)
		for _, name := range []string{bitbucket.ListGroupPermissions, bitbucket.ListRestrictions, bitbucket.ListKeys} {
			if got := f.states(s, name); len(got) != 1 || got["denied"] == 0 {
				t.Errorf("%s: %v, want all denied", name, got)
			}
		}
		right := map[string]string{"cloud": "repository:admin", "datacenter": "REPO_ADMIN"}[f.side.product()]
		for _, sc := range s.Scopes {
			if strings.HasSuffix(sc.Scope, "/"+bitbucket.ListRestrictions) && strings.Contains(sc.Scope, "repo") && !strings.Contains(sc.Reason, right) {
				t.Errorf("%s is denied without naming %s: %s", sc.Title, right, sc.Reason)
			}
		}
		for _, typ := range []string{graph.TypePermission, graph.TypeRestriction, graph.TypeKey} {
			if got, want := s.Objects[typ], first.Objects[typ]; got != want {
				t.Errorf("%d of %s, %d before the right was lost", got, typ, want)
			}
		}
		f.ahead.Add(int64(time.Minute))
		f.replaceCredential(f.side.access())
		s = f.sync(sync.RunOptions{}, sync.Complete)
		if got := f.states(s, bitbucket.ListUserPermissions); got["complete"] == 0 || got["denied"] != 0 {
			t.Errorf("with a credential that may: %v, want complete at once", got)
		}
	})
}

// Access tokens cannot read permissions (FACTS 13), and tokens are not let in at administrative paths (FACTS 113): a
// credential with the role access does it beside them, and nothing else.
func TestTheRoleAccessReadsWhatTheDataCredentialCannot(t *testing.T) {
	each(t, tiny(), func(t *testing.T, f *fixture) {
		f.settings = true
		list := map[string]string{"cloud": bitbucket.ListUserPermissions, "datacenter": bitbucket.ListGroupMembers}[f.side.product()]
		f.sandbox.ResetStats()
		s := f.sync(sync.RunOptions{}, sync.Complete)
		if got := f.states(s, list); len(got) != 1 || got["denied"] == 0 {
			t.Errorf("%s by a token: %v, want all denied", list, got)
		}
		for endpoint, n := range f.sandbox.Stats().Requests.ByEndpoint {
			if strings.Contains(endpoint, "permissions-config") || strings.Contains(endpoint, "/admin/") {
				t.Errorf("%d calls of %s that a token can never make", n, endpoint)
			}
		}
		conn, err := f.store.Connection(t.Context(), "acme")
		f.must(err)
		k := f.side.access()
		k.ConnectionID, k.Role = conn.ID, "access"
		f.ahead.Add(int64(time.Minute))
		_, err = f.store.AddCredential(t.Context(), k)
		f.must(err)
		s = f.sync(sync.RunOptions{}, sync.Complete)
		if got := f.states(s, list); len(got) != 1 || got["complete"] == 0 {
			t.Errorf("%s with a credential for access: %v, want all complete", list, got)
		}
	})
}

func TestSwitchingPermissionsOffDeletesNone(t *testing.T) {
	eachWithSettings(t, tiny(), func(t *testing.T, f *fixture) {
		first := f.sync(sync.RunOptions{}, sync.Complete)
		c, err := f.store.Connection(t.Context(), "acme")
		f.must(err)
		off := "false"
		_, err = f.store.UpdateConnection(t.Context(), c.ID, store.ConnectionUpdate{Settings: map[string]*string{"permissions": &off}})
		f.must(err)
		s := f.sync(sync.RunOptions{Full: true}, sync.Complete)
		if got := f.states(s, bitbucket.ListUserPermissions); len(got) != 1 || got["disabled"] == 0 {
			t.Errorf("permissions: %v, want all disabled", got)
		}
		if got := f.states(s, bitbucket.ListRestrictions); got["complete"] == 0 {
			t.Errorf("restrictions: %v, want them read", got)
		}
		if got, want := s.Objects[graph.TypePermission], first.Objects[graph.TypePermission]; got != want || s.Changes.Deleted != 0 {
			t.Errorf("%d permissions, %d before; deleted %d", got, want, s.Changes.Deleted)
		}
	})
}

// A run by hand reads a bounded number of settings of repositories; the next ones and the background go on with what is
// left, until every list was read once.
func TestSettingsRotate(t *testing.T) {
	o := sandbox.Options{Seed: 5, Repositories: 120, PullRequests: 10, Users: 12}
	eachWithSettings(t, o, func(t *testing.T, f *fixture) {
		unread := func() int {
			t.Helper()
			conn, err := f.store.Connection(t.Context(), "acme")
			f.must(err)
			scopes, err := f.store.Scopes(t.Context(), conn.ID)
			f.must(err)
			n := 0
			for _, s := range scopes {
				if sync.Cadence(s.Listing) > 0 && s.State == "" {
					n++
				}
			}
			return n
		}
		f.sync(sync.RunOptions{}, sync.Complete)
		after := unread()
		if after == 0 {
			t.Fatal("one run read all settings of 120 repositories")
		}
		f.sync(sync.RunOptions{}, sync.Complete)
		if got := unread(); got > after-250 {
			t.Errorf("%d lists are unread after the second run, %d after the first", got, after)
		}
		done, err := f.engine.Backlog(t.Context(), "acme", time.Hour, nil, nil)
		if err != nil || !done || unread() != 0 {
			t.Errorf("the background left %d lists unread (done %v, error %v)", unread(), done, err)
		}
	})
}

// Whoever loses a repository loses its settings with it; what restates the repository does not bring it back.
func TestSettingsGoWithTheirRepository(t *testing.T) {
	eachWithSettings(t, tiny(), func(t *testing.T, f *fixture) {
		f.sync(sync.RunOptions{}, sync.Complete)
		repository, _ := f.somewhere()
		f.must(f.deeds.DeleteRepository(repository))
		before := f.ofType(graph.TypeRepo)
		f.sync(sync.RunOptions{Full: true, ConfirmDeletes: "all"}, sync.Complete)
		gone := ""
		after := f.ofType(graph.TypeRepo)
		for key := range before {
			if _, open := after[key]; !open {
				gone = key
			}
		}
		if gone == "" {
			t.Fatal("the repository is still there")
		}
		for key := range stored(t, f.store).entities {
			if strings.HasPrefix(key, gone+":") {
				t.Errorf("%s outlived its repository", key)
			}
		}
	})
}

// A branch that no restriction names any more is still there: it is withdrawn, and only the restriction is deleted. A
// branch that is gone is deleted.
func TestBranchesThatNobodyNamesAreNotDeleted(t *testing.T) {
	eachWithSettings(t, tiny(), func(t *testing.T, f *fixture) {
		repository, _ := f.somewhere()
		where := sandbox.Place{Repository: repository}
		for _, branch := range []string{"zz/kept", "zz/dropped"} {
			_, err := f.deeds.Push(sandbox.Push{Repository: repository, Branch: branch})
			f.must(err)
		}
		rule := sandbox.RestrictionSpec{Place: where, Kind: "delete", Match: "glob", Pattern: "zz/*"}
		if f.side.product() == "datacenter" {
			rule.Kind, rule.Match = "no-deletes", "PATTERN"
		}
		id, err := f.deeds.SetRestriction(rule)
		f.must(err)
		f.sync(sync.RunOptions{}, sync.Complete)
		branches := func() (n int) {
			t.Helper()
			for key := range f.ofType(graph.TypeBranch) {
				if strings.Contains(key, ":branch:zz/") {
					n++
				}
			}
			return n
		}
		if got := branches(); got != 2 {
			t.Fatalf("%d of two protected branches are known", got)
		}
		_, err = f.deeds.Push(sandbox.Push{Repository: repository, Branch: "zz/dropped", Delete: true})
		f.must(err)
		if s := f.sync(sync.RunOptions{Full: true}, sync.Complete); s.Changes.Deleted != 1 || branches() != 1 {
			t.Errorf("a branch was deleted: %+v, %d left", s.Changes, branches())
		}
		f.must(f.deeds.DeleteRestriction(where, id))
		if s := f.sync(sync.RunOptions{Full: true}, sync.Complete); s.Changes.Deleted != 1 || branches() != 0 {
			t.Errorf("a restriction was deleted: %+v, %d branches left", s.Changes, branches())
		}
	})
}
