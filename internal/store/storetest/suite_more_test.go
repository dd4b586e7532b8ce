package storetest_test

import (
	"context"
	"database/sql"
	"testing"
	"time"

	"github.com/windlass-hq/windlass/internal/fault"
	"github.com/windlass-hq/windlass/internal/graph"
	"github.com/windlass-hq/windlass/internal/store"
)

func TestListingDoesNotMissWhatJoinedMeanwhile(t *testing.T) {
	each(t, func(f *fixture) {
		repos := f.scope(f.one, "w", "repositories")
		f.apply(repos, repo("a", ""), repo("b", ""))
		l, err := f.store.BeginListing(f.Context(), repos)
		f.ok(err)
		// An event brings a new repository and another one closes, after the page that would have shown them was read.
		f.apply(repos, repo("new", ""))
		f.withdraw(repos, graph.Deleted, "b")
		_, err = l.Apply(f.Context(), batch(repos, f.later(), repo("a", "")))
		f.ok(err)
		for _, key := range l.Missing() {
			if key == "new" {
				f.Error("what joined during the listing counts as missing; it would be closed")
			}
		}
	})
}

func TestListingReopensWhatAnEventClosedBeforeThePageWasRead(t *testing.T) {
	each(t, func(f *fixture) {
		repos := f.scope(f.one, "w", "repositories")
		f.apply(repos, repo("a", ""))
		l, err := f.store.BeginListing(f.Context(), repos)
		f.ok(err)
		f.withdraw(repos, graph.Deleted, "a")
		res, err := l.Apply(f.Context(), batch(repos, f.later(), repo("a", "")))
		f.ok(err)
		f.counts(res, store.Result{Created: 1})
		f.entity("a")
	})
}

func TestPageOfAnotherScopeIsRefused(t *testing.T) {
	each(t, func(f *fixture) {
		l, err := f.store.BeginListing(f.Context(), f.scope(f.one, "w", "repositories"))
		f.ok(err)
		if _, err := l.Apply(f.Context(), batch(f.scope(f.two, "w", "repositories"), f.later(), repo("a", ""))); err == nil {
			f.Error("a page of another scope was taken")
		}
		f.closed("a")
	})
}

func TestCascadeOfManyIsWhole(t *testing.T) {
	each(t, func(f *fixture) {
		f.apply(f.scope(f.one, "w", "repositories"), repo("r", ""))
		f.apply(f.scope(f.one, "w", "members"), user("u"))
		const many = 2500
		var objects []graph.Object
		for i := range many {
			key := "pr" + render(i)
			objects = append(objects, with(pull(key, "r"), "u", graph.Opened, key))
		}
		f.apply(f.scope(f.one, "r", "pulls"), objects...)
		before := len(f.changes(f.one))
		f.counts(f.withdraw(f.scope(f.one, "w", "repositories"), graph.Deleted, "r"), store.Result{Deleted: many + 1})
		f.closed("r")
		log := f.changes(f.one)[before:]
		f.same("changes", len(log), many+1)
		f.same("last, the parent", log[many].Key, "r")
		f.same("edges of the author", f.edges("u"), []string{})
	})
}

func TestEntityOfAnotherTypeUnderTheSameKeyIsRefused(t *testing.T) {
	each(t, func(f *fixture) {
		ws := f.scope(f.one, "", "workspaces")
		f.apply(ws, workspace("x", "slug", "a"))
		_, err := f.store.Apply(f.Context(), batch(ws, f.later(), repo("x", "")))
		f.fails(err, fault.Invalid)
		f.same("type", f.entity("x").Type, graph.TypeWorkspace)
	})
}

func TestEntityWithoutKeyOrTypeIsRefused(t *testing.T) {
	each(t, func(f *fixture) {
		ws := f.scope(f.one, "", "workspaces")
		for _, o := range []graph.Object{workspace(""), object("", "x", "", nil)} {
			if _, err := f.store.Apply(f.Context(), batch(ws, f.later(), o)); !fault.Is(err, fault.Invalid) {
				f.Errorf("Apply of %+v = %v, want it refused", o.Entity, err)
			}
		}
		f.same("changes", len(f.changes(f.one)), 0)
	})
}

func TestBatchOfAnUnknownScopeIsRefused(t *testing.T) {
	each(t, func(f *fixture) {
		_, err := f.store.Apply(f.Context(), batch(4711, f.later(), workspace("w")))
		if !fault.Is(err, fault.NotFound) {
			f.Errorf("Apply = %v, want fault.NotFound", err)
		}
	})
}

func TestCanceledApplyLeavesTheStoreUsable(t *testing.T) {
	each(t, func(f *fixture) {
		pulls := f.scope(f.one, "r", "pulls")
		ctx, cancel := context.WithCancel(f.Context())
		cancel()
		if _, err := f.store.Apply(ctx, batch(pulls, f.later(), bulk(0)...)); err == nil {
			f.Error("Apply under a canceled context reports no error")
		}
		f.apply(pulls, bulk(0)...)
		f.consistent(bulkSize)
	})
}

func TestCursorMovesWithTheTransactionThatUsesIt(t *testing.T) {
	each(t, func(f *fixture) {
		f.apply(f.scope(f.one, "", "workspaces"), workspace("w"), workspace("x"))
		stream := streamOf(f.one)
		move := func(seq int64, fail error) error {
			return f.store.Write(f.Context(), func(ctx context.Context, tx *sql.Tx) error {
				if err := f.store.MoveCursor(ctx, tx, "alert", stream, seq); err != nil {
					return err
				}
				return fail
			})
		}
		cursor := func(consumer string) int64 {
			seq, err := f.store.Cursor(f.Context(), consumer, stream)
			f.ok(err)
			return seq
		}
		f.same("before", cursor("alert"), int64(0))
		f.ok(move(1, nil))
		if move(2, fault.New(fault.Internal, "no")) == nil {
			f.Error("a failed transaction reports no error")
		}
		f.same("after", cursor("alert"), int64(1))
		f.same("of another consumer", cursor("build"), int64(0))
		list, err := f.store.Changes(f.Context(), stream, cursor("alert"), 10)
		f.ok(err)
		f.same("changes left", len(list), 1)
		streams, err := f.store.Streams(f.Context())
		f.ok(err)
		f.same("streams", len(streams), 1)
		f.same("last", streams[0].Last, int64(2))
	})
}

func TestDialectReadsPropertiesByTypeAndNeverFails(t *testing.T) {
	each(t, func(f *fixture) {
		repos := f.scope(f.one, "w", "repositories")
		f.apply(repos,
			repo("text", "", "p'\"]$.x", "v", "website", "100%_Ab"), repo("number", "", "p'\"]$.x", 7, "website", "ab"), repo("flag", "", "p'\"]$.x", true),
			repo("list", "", "p'\"]$.x", []any{"v"}), repo("none", ""), repo("float", "", "p'\"]$.x", 2.5))
		d := f.store.Dialect()
		keys := func(condition string, args ...any) []string {
			out := []string{}
			f.ok(newReading(f.store, "").each(f.Context(), "SELECT key FROM entity WHERE "+condition+" ORDER BY key", args, func(rows *sql.Rows) error {
				var key string
				err := rows.Scan(&key)
				out = append(out, key)
				return err
			}))
			return out
		}
		f.same("name", d.Name(), f.db.Name)
		const odd = `p'` // a quotation mark in a name must not end the literal
		f.apply(repos, repo("quoted", "", odd, "v"), repo("quoted number", "", odd, 3), repo("quoted flag", "", odd, false))
		f.same("text", keys(d.Text("props", odd)+" = $1", "v"), []string{"quoted"})
		f.same("number", keys(d.Number("props", odd)+" > $1", 2), []string{"quoted number"})
		f.same("flag", keys(d.Bool("props", odd)+" = $1", 0), []string{"quoted flag"})
		f.same("contains, case and signs as they are", keys(d.Contains(d.Text("props", "website"), "$1"), "%_A"), []string{"text"})
		f.same("keys in", keys("key IN ("+d.KeysIn("$1")+")", `["text","flag","nobody"]`), []string{"flag", "text"})
		ids := []int64{f.entity("text").ID, f.entity("none").ID}
		f.same("ids in", keys("id IN ("+d.IDsIn("$1")+")", render(ids)), []string{"none", "text"})
	})
}

func TestPromotedColumnsFollowTheProperties(t *testing.T) {
	each(t, func(f *fixture) {
		pulls := f.scope(f.one, "r", "pulls")
		columns := func() string {
			var state sql.NullString
			var approved, created, updated sql.NullInt64
			f.ok(f.store.Reader().QueryRowContext(f.Context(), "SELECT state, approved, created_on, updated_on FROM entity WHERE key = 'pr'").Scan(&state, &approved, &created, &updated))
			return render([]any{state.String, approved, created.Int64, updated.Int64})
		}
		f.apply(pulls, pull("pr", "", "state", "OPEN", "approved", false, "createdOn", int64(5), "updatedOn", int64(6)))
		f.same("columns", columns(), `["OPEN",{"Int64":0,"Valid":true},5,6]`)
		f.apply(pulls, pull("pr", "", "state", "MERGED", "approved", nil, "createdOn", int64(5), "updatedOn", int64(7)))
		f.same("columns, unknown approval", columns(), `["MERGED",{"Int64":0,"Valid":false},5,7]`)
		f.apply(pulls, pull("pr", "", "updatedOn", int64(8)))
		f.same("columns, overwritten in place", columns(), `["MERGED",{"Int64":0,"Valid":false},5,8]`)
	})
}

func TestConfirmedClosingsAreNotHeldAnyMore(t *testing.T) {
	each(t, func(f *fixture) {
		repos, others := f.scope(f.one, "w", "repositories"), f.scope(f.one, "v", "repositories")
		run := f.run(f.one)
		held := func() int {
			list, err := f.store.HeldClosings(f.Context(), f.one.ID)
			f.ok(err)
			return len(list)
		}
		hold := func(scope int64) {
			f.ok(f.store.Hold(f.Context(), store.Held{Run: run.ID, Scope: scope, Reason: "many", Members: []string{"a"}}))
		}
		hold(repos)
		hold(repos) // the newer listing replaces the older
		hold(others)
		f.same("held", held(), 2)
		f.ok(f.store.ConfirmHeld(f.Context(), repos, render(run.ID+1)))
		f.same("after the confirmation of another run", held(), 2)
		f.ok(f.store.ConfirmHeld(f.Context(), repos, render(run.ID)))
		f.same("after its own", held(), 1)
		f.ok(f.store.DropHeld(f.Context(), others))
		f.same("after it was seen again", held(), 0)
		if err := f.store.ConfirmHeld(f.Context(), repos, "yes"); !fault.Is(err, fault.Invalid) {
			f.Errorf("ConfirmHeld of no run = %v", err)
		}
	})
}

func TestVerdictOnACredentialIsKept(t *testing.T) {
	each(t, func(f *fixture) {
		until := f.db.Clock.Now().Add(time.Hour)
		c, err := f.store.AddCredential(f.Context(), store.Credential{ConnectionID: f.one.ID, Role: "access", Kind: "token", Secret: canary, ExpiresAt: &until})
		f.ok(err)
		f.ok(f.store.SetVerdict(f.Context(), c.ID, store.Verdict{Valid: true, Principal: "me", Missing: []string{"repository"}}))
		list, err := f.store.Credentials(f.Context(), f.one.ID)
		f.ok(err)
		f.same("verdict", list[0].Verdict, &store.Verdict{Valid: true, Principal: "me", Missing: []string{"repository"}})
		f.same("checked", list[0].CheckedAt.Equal(f.db.Clock.Now()), true)
		f.same("expires", list[0].ExpiresAt.Equal(until), true)
		f.same("secret", list[0].Secret, canary)
		if err := f.store.SetVerdict(f.Context(), c.ID+99, store.Verdict{}); !fault.Is(err, fault.NotFound) {
			f.Errorf("SetVerdict of no credential = %v", err)
		}
		if _, err := f.store.AddCredential(f.Context(), store.Credential{ConnectionID: 4711}); !fault.Is(err, fault.NotFound) {
			f.Errorf("AddCredential of no connection = %v", err)
		}
	})
}

func TestStatisticsAndAnalyzeRunOnAFullAndAnEmptyStore(t *testing.T) {
	each(t, func(f *fixture) {
		_, err := f.store.Stats(f.Context())
		f.ok(err)
		f.tree(f.one)
		f.apply(f.scope(f.one, "", "workspaces"), workspace("w", "slug", "other"))
		f.ok(f.store.Analyze(f.Context()))
		_, err = f.store.Stats(f.Context())
		f.ok(err)
	})
}

func TestKindsOfEntitiesAndRelationshipsAreListed(t *testing.T) {
	each(t, func(f *fixture) {
		f.tree(f.one)
		kinds, err := f.store.Kinds(f.Context())
		f.ok(err)
		types := map[int64]string{}
		for _, k := range kinds {
			types[k.ID] = k.Type
			if k.Type == graph.TypePullRequest {
				f.same("classes", k.Classes, []string{"Review", "PR"})
			}
		}
		rels, err := f.store.RelKinds(f.Context())
		f.ok(err)
		found := false
		for _, r := range rels {
			if r.Verb == graph.Opened && types[r.From] == graph.TypeUser && types[r.To] == graph.TypePullRequest {
				found = true
				f.same("type", r.Type, "bitbucket_user_opened_pull_request")
			}
		}
		f.same("user OPENED pull request is listed", found, true)
	})
}
