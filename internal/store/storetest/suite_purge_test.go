package storetest_test

import (
	"context"
	"database/sql"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/windlass-hq/windlass/internal/fault"
	"github.com/windlass-hq/windlass/internal/graph"
	"github.com/windlass-hq/windlass/internal/store"
	"github.com/windlass-hq/windlass/internal/store/storetest"
)

// TestPurgeEqualsTheModel draws histories, holds and cutoffs. What is left must be what a person would leave who looks
// at every row; every moment since the cutoff, and every moment of what is held, must answer as before; and what comes
// back later must begin anew.
func TestPurgeEqualsTheModel(t *testing.T) {
	storetest.EachDatabase(t, func(t *testing.T, db *storetest.Database) {
		s := db.Open(t)
		var checks atomic.Int64
		rapid.Check(t, func(rt *rapid.T) {
			m := newMachine(rt, []*store.Store{s}, db.Clock, checks.Add(1))
			steps := map[string]func(*rapid.T){"again": m.again, "event": m.event, "listing": m.listing, "withdraw": m.withdraw, "leave": m.leave}
			rt.Repeat(steps)
			if len(m.world.past) == 0 {
				return
			}
			m.purge(rt)
			rt.Repeat(steps)
			m.comparePast(rt)
		})
	})
}

// remains are the rows of a database that a purge is about.
type remains struct {
	Open    []version
	Old     []version
	Rels    []oldTie
	Links   [][2]int64 // ends of open relationships
	Changes []oldChange
}

type version struct {
	ID, From, To int64
	Key          string
	Places       [3]int64
}

type oldTie struct{ From, Kind, To, Began, Ended int64 }

type oldChange struct{ Stream, Seq, At, ID int64 }

func (m *machine) remains(t *rapid.T) remains {
	var r remains
	bounds := m.reading.bounds()
	read := func(ended, table string, into *[]version) {
		must(t, m.reading.each(m.ctx, `SELECT id, valid_from, `+ended+`, key, home, repo, project FROM `+table+` WHERE key >= $1 AND key < $2 ORDER BY id, valid_from`, bounds, func(rows *sql.Rows) error {
			var v version
			var places [3]sql.NullInt64
			err := rows.Scan(&v.ID, &v.From, &v.To, &v.Key, &places[0], &places[1], &places[2])
			for i, p := range places {
				v.Places[i] = p.Int64
			}
			*into = append(*into, v)
			return err
		}))
	}
	read("0", "entity", &r.Open)
	read("valid_to", "entity_old", &r.Old)
	mine := `IN (SELECT id FROM entity WHERE key >= $1 AND key < $2 UNION SELECT id FROM entity_old WHERE key >= $1 AND key < $2)`
	must(t, m.reading.each(m.ctx, `SELECT from_id, kind, to_id, valid_from, valid_to FROM rel_old WHERE from_id `+mine+` OR to_id `+mine+` ORDER BY 1, 2, 3, 4`, bounds, func(rows *sql.Rows) error {
		var e oldTie
		err := rows.Scan(&e.From, &e.Kind, &e.To, &e.Began, &e.Ended)
		r.Rels = append(r.Rels, e)
		return err
	}))
	must(t, m.reading.each(m.ctx, `SELECT from_id, to_id FROM rel WHERE from_id `+mine+` ORDER BY from_id, kind, to_id`, bounds, func(rows *sql.Rows) error {
		var l [2]int64
		err := rows.Scan(&l[0], &l[1])
		r.Links = append(r.Links, l)
		return err
	}))
	must(t, m.reading.each(m.ctx, `SELECT stream, seq, at, entity_id FROM change WHERE key >= $1 AND key < $2 ORDER BY stream, seq`, bounds, func(rows *sql.Rows) error {
		var c oldChange
		err := rows.Scan(&c.Stream, &c.Seq, &c.At, &c.ID)
		r.Changes = append(r.Changes, c)
		return err
	}))
	return r
}

// inside returns the ids of some keys and of everything that ever lay in them.
func (r remains) inside(keys []string) map[int64]bool {
	all := append(slices.Clone(r.Open), r.Old...)
	held := map[int64]bool{}
	for grew := true; grew; {
		grew = false
		for _, v := range all {
			if held[v.ID] {
				continue
			}
			if slices.Contains(keys, v.Key) || slices.ContainsFunc(v.Places[:], func(p int64) bool { return held[p] }) {
				held[v.ID], grew = true, true
			}
		}
	}
	return held
}

// without says what a purge leaves.
func (r remains) without(before int64, held map[int64]bool, passed map[int64]int64) remains {
	out := remains{Open: r.Open, Links: r.Links}
	related := map[int64]bool{}
	link := func(a, b int64) {
		related[a] = related[a] || held[b]
		related[b] = related[b] || held[a]
	}
	for _, l := range r.Links {
		link(l[0], l[1])
	}
	for _, e := range r.Rels {
		link(e.From, e.To)
		if e.Ended >= before || held[e.From] || held[e.To] {
			out.Rels = append(out.Rels, e)
		}
	}
	for _, v := range r.Old {
		if v.To >= before || held[v.ID] || related[v.ID] {
			out.Old = append(out.Old, v)
		}
	}
	stopped := map[int64]bool{}
	for _, c := range r.Changes {
		last, read := passed[c.Stream]
		stopped[c.Stream] = stopped[c.Stream] || c.At >= before || read && c.Seq > last
		if stopped[c.Stream] || held[c.ID] {
			out.Changes = append(out.Changes, c)
		}
	}
	return out
}

func (m *machine) purge(t *rapid.T) {
	ids, err := m.reading.ids(m.ctx)
	must(t, err)
	keys := []string{}
	for _, key := range ids {
		keys = append(keys, key)
	}
	if len(keys) == 0 {
		return
	}
	slices.Sort(keys)
	var subjects []string
	for i := range rapid.IntRange(0, 2).Draw(t, "holds") {
		h, err := m.store.AddHold(m.ctx, store.RetentionHold{Name: m.universe.prefix + string(rune('a'+i)), Subject: rapid.SampledFrom(keys).Draw(t, "subject")})
		must(t, err)
		subjects = append(subjects, h.Subject)
		defer func() { must(t, m.store.ReleaseHold(m.ctx, h.Name)) }()
	}
	passed := map[int64]int64{}
	streams, err := m.store.Streams(m.ctx)
	must(t, err)
	for _, st := range streams {
		if slices.Contains(m.streams, st.Name) && rapid.Bool().Draw(t, "read "+st.Name) {
			passed[st.ID] = rapid.Int64Range(0, st.Last).Draw(t, "up to")
			must(t, m.store.Write(m.ctx, func(ctx context.Context, tx *sql.Tx) error {
				return m.store.MoveCursor(ctx, tx, "reader", st.Name, passed[st.ID])
			}))
		}
	}
	then := m.world.past[rapid.IntRange(0, len(m.world.past)-1).Draw(t, "cutoff")].at
	m.clock.Advance(time.Second)
	had := m.remains(t)
	held := had.inside(subjects)
	want := had.without(then.UnixMicro(), held, passed)
	done, err := m.store.Purge(m.ctx, then)
	must(t, err)
	got := m.remains(t)
	t.Logf("purged before %s, held %q: %+v", then.Format(time.TimeOnly), subjects, done)
	differ(t, "what a purge leaves", gocmp.Diff(want, got))
	if n := len(had.Old) - len(want.Old); done.Versions < n {
		t.Fatal("fewer versions counted than removed")
	}
	if from, err := m.store.HistoryFrom(m.ctx); err != nil || len(had.Old) > len(want.Old) && !from.Equal(then) {
		t.Logf("HistoryFrom = %v, %v", from, err)
		t.Fatal("the start of the history is not remembered")
	}
	again, err := m.store.Purge(m.ctx, then)
	must(t, err)
	differ(t, "a second purge", gocmp.Diff(store.Purged{Held: again.Held}, again))

	mine := func(name string) bool {
		for id, key := range ids {
			if held[id] && (name == key || strings.HasPrefix(name, key+"|") || strings.HasSuffix(name, "|"+key)) {
				return true
			}
		}
		return false
	}
	kept := m.world.past[:0:0]
	for _, p := range m.world.past {
		now, err := m.reading.at(m.ctx, p.at, ids)
		must(t, err)
		was := p.state
		if p.at.Before(then) {
			was, now = only(was, mine), only(now, mine)
		} else {
			kept = append(kept, p)
		}
		t.Logf("as of %s", p.at.Format(time.TimeOnly))
		differ(t, "what is kept of the past", gocmp.Diff(was, now))
	}
	m.world.past = kept
	for key, th := range m.world.things {
		if !th.open && !slices.ContainsFunc(got.Old, func(v version) bool { return v.Key == key }) {
			delete(m.world.things, key) // nobody remembers it
		}
	}
}

// only returns the part of a state whose names pass.
func only(s state, pass func(string) bool) state {
	out := state{Entities: map[string]string{}, Edges: map[string]string{}}
	for k, v := range s.Entities {
		if pass(k) {
			out.Entities[k] = v
		}
	}
	for k, v := range s.Edges {
		if pass(k) {
			out.Edges[k] = v
		}
	}
	return out
}

func TestPurgeLeavesEvidenceAndOpenVersions(t *testing.T) {
	each(t, func(f *fixture) {
		repos := f.scope(f.one, "w", "repositories")
		o := repo("r", "", "description", "a")
		o.Entity.Raw = []byte(`{"a":1}`)
		f.apply(repos, o, repo("s", ""))
		f.apply(repos, repo("r", "", "description", "b"))
		gone := repo("gone", "")
		gone.Entity.Raw = []byte(`{"b":1}`)
		f.apply(repos, gone)
		f.withdraw(repos, graph.Deleted, "gone")
		run := f.run(f.one)
		f.ok(f.store.RecordLedger(f.Context(), store.LedgerEntry{Scope: repos, Run: run.ID, State: store.LedgerComplete}))
		if from, err := f.store.HistoryFrom(f.Context()); err != nil || !from.IsZero() {
			f.Errorf("HistoryFrom = %v, %v before the first purge", from, err)
		}
		cut := f.later()
		p, err := f.store.Purge(f.Context(), cut)
		f.ok(err)
		f.same("purged", p, store.Purged{Versions: 2, Changes: 5, Raw: 1})
		from, err := f.store.HistoryFrom(f.Context())
		f.ok(err)
		f.same("history from", from, cut)
		// An older cutoff does not lead back.
		_, err = f.store.Purge(f.Context(), cut.Add(-time.Hour))
		f.ok(err)
		from, err = f.store.HistoryFrom(f.Context())
		f.ok(err)
		f.same("history from", from, cut)
		f.same("description", f.entity("r").Properties["description"], any("b"))
		if _, err := f.store.Raw(f.Context(), "r"); err != nil {
			f.Errorf("the object of what is open: %v", err)
		}
		if _, err := f.store.Raw(f.Context(), "gone"); !fault.Is(err, fault.NotFound) {
			f.Errorf("the object of what is gone: %v, want fault.NotFound", err)
		}
		ledger, err := f.store.Ledger(f.Context(), repos)
		f.ok(err)
		f.same("ledger", len(ledger), 1)
		// It comes back as something new.
		f.counts(f.apply(repos, repo("gone", "")), store.Result{Created: 1})
		f.same("version", f.entity("gone").Version, int64(1))
		_, err = f.store.Purge(f.Context(), f.db.Clock.Now().Add(time.Second))
		f.fails(err, fault.Invalid)
	})
}

func TestHoldsAreEvidence(t *testing.T) {
	each(t, func(f *fixture) {
		repos := f.scope(f.one, "w", "repositories")
		f.apply(repos, repo("r", "", "description", "a"))
		f.apply(repos, repo("r", "", "description", "b"))
		add := func(name, subject string) error {
			_, err := f.store.AddHold(f.Context(), store.RetentionHold{Name: name, Subject: subject, Reason: "audit", CreatedBy: "ada"})
			return err
		}
		f.fails(add("x", "never seen"), fault.NotFound)
		f.fails(add(" ", "r"), fault.Invalid)
		f.ok(add("all", ""))
		p, err := f.store.Purge(f.Context(), f.later())
		f.ok(err)
		f.same("purged", p, store.Purged{HeldAll: true})
		f.ok(add("one", "r"))
		f.ok(f.store.ReleaseHold(f.Context(), "all"))
		if err := f.store.ReleaseHold(f.Context(), "all"); !fault.Is(err, fault.NotFound) {
			f.Errorf("second release: %v, want fault.NotFound", err)
		}
		f.fails(add("all", ""), fault.Conflict)
		p, err = f.store.Purge(f.Context(), f.later())
		f.ok(err)
		f.same("purged", p, store.Purged{Held: 3})
		f.ok(f.store.ReleaseHold(f.Context(), "one"))
		p, err = f.store.Purge(f.Context(), f.later())
		f.ok(err)
		f.same("purged", p, store.Purged{Versions: 1, Changes: 2})
		holds, err := f.store.Holds(f.Context())
		f.ok(err)
		if len(holds) != 2 || holds[0].Name != "all" || holds[0].ReleasedAt == nil || holds[1].Subject != "r" || holds[1].Reason != "audit" || holds[1].CreatedBy != "ada" {
			f.Errorf("holds: %+v", holds)
		}
	})
}
