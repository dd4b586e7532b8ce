package intake_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/windlass-hq/windlass/internal/bitbucket"
	"github.com/windlass-hq/windlass/internal/fault"
	"github.com/windlass-hq/windlass/internal/graph"
	"github.com/windlass-hq/windlass/internal/intake"
	"github.com/windlass-hq/windlass/internal/job"
	"github.com/windlass-hq/windlass/internal/store"
	"github.com/windlass-hq/windlass/internal/store/storetest"
)

// basin is a drainer over a real database and inbox. Bodies are events in JSON, and the graph is a list of what was
// applied.
type basin struct {
	*testing.T
	db    *storetest.Database
	store *store.Store
	inbox *store.Inbox
	conn  store.Connection
	hook  store.Hook
	drain *intake.Drainer

	*world
}

// world is what two drainers share.
type world struct {
	mu      sync.Mutex
	applied []string
	events  []bitbucket.Event
	homes   map[string][2]string
	apply   func(ev bitbucket.Event) error
}

func each(t *testing.T, test func(b *basin)) {
	t.Helper()
	storetest.EachDatabase(t, func(t *testing.T, db *storetest.Database) { test(newBasin(t, db)) })
}

func newBasin(t *testing.T, db *storetest.Database) *basin {
	t.Helper()
	b := &basin{T: t, db: db, store: db.Open(t), world: &world{homes: map[string][2]string{}}}
	var err error
	b.conn, err = b.store.CreateConnection(t.Context(), store.Connection{Name: "acme", Product: "cloud", AccountName: "acme"}, nil)
	b.ok(err)
	b.hook = b.place(graph.TypeWorkspace, "cloud:w")
	b.inbox = b.openInbox(b.store)
	b.drain = intake.NewDrainer(b.options(b.store, b.inbox))
	return b
}

func (b *basin) ok(err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

func (b *basin) openInbox(s *store.Store) *store.Inbox {
	b.Helper()
	in, err := s.OpenInbox(b.Context())
	b.ok(err)
	b.Cleanup(func() { b.ok(in.Close()) })
	return in
}

func (b *basin) place(typ, key string) store.Hook {
	b.Helper()
	id := store.NewHookID()
	h, err := b.store.AddHook(b.Context(), store.Hook{
		ID: id, Connection: b.conn.ID, Place: key, PlaceType: typ, PlaceName: "the " + typ, URL: "https://w/hooks/" + id,
		Secret: secret, Signed: true, MadeBy: store.MadeByWindlass,
	})
	b.ok(err)
	return h
}

func (b *basin) options(s *store.Store, in *store.Inbox) intake.DrainOptions {
	jobs, err := job.New(b.Context(), job.Options{Store: s, Log: slog.New(slog.DiscardHandler), Now: b.db.Clock.Now})
	b.ok(err)
	b.Cleanup(func() { b.ok(jobs.Stop(context.WithoutCancel(b.Context()))) })
	return intake.DrainOptions{
		Inbox: in, Connection: s.ConnectionByID, Hook: s.Hook, Exclusive: jobs.Exclusive, Now: b.db.Clock.Now, Log: slog.New(slog.DiscardHandler),
		Home: func(_ context.Context, repository string) (string, string, error) {
			b.mu.Lock()
			defer b.mu.Unlock()
			return b.homes[repository][0], b.homes[repository][1], nil
		},
		Decode: func(_ store.Connection, key string, body []byte) (bitbucket.Event, error) {
			var ev bitbucket.Event
			switch {
			case strings.Contains(string(body), "panic"):
				panic("index out of range")
			case json.Unmarshal(body, &ev) != nil:
				return ev, fault.New(fault.Invalid, "the body does not fit %s", key)
			}
			return ev, nil
		},
		Apply: func(ctx context.Context, _ store.Connection, ev bitbucket.Event, cause graph.Cause, _ time.Time) (string, error) {
			b.mu.Lock()
			defer b.mu.Unlock()
			if b.apply != nil {
				if err := b.apply(ev); err != nil {
					return "", err
				}
			}
			b.applied = append(b.applied, ev.Repository+"/"+ev.Key)
			b.events = append(b.events, ev)
			return "1 updated", nil
		},
	}
}

// bring stores deliveries as they would have come through a hook.
func (b *basin) bring(h store.Hook, verdict string, bodies ...string) []*store.Delivery {
	b.Helper()
	var list []*store.Delivery
	for _, body := range bodies {
		list = append(list, &store.Delivery{
			Hook: h.ID, Connection: b.conn.ID, Event: push, ReceivedAt: b.db.Clock.Now(), Body: []byte(body), Verdict: verdict,
		})
	}
	b.ok(b.inbox.Put(b.Context(), list))
	return list
}

func body(ev bitbucket.Event) string {
	text, err := json.Marshal(ev)
	if err != nil {
		panic(err)
	}
	return string(text)
}

// about is an event of a repository in the workspace of the hook.
func about(repository, key string) string {
	return body(bitbucket.Event{Account: "cloud:w", Repository: repository, Key: key})
}

func (b *basin) state(d *store.Delivery) string {
	b.Helper()
	got, err := b.inbox.Delivery(b.Context(), d.ID)
	b.ok(err)
	return string(got.State) + ": " + got.Effect
}

func (b *basin) same(what string, got, want any) {
	b.Helper()
	if diff := gocmp.Diff(want, got); diff != "" {
		b.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

// of returns what was applied of one repository, in order.
func (w *world) of(repository string) (out []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, a := range w.applied {
		if strings.HasPrefix(a, repository+"/") {
			out = append(out, a)
		}
	}
	return out
}

func TestDeliveriesAreAppliedInOrder(t *testing.T) {
	each(t, func(b *basin) {
		var bodies, want []string
		for i := range 600 {
			bodies = append(bodies, about(fmt.Sprintf("cloud:r%d", i%3), fmt.Sprint(i)))
			if i%3 == 1 {
				want = append(want, fmt.Sprintf("cloud:r1/%d", i))
			}
		}
		list := b.bring(b.hook, intake.Signed, bodies...)
		b.ok(b.drain.Drain(b.Context(), b.conn.ID))
		b.same("of one repository", b.of("cloud:r1"), want)
		b.same("all of them", len(b.applied), 600)
		b.same("state", b.state(list[599]), "done: 1 updated")
		got, err := b.inbox.Delivery(b.Context(), list[0].ID)
		b.ok(err)
		if got.AppliedAt == nil {
			b.Error("it is not told when it was applied")
		}
	})
}

// What is about no repository, such as about a project, is applied after everything before it and before everything
// after it.
func TestAnEventOfAProjectKeepsItsPlace(t *testing.T) {
	each(t, func(b *basin) {
		b.bring(b.hook, intake.Signed, about("cloud:r1", "1"), about("cloud:r2", "2"), about("", "project"), about("cloud:r1", "3"), about("cloud:r2", "4"))
		b.ok(b.drain.Drain(b.Context(), b.conn.ID))
		b.same("its place", slices.Index(b.applied, "/project"), 2)
		b.same("all", len(b.applied), 5)
	})
}

func TestWhatCannotBeReadFails(t *testing.T) {
	each(t, func(b *basin) {
		b.apply = func(ev bitbucket.Event) error {
			switch ev.Key {
			case "invalid":
				return fault.New(fault.Invalid, "no such thing")
			case "panic at work":
				panic("nil")
			}
			return nil
		}
		list := b.bring(b.hook, intake.Signed, "no json", `{"panic": 1}`, about("cloud:r", "invalid"), strings.ReplaceAll(about("cloud:r", "panic at work"), "panic", "p\\u0061nic"), about("cloud:r", "good"))
		b.ok(b.drain.Drain(b.Context(), b.conn.ID))
		var got []string
		for _, d := range list {
			got = append(got, b.state(d))
		}
		const mistake = "failed: Windlass made a mistake with it; the log of the server says which"
		b.same("states", got, []string{"failed: the body does not fit repo:push", mistake, "failed: no such thing", mistake, "done: 1 updated"})
	})
}

// While the database does not answer, everything waits, for as long as it takes; after that it goes on in order.
func TestADatabaseThatDoesNotAnswerLeavesTheRest(t *testing.T) {
	each(t, func(b *basin) {
		down := fault.New(fault.Unavailable, "no database")
		b.apply = func(ev bitbucket.Event) error {
			if ev.Key == "2" {
				return down
			}
			return nil
		}
		list := b.bring(b.hook, intake.Signed, about("cloud:r", "1"), about("cloud:r", "2"), about("cloud:r", "3"), about("cloud:s", "4"))
		for range 10 {
			if err := b.drain.Drain(b.Context(), b.conn.ID); !errors.Is(err, down) {
				b.Fatalf("drain: %v", err)
			}
		}
		b.same("of the repository", b.of("cloud:r"), []string{"cloud:r/1"})
		b.same("of another", b.of("cloud:s"), []string{"cloud:s/4"})
		b.same("states", []string{b.state(list[0]), b.state(list[1]), b.state(list[2])}, []string{"done: 1 updated", "new: ", "new: "})
		b.apply = nil
		b.ok(b.drain.Drain(b.Context(), b.conn.ID))
		b.same("of the repository", b.of("cloud:r"), []string{"cloud:r/1", "cloud:r/2", "cloud:r/3"})
	})
}

// One delivery that fails for a reason that nobody foresaw holds up the others for some tries and not forever.
func TestOneDeliveryDoesNotHoldUpTheOthersForever(t *testing.T) {
	each(t, func(b *basin) {
		b.apply = func(ev bitbucket.Event) error {
			if ev.Key == "1" {
				return errors.New("odd")
			}
			return nil
		}
		list := b.bring(b.hook, intake.Signed, about("cloud:r", "1"), about("cloud:r", "2"))
		tries := 1
		for b.drain.Drain(b.Context(), b.conn.ID) != nil {
			tries++
		}
		b.same("tries", tries, 5)
		b.same("states", []string{b.state(list[0]), b.state(list[1])}, []string{"failed: odd", "done: 1 updated"})
	})
}

// A process that was killed after it applied a delivery and before it wrote that down applies it again, and so does one
// that is told to. What that means for the graph is the business of sync.
func TestWhatWasNotSettledIsAppliedAgain(t *testing.T) {
	each(t, func(b *basin) {
		list := b.bring(b.hook, intake.Signed, about("cloud:r", "1"), about("cloud:r", "2"))
		o := b.options(b.store, b.inbox)
		o.Inbox = killed{b.inbox}
		if err := intake.NewDrainer(o).Drain(b.Context(), b.conn.ID); !errors.Is(err, errKilled) {
			b.Fatalf("drain: %v", err)
		}
		b.ok(b.drain.Drain(b.Context(), b.conn.ID))
		b.ok(b.inbox.Replay(b.Context(), list[0].ID))
		b.ok(b.drain.Drain(b.Context(), b.conn.ID))
		b.same("applied", b.applied, []string{"cloud:r/1", "cloud:r/2", "cloud:r/1", "cloud:r/2", "cloud:r/1"})
		b.same("state", b.state(list[0]), "done: 1 updated")
	})
}

var errKilled = errors.New("killed")

type killed struct{ *store.Inbox }

func (killed) Settle(context.Context, []store.Delivery) error { return errKilled }

func TestWhatWasRemovedMeanwhileIsDone(t *testing.T) {
	each(t, func(b *basin) {
		gone := b.place(graph.TypeProject, "cloud:p")
		list := b.bring(gone, intake.Signed, about("cloud:r", "1"))
		b.ok(b.store.RemoveHook(b.Context(), gone.ID))
		b.ok(b.drain.Drain(b.Context(), b.conn.ID))
		b.same("state", b.state(list[0]), "done: the hook was removed")
		list = b.bring(b.hook, intake.Signed, about("cloud:r", "2"))
		_, err := b.store.RemoveConnection(b.Context(), b.conn.Name)
		b.ok(err)
		b.ok(b.drain.Drain(b.Context(), b.conn.ID))
		b.same("state", b.state(list[0]), "done: the connection was removed")
		b.same("applied", len(b.applied), 0)
	})
}

// Two processes that drain one connection apply each delivery once and in order.
func TestTwoDrainersShareOneConnection(t *testing.T) {
	b := newBasin(t, storetest.PostgreSQL(t))
	other := b.db.Open(b.T)
	one, two := b.drain, intake.NewDrainer(b.options(other, b.openInbox(other)))
	ctx, cancel := context.WithCancel(b.Context())
	var running sync.WaitGroup
	for _, d := range []*intake.Drainer{one, two} {
		running.Go(func() { d.Run(ctx) })
	}
	var want []string
	all := make(chan struct{})
	b.mu.Lock()
	b.apply = func(ev bitbucket.Event) error {
		if ev.Key == "last" {
			close(all)
		}
		return nil
	}
	b.mu.Unlock()
	for i := range 40 {
		var bodies []string
		for j := range 5 {
			bodies = append(bodies, about("cloud:r", fmt.Sprint(i*5+j)))
			want = append(want, fmt.Sprintf("cloud:r/%d", i*5+j))
		}
		b.bring(b.hook, intake.Signed, bodies...)
		one.Ring(b.conn.ID)
		two.Ring(b.conn.ID)
	}
	b.bring(b.hook, intake.Signed, about("cloud:r", "last"))
	one.Ring(b.conn.ID)
	select {
	case <-all:
	case <-time.After(time.Minute):
		b.Error("not all was applied")
	}
	cancel()
	running.Wait()
	b.same("applied", b.of("cloud:r"), append(want, "cloud:r/last"))
}

// A connection whose deliveries take long holds up no other.
func TestASlowConnectionHoldsUpNoOther(t *testing.T) {
	each(t, func(b *basin) {
		conn, err := b.store.CreateConnection(b.Context(), store.Connection{Name: "slow", Product: "cloud", AccountName: "slow"}, nil)
		b.ok(err)
		slow, fast := make(chan struct{}), make(chan struct{})
		o := b.options(b.store, b.inbox)
		o.Apply = func(ctx context.Context, c store.Connection, _ bitbucket.Event, _ graph.Cause, _ time.Time) (string, error) {
			if c.ID != conn.ID {
				close(fast)
				return "", nil
			}
			close(slow)
			<-ctx.Done()
			return "", ctx.Err()
		}
		d := intake.NewDrainer(o)
		fastConn := b.conn
		b.conn = conn
		h := b.place(graph.TypeWorkspace, "cloud:w")
		waiting := b.bring(h, intake.Signed, about("cloud:r", "1"))
		ctx, cancel := context.WithCancel(b.Context())
		done := make(chan struct{})
		go func() { d.Run(ctx); close(done) }()
		<-slow
		b.conn = fastConn
		b.bring(b.hook, intake.Signed, about("cloud:r", "2"))
		d.Ring(fastConn.ID)
		select {
		case <-fast:
		case <-time.After(time.Minute):
			b.Error("it waits for the slow one")
		}
		cancel()
		<-done
		b.same("what was not finished", b.state(waiting[0]), "new: ")
	})
}

func TestScope(t *testing.T) {
	object := func(key string) bitbucket.Page {
		return bitbucket.Page{Objects: []graph.Object{{Entity: graph.Entity{Type: graph.TypePullRequest, Key: key}}}}
	}
	extra := func(name, value string) graph.Properties { return graph.Properties{name: value} }
	const done, out = store.DeliveryDone, store.DeliveryOutOfScope
	each(t, func(b *basin) {
		b.homes["cloud:r"], b.homes["cloud:far"] = [2]string{"cloud:p", "cloud:w"}, [2]string{"cloud:other", "cloud:elsewhere"}
		places := map[string]store.Hook{
			"workspace": b.hook, "project": b.place(graph.TypeProject, "cloud:p"), "repository": b.place(graph.TypeRepo, "cloud:r"),
			"instance": b.place("bitbucket_instance", "dc:i"),
		}
		for _, tc := range []struct {
			hook, name string
			ev         bitbucket.Event
			state      store.DeliveryState
			applied    bool // the body itself, and not only reads
		}{
			{"workspace", "its own", bitbucket.Event{Account: "cloud:w", Repository: "cloud:r", Page: object("cloud:r:pr:1")}, done, true},
			{"workspace", "a new repository", bitbucket.Event{Account: "cloud:w", Repository: "cloud:new", Page: object("cloud:new:pr:1")}, done, true},
			{"workspace", "another workspace", bitbucket.Event{Account: "cloud:x", Repository: "cloud:r"}, out, false},
			{"workspace", "a repository that is elsewhere", bitbucket.Event{Account: "cloud:w", Repository: "cloud:far", Page: object("cloud:far:pr:1")}, done, false},
			{"workspace", "an object of another repository", bitbucket.Event{Account: "cloud:w", Repository: "cloud:r", Page: object("cloud:far:pr:1")}, out, false},
			{"workspace", "a key that only begins alike", bitbucket.Event{Account: "cloud:w", Repository: "cloud:r", Page: object("cloud:r2:pr:1")}, out, false},
			{"workspace", "a short form", bitbucket.Event{Repository: "cloud:r", Page: object("cloud:r:pr:1")}, done, true},
			{"workspace", "a short form of a new one", bitbucket.Event{Repository: "cloud:new", Page: object("cloud:new:pr:1")}, done, false},
			{"workspace", "a short form of one elsewhere", bitbucket.Event{Repository: "cloud:far"}, out, false},
			{"workspace", "nothing named", bitbucket.Event{Fetch: []bitbucket.Ref{{Key: "cloud:far"}}}, out, false},
			{"workspace", "nothing named and ignored", bitbucket.Event{Ignore: "it is a build"}, done, true},
			{"workspace", "moved away", bitbucket.Event{Account: "cloud:x", Repository: "cloud:r", Extra: extra("previousAccount", "cloud:w"), Page: object("cloud:r:pr:1")}, done, false},
			{"workspace", "moved away from another", bitbucket.Event{Account: "cloud:x", Repository: "cloud:far", Extra: extra("previousAccount", "cloud:y")}, out, false},
			{"project", "its own", bitbucket.Event{Account: "cloud:w", Project: "cloud:p", Repository: "cloud:r", Page: object("cloud:r:pr:1")}, done, true},
			{"project", "the project itself", bitbucket.Event{Project: "cloud:p"}, done, true},
			{"project", "a new repository", bitbucket.Event{Project: "cloud:p", Repository: "cloud:new"}, done, true},
			{"project", "project not told", bitbucket.Event{Repository: "cloud:r", Page: object("cloud:r:pr:1")}, done, true},
			{"project", "project not told of a new one", bitbucket.Event{Repository: "cloud:new"}, out, false},
			{"project", "another project", bitbucket.Event{Project: "cloud:q", Repository: "cloud:far"}, out, false},
			{"project", "a repository that is elsewhere", bitbucket.Event{Project: "cloud:p", Repository: "cloud:far", Page: object("cloud:far:pr:1")}, done, false},
			{"project", "moved away", bitbucket.Event{Project: "cloud:q", Repository: "cloud:r", Extra: extra("previousProject", "cloud:p"), Page: object("cloud:r:pr:1")}, done, false},
			{"project", "a ping", bitbucket.Event{Ping: true}, done, true},
			{"repository", "its own", bitbucket.Event{Account: "cloud:w", Repository: "cloud:r", Page: object("cloud:r:pr:1")}, done, true},
			{"repository", "another", bitbucket.Event{Account: "cloud:w", Project: "cloud:p", Repository: "cloud:far"}, out, false},
			{"repository", "a project", bitbucket.Event{Project: "cloud:p"}, out, false},
			{"instance", "its own", bitbucket.Event{Account: "dc:i", Repository: "dc:i:repo:1", Page: object("dc:i:repo:1:pr:1")}, done, true},
			{"instance", "another", bitbucket.Event{Account: "dc:j", Repository: "dc:j:repo:1"}, out, false},
		} {
			b.events = nil
			tc.ev.Key = tc.name
			d := b.bring(places[tc.hook], intake.Signed, body(tc.ev))[0]
			b.ok(b.drain.Drain(b.Context(), b.conn.ID))
			what := tc.hook + ": " + tc.name
			got, err := b.inbox.Delivery(b.Context(), d.ID)
			b.ok(err)
			b.same(what, got.State, tc.state)
			if tc.state == out {
				b.same(what, len(b.events), 0)
				continue
			}
			if len(b.events) != 1 {
				b.Fatalf("%s: %d events applied", what, len(b.events))
			}
			ev := b.events[0]
			if tc.applied {
				b.same(what, len(ev.Page.Objects), len(tc.ev.Page.Objects))
				continue
			}
			if len(ev.Page.Objects) > 0 || len(ev.Extra) > 0 {
				b.Errorf("%s: the body was believed", what)
			}
			if len(tc.ev.Page.Objects) > 0 && (len(ev.Fetch) == 0 || ev.Fetch[len(ev.Fetch)-1].Key != tc.ev.Page.Objects[0].Entity.Key) {
				b.Errorf("%s: what it is about is not read", what)
			}
		}
	})
}

// What comes unsigned is a doorbell: it causes reads, and nothing that it claims is applied.
func TestAnUnsignedDeliveryIsADoorbell(t *testing.T) {
	each(t, func(b *basin) {
		b.bring(b.hook, intake.Unsigned, body(bitbucket.Event{
			Account: "cloud:w", Repository: "cloud:r", Actor: "cloud:user:1", Repo: bitbucket.RepoRef{Key: "cloud:r", Slug: "r", WorkspaceUUID: "w"},
			Page:   bitbucket.Page{Objects: []graph.Object{{Entity: graph.Entity{Type: graph.TypePullRequest, Key: "cloud:r:pr:1"}}}, Met: []graph.Object{{Entity: graph.Entity{Key: "cloud:user:1"}}}},
			Pushes: []bitbucket.RefChange{{Name: "main", Old: "a", New: "b"}}, Fetch: []bitbucket.Ref{{Type: graph.TypeRepo, Key: "cloud:r"}},
			Extra: graph.Properties{"comment": "lies"},
		}))
		b.ok(b.drain.Drain(b.Context(), b.conn.ID))
		b.same("what is left", b.events, []bitbucket.Event{{
			Account: "cloud:w", Repository: "cloud:r", Repo: bitbucket.RepoRef{Key: "cloud:r", Slug: "r", WorkspaceUUID: "w"},
			Fetch: []bitbucket.Ref{{Type: graph.TypeRepo, Key: "cloud:r"}, {Type: graph.TypePullRequest, Key: "cloud:r:pr:1", Workspace: "w", Slug: "r"}},
			Lists: []bitbucket.List{{Place: bitbucket.Place{Type: graph.TypeRepo, Key: "cloud:r"}, Name: bitbucket.ListBranches}},
		}})
	})
}
