package store

import (
	"context"
	"time"
)

// How long a slice holds the writer, and how many objects are looked at and written at a time.
const (
	slice         = 40 * time.Millisecond
	chunkSQLite   = 64
	chunkPostgres = 500
)

// Apply writes what an answer claims. What is known already is not written again; an error leaves whole objects
// behind, never half ones, and applying the batch again completes it.
func (s *Store) Apply(ctx context.Context, b Batch) (Result, error) {
	w, err := s.prepare(ctx, b, func(scope int64, claims []*claim) (map[string]int64, error) {
		return s.presenceHashes(ctx, scope, claims)
	})
	if err != nil {
		return Result{}, err
	}
	err = s.lane.apply(ctx, w)
	return w.result, s.failure(err)
}

// queue hands out claims so that what a claim refers to within the batch comes with it or before it, and one key at
// most once per chunk.
type queue struct {
	rounds [][]*claim
	byKey  map[string]*claim // of the current round
	taken  map[*claim]bool
	next   int
}

func newQueue(claims []*claim) *queue {
	q := &queue{taken: map[*claim]bool{}}
	times := map[string]int{}
	for _, c := range claims {
		n := times[c.obj.Entity.Key]
		times[c.obj.Entity.Key]++
		if n == len(q.rounds) {
			q.rounds = append(q.rounds, nil)
		}
		q.rounds[n] = append(q.rounds[n], c)
	}
	q.index()
	return q
}

func (q *queue) index() {
	q.byKey = map[string]*claim{}
	if len(q.rounds) > 0 {
		for _, c := range q.rounds[0] {
			q.byKey[c.obj.Entity.Key] = c
		}
	}
}

func (q *queue) empty() bool { return len(q.rounds) == 0 }

// take returns about n claims, more where they refer to each other.
func (q *queue) take(n int) []*claim {
	var out []*claim
	for ; q.next < len(q.rounds[0]) && len(out) < n; q.next++ {
		out = q.with(q.rounds[0][q.next], out)
	}
	if q.next >= len(q.rounds[0]) {
		q.rounds, q.next = q.rounds[1:], 0
		q.index()
	}
	return out
}

// rest returns what was not handed out yet, in order.
func (q *queue) rest() []*claim {
	var out []*claim
	for _, round := range q.rounds {
		for _, c := range round {
			if !q.taken[c] {
				out = append(out, c)
			}
		}
	}
	return out
}

// with adds a claim after everything of the batch that it refers to.
func (q *queue) with(c *claim, out []*claim) []*claim {
	if c == nil || q.taken[c] {
		return out
	}
	q.taken[c] = true
	e := &c.obj.Entity
	for _, key := range [...]string{e.Home, e.Repo, e.Project} {
		out = q.with(q.byKey[key], out)
	}
	for _, r := range c.obj.Relationships {
		out = q.with(q.byKey[r.From], out)
		out = q.with(q.byKey[r.To], out)
	}
	return append(out, c)
}

// Raw objects of the provider are read back with this.
func (s *Store) decompress(body []byte) ([]byte, error) { return s.unzip.DecodeAll(body, nil) }
