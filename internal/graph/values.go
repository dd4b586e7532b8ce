package graph

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"sort"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Normalize returns the value in the one form in which the graph holds it: integers as int64, whole floats as int64,
// text as valid UTF-8 without NUL (PostgreSQL can store neither), lists as []any, objects as map[string]any. What
// JSON cannot carry (NaN, the infinities, foreign Go types) is no value at all: ok is false, and the property counts
// as unknown.
func Normalize(v any) (_ any, ok bool) {
	switch v := v.(type) {
	case nil, bool, int64:
		return v, true
	case string:
		return CleanText(v), true
	case int:
		return int64(v), true
	case int32:
		return int64(v), true
	case uint32:
		return int64(v), true
	case uint64:
		if v > math.MaxInt64 {
			return float64(v), true
		}
		return int64(v), true
	case float32:
		return Normalize(float64(v))
	case float64:
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return nil, false
		}
		if v == math.Trunc(v) && math.Abs(v) < 1<<53 {
			return int64(v), true
		}
		return v, true
	case json.Number:
		return fromNumber(v), true
	case []string:
		out := make([]any, len(v))
		for i, s := range v {
			out[i] = CleanText(s)
		}
		return out, true
	case []any:
		return normalizeList(v), true
	case map[string]any:
		return map[string]any(normalizeMap(v)), true
	case Properties:
		return map[string]any(normalizeMap(v)), true
	}
	return nil, false
}

func normalizeList(v []any) []any {
	out := make([]any, 0, len(v))
	for _, e := range v {
		if n, ok := Normalize(e); ok {
			out = append(out, n)
		}
	}
	return out
}

func normalizeMap(m map[string]any) Properties {
	out := make(Properties, len(m))
	for k, e := range m {
		if n, ok := Normalize(e); ok {
			out[CleanText(k)] = n
		}
	}
	return out
}

func fromNumber(n json.Number) any {
	if i, err := strconv.ParseInt(string(n), 10, 64); err == nil {
		return i
	}
	f, err := strconv.ParseFloat(string(n), 64)
	if err != nil { // out of range: the digits are all there is
		return string(n)
	}
	v, _ := Normalize(f)
	return v
}

// Normalized returns a copy of the properties with every value normalized.
func (p Properties) Normalized() Properties { return normalizeMap(p) }

// CleanText returns s as valid UTF-8 without NUL; what was neither becomes U+FFFD.
func CleanText(s string) string {
	if utf8.ValidString(s) && strings.IndexByte(s, 0) < 0 {
		return s
	}
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "\uFFFD")
}

// Equal reports whether two normalized values are the same.
func Equal(a, b any) bool {
	switch a := a.(type) {
	case []any:
		b, ok := b.([]any)
		if !ok || len(a) != len(b) {
			return false
		}
		for i := range a {
			if !Equal(a[i], b[i]) {
				return false
			}
		}
		return true
	case map[string]any:
		b, ok := b.(map[string]any)
		if !ok || len(a) != len(b) {
			return false
		}
		for k, v := range a {
			w, ok := b[k]
			if !ok || !Equal(v, w) {
				return false
			}
		}
		return true
	}
	switch b.(type) {
	case []any, map[string]any:
		return false
	}
	return a == b
}

// Equal reports whether two sets of normalized properties are the same.
func (p Properties) Equal(q Properties) bool { return Equal(map[string]any(p), map[string]any(q)) }

// AppendJSON appends the canonical JSON of normalized properties: names in byte order, no spaces, nil values kept.
func (p Properties) AppendJSON(b []byte) []byte { return appendJSON(b, map[string]any(p)) }

// MarshalJSON returns the canonical JSON of the properties; it normalizes them first.
func (p Properties) MarshalJSON() ([]byte, error) {
	if p == nil {
		return []byte("null"), nil
	}
	return p.Normalized().AppendJSON(nil), nil
}

// ParseProperties reads what AppendJSON wrote, or a database's rendering of it.
func ParseProperties(b []byte) (Properties, error) {
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	var m map[string]any
	if err := d.Decode(&m); err != nil {
		return nil, fmt.Errorf("stored properties are no JSON object: %w", err)
	}
	return normalizeMap(m), nil
}

func appendJSON(b []byte, v any) []byte {
	switch v := v.(type) {
	case nil:
		return append(b, "null"...)
	case bool:
		return strconv.AppendBool(b, v)
	case int64:
		return strconv.AppendInt(b, v, 10)
	case float64:
		return strconv.AppendFloat(b, v, 'g', -1, 64)
	case string:
		return appendText(b, v)
	case []any:
		b = append(b, '[')
		for i, e := range v {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendJSON(b, e)
		}
		return append(b, ']')
	case map[string]any:
		var space [32]string
		names := space[:0]
		for k := range v {
			names = append(names, k)
		}
		sort.Strings(names)
		b = append(b, '{')
		for i, k := range names {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendText(b, k)
			b = append(b, ':')
			b = appendJSON(b, v[k])
		}
		return append(b, '}')
	}
	return append(b, "null"...)
}

const hexDigits = "0123456789abcdef"

func appendText(b []byte, s string) []byte {
	b = append(b, '"')
	start := 0
	for i := range len(s) {
		c := s[i]
		if c >= 0x20 && c != '"' && c != '\\' {
			continue
		}
		b = append(b, s[start:i]...)
		start = i + 1
		switch c {
		case '"', '\\':
			b = append(b, '\\', c)
		case '\n':
			b = append(b, '\\', 'n')
		case '\r':
			b = append(b, '\\', 'r')
		case '\t':
			b = append(b, '\\', 't')
		default:
			b = append(b, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
		}
	}
	return append(append(b, s[start:]...), '"')
}
