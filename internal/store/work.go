package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"
)

// Work is a fact that there is work, raised in the transaction that made it. A job is only a wake-up (DESIGN
// section 1.3).
type Work struct {
	Name   string
	Wanted int64
	Done   int64
	Since  time.Time // when the oldest wish that is not settled was raised
	Reason string
}

// Raise says in a caller's transaction that there is work.
func (s *Store) Raise(ctx context.Context, tx *sql.Tx, names ...string) error {
	now := s.now().UnixMicro()
	for _, name := range names {
		_, err := tx.ExecContext(ctx, `INSERT INTO work (name, wanted, done, since, reason) VALUES ($1, 1, 0, $2, '')
			ON CONFLICT (name) DO UPDATE SET wanted = work.wanted + 1,
				since = CASE WHEN work.wanted > work.done THEN work.since ELSE excluded.since END`, name, now)
		if err != nil {
			return fmt.Errorf("raise %s: %w", name, err)
		}
	}
	return nil
}

// Wanted returns what is wanted and not done, of names that start with the prefix, oldest wish first.
func (s *Store) Wanted(ctx context.Context, prefix string) ([]Work, error) {
	return collect(ctx, s, func(row interface{ Scan(...any) error }) (Work, error) {
		var w Work
		var since sql.NullInt64
		err := row.Scan(&w.Name, &w.Wanted, &w.Done, &since, &w.Reason)
		w.Since = timeOrZero(since)
		return w, err
	}, `SELECT name, wanted, done, since, reason FROM work WHERE wanted > done AND substr(name, 1, $2) = $1 ORDER BY since, name`,
		prefix, len([]rune(prefix)))
}

// WantedIn returns the newest wish of a row of work in a caller's transaction, or zero when nothing is wanted. The row
// keeps this answer until the transaction ends: who settles it waits.
func (s *Store) WantedIn(ctx context.Context, tx *sql.Tx, name string) (wanted int64, err error) {
	err = tx.QueryRowContext(ctx, `UPDATE work SET wanted = wanted WHERE name = $1 AND wanted > done RETURNING wanted`, name).Scan(&wanted)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("read work %s: %w", name, err)
	}
	return wanted, nil
}

// Settle says that everything up to the given wish is done. It reports whether nothing newer is wanted.
func (s *Store) Settle(ctx context.Context, name string, wanted int64) (settled bool, err error) {
	err = s.Write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		settled, err = s.SettleIn(ctx, tx, name, wanted)
		return err
	})
	return settled, err
}

// SettleIn is Settle in a caller's transaction.
func (s *Store) SettleIn(ctx context.Context, tx *sql.Tx, name string, wanted int64) (settled bool, err error) {
	var left int64
	err = tx.QueryRowContext(ctx, `UPDATE work SET done = CASE WHEN done < $2 THEN $2 ELSE done END,
		since = CASE WHEN wanted > $2 THEN CAST($3 AS BIGINT) END WHERE name = $1 RETURNING wanted - done`, name, wanted, s.now().UnixMicro()).Scan(&left)
	if errors.Is(err, sql.ErrNoRows) {
		return true, nil
	}
	if err != nil {
		return false, fmt.Errorf("settle %s: %w", name, err)
	}
	return left <= 0, nil
}
