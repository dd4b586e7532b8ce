package job

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"
)

// lanes lets at most so many jobs into each lane. A job enters all its lanes at once or waits, so that one that waits
// for its connection does not take a place of the background from another. Who waits goes in by priority, then in the
// order of arrival, as soon as all its lanes have room.
type lanes struct {
	limits map[string]int

	mu      sync.Mutex
	busy    map[string]int
	waiting []*waiter
}

type waiter struct {
	names    []string
	priority int
	admitted chan struct{}
}

// waitingRoom is how many jobs may wait at once. They are River's running jobs, so they take places in its fetch
// (fetchRoom); whoever finds the room full goes back to the queue.
const waitingRoom = 32

// errFull says that a lane is taken and the waiting room is full.
var errFull = errors.New("the lane is taken")

func newLanes(limits map[string]int) *lanes {
	l := &lanes{limits: map[string]int{Foreground: 8, Background: 2}, busy: map[string]int{}}
	maps.Copy(l.limits, limits)
	return l
}

// limit returns how many may be in a lane: what is set for its name, else for its class, else one.
func (l *lanes) limit(name string) int {
	if n, ok := l.limits[name]; ok {
		return max(n, 1)
	}
	class, _, _ := strings.Cut(name, "/")
	if n, ok := l.limits[class]; ok {
		return max(n, 1)
	}
	return 1
}

// enter waits until there is room in all the lanes, takes it, and returns how to leave.
func (l *lanes) enter(ctx context.Context, priority int, names ...string) (leave func(), err error) {
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	leave = sync.OnceFunc(func() { l.leave(names) })
	l.mu.Lock()
	if l.room(names) {
		l.take(names)
		l.mu.Unlock()
		return leave, nil
	}
	if len(l.waiting) >= waitingRoom {
		l.mu.Unlock()
		return nil, errFull
	}
	w := &waiter{names: names, priority: priority, admitted: make(chan struct{})}
	at, _ := slices.BinarySearchFunc(l.waiting, w, func(a, b *waiter) int {
		if a.priority <= b.priority {
			return -1 // behind its equals
		}
		return 1
	})
	l.waiting = slices.Insert(l.waiting, at, w)
	l.mu.Unlock()

	select {
	case <-w.admitted:
		return leave, nil
	case <-ctx.Done():
	}
	l.mu.Lock()
	i := slices.Index(l.waiting, w)
	if i >= 0 {
		l.waiting = slices.Delete(l.waiting, i, i+1)
	}
	l.mu.Unlock()
	if i < 0 { // admitted at the same moment
		leave()
	}
	return nil, context.Cause(ctx)
}

func (l *lanes) leave(names []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, n := range names {
		if l.busy[n]--; l.busy[n] <= 0 {
			delete(l.busy, n)
		}
	}
	l.waiting = slices.DeleteFunc(l.waiting, func(w *waiter) bool {
		if !l.room(w.names) {
			return false
		}
		l.take(w.names)
		close(w.admitted)
		return true
	})
}

func (l *lanes) room(names []string) bool {
	for _, n := range names {
		if l.busy[n] >= l.limit(n) {
			return false
		}
	}
	return true
}

func (l *lanes) take(names []string) {
	for _, n := range names {
		l.busy[n]++
	}
}
