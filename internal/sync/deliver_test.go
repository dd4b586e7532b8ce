package sync_test

import (
	"strings"
	"testing"
	"time"

	"github.com/windlass-hq/windlass/internal/bitbucket"
	"github.com/windlass-hq/windlass/internal/bitbucket/sandbox"
	"github.com/windlass-hq/windlass/internal/fault"
	"github.com/windlass-hq/windlass/internal/graph"
	"github.com/windlass-hq/windlass/internal/store"
	"github.com/windlass-hq/windlass/internal/store/storetest"
	"github.com/windlass-hq/windlass/internal/sync"
)

// told applies an event as a delivery that came now, and reads what it asks for.
func (f *fixture) told(ev bitbucket.Event) sync.Applied {
	f.t.Helper()
	conn, err := f.store.Connection(f.t.Context(), "acme")
	f.must(err)
	a, err := f.engine.Deliver(f.t.Context(), conn, ev, graph.Cause{Kind: "delivery", ID: "1"}, f.now())
	f.must(err)
	f.live()
	return a
}

// live reads what deliveries have made necessary.
func (f *fixture) live() {
	f.t.Helper()
	done, err := f.engine.Live(f.t.Context(), "acme", time.Hour, nil)
	if err != nil || !done {
		f.t.Fatalf("live: done %v, error %v", done, err)
	}
}

// client opens a reader of its own, to make what deliveries would carry.
func (f *fixture) client() sync.Reader {
	f.t.Helper()
	conn, err := f.store.Connection(f.t.Context(), "acme")
	f.must(err)
	credentials, err := f.store.Credentials(f.t.Context(), conn.ID)
	f.must(err)
	r, err := f.open(conn, credentials, true, nil)
	f.must(err)
	f.t.Cleanup(r.Close)
	return r
}

// one returns the key of a pull request that is open, with its repository's name and its number.
func (f *fixture) one() (key, repository string, number int) {
	f.t.Helper()
	repository, person := f.somewhere()
	id, err := f.deeds.OpenPullRequest(sandbox.PullRequestSpec{Repository: repository, Title: "one", Author: person, Source: "one"})
	f.must(err)
	f.sync(sync.RunOptions{}, sync.Complete)
	for key, line := range stored(f.t, f.store).entities {
		if strings.Contains(key, ":pr:") && strings.HasPrefix(line, "bitbucket_pull_request one ") || strings.HasPrefix(line, "one ") {
			return key, repository, id
		}
	}
	for key, line := range stored(f.t, f.store).entities {
		if strings.Contains(key, ":pr:") && strings.Contains(line, "one OPEN") {
			return key, repository, id
		}
	}
	f.t.Fatal("the pull request is not known")
	return "", "", 0
}

// What a delivery names is read by one call each, however often it is named; what has gone closes with what is in it.
func TestWhatADeliveryNamesIsRead(t *testing.T) {
	each(t, tiny(), func(t *testing.T, f *fixture) {
		key, repository, number := f.one()
		_, person := f.somewhere()
		_, one := f.side.endpoints()
		f.must(f.deeds.Approve(repository, number, person))
		ref := bitbucket.Ref{Type: graph.TypePullRequest, Key: key}
		f.sandbox.ResetStats()
		if a := f.told(bitbucket.Event{Key: "approved", Fetch: []bitbucket.Ref{ref, ref}}); a.Wanted != 1 {
			t.Errorf("applied: %v, want one object to be read", a)
		}
		if got := f.sandbox.Stats().Requests.ByEndpoint[one]; got != 1 {
			t.Errorf("%d calls for one pull request", got)
		}
		f.equal()
		f.must(f.deeds.DeleteRepository(repository))
		repo, _, _ := strings.Cut(key, ":pr:")
		f.told(bitbucket.Event{Key: "deleted", Fetch: []bitbucket.Ref{{Type: graph.TypeRepo, Key: repo}}})
		if f.side.product() == "datacenter" { // a path that leads nowhere is no proof there: the next run has it
			if _, err := f.store.Entity(t.Context(), repo, nil); err != nil {
				t.Errorf("a repository was closed because a path leads nowhere: %v", err)
			}
			f.sync(sync.RunOptions{}, sync.Complete)
		}
		f.equal()
		history, err := f.store.History(t.Context(), key)
		f.must(err)
		if last := history[len(history)-1]; last.ValidTo == nil || last.Reason != string(graph.Deleted) {
			t.Errorf("a pull request of a deleted repository ended with %q at %v", last.Reason, last.ValidTo)
		}
	})
}

// A delivery that names a repository as it was called before does not close it, and nothing in it.
func TestAnOldPathClosesNothing(t *testing.T) {
	each(t, tiny(), func(t *testing.T, f *fixture) {
		key, repository, _ := f.one()
		row, err := f.store.Entity(t.Context(), key, nil)
		f.must(err)
		repo, err := f.store.Entity(t.Context(), row.Home, nil)
		f.must(err)
		text := func(name string) string { s, _ := repo.Properties[name].(string); return s }
		f.must(f.deeds.RenameRepository(repository, "Renamed meanwhile"))
		f.told(bitbucket.Event{Key: "late", Fetch: []bitbucket.Ref{
			{Type: graph.TypePullRequest, Key: key, Workspace: text("ownerId"), Project: "GONE", Slug: "gone"},
			{Type: graph.TypeRepo, Key: repo.Key, Workspace: text("ownerId"), Project: "GONE", Slug: "gone"},
		}})
		for _, k := range []string{key, repo.Key} {
			if _, err := f.store.Entity(t.Context(), k, nil); err != nil {
				t.Errorf("%s was closed: %v", k, err)
			}
		}
		f.sync(sync.RunOptions{}, sync.Complete)
		f.equal()
	})
}

// A delivery that is late, or comes once more, never moves the graph backwards.
func TestOldDeliveriesChangeNothing(t *testing.T) {
	each(t, tiny(), func(t *testing.T, f *fixture) {
		key, repository, number := f.one()
		_, person := f.somewhere()
		row, err := f.store.Entity(t.Context(), key, nil)
		f.must(err)
		repo, err := f.store.Entity(t.Context(), row.Home, nil)
		f.must(err)
		text := func(name string) string { s, _ := repo.Properties[name].(string); return s }
		ref := bitbucket.Ref{Type: graph.TypePullRequest, Key: key, Workspace: text("ownerId"), Project: text("projectKey"), Slug: text("slug")}
		r := f.client()
		open, err := r.Fetch(t.Context(), ref)
		f.must(err)
		f.ahead.Add(int64(time.Minute))
		f.must(f.deeds.Decline(repository, number, person, "no"))
		declined, err := r.Fetch(t.Context(), ref)
		f.must(err)
		if a := f.told(bitbucket.Event{Page: declined}); a.Updated != 1 {
			t.Errorf("a newer state: %v", a)
		}
		f.equal()
		if a := f.told(bitbucket.Event{Page: open}); a.Stale != 1 {
			t.Errorf("an older state: %v, want it dropped", a)
		}
		if a := f.told(bitbucket.Event{Page: declined}); a.Updated != 0 {
			t.Errorf("the same once more: %v", a)
		}
		f.equal()
	})
}

// A push moves the head of a branch that is kept, if it begins at the head that is known; else the branches are listed.
func TestPushesMoveBranches(t *testing.T) {
	eachWithSettings(t, tiny(), func(t *testing.T, f *fixture) {
		f.sync(sync.RunOptions{}, sync.Complete)
		repository, _ := f.somewhere()
		_, slug, _ := strings.Cut(repository, "/")
		var branch store.EntityRow
		for key := range f.ofType(graph.TypeBranch) {
			row, err := f.store.Entity(t.Context(), key, nil)
			f.must(err)
			home, err := f.store.Entity(t.Context(), row.Home, nil)
			f.must(err)
			if home.Properties["slug"] == slug && row.Properties["isDefault"] == true {
				branch = row
			}
		}
		if branch.Key == "" {
			t.Fatal("the repository has no default branch; choose another seed")
		}
		head := func() any {
			t.Helper()
			row, err := f.store.Entity(t.Context(), branch.Key, nil)
			f.must(err)
			return row.Properties["commit"]
		}
		first, err := f.deeds.Push(sandbox.Push{Repository: repository, Branch: branch.Name})
		f.must(err)
		second, err := f.deeds.Push(sandbox.Push{Repository: repository, Branch: branch.Name})
		f.must(err)
		moved := func(p sandbox.Pushed) bitbucket.Event {
			return bitbucket.Event{Repository: branch.Home, Pushes: []bitbucket.RefChange{{Name: branch.Name, Old: p.Before, New: p.After}}}
		}
		// The second push comes first: where the first one went is not known yet.
		if a := f.told(moved(second)); a.Updated != 0 || a.Wanted != 1 {
			t.Errorf("a push that does not begin where the branch is: %v, want the branches listed", a)
		}
		f.background()
		if head() != second.After {
			t.Errorf("head %v, want %s", head(), second.After)
		}
		if f.told(moved(first)); head() != second.After {
			t.Errorf("an old push moved the head to %v", head())
		}
		f.background()
		third, err := f.deeds.Push(sandbox.Push{Repository: repository, Branch: branch.Name})
		f.must(err)
		if a := f.told(moved(third)); a.Updated != 1 || a.Wanted != 0 || head() != third.After {
			t.Errorf("the next push: %v, head %v", a, head())
		}
	})
}

// Between two runs a poll finds new projects and repositories, and what is in them is read in the background.
func TestAPollFindsWhatIsNew(t *testing.T) {
	each(t, tiny(), func(t *testing.T, f *fixture) {
		f.due()
		f.background()
		f.ahead.Add(int64(5 * time.Minute))
		var err error
		if f.side.product() == "cloud" {
			_, err = f.sandbox.CreateProject("acme", "NEW", "Brand new")
		} else {
			_, err = f.sandbox.DataCenter().CreateProject(sandbox.DCProjectSpec{Key: "NEW", Name: "Brand new"})
		}
		f.must(err)
		before := f.sandbox.Stats().Requests.Total
		f.must(f.engine.Poll(t.Context(), "acme", nil))
		if got := f.sandbox.Stats().Requests.Total - before; got > 5 {
			t.Errorf("a poll took %d calls", got)
		}
		found := false
		for _, line := range f.ofType(graph.TypeProject) {
			found = found || strings.Contains(line, "Brand new")
		}
		if !found {
			t.Error("the new project is not known after a poll")
		}
		if f.side.product() != "cloud" {
			return // Data Center cannot be asked which repositories are new
		}
		f.ahead.Add(int64(5 * time.Minute))
		f.must(f.deeds.create("brand-new"))
		f.must(f.engine.Poll(t.Context(), "acme", nil))
		f.background()
		f.equal()
	})
}

// The first push to a repository that the graph does not know brings the repository, and then what is in it.
func TestAPushToANewRepositoryMakesItKnown(t *testing.T) {
	each(t, tiny(), func(t *testing.T, f *fixture) {
		f.sync(sync.RunOptions{}, sync.Complete)
		f.ahead.Add(int64(time.Minute))
		f.must(f.deeds.create("brand-new"))
		var name, key string
		for _, o := range f.unknown() {
			name, key = o.Name, o.Key
		}
		if key == "" {
			t.Fatal("the new repository is not there")
		}
		r := f.unknown()[0]
		push := bitbucket.Event{Repository: r.Key, Repo: r, Pushes: []bitbucket.RefChange{{Name: "main", New: "abcdef0"}}}
		if a := f.told(push); a.Wanted != 1 {
			t.Errorf("applied: %v, want %s to be read", a, name)
		}
		if _, err := f.store.Entity(t.Context(), key, nil); err != nil {
			t.Errorf("after its first push: %v", err)
		}
		if a := f.told(push); a.Note != "" {
			t.Errorf("the next push: %v", a)
		}
		f.background()
		f.equal()
	})
}

// unknown returns the repositories of Bitbucket that the graph does not know.
func (f *fixture) unknown() (out []bitbucket.RepoRef) {
	f.t.Helper()
	accounts, err := f.client().Accounts(f.t.Context())
	f.must(err)
	for _, a := range accounts {
		for _, l := range a.Listings {
			if l.Name != "repositories" {
				continue
			}
			f.must(l.Pages(f.t.Context(), func(page bitbucket.Page) error {
				for _, r := range page.Repos {
					if _, err := f.store.Entity(f.t.Context(), r.Key, nil); err != nil {
						out = append(out, r)
					}
				}
				return nil
			}))
		}
	}
	return out
}

// What the connection was not made for is not applied although a delivery names it, and what has left is withdrawn.
func TestADeliveryBringsNothingFromOutside(t *testing.T) {
	on(t, storetest.SQLite, tiny(), func(t *testing.T, f *fixture) {
		f.sync(sync.RunOptions{}, sync.Complete)
		var repo store.EntityRow
		for key := range f.ofType(graph.TypeRepo) {
			row, err := f.store.Entity(t.Context(), key, nil)
			f.must(err)
			repo = row
		}
		text := func(name string) string { s, _ := repo.Properties[name].(string); return s }
		ref := bitbucket.Ref{Type: graph.TypeRepo, Key: repo.Key, Project: text("projectKey"), Slug: text("slug"), Name: text("name")}
		others := "ANOTHER"
		conn, err := f.store.Connection(t.Context(), "acme")
		f.must(err)
		_, err = f.store.UpdateConnection(t.Context(), conn.ID, store.ConnectionUpdate{Settings: map[string]*string{"projects": &others}})
		f.must(err)
		f.told(bitbucket.Event{Repository: repo.Key, Fetch: []bitbucket.Ref{ref}})
		if _, err := f.store.Entity(t.Context(), repo.Key, nil); !fault.Is(err, fault.NotFound) {
			t.Fatalf("a repository of a project that was not chosen is still there: %v", err)
		}
		history, err := f.store.History(t.Context(), repo.Key)
		f.must(err)
		if reason := history[len(history)-1].Reason; reason != string(graph.Withdrawn) {
			t.Errorf("it ended as %q", reason)
		}
		f.told(bitbucket.Event{Repository: repo.Key, Repo: bitbucket.RepoRef{Project: ref.Project, Slug: ref.Slug, Name: ref.Name}})
		if _, err := f.store.Entity(t.Context(), repo.Key, nil); !fault.Is(err, fault.NotFound) {
			t.Errorf("a delivery brought it back: %v", err)
		}
	}, dataCenterSide{"9.4"})
}
