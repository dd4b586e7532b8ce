package bitbucket_test

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/windlass-hq/windlass/internal/bitbucket"
	"github.com/windlass-hq/windlass/internal/fault"
)

// TestAnUnavailableServerSaysWhenToReturn: Retry-After of a 503 is kept as a number of seconds and as a date, within
// reason; without it, or with nonsense, pauses grow from half a second.
func TestAnUnavailableServerSaysWhenToReturn(t *testing.T) {
	for name, tc := range map[string]struct {
		retryAfter string
		min, max   time.Duration // of the one pause
	}{
		"absent":    {"", 250 * time.Millisecond, 500 * time.Millisecond},
		"seconds":   {"10", 10 * time.Second, 12 * time.Second},
		"date":      {"Sat, 01 Jan 2000 00:00:20 GMT", 20 * time.Second, 23 * time.Second},
		"past date": {"Fri, 31 Dec 1999 23:00:00 GMT", 250 * time.Millisecond, 500 * time.Millisecond},
		"zero":      {"0", 250 * time.Millisecond, 500 * time.Millisecond},
		"negative":  {"-5", 250 * time.Millisecond, 500 * time.Millisecond},
		"nonsense":  {"later", 250 * time.Millisecond, 500 * time.Millisecond},
		"an hour":   {"3600", time.Minute, 68 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := 0
				c := client(t, func(w http.ResponseWriter, _ *http.Request) {
					if n++; n > 1 {
						answerJSON(w, 200, `{}`)
						return
					}
					if tc.retryAfter != "" {
						w.Header().Set("Retry-After", tc.retryAfter)
					}
					answerJSON(w, 503, `{}`)
				})
				start := time.Now()
				if _, err := get(t, c); err != nil {
					t.Fatal(err)
				}
				if got := time.Since(start); got < tc.min || got > tc.max {
					t.Errorf("waited %s, want %s to %s", got, tc.min, tc.max)
				}
			})
		})
	}
}

// TestClientsThatFailTogetherReturnApart draws the pauses of many clients that met the same failure.
func TestClientsThatFailTogetherReturnApart(t *testing.T) {
	pauses := map[time.Duration]bool{}
	for range 20 {
		synctest.Test(t, func(t *testing.T) {
			n := 0
			c := client(t, func(w http.ResponseWriter, _ *http.Request) {
				if n++; n > 1 {
					answerJSON(w, 200, `{}`)
					return
				}
				answerJSON(w, 500, `{}`)
			})
			start := time.Now()
			if _, err := get(t, c); err != nil {
				t.Fatal(err)
			}
			pauses[time.Since(start)] = true
		})
	}
	if len(pauses) < 2 { // of half a billion possible ones
		t.Errorf("20 clients paused for %d different times", len(pauses))
	}
}

// TestNoRefusalIsTriedAgain: whatever a server says is wrong with the request stays wrong.
func TestNoRefusalIsTriedAgain(t *testing.T) {
	for status := 400; status < 500; status++ {
		if status == http.StatusTooManyRequests {
			continue // it waits, and asks again when it may
		}
		c := client(t, func(w http.ResponseWriter, _ *http.Request) { answerJSON(w, status, `{}`) })
		if _, err := get(t, c); err == nil || c.Calls() != 1 {
			t.Errorf("%d: %v after %d calls, want an error after 1", status, err, c.Calls())
		}
	}
}

// dripping is a body that comes slower and slower, and is never whole in time.
type dripping struct {
	ctx  context.Context //nolint:containedctx // of the request whose answer it is
	text io.Reader
}

func (d dripping) Read(p []byte) (int, error) {
	select {
	case <-time.After(10 * time.Second):
		return d.text.Read(p[:1])
	case <-d.ctx.Done():
		return 0, d.ctx.Err()
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// TestASlowAnswerIsGivenUp: the time of a request covers its body, so that an answer that drips does not hold up a run.
func TestASlowAnswerIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := 0
		c := client(t, nil, func(o *bitbucket.Options) {
			o.HTTP = &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
				n++
				var body io.Reader = strings.NewReader(`{"ok":true}`)
				if n <= 2 {
					body = dripping{r.Context(), strings.NewReader(`{"values":[1,2,3,4,5,6,7,8,9]}`)}
				}
				return &http.Response{StatusCode: 200, Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(body), Request: r}, nil
			})}
		})
		start := time.Now()
		resp, err := get(t, c)
		if err != nil || string(resp.Body) != `{"ok":true}` {
			t.Fatalf("%v, %v", resp, err)
		}
		if took := time.Since(start); n != 3 || took < 2*time.Minute || took > 2*time.Minute+2*time.Second {
			t.Errorf("%d attempts in %s, want 3 in the time of two and two pauses", n, took)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		c := client(t, nil, func(o *bitbucket.Options) {
			o.HTTP = &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
				return &http.Response{StatusCode: 200, Header: http.Header{}, Body: io.NopCloser(dripping{r.Context(), strings.NewReader(`{}`)}), Request: r}, nil
			})}
			o.Timeout = 5 * time.Second
		})
		_, err := get(t, c)
		if !fault.Is(err, fault.Unavailable) || !strings.Contains(err.Error(), "5s") || c.Calls() != 5 {
			t.Errorf("for ever: %v after %d calls, want unavailable after 5", err, c.Calls())
		}
	})
}
