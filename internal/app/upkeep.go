package app

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"time"

	"github.com/windlass-hq/windlass/internal/fault"
	"github.com/windlass-hq/windlass/internal/job"
)

const (
	upkeepWork  = "upkeep" // the row of work
	upkeepEvery = "24h"    // an interval of package job
	sizesFact   = "database_sizes"
	sizesKept   = 32 // about a month
)

// upkeep is what a server does once a day without being asked: it notes how large the database is, and removes old deliveries and history.
type upkeep struct{ history }

// size is how large the database was at a moment.
type size struct {
	At    time.Time `json:"at"`
	Bytes int64     `json:"bytes"`
}

func (u upkeep) worker() job.Worker {
	return job.Worker{Kind: upkeepWork, Pattern: upkeepWork, Background: true, Priority: 4, Work: u.work}
}

func (u upkeep) work(ctx context.Context, _ job.Task) error {
	if err := u.measure(ctx); err != nil {
		return verdict(ctx, err)
	}
	if err := (deliveries{u.app}).prune(ctx); err != nil {
		return verdict(ctx, err)
	}
	before, forever, err := u.limit()
	if err != nil || forever {
		return verdict(ctx, err)
	}
	p, err := u.do(ctx, before, false)
	if err == nil && p.Versions+p.Relationships+p.Changes > 0 {
		u.app.Log.InfoContext(ctx, "purged history", "before", before, "versions", p.Versions, "relationships", p.Relationships,
			"changes", p.Changes, "held", p.Held)
	}
	return verdict(ctx, err)
}

// schedule adds the upkeep to what else runs by the clock.
func (u upkeep) schedule(others func(context.Context) ([]job.Entry, error)) func(context.Context) ([]job.Entry, error) {
	return func(ctx context.Context) ([]job.Entry, error) {
		entries, err := others(ctx)
		if err != nil {
			return nil, err
		}
		e := job.Entry{Work: upkeepWork, Interval: upkeepEvery, Seed: u.app.store.Instance() + "/upkeep"}
		sizes, err := u.sizes(ctx)
		if err != nil {
			return nil, err
		}
		if n := len(sizes); n > 0 {
			e.Last = sizes[n-1].At
		}
		return append(entries, e), nil
	}
}

// sizes returns how large the database was, oldest first.
func (u upkeep) sizes(ctx context.Context) ([]size, error) {
	text, err := u.app.store.Meta(ctx, sizesFact)
	if fault.Is(err, fault.NotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var out []size
	if err := json.Unmarshal([]byte(text), &out); err != nil {
		return nil, fmt.Errorf("read how large the database was: %w", err)
	}
	return out, nil
}

// measure notes how large the database is.
func (u upkeep) measure(ctx context.Context) error {
	sizes, err := u.sizes(ctx)
	if err != nil {
		return err
	}
	n, err := u.app.store.Size(ctx)
	if err != nil {
		return err
	}
	sizes = append(sizes, size{At: u.app.Now().UTC(), Bytes: n})
	sizes = sizes[max(0, len(sizes)-sizesKept):]
	text, err := json.Marshal(sizes)
	if err != nil {
		return fmt.Errorf("note how large the database is: %w", err)
	}
	return u.app.store.Write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		return u.app.store.SetMeta(ctx, tx, sizesFact, string(text))
	})
}

// growth is how many bytes a day the database has grown by since the oldest note, and over how many days.
func growth(sizes []size, bytes int64, now time.Time) (perDay int64, days float64, ok bool) {
	if len(sizes) == 0 {
		return 0, 0, false
	}
	days = now.Sub(sizes[0].At).Hours() / 24
	if days < 1 {
		return 0, 0, false
	}
	return int64(float64(bytes-sizes[0].Bytes) / days), days, true
}
