package api

import (
	"context"
	"time"

	"github.com/windlass-hq/windlass/client"
	"github.com/windlass-hq/windlass/internal/fault"
	"github.com/windlass-hq/windlass/internal/store"
)

// History looks after how far back the graph can be read.
type History interface {
	Retention(ctx context.Context) (client.Retention, error)
	// Purge removes what ended before a moment (by the retention where it is nil), for as long as one request may take.
	Purge(ctx context.Context, before *time.Time, dry bool) (client.Purged, error)
}

func (s *Server) retention(ctx context.Context, _ *struct{}) (*body[client.Retention], error) {
	r, err := s.History.Retention(ctx)
	return &body[client.Retention]{r}, err
}

type purgeIn struct{ Body client.PurgeRequest }

func (s *Server) purge(ctx context.Context, in *purgeIn) (*body[client.Purged], error) {
	before, err := s.moment(in.Body.Before)
	if err != nil {
		return nil, err
	}
	p, err := s.History.Purge(ctx, before, in.Body.DryRun)
	return &body[client.Purged]{p}, err
}

func (s *Server) listHolds(ctx context.Context, _ *struct{}) (*body[client.List[client.Hold]], error) {
	all, err := s.Store.Holds(ctx)
	if err != nil {
		return nil, err
	}
	out := client.List[client.Hold]{Items: []client.Hold{}}
	for _, h := range all {
		out.Items = append(out.Items, holdOf(h))
	}
	return &body[client.List[client.Hold]]{out}, nil
}

type holdIn struct{ Body client.NewHold }

func (s *Server) addHold(ctx context.Context, in *holdIn) (*body[client.Hold], error) {
	h, err := s.Store.AddHold(ctx, store.RetentionHold{Name: in.Body.Name, Reason: in.Body.Reason, Subject: in.Body.For})
	return &body[client.Hold]{holdOf(h)}, err
}

type holdNameIn struct {
	Name string `path:"name" maxLength:"200"`
}

func (s *Server) releaseHold(ctx context.Context, in *holdNameIn) (*body[client.Hold], error) {
	if err := s.Store.ReleaseHold(ctx, in.Name); err != nil {
		return nil, err
	}
	all, err := s.Store.Holds(ctx)
	if err != nil {
		return nil, err
	}
	for _, h := range all {
		if h.Name == in.Name {
			return &body[client.Hold]{holdOf(h)}, nil
		}
	}
	return nil, fault.New(fault.NotFound, "there is no hold %q", in.Name)
}

func holdOf(h store.RetentionHold) client.Hold {
	return client.Hold{Name: h.Name, Reason: h.Reason, For: h.Subject, CreatedAt: h.CreatedAt, ReleasedAt: h.ReleasedAt}
}
