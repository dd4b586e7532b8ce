package store

import (
	"fmt"

	"github.com/windlass-hq/windlass/internal/graph"
)

// closeTree closes an entity and everything that has it as home, leaves first. With more descendants than the budget
// it closes only some of them and is not complete; what is left then still has its home.
func (w *withdrawal) closeTree(g *graphTx, r *row, budget int) (complete bool, closed int, err error) {
	t := &tree{g: g, budget: budget, met: map[int64]bool{}}
	if complete, err = t.gather(r.id); err != nil {
		return false, 0, fmt.Errorf("find what has %s as home: %w", r.key, err)
	}
	return complete, len(t.ids), w.close(g, t.ids)
}

// tree gathers entities in the order in which they may close: whatever has one as home comes before it.
type tree struct {
	g      *graphTx
	budget int
	ids    []int64
	met    map[int64]bool // homes in a circle end here
}

// gather adds the descendants of an entity and then itself. It reports false once the budget is spent.
func (t *tree) gather(id int64) (complete bool, err error) {
	t.met[id] = true
	var children []int64
	parents := map[int64]bool{}
	err = t.g.each(`SELECT c.id, CASE WHEN EXISTS (SELECT 1 FROM entity d WHERE d.home = c.id) THEN 1 ELSE 0 END
		FROM entity c WHERE c.home = $1 LIMIT $2`, [][]any{{id, t.budget + 1}}, func(_ int, from rowScanner) error {
		var child, parent int64
		err := from.Scan(&child, &parent)
		children, parents[child] = append(children, child), parent == 1
		return err
	})
	if err != nil {
		return false, err
	}
	for _, child := range children {
		if t.met[child] {
			continue
		}
		if len(t.ids) >= t.budget {
			return false, nil
		}
		if !parents[child] {
			t.met[child], t.ids = true, append(t.ids, child)
			continue
		}
		if complete, err := t.gather(child); err != nil || !complete {
			return false, err
		}
	}
	if len(t.ids) >= t.budget || len(children) > t.budget {
		return false, nil
	}
	t.ids = append(t.ids, id)
	return true, nil
}

// close closes entities and every relationship that touches them, set by set, and appends one change for each.
func (w *withdrawal) close(g *graphTx, ids []int64) error {
	list := make([]any, len(ids))
	args := make([][]any, len(ids))
	for i, id := range ids {
		list[i], args[i] = id, []any{id}
	}
	set, in := jsonList(list), g.s.dialect.IDsIn("$1")
	changes := make([]graph.Change, 0, len(ids))
	err := g.each(`SELECT id, key, kind, valid_from FROM entity WHERE id = $1`, args, func(_ int, from rowScanner) error {
		var kind, began int64
		c := graph.Change{Op: graph.Closed, Reason: w.reason}
		if err := from.Scan(&c.ID, &c.Key, &kind, &began); err != nil {
			return err
		}
		c.At = timeOf(max(g.at, began+1))
		c.Seq = kind // until the type is known
		changes = append(changes, c)
		return nil
	})
	if err != nil {
		return fmt.Errorf("read what closes: %w", err)
	}
	for i := range changes {
		c := &changes[i]
		if c.Type, err = g.typeOf(c.Seq); err != nil {
			return err
		}
		c.Seq = 0
		g.closed = append(g.closed, c.Key)
		w.result.closed(w.reason)
	}
	ended := func(began string) string {
		return `CASE WHEN ` + began + ` >= $2 THEN ` + began + ` + 1 ELSE CAST($2 AS BIGINT) END`
	}
	// Owners that stay are looked at again at their next claim: what they claim may come back with the other end.
	for _, side := range [...]string{"from_id", "to_id"} {
		for _, query := range [...]string{
			`UPDATE entity SET hash = 0 WHERE id IN (SELECT r.owner FROM rel r WHERE r.` + side + ` IN (` + in + `)) AND id NOT IN (` + in + `)`,
			`UPDATE presence SET hash = 0 WHERE entity_id IN (SELECT r.owner FROM rel r WHERE r.` + side + ` IN (` + in + `)) AND entity_id NOT IN (` + in + `)`,
			`UPDATE entity SET hash = 0 WHERE id IN (SELECT p.owner FROM rel_presence p WHERE p.` + side + ` IN (` + in + `)) AND id NOT IN (` + in + `)`,
			`UPDATE presence SET hash = 0 WHERE entity_id IN (SELECT p.owner FROM rel_presence p WHERE p.` + side + ` IN (` + in + `)) AND entity_id NOT IN (` + in + `)`,
		} {
			if err := g.exec(query, [][]any{{set}}); err != nil {
				return fmt.Errorf("mark what loses a relationship: %w", err)
			}
		}
		if err := g.exec(`INSERT INTO rel_old (from_id, kind, to_id, owner, valid_from, valid_to, reason, props)
			SELECT from_id, kind, to_id, owner, valid_from, `+ended("valid_from")+`, CAST($3 AS TEXT), props FROM rel WHERE `+side+` IN (`+in+`)`,
			[][]any{{set, g.at, string(w.reason)}}); err != nil {
			return fmt.Errorf("close relationships: %w", err)
		}
		for _, table := range [...]string{"rel_presence", "rel"} {
			if err := g.exec(`DELETE FROM `+table+` WHERE `+side+` IN (`+in+`)`, [][]any{{set}}); err != nil {
				return fmt.Errorf("close relationships: %w", err)
			}
		}
	}
	if err := g.exec(`INSERT INTO entity_old (id, key, kind, valid_from, valid_to, version, written_at, revision, home, repo, project, source,
			state, approved, created_on, updated_on, reason, cause, name, props)
		SELECT id, key, kind, valid_from, `+ended("valid_from")+`, version, CAST($3 AS BIGINT), revision, home, repo, project, source,
			state, approved, created_on, updated_on, CAST($4 AS TEXT), CAST($5 AS TEXT), name, props FROM entity WHERE id IN (`+in+`)`,
		[][]any{{set, g.at, w.requested, string(w.reason), causeText(w.cause)}}); err != nil {
		return fmt.Errorf("close entities: %w", err)
	}
	for _, query := range [...]string{`DELETE FROM presence WHERE entity_id IN (` + in + `)`, `DELETE FROM entity WHERE id IN (` + in + `)`} {
		if err := g.exec(query, [][]any{{set}}); err != nil {
			return fmt.Errorf("close entities: %w", err)
		}
	}
	return g.append(w.author, changes)
}
