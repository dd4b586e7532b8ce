package storetest_test

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/windlass-hq/windlass/internal/graph"
	"github.com/windlass-hq/windlass/internal/store"
)

// reading compares what lies in the tables with the model, without the store's own code: entities whose key begins
// with prefix, rendered as the model renders them.
type reading struct {
	db       *sql.DB
	dialect  store.Dialect
	declared *graph.Model
	prefix   string
	scopes   map[int64]string // names of scopes, for people
}

func newReading(s *store.Store, prefix string) reading {
	return reading{db: s.Reader(), dialect: s.Dialect(), declared: graph.Standard(), prefix: prefix, scopes: map[int64]string{}}
}

// each runs a query and calls scan for every row.
func (r reading) each(ctx context.Context, query string, args []any, scan func(*sql.Rows) error) error {
	rows, err := r.db.QueryContext(ctx, query, args...)
	if err != nil {
		return fmt.Errorf("%w in %s", err, query)
	}
	defer rows.Close()
	for rows.Next() {
		if err := scan(rows); err != nil {
			return fmt.Errorf("%w in %s", err, query)
		}
	}
	return rows.Err()
}

// bounds returns the keys between which everything with the prefix lies.
func (r reading) bounds() []any { return []any{r.prefix, r.prefix + "\U0010ffff"} }

// ids returns all keys that ever were, by id.
func (r reading) ids(ctx context.Context) (map[int64]string, error) {
	out := map[int64]string{}
	err := r.each(ctx, `SELECT id, key FROM entity WHERE key >= $1 AND key < $2 UNION SELECT id, key FROM entity_old WHERE key >= $1 AND key < $2`,
		r.bounds(), func(rows *sql.Rows) error {
			var id int64
			var key string
			err := rows.Scan(&id, &key)
			out[id] = key
			return err
		})
	return out, err
}

// kindOf returns the types by id of kind.
func (r reading) kindOf(ctx context.Context) (map[int64]string, error) {
	out := map[int64]string{}
	err := r.each(ctx, `SELECT id, type FROM kind`, nil, func(rows *sql.Rows) error {
		var id int64
		var typ string
		err := rows.Scan(&id, &typ)
		out[id] = typ
		return err
	})
	return out, err
}

// at reads the graph as of a moment, versioned facts only; ids are those of r.ids.
func (r reading) at(ctx context.Context, when time.Time, ids map[int64]string) (state, error) {
	s := state{Entities: map[string]string{}, Edges: map[string]string{}}
	kinds, err := r.kindOf(ctx)
	if err != nil {
		return s, err
	}
	args := append(r.bounds(), when.UnixMicro())
	columns := `key, kind, name, home, source, ` + r.dialect.JSONOut("props")
	types := map[string]string{}
	err = r.each(ctx, `SELECT `+columns+` FROM entity WHERE key >= $1 AND key < $2 AND valid_from <= $3
		UNION ALL SELECT `+columns+` FROM entity_old WHERE key >= $1 AND key < $2 AND valid_from <= $3 AND valid_to > $3`, args, func(rows *sql.Rows) error {
		var key, name, source, props string
		var kind int64
		var home sql.NullInt64
		if err := rows.Scan(&key, &kind, &name, &home, &source, &props); err != nil {
			return err
		}
		if old, double := s.Entities[key]; double {
			return fmt.Errorf("two versions of %s at %s: %s and %s", key, when, old, props)
		}
		facts, err := properties(props)
		if err != nil {
			return err
		}
		t := &thing{kind: kinds[kind], name: name, source: graph.Source(source), facts: facts}
		if home.Valid {
			t.home = ids[home.Int64]
		}
		types[key] = t.kind
		s.Entities[key] = render((&world{declared: r.declared}).versioned(t))
		return nil
	})
	if err != nil {
		return s, err
	}
	// The second condition keeps relationships of other prefixes out; both ends always have the same one.
	columns = `r.from_id, k.verb, r.to_id, ` + r.dialect.JSONOut("r.props")
	mine := `r.from_id IN (SELECT id FROM entity WHERE key >= $1 AND key < $2 UNION SELECT id FROM entity_old WHERE key >= $1 AND key < $2)`
	err = r.each(ctx, `SELECT `+columns+` FROM rel r JOIN rel_kind k ON k.id = r.kind WHERE `+mine+` AND r.valid_from <= $3
		UNION ALL SELECT `+columns+` FROM rel_old r JOIN rel_kind k ON k.id = r.kind WHERE `+mine+` AND r.valid_from <= $3 AND r.valid_to > $3`, args, func(rows *sql.Rows) error {
		var from, to int64
		var verb string
		var props sql.NullString
		if err := rows.Scan(&from, &verb, &to, &props); err != nil {
			return err
		}
		name := tie{ids[from], verb, ids[to]}
		if old, double := s.Edges[name.String()]; double {
			return fmt.Errorf("two versions of %s at %s: %s and %s", name, when, old, props.String)
		}
		facts, err := properties(props.String)
		if err != nil {
			return err
		}
		w := &world{declared: r.declared, things: map[string]*thing{name.from: {kind: types[name.from]}, name.to: {kind: types[name.to]}}}
		s.Edges[name.String()] = render(w.versionedTie(name, facts))
		return nil
	})
	return s, err
}

// now reads everything that is true now: all facts, version numbers, revisions and presences.
func (r reading) now(ctx context.Context) (state, error) {
	s := state{Entities: map[string]string{}, Edges: map[string]string{}}
	ids, err := r.ids(ctx)
	if err != nil {
		return s, err
	}
	further := map[string][]string{}
	err = r.each(ctx, `SELECT e.key, p.scope FROM presence p JOIN entity e ON e.id = p.entity_id WHERE e.key >= $1 AND e.key < $2`, r.bounds(), func(rows *sql.Rows) error {
		var key string
		var scope int64
		err := rows.Scan(&key, &scope)
		further[key] = slices.Concat(further[key], []string{r.scopes[scope]})
		return err
	})
	if err != nil {
		return s, err
	}
	err = r.each(ctx, `SELECT key, scope, name, home, source, version, revision, `+r.dialect.JSONOut("props")+` FROM entity WHERE key >= $1 AND key < $2`, r.bounds(), func(rows *sql.Rows) error {
		var v entityView
		var key, props string
		var scope int64
		var home sql.NullInt64
		if err := rows.Scan(&key, &scope, &v.Name, &home, &v.Source, &v.Version, &v.Revision, &props); err != nil {
			return err
		}
		if home.Valid {
			v.Home = ids[home.Int64]
		}
		v.Scopes = slices.Concat(further[key], []string{r.scopes[scope]})
		slices.Sort(v.Scopes)
		facts, err := properties(props)
		v.Facts = facts
		s.Entities[key] = render(v)
		return err
	})
	if err != nil {
		return s, err
	}
	return s, r.edgesNow(ctx, ids, s.Edges)
}

func (r reading) edgesNow(ctx context.Context, ids map[int64]string, into map[string]string) error {
	mine := `r.from_id IN (SELECT id FROM entity WHERE key >= $1 AND key < $2)`
	seen := map[string][]string{}
	note := func(rows *sql.Rows) (string, string, error) {
		var from, to, owner, scope int64
		var verb string
		var props sql.NullString
		err := rows.Scan(&from, &verb, &to, &owner, &scope, &props)
		name := tie{ids[from], verb, ids[to]}.String()
		seen[name] = append(seen[name], ids[owner]+" in "+r.scopes[scope])
		return name, props.String, err
	}
	if err := r.each(ctx, `SELECT r.from_id, k.verb, r.to_id, r.owner, r.scope, NULL FROM rel_presence r JOIN rel_kind k ON k.id = r.kind WHERE `+mine, r.bounds(), func(rows *sql.Rows) error {
		_, _, err := note(rows)
		return err
	}); err != nil {
		return err
	}
	return r.each(ctx, `SELECT r.from_id, k.verb, r.to_id, r.owner, r.scope, `+r.dialect.JSONOut("r.props")+` FROM rel r JOIN rel_kind k ON k.id = r.kind WHERE `+mine, r.bounds(), func(rows *sql.Rows) error {
		name, props, err := note(rows)
		if err != nil {
			return err
		}
		facts, err := properties(props)
		slices.Sort(seen[name])
		into[name] = render(edgeView{facts, seen[name]})
		return err
	})
}

// properties reads a JSON object; an empty text is one without members.
func properties(text string) (graph.Properties, error) {
	out := graph.Properties{}
	if text == "" {
		return out, nil
	}
	err := json.Unmarshal([]byte(text), &out)
	if out == nil {
		out = graph.Properties{}
	}
	return out, err
}
