package bitbucket

import (
	"bytes"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// JSON is one JSON value as it was received, read lazily: nil is a value that was not there at all, which a
// converter must be able to tell from null. Listings are decoded through it and not through encoding/json because a
// page of pull requests is mostly links and rendered text that nobody reads; skipping those is several times faster
// than decoding them, and one odd element cannot spoil its neighbours.
//
// The methods expect a value that Valid accepts. On anything else they return less, and never panic.
type JSON []byte

// maxDepth bounds the nesting of what is accepted, so that a hostile answer cannot exhaust the stack.
const maxDepth = 500

// Valid reports whether j is exactly one well-formed JSON value (RFC 8259) with nothing but white space around it.
func (j JSON) Valid() bool {
	i := skipSpace(j, 0)
	end, ok := skipValue(j, i, 0)
	return ok && skipSpace(j, end) == len(j)
}

// Missing reports whether there was no such value at all.
func (j JSON) Missing() bool { return j == nil }

// Null reports whether the value is null.
func (j JSON) Null() bool { return len(j) == 4 && j[0] == 'n' }

// IsObject reports whether the value is an object.
func (j JSON) IsObject() bool { return len(j) > 0 && j[0] == '{' }

// IsArray reports whether the value is an array.
func (j JSON) IsArray() bool { return len(j) > 0 && j[0] == '[' }

// Text returns the value of a string. Bytes that are not UTF-8, lone surrogates and NUL become U+FFFD: the first two
// are no text, and PostgreSQL stores no NUL.
func (j JSON) Text() (string, bool) {
	if len(j) < 2 || j[0] != '"' || j[len(j)-1] != '"' {
		return "", false
	}
	in := j[1 : len(j)-1]
	if bytes.IndexByte(in, '\\') < 0 {
		s := string(in)
		if !utf8.ValidString(s) {
			s = strings.ToValidUTF8(s, "\uFFFD")
		}
		return s, true
	}
	return unescape(in), true
}

// Flag returns the value of true or false.
func (j JSON) Flag() (value, ok bool) {
	switch string(j) {
	case "true":
		return true, true
	case "false":
		return false, true
	}
	return false, false
}

// Integer returns the value of a number without a fraction.
func (j JSON) Integer() (int64, bool) {
	if len(j) == 0 || (j[0] != '-' && (j[0] < '0' || j[0] > '9')) {
		return 0, false
	}
	if n, err := strconv.ParseInt(string(j), 10, 64); err == nil {
		return n, true
	}
	f, err := strconv.ParseFloat(string(j), 64)
	if err != nil || f != float64(int64(f)) || f > 1<<53 || f < -(1<<53) {
		return 0, false
	}
	return int64(f), true
}

// Time returns an ISO 8601 time string as milliseconds since the epoch. A time without zone is UTC (FACTS 7, 60).
func (j JSON) Time() (int64, bool) {
	if len(j) < 12 || j[0] != '"' {
		return 0, false
	}
	s, ok := j.Text()
	if !ok {
		return 0, false
	}
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		if t, err = time.Parse("2006-01-02T15:04:05.999999999", s); err != nil {
			return 0, false
		}
	}
	return t.UnixMilli(), true
}

// Moment returns a time in any form that Data Center uses, as milliseconds since the epoch: a number of milliseconds,
// such a number as text, or ISO 8601 text with or without a colon in its zone (FACTS 104, 148, 149a).
func (j JSON) Moment() (int64, bool) {
	if n, ok := j.Integer(); ok {
		return n, true
	}
	if t, ok := j.Time(); ok {
		return t, true
	}
	s, ok := j.Text()
	if !ok {
		return 0, false
	}
	if n, err := strconv.ParseInt(s, 10, 64); err == nil {
		return n, true
	}
	t, err := time.Parse("2006-01-02T15:04:05.999999999Z0700", s)
	if err != nil {
		return 0, false
	}
	return t.UnixMilli(), true
}

// Each calls f for every member of an object in order, and reports whether j is an object. The key is unescaped and
// valid only during the call; the value stays valid as long as j does. A key that repeats is passed again.
func (j JSON) Each(f func(key []byte, value JSON)) bool {
	if !j.IsObject() {
		return false
	}
	i := skipSpace(j, 1)
	for i < len(j) && j[i] == '"' {
		end, ok := passString(j, i)
		if !ok {
			return true
		}
		key := j[i+1 : end-1]
		if bytes.IndexByte(key, '\\') >= 0 {
			key = []byte(unescape(key))
		}
		i = skipSpace(j, end)
		if i >= len(j) || j[i] != ':' {
			return true
		}
		i = skipSpace(j, i+1)
		end, ok = pass(j, i)
		if !ok {
			return true
		}
		f(key, j[i:end:end])
		i = skipSpace(j, end)
		if i >= len(j) || j[i] != ',' {
			return true
		}
		i = skipSpace(j, i+1)
	}
	return true
}

// Elements calls f for every element of an array in order, and reports whether j is an array.
func (j JSON) Elements(f func(value JSON)) bool {
	if !j.IsArray() {
		return false
	}
	j.elements(0, f)
	return true
}

// elements walks the array that starts at i and returns the index behind it.
func (j JSON) elements(i int, f func(value JSON)) (int, bool) {
	i = skipSpace(j, i+1)
	for i < len(j) && j[i] != ']' {
		end, ok := pass(j, i)
		if !ok {
			return i, false
		}
		f(j[i:end:end])
		i = skipSpace(j, end)
		if i < len(j) && j[i] == ',' {
			i = skipSpace(j, i+1)
		}
	}
	return i + 1, i < len(j)
}

// Page reads an object whose member named list is an array, in one pass: element is called for every element of that
// array in order, other for every other member. It reports whether there was such an array. Where the list repeats its
// elements are all passed.
func (j JSON) Page(list string, element func(JSON), other func(key []byte, value JSON)) bool {
	found := false
	if !j.IsObject() {
		return false
	}
	i := skipSpace(j, 1)
	for i < len(j) && j[i] == '"' {
		end, ok := passString(j, i)
		if !ok {
			break
		}
		key := j[i+1 : end-1]
		i = skipSpace(j, end)
		if i >= len(j) || j[i] != ':' {
			break
		}
		i = skipSpace(j, i+1)
		if string(key) == list && i < len(j) && j[i] == '[' {
			found = true
			end, ok = j.elements(i, element)
		} else if end, ok = pass(j, i); ok {
			other(key, j[i:end:end])
		}
		if !ok {
			break
		}
		i = skipSpace(j, end)
		if i >= len(j) || j[i] != ',' {
			break
		}
		i = skipSpace(j, i+1)
	}
	return found
}

// Get returns the member that a path of keys leads to, or nil. Where a key repeats the last one counts.
func (j JSON) Get(path ...string) JSON {
	for _, name := range path {
		var found JSON
		j.Each(func(key []byte, value JSON) {
			if string(key) == name {
				found = value
			}
		})
		if found == nil {
			return nil
		}
		j = found
	}
	return j
}
