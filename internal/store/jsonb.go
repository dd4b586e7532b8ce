package store

import (
	"encoding/binary"
	"slices"
	"strconv"

	"github.com/windlass-hq/windlass/internal/graph"
)

// SQLite's JSONB is written here, outside the transaction, so that the writer has no text to parse
// (sqlite.org/jsonb.html). These are the element types in use.
const (
	jsonbNull    = 0
	jsonbTrue    = 1
	jsonbFalse   = 2
	jsonbInt     = 3
	jsonbFloat   = 5
	jsonbText    = 7  // nothing in it needs an escape in JSON
	jsonbTextRaw = 10 // anything
	jsonbArray   = 11
	jsonbObject  = 12
)

// json is the form in which a statement takes the properties for a JSON column: text on PostgreSQL, JSONB on SQLite.
func (d Dialect) json(p graph.Properties) any {
	if d.postgres {
		return string(p.AppendJSON(nil))
	}
	return appendJSONB(make([]byte, 0, 512), map[string]any(p))
}

// optionalJSON is json with NULL for no properties.
func (d Dialect) optionalJSON(p graph.Properties) any {
	if len(p) == 0 {
		return nil
	}
	return d.json(p)
}

// appendJSONB appends a normalized value, object members in byte order of their names.
func appendJSONB(b []byte, v any) []byte {
	switch v := v.(type) {
	case bool:
		if v {
			return append(b, jsonbTrue)
		}
		return append(b, jsonbFalse)
	case int64:
		var space [20]byte
		return appendElement(b, jsonbInt, strconv.AppendInt(space[:0], v, 10))
	case float64:
		var space [32]byte
		return appendElement(b, jsonbFloat, strconv.AppendFloat(space[:0], v, 'g', -1, 64))
	case string:
		return appendJSONBText(b, v)
	case []any:
		start := len(b)
		for _, e := range v {
			b = appendJSONB(b, e)
		}
		return enclose(b, start, jsonbArray)
	case map[string]any:
		start := len(b)
		var space [32]string
		names := space[:0]
		for name := range v {
			names = append(names, name)
		}
		slices.Sort(names)
		for _, name := range names {
			b = appendJSONB(appendJSONBText(b, name), v[name])
		}
		return enclose(b, start, jsonbObject)
	}
	return append(b, jsonbNull)
}

func appendJSONBText(b []byte, s string) []byte {
	kind := byte(jsonbText)
	for i := range len(s) {
		if c := s[i]; c < 0x20 || c == '"' || c == '\\' {
			kind = jsonbTextRaw
			break
		}
	}
	return append(appendHeader(b, kind, len(s)), s...)
}

func appendElement(b []byte, kind byte, payload []byte) []byte {
	return append(appendHeader(b, kind, len(payload)), payload...)
}

// enclose puts the header of a container before what was appended since start.
func enclose(b []byte, start int, kind byte) []byte {
	var space [9]byte
	return slices.Insert(b, start, appendHeader(space[:0], kind, len(b)-start)...)
}

// appendHeader appends an element's header: its type in the lower four bits, its size in the upper ones or, from 12
// on, in the big-endian bytes that follow.
func appendHeader(b []byte, kind byte, size int) []byte {
	switch {
	case size <= 11:
		return append(b, byte(size)<<4|kind)
	case size <= 0xff:
		return append(b, 12<<4|kind, byte(size))
	case size <= 0xffff:
		return binary.BigEndian.AppendUint16(append(b, 13<<4|kind), uint16(size))
	case size <= 0xffffffff:
		return binary.BigEndian.AppendUint32(append(b, 14<<4|kind), uint32(size))
	default:
		return binary.BigEndian.AppendUint64(append(b, 15<<4|kind), uint64(size))
	}
}
