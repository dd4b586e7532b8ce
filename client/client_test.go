package client_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/windlass-hq/windlass/client"
)

// doors runs a test over TCP, a unix socket and in process: the three ways to the same handler.
func doors(t *testing.T, h http.Handler, f func(t *testing.T, c *client.Client)) {
	t.Run("tcp", func(t *testing.T) {
		s := httptest.NewServer(h)
		defer s.Close()
		c, err := client.New(s.URL + "/")
		if err != nil {
			t.Fatal(err)
		}
		f(t, c)
	})
	t.Run("socket", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "s")
		l, err := net.Listen("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		s := &httptest.Server{Listener: l, Config: &http.Server{Handler: h}}
		s.Start()
		defer s.Close()
		c := client.Socket(path)
		defer c.Close()
		f(t, c)
	})
	t.Run("in process", func(t *testing.T) { f(t, client.InProcess(h)) })
}

func TestProblemBecomesError(t *testing.T) {
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(http.StatusConflict)
		_ = json.NewEncoder(w).Encode(client.Problem{Title: "Conflict", Status: 409, Code: "conflict", Detail: "taken: " + r.URL.EscapedPath(), Remedy: "use another"})
	})
	doors(t, h, func(t *testing.T, c *client.Client) {
		_, err := c.Connection(t.Context(), "a/b")
		want := &client.Error{Code: "conflict", Status: 409, Title: "Conflict", Detail: "taken: /api/v1/connections/a%2Fb", Remedy: "use another"}
		var got *client.Error
		if !errors.As(err, &got) {
			t.Fatalf("got %v", err)
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Error(d)
		}
	})
}

func TestForeignAnswers(t *testing.T) {
	tests := []struct {
		name string
		h    http.HandlerFunc
		code string
		want string
	}{
		{"a proxy's page", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			w.WriteHeader(http.StatusBadGateway)
			_, _ = io.WriteString(w, "<html>proxy</html>")
		}, "unavailable", "the server answered 502 Bad Gateway"},
		{"html with success", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<html>") }, "unavailable", "is not the JSON"},
		{"redirect", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "https://elsewhere.example/", http.StatusFound)
		}, "unavailable", "redirects"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := client.InProcess(tt.h).Version(t.Context())
			if client.CodeOf(err) != tt.code || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v", err)
			}
		})
	}
	c, err := client.New("http://127.0.0.1:1")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Version(t.Context()); client.CodeOf(err) != "unavailable" {
		t.Errorf("nobody listens: got %v", err)
	}
	if _, err := client.New("127.0.0.1:8484"); client.CodeOf(err) != "usage" {
		t.Errorf("no URL: got %v", err)
	}
}

func TestFollowResumes(t *testing.T) {
	var seen []string
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		last := r.Header.Get("Last-Event-ID")
		seen = append(seen, last)
		w.Header().Set("Content-Type", "text/event-stream")
		switch last {
		case "": // breaks off in the middle of the second event
			_, _ = io.WriteString(w, ": hello\nid: 7\ndata: {\"phase\":\"listing\",\ndata: \"done\":1}\n\nid: 8\ndata: {\"pha")
		case "7":
			_, _ = io.WriteString(w, "id: 9\r\nevent: progress\r\ndata: {\"phase\":\"done\",\"run\":{\"id\":3,\"status\":\"complete\"}}\r\n\r\n")
		}
	})
	doors(t, h, func(t *testing.T, c *client.Client) {
		seen = nil
		var phases []string
		run, err := c.Follow(t.Context(), 3, func(p client.Progress) { phases = append(phases, fmt.Sprint(p.Phase, p.Done)) })
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff([]string{"listing1", "done0"}, phases); d != "" {
			t.Error(d)
		}
		if d := cmp.Diff([]string{"", "7"}, seen); d != "" {
			t.Error(d)
		}
		if run.Status != client.RunComplete {
			t.Errorf("got %+v", run)
		}
	})
}

func TestFollowEndsWithoutRun(t *testing.T) {
	h := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { http.NotFound(w, nil) })
	if _, err := client.InProcess(h).Follow(t.Context(), 1, func(client.Progress) {}); client.CodeOf(err) != "not_found" {
		t.Errorf("got %v", err)
	}
}

func TestStream(t *testing.T) {
	tests := []struct {
		name, body string
		rows       int
		want       string
	}{
		{"whole", `{"columns":["a"]}` + "\n" + `{"row":{"a":1}}` + "\n" + `{"row":{"a":2}}` + "\n" + `{"end":{"rows":2,"seconds":0.1}}` + "\n", 2, ""},
		{"cut off", `{"columns":["a"]}` + "\n" + `{"row":{"a":1}}` + "\n", 1, "broke off"},
		{"failed on the way", `{"columns":["a"]}` + "\n" + `{"problem":{"title":"x","status":500,"code":"internal","detail":"the disk is gone"}}` + "\n", 0, "the disk is gone"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, tt.body) })
			rows, columns := 0, []string(nil)
			_, err := client.InProcess(h).Stream(t.Context(), client.Query{Query: "FIND *"},
				func(p client.Piece) error { columns = p.Columns; return nil },
				func(json.RawMessage) error { rows++; return nil })
			if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
			if rows != tt.rows || len(columns) != 1 {
				t.Errorf("got %d rows, columns %v", rows, columns)
			}
		})
	}
}

func TestClosingTheBodyCancelsTheHandler(t *testing.T) {
	canceled := make(chan struct{})
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, `{"columns":["a"]}`+"\n"+`{"row":{}}`+"\n")
		<-r.Context().Done()
		close(canceled)
	})
	stop := errors.New("enough")
	_, err := client.InProcess(h).Stream(context.WithoutCancel(t.Context()), client.Query{Query: "FIND *"},
		func(client.Piece) error { return nil }, func(json.RawMessage) error { return stop })
	if !errors.Is(err, stop) {
		t.Errorf("got %v", err)
	}
	<-canceled
}

func TestPanicInProcessIsAnError(t *testing.T) {
	h := http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("boom") })
	if _, err := client.InProcess(h).Version(t.Context()); err == nil || !strings.Contains(err.Error(), "boom") {
		t.Errorf("got %v", err)
	}
}
