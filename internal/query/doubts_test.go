package query

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/windlass-hq/windlass/internal/bitbucket"
	"github.com/windlass-hq/windlass/internal/graph"
	"github.com/windlass-hq/windlass/internal/store"
	"github.com/windlass-hq/windlass/internal/store/storetest"
)

// TestDoubtsNameWhatMatters asks before and after listings were complete: only those of what is asked for are named, and
// none of a repository that came later.
func TestDoubtsNameWhatMatters(t *testing.T) {
	storetest.EachDatabase(t, func(t *testing.T, db *storetest.Database) {
		st := db.Open(t)
		conn, err := st.CreateConnection(t.Context(), store.Connection{Name: "acme", Product: "cloud"}, nil)
		if err != nil {
			t.Fatal(err)
		}
		start := db.Clock.Now()
		repo := func(key string) {
			scope, err := st.EnsureScope(t.Context(), store.ScopeKey{Connection: conn.ID, Parent: "w", Listing: "repositories"}, "repositories of acme")
			if err != nil {
				t.Fatal(err)
			}
			object := graph.Object{Entity: graph.Entity{Key: key, Type: graph.TypeRepo, Name: key}}
			if _, err := st.Apply(t.Context(), store.Batch{Scope: scope.ID, Objects: []graph.Object{object}}); err != nil {
				t.Fatal(err)
			}
		}
		scope := func(parent, listing string, complete any) {
			t.Helper()
			sc, err := st.EnsureScope(t.Context(), store.ScopeKey{Connection: conn.ID, Parent: parent, Listing: listing}, strings.TrimSpace(listing+" "+parent))
			if err != nil {
				t.Fatal(err)
			}
			err = st.Write(t.Context(), func(ctx context.Context, tx *sql.Tx) error {
				_, err := tx.ExecContext(ctx, "UPDATE scope SET first_complete = $1 WHERE id = $2", complete, sc.ID)
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		at := func(hours int) time.Time { return start.Add(time.Duration(hours) * time.Hour) }
		repo("old")
		scope("", "workspaces", at(0).UnixMicro())
		scope("w", "repositories", at(1).UnixMicro())
		scope("w", "members", at(3).UnixMicro())
		scope("old", "pull-requests", at(5).UnixMicro())
		scope("old", "user-permissions", nil)
		scope("old", "default-reviewers", at(5).UnixMicro())
		scope("", store.MetListing, nil)
		db.Clock.Advance(8 * time.Hour)
		repo("young")
		scope("young", "pull-requests", at(8).UnixMicro())
		for i := range 7 {
			scope(fmt.Sprint("odd", i), "something else", nil)
		}
		db.Clock.Advance(8 * time.Hour)

		e := New(st, graph.Standard()).WithClock(db.Clock.Now).WithHistory(func(context.Context) (time.Time, error) { return at(-2), nil })
		odd := "something else odd0, something else odd1, something else odd2, something else odd3, something else odd4 and 2 more"
		tests := []struct {
			text  string
			hours int
			want  string
		}{
			{"FIND PR", 4, "8 listings: pull-requests old, something else odd0, something else odd1, something else odd2, something else odd3 and 3 more"},
			{"FIND PR", 6, "7 listings: " + odd},
			{"FIND User", 2, "8 listings: members w, something else odd0, something else odd1, something else odd2, something else odd3 and 3 more"},
			{"FIND User THAT REVIEWS CodeRepo", 4, "8 listings: default-reviewers old, something else odd0, something else odd1, something else odd2, something else odd3 and 3 more"},
			{"FIND User THAT OPENED CodeRepo", 4, "7 listings: " + odd},
			{"FIND AccessPolicy", 12, "8 listings: user-permissions old, something else odd0, something else odd1, something else odd2, something else odd3 and 3 more"},
		}
		for _, tt := range tests {
			moment := at(tt.hours)
			_, info := run(t, e, Request{Text: tt.text, At: &moment, Viewer: Everything()})
			count, names, _ := strings.Cut(tt.want, ": ")
			want := fmt.Sprintf("at %s %s had not been read completely yet, so some of what they hold may be missing: %s", moment.Format(time.RFC3339), count, names)
			found := false
			for _, w := range info.Warnings {
				found = found || w.Message == want
			}
			if !found {
				t.Errorf("%s at %d h: got %v, want %q", tt.text, tt.hours, info.Warnings, want)
			}
		}
		for _, tt := range []struct {
			hours int
			want  string
		}{{-3, "have been removed"}, {100, "is still to come"}} {
			moment := at(tt.hours)
			_, info := run(t, e, Request{Text: "FIND CodeRepo", At: &moment, Viewer: Everything()})
			if text := fmt.Sprint(info.Warnings); !strings.Contains(text, tt.want) {
				t.Errorf("at %d h: got %s, want something that %s", tt.hours, text, tt.want)
			}
		}
	})
}

// TestEveryListingIsKnown holds the list of listings against the names that clients have.
func TestEveryListingIsKnown(t *testing.T) {
	known := map[string]bool{}
	for _, l := range listings() {
		known[l.name] = true
	}
	for _, name := range []string{
		bitbucket.ListGroups, bitbucket.ListGroupMembers, bitbucket.ListUserPermissions, bitbucket.ListGroupPermissions, bitbucket.ListDefaultPermission,
		bitbucket.ListRestrictions, bitbucket.ListReviewers, bitbucket.ListWebhooks, bitbucket.ListKeys, bitbucket.ListBranches, bitbucket.ListEnvironments,
	} {
		if !known[name] {
			t.Errorf("the listing %s matters to every question, since listings() does not name it", name)
		}
	}
}
