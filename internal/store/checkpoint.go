package store

import (
	"context"
	"database/sql"
	"errors"
	"os"
	"sync"
	"time"
)

// The write-ahead log of SQLite is checkpointed here and nowhere else (reference/storage.md section 2): automatic
// checkpoints run inside some commit and stall whoever waits for it, and uncoordinated ones let the log grow.
const (
	checkpointEvery = 200 * time.Millisecond
	walLimit        = 48 << 20 // beyond it the graph's writers pause until the log is back in the file
	walNearlyDone   = 500      // frames left that the final TRUNCATE may take
	catchUpEvery    = 5 * time.Millisecond
	catchUpFor      = 2 * time.Second
)

// walKeeper runs PASSIVE checkpoints on a handle of its own. While the log is over its limit it holds back the
// graph's writers, not the handle: jobs and everything else go on.
type walKeeper struct {
	store *Store
	db    *sql.DB
	path  string

	once   sync.Once
	cancel context.CancelFunc
	done   chan struct{}

	mu    sync.Mutex
	pause chan struct{} // closed when writers may go on; nil while nobody has to wait

	limit  int64
	warned bool      // a failure was told, and none has succeeded since
	seen   time.Time // of the log file when it was last known to be checkpointed
	size   int64
}

func newWALKeeper(s *Store, db *sql.DB) *walKeeper {
	return &walKeeper{store: s, db: db, path: s.file + "-wal", limit: walLimit}
}

func (k *walKeeper) start() {
	ctx, cancel := context.WithCancel(context.Background())
	k.cancel, k.done = cancel, make(chan struct{})
	go k.run(ctx)
}

// stop ends the goroutine and empties the log into the file. Where that fails, as on a full disk, nothing is lost: the
// next start finds the log and goes on with it. So what was asked for has not failed.
func (k *walKeeper) stop() error {
	var err error
	k.once.Do(func() {
		if k.cancel != nil {
			k.cancel()
			<-k.done
			if _, failed := k.checkpoint(context.Background(), k.db, "TRUNCATE"); failed != nil {
				k.warn(failed)
			}
		}
		err = k.db.Close()
	})
	return err
}

// warn says that a checkpoint failed, once until one succeeds: they are tried five times a second.
func (k *walKeeper) warn(err error) {
	if !k.warned {
		k.warned = true
		k.store.log.Warn("checkpoint failed; nothing is lost, but the write-ahead log grows until one succeeds: look at the free space",
			"file", k.path, "error", err)
	}
}

func (k *walKeeper) run(ctx context.Context) {
	defer close(k.done)
	t := time.NewTicker(checkpointEvery)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
		if err := k.round(ctx); err != nil && ctx.Err() == nil {
			k.warn(err)
		}
	}
}

// round checkpoints what was written since the last one, and catches up when the log is too large.
func (k *walKeeper) round(ctx context.Context) error {
	info, err := os.Stat(k.path)
	if err != nil || (info.Size() == k.size && info.ModTime().Equal(k.seen)) {
		return nil // no log, or nothing new in it
	}
	left, err := k.checkpoint(ctx, k.db, "PASSIVE")
	if err != nil {
		return err
	}
	if left == 0 {
		k.size, k.seen = info.Size(), info.ModTime()
	}
	if info.Size() <= k.limit {
		return nil
	}
	release := k.hold()
	defer release()
	t := time.NewTicker(catchUpEvery)
	defer t.Stop()
	for began := time.Now(); left > walNearlyDone && time.Since(began) < catchUpFor; {
		select {
		case <-ctx.Done():
			return nil
		case <-t.C:
		}
		if left, err = k.checkpoint(ctx, k.db, "PASSIVE"); err != nil {
			return err
		}
	}
	if left <= walNearlyDone {
		if err := k.truncate(ctx); err != nil {
			return err
		}
	}
	// A long reader may keep the log as it is. Then writers go on, and the next attempt comes a limit later.
	k.limit = walLimit
	if info, err := os.Stat(k.path); err == nil && info.Size() > walLimit {
		k.limit = info.Size() + walLimit
	}
	return nil
}

// truncate empties the log on the writing handle. It waits for readers a tenth of a second at most.
func (k *walKeeper) truncate(ctx context.Context) error {
	conn, err := k.store.writer.Conn(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }() // gives it back to the pool
	if _, err := conn.ExecContext(ctx, "PRAGMA busy_timeout=100"); err != nil {
		return err
	}
	_, err = k.checkpoint(ctx, conn, "TRUNCATE")
	_, err2 := conn.ExecContext(context.WithoutCancel(ctx), "PRAGMA busy_timeout=10000")
	return errors.Join(err, err2)
}

// checkpoint returns how many frames are left in the log.
func (k *walKeeper) checkpoint(ctx context.Context, on querier, mode string) (left int, err error) {
	var busy, log, moved int
	if err := on.QueryRowContext(ctx, "PRAGMA wal_checkpoint("+mode+")").Scan(&busy, &log, &moved); err != nil {
		return 0, err
	}
	k.warned = false
	return log - moved, nil
}

func (k *walKeeper) hold() (release func()) {
	c := make(chan struct{})
	k.mu.Lock()
	k.pause = c
	k.mu.Unlock()
	return func() {
		k.mu.Lock()
		k.pause = nil
		k.mu.Unlock()
		close(c)
	}
}

// wait returns when graph writers may write.
func (k *walKeeper) wait(ctx context.Context) error {
	k.mu.Lock()
	c := k.pause
	k.mu.Unlock()
	if c == nil {
		return nil
	}
	select {
	case <-c:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// courtesy is how long a graph writer waits at most for others between two slices, and how often it looks.
const (
	courtesy     = 100 * time.Millisecond
	courtesyStep = 200 * time.Microsecond
)

// yield lets other writers in between two slices of a long write: database/sql hands a freed connection to a random
// waiter, and a tight loop would keep winning it.
func (s *Store) yield(ctx context.Context) error {
	if s.wal == nil {
		return ctx.Err()
	}
	if err := s.wal.wait(ctx); err != nil {
		return err
	}
	if s.writer.Stats().InUse == 0 {
		return ctx.Err()
	}
	t := time.NewTicker(courtesyStep)
	defer t.Stop()
	for began := time.Now(); s.writer.Stats().InUse > 0 && time.Since(began) < courtesy; {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-t.C:
		}
	}
	return nil
}
