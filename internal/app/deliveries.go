package app

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/windlass-hq/windlass/internal/fault"
	"github.com/windlass-hq/windlass/internal/store"
)

// deliveriesKept is how long deliveries are kept.
const deliveriesKept = 30 * 24 * time.Hour

// deliveries shows what webhooks brought; it is api.Options.Deliveries.
type deliveries struct{ *App }

// Deliveries implements api.Deliveries.
func (d deliveries) Deliveries(ctx context.Context, f store.DeliveryFilter) ([]store.Delivery, error) {
	return d.inbox.Deliveries(ctx, f)
}

// Delivery implements api.Deliveries.
func (d deliveries) Delivery(ctx context.Context, id int64) (store.Delivery, error) {
	return d.inbox.Delivery(ctx, id)
}

// Replay implements api.Deliveries. A server applies it a moment later, in order with what else waits; without one it is
// applied before this returns.
func (d deliveries) Replay(ctx context.Context, id int64) error {
	dl, err := d.inbox.Delivery(ctx, id)
	if err != nil {
		return err
	}
	if dl.State != store.DeliveryNew {
		if err := d.inbox.Replay(ctx, id); err != nil {
			return err
		}
	}
	if d.Schedules {
		d.drainer.Ring(dl.Connection)
		return nil
	}
	err = d.jobs.Exclusive(ctx, "connection/"+strconv.FormatInt(dl.Connection, 10)+"/deliver", func(ctx context.Context, _ store.Fence) error {
		return d.drainer.Drain(ctx, dl.Connection)
	})
	if fault.Is(err, fault.Conflict) { // who holds the lease applies it
		return nil
	}
	if err != nil {
		return fmt.Errorf("apply what waits: %w", err)
	}
	return nil
}

// prune removes deliveries that are older than they are kept.
func (d deliveries) prune(ctx context.Context) error {
	n, err := d.inbox.Prune(ctx, d.Now().Add(-deliveriesKept))
	if n > 0 {
		d.Log.InfoContext(ctx, "removed old deliveries", "deliveries", n)
	}
	return err
}
