package intake

import (
	"context"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/windlass-hq/windlass/internal/fault"
	"github.com/windlass-hq/windlass/internal/store"
)

const (
	// perSecond and burst bound one hook: more than a whole instance sends, less than what would keep the disk from others.
	perSecond = 5000
	burst     = 20000
	// keptHooks bounds what is remembered of ids that were guessed, and of hooks that could not be looked up.
	keptHooks = 20000
	// verifiedEach is how often it is recorded that a hook works.
	verifiedEach = time.Minute
)

// hooks remembers hooks for a moment, so that a delivery costs no read of the database. Ids that are none are
// remembered apart, so that guessing displaces no hook.
type hooks struct {
	read func(context.Context, string) (store.Hook, error)
	now  func() time.Time

	mu    sync.Mutex
	known map[string]*knownHook
	none  map[string]time.Time // until when an id is taken for none
}

type knownHook struct {
	hook     store.Hook
	until    time.Time
	limit    *rate.Limiter
	verified time.Time
}

func newHooks(read func(context.Context, string) (store.Hook, error), now func() time.Time) *hooks {
	return &hooks{read: read, now: now, known: map[string]*knownHook{}, none: map[string]time.Time{}}
}

// get returns a hook as it was read a moment ago, or reads it. One that was read before and cannot be read now, since
// the database does not answer, is taken as it was: whether its deliveries can be stored is another question.
func (h *hooks) get(ctx context.Context, id string) (store.Hook, error) {
	now := h.now()
	h.mu.Lock()
	known, none := h.known[id], h.none[id]
	var before store.Hook
	if known != nil {
		before = known.hook
		if now.Before(known.until) {
			h.mu.Unlock()
			return before, nil
		}
	}
	h.mu.Unlock()
	if known == nil && now.Before(none) {
		return store.Hook{}, fault.New(fault.NotFound, "there is no such hook")
	}
	hook, err := h.fresh(ctx, id)
	if err != nil && known != nil && !fault.Is(err, fault.NotFound) {
		return before, nil
	}
	return hook, err
}

// fresh reads a hook whatever is remembered of it.
func (h *hooks) fresh(ctx context.Context, id string) (store.Hook, error) {
	hook, err := h.read(ctx, id)
	if err != nil && !fault.Is(err, fault.NotFound) {
		return hook, err
	}
	until := h.now().Add(believedFor)
	h.mu.Lock()
	defer h.mu.Unlock()
	if err != nil {
		delete(h.known, id)
		if len(h.none) >= keptHooks {
			clear(h.none)
		}
		h.none[id] = until
		return hook, err
	}
	delete(h.none, id)
	known := h.known[id]
	if known == nil {
		known = &knownHook{limit: rate.NewLimiter(perSecond, burst)}
		h.known[id] = known
	}
	known.hook, known.until = hook, until
	return hook, nil
}

// allow reports whether a hook may deliver one more now.
func (h *hooks) allow(id string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	known := h.known[id]
	return known == nil || known.limit.AllowN(h.now(), 1)
}

// verified reports whether it is to be recorded now that a hook works.
func (h *hooks) verified(id string, now time.Time) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	known := h.known[id]
	if known == nil || now.Sub(known.verified) < verifiedEach {
		return false
	}
	known.verified = now
	return true
}
