// Package store keeps the graph and everything Windlass knows about it in one database, SQLite or PostgreSQL, behind
// one concrete Store.
//
// There is a file per noun. The SQL is written by hand, one text for both databases; dialect.go holds what differs.
// Three rules carry the package: all writes go through one door (Write, and Apply and Withdraw for the graph), a
// write that changes nothing writes nothing, and whatever really happened is appended to a change log without gaps in
// the transaction that did it.
package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/windlass-hq/windlass/internal/fault"
	"github.com/windlass-hq/windlass/internal/graph"
)

// Options say which database to open and how.
type Options struct {
	URL     string           // postgres://…; empty, or the path of a folder, for SQLite
	Dir     string           // data directory; SQLite's file lies in it
	KeyFile string           // key that seals secrets; empty for DefaultKeyPath
	Key     []byte           // the key itself, 32 bytes, instead of a file
	Model   *graph.Model     // what is declared of types; nil for graph.Standard
	Now     func() time.Time // the clock; required
	Log     *slog.Logger     // nil for none
}

// Store is an open database. It is safe for concurrent use.
type Store struct {
	options Options
	dialect Dialect
	log     *slog.Logger
	now     func() time.Time
	model   *model
	file    string // SQLite's file

	writer *sql.DB // SQLite: the one writing handle
	reader *sql.DB
	wal    *walKeeper // SQLite only

	keys       *Keyring
	keyCreated string
	crash      func(point string) error // of tests: where a rotation ends as if it were killed
	instance   string
	graphLock  int64 // PostgreSQL: advisory lock of graph writers

	clock      clock
	kinds      kindCache
	scopes     scopeCache
	ends       *endCache // nil on PostgreSQL, where other processes may close what is cached
	ids        idPool
	stmts      stmtCache
	closing    closings
	beginnings beginnings
	lane       lane
	zip        *zstd.Encoder
	unzip      *zstd.Decoder
}

// Open opens the database, migrates it to this release, and checks that it is durable and that the key fits. A
// database of a newer release, a wrong key and a key inside the data directory are refused.
func Open(ctx context.Context, o Options) (*Store, error) {
	s := &Store{options: o, log: o.Log, now: o.Now}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if o.Model == nil {
		o.Model = graph.Standard()
	}
	s.model = newModel(o.Model)
	s.lane.store = s
	s.stmts.byText = map[string]*sql.Stmt{}
	if err := s.open(ctx); err != nil {
		return nil, errors.Join(s.failure(err), s.Close())
	}
	return s, nil
}

func (s *Store) open(ctx context.Context) error {
	var err error
	switch o := s.options; {
	case isPostgres(o.URL):
		s.dialect = Dialect{postgres: true}
		err = s.openPostgres(ctx)
	case strings.Contains(o.URL, "://"):
		return fault.New(fault.Invalid, "the database %q is neither a folder nor a postgres:// URL", schemeOf(o.URL)).
			With("leave --database empty for SQLite, or give postgres://user:password@host/database")
	default:
		if o.URL != "" {
			s.options.Dir = o.URL
		}
		s.ends = newEndCache()
		err = s.openSQLite(ctx)
	}
	for _, step := range []func(context.Context) error{s.migrate, s.unlock} {
		if err == nil {
			err = step(ctx)
		}
	}
	if err != nil {
		return err
	}
	if s.zip, err = zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(2),
		zstd.WithLowerEncoderMem(true), zstd.WithWindowSize(128<<10)); err != nil {
		return fmt.Errorf("compression: %w", err)
	}
	if s.unzip, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true)); err != nil {
		return fmt.Errorf("compression: %w", err)
	}
	if s.wal != nil {
		s.wal.start()
	}
	return nil
}

// Close stops the store's background work and closes its handles. It may be called twice.
func (s *Store) Close() error {
	var errs []error
	if s.wal != nil {
		errs = append(errs, s.wal.stop())
	}
	errs = append(errs, s.stmts.close())
	for _, db := range []*sql.DB{s.reader, s.writer} {
		if db != nil {
			errs = append(errs, db.Close())
		}
	}
	if s.unzip != nil {
		s.unzip.Close()
	}
	return errors.Join(errs...)
}

// Dialect returns the differences of this database's SQL.
func (s *Store) Dialect() Dialect { return s.dialect }

// Reader returns the read-only pool.
func (s *Store) Reader() *sql.DB { return s.reader }

// Writer returns the writing handle. It is for the job engine only; everything else writes through Write.
func (s *Store) Writer() *sql.DB { return s.writer }

// URL returns the PostgreSQL URL, secrets included, for the job engine's own pool; empty on SQLite.
func (s *Store) URL() string {
	if s.dialect.postgres {
		return s.options.URL
	}
	return ""
}

// Keys returns the keyring that seals and opens secrets of this database.
func (s *Store) Keys() *Keyring { return s.keys }

// Instance returns the random name of this database, made when it was created.
func (s *Store) Instance() string { return s.instance }

// Write runs fn in a transaction. It is the one door for writes: on SQLite there is one writing handle, so fn must be
// short (at most 50 ms) and must not wait for anything but the database.
func (s *Store) Write(ctx context.Context, fn func(context.Context, *sql.Tx) error) error {
	tx, err := s.writer.BeginTx(ctx, nil)
	if err != nil {
		return s.failure(fmt.Errorf("begin: %w", err))
	}
	if err := fn(ctx, tx); err != nil {
		return s.failure(errors.Join(err, rollback(tx)))
	}
	if err := tx.Commit(); err != nil {
		return s.failure(fmt.Errorf("commit: %w", errors.Join(err, rollback(tx))))
	}
	return nil
}

// rollback ends a failed transaction. That it has ended already, as after a cancelled context, is no error.
func rollback(tx *sql.Tx) error {
	if err := tx.Rollback(); err != nil && !errors.Is(err, sql.ErrTxDone) {
		return fmt.Errorf("roll back: %w", err)
	}
	return nil
}

// place names the database for messages, without secrets.
func (s *Store) place() string {
	if s.dialect.postgres {
		return "the PostgreSQL server"
	}
	if s.file != "" {
		return s.file
	}
	return filepath.Clean(s.options.Dir)
}

func isPostgres(url string) bool {
	return strings.HasPrefix(url, "postgres://") || strings.HasPrefix(url, "postgresql://")
}

func schemeOf(url string) string {
	scheme, _, _ := strings.Cut(url, "://")
	return scheme + "://…"
}

// clock gives the times of versions: microseconds that never go back within this process.
type clock struct {
	mu   sync.Mutex
	last int64
}

func (s *Store) stamp() int64 {
	s.clock.mu.Lock()
	defer s.clock.mu.Unlock()
	s.clock.last = max(s.clock.last, s.now().UnixMicro())
	return s.clock.last
}

func micros(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.UnixMicro()
}

func microsPtr(t *time.Time) any {
	if t == nil {
		return nil
	}
	return t.UnixMicro()
}

func timeOf(us int64) time.Time { return time.UnixMicro(us).UTC() }

func timePtr(us sql.NullInt64) *time.Time {
	if !us.Valid {
		return nil
	}
	t := timeOf(us.Int64)
	return &t
}

func flag(b bool) int64 {
	if b {
		return 1
	}
	return 0
}
