package cli

import (
	"io"
	"strings"

	"github.com/windlass-hq/windlass/internal/config"
	"github.com/windlass-hq/windlass/internal/fault"
)

// secrets reads the values of secret flags: @FILE, - for standard input, or inline with a warning.
type secrets struct {
	s     *session
	stdin string // flag that has read standard input
}

// flag returns the value of a secret flag, or of its variable where the flag is absent. name has no dashes.
func (r *secrets) flag(name, value, fromEnv string) (string, error) {
	switch {
	case value == "":
		return fromEnv, nil
	case value == "-":
		if r.stdin != "" {
			return "", fault.New(fault.Usage, "--%s and --%s both read standard input", r.stdin, name).With("give one of them as @FILE")
		}
		r.stdin = name
		text, err := io.ReadAll(io.LimitReader(r.s.In, 1<<20))
		if err != nil {
			return "", fault.Wrap(err, fault.Usage, "--%s: standard input cannot be read", name)
		}
		text = []byte(strings.TrimRight(string(text), "\r\n"))
		if len(text) == 0 {
			return "", fault.New(fault.Usage, "--%s: standard input is empty", name).With("pipe the secret into windlass")
		}
		return string(text), nil
	case value[0] == '@':
		text, err := config.ReadSecretFile(value[1:])
		if err != nil {
			return "", fault.Wrap(err, fault.Usage, "--%s: the file cannot be read", name)
		}
		if text == "" {
			return "", fault.New(fault.Usage, "--%s: the file %s is empty", name, value[1:])
		}
		return text, nil
	}
	r.s.note("warning: --%s holds a secret that other users can see in the process list and your shell remembers; use @FILE, - or %s",
		name, "WINDLASS_"+strings.ToUpper(strings.ReplaceAll(name, "-", "_")))
	return value, nil
}

// ask prompts for a secret that nobody gave. It returns "" without a terminal.
func (r *secrets) ask(label string) (string, error) {
	if !r.s.Terminal || r.s.Prompt == nil {
		return "", nil
	}
	return r.s.Prompt(label + ": ")
}

// split cuts a list at commas and line ends; spaces around the parts go.
func split(list string) []string {
	var out []string
	for _, part := range strings.FieldsFunc(list, func(r rune) bool { return r == ',' || r == '\n' || r == '\r' }) {
		if part = strings.TrimSpace(part); part != "" {
			out = append(out, part)
		}
	}
	return out
}
