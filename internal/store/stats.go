package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"
)

// Stats is what doctor prints of the database.
type Stats struct {
	Dialect     string
	Place       string // file, or "the PostgreSQL server"
	Schema      int64
	Bytes       int64
	WALBytes    int64 // SQLite only
	Rows        map[string]int64
	OpenByType  map[string]int
	VersionsDay map[string]int  // versions made by updates within the last 24 hours, by type
	Noisiest    []NoisyProperty // the ten properties that made most of them
}

// NoisyProperty is a property and how many versions changed it.
type NoisyProperty struct {
	Type     string
	Property string
	Changes  int
}

// tables are what Stats counts; large ones are estimated on PostgreSQL.
func tables() []string {
	return []string{"entity", "entity_old", "rel", "rel_old", "presence", "rel_presence", "raw", "change", "scope", "ledger", "run", "work", "held", "odd"}
}

// Stats reads sizes and rates. It scans the newest changes, so it is for a person who waits, not for every page.
func (s *Store) Stats(ctx context.Context) (Stats, error) {
	st := Stats{Dialect: s.dialect.Name(), Place: s.place(), Rows: map[string]int64{}}
	for _, step := range []func(context.Context, *Stats) error{s.sizes, s.rows} {
		if err := step(ctx, &st); err != nil {
			return st, s.failure(err)
		}
	}
	var err error
	if st.OpenByType, err = s.CountByType(ctx, nil); err != nil {
		return st, err
	}
	made, err := s.VersionStats(ctx, s.now().Add(-24*time.Hour))
	if err != nil {
		return st, err
	}
	st.Noisiest, st.VersionsDay = made.Noisiest, map[string]int{}
	for _, d := range made.Days {
		st.VersionsDay[d.Type] += d.Versions
	}
	return st, nil
}

func (s *Store) sizes(ctx context.Context, st *Stats) error {
	err := s.reader.QueryRowContext(ctx, "SELECT max(version_id) FROM goose_db_version").Scan(&st.Schema)
	if err != nil {
		return fmt.Errorf("version of the schema: %w", err)
	}
	if s.dialect.postgres {
		if err := s.reader.QueryRowContext(ctx, "SELECT pg_database_size(current_database())").Scan(&st.Bytes); err != nil {
			return fmt.Errorf("size of the database: %w", err)
		}
		return nil
	}
	for path, to := range map[string]*int64{s.file: &st.Bytes, s.file + "-wal": &st.WALBytes} {
		info, err := os.Stat(path)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("size of the database: %w", err)
		}
		if err == nil {
			*to = info.Size()
		}
	}
	return nil
}

func (s *Store) rows(ctx context.Context, st *Stats) error {
	for _, t := range tables() {
		var n int64
		if err := s.reader.QueryRowContext(ctx, "SELECT count(*) FROM "+t).Scan(&n); err != nil {
			return fmt.Errorf("count %s: %w", t, err)
		}
		st.Rows[t] = n
	}
	return nil
}

// Analyze renews the statistics by which the database plans queries. Run it after a first sync; it takes seconds.
func (s *Store) Analyze(ctx context.Context) error {
	if s.dialect.postgres {
		_, err := s.writer.ExecContext(ctx, "ANALYZE")
		return s.failure(err)
	}
	// Sampled, so that the one writer is held for a moment only.
	return s.Write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		for _, query := range []string{"PRAGMA analysis_limit = 1000", "ANALYZE"} {
			if _, err := tx.ExecContext(ctx, query); err != nil {
				return fmt.Errorf("analyse: %w", err)
			}
		}
		return nil
	})
}
