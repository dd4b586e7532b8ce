package store

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"syscall"

	"github.com/jackc/pgx/v5/pgconn"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/windlass-hq/windlass/internal/fault"
)

// failure turns an error of a database into one that says what to do. What it does not know stays as it is, wrapped
// by the caller.
func (s *Store) failure(err error) error {
	if err == nil {
		return nil
	}
	if _, ok := errors.AsType[*fault.Error](err); ok {
		return err
	}
	switch {
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err
	case errors.Is(err, syscall.ENOSPC):
		return fault.Wrap(err, fault.Unavailable, "the disk that holds the database is full; nothing was half-written").
			With("free space under %s and try again", s.place())
	case errors.Is(err, fs.ErrPermission):
		return fault.Wrap(err, fault.Unavailable, "the database cannot be opened").With("check who owns %s", s.place())
	}
	if e, ok := errors.AsType[*sqlite.Error](err); ok {
		return s.sqliteFailure(e)
	}
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		return s.postgresFailure(e)
	}
	if e, ok := errors.AsType[*pgconn.ConnectError](err); ok {
		return fault.Wrap(errors.New("no connection"), fault.Unavailable, "PostgreSQL at %s (database %s) does not answer", e.Config.Host, e.Config.Database).
			With("check that it runs and that --database names it")
	}
	if _, ok := errors.AsType[net.Error](err); ok {
		return fault.Wrap(err, fault.Unavailable, "the connection to the database broke").With("try again; what was not answered was not written")
	}
	return err
}

func (s *Store) sqliteFailure(e *sqlite.Error) error {
	switch e.Code() & 0xff {
	case sqlite3.SQLITE_FULL:
		return fault.Wrap(e, fault.Unavailable, "the disk that holds the database is full; nothing was half-written").
			With("free space under %s and try again", s.place())
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED:
		return fault.Wrap(e, fault.Unavailable, "another process has the database locked").
			With("stop the other windlass (or tool) that uses %s", s.place())
	case sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB:
		return fault.Wrap(e, fault.Unavailable, "the database file is damaged or is no Windlass database").
			With("restore %s from a backup, or name another --data-dir", s.place())
	case sqlite3.SQLITE_IOERR:
		return fault.Wrap(e, fault.Unavailable, "the disk that holds the database fails to read or write").
			With("check the disk and the free space of %s", s.place())
	case sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM:
		return fault.Wrap(e, fault.Unavailable, "the database cannot be opened for writing").
			With("check that %s exists and belongs to this user", s.place())
	}
	return e
}

func (s *Store) postgresFailure(e *pgconn.PgError) error {
	switch e.Code {
	case "53100":
		return fault.Wrap(e, fault.Unavailable, "the disk of the PostgreSQL server is full; nothing was half-written").
			With("free space on the server and try again")
	case "28P01", "28000":
		return fault.Wrap(e, fault.Unavailable, "PostgreSQL refuses the user or password of --database").With("check the URL")
	case "3D000":
		return fault.Wrap(e, fault.Unavailable, "the database named by --database does not exist").With("create it on the server, for example with createdb")
	case "42501":
		return fault.Wrap(e, fault.Unavailable, "the database user lacks a right").With("make it the owner of the database")
	case "25006":
		return fault.Wrap(e, fault.Unavailable, "the PostgreSQL server is read-only").With("name the primary server in --database")
	case "40001", "40P01":
		return fault.Wrap(e, fault.Unavailable, "two writers got in each other's way; nothing was written").With("try again")
	}
	switch e.Code[:min(2, len(e.Code))] {
	case "08", "53", "57", "58", "XX":
		return fault.Wrap(e, fault.Unavailable, "the PostgreSQL server cannot serve us now").With("see its log; try again when it is well")
	}
	return e
}
