package store

import (
	"context"
	"database/sql"
	"fmt"
	"sync"
)

// querier is what a handle, a transaction and a connection have in common.
type querier interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// takeIDs returns the last of n new ids of a table. Ids are never used twice, not even after the row has gone.
func takeIDs(ctx context.Context, tx querier, table string, n int64) (last int64, err error) {
	err = tx.QueryRowContext(ctx, `INSERT INTO counter (name, next) VALUES ($1, $2)
		ON CONFLICT (name) DO UPDATE SET next = counter.next + excluded.next RETURNING next`, table, n).Scan(&last)
	if err != nil {
		return 0, fmt.Errorf("take an id for %s: %w", table, err)
	}
	return last, nil
}

// idBlock is how many entity ids are taken from the counter at once.
const idBlock = 1000

// idPool keeps the rest of the last block of entity ids for the next transaction.
type idPool struct {
	mu         sync.Mutex
	next, last int64
}

// takenIDs hands out entity ids within one transaction. A block taken in it becomes the store's with the commit;
// after a rollback the counter has it again, and ids of the store's own pool are simply lost.
type takenIDs struct {
	pool       *idPool
	next, last int64
	fresh      bool // the block was taken in this transaction
}

func (t *takenIDs) take(ctx context.Context, tx querier) (int64, error) {
	if t.next == 0 || t.next > t.last {
		t.pool.mu.Lock()
		t.next, t.last = t.pool.next, t.pool.last
		t.pool.next, t.pool.last = 0, 0
		t.pool.mu.Unlock()
		if t.next == 0 || t.next > t.last {
			last, err := takeIDs(ctx, tx, "entity", idBlock)
			if err != nil {
				return 0, err
			}
			t.next, t.last, t.fresh = last-idBlock+1, last, true
		}
	}
	id := t.next
	t.next++
	return id, nil
}

// end gives the rest back. A block of this transaction is dropped when it was rolled back.
func (t *takenIDs) end(committed bool) {
	if t.next == 0 || (t.fresh && !committed) {
		return
	}
	t.pool.mu.Lock()
	defer t.pool.mu.Unlock()
	if t.pool.next == 0 || t.pool.next > t.pool.last {
		t.pool.next, t.pool.last = t.next, t.last
	}
}
