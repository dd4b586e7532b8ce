// Command pace measures how a Bitbucket Data Center is asked: two engines over one database, at the default pace, on the
// machine's own clock. It prints requests per second as the sandbox saw them, and what happens when the instance is
// slow, becomes slower, or answers 503. bench/README.md says how to run it and what the figures mean.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/windlass-hq/windlass/internal/bitbucket"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench/pace:", err)
		os.Exit(1)
	}
}

// scenes returns what is measured. The times of trouble are counted from the first request.
func scenes() []scene {
	const quick, slow = 100 * time.Millisecond, time.Second
	return []scene{
		{
			title: "an instance that answers in 0.1 s", length: 20 * time.Second,
			latency: func(time.Duration) time.Duration { return quick },
		}, {
			title: "an instance that takes 1 s for every answer", length: 20 * time.Second,
			latency: func(time.Duration) time.Duration { return slow },
		}, {
			title: "answers that take twice as long from the 30th second to the 45th", length: 90 * time.Second,
			latency: func(at time.Duration) time.Duration {
				if at >= 30*time.Second && at < 45*time.Second {
					return 2 * quick
				}
				return quick
			},
		}, {
			title: "answers of 503 from the 10th second to the 12th", length: 90 * time.Second,
			latency: func(time.Duration) time.Duration { return quick },
			fails:   func(at time.Duration) bool { return at >= 10*time.Second && at < 12*time.Second },
		},
	}
}

func run(ctx context.Context) error {
	seed := flag.Uint64("seed", 1, "seed of the made-up data")
	flag.Parse()
	if flag.NArg() > 0 {
		return errors.New("no arguments are taken; see --help")
	}
	pace := bitbucket.DefaultThrottle()
	fmt.Printf("Bitbucket Data Center, two engines over one database, configured: %v requests a second, %d in flight\n", pace.PerSecond, pace.InFlight)
	all := scenes()
	seen := make([]record, len(all))
	// Nearly all of the time is waiting, so they run side by side, each on an instance and a database of its own.
	g, ctx := errgroup.WithContext(ctx)
	for i, s := range all {
		g.Go(func() error {
			var err error
			if seen[i], err = s.measure(ctx, *seed, pace); err != nil {
				err = fmt.Errorf("%s: %w", s.title, err)
			}
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	for i, s := range all {
		s.print(seen[i], pace)
	}
	return nil
}
