package bitbucket

import (
	"fmt"
	"io"
	"log/slog"
)

// Secret is a password, token or client secret in memory. It prints as ••• in every verb of fmt, in JSON, in text
// encodings and in slog; only Reveal gives it away.
type Secret string

const hidden = "•••"

// Reveal returns the secret itself, for the one header or form it belongs to.
func (s Secret) Reveal() string { return string(s) }

// String returns •••.
func (Secret) String() string { return hidden }

// GoString returns •••.
func (Secret) GoString() string { return hidden }

// Format writes ••• whatever the verb.
func (Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, hidden) }

// MarshalText returns •••, which encoding/json uses too.
func (Secret) MarshalText() ([]byte, error) { return []byte(hidden), nil }

// LogValue returns •••.
func (Secret) LogValue() slog.Value { return slog.StringValue(hidden) }
