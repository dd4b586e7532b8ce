package config_test

import (
	"testing"
	"time"

	"github.com/windlass-hq/windlass/internal/config"
	"github.com/windlass-hq/windlass/internal/fault"
)

func TestParseMoment(t *testing.T) {
	now := time.Date(2026, 11, 21, 10, 30, 0, 0, time.UTC)
	tests := map[string]string{
		"2026-11-01": "2026-11-01T00:00:00Z", "2026-11-01T10:00:00+02:00": "2026-11-01T08:00:00Z", "2d": "2026-11-19T10:30:00Z", "90m": "2026-11-21T09:00:00Z",
	}
	for text, want := range tests {
		got, err := config.ParseMoment(text, now)
		if err != nil || got.Format(time.RFC3339) != want {
			t.Errorf("%s: got %v, %v; want %s", text, got, err, want)
		}
	}
	if _, err := config.ParseMoment("yesterday", now); !fault.Is(err, fault.Usage) {
		t.Errorf("got %v", err)
	}
}
