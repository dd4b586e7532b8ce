package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/windlass-hq/windlass/internal/fault"
)

// Connection is one account on one Bitbucket.
type Connection struct {
	ID             int64
	Name           string
	Product        string // cloud or datacenter
	AccountName    string
	TagAccountName bool
	Description    string
	Interval       string
	Settings       map[string]string
	CreatedAt      time.Time
	UpdatedAt      time.Time
}

// ConnectionUpdate changes the fields that are not nil. A setting with a nil value is removed.
type ConnectionUpdate struct {
	Name           *string
	AccountName    *string
	TagAccountName *bool
	Description    *string
	Interval       *string
	Settings       map[string]*string
}

const connectionColumns = `id, name, product, account_name, tag_account_name, description, interval, settings, created_at, updated_at`

func scanConnection(row interface{ Scan(...any) error }) (Connection, error) {
	var c Connection
	var tag, created, updated int64
	var settings string
	err := row.Scan(&c.ID, &c.Name, &c.Product, &c.AccountName, &tag, &c.Description, &c.Interval, &settings, &created, &updated)
	if err != nil {
		return c, err
	}
	c.TagAccountName, c.CreatedAt, c.UpdatedAt = tag != 0, timeOf(created), timeOf(updated)
	if err := json.Unmarshal([]byte(settings), &c.Settings); err != nil {
		return c, fmt.Errorf("settings of connection %q: %w", c.Name, err)
	}
	return c, nil
}

// CreateConnection stores a new connection with its credentials, sealed, or nothing. A name that is taken is
// fault.Conflict.
func (s *Store) CreateConnection(ctx context.Context, c Connection, credentials []Credential) (Connection, error) {
	if c.Settings == nil {
		c.Settings = map[string]string{}
	}
	settings, err := json.Marshal(c.Settings)
	if err != nil {
		return c, fmt.Errorf("settings: %w", err)
	}
	now := s.now().UTC().Truncate(time.Microsecond)
	c.CreatedAt, c.UpdatedAt = now, now
	err = s.Write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		if err := nameFree(ctx, tx, c.Name, 0); err != nil {
			return err
		}
		var err error
		if c.ID, err = takeIDs(ctx, tx, "connection", 1); err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, `INSERT INTO connection (`+connectionColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`,
			c.ID, c.Name, c.Product, c.AccountName, flag(c.TagAccountName), c.Description, c.Interval, string(settings), now.UnixMicro(), now.UnixMicro())
		if err != nil {
			return fmt.Errorf("create connection %q: %w", c.Name, err)
		}
		for _, cr := range credentials {
			cr.ConnectionID = c.ID
			if _, err := s.insertCredential(ctx, tx, cr); err != nil {
				return err
			}
		}
		return nil
	})
	return c, err
}

func nameFree(ctx context.Context, tx querier, name string, but int64) error {
	var n int
	if err := tx.QueryRowContext(ctx, "SELECT count(*) FROM connection WHERE name = $1 AND id <> $2", name, but).Scan(&n); err != nil {
		return fmt.Errorf("look for connection %q: %w", name, err)
	}
	if n > 0 {
		return fault.New(fault.Conflict, "there is a connection %q already", name).With("choose another name, or edit that one")
	}
	return nil
}

// UpdateConnection changes a connection and returns it as it is then.
func (s *Store) UpdateConnection(ctx context.Context, id int64, u ConnectionUpdate) (Connection, error) {
	var c Connection
	err := s.Write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		var err error
		c, err = scanConnection(tx.QueryRowContext(ctx, `SELECT `+connectionColumns+` FROM connection WHERE id = $1`, id))
		if errors.Is(err, sql.ErrNoRows) {
			return fault.New(fault.NotFound, "there is no connection with id %d", id)
		}
		if err != nil {
			return fmt.Errorf("read connection %d: %w", id, err)
		}
		if u.Name != nil {
			if err := nameFree(ctx, tx, *u.Name, id); err != nil {
				return err
			}
			c.Name = *u.Name
		}
		set(&c.AccountName, u.AccountName)
		set(&c.TagAccountName, u.TagAccountName)
		set(&c.Description, u.Description)
		set(&c.Interval, u.Interval)
		for k, v := range u.Settings {
			if v == nil {
				delete(c.Settings, k)
			} else {
				c.Settings[k] = *v
			}
		}
		settings, err := json.Marshal(c.Settings)
		if err != nil {
			return fmt.Errorf("settings: %w", err)
		}
		c.UpdatedAt = s.now().UTC().Truncate(time.Microsecond)
		_, err = tx.ExecContext(ctx, `UPDATE connection SET name = $2, account_name = $3, tag_account_name = $4, description = $5, interval = $6,
			settings = $7, updated_at = $8 WHERE id = $1`,
			id, c.Name, c.AccountName, flag(c.TagAccountName), c.Description, c.Interval, string(settings), c.UpdatedAt.UnixMicro())
		if err != nil {
			return fmt.Errorf("update connection %q: %w", c.Name, err)
		}
		return nil
	})
	return c, err
}

func set[T any](to *T, from *T) {
	if from != nil {
		*to = *from
	}
}

// Connection returns a connection by its name; fault.NotFound names the ones there are.
func (s *Store) Connection(ctx context.Context, name string) (Connection, error) {
	c, err := scanConnection(s.reader.QueryRowContext(ctx, `SELECT `+connectionColumns+` FROM connection WHERE name = $1`, name))
	if errors.Is(err, sql.ErrNoRows) {
		return c, fault.New(fault.NotFound, "there is no connection %q", name).With("see windlass connection list")
	}
	if err != nil {
		return c, s.failure(fmt.Errorf("read connection %q: %w", name, err))
	}
	return c, nil
}

// ConnectionByID returns one connection by its id; fault.NotFound where it was removed.
func (s *Store) ConnectionByID(ctx context.Context, id int64) (Connection, error) {
	c, err := scanConnection(s.reader.QueryRowContext(ctx, `SELECT `+connectionColumns+` FROM connection WHERE id = $1`, id))
	if errors.Is(err, sql.ErrNoRows) {
		return c, fault.New(fault.NotFound, "the connection with id %d was removed", id)
	}
	return c, s.failure(err)
}

// Connections returns all connections in order of their names.
func (s *Store) Connections(ctx context.Context) ([]Connection, error) {
	return collect(ctx, s, scanConnection, `SELECT `+connectionColumns+` FROM connection ORDER BY name`)
}

// collect reads all rows of a query.
func collect[T any](ctx context.Context, s *Store, scan func(interface{ Scan(...any) error }) (T, error), query string, args ...any) ([]T, error) {
	out, err := collectFrom(ctx, s.reader, scan, query, args...)
	return out, s.failure(err)
}

func collectFrom[T any](ctx context.Context, q querier, scan func(interface{ Scan(...any) error }) (T, error), query string, args ...any) ([]T, error) {
	rows, err := q.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, fmt.Errorf("query: %w", err)
	}
	defer func() { _ = rows.Close() }() // Err below has what matters
	var out []T
	for rows.Next() {
		v, err := scan(rows)
		if err != nil {
			return nil, fmt.Errorf("read a row: %w", err)
		}
		out = append(out, v)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read rows: %w", err)
	}
	return out, nil
}
