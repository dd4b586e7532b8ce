package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/windlass-hq/windlass/internal/graph"
	"github.com/windlass-hq/windlass/internal/query"
	"github.com/windlass-hq/windlass/internal/store"
)

// budget is how much longer a query may take at a past moment than now.
const budget = 2.0

// ago are the past moments, in days before the end.
func ago() []int { return []int{1, 10, 20, 29} }

// compare asks each question now and at past moments and prints medians.
func compare(ctx context.Context, st *store.Store, p *past, o options) error {
	engine := query.New(st, graph.Standard()).WithClock(func() time.Time { return p.end })
	table := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprint(table, "query, medians in ms\tnow\trows\t")
	for _, d := range ago() {
		fmt.Fprintf(table, "%d d ago\trows\tratio\t", d)
	}
	fmt.Fprintf(table, "budget %.1f\t\n", budget)
	over := 0
	for _, q := range questions(p) {
		if !strings.Contains(q.name, o.only) {
			continue
		}
		moments := []*time.Time{nil}
		for _, d := range ago() {
			at := p.end.AddDate(0, 0, -d)
			moments = append(moments, &at)
		}
		took, rows, err := medians(ctx, engine, q.text, moments, o.patience)
		if err != nil {
			return fmt.Errorf("%s: %w", q.name, err)
		}
		ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
		fmt.Fprintf(table, "%s\t%.2f\t%d\t", q.name, ms(took[0]), rows[0])
		worst := 0.0
		for i := range ago() {
			ratio := float64(took[i+1]) / float64(took[0])
			worst = max(worst, ratio)
			fmt.Fprintf(table, "%.2f\t%d\t%.2f\t", ms(took[i+1]), rows[i+1], ratio)
		}
		verdict := "within"
		if worst > budget {
			verdict = "OVER BUDGET"
			over++
		}
		fmt.Fprintln(table, verdict+"\t")
	}
	if err := table.Flush(); err != nil {
		return err
	}
	fmt.Printf("\n%d queries over the budget of %.1f times the present\n\n", over, budget)
	return nil
}

// medians runs a question at all moments in turn, so that whatever else the machine does meets them alike.
func medians(ctx context.Context, engine *query.Engine, text string, moments []*time.Time, patience time.Duration) ([]time.Duration, []int, error) {
	took, rows := make([][]time.Duration, len(moments)), make([]int, len(moments))
	began := time.Now()
	// The first round warms what is cached and does not count.
	for round := 0; round < 6 || round < 200 && time.Since(began) < patience*time.Duration(len(moments)); round++ {
		for i, at := range moments {
			started := time.Now()
			info, err := engine.Run(ctx, query.Request{Text: text, At: at, Viewer: query.Everything()}, func(query.Row) error { return nil })
			if err != nil {
				return nil, nil, err
			}
			rows[i] = info.Rows
			if round > 0 {
				took[i] = append(took[i], time.Since(started))
			}
		}
	}
	out := make([]time.Duration, len(moments))
	for i, t := range took {
		slices.Sort(t)
		out[i] = t[len(t)/2]
	}
	return out, rows, nil
}
