package bitbucket_test

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/windlass-hq/windlass/internal/bitbucket"
)

var jsonSeeds = []string{
	`{}`, `[]`, `null`, `true`, `false`, `0`, `-0`, `01`, `1.`, `1.5e+10`, `-`, `"a"`, `"\u00e9\n"`, `"\ud83d\ude80"`, `"\ud800"`, `"\ud800\u0041"`, `"\x"`,
	`{"a":1,"b":[1,2,{"c":null}]}`, ` { "a" : [ ] } `, `{"a":1,}`, `[1,]`, `{"a"}`, `{1:2}`, `"unterminated`, "\"tab\t\"", `{"a":"exactly8\"quote"}`,
	`["12345678","1234567\\","123456\"8"]`, `tru`, `nulll`, `"\u12"`, "\"\xff\"", `{"k\u0065y":1,"key":2}`, `[[[[[[]]]]]]`, ``, ` `, `{} {}`,
}

// FuzzJSON compares with encoding/json, which it must agree with on what is JSON and on what strings say.
func FuzzJSON(f *testing.F) {
	for _, s := range jsonSeeds {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		j := bitbucket.JSON(in)
		if got, want := j.Valid(), json.Valid(in); got != want {
			t.Fatalf("Valid(%q) = %v, want %v", in, got, want)
		}
		walk(t, j, 0)
		if !j.Valid() {
			return
		}
		if scrubbed := bitbucket.Scrub(j); !json.Valid(scrubbed) {
			t.Errorf("Scrub(%q) = %q is no JSON", in, scrubbed)
		}
		trimmed := bitbucket.JSON(strings.TrimSpace(string(in)))
		var want any
		if err := json.Unmarshal(in, &want); err != nil || !utf8.Valid(in) {
			return // a number out of range, or bytes that encoding/json replaces one by one and Text by the run
		}
		switch want := want.(type) {
		case string:
			if got, ok := trimmed.Text(); !ok || got != strings.ReplaceAll(want, "\x00", "\uFFFD") {
				t.Errorf("Text(%q) = %q, %v, want %q", in, got, ok, want)
			}
		case map[string]any:
			n := map[string]bool{}
			trimmed.Each(func(key []byte, v bitbucket.JSON) {
				n[string(key)] = true
				if !v.Valid() {
					t.Errorf("%q holds %q", in, v)
				}
			})
			if len(n) != len(want) && !strings.Contains(string(in), `\u0000`) {
				t.Errorf("Each(%q) passed %d keys, want %d", in, len(n), len(want))
			}
		case []any:
			n := 0
			trimmed.Elements(func(bitbucket.JSON) { n++ })
			if n != len(want) {
				t.Errorf("Elements(%q) passed %d, want %d", in, n, len(want))
			}
		}
	})
}

// walk reads everything in a value, whatever it is, to see that nothing panics.
func walk(t *testing.T, j bitbucket.JSON, depth int) {
	if depth > 20 {
		return
	}
	j.Text()
	j.Integer()
	j.Time()
	j.Flag()
	j.Get("a", "b")
	j.Each(func(_ []byte, v bitbucket.JSON) { walk(t, v, depth+1) })
	j.Elements(func(v bitbucket.JSON) { walk(t, v, depth+1) })
	j.Page("values", func(bitbucket.JSON) {}, func([]byte, bitbucket.JSON) {})
}

func TestJSONDepthIsBounded(t *testing.T) {
	if bitbucket.JSON(strings.Repeat("[", 100_000)).Valid() {
		t.Error("an endless nesting is valid")
	}
	deep := bitbucket.JSON(strings.Repeat("[", 400) + strings.Repeat("]", 400))
	if !deep.Valid() {
		t.Error("400 levels are not valid")
	}
}

func TestJSONValues(t *testing.T) {
	j := bitbucket.JSON(`{"n":12,"f":1.0,"x":1.5,"big":1e400,"t":"2022-04-14T20:50:14.138747+00:00","local":"2022-04-14T20:50:14","zone":"2022-04-14T22:50:14+02:00","b":false,"null":null,"s":"","a":{"b":{"c":"deep"}},"n":13}`)
	if n, ok := j.Get("n").Integer(); !ok || n != 13 {
		t.Errorf("a repeated key = %d, %v, want the last, 13", n, ok)
	}
	if n, ok := j.Get("f").Integer(); !ok || n != 1 {
		t.Errorf("1.0 = %d, %v", n, ok)
	}
	for _, key := range []string{"x", "big", "t", "null", "missing"} {
		if n, ok := j.Get(key).Integer(); ok {
			t.Errorf("%s is the integer %d", key, n)
		}
	}
	for key, want := range map[string]int64{"t": 1649969414138, "local": 1649969414000, "zone": 1649969414000} {
		if got, ok := j.Get(key).Time(); !ok || got != want {
			t.Errorf("time %s = %d, %v, want %d", key, got, ok, want)
		}
	}
	if b, ok := j.Get("b").Flag(); !ok || b {
		t.Errorf("b = %v, %v", b, ok)
	}
	if !j.Get("null").Null() || j.Get("null").Missing() || !j.Get("missing").Missing() || j.Get("missing").Null() {
		t.Error("null and missing are confused")
	}
	if s, _ := j.Get("a", "b", "c").Text(); s != "deep" {
		t.Errorf("a.b.c = %q", s)
	}
	if v := j.Get("a", "x", "c"); v != nil {
		t.Errorf("a.x.c = %q", v)
	}
}
