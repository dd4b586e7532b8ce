package sandbox

import (
	"cmp"
	"strings"
	"time"
)

type kind uint8

const (
	kindNull kind = iota
	kindString
	kindNumber
	kindBool
	kindTime
	kindObject
)

// value is a scalar of an object, or a literal of a query.
type value struct {
	kind kind
	b    bool
	n    float64
	t    int64 // microseconds
	s    string
}

// compare orders two values; ok is false where they cannot be compared. A string beside a time is read as one
// (FACTS 61).
func (v value) compare(to value) (order int, ok bool) {
	if v.kind == kindTime && to.kind == kindString {
		t, err := parseMoment(to.s)
		return cmp.Compare(v.t, t), err == nil
	}
	if v.kind != to.kind {
		return 0, false
	}
	switch v.kind {
	case kindNull:
		return 0, true
	case kindString:
		return strings.Compare(v.s, to.s), true
	case kindNumber:
		return cmp.Compare(v.n, to.n), true
	case kindTime:
		return cmp.Compare(v.t, to.t), true
	case kindBool:
		switch {
		case v.b == to.b:
			return 0, true
		case to.b:
			return -1, true
		}
		return 1, true
	}
	return 0, false
}

// momentLayouts are the ISO-8601 forms that are read; without a zone UTC is meant (FACTS 60).
func momentLayouts() []string {
	return []string{
		"2006-01-02T15:04:05.999999999Z07:00", "2006-01-02T15:04:05.999999999", "2006-01-02 15:04:05.999999999Z07:00",
		"2006-01-02 15:04:05.999999999", "2006-01-02T15:04Z07:00", "2006-01-02T15:04", "2006-01-02",
	}
}

func parseMoment(s string) (int64, error) {
	var first error
	for _, layout := range momentLayouts() {
		t, err := time.Parse(layout, s)
		if err == nil {
			return t.UnixMicro(), nil
		}
		if first == nil {
			first = err
		}
	}
	return 0, first
}
