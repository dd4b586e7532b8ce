package storetest_test

import (
	"testing"
	"time"

	"github.com/windlass-hq/windlass/internal/graph"
	"github.com/windlass-hq/windlass/internal/store"
)

// tree puts a workspace, a project, a repository and a pull request with an author into the store, as seen by c.
func (f *fixture) tree(c store.Connection) {
	f.Helper()
	f.apply(f.scope(c, "", "workspaces"), workspace("w", "slug", "acme"))
	f.apply(f.scope(c, "w", "projects"), with(project("p", "w"), "w", graph.Owns, "p"))
	f.apply(f.scope(c, "w", "repositories"), with(repo("r", "p", "description", "x"), "p", graph.Has, "r"))
	b := batch(f.scope(c, "r", "pulls"), f.later(), with(with(pull("pr", "r", "title", "t"), "r", graph.Has, "pr"), "u", graph.Opened, "pr"))
	b.Met = []graph.Object{user("u")}
	f.applyBatch(b)
}

func TestLastPresenceGoneClosesWithItsReason(t *testing.T) {
	for reason, want := range map[graph.Reason]store.Result{
		graph.Deleted:    {Deleted: 1},
		graph.NotVisible: {Hidden: 1},
		graph.Withdrawn:  {Withdrawn: 1},
	} {
		t.Run(string(reason), func(t *testing.T) {
			each(t, func(f *fixture) {
				ws := f.scope(f.one, "", "workspaces")
				f.apply(ws, workspace("w"))
				f.counts(f.withdraw(ws, reason, "w"), want)
				f.closed("w")
				log := f.changes(f.one)
				c := log[len(log)-1]
				f.same("op", c.Op, graph.Closed)
				f.same("reason", c.Reason, reason)
				f.same("old", len(c.Old), 0)
				f.same("new", len(c.New), 0)
			})
		})
	}
}

func TestClosingCascadesByHomeWithOneChangeEachAndTheSameReason(t *testing.T) {
	each(t, func(f *fixture) {
		f.tree(f.one)
		before := f.db.Clock.Now()
		seen := len(f.changes(f.one))
		f.counts(f.withdraw(f.scope(f.one, "", "workspaces"), graph.NotVisible, "w"), store.Result{Hidden: 4})
		closed := map[string]graph.Reason{}
		for _, c := range f.changes(f.one)[seen:] {
			f.same("op of "+c.Key, c.Op, graph.Closed)
			if _, twice := closed[c.Key]; twice {
				f.Errorf("%s has two changes", c.Key)
			}
			closed[c.Key] = c.Reason
		}
		f.same("closed", closed, map[string]graph.Reason{"w": graph.NotVisible, "p": graph.NotVisible, "r": graph.NotVisible, "pr": graph.NotVisible})
		f.entity("u")
		f.same("edges of the author", f.edges("u"), []string{})
		now := f.at(f.db.Clock.Now())
		f.same("open now", now, state{Entities: map[string]string{"u": now.Entities["u"]}, Edges: map[string]string{}})
		then := f.at(before)
		f.same("entities before", len(then.Entities), 5)
		f.same("edges before", len(then.Edges), 4)
	})
}

func TestCascadeFollowsTheHomeOfToday(t *testing.T) {
	each(t, func(f *fixture) {
		f.apply(f.scope(f.one, "w", "projects"), project("p", ""), project("q", ""))
		repos := f.scope(f.one, "w", "repositories")
		f.apply(repos, repo("r", "p"))
		f.counts(f.apply(repos, repo("r", "q")), store.Result{Updated: 1})
		f.counts(f.withdraw(f.scope(f.one, "w", "projects"), graph.Deleted, "p"), store.Result{Deleted: 1})
		f.entity("r")
	})
}

func TestOtherConnectionsPresenceKeepsTheEntityOpen(t *testing.T) {
	each(t, func(f *fixture) {
		mine, theirs := f.scope(f.one, "", "workspaces"), f.scope(f.two, "", "workspaces")
		f.apply(mine, workspace("w", "slug", "a"))
		f.counts(f.apply(theirs, workspace("w", "slug", "a")), store.Result{Unchanged: 1})
		changes := f.since(f.one, func() { f.counts(f.withdraw(mine, graph.Deleted, "w"), store.Result{Unchanged: 1}) })
		f.same("changes", changes, []string{})
		f.same("slug", f.entity("w").Properties["slug"], any("a"))
		f.counts(f.withdraw(theirs, graph.Deleted, "w"), store.Result{Deleted: 1})
		f.closed("w")
	})
}

func TestEitherOrderOfTwoPresencesMayEndFirst(t *testing.T) {
	each(t, func(f *fixture) {
		mine, theirs := f.scope(f.one, "", "workspaces"), f.scope(f.two, "", "workspaces")
		f.apply(mine, workspace("w"))
		f.apply(theirs, workspace("w"))
		f.withdraw(theirs, graph.Deleted, "w")
		f.entity("w")
		f.withdraw(mine, graph.Deleted, "w")
		f.closed("w")
	})
}

func TestWhatOnlyTheLostConnectionClaimedIsCorrectedByTheNextClaim(t *testing.T) {
	each(t, func(f *fixture) {
		mine, theirs := f.scope(f.one, "", "workspaces"), f.scope(f.two, "", "workspaces")
		f.apply(mine, workspace("w", "slug", "mine"))
		f.apply(theirs, workspace("w", "slug", "theirs"))
		f.withdraw(theirs, graph.Withdrawn, "w")
		f.counts(f.apply(mine, workspace("w", "slug", "mine")), store.Result{Updated: 1})
		f.same("slug", f.entity("w").Properties["slug"], any("mine"))
	})
}

func TestWithdrawalOfWhatTheScopeDoesNotSeeDoesNothing(t *testing.T) {
	each(t, func(f *fixture) {
		f.apply(f.scope(f.one, "", "workspaces"), workspace("w"))
		f.counts(f.withdraw(f.scope(f.two, "", "workspaces"), graph.Deleted, "w", "never heard of"), store.Result{})
		f.entity("w")
	})
}

func TestWithdrawalAskedForBeforeTheLastWriteIsDropped(t *testing.T) {
	each(t, func(f *fixture) {
		ws := f.scope(f.one, "", "workspaces")
		f.apply(ws, workspace("w"))
		f.counts(f.withdrawAsked(ws, f.db.Clock.Now().Add(-time.Microsecond), graph.Deleted, "w"), store.Result{Stale: 1})
		f.entity("w")
		f.counts(f.withdrawAsked(ws, f.db.Clock.Now().Add(-time.Hour), graph.Withdrawn, "w"), store.Result{Withdrawn: 1})
	})
}

func TestAnswerAskedForBeforeAWithdrawalDoesNotBringThePresenceBack(t *testing.T) {
	each(t, func(f *fixture) {
		mine, theirs := f.scope(f.one, "", "workspaces"), f.scope(f.two, "", "workspaces")
		f.apply(mine, workspace("w", "slug", "a"))
		f.apply(theirs, workspace("w", "slug", "a"))
		before := f.later()
		f.withdraw(mine, graph.Deleted, "w")
		f.counts(f.applyAsked(mine, before, workspace("w", "slug", "b")), store.Result{Stale: 1})
		f.counts(f.withdraw(theirs, graph.Deleted, "w"), store.Result{Deleted: 1})
	})
}

func TestTwoConnectionsOfDifferentRightsNeitherDeleteNorBlankEachOthersData(t *testing.T) {
	each(t, func(f *fixture) {
		// The first sees the project, all facts and all reviewers; the second only the repository and the title.
		f.tree(f.one)
		f.apply(f.scope(f.two, "w", "repositories"), repo("r", ""))
		f.apply(f.scope(f.two, "r", "pulls"), pull("pr", "r", "title", "t"))
		rowR, rowPR, edges := f.entity("r"), f.entity("pr"), f.edges("pr")
		for range 2 {
			f.counts(f.apply(f.scope(f.two, "w", "repositories"), repo("r", "")), store.Result{Unchanged: 1})
			f.counts(f.apply(f.scope(f.two, "r", "pulls"), pull("pr", "r", "title", "t")), store.Result{Unchanged: 1})
		}
		f.same("repository", f.entity("r").Properties, rowR.Properties)
		f.same("home", f.entity("r").Home, "p")
		f.same("pull request", f.entity("pr").Properties, rowPR.Properties)
		f.same("edges", f.edges("pr"), edges)
		// The second loses sight of both; nothing happens to the first's.
		f.counts(f.withdraw(f.scope(f.two, "r", "pulls"), graph.NotVisible, "pr"), store.Result{Unchanged: 1})
		f.counts(f.withdraw(f.scope(f.two, "w", "repositories"), graph.NotVisible, "r"), store.Result{Unchanged: 1})
		f.same("edges", f.edges("pr"), edges)
		f.same("home", f.entity("r").Home, "p")
	})
}

func TestListingNamesWhatItMissed(t *testing.T) {
	each(t, func(f *fixture) {
		repos := f.scope(f.one, "w", "repositories")
		f.apply(repos, repo("a", ""), repo("b", ""), repo("c", ""), repo("d", ""))
		l, err := f.store.BeginListing(f.Context(), repos)
		f.ok(err)
		f.same("size", l.Size(), 4)
		// Unchanged, changed and stale ones count as seen; a new one is not missed.
		_, err = l.Apply(f.Context(), batch(repos, f.later(), repo("a", ""), repo("b", "", "description", "x"), repo("new", "")))
		f.ok(err)
		res, err := l.Apply(f.Context(), batch(repos, f.db.Clock.Now().Add(-time.Hour), repo("c", "", "description", "old")))
		f.ok(err)
		f.counts(res, store.Result{Stale: 1})
		f.same("missing", l.Missing(), []string{"d"})
		f.entity("d")
	})
}

func TestListingKnowsOnlyItsOwnScope(t *testing.T) {
	each(t, func(f *fixture) {
		mine, theirs := f.scope(f.one, "w", "repositories"), f.scope(f.two, "w", "repositories")
		f.apply(mine, repo("a", ""), repo("b", ""))
		f.apply(theirs, repo("b", ""), repo("c", ""))
		l, err := f.store.BeginListing(f.Context(), theirs)
		f.ok(err)
		f.same("missing", l.Missing(), []string{"b", "c"})
	})
}

func TestHeldClosingsWaitUntilConfirmed(t *testing.T) {
	each(t, func(f *fixture) {
		repos := f.scope(f.one, "w", "repositories")
		f.apply(repos, repo("a", ""), repo("b", ""))
		run := f.run(f.one)
		f.ok(f.store.Hold(f.Context(), store.Held{Run: run.ID, Scope: repos, Reason: "too many", Members: []string{"a", "b"}}))
		held, err := f.store.HeldClosings(f.Context(), f.one.ID)
		f.ok(err)
		if len(held) != 1 {
			f.Fatalf("%d held closings, want 1", len(held))
		}
		f.same("members", held[0].Members, []string{"a", "b"})
		f.entity("a")
		others, err := f.store.HeldClosings(f.Context(), f.two.ID)
		f.ok(err)
		f.same("held of the other connection", len(others), 0)
	})
}
