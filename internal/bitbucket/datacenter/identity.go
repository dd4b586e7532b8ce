package datacenter

import (
	"context"
	"net/http"
	"net/url"
	"sync"

	"github.com/windlass-hq/windlass/internal/bitbucket"
	"github.com/windlass-hq/windlass/internal/fault"
	"github.com/windlass-hq/windlass/internal/graph"
)

const properties = "/api/latest/application-properties"

// identities is what the instance said about itself and about each principal. It is asked once per Client.
type identities struct {
	mu      sync.Mutex
	asked   map[string]identity // by principal
	version Version
	raw     bitbucket.JSON // the newest answer of application-properties
}

type identity struct {
	user string // what X-AUSERNAME says; a token of a project or repository has a made-up name
	err  error
}

// Instance is a Bitbucket Data Center as it describes itself.
type Instance struct {
	Key     string // graph key, dc:{iid}
	Name    string // as it calls itself, such as "Bitbucket"
	Version Version
	Page    bitbucket.Page // the entity, and what was odd about it
}

// Instance asks what is at the configured address. It also finds out who each credential acts as; the error says why
// no credential can be used.
func (c *Client) Instance(ctx context.Context) (Instance, error) {
	var refusal error
	for _, p := range c.core.Principals() {
		resp, err := c.core.AskOne(ctx, p, properties)
		if err == nil {
			err = c.meet(p, resp)
		}
		switch {
		case err == nil:
			o, r := c.keys.convertInstance(resp.Body, c.base)
			name, _ := o.Entity.Properties["name"].(string)
			in := Instance{Key: o.Entity.Key, Name: name, Version: c.Version(), Page: bitbucket.Page{
				Objects: []graph.Object{o}, RequestedAt: resp.RequestedAt, Principal: p,
			}}
			in.Page.Note("the instance", 0, o.Entity.Key, r, true)
			return in, nil
		case bitbucket.Refused(err):
			refusal = err // another one may do
		default:
			return Instance{}, err
		}
	}
	return Instance{}, refusal
}

// Version returns the version of the instance, or the zero Version before Instance or Check was called.
func (c *Client) Version() Version {
	c.who.mu.Lock()
	defer c.who.mu.Unlock()
	return c.who.version
}

// meet keeps what an answer of application-properties says: the version, and who the principal acts as. Anybody may
// read it without logging in, so that an answer which names no user means that the credential counted for nothing,
// and that every listing would silently hold only what is public.
func (c *Client) meet(p string, resp *bitbucket.Response) error {
	version, ok := resp.Body.Get("version").Text()
	v, readable := ParseVersion(version)
	if !ok || !readable {
		return fault.New(fault.Unavailable, "what answers at %s is no Bitbucket Data Center: it states no version", c.base).
			With("check --url: it should be the address of Bitbucket's start page")
	}
	user := userOf(resp.Header)
	c.who.mu.Lock()
	defer c.who.mu.Unlock()
	c.who.version = v
	if user == "" {
		return fault.New(fault.Unauthorized, "%s answers as if nobody had logged in with %s", c.base, c.core.Credential(p).Name()).
			With("a proxy may drop the Authorization header; else make a new token in Bitbucket and store it")
	}
	if c.who.asked == nil {
		c.who.asked = map[string]identity{}
	}
	c.who.asked[p] = identity{user: user}
	return nil
}

// userOf returns the login name that an answer is for; it comes percent-encoded (FACTS 118).
func userOf(h http.Header) string {
	name := h.Get("X-AUSERNAME")
	if decoded, err := url.QueryUnescape(name); err == nil {
		return decoded
	}
	return name
}
