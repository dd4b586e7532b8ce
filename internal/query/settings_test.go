package query

import (
	"strings"
	"testing"
	"time"

	"github.com/windlass-hq/windlass/internal/graph"
	"github.com/windlass-hq/windlass/internal/store"
	"github.com/windlass-hq/windlass/internal/store/storetest"
)

// TestSettingsCanBeAskedFor asks about what administrators set, both ways along each relationship, now and before
// somebody's right was taken away.
func TestSettingsCanBeAskedFor(t *testing.T) {
	storetest.EachDatabase(t, func(t *testing.T, db *storetest.Database) {
		st := db.Open(t)
		conn, err := st.CreateConnection(t.Context(), store.Connection{Name: "acme", Product: "cloud", AccountName: "acme"}, nil)
		if err != nil {
			t.Fatal(err)
		}
		scope, err := st.EnsureScope(t.Context(), store.ScopeKey{Connection: conn.ID, Listing: "all"}, "everything")
		if err != nil {
			t.Fatal(err)
		}
		thing := func(key, typ, name string, props graph.Properties, edges ...graph.Relationship) graph.Object {
			return graph.Object{Entity: graph.Entity{Key: key, Type: typ, Name: name, Properties: props}, Relationships: edges}
		}
		edge := func(from, verb, to string) graph.Relationship {
			return graph.Relationship{From: from, Verb: verb, To: to}
		}
		objects := []graph.Object{
			thing("w", graph.TypeWorkspace, "acme", nil),
			thing("p", graph.TypeProject, "Project", nil),
			thing("r", graph.TypeRepo, "api", graph.Properties{"name": "api"}, edge("p", graph.Has, "r")),
			thing("ann", graph.TypeUser, "Ann", nil),
			thing("bob", graph.TypeUser, "Bob", nil),
			thing("g", graph.TypeGroup, "developers", nil, edge("w", graph.Has, "g"), edge("g", graph.Has, "bob")),
			thing("r:perm:ann", graph.TypePermission, "admin for Ann", graph.Properties{"permission": "admin"}, edge("r", graph.Allows, "r:perm:ann"), edge("ann", graph.Has, "r:perm:ann")),
			thing("p:perm:g", graph.TypePermission, "write for developers", graph.Properties{"permission": "write"}, edge("p", graph.Allows, "p:perm:g"), edge("g", graph.Has, "p:perm:g")),
			thing("r:restriction:1", graph.TypeRestriction, "push main", graph.Properties{"pattern": "main", "value": int64(2)},
				edge("r", graph.Has, "r:restriction:1"), edge("r:restriction:1", graph.Allows, "ann"), edge("r:restriction:1", graph.Allows, "g")),
			thing("r:hook:1", graph.TypeWebhook, "ci", graph.Properties{"active": true}, edge("r", graph.Has, "r:hook:1")),
			thing("r:key:1", graph.TypeKey, "deploy", nil, edge("r", graph.Has, "r:key:1")),
			thing("r:env:1", graph.TypeEnvironment, "production", nil, edge("r", graph.Has, "r:env:1")),
			thing("r:branch:main", graph.TypeBranch, "main", graph.Properties{"isDefault": true}, edge("r", graph.Has, "r:branch:main")),
		}
		objects = append(objects, thing("r", graph.TypeRepo, "api", nil, edge("p", graph.Has, "r"), edge("bob", graph.Reviews, "r")))
		if _, err := st.Apply(t.Context(), store.Batch{Scope: scope.ID, Objects: objects}); err != nil {
			t.Fatal(err)
		}
		granted := db.Clock.Now()
		db.Clock.Advance(time.Hour)
		if _, err := st.Withdraw(t.Context(), store.Withdrawal{Scope: scope.ID, Keys: []string{"r:perm:ann"}, Reason: graph.Deleted}); err != nil {
			t.Fatal(err)
		}
		db.Clock.Advance(time.Hour)
		e := New(st, graph.Standard()).WithClock(db.Clock.Now)
		tests := []struct{ text, then, now string }{
			{"FIND bitbucket_repo THAT ALLOWS bitbucket_permission THAT HAS bitbucket_user AS x RETURN x._key AS k", "ann", ""},
			{"FIND bitbucket_user THAT HAS bitbucket_permission WITH permission = 'admin' THAT ALLOWS bitbucket_repo AS x RETURN x._key AS k", "r", ""},
			{"FIND bitbucket_repo THAT ALLOWS >> bitbucket_permission THAT HAS << bitbucket_user AS x RETURN x._key AS k", "ann", ""},
			{"FIND AccessPolicy AS x RETURN x._key AS k ORDER BY k", "p:perm:g r:perm:ann r:restriction:1", "p:perm:g r:restriction:1"},
			{"FIND Project THAT ALLOWS bitbucket_permission AS p THAT HAS UserGroup THAT HAS User AS x RETURN x._key AS k", "bob", "bob"},
			{"FIND User THAT HAS << UserGroup THAT HAS bitbucket_permission AS x RETURN x._key AS k", "p:perm:g", "p:perm:g"},
			{"FIND bitbucket_branch_restriction WITH value = 2 THAT ALLOWS (User|UserGroup) AS x RETURN x._key AS k ORDER BY k", "ann g", "ann g"},
			{"FIND User THAT ALLOWS bitbucket_branch_restriction THAT HAS CodeRepo AS x RETURN x._key AS k", "r", "r"},
			{"FIND CodeRepo THAT REVIEWS User AS x RETURN x._key AS k", "bob", "bob"},
			{
				"FIND CodeRepo THAT HAS (bitbucket_webhook|bitbucket_deploy_key|bitbucket_environment|bitbucket_branch) AS x RETURN x._key AS k ORDER BY k",
				"r:branch:main r:env:1 r:hook:1 r:key:1", "r:branch:main r:env:1 r:hook:1 r:key:1",
			},
			{"FIND User AS x THAT !HAS bitbucket_permission RETURN x._key AS k ORDER BY k", "bob", "ann bob"},
			{"FIND bitbucket_repo THAT ALLOWS AS x bitbucket_permission RETURN x._type AS k", "bitbucket_repo_allows_permission", ""},
			{"FIND bitbucket_branch_restriction THAT ALLOWS AS x UserGroup RETURN x._type AS k", "bitbucket_branch_restriction_allows_group", "bitbucket_branch_restriction_allows_group"},
			{"FIND bitbucket_permission AS p RETURN p.permission AS k, COUNT(p) ORDER BY k", "admin write", "write"},
		}
		for _, tt := range tests {
			for _, c := range []struct {
				at   *time.Time
				want string
			}{{&granted, tt.then}, {nil, tt.now}} {
				rows, info := run(t, e, Request{Text: tt.text, At: c.at, Viewer: Everything()})
				var got []string
				for _, r := range rows {
					k, _ := r.Get("k").(string)
					got = append(got, k)
				}
				if strings.Join(got, " ") != c.want {
					t.Errorf("%s at %v\n  got  %s\n  want %s", tt.text, c.at, got, c.want)
				}
				if c.at == nil && len(info.Warnings) > 0 {
					t.Errorf("%s: warned %v, want nothing", tt.text, info.Warnings)
				}
			}
		}
	})
}
