package cloud

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/windlass-hq/windlass/internal/bitbucket"
)

// setUUID sets the normalised UUID of an object; null where the object is gone.
func setUUID(r *bitbucket.Record, name string, object bitbucket.JSON) string {
	v := bitbucket.Inner(object, "uuid")
	switch {
	case v.Missing():
		return ""
	case v.Null():
		r.Props[name] = nil
		return ""
	}
	id, ok := readUUID(v)
	if !ok {
		r.Oddly(name, "no UUID")
		return ""
	}
	r.Props[name] = id
	return id
}

// setTexts sets a list of texts in their order, each once: the order of an answer means nothing and must not make a
// version.
func setTexts(r *bitbucket.Record, name string, v bitbucket.JSON) {
	r.List(name, v)
	set, whole := map[string]bool{}, true
	isList := v.Elements(func(e bitbucket.JSON) {
		s, ok := e.Text()
		set[s] = true
		whole = whole && ok
	})
	switch {
	case v.Null():
		r.Props[name] = nil
	case isList && !whole:
		r.Oddly(name, "a list of other things than texts")
	case isList:
		r.Props[name] = boxed(slices.Sorted(maps.Keys(set)))
	}
}

func boxed(texts []string) []any {
	out := make([]any, len(texts))
	for i, s := range texts {
		out[i] = s
	}
	return out
}

// readNumber returns the number that is the identity of a rule or key, as text. One that is written as text is noted
// and taken, since nothing is lost by it.
func readNumber(r *bitbucket.Record, v bitbucket.JSON) (string, bool) {
	if n, ok := v.Integer(); ok && n >= 0 {
		return strconv.FormatInt(n, 10), true
	}
	s, ok := v.Text()
	if !ok {
		return "", false
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < 0 {
		return "", false
	}
	r.Oddly("id", "a number as text")
	return strconv.FormatInt(n, 10), true
}

// without returns an object without some of its members, which it is safe to keep then where those held secrets.
func without(j bitbucket.JSON, names ...string) bitbucket.JSON {
	out := bitbucket.JSON{'{'}
	j.Each(func(key []byte, v bitbucket.JSON) {
		if slices.Contains(names, string(key)) {
			return
		}
		name, err := json.Marshal(string(key))
		if err != nil {
			return // a text always is one
		}
		if len(out) > 1 {
			out = append(out, ',')
		}
		out = append(append(append(out, name...), ':'), v...)
	})
	return bitbucket.Scrub(append(out, '}'))
}

// setLink sets the page for people.
func setLink(r *bitbucket.Record, links bitbucket.JSON) {
	r.Link("webLink", bitbucket.Inner(links, "html", "href"))
}

// readUUID returns a UUID in lower case without braces. What could be confused with the rest of a key is none.
func readUUID(v bitbucket.JSON) (string, bool) {
	s, ok := v.Text()
	if !ok {
		return "", false
	}
	return normalUUID(s)
}

func normalUUID(s string) (string, bool) {
	s = strings.TrimSuffix(strings.TrimPrefix(s, "{"), "}")
	if s == "" || len(s) > 64 {
		return "", false
	}
	for i := range len(s) {
		c := s[i]
		if !(c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '-') {
			return "", false
		}
	}
	return strings.ToLower(s), true
}

// The keys of DESIGN section 2.

func thingKey(uuid string) string { return "cloud:" + uuid }

func userKey(uuid string) string { return "cloud:user:" + uuid }

func groupKey(workspace, slug string) string { return thingKey(workspace) + ":group:" + slug }

// readSlug returns the slug of a group, which has ASCII characters only. What could be confused with the rest of a key
// is none.
func readSlug(v bitbucket.JSON) (string, bool) {
	s, ok := v.Text()
	if !ok || s == "" || len(s) > 255 {
		return "", false
	}
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c >= 0x7f || strings.IndexByte(`:|{}/\"`, c) >= 0 {
			return "", false
		}
	}
	return s, true
}

// keyUUID returns the UUID in the key of a workspace, project, repository or user, or "".
func keyUUID(key string) string {
	s := strings.TrimPrefix(strings.TrimPrefix(key, "cloud:"), "user:")
	if id, ok := normalUUID(s); ok {
		return id
	}
	return ""
}
