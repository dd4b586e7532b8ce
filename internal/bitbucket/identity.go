package bitbucket

import (
	"context"
	"slices"

	"github.com/windlass-hq/windlass/internal/fault"
	"github.com/windlass-hq/windlass/internal/store"
)

// Identify asks once for every credential who it belongs to, and makes those of one user one principal with the id
// user:NAME: they share what the user may spend and count once. Who is called with the principal as which to ask; an
// empty name leaves it as it is. A credential that is refused (fault.Unauthorized) is not used any more; every other
// error ends it, and the next call goes on. Ids that were given out before remain good.
func (c *Client) Identify(ctx context.Context, who func(ctx context.Context, principal string) (name string, err error)) error {
	p := c.pool
	p.mu.Lock()
	list := slices.Clone(p.order)
	p.mu.Unlock()
	for _, pr := range list {
		p.mu.Lock()
		id, cred, skip := pr.id, pr.cred, pr.identified || pr.dead != nil
		p.mu.Unlock()
		if skip {
			continue
		}
		name, err := who(ctx, id)
		switch {
		case fault.Is(err, fault.Unauthorized):
			p.bury(pr, cred, err)
		case err != nil:
			return err
		default:
			if err := p.join(ctx, pr, name); err != nil {
				return err
			}
		}
	}
	return nil
}

// join gives a principal the name that the vendor knows it by. What it has spent so far goes along.
func (p *pool) join(ctx context.Context, pr *principal, name string) error {
	type moved struct {
		from, to store.Account
		at       account
	}
	var moves []moved
	p.mu.Lock()
	pr.identified = true
	if name != "" {
		old, id := pr.id, "user:"+name
		first := p.byID[id]
		if first == nil {
			first = pr
			p.byID[id] = pr
		} else {
			first.spare = append(append(first.spare, pr), pr.spare...)
			first.dead = nil
			p.order = slices.DeleteFunc(p.order, func(other *principal) bool { return other == pr })
			p.byID[old] = first
		}
		for _, group := range sorted(pr.accounts) {
			acc := pr.accounts[group]
			to := store.Account{Realm: p.realm, Principal: id, Group: group}
			moves = append(moves, moved{acc.key, to, *acc})
			acc.key, acc.left, acc.changes = to, 0, acc.changes+1
		}
		pr.id = id
		p.announce()
	}
	p.mu.Unlock()
	for _, m := range moves {
		if err := p.giveBack(ctx, m.from, m.at.since, m.at.made+m.at.left); err != nil {
			return err
		}
		if m.at.made == 0 {
			continue
		}
		if _, err := p.spending.ReserveCalls(ctx, m.to, p.wish(m.at.made, m.at.assumed)); err != nil {
			return remember(ctx, err)
		}
	}
	return nil
}
