package sync_test

import (
	"context"
	"log/slog"
	"maps"
	"math/rand/v2"
	"net/http/httptest"
	"os"
	"testing"
	"time"

	"github.com/windlass-hq/windlass/internal/bitbucket"
	"github.com/windlass-hq/windlass/internal/bitbucket/cloud"
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
	oracle  *oracle
}

// each runs a test on both databases.
func each(t *testing.T, o sandbox.Options, test func(t *testing.T, f *fixture)) {
	storetest.Each(t, func(t *testing.T, open func(...storetest.Option) *store.Store) {
		s := open(storetest.WithNow(time.Now))
		b, err := sandbox.New(o)
		if err != nil {
			t.Fatal(err)
		}
		server := httptest.NewServer(b.Handler())
		t.Cleanup(func() {
			server.Close()
			if err := b.Close(); err != nil {
				t.Error(err)
			}
		})
		f := &fixture{t: t, store: s, sandbox: b, server: server}
		f.oracle = &oracle{t: t, base: server.URL + "/cloud/2.0", token: "sandbox-cloud-token"}
		f.engine = sync.New(sync.Options{Store: s, Open: f.open, Exclusive: f.exclusive, Now: time.Now, Log: slog.New(slog.DiscardHandler)})
		f.connect("acme", nil)
		test(t, f)
	})
}

func (f *fixture) connect(name string, settings map[string]string) store.Connection {
	f.t.Helper()
	all := map[string]string{"workspaces": "acme"}
	maps.Copy(all, settings)
	c, err := f.store.CreateConnection(f.t.Context(), store.Connection{Name: name, Product: "cloud", AccountName: name, Interval: "1h", Settings: all},
		[]store.Credential{{Kind: "oauth", Identity: "sandbox-key", Secret: "sandbox-secret"}})
	if err != nil {
		f.t.Fatal(err)
	}
	return c
}

func (f *fixture) open(c store.Connection, credentials []store.Credential, noWait bool, onWait func(time.Time, string)) (sync.Reader, error) {
	o := cloud.Options{APIURL: f.server.URL + "/cloud", SiteURL: f.server.URL + "/cloud", Connection: c.Name, Now: time.Now, Version: "test", NoWait: noWait, OnWait: onWait}
	o.Sleep = func(ctx context.Context, _ time.Duration) error { return ctx.Err() } // attempts follow at once
	for _, cr := range credentials {
		o.Credentials = append(o.Credentials, bitbucket.Credential{Kind: bitbucket.Kind(cr.Kind), Identity: cr.Identity, Secret: bitbucket.Secret(cr.Secret)})
	}
	client, err := cloud.New(o)
	if err != nil {
		return nil, err
	}
	return sync.Cloud(client, []string{c.Settings["workspaces"]}, time.Now), nil
}

func (f *fixture) exclusive(ctx context.Context, name string, fn func(context.Context, store.Fence) error) error {
	fence, err := f.store.AcquireLease(ctx, name, "test", time.Minute)
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
	want, got := f.oracle.read("acme"), stored(f.t, f.store)
	for key := range got.entities {
		if _, seen := want.entities[key]; !seen && len(key) > 11 && key[:11] == "cloud:user:" {
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

// repositories returns the full names of the workspace's repositories that have pull requests, and their numbers.
func (f *fixture) repositories() (names []string, pulls map[string][]int) {
	f.t.Helper()
	pulls = map[string][]int{}
	for _, r := range f.oracle.all("/repositories/acme?pagelen=100") {
		name := "acme/" + str(r["slug"])
		names = append(names, name)
		for _, p := range f.oracle.all("/repositories/" + name + "/pullrequests?pagelen=50&state=OPEN&state=MERGED&state=DECLINED&state=SUPERSEDED") {
			pulls[name] = append(pulls[name], int(p["id"].(float64)))
		}
	}
	return names, pulls
}

func seeded(n uint64) *rand.Rand { return rand.New(rand.NewPCG(n, 7)) }
