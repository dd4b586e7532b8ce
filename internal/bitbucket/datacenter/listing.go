package datacenter

import (
	"context"
	"fmt"
	"net/url"
	"strconv"

	"github.com/windlass-hq/windlass/internal/bitbucket"
	"github.com/windlass-hq/windlass/internal/fault"
)

const (
	// pageLimit is what is asked for. A server grants less where its administrator says so, silently, and the answer
	// tells (FACTS 122).
	pageLimit = 1000
	// smallLimit is asked for where a server fails on large pages.
	smallLimit = 100
	// maxEmpty is how many pages without values may follow one another: pages are filtered by what may be seen, but
	// their start moves forward, so that there is an end.
	maxEmpty = 1000
)

// listing describes one collection to be read from its first page to its last.
type listing struct {
	what     string     // for messages, such as "the repositories of ENG"
	path     string     // below /rest
	query    url.Values // without start and limit
	limit    int        // 0 means pageLimit
	attempts int
	bare     bool // it takes no start and limit, and may be an array without an envelope
	may      func(principal string) bool
	enough   func(values []bitbucket.JSON) bool // says that the pages behind this one are not wanted
	granted  *int                               // where to put what the server granted
	convert  func(values []bitbucket.JSON, out *bitbucket.Page)
}

// list yields the pages of a listing in order.
func (c *Client) list(ctx context.Context, l listing, yield func(bitbucket.Page) error) error {
	return c.core.List(ctx, c.listingOf(l), yield)
}

// listingOf describes a listing to the core.
func (c *Client) listingOf(l listing) bitbucket.Listing {
	if l.limit == 0 {
		l.limit = pageLimit
	}
	return bitbucket.Listing{
		What: l.what, First: l.step(0, l.limit), Attempts: l.attempts, MaxEmpty: maxEmpty, May: l.may,
		Read: func(at bitbucket.Step, resp *bitbucket.Response) (bitbucket.Envelope, error) {
			if err := c.loggedIn(l.what, resp); err != nil {
				return bitbucket.Envelope{}, err
			}
			return l.read(at, resp.Body)
		},
		Identity: identityOf, Convert: l.convert,
	}
}

// step returns the page that begins at a position.
func (l listing) step(start int64, limit int) bitbucket.Step {
	query := url.Values{"limit": {strconv.Itoa(limit)}}
	if l.bare && start == 0 {
		return bitbucket.Step{Path: l.path}
	}
	if start > 0 {
		query.Set("start", strconv.FormatInt(start, 10))
	}
	path := l.path + "?"
	if len(l.query) > 0 {
		path += l.query.Encode() + "&"
	}
	return bitbucket.Step{Path: path + query.Encode(), Start: start}
}

// read takes a page apart (FACTS 121). The next page begins where this one says, which need not be where it ends.
func (l listing) read(at bitbucket.Step, body bitbucket.JSON) (bitbucket.Envelope, error) {
	if l.bare && body.IsArray() {
		env := bitbucket.Envelope{Values: []bitbucket.JSON{}}
		body.Elements(func(v bitbucket.JSON) { env.Values = append(env.Values, v) })
		return env, nil
	}
	wire, ok := readPage(body)
	if !ok {
		return bitbucket.Envelope{}, fault.New(fault.Unavailable, "the answer for %s is no page: it has no list of values", l.what).
			With("check --url: something other than Bitbucket Data Center may answer there")
	}
	env := bitbucket.Envelope{Values: wire.values}
	limit := l.limit
	if n, ok := wire.limit.Integer(); ok && n > 0 && n < int64(limit) {
		limit = int(n)
	}
	if l.granted != nil {
		*l.granted = limit
	}
	if start, ok := wire.start.Integer(); ok && start != at.Start {
		return env, l.broken("begins at %d although %d was asked for", start, at.Start)
	}
	last, lastKnown := wire.isLast.Flag()
	none := wire.nextStart.Missing() || wire.nextStart.Null()
	switch {
	case last || none && !lastKnown, l.enough != nil && l.enough(wire.values):
		return env, nil
	case none:
		return env, l.broken("is not the last one and names no next one")
	}
	next, ok := wire.nextStart.Integer()
	if !ok {
		return env, l.broken("names a next one that is no number")
	}
	if next <= at.Start {
		return env, l.broken("begins at %d and names %d as the start of the next one, so that there is no end", at.Start, next)
	}
	step := l.step(next, limit)
	env.Next = &step
	return env, nil
}

func (l listing) broken(format string, args ...any) error {
	return fault.New(fault.Unavailable, "a page of %s %s", l.what, fmt.Sprintf(format, args...)).
		With("a cache or proxy between here and Bitbucket may answer old pages; what was read so far is kept")
}

// identityOf returns what tells one element of a page from another, as text.
func identityOf(v bitbucket.JSON) string {
	if id := v.Get("id"); !id.Missing() {
		return string(id)
	}
	return string(v[:min(len(v), 200)])
}

// anyOf lists as every principal that may, one after the other, and yields what none before it has shown: together
// they prove what is there, although none of them may see all of it (HARD-PARTS A, who proves absence). key returns
// what tells an object from others. With one principal it is an ordinary listing.
//
// It fails where one of them fails in the middle, since what only that one sees would be missing; where the allowance of
// one is spent the others are read before it fails. One that may not ask at all is left out, as long as another may.
func (c *Client) anyOf(ctx context.Context, l listing, seen func(principal string, p *bitbucket.Page), yield func(bitbucket.Page) error) error {
	principals := c.core.Principals()
	if len(principals) == 1 {
		return c.list(ctx, l, func(p bitbucket.Page) error {
			seen(principals[0], &p)
			return yield(p)
		})
	}
	var refusal, spent error
	read := 0
	for _, principal := range principals {
		if l.may != nil && !l.may(principal) {
			continue
		}
		part := l
		part.may = func(id string) bool { return id == principal }
		err := c.list(ctx, part, func(p bitbucket.Page) error {
			seen(principal, &p)
			return yield(p)
		})
		switch {
		case err == nil:
			read++
		case bitbucket.Refused(err):
			if refusal == nil || fault.Is(refusal, fault.NotFound) {
				refusal = err
			}
		case fault.Is(err, fault.Limited):
			spent = err
		default:
			return err
		}
	}
	switch {
	case spent != nil:
		return spent
	case read > 0:
		return nil
	case refusal == nil:
		return fault.New(fault.Denied, "no credential of the connection can read %s", l.what)
	}
	return refusal
}
