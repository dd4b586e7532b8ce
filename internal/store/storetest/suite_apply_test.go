package storetest_test

import (
	"testing"
	"time"

	"github.com/windlass-hq/windlass/internal/graph"
	"github.com/windlass-hq/windlass/internal/store"
)

func TestNewObjectIsCreatedOnceAndRead(t *testing.T) {
	each(t, func(f *fixture) {
		ws := f.scope(f.one, "", "workspaces")
		o := workspace("w", "slug", "acme", "isPrivate", true, "createdOn", int64(1_700_000_000_123))
		f.counts(f.apply(ws, o), store.Result{Created: 1})
		row := f.entity("w")
		f.same("name", row.Name, "w")
		f.same("type", row.Type, graph.TypeWorkspace)
		f.same("properties", row.Properties, o.Entity.Properties)
		f.same("version", int(row.Version), 1)
		f.same("source", row.Source, graph.Provider)
	})
}

func TestRepeatedClaimIsUnchanged(t *testing.T) {
	each(t, func(f *fixture) {
		ws := f.scope(f.one, "", "workspaces")
		f.apply(ws, workspace("w", "slug", "acme"))
		f.same("result", f.apply(ws, workspace("w", "slug", "acme")), store.Result{Unchanged: 1})
		f.same("changes", len(f.changes(f.one)), 1)
	})
}

func TestRepeatedClaimChangesNothingThoughAnotherConnectionWroteInBetween(t *testing.T) {
	each(t, func(f *fixture) {
		mine, theirs := f.scope(f.one, "", "workspaces"), f.scope(f.two, "", "workspaces")
		f.apply(mine, workspace("w", "slug", "old"))
		f.apply(theirs, workspace("w", "slug", "new"))
		for range 3 {
			f.same("my repetition", f.apply(mine, workspace("w", "slug", "old")), store.Result{Unchanged: 1})
			f.same("their repetition", f.apply(theirs, workspace("w", "slug", "new")), store.Result{Unchanged: 1})
		}
		f.same("slug", f.entity("w").Properties["slug"], any("new"))
	})
}

func TestRepeatedClaimWithNewerRevisionIsLookedAtAgain(t *testing.T) {
	each(t, func(f *fixture) {
		mine, theirs := f.scope(f.one, "", "workspaces"), f.scope(f.two, "", "workspaces")
		f.apply(mine, rev(workspace("w", "slug", "old"), 1))
		f.apply(theirs, rev(workspace("w", "slug", "new"), 2))
		f.counts(f.apply(mine, rev(workspace("w", "slug", "old"), 3)), store.Result{Updated: 1})
		f.same("slug", f.entity("w").Properties["slug"], any("old"))
	})
}

func TestChangedPropertyMakesAVersionAndAChange(t *testing.T) {
	each(t, func(f *fixture) {
		ws := f.scope(f.one, "", "workspaces")
		f.apply(ws, workspace("w", "slug", "a", "isPrivate", true))
		first := f.db.Clock.Now()
		f.counts(f.apply(ws, named(workspace("w", "slug", "b", "isPrivate", nil, "webLink", "x"), "W")), store.Result{Updated: 1})
		log := f.changes(f.one)
		c := log[len(log)-1]
		f.same("op", c.Op, graph.Updated)
		f.same("seq", c.Seq, int64(2))
		f.same("old", c.Old, graph.Properties{"slug": "a", "isPrivate": true, "displayName": "w"})
		f.same("new", known(c.New), graph.Properties{"slug": "b", "webLink": "x", "displayName": "W"})
		f.same("cause", c.Cause, graph.Cause{Kind: "run", ID: "7"})
		f.same("origin", c.Origin, "sync")
		f.same("time", c.At.Equal(f.db.Clock.Now()), true)
		f.same("version", int(f.entity("w").Version), 2)
		old, err := f.store.Entity(f.Context(), "w", &first)
		f.ok(err)
		f.same("old version", old.Properties, graph.Properties{"slug": "a", "isPrivate": true})
		f.same("old name", old.Name, "w")
	})
}

func TestUnknownNeverOverwritesKnown(t *testing.T) {
	each(t, func(f *fixture) {
		ws, projects := f.scope(f.one, "", "workspaces"), f.scope(f.one, "w", "projects")
		f.apply(ws, workspace("w"))
		f.apply(projects, project("p", "w", "description", "x"))
		res := f.apply(f.scope(f.two, "w", "projects"), named(project("p", ""), ""))
		f.counts(res, store.Result{Unchanged: 1})
		row := f.entity("p")
		f.same("name", row.Name, "p")
		f.same("home", row.Home, "w")
		f.same("properties", row.Properties, graph.Properties{"description": "x"})
	})
}

func TestNilRemovesAProperty(t *testing.T) {
	each(t, func(f *fixture) {
		ws := f.scope(f.one, "", "workspaces")
		f.apply(ws, workspace("w", "slug", "a"))
		f.counts(f.apply(ws, workspace("w", "slug", nil)), store.Result{Updated: 1})
		f.same("properties", f.entity("w").Properties, graph.Properties{})
		f.same("repeated", f.apply(ws, workspace("w", "slug", nil)), store.Result{Unchanged: 1})
	})
}

func TestCurrentOnlyPropertyIsOverwrittenWithoutVersionOrChange(t *testing.T) {
	each(t, func(f *fixture) {
		scope := f.scope(f.one, "w", "repositories")
		f.apply(scope, repo("r", "", "size", 1, "description", "x"))
		from := f.entity("r").ValidFrom
		f.counts(f.apply(scope, repo("r", "", "size", 2, "description", "x")), store.Result{Refreshed: 1})
		row := f.entity("r")
		f.same("properties", row.Properties, graph.Properties{"size": int64(2), "description": "x"})
		f.same("version", int(row.Version), 1)
		f.same("valid from", row.ValidFrom.Equal(from), true)
		f.same("changes", len(f.changes(f.one)), 1)
		history, err := f.store.History(f.Context(), "r")
		f.ok(err)
		f.same("versions", len(history), 1)
	})
}

func TestCurrentOnlyPropertyDoesNotAppearInAnUpdate(t *testing.T) {
	each(t, func(f *fixture) {
		scope := f.scope(f.one, "w", "repositories")
		f.apply(scope, repo("r", "", "size", 1, "description", "x"))
		f.apply(scope, repo("r", "", "size", 2, "description", "y"))
		log := f.changes(f.one)
		f.same("old", log[1].Old, graph.Properties{"description": "x"})
		f.same("new", log[1].New, graph.Properties{"description": "y"})
	})
}

func TestDerivedPropertyIsNeverStored(t *testing.T) {
	each(t, func(f *fixture) {
		ws := f.scope(f.one, "", "workspaces")
		f.apply(ws, workspace("w", "slug", "a", "tag.AccountName", "x"))
		f.same("properties", f.entity("w").Properties, graph.Properties{"slug": "a"})
		f.same("repeated with another", f.apply(ws, workspace("w", "slug", "a", "tag.AccountName", "y")), store.Result{Unchanged: 1})
	})
}

func TestOlderRevisionIsDroppedThoughAskedForLater(t *testing.T) {
	each(t, func(f *fixture) {
		ws := f.scope(f.one, "", "workspaces")
		f.apply(ws, rev(workspace("w", "slug", "new"), 5))
		f.counts(f.apply(ws, rev(workspace("w", "slug", "old"), 4)), store.Result{Stale: 1})
		f.same("slug", f.entity("w").Properties["slug"], any("new"))
	})
}

func TestNewerRevisionIsTakenThoughAskedForEarlier(t *testing.T) {
	each(t, func(f *fixture) {
		ws := f.scope(f.one, "", "workspaces")
		f.apply(ws, rev(workspace("w", "slug", "old"), 4))
		f.counts(f.applyAsked(ws, f.db.Clock.Now().Add(-time.Hour), rev(workspace("w", "slug", "new"), 5)), store.Result{Updated: 1})
	})
}

func TestEqualOrUnknownRevisionIsDroppedWhenAskedForEarlier(t *testing.T) {
	each(t, func(f *fixture) {
		ws := f.scope(f.one, "", "workspaces")
		f.apply(ws, rev(workspace("w", "slug", "new"), 4))
		earlier := f.db.Clock.Now().Add(-time.Microsecond)
		f.counts(f.applyAsked(ws, earlier, rev(workspace("w", "slug", "old"), 4)), store.Result{Stale: 1})
		f.counts(f.applyAsked(ws, earlier, workspace("w", "slug", "older")), store.Result{Stale: 1})
		f.same("slug", f.entity("w").Properties["slug"], any("new"))
		f.counts(f.applyAsked(ws, f.db.Clock.Now(), rev(workspace("w", "slug", "same time"), 4)), store.Result{Updated: 1})
	})
}

func TestUnknownRevisionDoesNotForgetTheKnownOne(t *testing.T) {
	each(t, func(f *fixture) {
		ws := f.scope(f.one, "", "workspaces")
		f.apply(ws, rev(workspace("w", "slug", "a"), 5))
		f.counts(f.apply(ws, workspace("w", "slug", "b")), store.Result{Updated: 1})
		f.counts(f.apply(ws, rev(workspace("w", "slug", "c"), 4)), store.Result{Stale: 1})
		f.same("slug", f.entity("w").Properties["slug"], any("b"))
	})
}

func TestStaleAnswerStillShowsThatItsScopeSeesTheEntity(t *testing.T) {
	each(t, func(f *fixture) {
		mine, theirs := f.scope(f.one, "", "workspaces"), f.scope(f.two, "", "workspaces")
		f.apply(mine, workspace("w", "slug", "new"))
		f.counts(f.applyAsked(theirs, f.db.Clock.Now().Add(-time.Minute), workspace("w", "slug", "old")), store.Result{Stale: 1})
		f.same("slug", f.entity("w").Properties["slug"], any("new"))
		f.counts(f.withdraw(mine, graph.Deleted, "w"), store.Result{Unchanged: 1})
		f.entity("w")
	})
}

func TestClosedEntityIsNotReopenedByAnAnswerAskedForBeforeTheClosing(t *testing.T) {
	each(t, func(f *fixture) {
		ws := f.scope(f.one, "", "workspaces")
		before := f.later()
		f.apply(ws, workspace("w", "slug", "a"))
		f.withdraw(ws, graph.Deleted, "w")
		f.counts(f.applyAsked(ws, before.Add(time.Second), workspace("w", "slug", "b")), store.Result{Stale: 1})
		f.closed("w")
		f.counts(f.applyAsked(f.scope(f.two, "", "workspaces"), before, rev(workspace("w"), 99)), store.Result{Stale: 1})
		f.closed("w")
	})
}

func TestRecreationKeepsTheIDAndContinuesTheVersions(t *testing.T) {
	each(t, func(f *fixture) {
		ws := f.scope(f.one, "", "workspaces")
		f.apply(ws, workspace("w", "slug", "a", "isPrivate", true))
		was := f.entity("w")
		f.withdraw(ws, graph.Deleted, "w")
		gone := f.db.Clock.Now()
		f.counts(f.apply(ws, workspace("w", "slug", "b")), store.Result{Created: 1})
		row := f.entity("w")
		f.same("id", row.ID, was.ID)
		f.same("version", int(row.Version), 2)
		f.same("properties, which begin from nothing", row.Properties, graph.Properties{"slug": "b"})
		f.same("graph in between", f.at(gone), state{Entities: map[string]string{}, Edges: map[string]string{}})
		history, err := f.store.History(f.Context(), "w")
		f.ok(err)
		f.same("versions", len(history), 2)
	})
}

func TestVersionsAtOneClockReadingDoNotCollide(t *testing.T) {
	each(t, func(f *fixture) {
		ws := f.scope(f.one, "", "workspaces")
		now := f.db.Clock.Now()
		for _, slug := range []string{"a", "b", "c"} {
			f.applyAsked(ws, now, workspace("w", "slug", slug))
		}
		f.withdrawAsked(ws, now, graph.Deleted, "w")
		f.applyAsked(ws, now, workspace("w", "slug", "d"))
		f.withdrawAsked(ws, now, graph.Deleted, "w")
		history, err := f.store.History(f.Context(), "w")
		f.ok(err)
		f.same("versions", len(history), 4)
	})
}

func TestHistoryNeverGoesBackWhenTheClockDoes(t *testing.T) {
	each(t, func(f *fixture) {
		ws := f.scope(f.one, "", "workspaces")
		f.apply(ws, workspace("w", "slug", "a"))
		f.db.Clock.Advance(-time.Hour)
		f.applyAsked(ws, f.db.Clock.Now().Add(2*time.Hour), workspace("w", "slug", "b"))
		log := f.changes(f.one)
		if log[1].At.Before(log[0].At) {
			f.Errorf("the second change is at %s, before the first at %s", log[1].At, log[0].At)
		}
		f.same("slug", f.entity("w").Properties["slug"], any("b"))
	})
}

func TestOddTextIsStoredAndRepeatedWithoutChange(t *testing.T) {
	each(t, func(f *fixture) {
		ws := f.scope(f.one, "", "workspaces")
		odd := func() graph.Object {
			return named(workspace("w", "slug", "nul \x00 bad \xff quote \" back \\ line \n tag \u2028 \U0001f600", "webLink", "'; DROP TABLE entity; --"), "Zo\u0308e \x00")
		}
		f.counts(f.apply(ws, odd()), store.Result{Created: 1})
		f.same("repeated", f.apply(ws, odd()), store.Result{Unchanged: 1})
		f.same("slug", f.entity("w").Properties["slug"], any("nul \ufffd bad \ufffd quote \" back \\ line \n tag \u2028 \U0001f600"))
	})
}

func TestOneKeyTwiceInABatchIsTakenInOrder(t *testing.T) {
	each(t, func(f *fixture) {
		ws := f.scope(f.one, "", "workspaces")
		f.apply(ws, workspace("w", "slug", "a"), workspace("w", "slug", "b"))
		f.same("slug", f.entity("w").Properties["slug"], any("b"))
	})
}

func TestRawObjectIsKeptInOneVersionOutsideTheComparison(t *testing.T) {
	each(t, func(f *fixture) {
		ws := f.scope(f.one, "", "workspaces")
		o := workspace("w", "slug", "a")
		o.Entity.Raw = []byte(`{"a":1}`)
		f.apply(ws, o)
		o.Entity.Raw = []byte(`{"a":2}`)
		f.same("only the raw object differs", f.apply(ws, o), store.Result{Unchanged: 1})
		o.Entity.Properties = graph.Properties{"slug": "b"}
		o.Entity.Raw = []byte(`{"a":3}`)
		f.apply(ws, o)
		body, err := f.store.Raw(f.Context(), "w")
		f.ok(err)
		f.same("raw", string(body), `{"a":3}`)
	})
}

func TestMetObjectsLieInTheConnectionsOwnScope(t *testing.T) {
	each(t, func(f *fixture) {
		repos := f.scope(f.one, "w", "repositories")
		b := batch(repos, f.later(), with(repo("r", ""), "u", graph.Has, "r"))
		b.Met = []graph.Object{user("u", "nickname", "x")}
		f.counts(f.applyBatch(b), store.Result{Created: 2})
		f.same("edge", f.edges("r"), []string{"u|HAS|r"})
		l, err := f.store.BeginListing(f.Context(), repos)
		f.ok(err)
		f.same("members of the listing", l.Size(), 1)
		// The repository leaves, the person stays: being met proves no absence.
		f.counts(f.withdraw(repos, graph.Deleted, "r"), store.Result{Deleted: 1})
		f.entity("u")
		f.counts(f.withdraw(f.scope(f.one, "", "met"), graph.NotVisible, "u"), store.Result{Hidden: 1})
		f.closed("u")
	})
}

func TestBigBatchIsWrittenWhole(t *testing.T) {
	each(t, func(f *fixture) {
		scope := f.scope(f.one, "r", "pulls")
		f.apply(f.scope(f.one, "w", "repositories"), repo("r", ""))
		var objects []graph.Object
		for i := range 3000 {
			key := "pr" + render(i)
			objects = append(objects, with(pull(key, "r", "title", "Title "+key, "state", "OPEN"), "r", graph.Has, key))
		}
		f.counts(f.apply(scope, objects...), store.Result{Created: 3000})
		f.same("edges", len(f.edges("r")), 3000)
		log := f.changes(f.one)
		f.same("changes", len(log), 3001)
		for i, c := range log {
			if c.Seq != int64(i+1) {
				f.Fatalf("change %d has sequence number %d", i+1, c.Seq)
			}
		}
		f.same("repeated", f.apply(scope, objects...), store.Result{Unchanged: 3000})
	})
}
