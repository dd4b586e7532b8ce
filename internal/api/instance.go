package api

import (
	"context"
	"maps"
	"regexp"
	"slices"
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
	ids := map[string]string{} // of instances at this URL, with a connection to each
	for _, other := range all {
		if other.Product == conn.Product && other.Name != conn.Name && strings.EqualFold(other.Settings["url"], base) {
			ids[other.Settings["instance"]] = other.Name
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
	case len(ids) > 1:
		return "", same, fault.New(fault.Usage, "%s have this URL, but are kept as different instances", strings.Join(same, ", ")).
			With("say which one this is with --same-instance-as NAME, or that it is yet another with --set instance=%s", newInstance)
	case len(ids) == 1:
		conn.Settings["instance"] = slices.Collect(maps.Keys(ids))[0]
		said = "taken for the same instance as " + same[0] + ", which has this URL too: what both see is one. If it is another one, connect it with --set instance=" + newInstance
	default:
		conn.Settings["instance"] = s.Instance()
	}
	return said, same, nil
}

var instanceForm = regexp.MustCompile(`^[a-z0-9]{2,32}$`)

// lookalike names a connection under another URL whose instance has the projects that this new one sees. That may be a
// copy as well, so it is only said. What cannot be found out is not.
func (s *Server) lookalike(ctx context.Context, conn store.Connection, credentials []store.Credential) (string, error) {
	all, err := s.Store.Connections(ctx)
	if err != nil {
		return "", err
	}
	asked := map[string]bool{conn.Settings["instance"]: true}
	for _, other := range all {
		id := other.Settings["instance"]
		if other.Product != conn.Product || other.Name == conn.Name || asked[id] {
			continue
		}
		asked[id] = true
		if same, differ, err := s.Resembles(ctx, conn, credentials, id); err == nil && same > 0 && differ == 0 {
			return other.Name, nil
		}
	}
	return "", nil
}

// moved refuses a new URL behind which another instance answers: its objects would be taken for those that are known.
func (s *Server) moved(ctx context.Context, conn store.Connection, credentials []store.Credential) error {
	same, differ, err := s.Resembles(ctx, conn, credentials, conn.Settings["instance"])
	if err != nil || differ <= same {
		return err
	}
	return fault.New(fault.Invalid, "another Bitbucket answers there: %d of its projects have the numbers of other ones that are known", differ).
		With("connect it under a name of its own")
}
