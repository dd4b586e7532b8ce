package store

import (
	"database/sql"
	"fmt"
	"slices"

	"github.com/windlass-hq/windlass/internal/graph"
)

// relID identifies a relationship.
type relID struct{ from, kind, to int64 }

// seenBy is one presence of a relationship: the object that brought it, and the scope in which it did.
type seenBy struct{ owner, scope int64 }

// edge is a relationship within a transaction. What is written follows from how it was and how it is.
type edge struct {
	relID
	was       *edge // as stored; nil for a new one
	seen      []seenBy
	validFrom int64
	props     graph.Properties
	versioned bool // the props changed in a way that makes a version
	touched   bool // the props changed
}

func (e *edge) has(by seenBy) bool {
	return slices.Contains(e.seen, by)
}

func (e *edge) drop(gone func(seenBy) bool) {
	kept := e.seen[:0:0]
	for _, s := range e.seen {
		if !gone(s) {
			kept = append(kept, s)
		}
	}
	e.seen = kept
}

// edges are the relationships that a chunk of objects touches.
type edges struct {
	g      *graphTx
	byID   map[relID]*edge
	owned  map[int64][]*edge // by any presence
	loaded map[relID]bool
	ended  map[relID]int64 // when a relationship that is not open was closed last
}

func newEdges(g *graphTx) *edges {
	return &edges{g: g, byID: map[relID]*edge{}, owned: map[int64][]*edge{}, loaded: map[relID]bool{}, ended: map[relID]int64{}}
}

func (d Dialect) edgeColumns() string {
	return `r.from_id, r.kind, r.to_id, r.owner, r.scope, r.valid_from, ` + d.JSONOut("r.props")
}

func (es *edges) add(_ int, from rowScanner) error {
	var e edge
	var first seenBy
	var props []byte
	if err := from.Scan(&e.from, &e.kind, &e.to, &first.owner, &first.scope, &e.validFrom, &props); err != nil {
		return fmt.Errorf("read a relationship: %w", err)
	}
	if _, ok := es.byID[e.relID]; ok {
		return nil
	}
	if props != nil {
		var err error
		if e.props, err = graph.ParseProperties(props); err != nil {
			return err
		}
	}
	e.seen = []seenBy{first}
	es.byID[e.relID] = &e
	return nil
}

// loadOwned reads every relationship that the owners brought, in whatever scope, with all presences.
func (es *edges) loadOwned(owners []int64) error {
	args := oneEach(owners)
	d := es.g.s.dialect
	if err := es.g.each(`SELECT `+d.edgeColumns()+` FROM rel r WHERE r.owner = $1`, args, es.add); err != nil {
		return err
	}
	err := es.g.each(`SELECT `+d.edgeColumns()+` FROM rel_presence p JOIN rel r ON r.from_id = p.from_id AND r.kind = p.kind AND r.to_id = p.to_id
		WHERE p.owner = $1`, args, es.add)
	if err != nil {
		return err
	}
	return es.complete()
}

// loadEnds reads single relationships that are claimed by an owner who did not bring them before.
func (es *edges) loadEnds(ids []relID) error {
	var args [][]any
	for _, id := range ids {
		if _, ok := es.byID[id]; !ok {
			args = append(args, []any{id.from, id.kind, id.to})
		}
	}
	err := es.g.each(`SELECT `+es.g.s.dialect.edgeColumns()+` FROM rel r WHERE r.from_id = $1 AND r.kind = $2 AND r.to_id = $3`, args, es.add)
	if err != nil {
		return err
	}
	return es.complete()
}

// loadHistory reads when relationships were closed last, so that a new version does not begin before that.
func (es *edges) loadHistory(ids []relID) error {
	args := make([][]any, len(ids))
	for i, id := range ids {
		args[i] = []any{id.from, id.kind, id.to}
	}
	err := es.g.each(`SELECT COALESCE(MAX(valid_to), 0) FROM rel_old WHERE from_id = $1 AND kind = $2 AND to_id = $3`, args,
		func(i int, from rowScanner) error {
			var at int64
			err := from.Scan(&at)
			es.ended[ids[i]] = at
			return err
		})
	if err != nil {
		return fmt.Errorf("read closed relationships: %w", err)
	}
	return nil
}

// complete reads the further presences of what was just loaded and remembers how it was.
func (es *edges) complete() error {
	var fresh []*edge
	var args [][]any
	for id, e := range es.byID {
		if !es.loaded[id] {
			es.loaded[id] = true
			fresh = append(fresh, e)
			args = append(args, []any{e.from, e.kind, e.to})
		}
	}
	err := es.g.each(`SELECT owner, scope FROM rel_presence WHERE from_id = $1 AND kind = $2 AND to_id = $3 ORDER BY owner, scope`, args,
		func(i int, from rowScanner) error {
			var s seenBy
			if err := from.Scan(&s.owner, &s.scope); err != nil {
				return fmt.Errorf("read a presence: %w", err)
			}
			fresh[i].seen = append(fresh[i].seen, s)
			return nil
		})
	if err != nil {
		return err
	}
	for _, e := range fresh {
		was := *e
		e.was = &was
		listed := map[int64]bool{}
		for _, s := range e.seen {
			if !listed[s.owner] {
				listed[s.owner] = true
				es.owned[s.owner] = append(es.owned[s.owner], e)
			}
		}
	}
	return nil
}

// make adds a relationship that is not stored.
func (es *edges) make(id relID, by seenBy, at int64) *edge {
	e := &edge{relID: id, seen: []seenBy{by}, validFrom: max(at, es.ended[id]), props: graph.Properties{}}
	es.byID[id], es.loaded[id] = e, true
	es.owned[by.owner] = append(es.owned[by.owner], e)
	return e
}

func oneEach(ids []int64) [][]any {
	out := make([][]any, len(ids))
	for i, id := range ids {
		out[i] = []any{id}
	}
	return out
}

var (
	relTable = table{
		name: "rel", columns: []string{"from_id", "kind", "to_id", "owner", "scope", "valid_from", "props"}, json: map[string]bool{"props": true},
	}
	relPresenceTable = table{name: "rel_presence", columns: []string{"from_id", "kind", "to_id", "owner", "scope"}}
)

const archiveRel = `INSERT INTO rel_old (from_id, kind, to_id, owner, valid_from, valid_to, reason, props)
	SELECT from_id, kind, to_id, owner, valid_from, CAST($4 AS BIGINT), CAST($5 AS TEXT), props FROM rel WHERE from_id = $1 AND kind = $2 AND to_id = $3`

// flush writes what became of the relationships. reason is that of edges which lost their last presence.
func (es *edges) flush(reason graph.Reason) error {
	d := es.g.s.dialect
	var archive, remove, update, insert, addSeen, dropSeen [][]any
	for _, e := range es.byID {
		id := []any{e.from, e.kind, e.to}
		switch {
		case e.was == nil && len(e.seen) == 0: // came and went within the chunk
			continue
		case e.was == nil:
			insert = append(insert, []any{e.from, e.kind, e.to, e.seen[0].owner, e.seen[0].scope, e.validFrom, d.optionalJSON(e.props)})
			for _, s := range e.seen[1:] {
				addSeen = append(addSeen, []any{e.from, e.kind, e.to, s.owner, s.scope})
			}
			continue
		case len(e.seen) == 0:
			archive = append(archive, append(id, max(es.g.at, e.was.validFrom+1), string(reason)))
			remove = append(remove, id)
			for _, s := range e.was.seen[1:] {
				dropSeen = append(dropSeen, []any{e.from, e.kind, e.to, s.owner, s.scope})
			}
			continue
		}
		if e.versioned {
			e.validFrom = max(es.g.at, e.was.validFrom+1)
			archive = append(archive, append([]any{e.from, e.kind, e.to}, e.validFrom, "updated"))
		}
		if e.touched || e.versioned || e.seen[0] != e.was.seen[0] {
			update = append(update, []any{e.from, e.kind, e.to, e.seen[0].owner, e.seen[0].scope, e.validFrom, d.optionalJSON(e.props)})
		}
		before := &edge{seen: e.was.seen[1:]}
		after := &edge{seen: e.seen[1:]}
		for _, s := range before.seen {
			if !after.has(s) {
				dropSeen = append(dropSeen, []any{e.from, e.kind, e.to, s.owner, s.scope})
			}
		}
		for _, s := range after.seen {
			if !before.has(s) {
				addSeen = append(addSeen, []any{e.from, e.kind, e.to, s.owner, s.scope})
			}
		}
	}
	for _, step := range []struct {
		query string
		args  [][]any
	}{
		{archiveRel, archive},
		{`DELETE FROM rel_presence WHERE from_id = $1 AND kind = $2 AND to_id = $3 AND owner = $4 AND scope = $5`, dropSeen},
		{`DELETE FROM rel WHERE from_id = $1 AND kind = $2 AND to_id = $3`, remove},
		{`UPDATE rel SET owner = $4, scope = $5, valid_from = $6, props = ` + d.JSONIn("$7") + ` WHERE from_id = $1 AND kind = $2 AND to_id = $3`, update},
	} {
		if err := es.g.exec(step.query, step.args); err != nil {
			return fmt.Errorf("write relationships: %w", err)
		}
	}
	if err := es.g.insert(relTable, insert); err != nil {
		return fmt.Errorf("add relationships: %w", err)
	}
	if err := es.g.insert(relPresenceTable, addSeen); err != nil {
		return fmt.Errorf("add presences of relationships: %w", err)
	}
	return nil
}

// change describes what happened to the edge, in keys.
func (g *graphTx) change(op graph.Op, e *edge, keys map[int64]string) (graph.EdgeChange, error) {
	name, err := g.verbOf(e.kind)
	if err != nil {
		return graph.EdgeChange{}, err
	}
	c := graph.EdgeChange{Op: op, Verb: name.verb}
	if c.From, err = g.keyOf(e.from, keys); err != nil {
		return c, err
	}
	c.To, err = g.keyOf(e.to, keys)
	return c, err
}

// keyOf returns the key of an entity that is or was open.
func (g *graphTx) keyOf(id int64, keys map[int64]string) (string, error) {
	if k, ok := keys[id]; ok {
		return k, nil
	}
	var key sql.NullString
	err := g.tx.QueryRowContext(g.ctx, `SELECT COALESCE((SELECT key FROM entity WHERE id = $1), (SELECT key FROM entity_old WHERE id = $1 ORDER BY valid_from DESC LIMIT 1))`, id).Scan(&key)
	if err != nil {
		return "", fmt.Errorf("key of entity %d: %w", id, err)
	}
	keys[id] = key.String
	return key.String, nil
}
