package sync_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"sort"
	"testing"

	"github.com/windlass-hq/windlass/internal/store"
)

// world is a graph reduced to what two independent readers must agree on: for every entity one line of its key, type,
// name and telling facts, and every relationship by its key.
type world struct {
	entities map[string]string
	edges    map[string]bool
}

func newWorld() *world { return &world{entities: map[string]string{}, edges: map[string]bool{}} }

func (w *world) entity(key, typ, name string, facts ...any) {
	w.entities[key] = fmt.Sprint(append([]any{typ, " ", name, " "}, facts...)...)
}

func (w *world) edge(from, verb, to string) { w.edges[from+"|"+verb+"|"+to] = true }

// differences returns what one world has and the other lacks, in words; empty when they are equal.
func differences(got, want *world) []string {
	var out []string
	for k, v := range want.entities {
		if g, ok := got.entities[k]; !ok {
			out = append(out, "missing entity "+k+": "+v)
		} else if g != v {
			out = append(out, "entity "+k+": got "+g+", want "+v)
		}
	}
	for k, v := range got.entities {
		if _, ok := want.entities[k]; !ok {
			out = append(out, "unexpected entity "+k+": "+v)
		}
	}
	for k := range want.edges {
		if !got.edges[k] {
			out = append(out, "missing edge "+k)
		}
	}
	for k := range got.edges {
		if !want.edges[k] {
			out = append(out, "unexpected edge "+k)
		}
	}
	sort.Strings(out)
	if len(out) > 25 {
		out = append(out[:25], fmt.Sprintf("… and %d more", len(out)-25))
	}
	return out
}

// oracle reads a Bitbucket as naively as possible: small pages, one pull request at a time, untyped JSON. It shares no
// code with the clients.
type oracle interface {
	read() *world
	repositories() (names []string, pulls map[string][]int) // names as the sandbox's acts take them
	users() []string                                        // members, as the acts take them
}

// get reads one answer as JSON.
func get(t *testing.T, ref string, authorize func(*http.Request)) map[string]any {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, ref, nil)
	if err != nil {
		t.Fatal(err)
	}
	authorize(req)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("oracle: GET %s: %s", ref, resp.Status)
	}
	var v map[string]any
	if err := json.NewDecoder(resp.Body).Decode(&v); err != nil {
		t.Fatalf("oracle: GET %s: %v", ref, err)
	}
	return v
}

// at walks nested objects; a missing or null step gives nil.
func at(v any, path ...string) any {
	for _, p := range path {
		m, ok := v.(map[string]any)
		if !ok {
			return nil
		}
		v = m[p]
	}
	return v
}

func str(v any) string { s, _ := v.(string); return s }

// stored returns the same reduction of what the store holds open now.
func stored(t *testing.T, s *store.Store) *world {
	t.Helper()
	w := newWorld()
	ctx := context.Background()
	rows, err := s.Reader().QueryContext(ctx, `SELECT e.key, k.type, e.name, `+s.Dialect().JSONOut("e.props")+` FROM entity e JOIN kind k ON k.id = e.kind`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var key, typ, name, text string
		if err := rows.Scan(&key, &typ, &name, &text); err != nil {
			t.Fatal(err)
		}
		var p map[string]any
		if err := json.Unmarshal([]byte(text), &p); err != nil {
			t.Fatal(err)
		}
		switch typ {
		case "bitbucket_workspace":
			w.entity(key, typ, name, str(p["slug"]))
		case "bitbucket_user":
			w.entity(key, typ, name, str(p["nickname"]), str(p["username"]))
		case "bitbucket_project":
			w.entity(key, typ, name, str(p["key"]))
		case "bitbucket_repo":
			w.entity(key, typ, name, str(p["slug"]), " ", p["public"] == true, " ", str(p["defaultBranch"]))
		case "bitbucket_pull_request":
			var approvers []string
			ids, _ := p["approverIds"].([]any)
			for _, id := range ids {
				approvers = append(approvers, str(id))
			}
			sort.Strings(approvers)
			w.entity(key, typ, str(p["title"]), str(p["state"]), " ", p["draft"] == true, " ", str(p["source"]), " ", str(p["target"]), " ",
				str(p["mergeCommit"]), " ", str(p["closedById"]), " ", approvers)
		default:
			w.entity(key, typ, name)
		}
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	edges, err := s.Reader().QueryContext(ctx, `SELECT f.key, k.verb, o.key FROM rel r JOIN rel_kind k ON k.id = r.kind JOIN entity f ON f.id = r.from_id JOIN entity o ON o.id = r.to_id`)
	if err != nil {
		t.Fatal(err)
	}
	defer edges.Close()
	for edges.Next() {
		var from, verb, to string
		if err := edges.Scan(&from, &verb, &to); err != nil {
			t.Fatal(err)
		}
		w.edge(from, verb, to)
	}
	if err := edges.Err(); err != nil {
		t.Fatal(err)
	}
	return w
}
