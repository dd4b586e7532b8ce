package config

import (
	"strconv"
	"strings"
	"time"

	"github.com/windlass-hq/windlass/internal/fault"
)

// ParseDuration reads a time such as 90m, 24h or 30d.
func ParseDuration(text string) (time.Duration, error) {
	if days, ok := strings.CutSuffix(text, "d"); ok {
		n, err := strconv.Atoi(days)
		if err == nil && n >= 0 && n <= 36500 {
			return time.Duration(n) * 24 * time.Hour, nil
		}
	} else if d, err := time.ParseDuration(text); err == nil && d >= 0 {
		return d, nil
	}
	return 0, fault.New(fault.Usage, "%q is no time", text).With("write it like 90m, 24h or 30d")
}

// ParseMoment reads a moment: RFC 3339, a date (its first second, UTC), or a time before now such as 7d.
func ParseMoment(text string, now time.Time) (time.Time, error) {
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05", "2006-01-02 15:04:05", "2006-01-02T15:04", "2006-01-02 15:04", time.DateOnly} {
		if t, err := time.Parse(layout, text); err == nil {
			return t.UTC(), nil
		}
	}
	if d, err := ParseDuration(text); err == nil {
		return now.Add(-d).UTC(), nil
	}
	return time.Time{}, fault.New(fault.Usage, "%q is no moment", text).With("write it like 2026-11-21T08:00:00Z, 2026-11-21, or 7d for seven days ago")
}

// months reads a number of months such as 25mo. A month counts 30.4 days, rounded so that 12 of them are a whole year.
func months(text string) (time.Duration, bool) {
	digits, ok := strings.CutSuffix(text, "mo")
	n, err := strconv.Atoi(digits)
	if !ok || err != nil || n < 1 || n > 1200 {
		return 0, false
	}
	return time.Duration((n*152+4)/5) * 24 * time.Hour, true
}
