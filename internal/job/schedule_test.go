package job_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/windlass-hq/windlass/internal/fault"
	"github.com/windlass-hq/windlass/internal/job"
)

func TestParseInterval(t *testing.T) {
	for _, text := range []string{
		"disabled", "30m", "1h", "4h", "8h", "12h", "24h", "7d", "15 3 * * 1-5", "*/10 * * * *", " 0  4 * * * ",
		"@daily", "@hourly", "0 0 29 2 *", "0 9 * * MON",
	} {
		i, err := job.ParseInterval(text)
		if err != nil {
			t.Errorf("ParseInterval(%q): %v", text, err)
			continue
		}
		if again, err := job.ParseInterval(i.String()); err != nil || again != i {
			t.Errorf("ParseInterval(%q) = %v, %v, want %v", i, again, err, i)
		}
		if got, want := i.Disabled(), text == "disabled"; got != want {
			t.Errorf("%q: Disabled = %v, want %v", text, got, want)
		}
	}
	for _, text := range []string{
		"", "2h", "1 h", "-1h", "weekly", "* * * *", "* * * * * *", "@everysecond", "@always", "61 * * * *",
		"0 0 31 2 *", "0 25 * * *", "a b c d e", "0 0 * * 1 2030",
	} {
		if i, err := job.ParseInterval(text); !fault.Is(err, fault.Usage) || fault.RemedyOf(err) == "" {
			t.Errorf("ParseInterval(%q) = %v, %v, want it refused with a remedy", text, i, err)
		}
	}
}

func interval(t testing.TB, text string) job.Interval {
	t.Helper()
	i, err := job.ParseInterval(text)
	if err != nil {
		t.Fatal(err)
	}
	return i
}

func TestNextOfAnInterval(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		after := time.Unix(rapid.Int64Range(0, 4e9).Draw(r, "after"), 0)
		seed := rapid.String().Draw(r, "seed")
		text := rapid.SampledFrom([]string{"30m", "1h", "4h", "8h", "12h", "24h", "7d"}).Draw(r, "interval")
		every, err := time.ParseDuration(text)
		if err != nil {
			every = 7 * 24 * time.Hour
		}
		i := interval(t, text)
		next := i.Next(after, seed)
		if pause := next.Sub(after); pause > every || pause < every-every/10 {
			r.Fatalf("Next of %s after %s = %s later, want at most that and at least nine tenths of it", text, after, pause)
		}
		if again := i.Next(after, seed); !again.Equal(next) {
			r.Fatalf("Next = %s, then %s: it must not depend on anything but its arguments", next, again)
		}
	})
}

func TestIntervalsAreSpread(t *testing.T) {
	after := time.Date(2026, time.March, 2, 9, 0, 0, 0, time.UTC)
	for _, text := range []string{"1h", "0 9 * * *"} {
		seen := map[time.Time]bool{}
		for i := range 40 {
			seen[interval(t, text).Next(after, fmt.Sprint(i))] = true
		}
		if len(seen) < 10 {
			t.Errorf("40 connections of %q run at %d different times, want them spread", text, len(seen))
		}
	}
}

func TestNextOfCron(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Skipf("no time zones on this machine: %v", err)
	}
	for _, tc := range []struct{ cron, after, want string }{
		{"15 3 * * *", "2026-03-02T09:00:00+01:00", "2026-03-03T03:15:00+01:00"},
		{"15 3 * * *", "2026-03-02T03:14:59+01:00", "2026-03-02T03:15:00+01:00"},
		{"*/10 * * * *", "2026-03-02T09:01:30+01:00", "2026-03-02T09:10:00+01:00"},
		{"0 9 * * 1-5", "2026-03-06T09:30:00+01:00", "2026-03-09T09:00:00+01:00"},
		{"0 0 29 2 *", "2026-03-02T09:00:00+01:00", "2028-02-29T00:00:00+01:00"},
		{"@monthly", "2026-03-02T09:00:00+01:00", "2026-04-01T00:00:00+02:00"},
		{"0 5 * * *", "2026-03-29T00:30:00+01:00", "2026-03-29T05:00:00+02:00"}, // the night that summer time begins
		{"0 5 * * *", "2026-10-25T00:30:00+02:00", "2026-10-25T05:00:00+01:00"}, // and ends
	} {
		after, err := time.Parse(time.RFC3339, tc.after)
		if err != nil {
			t.Fatal(err)
		}
		want, err := time.Parse(time.RFC3339, tc.want)
		if err != nil {
			t.Fatal(err)
		}
		i := interval(t, tc.cron)
		got := i.Next(after.In(berlin), "seed")
		if late := got.Sub(want); late < 0 || late >= time.Minute {
			t.Errorf("Next of %q after %s = %s, want %s and less than a minute more", tc.cron, tc.after, got, tc.want)
		}
		// What runs at that time runs next at another: no time comes twice.
		if again := i.Next(got, "seed"); again.Sub(got) < time.Minute {
			t.Errorf("Next of %q after its own %s = %s, want a later time", tc.cron, got, again)
		}
	}
	if got := interval(t, "disabled").Next(time.Now(), ""); !got.IsZero() {
		t.Errorf("Next of disabled = %s, want never", got)
	}
}

// TestAnyIntervalThatIsAcceptedComes feeds what looks like cron expressions.
func TestAnyIntervalThatIsAcceptedComes(t *testing.T) {
	at := time.Date(2026, time.March, 2, 9, 0, 0, 0, time.UTC)
	accepted := 0
	wild := rapid.OneOf(
		rapid.Just("*"),
		rapid.StringMatching(`[0-9]{1,2}`),
		rapid.StringMatching(`(\*|[0-9]{1,2}-[0-9]{1,2})/[0-9]{1,2}`),
		rapid.StringMatching(`[0-9]{1,2}([,-][0-9]{1,2}){1,2}`),
		rapid.SampledFrom([]string{"?", "L", "W", "15W", "5L", "5#3", "MON", "mon-fri", "JAN", "", "-1", "x"}),
	)
	// Five wild fields are rarely an expression, so half of the draws are ones that must be accepted.
	tame := rapid.SampledFrom([]string{"*", "1", "3", "1-4", "2,5", "*/2", "1-5/2"})
	rapid.Check(t, func(r *rapid.T) {
		field, valid := wild, rapid.Bool().Draw(r, "valid")
		if valid {
			field = tame
		}
		text := strings.Join(rapid.SliceOfN(field, 5, 5).Draw(r, "fields"), " ")
		i, err := job.ParseInterval(text)
		if err != nil {
			if valid {
				r.Fatalf("%q is refused: %v", text, err)
			}
			return
		}
		accepted++
		for after, n := at, 0; n < 5; n++ {
			next := i.Next(after, "seed")
			if !next.After(after) {
				r.Fatalf("Next of %q after %s = %s, want a later time", text, after, next)
			}
			after = next
		}
	})
	if accepted == 0 {
		t.Error("no expression was accepted; the test shows nothing")
	}
}
