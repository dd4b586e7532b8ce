package bitbucket

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/windlass-hq/windlass/internal/fault"
)

// Listing describes one collection to be read from its first page to its last.
type Listing struct {
	What     string // for messages, such as "the repositories of acme"
	First    Step
	Attempts int                               // per request; 0 means the default
	MaxEmpty int                               // pages without values in a row before the listing counts as endless; 0 means 20
	May      func(principal string) bool       // who may be asked; nil means everybody
	Refused  func(principal string, err error) // is told who was refused; nil tells nobody
	// Read takes a page apart. The step is the one that the page answers.
	Read     func(at Step, resp *Response) (Envelope, error)
	Identity func(JSON) string // what tells one element from another
	Convert  func(values []JSON, out *Page)
}

// Step names one page of a listing: as a link that an answer gave, or as a path of our own with the position it
// starts at.
type Step struct {
	Link, Path string
	Start      int64
}

// Envelope is a page of a collection as it came.
type Envelope struct {
	Values []JSON
	Next   *Step // nil on the last page
}

// cursor is how far one principal has come in a listing. Each principal reads its own sequence of pages without a
// gap; where several take turns because their allowances run out, none continues another's.
type cursor struct {
	at    Step
	pages int             // read so far
	seen  map[string]bool // pages that were asked
	marks map[string]bool // first and last identity of the pages that were read
	empty int             // pages without values in a row
	ahead chan fetched    // the page that is being prefetched, if any
}

type fetched struct {
	resp *Response
	err  error
}

const maxEmpty = 20

// List yields the pages of a listing in order, with one page being fetched ahead. It returns after everything was
// yielded, or with the error after what was read was yielded.
func (c *Client) List(ctx context.Context, l Listing, yield func(Page) error) error {
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
	group := c.group(Request{Link: l.First.Link, Path: l.First.Path})
	for {
		p, err := c.ChooseFor(ctx, group, func(id string) bool { return !refused[id] && (l.May == nil || l.May(id)) }, current)
		if err != nil {
			if refusal != nil && !fault.Is(err, fault.Limited) && !fault.Is(err, fault.Canceled) {
				return refusal
			}
			return err
		}
		cur := cursors[p]
		if cur == nil {
			cur = &cursor{at: l.First, seen: map[string]bool{}, marks: map[string]bool{}}
			cursors[p] = cur
		}
		current = p
		resp, err := c.nextPage(ctx, l, p, cur)
		switch {
		case errors.Is(err, ErrResting):
			continue
		case err != nil && Refused(err):
			// Another principal may see what this one does not, but then the listing is that one's from the start.
			refused[p] = true
			if l.Refused != nil {
				l.Refused(p, err)
			}
			if refusal == nil || fault.Is(refusal, fault.NotFound) {
				refusal = err
			}
			continue
		case err != nil:
			return err
		}
		env, broken := l.Read(cur.at, resp)
		if broken != nil && env.Values == nil {
			return broken
		}
		cur.pages++
		if broken == nil {
			broken = cur.advance(l, env)
		}
		if broken == nil && env.Next != nil {
			cur.at = *env.Next
			c.prefetch(ctx, l, p, cur)
		}
		out := Page{RequestedAt: resp.RequestedAt, ServedAt: resp.ServedAt(), Principal: p, Again: cur.pages == 1 && yielded}
		l.Convert(env.Values, &out)
		yielded = true
		if err := yield(out); err != nil {
			return err
		}
		if broken != nil || env.Next == nil {
			return broken
		}
	}
}

// ServedAt is the clock of whoever answered (RFC 9110, section 6.6.1); zero where the answer does not tell.
func (r *Response) ServedAt() time.Time {
	at, err := http.ParseTime(r.Header.Get("Date"))
	if err != nil {
		return time.Time{}
	}
	return at
}

// Refused reports whether an error says that a principal may not see something that another one may.
func Refused(err error) bool {
	return fault.Is(err, fault.Unauthorized) || fault.Is(err, fault.Denied) || fault.Is(err, fault.NotFound)
}

// nextPage returns the page that the cursor stands before.
func (c *Client) nextPage(ctx context.Context, l Listing, p string, cur *cursor) (*Response, error) {
	if cur.ahead != nil {
		f := <-cur.ahead
		cur.ahead = nil
		if !errors.Is(f.err, ErrResting) {
			return f.resp, f.err
		}
		// The allowance ran out while prefetching and may be back by now.
	}
	return c.fetch(ctx, l, p, cur.at)
}

func (c *Client) fetch(ctx context.Context, l Listing, p string, at Step) (*Response, error) {
	return c.Do(ctx, Request{Path: at.Path, Link: at.Link, Principal: p, Attempts: l.Attempts})
}

// prefetch starts to fetch the page that the cursor stands before, while the caller works on the one before it.
func (c *Client) prefetch(ctx context.Context, l Listing, p string, cur *cursor) {
	ahead, at := make(chan fetched, 1), cur.at
	cur.ahead = ahead
	go func() {
		resp, err := c.fetch(ctx, l, p, at)
		ahead <- fetched{resp, err}
	}()
}

// advance refuses a listing that goes round in circles.
func (cur *cursor) advance(l Listing, env Envelope) error {
	if n := len(env.Values); n > 0 {
		cur.empty = 0
		mark := l.Identity(env.Values[0]) + " " + l.Identity(env.Values[n-1]) + " " + strconv.Itoa(n)
		if cur.marks[mark] {
			return l.Endless(cur.pages, "holds the same as an earlier one")
		}
		cur.marks[mark] = true
	} else if cur.empty++; cur.empty > max(l.MaxEmpty, maxEmpty) {
		return l.Endless(cur.pages, fmt.Sprintf("is the %dth in a row without content", cur.empty))
	}
	if env.Next == nil {
		return nil
	}
	page := env.Next.Link + env.Next.Path
	if cur.seen[page] {
		return l.Endless(cur.pages, "names an earlier one as its next")
	}
	cur.seen[page] = true
	return nil
}

// Endless returns the error for a listing that would never end.
func (l Listing) Endless(page int, why string) error {
	return fault.New(fault.Unavailable, "the listing of %s does not end: page %d %s", l.What, page, why).
		With("a cache or proxy between here and Bitbucket may answer old pages; what was read so far is kept")
}

// AskOne asks as one principal, waiting for its allowance where that must be.
func (c *Client) AskOne(ctx context.Context, principal, path string) (*Response, error) {
	r := Request{Path: path, Principal: principal}
	r.Group = c.group(r)
	for {
		// The id may have become another one meanwhile (Identify).
		now := principal
		if p := c.pool.find(principal); p != nil {
			now = c.idOf(p)
		}
		only := func(id string) bool { return id == now }
		if _, err := c.ChooseFor(ctx, r.Group, only, principal); err != nil {
			return nil, err
		}
		resp, err := c.Do(ctx, r)
		if !errors.Is(err, ErrResting) {
			return resp, err
		}
	}
}
