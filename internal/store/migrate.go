package store

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"database/sql"
	"embed"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"

	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"

	"github.com/windlass-hq/windlass/internal/fault"
)

//go:embed migrations
var migrations embed.FS

// migrate brings the schema to this release. It refuses a schema of a newer one, which this program would not
// understand and might harm.
func (s *Store) migrate(ctx context.Context) error {
	dir, err := fs.Sub(migrations, "migrations/"+s.dialect.Name())
	if err != nil {
		return fmt.Errorf("migrations: %w", err)
	}
	dialect := goose.DialectSQLite3
	options := []goose.ProviderOption{goose.WithDisableGlobalRegistry(true), goose.WithLogger(goose.NopLogger())}
	if s.dialect.postgres {
		dialect = goose.DialectPostgres
		locker, err := lock.NewPostgresSessionLocker()
		if err != nil {
			return fmt.Errorf("migrations: %w", err)
		}
		options = append(options, goose.WithSessionLocker(locker))
	}
	p, err := goose.NewProvider(dialect, s.writer, dir, options...)
	if err != nil {
		return fmt.Errorf("migrations: %w", err)
	}
	current, target, err := p.GetVersions(ctx)
	if err != nil {
		return fmt.Errorf("read the version of the schema: %w", err)
	}
	if current > target {
		return fault.New(fault.Conflict, "the database was written by a newer release of Windlass: its schema has version %d, this program knows %d", current, target).
			With("install the newer release, or restore a backup made before the upgrade")
	}
	if current == target {
		return nil
	}
	if _, err := p.Up(ctx); err != nil {
		return fmt.Errorf("migrate the database from version %d to %d: %w", current, target, err)
	}
	return nil
}

// keyCheck is what the check value in meta seals. The key it is sealed with is the one that seals this database.
const (
	keyCheck     = "windlass"
	keyCheckName = "key_check"
)

func keyCheckPlace() Place { return Place{Table: "meta", Row: keyCheckName, Column: "value"} }

// unlock reads or makes the identity of the database, and proves that the key opens what was sealed in it.
func (s *Store) unlock(ctx context.Context) error {
	_, err := s.Meta(ctx, keyCheckName)
	fresh := fault.Is(err, fault.NotFound)
	if err != nil && !fresh {
		return err
	}
	if s.keys, err = s.keyring(fresh); err != nil {
		return err
	}
	if fresh {
		if err := s.initialise(ctx); err != nil {
			return err
		}
	}
	// It is read after the key file: the other way round a rotation that ends in between would seem a wrong key.
	check, err := s.Meta(ctx, keyCheckName)
	if err != nil {
		return err
	}
	sealed := Sealed{check}
	if plain, err := s.keys.Open(sealed, keyCheckPlace()); err != nil || plain != keyCheck {
		return fault.Wrap(err, fault.Invalid, "the key does not fit this database; it would not open the stored credentials").
			With("name the key file that was used when the database was created, or since the key was rotated, by --key-file")
	}
	id, _, _ := sealed.parts()
	if err := s.keys.sealWith(id); err != nil {
		return err
	}
	if s.instance, err = s.Meta(ctx, "instance"); err != nil {
		return err
	}
	sum := sha256.Sum256([]byte("windlass graph writers\n" + s.instance))
	s.graphLock = int64(binary.BigEndian.Uint64(sum[:8]))
	return nil
}

// initialise writes the identity of a new database; of two processes that do so at once the first wins.
func (s *Store) initialise(ctx context.Context) error {
	sealed, err := s.keys.Seal(keyCheck, keyCheckPlace())
	if err != nil {
		return err
	}
	id := make([]byte, 16)
	if _, err := rand.Read(id); err != nil {
		return fault.Wrap(err, fault.Internal, "no randomness for the database's name")
	}
	return s.Write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		for _, kv := range [][2]string{{keyCheckName, sealed.text}, {"instance", hex.EncodeToString(id)}} {
			if _, err := tx.ExecContext(ctx, "INSERT INTO meta (name, value) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING", kv[0], kv[1]); err != nil {
				return fmt.Errorf("write meta: %w", err)
			}
		}
		return nil
	})
}

// Meta returns a fact about the database; fault.NotFound where it was never set.
func (s *Store) Meta(ctx context.Context, name string) (string, error) {
	var value string
	err := s.reader.QueryRowContext(ctx, "SELECT value FROM meta WHERE name = $1", name).Scan(&value)
	if errors.Is(err, sql.ErrNoRows) {
		return "", fault.New(fault.NotFound, "the database has no fact %q", name)
	}
	if err != nil {
		return "", s.failure(fmt.Errorf("read meta: %w", err))
	}
	return value, nil
}

// SetMeta writes a fact about the database.
func (s *Store) SetMeta(ctx context.Context, tx *sql.Tx, name, value string) error {
	_, err := tx.ExecContext(ctx, "INSERT INTO meta (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value", name, value)
	if err != nil {
		return fmt.Errorf("write meta: %w", err)
	}
	return nil
}
