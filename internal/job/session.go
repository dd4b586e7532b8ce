package job

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/windlass-hq/windlass/internal/store"
)

// A session works jobs under one name. Its place among the processes of a database is a lease "job/worker/{n}" with
// the first free n; its name holds n and the fence of the lease, so that it is used once only. Whoever gets the lease
// later knows that jobs which still run under that name were left behind (sweep.go).
type session struct {
	place int
	fence store.Fence
}

func placeLease(place int) string { return fmt.Sprintf("job/worker/%d", place) }

func (s session) id() string { return fmt.Sprintf("windlass-%d-%d", s.place, s.fence.Token) }

// parseSession reads the name of a session.
func parseSession(id string) (place int, token int64, ok bool) {
	n, err := fmt.Sscanf(id, "windlass-%d-%d", &place, &token)
	return place, token, n == 2 && err == nil
}

// manyPlaces is more processes than any database serves.
const manyPlaces = 1000

// session works jobs until ctx ends or the lease is lost, and calls begun once it does.
func (e *Engine) session(ctx context.Context, begun func()) error {
	s, held, release, err := e.takePlace(ctx)
	if err != nil {
		return err
	}
	defer release()
	client, free, err := e.workingClient(held, s.id())
	if err != nil {
		return fmt.Errorf("start the job engine: %w", err)
	}
	defer free()
	if err := client.Start(held); err != nil {
		return fmt.Errorf("start the job engine: %w", err)
	}
	// River stops by itself, cancelling its jobs, when held ends.
	stopped := client.Stopped()
	defer func() { <-stopped }()
	var loops sync.WaitGroup
	defer loops.Wait()
	loops.Go(func() { e.sweepLoop(held, s) })
	if e.Schedule != nil {
		loops.Go(func() { e.scheduleLoop(held) })
	}
	begun()
	<-held.Done()
	return context.Cause(held)
}

// takePlace leases the first free place.
func (e *Engine) takePlace(ctx context.Context) (session, context.Context, func(), error) {
	for n := 1; n <= manyPlaces; n++ {
		held, fence, release, err := e.hold(ctx, placeLease(n))
		if errors.Is(err, ErrHeld) {
			continue
		}
		if err != nil {
			return session{}, nil, nil, err
		}
		return session{place: n, fence: fence}, held, release, nil
	}
	return session{}, nil, nil, fmt.Errorf("more than %d processes work on this database", manyPlaces)
}
