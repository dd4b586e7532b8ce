package sandbox

import (
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/windlass-hq/windlass/internal/fault"
)

// FaultKind is a way in which a real Bitbucket, or what stands before it, misbehaves.
type FaultKind string

// The kinds of faults.
const (
	FaultStatus   FaultKind = "status"       // Status (500, 502, 503 …) with a JSON error
	FaultReset    FaultKind = "reset"        // the connection is reset without an answer
	FaultCut      FaultKind = "cut"          // the connection breaks in the middle of the body
	FaultSlow     FaultKind = "slow"         // the answer comes after Delay
	FaultTruncate FaultKind = "truncate"     // a well-formed answer whose JSON ends in the middle
	FaultHTML     FaultKind = "html"         // a proxy's page, with Status 200 (default) or 503
	FaultText     FaultKind = "text"         // a plain-text error with Status 401 or 404
	FaultLimited  FaultKind = "429"          // the real 429 with RetryAfter
	FaultRepeat   FaultKind = "repeat"       // `next` points to the page itself
	FaultOdd      FaultKind = "odd"          // the first object of the answer is odd, see Variant
	FaultExpired  FaultKind = "expired"      // 401: the OAuth token expired in mid-run
	FaultShift    FaultKind = "shift"        // from the second page on everything has moved by Shift places
	FaultMissing  FaultKind = "missing-next" // a page in the middle claims to be the last
	FaultSorted   FaultKind = "sorted"       // 500 where several states are sorted in a repository with more pull requests than Over (FACTS 65)
)

// Fault makes requests misbehave that match it.
type Fault struct {
	Kind   FaultKind `json:"kind"`
	Method string    `json:"method"` // "" any
	Path   string    `json:"path"`   // prefix of the path without /cloud, such as /2.0/repositories/acme or /dc/rest/api/latest/repos; "" any
	Skip   int       `json:"skip"`   // so many matching requests pass first
	Count  int       `json:"count"`  // how many are hit; 0 means all until it is removed

	Status     int           `json:"status"`
	Delay      time.Duration `json:"delay"`       // of slow, in nanoseconds in JSON
	RetryAfter string        `json:"retry_after"` // of 429: "" absent, or the header's text
	Variant    string        `json:"variant"`     // of odd: null-author, wrong-types or no-id
	Over       int           `json:"over"`        // of sorted
	Shift      int           `json:"shift"`       // of shift: 1 when something before was deleted (the default), -1 when something was added
}

type activeFault struct {
	Fault
	id      int
	skipped int
	hit     int
}

type faultTable struct {
	mu   sync.Mutex
	list []*activeFault
	last int
}

func newFaultTable() *faultTable { return &faultTable{} }

// AddFault switches a fault on and returns its number.
func (s *Sandbox) AddFault(f Fault) (int, error) {
	if err := f.check(); err != nil {
		return 0, err
	}
	t := s.faults
	t.mu.Lock()
	defer t.mu.Unlock()
	t.last++
	t.list = append(t.list, &activeFault{Fault: f, id: t.last})
	return t.last, nil
}

// RemoveFault switches one fault off; it returns how many requests it has hit.
func (s *Sandbox) RemoveFault(id int) int {
	t := s.faults
	t.mu.Lock()
	defer t.mu.Unlock()
	hit := 0
	t.list = slices.DeleteFunc(t.list, func(a *activeFault) bool {
		if a.id == id {
			hit = a.hit
		}
		return a.id == id
	})
	return hit
}

// ClearFaults switches all faults off.
func (s *Sandbox) ClearFaults() {
	s.faults.mu.Lock()
	defer s.faults.mu.Unlock()
	s.faults.list = nil
}

func (f Fault) check() error {
	switch f.Kind {
	case FaultStatus, FaultReset, FaultCut, FaultSlow, FaultTruncate, FaultHTML, FaultText, FaultLimited, FaultRepeat, FaultExpired, FaultShift, FaultMissing, FaultSorted:
		return nil
	case FaultOdd:
		switch f.Variant {
		case "null-author", "wrong-types", "no-id":
			return nil
		}
		return fault.New(fault.Invalid, "unknown variant %q of an odd object", f.Variant).With("use null-author, wrong-types or no-id")
	}
	return fault.New(fault.Invalid, "unknown kind of fault %q", f.Kind).
		With("use status, reset, cut, slow, truncate, html, text, 429, repeat, odd, expired, shift, missing-next or sorted")
}

// take returns the fault that hits a request. A used-up one stays in the list without effect, so that RemoveFault
// can tell what it did.
func (t *faultTable) take(method, path string) *Fault {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, a := range t.list {
		if a.Method != "" && a.Method != method || !strings.HasPrefix(path, a.Path) || a.Count > 0 && a.hit >= a.Count {
			continue
		}
		if a.skipped < a.Skip {
			a.skipped++
			continue
		}
		a.hit++
		f := a.Fault
		return &f
	}
	return nil
}

func (f *Fault) limited() bool { return f.Kind == FaultLimited }

func (f *Fault) shift() int {
	if f.Shift == 0 {
		return 1
	}
	return f.Shift
}

func (f *Fault) status(byDefault int) int {
	if f.Status != 0 {
		return f.Status
	}
	return byDefault
}

// before does what happens instead of an answer; it returns false when the request goes on.
func (f *Fault) before(rw http.ResponseWriter, req *http.Request) bool {
	answer := func(status int, contentType, body string) bool {
		rw.Header().Set("Content-Type", contentType)
		rw.WriteHeader(status)
		_, _ = rw.Write([]byte(body))
		return true
	}
	switch f.Kind {
	case FaultStatus:
		status := f.status(http.StatusInternalServerError)
		return answer(status, "application/json", errorBody(req, status, "Something went wrong ("+strconv.Itoa(status)+")"))
	case FaultReset:
		breakConnection(rw)
		return true
	case FaultSlow:
		wait(req, f.Delay)
	case FaultHTML:
		return answer(f.status(http.StatusOK), "text/html; charset=utf-8",
			"<!DOCTYPE html>\n<html><head><title>Proxy</title></head><body><h1>Please sign in to the network</h1></body></html>\n")
	case FaultText:
		status := f.status(http.StatusNotFound)
		return answer(status, "text/plain; charset=utf-8", http.StatusText(status))
	case FaultLimited:
		if f.RetryAfter != "" {
			rw.Header().Set("Retry-After", f.RetryAfter)
		}
		text := "Rate limit for this resource has been exceeded"
		if ofDataCenter(req) {
			text = dcLimited
		}
		return answer(http.StatusTooManyRequests, "text/plain; charset=utf-8", text)
	case FaultExpired:
		return answer(http.StatusUnauthorized, "application/json", errorBody(req, http.StatusUnauthorized, "Access token expired."))
	}
	return false
}

func ofDataCenter(req *http.Request) bool { return strings.HasPrefix(req.URL.Path, "/dc/") }

// errorBody is an error in the form of the product that was called.
func errorBody(req *http.Request, status int, message string) string {
	switch {
	case !ofDataCenter(req):
		return fail(status, message, "").body
	case status == http.StatusUnauthorized:
		return dcBadLogin().body
	}
	return dcFail(status, message, "").body
}

// after spoils a good answer. It returns true when it wrote the answer itself.
func (f *Fault) after(rw http.ResponseWriter, c *call, body *[]byte) bool {
	switch f.Kind {
	case FaultTruncate:
		*body = (*body)[:len(*body)/2]
	case FaultCut:
		rw.Header().Set("Content-Length", strconv.Itoa(len(*body)))
		rw.WriteHeader(http.StatusOK)
		_, _ = rw.Write((*body)[:len(*body)/2])
		if fl, ok := rw.(http.Flusher); ok {
			fl.Flush()
		}
		panic(http.ErrAbortHandler) // the documented way to break off an answer
	case FaultRepeat, FaultMissing, FaultOdd:
		*body = f.rewrite(c, *body)
	}
	return false
}

// breakConnection closes the connection so that the caller sees a reset.
func breakConnection(rw http.ResponseWriter) {
	h, ok := rw.(http.Hijacker)
	if !ok {
		panic(http.ErrAbortHandler)
	}
	conn, _, err := h.Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0) // RST instead of FIN
	}
	_ = conn.Close()
}
