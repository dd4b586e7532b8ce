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

	Connection string // the connection's name, for messages and the User-Agent
	Version    string // of Windlass, for the User-Agent

	HTTP    *http.Client     // certificates, proxies; nil means Go's defaults
	Now     func() time.Time // nil means time.Now
	Sleep   func(ctx context.Context, d time.Duration) error
	NoWait  bool                              // with all allowances spent, fail instead of waiting
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
	calls   atomic.Int64
}

// Request is one GET below the API's path prefix.
type Request struct {
	Path      string // escaped, with query; starts with a slash. Ignored when Link is set
	Link      string // a link from an earlier answer, used as it is after the origin guard
	Principal string // who asks; empty means whoever is free
	Attempts  int    // how often to try in all; 0 means 5
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
		timeout: o.Timeout, maxBody: o.MaxBody,
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
	return c, nil
}

// Calls returns how many requests were sent to the API, retries included. Token requests are not among them: they
// go elsewhere and spend no allowance.
func (c *Client) Calls() int64 { return c.calls.Load() }

// Close closes the connections that are idle. The client remains usable.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// API returns the configured origin.
func (c *Client) API() Origin { return c.api }

// Do sends a request until it is answered, its attempts are used up, or the answer is final. It waits where an
// allowance is spent (see Options.NoWait), unless the request is bound to a principal: then ErrResting tells the
// caller to choose again, because a listing may only change principal by beginning again.
//
// The error is a *fault.Error that says what, where and what to do; StatusOf gives the status behind it.
func (c *Client) Do(ctx context.Context, r Request) (*Response, error) {
	if r.Principal != "" {
		p, ok := c.pool.byID[r.Principal]
		if !ok {
			return nil, fault.New(fault.Internal, "no credential %q in this connection", r.Principal)
		}
		return c.ask(ctx, p, r)
	}
	var refused error // what the last dead credential was told
	for {
		id, err := c.Choose(ctx, nil, "")
		if err != nil {
			if refused != nil && !fault.Is(err, fault.Limited) && !fault.Is(err, fault.Canceled) {
				return nil, refused
			}
			return nil, err
		}
		resp, err := c.ask(ctx, c.pool.byID[id], r)
		switch {
		case errors.Is(err, ErrResting):
		case fault.Is(err, fault.Unauthorized):
			refused = err // ask has marked the principal; another one may do
		default:
			return resp, err
		}
	}
}

// ask is Do for one principal.
func (c *Client) ask(ctx context.Context, p *principal, r Request) (*Response, error) {
	target := r.Link
	if target == "" {
		target = c.api.Join(r.Path)
	}
	target, err := c.api.Inside(target)
	if err != nil {
		return nil, err
	}
	attempts := r.Attempts
	if attempts <= 0 {
		attempts = defaultAttempts
	}
	renewed, redirects := false, 0
	for attempt := 1; ; attempt++ {
		if err := c.pool.enter(ctx, p); err != nil {
			return nil, err
		}
		a := c.send(ctx, p, target)
		c.pool.leave(p, a)
		switch {
		case a.err == nil && a.status/100 == 2:
			c.pool.revive(p)
			return &Response{Header: a.header, Body: a.body, Principal: p.id, RequestedAt: a.sentAt}, nil
		case a.err == nil && a.status == http.StatusUnauthorized && p.tokens != nil && !renewed:
			// The token may have been withdrawn in mid-run: a fresh one decides.
			p.tokens.discard(a.token)
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
		err := c.explain(p, http.MethodGet, target, a)
		if fault.Is(err, fault.Unauthorized) {
			c.pool.bury(p, err)
		}
		if !a.retry || attempt >= attempts {
			return nil, err
		}
		if e := c.sleep(ctx, a.backoff(attempt)); e != nil {
			return nil, canceled(e)
		}
	}
}

// send makes one attempt.
func (c *Client) send(ctx context.Context, p *principal, target string) answer {
	authorization, token, err := p.authorize(ctx) // may take longer than one request
	if err != nil {
		return answer{err: err, final: true}
	}
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, target, nil)
	if err != nil {
		return answer{err: fault.New(fault.Internal, "no request can be made of %s", MaskURL(target)), final: true}
	}
	req.Header.Set("Authorization", authorization)
	req.Header.Set("User-Agent", c.agent)
	req.Header.Set("Accept", "application/json")
	c.calls.Add(1)
	sentAt := c.now()
	p.count(sentAt)
	resp, err := c.http.Do(req)
	if err != nil {
		return transportFailure(err, sentAt)
	}
	a := readAnswer(resp, c.maxBody)
	a.sentAt, a.token = sentAt, token
	return a
}

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

func isCanceled(err error) bool { return errors.Is(err, context.Canceled) }
