package api

import (
	"context"
	"strconv"
	"time"

	"github.com/windlass-hq/windlass/client"
	"github.com/windlass-hq/windlass/internal/fault"
	"github.com/windlass-hq/windlass/internal/graph"
	"github.com/windlass-hq/windlass/internal/sync"
)

type scopesIn struct {
	Named
	State  string `query:"state" enum:"complete,windowed,partial,failed,denied,disabled,unread" doc:"Only listings in this state."`
	Limit  int    `query:"limit" default:"250" minimum:"1" maximum:"1000"`
	Cursor string `query:"cursor" doc:"Cursor of the page before."`
}

func (s *Server) listScopes(ctx context.Context, in *scopesIn) (*body[client.List[client.Scope]], error) {
	c, err := s.Store.Connection(ctx, in.Name)
	if err != nil {
		return nil, err
	}
	after := int64(0)
	if in.Cursor != "" {
		if after, err = strconv.ParseInt(in.Cursor, 10, 64); err != nil || after < 1 {
			return nil, fault.New(fault.Invalid, "the cursor is none that this server gave").With("start again without a cursor")
		}
	}
	all, err := s.Store.Scopes(ctx, c.ID)
	if err != nil {
		return nil, err
	}
	out := client.List[client.Scope]{Items: []client.Scope{}}
	for _, sc := range all { // in order of their ids
		state := string(sc.State)
		if sc.ID <= after || in.State != "" && in.State != orElse(state, "unread") {
			continue
		}
		if len(out.Items) == in.Limit {
			out.Cursor = strconv.FormatInt(out.Items[in.Limit-1].ID, 10)
			break
		}
		out.Items = append(out.Items, client.Scope{
			ID: sc.ID, Parent: sc.Parent, Listing: sc.Listing, Title: sc.Title, State: state, Reason: sc.Reason,
			Since: timeOrNil(sc.Since), FirstComplete: sc.FirstComplete, LastComplete: sc.LastComplete,
			Calls: int64(sc.Calls), Members: sc.Members,
		})
	}
	return &body[client.List[client.Scope]]{out}, nil
}

// heldShown bounds the keys that are listed of one hold.
const heldShown = 100

func (s *Server) listHeld(ctx context.Context, in *Named) (*body[client.List[client.Held]], error) {
	c, err := s.Store.Connection(ctx, in.Name)
	if err != nil {
		return nil, err
	}
	held, err := s.Store.HeldClosings(ctx, c.ID)
	if err != nil {
		return nil, err
	}
	scopes, err := s.Store.Scopes(ctx, c.ID)
	if err != nil {
		return nil, err
	}
	titles := make(map[int64]string, len(scopes))
	for _, sc := range scopes {
		titles[sc.ID] = sc.Title
	}
	out := client.List[client.Held]{Items: []client.Held{}}
	for _, h := range held {
		out.Items = append(out.Items, client.Held{
			ID: h.ID, Run: h.Run, Scope: titles[h.Scope], Reason: h.Reason, Count: len(h.Members),
			Members: orEmpty(h.Members[:min(len(h.Members), heldShown)]), CreatedAt: h.CreatedAt,
		})
	}
	return &body[client.List[client.Held]]{out}, nil
}

type confirmIn struct {
	Named
	Run int64 `path:"run" minimum:"1"`
}

// confirmHeld starts a run that looks again and closes what is still gone; it never closes on the old listing's word.
func (s *Server) confirmHeld(ctx context.Context, in *confirmIn) (*body[client.Run], error) {
	return s.start(ctx, in.Name, sync.RunOptions{ConfirmDeletes: strconv.FormatInt(in.Run, 10), Cause: graph.Cause{Kind: "user"}})
}

func timeOrNil(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}
