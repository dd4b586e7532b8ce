package job_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/windlass-hq/windlass/internal/job"
	"github.com/windlass-hq/windlass/internal/store/storetest"
)

// BenchmarkRingToStart measures from before the transaction that rings to the first line of the worker, on an idle
// engine: what a push waits for before anything looks at it.
func BenchmarkRingToStart(b *testing.B) {
	for _, open := range []func(testing.TB) *storetest.Database{storetest.SQLite, storetest.PostgreSQL} {
		db := open(b)
		b.Run(db.Name, func(b *testing.B) {
			began := make(chan time.Time, 1)
			e := newEngine(b, db.Open(b), job.Options{Workers: []job.Worker{syncWorker(func(context.Context, job.Task) error {
				began <- time.Now()
				return nil
			})}})
			start(b, e)
			var took []time.Duration
			for b.Loop() {
				from := time.Now()
				ring(b, e, "connection/1/sync")
				took = append(took, receive(b, began, "the worker").Sub(from))
				eventually(b, "the row to be settled", func() bool { return settled(b, e, "connection/1/sync") })
			}
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "p50-ms")
			b.ReportMetric(float64(took[len(took)*95/100].Microseconds())/1000, "p95-ms")
			stop(b, e)
		})
	}
}
