package api

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/windlass-hq/windlass/client"
	"github.com/windlass-hq/windlass/internal/fault"
)

// statuses maps the codes of failures to HTTP, here and nowhere else. Unauthorized and Denied that came from Bitbucket
// never get here: what a credential of a connection lacks is a finding of its check, not a failure of our caller.
func statuses() map[fault.Code]int {
	return map[fault.Code]int{
		fault.Internal:     http.StatusInternalServerError,
		fault.Invalid:      http.StatusBadRequest,
		fault.Usage:        http.StatusBadRequest,
		fault.Unauthorized: http.StatusUnauthorized,
		fault.Denied:       http.StatusForbidden,
		fault.NotFound:     http.StatusNotFound,
		fault.Conflict:     http.StatusConflict,
		fault.Limited:      http.StatusTooManyRequests,
		fault.Unavailable:  http.StatusServiceUnavailable,
		fault.Canceled:     http.StatusServiceUnavailable,
	}
}

// codeOf is the other direction, for failures that huma and the mux find.
func codeOf(status int) fault.Code {
	switch status {
	case http.StatusNotFound:
		return fault.NotFound
	case http.StatusConflict:
		return fault.Conflict
	case http.StatusTooManyRequests:
		return fault.Limited
	}
	if status >= 500 {
		return fault.Internal
	}
	return fault.Invalid
}

// problem is client.Problem as an error that huma can send.
type problem struct{ client.Problem }

// Error implements error.
func (p *problem) Error() string { return p.Detail }

// GetStatus implements huma.StatusError.
func (p *problem) GetStatus() int { return p.Status }

// ContentType implements huma.ContentTypeFilter.
func (p *problem) ContentType(string) string { return problemType }

const problemType = "application/problem+json"

// problemFor words an error for the caller. What is no *fault.Error is a defect or an unforeseen failure of ours: it is
// logged in full and answered without its text, which may hold anything.
func problemFor(ctx context.Context, log *slog.Logger, err error) *problem {
	if p, ok := errors.AsType[*problem](err); ok {
		return p
	}
	f, ok := errors.AsType[*fault.Error](err)
	if !ok && (errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)) {
		f, ok = fault.New(fault.Canceled, "the request was stopped before its end").With("try again"), true
	}
	if !ok || f.Code == fault.Internal {
		log.LogAttrs(ctx, slog.LevelError, "a request failed inside", slog.String("error", err.Error()))
		return newProblem(fault.Internal, "something went wrong inside Windlass", "the server's log holds the details")
	}
	detail, remedy := f.Message, fault.RemedyOf(f)
	if f.Err != nil {
		// The cause words its own remedy; it is said once.
		detail += ": " + strings.Replace(f.Err.Error(), " ("+remedy+")", "", 1)
	}
	return newProblem(f.Code, detail, remedy)
}

func newProblem(code fault.Code, detail, remedy string) *problem {
	status, ok := statuses()[code]
	if !ok {
		status = http.StatusInternalServerError
	}
	return &problem{client.Problem{
		Title: http.StatusText(status), Status: status, Code: string(code), Detail: detail, Remedy: remedy,
	}}
}

// translate turns huma's own findings (validation, unknown media types) into our form. It is a huma.Transformer.
func translate(_ huma.Context, _ string, v any) (any, error) {
	m, ok := v.(*huma.ErrorModel)
	if !ok {
		if p, ok := v.(*problem); ok {
			return p.Problem, nil
		}
		return v, nil
	}
	p := client.Problem{Title: m.Title, Status: m.Status, Code: string(codeOf(m.Status)), Detail: m.Detail}
	if m.Status == http.StatusUnprocessableEntity {
		p.Detail, p.Remedy = "the request is not valid", "docs/openapi.json describes what is expected"
	}
	for _, e := range m.Errors {
		// The offending value is not repeated: it may be a secret.
		p.Errors = append(p.Errors, client.Wrong{Message: e.Message, Location: e.Location})
	}
	return p, nil
}

// write sends a problem from outside huma.
func (p *problem) write(w http.ResponseWriter) {
	w.Header().Set("Content-Type", problemType)
	w.WriteHeader(p.Status)
	_ = json.NewEncoder(w).Encode(p.Problem)
}

// send answers with a problem from inside a stream that has not begun.
func (p *problem) send(h huma.Context) {
	h.SetHeader("Content-Type", problemType)
	h.SetStatus(p.Status)
	_ = json.NewEncoder(h.BodyWriter()).Encode(p.Problem)
}
