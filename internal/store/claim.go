package store

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/windlass-hq/windlass/internal/graph"
)

// Batch is what one answer of the provider claims. It is applied in slices of a few hundredths of a second; a slice
// never ends inside an object.
type Batch struct {
	Scope       int64
	Stream      string // empty for the stream of the scope's connection
	Cause       graph.Cause
	Origin      string
	Depth       int
	RequestedAt time.Time // when the request was sent; zero for now
	Fence       *Fence    // nil for none
	Began       time.Time // when the run began that this belongs to: what it created or updated before is not counted again
	Objects     []graph.Object
	Met         []graph.Object // applied after Objects, under the connection's scope for what is met
}

// Result counts entities by what became of them.
type Result struct {
	Created   int
	Updated   int // made a version, or relationships of theirs changed
	Refreshed int // current-only properties were overwritten, or the same run had counted it before
	Deleted   int
	Hidden    int // closed as not visible
	Withdrawn int
	Unchanged int
	Stale     int      // dropped, as something newer is known
	Dangling  []string // keys of relationships left out because an end is unknown, and of unknown homes
}

// Add adds another result.
func (r *Result) Add(o Result) {
	r.Created += o.Created
	r.Updated += o.Updated
	r.Refreshed += o.Refreshed
	r.Deleted += o.Deleted
	r.Hidden += o.Hidden
	r.Withdrawn += o.Withdrawn
	r.Unchanged += o.Unchanged
	r.Stale += o.Stale
	r.Dangling = append(r.Dangling, o.Dangling...)
}

func (r *Result) closed(reason graph.Reason) {
	switch reason {
	case graph.Deleted:
		r.Deleted++
	case graph.NotVisible:
		r.Hidden++
	default:
		r.Withdrawn++
	}
}

// claim is one object on its way into the graph.
type claim struct {
	obj       graph.Object // normalized
	hash      int64
	scope     int64
	requested int64
	body      []byte // compressed raw object
	props     any    // Dialect.json of the properties without what is none; the writer has no time to make it
	facet     bool   // it came in a list about the entity itself; see facet.go
	aside     bool   // met in such a list
	round     int    // how many claims of the same key come before it in the batch
	stored    int64  // the hash that was stored for it: hash, or 0 if something was left out
	seen      bool   // the scope has a presence of it now
}

// write is one batch under way.
type write struct {
	author
	scope     int64
	listing   string
	conn      int64
	requested int64
	began     int64
	fence     *Fence
	claims    []*claim // those that may change something, in order
	all       []*claim // those of Objects, for the listing
	result    Result
}

// prepare normalizes and hashes the objects, drops what is known to be unchanged, and compresses the rest. known
// returns the hashes of presences that a scope has; it may leave out what it does not know.
func (s *Store) prepare(ctx context.Context, b Batch, known func(scope int64, claims []*claim) (map[string]int64, error)) (*write, error) {
	key, err := s.scopeKey(ctx, s.reader, b.Scope)
	if err != nil {
		return nil, err
	}
	w := &write{
		author: author{stream: b.Stream, cause: b.Cause, origin: b.Origin, depth: b.Depth},
		scope:  b.Scope, listing: key.Listing, conn: key.Connection, fence: b.Fence, requested: b.RequestedAt.UnixMicro(),
	}
	if w.began = math.MaxInt64; !b.Began.IsZero() {
		w.began = b.Began.UnixMicro()
	}
	if b.RequestedAt.IsZero() {
		w.requested = s.now().UnixMicro()
	}
	if w.stream == "" {
		w.stream = ConnectionStream(key.Connection)
	}
	rounds := map[string]int{}
	about := graph.CleanText(key.Parent)
	claimed := func(scope int64, objects []graph.Object) []*claim {
		out := make([]*claim, len(objects))
		for i, o := range objects {
			o = o.Normalized(s.model.derived(o.Entity.Type))
			out[i] = &claim{obj: o, hash: o.Hash(), scope: scope, requested: w.requested, round: rounds[o.Entity.Key]}
			rounds[o.Entity.Key]++
			if about != "" && o.Entity.Key == about {
				out[i].facet, out[i].aside = scope == b.Scope, scope != b.Scope
			}
		}
		return out
	}
	keep := func(scope int64, claims []*claim) error {
		hashes, err := known(scope, claims)
		if err != nil {
			return err
		}
		for _, c := range claims {
			if h, ok := hashes[c.obj.Entity.Key]; ok && h == c.hash && c.round == 0 {
				c.stored, c.seen = h, true
				w.result.Unchanged++
				continue
			}
			w.claims = append(w.claims, c)
		}
		return nil
	}
	w.all = claimed(b.Scope, b.Objects)
	if err := keep(b.Scope, w.all); err != nil {
		return nil, err
	}
	if len(b.Met) > 0 {
		met, err := s.metScope(ctx, key.Connection)
		if err != nil {
			return nil, err
		}
		if err := keep(met, claimed(met, b.Met)); err != nil {
			return nil, err
		}
	}
	for _, c := range w.claims {
		c.props = s.dialect.json(graph.Merge(nil, c.obj.Entity.Properties))
		if len(c.obj.Entity.Raw) > 0 {
			c.body = s.zip.EncodeAll(c.obj.Entity.Raw, nil)
		}
	}
	return w, nil
}

// presenceHashes reads which of the claimed keys a scope has, and with which hash.
func (s *Store) presenceHashes(ctx context.Context, scope int64, claims []*claim) (map[string]int64, error) {
	out := make(map[string]int64, len(claims))
	const most = 1000
	for len(claims) > 0 {
		n := min(most, len(claims))
		keys := make([]any, n)
		for i, c := range claims[:n] {
			keys[i] = c.obj.Entity.Key
		}
		claims = claims[n:]
		if err := s.hashesOf(ctx, scope, keys, out); err != nil {
			return nil, s.failure(fmt.Errorf("look for what is known: %w", err))
		}
	}
	return out, nil
}

func (s *Store) hashesOf(ctx context.Context, scope int64, keys []any, out map[string]int64) error {
	rows, err := s.reader.QueryContext(ctx, `SELECT e.key, CASE WHEN e.scope = $1 THEN e.hash ELSE (SELECT p.hash FROM presence p WHERE p.entity_id = e.id AND p.scope = $1) END
		FROM entity e WHERE e.key IN (`+s.dialect.KeysIn("$2")+`)`, scope, jsonList(keys))
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }() // Err below has what matters
	for rows.Next() {
		var key string
		var hash *int64
		if err := rows.Scan(&key, &hash); err != nil {
			return err
		}
		if hash != nil {
			out[key] = *hash
		}
	}
	return rows.Err()
}

func jsonList(values []any) string {
	text := graph.Properties{"": values}.AppendJSON(nil)
	return string(text[len(`{"":`) : len(text)-1])
}
