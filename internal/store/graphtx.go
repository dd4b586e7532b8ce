package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/jackc/pgx/v5"
)

// graphTx is one transaction of the graph's writer. All graph writers of all processes take turns, SQLite's one
// handle or an advisory lock on PostgreSQL seeing to it, so what was read in it stays true until it ends.
//
// Statements go through each and insert: prepared row by row on SQLite, pipelined or by COPY on PostgreSQL.
type graphTx struct {
	s    *Store
	ctx  context.Context //nolint:containedctx // lives as long as the transaction
	conn *sql.Conn
	tx   *sql.Tx
	at   int64 // the time of this transaction's versions

	ids      takenIDs
	streams  map[string]*streamState
	ends     map[string]end // looked up or made in this transaction
	kinds    map[string]int64
	types    map[int64]string
	relKinds map[relName]int64
	verbs    map[int64]relName
	newKinds bool
	closed   []string // keys of entities closed here
	moved    bool     // a presence was withdrawn
	stmts    map[string]*sql.Stmt
	unknown  []string // statements that were not prepared before
}

// beginGraph opens a transaction and checks the fence.
func (s *Store) beginGraph(ctx context.Context, fence *Fence) (_ *graphTx, err error) {
	if s.wal != nil {
		if err := s.wal.wait(ctx); err != nil {
			return nil, err
		}
	}
	conn, err := s.writer.Conn(ctx)
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	// A slice is short, and cancelling inside a statement costs more than it saves: the context ends slices, not rows.
	inner := context.WithoutCancel(ctx)
	g := &graphTx{
		s: s, ctx: inner, conn: conn, ids: takenIDs{pool: &s.ids}, streams: map[string]*streamState{}, ends: map[string]end{},
		kinds: map[string]int64{}, types: map[int64]string{}, relKinds: map[relName]int64{}, verbs: map[int64]relName{},
		stmts: map[string]*sql.Stmt{},
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, g.rollback())
		}
	}()
	if g.tx, err = conn.BeginTx(inner, nil); err != nil {
		return g, fmt.Errorf("begin: %w", err)
	}
	if s.dialect.postgres {
		if _, err = g.tx.ExecContext(inner, "SELECT pg_advisory_xact_lock($1)", s.graphLock); err != nil {
			return g, fmt.Errorf("wait for other writers: %w", err)
		}
	}
	if err = s.CheckFence(inner, g.tx, fence); err != nil {
		return g, err
	}
	g.at = s.stamp()
	return g, nil
}

func (g *graphTx) rollback() error {
	var err error
	if g.tx != nil {
		err = rollback(g.tx)
	}
	g.ids.end(false)
	return errors.Join(err, g.conn.Close())
}

// commit writes the positions of the streams and ends the transaction. Caches learn what it did only then.
func (g *graphTx) commit() error {
	if err := g.saveStreams(); err != nil {
		return errors.Join(err, g.rollback())
	}
	if g.s.dialect.postgres && (g.moved || len(g.closed) > 0) {
		if _, err := takeIDs(g.ctx, g.tx, closingsCounter, 1); err != nil {
			return errors.Join(err, g.rollback())
		}
	}
	g.s.ends.forget(g.closed)
	if err := g.tx.Commit(); err != nil {
		return errors.Join(fmt.Errorf("commit: %w", err), g.rollback())
	}
	g.ids.end(true)
	gone := make(map[string]bool, len(g.closed))
	for _, k := range g.closed {
		gone[k] = true
		delete(g.ends, k)
	}
	g.s.ends.learn(g.ends)
	if g.moved || len(g.closed) > 0 {
		g.s.closing.happened()
	}
	err := g.conn.Close()
	for _, query := range g.unknown {
		err = errors.Join(err, g.s.stmts.prepare(g.ctx, g.s.writer, query))
	}
	if g.newKinds {
		err = errors.Join(err, g.s.refreshKinds(g.ctx, g.s.reader))
	}
	return err
}

// stmtCache holds SQLite's prepared statements of the writing handle.
type stmtCache struct {
	mu     sync.Mutex
	byText map[string]*sql.Stmt
}

func (c *stmtCache) prepare(ctx context.Context, db *sql.DB, query string) error {
	st, err := db.PrepareContext(ctx, query)
	if err != nil {
		return fmt.Errorf("prepare: %w", err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if old, ok := c.byText[query]; ok { // another writer was faster
		defer func() { _ = old.Close() }()
	}
	c.byText[query] = st
	return nil
}

func (c *stmtCache) close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	var errs []error
	for _, st := range c.byText {
		errs = append(errs, st.Close())
	}
	c.byText = map[string]*sql.Stmt{}
	return errors.Join(errs...)
}

// stmt returns a prepared statement of this transaction, on SQLite.
func (g *graphTx) stmt(query string) (*sql.Stmt, error) {
	if st, ok := g.stmts[query]; ok {
		return st, nil
	}
	c := &g.s.stmts
	c.mu.Lock()
	st, ok := c.byText[query]
	c.mu.Unlock()
	if !ok {
		// The handle has only the connection of this transaction, so the lasting statement is prepared after it.
		g.unknown = append(g.unknown, query)
		var err error
		if st, err = g.tx.PrepareContext(g.ctx, query); err != nil {
			return nil, fmt.Errorf("prepare: %w", err)
		}
		g.stmts[query] = st
		return st, nil
	}
	st = g.tx.StmtContext(g.ctx, st)
	g.stmts[query] = st
	return st, nil
}

// rowScanner is a row that can be scanned.
type rowScanner interface{ Scan(...any) error }

// each runs a query once per list of arguments and hands every row to scan together with the number of its list.
func (g *graphTx) each(query string, args [][]any, scan func(i int, row rowScanner) error) error {
	if len(args) == 0 {
		return nil
	}
	if g.s.dialect.postgres {
		return raw(g.conn, func(c *pgx.Conn) error {
			b := &pgx.Batch{}
			for i, a := range args {
				b.Queue(query, a...).Query(func(rows pgx.Rows) error {
					for rows.Next() {
						if err := scan(i, rows); err != nil {
							return err
						}
					}
					return rows.Err()
				})
			}
			return c.SendBatch(g.ctx, b).Close()
		})
	}
	st, err := g.stmt(query)
	if err != nil {
		return err
	}
	for i, a := range args {
		if err := eachRow(g.ctx, st, a, i, scan); err != nil {
			return err
		}
	}
	return nil
}

func eachRow(ctx context.Context, st *sql.Stmt, args []any, i int, scan func(int, rowScanner) error) error {
	rows, err := st.QueryContext(ctx, args...)
	if err != nil {
		return err
	}
	for rows.Next() {
		if err := scan(i, rows); err != nil {
			return errors.Join(err, rows.Close())
		}
	}
	return errors.Join(rows.Err(), rows.Close())
}

// exec runs a statement once per list of arguments.
func (g *graphTx) exec(query string, args [][]any) error {
	if len(args) == 0 {
		return nil
	}
	if g.s.dialect.postgres {
		return raw(g.conn, func(c *pgx.Conn) error {
			b := &pgx.Batch{}
			for _, a := range args {
				b.Queue(query, a...)
			}
			return c.SendBatch(g.ctx, b).Close()
		})
	}
	st, err := g.stmt(query)
	if err != nil {
		return err
	}
	for _, a := range args {
		if _, err := st.ExecContext(g.ctx, a...); err != nil {
			return err
		}
	}
	return nil
}

// copyFrom is how many rows make COPY worth its round trips.
const copyFrom = 32

// table is what bulk inserts need to know of a table.
type table struct {
	name    string
	columns []string
	json    map[string]bool // hold what Dialect.json makes
	text    map[string]bool // hold JSON that comes as text
}

// insert adds rows that are known to be new.
func (g *graphTx) insert(t table, rows [][]any) error {
	if len(rows) == 0 {
		return nil
	}
	if g.s.dialect.postgres && len(rows) >= copyFrom {
		return raw(g.conn, func(c *pgx.Conn) error {
			_, err := c.CopyFrom(g.ctx, pgx.Identifier{t.name}, t.columns, pgx.CopyFromRows(rows))
			return err
		})
	}
	return g.exec(t.insertSQL(g.s.dialect), rows)
}

func (t table) insertSQL(d Dialect) string {
	values := make([]string, len(t.columns))
	for i, c := range t.columns {
		values[i] = "?" // SQLite's driver looks the name of every parameter up in a list
		if d.postgres {
			values[i] = fmt.Sprintf("$%d", i+1)
		}
		if t.text[c] || d.postgres && t.json[c] {
			values[i] = d.JSONIn(values[i])
		}
	}
	return "INSERT INTO " + t.name + " (" + strings.Join(t.columns, ", ") + ") VALUES (" + strings.Join(values, ", ") + ")"
}
