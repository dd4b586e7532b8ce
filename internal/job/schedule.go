package job

import (
	"fmt"
	"hash/fnv"
	"strings"
	"time"

	"github.com/adhocore/gronx"

	"github.com/windlass-hq/windlass/internal/fault"
)

// Interval says how often something runs: every so often, at the times of a cron expression, or never.
type Interval struct {
	text  string
	every time.Duration // zero for cron and never
	cron  string        // empty for the others
}

// intervals are the names of DESIGN section 5 beside cron expressions.
func intervals() map[string]time.Duration {
	return map[string]time.Duration{
		"30m": 30 * time.Minute, "1h": time.Hour, "4h": 4 * time.Hour, "8h": 8 * time.Hour,
		"12h": 12 * time.Hour, "24h": 24 * time.Hour, "7d": 7 * 24 * time.Hour,
	}
}

// disabled is the name of the interval that never comes.
const disabled = "disabled"

// ParseInterval reads disabled, 30m, 1h, 4h, 8h, 12h, 24h, 7d, or a cron expression of five fields (or @hourly,
// @daily, @weekly, @monthly, @yearly).
func ParseInterval(text string) (Interval, error) {
	text = strings.Join(strings.Fields(text), " ")
	if text == disabled {
		return Interval{text: text}, nil
	}
	if every, ok := intervals()[text]; ok {
		return Interval{text: text, every: every}, nil
	}
	refused := func(why string) (Interval, error) {
		return Interval{}, fault.New(fault.Usage, "the interval %q %s", text, why).
			With("use disabled, 30m, 1h, 4h, 8h, 12h, 24h, 7d or a cron expression such as \"15 3 * * 1-5\"")
	}
	switch text {
	case "@hourly", "@daily", "@weekly", "@monthly", "@yearly":
	default:
		if len(strings.Fields(text)) != 5 {
			return refused("is none of the known ones")
		}
	}
	if !gronx.IsValid(text) {
		return refused("is not a valid cron expression")
	}
	// A leap day comes within eight years; what does not come within nine never does.
	const probe = 9 * 366 * 24 * time.Hour
	from := time.Date(2026, time.January, 1, 0, 0, 0, 0, time.UTC)
	next, err := gronx.NextTickAfter(text, from, false)
	if err != nil || next.Sub(from) > probe {
		return refused("never comes")
	}
	return Interval{text: text, cron: text}, nil
}

// String returns the interval as it was written.
func (i Interval) String() string { return i.text }

// Disabled reports whether nothing ever runs.
func (i Interval) Disabled() bool { return i.every == 0 && i.cron == "" }

// Next returns when to run again after a run that began at after; the zero time for never. The seed, such as a
// connection's id, spreads those of one interval so that they do not all come at once: always in the same way, up to
// a tenth of the interval earlier (what is said to be an hour old at most is no older), or up to a minute after the
// time that a cron expression names. Cron expressions are in the time zone of after.
func (i Interval) Next(after time.Time, seed string) time.Time {
	switch {
	case i.every > 0:
		return after.Add(i.every - spread(seed, i.every/10))
	case i.cron != "":
		late := spread(seed, time.Minute)
		next, err := gronx.NextTickAfter(i.cron, after.Add(-late), false)
		if err != nil {
			return time.Time{} // ParseInterval found a time for it, so there is one
		}
		return next.Truncate(time.Second).Add(late)
	}
	return time.Time{}
}

// spread returns a duration below most that depends on the seed alone.
func spread(seed string, most time.Duration) time.Duration {
	h := fnv.New64a()
	fmt.Fprint(h, seed)
	return time.Duration(h.Sum64() % uint64(most)).Truncate(time.Second)
}
