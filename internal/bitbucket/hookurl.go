package bitbucket

import (
	"net/url"
	"strings"
)

// MaskHookURL returns the address that a webhook sends to without whatever may be a secret in it. Receivers take their
// keys anywhere: as user information, as query values of any name, in the fragment, and as segments of the path that
// nobody could guess (the hooks of chat systems). What cannot be read as an address is not shown at all.
func MaskHookURL(text string) string {
	u, err := url.Parse(strings.TrimSpace(text))
	if err != nil || u.Opaque != "" || u.Host == "" {
		return hidden
	}
	var b strings.Builder
	if u.Scheme != "" {
		b.WriteString(u.Scheme + ":")
	}
	b.WriteString("//")
	if u.User != nil {
		b.WriteString(hidden + "@")
	}
	b.WriteString(u.Host)
	for i, segment := range strings.Split(u.EscapedPath(), "/") {
		if i > 0 {
			b.WriteByte('/')
		}
		if randomSegment(segment) {
			segment = hidden
		}
		b.WriteString(segment)
	}
	if u.RawQuery != "" {
		b.WriteByte('?')
		for i, pair := range strings.FieldsFunc(u.RawQuery, func(r rune) bool { return r == '&' || r == ';' }) {
			if i > 0 {
				b.WriteByte('&')
			}
			name, _, valued := strings.Cut(pair, "=")
			switch {
			case valued && !randomSegment(name):
				b.WriteString(name + "=" + hidden)
			default:
				b.WriteString(hidden) // a value alone
			}
		}
	}
	return b.String()
}

// MaskHookWords masks the addresses in what people wrote about a webhook.
func MaskHookWords(text string) string {
	if !strings.Contains(text, "://") {
		return text
	}
	words := strings.Fields(text)
	for i, w := range words {
		if strings.Contains(w, "://") {
			words[i] = MaskHookURL(w)
		}
	}
	return strings.Join(words, " ")
}

// randomSegment reports whether a segment of a path looks like a key rather than like a name: a long run without a
// separator that mixes digits and letters, as tokens, hashes and UUIDs do.
func randomSegment(segment string) bool {
	if decoded, err := url.PathUnescape(segment); err == nil {
		segment = decoded
	}
	run, digits, letters := 0, 0, 0
	for i := range len(segment) + 1 {
		c := byte('/')
		if i < len(segment) {
			c = segment[i]
		}
		switch {
		case c >= '0' && c <= '9':
			digits++
		case c|0x20 >= 'a' && c|0x20 <= 'z':
			letters++
		default:
			if run >= 8 && digits > 0 && letters > 0 || run >= 24 {
				return true
			}
			run, digits, letters = 0, 0, 0
			continue
		}
		run++
	}
	return false
}
