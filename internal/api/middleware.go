package api

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/windlass-hq/windlass/internal/fault"
)

const (
	maxBody      = 1 << 20
	bodyTimeout  = 10 * time.Second
	writeTimeout = 2 * time.Minute // of an answer that is no stream; a stream sets its own per write
)

// chain wraps a handler so that the first middleware is the outermost.
func chain(h http.Handler, middlewares ...func(http.Handler) http.Handler) http.Handler {
	for _, middleware := range slices.Backward(middlewares) {
		h = middleware(h)
	}
	return h
}

// hosts answers 421 to every request whose Host is not a name of this machine's loopback: a page on the web that
// points its own name at 127.0.0.1 reaches the port, but not the API (HARD-PARTS C). Sockets and in-process callers
// say localhost.
func hosts(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !loopbackName(r.Host) {
			p := newProblem(fault.Invalid, "this server answers only under localhost, 127.0.0.1 and [::1]",
				"use http://127.0.0.1 with the port; other names come with sign-in")
			p.Status, p.Title = http.StatusMisdirectedRequest, http.StatusText(http.StatusMisdirectedRequest)
			p.write(w)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func loopbackName(host string) bool {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}

// sameOrigin refuses what a page of another site sends with the browser's help.
func sameOrigin(next http.Handler) http.Handler {
	guard := http.NewCrossOriginProtection()
	guard.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		newProblem(fault.Denied, "a page of another site sent this request", "open Windlass itself, or call the API from a program").write(w)
	}))
	return guard.Handler(next)
}

// bodies reads the whole body before the handler runs, within a time and a size, and then lifts the read deadline: the
// server watches an open connection for its end, and a deadline left behind would look like one.
func bodies(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rc := http.NewResponseController(w)
		_ = rc.SetWriteDeadline(time.Now().Add(writeTimeout))
		if r.Body != nil && r.Body != http.NoBody {
			_ = rc.SetReadDeadline(time.Now().Add(bodyTimeout))
			body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
			if err != nil {
				p := newProblem(fault.Invalid, "the body of the request could not be read to its end", "send it again")
				if _, tooLong := errors.AsType[*http.MaxBytesError](err); tooLong {
					p = newProblem(fault.Invalid, "the body of the request is longer than 1 MiB", "send less at once")
					p.Status, p.Title = http.StatusRequestEntityTooLarge, http.StatusText(http.StatusRequestEntityTooLarge)
				}
				p.write(w)
				return
			}
			r.Body = io.NopCloser(bytes.NewReader(body))
		}
		_ = rc.SetReadDeadline(time.Time{})
		next.ServeHTTP(w, r)
	})
}

// recovered turns a panic into a problem, as long as nothing was sent.
func (s *Server) recovered(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			v := recover()
			if v == nil {
				return
			}
			if err, ok := v.(error); ok && errors.Is(err, http.ErrAbortHandler) {
				panic(v)
			}
			s.log.ErrorContext(r.Context(), "a handler panicked", "panic", v, "route", routeOf(r), "stack", string(debug.Stack()))
			if rec, ok := w.(*recorder); ok && rec.status != 0 {
				panic(http.ErrAbortHandler) // the answer is half sent: break it off visibly
			}
			newProblem(fault.Internal, "something went wrong inside Windlass", "the server's log holds the details").write(w)
		}()
		next.ServeHTTP(w, r)
	})
}

// observed counts and logs every request by its route pattern; paths and query strings may hold what nobody should
// find in a log.
func (s *Server) observed(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := s.now()
		rec := &recorder{ResponseWriter: w}
		defer func() {
			status := rec.status
			if status == 0 {
				status = http.StatusOK
			}
			route, took := routeOf(r), s.now().Sub(start)
			s.metrics.requests.WithLabelValues(route, strconv.Itoa(status)).Inc()
			s.metrics.seconds.WithLabelValues(route).Observe(took.Seconds())
			level := slog.LevelDebug
			if status >= 500 && status != http.StatusServiceUnavailable { // whom we depend on is told to who asked
				level = slog.LevelWarn
			}
			s.log.LogAttrs(r.Context(), level, "request", slog.String("route", route), slog.Int("status", status),
				slog.Int64("bytes", rec.bytes), slog.Duration("took", took))
		}()
		next.ServeHTTP(rec, r)
	})
}

// routeOf returns the pattern that served the request; the mux writes it into the request.
func routeOf(r *http.Request) string {
	if r.Pattern == "" {
		return "none"
	}
	return r.Pattern
}

// recorder remembers what was sent.
type recorder struct {
	http.ResponseWriter
	status int
	bytes  int64
}

// WriteHeader implements http.ResponseWriter.
func (w *recorder) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (w *recorder) Write(b []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	n, err := w.ResponseWriter.Write(b)
	w.bytes += int64(n)
	return n, err
}

// Unwrap lets http.ResponseController reach the connection.
func (w *recorder) Unwrap() http.ResponseWriter { return w.ResponseWriter }
