package store

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
)

// end is what a relationship or a home needs to know of an open entity.
type end struct {
	id   int64
	kind int64 // 0: there is no open entity of this key
}

// endCache remembers users, repositories, projects and whatever else relationships point to, for SQLite, where this
// process is the only writer. Ids never change for a key, and a key that closes is forgotten before its transaction
// commits. Two generations bound it: when the young one is full the old one is dropped.
type endCache struct {
	mu         sync.Mutex
	young, old map[string]end
}

const endGeneration = 32_768

func newEndCache() *endCache { return &endCache{young: map[string]end{}, old: map[string]end{}} }

func (c *endCache) get(key string) (end, bool) {
	if c == nil {
		return end{}, false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if e, ok := c.young[key]; ok {
		return e, true
	}
	e, ok := c.old[key]
	if ok {
		c.put(key, e)
	}
	return e, ok
}

func (c *endCache) put(key string, e end) {
	if len(c.young) >= endGeneration {
		c.old, c.young = c.young, map[string]end{}
	}
	c.young[key] = e
}

func (c *endCache) learn(ends map[string]end) {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for k, e := range ends {
		if e.kind != 0 {
			c.put(k, e)
		}
	}
}

func (c *endCache) forget(keys []string) {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, k := range keys {
		delete(c.young, k)
		delete(c.old, k)
	}
}

// closingsCounter counts on PostgreSQL, where other servers close too, what closings counts in this process.
const closingsCounter = "closings"

// closedSoFar returns how many transactions took presences away; it is compared, never added to.
func (s *Store) closedSoFar(ctx context.Context) (int64, error) {
	if !s.dialect.postgres {
		return s.closing.count(), nil
	}
	var n int64
	err := s.reader.QueryRowContext(ctx, "SELECT coalesce(max(next), 0) FROM counter WHERE name = $1", closingsCounter).Scan(&n)
	if err != nil {
		return 0, fmt.Errorf("count closings: %w", err)
	}
	return n, nil
}

// closings counts transactions that took presences away, so that a listing under way knows that what it remembers of
// its scope may be out of date.
type closings struct{ n atomic.Int64 }

func (c *closings) happened()    { c.n.Add(1) }
func (c *closings) count() int64 { return c.n.Load() }
