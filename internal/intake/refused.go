package intake

import (
	"maps"
	"net/http"
	"slices"
	"sync"
	"time"
)

// refusedKept is how many refused requests are remembered.
const refusedKept = 100

// Refusal is a request that was refused. Nothing of its body is kept, and of its headers only what they say of the
// event.
type Refusal struct {
	At     time.Time
	Remote string // address it came from
	Hook   string // beginning of the id it asked for
	Event  string
	Size   int64 // as it was announced; -1 where it was not
	Status int
	Why    string
}

type refusals struct {
	mu    sync.Mutex
	last  []Refusal
	count map[string]int64 // by why
}

func (r *refusals) add(at time.Time, req *http.Request, hook string, status int, why string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.count[why]++
	if len(r.last) == refusedKept {
		r.last = slices.Delete(r.last, 0, 1)
	}
	hook, event := printable(hook), printable(req.Header.Get("X-Event-Key"))
	r.last = append(r.last, Refusal{
		At: at, Remote: req.RemoteAddr, Hook: hook[:min(len(hook), 8)], Event: event[:min(len(event), 80)], Size: req.ContentLength, Status: status, Why: why,
	})
}

// Refused returns the requests that were refused last, the newest first, and how many there were by reason.
func (r *Receiver) Refused() ([]Refusal, map[string]int64) {
	r.refused.mu.Lock()
	defer r.refused.mu.Unlock()
	last := slices.Clone(r.refused.last)
	slices.Reverse(last)
	return last, maps.Clone(r.refused.count)
}
