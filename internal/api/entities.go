package api

import (
	"context"
	"strings"

	"github.com/windlass-hq/windlass/client"
	"github.com/windlass-hq/windlass/internal/fault"
)

type entityIn struct {
	Key string `path:"key" maxLength:"2000" doc:"Key of the entity, percent-encoded."`
	At  string `query:"at" doc:"Past moment: RFC 3339, a date, or a time ago such as 7d."`
}

func (s *Server) getEntity(ctx context.Context, in *entityIn) (*body[client.Entity], error) {
	at, err := s.moment(in.At)
	if err != nil {
		return nil, err
	}
	var doubts []string
	if at != nil && !at.After(s.now()) {
		if doubts, err = s.Asker.Doubts(ctx, *at); err != nil {
			return nil, err
		}
	}
	e, err := s.Store.Entity(ctx, in.Key, at)
	if fault.Is(err, fault.NotFound) && len(doubts) > 0 {
		return nil, fault.Wrap(err, fault.NotFound, "there was nothing at that moment").With("%s", strings.Join(doubts, "; "))
	}
	if err != nil {
		return nil, err
	}
	accounts, err := s.Store.AccountNames(ctx, []int64{e.ID})
	if err != nil {
		return nil, err
	}
	return &body[client.Entity]{client.Entity{
		Key: e.Key, Type: e.Type, Classes: orEmpty(e.Classes), Name: e.Name, Properties: properties(e.Properties), Home: e.Home,
		Source: string(e.Source), Version: e.Version, ValidFrom: e.ValidFrom, Accounts: orEmpty(accounts[e.ID]),
		Warnings: doubts,
	}}, nil
}

type keyIn struct {
	Key string `path:"key" maxLength:"2000" doc:"Key of the entity, percent-encoded."`
}

func (s *Server) history(ctx context.Context, in *keyIn) (*body[client.History], error) {
	all, err := s.Store.History(ctx, in.Key)
	if err != nil {
		return nil, err
	}
	out := client.History{Items: []client.Version{}}
	from, err := s.Store.HistoryFrom(ctx)
	if err != nil {
		return nil, err
	}
	out.From = timeOrNil(from)
	for _, v := range all {
		out.Items = append(out.Items, client.Version{
			Version: v.Version, ValidFrom: v.ValidFrom, ValidTo: v.ValidTo, Reason: v.Reason, Cause: v.Cause,
			Name: v.Name, Properties: properties(v.Properties),
		})
	}
	return &body[client.History]{out}, nil
}

func properties(p map[string]any) map[string]any {
	if p == nil {
		return map[string]any{}
	}
	return p
}
