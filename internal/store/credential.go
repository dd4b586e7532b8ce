package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"log/slog"
	"strconv"
	"time"

	"github.com/windlass-hq/windlass/internal/fault"
)

// Credential is a way to sign in for one connection. Secret is plain only in memory; a Credential prints without it.
type Credential struct {
	ID           int64
	ConnectionID int64
	Role         string // data, access, hooks or write
	Kind         string // oauth, token, api-token or basic
	Identity     string // client key, e-mail or user name
	Secret       string
	CreatedAt    time.Time
	ExpiresAt    *time.Time
	Verdict      *Verdict
	CheckedAt    *time.Time
}

// Verdict is what the last check of a credential found.
type Verdict struct {
	Valid     bool     `json:"valid"`
	Principal string   `json:"principal,omitempty"`
	Scopes    []string `json:"scopes,omitempty"`
	Missing   []string `json:"missing,omitempty"`
	Problem   string   `json:"problem,omitempty"`
}

// String names the credential without its secret.
func (c Credential) String() string {
	return fmt.Sprintf("%s credential %d of role %s (%s)", c.Kind, c.ID, c.Role, c.Identity)
}

// GoString names the credential without its secret.
func (c Credential) GoString() string { return c.String() }

// Format prints the credential without its secret, whatever the verb.
func (c Credential) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(c.String())) }

// LogValue logs the credential without its secret.
func (c Credential) LogValue() slog.Value { return slog.StringValue(c.String()) }

// MarshalJSON leaves the secret out.
func (c Credential) MarshalJSON() ([]byte, error) {
	return json.Marshal(map[string]any{
		"id": c.ID, "role": c.Role, "kind": c.Kind, "identity": c.Identity, "secret": hidden,
		"createdAt": c.CreatedAt, "expiresAt": c.ExpiresAt, "verdict": c.Verdict, "checkedAt": c.CheckedAt,
	})
}

func credentialPlace(id int64) Place {
	return Place{Table: "credential", Row: strconv.FormatInt(id, 10), Column: "secret"}
}

func (s *Store) insertCredential(ctx context.Context, tx querier, c Credential) (Credential, error) {
	var err error
	if c.ID, err = takeIDs(ctx, tx, "credential", 1); err != nil {
		return c, err
	}
	sealed, err := s.Seal(ctx, tx, c.Secret, credentialPlace(c.ID))
	if err != nil {
		return c, err
	}
	c.CreatedAt = s.now().UTC().Truncate(time.Microsecond)
	_, err = tx.ExecContext(ctx, `INSERT INTO credential (id, connection_id, role, kind, identity, secret, created_at, expires_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
		c.ID, c.ConnectionID, c.Role, c.Kind, c.Identity, sealed, c.CreatedAt.UnixMicro(), microsPtr(c.ExpiresAt))
	if err != nil {
		return c, fmt.Errorf("store a credential: %w", err)
	}
	return c, nil
}

// AddCredential seals and stores one more credential of a connection.
func (s *Store) AddCredential(ctx context.Context, c Credential) (Credential, error) {
	err := s.Write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		var n int
		if err := tx.QueryRowContext(ctx, "SELECT count(*) FROM connection WHERE id = $1", c.ConnectionID).Scan(&n); err != nil {
			return fmt.Errorf("read connection: %w", err)
		}
		if n == 0 {
			return fault.New(fault.NotFound, "there is no connection with id %d", c.ConnectionID)
		}
		var err error
		c, err = s.insertCredential(ctx, tx, c)
		return err
	})
	return c, err
}

// Credentials returns the credentials of a connection, opened, oldest first.
func (s *Store) Credentials(ctx context.Context, connectionID int64) ([]Credential, error) {
	return collect(ctx, s, s.scanCredential, `SELECT id, connection_id, role, kind, identity, secret, created_at, expires_at, verdict, checked_at
		FROM credential WHERE connection_id = $1 ORDER BY id`, connectionID)
}

func (s *Store) scanCredential(row interface{ Scan(...any) error }) (Credential, error) {
	var c Credential
	var sealed Sealed
	var created int64
	var expires, checked sql.NullInt64
	var verdict sql.NullString
	err := row.Scan(&c.ID, &c.ConnectionID, &c.Role, &c.Kind, &c.Identity, &sealed, &created, &expires, &verdict, &checked)
	if err != nil {
		return c, err
	}
	if c.Secret, err = s.keys.Open(sealed, credentialPlace(c.ID)); err != nil {
		return c, err
	}
	c.CreatedAt, c.ExpiresAt, c.CheckedAt = timeOf(created), timePtr(expires), timePtr(checked)
	if verdict.Valid {
		if err := json.Unmarshal([]byte(verdict.String), &c.Verdict); err != nil {
			return c, fmt.Errorf("verdict on credential %d: %w", c.ID, err)
		}
	}
	return c, nil
}

// RemoveCredential deletes one credential of a connection.
func (s *Store) RemoveCredential(ctx context.Context, connectionID, id int64) error {
	return s.Write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		res, err := tx.ExecContext(ctx, "DELETE FROM credential WHERE connection_id = $1 AND id = $2", connectionID, id)
		if err != nil {
			return fmt.Errorf("remove credential %d: %w", id, err)
		}
		return found(res, "the connection has no credential %d; its list shows which it has", id)
	})
}

// SetVerdict records what the last check of a credential found.
func (s *Store) SetVerdict(ctx context.Context, id int64, v Verdict) error {
	text, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("verdict: %w", err)
	}
	return s.Write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		res, err := tx.ExecContext(ctx, "UPDATE credential SET verdict = $2, checked_at = $3 WHERE id = $1", id, string(text), s.now().UnixMicro())
		if err != nil {
			return fmt.Errorf("record the verdict on credential %d: %w", id, err)
		}
		return found(res, "there is no credential %d", id)
	})
}

// found is fault.NotFound where a statement met no row.
func found(res sql.Result, format string, args ...any) error {
	n, err := res.RowsAffected()
	if err != nil {
		return fmt.Errorf("count rows: %w", err)
	}
	if n == 0 {
		return fault.New(fault.NotFound, format, args...)
	}
	return nil
}
