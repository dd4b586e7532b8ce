package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/windlass-hq/windlass/bench/rig"
	"github.com/windlass-hq/windlass/internal/bitbucket"
	"github.com/windlass-hq/windlass/internal/bitbucket/datacenter"
	"github.com/windlass-hq/windlass/internal/bitbucket/sandbox"
	"github.com/windlass-hq/windlass/internal/fault"
	"github.com/windlass-hq/windlass/internal/store"
	engines "github.com/windlass-hq/windlass/internal/sync"
)

// A scene is an instance that behaves in some way for some time.
type scene struct {
	title   string
	length  time.Duration
	latency func(at time.Duration) time.Duration
	fails   func(at time.Duration) bool // answers 503; nil for never
}

// record is what an instance saw of requests.
type record struct {
	begun  []time.Duration // since the first list of pull requests; what came before is not noted
	most   int             // at once
	failed int
	levels []float64 // part of the configured pace, every second
	calls  int64     // as the clients count them
}

// watch notes every request, delays its answer and makes some fail.
type watch struct {
	scene
	mu      sync.Mutex
	started chan struct{} // closed at the first list of pull requests
	first   time.Time
	out     int
	record
}

func (w *watch) gate(next http.Handler) http.Handler {
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		w.mu.Lock()
		if w.first.IsZero() && strings.HasSuffix(r.URL.Path, "/pull-requests") {
			w.first = time.Now()
			close(w.started)
		}
		at := -time.Nanosecond
		if !w.first.IsZero() {
			at = time.Since(w.first)
			w.begun = append(w.begun, at)
		}
		w.out++
		w.most = max(w.most, w.out)
		fails := w.fails != nil && w.fails(at)
		if fails {
			w.failed++
		}
		w.mu.Unlock()
		defer func() {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.out--
		}()
		time.Sleep(w.latency(at))
		if fails {
			http.Error(rw, "The server is overloaded.", http.StatusServiceUnavailable)
			return
		}
		next.ServeHTTP(rw, r)
	})
}

// What the instance of a scene holds: more repositories than can be read in its time, so that it is always asked.
const (
	repositories = 300
	pullRequests = 600
)

const instance = "bench"

// measure lets two engines read one instance, each with a credential of its own, until the scene is over.
func (s scene) measure(ctx context.Context, seed uint64, pace bitbucket.Throttle) (seen record, err error) {
	w := &watch{scene: s, started: make(chan struct{})}
	r, err := rig.New(ctx, rig.Options{
		Now: time.Now, Gate: w.gate, Sandbox: sandbox.Options{Seed: seed, Repositories: repositories, PullRequests: pullRequests},
	})
	if err != nil {
		return record{}, err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	g, ctx := errgroup.WithContext(ctx)
	readers := make([]engines.Reader, 2)
	for i := range readers {
		name := fmt.Sprintf("bench-%d", i+1)
		conn := store.Connection{Name: name, Product: string(bitbucket.DataCenter), AccountName: name, Interval: "1h"}
		token := store.Credential{Kind: string(bitbucket.Token), Secret: fmt.Sprintf("sandbox-token-%d", i+2)}
		if _, err := r.Store.CreateConnection(ctx, conn, []store.Credential{token}); err != nil {
			return record{}, err
		}
		engine := r.Engine(func(conn store.Connection, credentials []bitbucket.Credential, onWait func(time.Time, string)) (engines.Reader, error) {
			c, err := datacenter.New(datacenter.Options{
				URL: r.URL + "/dc", Instance: instance, AllowHTTP: true, Connection: conn.Name, Credentials: credentials,
				Now: time.Now, Spending: r.Store, Pacer: r.Store, Throttle: pace, OnWait: onWait,
			})
			if err != nil {
				return nil, err
			}
			readers[i] = engines.DataCenter(c, nil, nil)
			return readers[i], nil
		})
		g.Go(func() error {
			_, err := engine.Run(ctx, name, engines.RunOptions{Drain: true}, nil)
			if ctx.Err() != nil && (fault.Is(err, fault.Canceled) || fault.Is(err, fault.Unavailable)) {
				return nil // the scene is over
			}
			if err == nil {
				err = fmt.Errorf("everything was read before %v had passed", s.length)
			}
			return err
		})
	}
	var levels []float64
	g.Go(func() error {
		defer cancel()
		levels = w.levels(ctx, r.Store)
		return nil
	})
	if err := g.Wait(); err != nil {
		return record{}, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.record.levels = levels
	for _, c := range readers {
		w.calls += c.Calls()
	}
	return w.record, nil
}

// levels returns at which part of the pace the instance is asked in every second, when the scene is over.
func (w *watch) levels(ctx context.Context, db *store.Store) []float64 {
	select {
	case <-w.started:
	case <-ctx.Done():
		return nil
	}
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	over := time.After(w.length)
	var all []float64
	for {
		select {
		case <-over:
			return all
		case <-ctx.Done():
			return all
		case <-tick.C:
			if l, err := db.Level(ctx, datacenter.Realm(instance)); err == nil {
				all = append(all, l)
			}
		}
	}
}
