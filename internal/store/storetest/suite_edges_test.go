package storetest_test

import (
	"testing"

	"github.com/windlass-hq/windlass/internal/graph"
	"github.com/windlass-hq/windlass/internal/store"
)

// reviewed is a pull request of r that u and v may have reviewed.
func reviewed(by ...string) graph.Object {
	o := with(pull("pr", "r", "title", "t"), "r", graph.Has, "pr")
	for _, u := range by {
		o = with(o, u, graph.Reviewed, "pr", "requested", true)
	}
	return o
}

// people puts the repository r and the users u and v into the store.
func (f *fixture) people() {
	f.Helper()
	f.apply(f.scope(f.one, "w", "repositories"), repo("r", ""))
	f.apply(f.scope(f.one, "w", "members"), user("u"), user("v"))
}

func TestApplyingAgainReplacesTheEdgesOfTheOwnerInTheScope(t *testing.T) {
	each(t, func(f *fixture) {
		f.people()
		pulls := f.scope(f.one, "r", "pulls")
		f.apply(pulls, reviewed("u"))
		before := f.db.Clock.Now()
		f.counts(f.apply(pulls, reviewed("v")), store.Result{Updated: 1})
		f.same("edges", f.edges("pr"), []string{"r|HAS|pr", "v|REVIEWED|pr"})
		log := f.changes(f.one)
		c := log[len(log)-1]
		f.same("key", c.Key, "pr")
		f.same("op", c.Op, graph.Updated)
		want := map[graph.EdgeChange]bool{
			{Op: graph.Created, From: "v", Verb: graph.Reviewed, To: "pr"}: true,
			{Op: graph.Closed, From: "u", Verb: graph.Reviewed, To: "pr"}:  true,
		}
		got := map[graph.EdgeChange]bool{}
		for _, e := range c.Edges {
			got[e] = true
		}
		f.same("edges of the change", got, want)
		f.same("version, which edges do not raise", int(f.entity("pr").Version), 1)
		if _, ok := f.at(before).Edges["u|REVIEWED|pr"]; !ok {
			f.Error("the edge that was closed is not in the past")
		}
	})
}

func TestEdgesOfAnUnknownVerbStay(t *testing.T) {
	each(t, func(f *fixture) {
		f.people()
		pulls := f.scope(f.one, "r", "pulls")
		f.apply(pulls, reviewed("u"))
		o := pull("pr", "r", "title", "t")
		o.UnknownVerbs = []string{graph.Reviewed}
		f.counts(f.apply(pulls, o), store.Result{Updated: 1})
		f.same("edges", f.edges("pr"), []string{"u|REVIEWED|pr"})
		// The same claim, but now it does know: none.
		f.counts(f.apply(pulls, pull("pr", "r", "title", "t")), store.Result{Updated: 1})
		f.same("edges", f.edges("pr"), []string{})
	})
}

func TestRepeatedEdgesMergeIntoOne(t *testing.T) {
	each(t, func(f *fixture) {
		f.people()
		o := with(reviewed("u"), "u", graph.Reviewed, "pr", "acted", true)
		f.apply(f.scope(f.one, "r", "pulls"), o)
		list, err := f.store.Relationships(f.Context(), "u", nil)
		f.ok(err)
		f.same("edges", list, []graph.Relationship{{From: "u", Verb: graph.Reviewed, To: "pr", Properties: graph.Properties{"requested": true, "acted": true}}})
	})
}

func TestVersionedEdgePropertyMakesAVersionOfTheEdge(t *testing.T) {
	each(t, func(f *fixture) {
		f.people()
		pulls := f.scope(f.one, "r", "pulls")
		f.apply(pulls, with(reviewed(), "u", graph.Reviewed, "pr", "acted", true))
		before := f.db.Clock.Now()
		f.counts(f.apply(pulls, with(reviewed(), "u", graph.Reviewed, "pr", "state", "approved")), store.Result{Updated: 1})
		f.same("then", f.at(before).Edges["u|REVIEWED|pr"], `{"acted":true}`)
		f.same("now, what is unknown kept", f.at(f.db.Clock.Now()).Edges["u|REVIEWED|pr"], `{"acted":true,"state":"approved"}`)
		log := f.changes(f.one)
		f.same("change", log[len(log)-1].Edges, []graph.EdgeChange{{Op: graph.Updated, From: "u", Verb: graph.Reviewed, To: "pr"}})
	})
}

func TestCurrentOnlyEdgePropertyIsOverwrittenWithoutVersionOrChange(t *testing.T) {
	each(t, func(f *fixture) {
		f.people()
		pulls := f.scope(f.one, "r", "pulls")
		f.apply(pulls, with(reviewed(), "u", graph.Reviewed, "pr", "participatedOn", 1))
		changes := f.since(f.one, func() {
			f.counts(f.apply(pulls, with(reviewed(), "u", graph.Reviewed, "pr", "participatedOn", 2)), store.Result{Refreshed: 1})
		})
		f.same("changes", changes, []string{})
		list, err := f.store.Relationships(f.Context(), "u", nil)
		f.ok(err)
		f.same("edges", list, []graph.Relationship{{From: "u", Verb: graph.Reviewed, To: "pr", Properties: graph.Properties{"participatedOn": int64(2)}}})
	})
}

func TestDanglingEdgeIsLeftOutNamedAndMadeUpFor(t *testing.T) {
	each(t, func(f *fixture) {
		f.people()
		pulls := f.scope(f.one, "r", "pulls")
		o := with(reviewed("u"), "stranger", graph.Reviewed, "pr")
		res := f.apply(pulls, o)
		f.same("result", res, store.Result{Created: 1, Dangling: res.Dangling})
		f.same("number of dangling edges", len(res.Dangling), 1)
		f.same("edges", f.edges("pr"), []string{"r|HAS|pr", "u|REVIEWED|pr"})
		f.apply(f.scope(f.one, "w", "members"), user("stranger"))
		f.counts(f.apply(pulls, o), store.Result{Updated: 1})
		f.same("edges", f.edges("pr"), []string{"r|HAS|pr", "stranger|REVIEWED|pr", "u|REVIEWED|pr"})
	})
}

func TestEdgeEndMayStandLaterInTheBatch(t *testing.T) {
	each(t, func(f *fixture) {
		res := f.apply(f.scope(f.one, "w", "repositories"), with(repo("r", "p"), "p", graph.Has, "r"), project("p", ""))
		f.same("result", res, store.Result{Created: 2})
		f.same("edges", f.edges("r"), []string{"p|HAS|r"})
		f.same("home", f.entity("r").Home, "p")
	})
}

func TestUnknownHomeIsNamedAndMadeUpFor(t *testing.T) {
	each(t, func(f *fixture) {
		repos := f.scope(f.one, "w", "repositories")
		f.same("dangling", f.apply(repos, repo("r", "p")).Dangling, []string{"p"})
		f.same("home", f.entity("r").Home, "")
		f.apply(f.scope(f.one, "w", "projects"), project("p", ""))
		f.counts(f.apply(repos, repo("r", "p")), store.Result{Updated: 1})
		f.same("home", f.entity("r").Home, "p")
	})
}

func TestEdgeSharedByTwoScopesStaysUntilBothLetItGo(t *testing.T) {
	each(t, func(f *fixture) {
		f.people()
		mine, theirs := f.scope(f.one, "r", "pulls"), f.scope(f.two, "r", "pulls")
		f.apply(mine, reviewed("u"))
		f.apply(theirs, reviewed("u"))
		f.apply(mine, reviewed())
		f.same("after one", f.edges("u"), []string{"u|REVIEWED|pr"})
		f.apply(theirs, reviewed())
		f.same("after both", f.edges("u"), []string{})
	})
}

func TestNewerRevisionSpeaksForTheSameListingOfOtherConnections(t *testing.T) {
	each(t, func(f *fixture) {
		f.people()
		mine, theirs := f.scope(f.one, "r", "pulls"), f.scope(f.two, "r", "pulls")
		f.apply(mine, rev(reviewed("u"), 1))
		f.apply(theirs, rev(reviewed("u"), 1))
		f.apply(mine, rev(reviewed("v"), 2))
		f.same("edges", f.edges("pr"), []string{"r|HAS|pr", "v|REVIEWED|pr"})
		f.same("their repetition", f.apply(theirs, rev(reviewed("u"), 1)).Updated, 0)
		f.same("edges", f.edges("pr"), []string{"r|HAS|pr", "v|REVIEWED|pr"})
	})
}

func TestNewerRevisionDoesNotSpeakForAnotherListing(t *testing.T) {
	each(t, func(f *fixture) {
		f.apply(f.scope(f.one, "", "workspaces"), workspace("w1"), workspace("w2"))
		f.apply(f.scope(f.one, "w1", "members"), rev(with(user("u"), "w1", graph.Has, "u"), 1))
		f.apply(f.scope(f.two, "w2", "members"), rev(with(user("u"), "w2", graph.Has, "u"), 2))
		f.same("edges", f.edges("u"), []string{"w1|HAS|u", "w2|HAS|u"})
	})
}

func TestEdgeGoesWithThePresenceOfItsOwnerThoughTheOwnerStays(t *testing.T) {
	each(t, func(f *fixture) {
		f.apply(f.scope(f.one, "", "workspaces"), workspace("w"))
		members := f.scope(f.one, "w", "members")
		f.apply(members, with(user("u"), "w", graph.Has, "u"))
		b := batch(f.scope(f.one, "r", "pulls"), f.later(), pull("pr", ""))
		b.Met = []graph.Object{user("u")}
		f.applyBatch(b)
		changes := f.since(f.one, func() {
			f.counts(f.withdraw(members, graph.NotVisible, "u"), store.Result{Updated: 1})
		})
		f.same("changes", changes, []string{"updated u"})
		f.entity("u")
		f.same("edges", f.edges("u"), []string{})
	})
}

func TestEdgeClosesWithEitherEndAndComesBackWithIt(t *testing.T) {
	each(t, func(f *fixture) {
		f.people()
		pulls, members := f.scope(f.one, "r", "pulls"), f.scope(f.one, "w", "members")
		f.apply(pulls, reviewed("u"))
		then := f.db.Clock.Now()
		f.withdraw(members, graph.NotVisible, "u")
		f.same("edges", f.edges("pr"), []string{"r|HAS|pr"})
		f.apply(members, user("u"))
		f.counts(f.apply(pulls, reviewed("u")), store.Result{Updated: 1})
		f.same("edges", f.edges("pr"), []string{"r|HAS|pr", "u|REVIEWED|pr"})
		if _, ok := f.at(then).Edges["u|REVIEWED|pr"]; !ok {
			f.Error("the edge is not in the past")
		}
	})
}
