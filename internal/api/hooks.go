package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/windlass-hq/windlass/client"
	"github.com/windlass-hq/windlass/internal/bitbucket"
	"github.com/windlass-hq/windlass/internal/fault"
	"github.com/windlass-hq/windlass/internal/store"
	"github.com/windlass-hq/windlass/internal/sync"
)

// Hooks looks after the webhooks of connections.
type Hooks interface {
	// Address is where the Bitbucket of a connection reaches this installation; empty where nobody has said.
	Address(conn store.Connection) string
	// Ensure makes the webhooks of a connection as they should be, Remove deletes and forgets them. Both return what they
	// did also beside an error.
	Ensure(ctx context.Context, conn store.Connection, w client.HookWish, note func(client.HookProgress)) (client.HookOutcomes, error)
	Remove(ctx context.Context, conn store.Connection, note func(client.HookProgress)) (client.HookOutcomes, error)
	List(ctx context.Context, connections []store.Connection, statistics bool) (client.Hooks, error)
	Refused() client.Refusals
}

type hooksIn struct {
	Connection string `query:"connection" doc:"Only webhooks of this connection."`
	Statistics bool   `query:"statistics" doc:"Ask a Data Center what it knows of each, at one call each."`
}

func (s *Server) listHooks(ctx context.Context, in *hooksIn) (*body[client.Hooks], error) {
	all, err := s.Store.Connections(ctx)
	if err != nil {
		return nil, err
	}
	if in.Connection != "" {
		one, err := s.Store.Connection(ctx, in.Connection)
		if err != nil {
			return nil, err
		}
		all = []store.Connection{one}
	}
	out, err := s.Hooks.List(ctx, all, in.Statistics)
	return &body[client.Hooks]{out}, err
}

func (s *Server) listRefused(context.Context, *struct{}) (*body[client.Refusals], error) {
	return &body[client.Refusals]{s.Hooks.Refused()}, nil
}

type ensureHooksIn struct {
	Named
	Body client.HookWish
}

// ensureHooks makes webhooks and tells how far it is. Who goes away stops it; what is done stays and is found again.
func (s *Server) ensureHooks(ctx context.Context, in *ensureHooksIn) (func(huma.Context), error) {
	conn, err := s.Store.Connection(ctx, in.Name)
	if err != nil {
		return nil, err
	}
	if s.Hooks.Address(conn) == "" {
		return nil, s.unreachable(ctx, conn)
	}
	return s.hookWork(ctx, func(ctx context.Context, note func(client.HookProgress)) (client.HookOutcomes, error) {
		return s.Hooks.Ensure(ctx, conn, in.Body, note)
	}), nil
}

func (s *Server) removeHooks(ctx context.Context, in *Named) (func(huma.Context), error) {
	conn, err := s.Store.Connection(ctx, in.Name)
	if err != nil {
		return nil, err
	}
	return s.hookWork(ctx, func(ctx context.Context, note func(client.HookProgress)) (client.HookOutcomes, error) {
		return s.Hooks.Remove(ctx, conn, note)
	}), nil
}

// hookWork answers while it works: lines with progress, and one with the end.
func (s *Server) hookWork(ctx context.Context, work func(context.Context, func(client.HookProgress)) (client.HookOutcomes, error)) func(huma.Context) {
	return func(h huma.Context) {
		_, w := humago.Unwrap(h)
		control := http.NewResponseController(w)
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		send := func(p client.HookPiece) {
			b, err := json.Marshal(p)
			if err == nil {
				err = control.SetWriteDeadline(time.Now().Add(pieceTime))
			}
			if errors.Is(err, http.ErrNotSupported) {
				err = nil
			}
			if err == nil {
				_, err = w.Write(append(b, '\n'))
			}
			if err == nil {
				err = control.Flush()
			}
			if err != nil && !errors.Is(err, http.ErrNotSupported) {
				cancel() // nobody reads it
			}
		}
		out, err := work(ctx, func(p client.HookProgress) { send(client.HookPiece{Progress: &p}) })
		out.Items = orEmpty(out.Items)
		last := client.HookPiece{End: &out}
		if err != nil {
			p := problemFor(ctx, s.log, err).Problem
			last.Problem = &p
		}
		send(last)
	}
}

// unreachable refuses to make webhooks that cannot deliver, and says what is late without them, and by how much.
func (s *Server) unreachable(ctx context.Context, conn store.Connection) error {
	runs, err := s.Store.Runs(ctx, store.RunFilter{Connection: conn.ID, Limit: 1})
	if err != nil {
		return err
	}
	return fault.New(fault.Invalid, "webhooks of %q need an address at which its Bitbucket reaches this Windlass, and none is set. %s", conn.Name, late(s.rhythm(conn, runs), conn)).
		With("windlass connection edit %s --set public-url=https://…, or serve --public-url https://…", conn.Name)
}

// late says how late what changes is seen without webhooks.
func late(r rhythm, conn store.Connection) string {
	lists := []string{
		"projects", "repositories", "pull-requests", bitbucket.ListRestrictions, bitbucket.ListUserPermissions, bitbucket.ListGroupPermissions,
		bitbucket.ListReviewers, bitbucket.ListKeys, bitbucket.ListBranches,
	}
	if conn.Product == string(bitbucket.Cloud) {
		lists = append(lists, bitbucket.ListEnvironments)
	}
	if r.every == 0 {
		return "Without them what changes is seen only when somebody runs windlass sync " + conn.Name + ", since its interval is " + conn.Interval
	}
	byAge := map[time.Duration][]string{}
	var ages []time.Duration
	for _, l := range lists {
		most := sync.Lag(l) + r.every
		if byAge[most] == nil {
			ages = append(ages, most)
		}
		byAge[most] = append(byAge[most], l)
	}
	slices.Sort(ages)
	parts := make([]string, len(ages))
	for i, a := range ages {
		parts[i] = strings.Join(byAge[a], ", ") + " up to " + span(a)
	}
	return "Without them what changes is seen late: " + strings.Join(parts, "; ")
}

// span words a time in its largest unit and the next.
func span(d time.Duration) string {
	d = d.Round(time.Minute)
	days, hours, minutes := int(d/(24*time.Hour)), int(d/time.Hour)%24, int(d/time.Minute)%60
	switch {
	case days > 0 && hours > 0:
		return fmt.Sprintf("%d d %d h", days, hours)
	case days > 0:
		return fmt.Sprintf("%d d", days)
	case hours > 0:
		return fmt.Sprintf("%d h %d min", hours, minutes)
	}
	return fmt.Sprintf("%d min", max(1, minutes))
}
