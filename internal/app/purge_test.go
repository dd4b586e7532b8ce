package app_test

import (
	"errors"
	"strings"
	gosync "sync"
	"testing"
	"time"

	"github.com/windlass-hq/windlass/client"
	"github.com/windlass-hq/windlass/internal/app"
)

// later is a clock that a test can set forward.
type later struct {
	mu gosync.Mutex
	by time.Duration
}

func (l *later) now() time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	return time.Now().Add(l.by)
}

func (l *later) set(by time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.by = by
}

// TestHistoryIsPurgedWhenItIsOldEnough lets 800 days pass after a repository was renamed and removed.
func TestHistoryIsPurgedWhenItIsOldEnough(t *testing.T) {
	w := newWorld(t)
	clock := &later{}
	a, err := app.New(app.Options{Config: w.cfg, Now: clock.now})
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := a.Stop(); err != nil {
			t.Error(err)
		}
	})
	ctx, c := t.Context(), client.InProcess(a.Handler())
	w.connect(t, c, "disabled")
	sync(t, c, client.RunRequest{Drain: true})
	page, err := c.QueryPage(ctx, client.Query{Query: "FIND bitbucket_repo WITH fullName ^= 'acme/'"})
	if err != nil || len(page.Rows) == 0 {
		t.Fatalf("got %+v, %v", page, err)
	}
	key, name := page.Rows[0]["_key"].(string), page.Rows[0]["fullName"].(string)
	if err := w.box.RenameRepository(name, "renamed once"); err != nil {
		t.Fatal(err)
	}
	renamed := clock.now()
	sync(t, c, client.RunRequest{Drain: true})

	purge := func(r client.PurgeRequest) client.Purged {
		t.Helper()
		p, err := c.Purge(ctx, r)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	if p := purge(client.PurgeRequest{DryRun: true}); p.Versions != 0 {
		t.Errorf("what has just ended would go: %+v", p)
	}
	if _, err := c.Purge(ctx, client.PurgeRequest{Before: "1d"}); client.CodeOf(err) != "usage" || !strings.Contains(err.Error(), "kept for 25mo") {
		t.Errorf("history that is to be kept: got %v", err)
	}

	clock.set(800 * 24 * time.Hour)
	would := purge(client.PurgeRequest{DryRun: true})
	if would.Versions == 0 || would.Types["bitbucket_repo"] == 0 || would.AtMost {
		t.Errorf("800 days later nothing would go: %+v", would)
	}
	if _, err := c.AddHold(ctx, client.NewHold{Name: "audit", Reason: "asked for"}); err != nil {
		t.Fatal(err)
	}
	if p := purge(client.PurgeRequest{DryRun: true}); !p.AtMost {
		t.Errorf("the hold is not mentioned: %+v", p)
	}
	if p := purge(client.PurgeRequest{}); !p.HeldAll || p.Versions != 0 {
		t.Errorf("the hold holds nothing: %+v", p)
	}
	if h, err := c.ReleaseHold(ctx, "audit"); err != nil || h.ReleasedAt == nil {
		t.Errorf("got %+v, %v", h, err)
	}
	if _, err := c.AddHold(ctx, client.NewHold{Name: "one", Reason: "this repository", For: key}); err != nil {
		t.Fatal(err)
	}
	purge(client.PurgeRequest{})
	if h, err := c.History(ctx, key); err != nil || len(h.Items) != 2 {
		t.Errorf("the held repository lost versions: %+v, %v", h, err)
	}
	if _, err := c.ReleaseHold(ctx, "one"); err != nil {
		t.Fatal(err)
	}
	if p := purge(client.PurgeRequest{}); p.Versions == 0 || p.Unfinished {
		t.Errorf("got %+v, want the version before the new name gone", p)
	}

	h, err := c.History(ctx, key)
	if err != nil || len(h.Items) != 1 || h.From == nil || !h.From.After(renamed) {
		t.Errorf("got %+v, %v", h, err)
	}
	e, err := c.Entity(ctx, key, clock.now().Add(-790*24*time.Hour).Format(time.RFC3339))
	if err != nil || !strings.Contains(strings.Join(e.Warnings, "\n"), "have been removed") {
		t.Errorf("a moment before the purge is read without a warning: %+v, %v", e, err)
	}
	r, err := c.Retention(ctx)
	if err != nil || r.LastPurge == nil || r.Before == nil || r.From == nil {
		t.Errorf("got %+v, %v", r, err)
	}
	d, err := c.Doctor(ctx)
	if err != nil {
		t.Fatal(err)
	}
	said := false
	for _, f := range d.Findings {
		said = said || f.Check == "history" && strings.Contains(f.Detail, "last purged")
	}
	if !said {
		t.Errorf("doctor says nothing of the purge: %+v", d.Findings)
	}
}

// TestServerPurgesDaily waits for the upkeep that a server does at its first start.
func TestServerPurgesDaily(t *testing.T) {
	w := newWorld(t)
	_, c, _ := w.start(t, true)
	eventually(t, func() error {
		r, err := c.Retention(t.Context())
		if err == nil && r.LastPurge == nil {
			err = errors.New("nothing was purged yet")
		}
		return err
	})
}

// TestForeverIsForever wants nothing purged where history is kept forever, by hand or by the clock.
func TestForeverIsForever(t *testing.T) {
	w := newWorld(t)
	w.cfg.HistoryRetention = "forever"
	_, c, _ := w.start(t, false)
	if _, err := c.Purge(t.Context(), client.PurgeRequest{Before: "2001-01-01"}); err == nil || !strings.Contains(err.Error(), "kept forever") {
		t.Errorf("got %v", err)
	}
	if r, err := c.Retention(t.Context()); err != nil || r.Before != nil || r.Kept != "forever" {
		t.Errorf("got %+v, %v", r, err)
	}
}
