// Package intake takes webhook deliveries in: verify, store, answer, and later apply.
//
// A delivery is answered once it is stored (receiver.go, commit.go), and applied after that, in order, by whoever holds
// the lease of its connection (drain.go). So nothing that was acknowledged is lost, whatever dies in between, and
// Bitbucket never waits for the graph.
package intake

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/windlass-hq/windlass/internal/fault"
	"github.com/windlass-hq/windlass/internal/store"
)

// The limits of HARD-PARTS B, "refuse cheaply, store before answering".
const (
	maxBody    = 10 << 20
	readWithin = 5 * time.Second
	// commitWithin is how long a delivery waits for its commit. Data Center never sends it again, so a clear refusal and a
	// new listing are better than an answer that comes too late (FACTS 151).
	commitWithin = 2 * time.Second
	// believedFor is how long a hook is taken as it was read.
	believedFor = 2 * time.Second
)

// Options are what a Receiver needs; all fields are required.
type Options struct {
	// Put stores deliveries durably and sets their ids and states.
	Put func(ctx context.Context, deliveries []*store.Delivery) error
	// Hook returns a hook by its id; fault.NotFound where there is none.
	Hook func(ctx context.Context, id string) (store.Hook, error)
	// Stored is told that deliveries of a connection wait to be applied.
	Stored func(connection int64)
	// Verified is told when a hook brought a signed delivery, at most once a minute for each hook.
	Verified func(ctx context.Context, hook string, at time.Time) error
	// Lost is told that deliveries of a connection were refused although they may have been good: it has to be listed
	// again. It is called until it returns nil.
	Lost func(ctx context.Context, connection int64) error
	Now  func() time.Time
	Log  *slog.Logger
}

// Receiver answers the requests of webhooks. Close ends its background work.
type Receiver struct {
	Options
	hooks   hooks
	refused refusals
	commits *committer
}

// New returns a Receiver.
func New(o Options) *Receiver {
	r := &Receiver{Options: o, hooks: newHooks(o.Hook, o.Now), refused: refusals{count: map[string]int64{}}}
	r.commits = newCommitter(o)
	return r
}

// Close waits until what was taken in is stored. The server must have stopped before.
func (r *Receiver) Close() { r.commits.close() }

// ServeHTTP answers one delivery: 200 once it is stored, 4xx where it is refused, 503 where it cannot be stored in time.
// The last segment of the path is the id of the hook.
func (r *Receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	id := req.URL.Path[strings.LastIndex(req.URL.Path, "/")+1:]
	reply := func(status int, why string) {
		if status >= http.StatusBadRequest {
			r.refused.add(r.Now(), req, id, status, why)
		}
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.Header().Set("Cache-Control", "no-store")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, why+"\n") // the sender may have gone
	}
	if req.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		reply(http.StatusMethodNotAllowed, "deliveries are sent by POST")
		return
	}
	hook, err := r.hooks.get(req.Context(), id)
	switch {
	case fault.Is(err, fault.NotFound):
		reply(http.StatusNotFound, "there is no such hook")
		return
	case err != nil:
		r.Log.ErrorContext(req.Context(), "a hook cannot be read", "reason", err.Error())
		reply(http.StatusServiceUnavailable, "try again later")
		return
	}
	if !r.hooks.allow(hook.ID, r.Now()) {
		w.Header().Set("Retry-After", "1")
		reply(http.StatusTooManyRequests, "too many deliveries of this hook")
		r.commits.lose(hook.Connection)
		return
	}
	body, status, why := read(w, req)
	if status != 0 {
		reply(status, why)
		return
	}
	event := req.Header.Get("X-Event-Key")
	verdict, ok := judge(hook, req.Header, body, r.Now())
	switch {
	case event == pingKey: // of Data Center: answered even unsigned, and changes nothing (FACTS 150)
		if verdict == Signed || verdict == SignedBefore {
			r.verified(hook)
		}
		reply(http.StatusOK, "the connection works")
		return
	case !ok:
		reply(http.StatusUnauthorized, verdict)
		return
	case event == "":
		reply(http.StatusBadRequest, "the header X-Event-Key is missing")
		return
	}
	if verdict != Unsigned {
		r.verified(hook)
	}
	d := &store.Delivery{
		Hook: hook.ID, Connection: hook.Connection, RequestID: requestID(req.Header), Event: event, ReceivedAt: r.Now(),
		Request: store.Request{Method: req.Method, Path: req.URL.Path, Query: req.URL.RawQuery, Headers: kept(req.Header)},
		Body:    body, Verdict: verdict,
	}
	ctx, cancel := context.WithTimeout(req.Context(), commitWithin)
	defer cancel()
	if err := r.commits.put(ctx, d); err != nil {
		r.Log.ErrorContext(ctx, "a delivery cannot be stored; its connection will be listed again", "hook", hook.ID, "reason", err.Error())
		w.Header().Set("Retry-After", "10")
		reply(http.StatusServiceUnavailable, "it cannot be stored now")
		return
	}
	reply(http.StatusOK, string(d.State))
}

// pingKey is what Data Center sends when a person tests a hook.
const pingKey = "diagnostics:ping"

func (r *Receiver) verified(h store.Hook) {
	if r.hooks.verified(h.ID, r.Now()) {
		r.commits.verify(h.ID, r.Now())
	}
}

// read reads the body within the limits. A status other than zero refuses it.
func read(w http.ResponseWriter, req *http.Request) (body []byte, status int, why string) {
	if req.ContentLength > maxBody {
		return nil, http.StatusRequestEntityTooLarge, "the body is larger than 10 MiB"
	}
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(readWithin)) // not every server can
	body, err := io.ReadAll(http.MaxBytesReader(w, req.Body, maxBody))
	if _, large := errors.AsType[*http.MaxBytesError](err); large {
		return nil, http.StatusRequestEntityTooLarge, "the body is larger than 10 MiB"
	}
	if err != nil {
		return nil, http.StatusRequestTimeout, "the body did not come whole in time"
	}
	return body, 0, ""
}

// The ways in which a delivery is believed.
const (
	Signed       = "signed"
	SignedBefore = "signed with the former secret"
	Unsigned     = "unsigned"
)

// judge checks the signature over the raw bytes (FACTS 93, 147). Without ok the verdict says why it is refused.
func judge(h store.Hook, header http.Header, body []byte, now time.Time) (verdict string, ok bool) {
	signatures := header.Values("X-Hub-Signature")
	switch {
	case len(signatures) == 0 && !h.Signed:
		return Unsigned, true
	case len(signatures) == 0:
		return "the header X-Hub-Signature is missing", false
	case len(signatures) > 1:
		return "there is more than one signature", false
	}
	got, ok := parseSignature(signatures[0])
	if !ok {
		return "the header X-Hub-Signature is not sha256= and 64 hexadecimal digits", false
	}
	if hmac.Equal(got, sign(h.Secret, body)) {
		return Signed, true
	}
	if h.Before != "" && h.BeforeUntil != nil && now.Before(*h.BeforeUntil) && hmac.Equal(got, sign(h.Before, body)) {
		return SignedBefore, true
	}
	return "the signature does not fit the body", false
}

func parseSignature(text string) ([]byte, bool) {
	digits, ok := strings.CutPrefix(strings.TrimSpace(text), "sha256=")
	if !ok || len(digits) != 2*sha256.Size {
		return nil, false
	}
	sum, err := hex.DecodeString(digits)
	return sum, err == nil
}

func sign(secret string, body []byte) []byte {
	m := hmac.New(sha256.New, []byte(secret))
	m.Write(body)
	return m.Sum(nil)
}

// requestID is how the provider numbered the request: Cloud and Data Center use different headers.
func requestID(h http.Header) string {
	id := h.Get("X-Request-UUID")
	if id == "" {
		id = h.Get("X-Request-Id")
	}
	if len(id) > 200 {
		return ""
	}
	return id
}

// keptHeaders may be stored; what others carry, Authorization above all, is nobody's business.
func keptHeaders() []string {
	return []string{"X-Event-Key", "X-Request-Uuid", "X-Request-Id", "X-Hook-Uuid", "X-Attempt-Number", "User-Agent", "Content-Type"}
}

func kept(h http.Header) map[string][]string {
	out := map[string][]string{}
	for _, name := range keptHeaders() {
		if v := h.Values(name); len(v) > 0 {
			out[name] = v
		}
	}
	return out
}
