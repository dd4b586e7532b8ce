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

// copied returns the tables whose rows are the graph: what a first sync writes in the same transactions. Each with the
// order in which a sync writes it, so that the bare inserts meet the indexes in the same disorder.
func copied() map[string]string {
	return map[string]string{
		"entity": "id", "rel": "owner", "raw": "entity_id", "change": "stream, seq",
		"presence": "entity_id", "rel_presence": "from_id",
	}
}

const (
	chunkRows  = 20_000 // read before the clock runs, so memory stays small at any size
	commitRows = 5_000
)

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
	if err := os.RemoveAll(to); err != nil {
		return 0, err
	}
	target, err := open(to, "_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_pragma=cache_size(-65536)&_txlock=immediate")
	if err != nil {
		return 0, err
	}
	defer target.Close()
	var took time.Duration
	for table, order := range copied() {
		if err := createTable(ctx, source, target, table); err != nil {
			return 0, err
		}
		d, err := copyRows(ctx, source, target, table, order)
		if err != nil {
			return 0, fmt.Errorf("bare inserts into %s: %w", table, err)
		}
		took += d
	}
	return took, nil
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

func copyRows(ctx context.Context, source, target *sql.DB, table, order string) (time.Duration, error) {
	rows, err := source.QueryContext(ctx, "SELECT * FROM "+table+" ORDER BY "+order)
	if err != nil {
		return 0, err
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		return 0, err
	}
	insert := fmt.Sprintf("INSERT INTO %s VALUES (?%s)", table, strings.Repeat(",?", len(columns)-1))
	var took time.Duration
	for {
		chunk, err := readChunk(rows, len(columns))
		if err != nil {
			return 0, err
		}
		if len(chunk) == 0 {
			return took, nil
		}
		started := time.Now()
		for len(chunk) > 0 {
			n := min(commitRows, len(chunk))
			if err := insertRows(ctx, target, insert, chunk[:n]); err != nil {
				return 0, err
			}
			chunk = chunk[n:]
		}
		took += time.Since(started)
	}
}

func readChunk(rows *sql.Rows, columns int) ([][]any, error) {
	var chunk [][]any
	for len(chunk) < chunkRows && rows.Next() {
		row, to := make([]any, columns), make([]any, columns)
		for i := range row {
			to[i] = &row[i]
		}
		if err := rows.Scan(to...); err != nil {
			return nil, err
		}
		chunk = append(chunk, row)
	}
	return chunk, rows.Err()
}

func insertRows(ctx context.Context, target *sql.DB, insert string, chunk [][]any) (err error) {
	tx, err := target.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, tx.Rollback())
		}
	}()
	statement, err := tx.PrepareContext(ctx, insert)
	if err != nil {
		return err
	}
	defer statement.Close()
	for _, row := range chunk {
		if _, err := statement.ExecContext(ctx, row...); err != nil {
			return err
		}
	}
	return tx.Commit()
}

// written is what a sync left in the database.
type written struct {
	rows         map[string]int // by table
	repositories int
	pullRequests int
	// lists is how many pages the pull-request lists need at 50 a page: an empty list is one too.
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

func countRows(ctx context.Context, file string) (written, error) {
	w := written{rows: map[string]int{}}
	db, err := open(file, "mode=ro")
	if err != nil {
		return w, err
	}
	defer db.Close()
	for table := range copied() {
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
	const pages = `SELECT coalesce(sum((n + 49) / 50), 0), count(*) FROM
		(SELECT count(*) AS n FROM entity e JOIN kind k ON k.id = e.kind WHERE k.type = 'bitbucket_pull_request' GROUP BY e.repo)`
	if err := db.QueryRowContext(ctx, pages).Scan(&full, &withAny); err != nil {
		return w, err
	}
	w.lists = full + w.repositories - withAny
	return w, nil
}
