package store

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/windlass-hq/windlass/internal/fault"
)

// Purged counts what a purge removed.
type Purged struct {
	Versions      int // closed versions of entities
	Relationships int // closed versions of relationships
	Changes       int
	Raw           int  // provider objects of entities of which nothing is left
	Held          int  // rows old enough that a hold keeps
	HeldAll       bool // everything is held, so nothing was looked at
}

// How many rows a purge looks at and deletes at a time; it holds the writer for purgeSlice at most, plus one commit.
const (
	purgeRead  = 2000
	purgeWrite = 100
	purgeSlice = 20 * time.Millisecond
)

// historyFrom names the moment in meta before which history is incomplete, in microseconds.
const historyFrom = "history_from"

// HistoryFrom returns the moment before which history was purged; what it says of earlier ones is incomplete. It is
// zero where nothing ever was.
func (s *Store) HistoryFrom(ctx context.Context) (time.Time, error) {
	text, err := s.Meta(ctx, historyFrom)
	if fault.Is(err, fault.NotFound) {
		return time.Time{}, nil
	}
	if err != nil {
		return time.Time{}, err
	}
	us, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return time.Time{}, fmt.Errorf("start of the history: %w", err)
	}
	return timeOf(us), nil
}

// Purge removes versions of entities and relationships that ended before a moment, and changes from before it that
// all their readers have passed. What a hold keeps stays, and so does every open version, and the evidence: scopes,
// runs and the ledger. It works in short slices and may be ended and repeated at any time.
//
// The row that closed an entity goes like any other. It remembers the entity's id, its version number and when its
// closing was asked for (chunk.load), so a key that comes back after it has gone begins anew, with another id and
// version one. That is right: its rows and relationships of before are gone too, or belong to the old id, and no
// answer is as old as the retention age, so none can be mistaken for newer than the closing. Keys are what changes and
// readers go by. Rows are purged oldest first within a type, so the closing row goes last.
//
// What is or was related to a held entity keeps its versions too: the approver of a held pull request must be there at
// the moment of the approval.
func (s *Store) Purge(ctx context.Context, before time.Time) (Purged, error) {
	if before.After(s.now()) {
		return Purged{}, fault.New(fault.Invalid, "history up to %s cannot be purged: that is in the future", before.UTC().Format(time.RFC3339)).
			With("give a moment in the past")
	}
	p := &purge{s: s, before: before.UnixMicro()}
	var all int
	if err := s.reader.QueryRowContext(ctx, "SELECT count(*) FROM hold WHERE subject = '' AND released_at IS NULL").Scan(&all); err != nil {
		return Purged{}, s.failure(fmt.Errorf("read holds: %w", err))
	}
	if all > 0 {
		return Purged{HeldAll: true}, nil
	}
	for _, step := range []func(context.Context) error{p.relationships, p.versions, p.changes} {
		if err := step(ctx); err != nil {
			return p.done, s.failure(err)
		}
	}
	return p.done, nil
}

type purge struct {
	s      *Store
	before int64
	done   Purged
}

// eachSlice deletes rows in slices: held says which of them stay, in the transaction in which remove deletes the rest.
func eachSlice[T any](ctx context.Context, p *purge, rows []T, held func(*holding, []T) ([]bool, error), remove func(*graphTx, []T) error) error {
	for len(rows) > 0 {
		if err := p.s.yield(ctx); err != nil {
			return err
		}
		g, err := p.s.beginGraph(ctx, nil)
		if err != nil {
			return err
		}
		before := p.done
		n, err := sliceOf(p, g, rows, held, remove)
		if err != nil {
			p.done = before
			return errors.Join(err, g.rollback())
		}
		if err := g.commit(); err != nil {
			p.done = before
			return err
		}
		rows = rows[n:]
	}
	return nil
}

func sliceOf[T any](p *purge, g *graphTx, rows []T, held func(*holding, []T) ([]bool, error), remove func(*graphTx, []T) error) (n int, err error) {
	holds, err := g.s.openHolds(g.ctx, g.tx)
	if err != nil {
		return 0, err
	}
	for began := time.Now(); n < len(rows) && (n == 0 || time.Since(began) < purgeSlice); {
		part := rows[n:min(n+purgeWrite, len(rows))]
		n += len(part)
		if !holds.none() {
			keep, err := held(holds, part)
			if err != nil {
				return 0, err
			}
			var rest []T
			for i, k := range keep {
				if k {
					p.done.Held++
				} else {
					rest = append(rest, part[i])
				}
			}
			part = rest
		}
		if len(part) == 0 {
			continue
		}
		if err := remove(g, part); err != nil {
			return 0, err
		}
	}
	return n, nil
}

// mark writes that history before the moment is incomplete, in the transaction that first makes it so.
func (p *purge) mark(g *graphTx) error {
	_, err := g.tx.ExecContext(g.ctx, `INSERT INTO meta (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value
		WHERE CAST(meta.value AS BIGINT) < CAST(excluded.value AS BIGINT)`, historyFrom, strconv.FormatInt(p.before, 10))
	if err != nil {
		return fmt.Errorf("write where the history begins: %w", err)
	}
	return nil
}

// oldRel names a closed version of a relationship.
type oldRel struct{ from, kind, to, began int64 }

// relationships go through their primary key, outside the writer's turn: an index by their end would cost every
// closing more than this costs once a day.
func (p *purge) relationships(ctx context.Context) error {
	for last := (oldRel{}); ; {
		rows, err := collect(ctx, p.s, func(row interface{ Scan(...any) error }) (oldRel, error) {
			var r oldRel
			err := row.Scan(&r.from, &r.kind, &r.to, &r.began)
			return r, err
		}, `SELECT from_id, kind, to_id, valid_from FROM rel_old WHERE (from_id, kind, to_id, valid_from) > ($1, $2, $3, $4) AND valid_to < $5
			ORDER BY from_id, kind, to_id, valid_from LIMIT $6`, last.from, last.kind, last.to, last.began, p.before, purgeRead)
		if err != nil || len(rows) == 0 {
			return err
		}
		last = rows[len(rows)-1]
		err = eachSlice(ctx, p, rows, func(h *holding, part []oldRel) ([]bool, error) {
			ids := make([]int64, 0, 2*len(part))
			for _, r := range part {
				ids = append(ids, r.from, r.to)
			}
			held, err := h.of(ids)
			keep := make([]bool, len(part))
			for i, r := range part {
				keep[i] = held[r.from] || held[r.to]
			}
			return keep, err
		}, func(g *graphTx, part []oldRel) error {
			args := make([][]any, len(part))
			for i, r := range part {
				args[i] = []any{r.from, r.kind, r.to, r.began}
			}
			p.done.Relationships += len(part)
			return errors.Join(p.mark(g), g.exec(`DELETE FROM rel_old WHERE from_id = $1 AND kind = $2 AND to_id = $3 AND valid_from = $4`, args))
		})
		if err != nil {
			return fmt.Errorf("purge relationships: %w", err)
		}
	}
}

// oldRow names a closed version of an entity.
type oldRow struct{ id, began, ended int64 }

func (p *purge) versions(ctx context.Context) error {
	kinds, err := p.s.Kinds(ctx)
	if err != nil {
		return err
	}
	for _, k := range kinds {
		for last := (oldRow{}); ; {
			rows, err := collect(ctx, p.s, func(row interface{ Scan(...any) error }) (oldRow, error) {
				var r oldRow
				err := row.Scan(&r.id, &r.began, &r.ended)
				return r, err
			}, `SELECT id, valid_from, valid_to FROM entity_old WHERE kind = $1 AND valid_to < $2 AND (valid_to, valid_from, id) > ($3, $4, $5)
				ORDER BY valid_to, valid_from, id LIMIT $6`, k.ID, p.before, last.ended, last.began, last.id, purgeRead)
			if err != nil {
				return err
			}
			if len(rows) == 0 {
				break
			}
			last = rows[len(rows)-1]
			held, err := p.heldVersions(ctx, rows)
			if err != nil {
				return err
			}
			if err := eachSlice(ctx, p, rows, held, p.removeVersions); err != nil {
				return fmt.Errorf("purge versions: %w", err)
			}
		}
	}
	return nil
}

// heldVersions returns what of a page of versions is held, but for what a hold that was opened since would add: those
// are looked for when the page is deleted. What is related to held entities is looked for here, since a user of many
// pull requests takes longer than a writer's turn.
func (p *purge) heldVersions(ctx context.Context, page []oldRow) (held func(*holding, []oldRow) ([]bool, error), err error) {
	holds, err := p.s.openHolds(ctx, p.s.reader)
	if err != nil {
		return nil, err
	}
	var ids []int64
	seen := map[int64]bool{}
	for _, r := range page {
		if !seen[r.id] {
			seen[r.id], ids = true, append(ids, r.id)
		}
	}
	related, err := holds.related(ids)
	return func(now *holding, part []oldRow) ([]bool, error) {
		ids := make([]int64, len(part))
		for i, r := range part {
			ids[i] = r.id
		}
		held, err := now.of(ids)
		keep := make([]bool, len(part))
		for i, r := range part {
			keep[i] = held[r.id] || related[r.id]
		}
		return keep, err
	}, err
}

func (p *purge) removeVersions(g *graphTx, part []oldRow) error {
	args, ids := make([][]any, len(part)), make([]any, len(part))
	for i, r := range part {
		args[i], ids[i] = []any{r.id, r.began}, r.id
	}
	if err := p.mark(g); err != nil {
		return err
	}
	if err := g.exec(`DELETE FROM entity_old WHERE id = $1 AND valid_from = $2`, args); err != nil {
		return err
	}
	p.done.Versions += len(part)
	res, err := g.tx.ExecContext(g.ctx, `DELETE FROM raw WHERE entity_id IN (`+g.s.dialect.IDsIn("$1")+`)
		AND NOT EXISTS (SELECT 1 FROM entity e WHERE e.id = raw.entity_id) AND NOT EXISTS (SELECT 1 FROM entity_old o WHERE o.id = raw.entity_id)`, jsonList(ids))
	if err != nil {
		return fmt.Errorf("remove provider objects: %w", err)
	}
	n, err := res.RowsAffected()
	p.done.Raw += int(n)
	return err
}

// oldChange names a change and whose it is.
type oldChange struct{ seq, at, entity int64 }

// changes go from the beginning of each stream up to the first that is not old enough or that a reader has not passed,
// so that what is left has no gaps but for what holds keep among the oldest.
func (p *purge) changes(ctx context.Context) error {
	type stream struct{ id, passed int64 }
	streams, err := collect(ctx, p.s, func(row interface{ Scan(...any) error }) (stream, error) {
		var st stream
		err := row.Scan(&st.id, &st.passed)
		return st, err
	}, `SELECT s.id, COALESCE((SELECT min(c.seq) FROM cursor c WHERE c.stream = s.id), s.next - 1) FROM stream s ORDER BY s.id`)
	if err != nil {
		return err
	}
	for _, st := range streams {
		for last, ended := int64(0), false; !ended; {
			rows, err := collect(ctx, p.s, func(row interface{ Scan(...any) error }) (oldChange, error) {
				var c oldChange
				err := row.Scan(&c.seq, &c.at, &c.entity)
				return c, err
			}, `SELECT seq, at, entity_id FROM change WHERE stream = $1 AND seq > $2 AND seq <= $3 ORDER BY seq LIMIT $4`, st.id, last, st.passed, purgeRead)
			if err != nil {
				return err
			}
			ended = len(rows) < purgeRead
			for i, c := range rows {
				if c.at >= p.before {
					rows, ended = rows[:i], true
					break
				}
			}
			if len(rows) == 0 {
				break
			}
			last = rows[len(rows)-1].seq
			err = eachSlice(ctx, p, rows, func(h *holding, part []oldChange) ([]bool, error) {
				ids := make([]int64, len(part))
				for i, c := range part {
					ids[i] = c.entity
				}
				held, err := h.of(ids)
				keep := make([]bool, len(part))
				for i, c := range part {
					keep[i] = held[c.entity]
				}
				return keep, err
			}, func(g *graphTx, part []oldChange) error {
				args := make([][]any, len(part))
				for i, c := range part {
					args[i] = []any{st.id, c.seq}
				}
				p.done.Changes += len(part)
				return g.exec(`DELETE FROM change WHERE stream = $1 AND seq = $2`, args)
			})
			if err != nil {
				return fmt.Errorf("purge changes: %w", err)
			}
		}
	}
	return nil
}
