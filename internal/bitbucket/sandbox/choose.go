package sandbox

import (
	"net/http"
	"slices"
	"strings"
)

// The fields of each kind of object that can be filtered and sorted by: the first part of the path. A name that
// does not exist is an error, also where the collection is empty.
const (
	accessFields      = " slug workspace administrator "
	memberFields      = " user workspace type "
	projectFields     = " key uuid name description is_private created_on updated_on owner workspace type has_publicly_visible_repos "
	repositoryFields  = " uuid slug name full_name description is_private owner workspace project created_on updated_on size language scm has_issues has_wiki mainbranch parent fork_policy type "
	pullRequestFields = " id title description state draft author source destination merge_commit comment_count task_count close_source_branch closed_by reason created_on updated_on reviewers participants summary queued type "
	refFields         = " name target type "
)

// choose applies `q` and `sort` to a collection.
func choose[T any](c *call, fields string, items []T, render func(*writer, T)) ([]T, *failure) {
	if text := strings.TrimSpace(c.query.Get("q")); text != "" {
		cond, err := parseQuery(text)
		if err != nil {
			return nil, fail(http.StatusBadRequest, "Invalid query.", string(appendString(nil, err.Error())))
		}
		if f := cond.check(fields); f != nil {
			return nil, f
		}
		look := newLookup(render)
		var out []T
		for _, it := range items {
			if cond.matches(func(path []string) []value { return look(it, path) }) {
				out = append(out, it)
			}
		}
		items = out
	}
	key := c.query.Get("sort")
	if key == "" {
		return items, nil
	}
	name, down := strings.CutPrefix(key, "-")
	path := strings.Split(name, ".")
	if slices.Contains(path, "") || !strings.Contains(fields, " "+path[0]+" ") {
		return nil, fail(http.StatusBadRequest, "Invalid sort attribute", "")
	}
	return sorted(items, path, down, newLookup(render)), nil
}

// newLookup returns a function that finds the values of a field of an item.
func newLookup[T any](render func(*writer, T)) func(T, []string) []value {
	f := &finder{}
	w := &writer{find: f}
	return func(it T, path []string) []value {
		*f = finder{path: path, found: f.found[:0]}
		w.buf = w.buf[:0]
		render(w, it)
		return f.found
	}
}

// sorted orders by the first value of a field; items without one come last. Equal ones keep their order.
func sorted[T any](items []T, path []string, down bool, look func(T, []string) []value) []T {
	type keyed struct {
		item T
		key  value
	}
	ks := make([]keyed, len(items))
	for i, it := range items {
		ks[i].item = it
		if vs := look(it, path); len(vs) > 0 {
			ks[i].key = vs[0]
		}
	}
	slices.SortStableFunc(ks, func(a, b keyed) int {
		switch {
		case a.key.kind == kindNull && b.key.kind == kindNull:
			return 0
		case a.key.kind == kindNull:
			return 1
		case b.key.kind == kindNull:
			return -1
		}
		n, _ := a.key.compare(b.key)
		if down {
			n = -n
		}
		return n
	})
	out := make([]T, len(ks))
	for i, k := range ks {
		out[i] = k.item
	}
	return out
}

// names says whether a field of the object itself occurs in a condition.
func (c condition) names(field string) bool {
	if c.op == opAnd || c.op == opOr {
		return slices.ContainsFunc(c.all, func(part condition) bool { return part.names(field) })
	}
	return len(c.path) == 1 && c.path[0] == field
}

// check refuses fields that do not exist and texts that are compared with times but are none.
func (c condition) check(fields string) *failure {
	if c.op == opAnd || c.op == opOr {
		for _, part := range c.all {
			if f := part.check(fields); f != nil {
				return f
			}
		}
		return nil
	}
	if !strings.Contains(fields, " "+c.path[0]+" ") {
		return fail(http.StatusBadRequest, "Invalid field name: "+strings.Join(c.path, "."), "")
	}
	if last := c.path[len(c.path)-1]; strings.HasSuffix(last, "_on") || last == "date" {
		for _, v := range c.literals {
			_, err := parseMoment(v.s)
			if v.kind != kindNull && (err != nil || v.kind != kindTime && v.kind != kindString) {
				return fail(http.StatusBadRequest, "Invalid date: "+v.s, "")
			}
		}
	}
	return nil
}

// matches evaluates a condition. A field that is missing is null; in a list one element is enough, but for the
// negative operators no element may match.
func (c condition) matches(look func([]string) []value) bool {
	switch c.op {
	case opAnd:
		return !slices.ContainsFunc(c.all, func(p condition) bool { return !p.matches(look) })
	case opOr:
		return slices.ContainsFunc(c.all, func(p condition) bool { return p.matches(look) })
	}
	found := look(c.path)
	if len(found) == 0 {
		found = []value{{kind: kindNull}}
	}
	switch c.op {
	case opUnequal, opLacks, opNotIn:
		positive := map[operator]operator{opUnequal: opEqual, opLacks: opContains, opNotIn: opIn}[c.op]
		return !slices.ContainsFunc(found, func(v value) bool { return holds(positive, v, c.literals) })
	}
	return slices.ContainsFunc(found, func(v value) bool { return holds(c.op, v, c.literals) })
}

func holds(op operator, v value, literals []value) bool {
	if op == opIn || op == opEqual {
		return slices.ContainsFunc(literals, func(l value) bool {
			n, ok := v.compare(l)
			return ok && n == 0
		})
	}
	l := literals[0]
	if op == opContains {
		return v.kind == kindString && strings.Contains(strings.ToLower(v.s), strings.ToLower(l.s))
	}
	n, ok := v.compare(l)
	if !ok || v.kind == kindNull {
		return false
	}
	switch op {
	case opGreater:
		return n > 0
	case opGreaterEqual:
		return n >= 0
	case opLess:
		return n < 0
	}
	return n <= 0
}
