package app

import (
	"context"
	"database/sql"
	"net/http"
	"strings"
	"time"

	"github.com/windlass-hq/windlass/internal/bitbucket"
	"github.com/windlass-hq/windlass/internal/bitbucket/cloud"
	"github.com/windlass-hq/windlass/internal/bitbucket/datacenter"
	"github.com/windlass-hq/windlass/internal/fault"
	"github.com/windlass-hq/windlass/internal/graph"
	"github.com/windlass-hq/windlass/internal/intake"
	"github.com/windlass-hq/windlass/internal/store"
	"github.com/windlass-hq/windlass/internal/sync"
)

// hooksPath is where webhooks deliver to.
const hooksPath = "/hooks/"

// openIntake opens the inbox and builds what takes deliveries in and applies them.
func (a *App) openIntake(ctx context.Context) error {
	inbox, err := a.store.OpenInbox(ctx)
	if err != nil {
		return err
	}
	a.inbox = inbox
	a.onStop("inbox", func(context.Context) error { return inbox.Close() })
	a.drainer = intake.NewDrainer(intake.DrainOptions{
		Inbox: inbox, Connection: a.store.ConnectionByID, Hook: a.store.Hook, Home: a.homeOf, Decode: decode,
		Apply: a.applyDelivery, Exclusive: a.jobs.Exclusive, Now: a.Now, Log: a.Log,
	})
	return nil
}

// startIntake takes deliveries in and applies them until the app stops.
func (a *App) startIntake() {
	a.receiver = intake.New(intake.Options{
		Put: a.inbox.Put, Hook: a.store.Hook, Stored: a.drainer.Ring, Verified: a.store.VerifiedHook, Lost: a.relist, Now: a.Now, Log: a.Log,
	})
	life, end := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { a.drainer.Run(life); close(done) }()
	a.onStop("drain", func(ctx context.Context) error {
		end()
		select {
		case <-done:
			return nil
		case <-ctx.Done():
			return fault.New(fault.Internal, "deliveries are still being applied").With("they are kept; the next start goes on with them")
		}
	})
	a.onStop("intake", func(context.Context) error { a.receiver.Close(); return nil })
}

// entrance lets webhooks in beside everything else. They pass no check that is meant for browsers.
func (a *App) entrance(rest http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, hooksPath) {
			a.receiver.ServeHTTP(w, r)
			return
		}
		rest.ServeHTTP(w, r)
	})
}

// relist has a connection listed again of which deliveries were lost.
func (a *App) relist(ctx context.Context, connection int64) error {
	return a.store.Write(ctx, func(ctx context.Context, tx *sql.Tx) error { return a.jobs.Ring(ctx, tx, sync.SyncWork(connection)) })
}

// homeOf returns the project and the workspace or instance of a repository; empty where it is not known.
func (a *App) homeOf(ctx context.Context, repository string) (project, account string, err error) {
	row, err := a.store.Entity(ctx, repository, nil)
	if fault.Is(err, fault.NotFound) {
		return "", "", nil
	}
	return row.Home, sync.AccountOf(row.Entity), err
}

func decode(conn store.Connection, key string, body []byte) (bitbucket.Event, error) {
	if bitbucket.Product(conn.Product) == bitbucket.DataCenter {
		return datacenter.Decode(conn.Settings["instance"], key, body)
	}
	return cloud.Decode(key, body)
}

func (a *App) applyDelivery(ctx context.Context, conn store.Connection, ev bitbucket.Event, cause graph.Cause, received time.Time) (string, error) {
	applied, err := a.sync.Deliver(ctx, conn, ev, cause, received)
	return applied.String(), err
}

// workLive reads what deliveries have made necessary.
func (a *App) workLive(ctx context.Context, conn store.Connection) (done bool, err error) {
	forgone, err := a.forgone(ctx, conn)
	if err != nil {
		return false, err
	}
	return a.sync.Live(ctx, conn.Name, slice, forgone)
}
