package api

import (
	"context"
	"regexp"
	"strings"

	"github.com/windlass-hq/windlass/internal/bitbucket"
	"github.com/windlass-hq/windlass/internal/bitbucket/datacenter"
	"github.com/windlass-hq/windlass/internal/fault"
	"github.com/windlass-hq/windlass/internal/store"
)

// newInstance is the value of the option instance that asks for an id of its own.
const newInstance = "new"

// place completes where a Data Center connection reads: its URL is reduced to what is needed, and it gets the id of
// its instance, which is part of every key. Two connections to one URL are the same instance unless the person says
// otherwise; then objects that both see are one. said tells what was decided without being asked for.
func (s *Server) place(ctx context.Context, conn store.Connection) (said string, same []string, err error) {
	if conn.Product != string(bitbucket.DataCenter) {
		return "", nil, nil
	}
	if conn.Settings["url"] == "" {
		return "", nil, fault.New(fault.Usage, "a Data Center connection needs the URL of its Bitbucket").With("give --url, such as https://bitbucket.example.com")
	}
	base, err := datacenter.BaseURL(conn.Settings["url"], conn.Settings["allow-http"] == "true")
	if err != nil {
		return "", nil, err
	}
	conn.Settings["url"] = base
	all, err := s.Store.Connections(ctx)
	if err != nil {
		return "", nil, err
	}
	var first store.Connection
	for _, other := range all {
		if other.Product == conn.Product && other.Name != conn.Name && strings.EqualFold(other.Settings["url"], base) {
			if len(same) == 0 {
				first = other
			}
			same = append(same, other.Name)
		}
	}
	switch given := conn.Settings["instance"]; {
	case given == newInstance:
		conn.Settings["instance"] = s.Instance()
	case given != "":
		if !instanceForm.MatchString(given) {
			return "", same, fault.New(fault.Usage, "%q is no id of an instance", given).
				With("leave it out, use %s, or the id that windlass connection show prints for a connection to the same instance", newInstance)
		}
	case len(same) > 0:
		conn.Settings["instance"] = first.Settings["instance"]
		said = "taken for the same instance as " + first.Name + ", which has this URL too: what both see is one. If it is another one, connect it with --set instance=" + newInstance
	default:
		conn.Settings["instance"] = s.Instance()
	}
	return said, same, nil
}

var instanceForm = regexp.MustCompile(`^[a-z0-9]{2,32}$`)
