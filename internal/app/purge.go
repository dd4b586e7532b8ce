package app

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/windlass-hq/windlass/client"
	"github.com/windlass-hq/windlass/internal/fault"
	"github.com/windlass-hq/windlass/internal/job"
	"github.com/windlass-hq/windlass/internal/store"
)

const (
	purgeLease = "history/purge"
	purgeFact  = "history_purged" // in meta: what the newest purge removed
	purgeSlice = 45 * time.Second // of a purge that somebody waits for: an answer has two minutes
)

// history looks after how far back the graph can be read; it is api.Options.History, and the daily purge.
type history struct{ app *App }

// Retention implements api.History.
func (h history) Retention(ctx context.Context) (client.Retention, error) {
	out := client.Retention{Kept: h.app.Config.HistoryRetention}
	before, forever, err := h.limit()
	if err != nil {
		return out, err
	}
	if !forever {
		out.Before = &before
	}
	from, err := h.app.store.HistoryFrom(ctx)
	if err != nil {
		return out, err
	}
	if !from.IsZero() {
		out.From = &from
	}
	out.LastPurge, err = h.last(ctx)
	return out, err
}

// limit is the moment before which history may go.
func (h history) limit() (before time.Time, forever bool, err error) {
	age, forever, err := h.app.Config.Retention()
	return h.app.Now().Add(-age).UTC().Truncate(time.Microsecond), forever, err
}

// last returns what the newest purge removed; nil where there was none.
func (h history) last(ctx context.Context) (*client.Purged, error) {
	text, err := h.app.store.Meta(ctx, purgeFact)
	if fault.Is(err, fault.NotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var p client.Purged
	if err := json.Unmarshal([]byte(text), &p); err != nil {
		return nil, fmt.Errorf("read what was purged last: %w", err)
	}
	return &p, nil
}

// Purge implements api.History. Nothing is removed before the retention age, whoever asks.
func (h history) Purge(ctx context.Context, before *time.Time, dry bool) (client.Purged, error) {
	limit, forever, err := h.limit()
	switch {
	case err != nil:
		return client.Purged{}, err
	case forever:
		return client.Purged{}, fault.New(fault.Invalid, "history is kept forever, so nothing may be purged").
			With("set history-retention to a time, such as 25mo")
	case before == nil:
		before = &limit
	case before.After(limit):
		return client.Purged{}, fault.New(fault.Usage, "history is kept for %s, so nothing that ended after %s may be purged",
			h.app.Config.HistoryRetention, limit.Format(time.RFC3339)).With("give an earlier moment, or set history-retention")
	}
	slice, cancel := context.WithTimeout(ctx, purgeSlice)
	defer cancel()
	p, err := h.do(slice, *before, dry)
	if err != nil && slice.Err() != nil && ctx.Err() == nil {
		p.Unfinished = true
		return p, nil
	}
	return p, err
}

// do purges, one process at a time, and notes what went, also when it is ended in between.
func (h history) do(ctx context.Context, before time.Time, dry bool) (client.Purged, error) {
	out := client.Purged{At: h.app.Now().UTC(), Before: before, DryRun: dry}
	if dry {
		n, err := h.app.store.PreviewPurge(ctx, before)
		out.Types, out.Relationships, out.Changes, out.AtMost = n.Types, n.Relationships, n.Changes, n.Held
		for _, count := range n.Types {
			out.Versions += count
		}
		return out, err
	}
	err := h.app.jobs.Exclusive(ctx, purgeLease, func(ctx context.Context, _ store.Fence) error {
		n, err := h.app.store.Purge(ctx, before)
		out = purged(out, n)
		return errors.Join(err, h.note(context.WithoutCancel(ctx), out))
	})
	if errors.Is(err, job.ErrHeld) {
		return out, fault.Wrap(err, fault.Conflict, "a purge is under way").With("wait for it; it goes by the same retention")
	}
	return out, err
}

func (h history) note(ctx context.Context, p client.Purged) error {
	text, err := json.Marshal(p)
	if err != nil {
		return fmt.Errorf("note what was purged: %w", err)
	}
	return h.app.store.Write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		return h.app.store.SetMeta(ctx, tx, purgeFact, string(text))
	})
}

func purged(out client.Purged, n store.Purged) client.Purged {
	out.Versions, out.Relationships, out.Changes, out.Objects, out.Held, out.HeldAll = n.Versions, n.Relationships, n.Changes, n.Raw, n.Held, n.HeldAll
	return out
}
