// Package client speaks the HTTP API of Windlass, /api/v1.
//
// Its types are the wire contract itself: the server answers with the same structs, and docs/openapi.json is generated
// from them. The package imports nothing else of Windlass, so other programs can use it.
//
//	c, err := client.New("http://127.0.0.1:8484")
//	run, err := c.StartRun(ctx, "acme", client.RunRequest{})
//	err = c.Follow(ctx, run.ID, func(p client.Progress) { fmt.Println(p.Phase, p.Done, p.Total) })
package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Client is a connection to one server. It is safe for use by several goroutines.
type Client struct {
	base string
	http *http.Client
}

// New returns a client of the server at a URL, such as http://127.0.0.1:8484 or https://example.com/windlass.
func New(server string) (*Client, error) {
	u, err := url.Parse(server)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
		return nil, &Error{Code: "usage", Detail: fmt.Sprintf("%q is no http or https URL", server), Remedy: "write it like http://127.0.0.1:8484"}
	}
	u.RawQuery, u.Fragment = "", ""
	return Over(strings.TrimRight(u.String(), "/"), http.DefaultTransport), nil
}

// Socket returns a client of the server that listens on a unix socket.
func Socket(path string) *Client {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", path)
	}
	return Over("http://localhost", &http.Transport{DialContext: dial, MaxIdleConns: 4, IdleConnTimeout: 30 * time.Second})
}

// InProcess returns a client that calls a handler directly, without a network.
func InProcess(h http.Handler) *Client { return Over("http://localhost", Handler(h)) }

// Over returns a client that sends its requests through any transport. The base has no trailing slash.
func Over(base string, transport http.RoundTripper) *Client {
	return &Client{base: base, http: &http.Client{
		Transport: transport,
		CheckRedirect: func(*http.Request, []*http.Request) error {
			return errors.New("the server redirects, which the API never does; check the URL")
		},
	}}
}

// Close releases idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// path builds an API path from escaped segments.
func path(segments ...string) string {
	var b strings.Builder
	b.WriteString("/api/v1")
	for _, s := range segments {
		b.WriteByte('/')
		b.WriteString(url.PathEscape(s))
	}
	return b.String()
}

// call sends one request and decodes the answer into out, which may be nil.
func (c *Client) call(ctx context.Context, method, path string, query url.Values, in, out any) error {
	res, err := c.send(ctx, method, path, query, in, nil)
	if err != nil {
		return err
	}
	defer drain(res.Body)
	if out == nil || res.StatusCode == http.StatusNoContent {
		return nil
	}
	if err := json.NewDecoder(res.Body).Decode(out); err != nil {
		return c.garbled(res, err)
	}
	return nil
}

// send returns the answer of a request that succeeded; everything else becomes an *Error.
func (c *Client) send(ctx context.Context, method, path string, query url.Values, in any, header http.Header) (*http.Response, error) {
	var body io.Reader
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return nil, fmt.Errorf("encode the request: %w", err)
		}
		body = bytes.NewReader(b)
	}
	if len(query) > 0 {
		path += "?" + query.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, body)
	if err != nil {
		return nil, fmt.Errorf("build the request: %w", err)
	}
	maps.Copy(req.Header, header)
	if in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	res, err := c.http.Do(req)
	if err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, &Error{
			Code: "unavailable", Title: "No answer", Detail: "the server at " + c.base + " does not answer", Err: err,
			Remedy: "check that windlass serve is running and the address is right",
		}
	}
	if res.StatusCode < 300 {
		return res, nil
	}
	defer drain(res.Body)
	return nil, problemOf(res)
}

func (c *Client) garbled(res *http.Response, err error) error {
	return &Error{
		Code: "unavailable", Status: res.StatusCode, Title: "Unreadable answer",
		Detail: "the answer of " + c.base + " is not the JSON that was expected", Err: err,
		Remedy: "check that the address is that of Windlass, and that both have the same version",
	}
}

// drain lets the connection be used again, unless the rest of the body is long.
func drain(body io.ReadCloser) {
	_, _ = io.CopyN(io.Discard, body, 64<<10)
	_ = body.Close()
}
