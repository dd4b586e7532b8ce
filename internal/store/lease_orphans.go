package store

import (
	"context"
	"database/sql"
	"fmt"
)

// EndLeases ends every lease. Only a process that alone has the database open may call it, at its start: whoever held
// a lease is dead then, and waiting for the lease to run out would help nobody. Fences keep rising.
func (s *Store) EndLeases(ctx context.Context) error {
	return s.Write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, "UPDATE lease SET until = 0 WHERE until > 0"); err != nil {
			return fmt.Errorf("end the leases of dead processes: %w", err)
		}
		return nil
	})
}
