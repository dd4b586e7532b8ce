package api

import (
	"context"

	"github.com/windlass-hq/windlass/client"
)

// Keys looks after the keys that seal stored secrets.
type Keys interface {
	Keys(ctx context.Context) (client.Keys, error)
	RotateKey(ctx context.Context) (client.KeyRotation, error)
}

func (s *Server) showKeys(ctx context.Context, _ *struct{}) (*body[client.Keys], error) {
	k, err := s.Keys.Keys(ctx)
	return &body[client.Keys]{k}, err
}

func (s *Server) rotateKey(ctx context.Context, _ *struct{}) (*body[client.KeyRotation], error) {
	r, err := s.Keys.RotateKey(ctx)
	return &body[client.KeyRotation]{r}, err
}
