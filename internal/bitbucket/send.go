package bitbucket

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"net/http/httptrace"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/windlass-hq/windlass/internal/fault"
)

// Write is one request that changes something, below the API's path prefix.
type Write struct {
	Method  string   // POST, PUT or DELETE
	Path    string   // escaped, with query; starts with a slash
	Body    []byte   // JSON; nil for none. It appears in no message
	Secrets []Secret // in the body, which no message shows though a server repeats them

	Principal string                      // who asks; empty means whoever may
	May       func(principal string) bool // of those; nil means everybody
	Group     string                      // resource group whose allowance it spends; empty means what GroupOf says
}

// ErrUncertain is in the chain of an error of Send where Bitbucket may have done what was asked of it all the same: the
// request went out, and no answer tells what became of it. Look before asking again.
var ErrUncertain = errors.New("it may have been done all the same")

// Send sends a request that changes something, through the same allowance, pace and origin guard as Do. Who is refused
// (401, 403, 404) has changed nothing, so the next principal is asked; the error is that of the last one, or of one that
// was denied where others found nothing. A response without content has an empty Body.
//
// A request that may have been received is never sent a second time: only one that found no connection, that had to
// wait for its allowance, or whose token was too old is tried again. Redirects are not followed.
func (c *Client) Send(ctx context.Context, w Write) (*Response, error) {
	group := c.group(Request{Path: w.Path, Group: w.Group})
	refused := map[string]bool{}
	var refusal error
	for {
		id, err := c.ChooseFor(ctx, group, func(id string) bool {
			return !refused[id] && (w.Principal == "" || c.pool.find(w.Principal) == c.pool.find(id)) && (w.May == nil || w.May(id))
		}, "")
		if err != nil {
			if refusal != nil && !fault.Is(err, fault.Limited) && !fault.Is(err, fault.Canceled) {
				return nil, refusal
			}
			return nil, err
		}
		resp, err := c.sendAs(ctx, c.pool.find(id), group, w)
		switch {
		case errors.Is(err, ErrResting):
		case err != nil && Refused(err):
			refused[id] = true
			if refusal == nil || fault.Is(refusal, fault.NotFound) {
				refusal = err
			}
		default:
			return resp, err
		}
	}
}

// sendAs is Send for one principal.
func (c *Client) sendAs(ctx context.Context, p *principal, group string, w Write) (*Response, error) {
	target, err := c.target(Request{Path: w.Path})
	if err != nil {
		return nil, err
	}
	what := call{method: w.Method, target: target, body: w.Body}
	renewed := false
	for attempt := 1; ; attempt++ {
		if err := c.pace.opened(ctx); err != nil {
			return nil, err
		}
		l, err := c.pool.ready(p, group)
		if err != nil {
			return nil, err
		}
		a, err := c.attempt(ctx, p, l, group, what)
		if err != nil {
			if a.sent {
				err = uncertain(fault.Wrap(err, fault.CodeOf(err), "%s was sent, and what came of it could not be kept", where(w.Method, target)))
			}
			return nil, err
		}
		switch {
		case a.err == nil && a.status/100 == 2:
			c.pool.revive(p)
			return &Response{Header: a.header, Body: a.body, Principal: c.idOf(p), RequestedAt: a.sentAt}, nil
		case a.err == nil && a.status == http.StatusUnauthorized && l.tokens != nil && !renewed:
			l.tokens.discard(a.token)
			renewed = true
			attempt--
			continue
		case a.err == nil && a.status == http.StatusTooManyRequests:
			return nil, ErrResting
		}
		err = c.explainWrite(l.cred, w, target, a)
		if fault.Is(err, fault.Unauthorized) {
			if err = c.refused(ctx, p, l, a, false, where(w.Method, target), err); err == nil {
				attempt-- // with its other credential
				continue
			}
			return nil, err
		}
		if a.sent || !a.retry || attempt >= defaultAttempts {
			return nil, err
		}
		if e := c.sleep(ctx, a.backoff(attempt)); e != nil {
			return nil, canceled(e)
		}
	}
}

// explainWrite is explain for a request that changes something: what is wrong with the request is the asker's to put
// right, and where nobody can tell what became of it the error says so.
func (c *Client) explainWrite(cred Credential, w Write, target string, a answer) error {
	a.body = withoutSecrets(a.body, w.Secrets)
	err := c.explain(cred, w.Method, target, a)
	e, ok := errors.AsType[*fault.Error](err)
	if !ok {
		return err
	}
	switch {
	case a.err == nil && (a.status == http.StatusBadRequest || a.status == http.StatusUnprocessableEntity):
		return fault.Wrap(e.Err, fault.Invalid, "Bitbucket does not accept %s (status %d)", where(w.Method, target), a.status)
	case a.err == nil && a.status == http.StatusConflict:
		return fault.Wrap(e.Err, fault.Conflict, "Bitbucket does not accept %s, because of what is there already", where(w.Method, target))
	case a.sent && (a.err != nil || a.status >= http.StatusInternalServerError):
		return uncertain(e)
	}
	return err
}

// uncertain marks an error of a request that may have been received.
func uncertain(e *fault.Error) error {
	cause := ErrUncertain
	if e.Err != nil {
		cause = unsure{e.Err}
	}
	return fault.Wrap(cause, e.Code, "%s", e.Message).With("look whether it was done before doing it again")
}

type unsure struct{ error }

func (u unsure) Error() string { return u.error.Error() + "; " + ErrUncertain.Error() }

func (u unsure) Unwrap() []error { return []error{u.error, ErrUncertain} }

// withoutSecrets removes what a server repeats of a request.
func withoutSecrets(body []byte, secrets []Secret) []byte {
	for _, s := range secrets {
		if s == "" {
			continue
		}
		for _, form := range quoted(s.Reveal()) {
			body = bytes.ReplaceAll(body, []byte(form), []byte(hidden))
		}
	}
	return body
}

// quoted returns a text as it is, as it stands in JSON, and as it stands in JSON that is itself a text of JSON, the
// longest form first.
func quoted(text string) []string {
	forms := []string{text}
	for from := 0; from < len(forms) && len(forms) < 1+2+4; from++ {
		for _, html := range []bool{true, false} {
			var b bytes.Buffer
			enc := json.NewEncoder(&b)
			enc.SetEscapeHTML(html)
			if err := enc.Encode(forms[from]); err == nil {
				forms = append(forms, strings.TrimSuffix(strings.TrimPrefix(strings.TrimSpace(b.String()), `"`), `"`))
			}
		}
	}
	slices.SortFunc(forms, func(a, b string) int { return len(b) - len(a) })
	return slices.Compact(forms)
}

// call is what one attempt asks.
type call struct {
	method, target string
	body           []byte
}

// unconnected reports whether an error says that no connection came about.
func unconnected(err error) bool {
	if _, ok := errors.AsType[*net.DNSError](err); ok || isTLS(err) {
		return true
	}
	op, ok := errors.AsType[*net.OpError](err)
	return ok && (op.Op == "dial" || op.Op == "proxyconnect")
}

// send makes one attempt.
func (c *Client) send(ctx context.Context, authorization string, what call) answer {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	var connected atomic.Bool
	if what.method != http.MethodGet {
		ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { connected.Store(true) }})
	}
	var req *http.Request
	var err error
	if what.body == nil {
		req, err = http.NewRequestWithContext(ctx, what.method, what.target, nil)
	} else {
		req, err = http.NewRequestWithContext(ctx, what.method, what.target, bytes.NewReader(what.body))
	}
	if err != nil {
		return answer{err: fault.New(fault.Internal, "no request can be made of %s", MaskURL(what.target)), final: true}
	}
	req.Header.Set("Authorization", authorization)
	req.Header.Set("User-Agent", c.agent)
	req.Header.Set("Accept", "application/json")
	if what.body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if what.method != http.MethodGet {
		// A Data Center takes a request that changes something for a forged one from a browser where neither the type
		// of its content nor this header tells otherwise; a DELETE has no content.
		req.Header.Set("X-Atlassian-Token", "no-check")
	}
	c.calls.Add(1)
	sentAt := c.now()
	resp, err := c.http.Do(req)
	if err != nil {
		a := transportFailure(err, sentAt)
		a.sent = connected.Load() || !unconnected(a.err) // a transport that traces nothing may have sent it
		return a
	}
	a := readAnswer(resp, c.maxBody)
	a.sentAt, a.sent = sentAt, true
	if what.method != http.MethodGet && errors.Is(a.err, errNotJSON) && strings.TrimSpace(string(a.body)) == "" {
		a.err, a.retry, a.body = nil, false, nil // done, and nothing to tell
	}
	return a
}
