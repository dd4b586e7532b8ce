package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	_ "modernc.org/sqlite" // the same driver as the measured binary has
)

// copied returns the tables whose rows are the graph, in the order in which a first sync fills them within a
// transaction, each with the column that names the entity a row belongs to.
func copied() []source {
	return []source{
		{table: "entity", owner: "id"},
		{table: "raw", owner: "entity_id"},
		{table: "presence", owner: "entity_id"},
		{table: "rel", owner: "owner"},
		{table: "rel_presence", owner: "owner"},
		{table: "change", owner: "entity_id"},
	}
}

// commitObjects is how many entities' rows a transaction holds: as many as DESIGN section 4 allows a sync.
const commitObjects = 500

// database returns the file of the graph: the largest database of the data directory.
func (c course) database() string {
	var largest string
	var size int64
	files, _ := filepath.Glob(filepath.Join(c.dataDir(), "*.db")) // the pattern is ours, hence well formed
	for _, file := range files {
		if info, err := os.Stat(file); err == nil && info.Size() > size {
			largest, size = file, info.Size()
		}
	}
	return largest
}

func open(file, options string) (*sql.DB, error) {
	db, err := sql.Open("sqlite", "file:"+file+"?"+options)
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1)
	return db, nil
}

// bareInserts writes the rows of the graph once more, by prepared inserts into a new file of the same tables, indexes
// and durability, and returns how long the inserts took: what the database costs when nothing else is done.
func bareInserts(ctx context.Context, from, to string) (time.Duration, error) {
	source, err := open(from, "mode=ro")
	if err != nil {
		return 0, err
	}
	defer source.Close()
	source.SetMaxOpenConns(len(copied()) + 1) // one cursor per table
	if err := os.RemoveAll(to); err != nil {
		return 0, err
	}
	target, err := open(to, "_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_pragma=cache_size(-65536)&_txlock=immediate")
	if err != nil {
		return 0, err
	}
	defer target.Close()
	sources := copied()
	for i := range sources {
		if err := createTable(ctx, source, target, sources[i].table); err != nil {
			return 0, err
		}
		if err := sources[i].open(ctx, source); err != nil {
			return 0, err
		}
		defer sources[i].rows.Close()
	}
	var took time.Duration
	for {
		// What a transaction inserts is read before its clock runs, so memory stays small at any size.
		last, err := sources[0].take(commitObjects)
		if err != nil {
			return 0, err
		}
		if len(sources[0].taken) == 0 {
			return took, nil
		}
		for i := range sources[1:] {
			if err := sources[1+i].takeUpTo(last); err != nil {
				return 0, err
			}
		}
		started := time.Now()
		if err := insertRows(ctx, target, sources); err != nil {
			return 0, fmt.Errorf("bare inserts: %w", err)
		}
		took += time.Since(started)
	}
}

// createTable creates a table with its indexes as the source has them.
func createTable(ctx context.Context, source, target *sql.DB, table string) error {
	rows, err := source.QueryContext(ctx, `SELECT sql FROM sqlite_schema WHERE tbl_name = $1 AND sql IS NOT NULL
		ORDER BY type = 'index'`, table)
	if err != nil {
		return err
	}
	defer rows.Close()
	var statements []string
	for rows.Next() {
		var statement string
		if err := rows.Scan(&statement); err != nil {
			return err
		}
		statements = append(statements, statement)
	}
	if err := rows.Err(); err != nil {
		return err
	}
	if len(statements) == 0 {
		return fmt.Errorf("the database has no table %s", table)
	}
	for _, statement := range statements {
		if _, err := target.ExecContext(ctx, statement); err != nil {
			return err
		}
	}
	return nil
}

// source reads one table in the order of the entities that its rows belong to.
type source struct {
	table, owner string

	rows   *sql.Rows
	insert string
	width  int
	ahead  []any // the row after the taken ones, its owner first
	taken  [][]any
}

func (s *source) open(ctx context.Context, db *sql.DB) error {
	rows, err := db.QueryContext(ctx, "SELECT "+s.owner+", * FROM "+s.table+" ORDER BY 1")
	if err != nil {
		return err
	}
	s.rows = rows
	if err := rows.Err(); err != nil {
		return err
	}
	columns, err := rows.Columns()
	if err != nil {
		return err
	}
	s.width = len(columns)
	s.insert = fmt.Sprintf("INSERT INTO %s VALUES (?%s)", s.table, strings.Repeat(",?", s.width-2))
	return s.next()
}

// next reads one row ahead.
func (s *source) next() error {
	s.ahead = nil
	if !s.rows.Next() {
		return s.rows.Err()
	}
	s.ahead = make([]any, s.width)
	to := make([]any, s.width)
	for i := range to {
		to[i] = &s.ahead[i]
	}
	return s.rows.Scan(to...)
}

// take takes the next n rows and returns the entity of the last.
func (s *source) take(n int) (last int64, err error) {
	s.taken = s.taken[:0]
	for len(s.taken) < n && s.ahead != nil {
		last, _ = s.ahead[0].(int64)
		s.taken = append(s.taken, s.ahead[1:])
		if err := s.next(); err != nil {
			return 0, err
		}
	}
	return last, nil
}

// takeUpTo takes the rows of entities up to one.
func (s *source) takeUpTo(last int64) error {
	s.taken = s.taken[:0]
	for s.ahead != nil {
		if owner, _ := s.ahead[0].(int64); owner > last {
			return nil
		}
		s.taken = append(s.taken, s.ahead[1:])
		if err := s.next(); err != nil {
			return err
		}
	}
	return nil
}

func insertRows(ctx context.Context, target *sql.DB, sources []source) (err error) {
	tx, err := target.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, tx.Rollback())
		}
	}()
	for i := range sources {
		if len(sources[i].taken) == 0 {
			continue
		}
		if err := sources[i].insertTaken(ctx, tx); err != nil {
			return err
		}
	}
	return tx.Commit()
}

// insertTaken writes what was taken of one table by a prepared insert.
func (s *source) insertTaken(ctx context.Context, tx *sql.Tx) (err error) {
	statement, err := tx.PrepareContext(ctx, s.insert)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, statement.Close()) }()
	for _, row := range s.taken {
		if _, err := statement.ExecContext(ctx, row...); err != nil {
			return err
		}
	}
	return nil
}

// written is what a sync left in the database.
type written struct {
	rows         map[string]int // by table
	repositories int
	pullRequests int
	// lists is how many pages the pull-request lists need: an empty list is one too.
	lists int
}

func (w written) graph() int { return w.rows["entity"] + w.rows["rel"] }

func (w written) all() int {
	n := 0
	for _, rows := range w.rows {
		n += rows
	}
	return n
}

// countRows counts what a database holds; page is how many pull requests a page of their lists holds.
func countRows(ctx context.Context, file string, page int) (written, error) {
	w := written{rows: map[string]int{}}
	db, err := open(file, "mode=ro")
	if err != nil {
		return w, err
	}
	defer db.Close()
	for _, s := range copied() {
		table := s.table
		var n int
		if err := db.QueryRowContext(ctx, "SELECT count(*) FROM "+table).Scan(&n); err != nil {
			return w, err
		}
		w.rows[table] = n
	}
	const count = `SELECT count(*) FROM entity e JOIN kind k ON k.id = e.kind WHERE k.type = $1`
	if err := db.QueryRowContext(ctx, count, "bitbucket_repo").Scan(&w.repositories); err != nil {
		return w, err
	}
	if err := db.QueryRowContext(ctx, count, "bitbucket_pull_request").Scan(&w.pullRequests); err != nil {
		return w, err
	}
	var full, withAny int
	const pages = `SELECT coalesce(sum((n + $1 - 1) / $1), 0), count(*) FROM
		(SELECT count(*) AS n FROM entity e JOIN kind k ON k.id = e.kind WHERE k.type = 'bitbucket_pull_request' GROUP BY e.repo)`
	if err := db.QueryRowContext(ctx, pages, page).Scan(&full, &withAny); err != nil {
		return w, err
	}
	w.lists = full + w.repositories - withAny
	return w, nil
}
