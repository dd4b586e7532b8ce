package sync

import (
	"context"
	"fmt"
	"strconv"

	"golang.org/x/sync/errgroup"

	"github.com/windlass-hq/windlass/internal/bitbucket"
	"github.com/windlass-hq/windlass/internal/fault"
	"github.com/windlass-hq/windlass/internal/graph"
	"github.com/windlass-hq/windlass/internal/store"
)

// absence is what one complete listing did not show although the scope had it.
type absence struct {
	scope   store.Scope
	listing Listing
	shown
}

// The bounds of HARD-PARTS A, "closing with care": more than the larger of heldFloor and heldShare of a scope, or a
// scope of more than emptyFloor members found empty, waits for a person.
const (
	heldFloor  = 10
	heldShare  = 0.05
	emptyFloor = 10
)

// closeAbsent goes through what the listings of this run missed, in the order in which they were read: parents
// before children, so that what goes by cascade is not counted against its own scope.
func (p *pass) closeAbsent(ctx context.Context) error {
	for _, a := range p.absences {
		entry := store.LedgerEntry{Scope: a.scope.ID, Run: p.run.ID, State: store.LedgerComplete}
		if err := p.settleAbsence(ctx, a, &entry); err != nil {
			return err
		}
		if entry.State != store.LedgerComplete || entry.Reason != "" {
			if err := p.amend(ctx, a.scope, entry); err != nil {
				return err
			}
		}
	}
	p.absences = nil
	return nil
}

// amend replaces what the tally and the ledger say of a scope after its absences were looked at.
func (p *pass) amend(ctx context.Context, scope store.Scope, entry store.LedgerEntry) error {
	t := &p.tally
	t.mu.Lock()
	for i := range t.scopes {
		if t.scopes[i].Scope == scope.Name() {
			t.scopes[i].Status, t.scopes[i].Reason = string(entry.State), entry.Reason
		}
	}
	t.mu.Unlock()
	return p.Store.RecordLedger(ctx, entry)
}

// settleAbsence holds, confirms and closes the missing members of one scope. What it could not confirm makes the
// entry partial and stays open.
func (p *pass) settleAbsence(ctx context.Context, a absence, entry *store.LedgerEntry) error {
	open, err := p.stillOpen(ctx, a.missing)
	if err != nil {
		return err
	}
	if open, err = p.withdrawOutside(ctx, a, open); err != nil {
		return err
	}
	if len(open) == 0 {
		return p.release(ctx, a.scope.ID)
	}
	proof, unproven := p.proof(a)
	if unproven != "" {
		entry.State, entry.Reason = store.LedgerPartial, fmt.Sprintf("%d members were not shown: %s", len(open), unproven)
		return nil
	}
	p.progress(Event{Phase: "absences", Scope: a.scope.Title, Total: len(open), Calls: p.reader.Calls()})
	if held := p.toHold(open, a.size, proof); held != "" {
		keys := make([]string, len(open))
		for i, r := range open {
			keys[i] = r.Key
		}
		if err := p.Store.Hold(ctx, store.Held{Run: p.run.ID, Scope: a.scope.ID, Reason: held, Members: keys}); err != nil {
			return err
		}
		p.tally.hold(len(open))
		entry.Reason = fmt.Sprintf("%s; nothing was closed; confirm with --confirm-deletes %d", held, p.run.ID)
		return nil
	}
	gone, hidden, unsure, err := p.confirmAbsent(ctx, a, open)
	if err != nil {
		return err
	}
	if proof == narrower {
		gone, hidden = nil, append(hidden, gone...)
	}
	if len(gone) > 0 {
		if _, err := p.withdraw(ctx, a.scope.ID, gone, graph.Deleted); err != nil {
			return err
		}
	}
	if len(hidden) > 0 {
		if _, err := p.withdraw(ctx, a.scope.ID, hidden, graph.NotVisible); err != nil {
			return err
		}
	}
	if unsure != "" {
		entry.State, entry.Reason = store.LedgerPartial, unsure
	}
	return p.release(ctx, a.scope.ID)
}

// withdrawOutside withdraws the members that the connection was told not to cover any more, and returns the others.
func (p *pass) withdrawOutside(ctx context.Context, a absence, open []store.EntityRow) ([]store.EntityRow, error) {
	if a.listing.Outside == nil {
		return open, nil
	}
	var inside []store.EntityRow
	var outside []string
	for _, row := range open {
		if a.listing.Outside(row) {
			outside = append(outside, row.Key)
		} else {
			inside = append(inside, row)
		}
	}
	if len(outside) == 0 {
		return inside, nil
	}
	_, err := p.withdraw(ctx, a.scope.ID, outside, graph.Withdrawn)
	return inside, err
}

// toHold says why the closings must wait for a person, or "".
func (p *pass) toHold(open []store.EntityRow, size int, proof proof) string {
	if p.opts.ConfirmDeletes == "all" {
		return ""
	}
	unconfirmed := 0
	for _, r := range open {
		if !p.confirm[r.Key] {
			unconfirmed++
		}
	}
	limit := max(heldFloor, int(heldShare*float64(size)))
	switch {
	case unconfirmed == 0:
		return ""
	case proof == narrower:
		return fmt.Sprintf("%d members were only seen by credentials that have been removed", len(open))
	case len(open) > limit:
		return fmt.Sprintf("%d of %d members are missing, more than %d", len(open), size, limit)
	case size > emptyFloor && len(open) == size:
		return fmt.Sprintf("the listing was empty where %d members were known", size)
	}
	return ""
}

// stillOpen reads the missing members that are open at this moment; some may have gone with a parent.
func (p *pass) stillOpen(ctx context.Context, keys []string) ([]store.EntityRow, error) {
	var open []store.EntityRow
	for _, k := range keys {
		row, err := p.Store.Entity(ctx, k, nil)
		if fault.Is(err, fault.NotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		open = append(open, row)
	}
	return open, nil
}

// confirmAbsent asks the provider about each missing member: a direct read where there is one, else a second
// complete listing. A member that turns out to be present stays; one that could not be asked about stays too and is
// named in unsure.
func (p *pass) confirmAbsent(ctx context.Context, a absence, open []store.EntityRow) (gone, hidden []string, unsure string, err error) {
	if !a.listing.Direct {
		still, reason, err := p.absentTwice(ctx, a, open)
		if a.listing.Owned {
			return still, nil, reason, err
		}
		// The account of a member who left, or whom we no longer meet, is not deleted: we do not see it any more.
		return nil, still, reason, err
	}
	verdicts := make([]bitbucket.Presence, len(open))
	failures := make([]error, len(open))
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(4)
	for i, row := range open {
		g.Go(func() error {
			var err error
			verdicts[i], err = p.reader.Exists(gctx, refOf(row, a.listing))
			if err != nil && endsRun(gctx, err) {
				return err
			}
			failures[i] = err
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return nil, nil, "", err
	}
	failed := 0
	for i, row := range open {
		switch {
		case failures[i] != nil:
			failed++
			unsure = failures[i].Error()
		case verdicts[i] == bitbucket.Gone:
			gone = append(gone, row.Key)
		case verdicts[i] == bitbucket.Hidden:
			hidden = append(hidden, row.Key)
		}
	}
	if failed > 0 {
		unsure = strconv.Itoa(failed) + " absences could not be confirmed: " + unsure
	}
	return gone, hidden, unsure, nil
}

// absentTwice lists the scope a second time and returns the members that both listings missed.
func (p *pass) absentTwice(ctx context.Context, a absence, open []store.EntityRow) (still []string, unsure string, err error) {
	entry, second, err := p.read(ctx, a.scope, a.listing)
	if err != nil {
		return nil, "", err
	}
	if entry.State != store.LedgerComplete {
		return nil, "the second listing that confirms absence did not complete: " + entry.Reason, nil
	}
	if second.by != a.by {
		return nil, "the second listing that confirms absence was read by another credential", nil
	}
	twice := make(map[string]bool, len(second.missing))
	for _, k := range second.missing {
		twice[k] = true
	}
	for _, row := range open {
		if twice[row.Key] {
			still = append(still, row.Key)
		}
	}
	return still, "", nil
}
