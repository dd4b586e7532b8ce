package main

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

// offer sends deliveries at the wanted rate for the wanted time. Each has a moment at which it is due; its latency
// counts from then on, so that a receiver that is behind is not asked less. Bodies are made and signed before.
func offer(ctx context.Context, o options, url string, p place) (seen figures, err error) {
	seen.offered = int(float64(o.rate) * o.length.Seconds())
	requests := make([]*http.Request, seen.offered)
	for i := range requests {
		content := body(i)
		m := hmac.New(sha256.New, []byte(p.hook.Secret))
		m.Write(content)
		r, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(content))
		if err != nil {
			return seen, err
		}
		r.Header.Set("X-Event-Key", "pr:modified")
		r.Header.Set("X-Request-Id", fmt.Sprintf("%s-%d", p.conn.Name, i))
		r.Header.Set("X-Hub-Signature", "sha256="+hex.EncodeToString(m.Sum(nil)))
		requests[i] = r
	}
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: o.senders, MaxConnsPerHost: o.senders}, Timeout: 10 * time.Second}
	defer client.CloseIdleConnections()
	var mu sync.Mutex
	next := 0
	began := time.Now()
	var g errgroup.Group
	for range o.senders {
		g.Go(func() error {
			for {
				mu.Lock()
				i := next
				next++
				mu.Unlock()
				if i >= len(requests) || ctx.Err() != nil {
					return ctx.Err()
				}
				due := began.Add(time.Duration(float64(i) / float64(o.rate) * float64(time.Second)))
				time.Sleep(time.Until(due))
				res, err := client.Do(requests[i])
				if err != nil {
					return err
				}
				_, err = io.Copy(io.Discard, res.Body)
				_ = res.Body.Close() // it was read to its end
				if err != nil {
					return err
				}
				mu.Lock()
				if res.StatusCode == http.StatusOK {
					seen.answered++
					seen.latencies = append(seen.latencies, time.Since(due))
				} else {
					seen.refused++
				}
				mu.Unlock()
			}
		})
	}
	err = g.Wait()
	seen.took = time.Since(began)
	slices.Sort(seen.latencies)
	return seen, err
}

// print prints the figures of a scene.
func (f figures) print(s scene, syncs float64) {
	beside := "idle"
	if s.busy {
		beside = fmt.Sprintf("beside a sync that wrote %.0f objects/s", float64(f.written)/f.took.Seconds())
	}
	rate := float64(f.answered) / f.took.Seconds()
	p50, p99 := f.at(0.5), f.at(0.99)
	verdict := "within the budget"
	if rate < 0.98*budgetRate || p99 > budgetP99 {
		verdict = "NOT within the budget"
	}
	fmt.Printf("%s, %s: %d offered at %d/s, %.0f/s acknowledged (%d refused), p50 %.1f ms, p99 %.1f ms: %s (%d/s, %v); %.1f acknowledged for each sync the disk can do\n",
		s.name, beside, f.offered, s.rate, rate, f.refused, ms(p50), ms(p99), verdict, budgetRate, budgetP99, rate/syncs)
	fmt.Printf("    applied to the graph: %.0f/s (%d in %.1f s)\n", float64(f.drained)/f.drainTook.Seconds(), f.drained, f.drainTook.Seconds())
}

func (f figures) at(part float64) time.Duration {
	if len(f.latencies) == 0 {
		return 0
	}
	return f.latencies[min(len(f.latencies)-1, int(part*float64(len(f.latencies))))]
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
