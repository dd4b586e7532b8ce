package store

import (
	"context"
	"database/sql"
	"fmt"
	"sync"
	"time"
)

// Pace is how fast an instance may be asked.
type Pace struct {
	PerSecond float64       // calls that may begin in a second
	InFlight  int           // calls that may be out at once
	Lease     time.Duration // after which a call counts as ended though nobody said so
}

// Ticket lets one call begin at a time. Without an ID none is free, and Begin is when to ask again.
type Ticket struct {
	ID    int64
	Begin time.Time
}

// The level at which an instance is asked, in thousandths of the configured pace: halved by trouble, and back by an
// eighth of the whole for each half minute without.
const (
	fullLevel   = 1000
	lowestLevel = fullLevel / 16
	recovery    = fullLevel / 8
	recoverIn   = 30 * time.Second
	// showsIn is how long a slower pace needs to show. Trouble with calls sent before is the one that was acted on, met
	// once more or by another process.
	showsIn = 10 * time.Second
)

// throttleState is what is stored of an instance; times are microseconds.
type throttleState struct {
	nextAt, level, levelAt, tickets int64
}

func (st *throttleState) levelNow(now time.Time) int64 {
	calm := time.Duration(now.UnixMicro()-st.levelAt) * time.Microsecond
	return min(st.level+int64(max(calm, 0)/recoverIn)*recovery, fullLevel)
}

// arrival is by how much calls may come closer to one another on their way, so that an instance counts no more of them
// within a second than it should.
const arrival = 50 * time.Millisecond

// interval is how far apart calls begin.
func (st *throttleState) interval(now time.Time, p Pace) time.Duration {
	return time.Duration(float64(time.Second+arrival) / p.PerSecond * fullLevel / float64(st.levelNow(now)))
}

// take gives a ticket while fewer calls are out than may be.
func (st *throttleState) take(now time.Time, p Pace, out int) Ticket {
	level, interval := st.levelNow(now), st.interval(now, p)
	if limit := max(int64(p.InFlight)*level/fullLevel, 1); int64(out) >= limit {
		return Ticket{Begin: now.Add(min(interval, 250*time.Millisecond))}
	}
	st.tickets++
	at := max(now.UnixMicro(), st.nextAt)
	st.nextAt = at + interval.Microseconds() + 1
	return Ticket{ID: st.tickets, Begin: timeOf(at)}
}

// slow halves the level, once for all calls that were sent before the last halving could show.
func (st *throttleState) slow(now, sent time.Time) {
	if st.levelAt > 0 && sent.UnixMicro() <= st.levelAt+showsIn.Microseconds() {
		return
	}
	st.level, st.levelAt = max(st.levelNow(now)/2, lowestLevel), now.UnixMicro()
}

// TakeTicket lets one call to an instance begin, over all processes never more than the pace allows: the beginnings
// keep the distance that the rate asks for, and no more calls are out than may be at once.
func (s *Store) TakeTicket(ctx context.Context, realm string, p Pace) (Ticket, error) {
	var t Ticket
	var interval time.Duration
	err := s.throttle(ctx, realm, func(ctx context.Context, tx *sql.Tx, st *throttleState) error {
		now := s.now()
		interval = st.interval(now, p)
		if _, err := tx.ExecContext(ctx, "DELETE FROM throttle_call WHERE realm = $1 AND until <= $2", realm, now.UnixMicro()); err != nil {
			return fmt.Errorf("forget calls that ended unsaid: %w", err)
		}
		var out int
		if err := tx.QueryRowContext(ctx, "SELECT count(*) FROM throttle_call WHERE realm = $1", realm).Scan(&out); err != nil {
			return fmt.Errorf("count the calls that are out: %w", err)
		}
		t = st.take(now, p, out)
		if t.ID == 0 {
			return nil
		}
		_, err := tx.ExecContext(ctx, "INSERT INTO throttle_call (realm, ticket, until) VALUES ($1, $2, $3)", realm, t.ID, t.Begin.Add(p.Lease).UnixMicro())
		if err != nil {
			return fmt.Errorf("count a call: %w", err)
		}
		return nil
	})
	if err == nil && t.ID != 0 {
		t.Begin = s.beginnings.space(realm, t.Begin, s.now(), interval)
	}
	return t, err
}

// beginnings keeps the distance of the calls that this process begins, whatever time the database took to write their
// tickets down: without it those that a slow write held up would begin together.
type beginnings struct {
	mu   sync.Mutex
	last map[string]time.Time // by realm
}

// space returns when a call may begin that was to begin at a time which may have passed.
func (b *beginnings) space(realm string, at, now time.Time, interval time.Duration) time.Time {
	b.mu.Lock()
	defer b.mu.Unlock()
	if at.Before(now) {
		at = now
	}
	if next := b.last[realm].Add(interval); at.Before(next) {
		at = next
	}
	if b.last == nil {
		b.last = map[string]time.Time{}
	}
	b.last[realm] = at
	return at
}

// EndTicket says that a call has ended.
func (s *Store) EndTicket(ctx context.Context, realm string, ticket int64) error {
	return s.Write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, "DELETE FROM throttle_call WHERE realm = $1 AND ticket = $2", realm, ticket); err != nil {
			return fmt.Errorf("end a call: %w", err)
		}
		return nil
	})
}

// SlowDown halves the pace of an instance because of trouble with a call sent at the given time. It comes back by
// itself.
func (s *Store) SlowDown(ctx context.Context, realm string, sent time.Time) error {
	return s.throttle(ctx, realm, func(_ context.Context, _ *sql.Tx, st *throttleState) error {
		st.slow(s.now(), sent)
		return nil
	})
}

// Level returns at which part of the configured pace an instance is asked, from 0 to 1.
func (s *Store) Level(ctx context.Context, realm string) (float64, error) {
	rows, err := collect(ctx, s, func(row interface{ Scan(...any) error }) (throttleState, error) {
		var st throttleState
		err := row.Scan(&st.level, &st.levelAt)
		return st, err
	}, "SELECT level, level_at FROM throttle WHERE realm = $1", realm)
	if err != nil || len(rows) == 0 {
		return 1, err
	}
	return float64(rows[0].levelNow(s.now())) / fullLevel, nil
}

// throttle changes the state of an instance in a transaction that holds its row, so that processes take turns.
func (s *Store) throttle(ctx context.Context, realm string, change func(context.Context, *sql.Tx, *throttleState) error) error {
	return s.Write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		var st throttleState
		err := tx.QueryRowContext(ctx, `INSERT INTO throttle (realm, next_at, level, level_at, tickets) VALUES ($1, 0, $2, 0, 0)
			ON CONFLICT (realm) DO UPDATE SET tickets = throttle.tickets RETURNING next_at, level, level_at, tickets`, realm, fullLevel).
			Scan(&st.nextAt, &st.level, &st.levelAt, &st.tickets)
		if err != nil {
			return fmt.Errorf("read the pace of %s: %w", realm, err)
		}
		before := st
		if err := change(ctx, tx, &st); err != nil || st == before {
			return err
		}
		_, err = tx.ExecContext(ctx, "UPDATE throttle SET next_at = $2, level = $3, level_at = $4, tickets = $5 WHERE realm = $1",
			realm, st.nextAt, st.level, st.levelAt, st.tickets)
		if err != nil {
			return fmt.Errorf("write the pace of %s: %w", realm, err)
		}
		return nil
	})
}
