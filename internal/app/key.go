package app

import (
	"context"
	"maps"
	"os"
	"slices"

	"github.com/windlass-hq/windlass/client"
	"github.com/windlass-hq/windlass/internal/fault"
	"github.com/windlass-hq/windlass/internal/store"
)

// keys looks after the keys that seal stored secrets; it is api.Options.Keys.
type keys struct{ store *store.Store }

// Keys implements api.Keys.
func (k keys) Keys(ctx context.Context) (client.Keys, error) {
	u, err := k.store.KeyUse(ctx)
	if err != nil {
		return client.Keys{}, err
	}
	out := client.Keys{File: u.Path, Keys: []client.Key{}}
	if _, err := os.Stat(u.Retired); err == nil {
		out.Retired = u.Retired
	}
	sealing := false // the keys above it in the file seal after the next rotation
	held := map[string]bool{}
	for _, id := range u.Held {
		state := "added"
		switch {
		case id == u.Sealing:
			state, sealing = "seals", true
		case sealing || u.Texts[id] > 0:
			state = "opens"
		}
		held[id] = true
		out.Keys = append(out.Keys, client.Key{ID: id, State: state, Texts: u.Texts[id]})
	}
	for _, id := range slices.Sorted(maps.Keys(u.Texts)) {
		if !held[id] {
			out.Keys = append(out.Keys, client.Key{ID: id, State: "lost", Texts: u.Texts[id]})
		}
	}
	return out, nil
}

// RotateKey implements api.Keys. That a text could not be sealed anew, since its key is lost, is an error after all
// others were.
func (k keys) RotateKey(ctx context.Context) (client.KeyRotation, error) {
	// Who asked may go away; what began is brought to its end.
	ctx = context.WithoutCancel(ctx)
	r, err := k.store.RotateKey(ctx)
	if err != nil {
		if r.Resealed > 0 {
			return client.KeyRotation{}, fault.Wrap(err, fault.CodeOf(err), "%d texts were sealed anew with the key %s, but not all", r.Resealed, r.Key)
		}
		return client.KeyRotation{}, err
	}
	u, err := k.store.KeyUse(ctx)
	out := client.KeyRotation{Key: r.Key, File: u.Path, Added: r.Added, Resealed: r.Resealed, Retired: r.Retired}
	if out.Retired == nil {
		out.Retired = []string{}
	}
	if len(out.Retired) > 0 {
		out.Kept = u.Retired
	}
	return out, err
}
