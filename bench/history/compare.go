package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"syscall"
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
	inServer := st.Dialect().Name() == "postgres"
	unit := "CPU ms"
	if inServer {
		unit = "ms"
	}
	engine := query.New(st, graph.Standard()).WithClock(func() time.Time { return p.end })
	// Lines come as they are measured: a large graph takes minutes.
	fmt.Printf("%-34s %9s %7s", "query, medians in "+unit, "now", "rows")
	for _, d := range ago() {
		fmt.Printf(" %9s %7s %6s", fmt.Sprintf("%d d ago", d), "rows", "ratio")
	}
	fmt.Printf("  budget %.1f\n", budget)
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
		took, rows, err := medians(ctx, engine, q.text, moments, o.patience, inServer)
		if err != nil {
			return fmt.Errorf("%s: %w", q.name, err)
		}
		ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
		fmt.Printf("%-34s %9.2f %7d", q.name, ms(took[0]), rows[0])
		worst := 0.0
		for i := range ago() {
			ratio := float64(took[i+1]) / float64(took[0])
			worst = max(worst, ratio)
			fmt.Printf(" %9.2f %7d %6.2f", ms(took[i+1]), rows[i+1], ratio)
		}
		verdict := "within"
		if worst > budget {
			verdict = "OVER BUDGET"
			over++
		}
		fmt.Println("  " + verdict)
	}
	fmt.Printf("\n%d queries over the budget of %.1f times the present\n\n", over, budget)
	return nil
}

// spent is the processor time of this process. SQLite runs inside it, so that this is what a query takes whatever else
// the machine does; a query runs on one processor, and on a quiet machine the two are the same.
func spent() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// medians runs a question at all moments in turn, so that whatever else the machine does meets them alike.
func medians(ctx context.Context, engine *query.Engine, text string, moments []*time.Time, patience time.Duration, inServer bool) ([]time.Duration, []int, error) {
	clockBegan, now := time.Now(), spent
	if inServer {
		now = func() time.Duration { return time.Since(clockBegan) }
	}
	took, rows := make([][]time.Duration, len(moments)), make([]int, len(moments))
	began := time.Now()
	// The first round warms what is cached and does not count.
	for round := 0; round < 4 || round < 200 && time.Since(began) < patience*time.Duration(len(moments)); round++ {
		for i, at := range moments {
			started := now()
			info, err := engine.Run(ctx, query.Request{Text: text, At: at, Viewer: query.Everything()}, func(query.Row) error { return nil })
			if err != nil {
				return nil, nil, err
			}
			rows[i] = info.Rows
			if round > 0 {
				took[i] = append(took[i], now()-started)
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
