package job

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/windlass-hq/windlass/internal/fault"
	"github.com/windlass-hq/windlass/internal/store"
)

// ErrHeld is in the chain of what Exclusive answers when somebody else holds the lease. A worker that returns it is
// run again in a moment without having failed.
var ErrHeld = errors.New("held by another")

// ErrLost is the cause with which the context of exclusive work ends when its lease is lost.
var ErrLost = errors.New("the lease was lost")

// Exclusive runs fn while this call alone, over all processes on the database, holds the named lease. It answers
// fault.Conflict, with ErrHeld in the chain, when another holds it. The lease is renewed in the background; fn's
// context ends with the cause ErrLost when that fails for too long. Since fn may not notice that at once, it gives the
// fence to what it writes: a write with an old fence is refused by the store.
func (e *Engine) Exclusive(ctx context.Context, name string, fn func(ctx context.Context, fence store.Fence) error) error {
	held, fence, release, err := e.hold(ctx, name)
	if err != nil {
		return err
	}
	defer release()
	err = fn(held, fence)
	if err != nil && errors.Is(context.Cause(held), ErrLost) {
		return errors.Join(ErrLost, err)
	}
	return err
}

// hold acquires a lease and keeps it until release is called. The context it returns ends when the lease is lost.
func (e *Engine) hold(ctx context.Context, name string) (held context.Context, fence store.Fence, release func(), err error) {
	// Every call is a holder of its own, so that two calls of one process exclude each other too.
	holder := fmt.Sprintf("%s/%d", e.holder, e.count.Add(1))
	fence, err = e.Store.AcquireLease(ctx, name, holder, e.LeaseTTL)
	if fault.Is(err, fault.Conflict) {
		return nil, fence, nil, errors.Join(err, ErrHeld)
	}
	if err != nil {
		return nil, fence, nil, fmt.Errorf("lease %s: %w", name, err)
	}
	held, cancel := context.WithCancelCause(ctx)
	var renewing sync.WaitGroup
	renewing.Go(func() {
		if err := e.renew(held, fence); err != nil {
			e.Log.WarnContext(ctx, "a lease was lost", "lease", name, "reason", err.Error())
			cancel(ErrLost)
		}
	})
	release = sync.OnceFunc(func() {
		cancel(nil)
		renewing.Wait()
		// The lease is given back even when the work was cancelled; where that fails it runs out by itself.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), e.LeaseTTL)
		defer cancel()
		if err := e.Store.ReleaseLease(ctx, fence); err != nil && !fault.Is(err, fault.Conflict) {
			e.Log.WarnContext(ctx, "a lease could not be given back and runs out by itself", "lease", name, "reason", err.Error())
		}
	})
	return held, fence, release, nil
}

// renew keeps a lease until ctx ends. It returns an error when the lease is another's, or when no renewal has
// succeeded for as long as the lease lasts.
func (e *Engine) renew(ctx context.Context, fence store.Fence) error {
	tick := time.NewTicker(e.LeaseTTL / 3)
	defer tick.Stop()
	good := time.Now()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		limited, cancel := context.WithTimeout(ctx, e.LeaseTTL/3)
		err := e.Store.RenewLease(limited, fence, e.LeaseTTL)
		cancel()
		switch {
		case ctx.Err() != nil:
			return nil
		case err == nil:
			good = time.Now()
		case fault.Is(err, fault.Conflict) || time.Since(good) >= e.LeaseTTL:
			return err
		}
	}
}
