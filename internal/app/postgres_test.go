package app_test

import (
	"path/filepath"
	"testing"

	"github.com/windlass-hq/windlass/client"
	"github.com/windlass-hq/windlass/internal/app"
	"github.com/windlass-hq/windlass/internal/store/storetest"
)

// TestManyServersOnOnePostgreSQL: there is no lock on a data directory then, and any number of processes share the work.
func TestManyServersOnOnePostgreSQL(t *testing.T) {
	w := newWorld(t)
	w.cfg.Database = storetest.Postgres(t)
	_, first, _ := w.start(t, true)
	w.connect(t, first, "disabled")
	other := w
	other.cfg.DataDir = filepath.Join(t.TempDir(), "data")
	_, second, _ := other.start(t, true)
	_, third, _ := other.start(t, false) // a command beside the servers

	run, err := second.StartRun(t.Context(), "acme", client.RunRequest{Drain: true})
	if err != nil {
		t.Fatal(err)
	}
	// Who follows on another server sees the same end.
	ended, err := first.Follow(t.Context(), run.ID, func(client.Progress) {})
	if err != nil || ended.Status != client.RunComplete {
		t.Fatalf("got %+v, %v", ended, err)
	}
	var counts [3]any
	for i, c := range []*client.Client{first, second, third} {
		page, err := c.QueryPage(t.Context(), client.Query{Query: "FIND bitbucket_pull_request AS p RETURN COUNT(p) AS n"})
		if err != nil {
			t.Fatal(err)
		}
		counts[i] = page.Rows[0]["n"]
	}
	if counts[0] == float64(0) || counts[0] != counts[1] || counts[1] != counts[2] {
		t.Errorf("got %v", counts)
	}
	v, err := third.Version(t.Context())
	if err != nil || v.Database != "postgres" {
		t.Errorf("got %+v, %v", v, err)
	}
	// The socket of a server that lives is not taken away.
	again, err := app.New(app.Options{Config: w.cfg, Schedules: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := again.Start(t.Context()); err == nil {
		t.Error("two servers on one socket")
	}
}
