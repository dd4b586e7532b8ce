package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/windlass-hq/windlass/internal/fault"
	"github.com/windlass-hq/windlass/internal/graph"
)

// RetentionHold keeps history from being purged. While it is open, nothing of its subject goes: no version of the
// entity and of whatever has it as home, repository or project, directly or further up and in any version that is
// known; no relationship that touches one of these, and no version of what it leads to; no change of theirs.
type RetentionHold struct {
	ID         int64
	Name       string
	Reason     string
	Subject    string // key of an entity; empty for everything
	CreatedBy  string
	CreatedAt  time.Time
	ReleasedAt *time.Time // nil while it is open
}

// AddHold opens a hold. It is in force when AddHold returns, also for a purge that is under way. A name is used once:
// a released hold stays as evidence. A subject that was never seen is refused, since a slip of the pen would hold
// nothing.
func (s *Store) AddHold(ctx context.Context, h RetentionHold) (RetentionHold, error) {
	h.Name, h.Reason, h.Subject = graph.CleanText(strings.TrimSpace(h.Name)), graph.CleanText(h.Reason), graph.CleanText(h.Subject)
	if h.Name == "" {
		return h, fault.New(fault.Invalid, "a hold needs a name").With("name it after the case that it is for")
	}
	h.CreatedAt, h.ReleasedAt = s.now().UTC().Truncate(time.Microsecond), nil
	// The turn of a graph writer keeps purges away until it is committed.
	g, err := s.beginGraph(ctx, nil)
	if err != nil {
		return h, s.failure(err)
	}
	if err := s.addHold(ctx, g, &h); err != nil {
		return h, s.failure(errors.Join(err, g.rollback()))
	}
	return h, s.failure(g.commit())
}

func (s *Store) addHold(ctx context.Context, g *graphTx, h *RetentionHold) error {
	var n int
	if err := g.tx.QueryRowContext(ctx, "SELECT count(*) FROM hold WHERE name = $1", h.Name).Scan(&n); err != nil {
		return fmt.Errorf("read holds: %w", err)
	}
	if n > 0 {
		return fault.New(fault.Conflict, "there is or was a hold named %q", h.Name).With("choose another name; a released hold keeps its own as evidence")
	}
	if h.Subject != "" {
		ids, err := subjectIDs(ctx, g.tx, h.Subject)
		if err != nil {
			return err
		}
		if len(ids) == 0 {
			return fault.New(fault.NotFound, "the graph never had an entity %q", h.Subject).With("give the key of an entity, or none to hold everything")
		}
	}
	var err error
	if h.ID, err = takeIDs(ctx, g.tx, "hold", 1); err != nil {
		return err
	}
	_, err = g.tx.ExecContext(ctx, `INSERT INTO hold (id, name, reason, subject, created_by, created_at) VALUES ($1, $2, $3, $4, $5, $6)`,
		h.ID, h.Name, h.Reason, h.Subject, h.CreatedBy, h.CreatedAt.UnixMicro())
	if err != nil {
		return fmt.Errorf("add a hold: %w", err)
	}
	return nil
}

// ReleaseHold ends a hold. Its row stays.
func (s *Store) ReleaseHold(ctx context.Context, name string) error {
	return s.Write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		res, err := tx.ExecContext(ctx, "UPDATE hold SET released_at = $2 WHERE name = $1 AND released_at IS NULL", graph.CleanText(name), s.now().UnixMicro())
		if err != nil {
			return fmt.Errorf("release a hold: %w", err)
		}
		return found(res, "there is no open hold named %q", name)
	})
}

// Holds returns all holds, released ones included, oldest first.
func (s *Store) Holds(ctx context.Context) ([]RetentionHold, error) {
	return collect(ctx, s, func(row interface{ Scan(...any) error }) (RetentionHold, error) {
		var h RetentionHold
		var created int64
		var released sql.NullInt64
		err := row.Scan(&h.ID, &h.Name, &h.Reason, &h.Subject, &h.CreatedBy, &created, &released)
		h.CreatedAt, h.ReleasedAt = timeOf(created), timePtr(released)
		return h, err
	}, "SELECT id, name, reason, subject, created_by, created_at, released_at FROM hold ORDER BY id")
}

// subjectIDs returns the ids that a key has, or had before it was purged and came back.
func subjectIDs(ctx context.Context, q querier, key string) ([]int64, error) {
	rows, err := q.QueryContext(ctx, "SELECT id FROM entity WHERE key = $1 UNION SELECT id FROM entity_old WHERE key = $1", key)
	if err != nil {
		return nil, fmt.Errorf("look up %s: %w", key, err)
	}
	defer func() { _ = rows.Close() }() // Err below has what matters
	var ids []int64
	for rows.Next() {
		var id int64
		if err := rows.Scan(&id); err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	return ids, rows.Err()
}

// holding answers what the open holds keep.
type holding struct {
	ctx        context.Context //nolint:containedctx // lives as long as the transaction or page that it is for
	on         querier
	dialect    Dialect
	everything bool
	subjects   map[int64]bool
	places     map[int64]bool // what is known of whatever others lie in
}

// openHolds reads the holds that are open.
func (s *Store) openHolds(ctx context.Context, on querier) (*holding, error) {
	h := &holding{ctx: ctx, on: on, dialect: s.dialect, subjects: map[int64]bool{}, places: map[int64]bool{}}
	var subjects []string
	err := h.each("SELECT subject FROM hold WHERE released_at IS NULL", func(row rowScanner) error {
		var subject string
		err := row.Scan(&subject)
		subjects = append(subjects, subject)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read holds: %w", err)
	}
	for _, subject := range subjects {
		if subject == "" {
			h.everything = true
			continue
		}
		ids, err := subjectIDs(ctx, on, subject)
		if err != nil {
			return nil, err
		}
		for _, id := range ids {
			h.subjects[id] = true
		}
	}
	return h, nil
}

func (h *holding) each(query string, scan func(rowScanner) error, args ...any) error {
	rows, err := h.on.QueryContext(h.ctx, query, args...)
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }() // Err below has what matters
	for rows.Next() {
		if err := scan(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

// none reports whether nothing is held.
func (h *holding) none() bool { return !h.everything && len(h.subjects) == 0 }

// of returns which of the entities are held.
func (h *holding) of(ids []int64) (map[int64]bool, error) {
	out := make(map[int64]bool, len(ids))
	if h.everything {
		for _, id := range ids {
			out[id] = true
		}
		return out, nil
	}
	if len(h.subjects) == 0 {
		return out, nil
	}
	// Up from the entities to all places that they ever lay in, then down again from those that are held.
	inside := map[int64][]int64{} // by place: what lies in it
	met, held := map[int64]bool{}, []int64(nil)
	next := ids
	for len(next) > 0 {
		var fresh []any
		for _, id := range next {
			if met[id] {
				continue
			}
			met[id] = true
			switch known, ok := h.places[id]; {
			case h.subjects[id] || known:
				held = append(held, id)
			case !ok:
				fresh = append(fresh, id)
			}
		}
		next = nil
		if len(fresh) == 0 {
			break
		}
		in := h.dialect.IDsIn("$1")
		err := h.each(`SELECT id, home, repo, project FROM entity WHERE id IN (`+in+`) UNION
			SELECT id, home, repo, project FROM entity_old WHERE id IN (`+in+`)`, func(row rowScanner) error {
			var id int64
			var home, repo, project sql.NullInt64
			err := row.Scan(&id, &home, &repo, &project)
			for _, place := range []sql.NullInt64{home, repo, project} {
				if place.Valid {
					inside[place.Int64] = append(inside[place.Int64], id)
					next = append(next, place.Int64)
				}
			}
			return err
		}, jsonList(fresh))
		if err != nil {
			return nil, fmt.Errorf("look for what holds keep: %w", err)
		}
	}
	for ; len(held) > 0; held = held[1:] {
		if !out[held[0]] {
			out[held[0]] = true
			held = append(held, inside[held[0]]...)
		}
	}
	for place := range inside {
		h.places[place] = out[place]
	}
	return out, nil
}

// related returns which of the entities are or were related to one that is held.
func (h *holding) related(ids []int64) (map[int64]bool, error) {
	out := map[int64]bool{}
	if len(h.subjects) == 0 {
		return out, nil
	}
	list, subjects := make([]any, len(ids)), make([]any, 0, len(h.subjects))
	for i, id := range ids {
		list[i] = id
	}
	for id := range h.subjects {
		subjects = append(subjects, id)
	}
	beside := map[int64][]int64{} // by place: what is related to something in it
	for _, rel := range [...]string{"rel", "rel_old"} {
		for _, side := range [...][2]string{{"from_id", "to_id"}, {"to_id", "from_id"}} {
			for _, entity := range [...]string{"entity", "entity_old"} {
				err := h.each(`SELECT DISTINCT r.`+side[0]+`, n.home, n.repo, n.project, CASE WHEN n.id IN (`+h.dialect.IDsIn("$2")+`) THEN 1 ELSE 0 END
					FROM `+rel+` r JOIN `+entity+` n ON n.id = r.`+side[1]+` WHERE r.`+side[0]+` IN (`+h.dialect.IDsIn("$1")+`)`, func(row rowScanner) error {
					var id, subject int64
					var places [3]sql.NullInt64
					err := row.Scan(&id, &places[0], &places[1], &places[2], &subject)
					if subject == 1 {
						out[id] = true
					}
					for _, p := range places {
						if p.Valid {
							beside[p.Int64] = append(beside[p.Int64], id)
						}
					}
					return err
				}, jsonList(list), jsonList(subjects))
				if err != nil {
					return nil, fmt.Errorf("look for what is related to what holds keep: %w", err)
				}
			}
		}
	}
	places := make([]int64, 0, len(beside))
	for p := range beside {
		places = append(places, p)
	}
	held, err := h.of(places)
	for p := range held {
		for _, id := range beside[p] {
			out[id] = true
		}
	}
	return out, err
}
