package query

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/windlass-hq/windlass/internal/graph"
	"github.com/windlass-hq/windlass/internal/store"
)

// A test world lives between these moments; queries ask for now or for one in between.
func epoch() time.Time { return time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC) }

func moments() []time.Time {
	var out []time.Time
	for d := range 5 {
		out = append(out, epoch().Add(time.Duration(d)*24*time.Hour+time.Duration(d)*1500*time.Microsecond))
	}
	return out
}

func testNow() time.Time { return epoch().Add(10 * 24 * time.Hour) }

type kindDecl struct {
	typ     string
	classes []string
}

// worldKinds has declared types, whose properties have the declared shapes, and foreign ones, whose properties are
// whatever comes.
func worldKinds() []kindDecl {
	return []kindDecl{
		{graph.TypeRepo, []string{"CodeRepo"}},
		{graph.TypePullRequest, []string{"Review", "PR"}},
		{graph.TypeUser, []string{"User"}},
		{graph.TypeProject, []string{"Project"}},
		{"import_thing", []string{"Thing", "User"}},
		{"import_bare", nil},
	}
}

func worldVerbs() []string { return []string{"HAS", "OPENED", "APPROVED", "IS"} }

func worldProperties() []string {
	return []string{"name", "title", "state", "approved", "createdOn", "updatedOn", "reviewers", "size", "open", "odd name", "tag.Team", "$x"}
}

func randomText(r *rand.Rand) string {
	return []string{"a", "b", "ab", "abc", "B", "ä", "äb", "", "a'b", "%", "a_b", "OPEN", "1", "true", `"`, `\`}[r.IntN(16)]
}

func randomScalar(r *rand.Rand) any {
	switch r.IntN(4) {
	case 0:
		return []any{int64(-1), int64(0), int64(1), int64(2), 1.5, -0.25, int64(55)}[r.IntN(7)]
	case 1:
		return r.IntN(2) == 0
	}
	return randomText(r)
}

func randomTime(r *rand.Rand) int64 {
	return epoch().Add(time.Duration(r.IntN(20)) * 12 * time.Hour).UnixMilli()
}

// declaredValue is a value of the declared shape.
func declaredValue(r *rand.Rand, kind graph.ValueKind) any {
	switch kind {
	case graph.Number:
		return int64(r.IntN(5))
	case graph.Flag:
		return r.IntN(2) == 0
	case graph.Time:
		return randomTime(r)
	case graph.Texts:
		var l []any
		for range r.IntN(3) {
			l = append(l, randomText(r))
		}
		return append([]any{}, l...)
	}
	return randomText(r)
}

func anyValue(r *rand.Rand) any {
	switch r.IntN(6) {
	case 0:
		l := []any{}
		for range r.IntN(4) {
			l = append(l, randomScalar(r))
		}
		return l
	case 1:
		return map[string]any{"a": randomScalar(r)}
	}
	return randomScalar(r)
}

func randomProps(r *rand.Rand, m *graph.Model, typ string) map[string]any {
	props := map[string]any{}
	if d, ok := m.Type(typ); ok {
		for _, p := range d.Properties {
			if contains(worldProperties(), p.Name) && r.IntN(4) > 0 {
				props[p.Name] = declaredValue(r, p.Kind)
			}
		}
		return props
	}
	for _, name := range worldProperties() {
		if r.IntN(3) == 0 {
			props[name] = anyValue(r)
		}
	}
	return props
}

// randomWorld makes entities and relationships with their histories.
func randomWorld(seed uint64) world {
	r := rand.New(rand.NewPCG(seed, 7))
	w := world{model: graph.Standard()}
	times := moments()
	at := func(i int) int64 { return times[i].UnixMicro() }
	life := map[int64][2]int{}
	kinds := map[int64]kindDecl{}
	n := int64(4 + r.IntN(12))
	accounts := [][]string{nil, {"acme"}, {"acme", "beta"}}
	for id := int64(1); id <= n; id++ {
		k := worldKinds()[r.IntN(len(worldKinds()))]
		kinds[id] = k
		start := r.IntN(3)
		end := len(times) // open
		if r.IntN(4) == 0 {
			end = start + 1 + r.IntN(len(times)-start-1)
		}
		life[id] = [2]int{start, end}
		version := int64(1)
		for from := start; from < end; {
			to := end
			if r.IntN(2) == 0 && from+1 < min(end, len(times)) {
				to = from + 1
			}
			t := thing{
				id: id, key: fmt.Sprintf("k:%d", id), typ: k.typ, classes: k.classes, name: randomText(r), source: "provider",
				props: randomProps(r, w.model, k.typ), version: version, from: at(from), to: forever, first: at(start),
				repo: int64(r.IntN(4)), project: int64(r.IntN(4)),
			}
			if to < len(times) {
				t.to = at(to)
			}
			if end == len(times) {
				t.accounts = accounts[id%3]
			}
			w.things = append(w.things, t)
			version++
			from = to
		}
	}
	for range 3 * n {
		a, b := 1+r.Int64N(n), 1+r.Int64N(n)
		from, to := max(life[a][0], life[b][0]), min(life[a][1], life[b][1])
		if from >= to {
			continue
		}
		e := bond{from: a, to: b, verb: worldVerbs()[r.IntN(4)], begin: at(from), end: forever}
		if to < len(times) {
			e.end = at(to)
		}
		if to == len(times) && from+1 < to && r.IntN(3) == 0 {
			e.end = at(from + 1)
		}
		if r.IntN(2) == 0 {
			e.props = map[string]any{"state": randomScalar(r), "size": anyValue(r)}
		}
		dup := false
		for _, o := range w.ties {
			dup = dup || o.from == a && o.to == b && o.verb == e.verb
		}
		if !dup {
			w.ties = append(w.ties, e)
		}
	}
	return w
}

// fill writes a world into an empty database, row by row as the schema says.
func fill(ctx context.Context, tx *sql.Tx, postgres bool, w world) error {
	js := "jsonb(%s)"
	if postgres {
		js = "CAST(%s AS JSONB)"
	}
	exec := func(text string, args ...any) error {
		_, err := tx.ExecContext(ctx, text, args...)
		if err != nil {
			return fmt.Errorf("%s: %w", text, err)
		}
		return nil
	}
	var errs []error
	do := func(text string, args ...any) { errs = append(errs, exec(text, args...)) }
	kinds := map[string]int64{}
	for i, k := range worldKinds() {
		b, _ := json.Marshal(append([]string{}, k.classes...))
		kinds[k.typ] = int64(i + 1)
		do("INSERT INTO kind(id, type, classes) VALUES ($1, $2, $3)", i+1, k.typ, string(b))
	}
	for i, name := range []string{"acme", "beta"} {
		do("INSERT INTO connection(id, name, product, account_name, tag_account_name, description, interval, settings, created_at, updated_at)"+
			" VALUES ($1, $2, 'cloud', $3, 1, '', '1h', '{}', 0, 0)", i+1, name, name)
	}
	do("INSERT INTO connection(id, name, product, account_name, tag_account_name, description, interval, settings, created_at, updated_at)" +
		" VALUES (3, 'untagged', 'cloud', 'untagged', 0, '', '1h', '{}', 0, 0)")
	for i := range 3 {
		do("INSERT INTO scope(id, connection_id, parent, listing, title, first_complete) VALUES ($1, $1, '', 'all', $2, $3)",
			i+1, fmt.Sprintf("everything of %d", i+1), moments()[1].UnixMicro())
	}
	types := map[int64]string{}
	for _, t := range w.things {
		types[t.id] = t.typ
		props, _ := json.Marshal(t.props)
		var state, created, updated, approved any
		if s, ok := t.props["state"].(string); ok {
			state = s
		}
		if f, ok := t.props["approved"].(bool); ok {
			approved = map[bool]int64{true: 1}[f]
		}
		if n, ok := t.props["createdOn"].(int64); ok {
			created = n
		}
		if n, ok := t.props["updatedOn"].(int64); ok {
			updated = n
		}
		null := func(id int64) any {
			if id == 0 {
				return nil
			}
			return id
		}
		common := []any{t.id, t.key, kinds[t.typ], t.from, t.version, null(t.repo), null(t.project), t.source, state, approved, created, updated, t.name, string(props)}
		names := "id, key, kind, valid_from, version, repo, project, source, state, approved, created_on, updated_on, name, props, written_at, revision"
		values := "$1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, " + fmt.Sprintf(js, "$14") + ", 0, 0"
		if t.to == forever {
			scope := int64(3)
			if len(t.accounts) > 0 {
				scope = 1
			}
			do("INSERT INTO entity("+names+", scope, hash) VALUES ("+values+", $15, 0)", append(common, scope)...)
			if len(t.accounts) > 1 {
				do("INSERT INTO presence(entity_id, scope, hash) VALUES ($1, 2, 0)", t.id)
			}
			continue
		}
		do("INSERT INTO entity_old("+names+", valid_to, reason, cause) VALUES ("+values+", $15, 'updated', '')", append(common, t.to)...)
	}
	rels := map[string]int64{}
	for _, e := range w.ties {
		name := fmt.Sprint(types[e.from], e.verb, types[e.to])
		if rels[name] == 0 {
			rels[name] = int64(len(rels) + 1)
			do("INSERT INTO rel_kind(id, verb, from_kind, to_kind, type) VALUES ($1, $2, $3, $4, $5)", rels[name], e.verb,
				kinds[types[e.from]], kinds[types[e.to]], graph.RelationshipType(types[e.from], e.verb, types[e.to]))
		}
		var props any
		if e.props != nil {
			b, _ := json.Marshal(e.props)
			props = string(b)
		}
		p := fmt.Sprintf(js, "CAST($6 AS TEXT)")
		if e.end == forever {
			do("INSERT INTO rel(from_id, kind, to_id, owner, scope, valid_from, props) VALUES ($1, $2, $3, $4, 1, $5, "+p+")",
				e.from, rels[name], e.to, e.from, e.begin, props)
			continue
		}
		do("INSERT INTO rel_old(from_id, kind, to_id, owner, valid_from, props, valid_to, reason) VALUES ($1, $2, $3, $4, $5, "+p+", $7, 'deleted')",
			e.from, rels[name], e.to, e.from, e.begin, props, e.end)
	}
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// engineOver fills a fresh store with a world.
func engineOver(t testing.TB, st *store.Store, w world) *Engine {
	t.Helper()
	err := st.Write(t.Context(), func(ctx context.Context, tx *sql.Tx) error {
		return fill(ctx, tx, st.Dialect().Name() == "postgres", w)
	})
	if err != nil {
		t.Fatalf("fill: %v", err)
	}
	return New(st, graph.Standard()).WithClock(testNow)
}

// run answers a query or fails the test.
func run(t testing.TB, e *Engine, r Request) ([]Row, Info) {
	t.Helper()
	var rows []Row
	info, err := e.Run(t.Context(), r, func(row Row) error {
		rows = append(rows, row)
		return nil
	})
	if err != nil {
		t.Fatalf("%s: %v", r.Text, err)
	}
	return rows, info
}

func texts(rows []string) string { return strings.Join(rows, "\n") }
