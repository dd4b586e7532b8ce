package sync_test

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/windlass-hq/windlass/internal/bitbucket"
	"github.com/windlass-hq/windlass/internal/bitbucket/sandbox"
	"github.com/windlass-hq/windlass/internal/store"
	"github.com/windlass-hq/windlass/internal/store/storetest"
	"github.com/windlass-hq/windlass/internal/sync"
)

func TestMain(m *testing.M) { os.Exit(storetest.Main(m)) }

// fixture is a sandbox, a store and an engine between them, with one connection called "acme".
type fixture struct {
	t       *testing.T
	store   *store.Store
	sandbox *sandbox.Sandbox
	server  *httptest.Server
	engine  *sync.Engine
	side    side
	deeds   deeds
	oracle  oracle
	limited atomic.Pointer[func(*http.Request) bool] // which requests are answered 429, beyond what the sandbox does
	broken  atomic.Pointer[func(*http.Request) bool] // which requests are answered 500
	ahead   atomic.Int64                             // nanoseconds by which everything here is ahead of the clock on the wall

	settings bool // read what administrators set too; the tests of everything else leave it out
}

// contentOnly reads everything but settings.
type contentOnly struct{ sync.Reader }

func (contentOnly) Settings(bitbucket.Place) []sync.Listing { return nil }

// now is the time of the sandbox, the clients, the engine and the store alike. Whoever sleeps sets it forward.
func (f *fixture) now() time.Time { return time.Now().Add(time.Duration(f.ahead.Load())) }

func (f *fixture) sleep(ctx context.Context, d time.Duration) error {
	f.ahead.Add(int64(d))
	return ctx.Err()
}

// side is one Bitbucket to run the suite against: a product, in a version.
type side interface {
	fmt.Stringer
	product() string
	prepare(o *sandbox.Options)
	settings() map[string]string
	credential() store.Credential                 // sees everything
	access() store.Credential                     // sees what administrators set, groups and their members included
	plain(f *fixture) store.Credential            // sees all content and administers nothing
	narrow(f *fixture) store.Credential           // another principal, which sees one project
	revoke(s *sandbox.Sandbox, narrow bool) error // ends one of the two
	open(f *fixture, c store.Connection, credentials []bitbucket.Credential, noWait bool, onWait func(time.Time, string)) (sync.Reader, error)
	oracle(f *fixture) oracle
	deeds(s *sandbox.Sandbox) deeds
	budget(repositories int, pulls []int) int // calls that the lists need (DESIGN section 6), without a constant
	lists() string                            // prefix of the paths of pull-request lists, if not of others too
	endpoints() (pullRequests, one string)    // as the statistics name them
}

// deeds are what people do in a Bitbucket.
type deeds interface {
	DeletePullRequest(repository string, id int) error
	DeleteRepository(repository string) error
	RenameRepository(repository, name string) error
	Approve(repository string, id int, user string) error
	RequestChanges(repository string, id int, user string) error
	Merge(repository string, id int, user string) (string, error)
	Decline(repository string, id int, user, reason string) error
	OpenPullRequest(o sandbox.PullRequestSpec) (int, error)
	Grant(o sandbox.GrantSpec) error
	SetRestriction(o sandbox.RestrictionSpec) (int64, error)
	DeleteRestriction(p sandbox.Place, id int64) error
	Push(p sandbox.Push) (sandbox.Pushed, error)
	Truth() sandbox.Truth
	create(name string) error // a repository
	leave(user string) error  // the workspace or the instance
}

// each runs a test of the core suite: on both databases and on both products, Data Center in the two versions that
// are in wide use. With -short, under the race detector, each database and each product is met once.
func each(t *testing.T, o sandbox.Options, test func(t *testing.T, f *fixture)) {
	t.Helper()
	sqlite, postgres := []side{cloudSide{}, dataCenterSide{"9.4"}}, []side{dataCenterSide{"8.9"}, cloudSide{}}
	if testing.Short() {
		sqlite, postgres = sqlite[:1], postgres[:1]
	}
	on(t, storetest.SQLite, o, test, sqlite...)
	on(t, storetest.PostgreSQL, o, test, postgres...)
}

// onCloud runs a test of what only Bitbucket Cloud does.
func onCloud(t *testing.T, o sandbox.Options, test func(t *testing.T, f *fixture)) {
	t.Helper()
	on(t, storetest.SQLite, o, test, cloudSide{})
	on(t, storetest.PostgreSQL, o, test, cloudSide{})
}

func on(t *testing.T, database func(testing.TB) *storetest.Database, o sandbox.Options, test func(t *testing.T, f *fixture), sides ...side) {
	t.Helper()
	for _, side := range sides {
		db := database(t)
		t.Run(db.Name+"/"+side.String(), func(t *testing.T) {
			t.Parallel() // they wait for disks and answers more than they compute
			test(t, newFixture(t, db, o, side))
		})
	}
}

func newFixture(t *testing.T, db *storetest.Database, o sandbox.Options, side side) *fixture {
	t.Helper()
	f := &fixture{t: t, side: side}
	f.store = db.Open(t, storetest.WithNow(f.now))
	side.prepare(&o)
	o.Clock = f.now
	b, err := sandbox.New(o)
	if err != nil {
		t.Fatal(err)
	}
	f.sandbox, f.deeds = b, side.deeds(b)
	f.server = httptest.NewServer(f.gate(b.Handler()))
	t.Cleanup(func() {
		f.server.Close()
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	f.oracle = side.oracle(f)
	f.engine = sync.New(sync.Options{Store: f.store, Open: f.open, Exclusive: f.exclusive, Now: f.now, Log: slog.New(slog.DiscardHandler)})
	f.connect("acme", nil)
	return f
}

// gate refuses the requests that the test wants limited.
func (f *fixture) gate(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if limited := f.limited.Load(); limited != nil && (*limited)(r) {
			http.Error(w, "Rate limit for this resource has been exceeded", http.StatusTooManyRequests)
			return
		}
		if broken := f.broken.Load(); broken != nil && (*broken)(r) {
			http.Error(w, `{"type": "error", "error": {"message": "Something went wrong"}}`, http.StatusInternalServerError)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// connect makes a connection with the credential that sees everything.
func (f *fixture) connect(name string, settings map[string]string) store.Connection {
	f.t.Helper()
	return f.connectAs(name, settings, f.side.credential())
}

func (f *fixture) connectAs(name string, settings map[string]string, credentials ...store.Credential) store.Connection {
	f.t.Helper()
	all := f.side.settings()
	maps.Copy(all, settings)
	c, err := f.store.CreateConnection(f.t.Context(), store.Connection{Name: name, Product: f.side.product(), AccountName: name, Interval: "1h", Settings: all}, credentials)
	if err != nil {
		f.t.Fatal(err)
	}
	return c
}

func (f *fixture) open(c store.Connection, credentials []store.Credential, noWait bool, onWait func(time.Time, string)) (sync.Reader, error) {
	list := make([]bitbucket.Credential, len(credentials))
	for i, k := range credentials {
		list[i] = bitbucket.Credential{Role: bitbucket.Role(k.Role), Kind: bitbucket.Kind(k.Kind), Identity: k.Identity, Secret: bitbucket.Secret(k.Secret)}
	}
	r, err := f.side.open(f, c, list, noWait, onWait)
	if err != nil || f.settings {
		return r, err
	}
	return contentOnly{r}, nil
}

func (f *fixture) exclusive(ctx context.Context, name string, fn func(context.Context, store.Fence) error) error {
	fence, err := f.store.AcquireLease(ctx, name, "test", 1000*time.Hour)
	if err != nil {
		return err
	}
	err = fn(ctx, fence)
	if rerr := f.store.ReleaseLease(context.WithoutCancel(ctx), fence); rerr != nil {
		f.t.Errorf("release %s: %v", name, rerr)
	}
	return err
}

// sync runs the connection and expects no error and the given status.
func (f *fixture) sync(o sync.RunOptions, status string) sync.Summary {
	f.t.Helper()
	o.Drain = true
	s, err := f.engine.Run(f.t.Context(), "acme", o, nil)
	if err != nil {
		f.t.Fatalf("sync: %v", err)
	}
	if s.Status != status {
		for _, sc := range s.Scopes {
			if sc.Status != "complete" {
				f.t.Logf("%s: %s: %s", sc.Title, sc.Status, sc.Reason)
			}
		}
		f.t.Fatalf("status = %s, want %s (%+v)", s.Status, status, s.Odd)
	}
	return s
}

// equal fails unless the store holds exactly what Bitbucket shows. People met only in what has gone since stay known:
// an account is not deleted because we meet it no more.
func (f *fixture) equal() {
	f.t.Helper()
	want, got := f.oracle.read(), stored(f.t, f.store)
	for key := range got.entities {
		if _, seen := want.entities[key]; !seen && strings.Contains(key, ":user:") {
			delete(got.entities, key)
		}
	}
	for _, d := range differences(got, want) {
		f.t.Error(d)
	}
	if f.t.Failed() {
		f.t.FailNow()
	}
}

func (f *fixture) must(err error) {
	f.t.Helper()
	if err != nil {
		f.t.Fatal(err)
	}
}

func seeded(n uint64) *rand.Rand { return rand.New(rand.NewPCG(n, 7)) }
