// Command limits measures what the limits of Bitbucket Cloud cost: a workspace that needs several hours of allowance is
// read in one process, on a clock that jumps over waits and that sandbox, clients and engine share. bench/README.md says
// how to run it and what the figures mean.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"text/tabwriter"

	"github.com/windlass-hq/windlass/internal/bitbucket"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench/limits:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	w := workspace{}
	flag.IntVar(&w.repositories, "repos", 5_000, "repositories of the sandbox")
	flag.IntVar(&w.pullRequests, "pull-requests", 2_500, "pull requests of the sandbox")
	flag.IntVar(&w.allowance, "allowance", 1_000, "calls per rolling hour and consumer")
	flag.Uint64Var(&w.seed, "seed", 1, "seed of the made-up data")
	flag.Parse()
	if flag.NArg() > 0 || w.repositories < 2 || w.pullRequests < 0 || w.allowance < 50 {
		return errors.New("no arguments are taken, there are two repositories at least, and fewer than 50 calls an hour are no allowance; see --help")
	}
	fmt.Printf("Bitbucket Cloud, %d repositories, %d pull requests, %d calls per rolling hour and consumer, refused beyond\n\n",
		w.repositories, w.pullRequests, w.allowance)
	for _, consumers := range []int{1, 3} {
		for _, stated := range []bool{true, false} {
			f, err := w.measure(ctx, consumers, stated)
			if err != nil {
				return fmt.Errorf("%d consumers: %w", consumers, err)
			}
			f.print()
		}
	}
	fmt.Println("A rolling hour grants its whole allowance at once, so a run ends before the ideal, which spends evenly, by up to an hour.\n" +
		"\"Soonest\" asks as soon as there is room; no client that keeps to that part of the allowances can end before.")
	return nil
}

// print writes the figures, the hours beside the ideal ones: with the whole allowance, and with the share of it that
// Windlass takes.
func (f figures) print() {
	title := fmt.Sprintf("%d consumers", f.consumers)
	if f.consumers == 1 {
		title = "1 consumer"
	}
	if f.stated {
		title += ", allowance stated"
	} else {
		title += ", allowance not stated: asked until refused"
	}
	fmt.Println(title)
	table := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	row := func(name, figure, beside string) { fmt.Fprintf(table, "  %s\t%s\t%s\n", name, figure, beside) }
	row("calls", fmt.Sprint(f.calls), fmt.Sprintf("%s by consumer", strings.Trim(fmt.Sprint(f.byConsumer), "[]")))
	row("refused with 429", fmt.Sprint(f.refused), "")
	row("hours taken", fmt.Sprintf("%.2f", f.hours), fmt.Sprintf("of which %.1f s on this machine's clock", f.took.Seconds()))
	for _, share := range []float64{1, bitbucket.DefaultShare} {
		ideal, soonest := f.ideal(share), f.soonest(share)
		row(fmt.Sprintf("ideal at %.0f %%: calls / sum of allowances", 100*share), fmt.Sprintf("%.2f", ideal),
			fmt.Sprintf("lost %+.2f h (%+.0f %%)", f.hours-ideal, 100*(f.hours/ideal-1)))
		row(fmt.Sprintf("soonest at %.0f %% of rolling hours", 100*share), fmt.Sprintf("%.2f", soonest), fmt.Sprintf("lost %+.2f h", f.hours-soonest))
	}
	table.Flush()
	fmt.Println()
}
