package cloud

import (
	"context"
	"errors"
	"fmt"
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

// cursor is how far one principal has come in a listing. Each principal reads its own sequence of pages without a
// gap; where several take turns because their allowances run out, none continues another's.
type cursor struct {
	next  string          // link of the next page; empty before the first
	pages int             // read so far
	seen  map[string]bool // links that were asked
	marks map[string]bool // first and last identity of the pages that were read
	empty int             // pages without values in a row
	ahead chan fetched    // the page that is being prefetched, if any
}

type fetched struct {
	resp *bitbucket.Response
	err  error
}

// maxEmpty is how many pages without values may follow one another before a listing counts as endless.
const maxEmpty = 20

// list yields the pages of a listing in order, with one page being fetched ahead. It returns after everything was
// yielded, or with the error after what was read was yielded.
func (c *Client) list(ctx context.Context, l listing, yield func(bitbucket.Page) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	cursors := map[string]*cursor{}
	defer func() {
		cancel()
		for _, cur := range cursors {
			if cur.ahead != nil {
				<-cur.ahead // the request ends soon, since its context is gone
			}
		}
	}()
	refused := map[string]bool{}
	var refusal error
	current, yielded := "", false
	for {
		p, err := c.core.Choose(ctx, func(id string) bool { return !refused[id] && c.mayList(l, id) }, current)
		if err != nil {
			if refusal != nil && !fault.Is(err, fault.Limited) && !fault.Is(err, fault.Canceled) {
				return refusal
			}
			return err
		}
		cur := cursors[p]
		if cur == nil {
			cur = &cursor{seen: map[string]bool{}, marks: map[string]bool{}}
			cursors[p] = cur
		}
		current = p
		resp, err := c.nextPage(ctx, l, p, cur)
		switch {
		case errors.Is(err, bitbucket.ErrResting):
			continue
		case err != nil && refusable(err):
			// Another principal may see what this one does not, but then the listing is that one's from the start.
			refused[p] = true
			if refusal == nil || fault.Is(refusal, fault.NotFound) {
				refusal = err
			}
			continue
		case err != nil:
			return err
		}
		wire, ok := readPage(resp.Body)
		if !ok {
			return fault.New(fault.Unavailable, "the answer for %s is no page: it has no list of values", l.what).
				With("check --api-url: something other than Bitbucket Cloud may answer there")
		}
		cur.pages++
		next, broken := c.advance(l, cur, wire)
		c.prefetch(ctx, l, p, cur, next)
		out := bitbucket.Page{RequestedAt: resp.RequestedAt, Principal: p, Again: cur.pages == 1 && yielded}
		l.convert(wire.values, &out)
		yielded = true
		if err := yield(out); err != nil {
			return err
		}
		if broken != nil || next == "" {
			return broken
		}
	}
}

func refusable(err error) bool {
	return fault.Is(err, fault.Unauthorized) || fault.Is(err, fault.Denied) || fault.Is(err, fault.NotFound)
}

// nextPage returns the page that the cursor stands before.
func (c *Client) nextPage(ctx context.Context, l listing, p string, cur *cursor) (*bitbucket.Response, error) {
	if cur.ahead != nil {
		f := <-cur.ahead
		cur.ahead = nil
		if !errors.Is(f.err, bitbucket.ErrResting) {
			return f.resp, f.err
		}
		// The allowance ran out while prefetching and may be back by now.
	}
	return c.fetch(ctx, l, p, cur.next)
}

func (c *Client) fetch(ctx context.Context, l listing, p, next string) (*bitbucket.Response, error) {
	r := bitbucket.Request{Link: next, Principal: p, Attempts: l.attempts}
	if next == "" {
		r.Path = l.path
		if l.pagelen > 0 {
			sep := "?"
			if strings.Contains(r.Path, "?") {
				sep = "&"
			}
			r.Path += sep + "pagelen=" + strconv.Itoa(l.pagelen)
		}
	}
	return c.core.Do(ctx, r)
}

// prefetch starts to fetch the next page, if there is one, while the caller works on this one.
func (c *Client) prefetch(ctx context.Context, l listing, p string, cur *cursor, next string) {
	cur.next = next
	if next == "" {
		return
	}
	ahead := make(chan fetched, 1)
	cur.ahead = ahead
	go func() {
		resp, err := c.fetch(ctx, l, p, next)
		ahead <- fetched{resp, err}
	}()
}

// advance returns the link of the next page, or "" on the last. It refuses a listing that goes round in circles.
func (c *Client) advance(l listing, cur *cursor, wire page) (string, error) {
	endless := func(why string) error {
		return fault.New(fault.Unavailable, "the listing of %s does not end: page %d %s", l.what, cur.pages, why).
			With("a cache or proxy between here and Bitbucket may answer old pages; what was read so far is kept")
	}
	if n := len(wire.values); n > 0 {
		cur.empty = 0
		mark := identity(wire.values[0]) + " " + identity(wire.values[n-1]) + " " + strconv.Itoa(n)
		if cur.marks[mark] {
			return "", endless("holds the same as an earlier one")
		}
		cur.marks[mark] = true
	} else if cur.empty++; cur.empty > maxEmpty {
		return "", endless(fmt.Sprintf("is the %dth in a row without content", cur.empty))
	}
	if wire.next.Missing() || wire.next.Null() {
		return "", nil
	}
	next, ok := wire.next.Text()
	if !ok || next == "" {
		return "", fault.New(fault.Unavailable, "page %d of %s names a next page that is no link", cur.pages, l.what).
			With("try again; check whether a proxy rewrites answers")
	}
	link, err := c.core.API().Inside(next)
	if err != nil {
		return "", err
	}
	if cur.seen[link] {
		return "", endless("names an earlier one as its next")
	}
	cur.seen[link] = true
	return link, nil
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

// oddly records what was odd about a converted element.
func oddly(out *bitbucket.Page, what string, i int, key string, r *record, ok bool) {
	switch {
	case !ok:
		out.Odd = append(out.Odd, bitbucket.Odd{
			Key: fmt.Sprintf("%s, element %d", what, i+1), Problem: "its identity cannot be read", Lost: true,
		})
	case len(r.odd) > 0:
		var problem strings.Builder
		problem.WriteString(r.odd[0])
		for _, more := range r.odd[1:] {
			problem.WriteString("; " + more)
		}
		out.Odd = append(out.Odd, bitbucket.Odd{Key: key, Problem: problem.String()})
	}
}
