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
	"sync/atomic"
	"time"

	"github.com/windlass-hq/windlass/internal/fault"
	"github.com/windlass-hq/windlass/internal/store"
)

// The limits of HARD-PARTS B, "refuse cheaply, store before answering".
const (
	maxBody    = 10 << 20
	readWithin = 5 * time.Second
	// commitWithin is how long a delivery waits for its commit, and lookWithin for its hook: 2 s together. Data Center
	// never sends it again, so a clear refusal and a new listing are better than an answer that comes too late (FACTS 151).
	commitWithin = 1500 * time.Millisecond
	lookWithin   = 500 * time.Millisecond
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
	hooks   *hooks
	refused refusals
	commits *committer
	held    atomic.Int64 // bytes of bodies that are being read or wait to be stored
}

// New returns a Receiver.
func New(o Options) *Receiver {
	r := &Receiver{Options: o, hooks: newHooks(o.Hook, o.Now), refused: refusals{count: map[string]int64{}}}
	r.commits = newCommitter(o)
	return r
}

// Close waits until what was taken in is stored. The server must have stopped before.
func (r *Receiver) Close() { r.commits.close() }

// refusal is the answer to a request that is not taken. Lost says that it may have been good, so that its connection
// has to be listed again.
type refusal struct {
	status int
	why    string
	lost   bool
	after  string // seconds until the sender may try again; empty where that would not help
}

// ServeHTTP answers one delivery: 200 once it is stored, 4xx where it is refused, 503 where it cannot be stored in time.
// The last segment of the path is the id of the hook.
func (r *Receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	// It also bounds how long the server reads what a refused request still sends.
	deadline := http.NewResponseController(w)
	_ = deadline.SetReadDeadline(time.Now().Add(readWithin)) // not every server can
	id := req.URL.Path[strings.LastIndex(req.URL.Path, "/")+1:]
	answer, no := r.take(w, req, id, deadline)
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	if no == nil {
		_, _ = io.WriteString(w, answer+"\n") // the sender may have gone
		return
	}
	r.refused.add(r.Now(), req, id, no.status, no.why)
	if no.status == http.StatusMethodNotAllowed {
		w.Header().Set("Allow", http.MethodPost)
	}
	if no.after != "" {
		w.Header().Set("Retry-After", no.after)
	}
	w.WriteHeader(no.status)
	_, _ = io.WriteString(w, no.why+"\n")
}

// take verifies and stores one delivery and returns what to answer.
func (r *Receiver) take(w http.ResponseWriter, req *http.Request, id string, deadline *http.ResponseController) (answer string, no *refusal) {
	if req.Method != http.MethodPost {
		return "", &refusal{status: http.StatusMethodNotAllowed, why: "deliveries are sent by POST"}
	}
	hook, no := r.hook(req.Context(), id)
	if no != nil {
		return "", no
	}
	defer func() {
		if no != nil && no.lost {
			r.commits.lose(hook.Connection)
		}
	}()
	if !r.hooks.allow(hook.ID) {
		return "", &refusal{status: http.StatusTooManyRequests, why: "too many deliveries of this hook", lost: true, after: "1"}
	}
	body, held, no := r.read(w, req)
	defer r.held.Add(-held)
	if no != nil {
		return "", no
	}
	_ = deadline.SetReadDeadline(time.Time{}) // else it would cut off the wait for the commit
	event := req.Header.Get("X-Event-Key")
	verdict, no := r.verdict(req, &hook, body)
	switch {
	case event == pingKey && (no == nil || len(req.Header.Values(signatureHeader)) == 0):
		// Data Center's test is answered even unsigned, and changes nothing (FACTS 150).
		if no == nil && verdict != Unsigned {
			r.verified(hook)
		}
		return "the connection works", nil
	case no != nil:
		return "", no
	case !plausible(event):
		return "", &refusal{status: http.StatusBadRequest, why: "the header X-Event-Key is missing or is none"}
	}
	if verdict != Unsigned {
		r.verified(hook)
	}
	d := &store.Delivery{
		Hook: hook.ID, Connection: hook.Connection, RequestID: requestID(req.Header), Event: event, ReceivedAt: r.Now(),
		Request: store.Request{Method: req.Method, Path: req.URL.Path, Headers: kept(req.Header)}, // a query may hold a secret of a proxy's
		Body:    body, Verdict: verdict,
	}
	// Whether the sender still waits makes no difference: it sent the delivery, and we want to know what became of it.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(req.Context()), commitWithin)
	defer cancel()
	if err := r.commits.put(ctx, d); err != nil {
		r.Log.ErrorContext(ctx, "a delivery cannot be stored; its connection will be listed again", "hook", hook.PlaceName, "reason", err.Error())
		return "", &refusal{status: http.StatusServiceUnavailable, why: "it cannot be stored now", lost: true, after: "10"}
	}
	return string(d.State), nil
}

// hook returns the hook that a request is for.
func (r *Receiver) hook(ctx context.Context, id string) (store.Hook, *refusal) {
	unknown := &refusal{status: http.StatusNotFound, why: "there is no such hook"}
	if !isHookID(id) {
		return store.Hook{}, unknown
	}
	ctx, cancel := context.WithTimeout(ctx, lookWithin)
	defer cancel()
	hook, err := r.hooks.get(ctx, id)
	switch {
	case fault.Is(err, fault.NotFound):
		return store.Hook{}, unknown
	case err != nil:
		r.Log.ErrorContext(ctx, "a hook cannot be read; if there is one, its connection will be listed again", "reason", err.Error())
		r.commits.loseOf(id)
		return store.Hook{}, &refusal{status: http.StatusServiceUnavailable, why: "it cannot be looked up now", after: "10"}
	}
	return hook, nil
}

// verdict says how a delivery is believed. A signature that does not fit is tried once more with the hook as it is now,
// since its secret may have been replaced a moment ago.
func (r *Receiver) verdict(req *http.Request, hook *store.Hook, body []byte) (string, *refusal) {
	verdict, ok := judge(*hook, req.Header, body, r.Now())
	if !ok && verdict == unfit {
		ctx, cancel := context.WithTimeout(req.Context(), lookWithin)
		defer cancel()
		fresh, err := r.hooks.fresh(ctx, hook.ID)
		if err != nil {
			return "", &refusal{status: http.StatusServiceUnavailable, why: "it cannot be verified now", lost: true, after: "10"}
		}
		*hook = fresh
		verdict, ok = judge(*hook, req.Header, body, r.Now())
	}
	if !ok {
		return "", &refusal{status: http.StatusUnauthorized, why: verdict}
	}
	return verdict, nil
}

// pingKey is what Data Center sends when a person tests a hook.
const pingKey = "diagnostics:ping"

func (r *Receiver) verified(h store.Hook) {
	if r.hooks.verified(h.ID, r.Now()) {
		r.commits.verify(h.ID, r.Now())
	}
}

// read reads the body within the limits. held is what of it counts as in memory until the answer.
func (r *Receiver) read(w http.ResponseWriter, req *http.Request) (body []byte, held int64, no *refusal) {
	tooLarge := &refusal{status: http.StatusRequestEntityTooLarge, why: "the body is larger than 10 MiB"}
	if req.ContentLength > maxBody {
		return nil, 0, tooLarge
	}
	from := &weighed{of: http.MaxBytesReader(w, req.Body, maxBody), all: &r.held}
	body, err := io.ReadAll(from)
	_, large := errors.AsType[*http.MaxBytesError](err)
	switch {
	case large:
		no = tooLarge
	case errors.Is(err, errFull):
		no = &refusal{status: http.StatusServiceUnavailable, why: "too much waits to be stored", lost: true, after: "10"}
	case err != nil:
		no = &refusal{status: http.StatusRequestTimeout, why: "the body did not come whole in time"}
	}
	return body, from.read, no
}

// maxHeld bounds the bodies in memory together: what is sent faster than it is stored must not take all of it.
const maxHeld = 128 << 20

var errFull = errors.New("too much is in memory")

// weighed counts what is read as it is read, so that what was only announced costs nothing.
type weighed struct {
	of   io.Reader
	all  *atomic.Int64
	read int64
}

func (w *weighed) Read(p []byte) (int, error) {
	n, err := w.of.Read(p)
	w.read += int64(n)
	if w.all.Add(int64(n)) > maxHeld {
		return n, errFull
	}
	return n, err
}

// The ways in which a delivery is believed.
const (
	Signed       = "signed"
	SignedBefore = "signed with the former secret"
	Unsigned     = "unsigned"
)

const (
	signatureHeader = "X-Hub-Signature"
	unfit           = "the signature does not fit the body"
)

// judge checks the signature over the raw bytes (FACTS 93, 147). Without ok the verdict says why it is refused.
func judge(h store.Hook, header http.Header, body []byte, now time.Time) (verdict string, ok bool) {
	signatures := header.Values(signatureHeader)
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
	if h.Secret != "" && hmac.Equal(got, sign(h.Secret, body)) {
		return Signed, true
	}
	if h.Before != "" && h.BeforeUntil != nil && now.Before(*h.BeforeUntil) && hmac.Equal(got, sign(h.Before, body)) {
		return SignedBefore, true
	}
	return unfit, false
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

// isHookID reports whether a text has the form of an id that we give: what has not is neither looked up nor remembered.
func isHookID(id string) bool {
	if len(id) != 32 {
		return false
	}
	for i := range len(id) {
		if c := id[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

// plausible reports whether a text can be an event key. Headers are not signed, and a database that refuses their bytes
// would refuse the whole group.
func plausible(key string) bool {
	return key != "" && len(key) <= 100 && printable(key) == key
}

// requestID is how the provider numbered the request: Cloud and Data Center use different headers.
func requestID(h http.Header) string {
	id := h.Get("X-Request-UUID")
	if id == "" {
		id = h.Get("X-Request-Id")
	}
	if len(id) > 200 || printable(id) != id {
		return ""
	}
	return id
}

// printable returns a text without what is not printable ASCII.
func printable(text string) string {
	return strings.Map(func(c rune) rune {
		if c < ' ' || c > '~' {
			return -1
		}
		return c
	}, text)
}

// keptHeaders may be stored; what others carry, Authorization above all, is nobody's business.
func keptHeaders() []string {
	return []string{"X-Event-Key", "X-Request-Uuid", "X-Request-Id", "X-Hook-Uuid", "X-Attempt-Number", "User-Agent", "Content-Type"}
}

// keptLength is how much of a header is kept.
const keptLength = 200

func kept(h http.Header) map[string][]string {
	out := map[string][]string{}
	for _, name := range keptHeaders() {
		if v := h.Values(name); len(v) > 0 {
			first := printable(v[0])
			out[name] = []string{first[:min(len(first), keptLength)]}
		}
	}
	return out
}
