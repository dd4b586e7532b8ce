package bitbucket

import (
	"context"
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/windlass-hq/windlass/internal/fault"
)

// tokens keeps the access token of one OAuth consumer and renews it before it expires. Concurrent callers share one
// renewal.
type tokens struct {
	client *Client
	url    Origin
	cred   Credential

	mu      sync.Mutex
	current token
	renewal *renewal // the one under way, if any
}

type token struct {
	value   string
	scopes  []string
	known   bool // the answer named scopes at all
	renewAt time.Time
	expires time.Time
}

// renewal is one token request and those who wait for it. It belongs to all of them: it outlives the caller that
// started it, and ends when the last one has gone.
type renewal struct {
	done    chan struct{}
	cancel  context.CancelFunc
	waiting int // under tokens.mu
	token   token
	err     error
}

// defaultLife is taken where an answer has no expires_in; the vendor says one hour (FACTS 20).
const defaultLife = time.Hour

// get returns a token that is good for a while.
func (t *tokens) get(ctx context.Context) (string, error) {
	tok, err := t.token(ctx)
	return tok.value, err
}

func (t *tokens) token(ctx context.Context) (token, error) {
	t.mu.Lock()
	now := t.client.now()
	if t.current.value != "" && now.Before(t.current.renewAt) {
		defer t.mu.Unlock()
		return t.current, nil
	}
	r := t.renewal
	if r == nil {
		own, cancel := context.WithCancel(context.WithoutCancel(ctx))
		r = &renewal{done: make(chan struct{}), cancel: cancel}
		t.renewal = r
		go t.renew(own, r)
	}
	r.waiting++
	old := t.current
	t.mu.Unlock()
	select {
	case <-r.done:
	case <-ctx.Done():
		t.leave(r)
		return token{}, canceled(ctx.Err())
	}
	if r.err != nil && old.value != "" && now.Before(old.expires) && !fault.Is(r.err, fault.Unauthorized) {
		return old, nil // still good, and the next caller tries again
	}
	return r.token, r.err
}

// discard forgets a token that was refused, unless it was replaced already.
func (t *tokens) discard(value string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.current.value == value {
		t.current = token{}
	}
}

func (t *tokens) renew(ctx context.Context, r *renewal) {
	r.token, r.err = t.request(ctx)
	t.mu.Lock()
	if r.err == nil {
		t.current = r.token
	}
	if t.renewal == r {
		t.renewal = nil
	}
	t.mu.Unlock()
	r.cancel()
	close(r.done)
}

// leave ends a renewal that nobody waits for any more; a later caller starts its own.
func (t *tokens) leave(r *renewal) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if r.waiting--; r.waiting > 0 {
		return
	}
	r.cancel()
	if t.renewal == r {
		t.renewal = nil
	}
}

// request asks for a token (FACTS 19), trying again as Do does.
func (t *tokens) request(ctx context.Context) (token, error) {
	c := t.client
	target := t.url.String()
	rest := time.Duration(0)
	for attempt := 1; ; attempt++ {
		a := t.send(ctx, target)
		if a.err == nil && a.status/100 == 2 {
			return t.read(a)
		}
		err := t.explain(target, a)
		if a.err == nil && a.status == http.StatusTooManyRequests {
			if c.pool.noWait {
				return token{}, err
			}
			d, ok := retryAfter(a.header, a.sentAt)
			if !ok {
				rest = min(max(2*rest, firstRest), longestRest)
				d = rest
			}
			if until := a.sentAt.Add(d); c.pool.onWait != nil {
				c.pool.onWait(until, "no more tokens are given for now")
			}
			if e := c.sleep(ctx, max(d, time.Second)); e != nil {
				return token{}, canceled(e)
			}
			attempt--
			continue
		}
		if !a.retry || attempt >= defaultAttempts {
			return token{}, err
		}
		if e := c.sleep(ctx, a.backoff(attempt)); e != nil {
			return token{}, canceled(e)
		}
	}
}

func (t *tokens) send(ctx context.Context, target string) answer {
	c := t.client
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	form := url.Values{"grant_type": {"client_credentials"}}.Encode()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, target, strings.NewReader(form))
	if err != nil {
		return answer{err: fault.New(fault.Internal, "no request can be made of %s", MaskURL(target)), final: true}
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", c.agent)
	pair := t.cred.Identity + ":" + t.cred.Secret.Reveal()
	req.Header.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(pair)))
	sentAt := c.now()
	resp, err := c.http.Do(req)
	if err != nil {
		return transportFailure(err, sentAt)
	}
	a := readAnswer(resp, 1<<20)
	a.sentAt = sentAt
	return a
}

// read takes the token out of an answer of either form: scopes until 2026-05, scope since (FACTS 21).
func (t *tokens) read(a answer) (token, error) {
	value, ok := a.body.Get("access_token").Text()
	if !ok || value == "" || strings.ContainsAny(value, "\r\n") {
		return token{}, fault.New(fault.Unavailable, "%s answered no access token for %s", t.url.Host(), t.cred.Name()).
			With("check --site-url: it should be the web address of Bitbucket, such as https://bitbucket.org")
	}
	life := defaultLife
	if n, ok := a.body.Get("expires_in").Integer(); ok && n > 0 && n < 1<<31 {
		life = time.Duration(n) * time.Second
	}
	tok := token{value: value, expires: a.sentAt.Add(life)}
	tok.renewAt = tok.expires.Add(-min(5*time.Minute, life/10))
	for _, key := range []string{"scope", "scopes"} {
		if s, ok := a.body.Get(key).Text(); ok {
			tok.scopes, tok.known = ParseScopes(s), true
			break
		}
	}
	return tok, nil
}

// explain says what a refused token request means.
func (t *tokens) explain(target string, a answer) error {
	if a.err != nil || a.status >= 500 {
		return t.client.explain(t.cred, http.MethodPost, target, a)
	}
	clean := t.client.pool.cleaner(a)
	text := a.text(clean)
	if s, ok := a.body.Get("error_description").Text(); ok {
		text = clean(s)
	}
	cause := &Answer{Status: a.status, Text: text}
	switch {
	case a.status == http.StatusTooManyRequests:
		return fault.Wrap(cause, fault.Limited, "%s gives no more tokens to %s for now", t.url.Host(), t.cred.Name()).With("try again in a few minutes")
	case a.html:
		return fault.Wrap(cause, fault.Unavailable, "POST %s was answered with a web page, not with a token", MaskURL(target)).
			With("check --site-url, and whether a proxy or login page answers in its place")
	case a.status == http.StatusNotFound || isRedirect(a.status):
		return fault.Wrap(cause, fault.Unavailable, "POST %s was answered with status %d, so there is no OAuth there", MaskURL(target), a.status).
			With("check --site-url: it should be the web address of Bitbucket, such as https://bitbucket.org")
	default:
		return fault.Wrap(cause, fault.Unauthorized, "Bitbucket refuses %s", t.cred.Name()).
			With("check key and secret under Workspace settings > OAuth consumers (the consumer must be marked private), then store them: windlass connection credential add %s", t.client.conn)
	}
}

// Granted returns the scopes of a principal as its token answer named them; known is false where it named none, or
// where the principal is no OAuth consumer.
func (c *Client) Granted(ctx context.Context, principal string) (scopes []string, known bool, err error) {
	p := c.pool.find(principal)
	if p == nil {
		return nil, false, nil
	}
	c.pool.mu.Lock()
	tokens := p.tokens
	c.pool.mu.Unlock()
	if tokens == nil {
		return nil, false, nil
	}
	tok, err := tokens.token(ctx)
	if err != nil {
		return nil, false, err
	}
	return tok.scopes, tok.known, nil
}
