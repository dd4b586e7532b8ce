package store

import (
	"context"
	"fmt"
	"time"
)

// Purgeable is what a purge up to a moment would look at.
type Purgeable struct {
	Types         map[string]int // closed versions of entities by type
	Relationships int            // closed versions of relationships
	Changes       int            // of the beginnings of streams that all readers have passed
	Held          bool           // holds are in force, which keep some or all of it
}

// PreviewPurge counts what Purge would look at, without removing anything or keeping writers waiting. What holds keep
// is counted too.
func (s *Store) PreviewPurge(ctx context.Context, before time.Time) (Purgeable, error) {
	var p Purgeable
	var err error
	if p.Types, err = s.countKinds(ctx, `SELECT kind, count(*) FROM entity_old WHERE valid_to < $1 GROUP BY kind`, before.UnixMicro()); err != nil {
		return p, err
	}
	var holds int
	for _, c := range []struct {
		what, query string
		into        *int
		args        []any
	}{
		{"relationships", `SELECT count(*) FROM rel_old WHERE valid_to < $1`, &p.Relationships, []any{before.UnixMicro()}},
		{"changes", `SELECT count(*) FROM change c JOIN stream s ON s.id = c.stream WHERE c.at < $1
			AND c.seq <= COALESCE((SELECT min(r.seq) FROM cursor r WHERE r.stream = s.id), s.next - 1)`, &p.Changes, []any{before.UnixMicro()}},
		{"holds", `SELECT count(*) FROM hold WHERE released_at IS NULL`, &holds, nil},
	} {
		if err := s.reader.QueryRowContext(ctx, c.query, c.args...).Scan(c.into); err != nil {
			return p, s.failure(fmt.Errorf("count %s that a purge would remove: %w", c.what, err))
		}
	}
	p.Held = holds > 0
	return p, nil
}
