package cloud

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestGlobs(t *testing.T) {
	for _, tc := range []struct {
		pattern  string
		yes, no  []string
		literal  string
		anything bool
	}{
		{"main", []string{"main"}, []string{"Main", "main/x", "domain", ""}, "main", false},
		{"release/*", []string{"release/1", "release/"}, []string{"release/1/fix", "release", "my/release/1"}, "release/", false},
		{"release/**", []string{"release/1", "release/1/fix"}, []string{"release", "releases/1"}, "release/", false},
		{"**/main", []string{"main", "a/main", "a/b/main"}, []string{"a/domain", "main/a"}, "main", false},
		{"a/**/b", []string{"a/b", "a/x/b", "a/x/y/b"}, []string{"a/xb", "ab"}, "a/", false},
		{"*-stable", []string{"1-stable", "-stable"}, []string{"x/1-stable"}, "-stable", false},
		{"v?.?", []string{"v1.2"}, []string{"v10.2", "v/.2"}, "v", false},
		{"*", []string{"main"}, []string{"a/b"}, "", true},
		{"**", []string{"main", "a/b"}, nil, "", true},
		{"a.b+c(d", []string{"a.b+c(d"}, []string{"axb+c(d"}, "a.b+c(d", false},
		{"a.b*", []string{"a.b", "a.bc"}, []string{"axb"}, "a.b", false},
		{"größe/*", []string{"größe/ä"}, []string{"grösse/a"}, "größe/", false},
		{`say"it*`, []string{`say"it's`}, nil, "say", false},
	} {
		globs := compile([]string{tc.pattern})
		for _, name := range tc.yes {
			if !globs[0].matches(name) {
				t.Errorf("%q does not match %q", tc.pattern, name)
			}
		}
		for _, name := range tc.no {
			if globs[0].matches(name) {
				t.Errorf("%q matches %q", tc.pattern, name)
			}
		}
		if got := literal(tc.pattern, false); got != tc.literal {
			t.Errorf("the literal of %q is %q, want %q", tc.pattern, got, tc.literal)
		}
		if q, ok := branchQuery("", []string{tc.pattern}); !ok || (q == "") != tc.anything {
			t.Errorf("%q asks %q, %v", tc.pattern, q, ok)
		}
	}
	if q, ok := branchQuery("", []string{""}); q != "" || ok {
		t.Errorf("nothing asks %q, %v", q, ok)
	}
	if q, _ := branchQuery(`sa"id`, nil); q != `name ~ "id"` && q != `name ~ "sa"` {
		t.Errorf("a name with a quote asks %q", q)
	}
	if q, ok := branchQuery("main", []string{strings.Repeat("x", longestQuery)}); q != "" || !ok {
		t.Errorf("a filter that is too long asks %d characters, %v", len(q), ok)
	}
}

// TestFilterLetsThroughWhatMatches holds for every pattern and name: a name that a pattern matches holds its literal
// part, so the filter that asks for the part loses nothing.
func TestFilterLetsThroughWhatMatches(t *testing.T) {
	part := rapid.SampledFrom([]string{"a", "b", "ab", "/", "*", "**", "**/", "?", ".", `"`})
	rapid.Check(t, func(t *rapid.T) {
		pattern := strings.Join(rapid.SliceOfN(part, 1, 8).Draw(t, "pattern"), "")
		name := pattern
		for strings.ContainsAny(name, wildcards) { // a name that may match
			i := strings.IndexAny(name, wildcards)
			n := len(name[i:]) - len(strings.TrimLeft(name[i:], wildcards))
			name = name[:i] + rapid.SampledFrom([]string{"", "a", "b/a", "/"}).Draw(t, "filling") + name[i+n:]
		}
		if strings.HasPrefix(pattern, "**/") && rapid.Bool().Draw(t, "without slash") {
			name = strings.TrimPrefix(name, "/")
		}
		if g := compile([]string{pattern})[0]; g.matches(name) && !strings.Contains(name, literal(pattern, false)) {
			t.Fatalf("%q matches %q and lacks %q", pattern, name, literal(pattern, false))
		}
	})
}
