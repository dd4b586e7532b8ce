package query

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/windlass-hq/windlass/internal/graph"
	"github.com/windlass-hq/windlass/internal/store"
	"github.com/windlass-hq/windlass/internal/store/storetest"
)

// TestThePastIsAsItWas lives through random histories by way of the store and asks the same questions at random moments
// of them, at once and again at the end as of that moment: the answers are the same, but for what is kept without history.
func TestThePastIsAsItWas(t *testing.T) {
	storetest.EachDatabase(t, func(t *testing.T, db *storetest.Database) {
		st := db.Open(t)
		n := 0
		rapid.Check(t, func(rt *rapid.T) {
			n++
			pastIsAsItWas(rt, st, db, n)
		})
	})
}

func pastIsAsItWas(t *rapid.T, st *store.Store, db *storetest.Database, round int) {
	ctx := context.Background()
	conn, err := st.CreateConnection(ctx, store.Connection{Name: fmt.Sprintf("c%d", round), Product: "cloud", AccountName: "acme"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	scope, err := st.EnsureScope(ctx, store.ScopeKey{Connection: conn.ID, Listing: "all"}, "everything")
	if err != nil {
		t.Fatal(err)
	}
	key := func(name string) string { return fmt.Sprintf("%d:%s", round, name) }
	e := New(st, graph.Standard()).WithClock(db.Clock.Now)
	own := fmt.Sprintf("WITH _key ^= '%d:'", round) // what earlier rounds left stands beside it
	questions := []string{
		"FIND PR " + own, "FIND * " + own + " AS x RETURN x._type, COUNT(x)",
		"FIND CodeRepo " + own + " AS r THAT HAS PR AS p RETURN r.name, p.state, p._version",
		"FIND CodeRepo " + own + " THAT !HAS PR WITH state = 'OPEN'",
		"FIND User " + own + " AS u THAT REVIEWED AS v PR WITH state = 'OPEN' AS p WHERE v.acted = true RETURN u.displayName, v.state, COUNT(p)",
		"FIND PR " + own + " AS p THAT !APPROVED User RETURN p._key, p.title, p._createdOn ORDER BY p.title DESC SKIP 1 LIMIT 3",
		"FIND PR " + own + " AS p RETURN p.state, COUNT(p), MIN(p.id), MAX(p._beginOn), SUM(p.id), AVG(p.id), COUNT(p.title)",
		"FIND User " + own + " THAT (OPENED|APPROVED|REVIEWED) bitbucket_pullrequest THAT HAS CodeRepo AS r RETURN r._key, COUNT(User)",
		"FIND UNIQUE PR " + own + " AS p RETURN p.title", "FIND bitbucket_pullrequest " + own + " ORDER BY title LIMIT 2",
	}
	ask := func(text string, at *time.Time) string {
		var rows []Row
		if _, err := e.Run(ctx, Request{Text: text, At: at, Viewer: Everything()}, func(r Row) error {
			var kept Row
			for i, name := range r.Names {
				if name != "commentCount" { // current-only
					kept.add(name, r.Values[i])
				}
			}
			rows = append(rows, kept)
			return nil
		}); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		return texts(canonAll(rows))
	}
	type answer struct {
		at         time.Time
		text, want string
	}
	var told []answer
	users := []string{"ann", "bob"}
	for range rapid.IntRange(3, 10).Draw(t, "steps") {
		db.Clock.Advance(time.Duration(rapid.Int64Range(int64(time.Millisecond), int64(100*time.Hour)).Draw(t, "time")))
		if chance(t, "withdraw", 25) {
			gone := key(oneOf(t, "gone", "r0", "r1", "r0:pr:0", "r0:pr:1", "r1:pr:0", "ann"))
			if _, err := st.Withdraw(ctx, store.Withdrawal{Scope: scope.ID, Keys: []string{gone}, Reason: graph.Deleted}); err != nil {
				t.Fatal(err)
			}
		} else {
			var objects []graph.Object
			for _, u := range users {
				objects = append(objects, graph.Object{Entity: graph.Entity{Key: key(u), Type: graph.TypeUser, Name: u, Properties: graph.Properties{"name": u}}})
			}
			repo := oneOf(t, "repo", "r0", "r1")
			objects = append(objects, graph.Object{Entity: graph.Entity{Key: key(repo), Type: graph.TypeRepo, Name: repo, Properties: graph.Properties{"name": oneOf(t, "name", "one", "two")}}})
			id := rapid.IntRange(0, 1).Draw(t, "id")
			pr := graph.Object{Entity: graph.Entity{
				Key: key(fmt.Sprintf("%s:pr:%d", repo, id)), Type: graph.TypePullRequest, Name: repo, Home: key(repo), Repo: key(repo),
				Properties: graph.Properties{"id": int64(id), "state": oneOf(t, "state", "OPEN", "MERGED"), "title": oneOf(t, "title", "a", "b", "c"), "commentCount": int64(rapid.IntRange(0, 9).Draw(t, "comments"))},
			}}
			edge := func(from, verb string, props graph.Properties) {
				pr.Relationships = append(pr.Relationships, graph.Relationship{From: key(from), Verb: verb, To: pr.Entity.Key, Properties: props})
			}
			edge(repo, graph.Has, nil)
			edge(oneOf(t, "author", users...), graph.Opened, nil)
			if chance(t, "reviewed", 60) {
				edge("bob", graph.Reviewed, graph.Properties{"acted": chance(t, "acted", 50), "state": oneOf(t, "verdict", "approved", "changes_requested")})
			}
			if chance(t, "approved", 40) {
				edge("bob", graph.Approved, nil)
			}
			if _, err := st.Apply(ctx, store.Batch{Scope: scope.ID, Objects: append(objects, pr)}); err != nil {
				t.Fatal(err)
			}
		}
		db.Clock.Advance(time.Millisecond) // the store moves times on by a microsecond where two would be the same
		text := oneOf(t, "question", questions...)
		told = append(told, answer{db.Clock.Now(), text, ask(text, nil)})
	}
	db.Clock.Advance(time.Hour)
	for _, a := range told {
		if diff := cmp.Diff(a.want, ask(a.text, &a.at)); diff != "" {
			t.Fatalf("%s\nat %v (-then +asked afterwards)\n%s", a.text, a.at, diff)
		}
	}
}
