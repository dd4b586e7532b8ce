package sync

import (
	"github.com/windlass-hq/windlass/internal/bitbucket"
	"github.com/windlass-hq/windlass/internal/graph"
	"github.com/windlass-hq/windlass/internal/store"
)

// PlaceOf is what it takes to look after the settings of an entity, such as its webhooks, from the properties that its
// converter wrote.
func PlaceOf(e graph.Entity) bitbucket.Place { return placeOf(store.EntityRow{Entity: e}) }

// AccountOf returns the key of the workspace or the instance that an entity says it belongs to; empty where it does not
// say.
func AccountOf(e graph.Entity) string {
	owner, _ := e.Properties["ownerId"].(string)
	if owner == "" {
		return ""
	}
	return ownerKey(e.Key, owner)
}
