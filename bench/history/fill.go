package main

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/windlass-hq/windlass/internal/graph"
	"github.com/windlass-hq/windlass/internal/store"
)

// settingsLists are the lists of a repository besides that of its pull requests: each is a scope.
func settingsLists() []string {
	return []string{"user-permissions", "group-permissions", "branch-restrictions", "default-reviewers", "webhooks", "deploy-keys", "branches"}
}

// open is the end of what has not ended.
const open = math.MaxInt64

// columns of the open and of the closed rows; the last one of entities is JSON.
const (
	entityColumns = "id, key, kind, valid_from, version, written_at, revision, repo, source, state, approved, created_on, updated_on, name, props"
	relColumns    = "from_id, kind, to_id, owner, valid_from, props"
)

// bulk writes rows as the store would have left them: open ones to one table, closed ones to the other. All of it goes
// through transactions of a few thousand rows.
type bulk struct {
	st    *store.Store
	kinds map[string]int64
	rels  map[string]int64
	ids   int64
	stack map[string][][]any
	err   error
}

// atOnce is how many rows a statement takes on PostgreSQL, within what it allows of parameters.
const atOnce = 500

// fill writes the whole past.
func fill(ctx context.Context, st *store.Store, p *past) error {
	b := &bulk{st: st, kinds: map[string]int64{}, rels: map[string]int64{}, stack: map[string][][]any{}}
	conn, err := st.CreateConnection(ctx, store.Connection{Name: "bench", Product: "cloud", AccountName: "bench", TagAccountName: true, Interval: "1h"}, nil)
	if err != nil {
		return err
	}
	if err := b.declare(ctx, p, conn.ID); err != nil {
		return err
	}
	err = withoutIndexes(ctx, st, func() error {
		b.things(ctx, p)
		b.flush(ctx, 1)
		return b.err
	})
	if err != nil {
		return err
	}
	// The counter stands behind what was written, and what is known of the database's statistics is fresh.
	err = st.Write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		for name, next := range map[string]int64{"entity": b.ids + 1000, "scope": b.ids + 1000} {
			if _, err := tx.ExecContext(ctx, "INSERT INTO counter (name, next) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET next = excluded.next", name, next); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return st.Analyze(ctx)
}

// declare writes kinds and scopes. The scope of a repository's pull requests has the number of the repository.
func (b *bulk) declare(ctx context.Context, p *past, conn int64) error {
	m := graph.Standard()
	return b.st.Write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		for i, t := range m.Types() {
			classes, _ := json.Marshal(append([]string{}, t.Classes...)) // a list of texts always encodes
			b.kinds[t.Type] = int64(i + 1)
			if _, err := tx.ExecContext(ctx, "INSERT INTO kind (id, type, classes) VALUES ($1, $2, $3)", i+1, t.Type, string(classes)); err != nil {
				return err
			}
		}
		for i, r := range m.Relationships() {
			b.rels[r.From+r.Verb+r.To] = int64(i + 1)
			_, err := tx.ExecContext(ctx, "INSERT INTO rel_kind (id, verb, from_kind, to_kind, type) VALUES ($1, $2, $3, $4, $5)", i+1, r.Verb, b.kinds[r.From], b.kinds[r.To], r.TypeName())
			if err != nil {
				return err
			}
		}
		complete := p.begin.Add(3 * time.Hour).UnixMicro()
		scope := func(id int, parent, listing string) error {
			_, err := tx.ExecContext(ctx, "INSERT INTO scope (id, connection_id, parent, listing, title, first_complete, last_complete) VALUES ($1, $2, $3, $4, $5, $6, $6)",
				id, conn, parent, listing, listing+" of "+parent, complete)
			return err
		}
		for i := range p.repos {
			if err := scope(i+1, p.repoKey(i), "pull-requests"); err != nil {
				return err
			}
			for j, listing := range settingsLists() {
				if err := scope(p.repos*(j+1)+i+1, p.repoKey(i), listing); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

// things writes entities and relationships, ids in the order in which a first sync meets them.
func (b *bulk) things(ctx context.Context, p *past) {
	const users = 10 // the first id
	first := p.begin.Add(time.Minute)
	for i := range p.users {
		name := userName(i)
		b.entity(graph.TypeUser, int64(users+i), p.userKey(i), 0, 1, []state{{at: first, name: name, props: graph.Properties{"name": name, "id": p.userKey(i)[11:], "nickname": name, "userType": "user"}}}, open)
	}
	repos := int64(users + p.users)
	repo := func(i int) int64 { return repos + int64(i) }
	next := repos + int64(p.repos)
	id := func() int64 { next++; return next }
	projects, groups := next+1, next+1+int64(p.projects)
	for i := range p.projects {
		name := fmt.Sprintf("Project %d", i)
		b.entity(graph.TypeProject, id(), fmt.Sprintf("cloud:project:%d", i), 0, 1, []state{{at: first, name: name, props: graph.Properties{"name": name, "key": fmt.Sprintf("P%d", i)}}}, open)
	}
	for i := range p.groups {
		name := fmt.Sprintf("group %d", i)
		b.entity(graph.TypeGroup, id(), fmt.Sprintf("cloud:acme:group:%d", i), 0, 1, []state{{at: first, name: name, props: graph.Properties{"name": name}}}, open)
		for j := range 20 {
			b.rel(graph.TypeGroup, groups+int64(i), graph.Has, graph.TypeUser, int64(users+(i*20+j)%p.users), groups+int64(i), []relState{{at: first}}, open)
		}
	}
	ends := make([]int64, p.repos)
	for i := range p.repos {
		ends[i] = open
		if g := p.gone(i); !g.IsZero() {
			ends[i] = g.UnixMicro()
		}
		b.entity(graph.TypeRepo, repo(i), p.repoKey(i), repo(i), 1, p.repo(i), ends[i])
		b.rel(graph.TypeProject, projects+int64(i%p.projects), graph.Has, graph.TypeRepo, repo(i), repo(i), []relState{{at: first}}, ends[i])
	}
	for i := range p.permissions {
		g, me := p.permission(i), id()
		end := ends[g.repo]
		if !g.revoked.IsZero() {
			end = min(end, g.revoked.UnixMicro())
		}
		b.entity(graph.TypePermission, me, fmt.Sprintf("%s:perm:%d", p.repoKey(g.repo), i), repo(g.repo), p.repos+g.repo+1, g.states, end)
		began := []relState{{at: g.states[0].at}}
		b.rel(graph.TypeRepo, repo(g.repo), graph.Allows, graph.TypePermission, me, me, began, end)
		if g.user < 0 {
			b.rel(graph.TypeGroup, groups+int64(g.group), graph.Has, graph.TypePermission, me, me, began, end)
		} else {
			b.rel(graph.TypeUser, int64(users+g.user), graph.Has, graph.TypePermission, me, me, began, end)
		}
	}
	for i := range p.restrictions + p.branches {
		typ, part, name := graph.TypeRestriction, "restriction", "require_approvals_to_merge"
		if i >= p.restrictions {
			typ, part, name = graph.TypeBranch, "branch", fmt.Sprintf("release/%d", i)
		}
		r, me := i%p.repos, id()
		at := p.begin.Add(2 * time.Hour)
		b.entity(typ, me, fmt.Sprintf("%s:%s:%d", p.repoKey(r), part, i), repo(r), p.repos*3+r+1, []state{{at: at, name: name, props: graph.Properties{"name": name, "pattern": "main", "id": fmt.Sprint(i)}}}, ends[r])
		b.rel(graph.TypeRepo, repo(r), graph.Has, typ, me, me, []relState{{at: at}}, ends[r])
	}
	for i := range p.prs {
		pr, me := p.pullRequest(i), id()
		b.pullRequest(p, pr, i, me, repo(pr.repo), func(u int) int64 { return int64(users + u) }, ends[pr.repo])
		b.flush(ctx, 2000)
		if b.err != nil {
			return
		}
	}
	b.ids = next
}

func (b *bulk) pullRequest(p *past, pr pullRequest, i int, id, repo int64, user func(int) int64, end int64) {
	steps := p.observed(pr, i)
	first := steps[0]
	for len(steps) > 0 && !steps[len(steps)-1].at.Before(p.end) {
		steps = steps[:len(steps)-1]
	}
	if len(steps) == 0 || steps[0].at.UnixMicro() >= end {
		return
	}
	var states []state
	for _, s := range steps {
		states = append(states, state{at: s.at, name: fmt.Sprintf("repo-%d/%d", pr.repo, i), props: p.properties(pr, i, s)})
	}
	b.entity(graph.TypePullRequest, id, p.prKey(pr.repo, i), repo, pr.repo+1, states, end)
	b.rel(graph.TypeRepo, repo, graph.Has, graph.TypePullRequest, id, id, []relState{{at: first.at}}, end)
	b.rel(graph.TypeUser, user(pr.author), graph.Opened, graph.TypePullRequest, id, id, []relState{{at: first.at}}, end)
	for n, u := range pr.reviewers {
		reviewed := []relState{{at: first.at, props: graph.Properties{"requested": true, "acted": false}}}
		for _, s := range steps {
			if s.approvals > n {
				acted := relState{at: s.at, props: graph.Properties{"requested": true, "acted": true, "state": "approved"}}
				if s.at.Equal(first.at) {
					reviewed[0] = acted
				} else {
					reviewed = append(reviewed, acted)
				}
				b.rel(graph.TypeUser, user(u), graph.Approved, graph.TypePullRequest, id, id, []relState{{at: s.at}}, end)
				break
			}
		}
		b.rel(graph.TypeUser, user(u), graph.Reviewed, graph.TypePullRequest, id, id, reviewed, end)
	}
}

// relState is how a relationship was from a moment on.
type relState struct {
	at    time.Time
	props graph.Properties
}

func (b *bulk) entity(typ string, id int64, key string, repo int64, scope int, states []state, end int64) {
	for v, s := range states {
		from, to := s.at.UnixMicro(), end
		if from >= end {
			return
		}
		reason := "deleted"
		if v+1 < len(states) && states[v+1].at.UnixMicro() < end {
			to, reason = states[v+1].at.UnixMicro(), "updated"
		}
		var st, approved, created, updated any
		if t, ok := s.props["state"].(string); ok {
			st = t
		}
		if f, ok := s.props["approved"].(bool); ok {
			approved = map[bool]int64{true: 1}[f]
		}
		if n, ok := s.props["createdOn"].(int64); ok {
			created = n
		}
		if n, ok := s.props["updatedOn"].(int64); ok {
			updated = n
		}
		var in any
		if repo != 0 {
			in = repo
		}
		row := []any{id, key, b.kinds[typ], from, v + 1, from, int64(v + 1), in, "provider", st, approved, created, updated, s.name, string(s.props.AppendJSON(nil))}
		if to == open {
			b.add("entity ("+entityColumns+", scope, hash)", append(row, scope, 0), 15)
		} else {
			b.add("entity_old ("+entityColumns+", valid_to, reason, cause)", append(row, to, reason, "run:1"), 15)
		}
	}
}

func (b *bulk) rel(from string, fromID int64, verb, to string, toID, owner int64, states []relState, end int64) {
	kind := b.rels[from+verb+to]
	if kind == 0 {
		b.err = fmt.Errorf("the model has no %s %s %s", from, verb, to)
	}
	for v, s := range states {
		at, until := s.at.UnixMicro(), end
		if at >= end {
			return
		}
		reason := "deleted"
		if v+1 < len(states) && states[v+1].at.UnixMicro() < end {
			until, reason = states[v+1].at.UnixMicro(), "updated"
		}
		var props any
		if s.props != nil {
			props = string(s.props.AppendJSON(nil))
		}
		row := []any{fromID, kind, toID, owner, at, props}
		if until == open {
			b.add("rel ("+relColumns+", scope)", append(row, 1), 6)
		} else {
			b.add("rel_old ("+relColumns+", valid_to, reason)", append(row, until, reason), 6)
		}
	}
}

// add notes a row; column js, counted from 1, is JSON.
func (b *bulk) add(into string, row []any, js int) {
	into += fmt.Sprintf("\x00%d", js)
	b.stack[into] = append(b.stack[into], row)
}

// flush writes what was noted once a table has so many rows.
func (b *bulk) flush(ctx context.Context, least int) {
	most := 0
	for _, rows := range b.stack {
		most = max(most, len(rows))
	}
	if b.err != nil || most < least {
		return
	}
	b.err = b.st.Write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		for into, rows := range b.stack {
			delete(b.stack, into)
			if err := b.insert(ctx, tx, into, rows); err != nil {
				return err
			}
		}
		return nil
	})
}

// insert writes rows by prepared statements, one row at a time on SQLite and many on PostgreSQL.
func (b *bulk) insert(ctx context.Context, tx *sql.Tx, into string, rows [][]any) error {
	into, number, _ := strings.Cut(into, "\x00")
	for len(rows) > 0 {
		n := 1
		if b.st.Dialect().Name() == "postgres" {
			n = min(atOnce, len(rows))
		}
		stmt, err := tx.PrepareContext(ctx, "INSERT INTO "+into+" VALUES "+b.places(n, len(rows[0]), number))
		if err != nil {
			return err
		}
		for ; len(rows) >= n; rows = rows[n:] {
			if _, err := stmt.ExecContext(ctx, slices.Concat(rows[:n]...)...); err != nil {
				return errors.Join(err, stmt.Close()) //nolint:sqlclosecheck // one statement for each size of rows
			}
			if len(rows) == n {
				rows = nil
				break
			}
		}
		if err := stmt.Close(); err != nil {
			return err
		}
	}
	return nil
}

// places are the placeholders of n rows; the column of that number is JSON.
func (b *bulk) places(n, width int, number string) string {
	var text strings.Builder
	for i := range n * width {
		place := fmt.Sprintf("$%d", i+1)
		if fmt.Sprint(i%width+1) == number {
			place = b.st.Dialect().JSONIn(place)
		}
		switch {
		case i == 0:
			text.WriteString("(" + place)
		case i%width == 0:
			text.WriteString("), (" + place)
		default:
			text.WriteString(", " + place)
		}
	}
	return text.String() + ")"
}

// withoutIndexes lets fn write while the large tables have none but their keys, and makes them again.
func withoutIndexes(ctx context.Context, st *store.Store, fn func() error) error {
	find := "SELECT name, sql FROM sqlite_schema WHERE type = 'index' AND sql IS NOT NULL AND tbl_name IN ('entity', 'entity_old', 'rel', 'rel_old')"
	if st.Dialect().Name() == "postgres" {
		find = "SELECT indexname, indexdef FROM pg_indexes WHERE tablename IN ('entity', 'entity_old', 'rel', 'rel_old') AND indexname NOT LIKE '%_pkey'"
	}
	var drop, create []string
	rows, err := st.Reader().QueryContext(ctx, find)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var name, text string
		if err := rows.Scan(&name, &text); err != nil {
			return err
		}
		drop, create = append(drop, "DROP INDEX "+name), append(create, text)
	}
	if err := rows.Err(); err != nil {
		return err
	}
	each := func(statements []string) error {
		for _, text := range statements {
			err := st.Write(ctx, func(ctx context.Context, tx *sql.Tx) error {
				_, err := tx.ExecContext(ctx, text)
				return err
			})
			if err != nil {
				return fmt.Errorf("%s: %w", text, err)
			}
		}
		return nil
	}
	if err := each(drop); err != nil {
		return err
	}
	if err := fn(); err != nil {
		return err
	}
	return each(create)
}
