package cloud

import (
	"context"
	"net/http"
	"strconv"
	"strings"

	"github.com/windlass-hq/windlass/internal/bitbucket"
	"github.com/windlass-hq/windlass/internal/fault"
)

// listing describes one collection to be read from its first page to its last.
type listing struct {
	what      string // for messages, such as "the repositories of acme"
	path      string // of the first page, without pagelen
	pagelen   int
	workspace string // UUID; only principals that see it are asked
	whole     bool   // only principals that see all of the workspace may list it
	only      string // if set, the one principal to ask
	attempts  int    // per request; 0 means the default
	convert   func(values []bitbucket.JSON, out *bitbucket.Page)
}

// list yields the pages of a listing in order.
func (c *Client) list(ctx context.Context, l listing, yield func(bitbucket.Page) error) error {
	if l.workspace != "" && l.only == "" {
		if err := c.late(ctx, l.workspace); err != nil {
			return err
		}
	}
	path := l.path
	if l.pagelen > 0 {
		sep := "?"
		if strings.Contains(path, "?") {
			sep = "&"
		}
		path += sep + "pagelen=" + strconv.Itoa(l.pagelen)
	}
	return c.core.List(ctx, bitbucket.Listing{
		What: l.what, First: bitbucket.Step{Path: path}, Attempts: l.attempts,
		May: func(principal string) bool { return c.mayList(l, principal) },
		Read: func(_ bitbucket.Step, resp *bitbucket.Response) (bitbucket.Envelope, error) {
			return c.readPage(l, resp.Body)
		},
		Identity: identity,
		Convert:  l.convert,
	}, yield)
}

// readPage takes a page apart. Its link to the next page must lead to where the connection is.
func (c *Client) readPage(l listing, body bitbucket.JSON) (bitbucket.Envelope, error) {
	wire, ok := readPage(body)
	if !ok {
		return bitbucket.Envelope{}, fault.New(fault.Unavailable, "the answer for %s is no page: it has no list of values", l.what).
			With("check --api-url: something other than Bitbucket Cloud may answer there")
	}
	env := bitbucket.Envelope{Values: wire.values}
	if wire.next.Missing() || wire.next.Null() {
		return env, nil
	}
	next, ok := wire.next.Text()
	if !ok || next == "" {
		return env, fault.New(fault.Unavailable, "a page of %s names a next page that is no link", l.what).
			With("try again; check whether a proxy rewrites answers")
	}
	link, err := c.core.API().Inside(next)
	if err != nil {
		return env, err
	}
	env.Next = &bitbucket.Step{Link: link}
	return env, nil
}

// identity returns what tells one element of a page from another, as text.
func identity(v bitbucket.JSON) string {
	for _, path := range [][]string{{"uuid"}, {"user", "uuid"}, {"workspace", "uuid"}, {"id"}} {
		if id := v.Get(path...); !id.Missing() {
			return string(id)
		}
	}
	return string(v[:min(len(v), 200)])
}

// mayList reports whether a principal may be asked for a listing.
func (c *Client) mayList(l listing, principal string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if l.only != "" && l.only != principal {
		return false
	}
	if l.workspace == "" {
		return true
	}
	if sees := c.sees[l.workspace]; len(sees) > 0 && !sees[principal] {
		return false
	}
	return !l.whole || !c.narrow[l.workspace][principal]
}

// serverFailed reports whether an error is a failure of the server that a smaller question may avoid (FACTS 65).
func serverFailed(err error) bool { return bitbucket.StatusOf(err) >= http.StatusInternalServerError }
