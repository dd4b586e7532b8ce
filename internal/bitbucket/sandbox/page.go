package sandbox

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// paging is how a collection is cut (FACTS 48 to 54).
type paging struct {
	byDefault, max int
	opaque         bool // page ids are not numbers, and there is no size
}

// window is the part of a collection that a request asks for.
type window struct {
	paging
	pagelen, page, offset int
}

func (c *call) window(p paging) (window, *failure) {
	win := window{paging: p, pagelen: p.byDefault, page: 1}
	if s := c.query.Get("pagelen"); c.query.Has("pagelen") {
		n, err := strconv.Atoi(s)
		if err != nil || n < 0 || n > p.max {
			return win, fail(http.StatusBadRequest, "Invalid pagelen", "")
		}
		if n > 0 {
			win.pagelen = n
		}
	}
	s := c.query.Get("page")
	if !c.query.Has("page") {
		return win, nil
	}
	if p.opaque {
		n, ok := decodePage(s)
		if !ok {
			return win, fail(http.StatusBadRequest, "Invalid page", "")
		}
		win.offset = n
		return win, nil
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 1 || n > 1<<30/win.pagelen {
		return win, fail(http.StatusBadRequest, "Invalid page", "")
	}
	win.page, win.offset = n, (n-1)*win.pagelen
	if n > 1 && c.fault != nil && c.fault.Kind == FaultShift {
		win.offset = max(0, win.offset+c.fault.shift())
	}
	return win, nil
}

// The page ids of commits look like hashes; a check digit keeps guessed ones out.
func encodePage(offset int) string {
	n := uint64(offset)*0x2545 + 0x51ed
	return strconv.FormatUint(n, 36) + string(rune('g'+n%20))
}

func decodePage(s string) (int, bool) {
	if len(s) < 2 {
		return 0, false
	}
	n, err := strconv.ParseUint(s[:len(s)-1], 36, 62)
	if err != nil || n < 0x51ed || (n-0x51ed)%0x2545 != 0 || rune(s[len(s)-1]) != rune('g'+n%20) {
		return 0, false
	}
	return int((n - 0x51ed) / 0x2545), true
}

// linkTo returns the URL of another page: what was called, with the page replaced (FACTS 2 and 49).
func (c *call) linkTo(page string) string {
	var b strings.Builder
	b.WriteString(origin(c.req))
	b.WriteString(c.req.URL.EscapedPath())
	sep := byte('?')
	for pair := range strings.SplitSeq(c.req.URL.RawQuery, "&") {
		if pair == "" || pair == "page" || strings.HasPrefix(pair, "page=") {
			continue
		}
		b.WriteByte(sep)
		b.WriteString(pair)
		sep = '&'
	}
	b.WriteByte(sep)
	b.WriteString("page=" + url.QueryEscape(page))
	return b.String()
}

// respond writes one page of items.
func respond[T any](c *call, p paging, items []T, render func(T)) *failure {
	win, f := c.window(p)
	if f != nil {
		return f
	}
	from := min(win.offset, len(items))
	to := min(from+win.pagelen, len(items))
	w := c.out
	w.root(func() {
		if w.list("values") {
			for _, it := range items[from:to] {
				w.item()
				render(it)
				w.endItem()
			}
			w.endList()
		}
		w.integer("pagelen", int64(win.pagelen))
		if !p.opaque {
			w.integer("size", int64(len(items)))
			w.integer("page", int64(win.page))
			if win.page > 1 {
				w.str("previous", c.linkTo(strconv.Itoa(win.page-1)))
			}
		}
		if to < len(items) {
			if p.opaque {
				w.str("next", c.linkTo(encodePage(to)))
			} else {
				w.str("next", c.linkTo(strconv.Itoa(win.page+1)))
			}
		}
	})
	return nil
}
