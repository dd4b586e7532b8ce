package store

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"
)

// What a checkpoint says that fails five times a second for hours: one line, and one more after it has succeeded.
func TestAFailingCheckpointIsToldOnce(t *testing.T) {
	var out bytes.Buffer
	k := &walKeeper{store: &Store{log: slog.New(slog.NewTextHandler(&out, nil))}, path: "windlass.db-wal"}
	for range 3 {
		k.warn(errors.New("database or disk is full"))
	}
	if got := strings.Count(out.String(), "checkpoint failed"); got != 1 {
		t.Errorf("%d lines, want 1: %s", got, out.String())
	}
	k.warned = false // as after one that succeeds
	k.warn(errors.New("database or disk is full"))
	if got := strings.Count(out.String(), "checkpoint failed"); got != 2 {
		t.Errorf("%d lines, want 2: %s", got, out.String())
	}
}
