package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"sync"

	"github.com/windlass-hq/windlass/internal/graph"
)

// Kind is a type together with its classes. A test for a type or class becomes kind IN (…) before SQL is written.
type Kind struct {
	ID      int64
	Type    string
	Classes []string
}

// RelKind is a verb between two kinds. Type is the JupiterOne style name of the relationship.
type RelKind struct {
	ID       int64
	Verb     string
	From, To int64
	Type     string
}

// kindCache holds all kinds. Rows are only ever added, so a cached one stays right; whether there are more is asked.
type kindCache struct {
	mu     sync.RWMutex
	kinds  []Kind
	rels   []RelKind
	byName map[string]int64 // type and classes → kind
	byID   map[int64]int    // kind → place in kinds
	byEnds map[relName]int64
	verbs  map[int64]string
}

type relName struct {
	verb     string
	from, to int64
}

// Kinds returns all kinds.
func (s *Store) Kinds(ctx context.Context) ([]Kind, error) {
	if err := s.refreshKinds(ctx, s.reader); err != nil {
		return nil, err
	}
	s.kinds.mu.RLock()
	defer s.kinds.mu.RUnlock()
	return append([]Kind(nil), s.kinds.kinds...), nil
}

// RelKinds returns all kinds of relationships.
func (s *Store) RelKinds(ctx context.Context) ([]RelKind, error) {
	if err := s.refreshKinds(ctx, s.reader); err != nil {
		return nil, err
	}
	s.kinds.mu.RLock()
	defer s.kinds.mu.RUnlock()
	return append([]RelKind(nil), s.kinds.rels...), nil
}

// refreshKinds reads the kinds that were added since the last time, by this process or another.
func (s *Store) refreshKinds(ctx context.Context, q querier) error {
	var kinds, rels int
	err := q.QueryRowContext(ctx, "SELECT (SELECT count(*) FROM kind), (SELECT count(*) FROM rel_kind)").Scan(&kinds, &rels)
	if err != nil {
		return s.failure(fmt.Errorf("count kinds: %w", err))
	}
	c := &s.kinds
	c.mu.RLock()
	same := len(c.kinds) == kinds && len(c.rels) == rels && c.byName != nil
	c.mu.RUnlock()
	if same {
		return nil
	}
	ks, err := collectFrom(ctx, q, scanKind, "SELECT id, type, classes FROM kind ORDER BY id")
	if err != nil {
		return s.failure(fmt.Errorf("read kinds: %w", err))
	}
	rs, err := collectFrom(ctx, q, func(row interface{ Scan(...any) error }) (RelKind, error) {
		var r RelKind
		return r, row.Scan(&r.ID, &r.Verb, &r.From, &r.To, &r.Type)
	}, "SELECT id, verb, from_kind, to_kind, type FROM rel_kind ORDER BY id")
	if err != nil {
		return s.failure(fmt.Errorf("read kinds of relationships: %w", err))
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.kinds, c.rels = ks, rs
	c.byName, c.byID = make(map[string]int64, len(ks)), make(map[int64]int, len(ks))
	for i, k := range ks {
		c.byName[kindName(k.Type, classList(k.Classes))], c.byID[k.ID] = k.ID, i
	}
	c.byEnds, c.verbs = make(map[relName]int64, len(rs)), make(map[int64]string, len(rs))
	for _, r := range rs {
		c.byEnds[relName{r.Verb, r.From, r.To}], c.verbs[r.ID] = r.ID, r.Verb
	}
	return nil
}

func scanKind(row interface{ Scan(...any) error }) (Kind, error) {
	var k Kind
	var classes string
	if err := row.Scan(&k.ID, &k.Type, &classes); err != nil {
		return k, err
	}
	return k, json.Unmarshal([]byte(classes), &k.Classes)
}

func classList(classes []string) string {
	list := make([]any, len(classes))
	for i, c := range classes {
		list[i] = c
	}
	text := graph.Properties{"": list}.AppendJSON(nil)
	return string(text[len(`{"":`) : len(text)-1])
}

func kindName(typ, classes string) string { return typ + "\x00" + classes }

// kindOf returns the kind of a type, made in this transaction where there is none.
func (g *graphTx) kindOf(typ string) (int64, error) {
	if id, ok := g.kinds[typ]; ok {
		return id, nil
	}
	classes := classList(g.s.model.classes[typ])
	g.s.kinds.mu.RLock()
	id, ok := g.s.kinds.byName[kindName(typ, classes)]
	g.s.kinds.mu.RUnlock()
	if !ok {
		err := g.tx.QueryRowContext(g.ctx, "SELECT id FROM kind WHERE type = $1 AND classes = $2", typ, classes).Scan(&id)
		if errors.Is(err, sql.ErrNoRows) {
			err = g.tx.QueryRowContext(g.ctx, `INSERT INTO kind (id, type, classes) SELECT COALESCE(MAX(id), 0) + 1, CAST($1 AS TEXT), CAST($2 AS TEXT) FROM kind RETURNING id`,
				typ, classes).Scan(&id)
		}
		if err != nil {
			return 0, fmt.Errorf("kind of %s: %w", typ, err)
		}
		g.newKinds = true
	}
	g.kinds[typ], g.types[id] = id, typ
	return id, nil
}

// typeOf returns the type of a kind that some row has.
func (g *graphTx) typeOf(kind int64) (string, error) {
	if t, ok := g.types[kind]; ok {
		return t, nil
	}
	for range 2 {
		g.s.kinds.mu.RLock()
		i, ok := g.s.kinds.byID[kind]
		var typ string
		if ok {
			typ = g.s.kinds.kinds[i].Type
		}
		g.s.kinds.mu.RUnlock()
		if ok {
			g.types[kind] = typ
			return typ, nil
		}
		if err := g.s.refreshKinds(g.ctx, g.s.reader); err != nil {
			return "", err
		}
	}
	return "", fmt.Errorf("kind %d is not in the table of kinds", kind)
}

// relKindOf returns the kind of a relationship, made in this transaction where there is none.
func (g *graphTx) relKindOf(verb string, from, to int64) (int64, error) {
	name := relName{verb, from, to}
	if id, ok := g.relKinds[name]; ok {
		return id, nil
	}
	g.s.kinds.mu.RLock()
	id, ok := g.s.kinds.byEnds[name]
	g.s.kinds.mu.RUnlock()
	if !ok {
		fromType, err := g.typeOf(from)
		if err != nil {
			return 0, err
		}
		toType, err := g.typeOf(to)
		if err != nil {
			return 0, err
		}
		err = g.tx.QueryRowContext(g.ctx, "SELECT id FROM rel_kind WHERE verb = $1 AND from_kind = $2 AND to_kind = $3", verb, from, to).Scan(&id)
		if errors.Is(err, sql.ErrNoRows) {
			err = g.tx.QueryRowContext(g.ctx, `INSERT INTO rel_kind (id, verb, from_kind, to_kind, type)
				SELECT COALESCE(MAX(id), 0) + 1, CAST($1 AS TEXT), CAST($2 AS INTEGER), CAST($3 AS INTEGER), CAST($4 AS TEXT) FROM rel_kind RETURNING id`,
				verb, from, to, graph.RelationshipType(fromType, verb, toType)).Scan(&id)
		}
		if err != nil {
			return 0, fmt.Errorf("kind of %s: %w", verb, err)
		}
		g.newKinds = true
	}
	g.relKinds[name], g.verbs[id] = id, name
	return id, nil
}

// verbOf returns verb and ends of a kind of relationship that some row has.
func (g *graphTx) verbOf(kind int64) (relName, error) {
	if v, ok := g.verbs[kind]; ok {
		return v, nil
	}
	for range 2 {
		g.s.kinds.mu.RLock()
		for _, r := range g.s.kinds.rels {
			g.verbs[r.ID] = relName{r.Verb, r.From, r.To}
		}
		g.s.kinds.mu.RUnlock()
		if v, ok := g.verbs[kind]; ok {
			return v, nil
		}
		if err := g.s.refreshKinds(g.ctx, g.s.reader); err != nil {
			return relName{}, err
		}
	}
	return relName{}, fmt.Errorf("kind of relationship %d is not in the table of kinds", kind)
}
