package sync_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"sort"
	"strings"
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

// oracle reads a Cloud look-alike as naively as possible: pages of ten, one pull request at a time, untyped JSON. It
// shares no code with the client.
type oracle struct {
	t     *testing.T
	base  string // …/2.0
	token string
}

func (o *oracle) get(ref string) map[string]any {
	o.t.Helper()
	if !strings.HasPrefix(ref, "http") {
		ref = o.base + ref
	}
	req, err := http.NewRequestWithContext(o.t.Context(), http.MethodGet, ref, nil)
	if err != nil {
		o.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+o.token)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		o.t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		o.t.Fatalf("oracle: GET %s: %s", ref, resp.Status)
	}
	var v map[string]any
	if err := json.NewDecoder(resp.Body).Decode(&v); err != nil {
		o.t.Fatalf("oracle: GET %s: %v", ref, err)
	}
	return v
}

func (o *oracle) all(ref string) (values []map[string]any) {
	o.t.Helper()
	for ref != "" {
		page := o.get(ref)
		for _, v := range page["values"].([]any) {
			values = append(values, v.(map[string]any))
		}
		ref, _ = page["next"].(string)
	}
	return values
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

func bare(uuid any) string {
	s, _ := uuid.(string)
	return strings.ToLower(strings.Trim(s, "{}"))
}

func str(v any) string { s, _ := v.(string); return s }

func (o *oracle) user(w *world, u any) string {
	if at(u, "uuid") == nil {
		return ""
	}
	key := "cloud:user:" + bare(at(u, "uuid"))
	w.entity(key, "bitbucket_user", str(at(u, "display_name")), str(at(u, "nickname")))
	return key
}

// read returns the world of the named workspaces.
func (o *oracle) read(workspaces ...string) *world {
	o.t.Helper()
	w := newWorld()
	for _, slug := range workspaces {
		ws := o.get("/workspaces/" + slug)
		wsKey := "cloud:" + bare(ws["uuid"])
		w.entity(wsKey, "bitbucket_workspace", str(ws["name"]), slug)
		for _, p := range o.all("/workspaces/" + slug + "/projects?pagelen=10") {
			key := "cloud:" + bare(p["uuid"])
			w.entity(key, "bitbucket_project", str(p["name"]), str(p["key"]))
			w.edge(wsKey, "OWNS", key)
		}
		for _, m := range o.all("/workspaces/" + slug + "/members?pagelen=10") {
			w.edge(wsKey, "HAS", o.user(w, m["user"]))
		}
		for _, r := range o.all("/repositories/" + slug + "?pagelen=10") {
			key := "cloud:" + bare(r["uuid"])
			w.entity(key, "bitbucket_repo", str(r["name"]), str(r["slug"]), " ", r["is_private"] == false, " ", str(at(r, "mainbranch", "name")))
			w.edge(wsKey, "OWNS", key)
			if project := at(r, "project", "uuid"); project != nil {
				w.edge("cloud:"+bare(project), "HAS", key)
			}
			o.pullRequests(w, slug, str(r["slug"]), key)
		}
	}
	return w
}

func (o *oracle) pullRequests(w *world, workspace, slug, repo string) {
	path := "/repositories/" + workspace + "/" + slug + "/pullrequests"
	for _, listed := range o.all(path + "?pagelen=10&state=OPEN&state=MERGED&state=DECLINED&state=SUPERSEDED") {
		pr := o.get(path + fmt.Sprintf("/%.0f", listed["id"]))
		key := fmt.Sprintf("%s:pr:%.0f", repo, pr["id"])
		author := o.user(w, pr["author"])
		var approvers []string
		for _, r := range pr["reviewers"].([]any) {
			if u := o.user(w, r); u != "" {
				w.edge(u, "REVIEWED", key)
			}
		}
		for _, p := range pr["participants"].([]any) {
			u := o.user(w, at(p, "user"))
			if u == "" {
				continue
			}
			if at(p, "approved") == true {
				approvers = append(approvers, strings.TrimPrefix(u, "cloud:user:"))
				w.edge(u, "APPROVED", key)
			}
			voted := at(p, "approved") == true || at(p, "state") != nil
			if voted || (at(p, "participated_on") != nil && u != author) { // the author's own talk is no review
				w.edge(u, "REVIEWED", key)
			}
		}
		sort.Strings(approvers)
		w.entity(key, "bitbucket_pull_request", str(pr["title"]), str(pr["state"]), " ", pr["draft"] == true, " ",
			str(at(pr, "source", "branch", "name")), " ", str(at(pr, "destination", "branch", "name")), " ",
			str(at(pr, "merge_commit", "hash")), " ", bare(at(pr, "closed_by", "uuid")), " ", approvers)
		w.edge(repo, "HAS", key)
		if author != "" {
			w.edge(author, "OPENED", key)
		}
		o.user(w, pr["closed_by"])
	}
}

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
			w.entity(key, typ, name, str(p["nickname"]))
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
