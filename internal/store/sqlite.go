package store

import (
	"context"
	"database/sql"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"runtime"

	_ "modernc.org/sqlite" // the driver "sqlite"

	"github.com/windlass-hq/windlass/internal/fault"
)

// sqliteFile is the name of the database in the data directory.
const sqliteFile = "windlass.db"

// openSQLite opens the file with one writing handle, a pool of readers and the checkpointer's own handle.
func (s *Store) openSQLite(ctx context.Context) error {
	if s.options.Dir == "" {
		return fault.New(fault.Invalid, "no data directory given").With("name one with --data-dir")
	}
	if err := os.MkdirAll(s.options.Dir, 0o700); err != nil {
		return fault.Wrap(err, fault.Unavailable, "the data directory cannot be created").With("name a writable one with --data-dir")
	}
	file, err := filepath.Abs(filepath.Join(s.options.Dir, sqliteFile))
	if err != nil {
		return fmt.Errorf("data directory: %w", err)
	}
	s.file = file
	// synchronous=FULL: what was answered survives a power cut. Checkpoints never run inside a commit (walKeeper).
	if s.writer, err = s.sqliteHandle(1, "_txlock=immediate", "journal_mode(WAL)", "synchronous(FULL)", "cache_size(-65536)"); err != nil {
		return err
	}
	var sync int
	if err := s.writer.QueryRowContext(ctx, "PRAGMA synchronous").Scan(&sync); err != nil {
		return fmt.Errorf("open %s: %w", file, err)
	}
	var mode string
	if err := s.writer.QueryRowContext(ctx, "PRAGMA journal_mode").Scan(&mode); err != nil {
		return fmt.Errorf("open %s: %w", file, err)
	}
	if sync != 2 || mode != "wal" {
		return fault.New(fault.Unavailable, "the database %s cannot be made durable: synchronous is %d and journal_mode is %s, not 2 and wal", file, sync, mode).
			With("put the data directory on a local file system")
	}
	if err := protect(file); err != nil {
		return err
	}
	// Readers map the file, so their caches hold little but pages that are still in the log. A cached page of 4 KiB takes
	// 8 in the driver's allocator, in each of the handles.
	if s.reader, err = s.sqliteHandle(max(4, 2*runtime.NumCPU()), "", "query_only(1)", "mmap_size(2147418112)", "cache_size(-2048)"); err != nil {
		return err
	}
	keeper, err := s.sqliteHandle(1, "", "synchronous(FULL)")
	if err != nil {
		return err
	}
	s.wal = newWALKeeper(s, keeper)
	return nil
}

func (s *Store) sqliteHandle(conns int, params string, pragmas ...string) (*sql.DB, error) {
	return openSQLiteFile(s.file, conns, params, append([]string{"wal_autocheckpoint(0)"}, pragmas...)...)
}

// openSQLiteFile opens a handle on a file with so many connections.
func openSQLiteFile(file string, conns int, params string, pragmas ...string) (*sql.DB, error) {
	q := url.Values{}
	for _, p := range append([]string{"busy_timeout(10000)", "foreign_keys(1)"}, pragmas...) {
		q.Add("_pragma", p)
	}
	dsn := "file:" + (&url.URL{Path: file}).EscapedPath() + "?" + q.Encode()
	if params != "" {
		dsn += "&" + params
	}
	db, err := sql.Open("sqlite", dsn)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", file, err)
	}
	db.SetMaxOpenConns(conns)
	db.SetMaxIdleConns(conns)
	return db, nil
}

// protect lets nobody else read a file.
func protect(file string) error {
	if err := os.Chmod(file, 0o600); err != nil {
		return fmt.Errorf("protect %s: %w", file, err)
	}
	return nil
}
