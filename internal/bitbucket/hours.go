package bitbucket

import (
	"fmt"
	"strings"
	"time"

	"github.com/windlass-hq/windlass/internal/fault"
)

// Hours are times of the day, in the zone of the clock that is asked. The zero value is the whole day.
type Hours struct {
	spans []span
}

// span is from one minute of the day up to another; it goes over midnight where the second is not later.
type span struct{ from, to int }

// ParseHours reads hours such as "22:00-06:00", or several separated by commas. Empty text is the whole day.
func ParseHours(text string) (Hours, error) {
	var h Hours
	if strings.TrimSpace(text) == "" {
		return h, nil
	}
	for part := range strings.SplitSeq(text, ",") {
		from, to, ok := strings.Cut(strings.TrimSpace(part), "-")
		a, err := clock(from)
		b, err2 := clock(to)
		if !ok || err != nil || err2 != nil {
			return Hours{}, fault.New(fault.Invalid, "%q are no hours of the day", strings.TrimSpace(part)).With("write them as 22:00-06:00")
		}
		if a == b {
			return Hours{}, fault.New(fault.Invalid, "the hours %q begin and end at the same time", strings.TrimSpace(part)).
				With("leave them out for the whole day")
		}
		h.spans = append(h.spans, span{a, b})
	}
	return h, nil
}

// clock reads a time of the day as minutes since midnight.
func clock(s string) (int, error) {
	s = strings.TrimSpace(s)
	if s == "24:00" {
		return 0, nil
	}
	t, err := time.Parse("15:04", s)
	if err != nil {
		return 0, fmt.Errorf("no time of the day: %w", err)
	}
	return t.Hour()*60 + t.Minute(), nil
}

// String returns the hours as ParseHours reads them.
func (h Hours) String() string {
	parts := make([]string, len(h.spans))
	for i, s := range h.spans {
		parts[i] = fmt.Sprintf("%02d:%02d-%02d:%02d", s.from/60, s.from%60, s.to/60, s.to%60)
	}
	return strings.Join(parts, ",")
}

// Next returns the first time from now on that falls into the hours: now itself if it does.
func (h Hours) Next(now time.Time) time.Time {
	if len(h.spans) == 0 {
		return now
	}
	minute := now.Hour()*60 + now.Minute()
	var next time.Time
	for _, s := range h.spans {
		inside := minute >= s.from && minute < s.to
		if s.to <= s.from {
			inside = minute >= s.from || minute < s.to
		}
		if inside {
			return now
		}
		// Days of the zone, so that the hours stay what they are when clocks are changed.
		at := time.Date(now.Year(), now.Month(), now.Day(), s.from/60, s.from%60, 0, 0, now.Location())
		if !at.After(now) {
			at = time.Date(now.Year(), now.Month(), now.Day()+1, s.from/60, s.from%60, 0, 0, now.Location())
		}
		if next.IsZero() || at.Before(next) {
			next = at
		}
	}
	return next
}
