package sync

import (
	"github.com/windlass-hq/windlass/internal/bitbucket"
	"github.com/windlass-hq/windlass/internal/graph"
	"github.com/windlass-hq/windlass/internal/store"
)

// PlaceOf is what it takes to look after the settings of an entity, such as its webhooks, from the properties that its
// converter wrote.
func PlaceOf(e graph.Entity) bitbucket.Place { return placeOf(store.EntityRow{Entity: e}) }
