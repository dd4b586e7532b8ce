package intake

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/windlass-hq/windlass/internal/bitbucket"
	"github.com/windlass-hq/windlass/internal/fault"
	"github.com/windlass-hq/windlass/internal/store"
)

// HookClient makes and finds webhooks in a Bitbucket.
type HookClient interface {
	Hooks(ctx context.Context, p bitbucket.Place) ([]bitbucket.Hook, error)
	CreateHook(ctx context.Context, p bitbucket.Place, s bitbucket.HookSpec) (bitbucket.Hook, error)
	UpdateHook(ctx context.Context, p bitbucket.Place, id string, s bitbucket.HookSpec) error
	DeleteHook(ctx context.Context, p bitbucket.Place, id string) error
	HookEvents(p bitbucket.Place) []string
}

// HookStore is what registering needs of the stored hooks.
type HookStore interface {
	Hooks(ctx context.Context, connection int64) ([]store.Hook, error)
	AddHook(ctx context.Context, h store.Hook) (store.Hook, error)
	FoundHook(ctx context.Context, id, remoteID, trouble string) error
	MoveHook(ctx context.Context, id, url string) error
	ReplaceSecret(ctx context.Context, id, secret string, until time.Time) error
	RemoveHook(ctx context.Context, id string) error
}

// Registrar keeps the webhooks of connections in Bitbucket as they should be: one for each place, found by its URL, made
// where it is missing, put right where it was changed, and never anybody else's.
type Registrar struct {
	Store HookStore
	Log   *slog.Logger
	Now   func() time.Time
}

// HookName is how the hooks of Windlass are called in Bitbucket.
const HookName = "Windlass"

// bothValid is how long the old secret is accepted after a new one was set: what is under way with it still comes.
const bothValid = time.Hour

// bothValidByHand is the same where a person sets the new one.
const bothValidByHand = 24 * time.Hour

// Outcome is what became of the hook of one place.
type Outcome struct {
	Place  bitbucket.Place
	Hook   store.Hook
	Did    string // made, found, repaired, by hand, failed, removed, left behind
	Reason string // of a failure, or what a person has to do
	Secret string // only of a hook that is made by hand: the one that was made just now, which nothing shows again
}

// Wish says which hooks a connection should have.
type Wish struct {
	Connection store.Connection
	PublicURL  string            // of this installation; the hooks' addresses begin with it
	Places     []bitbucket.Place // workspaces; of Data Center projects, or repositories before 8.8
	ByHand     bool              // an administrator makes them: nothing is sent to Bitbucket
	Rotate     bool              // give each another secret
	Progress   func(done, total int, place string)
}

// Ensure makes the hooks of a connection as they should be. One place that fails stops no other; the error joins none of
// them, since the outcomes say each.
func (r *Registrar) Ensure(ctx context.Context, c HookClient, w Wish) ([]Outcome, error) {
	if w.PublicURL == "" {
		return nil, fault.New(fault.Invalid, "webhooks need an address that Bitbucket can reach").
			With("set --public-url of the server or of the connection; without it everything is read in rotation, and late")
	}
	stored, err := r.Store.Hooks(ctx, w.Connection.ID)
	if err != nil {
		return nil, err
	}
	byPlace := map[string]store.Hook{}
	for _, h := range stored {
		byPlace[h.Place] = h
	}
	var out []Outcome
	for i, place := range w.Places {
		if err := ctx.Err(); err != nil {
			return out, err
		}
		if w.Progress != nil {
			w.Progress(i, len(w.Places), place.Name)
		}
		o, before := Outcome{Place: place}, byPlace[place.Key]
		if o.Hook, err = r.own(ctx, w, place, before); err != nil {
			return out, err
		}
		if o.Hook.MadeBy == store.MadeByHand {
			if err = r.byHand(ctx, w, before, &o); err != nil {
				return out, err
			}
		} else if w.ByHand {
			o.Did, o.Reason = "found", "Windlass made it; to make it by hand, remove it first"
		} else if o.Did, err = r.place(ctx, c, w, place, &o.Hook); err != nil {
			if ctx.Err() != nil {
				return out, err
			}
			o.Did, o.Reason = "failed", err.Error()
			if err := r.Store.FoundHook(ctx, o.Hook.ID, o.Hook.RemoteID, o.Reason); err != nil {
				return out, err
			}
			if fault.Is(err, fault.Unauthorized) || fault.Is(err, fault.Limited) {
				return append(out, o), err // it would be so for every place
			}
		}
		out = append(out, o)
	}
	return out, nil
}

// own returns our record of the hook of a place, made before anything is made in Bitbucket: a hook that is made there
// and not recorded here would deliver with a secret that nobody knows.
func (r *Registrar) own(ctx context.Context, w Wish, place bitbucket.Place, h store.Hook) (store.Hook, error) {
	if h.ID == "" {
		id := store.NewHookID()
		by := store.MadeByWindlass
		if w.ByHand {
			by = store.MadeByHand
		}
		return r.Store.AddHook(ctx, store.Hook{
			ID: id, Connection: w.Connection.ID, Place: place.Key, PlaceType: place.Type, PlaceName: place.Name,
			URL: Address(w.PublicURL, id), Secret: store.NewHookSecret(), Signed: true, MadeBy: by,
		})
	}
	if url := Address(w.PublicURL, h.ID); url != h.URL {
		if err := r.Store.MoveHook(ctx, h.ID, url); err != nil {
			return h, err
		}
		h.URL = url
	}
	return h, nil
}

// byHand says what a person has to enter for a hook; before is its record as it was until now.
func (r *Registrar) byHand(ctx context.Context, w Wish, before store.Hook, o *Outcome) error {
	o.Did = "by hand"
	switch {
	case before.ID == "":
		o.Secret = o.Hook.Secret
	case w.Rotate:
		secret := store.NewHookSecret()
		if err := r.Store.ReplaceSecret(ctx, o.Hook.ID, secret, r.Now().Add(bothValidByHand)); err != nil {
			return err
		}
		o.Hook.Before, o.Hook.Secret, o.Secret = o.Hook.Secret, secret, secret
		o.Reason = "enter the new secret within a day; until then the old one is accepted too"
	case before.URL != o.Hook.URL:
		o.Reason = "it has another address now; change it in Bitbucket"
	}
	return nil
}

// Address is where the hook with an id delivers to.
func Address(publicURL, id string) string { return strings.TrimRight(publicURL, "/") + "/hooks/" + id }

// place finds, makes or repairs the hook of one place.
func (r *Registrar) place(ctx context.Context, c HookClient, w Wish, place bitbucket.Place, h *store.Hook) (string, error) {
	spec := bitbucket.HookSpec{URL: h.URL, Name: HookName, Events: c.HookEvents(place), Active: true}
	all, err := c.Hooks(ctx, place)
	if err != nil {
		return "", err
	}
	var mine *bitbucket.Hook
	for i, there := range all {
		switch {
		case !ours(there, *h):
		case mine == nil:
			mine = &all[i]
		default: // made twice, such as by two processes at once
			if err := c.DeleteHook(ctx, place, there.ID); err != nil {
				return "", err
			}
		}
	}
	if mine == nil {
		spec.Secret = bitbucket.Secret(h.Secret)
		made, err := c.CreateHook(ctx, place, spec)
		if err != nil {
			return "", err
		}
		h.RemoteID = made.ID
		return "made", r.Store.FoundHook(ctx, h.ID, made.ID, "")
	}
	h.RemoteID = mine.ID
	did := "found"
	// After a failure nobody knows which secret Bitbucket has.
	drift := h.Trouble != "" || mine.URL != h.URL || !mine.Active || !slices.Equal(sorted(mine.Events), sorted(spec.Events)) || mine.SecretSet != nil && !*mine.SecretSet
	if drift || w.Rotate {
		did = "repaired"
		if w.Rotate {
			secret := store.NewHookSecret()
			if err := r.Store.ReplaceSecret(ctx, h.ID, secret, r.Now().Add(bothValid)); err != nil {
				return "", err
			}
			h.Before, h.Secret = h.Secret, secret
		}
		spec.Secret = bitbucket.Secret(h.Secret)
		if err := c.UpdateHook(ctx, place, mine.ID, spec); err != nil {
			return "", err
		}
	}
	return did, r.Store.FoundHook(ctx, h.ID, mine.ID, "")
}

// ours reports whether a hook in Bitbucket is the one of a record: the id in its address is ours alone.
func ours(there bitbucket.Hook, h store.Hook) bool {
	return strings.HasSuffix(there.URL, "/hooks/"+h.ID)
}

func sorted(list []string) []string {
	list = slices.Clone(list)
	slices.Sort(list)
	return list
}

// Remove deletes the hooks of a connection in Bitbucket and forgets them. Those that cannot be deleted, such as with a
// dead credential, are forgotten too and returned as left behind, so that somebody deletes them by hand: nothing
// answers them any more.
func (r *Registrar) Remove(ctx context.Context, c HookClient, conn store.Connection, places map[string]bitbucket.Place) ([]Outcome, error) {
	stored, err := r.Store.Hooks(ctx, conn.ID)
	if err != nil {
		return nil, err
	}
	var out []Outcome
	for _, h := range stored {
		place, known := places[h.Place]
		if !known {
			place = bitbucket.Place{Type: h.PlaceType, Key: h.Place, Name: h.PlaceName}
		}
		o := Outcome{Place: place, Hook: h, Did: "removed"}
		switch err := r.remove(ctx, c, place, h); {
		case ctx.Err() != nil:
			return out, ctx.Err()
		case err != nil:
			o.Did, o.Reason = "left behind", err.Error()
			if h.MadeBy == store.MadeByHand {
				break
			}
			r.Log.WarnContext(ctx, "a hook stays in Bitbucket; delete it there", "place", h.PlaceName, "hook", h.RemoteID, "reason", err.Error())
		}
		if err := r.Store.RemoveHook(ctx, h.ID); err != nil && !fault.Is(err, fault.NotFound) {
			return out, err
		}
		out = append(out, o)
	}
	return out, nil
}

func (r *Registrar) remove(ctx context.Context, c HookClient, place bitbucket.Place, h store.Hook) error {
	switch {
	case h.MadeBy == store.MadeByHand:
		return errors.New("it was made by hand")
	case c == nil:
		return errors.New("no credential of the connection may delete it")
	case h.RemoteID == "":
		return nil // it never came to be
	}
	if err := c.DeleteHook(ctx, place, h.RemoteID); err != nil {
		return fmt.Errorf("delete it in Bitbucket: %w", err)
	}
	return nil
}
