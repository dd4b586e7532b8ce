package job

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestLanesKeepTheirLimit(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := newLanes(map[string]int{"connection": 1, "repository": 2, Foreground: 3})
		names := []string{"connection/1", "connection/2", "repository/1", "other", Foreground, Background}
		type inside struct {
			names []string
			leave func()
		}
		var in []inside
		t.Repeat(map[string]func(*rapid.T){
			"enter": func(t *rapid.T) {
				want := rapid.SliceOfNDistinct(rapid.SampledFrom(names), 1, 2, rapid.ID[string]).Draw(t, "lanes")
				ctx, cancel := context.WithCancelCause(context.Background())
				cancel(errStopped)
				room := true
				for _, n := range want {
					busy := 0
					for _, i := range in {
						for _, m := range i.names {
							if m == n {
								busy++
							}
						}
					}
					room = room && busy < l.limit(n)
				}
				if !room {
					// Waiting with a context that has ended must not take a place.
					if _, err := l.enter(ctx, 2, want...); !errors.Is(err, errStopped) {
						t.Fatalf("enter = %v, want %v", err, errStopped)
					}
					return
				}
				leave, err := l.enter(context.Background(), 2, want...)
				if err != nil {
					t.Fatal(err)
				}
				in = append(in, inside{want, leave})
			},
			"leave": func(t *rapid.T) {
				if len(in) == 0 {
					t.Skip("nobody is in")
				}
				i := rapid.IntRange(0, len(in)-1).Draw(t, "who")
				in[i].leave()
				in[i].leave() // leaving twice is leaving once
				in = append(in[:i], in[i+1:]...)
			},
		})
		for _, i := range in {
			i.leave()
		}
		if len(l.busy) != 0 {
			t.Fatalf("busy = %v after all have left, want none", l.busy)
		}
	})
}

func TestWaitersEnterByPriorityThenArrival(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLanes(nil)
		leave, err := l.enter(t.Context(), 2, "connection/1")
		if err != nil {
			t.Fatal(err)
		}
		order := make(chan string, 4)
		for _, w := range []struct {
			name     string
			priority int
		}{{"first of 2", 2}, {"second of 2", 2}, {"of 4", 4}, {"of 1", 1}} {
			go func() {
				leave, err := l.enter(t.Context(), w.priority, "connection/1")
				if err != nil {
					t.Error(err)
					return
				}
				order <- w.name
				leave()
			}()
			synctest.Wait() // so that they arrive in this order
		}
		leave()
		synctest.Wait()
		close(order)
		var got []string
		for n := range order {
			got = append(got, n)
		}
		if diff := cmp.Diff([]string{"of 1", "first of 2", "second of 2", "of 4"}, got); diff != "" {
			t.Errorf("order (-want +got):\n%s", diff)
		}
	})
}

// TestWaitingForOneLaneTakesNoPlaceInAnother: a backfill that waits for its connection does not keep another
// connection's backfill out.
func TestWaitingForOneLaneTakesNoPlaceInAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLanes(map[string]int{Background: 1})
		leave, err := l.enter(t.Context(), 2, "connection/1", Foreground)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancelCause(t.Context())
		waited := make(chan error, 1)
		go func() {
			_, err := l.enter(ctx, 2, "connection/1", Background)
			waited <- err
		}()
		synctest.Wait()
		other, err := l.enter(t.Context(), 2, "connection/2", Background)
		if err != nil {
			t.Fatal(err)
		}
		cancel(errStopped)
		if err := <-waited; !errors.Is(err, errStopped) {
			t.Errorf("enter = %v, want the cause of the end of its context", err)
		}
		other()
		leave()
		if len(l.busy)+len(l.waiting) != 0 {
			t.Errorf("busy %v, waiting %d, want none", l.busy, len(l.waiting))
		}
	})
}

func TestFullWaitingRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLanes(nil)
		leave, err := l.enter(t.Context(), 2, "connection/1")
		if err != nil {
			t.Fatal(err)
		}
		for range waitingRoom {
			go func() {
				if leave, err := l.enter(t.Context(), 2, "connection/1"); err != nil {
					t.Error(err)
				} else {
					leave()
				}
			}()
		}
		synctest.Wait()
		if _, err := l.enter(t.Context(), 1, "connection/1"); !errors.Is(err, errFull) {
			t.Errorf("enter = %v, want errFull", err)
		}
		if free, err := l.enter(t.Context(), 4, "connection/2"); err != nil {
			t.Errorf("a free lane: %v", err)
		} else {
			free()
		}
		leave()
		synctest.Wait() // all have come in and left
	})
}
