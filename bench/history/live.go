package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"sort"
	"strconv"
	"time"

	"github.com/windlass-hq/windlass/internal/graph"
	"github.com/windlass-hq/windlass/internal/store"
)

// live lets days pass behind the end of the history: every hour the pull requests that changed are applied through the
// store, as a run does. It prints what that writes.
func live(ctx context.Context, st *store.Store, p *past, c *clock, o options, file string) error {
	stream := store.ConnectionStream(1)
	for day := range o.days {
		from := p.end.AddDate(0, 0, day)
		hours := p.hours(from)
		before, err := taken(ctx, st, stream, file)
		if err != nil {
			return err
		}
		started, changed := time.Now(), 0
		var sum store.Result
		for _, h := range hours {
			for repo, objects := range h.byRepo {
				c.set(h.at)
				result, err := st.Apply(ctx, store.Batch{Scope: int64(repo + 1), Cause: graph.Cause{Kind: "run", ID: "2"}, RequestedAt: h.at, Objects: objects})
				if err != nil {
					return err
				}
				sum.Add(result)
				changed += len(objects)
			}
		}
		took := time.Since(started)
		// What is in the log reaches the database within the checkpointer's next rounds.
		time.Sleep(2 * time.Second)
		after, err := taken(ctx, st, stream, file)
		if err != nil {
			return err
		}
		if len(sum.Dangling) > 0 {
			return fmt.Errorf("%s is unknown to the graph that was filled", sum.Dangling[0])
		}
		properties, err := changedBytes(ctx, st, stream, before.seq)
		if err != nil {
			return err
		}
		fmt.Printf("day %d: %d objects applied in %.1f s: %d created, %d updated; %.2f MB of properties were created or changed\n",
			day+1, changed, took.Seconds(), sum.Created, sum.Updated, mega(properties))
		fmt.Printf("  the database grew by %.2f MB a day, %.1f bytes per byte of changed property\n", mega(after.size-before.size), float64(after.size-before.size)/float64(properties))
		if after.written > 0 {
			fmt.Printf("  written to the database and its log: %.2f MB, a write amplification of %.1f\n", mega(after.written-before.written), float64(after.written-before.written)/float64(properties))
		}
	}
	return nil
}

func mega(n int64) float64 { return float64(n) / 1e6 }

// hour is what changed within one.
type hour struct {
	at     time.Time
	byRepo map[int][]graph.Object
}

// hours returns what runs see on a day.
func (p *past) hours(from time.Time) []hour {
	byHour := map[time.Time]map[int][]graph.Object{}
	until := from.AddDate(0, 0, 1)
	for i := range p.prs + p.more {
		pr := p.pullRequest(i)
		if g := p.gone(pr.repo); !g.IsZero() {
			continue
		}
		for _, s := range p.observed(pr, i) {
			if s.at.Before(from) || !s.at.Before(until) {
				continue
			}
			at := s.at.Truncate(time.Hour)
			if byHour[at] == nil {
				byHour[at] = map[int][]graph.Object{}
			}
			byHour[at][pr.repo] = append(byHour[at][pr.repo], p.object(pr, i, s))
		}
	}
	var out []hour
	for at, m := range byHour {
		out = append(out, hour{at: at.Add(2 * time.Minute), byRepo: m})
	}
	sort.Slice(out, func(i, j int) bool { return out[i].at.Before(out[j].at) })
	return out
}

// object is a pull request as a converter yields it.
func (p *past) object(pr pullRequest, i int, s step) graph.Object {
	key := p.prKey(pr.repo, i)
	o := graph.Object{Entity: graph.Entity{
		Key: key, Type: graph.TypePullRequest, Name: fmt.Sprintf("repo-%d/%d", pr.repo, i), Repo: p.repoKey(pr.repo), Home: p.repoKey(pr.repo),
		Properties: p.properties(pr, i, s), Revision: s.at.UnixMilli(),
	}}
	edge := func(from, verb string, props graph.Properties) {
		o.Relationships = append(o.Relationships, graph.Relationship{From: from, Verb: verb, To: key, Properties: props})
	}
	edge(p.repoKey(pr.repo), graph.Has, nil)
	edge(p.userKey(pr.author), graph.Opened, nil)
	for n, u := range pr.reviewers {
		props := graph.Properties{"requested": true, "acted": false}
		if n < s.approvals {
			props = graph.Properties{"requested": true, "acted": true, "state": "approved"}
			edge(p.userKey(u), graph.Approved, nil)
		}
		edge(p.userKey(u), graph.Reviewed, props)
	}
	return o
}

// account is where counters stand: bytes of the database, bytes this process has written, the newest change.
type account struct{ size, written, seq int64 }

func taken(ctx context.Context, st *store.Store, stream, file string) (account, error) {
	var a account
	streams, err := st.Streams(ctx)
	if err != nil {
		return a, err
	}
	for _, s := range streams {
		if s.Name == stream {
			a.seq = s.Last
		}
	}
	if st.Dialect().Name() == "postgres" {
		return a, st.Reader().QueryRowContext(ctx, "SELECT pg_database_size(current_database())").Scan(&a.size)
	}
	// Pages in use: the file grows in steps and keeps free pages.
	var pages, free, size int64
	for pragma, into := range map[string]*int64{"page_count": &pages, "freelist_count": &free, "page_size": &size} {
		if err := st.Reader().QueryRowContext(ctx, "PRAGMA "+pragma).Scan(into); err != nil {
			return a, err
		}
	}
	a.size = (pages - free) * size
	a.written = written()
	return a, nil
}

// written is how many bytes this process has written to files: on SQLite the database and its log, since nothing else
// is. 0 where the system does not tell (all but Linux).
func written() int64 {
	text, err := os.ReadFile("/proc/self/io")
	if err != nil {
		return 0
	}
	for line := range bytes.Lines(text) {
		if rest, ok := bytes.CutPrefix(line, []byte("wchar: ")); ok {
			n, _ := strconv.ParseInt(string(bytes.TrimSpace(rest)), 10, 64)
			return n
		}
	}
	return 0
}

// changedBytes sums the JSON of all properties that changed or came with something new since a change.
func changedBytes(ctx context.Context, st *store.Store, stream string, after int64) (int64, error) {
	total := int64(0)
	for {
		changes, err := st.Changes(ctx, stream, after, 1000)
		if err != nil || len(changes) == 0 {
			return total, err
		}
		for _, c := range changes {
			after = c.Seq
			props := c.New
			if c.Op == graph.Created {
				row, err := st.Entity(ctx, c.Key, &c.At)
				if err != nil {
					return 0, err
				}
				props = row.Properties
			}
			text, err := json.Marshal(props)
			if err != nil {
				return 0, err
			}
			total += int64(len(text))
		}
	}
}
