package sync

import (
	"context"
	"database/sql"
	"fmt"
	"strconv"
	"time"

	"github.com/windlass-hq/windlass/internal/bitbucket"
	"github.com/windlass-hq/windlass/internal/config"
	"github.com/windlass-hq/windlass/internal/store"
)

// Of every repository two moments of the provider's clock are kept: what changed between them is known (Scope.Reached,
// Scope.Watermark). A run that is due reads what is open or changed since the watermark, at least what changed within
// incrementFloor; background work reads the rest once, as far back as the connection goes, and again every relist, since
// only a list of everything proves what has gone. A run by hand reads everything at once.
const (
	// overlap is how far a watermark stays behind the provider's clock, for what was under way there.
	overlap = 10 * time.Minute
	// incrementFloor is the least that an incremental listing looks back.
	incrementFloor = 24 * time.Hour
	// relist is how often everything is listed again.
	relist = week
	// hotFor is how long after its last change a repository is listed in every run; coldEvery is how often the others are
	// (HARD-PARTS B, polling only).
	hotFor    = 14 * day
	coldEvery = 23 * time.Hour // so that a run an hour early does not wait for the next day
)

func pullsPrefix(connection int64) string { return fmt.Sprintf("connection/%d/pulls/", connection) }

func historyPrefix(connection int64) string { return fmt.Sprintf("connection/%d/history/", connection) }

func pullsWork(connection, scope int64) string {
	return pullsPrefix(connection) + strconv.FormatInt(scope, 10)
}

func historyWork(connection, scope int64) string {
	return historyPrefix(connection) + strconv.FormatInt(scope, 10)
}

// byHand reports whether somebody waits for everything.
func (p *pass) byHand() bool { return p.opts.Drain || p.opts.Full }

// History reads the option of a connection that says how far back pull requests go; zero for the beginning.
func History(option string) time.Duration {
	switch option {
	case "", "all":
		return 0
	case "none":
		return incrementFloor
	}
	d, err := config.ParseDuration(option)
	if err != nil {
		return 0 // it was checked when it was stored; reading all is never wrong
	}
	return d
}

// horizon is how far back the pull requests of a connection go; zero for the beginning.
func (p *pass) horizon() time.Time {
	if d := History(p.conn.Settings["history"]); d > 0 {
		return p.started.Add(-d)
	}
	return time.Time{}
}

// since is from when on the pull requests of a repository are listed; zero for all of them.
func (p *pass) since(scope store.Scope, kind itemKind) time.Time {
	switch {
	case p.opts.Since > 0:
		return p.started.Add(-p.opts.Since)
	case p.opts.Full:
		return time.Time{}
	case p.byHand() || kind == historyItem:
		return p.horizon()
	}
	from := p.started.Add(-incrementFloor)
	if w := scope.Watermark; !w.IsZero() && w.Before(from) {
		from = w
	}
	return from
}

// pullRequests lists the pull requests of one repository, closes what is confirmed gone, and settles the row of work.
func (p *pass) pullRequests(ctx context.Context, it item) (title string, entry store.LedgerEntry, err error) {
	scope, err := p.Store.ScopeByID(ctx, it.scope)
	if err != nil {
		return "", entry, err
	}
	ref, open, err := p.repository(ctx, scope.Parent)
	if err == nil && !open { // it went meanwhile
		_, err = p.Store.Settle(ctx, it.name, it.wanted)
		return scope.Title, entry, err
	}
	if err != nil {
		return scope.Title, entry, err
	}
	since := p.since(scope, it.kind)
	var clock time.Time // the provider's, when it answered first
	l := p.reader.PullRequests(ref, since)
	pages := l.Pages
	l.Pages = func(ctx context.Context, yield func(bitbucket.Page) error) error {
		return pages(ctx, func(page bitbucket.Page) error {
			if clock.IsZero() || page.Again {
				if clock = page.ServedAt; clock.IsZero() {
					clock = page.RequestedAt
				}
			}
			return yield(page)
		})
	}
	entry, shown, err := p.read(ctx, scope, l)
	if err != nil {
		return scope.Title, entry, err
	}
	if entry.State == store.LedgerComplete {
		p.extend(scope, &entry, since, clock.Add(-overlap))
	}
	if entry.State == store.LedgerComplete && !since.IsZero() {
		entry.State, entry.WindowFrom, entry.WindowTo = store.LedgerWindowed, since, p.started
	}
	if entry.State == store.LedgerComplete {
		if err := p.settleAbsence(ctx, absence{scope: scope, listing: l, shown: shown}, &entry); err != nil {
			return scope.Title, entry, err
		}
	}
	p.tally.ended(scope, entry)
	// A row that was raised again meanwhile stays wanted. A failed listing is not tried again within this run, and is
	// wanted again by the next one. One transaction, since there are as many as repositories.
	return scope.Title, entry, p.Store.Write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		if err := p.Store.RecordLedgerIn(ctx, tx, entry); err != nil {
			return err
		}
		if _, err := p.Store.SettleIn(ctx, tx, it.name, it.wanted); err != nil {
			return err
		}
		return p.history(ctx, tx, scope, entry)
	})
}

// extend moves the two moments between which everything is known. A listing that begins after what was known leaves a
// gap before it, so what is known begins with it.
func (p *pass) extend(scope store.Scope, entry *store.LedgerEntry, since, until time.Time) {
	entry.Watermark = until
	if scope.Watermark.After(until) {
		entry.Watermark = scope.Watermark
	}
	from := since
	if from.IsZero() {
		from = time.Unix(0, 0)
	}
	connected := !scope.Watermark.IsZero() && !from.After(scope.Watermark)
	if entry.Reached = from; connected && scope.Reached.Before(from) {
		entry.Reached = scope.Reached
	}
}

// history wants the whole list of a repository after a shorter one, where that is not known yet or was read long ago;
// a list that went back far enough settles the wish.
func (p *pass) history(ctx context.Context, tx *sql.Tx, scope store.Scope, entry store.LedgerEntry) error {
	name := historyWork(p.conn.ID, scope.ID)
	wanted, err := p.Store.WantedIn(ctx, tx, name)
	if err != nil {
		return err
	}
	horizon := p.horizon()
	switch entry.State {
	case store.LedgerComplete:
		_, err = p.Store.SettleIn(ctx, tx, name, wanted)
	case store.LedgerWindowed:
		reached, again := entry.Reached.Unix() <= max(horizon.Unix(), 0), false
		if horizon.IsZero() {
			again = scope.LastComplete == nil || p.started.Sub(*scope.LastComplete) >= relist
		}
		if (!reached || again) && p.opts.Since == 0 && wanted == 0 {
			err = p.Store.Raise(ctx, tx, name)
		}
		if reached && !again && wanted > 0 {
			_, err = p.Store.SettleIn(ctx, tx, name, wanted)
		}
	}
	return err
}
