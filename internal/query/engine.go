package query

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/windlass-hq/windlass/internal/fault"
	"github.com/windlass-hq/windlass/internal/graph"
	"github.com/windlass-hq/windlass/internal/store"
)

// Engine answers queries from one store. It is safe for concurrent use.
type Engine struct {
	st    *store.Store
	asks  *statements
	d     dialect
	model *graph.Model
	now   func() time.Time
	// history says from which moment on all versions are kept; nil for from the beginning.
	history func(context.Context) (time.Time, error)

	mu     sync.Mutex
	counts map[int64]int64
	fresh  time.Time // when counts were taken
	// listings are the names of those that the store has, as of listed.
	listings []string
	listed   time.Time
}

// New returns an engine over a store. The model declares what the graph may hold; the store knows what it has met.
func New(st *store.Store, model *graph.Model) *Engine {
	d := dialect{postgres: st.Dialect().Name() == "postgres"}
	return &Engine{st: st, asks: &statements{db: st.Reader(), plain: d.postgres}, d: d, model: model, now: time.Now}
}

// WithClock returns an engine that takes the time from now instead of the system.
func (e *Engine) WithClock(now func() time.Time) *Engine {
	return &Engine{st: e.st, asks: e.asks, d: e.d, model: e.model, now: now, history: e.history}
}

// WithHistory returns an engine that warns of moments before the one that from tells: versions that ended before it
// have been removed. A zero time says that none have.
func (e *Engine) WithHistory(from func(context.Context) (time.Time, error)) *Engine {
	return &Engine{st: e.st, asks: e.asks, d: e.d, model: e.model, now: e.now, history: from}
}

// countsAge is how long estimates of the graph's size are used, and countsCap where counting stops: beyond it a kind is
// simply large. Counting a hundred thousand index entries takes about 3 ms.
const (
	countsAge = 10 * time.Minute
	countsCap = 100_000
)

// Schema returns what the graph knows now, for Check and for completion.
func (e *Engine) Schema(ctx context.Context) (Schema, error) {
	s, _, err := e.schema(ctx)
	return s, failure(ctx, err)
}

// Run answers a query, calling yield for each row; an error of yield ends it and is returned. The row's slices belong to
// the callee. Errors are *fault.Error: Invalid for the text, Canceled and Limited for the context's end.
func (e *Engine) Run(ctx context.Context, r Request, yield func(Row) error) (Info, error) {
	start := e.now()
	q, err := Parse(r.Text)
	if err != nil {
		return Info{}, err
	}
	info, err := e.run(ctx, q, r, yield)
	info.Duration = e.now().Sub(start)
	return info, failure(ctx, err)
}

func (e *Engine) run(ctx context.Context, q *Query, r Request, yield func(Row) error) (Info, error) {
	now := e.now()
	if r.Now != nil {
		now = r.Now()
	}
	at, ahead, err := moment(q, r, now)
	if err != nil {
		return Info{}, err
	}
	schema, tagged, err := e.schema(ctx)
	if err != nil {
		return Info{}, err
	}
	info := Info{Warnings: Check(q, schema), At: at}
	if ahead != nil {
		info.Warnings = append(info.Warnings, Warning{Message: ahead.UTC().Format(time.RFC3339) + " is still to come: this is the graph as it is now"})
	}
	p := &planner{q: q, d: e.d, schema: schema, viewer: r.Viewer, now: now, limit: r.Limit, tagged: tagged}
	if at != nil {
		micros := at.UnixMicro()
		p.at = &micros
		w, err := e.doubts(ctx, *at, r.Viewer, concerned(q, schema))
		if err != nil {
			return info, err
		}
		info.Warnings = append(info.Warnings, w...)
	}
	if len(q.Hops) > 0 {
		if p.counts, err = e.sizes(ctx, schema); err != nil {
			return info, err
		}
	}
	plan := p.plan()
	info.Columns = plan.columns
	for _, name := range p.forgotten {
		info.Warnings = append(info.Warnings, Warning{Message: name + " keeps its present value only, so at a past moment it is unknown"})
	}
	info.Rows, err = e.stream(ctx, plan, yield)
	return info, err
}

// moment is the past moment that the request or the text asks for. What lies ahead of now is answered as of now.
func moment(q *Query, r Request, now time.Time) (at, ahead *time.Time, err error) {
	at = r.At
	if q.At != nil {
		if at != nil {
			return nil, nil, problem(q.text, q.At.Pos, "leave one of them out", "the moment is given twice, here and beside the query")
		}
		t := q.At.Resolve(now)
		at = &t
	}
	if at != nil && at.After(now) {
		return nil, at, nil
	}
	return at, nil, nil
}

// stream runs the statement and yields its rows.
func (e *Engine) stream(ctx context.Context, p *plan, yield func(Row) error) (n int, err error) {
	rows, err := e.asks.query(ctx, p.sql, p.args...)
	if err != nil {
		return 0, fmt.Errorf("run query: %w", err)
	}
	defer func() {
		if cerr := rows.Close(); err == nil && cerr != nil {
			err = fmt.Errorf("run query: %w", cerr)
		}
	}()
	width := 0
	for _, m := range p.emit {
		width += m.width
	}
	vals, into := make([]any, width), make([]any, width)
	for i := range vals {
		into[i] = &vals[i]
	}
	for rows.Next() {
		if err := rows.Scan(into...); err != nil {
			return n, fmt.Errorf("read row: %w", err)
		}
		var out Row
		from := 0
		for _, m := range p.emit {
			if err := m.emit(vals[from:from+m.width], &out); err != nil {
				return n, fmt.Errorf("read row: %w", err)
			}
			from += m.width
		}
		if err := yield(out); err != nil {
			return n, err
		}
		n++
	}
	if err := rows.Err(); err != nil {
		return n, fmt.Errorf("run query: %w", err)
	}
	return n, nil
}

// schema returns the kinds, and whether account names are shown at all. Relationships are read first: the kinds they
// join are then all there.
func (e *Engine) schema(ctx context.Context) (Schema, bool, error) {
	rels, err := e.st.RelKinds(ctx)
	if err != nil {
		return Schema{}, false, fmt.Errorf("read kinds: %w", err)
	}
	kinds, err := e.st.Kinds(ctx)
	if err != nil {
		return Schema{}, false, fmt.Errorf("read kinds: %w", err)
	}
	var tagged int64
	err = e.asks.row(ctx, "SELECT COUNT(*) FROM connection WHERE tag_account_name <> 0 AND account_name <> ''", nil, &tagged)
	if err != nil {
		return Schema{}, false, fmt.Errorf("read connections: %w", err)
	}
	return NewSchema(e.model, kinds, rels), tagged > 0, nil
}

// each runs a statement and calls f for every row.
func each(ctx context.Context, db *sql.DB, text string, args []any, f func(scan func(...any) error) error) (err error) {
	rows, err := db.QueryContext(ctx, text, args...)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		if err := f(rows.Scan); err != nil {
			return err
		}
	}
	return rows.Err()
}

// sizes estimates how many entities each kind has. Estimates steer only the order of steps, so they may be old.
func (e *Engine) sizes(ctx context.Context, s Schema) (map[int64]int64, error) {
	now := e.now()
	e.mu.Lock()
	counts, fresh := e.counts, e.fresh
	e.mu.Unlock()
	if counts != nil && now.Sub(fresh) < countsAge && len(counts) == len(s.kinds) {
		return counts, nil
	}
	counts = map[int64]int64{}
	for _, k := range s.kinds {
		var n int64
		err := e.st.Reader().QueryRowContext(ctx, "SELECT COUNT(*) FROM (SELECT 1 FROM entity WHERE kind = $1 LIMIT $2) AS e", k.ID, countsCap).Scan(&n)
		if err != nil {
			return nil, fmt.Errorf("estimate sizes: %w", err)
		}
		counts[k.ID] = n
	}
	e.mu.Lock()
	e.counts, e.fresh = counts, now
	e.mu.Unlock()
	return counts, nil
}

// failure words what ended a query.
func failure(ctx context.Context, err error) error {
	switch {
	case err == nil:
		return nil
	case fault.CodeOf(err) != fault.Internal:
		return err
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return fault.Wrap(err, fault.Limited, "the query took longer than it may").
			With("narrow it with WITH on the first or last selector, or allow more time")
	case ctx.Err() != nil:
		return fault.Wrap(err, fault.Canceled, "the query was cancelled")
	}
	return err
}
