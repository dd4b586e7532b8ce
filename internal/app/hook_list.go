package app

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/windlass-hq/windlass/client"
	"github.com/windlass-hq/windlass/internal/bitbucket"
	"github.com/windlass-hq/windlass/internal/bitbucket/datacenter"
	"github.com/windlass-hq/windlass/internal/fault"
	"github.com/windlass-hq/windlass/internal/graph"
	"github.com/windlass-hq/windlass/internal/intake"
	"github.com/windlass-hq/windlass/internal/store"
)

const (
	// silentAfter is how long nothing may come of a webhook before that is worth a look.
	silentAfter = 7 * 24 * time.Hour
	// delaysOf is how many deliveries of a webhook tell its delay, and delaysAtOnce how many one list reads at most: each
	// body is decrypted for it.
	delaysOf, delaysAtOnce = 3, 600
	// statisticsWithin bounds how long a list asks a Data Center, at one call for each webhook.
	statisticsWithin = 60 * time.Second
	// manyHooks is how many webhooks of one instance are worth advice on its pools.
	manyHooks = 50
)

// List implements api.Hooks.
func (h hooks) List(ctx context.Context, connections []store.Connection, statistics bool) (client.Hooks, error) {
	out := client.Hooks{Items: []client.Hook{}}
	delays := delaysAtOnce
	for _, conn := range connections {
		items, said, err := h.of(ctx, conn, statistics, &delays)
		if err != nil {
			return out, err
		}
		out.Items, out.Advice = append(out.Items, items...), append(out.Advice, said...)
	}
	return out, nil
}

// of lists the webhooks of one connection. delays is how many bodies may still be read for delays.
func (h hooks) of(ctx context.Context, conn store.Connection, statistics bool, delays *int) (items []client.Hook, said []string, err error) {
	stored, err := h.store.Hooks(ctx, conn.ID)
	if err != nil || len(stored) == 0 {
		return nil, nil, err
	}
	c, err := h.hookClients(ctx, conn, func(client.HookProgress) {})
	if err != nil { // without a credential that can be used nothing is asked
		c = hookClients{close: func() {}}
	}
	defer c.close()
	for _, hook := range stored {
		w := h.hook(conn, hook)
		w.Events = eventsOf(c.hooks, bitbucket.Place{Type: hook.PlaceType, Key: hook.Place, Name: hook.PlaceName})
		if w.Delay, err = h.delay(ctx, conn, hook, delays); err != nil {
			return nil, nil, err
		}
		items = append(items, w)
	}
	if statistics {
		if said, err = h.ask(ctx, conn, c, stored, items); err != nil {
			return nil, nil, err
		}
	}
	return items, append(said, advice(conn, items)...), nil
}

// hook is the wire form of a stored one.
func (h hooks) hook(conn store.Connection, s store.Hook) client.Hook {
	w := client.Hook{
		ID: s.ID, Connection: conn.Name, Place: s.PlaceName, PlaceType: s.PlaceType, PlaceKey: s.Place, RemoteID: s.RemoteID, URL: s.URL,
		MadeBy: s.MadeBy, Mode: "signed", Trouble: s.Trouble, CreatedAt: s.CreatedAt, VerifiedAt: s.VerifiedAt, CheckedAt: s.CheckedAt,
	}
	if !s.Signed {
		w.Mode = "unsigned"
	}
	switch {
	case strings.HasPrefix(s.Trouble, intake.Left):
		w.Health, w.Trouble = "left", strings.TrimPrefix(s.Trouble, intake.Left)
	case s.Trouble != "":
		w.Health = "trouble"
	case s.VerifiedAt == nil:
		w.Health = "waiting"
	case h.Now().Sub(*s.VerifiedAt) > silentAfter:
		w.Health = "silent"
	default:
		w.Health = "delivers"
	}
	return w
}

// eventsOf are the keys that a webhook of a place is for. It asks nobody.
func eventsOf(c intake.HookClient, p bitbucket.Place) []string {
	if c == nil {
		return []string{}
	}
	return append([]string{}, c.HookEvents(p)...)
}

// delay is the median time that the last deliveries of a webhook were on their way; nil where none tells. left is how
// many bodies may still be read.
func (h hooks) delay(ctx context.Context, conn store.Connection, hook store.Hook, left *int) (*float64, error) {
	last, err := h.inbox.Deliveries(ctx, store.DeliveryFilter{Hook: hook.ID, State: store.DeliveryDone, Limit: delaysOf})
	if err != nil {
		return nil, err
	}
	var seconds []float64
	for _, d := range last {
		if *left--; *left < 0 {
			return nil, nil
		}
		whole, err := h.inbox.Delivery(ctx, d.ID)
		if err != nil {
			return nil, err
		}
		ev, err := decode(conn, whole.Event, whole.Body)
		if err != nil || ev.At.IsZero() {
			continue
		}
		seconds = append(seconds, max(0, whole.ReceivedAt.Sub(ev.At).Seconds()))
	}
	if len(seconds) == 0 {
		return nil, nil
	}
	slices.Sort(seconds)
	return &seconds[len(seconds)/2], nil
}

// ask asks a Data Center what it knows of each webhook, as far as time allows.
func (h hooks) ask(ctx context.Context, conn store.Connection, c hookClients, stored []store.Hook, items []client.Hook) (advice []string, err error) {
	if bitbucket.Product(conn.Product) != bitbucket.DataCenter {
		return []string{fmt.Sprintf("%s: Bitbucket Cloud tells no statistics; its own page of a webhook shows requests of the last hours where that was switched on there", conn.Name)}, nil
	}
	if c.statistics == nil {
		return []string{conn.Name + ": statistics cannot be read, since no credential of the connection can be used"}, nil
	}
	within, cancel := context.WithTimeout(ctx, statisticsWithin)
	defer cancel()
	unseen := 0
	for i, hook := range stored {
		if hook.RemoteID == "" {
			continue
		}
		s, err := c.statistics(within, h.placeOf(ctx, hook), hook.RemoteID)
		switch {
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case within.Err() != nil:
			return []string{fmt.Sprintf("%s: statistics of %d of %d webhooks were not asked, since it would take too long", conn.Name, len(stored)-i, len(stored))}, nil
		case fault.Is(err, fault.NotFound):
			unseen++
			continue
		case err != nil:
			return []string{fmt.Sprintf("%s: statistics cannot be read: %s", conn.Name, err)}, nil
		}
		items[i].Statistics = statisticsOf(s, h.Now())
	}
	if unseen > 0 {
		return []string{fmt.Sprintf("%s: %d of %d webhooks are not there, or this Bitbucket tells no statistics of them: windlass hook ensure %s makes them again",
			conn.Name, unseen, len(stored), conn.Name)}, nil
	}
	return nil, nil
}

func statisticsOf(s bitbucket.HookStatistics, now time.Time) *client.HookStatistics {
	w := client.HookStatistics{
		Successes: s.Successes, Failures: s.Failures, Errors: s.Errors, LastFault: s.LastFault, Circuit: string(datacenter.CircuitOf(s, now)),
	}
	if !s.LastSuccess.IsZero() {
		w.LastSuccess = &s.LastSuccess
	}
	if !s.LastFailure.IsZero() {
		w.LastFailure = &s.LastFailure
	}
	return &w
}

// advice says what to do about webhooks of a connection that fail, or that are many.
func advice(conn store.Connection, items []client.Hook) []string {
	var out []string
	count := func(is func(client.Hook) bool) (n int) {
		for _, i := range items {
			if is(i) {
				n++
			}
		}
		return n
	}
	if n := count(func(i client.Hook) bool { return i.Health == "waiting" && i.MadeBy == store.MadeByHand }); n > 0 {
		out = append(out, fmt.Sprintf("%s: %d made by hand wait for their first signed delivery; anything that happens there sends one", conn.Name, n))
	}
	if n := count(func(i client.Hook) bool { return i.Health == "trouble" || i.Health == "left" }); n > 0 {
		out = append(out, fmt.Sprintf("%s: %d need attention: windlass hook ensure %s", conn.Name, n, conn.Name))
	}
	if bitbucket.Product(conn.Product) != bitbucket.DataCenter {
		return out
	}
	open := count(func(i client.Hook) bool {
		return i.Statistics != nil && i.Statistics.Circuit == string(datacenter.CircuitOpen)
	})
	failing := count(func(i client.Hook) bool {
		return i.Statistics != nil && i.Statistics.Circuit != string(datacenter.CircuitClosed)
	})
	if open > 0 { // FACTS 151
		out = append(out, fmt.Sprintf("%s: the circuit breaker of %d seems open: after 5 failures in a row Bitbucket skips deliveries, for up to 10 hours. Put right why they fail; "+
			"what is skipped comes with the next runs", conn.Name, open))
	}
	if failing > 0 || len(items) > manyHooks || slices.ContainsFunc(items, slow) {
		out = append(out, conn.Name+": all webhooks of an instance deliver to the same host. If deliveries are late or skipped, raise plugin.webhooks.io.threads (3 unless set) "+
			"and plugin.webhooks.http.connection.host.max (5 unless set) in bitbucket.properties")
	}
	return out
}

// slow reports whether deliveries of a webhook are on their way for long.
func slow(h client.Hook) bool {
	return h.Delay != nil && *h.Delay > 30 && h.PlaceType != graph.TypeWorkspace
}
