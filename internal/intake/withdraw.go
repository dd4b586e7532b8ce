package intake

import (
	"context"

	"github.com/windlass-hq/windlass/internal/bitbucket"
	"github.com/windlass-hq/windlass/internal/fault"
	"github.com/windlass-hq/windlass/internal/store"
)

// Left begins the trouble of a hook whose place is not wanted any more and that could not be deleted.
const Left = "left behind: "

// Withdraw deletes the hooks of places that are not wanted any more, such as of a project that a connection leaves out
// now. What cannot be deleted keeps its record and is tried again the next time: what it delivers is still ours. Hooks
// that were made by hand are left alone.
func (r *Registrar) Withdraw(ctx context.Context, c HookClient, hooks []store.Hook, place func(store.Hook) bitbucket.Place) ([]Outcome, error) {
	var out []Outcome
	for _, h := range hooks {
		o := Outcome{Place: place(h), Hook: h, Did: "removed", Reason: "its place is not read any more"}
		if h.MadeBy == store.MadeByHand {
			o.Did, o.Reason = "left behind", "its place is not read any more, and it was made by hand: delete it there"
			out = append(out, o)
			continue
		}
		if err := r.withdraw(ctx, c, o.Place, h); err != nil {
			if ctx.Err() != nil {
				return out, err
			}
			o.Did, o.Reason = "left behind", err.Error()
			if err := r.Store.FoundHook(ctx, h.ID, h.RemoteID, Left+o.Reason); err != nil {
				return out, err
			}
		} else if err := r.Store.RemoveHook(ctx, h.ID); err != nil && !fault.Is(err, fault.NotFound) {
			return out, err
		}
		out = append(out, o)
	}
	return out, nil
}

// withdraw deletes a hook only where its place can be seen: a place that is hidden for a while comes back with its hook.
func (r *Registrar) withdraw(ctx context.Context, c HookClient, place bitbucket.Place, h store.Hook) error {
	all, err := c.Hooks(ctx, place)
	if err != nil {
		return err
	}
	for _, there := range all {
		if ours(there, h) {
			return c.DeleteHook(ctx, place, there.ID)
		}
	}
	return nil
}
