package bitbucket_test

import (
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/windlass-hq/windlass/internal/bitbucket"
	"github.com/windlass-hq/windlass/internal/fault"
)

// TestWhatAnswersMean goes through what a wrong or broken far end answers: each is one clear message.
func TestWhatAnswersMean(t *testing.T) {
	const login = "<!DOCTYPE html><html><head><title>Corporate\n Login</title></head>"
	for name, tc := range map[string]struct {
		answer http.HandlerFunc
		code   fault.Code
		calls  int64
		want   []string
	}{
		"proxy page with 200": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			io.WriteString(w, login)
		}, fault.Unavailable, 1, []string{"GET /2.0/x", "bb.example", "Corporate Login", "proxy"}},
		"page without content type": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header()["Content-Type"] = nil
			io.WriteString(w, login)
		}, fault.Unavailable, 1, []string{"web page"}},
		"proxy page with 503": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			w.WriteHeader(503)
			io.WriteString(w, login)
		}, fault.Unavailable, 5, []string{"503", "web page", "proxy"}},
		"truncated": {
			func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, `{"values":[{"id":1`) },
			fault.Unavailable, 5,
			[]string{"18 bytes", "not complete JSON"},
		},
		"empty": {func(http.ResponseWriter, *http.Request) {}, fault.Unavailable, 5, []string{"0 bytes"}},
		"plain text 404": {
			func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(404); io.WriteString(w, "Not Found\n") },
			fault.NotFound, 1,
			[]string{"does not exist", "Not Found"},
		},
		"plain text 401": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("WWW-Authenticate", `Basic realm="Bitbucket.org HTTP"`)
			w.WriteHeader(401)
			io.WriteString(w, "Bitbucket Cloud recently stopped supporting account passwords")
		}, fault.Unauthorized, 1, []string{"fingerprint", "stopped supporting", "credential add acme"}},
		"scope missing": {func(w http.ResponseWriter, _ *http.Request) {
			answerJSON(w, 403, `{"type":"error","error":{"message":"Your credentials lack one or more required privilege scopes.","detail":{"required":["pullrequest"],"granted":["account","project"]}}}`)
		}, fault.Denied, 1, []string{"lacks the scope pullrequest", "account, project", "GET /2.0/x"}},
		"403 without reason": {
			func(w http.ResponseWriter, _ *http.Request) { answerJSON(w, 403, `{}`) },
			fault.Denied, 1,
			[]string{"may not read GET /2.0/x", "Forbidden"},
		},
		"removed": {func(w http.ResponseWriter, _ *http.Request) {
			answerJSON(w, 410, `{"type":"error","error":{"message":"CHANGE-2770 - Functionality has been deprecated","detail":"Please read the changelog entry for more details.","data":{"announcement_url":"x"}}}`)
		}, fault.Unavailable, 1, []string{"removed by Bitbucket", "CHANGE-2770", "workspace is spelled right"}},
		"merge time-out": {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(555) }, fault.Unavailable, 5, []string{"555"}},
		"page length": {func(w http.ResponseWriter, _ *http.Request) {
			answerJSON(w, 400, `{"type":"error","error":{"message":"Invalid pagelen"}}`)
		}, fault.Unavailable, 1, []string{"Invalid pagelen", "400"}},
		"endless text": {func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(404)
			io.WriteString(w, strings.Repeat("long\x1b[31m\r\n", 1000))
		}, fault.NotFound, 1, []string{"…"}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := client(t, tc.answer)
				_, err := get(t, c)
				if !fault.Is(err, tc.code) || c.Calls() != tc.calls {
					t.Fatalf("code %s after %d calls, want %s after %d: %v", fault.CodeOf(err), c.Calls(), tc.code, tc.calls, err)
				}
				text := err.Error()
				for _, want := range tc.want {
					if !strings.Contains(text, want) {
						t.Errorf("%q lacks %q", text, want)
					}
				}
				if strings.ContainsAny(text, "\n\r\x1b") || len(text) > 900 || strings.Contains(text, "secret=query") {
					t.Errorf("unfit for people: %q", text)
				}
			})
		})
	}
}

func TestWhereNothingAnswers(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	free := l.Addr().String()
	l.Close()
	secure := httptest.NewUnstartedServer(http.NotFoundHandler())
	secure.Config.ErrorLog = log.New(io.Discard, "", 0)
	secure.StartTLS()
	defer secure.Close()
	plain := httptest.NewServer(http.NotFoundHandler())
	defer plain.Close()
	port := secure.URL[strings.LastIndex(secure.URL, ":"):]
	trusting := secure.Client()

	for name, tc := range map[string]struct {
		url      string
		http     *http.Client
		want     []string
		attempts int64
	}{
		"refused":           {"http://" + free, nil, []string{"refuses connections", free}, 2},
		"refused by proxy":  {plain.URL, &http.Client{Transport: &http.Transport{Proxy: http.ProxyURL(&url.URL{Scheme: "http", Host: free})}}, []string{"the proxy on the way to 127.0.0.1", "cannot be reached", free}, 2},
		"unknown authority": {secure.URL, nil, []string{"signed by an authority", "--ca-file"}, 1},
		"wrong name":        {"https://localhost" + port, trusting, []string{"for another name", "example.com"}, 1},
		"no https":          {strings.Replace(plain.URL, "http:", "https:", 1), nil, []string{"does not speak https"}, 1},
		"unknown host":      {"https://windlass-no-such-host.invalid", nil, []string{"windlass-no-such-host.invalid"}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			api, err := bitbucket.ParseOrigin(tc.url, false)
			if err != nil {
				t.Fatal(err)
			}
			c, err := bitbucket.New(bitbucket.Options{API: api, Credentials: []bitbucket.Credential{tokenA}, HTTP: tc.http})
			if err != nil {
				t.Fatal(err)
			}
			_, err = c.Do(t.Context(), bitbucket.Request{Path: "/x?secret=query", Attempts: 2})
			if !fault.Is(err, fault.Unavailable) || fault.RemedyOf(err) == "" {
				t.Fatalf("%v, remedy %q", err, fault.RemedyOf(err))
			}
			for _, want := range tc.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q lacks %q", err, want)
				}
			}
			if strings.Contains(err.Error(), "secret=query") || strings.Contains(err.Error(), "token-a") {
				t.Errorf("%q leaks", err)
			}
			if name != "unknown host" && c.Calls() != tc.attempts { // without a resolver the failure may count as passing
				t.Errorf("%d calls, want %d", c.Calls(), tc.attempts)
			}
			t.Log(err)
		})
	}
}
