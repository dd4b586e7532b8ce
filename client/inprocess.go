package client

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"
)

// Handler returns a transport that answers requests by calling h in a goroutine. Answers are streamed: what the handler
// writes can be read at once, and closing the body cancels the handler's request.
func Handler(h http.Handler) http.RoundTripper { return handlerTransport{h} }

type handlerTransport struct{ h http.Handler }

// RoundTrip implements http.RoundTripper. It returns when the handler has sent its header.
func (t handlerTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithCancel(req.Context())
	in := req.Clone(ctx)
	in.RequestURI = req.URL.RequestURI()
	in.RemoteAddr = "in-process"
	in.Host = req.URL.Host
	if in.Body == nil {
		in.Body = http.NoBody
	}
	r, w := io.Pipe()
	rw := &pipeWriter{header: http.Header{}, pipe: w, sent: make(chan struct{})}
	go func() {
		defer func() {
			if v := recover(); v != nil {
				rw.fail(fmt.Errorf("the handler panicked: %v", v))
				return
			}
			rw.WriteHeader(http.StatusOK)
			_ = w.Close()
		}()
		t.h.ServeHTTP(rw, in)
	}()
	select {
	case <-rw.sent:
	case <-req.Context().Done():
		_ = r.CloseWithError(req.Context().Err())
		cancel()
		return nil, req.Context().Err()
	}
	if rw.err != nil {
		cancel()
		return nil, rw.err
	}
	return &http.Response{
		Status: fmt.Sprintf("%d %s", rw.status, http.StatusText(rw.status)), StatusCode: rw.status,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: rw.frozen, Body: cancelBody{r, cancel}, ContentLength: -1, Request: req,
	}, nil
}

// cancelBody ends the handler's request when the reader has had enough.
type cancelBody struct {
	*io.PipeReader
	cancel context.CancelFunc
}

// Close implements io.Closer.
func (b cancelBody) Close() error {
	b.cancel()
	return b.PipeReader.Close()
}

// pipeWriter is the ResponseWriter of the handler.
type pipeWriter struct {
	header http.Header
	pipe   *io.PipeWriter
	once   sync.Once
	sent   chan struct{}
	status int
	frozen http.Header
	err    error
}

// Header implements http.ResponseWriter.
func (w *pipeWriter) Header() http.Header { return w.header }

// WriteHeader implements http.ResponseWriter.
func (w *pipeWriter) WriteHeader(status int) {
	w.once.Do(func() {
		w.status, w.frozen = status, w.header.Clone()
		close(w.sent)
	})
}

// Write implements http.ResponseWriter.
func (w *pipeWriter) Write(b []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	return w.pipe.Write(b)
}

// Flush implements http.Flusher; every write is visible at once anyway.
func (w *pipeWriter) Flush() { w.WriteHeader(http.StatusOK) }

// SetWriteDeadline does nothing: there is no network that could stall.
func (w *pipeWriter) SetWriteDeadline(time.Time) error { return nil }

// SetReadDeadline does nothing, likewise.
func (w *pipeWriter) SetReadDeadline(time.Time) error { return nil }

func (w *pipeWriter) fail(err error) {
	w.once.Do(func() {
		w.err = err
		close(w.sent)
	})
	_ = w.pipe.CloseWithError(err)
}
