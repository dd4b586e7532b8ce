package store_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/windlass-hq/windlass/internal/fault"
	"github.com/windlass-hq/windlass/internal/graph"
	"github.com/windlass-hq/windlass/internal/store"
)

// TestOneFailingBatchTakesNoOtherDown lets many batches share transactions, every fifth of which cannot be written.
func TestOneFailingBatchTakesNoOtherDown(t *testing.T) {
	s := open(t, t.TempDir())
	scope := scopeOf(t, s, "things")
	const batches, size = 60, 40
	var g errgroup.Group
	for i := range batches {
		g.Go(func() error {
			var objects []graph.Object
			for j := range size {
				objects = append(objects, object(fmt.Sprintf("k-%d-%d", i, j), ""))
			}
			bad := i%5 == 0
			if bad {
				objects[size-1].Entity.Type = "" // cannot be stored
			}
			res, err := s.Apply(t.Context(), store.Batch{Scope: scope, Objects: objects})
			if bad != fault.Is(err, fault.Invalid) {
				return fmt.Errorf("batch %d: %v", i, err)
			}
			if !bad && res.Created != size {
				return fmt.Errorf("batch %d created %d, want %d", i, res.Created, size)
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	counts, err := s.CountByType(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	changes, err := s.Changes(t.Context(), "connection/1", 0, batches*size+1)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := len(changes), counts["thing"]; got != want {
		t.Errorf("%d changes of %d entities", got, want)
	}
	for i, c := range changes {
		if got, want := c.Seq, int64(i+1); got != want {
			t.Fatalf("change %d has seq %d: the log has a gap", want, got)
		}
	}
	if got, least := counts["thing"], batches*4/5*size; got < least {
		t.Errorf("%d entities, want at least %d", got, least)
	}
}

func TestLostLeaseFailsOnlyItsHolder(t *testing.T) {
	s := open(t, t.TempDir())
	scope := scopeOf(t, s, "things")
	old, err := s.AcquireLease(t.Context(), "l", "a", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	now, err := s.AcquireLease(t.Context(), "l", "a", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	if now.Token <= old.Token {
		t.Fatalf("token %d after %d", now.Token, old.Token)
	}
	var g errgroup.Group
	for i := range 20 {
		g.Go(func() error {
			fence := now
			if i%2 == 0 {
				fence = old
			}
			_, err := s.Apply(t.Context(), store.Batch{Scope: scope, Fence: &fence, Objects: []graph.Object{object(fmt.Sprintf("k%d", i), "")}})
			if (i%2 == 0) != fault.Is(err, fault.Conflict) {
				return fmt.Errorf("batch %d: %v", i, err)
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	counts, err := s.CountByType(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := counts["thing"], 10; got != want {
		t.Errorf("%d entities, want %d", got, want)
	}
}

func TestCanceledBatchSaysSo(t *testing.T) {
	s := open(t, t.TempDir())
	scope := scopeOf(t, s, "things")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Apply(ctx, store.Batch{Scope: scope, Objects: []graph.Object{object("k", "")}}); !errors.Is(err, context.Canceled) {
		t.Errorf("error is %v, want canceled", err)
	}
	if _, err := s.Entity(t.Context(), "k", nil); !fault.Is(err, fault.NotFound) {
		t.Errorf("the entity: %v, want not found", err)
	}
}
