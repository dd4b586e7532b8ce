package datacenter

import (
	"context"
	"errors"
	"math"
	"net/http"
	"net/url"
	"strings"
	"sync"

	"github.com/windlass-hq/windlass/internal/bitbucket"
	"github.com/windlass-hq/windlass/internal/fault"
	"github.com/windlass-hq/windlass/internal/graph"
)

const properties = "/api/latest/application-properties"

// identities is what the instance said about itself and about each credential. It is asked once per Client.
type identities struct {
	asking   sync.Mutex // one asks, the others wait for what it finds
	mu       sync.Mutex // of all below
	verdicts map[string]verdict
	version  Version
	fresh    *bitbucket.Response // the newest answer of application-properties, until somebody has used it
}

// verdict is what came of asking who a credential, by its own id, belongs to.
type verdict struct {
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

// Instance asks what is at the configured address, and who each credential belongs to: those of one user are one
// principal from then on. The error says why no credential can be used; that one of several cannot is no error, and is
// told by Check and Budgets.
func (c *Client) Instance(ctx context.Context) (Instance, error) {
	if err := c.identify(ctx); err != nil {
		return Instance{}, err
	}
	c.who.mu.Lock()
	resp := c.who.fresh
	c.who.fresh = nil
	c.who.mu.Unlock()
	if resp == nil {
		var err error
		if resp, err = c.again(ctx); err != nil {
			return Instance{}, err
		}
	}
	o, r := c.keys.convertInstance(resp.Body, c.base)
	name, _ := o.Entity.Properties["name"].(string)
	in := Instance{Key: o.Entity.Key, Name: name, Version: c.Version(), Page: bitbucket.Page{
		Objects: []graph.Object{o}, RequestedAt: resp.RequestedAt, Principal: resp.Principal,
	}}
	in.Page.Note("the instance", 0, o.Entity.Key, r, true)
	return in, nil
}

// Version returns the version of the instance, or the zero Version before Instance or Check was called.
func (c *Client) Version() Version {
	c.who.mu.Lock()
	defer c.who.mu.Unlock()
	return c.who.version
}

// identify finds out who each credential belongs to, as far as that is not known. It fails where none is good, and
// where nothing can be judged.
func (c *Client) identify(ctx context.Context) error {
	c.who.asking.Lock()
	defer c.who.asking.Unlock()
	err := c.core.Identify(ctx, func(ctx context.Context, principal string) (string, error) {
		resp, err := c.ask(ctx, principal)
		user := ""
		if err == nil {
			user, err = c.read(principal, resp)
		}
		if err == nil || fault.Is(err, fault.Unauthorized) {
			c.who.mu.Lock()
			c.who.verdicts[principal] = verdict{user, err}
			c.who.mu.Unlock()
		}
		return user, err
	})
	if err != nil {
		return err
	}
	for _, cred := range c.creds {
		v := c.verdictOn(cred)
		if v.err == nil {
			return nil
		}
		err = v.err
	}
	return err
}

// verdictOn returns what identify found out about a credential. One that it did not ask about had been refused before.
func (c *Client) verdictOn(cred bitbucket.Credential) verdict {
	c.who.mu.Lock()
	defer c.who.mu.Unlock()
	v, asked := c.who.verdicts[cred.Principal()]
	if !asked {
		v.err = fault.New(fault.Unauthorized, "Bitbucket has refused %s before", cred.Name()).With("make a new one in Bitbucket and store it")
	}
	return v
}

// ask asks for the application properties as one principal, waiting for its allowance where that must be. A refusal is
// believed, since a password that is tried again and again locks its user out (FACTS 119).
func (c *Client) ask(ctx context.Context, principal string) (*bitbucket.Response, error) {
	only := func(id string) bool { return id == principal }
	for {
		if _, err := c.core.Choose(ctx, only, principal); err != nil {
			return nil, err
		}
		resp, err := c.core.Do(ctx, bitbucket.Request{Path: properties, Principal: principal, Believe: true})
		if !errors.Is(err, bitbucket.ErrResting) {
			return resp, err
		}
	}
}

// again asks for the application properties as whoever is free.
func (c *Client) again(ctx context.Context) (*bitbucket.Response, error) {
	resp, err := c.core.Do(ctx, bitbucket.Request{Path: properties})
	if err != nil {
		return nil, err
	}
	_, err = c.read(resp.Principal, resp)
	return resp, err
}

// confirm tells whether a principal that was refused with 401 is still good: Data Center says so too of what may not
// be read by somebody it knows (FACTS 120).
func confirm(ctx context.Context, core *bitbucket.Client, principal string) error {
	resp, err := core.Do(ctx, bitbucket.Request{Path: properties, Principal: principal, Believe: true})
	if err == nil && userOf(resp.Header) == "" {
		return fault.New(fault.Unauthorized, "nobody is logged in with %s", core.Credential(principal).Name())
	}
	return err
}

// notPermitted reports whether a refusal with 401 says itself that it was given to the user who asked, and that it is
// about permission: the answer names the user (FACTS 118), who must be the one that the credential was found to belong
// to, and every reason that it gives is one of permission (FACTS 140). Whoever's login failed is named by no answer. A
// principal that was not identified yet is confirmed.
func notPermitted(principal string, h http.Header, body bitbucket.JSON) bool {
	name, identified := strings.CutPrefix(principal, "user:")
	if !identified || name == "" || userOf(h) != name || h.Get("X-Authentication-Denied-Reason") != "" || !body.Valid() {
		return false
	}
	reasons := 0
	only := bitbucket.Inner(body, "errors").Elements(func(e bitbucket.JSON) {
		if reason, _ := e.Get("exceptionName").Text(); reason == "com.atlassian.bitbucket.AuthorisationException" {
			reasons++
		} else {
			reasons = math.MinInt
		}
	})
	return only && reasons > 0
}

// read takes from an answer of application-properties what the instance is and who the principal belongs to. Anybody
// may read it without logging in, so that an answer which names no user means that the credential counted for nothing,
// and that every listing would silently hold only what is public.
func (c *Client) read(principal string, resp *bitbucket.Response) (user string, err error) {
	version, _ := resp.Body.Get("version").Text()
	v, ok := ParseVersion(version)
	if !ok {
		return "", fault.New(fault.Unavailable, "what answers at %s is no Bitbucket Data Center: it states no version", c.base).
			With("check --url: it should be the address of Bitbucket's start page")
	}
	if user = userOf(resp.Header); user == "" {
		return "", fault.New(fault.Unauthorized, "%s answers as if nobody had logged in with %s", c.base, c.core.Credential(principal).Name()).
			With("a proxy may drop the Authorization header; else make a new token in Bitbucket and store it")
	}
	c.who.mu.Lock()
	defer c.who.mu.Unlock()
	c.who.version, c.who.fresh = v, resp
	return user, nil
}

// userOf returns the login name that an answer is for; it comes percent-encoded (FACTS 118).
func userOf(h http.Header) string {
	name := h.Get("X-AUSERNAME")
	if decoded, err := url.QueryUnescape(name); err == nil {
		return decoded
	}
	return name
}

// loggedIn refuses an answer that was given to somebody else, or to nobody in particular: what only the principal sees
// would look deleted.
func (c *Client) loggedIn(what string, resp *bitbucket.Response) error {
	name, identified := strings.CutPrefix(resp.Principal, "user:")
	user := userOf(resp.Header)
	if !identified || user == name {
		return nil
	}
	as := "as if nobody had logged in"
	if user != "" {
		as = "for the user " + user + ", not " + name + ","
	}
	return fault.New(fault.Unavailable, "%s were answered %s with %s", what, as, c.core.Credential(resp.Principal).Name()).
		With("a cache or proxy may drop the Authorization header or answer for another user; what was read so far is kept")
}
