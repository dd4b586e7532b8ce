package client

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
)

// Problem is the body of every answer that is no success (RFC 9457).
type Problem struct {
	Type   string  `json:"type,omitempty" doc:"Always about:blank; code says what kind of failure it is."`
	Title  string  `json:"title" doc:"Short name of the kind of failure."`
	Status int     `json:"status" doc:"HTTP status."`
	Code   string  `json:"code" doc:"What kind of failure it is." enum:"internal,invalid,usage,unauthorized,denied,not_found,conflict,limited,unavailable,canceled"`
	Detail string  `json:"detail,omitempty" doc:"What happened and why."`
	Remedy string  `json:"remedy,omitempty" doc:"What to do."`
	Errors []Wrong `json:"errors,omitempty" doc:"The wrong parts of the request, one by one."`
}

// Wrong is one wrong part of a request.
type Wrong struct {
	Message  string `json:"message" doc:"What is wrong."`
	Location string `json:"location,omitempty" doc:"Where, such as body.interval or query.limit."`
}

// Error is a failure that the server reported, or that stood between the server and us.
type Error struct {
	Code   string // as Problem.Code
	Status int    // HTTP status; 0 where no answer came
	Title  string
	Detail string
	Remedy string
	Err    error // cause on our side of the wire; may be nil
}

// Error returns detail, cause and remedy in one line.
func (e *Error) Error() string {
	s := e.Detail
	if s == "" {
		s = e.Title
	}
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	if e.Remedy != "" {
		s += " (" + e.Remedy + ")"
	}
	return s
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// CodeOf returns the code of the first *Error in err's chain, or "".
func CodeOf(err error) string {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Code
	}
	return ""
}

// maxProblem bounds what is read of an answer that is no success.
const maxProblem = 256 << 10

func problemOf(res *http.Response) *Error {
	body, _ := io.ReadAll(io.LimitReader(res.Body, maxProblem))
	var p Problem
	if !strings.Contains(res.Header.Get("Content-Type"), "json") || json.Unmarshal(body, &p) != nil || p.Title == "" && p.Detail == "" {
		return &Error{
			Code: codeOfStatus(res.StatusCode), Status: res.StatusCode, Title: http.StatusText(res.StatusCode),
			Detail: "the server answered " + res.Status, Remedy: "check that the address is that of Windlass and no proxy stands between",
		}
	}
	return p.asError()
}

func (p Problem) asError() *Error {
	e := &Error{Code: p.Code, Status: p.Status, Title: p.Title, Detail: p.Detail, Remedy: p.Remedy}
	for _, w := range p.Errors {
		e.Detail += "; " + strings.TrimSpace(w.Location+" "+w.Message)
	}
	if e.Code == "" {
		e.Code = codeOfStatus(p.Status)
	}
	return e
}

func codeOfStatus(status int) string {
	switch {
	case status == http.StatusNotFound:
		return "not_found"
	case status == http.StatusConflict:
		return "conflict"
	case status == http.StatusUnauthorized:
		return "unauthorized"
	case status == http.StatusForbidden:
		return "denied"
	case status == http.StatusTooManyRequests:
		return "limited"
	case status >= 500:
		return "unavailable"
	}
	return "invalid"
}
