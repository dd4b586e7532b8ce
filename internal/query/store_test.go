package query

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/windlass-hq/windlass/internal/graph"
	"github.com/windlass-hq/windlass/internal/store"
	"github.com/windlass-hq/windlass/internal/store/storetest"
)

// TestRunOverWhatTheStoreWrote asks about objects that came in as a sync brings them: two connections that see one
// repository, a pull request that changes, a person who leaves.
func TestRunOverWhatTheStoreWrote(t *testing.T) {
	storetest.EachDatabase(t, func(t *testing.T, db *storetest.Database) {
		st := db.Open(t)
		var scopes []int64
		for _, c := range []store.Connection{
			{Name: "one", Product: "cloud", AccountName: "acme", TagAccountName: true},
			{Name: "two", Product: "cloud", AccountName: "beta", TagAccountName: true},
			{Name: "three", Product: "cloud", AccountName: "silent"},
		} {
			created, err := st.CreateConnection(t.Context(), c, nil)
			if err != nil {
				t.Fatal(err)
			}
			scope, err := st.EnsureScope(t.Context(), store.ScopeKey{Connection: created.ID, Listing: "all"}, "everything of "+c.Name)
			if err != nil {
				t.Fatal(err)
			}
			scopes = append(scopes, scope.ID)
		}
		apply := func(scope int64, revision int64, objects ...graph.Object) {
			t.Helper()
			for i := range objects {
				objects[i].Entity.Revision = revision
			}
			db.Clock.Advance(time.Hour)
			if _, err := st.Apply(t.Context(), store.Batch{Scope: scope, Cause: graph.Cause{Kind: "run", ID: "1"}, Objects: objects}); err != nil {
				t.Fatal(err)
			}
		}
		project := graph.Object{Entity: graph.Entity{Key: "p", Type: graph.TypeProject, Name: "Project", Properties: graph.Properties{"key": "PRJ"}}}
		repo := graph.Object{
			Entity:        graph.Entity{Key: "r", Type: graph.TypeRepo, Name: "Repo", Home: "p", Project: "p", Repo: "r", Properties: graph.Properties{"name": "Repo"}},
			Relationships: []graph.Relationship{{From: "p", Verb: graph.Has, To: "r"}},
		}
		ann := graph.Object{Entity: graph.Entity{Key: "u", Type: graph.TypeUser, Name: "Ann", Properties: graph.Properties{"name": "Ann"}}}
		pr := func(state string, approved any) graph.Object {
			return graph.Object{
				Entity: graph.Entity{
					Key: "r:pr:1", Type: graph.TypePullRequest, Name: "Repo/1", Home: "r", Repo: "r", Project: "p",
					Properties: graph.Properties{"id": int64(1), "state": state, "approved": approved, "createdOn": int64(1_700_000_000_000), "reviewers": []any{"Ann", "Bob"}},
				},
				Relationships: []graph.Relationship{{From: "r", Verb: graph.Has, To: "r:pr:1"}, {From: "u", Verb: graph.Opened, To: "r:pr:1"}},
			}
		}
		apply(scopes[0], 1, project, repo, ann, pr("OPEN", nil))
		opened := db.Clock.Now()
		apply(scopes[1], 1, project, repo)
		apply(scopes[2], 1, project, repo)
		apply(scopes[0], 2, pr("MERGED", true))
		db.Clock.Advance(time.Hour)
		if _, err := st.Withdraw(t.Context(), store.Withdrawal{Scope: scopes[0], Keys: []string{"u"}, Reason: graph.Deleted}); err != nil {
			t.Fatal(err)
		}
		db.Clock.Advance(time.Hour)

		e := New(st, graph.Standard()).WithClock(db.Clock.Now)
		ids := map[string]int64{}
		for _, key := range []string{"p", "r"} {
			row, err := st.Entity(t.Context(), key, nil)
			if err != nil {
				t.Fatal(err)
			}
			ids[key] = row.ID
		}
		tests := []struct {
			text   string
			at     *time.Time
			viewer Viewer
			want   string // a column k
		}{
			{"FIND PR WITH state = 'MERGED' AND approved = true AS p RETURN p._key AS k", nil, Everything(), "r:pr:1"},
			{"FIND PR WITH state = 'OPEN' AND approved = undefined AS p RETURN p.state AS k", &opened, Everything(), "OPEN"},
			{"FIND PR WITH state = 'OPEN'", nil, Everything(), ""},
			{"FIND PR WITH _version = 2 AND _createdOn < _beginOn AS p RETURN p._key AS k", nil, Everything(), "r:pr:1"},
			{"FIND PR WITH reviewers = 'Bob' AND id = 1 AND createdOn = 1700000000000 AS p RETURN p._key AS k", nil, Everything(), "r:pr:1"},
			{"FIND User THAT OPENED PR AS p RETURN p._key AS k", nil, Everything(), ""},
			{"FIND User THAT OPENED PR AS p RETURN p._key AS k", &opened, Everything(), "r:pr:1"},
			{"FIND Project THAT HAS CodeRepo THAT HAS PR AS p RETURN p._key AS k", nil, Everything(), "r:pr:1"},
			{"FIND CodeRepo WITH tag.AccountName = ('acme' AND 'beta') AS r RETURN r._key AS k", nil, Everything(), "r"},
			{"FIND * WITH tag.AccountName = 'silent'", nil, Everything(), ""},
			{"FIND PR AS p RETURN p.tag.AccountName AS k", nil, Everything(), "acme"},
			{"FIND PR AS p RETURN p._key AS k", nil, Within([]int64{ids["r"]}, nil), "r:pr:1"},
			{"FIND CodeRepo AS r RETURN r._key AS k", nil, Within([]int64{ids["r"]}, nil), "r"},
			{"FIND (CodeRepo|PR|Project) AS r RETURN r._key AS k", nil, Within(nil, nil), ""},
			{"FIND Project AS r RETURN r._key AS k", nil, Within(nil, []int64{ids["p"]}), "p"},
		}
		for _, tt := range tests {
			rows, _ := run(t, e, Request{Text: tt.text, At: tt.at, Viewer: tt.viewer})
			var got []string
			for _, r := range rows {
				k, _ := r.Get("k").(string)
				got = append(got, k)
			}
			if strings.Join(got, " ") != tt.want {
				t.Errorf("%s\n  got  %s\n  want %s", tt.text, got, tt.want)
			}
		}
		rows, _ := run(t, e, Request{Text: "FIND CodeRepo", Viewer: Everything()})
		if len(rows) != 1 {
			t.Fatalf("got %d repositories, want 1", len(rows))
		}
		if diff := cmp.Diff([]any{"acme", "beta"}, rows[0].Get("tag.AccountName")); diff != "" {
			t.Errorf("account names of two connections: %s", diff)
		}
	})
}
