package app

import (
	"crypto/rand"
	"strings"
)

// newInstance makes the id of a Data Center instance: eight letters and digits, told apart without regard to case.
func newInstance() string { return strings.ToLower(rand.Text()[:8]) }
