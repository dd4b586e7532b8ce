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
	// keptHooks bounds what is remembered of ids, real ones and guessed ones.
	keptHooks = 20000
	// verifiedEach is how often it is recorded that a hook works.
	verifiedEach = time.Minute
)

// hooks remembers hooks for a moment, so that a delivery costs no read of the database.
type hooks struct {
	*hookState
	read func(context.Context, string) (store.Hook, error)
	now  func() time.Time
}

type hookState struct {
	mu   sync.Mutex
	byID map[string]*knownHook
}

type knownHook struct {
	hook     store.Hook
	err      error
	until    time.Time
	limit    *rate.Limiter
	verified time.Time
}

func newHooks(read func(context.Context, string) (store.Hook, error), now func() time.Time) hooks {
	return hooks{hookState: &hookState{byID: map[string]*knownHook{}}, read: read, now: now}
}

func (h hooks) get(ctx context.Context, id string) (store.Hook, error) {
	h.mu.Lock()
	known := h.byID[id]
	if known != nil && h.now().Before(known.until) {
		defer h.mu.Unlock()
		return known.hook, known.err
	}
	h.mu.Unlock()
	hook, err := h.read(ctx, id)
	if err != nil && !fault.Is(err, fault.NotFound) {
		return hook, err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.byID) >= keptHooks {
		clear(h.byID)
	}
	fresh := &knownHook{hook: hook, err: err, until: h.now().Add(believedFor)}
	if known != nil {
		fresh.limit, fresh.verified = known.limit, known.verified
	}
	h.byID[id] = fresh
	return hook, err
}

// allow reports whether a hook may deliver one more now.
func (h hooks) allow(id string, now time.Time) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	known := h.byID[id]
	if known == nil {
		return true
	}
	if known.limit == nil {
		known.limit = rate.NewLimiter(perSecond, burst)
	}
	return known.limit.AllowN(now, 1)
}

// verified reports whether it is to be recorded now that a hook works.
func (h hooks) verified(id string, now time.Time) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	known := h.byID[id]
	if known == nil || now.Sub(known.verified) < verifiedEach {
		return false
	}
	known.verified = now
	return true
}
