package store

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/windlass-hq/windlass/internal/fault"
)

// Connections per process; a server of 100 connections serves several processes and their job engines.
const (
	postgresWriters = 6
	postgresReaders = 8
)

// openPostgres opens a writing and a reading pool.
func (s *Store) openPostgres(ctx context.Context) error {
	config, err := pgx.ParseConfig(s.options.URL)
	if err != nil {
		// The cause may repeat the password of the URL, so it is left out.
		return fault.New(fault.Invalid, "the database URL cannot be read").With("its form is postgres://user:password@host:port/database?sslmode=require")
	}
	config.RuntimeParams["application_name"] = "windlass"
	config.RuntimeParams["synchronous_commit"] = "on"
	s.writer = stdlib.OpenDB(*config)
	s.writer.SetMaxOpenConns(postgresWriters)
	s.writer.SetMaxIdleConns(postgresWriters)

	reading := config.Copy()
	reading.RuntimeParams["default_transaction_read_only"] = "on"
	// A chain of materialised steps looks expensive to PostgreSQL, which has no statistics on them. It would compile the
	// statement for seconds (measured: more than 20 s for 14 hops over ten rows), and compiling cannot be cancelled.
	reading.RuntimeParams["jit"] = "off"
	s.reader = stdlib.OpenDB(*reading)
	s.reader.SetMaxOpenConns(postgresReaders)
	s.reader.SetMaxIdleConns(postgresReaders)

	var durable, encoding string
	err = s.writer.QueryRowContext(ctx, "SELECT current_setting('synchronous_commit'), current_setting('server_encoding')").Scan(&durable, &encoding)
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	if durable != "on" && durable != "remote_apply" && durable != "remote_write" {
		return fault.New(fault.Unavailable, "PostgreSQL does not write durably: synchronous_commit is %s", durable).
			With("let the role set it to on")
	}
	if encoding != "UTF8" {
		return fault.New(fault.Invalid, "the PostgreSQL database is encoded in %s", encoding).With("create it with ENCODING 'UTF8'")
	}
	return nil
}

// raw runs fn on pgx's own connection, for COPY and pipelines, inside the transaction that runs on conn.
func raw(conn *sql.Conn, fn func(*pgx.Conn) error) error {
	return conn.Raw(func(driver any) error {
		c, ok := driver.(*stdlib.Conn)
		if !ok {
			return fmt.Errorf("unexpected database driver %T", driver)
		}
		return fn(c.Conn())
	})
}
