package intake_test

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/windlass-hq/windlass/internal/fault"
	"github.com/windlass-hq/windlass/internal/intake"
	"github.com/windlass-hq/windlass/internal/store"
)

const (
	hookID = "00112233445566778899aabbccddeeff"
	secret = "correct horse battery staple"
	former = "the one before"
	push   = "repo:push"
)

// door is a receiver in front of a database that the test plays.
type door struct {
	*intake.Receiver
	t *testing.T

	mu       sync.Mutex
	hook     map[string]store.Hook
	reads    int
	broken   error // what reading a hook returns
	put      func(context.Context, []*store.Delivery) error
	groups   [][]*store.Delivery
	rung     []int64
	verified []string
	lost     []int64
	loseErr  error
}

// open makes a receiver in a bubble of its own time.
func open(t *testing.T) *door {
	t.Helper()
	d := &door{t: t, hook: map[string]store.Hook{hookID: signed()}}
	d.Receiver = intake.New(intake.Options{
		Put: func(ctx context.Context, list []*store.Delivery) error {
			d.mu.Lock()
			put := d.put
			d.mu.Unlock()
			if put != nil {
				if err := put(ctx, list); err != nil {
					return err
				}
			}
			d.mu.Lock()
			defer d.mu.Unlock()
			for _, one := range list {
				one.State = store.DeliveryNew
			}
			d.groups = append(d.groups, list)
			return nil
		},
		Hook: func(ctx context.Context, id string) (store.Hook, error) {
			d.mu.Lock()
			defer d.mu.Unlock()
			d.reads++
			if d.broken != nil {
				return store.Hook{}, d.broken
			}
			h, ok := d.hook[id]
			if !ok {
				return h, fault.New(fault.NotFound, "there is no such hook")
			}
			return h, nil
		},
		Stored: func(id int64) { d.note(func() { d.rung = append(d.rung, id) }) },
		Verified: func(_ context.Context, id string, _ time.Time) error {
			d.note(func() { d.verified = append(d.verified, id) })
			return nil
		},
		Lost: func(_ context.Context, id int64) error {
			d.mu.Lock()
			defer d.mu.Unlock()
			d.lost = append(d.lost, id)
			return d.loseErr
		},
		Now: time.Now, Log: slog.New(slog.DiscardHandler),
	})
	return d
}

func (d *door) note(fn func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	fn()
}

func signed() store.Hook {
	return store.Hook{ID: hookID, Connection: 7, Place: "cloud:w", PlaceName: "acme", Secret: secret, Signed: true}
}

// in runs a test in a bubble, with a receiver that is closed at its end.
func in(t *testing.T, test func(t *testing.T, d *door)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		d := open(t)
		defer d.Close()
		test(t, d)
	})
}

func sign(key, body string) string {
	m := hmac.New(sha256.New, []byte(key))
	m.Write([]byte(body))
	return "sha256=" + hex.EncodeToString(m.Sum(nil))
}

func request(body string, headers ...string) *http.Request {
	r := httptest.NewRequest(http.MethodPost, "/hooks/"+hookID, strings.NewReader(body))
	r.Header.Set("X-Event-Key", push)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	return r
}

func good(body string) *http.Request { return request(body, "X-Hub-Signature", sign(secret, body)) }

func (d *door) send(r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	d.ServeHTTP(w, r)
	return w
}

func (d *door) want(r *http.Request, status int) *httptest.ResponseRecorder {
	d.t.Helper()
	w := d.send(r)
	if w.Code != status {
		d.t.Errorf("status %d (%s), want %d", w.Code, strings.TrimSpace(w.Body.String()), status)
	}
	return w
}

// stored are the deliveries that were stored, in order.
func (d *door) stored() []*store.Delivery {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Concat(d.groups...)
}

func TestSignatures(t *testing.T) {
	const body = `{"a":1}`
	other := func() string {
		m := hmac.New(sha512.New, []byte(secret))
		m.Write([]byte(body))
		return "sha512=" + hex.EncodeToString(m.Sum(nil))
	}
	right := sign(secret, body)
	for name, tc := range map[string]struct {
		signatures []string
		status     int
		verdict    string
	}{
		"right":                    {[]string{right}, 200, intake.Signed},
		"right, in capitals":       {[]string{"sha256=" + strings.ToUpper(right[7:])}, 200, intake.Signed},
		"wrong secret":             {[]string{sign("another", body)}, 401, ""},
		"of no secret":             {[]string{sign("", body)}, 401, ""},
		"of another body":          {[]string{sign(secret, body+" ")}, 401, ""},
		"former secret":            {[]string{sign(former, body)}, 200, intake.SignedBefore},
		"missing":                  {nil, 401, ""},
		"empty":                    {[]string{""}, 401, ""},
		"twice":                    {[]string{right, right}, 401, ""},
		"two in one":               {[]string{right + "," + right}, 401, ""},
		"without the algorithm":    {[]string{right[7:]}, 401, ""},
		"another algorithm":        {[]string{other()}, 401, ""},
		"a weak one":               {[]string{"sha1=" + right[7:47]}, 401, ""},
		"cut":                      {[]string{right[:len(right)-2]}, 401, ""},
		"longer":                   {[]string{right + "00"}, 401, ""},
		"no hexadecimal digits":    {[]string{"sha256=" + strings.Repeat("z", 64)}, 401, ""},
		"the algorithm in capital": {[]string{"SHA256=" + right[7:]}, 401, ""},
	} {
		t.Run(name, func(t *testing.T) {
			in(t, func(t *testing.T, d *door) {
				h := signed()
				until := time.Now().Add(time.Hour)
				h.Before, h.BeforeUntil = former, &until
				d.hook[hookID] = h
				r := request(body)
				r.Header["X-Hub-Signature"] = tc.signatures
				d.want(r, tc.status)
				list := d.stored()
				if (len(list) == 1) != (tc.status == 200) {
					t.Fatalf("%d deliveries were stored", len(list))
				}
				if len(list) == 1 && list[0].Verdict != tc.verdict {
					t.Errorf("verdict %q, want %q", list[0].Verdict, tc.verdict)
				}
			})
		})
	}
}

func TestTheFormerSecretRunsOut(t *testing.T) {
	in(t, func(t *testing.T, d *door) {
		h := signed()
		until := time.Now().Add(time.Hour)
		h.Before, h.BeforeUntil = former, &until
		d.hook[hookID] = h
		r := func() *http.Request { return request("{}", "X-Hub-Signature", sign(former, "{}")) }
		d.want(r(), 200)
		time.Sleep(time.Hour - time.Nanosecond)
		d.want(r(), 200)
		time.Sleep(time.Nanosecond)
		d.want(r(), 401)
		d.want(good("{}"), 200)
	})
}

// A hook that has no secret cannot be signed for, whatever its mode.
func TestAnEmptySecretFitsNothing(t *testing.T) {
	in(t, func(t *testing.T, d *door) {
		h := signed()
		h.Secret = ""
		d.hook[hookID] = h
		d.want(request("{}", "X-Hub-Signature", sign("", "{}")), 401)
	})
}

// What is signed with a secret that was set a moment ago is not refused because the former one is remembered.
func TestANewSecretCountsAtOnce(t *testing.T) {
	in(t, func(t *testing.T, d *door) {
		d.want(good("{}"), 200)
		h, until := signed(), time.Now().Add(time.Hour)
		h.Secret, h.Before, h.BeforeUntil = "fresh", secret, &until
		d.note(func() { d.hook[hookID] = h })
		d.want(request("{}", "X-Hub-Signature", sign("fresh", "{}")), 200)
		d.want(good("{}"), 200)
	})
}

func TestUnsignedModeIsMarked(t *testing.T) {
	in(t, func(t *testing.T, d *door) {
		h := signed()
		h.Signed = false
		d.hook[hookID] = h
		d.want(request("{}"), 200)
		d.want(request("{}", "X-Hub-Signature", sign("wrong", "{}")), 401)
		d.want(good("{}"), 200)
		var verdicts []string
		for _, one := range d.stored() {
			verdicts = append(verdicts, one.Verdict)
		}
		if diff := gocmp.Diff([]string{intake.Unsigned, intake.Signed}, verdicts); diff != "" {
			t.Error(diff)
		}
	})
}

func TestPing(t *testing.T) {
	ping := func(headers ...string) *http.Request {
		r := request(`{"test": true}`, headers...)
		r.Header.Set("X-Event-Key", "diagnostics:ping")
		return r
	}
	in(t, func(t *testing.T, d *door) {
		d.want(ping(), 200)
		d.want(ping("X-Hub-Signature", sign("wrong", `{"test": true}`)), 401)
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if len(d.verified) > 0 {
			t.Errorf("a ping without a good signature counts as one: %v", d.verified)
		}
		d.want(ping("X-Hub-Signature", sign(secret, `{"test": true}`)), 200)
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if diff := gocmp.Diff([]string{hookID}, d.verified); diff != "" {
			t.Error(diff)
		}
		if list := d.stored(); len(list) > 0 {
			t.Errorf("a ping was stored: %+v", list)
		}
	})
}

// That a hook works is written down once a minute and not for each delivery.
func TestVerificationIsRecordedSeldom(t *testing.T) {
	in(t, func(t *testing.T, d *door) {
		for i := range 70 {
			d.want(good(fmt.Sprint(i)), 200)
			time.Sleep(time.Second)
		}
		synctest.Wait()
		if len(d.verified) != 2 {
			t.Errorf("recorded %d times in 70 s, want 2", len(d.verified))
		}
	})
}

func TestWhatIsRefusedBeforeTheBody(t *testing.T) {
	in(t, func(t *testing.T, d *door) {
		for _, method := range []string{"GET", "PUT", "DELETE", "HEAD", "PATCH"} {
			r := good("{}")
			r.Method = method
			if w := d.want(r, 405); w.Header().Get("Allow") != "POST" {
				t.Errorf("%s: Allow %q", method, w.Header().Get("Allow"))
			}
		}
		for _, key := range []string{"", "a\xffb", strings.Repeat("x", 101), "a\x7fb"} {
			r := good("{}")
			r.Header["X-Event-Key"] = []string{key}
			d.want(r, 400)
		}
		if d.reads != 1 {
			t.Errorf("%d reads of the hook, want 1", d.reads)
		}
		for range 3 {
			r := good("{}")
			r.URL.Path = "/hooks/" + strings.Repeat("ab", 16)
			d.want(r, 404)
		}
		if d.reads != 2 {
			t.Errorf("%d reads after three requests for a hook that there is not, want 2", d.reads)
		}
		time.Sleep(3 * time.Second)
		r := good("{}")
		r.URL.Path = "/hooks/" + strings.Repeat("ab", 16)
		d.want(r, 404)
		if d.reads != 3 {
			t.Errorf("%d reads after a while, want 3", d.reads)
		}
		for _, id := range []string{"", "x", hookID + "0", strings.ToUpper(hookID), strings.Repeat("a", 60_000), hookID[:31] + "\x00"} {
			r := good("{}")
			r.URL.Path = "/hooks/" + id
			d.want(r, 404)
		}
		if d.reads != 3 {
			t.Errorf("what is no id was looked up")
		}
	})
}

// endless is a body that never ends.
type endless struct{ read int }

func (e *endless) Read(p []byte) (int, error) { e.read += len(p); return len(p), nil }

func TestBodiesAreLimited(t *testing.T) {
	in(t, func(t *testing.T, d *door) {
		large := strings.Repeat("x", 10<<20)
		d.want(good(large), 200)
		d.want(good(large+"x"), 413)
		r := good("{}")
		body := &endless{}
		r.Body, r.ContentLength = io.NopCloser(body), -1
		d.want(r, 413)
		if body.read > 11<<20 {
			t.Errorf("%d bytes were read of a body without length", body.read)
		}
		body = &endless{}
		r.Body, r.ContentLength = io.NopCloser(body), 11<<20
		d.want(r, 413)
		if body.read > 0 {
			t.Error("a body that says it is too large was read")
		}
	})
}

// clocked is an answer whose connection knows deadlines.
type clocked struct {
	*httptest.ResponseRecorder
	deadlines []time.Time
}

func (c *clocked) SetReadDeadline(at time.Time) error {
	c.deadlines = append(c.deadlines, at)
	return nil
}

type late struct{}

func (late) Read([]byte) (int, error) { return 0, os.ErrDeadlineExceeded }

func TestASlowBodyIsCutOff(t *testing.T) {
	in(t, func(t *testing.T, d *door) {
		r := good("{}")
		r.Body = io.NopCloser(io.MultiReader(strings.NewReader("{"), late{}))
		w := &clocked{ResponseRecorder: httptest.NewRecorder()}
		began := time.Now()
		d.ServeHTTP(w, r)
		if w.Code != 408 || !slices.Equal(w.deadlines, []time.Time{began.Add(5 * time.Second)}) {
			t.Errorf("status %d, deadlines %v; want 408 and one of 5 s", w.Code, w.deadlines)
		}
		// Once the body is there, the deadline must not cut off the wait for the commit.
		w = &clocked{ResponseRecorder: httptest.NewRecorder()}
		d.ServeHTTP(w, good("{}"))
		if w.Code != 200 || len(w.deadlines) != 2 || !w.deadlines[1].IsZero() {
			t.Errorf("status %d, deadlines %v; want the second one lifted", w.Code, w.deadlines)
		}
	})
}

func TestOnlyChosenHeadersAreStored(t *testing.T) {
	in(t, func(t *testing.T, d *door) {
		r := good("{}")
		for k, v := range map[string]string{
			"Authorization": "Basic c2VjcmV0", "Cookie": "a=b", "X-Forwarded-For": "1.2.3.4", "Proxy-Authorization": "x", "User-Agent": "Bitbucket-Webhooks/2.0",
			"X-Request-UUID": "r-1", "X-Attempt-Number": "2", "X-Hook-UUID": "h\xff" + strings.Repeat("1", 300), "Content-Type": "application/json",
		} {
			r.Header.Set(k, v)
		}
		r.URL.RawQuery = "token=hidden"
		d.want(r, 200)
		want := store.Request{Method: "POST", Path: "/hooks/" + hookID, Headers: map[string][]string{
			"X-Event-Key": {push}, "X-Request-Uuid": {"r-1"}, "X-Hook-Uuid": {"h" + strings.Repeat("1", 199)}, "X-Attempt-Number": {"2"},
			"User-Agent": {"Bitbucket-Webhooks/2.0"}, "Content-Type": {"application/json"},
		}}
		got := d.stored()[0]
		if diff := gocmp.Diff(want, got.Request); diff != "" {
			t.Error(diff)
		}
		if got.RequestID != "r-1" || got.Hook != hookID || got.Connection != 7 || got.Event != push || string(got.Body) != "{}" {
			t.Errorf("stored %+v", got)
		}
	})
}

// While one transaction is under way the next deliveries gather, and one transaction takes them all.
func TestDeliveriesShareACommit(t *testing.T) {
	in(t, func(t *testing.T, d *door) {
		const n = 200
		d.put = func(context.Context, []*store.Delivery) error { time.Sleep(10 * time.Millisecond); return nil }
		var all sync.WaitGroup
		for i := range n {
			all.Go(func() { d.want(good(fmt.Sprint(i)), 200) })
		}
		all.Wait()
		if len(d.groups) > 3 || len(d.stored()) != n {
			t.Errorf("%d deliveries in %d transactions, want %d in at most 3", len(d.stored()), len(d.groups), n)
		}
		if diff := gocmp.Diff([]int64{7}, slices.Compact(d.rung)); diff != "" {
			t.Error(diff)
		}
	})
}

func TestACommitThatFailsIsAnsweredAndMadeGood(t *testing.T) {
	for name, put := range map[string]func(context.Context, []*store.Delivery) error{
		"at once": func(context.Context, []*store.Delivery) error { return errors.New("the disk is full") },
		"never":   func(ctx context.Context, _ []*store.Delivery) error { <-ctx.Done(); return ctx.Err() },
	} {
		t.Run(name, func(t *testing.T) {
			in(t, func(t *testing.T, d *door) {
				d.put, d.loseErr = put, errors.New("no database")
				began := time.Now()
				w := d.want(good("{}"), 503)
				if took := time.Since(began); took > 2*time.Second || w.Header().Get("Retry-After") == "" {
					t.Errorf("answered after %v, Retry-After %q", took, w.Header().Get("Retry-After"))
				}
				time.Sleep(10 * time.Second)
				synctest.Wait()
				if len(d.rung) > 0 {
					t.Error("what was not stored is to be applied")
				}
				d.note(func() {
					if len(d.lost) < 5 || d.lost[0] != 7 {
						t.Errorf("told %v that the connection lost something, want every second", d.lost)
					}
					d.put, d.loseErr, d.lost = nil, nil, nil
				})
				time.Sleep(10 * time.Second)
				synctest.Wait()
				if len(d.lost) != 1 {
					t.Errorf("told %d times more, want once when that works", len(d.lost))
				}
				d.want(good("{}"), 200)
			})
		})
	}
}

// The graph's database is asked for hooks. While it hangs, the answer still comes in time, and what may have been lost is
// made good once it is known whose it was.
func TestAHookThatCannotBeReadNow(t *testing.T) {
	in(t, func(t *testing.T, d *door) {
		d.broken = errors.New("no database")
		d.want(good("{}"), 503)
		d.note(func() { d.broken = nil })
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if diff := gocmp.Diff([]int64{7}, d.lost); diff != "" {
			t.Error(diff)
		}
		d.want(good("{}"), 200)
		time.Sleep(time.Minute)
		d.note(func() { d.broken = errors.New("no database") })
		d.want(good("{}"), 200) // it is known from before
	})
}

func TestAFullQueueRefuses(t *testing.T) {
	in(t, func(t *testing.T, d *door) {
		d.put = func(ctx context.Context, _ []*store.Delivery) error { <-ctx.Done(); return ctx.Err() }
		var all sync.WaitGroup
		early := 0
		began := time.Now()
		for i := range 2000 {
			all.Go(func() {
				d.want(good(fmt.Sprint(i)), 503)
				d.note(func() {
					if time.Since(began) < time.Millisecond {
						early++
					}
				})
			})
		}
		all.Wait()
		if early < 700 || early > 1000 {
			t.Errorf("%d of 2000 were refused at once, want those that the queue has no place for", early)
		}
	})
}

// Large bodies that cannot be stored do not fill the memory.
func TestBodiesInMemoryAreLimited(t *testing.T) {
	in(t, func(t *testing.T, d *door) {
		free := make(chan struct{})
		d.put = func(context.Context, []*store.Delivery) error { <-free; return nil }
		body := strings.Repeat("x", 10<<20)
		var all sync.WaitGroup
		codes := map[int]int{}
		for range 14 {
			all.Go(func() {
				w := d.send(good(body))
				d.note(func() { codes[w.Code]++ })
			})
			synctest.Wait()
		}
		close(free)
		all.Wait()
		if diff := gocmp.Diff(map[int]int{200: 12, 503: 2}, codes); diff != "" {
			t.Error(diff)
		}
		d.want(good(body), 200)
	})
}

func TestCloseStoresWhatWasTaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := open(t)
		d.put = func(context.Context, []*store.Delivery) error { time.Sleep(100 * time.Millisecond); return nil }
		var all sync.WaitGroup
		for i := range 600 {
			all.Go(func() { d.want(good(fmt.Sprint(i)), 200) })
		}
		synctest.Wait()
		d.Close()
		d.Close()
		if n := len(d.stored()); n != 600 {
			t.Errorf("%d stored, want 600", n)
		}
		all.Wait()
		d.want(good("{}"), 503)
	})
}

// A sender that hangs up is no reason not to store what it sent, nor to list its connection again.
func TestASenderThatHangsUp(t *testing.T) {
	in(t, func(t *testing.T, d *door) {
		d.put = func(context.Context, []*store.Delivery) error { time.Sleep(time.Second); return nil }
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(100*time.Millisecond, cancel)
		d.want(good("{}").WithContext(ctx), 200)
		time.Sleep(3 * time.Second)
		synctest.Wait()
		if len(d.stored()) != 1 || len(d.lost) > 0 {
			t.Errorf("%d stored, lost %v", len(d.stored()), d.lost)
		}
	})
}

func TestAHookIsLimited(t *testing.T) {
	in(t, func(t *testing.T, d *door) {
		codes := map[int]int{}
		for range 20_010 {
			codes[d.send(request("{}")).Code]++
		}
		if diff := gocmp.Diff(map[int]int{401: 20_000, 429: 10}, codes); diff != "" {
			t.Error(diff)
		}
		if w := d.want(good("{}"), 429); w.Header().Get("Retry-After") == "" {
			t.Error("no Retry-After")
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if diff := gocmp.Diff([]int64{7}, d.lost); diff != "" {
			t.Errorf("what was refused unread may have been good: %s", diff)
		}
		d.want(good("{}"), 200)
	})
}

func TestRefusedRequestsAreKeptAndCounted(t *testing.T) {
	in(t, func(t *testing.T, d *door) {
		for i := range 150 {
			r := request("secret body", "Authorization", "Basic hidden", "X-Hub-Signature", sign("wrong", "x"))
			r.Header.Set("X-Event-Key", fmt.Sprintf("event-%d\x1b[2J", i))
			d.want(r, 401)
		}
		d.want(request("{}"), 401)
		last, counts := d.Refused()
		want := map[string]int64{"the signature does not fit the body": 150, "the header X-Hub-Signature is missing": 1}
		if diff := gocmp.Diff(want, counts); diff != "" {
			t.Error(diff)
		}
		if len(last) != 100 || last[0].Event != push || last[1].Event != "event-149[2J" || last[99].Event != "event-51[2J" {
			t.Errorf("%d kept, %+v … %+v", len(last), last[0], last[len(last)-1])
		}
		if text := fmt.Sprintf("%+v", last); strings.Contains(text, "hidden") || strings.Contains(text, "secret body") || strings.Contains(text, hookID) {
			t.Error("a refused request keeps what it must not")
		}
	})
}

// Whatever comes is answered, and nothing is stored that is not signed or has bytes that a database refuses.
func FuzzRequests(f *testing.F) {
	f.Add("POST", hookID, push, sign(secret, "{}"), "r-1", []byte("{}"))
	f.Add("GET", "x", "", "", "", []byte(nil))
	f.Add("POST", hookID, "diagnostics:ping", "sha256=", "\xff", []byte(`{"test":true}`))
	f.Add("POST", hookID, "a\x00b", "sha256="+strings.Repeat("0", 64), strings.Repeat("r", 300), []byte("{"))
	f.Fuzz(func(t *testing.T, method, id, event, signature, number string, body []byte) {
		d := open(t)
		defer d.Close()
		r := httptest.NewRequest(http.MethodPost, "/hooks/", bytes.NewReader(body))
		r.Method, r.URL.Path = method, "/hooks/"+id
		r.Header = http.Header{"X-Event-Key": {event}, "X-Hub-Signature": {signature}, "X-Request-Uuid": {number}, "User-Agent": {number}}
		w := d.send(r)
		list := d.stored()
		if len(list) == 0 {
			if w.Code == 200 && event != "diagnostics:ping" {
				t.Errorf("answered 200 and stored nothing")
			}
			return
		}
		one := list[0]
		sum, err := hex.DecodeString(strings.TrimPrefix(strings.TrimSpace(signature), "sha256="))
		m := hmac.New(sha256.New, []byte(secret))
		m.Write(body)
		if err != nil || !bytes.Equal(sum, m.Sum(nil)) {
			t.Errorf("stored with the signature %q", signature)
		}
		for _, text := range []string{one.Event, one.RequestID, one.Request.Headers["User-Agent"][0]} {
			if strings.ContainsFunc(text, func(c rune) bool { return c < ' ' || c > '~' }) {
				t.Errorf("stored %q", text)
			}
		}
	})
}
