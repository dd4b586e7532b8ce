package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sort"
	"time"

	"github.com/windlass-hq/windlass/internal/fault"
	"github.com/windlass-hq/windlass/internal/graph"
)

// EntityRow is one version of an entity as it is stored; Home, Repo and Project are keys again.
type EntityRow struct {
	graph.Entity
	ID        int64
	Classes   []string
	Version   int64
	ValidFrom time.Time
	ValidTo   *time.Time // nil while it is the open version
	Reason    string     // why it ended: updated, deleted, not_visible or withdrawn
	Cause     string     // what ended it, as kind:id
}

// Version is one version in the history of a key.
type Version = EntityRow

// versionColumns reads a version from e; old says whether e is a table of closed ones.
func (d Dialect) versionColumns(old bool) string {
	ended := `CAST(NULL AS BIGINT), '', ''`
	if old {
		ended = `e.valid_to, e.reason, e.cause`
	}
	key := func(ref string) string {
		return `COALESCE((SELECT h.key FROM entity h WHERE h.id = e.` + ref + `), (SELECT h.key FROM entity_old h WHERE h.id = e.` + ref + ` LIMIT 1), '')`
	}
	return `e.id, e.key, e.kind, e.valid_from, e.version, e.revision, ` + key("home") + `, ` + key("repo") + `, ` + key("project") + `,
		e.source, e.name, ` + d.JSONOut("e.props") + `, ` + ended
}

func (s *Store) scanVersion(kinds map[int64]Kind) func(row interface{ Scan(...any) error }) (EntityRow, error) {
	return func(row interface{ Scan(...any) error }) (EntityRow, error) {
		var r EntityRow
		var kind, from int64
		var to sql.NullInt64
		var props []byte
		err := row.Scan(&r.ID, &r.Key, &kind, &from, &r.Version, &r.Revision, &r.Home, &r.Repo, &r.Project, &r.Source, &r.Name, &props, &to, &r.Reason, &r.Cause)
		if err != nil {
			return r, err
		}
		r.ValidFrom, r.ValidTo = timeOf(from), timePtr(to)
		r.Type, r.Classes = kinds[kind].Type, kinds[kind].Classes
		r.Properties, err = graph.ParseProperties(props)
		return r, err
	}
}

func (s *Store) kindsByID(ctx context.Context) (map[int64]Kind, error) {
	kinds, err := s.Kinds(ctx)
	if err != nil {
		return nil, err
	}
	out := make(map[int64]Kind, len(kinds))
	for _, k := range kinds {
		out[k.ID] = k
	}
	return out, nil
}

// Entity returns the version of a key that is open, or that was valid at a moment; fault.NotFound where there is none.
func (s *Store) Entity(ctx context.Context, key string, at *time.Time) (EntityRow, error) {
	key = graph.CleanText(key)
	kinds, err := s.kindsByID(ctx)
	if err != nil {
		return EntityRow{}, err
	}
	query, args := `SELECT `+s.dialect.versionColumns(false)+` FROM entity e WHERE e.key = $1`, []any{key}
	if at != nil {
		query += ` AND e.valid_from <= $2 UNION ALL SELECT ` + s.dialect.versionColumns(true) + ` FROM entity_old e
			WHERE e.key = $1 AND e.valid_from <= $2 AND e.valid_to > $2`
		args = append(args, at.UnixMicro())
	}
	r, err := s.scanVersion(kinds)(s.reader.QueryRowContext(ctx, query, args...))
	if errors.Is(err, sql.ErrNoRows) {
		return r, fault.New(fault.NotFound, "the graph has no entity %q", key)
	}
	if err != nil {
		return r, s.failure(fmt.Errorf("read %s: %w", key, err))
	}
	return r, nil
}

// History returns every version of a key, oldest first; none where the key was never seen.
func (s *Store) History(ctx context.Context, key string) ([]Version, error) {
	kinds, err := s.kindsByID(ctx)
	if err != nil {
		return nil, err
	}
	out, err := collect(ctx, s, s.scanVersion(kinds), `SELECT `+s.dialect.versionColumns(true)+` FROM entity_old e WHERE e.key = $1
		UNION ALL SELECT `+s.dialect.versionColumns(false)+` FROM entity e WHERE e.key = $1`, graph.CleanText(key))
	sort.Slice(out, func(i, j int) bool { return out[i].ValidFrom.Before(out[j].ValidFrom) })
	return out, err
}

// Relationships returns the relationships that start or end at a key, open or valid at a moment, sorted by key.
func (s *Store) Relationships(ctx context.Context, key string, at *time.Time) ([]graph.Relationship, error) {
	var id int64
	err := s.reader.QueryRowContext(ctx, `SELECT id FROM entity WHERE key = $1 UNION SELECT id FROM entity_old WHERE key = $1 LIMIT 1`, graph.CleanText(key)).Scan(&id)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, s.failure(fmt.Errorf("read %s: %w", key, err))
	}
	end := func(side string) string {
		return `COALESCE((SELECT key FROM entity WHERE id = r.` + side + `), (SELECT key FROM entity_old WHERE id = r.` + side + ` LIMIT 1), '')`
	}
	from := func(table, valid string) string {
		columns := `SELECT ` + end("from_id") + `, k.verb, ` + end("to_id") + `, ` + s.dialect.JSONOut("r.props") + ` FROM ` + table + ` r JOIN rel_kind k ON k.id = r.kind WHERE `
		return columns + `r.from_id = $1` + valid + ` UNION ALL ` + columns + `r.to_id = $1 AND r.from_id <> $1` + valid
	}
	query, args := from("rel", ""), []any{id}
	if at != nil {
		query = from("rel", " AND r.valid_from <= $2") + ` UNION ALL ` + from("rel_old", " AND r.valid_from <= $2 AND r.valid_to > $2")
		args = append(args, at.UnixMicro())
	}
	out, err := collect(ctx, s, func(row interface{ Scan(...any) error }) (graph.Relationship, error) {
		var r graph.Relationship
		var props []byte
		if err := row.Scan(&r.From, &r.Verb, &r.To, &props); err != nil || props == nil {
			return r, err
		}
		var err error
		r.Properties, err = graph.ParseProperties(props)
		return r, err
	}, query, args...)
	sort.Slice(out, func(i, j int) bool { return out[i].Key() < out[j].Key() })
	return out, err
}

// CountByType counts open entities by type: all of them, or those of which a connection has a presence.
func (s *Store) CountByType(ctx context.Context, connection *int64) (map[string]int, error) {
	query, args := `SELECT kind, count(*) FROM entity GROUP BY kind`, []any(nil)
	if connection != nil {
		args = append(args, *connection)
		// Entities whose first presence is the connection's, and those of which it has a further one alone. A UNION would
		// sort all of them.
		query = `SELECT kind, sum(n) FROM (
			SELECT kind, count(*) AS n FROM entity WHERE scope IN (SELECT id FROM scope WHERE connection_id = $1) GROUP BY kind
			UNION ALL SELECT e.kind, count(DISTINCT e.id) AS n FROM presence p JOIN entity e ON e.id = p.entity_id
			WHERE p.scope IN (SELECT id FROM scope WHERE connection_id = $1) AND e.scope NOT IN (SELECT id FROM scope WHERE connection_id = $1)
			GROUP BY e.kind
		) AS seen GROUP BY kind`
	}
	return s.countKinds(ctx, query, args...)
}

func (s *Store) countKinds(ctx context.Context, query string, args ...any) (map[string]int, error) {
	type count struct {
		kind int64
		n    int
	}
	counts, err := collect(ctx, s, func(row interface{ Scan(...any) error }) (count, error) {
		var c count
		err := row.Scan(&c.kind, &c.n)
		return c, err
	}, query, args...)
	if err != nil {
		return nil, err
	}
	kinds, err := s.kindsByID(ctx)
	if err != nil {
		return nil, err
	}
	out := map[string]int{}
	for _, c := range counts {
		out[kinds[c.kind].Type] += c.n
	}
	return out, nil
}

// AccountNames returns, for each of the open entities, the account names of the connections that see it and tag what
// they see, sorted and without repeats. What no such connection sees is absent.
func (s *Store) AccountNames(ctx context.Context, ids []int64) (map[int64][]string, error) {
	out := make(map[int64][]string, len(ids))
	if len(ids) == 0 {
		return out, nil
	}
	list := make([]any, len(ids))
	for i, id := range ids {
		list[i] = id
	}
	in := s.dialect.IDsIn("$1")
	type tag struct {
		id   int64
		name string
	}
	tags, err := collect(ctx, s, func(row interface{ Scan(...any) error }) (tag, error) {
		var t tag
		err := row.Scan(&t.id, &t.name)
		return t, err
	}, `SELECT seen.id, c.account_name FROM (
			SELECT id, scope FROM entity WHERE id IN (`+in+`) UNION ALL SELECT entity_id, scope FROM presence WHERE entity_id IN (`+in+`)
		) AS seen JOIN scope s ON s.id = seen.scope JOIN connection c ON c.id = s.connection_id
		WHERE c.tag_account_name = 1 AND c.account_name <> '' GROUP BY seen.id, c.account_name ORDER BY seen.id, c.account_name`, jsonList(list))
	for _, t := range tags {
		out[t.id] = append(out[t.id], t.name)
	}
	return out, err
}

// Raw returns the provider's object as it was received last; fault.NotFound where none is kept.
func (s *Store) Raw(ctx context.Context, key string) ([]byte, error) {
	var body []byte
	err := s.reader.QueryRowContext(ctx, `SELECT body FROM raw WHERE entity_id = COALESCE((SELECT id FROM entity WHERE key = $1), (SELECT id FROM entity_old WHERE key = $1 LIMIT 1))`,
		graph.CleanText(key)).Scan(&body)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, fault.New(fault.NotFound, "no provider object of %q is kept", key)
	}
	if err != nil {
		return nil, s.failure(fmt.Errorf("read the provider object of %s: %w", key, err))
	}
	if body, err = s.decompress(body); err != nil {
		return nil, fault.Wrap(err, fault.Internal, "the provider object of %q is damaged", key)
	}
	return body, nil
}
