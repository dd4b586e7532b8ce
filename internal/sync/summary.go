package sync

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"sort"
	gosync "sync"

	"github.com/windlass-hq/windlass/internal/store"
)

// The states of a run (DESIGN section 5). Running and Interrupted runs are adopted by the next one.
const (
	Running     = "running"
	Complete    = "complete"
	Partial     = "partial"
	Failed      = "failed"
	Interrupted = "interrupted"
)

// Summary is what a run did. Its JSON form is a contract (DESIGN section 5).
type Summary struct {
	Connection string         `json:"connection"`
	Run        int64          `json:"run"`
	Status     string         `json:"status"`
	Calls      int64          `json:"calls"`
	Seconds    float64        `json:"seconds"`
	Objects    map[string]int `json:"objects"` // open objects after the run, by type
	Changes    Changes        `json:"changes"`
	Hidden     int            `json:"hidden,omitempty"`  // closed because nothing of ours sees them any more
	Held       int            `json:"held,omitempty"`    // closings that wait for --confirm-deletes
	Skipped    int            `json:"skipped,omitempty"` // odd objects, kept as far as they could be read
	Scopes     []ScopeResult  `json:"scopes"`
	Odd        []string       `json:"odd,omitempty"`      // the first odd objects, in words
	Warnings   []string       `json:"warnings,omitempty"` // what a person should look at, such as a credential that was not used

	read int // listings or objects that answered; zero means that nothing could be read
}

// Changes counts what happened to entities.
type Changes struct {
	Created int `json:"created"`
	Updated int `json:"updated"`
	Deleted int `json:"deleted"`
}

// ScopeResult is how one listing of the run ended.
type ScopeResult struct {
	Scope  string `json:"scope"`
	Title  string `json:"title,omitempty"`
	Status string `json:"status"`
	Reason string `json:"reason,omitempty"`
}

func (s Summary) encode() (string, error) {
	b, err := json.Marshal(s)
	if err != nil {
		return "", fmt.Errorf("encode the summary: %w", err)
	}
	return string(b), nil
}

func (s Summary) total() int {
	n := 0
	for _, c := range s.Objects {
		n += c
	}
	return n
}

// maxOddShown bounds the odd objects that a summary repeats; all of them are in the database.
const maxOddShown = 20

// tally collects what the listings of a run did; they run side by side.
type tally struct {
	mu       gosync.Mutex
	result   store.Result
	scopes   []ScopeResult
	odd      []string
	warnings []string
	skipped  int
	held     int
	read     int
	objects  int
}

func (t *tally) applied(r store.Result, objects int) (total int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.result.Add(r)
	t.read++
	t.objects += objects
	return t.objects
}

func (t *tally) oddity(text string, kept bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if kept {
		t.skipped++
	}
	if len(t.odd) < maxOddShown {
		t.odd = append(t.odd, text)
	}
}

func (t *tally) ended(scope store.Scope, entry store.LedgerEntry) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.scopes = append(t.scopes, ScopeResult{Scope: scope.Name(), Title: scope.Title, Status: string(entry.State), Reason: entry.Reason})
}

func (t *tally) hold(n int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.held += n
}

// summary adds up the run. Its status is what the scopes say; finish overrules it when the run itself failed.
func (p *pass) summary(ctx context.Context) (Summary, error) {
	t := &p.tally
	t.mu.Lock()
	defer t.mu.Unlock()
	s := Summary{
		Connection: p.conn.Name, Run: p.run.ID, Status: Complete,
		Calls:   p.reader.Calls(),
		Seconds: math.Round(p.Now().Sub(p.started).Seconds()*1000) / 1000,
		Changes: Changes{Created: t.result.Created, Updated: t.result.Updated, Deleted: t.result.Deleted},
		Hidden:  t.result.Hidden, Held: t.held, Skipped: t.skipped,
		Scopes: append([]ScopeResult{}, t.scopes...), Odd: t.odd, Warnings: t.warnings, read: t.read,
	}
	sort.SliceStable(s.Scopes, func(i, j int) bool { return s.Scopes[i].Scope < s.Scopes[j].Scope })
	for _, sc := range s.Scopes {
		if sc.Status == string(store.LedgerPartial) || sc.Status == string(store.LedgerFailed) {
			s.Status = Partial
		}
	}
	if s.Held > 0 {
		s.Status = Partial
	}
	if s.read == 0 && len(s.Scopes) > 0 && s.Status != Complete {
		s.Status = Failed
	}
	var err error
	s.Objects, err = p.Store.CountByType(ctx, &p.conn.ID)
	return s, err
}
