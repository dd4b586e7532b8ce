package sandbox

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// sample is what the queries of the table are asked about.
func sample() *pullRequest {
	at := func(s string) int64 {
		t, err := time.Parse(time.RFC3339, s)
		if err != nil {
			panic(err)
		}
		return t.UnixMicro()
	}
	ann := &user{id: uuid{1}, name: "Änn", nickname: "ann"}
	bob := &user{id: uuid{2}, name: "Bob", nickname: "bob"}
	ws := &workspace{slug: "acme", bySlug: map[string]*repo{}}
	r := &repo{ws: ws, slug: "shop", name: "Shop", project: &project{ws: ws, key: "PAY"}, size: 5}
	return &pullRequest{
		repo: r, source: nil, id: 42, state: merged, title: `Fix "quotes" – Größe`, author: ann, noDesc: true,
		created: at("2026-01-02T03:04:05Z"), updated: at("2026-02-01T00:00:00Z"), srcBranch: "feature/x", dstBranch: "main",
		people: []participation{{user: bob, reviewer: true, verdict: approved, on: at("2026-01-03T00:00:00Z")}},
	}
}

func TestQueries(t *testing.T) {
	p := sample()
	look := newLookup(func(w *writer, p *pullRequest) { w.pullRequest(p, true) })
	for _, c := range []struct {
		q    string
		want string // true, false, or part of the error
	}{
		{`id = 42`, "true"},
		{`id != 42`, "false"},
		{`id > 41 AND id < 43`, "true"},
		{`id >= 42 AND id <= 42`, "true"},
		{`id > 42 OR id < 42`, "false"},
		{`state = "MERGED"`, "true"},
		{`state IN ("OPEN", "MERGED")`, "true"},
		{`state NOT IN ("OPEN","MERGED")`, "false"},
		{`state not in ("OPEN")`, "true"},
		{`title ~ "GRÖSSE"`, "false"},
		{`title ~ "größe"`, "true"},
		{`title ~ "FIX"`, "true"},
		{`title !~ "fix"`, "false"},
		{`title = "Fix \"quotes\" – Größe"`, "true"},
		{`draft = false`, "true"},
		{`draft != TRUE`, "true"},
		{`description = null`, "true"},
		{`description != null`, "false"},
		{`source.repository = null`, "true"},
		{`source.repository.full_name = null`, "true"},
		{`destination.repository.full_name = "acme/shop"`, "true"},
		{`destination.repository.size > 4.5`, "true"},
		{`author.nickname = "ann"`, "true"},
		{`author != null`, "true"},
		{`closed_by = null`, "true"},
		{`reviewers.nickname = "bob"`, "true"},
		{`reviewers.nickname = "ann"`, "false"},
		{`reviewers.nickname != "bob"`, "false"},
		{`participants.approved = true and participants.user.nickname="bob"`, "true"},
		{`created_on > 2026-01-02T03:04:04Z`, "true"},
		{`created_on >= 2026-01-02T03:04:05+00:00`, "true"},
		{`created_on > 2026-01-02T03:04:05`, "false"},
		{`created_on < 2026-01-02T04:04:06+01:00`, "true"},
		{`created_on>"2026-01-01"`, "true"},
		{`updated_on>=2026-02-01`, "true"},
		{`updated_on > 2026-01-01T00:00:00.123456+00:00`, "true"},
		{`(state = "OPEN" OR id = 42) AND (title ~ "fix")`, "true"},
		{`state = "OPEN" OR id = 42 AND title ~ "nothing"`, "false"},
		{`((((id=42))))`, "true"},
		{`id = "42"`, "false"},
		{``, "field name"},
		{`id`, "operator"},
		{`id =`, "value is missing"},
		{`id = foo`, "double quotes"},
		{`id = 42 AND`, "field name"},
		{`(id = 42`, "parenthesis"},
		{`id = 42)`, "unexpected"},
		{`title = "open`, "closing quote"},
		{`id IN 42`, "list"},
		{`id IN (42`, "comma"},
		{`id ! 42`, "operator"},
		{`nonsense = 1`, "Invalid field name"},
		{`created_on > "yesterday"`, "Invalid date"},
		{`created_on > 5`, "Invalid date"},
		{strings.Repeat("(", 200) + "id=42" + strings.Repeat(")", 200), "too many"},
	} {
		got := ask(c.q, p, look)
		if c.want == "true" || c.want == "false" {
			if got != c.want {
				t.Errorf("%s: %s, want %s", c.q, got, c.want)
			}
		} else if !strings.Contains(got, c.want) {
			t.Errorf("%s: %q, want an error about %q", c.q, got, c.want)
		}
	}
}

func ask(q string, p *pullRequest, look func(*pullRequest, []string) []value) string {
	c, err := parseQuery(q)
	if err != nil {
		return err.Error()
	}
	if f := c.check(pullRequestFields); f != nil {
		return f.body
	}
	return fmt.Sprint(c.matches(func(path []string) []value { return look(p, path) }))
}

// FuzzQuery checks that no text breaks the parser, and that every query it takes can be negated as a whole by
// evaluating it: a comparison and its opposite never both hold.
func FuzzQuery(f *testing.F) {
	for _, q := range []string{`id=1`, `a.b IN ("x",null) AND (c ~ "\"" OR d>=2020-01-01T00:00:00+01:00)`, `x NOT IN (1,2.5,true)`, "((", `"`, `a="\`} {
		f.Add(q)
	}
	p := sample()
	look := newLookup(func(w *writer, p *pullRequest) { w.pullRequest(p, true) })
	f.Fuzz(func(t *testing.T, q string) {
		c, err := parseQuery(q)
		if err != nil {
			return
		}
		holds := c.matches(func(path []string) []value { return look(p, path) })
		opposite := map[operator]operator{opEqual: opUnequal, opContains: opLacks, opIn: opNotIn, opUnequal: opEqual, opLacks: opContains, opNotIn: opIn}
		if o, ok := opposite[c.op]; ok {
			c.op = o
			if c.matches(func(path []string) []value { return look(p, path) }) == holds {
				t.Errorf("%q and its opposite are both %v", q, holds)
			}
		}
	})
}
