package storetest_test

import (
	"testing"
	"time"

	"github.com/windlass-hq/windlass/internal/graph"
	"github.com/windlass-hq/windlass/internal/store"
)

// restated is what a list about a repository itself says of it: no name, no home, no revision.
func restated(key string, facts ...any) graph.Object {
	o := repo(key, "", facts...)
	o.Entity.Name = ""
	return o
}

// reviewersOf is restated with default reviewers.
func reviewersOf(key string, users ...string) graph.Object {
	o := restated(key)
	for _, u := range users {
		o = with(o, u, graph.Reviews, key)
	}
	return o
}

func TestFacetOpensNothing(t *testing.T) {
	each(t, func(f *fixture) {
		reviewers := f.scope(f.one, "r", "default-reviewers")
		l, err := f.store.BeginListing(f.Context(), reviewers)
		f.ok(err)
		b := batch(reviewers, f.later(), reviewersOf("r", "u"))
		b.Met = []graph.Object{user("u"), named(restated("r"), "r")}
		res, err := l.Apply(f.Context(), b)
		f.ok(err)
		f.counts(res, store.Result{Created: 1, Stale: 2})
		f.closed("r")
		f.entity("u")
		f.same("missing", len(l.Missing()), 0)
		f.same("joined", l.Joined(), 0)

		// Nor does it bring back what has closed.
		repos := f.scope(f.one, "w", "repositories")
		f.apply(repos, repo("r", ""))
		f.withdraw(repos, graph.Deleted, "r")
		f.counts(f.applyBatch(b), store.Result{Stale: 2})
		f.closed("r")
	})
}

func TestFacetKeepsNothingOpen(t *testing.T) {
	each(t, func(f *fixture) {
		mine, theirs := f.scope(f.one, "w", "repositories"), f.scope(f.two, "w", "repositories")
		f.apply(f.scope(f.one, "w", "members"), user("u"))
		f.apply(mine, repo("r", ""))
		f.apply(f.scope(f.two, "r", "default-reviewers"), reviewersOf("r", "u"))
		f.apply(f.scope(f.one, "r", "default-reviewers"), reviewersOf("r", "u"))
		f.apply(f.scope(f.one, "r", "pulls"), pull("pr", "r"))
		f.apply(theirs, repo("r", ""))
		// The first presence goes; what is promoted is the other real one, although the facets are older.
		f.counts(f.withdraw(mine, graph.NotVisible, "r"), store.Result{Unchanged: 1})
		f.entity("r")
		f.same("edges", f.edges("r"), []string{"u|REVIEWS|r"})
		f.counts(f.withdraw(theirs, graph.Deleted, "r"), store.Result{Deleted: 2})
		f.closed("r")
		f.closed("pr")
		f.same("edges of the reviewer", f.edges("u"), []string{})
		// It comes back without what the facets said, until they say it again.
		f.apply(mine, repo("r", ""))
		f.same("edges", f.edges("r"), []string{})
		f.counts(f.apply(f.scope(f.one, "r", "default-reviewers"), reviewersOf("r", "u")), store.Result{Updated: 1})
		f.same("edges", f.edges("r"), []string{"u|REVIEWS|r"})
	})
}

func TestMentionOfAListsOwnParentKeepsNothingOpen(t *testing.T) {
	each(t, func(f *fixture) {
		repos := f.scope(f.one, "w", "repositories")
		f.apply(repos, repo("r", "", "description", "d"))
		b := batch(f.scope(f.one, "r", "webhooks"), f.later())
		b.Met = []graph.Object{repo("r", "", "description", "other")}
		f.counts(f.applyBatch(b), store.Result{})
		f.same("description", f.entity("r").Properties["description"], any("d"))
		f.counts(f.withdraw(repos, graph.Deleted, "r"), store.Result{Deleted: 1})
	})
}

func TestFacetLeavesWithItsEdgesOnly(t *testing.T) {
	each(t, func(f *fixture) {
		reviewers := f.scope(f.one, "r", "default-reviewers")
		f.apply(f.scope(f.one, "w", "members"), user("u"), user("v"))
		f.apply(f.scope(f.one, "w", "repositories"), repo("r", "", "description", "d"))
		f.apply(reviewers, reviewersOf("r", "u", "v"))
		f.counts(f.apply(reviewers, reviewersOf("r", "v")), store.Result{Updated: 1})
		f.same("edges", f.edges("r"), []string{"v|REVIEWS|r"})
		f.counts(f.withdraw(reviewers, graph.Withdrawn, "r"), store.Result{Updated: 1})
		f.same("edges", f.edges("r"), []string{})
		f.same("description", f.entity("r").Properties["description"], any("d"))
		f.counts(f.withdraw(f.scope(f.one, "w", "repositories"), graph.Deleted, "r"), store.Result{Deleted: 1})
	})
}

func TestFacetAndListingNeitherDropNorBlankWhatTheOtherBrings(t *testing.T) {
	each(t, func(f *fixture) {
		f.apply(f.scope(f.one, "w", "members"), user("u"))
		repos, reviewers := f.scope(f.one, "w", "repositories"), f.scope(f.one, "r", "default-reviewers")
		f.apply(repos, with(rev(repo("r", "", "description", "d"), 5), "u", graph.Owns, "r"))
		f.counts(f.apply(reviewers, with(restated("r", "defaultPermission", "read"), "u", graph.Reviews, "r")), store.Result{Updated: 1})
		check := func(description string) {
			f.Helper()
			row := f.entity("r")
			f.same("name", row.Name, "r")
			f.same("revision", row.Revision, int64(5))
			f.same("properties", []any{row.Properties["description"], row.Properties["defaultPermission"]}, []any{description, "read"})
			f.same("edges", f.edges("r"), []string{"u|OWNS|r", "u|REVIEWS|r"})
		}
		check("d")
		// Neither is weighed against the age of the other.
		before := f.db.Clock.Now().Add(-time.Hour)
		f.counts(f.applyAsked(repos, f.db.Clock.Now().Add(-time.Second), with(rev(repo("r", "", "description", "e"), 5), "u", graph.Owns, "r")), store.Result{Updated: 1})
		check("e")
		f.counts(f.applyAsked(reviewers, before, with(restated("r", "defaultPermission", "write"), "u", graph.Reviews, "r")), store.Result{Updated: 1})
		f.counts(f.applyAsked(reviewers, before, with(restated("r", "defaultPermission", "read"), "u", graph.Reviews, "r")), store.Result{Updated: 1})
		check("e")
		f.counts(f.apply(repos, with(rev(repo("r", "", "description", "e"), 5), "u", graph.Owns, "r")), store.Result{Unchanged: 1})
		f.counts(f.apply(reviewers, with(restated("r", "defaultPermission", "read"), "u", graph.Reviews, "r")), store.Result{Unchanged: 1})
		check("e")
		// The closing that was asked for before the facet's newest answer still closes.
		asked := f.later()
		f.apply(reviewers, with(restated("r", "defaultPermission", "admin"), "u", graph.Reviews, "r"))
		f.counts(f.withdrawAsked(repos, asked, graph.Deleted, "r"), store.Result{Deleted: 1})
	})
}

func TestFacetsOfAnotherConnectionDoNotCountAsSight(t *testing.T) {
	each(t, func(f *fixture) {
		f.apply(f.scope(f.one, "w", "members"), user("u"))
		f.apply(f.scope(f.one, "w", "repositories"), repo("r", ""), repo("s", ""))
		f.apply(f.scope(f.two, "w", "repositories"), repo("s", ""))
		f.apply(f.scope(f.two, "r", "default-reviewers"), reviewersOf("r", "u"))
		f.apply(f.scope(f.two, "s", "default-reviewers"), reviewersOf("s", "u"))
		f.apply(f.scope(f.one, "s", "default-reviewers"), reviewersOf("s", "u"))
		r, err := f.store.PreviewRemoval(f.Context(), "one")
		f.ok(err)
		f.same("closes", r.Closes, map[string]int{graph.TypeUser: 1, graph.TypeRepo: 1})
		f.same("keeps", r.Keeps, map[string]int{graph.TypeRepo: 1})
		all, err := f.store.CountByType(f.Context(), &f.one.ID)
		f.ok(err)
		f.same("seen by one", all, map[string]int{graph.TypeUser: 1, graph.TypeRepo: 2})
		res, err := f.store.RemoveConnection(f.Context(), "one")
		f.ok(err)
		f.same("closed", res.Withdrawn, 2)
		f.closed("r")
		f.entity("s")
		left, err := f.store.CountByType(f.Context(), nil)
		f.ok(err)
		f.same("left", left, map[string]int{graph.TypeRepo: 1})
	})
}

func TestListingsDoNotMixFacetsWithMembers(t *testing.T) {
	each(t, func(f *fixture) {
		repos, reviewers := f.scope(f.one, "w", "repositories"), f.scope(f.one, "r", "default-reviewers")
		f.apply(repos, repo("r", ""), repo("s", ""))
		f.apply(reviewers, restated("r"))
		of := func(scope int64) (int, []string) {
			l, err := f.store.BeginListing(f.Context(), scope)
			f.ok(err)
			return l.Size(), l.Missing()
		}
		size, missing := of(repos)
		f.same("size", size, 2)
		f.same("missing", missing, []string{"r", "s"})
		size, missing = of(reviewers)
		f.same("size", size, 1)
		f.same("missing", missing, []string{"r"})
	})
}
