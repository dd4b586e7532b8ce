package sandbox

import (
	"net/http"
	"strconv"
)

// The sizes of pages that are granted at most; more is silently lowered (FACTS 122). That of pull requests is
// Limits.DCPage.
const (
	dcManyItems  = 1000
	dcActivities = 500
)

// dcWindow reads start and limit.
func (c *call) dcWindow(most int) (start, limit int, f *failure) {
	limit = 25
	for _, p := range []struct {
		name  string
		into  *int
		least int
	}{{"start", &start, 0}, {"limit", &limit, 1}} {
		if !c.query.Has(p.name) {
			continue
		}
		n, err := strconv.Atoi(c.query.Get(p.name))
		if err != nil || n < p.least {
			return 0, 0, dcFailAbout(http.StatusBadRequest, p.name, "The value of "+p.name+" is not valid.", dcBadArgument)
		}
		*p.into = n
	}
	if start > 0 && c.fault != nil && c.fault.Kind == FaultShift {
		start = max(0, start+c.fault.shift())
	}
	return start, min(limit, most), nil
}

// dcRespond writes one page of items (FACTS 121). `start` counts all items, also those that show leaves out, so the
// next page need not begin at start + size. Nil shows everything.
func dcRespond[T any](c *call, most int, items []T, show func(T) bool, render func(T)) *failure {
	start, limit, f := c.dcWindow(most)
	if f != nil {
		return f
	}
	at := min(start, len(items))
	next, last, shown := 0, true, make([]T, 0, min(limit, len(items)-at))
	for ; at < len(items); at++ {
		if show != nil && !show(items[at]) {
			continue
		}
		if len(shown) == limit {
			last = false
			break
		}
		shown = append(shown, items[at])
		next = at + 1
	}
	w := c.out
	w.root(func() {
		w.integer("size", int64(len(shown)))
		w.integer("limit", int64(limit))
		w.boolean("isLastPage", last)
		if w.list("values") {
			for _, it := range shown {
				w.comma()
				render(it)
			}
			w.endList()
		}
		w.integer("start", int64(start))
		switch {
		case !last:
			w.integer("nextPageStart", int64(next))
		case c.dc.version.writesNullNext():
			w.null("nextPageStart")
		}
	})
	return nil
}
