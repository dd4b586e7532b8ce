package datacenter

import (
	"strconv"
	"strings"

	"github.com/windlass-hq/windlass/internal/bitbucket"
)

// keys makes the graph keys of one instance (DESIGN section 2). Numbers of the vendor repeat between instances, so each
// key holds the id of the instance.
type keys struct{ iid string }

func (k keys) instance() string { return "dc:" + k.iid }

func (k keys) project(id string) string { return "dc:" + k.iid + ":project:" + id }

func (k keys) repo(id string) string { return "dc:" + k.iid + ":repo:" + id }

func (k keys) user(id string) string { return "dc:" + k.iid + ":user:" + id }

func (k keys) group(name string) string { return "dc:" + k.iid + ":group:" + name }

// number returns the last part of a key of this instance and kind, or "".
func (k keys) number(key, kind string) string {
	id, ok := strings.CutPrefix(key, "dc:"+k.iid+":"+kind+":")
	if _, err := strconv.ParseInt(id, 10, 64); !ok || err != nil {
		return ""
	}
	return id
}

// readID returns the number that identifies an object, as text.
func readID(v bitbucket.JSON) (string, bool) {
	n, ok := v.Integer()
	if !ok || n <= 0 {
		return "", false
	}
	return strconv.FormatInt(n, 10), true
}
