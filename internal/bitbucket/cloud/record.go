package cloud

import (
	"strings"

	"github.com/windlass-hq/windlass/internal/bitbucket"
	"github.com/windlass-hq/windlass/internal/graph"
)

// record collects the properties of one object and what was odd about it. For every setter a missing value is
// unknown and leaves the property out, null is known absence and becomes nil, and a value of the wrong kind is odd
// and leaves the property out.
type record struct {
	props graph.Properties
	odd   []string
}

func newRecord(size int) *record { return &record{props: make(graph.Properties, size)} }

func (r *record) oddly(name, what string) { r.odd = append(r.odd, name+" is "+what) }

// text sets a string; an empty one counts as absent.
func (r *record) text(name string, v bitbucket.JSON) string {
	switch {
	case v.Missing():
		return ""
	case v.Null():
		r.props[name] = nil
		return ""
	}
	s, ok := v.Text()
	if !ok {
		r.oddly(name, "no text")
		return ""
	}
	if s == "" {
		r.props[name] = nil
		return ""
	}
	r.props[name] = s
	return s
}

func (r *record) flag(name string, v bitbucket.JSON) {
	switch {
	case v.Missing():
	case v.Null():
		r.props[name] = nil
	default:
		if b, ok := v.Flag(); ok {
			r.props[name] = b
		} else {
			r.oddly(name, "neither true nor false")
		}
	}
}

// negated sets a flag that the provider states the other way round.
func (r *record) negated(name string, v bitbucket.JSON) {
	r.flag(name, v)
	if b, ok := r.props[name].(bool); ok {
		r.props[name] = !b
	}
}

func (r *record) number(name string, v bitbucket.JSON) {
	switch {
	case v.Missing():
	case v.Null():
		r.props[name] = nil
	default:
		if n, ok := v.Integer(); ok {
			r.props[name] = n
		} else {
			r.oddly(name, "no whole number")
		}
	}
}

func (r *record) time(name string, v bitbucket.JSON) int64 {
	switch {
	case v.Missing():
	case v.Null():
		r.props[name] = nil
	default:
		if t, ok := v.Time(); ok {
			r.props[name] = t
			return t
		}
		r.oddly(name, "no time")
	}
	return 0
}

// inner returns the member of an object under a name: missing where the object is missing or lacks it, null where
// the object is null.
func inner(object bitbucket.JSON, path ...string) bitbucket.JSON {
	for _, name := range path {
		if object.Missing() || object.Null() {
			return object
		}
		object = object.Get(name)
	}
	return object
}

// uuid sets the normalised UUID of an object; null where the object is gone.
func (r *record) uuid(name string, object bitbucket.JSON) string {
	v := inner(object, "uuid")
	switch {
	case v.Missing():
		return ""
	case v.Null():
		r.props[name] = nil
		return ""
	}
	id, ok := readUUID(v)
	if !ok {
		r.oddly(name, "no UUID")
		return ""
	}
	r.props[name] = id
	return id
}

// link sets the page for people.
func (r *record) link(links bitbucket.JSON) {
	v := inner(links, "html", "href")
	if s := r.text("webLink", v); s != "" {
		if masked := bitbucket.MaskSecrets(s); masked != s {
			r.props["webLink"] = masked
		}
	}
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

// keyUUID returns the UUID in the key of a workspace, project, repository or user, or "".
func keyUUID(key string) string {
	s := strings.TrimPrefix(strings.TrimPrefix(key, "cloud:"), "user:")
	if id, ok := normalUUID(s); ok {
		return id
	}
	return ""
}
