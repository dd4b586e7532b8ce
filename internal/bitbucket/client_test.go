package bitbucket_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/windlass-hq/windlass/internal/bitbucket"
	"github.com/windlass-hq/windlass/internal/fault"
)

// inMemory answers requests from a handler without a network, so that synctest's clock runs.
type inMemory struct{ handler http.Handler }

func (m inMemory) RoundTrip(r *http.Request) (*http.Response, error) {
	rec := httptest.NewRecorder()
	var failure error
	func() {
		defer func() {
			if err, ok := recover().(error); ok {
				failure = err
			}
		}()
		m.handler.ServeHTTP(rec, r)
	}()
	if failure != nil {
		return nil, failure
	}
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	resp := rec.Result()
	resp.Request = r
	return resp, nil
}

// breakOff makes inMemory fail with an error of the network.
func breakOff(err error) { panic(err) }

const host = "https://bb.example"

var (
	tokenA = bitbucket.Credential{Kind: bitbucket.Token, Secret: "token-a"}
	tokenB = bitbucket.Credential{Kind: bitbucket.Token, Secret: "token-b"}
)

func client(t *testing.T, h http.HandlerFunc, change ...func(*bitbucket.Options)) *bitbucket.Client {
	t.Helper()
	api, err := bitbucket.ParseOrigin(host+"/2.0", false)
	if err != nil {
		t.Fatal(err)
	}
	tokens, err := bitbucket.ParseOrigin(host+"/site/oauth2/access_token", false)
	if err != nil {
		t.Fatal(err)
	}
	o := bitbucket.Options{
		API: api, TokenURL: tokens, Credentials: []bitbucket.Credential{tokenA}, Connection: "acme", Version: "1.2",
		Allowances: bitbucket.Allowances{"": 1000},
		HTTP:       &http.Client{Transport: inMemory{h}},
	}
	for _, f := range change {
		f(&o)
	}
	c, err := bitbucket.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func with(creds ...bitbucket.Credential) func(*bitbucket.Options) {
	return func(o *bitbucket.Options) { o.Credentials = creds }
}

func get(t *testing.T, c *bitbucket.Client) (*bitbucket.Response, error) {
	t.Helper()
	return c.Do(t.Context(), bitbucket.Request{Path: "/x?secret=query"})
}

func answerJSON(w http.ResponseWriter, status int, body string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	io.WriteString(w, body)
}

func limited(w http.ResponseWriter, retryAfter string) {
	w.Header().Set("Content-Type", "text/plain")
	if retryAfter != "" {
		w.Header().Set("Retry-After", retryAfter)
	}
	w.WriteHeader(http.StatusTooManyRequests)
	io.WriteString(w, "Rate limit for this resource has been exceeded")
}

func TestRequestsSayWhoAsks(t *testing.T) {
	for _, tc := range []struct {
		cred bitbucket.Credential
		want string
	}{
		{tokenA, "Bearer token-a"},
		{bitbucket.Credential{Kind: bitbucket.APIToken, Identity: "ann@acme.example", Secret: "tok"}, "Basic YW5uQGFjbWUuZXhhbXBsZTp0b2s="},
	} {
		c := client(t, func(w http.ResponseWriter, r *http.Request) {
			if got := r.Header.Get("Authorization"); got != tc.want {
				t.Errorf("Authorization = %q, want %q", got, tc.want)
			}
			if got, want := r.UserAgent(), "Windlass/1.2 (acme)"; got != want {
				t.Errorf("User-Agent = %q, want %q", got, want)
			}
			answerJSON(w, 200, `{}`)
		}, with(tc.cred))
		if _, err := get(t, c); err != nil {
			t.Error(err)
		}
	}
}

func TestPassingFailuresAreTriedAgain(t *testing.T) {
	cut := func(w http.ResponseWriter) {
		w.Header().Set("Content-Type", "application/json")
		io.WriteString(w, `{"values":[{"id":1},`)
	}
	for name, fail := range map[string]func(w http.ResponseWriter, r *http.Request){
		"500":       func(w http.ResponseWriter, _ *http.Request) { answerJSON(w, 500, `{}`) },
		"503 html":  func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(503); io.WriteString(w, "<html>") },
		"reset":     func(http.ResponseWriter, *http.Request) { breakOff(syscall.ECONNRESET) },
		"EOF":       func(http.ResponseWriter, *http.Request) { breakOff(io.ErrUnexpectedEOF) },
		"truncated": func(w http.ResponseWriter, _ *http.Request) { cut(w) },
		"time-out":  func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := 0
				c := client(t, func(w http.ResponseWriter, r *http.Request) {
					if n++; n <= 2 {
						fail(w, r)
						return
					}
					answerJSON(w, 200, `{"ok":true}`)
				})
				start := time.Now()
				if _, err := get(t, c); err != nil {
					t.Fatal(err)
				}
				if n != 3 || c.Calls() != 3 {
					t.Errorf("%d requests, %d calls, want 3", n, c.Calls())
				}
				if d := time.Since(start); d < 750*time.Millisecond || d > 3*time.Minute {
					t.Errorf("took %s", d)
				}
			})
			synctest.Test(t, func(t *testing.T) {
				c := client(t, fail)
				_, err := get(t, c)
				if !fault.Is(err, fault.Unavailable) || c.Calls() != 5 {
					t.Errorf("for ever: %v after %d calls, want unavailable after 5", err, c.Calls())
				}
				t.Log(err)
			})
		})
	}
}

func TestFinalAnswersAreNotTriedAgain(t *testing.T) {
	for status, code := range map[int]fault.Code{
		400: fault.Unavailable, 401: fault.Unauthorized, 403: fault.Denied, 404: fault.NotFound, 410: fault.NotFound, 409: fault.Unavailable,
	} {
		c := client(t, func(w http.ResponseWriter, _ *http.Request) {
			answerJSON(w, status, `{"type":"error","error":{"message":"No, token-a!","detail":"Because."}}`)
		})
		_, err := get(t, c)
		if !fault.Is(err, code) || bitbucket.StatusOf(err) != status || c.Calls() != 1 {
			t.Errorf("%d: code %s, status %d, %d calls: %v", status, fault.CodeOf(err), bitbucket.StatusOf(err), c.Calls(), err)
		}
		text := err.Error()
		if !strings.Contains(text, "/2.0/x") || !strings.Contains(text, "No, •••! Because.") || strings.Contains(text, "token-a") || strings.Contains(text, "secret=") {
			t.Errorf("%d: %s", status, text)
		}
	}
}

func TestLimitedPrincipalRests(t *testing.T) {
	for name, tc := range map[string]struct {
		retryAfter string
		want       time.Duration
	}{
		"absent":       {"", 61 * time.Minute}, // until the only call is an hour old, whenever in its minute it was made
		"seconds":      {"90", 90 * time.Second},
		"date":         {"Sat, 01 Jan 2000 00:05:00 GMT", 5 * time.Minute}, // synctest starts at midnight of 2000-01-01
		"past date":    {"Fri, 31 Dec 1999 23:00:00 GMT", time.Second},
		"nonsense":     {"soon", 61 * time.Minute},
		"out of range": {"99999999999", 2 * time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := 0
				var told time.Time
				c := client(t, func(w http.ResponseWriter, _ *http.Request) {
					if n++; n == 1 {
						limited(w, tc.retryAfter)
						return
					}
					answerJSON(w, 200, `{}`)
				}, func(o *bitbucket.Options) { o.OnWait = func(until time.Time, _ string) { told = until } })
				start := time.Now()
				if _, err := get(t, c); err != nil {
					t.Fatal(err)
				}
				if got := time.Since(start); got != tc.want || n != 2 {
					t.Errorf("waited %s with %d requests, want %s with 2", got, n, tc.want)
				}
				if got := told.Sub(start); got != tc.want {
					t.Errorf("OnWait was told %s, want %s", got, tc.want)
				}
			})
		})
	}
}

func TestOwnRecordTellsWhenTheAllowanceIsBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var sent []time.Time
		c := client(t, func(w http.ResponseWriter, _ *http.Request) {
			now := time.Now()
			inWindow := 0
			for _, s := range sent {
				if now.Sub(s) < time.Hour {
					inWindow++
				}
			}
			if inWindow >= 1000 {
				limited(w, "")
				return
			}
			sent = append(sent, now)
			answerJSON(w, 200, `{}`)
		}, func(o *bitbucket.Options) { o.Allowances[""], o.Share = 2000, 1 }) // the vendor grants less than is assumed
		start := time.Now()
		for range 1001 {
			if _, err := get(t, c); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Second)
		}
		// The oldest request is an hour old after an hour; to the minute, since the record counts by minutes.
		if d := time.Since(start); d < time.Hour || d > time.Hour+2*time.Minute {
			t.Errorf("1,001 requests took %s", d)
		}
		if b := c.Budgets()[0]; b.Spent < 1 || b.Spent > 1001 || !b.RestsUntil.IsZero() {
			t.Errorf("budget %+v", b)
		}
	})
}

func TestRestsGrowWhereOthersSpend(t *testing.T) {
	for name, tc := range map[string]struct {
		allowances bitbucket.Allowances
		want       time.Duration
	}{
		"of an hour":   {bitbucket.Allowances{"": 1000}, (61 + 1 + 2) * time.Minute}, // the record first, then probe by probe
		"of a second":  {nil, (5 + 5 + 10) * time.Second},
		"of one group": {bitbucket.Allowances{"webhooks": 1000}, (5 + 5 + 10) * time.Second},
	} {
		synctest.Test(t, func(t *testing.T) {
			n := 0
			c := client(t, func(w http.ResponseWriter, _ *http.Request) {
				if n++; n <= 3 {
					limited(w, "")
					return
				}
				answerJSON(w, 200, `{}`)
			}, func(o *bitbucket.Options) { o.Allowances = tc.allowances })
			start := time.Now()
			if _, err := get(t, c); err != nil {
				t.Fatal(err)
			}
			if got := time.Since(start); got != tc.want {
				t.Errorf("%s: waited %s, want %s", name, got, tc.want)
			}
		})
	}
}

func TestAnotherCredentialGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked := map[string]int{}
		c := client(t, func(w http.ResponseWriter, r *http.Request) {
			who := r.Header.Get("Authorization")
			asked[who]++
			if who == "Bearer token-a" {
				limited(w, "")
				return
			}
			answerJSON(w, 200, `{}`)
		}, with(tokenA, tokenB))
		start := time.Now()
		for range 5 {
			if _, err := get(t, c); err != nil {
				t.Fatal(err)
			}
		}
		if time.Since(start) != 0 || asked["Bearer token-a"] != 1 || asked["Bearer token-b"] != 5 {
			t.Errorf("%v after %s", asked, time.Since(start))
		}
	})
}

func TestSpendingIsSpread(t *testing.T) {
	asked := map[string]int{}
	c := client(t, func(w http.ResponseWriter, r *http.Request) {
		asked[r.Header.Get("Authorization")]++
		answerJSON(w, 200, `{}`)
	}, with(tokenA, tokenB, tokenA)) // the third is the first again and counts once
	for range 10 {
		if _, err := get(t, c); err != nil {
			t.Fatal(err)
		}
	}
	if len(asked) != 2 || asked["Bearer token-a"] != 5 {
		t.Errorf("asked %v, want five each", asked)
	}
}

func TestNoWaitSaysWhenToReturn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := client(t, func(w http.ResponseWriter, _ *http.Request) { limited(w, "600") }, func(o *bitbucket.Options) { o.NoWait = true })
		start := time.Now()
		_, err := get(t, c)
		if !fault.Is(err, fault.Limited) || time.Since(start) != 0 || !strings.Contains(err.Error(), "00:10:00 UTC") {
			t.Errorf("after %s: %v", time.Since(start), err)
		}
	})
}

// TestMomentsAreWaitedForInAnyCase: a Data Center's pauses end no run, unless they grow.
func TestMomentsAreWaitedForInAnyCase(t *testing.T) {
	for refusals, want := range map[int]fault.Code{1: "", 3: "", 4: fault.Limited} { // after 5, 5, 10 and 20 seconds
		synctest.Test(t, func(t *testing.T) {
			n := 0
			c := client(t, func(w http.ResponseWriter, _ *http.Request) {
				if n++; n <= refusals {
					limited(w, "")
					return
				}
				answerJSON(w, 200, `{}`)
			}, func(o *bitbucket.Options) { o.NoWait, o.Allowances = true, nil })
			if _, err := get(t, c); fault.CodeOf(err) != want {
				t.Errorf("after %d refusals: %v, want %q", refusals, err, want)
			}
		})
	}
}

// TestOneProbeAfterARest lets many wait for one principal: after the rest one asks, and the others only if it may.
func TestOneProbeAfterARest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var early atomic.Int32
		free := time.Now().Add(70 * time.Minute)
		c := client(t, func(w http.ResponseWriter, _ *http.Request) {
			if time.Now().Before(free) {
				early.Add(1)
				time.Sleep(50 * time.Millisecond)
				limited(w, "")
				return
			}
			answerJSON(w, 200, `{}`)
		})
		if _, err := c.Do(t.Context(), bitbucket.Request{Path: "/x", Principal: c.Principals()[0]}); !errors.Is(err, bitbucket.ErrResting) {
			t.Fatalf("a bound request: %v, want ErrResting", err)
		}
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() {
				if _, err := c.Do(t.Context(), bitbucket.Request{Path: "/x"}); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if got := early.Load(); got != 5 { // at 0, 61, 62, 64 and 68 minutes
			t.Errorf("%d requests were sent while the allowance was spent, want 5: one per probe", got)
		}
	})
}

func TestWaitingEndsWithTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := client(t, func(w http.ResponseWriter, _ *http.Request) { limited(w, "600") })
		ctx, cancel := context.WithCancel(t.Context())
		go func() { time.Sleep(time.Minute); cancel() }()
		start := time.Now()
		_, err := c.Do(ctx, bitbucket.Request{Path: "/x"})
		if !fault.Is(err, fault.Canceled) || time.Since(start) != time.Minute {
			t.Errorf("after %s: %v", time.Since(start), err)
		}
	})
}

func TestRedirectsStayInside(t *testing.T) {
	c := client(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/2.0/x":
			w.Header().Set("Location", "/2.0/y?z=1")
			w.WriteHeader(302)
		case "/2.0/y":
			answerJSON(w, 200, `{"query":"`+r.URL.RawQuery+`"}`)
		}
	})
	resp, err := get(t, c)
	if err != nil || string(resp.Body) != `{"query":"z=1"}` {
		t.Errorf("%v, %v", resp, err)
	}

	elsewhere := client(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Host != "bb.example" {
			t.Errorf("%s was asked, with %q", r.URL.Host, r.Header.Get("Authorization"))
		}
		w.Header().Set("Location", "https://login.example/sso?back=secret")
		w.WriteHeader(302)
	})
	_, err = get(t, elsewhere)
	if !fault.Is(err, fault.Unavailable) || !strings.Contains(err.Error(), "login.example") || strings.Contains(err.Error(), "back=secret") {
		t.Errorf("a redirect elsewhere: %v", err)
	}

	circle := client(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Location", "/2.0/x")
		w.WriteHeader(302)
	})
	if _, err := get(t, circle); !fault.Is(err, fault.Unavailable) || circle.Calls() > 5 {
		t.Errorf("redirects in a circle: %v after %d calls", err, circle.Calls())
	}
}

func TestAnswersAreBoundedAndUnpacked(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if !strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
			t.Error("no gzip is asked for")
		}
		w.Header().Set("Content-Encoding", "gzip")
		z := gzip.NewWriter(w)
		fmt.Fprintf(z, `{"text":%q}`, bytes.Repeat([]byte("x"), 100_000))
		z.Close()
	}))
	defer srv.Close()
	api, err := bitbucket.ParseOrigin(srv.URL, false)
	if err != nil {
		t.Fatal(err)
	}
	for limit, ok := range map[int64]bool{1 << 20: true, 1000: false} {
		c, err := bitbucket.New(bitbucket.Options{API: api, Credentials: []bitbucket.Credential{tokenA}, MaxBody: limit})
		if err != nil {
			t.Fatal(err)
		}
		resp, err := c.Do(t.Context(), bitbucket.Request{Path: "/x"})
		if ok && (err != nil || len(resp.Body) != 100_011) {
			t.Errorf("with %d bytes allowed: %v", limit, err)
		}
		if !ok && (!fault.Is(err, fault.Unavailable) || !strings.Contains(err.Error(), "larger") || c.Calls() != 1) {
			t.Errorf("with %d bytes allowed: %v after %d calls", limit, err, c.Calls())
		}
	}
}

func TestDeadCredentialIsPassedOver(t *testing.T) {
	c := client(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") == "Bearer token-a" {
			answerJSON(w, 401, `{"type":"error","error":{"message":"Token is invalid, expired, or not supported for this endpoint."}}`)
			return
		}
		answerJSON(w, 200, `{}`)
	}, with(tokenA, tokenB))
	for range 3 {
		if _, err := get(t, c); err != nil {
			t.Fatal(err)
		}
	}
	b := c.Budgets()
	if b[0].Spent != 1 || !strings.Contains(b[0].Trouble, "Token is invalid") || b[1].Spent != 3 || b[1].Trouble != "" {
		t.Errorf("budgets %+v", b)
	}
}
