package cloud

import (
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

// keyUUID returns the UUID in the key of a workspace, project, repository or user, or "".
func keyUUID(key string) string {
	s := strings.TrimPrefix(strings.TrimPrefix(key, "cloud:"), "user:")
	if id, ok := normalUUID(s); ok {
		return id
	}
	return ""
}
