// Command intake measures how many webhook deliveries a second are verified, stored durably and acknowledged, how long
// each answer takes, and how fast what was stored reaches the graph, beside the rate at which the disk syncs.
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

// The budget of DESIGN section 6.
const (
	budgetRate = 3000
	budgetP99  = 50 * time.Millisecond
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "intake:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	o := options{}
	flag.StringVar(&o.database, "database", "", "URL of an empty PostgreSQL database to measure too")
	flag.IntVar(&o.rate, "rate", budgetRate, "deliveries offered a second")
	flag.IntVar(&o.senders, "senders", 64, "connections that send")
	flag.DurationVar(&o.length, "for", 8*time.Second, "how long each scene lasts")
	flag.Parse()
	if flag.NArg() > 0 {
		return errors.New("no arguments are taken; see --help")
	}
	folder, err := os.MkdirTemp("", "windlass-bench-intake-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(folder) }() // it is the system's to clean up otherwise
	syncs, err := fsyncs(filepath.Join(folder, "probe"), 2*time.Second)
	if err != nil {
		return err
	}
	fmt.Printf("the disk syncs %.0f times a second after 8 KB each\n", syncs)
	for _, url := range []string{"", o.database} {
		name := "SQLite"
		if url != "" {
			name = "PostgreSQL"
		}
		for _, busy := range []bool{false, true} {
			s := scene{options: o, name: name, url: url, busy: busy, folder: filepath.Join(folder, fmt.Sprintf("%s-%v", name, busy))}
			seen, err := s.measure(ctx)
			if err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			seen.print(s, syncs)
		}
		if o.database == "" {
			break
		}
	}
	return nil
}

// fsyncs returns how often a second a file can be written to and synced.
func fsyncs(file string, length time.Duration) (rate float64, err error) {
	f, err := os.Create(file)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	block := make([]byte, 8<<10)
	began, n := time.Now(), 0
	for ; time.Since(began) < length; n++ {
		if _, err := f.Write(block); err != nil {
			return 0, err
		}
		if err := f.Sync(); err != nil {
			return 0, err
		}
	}
	return float64(n) / time.Since(began).Seconds(), nil
}
