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
	bare      bool   // the answer is one array instead of pages, as in the API 1.0
	first     bool   // only the first page is read
	convert   func(values []bitbucket.JSON, out *bitbucket.Page)
}

// list yields the pages of a listing in order.
func (c *Client) list(ctx context.Context, l listing, yield func(bitbucket.Page) error) error {
	if err := c.beforehand(ctx, l); err != nil {
		return err
	}
	return c.core.List(ctx, c.collection(l), yield)
}

// listFor is list for what takes a right of the table.
func (c *Client) listFor(ctx context.Context, right bitbucket.Right, l listing, yield func(bitbucket.Page) error) error {
	if err := c.beforehand(ctx, l); err != nil {
		return err
	}
	return c.core.ListFor(ctx, right, c.collection(l), yield)
}

// beforehand asks the principals of which is not known yet whether they see the workspace.
func (c *Client) beforehand(ctx context.Context, l listing) error {
	if l.workspace == "" || l.only != "" {
		return nil
	}
	return c.late(ctx, l.workspace)
}

// collection describes a listing to the core.
func (c *Client) collection(l listing) bitbucket.Listing {
	path := l.path
	if l.pagelen > 0 {
		sep := "?"
		if strings.Contains(path, "?") {
			sep = "&"
		}
		path += sep + "pagelen=" + strconv.Itoa(l.pagelen)
	}
	return bitbucket.Listing{
		What: l.what, First: bitbucket.Step{Path: path}, Attempts: l.attempts,
		May: func(principal string) bool { return c.mayList(l, principal) },
		Read: func(_ bitbucket.Step, resp *bitbucket.Response) (bitbucket.Envelope, error) {
			return c.readPage(l, resp.Body)
		},
		Identity: identity,
		Convert:  l.convert,
	}
}

// readPage takes a page apart. Its link to the next page must lead to where the connection is.
func (c *Client) readPage(l listing, body bitbucket.JSON) (bitbucket.Envelope, error) {
	if l.bare {
		env := bitbucket.Envelope{Values: []bitbucket.JSON{}}
		if body.Elements(func(v bitbucket.JSON) { env.Values = append(env.Values, v) }) {
			return env, nil
		}
		return bitbucket.Envelope{}, fault.New(fault.Unavailable, "the answer for %s is no list", l.what).
			With("check --api-url: something other than Bitbucket Cloud may answer there")
	}
	wire, ok := readPage(body)
	if !ok {
		return bitbucket.Envelope{}, fault.New(fault.Unavailable, "the answer for %s is no page: it has no list of values", l.what).
			With("check --api-url: something other than Bitbucket Cloud may answer there")
	}
	env := bitbucket.Envelope{Values: wire.values}
	if wire.next.Missing() || wire.next.Null() || l.first {
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
	for _, path := range [][]string{{"uuid"}, {"user", "uuid"}, {"workspace", "uuid"}, {"id"}, {"group", "slug"}, {"slug"}, {"name"}} {
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
