// Package bitbucket holds what the clients of Bitbucket Cloud and Bitbucket Data Center share: credentials and the
// principals they count as, the guard on where a credential may go, allowances, retries, OAuth tokens, the mapping
// of answers to errors a person can act on, lazy JSON, and the dropping of secrets from what is kept.
//
// Endpoints and wire types live in cloud and datacenter; only graph values leave those.
package bitbucket

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/windlass-hq/windlass/internal/fault"
)

// Options are what New needs. API and Credentials are required.
type Options struct {
	API         Origin // where the REST API is, its path prefix included
	TokenURL    Origin // where OAuth tokens are asked for; only used with OAuth credentials
	Credentials []Credential
	Role        Role // which of them it uses beside those that do everything; RoleData where empty

	Connection string // the connection's name, for messages and the User-Agent
	Version    string // of Windlass, for the User-Agent

	HTTP  *http.Client     // certificates, proxies; nil means Go's defaults
	Now   func() time.Time // nil means time.Now
	Sleep func(ctx context.Context, d time.Duration) error
	// Spending is where calls are counted, shared with every other process; nil means in this client alone. Realm says
	// whose principals these are: the API's host if empty, an instance's id where several hosts name one Bitbucket.
	Spending    Spending
	Realm       string
	Allowances  Allowances
	GroupOf     func(path string) string // resource group of a path below the API, where a request names none; nil means DefaultGroup
	Share       float64                  // of an allowance that may be spent; 0 means DefaultShare
	Interactive bool                     // a person waits for this client: it has a little more than the share, at any hour

	Throttle Throttle // how fast the instance is asked at most; the zero value means no limit
	Pacer    Pacer    // what keeps the pace over all processes; nil means this client alone

	// Confirm is asked whether a principal is still good after it was refused with 401, where that status may mean
	// something else too (FACTS 120); nil means that it is not. It asks with Request.Believe. A nil error means good.
	Confirm func(ctx context.Context, c *Client, principal string) error
	// Knows reports whether a refusal with 401 says by itself that the principal is known and only not permitted, so that
	// nothing needs to be confirmed; nil means that none does.
	Knows func(principal string, header http.Header, body JSON) bool

	NoWait  bool                              // with all allowances spent for more than moments, fail instead of waiting
	OnWait  func(until time.Time, why string) // called when a wait begins
	Timeout time.Duration                     // per request, its body included; 0 means a minute
	MaxBody int64                             // bytes of one answer, decompressed; 0 means 64 MiB
}

// Client sends requests for the principals of one connection. It is safe for concurrent use.
type Client struct {
	api     Origin
	http    *http.Client
	pool    *pool
	agent   string
	conn    string
	now     func() time.Time
	sleep   func(context.Context, time.Duration) error
	timeout time.Duration
	maxBody int64
	confirm func(ctx context.Context, c *Client, principal string) error
	knows   func(principal string, header http.Header, body JSON) bool
	groupOf func(path string) string
	pace    *governor
	calls   atomic.Int64

	refusals refusals
}

// Request is one GET below the API's path prefix.
type Request struct {
	Path      string // escaped, with query; starts with a slash. Ignored when Link is set
	Link      string // a link from an earlier answer, used as it is after the origin guard
	Principal string // who asks; empty means whoever is free
	Attempts  int    // how often to try in all; 0 means 5
	Group     string // resource group whose allowance it spends; empty means what GroupOf says
	Believe   bool   // a 401 needs no confirmation
}

// Response is an answer of 2xx whose body is well-formed JSON.
type Response struct {
	Header      http.Header
	Body        JSON
	Principal   string
	RequestedAt time.Time
}

const (
	defaultTimeout  = time.Minute
	defaultMaxBody  = 64 << 20
	defaultAttempts = 5
	maxRedirects    = 3
)

// New returns a Client, or says which option is wrong.
func New(o Options) (*Client, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Sleep == nil {
		o.Sleep = sleep
	}
	base := http.Client{}
	if o.HTTP != nil {
		base = *o.HTTP
	} else if t, ok := http.DefaultTransport.(*http.Transport); ok {
		t = t.Clone()
		t.MaxIdleConnsPerHost = 16 // one host is all there is; Go's 2 would close connections between requests
		base.Transport = t
	}
	// Redirects are followed by hand, behind the origin guard; cookies would tie principals together.
	base.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	base.Jar = nil
	base.Timeout = 0 // each attempt has its own deadline
	c := &Client{
		api: o.API, http: &base, now: o.Now, sleep: o.Sleep, conn: o.Connection, agent: userAgent(o.Version, o.Connection),
		timeout: o.Timeout, maxBody: o.MaxBody, confirm: o.Confirm, knows: o.Knows, groupOf: o.GroupOf,
	}
	if c.timeout <= 0 {
		c.timeout = defaultTimeout
	}
	if c.maxBody <= 0 {
		c.maxBody = defaultMaxBody
	}
	var err error
	if c.pool, err = newPool(c, o); err != nil {
		return nil, err
	}
	c.pace = newGovernor(c, o)
	return c, nil
}

// Calls returns how many requests were sent to the API, retries included. Token requests are not among them: they
// go elsewhere and spend no allowance.
func (c *Client) Calls() int64 { return c.calls.Load() }

// Close closes the connections that are idle and gives back what is reserved of the allowances. The client remains
// usable.
func (c *Client) Close() {
	c.http.CloseIdleConnections()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	// What cannot be given back counts as spent for an hour: a few calls.
	_ = c.pool.settle(ctx)
}

// API returns the configured origin.
func (c *Client) API() Origin { return c.api }

// Do sends a request until it is answered, its attempts are used up, or the answer is final. It waits where an
// allowance is spent (see Options.NoWait), unless the request is bound to a principal: then ErrResting tells the
// caller to choose again, because a listing may only change principal by beginning again.
//
// The error is a *fault.Error that says what, where and what to do; StatusOf gives the status behind it.
func (c *Client) Do(ctx context.Context, r Request) (*Response, error) {
	r.Group = c.group(r)
	if r.Principal != "" {
		p := c.pool.find(r.Principal)
		if p == nil {
			return nil, fault.New(fault.Internal, "no credential %q in this connection", r.Principal)
		}
		return c.ask(ctx, p, r)
	}
	var refused error // what the last dead credential was told
	for {
		id, err := c.ChooseFor(ctx, r.Group, nil, "")
		if err != nil {
			if refused != nil && !fault.Is(err, fault.Limited) && !fault.Is(err, fault.Canceled) {
				return nil, refused
			}
			return nil, err
		}
		resp, err := c.ask(ctx, c.pool.find(id), r)
		switch {
		case errors.Is(err, ErrResting):
		case fault.Is(err, fault.Unauthorized):
			refused = err // ask has marked the principal; another one may do
		default:
			return resp, err
		}
	}
}

// group returns the resource group of a request.
func (c *Client) group(r Request) string {
	switch {
	case r.Group != "":
		return r.Group
	case c.groupOf == nil:
		return DefaultGroup
	case r.Link != "":
		path := strings.TrimPrefix(r.Link, c.api.String())
		return c.groupOf(path)
	}
	return c.groupOf(r.Path)
}

// target returns the URL of a request, which is inside the configured origin. What is left of the API 1.0 is the one
// exception: a path of our own that begins with /1.0/ goes beside an API 2.0 (FACTS 5), no link of an answer does.
func (c *Client) target(r Request) (string, error) {
	if r.Link != "" {
		return c.api.Inside(r.Link)
	}
	if old, ok := c.api.Old(); ok && strings.HasPrefix(r.Path, "/1.0/") {
		return old.Inside(old.Join(strings.TrimPrefix(r.Path, "/1.0")))
	}
	return c.api.Inside(c.api.Join(r.Path))
}

// ask is Do for one principal.
func (c *Client) ask(ctx context.Context, p *principal, r Request) (*Response, error) {
	target, err := c.target(r)
	if err != nil {
		return nil, err
	}
	attempts := r.Attempts
	if attempts <= 0 {
		attempts = defaultAttempts
	}
	renewed, redirects := false, 0
	for attempt := 1; ; attempt++ {
		if err := c.pace.opened(ctx); err != nil {
			return nil, err
		}
		l, err := c.pool.ready(p, r.Group)
		if err != nil {
			return nil, err
		}
		a, err := c.attempt(ctx, p, l, r.Group, call{method: http.MethodGet, target: target})
		if err != nil {
			return nil, err
		}
		switch {
		case a.err == nil && a.status/100 == 2:
			c.pool.revive(p)
			return &Response{Header: a.header, Body: a.body, Principal: c.idOf(p), RequestedAt: a.sentAt}, nil
		case a.err == nil && a.status == http.StatusUnauthorized && l.tokens != nil && !renewed:
			// The token may have been withdrawn in mid-run: a fresh one decides.
			l.tokens.discard(a.token)
			renewed = true
			attempt--
			continue
		case a.err == nil && isRedirect(a.status) && redirects < maxRedirects:
			if target, err = c.follow(target, a); err != nil {
				return nil, err
			}
			redirects++
			attempt--
			continue
		case a.err == nil && a.status == http.StatusTooManyRequests:
			return nil, ErrResting
		}
		err = c.explain(l.cred, http.MethodGet, target, a)
		if fault.Is(err, fault.Unauthorized) {
			if err = c.refused(ctx, p, l, a, r.Believe, where(http.MethodGet, target), err); err == nil {
				attempt-- // with its other credential
				continue
			}
			return nil, err
		}
		if !a.retry || attempt >= attempts {
			return nil, err
		}
		if e := c.sleep(ctx, a.backoff(attempt)); e != nil {
			return nil, canceled(e)
		}
	}
}

// refused judges a 401: the credential is not used any more, unless it is found to be good. It returns nil where the
// principal has another one.
func (c *Client) refused(ctx context.Context, p *principal, l login, a answer, believe bool, at string, refusal error) error {
	if c.confirm != nil && !believe && StatusOf(refusal) == http.StatusUnauthorized {
		var err error
		if id := c.idOf(p); c.knows == nil || a.html || !c.knows(id, a.header, a.body) {
			err = c.confirm(ctx, c, id)
		}
		switch {
		case err == nil:
			answer, _ := errors.AsType[*Answer](refusal)
			return fault.Wrap(answer, fault.Denied, "%s may not %s", sentence(l.cred.Name()), deed(at)).
				With("give it access in Bitbucket, or leave this out")
		case !fault.Is(err, fault.Unauthorized):
			return err // nothing can be judged
		}
	}
	if c.pool.bury(p, l.cred, refusal) {
		return nil
	}
	return refusal
}

func (c *Client) idOf(p *principal) string {
	c.pool.mu.Lock()
	defer c.pool.mu.Unlock()
	return p.id
}

// attempt makes one attempt when principal and instance have room for it. The error is for what kept it from being
// made or counted.
func (c *Client) attempt(ctx context.Context, p *principal, l login, group string, what call) (answer, error) {
	authorization, token, err := l.authorize(ctx) // may take longer than one request
	if err != nil {
		return noLogin(err), nil
	}
	t, err := c.pool.enter(ctx, p, group)
	if err != nil {
		return answer{}, err
	}
	ticket, err := c.pace.begin(ctx)
	if err != nil {
		return answer{}, errors.Join(err, c.pool.leave(ctx, t, answer{err: err}))
	}
	a := c.send(ctx, authorization, what)
	a.token = token
	err = c.pace.end(ctx, ticket, a)
	if e := c.pool.leave(ctx, t, a); e != nil {
		err = e
	}
	return a, err
}

// noLogin is what came of an attempt for which there was no token.
func noLogin(err error) answer { return answer{err: err, final: true} }

// follow returns where a redirect leads, if that is inside the configured origin.
func (c *Client) follow(from string, a answer) (string, error) {
	to, err := resolve(from, a.header.Get("Location"))
	if err != nil {
		return "", fault.New(fault.Unavailable, "%s was answered with status %d and no usable Location", where(http.MethodGet, from), a.status)
	}
	return c.api.Inside(to)
}

func isRedirect(status int) bool {
	switch status {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther, http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		return true
	}
	return false
}

func userAgent(version, connection string) string {
	if version == "" {
		version = "dev"
	}
	clean := func(s string) string {
		return strings.Map(func(r rune) rune {
			if r < 0x21 || r > 0x7e || strings.ContainsRune("()\\", r) {
				return '_'
			}
			return r
		}, s)
	}
	agent := "Windlass/" + clean(version)
	if connection != "" {
		agent += " (" + clean(connection) + ")"
	}
	return agent
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// jitter returns a duration between half of d and d, so that clients that failed together do not return together.
func jitter(d time.Duration) time.Duration {
	return d/2 + rand.N(d/2+1)
}

func canceled(err error) error {
	if errors.Is(err, context.Canceled) {
		return fault.Wrap(err, fault.Canceled, "stopped while talking to Bitbucket")
	}
	return fault.Wrap(err, fault.Unavailable, "the time for talking to Bitbucket ran out")
}

// timedOut reports whether an attempt ended because of its own deadline.
func timedOut(err error) bool {
	if errors.Is(err, context.DeadlineExceeded) {
		return true
	}
	n, ok := errors.AsType[net.Error](err)
	return ok && n.Timeout()
}

// proxied reports whether it is the proxy that could not be reached, not the host behind it.
func proxied(err error) bool {
	op, ok := errors.AsType[*net.OpError](err)
	return ok && op.Op == "proxyconnect"
}

func isCanceled(err error) bool { return errors.Is(err, context.Canceled) }
