// Command sync measures a full sync of Bitbucket Cloud on the sandbox, through the real binary over loopback: REST
// calls beside the budget and beside the peer, seconds, rows per second beside bare prepared inserts of the same rows,
// and peak memory. bench/README.md says how to run it and what the figures mean.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"time"
)

// The size that DESIGN's budgets speak of, at scale one.
const (
	baseRepositories = 1_000
	basePullRequests = 50_000
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench/sync:", err)
		os.Exit(1)
	}
}

type options struct {
	binary       string
	scale        int
	repositories int
	pullRequests int
	latency      time.Duration
	keep         string
	seed         int
}

func parseFlags() (options, error) {
	var o options
	flag.StringVar(&o.binary, "binary", "bin/windlass", "the windlass to measure (make build)")
	flag.IntVar(&o.scale, "scale", 1, "also measure at this many times the size")
	flag.IntVar(&o.repositories, "repos", baseRepositories, "repositories at scale 1")
	flag.IntVar(&o.pullRequests, "pull-requests", basePullRequests, "pull requests at scale 1")
	flag.DurationVar(&o.latency, "latency", 20*time.Millisecond, "latency of the slow run")
	flag.IntVar(&o.seed, "seed", 1, "seed of the made-up data")
	flag.StringVar(&o.keep, "keep", "", "folder for the databases; a temporary one by default")
	flag.Parse()
	if flag.NArg() > 0 || o.scale < 1 || o.repositories < 1 || o.pullRequests < 0 {
		return o, errors.New("no arguments are taken, and sizes are at least one; see --help")
	}
	binary, err := filepath.Abs(o.binary)
	if err != nil {
		return o, err
	}
	if _, err := os.Stat(binary); err != nil {
		return o, fmt.Errorf("no binary to measure (make build): %w", err)
	}
	o.binary = binary
	return o, nil
}

func run(ctx context.Context) error {
	o, err := parseFlags()
	if err != nil {
		return err
	}
	folder := o.keep
	if folder == "" {
		if folder, err = os.MkdirTemp("", "windlass-bench-"); err != nil {
			return err
		}
		defer os.RemoveAll(folder)
	}
	scales := []int{1}
	if o.scale > 1 {
		scales = append(scales, o.scale)
	}
	var peaks []int64
	for _, scale := range scales {
		for _, latency := range []time.Duration{0, o.latency} {
			size := size{o.repositories * scale, o.pullRequests * scale}
			c := course{
				options: o, size: size, latency: latency,
				folder: filepath.Join(folder, strconv.Itoa(scale)+"x-"+latency.String()),
			}
			figures, err := c.measure(ctx)
			if err != nil {
				return fmt.Errorf("%d repositories at %v: %w", size.repositories, latency, err)
			}
			figures.print(os.Stdout)
			if latency == 0 {
				peaks = append(peaks, figures.first.usage.own)
			}
		}
	}
	if len(peaks) == 2 && peaks[0] > 0 {
		fmt.Printf("\npeak memory of its own at %d times the size: %.2f of that at one (budget: at most 1.20)\n",
			o.scale, float64(peaks[1])/float64(peaks[0]))
	}
	return nil
}
