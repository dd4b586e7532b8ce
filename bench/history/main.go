// Command history measures what the past costs: queries at past moments beside the same ones now, on a graph with a
// month of history, and what a day of changes writes. bench/README.md says how to run it and what the figures mean.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"time"

	"github.com/windlass-hq/windlass/internal/store"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench/history:", err)
		os.Exit(1)
	}
}

// options are the flags.
type options struct {
	entities int
	seed     uint64
	database string
	only     string
	patience time.Duration
	days     int
	keep     string
}

func run(ctx context.Context) (err error) {
	var o options
	flag.IntVar(&o.entities, "entities", 50_000, "open entities of the graph, about; three times as many relationships")
	flag.Uint64Var(&o.seed, "seed", 1, "seed of the made-up data")
	flag.StringVar(&o.database, "database", "", "postgres://… of an empty database; empty for SQLite in a temporary directory")
	flag.StringVar(&o.only, "only", "", "only queries whose name contains this")
	flag.DurationVar(&o.patience, "patience", time.Second, "how long a query is repeated at each moment; three times in any case")
	flag.IntVar(&o.days, "days", 2, "days of changes that are applied through the store")
	flag.StringVar(&o.keep, "keep", "", "keep the SQLite database in this directory, or use the one that an earlier run of the same size left there")
	flag.Parse()
	if flag.NArg() > 0 || o.entities < 10_000 || o.days < 0 {
		return errors.New("no arguments are taken, and fewer than 10,000 entities have no history worth measuring; see --help")
	}
	dir := o.keep
	if dir == "" {
		if dir, err = os.MkdirTemp("", "windlass-bench-"); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	}
	p := newPast(o.entities, o.seed)
	clock := &clock{now: p.end}
	open := func() (*store.Store, error) {
		return store.Open(ctx, store.Options{URL: o.database, Dir: dir, Key: make([]byte, 32), Now: clock.Now, Log: slog.New(slog.DiscardHandler)})
	}
	st, err := open()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, st.Close()) }()
	var kinds []store.Kind
	if kinds, err = st.Kinds(ctx); err != nil {
		return err
	}
	if len(kinds) == 0 {
		started := time.Now()
		if err := fill(ctx, st, p); err != nil {
			return fmt.Errorf("fill: %w", err)
		}
		fmt.Printf("filled in %.0f s\n", time.Since(started).Seconds())
		// What it knows of kinds and ids was written beside it.
		if err := st.Close(); err != nil {
			return err
		}
		if st, err = open(); err != nil {
			return err
		}
	}
	if err := describe(ctx, st, p); err != nil {
		return err
	}
	if err := compare(ctx, st, p, o); err != nil {
		return err
	}
	return live(ctx, st, p, clock, o, filepath.Join(dir, "windlass.db"))
}

// describe prints what the database holds.
func describe(ctx context.Context, st *store.Store, p *past) error {
	counts := map[string]int64{}
	for _, t := range []string{"entity", "entity_old", "rel", "rel_old", "scope"} {
		var n int64
		if err := st.Reader().QueryRowContext(ctx, "SELECT COUNT(*) FROM "+t).Scan(&n); err != nil {
			return err
		}
		counts[t] = n
	}
	fmt.Printf("%s, %d open entities, %d open relationships; of %d days %d closed versions and %d closed relationships; %d listings\n\n",
		strings.NewReplacer("sqlite", "SQLite", "postgres", "PostgreSQL").Replace(st.Dialect().Name()),
		counts["entity"], counts["rel"], historyDays, counts["entity_old"], counts["rel_old"], counts["scope"])
	return nil
}
