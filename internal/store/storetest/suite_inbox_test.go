package storetest_test

import (
	"bytes"
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/windlass-hq/windlass/internal/fault"
	"github.com/windlass-hq/windlass/internal/store"
	"github.com/windlass-hq/windlass/internal/store/storetest"
)

func (f *fixture) inbox() *store.Inbox {
	f.Helper()
	in, err := f.store.OpenInbox(f.Context())
	f.ok(err)
	f.Cleanup(func() { f.ok(in.Close()) })
	return in
}

func (f *fixture) delivery(hook, request, body string) *store.Delivery {
	return &store.Delivery{
		Hook: hook, Connection: f.one.ID, RequestID: request, Event: "repo:push", ReceivedAt: f.db.Clock.Now(), Verdict: "signed", Body: []byte(body),
		Request: store.Request{Method: "POST", Path: "/hooks/" + hook, Headers: map[string][]string{"X-Event-Key": {"repo:push"}}},
	}
}

func (f *fixture) put(in *store.Inbox, list ...*store.Delivery) {
	f.Helper()
	f.ok(in.Put(f.Context(), list))
}

func (f *fixture) waiting(in *store.Inbox, c store.Connection) []string {
	f.Helper()
	list, err := in.New(f.Context(), c.ID, 100)
	f.ok(err)
	out := []string{}
	for _, d := range list {
		out = append(out, string(d.Body))
	}
	return out
}

func (f *fixture) listed(in *store.Inbox, filter store.DeliveryFilter) []int64 {
	f.Helper()
	list, err := in.Deliveries(f.Context(), filter)
	f.ok(err)
	out := []int64{}
	for _, d := range list {
		if d.Body != nil {
			f.Error("a list has bodies")
		}
		out = append(out, d.ID)
	}
	return out
}

func TestInboxKeepsWhatCame(t *testing.T) {
	each(t, func(f *fixture) {
		in := f.inbox()
		d := f.delivery("h1", "r-1", `{"a":"ünï"}`)
		f.put(in, d)
		got, err := in.Delivery(f.Context(), d.ID)
		f.ok(err)
		want := *d
		want.State, want.Size = store.DeliveryNew, len(d.Body)
		f.same("delivery", got, want)
		_, err = in.Delivery(f.Context(), d.ID+1)
		f.fails(err, fault.NotFound)
		f.ok(in.Close())
		f.store.Close()
		f.store = f.db.Open(f)
		f.same("after a restart", f.waiting(f.inbox(), f.one), []string{`{"a":"ünï"}`})
	})
}

func TestInboxTellsDuplicates(t *testing.T) {
	each(t, func(f *fixture) {
		in := f.inbox()
		first := f.delivery("h1", "r-1", "a")
		f.put(in, first)
		list := []*store.Delivery{
			f.delivery("h1", "r-1", "b"), f.delivery("h1", "r-2", "a"), f.delivery("h1", "", "a"),
			f.delivery("h2", "r-1", "a"), f.delivery("h1", "", "c"), f.delivery("h1", "", "d"), f.delivery("h1", "", "d"),
		}
		f.put(in, list...)
		var states []string
		for _, d := range list {
			states = append(states, string(d.State))
		}
		f.same("by id, by body, by body; another hook; no id twice; within one transaction", states,
			[]string{"duplicate", "duplicate", "duplicate", "new", "new", "new", "duplicate"})
		f.same("effect", list[0].Effect, fmt.Sprintf("the same as delivery %d", first.ID))
		f.same("waiting", f.waiting(in, f.one), []string{"a", "a", "c", "d"})
		now := f.later()
		first.State, first.Effect, first.AppliedAt = store.DeliveryFailed, "odd", &now
		f.ok(in.Settle(f.Context(), []store.Delivery{*first}))
		again := f.delivery("h1", "r-1", "a")
		f.put(in, again)
		f.same("of one that failed", again.State, store.DeliveryNew)
	})
}

func TestInboxPutsAllOrNothing(t *testing.T) {
	each(t, func(f *fixture) {
		in := f.inbox()
		bad := f.delivery("h1", "", "b")
		bad.Event = "a\x00b" // PostgreSQL takes no such text
		err := in.Put(f.Context(), []*store.Delivery{f.delivery("h1", "", "a"), bad})
		if f.db.URL != "" {
			if err == nil {
				f.Fatal("stored")
			}
			f.same("waiting", f.waiting(in, f.one), []string{})
		}
	})
}

func TestInboxSettleReplayAndFilters(t *testing.T) {
	each(t, func(f *fixture) {
		in := f.inbox()
		var all []*store.Delivery
		for i := range 6 {
			d := f.delivery(fmt.Sprintf("h%d", i%2), "", fmt.Sprint(i))
			if i == 5 {
				d.Connection = f.two.ID
			}
			all = append(all, d)
		}
		f.put(in, all...)
		ids, err := in.Waiting(f.Context())
		f.ok(err)
		f.same("connections", ids, []int64{f.one.ID, f.two.ID})
		now := f.later()
		all[1].State, all[1].Effect, all[1].AppliedAt = store.DeliveryDone, "1 updated", &now
		f.ok(in.Settle(f.Context(), []store.Delivery{*all[1]}))
		f.same("waiting", f.waiting(in, f.one), []string{"0", "2", "3", "4"})
		id := func(i int) int64 { return all[i].ID }
		f.same("all", f.listed(in, store.DeliveryFilter{Limit: 10}), []int64{id(5), id(4), id(3), id(2), id(1), id(0)})
		f.same("a page", f.listed(in, store.DeliveryFilter{Limit: 2, Before: id(4)}), []int64{id(3), id(2)})
		f.same("of a hook", f.listed(in, store.DeliveryFilter{Limit: 10, Hook: "h1"}), []int64{id(5), id(3), id(1)})
		f.same("of a connection", f.listed(in, store.DeliveryFilter{Limit: 10, Connection: f.two.ID}), []int64{id(5)})
		f.same("in a state", f.listed(in, store.DeliveryFilter{Limit: 10, State: store.DeliveryDone}), []int64{id(1)})
		f.same("all together", f.listed(in, store.DeliveryFilter{Limit: 10, State: store.DeliveryNew, Hook: "h1", Connection: f.one.ID, Before: id(5)}), []int64{id(3)})
		f.ok(in.Replay(f.Context(), id(1)))
		f.same("replayed", f.waiting(in, f.one), []string{"0", "1", "2", "3", "4"})
		f.fails(withRemedy(in.Replay(f.Context(), 999)), fault.NotFound)
	})
}

// withRemedy lets an error pass whose message is its own remedy.
func withRemedy(err error) error {
	if e, ok := errors.AsType[*fault.Error](err); ok && fault.RemedyOf(err) == "" {
		return e.With("see the message")
	}
	return err
}

func TestInboxPruneLeavesWhatWaits(t *testing.T) {
	each(t, func(f *fixture) {
		in := f.inbox()
		var list []*store.Delivery
		for i := range 1201 {
			d := f.delivery("h", "", fmt.Sprint(i))
			d.State = store.DeliveryDone
			list = append(list, d)
		}
		list[7].State = store.DeliveryNew
		f.put(in, list...)
		old := f.db.Clock.Now()
		f.later()
		fresh := f.delivery("h", "", "fresh")
		fresh.State = store.DeliveryDone
		f.put(in, fresh)
		n, err := in.Prune(f.Context(), old.Add(time.Microsecond))
		f.ok(err)
		f.same("removed", n, int64(1200))
		f.same("left", f.listed(in, store.DeliveryFilter{Limit: 10}), []int64{fresh.ID, list[7].ID})
	})
}

// Large bodies come a few at a time, so that draining does not fill the memory.
func TestInboxHandsOutLargeBodiesAFewAtATime(t *testing.T) {
	each(t, func(f *fixture) {
		in := f.inbox()
		for i := range 6 {
			f.put(in, f.delivery("h", "", fmt.Sprint(i)+strings.Repeat("x", 10<<20-1)))
		}
		list, err := in.New(f.Context(), f.one.ID, 100)
		f.ok(err)
		f.same("at once", len(list), 4)
		f.same("the first", list[0].Body[0], byte('0'))
	})
}

func TestInboxBodiesAreSealed(t *testing.T) {
	on := storetest.SQLite(t)
	f := newFixture(t, on)
	in := f.inbox()
	d, next := f.delivery("h1", "", "a very telling body"), f.delivery("h1", "", "another")
	f.put(in, d, next)
	db, err := sql.Open("sqlite", filepath.Join(on.Dir, "inbox.db"))
	f.ok(err)
	defer func() { f.ok(db.Close()) }()
	var kept []byte
	f.ok(db.QueryRow("SELECT body FROM inbox WHERE id = $1", d.ID).Scan(&kept))
	if bytes.Contains(kept, []byte("telling")) {
		f.Error("the body lies open in the file")
	}
	// One that was changed, or put under another hook, comes as failed and holds up nothing.
	_, err = db.Exec("UPDATE inbox SET hook = 'h2' WHERE id = $1", d.ID)
	f.ok(err)
	list, err := in.New(f.Context(), f.one.ID, 10)
	f.ok(err)
	if len(list) != 2 || list[0].State != store.DeliveryFailed || list[0].Body != nil || !strings.Contains(list[0].Effect, "does not open") || string(list[1].Body) != "another" {
		f.Errorf("got %+v", list)
	}
	// A file that a newer version made is not touched.
	f.ok(in.Close())
	_, err = db.Exec("PRAGMA user_version = 2")
	f.ok(err)
	_, err = f.store.OpenInbox(f.Context())
	f.fails(err, fault.Invalid)
}

func TestInboxNeedsTheKey(t *testing.T) {
	each(t, func(f *fixture) {
		f.put(f.inbox(), f.delivery("h", "", "a"))
		f.store.Close()
		var err error
		other := f.db.Open(f, storetest.WithKey(bytes.Repeat([]byte{1}, 32)), storetest.Refused(&err))
		if other != nil || err == nil {
			f.Error("opened with another key")
		}
	})
}

func TestHooks(t *testing.T) {
	each(t, func(f *fixture) {
		h := store.Hook{ID: store.NewHookID(), Connection: f.one.ID, Place: "cloud:w", PlaceType: "bitbucket_workspace", PlaceName: "acme", URL: "https://w/hooks/x", Secret: "s1", Signed: true, MadeBy: store.MadeByWindlass}
		made, err := f.store.AddHook(f.Context(), h)
		f.ok(err)
		get := func() store.Hook {
			f.Helper()
			got, err := f.store.Hook(f.Context(), h.ID)
			f.ok(err)
			return got
		}
		if got := get(); got.Secret != "s1" || got.Before != "" || !got.CreatedAt.Equal(made.CreatedAt) || got.PlaceName != "acme" || !got.Signed {
			f.Errorf("got %+v", got)
		}
		if text := fmt.Sprintf("%v %+v %#v %s", get(), get(), get(), get()); strings.Contains(text, "s1") {
			f.Errorf("a printed hook shows its secret: %s", text)
		}
		until := f.later().Add(time.Hour)
		f.ok(f.store.ReplaceSecret(f.Context(), h.ID, "s2", until))
		f.ok(f.store.ReplaceSecret(f.Context(), h.ID, "s3", until))
		if got := get(); got.Secret != "s3" || got.Before != "s2" || !got.BeforeUntil.Equal(until) {
			f.Errorf("after a rotation: secrets %s and %s until %v", got.Secret, got.Before, got.BeforeUntil)
		}
		now := f.later()
		f.ok(f.store.VerifiedHook(f.Context(), h.ID, now))
		f.ok(f.store.FoundHook(f.Context(), h.ID, "{1}", "it is off"))
		f.ok(f.store.MoveHook(f.Context(), h.ID, "https://new/hooks/x"))
		if got := get(); !got.VerifiedAt.Equal(now) || got.RemoteID != "{1}" || got.Trouble != "it is off" || !got.CheckedAt.Equal(now) || got.URL != "https://new/hooks/x" {
			f.Errorf("got %+v, %+v", got.VerifiedAt, got.CheckedAt)
		}
		again := h
		again.ID = store.NewHookID()
		if _, err := f.store.AddHook(f.Context(), again); err == nil {
			f.Error("a place has two hooks")
		}
		list, err := f.store.Hooks(f.Context(), f.one.ID)
		f.ok(err)
		f.same("hooks", len(list), 1)
		f.ok(f.store.RemoveHook(f.Context(), h.ID))
		if _, err := f.store.Hook(f.Context(), h.ID); !fault.Is(err, fault.NotFound) {
			f.Errorf("after it was removed: %v", err)
		}
		if err := f.store.ReplaceSecret(f.Context(), h.ID, "s4", until); err == nil {
			f.Error("a hook that was removed got another secret")
		}
	})
}
