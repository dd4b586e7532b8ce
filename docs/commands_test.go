package docs_test

import (
	"bytes"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/windlass-hq/windlass/internal/cli"
	"github.com/windlass-hq/windlass/internal/query"
)

// TestCommands gives every command line shown in a page to the real parser. With --help nothing runs, but an unknown
// command or flag is an error.
func TestCommands(t *testing.T) {
	var seen int
	for page, text := range markdown(t) {
		for _, line := range shell(text) {
			args, ok := windlass(words(line))
			if !ok {
				continue
			}
			seen++
			var out, complaint bytes.Buffer
			code := cli.Run(t.Context(), append(args, "--help"), cli.Environment{
				In: strings.NewReader(""), Out: &out, Err: &complaint,
				Lookup: func(string) (string, bool) { return "", false }, Now: time.Now,
			})
			if code != 0 {
				t.Errorf("%s shows %q, which is no command of ours: %s", page, line, complaint.String())
			}
			if args[0] == "query" {
				if _, err := query.Parse(args[1]); err != nil {
					t.Errorf("%s shows a query that does not parse: %v", page, err)
				}
			}
		}
	}
	if seen < 20 {
		t.Errorf("found only %d commands; the reading of pages is broken", seen)
	}
}

// TestCommandsAreJudged keeps TestCommands honest.
func TestCommandsAreJudged(t *testing.T) {
	for _, line := range []string{"windlass synk mine", "windlass sync mine --no-such-flag"} {
		args, _ := windlass(words(line))
		var out, complaint bytes.Buffer
		env := cli.Environment{In: strings.NewReader(""), Out: &out, Err: &complaint, Lookup: func(string) (string, bool) { return "", false }, Now: time.Now}
		if code := cli.Run(t.Context(), append(args, "--help"), env); code == 0 {
			t.Errorf("%q passes as a command", line)
		}
	}
}

// shell returns the lines of a page's sh blocks.
func shell(text string) []string {
	var lines []string
	inside := false
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		switch {
		case strings.HasPrefix(line, "```"):
			inside = line == "```sh"
		case inside && line != "":
			lines = append(lines, line)
		}
	}
	return lines
}

// words splits a line as a shell does, as far as the pages need it.
func words(line string) []string {
	var out []string
	for _, m := range regexp.MustCompile(`'([^']*)'|(\S+)`).FindAllStringSubmatch(line, -1) {
		out = append(out, m[1]+m[2])
	}
	return out
}

// windlass returns the arguments when the words are a call of the binary, variables before it left out.
func windlass(words []string) ([]string, bool) {
	for len(words) > 0 && strings.Contains(words[0], "=") {
		words = words[1:]
	}
	if len(words) < 2 || words[0] != "windlass" && words[0] != "bin/windlass" {
		return nil, false
	}
	return words[1:], true
}
