package bitbucket_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/windlass-hq/windlass/internal/bitbucket"
	"github.com/windlass-hq/windlass/internal/fault"
)

const hookSecret = `s3"cret-of-a-hook`

// writer returns a client with two principals for a server, which never really sleeps.
func writer(t *testing.T, h http.HandlerFunc, set ...func(*bitbucket.Options)) (*bitbucket.Client, *httptest.Server) {
	t.Helper()
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	api, err := bitbucket.ParseOrigin(srv.URL+"/2.0", false)
	if err != nil {
		t.Fatal(err)
	}
	o := bitbucket.Options{
		API: api, Connection: "acme", Sleep: func(context.Context, time.Duration) error { return nil },
		Credentials: []bitbucket.Credential{
			{Kind: bitbucket.Token, Secret: "first-token"},
			{Kind: bitbucket.Token, Secret: "second-token"},
		},
	}
	for _, f := range set {
		f(&o)
	}
	c, err := bitbucket.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c, srv
}

func post() bitbucket.Write {
	return bitbucket.Write{
		Method: http.MethodPost, Path: "/repositories/acme/api/hooks?x=query-secret", Body: []byte(`{"secret":"s3\"cret-of-a-hook"}`),
		Secrets: []bitbucket.Secret{hookSecret},
	}
}

func TestSendSendsMethodAndBody(t *testing.T) {
	c, _ := writer(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if got, want := r.Method+" "+r.URL.Path+" "+string(body), `POST /2.0/repositories/acme/api/hooks {"secret":"s3\"cret-of-a-hook"}`; got != want {
			t.Errorf("got %s, want %s", got, want)
		}
		if got, want := r.Header.Get("Content-Type"), "application/json"; got != want {
			t.Errorf("Content-Type: got %q, want %q", got, want)
		}
		w.WriteHeader(http.StatusCreated)
		_, _ = io.WriteString(w, `{"uuid":"{1}"}`)
	})
	resp, err := c.Send(t.Context(), post())
	if err != nil {
		t.Fatal(err)
	}
	if id, _ := resp.Body.Get("uuid").Text(); id != "{1}" {
		t.Errorf("got the body %s", resp.Body)
	}
}

func TestSendTakesAnAnswerWithoutContent(t *testing.T) {
	c, _ := writer(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	resp, err := c.Send(t.Context(), bitbucket.Write{Method: http.MethodDelete, Path: "/x"})
	if err != nil || len(resp.Body) != 0 {
		t.Errorf("got %v and %v, want an empty body", resp, err)
	}
}

// What may have been received is not sent again, whatever went wrong, and the error says that nobody knows.
func TestSendNeverRepeatsWhatMayHaveBeenReceived(t *testing.T) {
	drop := func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := w.(http.Hijacker).Hijack()
		if err == nil {
			_ = conn.Close()
		}
	}
	answers := map[string]http.HandlerFunc{
		"connection lost": drop,
		"server error":    func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) },
		"unavailable":     func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) },
		"cut short":       func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, `{"uuid":`) },
		"web page":        func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, `<html>login</html>`) },
	}
	for name, answer := range answers {
		for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodDelete} {
			t.Run(name+" "+method, func(t *testing.T) {
				var received atomic.Int64
				c, _ := writer(t, func(w http.ResponseWriter, r *http.Request) {
					received.Add(1)
					answer(w, r)
				})
				w := post()
				w.Method = method
				_, err := c.Send(t.Context(), w)
				if !errors.Is(err, bitbucket.ErrUncertain) || !fault.Is(err, fault.Unavailable) {
					t.Errorf("got %v, want it uncertain", err)
				}
				if got, want := received.Load(), int64(1); got != want {
					t.Errorf("it was received %d times, want %d", got, want)
				}
			})
		}
	}
}

func TestSendTriesAgainWhatFoundNoConnection(t *testing.T) {
	c, srv := writer(t, func(http.ResponseWriter, *http.Request) {})
	srv.Close()
	_, err := c.Send(t.Context(), post())
	if errors.Is(err, bitbucket.ErrUncertain) || !fault.Is(err, fault.Unavailable) {
		t.Errorf("got %v, want a failure that is certain", err)
	}
	if got, want := c.Calls(), int64(5); got != want {
		t.Errorf("got %d attempts, want %d", got, want)
	}
}

// Who may not write has written nothing, so the next principal is asked.
func TestSendAsksTheNextPrincipalWhereOneIsRefused(t *testing.T) {
	for _, status := range []int{http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound} {
		c, _ := writer(t, func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Authorization") == "Bearer first-token" {
				w.WriteHeader(status)
				return
			}
			_, _ = io.WriteString(w, `{}`)
		})
		if _, err := c.Send(t.Context(), post()); err != nil {
			t.Errorf("after %d: %v", status, err)
		}
	}
}

func TestSendWaitsWhereTheAllowanceIsSpent(t *testing.T) {
	var received atomic.Int64
	c, _ := writer(t, func(w http.ResponseWriter, _ *http.Request) {
		if received.Add(1) == 1 {
			w.WriteHeader(http.StatusTooManyRequests)
			return
		}
		_, _ = io.WriteString(w, `{}`)
	})
	if _, err := c.Send(t.Context(), post()); err != nil {
		t.Fatal(err)
	}
	if got, want := received.Load(), int64(2); got != want {
		t.Errorf("it was received %d times, want %d", got, want)
	}
}

func TestSendFollowsNoRedirect(t *testing.T) {
	var received atomic.Int64
	c, _ := writer(t, func(w http.ResponseWriter, r *http.Request) {
		received.Add(1)
		http.Redirect(w, r, "/2.0/elsewhere", http.StatusTemporaryRedirect)
	})
	if _, err := c.Send(t.Context(), post()); err == nil {
		t.Error("a redirect was taken for success")
	}
	if got, want := received.Load(), int64(1); got != want {
		t.Errorf("got %d requests, want %d", got, want)
	}
}

func TestSendJudgesWhatIsWrongWithTheRequest(t *testing.T) {
	for status, code := range map[int]fault.Code{
		http.StatusBadRequest: fault.Invalid, http.StatusUnprocessableEntity: fault.Invalid, http.StatusConflict: fault.Conflict,
		http.StatusForbidden: fault.Denied, http.StatusNotFound: fault.NotFound,
	} {
		c, _ := writer(t, func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			w.WriteHeader(status)
			_, _ = w.Write([]byte(`{"error":{"message":"no: ` + hookSecretEscaped + `","detail":"` + strings.Repeat("x", len(body)) + `"}}`))
		})
		_, err := c.Send(t.Context(), post())
		if !fault.Is(err, code) || errors.Is(err, bitbucket.ErrUncertain) {
			t.Errorf("status %d: got %v, want the code %s", status, err, code)
		}
		for _, secret := range []string{"cret-of-a-hook", "query-secret", "first-token"} {
			if strings.Contains(err.Error(), secret) {
				t.Errorf("status %d: the error shows %s: %v", status, secret, err)
			}
		}
	}
}

const hookSecretEscaped = `s3\"cret-of-a-hook`

func TestSendStaysInsideTheOrigin(t *testing.T) {
	c, _ := writer(t, func(http.ResponseWriter, *http.Request) { t.Error("a request was sent") })
	w := post()
	w.Path = "/../../elsewhere"
	if _, err := c.Send(t.Context(), w); err == nil {
		t.Error("a path outside the origin was asked")
	}
}
