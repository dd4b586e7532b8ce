// Package fault is the whole error policy of Windlass: one error type that says what happened, why, and what to do.
//
// Packages return a *Error where the reader of the message can act on it; everything else is wrapped with %w and
// counts as internal. The edges (HTTP in api, exit codes in cli) map a Code once; nobody else looks at it.
package fault

import (
	"errors"
	"fmt"
)

// Code is the class of a failure. It decides the HTTP status and the exit code, nothing else.
type Code string

// The codes. Internal is also the code of every error that is not a *Error.
const (
	Internal     Code = "internal"     // a defect or an unforeseen failure of ours
	Invalid      Code = "invalid"      // the input is wrong; the message says where
	Usage        Code = "usage"        // the command line is wrong or incomplete (exit code 2)
	Unauthorized Code = "unauthorized" // no credential, or a dead one
	Denied       Code = "denied"       // a credential without the right that is needed
	NotFound     Code = "not_found"    // the thing named does not exist
	Conflict     Code = "conflict"     // it exists already, or somebody else holds it
	Limited      Code = "limited"      // an allowance is spent; try again later
	Unavailable  Code = "unavailable"  // a system we depend on does not answer, or answers garbage
	Canceled     Code = "canceled"     // stopped on request
)

// Error is a failure that a person can act on.
type Error struct {
	Code    Code
	Message string // what happened and why, one sentence, no secrets
	Remedy  string // what to do, one sentence; empty where nothing helps
	Err     error  // the cause, for the expert's detail; may be nil
}

// Error returns message, cause and remedy in one line.
func (e *Error) Error() string {
	s := e.Message
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

// New returns an Error without cause or remedy. Arguments are formatted as by fmt.Sprintf.
func New(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// Wrap returns an Error with a cause. The cause's text becomes part of Error(), so it must hold no secret.
func Wrap(err error, code Code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...), Err: err}
}

// With returns a copy of e that names what to do.
func (e *Error) With(format string, args ...any) *Error {
	c := *e
	c.Remedy = fmt.Sprintf(format, args...)
	return &c
}

// CodeOf returns the code of the first *Error in err's chain, Internal if there is none, and "" for nil.
func CodeOf(err error) Code {
	if err == nil {
		return ""
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Code
	}
	return Internal
}

// Is reports whether err carries the code.
func Is(err error, code Code) bool { return err != nil && CodeOf(err) == code }

// RemedyOf returns the first remedy in err's chain, or "".
func RemedyOf(err error) string {
	for err != nil {
		e, ok := errors.AsType[*Error](err)
		if !ok {
			return ""
		}
		if e.Remedy != "" {
			return e.Remedy
		}
		err = e.Err
	}
	return ""
}
