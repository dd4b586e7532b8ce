package query

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"sync"
)

// statementsKept is how many statements stay prepared, each on every connection that ran it, and statementLength how
// long a text may be for that: what is long runs long, too, and its preparation takes memory.
const (
	statementsKept  = 64
	statementLength = 16 << 10
)

// statements are the reader's queries. What is asked a second time stays prepared: SQLite takes about as long to prepare
// a statement as an index does to answer it. PostgreSQL's driver keeps what it prepared by itself.
type statements struct {
	db    *sql.DB
	plain bool // the driver keeps them

	mu    sync.Mutex
	known []*statement // the one used last is last
}

// statement is a text that was asked, and prepared if it was asked again.
type statement struct {
	text    string
	stmt    *sql.Stmt
	users   int  // who is about to run it
	dropped bool // whoever is its last user closes it
}

// query runs a query as sql.DB.QueryContext does.
func (s *statements) query(ctx context.Context, text string, args ...any) (*sql.Rows, error) {
	if s.plain || len(text) > statementLength {
		return s.db.QueryContext(ctx, text, args...)
	}
	k, again := s.take(text)
	defer s.give(k)
	if !again {
		return s.db.QueryContext(ctx, text, args...)
	}
	stmt, err := s.prepared(ctx, k)
	if err != nil {
		return nil, err
	}
	return stmt.QueryContext(ctx, args...)
}

// row runs a query that has one row, and reads it.
func (s *statements) row(ctx context.Context, text string, args []any, into ...any) (err error) {
	rows, err := s.query(ctx, text, args...)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	if !rows.Next() {
		return errors.Join(rows.Err(), sql.ErrNoRows)
	}
	if err := rows.Scan(into...); err != nil {
		return err
	}
	return rows.Err()
}

// take returns the statement of a text and whether it was asked before. It is not closed before it is given back.
func (s *statements) take(text string) (k *statement, again bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if i := slices.IndexFunc(s.known, func(k *statement) bool { return k.text == text }); i >= 0 {
		k, again = s.known[i], true
		s.known = slices.Delete(s.known, i, i+1)
	} else {
		k = &statement{text: text}
		if len(s.known) == statementsKept {
			oldest := s.known[0]
			s.known = slices.Delete(s.known, 0, 1)
			oldest.dropped = true
			oldest.close()
		}
	}
	s.known = append(s.known, k)
	k.users++
	return k, again
}

// prepared returns the statement, which of several who ask at once the first has prepared.
func (s *statements) prepared(ctx context.Context, k *statement) (*sql.Stmt, error) {
	s.mu.Lock()
	stmt := k.stmt
	s.mu.Unlock()
	if stmt != nil {
		return stmt, nil
	}
	stmt, err := s.db.PrepareContext(ctx, k.text)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if k.stmt == nil {
		k.stmt = stmt
		return stmt, nil
	}
	_ = stmt.Close() // nothing ran on it
	return k.stmt, nil
}

// give ends a use. Rows that are still read keep what they need.
func (s *statements) give(k *statement) {
	s.mu.Lock()
	defer s.mu.Unlock()
	k.users--
	k.close()
}

// close closes a statement that was dropped and has no users. There is nothing to be done about a failure: its connection
// is gone.
func (k *statement) close() {
	if k.dropped && k.users == 0 && k.stmt != nil {
		_ = k.stmt.Close()
		k.stmt = nil
	}
}
