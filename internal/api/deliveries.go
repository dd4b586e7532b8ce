package api

import (
	"context"
	"encoding/json"
	"strconv"

	"github.com/windlass-hq/windlass/client"
	"github.com/windlass-hq/windlass/internal/bitbucket"
	"github.com/windlass-hq/windlass/internal/fault"
	"github.com/windlass-hq/windlass/internal/store"
)

// Deliveries keeps what webhooks brought.
type Deliveries interface {
	Deliveries(ctx context.Context, f store.DeliveryFilter) ([]store.Delivery, error)
	Delivery(ctx context.Context, id int64) (store.Delivery, error)
	// Replay has a delivery applied once more.
	Replay(ctx context.Context, id int64) error
}

type deliveriesIn struct {
	Connection string `query:"connection" doc:"Only deliveries to this connection."`
	Hook       string `query:"hook" maxLength:"100" doc:"Only those that this webhook brought."`
	State      string `query:"state" enum:"new,done,duplicate,out_of_scope,failed" doc:"Only those in this state."`
	Limit      int    `query:"limit" default:"50" minimum:"1" maximum:"1000"`
	Cursor     string `query:"cursor" doc:"Cursor of the page before."`
}

func (s *Server) listDeliveries(ctx context.Context, in *deliveriesIn) (*body[client.List[client.Delivery]], error) {
	f := store.DeliveryFilter{Hook: in.Hook, State: store.DeliveryState(in.State), Limit: in.Limit + 1}
	if in.Cursor != "" {
		before, err := strconv.ParseInt(in.Cursor, 10, 64)
		if err != nil || before < 1 {
			return nil, fault.New(fault.Invalid, "the cursor is none that this server gave").With("start again without a cursor")
		}
		f.Before = before
	}
	if in.Connection != "" {
		c, err := s.Store.Connection(ctx, in.Connection)
		if err != nil {
			return nil, err
		}
		f.Connection = c.ID
	}
	list, err := s.Deliveries.Deliveries(ctx, f)
	if err != nil {
		return nil, err
	}
	names, err := s.names(ctx)
	if err != nil {
		return nil, err
	}
	out := client.List[client.Delivery]{Items: []client.Delivery{}}
	for i, d := range list {
		if i == in.Limit {
			out.Cursor = strconv.FormatInt(list[i-1].ID, 10)
			break
		}
		out.Items = append(out.Items, delivery(d, names[d.Connection]))
	}
	return &body[client.List[client.Delivery]]{out}, nil
}

type deliveryIn struct {
	Numbered
	Whole bool `query:"body" doc:"With what it says, in which secrets are masked."`
}

func (s *Server) getDelivery(ctx context.Context, in *deliveryIn) (*body[client.Delivery], error) {
	d, err := s.Deliveries.Delivery(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	names, err := s.names(ctx)
	if err != nil {
		return nil, err
	}
	out := detail(d, names[d.Connection])
	if in.Whole {
		out.Body = said(d.Body)
	}
	return &body[client.Delivery]{out}, nil
}

func (s *Server) replayDelivery(ctx context.Context, in *Numbered) (*body[client.Delivery], error) {
	if err := s.Deliveries.Replay(ctx, in.ID); err != nil {
		return nil, err
	}
	return s.getDelivery(ctx, &deliveryIn{Numbered: *in})
}

// delivery is the wire form of a stored one, as lists show it.
func delivery(d store.Delivery, connection string) client.Delivery {
	return client.Delivery{
		ID: d.ID, Connection: connection, Hook: d.Hook, RequestID: d.RequestID, Event: d.Event, ReceivedAt: d.ReceivedAt,
		State: string(d.State), Verdict: d.Verdict, Effect: d.Effect, AppliedAt: d.AppliedAt, Size: d.Size,
	}
}

// detail is the same with its request. What stood in the query of its address is not shown.
func detail(d store.Delivery, connection string) client.Delivery {
	out := delivery(d, connection)
	out.Method, out.Path, out.Headers = d.Request.Method, d.Request.Path, d.Request.Headers
	return out
}

// said is a body with its secrets masked, as raw objects are.
func said(b []byte) any {
	if !json.Valid(b) {
		return bitbucket.MaskSecrets(string(b))
	}
	return json.RawMessage(bitbucket.Scrub(b))
}
