package sandbox

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// writer renders objects. The same rendering code serves two purposes: it writes JSON (of the keys that the view
// shows), or it looks up the values at one path (find), which is what `q` and `sort` compare. So whatever is in an
// answer can be filtered and sorted by, and nothing else.
type writer struct {
	buf    []byte
	api    string // base of API links, such as http://127.0.0.1:7990/cloud/2.0
	site   string // base of links for people and of clone links
	ssh    string // base of clone links over SSH; "" shows none
	view   view
	hidden bool // keys written now are not shown unless asked for
	stack  []frame
	find   *finder

	// Of Data Center.
	version dcVersion
	iso     bool // dates of pull requests are texts
	told    bool // it is the body of a delivery
	spans   map[uint64]span
}

type frame struct {
	view   view
	hidden bool
}

// finder collects the values at a path. Lists are walked, so there can be several.
type finder struct {
	path  []string
	depth int
	found []value
}

func (f *finder) at(key string) bool { return f.path[f.depth] == key }

func (f *finder) last() bool { return f.depth == len(f.path)-1 }

func (f *finder) add(key string, v value) {
	if f.at(key) && (f.last() || v.kind == kindNull) {
		f.found = append(f.found, v)
	}
}

// key writes a key if it is shown.
func (w *writer) key(k string) (view, bool) {
	v, ok := w.view.child(k, !w.hidden)
	if ok {
		w.comma()
		w.buf = append(w.buf, '"')
		w.buf = append(w.buf, k...)
		w.buf = append(w.buf, '"', ':')
	}
	return v, ok
}

func (w *writer) comma() {
	if n := len(w.buf); n > 0 && w.buf[n-1] != '{' && w.buf[n-1] != '[' {
		w.buf = append(w.buf, ',')
	}
}

// open starts an object below a key; when it returns true the caller writes its keys and calls close.
func (w *writer) open(k string) bool {
	if w.find != nil {
		return w.enter(k)
	}
	v, ok := w.key(k)
	if !ok {
		return false
	}
	w.push(v)
	w.buf = append(w.buf, '{')
	return true
}

func (w *writer) enter(k string) bool {
	if !w.find.at(k) {
		return false
	}
	if w.find.last() {
		w.find.add(k, value{kind: kindObject})
		return false
	}
	w.find.depth++
	return true
}

func (w *writer) push(v view) {
	w.stack = append(w.stack, frame{w.view, w.hidden})
	w.view, w.hidden = v, false
}

func (w *writer) pop() {
	f := w.stack[len(w.stack)-1]
	w.stack = w.stack[:len(w.stack)-1]
	w.view, w.hidden = f.view, f.hidden
}

func (w *writer) close() {
	if w.find != nil {
		w.find.depth--
		return
	}
	w.buf = append(w.buf, '}')
	w.pop()
}

// list starts a list of objects; the caller wraps each in item and endItem and calls endList.
func (w *writer) list(k string) bool {
	if w.find != nil {
		return w.enter(k)
	}
	v, ok := w.key(k)
	if !ok {
		return false
	}
	w.push(v)
	w.buf = append(w.buf, '[')
	return true
}

func (w *writer) item() {
	if w.find == nil {
		w.comma()
		w.buf = append(w.buf, '{')
	}
}

func (w *writer) endItem() {
	if w.find == nil {
		w.buf = append(w.buf, '}')
	}
	w.hidden = false
}

func (w *writer) endList() {
	if w.find != nil {
		w.find.depth--
		return
	}
	w.buf = append(w.buf, ']')
	w.pop()
}

// root writes an object that is the whole answer.
func (w *writer) root(render func()) {
	w.buf = append(w.buf, '{')
	render()
	w.buf = append(w.buf, '}')
}

func (w *writer) str(k, v string) {
	if w.find != nil {
		w.find.add(k, value{kind: kindString, s: v})
		return
	}
	if _, ok := w.key(k); ok {
		w.buf = appendString(w.buf, v)
	}
}

// parts writes a string made of pieces that need no escaping.
func (w *writer) parts(k string, parts ...string) {
	if w.find != nil {
		if w.find.at(k) {
			var s strings.Builder
			for _, p := range parts {
				s.WriteString(p)
			}
			w.find.add(k, value{kind: kindString, s: s.String()})
		}
		return
	}
	if _, ok := w.key(k); ok {
		w.buf = append(w.buf, '"')
		for _, p := range parts {
			w.buf = append(w.buf, p...)
		}
		w.buf = append(w.buf, '"')
	}
}

func (w *writer) id(k string, id uuid) {
	if w.find != nil {
		if w.find.at(k) {
			w.find.add(k, value{kind: kindString, s: id.String()})
		}
		return
	}
	if _, ok := w.key(k); ok {
		w.buf = append(w.buf, '"', '{')
		w.buf = id.appendBare(w.buf)
		w.buf = append(w.buf, '}', '"')
	}
}

func (w *writer) integer(k string, v int64) {
	if w.find != nil {
		w.find.add(k, value{kind: kindNumber, n: float64(v)})
		return
	}
	if _, ok := w.key(k); ok {
		w.buf = strconv.AppendInt(w.buf, v, 10)
	}
}

func (w *writer) boolean(k string, v bool) {
	if w.find != nil {
		w.find.add(k, value{kind: kindBool, b: v})
		return
	}
	if _, ok := w.key(k); ok {
		w.buf = strconv.AppendBool(w.buf, v)
	}
}

func (w *writer) null(k string) {
	if w.find != nil {
		w.find.add(k, value{kind: kindNull})
		return
	}
	if _, ok := w.key(k); ok {
		w.buf = append(w.buf, "null"...)
	}
}

func (w *writer) emptyList(k string) {
	if w.find != nil {
		return
	}
	if _, ok := w.key(k); ok {
		w.buf = append(w.buf, '[', ']')
	}
}

// raw writes a value that is JSON already; it cannot be filtered by.
func (w *writer) raw(k, json string) {
	if w.find != nil {
		return
	}
	if _, ok := w.key(k); ok {
		w.buf = append(w.buf, json...)
	}
}

// time writes a moment given in microseconds, in the form of FACTS 7; zero is null.
func (w *writer) time(k string, micros int64) {
	if micros == 0 {
		w.null(k)
		return
	}
	if w.find != nil {
		w.find.add(k, value{kind: kindTime, t: micros})
		return
	}
	if _, ok := w.key(k); ok {
		w.buf = append(w.buf, '"')
		w.buf = appendTime(w.buf, micros)
		w.buf = append(w.buf, '"')
	}
}

// hash writes the first digits of an object name.
func (w *writer) hash(k string, h hash, digits int) {
	if w.find != nil {
		if w.find.at(k) {
			w.find.add(k, value{kind: kindString, s: h.String()[:digits]})
		}
		return
	}
	if _, ok := w.key(k); ok {
		w.buf = append(w.buf, '"')
		w.buf = h.appendHex(w.buf, digits)
		w.buf = append(w.buf, '"')
	}
}

// link writes {"href": ...}; the parts are URL text already.
func (w *writer) link(k string, parts ...string) {
	if w.open(k) {
		w.parts("href", parts...)
		w.close()
	}
}

// linkID writes a link that ends in an id with encoded braces and a tail.
func (w *writer) linkID(k, head string, id uuid, tail string) {
	if !w.open(k) {
		return
	}
	if w.find != nil {
		w.parts("href", head, "%7B", string(id.appendBare(nil)), "%7D", tail)
	} else if _, ok := w.key("href"); ok {
		w.buf = append(w.buf, '"')
		w.buf = append(w.buf, head...)
		w.buf = append(w.buf, "%7B"...)
		w.buf = id.appendBare(w.buf)
		w.buf = append(w.buf, "%7D"...)
		w.buf = append(w.buf, tail...)
		w.buf = append(w.buf, '"')
	}
	w.close()
}

// appendString appends a JSON string. Bytes that are not UTF-8 become the replacement character.
func appendString(b []byte, s string) []byte {
	b = append(b, '"')
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= ' ' && c != '"' && c != '\\' && c < utf8.RuneSelf {
			i++
			continue
		}
		if c < utf8.RuneSelf {
			b = append(b, s[start:i]...)
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
			i++
			start = i
			continue
		}
		r, size := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && size == 1 {
			b = append(b, s[start:i]...)
			b = append(b, `\ufffd`...)
			start = i + 1
		}
		i += size
	}
	return append(append(b, s[start:]...), '"')
}

// appendTime appends microseconds since 1970 as 2022-04-14T20:50:14.138747+00:00.
func appendTime(b []byte, micros int64) []byte {
	secs, frac := micros/1e6, micros%1e6
	if frac < 0 {
		secs, frac = secs-1, frac+1e6
	}
	days, rest := secs/86400, secs%86400
	if rest < 0 {
		days, rest = days-1, rest+86400
	}
	y, m, d := civil(days)
	b = appendPadded(b, y, 4)
	b = append(b, '-')
	b = appendPadded(b, m, 2)
	b = append(b, '-')
	b = appendPadded(b, d, 2)
	b = append(b, 'T')
	b = appendPadded(b, rest/3600, 2)
	b = append(b, ':')
	b = appendPadded(b, rest/60%60, 2)
	b = append(b, ':')
	b = appendPadded(b, rest%60, 2)
	b = append(b, '.')
	b = appendPadded(b, frac, 6)
	return append(b, "+00:00"...)
}

// civil turns days since 1970-01-01 into a date of the Gregorian calendar.
func civil(days int64) (y, m, d int64) {
	z := days + 719468
	era := z / 146097
	if z < 0 {
		era = (z - 146096) / 146097
	}
	doe := z - era*146097
	yoe := (doe - doe/1460 + doe/36524 - doe/146096) / 365
	doy := doe - (365*yoe + yoe/4 - yoe/100)
	mp := (5*doy + 2) / 153
	d = doy - (153*mp+2)/5 + 1
	m = mp + 3
	if mp >= 10 {
		m = mp - 9
	}
	y = yoe + era*400
	if m <= 2 {
		y++
	}
	return y, m, d
}

func appendPadded(b []byte, v int64, width int) []byte {
	var digits [20]byte
	i := len(digits)
	for n := 0; n < width || v > 0; n++ {
		i--
		digits[i] = byte('0' + v%10)
		v /= 10
	}
	return append(b, digits[i:]...)
}
