package api_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/windlass-hq/windlass/client"
	"github.com/windlass-hq/windlass/internal/api"
	"github.com/windlass-hq/windlass/internal/fault"
)

// asker answers every question with a function of the test.
type asker func(q api.Question, header func([]string, bool) error, row func(json.RawMessage) error) (api.Told, error)

func (a asker) Ask(_ context.Context, q api.Question, header func([]string, bool) error, row func(json.RawMessage) error) (api.Told, error) {
	return a(q, header, row)
}

func (asker) Doubts(context.Context, time.Time) ([]string, error) { return nil, nil }

// door is a server whose log a test can read.
func door(t *testing.T, o api.Options) (http.Handler, *bytes.Buffer) {
	t.Helper()
	var log bytes.Buffer
	o.Log = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	o.Now = time.Now
	return api.New(o).Handler(), &log
}

func ask(h http.Handler, method, url, body string, change ...func(*http.Request)) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, url, strings.NewReader(body))
	r.Host = "localhost:8484"
	r.Header.Set("Content-Type", "application/json")
	for _, c := range change {
		c(r)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// problem reads an answer that must be a problem.
func problem(t *testing.T, w *httptest.ResponseRecorder) client.Problem {
	t.Helper()
	var p client.Problem
	if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil || w.Header().Get("Content-Type") != "application/problem+json" || p.Status != w.Code {
		t.Fatalf("no problem: %d %s %s", w.Code, w.Header(), w.Body)
	}
	return p
}

func TestHostIsChecked(t *testing.T) {
	h, _ := door(t, api.Options{})
	for host, want := range map[string]int{
		"localhost": 200, "LOCALHOST:1": 200, "127.0.0.1:8484": 200, "127.1.2.3": 200, "[::1]:8484": 200,
		"evil.example": 421, "evil.example:8484": 421, "127.0.0.1.evil.example": 421, "10.0.0.1": 421, "": 421, "localhost.evil.example": 421,
	} {
		w := ask(h, "GET", "/healthz", "", func(r *http.Request) { r.Host = host })
		if w.Code != want {
			t.Errorf("Host %q: got %d, want %d", host, w.Code, want)
		}
	}
}

func TestOtherSitesAreRefused(t *testing.T) {
	h, _ := door(t, api.Options{Asker: asker(nil)})
	w := ask(h, "POST", "/api/v1/query", `{"query":"FIND *"}`, func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") })
	if p := problem(t, w); p.Status != http.StatusForbidden || p.Code != "denied" {
		t.Errorf("got %+v", p)
	}
}

func TestBodiesHaveALimit(t *testing.T) {
	h, _ := door(t, api.Options{})
	w := ask(h, "POST", "/api/v1/query", `{"query":"`+strings.Repeat("x", 2<<20)+`"}`)
	if p := problem(t, w); p.Status != http.StatusRequestEntityTooLarge {
		t.Errorf("got %+v", p)
	}
}

func TestValidationNamesThePlaceAndNoSecret(t *testing.T) {
	h, log := door(t, api.Options{})
	w := ask(h, "POST", "/api/v1/connections", `{"name":"no spaces!","product":"cloud","credentials":[{"kind":"hush-kind","secret":"hush"}],"secret":"hush"}`)
	p := problem(t, w)
	if p.Status != http.StatusUnprocessableEntity || p.Code != "invalid" {
		t.Errorf("got %+v", p)
	}
	places := ""
	for _, e := range p.Errors {
		places += e.Location + " "
	}
	for _, want := range []string{"body.name", "body.credentials[0].kind"} {
		if !strings.Contains(places, want) {
			t.Errorf("%s is not among %s", want, places)
		}
	}
	if strings.Contains(w.Body.String(), "hush") || strings.Contains(log.String(), "hush") {
		t.Errorf("the secret is repeated: %s\n%s", w.Body, log)
	}
	if w := ask(h, "GET", "/api/v1/runs?colour=red", ""); problem(t, w).Status != http.StatusUnprocessableEntity {
		t.Errorf("an unknown parameter: got %d", w.Code)
	}
}

func TestFaultsBecomeProblems(t *testing.T) {
	tests := []struct {
		err    error
		status int
		code   string
		detail string
		remedy string
	}{
		{fault.New(fault.Invalid, "wrong").With("right it"), 400, "invalid", "wrong", "right it"},
		{fault.New(fault.NotFound, "gone"), 404, "not_found", "gone", ""},
		{fault.New(fault.Conflict, "twice"), 409, "conflict", "twice", ""},
		{fault.New(fault.Limited, "slowly"), 429, "limited", "slowly", ""},
		{fault.New(fault.Unavailable, "away"), 503, "unavailable", "away", ""},
		{errors.Join(errors.New("x"), fault.New(fault.Denied, "no")), 403, "denied", "no", ""},
		{errors.New("dial tcp: password=hush"), 500, "internal", "something went wrong inside Windlass", "the server's log holds the details"},
		{fault.Wrap(errors.New("hush"), fault.Internal, "x"), 500, "internal", "something went wrong inside Windlass", "the server's log holds the details"},
		{context.Canceled, 503, "canceled", "the request was stopped before its end", "try again"},
	}
	for _, tt := range tests {
		h, _ := door(t, api.Options{Doctor: func(context.Context) ([]api.Finding, error) { return nil, tt.err }})
		got := problem(t, ask(h, "GET", "/api/v1/doctor", ""))
		if got.Status != tt.status || got.Code != tt.code || got.Detail != tt.detail || got.Remedy != tt.remedy {
			t.Errorf("%v: got %+v", tt.err, got)
		}
	}
}

func TestPanicBecomesAProblem(t *testing.T) {
	h, log := door(t, api.Options{Doctor: func(context.Context) ([]api.Finding, error) { panic("hush") }})
	w := ask(h, "GET", "/api/v1/doctor", "")
	if p := problem(t, w); p.Status != 500 || strings.Contains(w.Body.String(), "hush") {
		t.Errorf("got %+v", p)
	}
	if !strings.Contains(log.String(), "a handler panicked") {
		t.Errorf("the log has no trace:\n%s", log)
	}
}

func TestPanicInAStreamBreaksItOff(t *testing.T) {
	h, _ := door(t, api.Options{Asker: asker(func(_ api.Question, header func([]string, bool) error, row func(json.RawMessage) error) (api.Told, error) {
		if err := errors.Join(header([]string{"a"}, false), row(json.RawMessage(`{"a":1}`))); err != nil {
			return api.Told{}, err
		}
		panic("boom")
	})})
	s := httptest.NewServer(h)
	defer s.Close()
	res, err := http.Post(s.URL+"/api/v1/query/stream", "application/json", strings.NewReader(`{"query":"FIND *"}`))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if _, err := io.ReadAll(res.Body); err == nil {
		t.Error("the stream looks whole")
	}
}

func TestStreamEndsInWords(t *testing.T) {
	failing := func(before int, err error) http.Handler {
		h, _ := door(t, api.Options{Asker: asker(func(_ api.Question, header func([]string, bool) error, row func(json.RawMessage) error) (api.Told, error) {
			if before == 0 {
				return api.Told{}, err
			}
			if e := header([]string{"a"}, false); e != nil {
				return api.Told{}, e
			}
			for range before {
				if e := row(json.RawMessage(`{"a":1}`)); e != nil {
					return api.Told{}, e
				}
			}
			return api.Told{Warnings: []string{"careful"}}, err
		})})
		return h
	}
	w := ask(failing(0, fault.New(fault.Invalid, "unreadable")), "POST", "/api/v1/query/stream", `{"query":"x"}`)
	if p := problem(t, w); p.Status != 400 || p.Detail != "unreadable" {
		t.Errorf("before the first row: got %+v", p)
	}
	w = ask(failing(2, fault.New(fault.Unavailable, "the disk is gone")), "POST", "/api/v1/query/stream", `{"query":"x"}`)
	if lines := strings.Split(strings.TrimSpace(w.Body.String()), "\n"); w.Code != 200 || len(lines) != 4 || !strings.Contains(lines[3], `"problem":{`) {
		t.Errorf("after two rows: got %d %s", w.Code, w.Body)
	}
	w = ask(failing(2, nil), "POST", "/api/v1/query/stream", `{"query":"x"}`)
	if lines := strings.Split(strings.TrimSpace(w.Body.String()), "\n"); len(lines) != 4 || !strings.Contains(lines[3], `"end":{"rows":2`) || !strings.Contains(lines[3], "careful") {
		t.Errorf("whole: got %s", w.Body)
	}
}

func TestLogHoldsPatternsOnly(t *testing.T) {
	h, log := door(t, api.Options{Jobs: nil, Doctor: func(context.Context) ([]api.Finding, error) { return nil, nil }})
	ask(h, "GET", "/api/v1/doctor?token=hush", "")
	ask(h, "GET", "/nowhere/hush?x=hush", "")
	if text := log.String(); strings.Contains(text, "hush") || !strings.Contains(text, `route="GET /api/v1/doctor"`) {
		t.Errorf("got log:\n%s", text)
	}
	w := ask(h, "GET", "/metrics", "")
	if body := w.Body.String(); strings.Contains(body, "hush") || !strings.Contains(body, `route="GET /api/v1/doctor"`) {
		t.Errorf("got metrics:\n%s", body)
	}
}

func TestReadiness(t *testing.T) {
	var failure error
	h, _ := door(t, api.Options{Ready: func(context.Context) error { return failure }})
	if w := ask(h, "GET", "/readyz", ""); w.Code != 200 {
		t.Errorf("got %d", w.Code)
	}
	failure = errors.New("connect to joe:hush@db")
	w := ask(h, "GET", "/readyz", "")
	if p := problem(t, w); p.Status != 503 || strings.Contains(w.Body.String(), "hush") {
		t.Errorf("got %+v", p)
	}
	if w := ask(h, "GET", "/healthz", ""); w.Code != 200 {
		t.Errorf("a process that lives says so: got %d", w.Code)
	}
}
