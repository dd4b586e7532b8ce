package datacenter

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/windlass-hq/windlass/internal/bitbucket"
	"github.com/windlass-hq/windlass/internal/fault"
)

// Invocation is one delivery of a webhook as the instance remembers it, without anything that was sent or answered.
type Invocation struct {
	Event   string
	Outcome string // SUCCESS, FAILURE (an answer that is none of success) or ERROR (no answer)
	Fault   string // why it was no success
	Status  int    // of the answer; 0 where there was none
	Start   time.Time
	Took    time.Duration
}

// HookStatistics returns what the instance tells about the deliveries of one webhook, of its own or of all others; an
// empty statistic where it has none.
func (c *Client) HookStatistics(ctx context.Context, p bitbucket.Place, id string) (bitbucket.HookStatistics, error) {
	body, err := c.hookAnswer(ctx, p, id, "/statistics")
	if err != nil || body.Missing() {
		return bitbucket.HookStatistics{}, err
	}
	s := readCounts(bitbucket.Inner(body, "counts"))
	s.LastSuccess = readInvocation(body.Get("lastSuccess")).end()
	for _, name := range []string{"lastFailure", "lastError"} {
		if last := readInvocation(body.Get(name)); last.end().After(s.LastFailure) {
			s.LastFailure, s.LastFault = last.end(), last.Fault
		}
	}
	return s, nil
}

// HookCounts returns how the deliveries of one webhook went, by event key.
func (c *Client) HookCounts(ctx context.Context, p bitbucket.Place, id string) (map[string]bitbucket.HookStatistics, error) {
	body, err := c.hookAnswer(ctx, p, id, "/statistics/summary")
	if err != nil {
		return nil, err
	}
	out := map[string]bitbucket.HookStatistics{}
	body.Each(func(key []byte, v bitbucket.JSON) {
		if v.IsObject() {
			out[string(key)] = readCounts(v)
		}
	})
	return out, nil
}

// LatestInvocation returns the last delivery of one webhook with an outcome, or with any where that is empty; false where
// there was none.
func (c *Client) LatestInvocation(ctx context.Context, p bitbucket.Place, id, outcome string) (Invocation, bool, error) {
	path := "/latest"
	if outcome != "" {
		path += "?" + url.Values{"outcome": {outcome}}.Encode()
	}
	body, err := c.hookAnswer(ctx, p, id, path)
	if err != nil || !body.IsObject() {
		return Invocation{}, false, err
	}
	return readInvocation(body), true, nil
}

// hookAnswer asks something about one webhook as everybody who may; the body is missing where there is nothing to tell.
func (c *Client) hookAnswer(ctx context.Context, p bitbucket.Place, id, path string) (bitbucket.JSON, error) {
	r := c.resource(p)
	if positive(id) == "" || r.path == "" {
		return nil, fault.New(fault.Internal, "%q of %s is no webhook", id, r.title)
	}
	var refusal error
	for _, principal := range c.core.Principals() {
		if !r.may(principal) {
			continue
		}
		resp, err := c.core.AskOne(ctx, principal, "/api/latest"+r.path+"/webhooks/"+id+path)
		switch {
		case err == nil:
			return resp.Body, nil
		case !bitbucket.Refused(err):
			return nil, err
		case refusal == nil || fault.Is(refusal, fault.NotFound):
			refusal = err
		}
	}
	return nil, firstErr(refusal, fault.New(fault.Denied, "no credential of the connection can read the webhooks of %s", r.title))
}

func readCounts(v bitbucket.JSON) (s bitbucket.HookStatistics) {
	count := func(name string) int {
		n, _ := bitbucket.Inner(v, name).Integer()
		return int(max(n, 0))
	}
	s.Successes, s.Failures, s.Errors = count("successes"), count("failures"), count("errors")
	return s
}

// faultLength is how much of a description of a fault is kept.
const faultLength = 200

// readInvocation reads one delivery. Its description comes from whoever answered, or from the network, and may repeat the
// address: secrets in it are masked.
func readInvocation(v bitbucket.JSON) (in Invocation) {
	in.Event, _ = v.Get("event").Text()
	moment := func(name string) time.Time {
		if at, ok := v.Get(name).Moment(); ok && at > 0 {
			return time.UnixMilli(at).UTC()
		}
		return time.Time{}
	}
	in.Start = moment("start")
	if end := moment("finish"); !end.IsZero() && !in.Start.IsZero() {
		in.Took = max(end.Sub(in.Start), 0)
	} else if ms, ok := v.Get("duration").Integer(); ok && ms > 0 {
		in.Took = time.Duration(ms) * time.Millisecond
	}
	result := v.Get("result")
	in.Outcome, _ = bitbucket.Inner(result, "outcome").Text()
	status, _ := bitbucket.Inner(result, "statusCode").Integer()
	text, _ := bitbucket.Inner(result, "description").Text()
	if status == 0 { // of an answer it is the description
		status, _ = bitbucket.JSON(text).Integer()
	}
	if status >= 100 && status < 600 {
		in.Status = int(status)
	}
	if in.Outcome != "SUCCESS" {
		in.Fault = in.describe(text)
	}
	return in
}

// describe says why a delivery was no success.
func (in Invocation) describe(text string) string {
	text = strings.Join(strings.Fields(bitbucket.MaskSecrets(bitbucket.MaskHookWords(text))), " ")
	if runes := []rune(text); len(runes) > faultLength {
		text = string(runes[:faultLength]) + "…"
	}
	if in.Status > 0 && (text == "" || text == strconv.Itoa(in.Status)) {
		return strings.TrimSpace("status " + strconv.Itoa(in.Status) + " " + http.StatusText(in.Status))
	}
	return text
}

func (in Invocation) end() time.Time {
	if in.Start.IsZero() {
		return time.Time{}
	}
	return in.Start.Add(in.Took)
}

// Circuit is the state of a webhook's circuit breaker as far as statistics tell (FACTS 151): the instance says nothing of
// it itself, and its settings can be changed.
type Circuit string

// The states of a circuit.
const (
	CircuitClosed  Circuit = "closed"  // the last delivery arrived, or there was none
	CircuitFailing Circuit = "failing" // the last one did not; how many in a row is not told
	CircuitOpen    Circuit = "open"    // so many failed and none arrived that deliveries are skipped for a time
)

// The breaker as it is when nobody has changed it (FACTS 151).
const (
	breakerFailures = 5
	breakerLongest  = 10 * time.Hour
)

// CircuitOf tells from statistics whether deliveries are skipped now. A webhook whose last failure is older than the
// longest time that is skipped is tried again with the next event.
func CircuitOf(s bitbucket.HookStatistics, now time.Time) Circuit {
	switch {
	case s.LastFailure.IsZero(), !s.LastFailure.After(s.LastSuccess):
		return CircuitClosed
	case now.Sub(s.LastFailure) > breakerLongest:
		return CircuitFailing
	case s.Successes == 0 && s.Failures+s.Errors >= breakerFailures:
		return CircuitOpen
	}
	return CircuitFailing
}
