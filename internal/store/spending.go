package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"time"
)

// Account is what a vendor counts calls of: a principal of one Bitbucket, for one group of resources.
type Account struct {
	Realm     string // which Bitbucket: the host of its API, or the id of an instance
	Principal string
	Group     string // such as api or webhooks
}

// Wish asks for calls to be reserved.
type Wish struct {
	Calls   int           // how many at most; 0 only asks how things stand
	Assumed int           // calls per hour where the vendor has named no allowance; 0 where there is no limit per hour
	Share   float64       // of the allowance, which may be spent; the rest is left to others
	Lease   time.Duration // how long a probing call may be out
}

// Grant is what a reservation brought.
type Grant struct {
	Calls int       // that may be made before Until; they are counted already
	Until time.Time // the end of the minute in which they are counted
	Probe bool      // the one call that finds out whether a rest is over

	Again   time.Time // without calls: when to ask again
	Resting bool      // the vendor refused calls; otherwise our share is spent
	Busy    bool      // another process is finding out whether a rest is over

	Spent     int       // calls of the last hour by all processes, these included
	Oldest    time.Time // the minute of the oldest of them
	Allowance int       // as the vendor named it; 0 where it did not
	Refused   int       // probing calls that were refused since the rest began
}

// Refusal is a call that the vendor refused because the allowance is spent.
type Refusal struct {
	Until time.Time // no calls before then
	Probe bool      // the call was to find out whether a rest is over
}

// accountState is what is stored of an account beside its minutes; times are microseconds.
type accountState struct {
	allowance, refused     int
	restsUntil, probeUntil int64
}

// leaves is after how many minutes the calls of a minute have left the rolling hour, whenever in it they were made.
const leaves = 61

func minuteOf(t time.Time) int64 { return t.Unix() / 60 }

// ceiling returns how many calls an hour may be made of an allowance; 0 means any number.
func (w Wish) ceiling(allowance int) int {
	if w.Assumed <= 0 {
		return 0
	}
	if allowance <= 0 {
		allowance = w.Assumed
	}
	return max(int(float64(allowance)*w.Share), 1)
}

// grant decides about a wish. It is the whole policy of what may be called when.
func (w Wish) grant(now time.Time, st accountState, spent int, oldest int64) Grant {
	g := Grant{Spent: spent, Allowance: st.allowance, Refused: st.refused, Until: time.Unix((minuteOf(now)+1)*60, 0).UTC()}
	if spent > 0 {
		g.Oldest = time.Unix(oldest*60, 0).UTC()
	}
	ceiling := w.ceiling(st.allowance)
	switch {
	case st.restsUntil > now.UnixMicro():
		g.Resting, g.Again = true, timeOf(st.restsUntil)
	case ceiling > 0 && spent >= ceiling:
		g.Again = time.Unix((oldest+leaves)*60, 0).UTC()
	case st.restsUntil == 0 && ceiling > 0:
		g.Calls = min(w.Calls, ceiling-spent)
	case st.restsUntil == 0:
		g.Calls = w.Calls
	case st.probeUntil > now.UnixMicro():
		g.Resting, g.Busy, g.Again = true, true, now.Add(time.Second)
	case w.Calls > 0:
		g.Probe, g.Calls = true, 1
	}
	g.Spent += g.Calls
	return g
}

// refuse makes an account rest. Calls that were out together may all be refused; that is one rest.
func (st *accountState) refuse(r Refusal) {
	st.restsUntil = max(st.restsUntil, r.Until.UnixMicro())
	if r.Probe {
		st.refused++
		st.probeUntil = 0
	}
}

// endProbe gives the probing call back. If it was answered the rest is over.
func (st *accountState) endProbe(answered bool) {
	st.probeUntil = 0
	if answered {
		st.restsUntil, st.refused = 0, 0
	}
}

// ReserveCalls counts calls of an account before they are made, for as many as the wish allows, or says when to ask
// again. Because they are counted first, no number of processes spends more than the share together, and a process
// that dies loses no more than what it had reserved.
func (s *Store) ReserveCalls(ctx context.Context, a Account, w Wish) (Grant, error) {
	var g Grant
	err := s.account(ctx, a, func(ctx context.Context, tx *sql.Tx, st *accountState) error {
		now := s.now()
		minute := minuteOf(now)
		var spent int
		var oldest sql.NullInt64
		err := tx.QueryRowContext(ctx, `SELECT CAST(COALESCE(SUM(calls), 0) AS BIGINT), MIN(minute) FROM spending
			WHERE realm = $1 AND principal = $2 AND grp = $3 AND minute > $4 AND calls > 0`,
			a.Realm, a.Principal, a.Group, minute-leaves).Scan(&spent, &oldest)
		if err != nil {
			return fmt.Errorf("read what %s has spent: %w", a.Principal, err)
		}
		g = w.grant(now, *st, spent, oldest.Int64)
		if g.Calls == 0 {
			return nil
		}
		if g.Probe {
			st.probeUntil = now.Add(w.Lease).UnixMicro()
		}
		if g.Oldest.IsZero() {
			g.Oldest = time.Unix(minute*60, 0).UTC()
		}
		if _, err := tx.ExecContext(ctx, `DELETE FROM spending WHERE realm = $1 AND principal = $2 AND grp = $3 AND minute <= $4`,
			a.Realm, a.Principal, a.Group, minute-leaves); err != nil {
			return fmt.Errorf("forget what %s spent long ago: %w", a.Principal, err)
		}
		return spend(ctx, tx, a, minute, g.Calls)
	})
	return g, err
}

func spend(ctx context.Context, tx *sql.Tx, a Account, minute int64, calls int) error {
	_, err := tx.ExecContext(ctx, `INSERT INTO spending (realm, principal, grp, minute, calls) VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT (realm, principal, grp, minute) DO UPDATE SET calls = spending.calls + excluded.calls`,
		a.Realm, a.Principal, a.Group, minute, calls)
	if err != nil {
		return fmt.Errorf("count calls of %s: %w", a.Principal, err)
	}
	return nil
}

// ReturnCalls takes back calls that were reserved at the given time and not made.
func (s *Store) ReturnCalls(ctx context.Context, a Account, at time.Time, calls int) error {
	return s.Write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `UPDATE spending SET calls = CASE WHEN calls > $5 THEN calls - $5 ELSE 0 END
			WHERE realm = $1 AND principal = $2 AND grp = $3 AND minute = $4`, a.Realm, a.Principal, a.Group, minuteOf(at), calls)
		if err != nil {
			return fmt.Errorf("take back calls of %s: %w", a.Principal, err)
		}
		return nil
	})
}

// RestCalls keeps an account from being used, in every process, until the time of the refusal; then one probing call
// is granted.
func (s *Store) RestCalls(ctx context.Context, a Account, r Refusal) error {
	return s.account(ctx, a, func(_ context.Context, _ *sql.Tx, st *accountState) error {
		st.refuse(r)
		return nil
	})
}

// EndProbe says what came of a probing call: answered ends the rest, otherwise the next call probes. A refusal is
// told by RestCalls instead.
func (s *Store) EndProbe(ctx context.Context, a Account, answered bool) error {
	return s.account(ctx, a, func(_ context.Context, _ *sql.Tx, st *accountState) error {
		st.endProbe(answered)
		return nil
	})
}

// LearnAllowance keeps how many calls per hour the vendor says it grants.
func (s *Store) LearnAllowance(ctx context.Context, a Account, perHour int) error {
	return s.account(ctx, a, func(_ context.Context, _ *sql.Tx, st *accountState) error {
		st.allowance = perHour
		return nil
	})
}

// account changes the state of an account in a transaction that holds its row, so that processes take turns.
func (s *Store) account(ctx context.Context, a Account, change func(context.Context, *sql.Tx, *accountState) error) error {
	return s.Write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		var st accountState
		// The update that changes nothing locks the row where it exists.
		err := tx.QueryRowContext(ctx, `INSERT INTO spending_account (realm, principal, grp, allowance, rests_until, refused, probe_until)
			VALUES ($1, $2, $3, 0, 0, 0, 0) ON CONFLICT (realm, principal, grp) DO UPDATE SET refused = spending_account.refused
			RETURNING allowance, rests_until, refused, probe_until`, a.Realm, a.Principal, a.Group).
			Scan(&st.allowance, &st.restsUntil, &st.refused, &st.probeUntil)
		if err != nil {
			return fmt.Errorf("read the allowance of %s: %w", a.Principal, err)
		}
		before := st
		if err := change(ctx, tx, &st); err != nil || st == before {
			return err
		}
		_, err = tx.ExecContext(ctx, `UPDATE spending_account SET allowance = $4, rests_until = $5, refused = $6, probe_until = $7
			WHERE realm = $1 AND principal = $2 AND grp = $3`,
			a.Realm, a.Principal, a.Group, st.allowance, st.restsUntil, st.refused, st.probeUntil)
		if err != nil {
			return fmt.Errorf("write the allowance of %s: %w", a.Principal, err)
		}
		return nil
	})
}

// SpendingFilter chooses accounts. Without principals it takes all of the realm.
type SpendingFilter struct {
	Realm      string
	Principals []string
}

// Spent is what is stored of one account.
type Spent struct {
	Account
	Calls      int       // of the last hour
	Oldest     time.Time // the minute of the oldest of them; zero without any
	Allowance  int       // per hour, as the vendor named it; 0 where it did not
	RestsUntil time.Time // zero unless the vendor refused calls and the rest is not over
}

// Spending returns what principals have spent in the last hour, by all processes, in order of principal and group.
func (s *Store) Spending(ctx context.Context, f SpendingFilter) ([]Spent, error) {
	names, err := json.Marshal(f.Principals)
	if err != nil {
		return nil, fmt.Errorf("principals: %w", err)
	}
	where := "a.realm = $1"
	args := []any{f.Realm, minuteOf(s.now()) - leaves}
	if len(f.Principals) > 0 {
		where += " AND a.principal IN (" + s.dialect.KeysIn("$3") + ")"
		args = append(args, string(names))
	}
	now := s.now().UnixMicro()
	return collect(ctx, s, func(row interface{ Scan(...any) error }) (Spent, error) {
		var p Spent
		var oldest sql.NullInt64
		var until int64
		err := row.Scan(&p.Realm, &p.Principal, &p.Group, &p.Allowance, &until, &p.Calls, &oldest)
		if oldest.Valid {
			p.Oldest = time.Unix(oldest.Int64*60, 0).UTC()
		}
		if until > now {
			p.RestsUntil = timeOf(until)
		}
		return p, err
	}, `SELECT a.realm, a.principal, a.grp, a.allowance, a.rests_until, CAST(COALESCE(SUM(s.calls), 0) AS BIGINT), MIN(s.minute)
		FROM spending_account a LEFT JOIN spending s ON s.realm = a.realm AND s.principal = a.principal AND s.grp = a.grp
			AND s.minute > $2 AND s.calls > 0
		WHERE `+where+` GROUP BY a.realm, a.principal, a.grp, a.allowance, a.rests_until ORDER BY a.principal, a.grp`, args...)
}
