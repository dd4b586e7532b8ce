// Command sync measures a full sync of Bitbucket Cloud and of Bitbucket Data Center on the sandbox, with one and with
// three consumers, through the real binary over loopback: REST calls beside the budget and beside the peer, seconds, rows
// per second beside bare prepared inserts of the same rows, and peak memory. bench/README.md says how to run it and what the figures mean.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"time"
)

// The size that DESIGN's budgets speak of, at scale one.
const (
	baseRepositories = 1_000
	basePullRequests = 50_000
)

// The size of the course at the default pace of a Data Center, where five calls take a second at any size.
const (
	pacedRepositories = 75
	pacedPullRequests = 3_750
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
	products     []product
	consumers    []int
}

func parseFlags() (options, error) {
	var o options
	flag.StringVar(&o.binary, "binary", "bin/windlass", "the windlass to measure (make build)")
	flag.IntVar(&o.scale, "scale", 1, "also measure at this many times the size")
	flag.IntVar(&o.repositories, "repos", baseRepositories, "repositories at scale 1")
	flag.IntVar(&o.pullRequests, "pull-requests", basePullRequests, "pull requests at scale 1")
	flag.DurationVar(&o.latency, "latency", 20*time.Millisecond, "latency of the slow run")
	flag.IntVar(&o.seed, "seed", 1, "seed of the made-up data")
	var products string
	var consumers int
	flag.StringVar(&products, "product", "both", "cloud, datacenter or both")
	flag.IntVar(&consumers, "consumers", 0, "consumers, or tokens of a Data Center, at the latency: 1 or 3; 0 measures both")
	flag.StringVar(&o.keep, "keep", "", "folder for the databases; a temporary one by default")
	flag.Parse()
	if flag.NArg() > 0 || o.scale < 1 || o.repositories < 1 || o.pullRequests < 0 {
		return o, errors.New("no arguments are taken, and sizes are at least one; see --help")
	}
	switch products {
	case "both":
		o.products = []product{cloud, dataCenter}
	case string(cloud), string(dataCenter):
		o.products = []product{product(products)}
	default:
		return o, errors.New("--product is cloud, datacenter or both")
	}
	switch {
	case consumers == 0:
		o.consumers = []int{1, 3}
	case consumers > 0 && consumers <= mostConsumers:
		o.consumers = []int{consumers}
	default:
		return o, fmt.Errorf("--consumers is at most %d", mostConsumers)
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
	peaks := map[product][]int64{}
	for _, c := range courses(o) {
		c.folder = filepath.Join(folder, c.name())
		figures, err := c.measure(ctx)
		if err != nil {
			return fmt.Errorf("%s: %w", c.name(), err)
		}
		figures.print(os.Stdout)
		if c.bare {
			peaks[c.product] = append(peaks[c.product], figures.first.usage.own)
		}
	}
	for _, p := range o.products {
		if at := peaks[p]; len(at) == 2 && at[0] > 0 {
			fmt.Printf("\n%s: peak memory of its own at %d times the size: %.2f of that at one (budget: at most 1.20)\n",
				p.title(), o.scale, float64(at[1])/float64(at[0]))
		}
	}
	return nil
}

// courses returns what is to be measured, in order.
func courses(o options) []course {
	scales := []int{1}
	if o.scale > 1 {
		scales = append(scales, o.scale)
	}
	var all []course
	for _, p := range o.products {
		for _, scale := range scales {
			c := course{options: o, product: p, size: size{o.repositories * scale, o.pullRequests * scale}, consumers: 1}
			raw := c
			raw.bare, raw.again = true, true
			all = append(all, raw)
			for _, n := range o.consumers {
				slow := c
				slow.latency, slow.consumers = o.latency, n
				all = append(all, slow)
			}
		}
		if p == dataCenter {
			small := size{min(o.repositories, pacedRepositories), min(o.pullRequests, pacedPullRequests)}
			all = append(all, course{options: o, product: p, size: small, consumers: 1, latency: o.latency, paced: true})
		}
	}
	return all
}

// name tells a course from the others; it is the name of its folder.
func (c course) name() string {
	name := fmt.Sprintf("%s-%d-%v-%dx", c.product, c.size.repositories, c.latency, c.consumers)
	if c.paced {
		name += "-paced"
	}
	return name
}
