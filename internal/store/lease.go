package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/windlass-hq/windlass/internal/fault"
)

// Fence proves that its holder still has a lease. The token rises with every acquisition, so that the writes of a
// former holder that woke up late are refused.
type Fence struct {
	Name   string
	Holder string
	Token  int64
}

// AcquireLease takes a lease that is free or has run out; fault.Conflict if somebody else holds it. The holder itself
// gets a new token, which ends its older one.
func (s *Store) AcquireLease(ctx context.Context, name, holder string, ttl time.Duration) (Fence, error) {
	f := Fence{Name: name, Holder: holder}
	now := s.now()
	err := s.Write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		err := tx.QueryRowContext(ctx, `INSERT INTO lease (name, holder, until, fence) VALUES ($1, $2, $3, 1)
			ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, until = excluded.until, fence = lease.fence + 1
			WHERE lease.holder = excluded.holder OR lease.until <= $4 RETURNING fence`,
			name, holder, now.Add(ttl).UnixMicro(), now.UnixMicro()).Scan(&f.Token)
		if errors.Is(err, sql.ErrNoRows) {
			var by string
			var until int64
			if err := tx.QueryRowContext(ctx, "SELECT holder, until FROM lease WHERE name = $1", name).Scan(&by, &until); err != nil {
				return fmt.Errorf("read lease %s: %w", name, err)
			}
			return fault.New(fault.Conflict, "%s is held by %s until %s", name, by, timeOf(until).Format(time.RFC3339)).
				With("wait until it is free")
		}
		if err != nil {
			return fmt.Errorf("take lease %s: %w", name, err)
		}
		return nil
	})
	return f, err
}

// RenewLease prolongs a lease; fault.Conflict if it was lost.
func (s *Store) RenewLease(ctx context.Context, f Fence, ttl time.Duration) error {
	return s.Write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		res, err := tx.ExecContext(ctx, "UPDATE lease SET until = $4 WHERE name = $1 AND holder = $2 AND fence = $3",
			f.Name, f.Holder, f.Token, s.now().Add(ttl).UnixMicro())
		if err != nil {
			return fmt.Errorf("renew lease %s: %w", f.Name, err)
		}
		if n, err := res.RowsAffected(); err != nil || n == 0 {
			return errors.Join(lost(f), err)
		}
		return nil
	})
}

// ReleaseLease frees a lease. The row stays, so that tokens keep rising. To release what was lost is no error.
func (s *Store) ReleaseLease(ctx context.Context, f Fence) error {
	return s.Write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, "UPDATE lease SET holder = '', until = 0 WHERE name = $1 AND holder = $2 AND fence = $3", f.Name, f.Holder, f.Token)
		if err != nil {
			return fmt.Errorf("release lease %s: %w", f.Name, err)
		}
		return nil
	})
}

// CheckFence is fault.Conflict if the lease has a newer holder. The row stays as it is until the transaction ends.
func (s *Store) CheckFence(ctx context.Context, tx *sql.Tx, f *Fence) error {
	if f == nil {
		return nil
	}
	var token int64
	var holder string
	err := tx.QueryRowContext(ctx, "SELECT fence, holder FROM lease WHERE name = $1"+s.dialect.forShare(), f.Name).Scan(&token, &holder)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return fmt.Errorf("read lease %s: %w", f.Name, err)
	}
	if token != f.Token || holder != f.Holder {
		return lost(*f)
	}
	return nil
}

func lost(f Fence) error {
	return fault.New(fault.Conflict, "the lease %s was lost; another process holds it now, so nothing was written", f.Name).
		With("let the other process finish")
}
