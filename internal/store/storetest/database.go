package storetest

import (
	"bytes"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/windlass-hq/windlass/internal/store"
)

// Clock is the time of a test. It stands still until it is moved.
type Clock struct {
	mu  sync.Mutex
	now time.Time
}

// NewClock returns a clock that stands at a fixed moment.
func NewClock() *Clock {
	return &Clock{now: time.Date(2026, time.March, 2, 9, 0, 0, 0, time.UTC)}
}

// Now returns the moment at which the clock stands.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// Advance moves the clock and returns the new moment.
func (c *Clock) Advance(d time.Duration) time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
	return c.now
}

// Database is one fresh database that a test may open again and again.
type Database struct {
	Name  string // sqlite or postgres
	Dir   string // the data directory; on SQLite the database lies in it
	URL   string // empty on SQLite
	Clock *Clock
}

// Key returns the key that every test database is sealed with unless WithKey says otherwise.
func Key() []byte { return bytes.Repeat([]byte{0x5e}, 32) }

// Option changes how a test database is opened.
type Option func(*opening)

type opening struct {
	options store.Options
	refused *error
}

// WithKey opens with another key than Key().
func WithKey(key []byte) Option { return func(o *opening) { o.options.Key = key } }

// WithKeyFile opens with a key file.
func WithKeyFile(path string) Option {
	return func(o *opening) { o.options.Key, o.options.KeyFile = nil, path }
}

// WithNow opens with a clock of the test's own instead of the Clock of the database.
func WithNow(now func() time.Time) Option { return func(o *opening) { o.options.Now = now } }

// Refused says that opening is expected to fail. The error is stored in err and the store returned is nil.
func Refused(err *error) Option { return func(o *opening) { o.refused = err } }

// Open opens the database with a test key and the test clock. The store is closed at the end of the test at the
// latest; closing it before, to open it again, is up to the test.
func (d *Database) Open(t testing.TB, opts ...Option) *store.Store {
	t.Helper()
	o := opening{options: store.Options{
		URL: d.URL,
		Dir: d.Dir,
		Key: Key(),
		Now: d.Clock.Now,
		Log: slog.New(slog.DiscardHandler),
	}}
	for _, opt := range opts {
		opt(&o)
	}
	s, err := store.Open(t.Context(), o.options)
	if o.refused != nil {
		*o.refused = err
		if err == nil {
			s.Close()
			t.Fatalf("open %s: no error, want it refused", d.Name)
		}
		return nil
	}
	if err != nil {
		t.Fatalf("open %s: %v", d.Name, err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// SQLite returns a fresh SQLite database in a folder of its own.
func SQLite(t testing.TB) *Database {
	return &Database{Name: "sqlite", Dir: t.TempDir(), Clock: NewClock()}
}

// PostgreSQL returns a fresh PostgreSQL database, or skips as Postgres does.
func PostgreSQL(t testing.TB) *Database {
	t.Helper()
	return &Database{Name: "postgres", Dir: t.TempDir(), URL: Postgres(t), Clock: NewClock()}
}

// EachDatabase runs test as the subtests "sqlite" and "postgres", each with a fresh database.
func EachDatabase(t *testing.T, test func(t *testing.T, db *Database)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) { test(t, SQLite(t)) })
	t.Run("postgres", func(t *testing.T) { test(t, PostgreSQL(t)) })
}

// Each is EachDatabase for tests that need no more than a way to open the database; open may be called again to
// test a restart.
func Each(t *testing.T, test func(t *testing.T, open func(opts ...Option) *store.Store)) {
	t.Helper()
	EachDatabase(t, func(t *testing.T, db *Database) {
		test(t, func(opts ...Option) *store.Store {
			t.Helper()
			return db.Open(t, opts...)
		})
	})
}
