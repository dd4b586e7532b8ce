package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync/atomic"
	"time"

	"github.com/windlass-hq/windlass/internal/bitbucket"
	"github.com/windlass-hq/windlass/internal/bitbucket/datacenter"
	"github.com/windlass-hq/windlass/internal/graph"
	"github.com/windlass-hq/windlass/internal/intake"
	"github.com/windlass-hq/windlass/internal/store"
	"github.com/windlass-hq/windlass/internal/sync"
)

type options struct {
	database      string
	rate, senders int
	length        time.Duration
}

// scene is one database, idle but for the deliveries or beside the writes of a full sync.
type scene struct {
	options
	name, url, folder string
	busy              bool
}

// figures are what a scene has shown.
type figures struct {
	offered, answered, refused int
	took                       time.Duration
	latencies                  []time.Duration // sorted
	drained                    int
	drainTook                  time.Duration
	written                    int64 // objects that the sync beside it wrote meanwhile
}

// measure offers deliveries to a receiver on loopback at the wanted rate, while what is stored is applied as a server
// does, and then waits until all of it is.
func (s scene) measure(ctx context.Context) (seen figures, err error) {
	if err := os.MkdirAll(s.folder, 0o700); err != nil {
		return seen, err
	}
	db, err := store.Open(ctx, store.Options{URL: s.url, Dir: s.folder, Key: make([]byte, 32), Now: time.Now, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		return seen, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	inbox, err := db.OpenInbox(ctx)
	if err != nil {
		return seen, err
	}
	defer func() { err = errors.Join(err, inbox.Close()) }()
	place, err := fill(ctx, db, fmt.Sprintf("bench-%v", s.busy))
	if err != nil {
		return seen, err
	}
	drainer := drainer(db, inbox)
	receiver := intake.New(intake.Options{
		Put: inbox.Put, Hook: db.Hook, Stored: drainer.Ring, Verified: db.VerifiedHook,
		Lost: func(context.Context, int64) error { return nil }, Now: time.Now, Log: slog.New(slog.DiscardHandler),
	})
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return seen, err
	}
	server := &http.Server{Handler: receiver, ReadHeaderTimeout: 5 * time.Second}
	go func() { _ = server.Serve(l) }() // it ends with Close
	life, end := context.WithCancel(ctx)
	var written atomic.Int64
	background := make(chan error, 2)
	go func() { drainer.Run(life); background <- nil }()
	go func() { background <- s.sync(life, db, place, &written) }()

	seen, err = offer(ctx, s.options, "http://"+l.Addr().String()+"/hooks/"+place.hook.ID, place)
	seen.written = written.Load()
	if err == nil {
		seen.drained, seen.drainTook, err = emptied(ctx, inbox, place.conn.ID, seen)
	}
	end()
	err = errors.Join(err, server.Close(), <-background, <-background)
	receiver.Close()
	return seen, err
}

// emptied waits until nothing waits to be applied, and returns how many were applied in which time, that in which they
// were offered included.
func emptied(ctx context.Context, inbox *store.Inbox, connection int64, seen figures) (int, time.Duration, error) {
	began := time.Now()
	for {
		waiting, err := inbox.Waiting(ctx)
		if err != nil || len(waiting) == 0 {
			failed, ferr := inbox.Deliveries(ctx, store.DeliveryFilter{Connection: connection, State: store.DeliveryFailed, Limit: 1})
			if len(failed) > 0 {
				ferr = fmt.Errorf("delivery %d failed: %s", failed[0].ID, failed[0].Effect)
			}
			return seen.answered, seen.took + time.Since(began), errors.Join(err, ferr)
		}
		select {
		case <-ctx.Done():
			return 0, 0, ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// drainer applies deliveries as a server does, with the engine's own code and leases in the database.
func drainer(db *store.Store, inbox *store.Inbox) *intake.Drainer {
	engine := sync.New(sync.Options{Store: db, Now: time.Now, Log: slog.New(slog.DiscardHandler)})
	return intake.NewDrainer(intake.DrainOptions{
		Inbox: inbox, Connection: db.ConnectionByID, Hook: db.Hook, Now: time.Now, Log: slog.New(slog.DiscardHandler),
		Home: func(ctx context.Context, repository string) (string, string, error) {
			row, err := db.Entity(ctx, repository, nil)
			return row.Home, sync.AccountOf(row.Entity), err
		},
		Decode: func(_ store.Connection, key string, body []byte) (bitbucket.Event, error) {
			return datacenter.Decode(instance, key, body)
		},
		Apply: func(ctx context.Context, conn store.Connection, ev bitbucket.Event, cause graph.Cause, received time.Time) (string, error) {
			applied, err := engine.Deliver(ctx, conn, ev, cause, received)
			return applied.String(), err
		},
		Exclusive: func(ctx context.Context, name string, fn func(context.Context, store.Fence) error) error {
			fence, err := db.AcquireLease(ctx, name, "bench", time.Hour)
			if err != nil {
				return err
			}
			return errors.Join(fn(ctx, fence), db.ReleaseLease(context.WithoutCancel(ctx), fence))
		},
	})
}

// sync writes pages of pull requests one after the other, as a first sync does, while the scene lasts.
func (s scene) sync(ctx context.Context, db *store.Store, p place, written *atomic.Int64) error {
	if !s.busy {
		return nil
	}
	for page := 0; ctx.Err() == nil; page++ {
		var objects []graph.Object
		for i := range 100 {
			objects = append(objects, graph.Object{Entity: graph.Entity{
				Key: fmt.Sprintf("%s:pr:%d", repo(page%repositories), 1000+page*100+i), Type: graph.TypePullRequest, Name: "other", Home: repo(page % repositories),
				Properties: graph.Properties{"id": int64(i), "name": "other", "state": "OPEN", "open": true},
			}})
		}
		_, err := db.Apply(ctx, store.Batch{
			Scope: p.scopes[page%repositories], Stream: sync.Stream(p.conn.ID), Cause: graph.Cause{Kind: "run", ID: "bench"}, Origin: "sync",
			RequestedAt: time.Now(), Objects: objects,
		})
		if err != nil && ctx.Err() == nil {
			return err
		}
		written.Add(int64(len(objects)))
	}
	return nil
}
