package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/windlass-hq/windlass/bench/rig"
	"github.com/windlass-hq/windlass/internal/bitbucket"
	"github.com/windlass-hq/windlass/internal/bitbucket/cloud"
	"github.com/windlass-hq/windlass/internal/bitbucket/sandbox"
	"github.com/windlass-hq/windlass/internal/store"
	"github.com/windlass-hq/windlass/internal/sync"
)

// A workspace is what is to be read, and how many calls an hour every consumer has for it.
type workspace struct {
	repositories, pullRequests, allowance int
	seed                                  uint64
}

// figures is what one full read took.
type figures struct {
	workspace
	consumers  int
	stated     bool
	calls      int // that were answered
	refused    int
	byConsumer []int
	hours      float64
	took       time.Duration // on the machine's clock
}

// ideal is how many hours the calls take when a share of all allowances is spent evenly.
func (f figures) ideal(share float64) float64 {
	return float64(f.calls) / (float64(f.allowance*f.consumers) * share)
}

// soonest is how many hours pass until the last call may be made when everything is asked as soon as a rolling hour
// has room for it.
func (f figures) soonest(share float64) float64 {
	perHour := int(float64(f.allowance)*share) * f.consumers
	return float64(max(f.calls-1, 0) / perHour)
}

// measure reads everything once.
func (w workspace) measure(ctx context.Context, consumers int, stated bool) (f figures, err error) {
	f = figures{workspace: w, consumers: consumers, stated: stated}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	clock := rig.NewClock(ctx)
	r, err := rig.New(ctx, rig.Options{
		Now: clock.Now, Gate: clock.Gate,
		Sandbox: sandbox.Options{
			Seed: w.seed, Repositories: w.repositories, PullRequests: w.pullRequests, Clock: clock.Now,
			RateLimit: true, Limits: sandbox.Limits{API: w.allowance},
		},
	})
	if err != nil {
		return f, err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	var credentials []store.Credential
	for i := range consumers {
		n := ""
		if i > 0 {
			n = fmt.Sprintf("-%d", i+1)
		}
		credentials = append(credentials, store.Credential{Kind: string(bitbucket.OAuth), Identity: "sandbox-key" + n, Secret: "sandbox-secret" + n})
	}
	conn := store.Connection{Name: "bench", Product: string(bitbucket.Cloud), AccountName: "bench", Interval: "1h"}
	if _, err := r.Store.CreateConnection(ctx, conn, credentials); err != nil {
		return f, err
	}
	engine := r.Engine(func(conn store.Connection, credentials []bitbucket.Credential, onWait func(time.Time, string)) (sync.Reader, error) {
		o := cloud.Options{
			APIURL: r.URL + "/cloud", SiteURL: r.URL + "/cloud", AllowHTTP: true, Connection: conn.Name, Credentials: credentials,
			Now: clock.Now, Sleep: clock.Sleep, Spending: r.Store, OnWait: onWait,
		}
		if stated {
			o.Allowance = w.allowance
		}
		c, err := cloud.New(o)
		if err != nil {
			return nil, err
		}
		return sync.Cloud(c, nil, nil, clock.Now), nil
	})
	began, started := clock.Now(), time.Now()
	sum, err := engine.Run(ctx, "bench", sync.RunOptions{Drain: true}, nil)
	if err != nil {
		return f, err
	}
	if sum.Status != "complete" {
		return f, fmt.Errorf("the run is %q, so its figures mean nothing", sum.Status)
	}
	f.hours, f.took = clock.Now().Sub(began).Hours(), time.Since(started)
	stats := r.Sandbox.Stats().Requests
	f.calls, f.refused = stats.Total-stats.Limited, stats.Limited
	for _, k := range credentials {
		f.byConsumer = append(f.byConsumer, stats.ByCredential[k.Identity])
	}
	return f, nil
}
