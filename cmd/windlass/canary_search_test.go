package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/base32"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// canary returns the secret that is planted in a place: twenty letters and digits which nothing else produces. No
// escaping of URLs or JSON alters them, so that a plain search finds them in those forms too.
func canary(place string) string {
	sum := sha256.Sum256([]byte("canary of " + place))
	return "k7" + strings.ToLower(base32.StdEncoding.EncodeToString(sum[:]))[:18]
}

// cage holds what no place may hold, each with the name of where it was planted.
type cage struct {
	needles []needle
}

type needle struct {
	place, form string
	folded      bool // upper and lower case are the same
	bytes       []byte
}

// add makes a secret known in every form in which it may come out: as it is in upper and lower case, in parts, since
// texts are cut, as hexadecimal digits, reversed, and as base64 of itself or in the middle of something.
func (c *cage) add(place, secret string) {
	plain := []byte(strings.ToLower(secret))
	half := plain[:min(len(plain), max(10, len(plain)/2))]
	rest := plain[max(0, min(len(plain)-10, len(plain)/2)):]
	reversed := make([]byte, len(plain))
	for i, b := range plain {
		reversed[len(plain)-1-i] = b
	}
	c.needles = append(c.needles,
		needle{place, "its beginning", true, half},
		needle{place, "its end", true, rest},
		needle{place, "reversed", true, reversed},
		needle{place, "in hexadecimal digits", true, []byte(hex.EncodeToString([]byte(secret)))},
		needle{place, "in capital letters as hexadecimal digits", true, []byte(hex.EncodeToString(bytes.ToUpper([]byte(secret))))})
	if escaped := strings.ToLower(url.QueryEscape(secret)); escaped != string(plain) {
		c.needles = append(c.needles, needle{place, "escaped for a URL", true, []byte(escaped)})
	}
	for before := range 3 {
		padded := append(make([]byte, before), secret...)
		padded = padded[:len(padded)/3*3]
		// The first characters depend on what stands before the secret.
		text := base64.StdEncoding.EncodeToString(padded)[(before*8+5)/6:]
		c.needles = append(c.needles, needle{place, "in base64", false, []byte(text)})
		if other := strings.NewReplacer("+", "-", "/", "_").Replace(text); other != text {
			c.needles = append(c.needles, needle{place, "in base64 of URLs", false, []byte(other)})
		}
	}
}

// search returns what a text holds of what it may not hold.
func (c *cage) search(text []byte) (found []string) {
	lower := asciiLower(text)
	for _, n := range c.needles {
		in := text
		if n.folded {
			in = lower
		}
		if i := bytes.Index(in, n.bytes); i >= 0 {
			around := text[max(0, i-80):min(len(text), i+len(n.bytes)+40)]
			found = append(found, fmt.Sprintf("%s (%s): %q", n.place, n.form, around))
		}
	}
	return found
}

// asciiLower keeps every byte at its place, which bytes.ToLower does not in what is no text.
func asciiLower(b []byte) []byte {
	out := bytes.Clone(b)
	for i, c := range out {
		if c >= 'A' && c <= 'Z' {
			out[i] = c | 0x20
		}
	}
	return out
}

// finds are what was collected under a name to be searched: the output of a command, an answer, a file.
type finds map[string][]byte

// judge reports every canary in every collected text, and the control where it is missing from a text of this kind.
func (f finds) judge(t *testing.T, c *cage) {
	t.Helper()
	reported := map[string]bool{}
	for name, text := range f {
		for _, what := range c.search(text) {
			place, _, _ := strings.Cut(what, " (")
			if kind, _, _ := strings.Cut(name, ":"); !reported[kind+place] {
				reported[kind+place] = true
				t.Errorf("%s holds the canary of %s", name, what)
			}
		}
	}
}

// readTree returns every file below a directory, whatever its name.
func readTree(t *testing.T, kind, dir string) finds {
	t.Helper()
	out := finds{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		b, err := os.ReadFile(path)
		out[kind+": "+filepath.Base(path)] = b
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// TestTheSearchFinds proves that the search can find: a search that finds nothing must mean something.
func TestTheSearchFinds(t *testing.T) {
	secret := canary("somewhere")
	var c cage
	c.add("somewhere", secret)
	for name, text := range map[string]string{
		"plain":               "a" + secret + "b",
		"capitals":            strings.ToUpper(secret),
		"cut":                 secret[:10] + "…",
		"its end":             "…" + secret[10:],
		"hexadecimal":         hex.EncodeToString([]byte("x" + secret)),
		"hexadecimal, caps":   strings.ToUpper(hex.EncodeToString([]byte(secret))),
		"base64":              base64.StdEncoding.EncodeToString([]byte(secret)),
		"base64 behind one":   base64.StdEncoding.EncodeToString([]byte("u" + secret + ":")),
		"base64 behind two":   base64.StdEncoding.EncodeToString([]byte("u:" + secret)),
		"base64 behind three": base64.RawURLEncoding.EncodeToString([]byte("me:" + secret + "?")),
		"binary":              "\x00\xff\xc3" + secret + "\xc3\x28",
		"query":               url.QueryEscape("/?a=" + secret + "&"),
		"JSON":                fmt.Sprintf("%q", "\""+secret+"\n"),
	} {
		if len(c.search([]byte(text))) == 0 {
			t.Errorf("%s: not found in %q", name, text)
		}
	}
	if got := c.search([]byte(canary("elsewhere") + hex.EncodeToString([]byte(canary("elsewhere"))))); len(got) > 0 {
		t.Errorf("what is not there was found: %s", got)
	}
}
