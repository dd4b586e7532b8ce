package api

import (
	"context"
	"strconv"

	"github.com/windlass-hq/windlass/client"
	"github.com/windlass-hq/windlass/internal/graph"
	"github.com/windlass-hq/windlass/internal/sync"
)

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
	out := client.List[client.Held]{Items: []client.Held{}}
	for _, h := range held {
		sc, err := s.Store.ScopeByID(ctx, h.Scope)
		if err != nil {
			return nil, err
		}
		out.Items = append(out.Items, client.Held{
			ID: h.ID, Run: h.Run, Scope: sc.Title, Reason: h.Reason, Count: len(h.Members),
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
