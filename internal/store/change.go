package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/windlass-hq/windlass/internal/fault"
	"github.com/windlass-hq/windlass/internal/graph"
)

// Stream is one sequence of changes without gaps.
type Stream struct {
	ID   int64
	Name string
	Last int64 // seq of the newest change; 0 before the first
}

// streamState is a stream within a transaction. Its position is written once, with the commit.
type streamState struct {
	id, next int64
	moved    bool
}

// ConnectionStream names the stream of a connection's changes.
func ConnectionStream(connection int64) string { return fmt.Sprintf("connection/%d", connection) }

func (g *graphTx) stream(name string) (*streamState, error) {
	if st, ok := g.streams[name]; ok {
		return st, nil
	}
	st := &streamState{}
	err := g.tx.QueryRowContext(g.ctx, "SELECT id, next FROM stream WHERE name = $1", name).Scan(&st.id, &st.next)
	if errors.Is(err, sql.ErrNoRows) {
		st.next = 1
		if st.id, err = takeIDs(g.ctx, g.tx, "stream", 1); err == nil {
			_, err = g.tx.ExecContext(g.ctx, "INSERT INTO stream (id, name, next) VALUES ($1, $2, 1)", st.id, name)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("open stream %s: %w", name, err)
	}
	g.streams[name] = st
	return st, nil
}

func (g *graphTx) saveStreams() error {
	for name, st := range g.streams {
		if !st.moved {
			continue
		}
		if _, err := g.tx.ExecContext(g.ctx, "UPDATE stream SET next = $2 WHERE id = $1", st.id, st.next); err != nil {
			return fmt.Errorf("move stream %s: %w", name, err)
		}
	}
	return nil
}

// author is what all changes of one write have in common.
type author struct {
	stream string
	cause  graph.Cause
	origin string
	depth  int
}

var changeTable = table{
	name:    "change",
	columns: []string{"stream", "seq", "at", "op", "reason", "entity_id", "key", "type", "old", "new", "edges", "cause_kind", "cause_id", "origin", "depth"},
	json:    map[string]bool{"old": true, "new": true},
	text:    map[string]bool{"edges": true},
}

// append adds changes to the author's stream, in order.
func (g *graphTx) append(by author, changes []graph.Change) error {
	if len(changes) == 0 {
		return nil
	}
	st, err := g.stream(by.stream)
	if err != nil {
		return err
	}
	d := g.s.dialect
	rows := make([][]any, len(changes))
	for i, c := range changes {
		edges := any(nil)
		if len(c.Edges) > 0 {
			text, err := json.Marshal(c.Edges)
			if err != nil {
				return fmt.Errorf("edges of a change: %w", err)
			}
			edges = string(text)
		}
		rows[i] = []any{
			st.id, st.next, c.At.UnixMicro(), string(c.Op), string(c.Reason), c.ID, c.Key, c.Type,
			d.optionalJSON(c.Old), d.optionalJSON(c.New), edges, by.cause.Kind, by.cause.ID, by.origin, by.depth,
		}
		st.next++
	}
	st.moved = true
	return g.insert(changeTable, rows)
}

// Changes returns the changes of a stream after a seq, oldest first, at most limit (0 for 1,000). A stream that
// nobody has written to yet has none.
func (s *Store) Changes(ctx context.Context, stream string, after int64, limit int) ([]graph.Change, error) {
	if limit <= 0 {
		limit = 1000
	}
	d := s.dialect
	return collect(ctx, s, scanChange, `SELECT c.stream, c.seq, c.at, c.op, c.reason, c.entity_id, c.key, c.type, `+
		d.JSONOut("c.old")+`, `+d.JSONOut("c.new")+`, `+d.JSONOut("c.edges")+`, c.cause_kind, c.cause_id, c.origin, c.depth
		FROM change c JOIN stream s ON s.id = c.stream WHERE s.name = $1 AND c.seq > $2 ORDER BY c.seq LIMIT $3`, stream, after, limit)
}

func scanChange(row interface{ Scan(...any) error }) (graph.Change, error) {
	var c graph.Change
	var at int64
	var was, now, edges sql.NullString
	err := row.Scan(&c.Stream, &c.Seq, &at, &c.Op, &c.Reason, &c.ID, &c.Key, &c.Type, &was, &now, &edges,
		&c.Cause.Kind, &c.Cause.ID, &c.Origin, &c.Depth)
	if err != nil {
		return c, err
	}
	c.At = timeOf(at)
	if was.Valid {
		if c.Old, err = graph.ParseProperties([]byte(was.String)); err != nil {
			return c, err
		}
	}
	if now.Valid {
		if c.New, err = graph.ParseProperties([]byte(now.String)); err != nil {
			return c, err
		}
	}
	if edges.Valid {
		if err := json.Unmarshal([]byte(edges.String), &c.Edges); err != nil {
			return c, fmt.Errorf("edges of change %d: %w", c.Seq, err)
		}
	}
	return c, nil
}

// Streams returns all streams in order of their names.
func (s *Store) Streams(ctx context.Context) ([]Stream, error) {
	return collect(ctx, s, func(row interface{ Scan(...any) error }) (Stream, error) {
		var st Stream
		err := row.Scan(&st.ID, &st.Name, &st.Last)
		return st, err
	}, "SELECT id, name, next - 1 FROM stream ORDER BY name")
}

// Cursor returns how far a consumer has read a stream; 0 before its first MoveCursor.
func (s *Store) Cursor(ctx context.Context, consumer, stream string) (int64, error) {
	var seq sql.NullInt64
	err := s.reader.QueryRowContext(ctx, `SELECT max(c.seq) FROM cursor c JOIN stream s ON s.id = c.stream WHERE c.consumer = $1 AND s.name = $2`, consumer, stream).Scan(&seq)
	if err != nil {
		return 0, s.failure(fmt.Errorf("read the cursor of %s: %w", consumer, err))
	}
	return seq.Int64, nil
}

// MoveCursor says, in the transaction that writes what came of it, how far a consumer has read a stream.
func (s *Store) MoveCursor(ctx context.Context, tx *sql.Tx, consumer, stream string, seq int64) error {
	res, err := tx.ExecContext(ctx, `INSERT INTO cursor (consumer, stream, seq) SELECT CAST($1 AS TEXT), id, CAST($3 AS BIGINT) FROM stream WHERE name = $2
		ON CONFLICT (consumer, stream) DO UPDATE SET seq = excluded.seq`, consumer, stream, seq)
	if err != nil {
		return fmt.Errorf("move the cursor of %s: %w", consumer, err)
	}
	if n, err := res.RowsAffected(); err != nil || n == 0 {
		return errors.Join(fault.New(fault.NotFound, "there is no stream %q", stream), err)
	}
	return nil
}
