package sandbox

import (
	"errors"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"time"
)

// The circuit breaker of Data Center (FACTS 151).
const (
	breakAfter   = 5 // failures in a row
	breakFirst   = 10 * time.Second
	breakLongest = 10 * time.Hour
)

// record is how the deliveries of one hook of Data Center went.
type record struct {
	mu      sync.Mutex
	serial  int32
	counts  map[string]*tally   // by event
	last    map[string]*outcome // by result
	newest  *outcome
	row     int           // failures since the last success
	until   time.Time     // none is sent before
	waiting time.Duration // how long the last pause was
}

// The results of a delivery: an answer of success, another answer, and none.
const (
	resultSuccess = "SUCCESS"
	resultFailure = "FAILURE"
	resultError   = "ERROR"
)

// tally counts results.
type tally struct{ success, failure, failed int }

func (t *tally) add(result string) {
	switch result {
	case resultSuccess:
		t.success++
	case resultFailure:
		t.failure++
	default:
		t.failed++
	}
}

// outcome is one delivery that was made.
type outcome struct {
	id                  int32
	event, url, scope   string
	result, description string
	start               time.Time
	took                time.Duration
}

func (c *courier) record(hook int32) *record {
	c.mu.Lock()
	defer c.mu.Unlock()
	r := c.records[hook]
	if r == nil {
		r = &record{counts: map[string]*tally{}, last: map[string]*outcome{}}
		c.records[hook] = r
	}
	return r
}

// lets says whether something may be sent now.
func (r *record) lets(now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return !now.Before(r.until)
}

// add writes a delivery down. Five that fail one after the other break the circuit for a time, and every further one for
// twice as long.
func (r *record) add(p *parcel, a answer) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.serial++
	o := &outcome{id: r.serial, event: p.event, url: p.url, scope: p.scope, result: resultError, start: a.start, took: a.took}
	switch {
	case a.good():
		o.result = resultSuccess
	case a.status != 0:
		o.result = resultFailure
	}
	o.description = a.describe()
	r.newest, r.last[o.result] = o, o
	if r.counts[p.event] == nil {
		r.counts[p.event] = &tally{}
	}
	r.counts[p.event].add(o.result)
	if a.good() {
		r.row, r.waiting = 0, 0
		return
	}
	if r.row++; r.row < breakAfter {
		return
	}
	if r.waiting *= 2; r.waiting == 0 {
		r.waiting = breakFirst
	}
	r.waiting = min(r.waiting, breakLongest)
	r.until = a.start.Add(a.took + r.waiting)
}

// describe says what came, without the address, in which something may be secret.
func (a answer) describe() string {
	var dns *net.DNSError
	var sent *url.Error
	switch {
	case a.status != 0:
		return strconv.Itoa(a.status)
	case a.timedOut:
		return "Read timed out"
	case errors.As(a.err, &dns):
		return dns.Name + ": Name or service not known"
	case errors.As(a.err, &sent):
		return sent.Err.Error()
	}
	return "the request could not be made"
}

// dcRecord finds the hook of the path, which must exist, and what is known of its deliveries.
func (c *call) dcRecord() (*record, *failure) {
	list, at, f := c.hookAt(c.args[len(c.args)-1])
	if f != nil {
		return nil, f
	}
	return c.s.courier.record((*list)[at].id), nil
}

// dcWebhookStatistics answers counts of all events, or of one, and the last delivery of each result.
func (c *call) dcWebhookStatistics() *failure {
	r, f := c.dcRecord()
	if f != nil {
		return f
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	var sum tally
	event := c.query.Get("event")
	for name, t := range r.counts {
		if event == "" || event == name {
			sum.success, sum.failure, sum.failed = sum.success+t.success, sum.failure+t.failure, sum.failed+t.failed
		}
	}
	w := c.out
	w.text(`{"counts":`)
	w.tally(&sum)
	for _, k := range []struct{ key, result string }{{"lastError", resultError}, {"lastFailure", resultFailure}, {"lastSuccess", resultSuccess}} {
		if o := r.last[k.result]; o != nil && (event == "" || event == o.event) {
			w.text(`,"`, k.key, `":`)
			w.outcome(o)
		}
	}
	w.text("}")
	return nil
}

// dcWebhookSummary answers counts by event.
func (c *call) dcWebhookSummary() *failure {
	r, f := c.dcRecord()
	if f != nil {
		return f
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.counts) == 0 {
		c.status = http.StatusNoContent
		return nil
	}
	w := c.out
	w.text("{")
	for name, t := range r.counts {
		w.comma()
		w.buf = appendString(w.buf, name)
		w.text(":")
		w.tally(t)
	}
	w.text("}")
	return nil
}

// dcWebhookLatest answers the last delivery, of an event and of a result where they are given.
func (c *call) dcWebhookLatest() *failure {
	r, f := c.dcRecord()
	if f != nil {
		return f
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	o := r.newest
	if result := c.query.Get("outcome"); result != "" {
		o = r.last[result]
	}
	if event := c.query.Get("event"); o == nil || event != "" && event != o.event {
		c.status = http.StatusNoContent
		return nil
	}
	c.out.outcome(o)
	return nil
}

func (w *writer) tally(t *tally) {
	w.text(`{`)
	w.integer("errors", int64(t.failed))
	w.integer("failures", int64(t.failure))
	w.integer("successes", int64(t.success))
	w.text(`}`)
}

func (w *writer) outcome(o *outcome) {
	w.text(`{`)
	w.integer("id", int64(o.id))
	w.str("event", o.event)
	w.integer("duration", o.took.Milliseconds())
	w.integer("start", o.start.UnixMilli())
	w.integer("finish", o.start.Add(o.took).UnixMilli())
	w.text(`,"eventScope":{`)
	kind := "repository"
	if o.event == "project:modified" {
		kind = "project"
	}
	w.str("id", o.scope)
	w.parts("type", kind)
	w.text(`},"request":{"method":"POST"`)
	w.str("url", o.url)
	w.text(`},"result":{`)
	w.str("description", o.description)
	w.parts("outcome", o.result)
	w.text(`}}`)
}
