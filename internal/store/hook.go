package store

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/windlass-hq/windlass/internal/fault"
)

// Hook is a webhook that delivers to this installation.
type Hook struct {
	ID          string // 128 random bits in hex: the last segment of its URL
	Connection  int64
	Place       string // graph key of the workspace, project or repository it was made for
	PlaceType   string
	PlaceName   string
	RemoteID    string // its id in Bitbucket; empty while it has none there, or was made by hand
	URL         string
	Secret      string
	Before      string     // the secret that was replaced; accepted until BeforeUntil
	BeforeUntil *time.Time //
	Signed      bool       // deliveries without a signature are refused; else each is only a doorbell
	MadeBy      string     // windlass or hand
	Trouble     string     // what is wrong with it; empty where nothing is
	CreatedAt   time.Time
	VerifiedAt  *time.Time // when a signed delivery came last
	CheckedAt   *time.Time // when it was looked for in Bitbucket last
}

// The makers of hooks.
const (
	MadeByWindlass = "windlass"
	MadeByHand     = "hand"
)

// String names the hook without its secrets.
func (h Hook) String() string { return fmt.Sprintf("hook %s of %s", h.ID, h.PlaceName) }

// GoString names the hook without its secrets.
func (h Hook) GoString() string { return h.String() }

// Format prints the hook without its secrets, whatever the verb.
func (h Hook) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(h.String())) }

// LogValue logs the hook without its secrets.
func (h Hook) LogValue() slog.Value { return slog.StringValue(h.String()) }

// NewHookID returns 128 random bits in hex.
func NewHookID() string { return randomHex(16) }

// NewHookSecret returns 256 random bits in hex: less than the 128 characters that Bitbucket takes (FACTS 90).
func NewHookSecret() string { return randomHex(32) }

func randomHex(bytes int) string {
	b := make([]byte, bytes)
	_, _ = rand.Read(b) // it never fails (crypto/rand)
	return hex.EncodeToString(b)
}

func hookPlace(id, column string) Place { return Place{Table: "hook", Row: id, Column: column} }

const hookColumns = `id, connection_id, place, place_type, place_name, remote_id, url, secret, before, before_until, signed, made_by,
	trouble, created_at, verified_at, checked_at`

func (s *Store) scanHook(row interface{ Scan(...any) error }) (Hook, error) {
	var h Hook
	var secret Sealed
	var before sql.Null[Sealed]
	var until, verified, checked sql.NullInt64
	var created int64
	err := row.Scan(&h.ID, &h.Connection, &h.Place, &h.PlaceType, &h.PlaceName, &h.RemoteID, &h.URL, &secret, &before, &until, &h.Signed,
		&h.MadeBy, &h.Trouble, &created, &verified, &checked)
	if err != nil {
		return h, err
	}
	if h.Secret, err = s.keys.Open(secret, hookPlace(h.ID, "secret")); err != nil {
		return h, err
	}
	if before.Valid {
		if h.Before, err = s.keys.Open(before.V, hookPlace(h.ID, "before")); err != nil {
			return h, err
		}
	}
	h.CreatedAt, h.BeforeUntil, h.VerifiedAt, h.CheckedAt = timeOf(created), timePtr(until), timePtr(verified), timePtr(checked)
	return h, nil
}

// AddHook stores a hook that has an id, a secret and a place; a connection has one for each place.
func (s *Store) AddHook(ctx context.Context, h Hook) (Hook, error) {
	h.CreatedAt = s.now().UTC().Truncate(time.Microsecond)
	err := s.Write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		secret, err := s.Seal(ctx, tx, h.Secret, hookPlace(h.ID, "secret"))
		if err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, `INSERT INTO hook (id, connection_id, place, place_type, place_name, remote_id, url, secret, signed, made_by, trouble, created_at)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)`,
			h.ID, h.Connection, h.Place, h.PlaceType, h.PlaceName, h.RemoteID, h.URL, secret, boolInt(h.Signed), h.MadeBy, h.Trouble, h.CreatedAt.UnixMicro())
		if err != nil {
			return fmt.Errorf("store a hook: %w", err)
		}
		return nil
	})
	return h, err
}

// Hook returns one hook by its id; fault.NotFound where there is none.
func (s *Store) Hook(ctx context.Context, id string) (Hook, error) {
	h, err := s.scanHook(s.reader.QueryRowContext(ctx, `SELECT `+hookColumns+` FROM hook WHERE id = $1`, id))
	if errors.Is(err, sql.ErrNoRows) {
		return h, fault.New(fault.NotFound, "there is no such hook")
	}
	return h, s.failure(err)
}

// Hooks returns the hooks of a connection in the order of their places.
func (s *Store) Hooks(ctx context.Context, connection int64) ([]Hook, error) {
	return collect(ctx, s, s.scanHook, `SELECT `+hookColumns+` FROM hook WHERE connection_id = $1 ORDER BY place_name, id`, connection)
}

// FoundHook records what Bitbucket knows of a hook: its id there and what is wrong with it.
func (s *Store) FoundHook(ctx context.Context, id, remoteID, trouble string) error {
	return s.changeHook(ctx, id, `remote_id = $2, trouble = $3, checked_at = $4`, remoteID, trouble, s.now().UnixMicro())
}

// MoveHook records another URL of a hook.
func (s *Store) MoveHook(ctx context.Context, id, url string) error {
	return s.changeHook(ctx, id, `url = $2`, url)
}

// VerifiedHook records that a delivery with a good signature came.
func (s *Store) VerifiedHook(ctx context.Context, id string, at time.Time) error {
	return s.changeHook(ctx, id, `verified_at = $2`, at.UnixMicro())
}

// ReplaceSecret gives a hook another secret. The old one is accepted until a moment.
func (s *Store) ReplaceSecret(ctx context.Context, id, secret string, until time.Time) error {
	return s.Write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		var old Sealed
		if err := tx.QueryRowContext(ctx, "SELECT secret FROM hook WHERE id = $1", id).Scan(&old); err != nil {
			return fmt.Errorf("read hook %s: %w", id, err)
		}
		plain, err := s.keys.Open(old, hookPlace(id, "secret"))
		if err != nil {
			return err
		}
		before, err := s.Seal(ctx, tx, plain, hookPlace(id, "before"))
		if err != nil {
			return err
		}
		sealed, err := s.Seal(ctx, tx, secret, hookPlace(id, "secret"))
		if err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, "UPDATE hook SET secret = $2, before = $3, before_until = $4 WHERE id = $1", id, sealed, before, until.UnixMicro())
		if err != nil {
			return fmt.Errorf("replace the secret of hook %s: %w", id, err)
		}
		return nil
	})
}

// RemoveHook forgets a hook.
func (s *Store) RemoveHook(ctx context.Context, id string) error {
	return s.Write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		res, err := tx.ExecContext(ctx, "DELETE FROM hook WHERE id = $1", id)
		if err != nil {
			return fmt.Errorf("remove hook %s: %w", id, err)
		}
		return found(res, "there is no hook %s", id)
	})
}

func (s *Store) changeHook(ctx context.Context, id, set string, args ...any) error {
	return s.Write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		res, err := tx.ExecContext(ctx, "UPDATE hook SET "+set+" WHERE id = $1", append([]any{id}, args...)...)
		if err != nil {
			return fmt.Errorf("record hook %s: %w", id, err)
		}
		return found(res, "there is no hook %s", id)
	})
}

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}
