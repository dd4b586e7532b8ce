package bitbucket

import (
	"bytes"
	"encoding/binary"
	"math/bits"
	"strings"
)

// Scrub returns a provider's object without the secrets that it may carry: members with password-like names are
// dropped, and user information and telling query values in URLs are masked, wherever they stand. Where there is
// nothing to drop it returns the value itself, which is the normal case and costs one pass.
func Scrub(j JSON) JSON {
	if !suspicious(j) {
		return j
	}
	return scrubValue(make(JSON, 0, len(j)), j)
}

// suspicious reports whether scrubbing would change anything, or nearly so.
func suspicious(b []byte) bool {
	for i := 0; i < len(b); {
		at := bytes.IndexByte(b[i:], '"')
		if at < 0 {
			return false
		}
		start := i + at
		end, marked, ok := passMarked(b, start)
		if !ok {
			return true
		}
		i = end
		text := b[start+1 : end-1]
		if next := skipSpace(b, end); next < len(b) && b[next] == ':' {
			if SecretName(text) && !harmless(b, skipSpace(b, next+1)) {
				return true
			}
			continue
		}
		if marked && tellsSecretQuoted(text) {
			return true
		}
	}
	return false
}

// passMarked is passString that also says whether the string may hold one of the characters that a URL with a secret
// needs: the @ behind user information, or the = of a query value.
func passMarked(b []byte, i int) (end int, marked, ok bool) {
	i++
	marks := uint64(0)
	for {
		for i+8 <= len(b) {
			w := binary.LittleEndian.Uint64(b[i:])
			quote, slash, at, equals := w^ones*'"', w^ones*'\\', w^ones*'@', w^ones*'='
			marks |= (at-ones)&^at | (equals-ones)&^equals
			if hit := ((quote-ones)&^quote | (slash-ones)&^slash) & high; hit != 0 {
				i += bits.TrailingZeros64(hit) >> 3
				break
			}
			i += 8
		}
		for i < len(b) && b[i] != '"' && b[i] != '\\' {
			if b[i] == '@' || b[i] == '=' {
				marks = high
			}
			i++
		}
		if i >= len(b) {
			return i, false, false
		}
		if b[i] == '"' {
			return i + 1, marks&high != 0, true
		}
		if bytes.HasPrefix(b[i:], []byte(escapedASCII)) {
			marks = high // it may be any of them
		}
		i += 2
	}
}

func harmless(b []byte, i int) bool {
	return i < len(b) && (b[i] == 'n' || b[i] == 't' || b[i] == 'f')
}

func scrubValue(out JSON, j JSON) JSON {
	switch {
	case j.IsObject():
		out = append(out, '{')
		first := true
		j.Each(func(key []byte, value JSON) {
			if SecretName(key) && !harmless(value, 0) {
				return
			}
			if !first {
				out = append(out, ',')
			}
			first = false
			out = appendString(out, key)
			out = append(out, ':')
			out = scrubValue(out, value)
		})
		return append(out, '}')
	case j.IsArray():
		out = append(out, '[')
		first := true
		j.Elements(func(value JSON) {
			if !first {
				out = append(out, ',')
			}
			first = false
			out = scrubValue(out, value)
		})
		return append(out, ']')
	case len(j) > 2 && j[0] == '"' && tellsSecretQuoted(j[1:len(j)-1]):
		text, _ := j.Text()
		return appendString(out, maskSecrets([]byte(text)))
	default:
		return append(out, j...)
	}
}

// SecretName reports whether a member of this name holds a secret by the look of its name. Flags such as secret_set
// stay, since true, false and null are never dropped.
func SecretName(key []byte) bool {
	if len(key) < len("token") { // the shortest of the words, longer than most names
		return false
	}
	for i := range key {
		switch key[i] | 0x20 {
		case 'p':
			if hasWord(key[i:], "password") || hasWord(key[i:], "passwd") || hasWord(key[i:], "passphrase") || hasWord(key[i:], "private_key") || hasWord(key[i:], "privatekey") {
				return true
			}
		case 's':
			if hasWord(key[i:], "secret") {
				return true
			}
		case 't':
			if hasWord(key[i:], "token") {
				return true
			}
		case 'c':
			if hasWord(key[i:], "credential") {
				return true
			}
		case 'a':
			if hasWord(key[i:], "authorization") || hasWord(key[i:], "api_key") || hasWord(key[i:], "apikey") {
				return true
			}
		}
	}
	return false
}

// hasWord reports whether b begins with a word of lower-case letters and underscores, whatever its case.
func hasWord(b []byte, word string) bool {
	if len(b) < len(word) {
		return false
	}
	for i := range len(word) {
		c := b[i]
		if c >= 'A' && c <= 'Z' {
			c |= 0x20
		}
		if c != word[i] {
			return false
		}
	}
	return true
}

// escapedASCII begins the escape of a character that needs none. Some writers of JSON escape what means something in
// HTML (& as \u0026, = as \u003d), which hides an address from whoever looks for those characters.
const escapedASCII = `\u00`

// tellsSecretQuoted is tellsSecret for what stands between the quotes of a JSON string.
func tellsSecretQuoted(inner []byte) bool {
	if bytes.Contains(inner, []byte(escapedASCII)) {
		quoted := append(append(JSON{'"'}, inner...), '"')
		if text, ok := quoted.Text(); ok {
			return tellsSecret([]byte(text))
		}
	}
	return tellsSecret(inner)
}

// tellsSecret reports whether a text may hold a URL with user information or with a telling query value.
func tellsSecret(text []byte) bool {
	if found := bytes.Contains(text, []byte{'@'}); found && userInfo(text) {
		return true
	}
	for rest := text; ; {
		q := bytes.IndexByte(rest, '=')
		if q < 0 {
			return false
		}
		if queryName(rest[:q]) != nil {
			return true
		}
		rest = rest[q+1:]
	}
}

// userInfo reports whether an @ follows :// with nothing but an authority in between. Slashes may be escaped as \/.
func userInfo(text []byte) bool {
	from, _ := nextUserInfo(text, 0)
	return from >= 0
}

// nextUserInfo returns where the user information of the next URL begins and where its @ is, or -1.
func nextUserInfo(text []byte, i int) (from, at int) {
	for i < len(text) {
		p := bytes.IndexByte(text[i:], ':')
		if p < 0 {
			return -1, -1
		}
		i += p + 1
		rest := text[i:]
		switch {
		case bytes.HasPrefix(rest, []byte("//")):
			i += 2
		case bytes.HasPrefix(rest, []byte(`\/\/`)):
			i += 4
		default:
			continue
		}
		end := bytes.IndexAny(text[i:], "/\\?# \t\r\n\"'<>)")
		if end < 0 {
			end = len(text) - i
		}
		if a := bytes.LastIndexByte(text[i:i+end], '@'); a > 0 && !loginName(text[:i], text[i:i+a]) {
			return i, i + a
		}
	}
	return -1, -1
}

// loginName reports whether the user information behind a scheme is only the name that every SSH address has, as in
// ssh://git@host: each repository of a Data Center carries one.
func loginName(before, info []byte) bool {
	scheme := bytes.TrimRight(before, `:/\`)
	return bytes.HasSuffix(scheme, []byte("ssh")) && bytes.IndexByte(info, ':') < 0
}

// queryName returns the name of a query parameter that ends at the end of b, if the name is one of a secret.
func queryName(b []byte) []byte {
	i := len(b)
	for i > 0 && len(b)-i <= 64 && (b[i-1] == '_' || b[i-1] == '-' || b[i-1] >= '0' && b[i-1] <= '9' || b[i-1]|0x20 >= 'a' && b[i-1]|0x20 <= 'z') {
		i--
	}
	if i == 0 || (b[i-1] != '?' && b[i-1] != '&' && b[i-1] != ';') {
		return nil
	}
	name := b[i:]
	if SecretName(name) || hasWord(name, "sig") || hasWord(name, "jwt") || hasWord(name, "key") && len(name) == 3 || hasWord(name, "x-amz-sig") {
		return name
	}
	return nil
}

// MaskSecrets masks user information and telling query values of the URLs in a text.
func MaskSecrets(text string) string {
	if strings.IndexByte(text, '@') < 0 && strings.IndexByte(text, '=') < 0 {
		return text
	}
	return string(maskSecrets([]byte(text)))
}

func maskSecrets(text []byte) []byte {
	out := make([]byte, 0, len(text))
	last := 0
	for {
		from, at := nextUserInfo(text, last)
		if from < 0 {
			break
		}
		out = append(append(out, text[last:from]...), hidden...)
		last = at
	}
	return maskQuery(append(out, text[last:]...))
}

func maskQuery(text []byte) []byte {
	var out []byte
	last := 0
	for i := 0; i < len(text); {
		q := bytes.IndexByte(text[i:], '=')
		if q < 0 {
			break
		}
		i += q + 1
		if queryName(text[:i-1]) == nil {
			continue
		}
		end := bytes.IndexAny(text[i:], "&;# \t\r\n\"'<>)")
		if end < 0 {
			end = len(text) - i
		}
		out = append(append(out, text[last:i]...), hidden...)
		i += end
		last = i
	}
	if out == nil {
		return text
	}
	return append(out, text[last:]...)
}

// appendString appends a JSON string of unescaped text.
func appendString(out JSON, text []byte) JSON {
	const digits = "0123456789abcdef"
	out = append(out, '"')
	for _, c := range text {
		switch {
		case c == '"' || c == '\\':
			out = append(out, '\\', c)
		case c < 0x20:
			out = append(out, '\\', 'u', '0', '0', digits[c>>4], digits[c&15])
		default:
			out = append(out, c)
		}
	}
	return append(out, '"')
}
