// Package rig puts a sandbox, a database and the engine between them together in one process, for benchmarks that want
// to see every request or to own the clock.
package rig

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/windlass-hq/windlass/internal/bitbucket"
	"github.com/windlass-hq/windlass/internal/bitbucket/sandbox"
	"github.com/windlass-hq/windlass/internal/store"
	"github.com/windlass-hq/windlass/internal/sync"
)

// Options are what New needs; Now is required.
type Options struct {
	Sandbox sandbox.Options
	Now     func() time.Time                // the clock of the database and of the engines
	Gate    func(http.Handler) http.Handler // what every request goes through; nil for nothing
}

// Rig is a sandbox that is served on loopback, and an empty SQLite database.
type Rig struct {
	Sandbox *sandbox.Sandbox
	Store   *store.Store
	URL     string

	now    func() time.Time
	server *http.Server
	folder string
}

// New returns a running Rig. Close ends it.
func New(ctx context.Context, o Options) (_ *Rig, err error) {
	r := &Rig{now: o.Now}
	defer func() {
		if err != nil {
			err = errors.Join(err, r.Close())
		}
	}()
	if r.folder, err = os.MkdirTemp("", "windlass-bench-"); err != nil {
		return nil, err
	}
	o.Sandbox.TempDir = r.folder
	if r.Sandbox, err = sandbox.New(o.Sandbox); err != nil {
		return nil, err
	}
	r.Store, err = store.Open(ctx, store.Options{Dir: r.folder, Key: make([]byte, 32), Now: o.Now, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		return nil, err
	}
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	handler := r.Sandbox.Handler()
	if o.Gate != nil {
		handler = o.Gate(handler)
	}
	r.URL = "http://" + l.Addr().String()
	r.server = &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = r.server.Serve(l) }() // it ends with Close
	return r, nil
}

// Close ends everything and removes what was written.
func (r *Rig) Close() error {
	var errs []error
	if r.server != nil {
		errs = append(errs, r.server.Close())
	}
	if r.Store != nil {
		errs = append(errs, r.Store.Close())
	}
	if r.Sandbox != nil {
		errs = append(errs, r.Sandbox.Close())
	}
	if r.folder != "" {
		errs = append(errs, os.RemoveAll(r.folder))
	}
	return errors.Join(errs...)
}

// Opening makes the reader of a connection.
type Opening func(conn store.Connection, credentials []bitbucket.Credential, onWait func(time.Time, string)) (sync.Reader, error)

// Engine returns an engine on the rig's database that opens connections in its own way. Several stand for several
// processes: nothing but the database is between them.
func (r *Rig) Engine(open Opening) *sync.Engine {
	return sync.New(sync.Options{
		Store: r.Store, Now: r.now, Log: slog.New(slog.DiscardHandler), Exclusive: r.exclusive,
		Open: func(conn store.Connection, credentials []store.Credential, _ bool, onWait func(time.Time, string)) (sync.Reader, error) {
			list := make([]bitbucket.Credential, len(credentials))
			for i, k := range credentials {
				list[i] = bitbucket.Credential{Kind: bitbucket.Kind(k.Kind), Identity: k.Identity, Secret: bitbucket.Secret(k.Secret)}
			}
			return open(conn, list, onWait)
		},
	})
}

// forever is longer than any benchmark, on whatever clock.
const forever = 10_000 * time.Hour

func (r *Rig) exclusive(ctx context.Context, name string, fn func(context.Context, store.Fence) error) error {
	fence, err := r.Store.AcquireLease(ctx, name, "bench", forever)
	if err != nil {
		return err
	}
	return errors.Join(fn(ctx, fence), r.Store.ReleaseLease(context.WithoutCancel(ctx), fence))
}
