package query

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/windlass-hq/windlass/internal/fault"
	"github.com/windlass-hq/windlass/internal/graph"
	"github.com/windlass-hq/windlass/internal/store/storetest"
)

// bakery is a small world in which every rule of the language makes a difference.
func bakery() world {
	at := moments()[0].UnixMicro()
	w := world{model: graph.Standard()}
	add := func(id int64, key, typ string, classes []string, name string, props map[string]any) {
		w.things = append(w.things, thing{
			id: id, key: key, typ: typ, classes: classes, name: name, source: "provider", props: props,
			version: 1, from: at, first: at, to: forever,
		})
	}
	food := []string{"Thing", "User"}
	add(1, "none", "import_thing", food, "none", map[string]any{})
	add(2, "fruit", "import_thing", food, "fruit", map[string]any{"kind": "fruit"})
	add(3, "nut", "import_thing", food, "nut", map[string]any{"kind": []any{"nut-filled"}})
	add(4, "both", "import_thing", food, "both", map[string]any{"kind": []any{"fruit", "nut-filled"}})
	add(5, "other", "import_thing", food, "other", map[string]any{"kind": "Fruit", "n": int64(55), "empty": []any{}})
	add(6, "text", "import_thing", food, "text", map[string]any{"kind": true, "n": "55"})
	add(10, "ann", graph.TypeUser, []string{"User"}, "Ann", map[string]any{"name": "Ann", "active": true})
	add(11, "bob", graph.TypeUser, []string{"User"}, "Bob", map[string]any{"name": "Bob"})
	add(20, "repo", graph.TypeRepo, []string{"CodeRepo"}, "Repo", map[string]any{"name": "Repo", "size": int64(7)})
	pr := func(id int64, key, state string, approved any, tasks int64, day int) {
		props := map[string]any{"state": state, "taskCount": tasks, "createdOn": testNow().AddDate(0, 0, -day).UnixMilli()}
		if approved != nil {
			props["approved"] = approved
		}
		add(id, key, graph.TypePullRequest, []string{"Review", "PR"}, key, props)
	}
	pr(31, "pr1", "OPEN", true, 2, 1)
	pr(32, "pr2", "MERGED", false, 3, 8)
	pr(33, "pr3", "MERGED", nil, 5, 400)
	for _, e := range []bond{
		{from: 20, verb: "HAS", to: 31},
		{from: 20, verb: "HAS", to: 32},
		{from: 20, verb: "HAS", to: 33},
		{from: 10, verb: "OPENED", to: 31},
		{from: 10, verb: "OPENED", to: 32},
		{from: 11, verb: "OPENED", to: 33},
		{from: 11, verb: "APPROVED", to: 31},
		{from: 10, verb: "APPROVED", to: 31},
		{from: 11, verb: "REVIEWED", to: 32, props: map[string]any{"state": "changes_requested"}},
		{from: 11, verb: "KNOWS", to: 11},
	} {
		e.begin, e.end = at, forever
		w.ties = append(w.ties, e)
	}
	return w
}

func TestTheLanguageMeans(t *testing.T) {
	tests := []struct{ rule, text, want string }{
		{"= is membership", "FIND Thing WITH kind = 'fruit'", "fruit both"},
		{"string comparison minds case", "FIND Thing WITH kind = 'Fruit'", "other"},
		{"!= holds for undefined", "FIND Thing WITH kind != 'fruit'", "none nut other text"},
		{"= undefined", "FIND Thing WITH kind = undefined", "none"},
		{"!= null", "FIND Thing WITH kind != null", "fruit nut both other text"},
		{"the empty list is undefined", "FIND Thing WITH empty != undefined", ""},
		{"OR list", "FIND Thing WITH kind = ('fruit' OR 'nut-filled')", "fruit nut both"},
		{"AND list", "FIND Thing WITH kind = ('fruit' AND 'nut-filled')", "both"},
		{"negated OR list: neither", "FIND Thing WITH kind != ('fruit' OR 'nut-filled')", "none other text"},
		{"negated AND list: not both", "FIND Thing WITH kind != ('fruit' AND 'nut-filled')", "none fruit nut other text"},
		{"~= looks into elements", "FIND Thing WITH kind ~= 'ruit'", "fruit both other"},
		{"^= and $=", "FIND Thing WITH kind ^= 'nut' OR kind $= 'uit'", "fruit nut both other"},
		{"!~= holds for undefined", "FIND Thing WITH kind !~= 'ruit'", "none nut text"},
		{"a number is no string", "FIND Thing WITH n = 55", "other"},
		{"a string is no number", "FIND Thing WITH n = '55'", "text"},
		{"a boolean is no number", "FIND Thing WITH kind = 1", ""},
		{"order is for numbers; undefined is false", "FIND Thing WITH n <= 55", "other"},
		{"three values of approved", "FIND PR WITH approved = false", "pr2"},
		{"unknown is not true", "FIND PR WITH approved != true", "pr2 pr3"},
		{"AND binds tighter", "FIND PR WITH state = 'OPEN' OR state = 'MERGED' AND approved = false", "pr1 pr2"},
		{"parentheses", "FIND PR WITH (state = 'OPEN' OR state = 'MERGED') AND approved = false", "pr2"},
		{"relative dates", "FIND PR WITH createdOn > date.now-7days", "pr1"},
		{"absolute dates", "FIND PR WITH createdOn < date(2025-06-01)", "pr3"},
		{"version and begin", "FIND PR WITH _beginOn < date.now AND _version = 1 AND _createdOn = _beginOn", "pr1 pr2 pr3"},
		{"class of several", "FIND Review", "pr1 pr2 pr3"},
		{"type", "FIND bitbucket_pull_request", "pr1 pr2 pr3"},
		{"alias of a type", "FIND bitbucket_pullrequest", "pr1 pr2 pr3"},
		{"alias where types are compared", "FIND * WITH _type = 'bitbucket_pullrequest' AND _class = 'PR'", "pr1 pr2 pr3"},
		{"alternatives mix classes and types", "FIND (Review|bitbucket_repo)", "repo pr1 pr2 pr3"},
		{"names mind case", "FIND pr", ""},
		{"a hop has no direction", "FIND PR THAT OPENED User WITH name = 'Ann'", "pr1 pr2"},
		{"unless it is given", "FIND PR THAT OPENED >> User", ""},
		{"and the other way", "FIND PR THAT OPENED << User", "pr1 pr2 pr3"},
		{"verbs in any case", "FIND User THAT Opened PR", "ann bob"},
		{"verb alternatives", "FIND User WITH name = 'Bob' THAT (APPROVED|REVIEWED) PR AS p RETURN p._key AS k", "pr1 pr2"},
		{"RELATES TO is any verb", "FIND PR WITH _key = 'pr1' THAT RELATES TO User", "pr1"},
		{"starts are distinct", "FIND User THAT (OPENED|APPROVED) PR", "ann bob"},
		{"rows are paths", "FIND User AS u THAT (OPENED|APPROVED) PR RETURN u._key AS k", "ann ann ann bob bob"},
		{"UNIQUE merges them", "FIND UNIQUE User AS u THAT (OPENED|APPROVED) PR RETURN u._key AS k", "ann bob"},
		{"a path may turn back", "FIND User WITH name = 'Bob' THAT REVIEWED PR THAT REVIEWED User AS v RETURN v._key AS k", "bob"},
		{"a loop counts once", "FIND User AS u THAT KNOWS User AS v RETURN v._key AS k", "bob"},
		{"negation", "FIND PR THAT !APPROVED User", "pr2 pr3"},
		{"negation minds the target's WITH", "FIND PR THAT !APPROVED User WITH name = 'Zoe'", "pr1 pr2 pr3"},
		{"negation of the last hop", "FIND User THAT OPENED PR THAT !APPROVED User", "ann bob"},
		{"negation of any", "FIND Thing THAT !RELATES TO *", "none fruit nut both other text"},
		{"WHERE over two aliases", "FIND User AS a THAT OPENED PR AS p THAT APPROVED User AS b WHERE a.name != b.name RETURN b._key AS k", "bob"},
		{"WHERE on a relationship", "FIND User THAT REVIEWED PR WHERE REVIEWED.state = 'changes_requested'", "bob"},
		{"implicit aliases", "FIND User THAT OPENED PR WHERE PR.state = 'OPEN' RETURN User._key AS k", "ann"},
		{"list against scalar", "FIND Thing AS a THAT !RELATES TO * WHERE a.kind = a._key RETURN a._key AS k", "fruit both"},
		{"ORDER BY puts undefined last", "FIND Thing AS t RETURN t._key AS k, t.n ORDER BY t.n DESC LIMIT 3", "other text none"},
		{"ORDER BY what is not returned", "FIND PR AS p RETURN p._key AS k ORDER BY p.createdOn LIMIT 2", "pr3 pr2"},
		{"ORDER BY without RETURN", "FIND PR ORDER BY createdOn", "pr3 pr2 pr1"},
		{"SKIP and LIMIT", "FIND PR ORDER BY createdOn SKIP 1 LIMIT 1", "pr2"},
		{"LIMIT 0", "FIND PR LIMIT 0", ""},
		{"nobody", "FIND Nobody THAT HAS PR", ""},
		{"a hostile string is a string", "FIND PR WITH state = '\\'; DROP TABLE entity; --'", ""},
	}
	w := bakery()
	w.things[3].props["kind"] = []any{"fruit", "nut-filled", "both"}
	storetest.EachDatabase(t, func(t *testing.T, db *storetest.Database) {
		e := engineOver(t, db.Open(t), w)
		for _, tt := range tests {
			rows, info := run(t, e, Request{Text: tt.text, Viewer: Everything()})
			var got []string
			for _, r := range rows {
				k := r.Get("_key")
				if k == nil {
					k = r.Get("k")
				}
				got = append(got, k.(string))
			}
			if strings.Join(got, " ") != tt.want {
				t.Errorf("%s: %s\n  got  %s\n  want %s", tt.rule, tt.text, strings.Join(got, " "), tt.want)
			}
			if info.Rows != len(rows) {
				t.Errorf("%s: Info.Rows is %d, want %d", tt.text, info.Rows, len(rows))
			}
		}
	})
}

func TestAnswersAsJSON(t *testing.T) {
	tests := []struct{ text, want string }{
		{"FIND CodeRepo", `[{"_key":"repo","_type":"bitbucket_repo","_class":["CodeRepo"],"displayName":"Repo","_source":"provider",` +
			`"_beginOn":1772323200000,"_createdOn":1772323200000,"_version":1,"name":"Repo","size":7}]`},
		{
			"FIND CodeRepo AS r RETURN r.size, r.name AS title, r.public, r._class",
			`[{"r.size":7,"title":"Repo","r.public":null,"r._class":["CodeRepo"]}]`,
		},
		{
			"FIND CodeRepo THAT HAS PR AS pr RETURN COUNT(pr), CodeRepo.name, SUM(pr.taskCount), AVG(pr.taskCount) AS mean, MIN(pr.taskCount), max(pr.taskCount)",
			`[{"COUNT(pr)":3,"CodeRepo.name":"Repo","SUM(pr.taskCount)":10,"mean":3.3333333333333335,"MIN(pr.taskCount)":2,"MAX(pr.taskCount)":5}]`,
		},
		{
			"FIND User AS u THAT (OPENED|APPROVED) PR AS pr RETURN u.name AS who, COUNT(pr) AS n, SUM(pr.taskCount) AS s ORDER BY s DESC",
			`[{"who":"Bob","n":2,"s":7},{"who":"Ann","n":2,"s":5}]`,
		},
		{
			"FIND PR AS p RETURN COUNT(p), COUNT(p.state), COUNT(p.approved), SUM(p.nothing)",
			`[{"COUNT(p)":3,"COUNT(p.state)":2,"COUNT(p.approved)":2,"SUM(p.nothing)":null}]`,
		},
		{"FIND Nobody AS p RETURN COUNT(p), SUM(p.x)", `[{"COUNT(p)":0,"SUM(p.x)":null}]`},
		{"FIND Nobody AS p RETURN p.x, COUNT(p)", `[]`},
		{
			"FIND User THAT REVIEWED AS r PR RETURN r.*, r.state, r._type",
			`[{"r._key":"bob|REVIEWED|pr2","r._type":"bitbucket_user_reviewed_pull_request","r._class":"REVIEWED","r._fromEntityKey":"bob",` +
				`"r._toEntityKey":"pr2","r.displayName":"REVIEWED","r._beginOn":1772323200000,"r.state":"changes_requested"}]`,
		},
		{"FIND PR WITH _key = 'pr1' AS p RETURN p.state, p.*", `[{"p.state":"OPEN","p._key":"pr1","p._type":"bitbucket_pull_request","p._class":["Review","PR"],` +
			`"p.displayName":"pr1","p._source":"provider","p._beginOn":1772323200000,"p._createdOn":1772323200000,"p._version":1,` +
			`"p.approved":true,"p.createdOn":1773100800000,"p.taskCount":2}]`},
		{
			"FIND User WITH name = 'Bob' AS u THAT APPROVED PR RETURN u, PR.approved",
			`[{"u":{"_key":"bob","_type":"bitbucket_user","_class":["User"],"displayName":"Bob","_source":"provider","_beginOn":1772323200000,` +
				`"_createdOn":1772323200000,"_version":1,"name":"Bob"},"PR.approved":true}]`,
		},
	}
	storetest.EachDatabase(t, func(t *testing.T, db *storetest.Database) {
		e := engineOver(t, db.Open(t), bakery())
		for _, tt := range tests {
			rows := []Row{}
			if _, err := e.Run(t.Context(), Request{Text: tt.text, Viewer: Everything()}, func(r Row) error {
				rows = append(rows, r)
				return nil
			}); err != nil {
				t.Errorf("%s: %v", tt.text, err)
				continue
			}
			got, err := json.Marshal(rows)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, string(got)); diff != "" {
				t.Errorf("%s\n%s", tt.text, diff)
			}
		}
	})
}

func TestRunColumnsAndMoments(t *testing.T) {
	e := engineOver(t, storetest.SQLite(t).Open(t), bakery())
	_, info := run(t, e, Request{Text: "FIND PR AS p RETURN p.state, COUNT(p) AS n, p._key", Viewer: Everything()})
	if diff := cmp.Diff([]string{"p.state", "n", "p._key"}, info.Columns); diff != "" {
		t.Errorf("columns: %s", diff)
	}
	if _, info = run(t, e, Request{Text: "FIND PR", Viewer: Everything()}); !cmp.Equal(info.Columns, []string{"_key", "_type", "_class", "displayName"}) {
		t.Errorf("columns without RETURN: got %v", info.Columns)
	}
	before := moments()[0].Add(-time.Microsecond)
	if rows, _ := run(t, e, Request{Text: "FIND PR", At: &before, Viewer: Everything()}); len(rows) != 0 {
		t.Errorf("before the first version: got %d rows, want none", len(rows))
	}
	rows, info := run(t, e, Request{Text: "FIND PR AT '" + moments()[0].Format(time.RFC3339) + "'", Viewer: Everything()})
	if len(rows) != 3 || info.At == nil || !info.At.Equal(moments()[0]) {
		t.Errorf("AT the first version: got %d rows at %v, want 3 at %v", len(rows), info.At, moments()[0])
	}
	// The scopes of the world are complete from the second moment on.
	want := "at 2026-03-01T00:00:00Z 3 listings had not been read completely yet, so some of what they hold may be missing"
	if names := ": everything of 1, everything of 2, everything of 3"; len(info.Warnings) != 1 || info.Warnings[0].String() != want+names {
		t.Errorf("warnings at a moment before the first complete listing: got %v, want %q", info.Warnings, want+names)
	}
	_, info = run(t, e, Request{Text: "FIND PR", At: &moments()[0], Viewer: Within(nil, nil)})
	if len(info.Warnings) != 1 || info.Warnings[0].String() != want {
		t.Errorf("warnings for whoever must not know the names: got %v, want %q", info.Warnings, want)
	}
	if _, info := run(t, e, Request{Text: "FIND PR AT '2026-03-05'", Viewer: Everything()}); len(info.Warnings) != 0 {
		t.Errorf("warnings after it: got %v, want none", info.Warnings)
	}
	later := testNow().Add(time.Hour)
	if _, info := run(t, e, Request{Text: "FIND PR", At: &later, Viewer: Everything()}); info.At != nil {
		t.Errorf("a moment to come: got %v, want now", info.At)
	}
	_, err := e.Run(t.Context(), Request{Text: "FIND PR AT date.now - 1 day", At: &before, Viewer: Everything()}, nil)
	if !fault.Is(err, fault.Invalid) {
		t.Errorf("two moments: got %v, want them refused", err)
	}
}

func TestRunShowsNothingToNobody(t *testing.T) {
	e := engineOver(t, storetest.SQLite(t).Open(t), bakery())
	var nobody Viewer
	for _, text := range []string{"FIND CodeRepo", "FIND CodeRepo THAT HAS PR", "FIND CodeRepo AS r RETURN r.name"} {
		if rows, _ := run(t, e, Request{Text: text, Viewer: nobody}); len(rows) != 0 {
			t.Errorf("%s: got %v, want nothing", text, rows)
		}
	}
	if rows, _ := run(t, e, Request{Text: "FIND CodeRepo", Viewer: Within([]int64{20}, nil)}); len(rows) != 1 {
		t.Errorf("the viewer of the repository: got %d rows, want 1", len(rows))
	}
}

func TestRunEnds(t *testing.T) {
	storetest.EachDatabase(t, func(t *testing.T, db *storetest.Database) {
		e := engineOver(t, db.Open(t), bakery())
		stop := errors.New("enough")
		n := 0
		_, err := e.Run(t.Context(), Request{Text: "FIND PR", Viewer: Everything()}, func(Row) error {
			n++
			return stop
		})
		if !errors.Is(err, stop) || n != 1 {
			t.Errorf("yield stops: got %v after %d rows, want %v after 1", err, n, stop)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err = e.Run(ctx, Request{Text: "FIND PR", Viewer: Everything()}, func(Row) error { return nil })
		if !fault.Is(err, fault.Canceled) {
			t.Errorf("cancelled: got %v, want the code canceled", err)
		}
		// Some millions of paths: the deadline comes first.
		ctx, cancel = context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		_, err = e.Run(ctx, Request{Text: "FIND *" + strings.Repeat(" THAT RELATES TO *", 14) + " AS x RETURN x.n", Viewer: Everything()},
			func(Row) error { return nil })
		if !fault.Is(err, fault.Limited) {
			t.Errorf("deadline: got %v, want the code limited", err)
		}
		if db.Name == "postgres" {
			stopped(t, e)
		}
		// The largest and the deepest condition that the parser takes must run as well.
		wide := "FIND PR WITH state = 'x'" + strings.Repeat(" OR reviewers = 'x'", maxValues-1)
		deep := "FIND PR WITH " + strings.Repeat("(state = 'x' AND (state = 'y' OR ", maxDepth/2-1) + "state = 'z'" + strings.Repeat("))", maxDepth/2-1)
		for _, text := range []string{wide, deep} {
			if rows, _ := run(t, e, Request{Text: text, Viewer: Within([]int64{1}, nil)}); len(rows) != 0 {
				t.Errorf("nothing matches, got %d rows", len(rows))
			}
		}
		if rows, _ := run(t, e, Request{Text: "FIND PR", Limit: 2, Viewer: Everything()}); len(rows) != 2 {
			t.Errorf("limit of the request: got %d rows, want 2", len(rows))
		}
	})
}

// stopped waits until the server works on no statement of this database but its own: a query that was given up must
// not go on there.
func stopped(t *testing.T, e *Engine) {
	t.Helper()
	const others = "SELECT COUNT(*), COALESCE(MAX(backend_type || ' ' || COALESCE(wait_event, '') || ' ' || left(query, 200)), '') FROM pg_stat_activity, pg_sleep(0.02) WHERE datname = current_database() AND pid <> pg_backend_pid() AND state = 'active'"
	doing := ""
	for deadline := time.Now().Add(2 * time.Minute); time.Now().Before(deadline); {
		var n int
		if err := e.st.Reader().QueryRowContext(t.Context(), others).Scan(&n, &doing); err != nil {
			t.Fatal(err)
		}
		if n == 0 {
			return
		}
	}
	t.Errorf("the server still works two minutes after the query was given up: %s", doing)
}
