package app

import (
	"context"
	"errors"
	"maps"

	"github.com/windlass-hq/windlass/internal/bitbucket"
	"github.com/windlass-hq/windlass/internal/fault"
	"github.com/windlass-hq/windlass/internal/store"
)

var errEnough = errors.New("enough was seen")

// resembles compares the projects that a Data Center connection sees with what is known of an instance: how many stand
// there under the same number and key, and how many numbers stand there for another project. It is
// api.Options.Resembles. One page is looked at; a Data Center names no identity of its own.
func (a *App) resembles(ctx context.Context, conn store.Connection, credentials []store.Credential, instance string) (same, other int, err error) {
	ctx, cancel := context.WithTimeout(ctx, foretelling)
	defer cancel()
	conn.Settings = maps.Clone(conn.Settings)
	conn.Settings["instance"] = instance
	list := make([]bitbucket.Credential, len(credentials))
	for i, k := range credentials {
		list[i] = credentialOf(k)
		list[i].Role = bitbucket.RoleAny
	}
	c, err := a.openDataCenter(conn, list, way{noWait: true, interactive: true})
	if err != nil {
		return 0, 0, err
	}
	defer c.Close()
	err = c.Projects(ctx, func(p bitbucket.Page) error {
		for _, o := range p.Objects {
			known, err := a.store.Entity(ctx, o.Entity.Key, nil)
			if fault.Is(err, fault.NotFound) {
				continue
			}
			if err != nil {
				return err
			}
			if known.Properties["key"] == o.Entity.Properties["key"] {
				same++
			} else {
				other++
			}
		}
		return errEnough
	})
	if errors.Is(err, errEnough) {
		err = nil
	}
	return same, other, err
}
