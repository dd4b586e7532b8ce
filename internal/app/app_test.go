package app_test

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/windlass-hq/windlass/client"
	"github.com/windlass-hq/windlass/internal/app"
	"github.com/windlass-hq/windlass/internal/bitbucket/sandbox"
	"github.com/windlass-hq/windlass/internal/config"
	"github.com/windlass-hq/windlass/internal/fault"
	"github.com/windlass-hq/windlass/internal/store/storetest"
)

func TestMain(m *testing.M) { os.Exit(storetest.MainWithoutLeaks(m)) }

// world is a sandbox with an installation beside it.
type world struct {
	box *sandbox.Sandbox
	url string
	cfg config.Config
}

func newWorld(t *testing.T) world {
	t.Helper()
	return newWorldOf(t, sandbox.Options{Repositories: 6, PullRequests: 40, Users: 8})
}

func newWorldOf(t *testing.T, o sandbox.Options) world {
	t.Helper()
	o.TempDir = t.TempDir()
	box, err := sandbox.New(o)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(box.Handler())
	t.Cleanup(func() {
		server.Close()
		if err := box.Close(); err != nil {
			t.Error(err)
		}
	})
	dir := t.TempDir()
	cfg := config.Default()
	cfg.DataDir, cfg.KeyFile, cfg.Listen = filepath.Join(dir, "data"), filepath.Join(dir, "key"), "127.0.0.1:0"
	return world{box, server.URL, cfg}
}

// hang makes the sandbox answer no question about repositories until the asker goes away, so that a run is under way
// for as long as a test needs it, however slow the machine.
func (w world) hang(t *testing.T) {
	t.Helper()
	if _, err := w.box.AddFault(sandbox.Fault{Kind: sandbox.FaultSlow, Path: "/2.0/repositories", Delay: time.Hour}); err != nil {
		t.Fatal(err)
	}
}

// start runs an App until the test ends, or until stop is called.
func (w world) start(t *testing.T, server bool) (*app.App, *client.Client, func()) {
	t.Helper()
	a, err := app.New(app.Options{Config: w.cfg, Schedules: server})
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	stopped := false
	stop := func() {
		if stopped {
			return
		}
		stopped = true
		if err := a.Stop(); err != nil {
			t.Error(err)
		}
	}
	t.Cleanup(stop)
	return a, client.InProcess(a.Handler()), stop
}

func (w world) connect(t *testing.T, c *client.Client, interval string) client.Connected {
	t.Helper()
	got, err := c.Connect(t.Context(), client.NewConnection{
		NoPreflight: true,
		Name:        "acme", Product: "cloud", AccountName: "Acme", TagAccountName: true, Interval: interval,
		Settings:    map[string]string{"workspaces": "acme", "api-url": w.url + "/cloud/2.0"},
		Credentials: []client.NewCredential{{Kind: "oauth", Identity: "sandbox-key", Secret: "sandbox-secret"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func sync(t *testing.T, c *client.Client, r client.RunRequest) client.Run {
	t.Helper()
	run, err := c.StartRun(t.Context(), "acme", r)
	if err != nil {
		t.Fatal(err)
	}
	run, err = c.Follow(t.Context(), run.ID, func(client.Progress) {})
	if err != nil {
		t.Fatal(err)
	}
	return run
}

// TestThroughTheClient walks the whole API with the client that the commands use.
func TestThroughTheClient(t *testing.T) {
	w := newWorld(t)
	_, c, _ := w.start(t, false)
	ctx := t.Context()

	connected := w.connect(t, c, "4h")
	if !connected.Check.OK || len(connected.Check.Credentials) != 1 || !connected.Check.Credentials[0].Valid {
		t.Errorf("got check %+v", connected.Check)
	}
	run := sync(t, c, client.RunRequest{Drain: true})
	if run.Status != client.RunComplete || run.Summary == nil || run.Summary.Objects["bitbucket_repo"] == 0 || run.Summary.Run != run.ID {
		t.Fatalf("got %+v", run)
	}
	if again, err := c.Follow(ctx, run.ID, func(client.Progress) {}); err != nil || again.Status != client.RunComplete {
		t.Errorf("following a run that has ended: %+v, %v", again, err)
	}
	sync(t, c, client.RunRequest{Drain: true})

	t.Run("pages equal the stream", func(t *testing.T) {
		const query = "FIND bitbucket_pull_request"
		var streamed, paged []string
		end, err := c.Stream(ctx, client.Query{Query: query}, func(p client.Piece) error {
			if !p.Open {
				return errors.New("whole entities have open columns")
			}
			return nil
		}, func(b json.RawMessage) error {
			var m map[string]any
			if err := json.Unmarshal(b, &m); err != nil {
				return err
			}
			streamed = append(streamed, m["_key"].(string))
			return nil
		})
		if err != nil || end.Rows != len(streamed) || end.Rows < 10 {
			t.Fatalf("got %+v, %v", end, err)
		}
		q := client.Query{Query: query, Limit: 7}
		for {
			page, err := c.QueryPage(ctx, q)
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range page.Rows {
				paged = append(paged, r["_key"].(string))
			}
			if q.Cursor = page.Cursor; q.Cursor == "" {
				break
			}
		}
		if d := cmp.Diff(streamed, paged); d != "" {
			t.Error(d)
		}
		if _, err := c.QueryPage(ctx, client.Query{Query: query, Cursor: "nonsense"}); client.CodeOf(err) != "invalid" {
			t.Errorf("got %v", err)
		}
		if _, err := c.QueryPage(ctx, client.Query{Query: query, Limit: 1001}); client.CodeOf(err) != "invalid" {
			t.Errorf("got %v", err)
		}
		if _, err := c.Stream(ctx, client.Query{Query: "FIND"}, nil, nil); client.CodeOf(err) != "invalid" || !strings.Contains(err.Error(), "line 1, column") {
			t.Errorf("got %v", err)
		}
	})
	t.Run("runs page", func(t *testing.T) {
		first, err := c.Runs(ctx, client.RunFilter{Connection: "acme", Limit: 1})
		if err != nil || len(first.Items) != 1 || first.Cursor == "" {
			t.Fatalf("got %+v, %v", first, err)
		}
		second, err := c.Runs(ctx, client.RunFilter{Connection: "acme", Limit: 1, Cursor: first.Cursor})
		if err != nil || len(second.Items) != 1 || second.Cursor != "" || second.Items[0].ID >= first.Items[0].ID {
			t.Errorf("got %+v, %v", second, err)
		}
		if s := first.Items[0].Summary; s == nil || s.Changes != (client.Changes{}) {
			t.Errorf("the second run changed something: %+v", s)
		}
	})
	t.Run("ledger", func(t *testing.T) {
		all, err := c.Scopes(ctx, "acme", client.ScopeFilter{State: "complete"})
		if err != nil || len(all.Items) < 4 {
			t.Fatalf("got %+v, %v", all, err)
		}
		var paged []client.Scope
		for f := (client.ScopeFilter{State: "complete", Limit: 3}); ; {
			page, err := c.Scopes(ctx, "acme", f)
			if err != nil {
				t.Fatal(err)
			}
			paged = append(paged, page.Items...)
			if f.Cursor = page.Cursor; f.Cursor == "" {
				break
			}
		}
		if d := cmp.Diff(all.Items, paged); d != "" {
			t.Error(d)
		}
	})
	t.Run("entity and history", func(t *testing.T) {
		page, err := c.QueryPage(ctx, client.Query{Query: "FIND bitbucket_repo", Limit: 1})
		if err != nil || len(page.Rows) != 1 {
			t.Fatalf("got %+v, %v", page, err)
		}
		key := page.Rows[0]["_key"].(string)
		e, err := c.Entity(ctx, key, "")
		if err != nil || e.Key != key || e.Type != "bitbucket_repo" {
			t.Fatalf("got %+v, %v", e, err)
		}
		if d := cmp.Diff([]string{"Acme"}, e.Accounts); d != "" {
			t.Error(d)
		}
		h, err := c.History(ctx, key)
		if err != nil || len(h.Items) != 1 || h.Items[0].ValidTo != nil || h.From != nil {
			t.Errorf("got %+v, %v", h, err)
		}
		if _, err := c.Entity(ctx, key, "2020-01-01"); client.CodeOf(err) != "not_found" {
			t.Errorf("before it was seen: got %v", err)
		}
	})
	t.Run("edit", func(t *testing.T) {
		name, interval := "Acme & Co", "disabled"
		u, err := c.UpdateConnection(ctx, "acme", client.ConnectionUpdate{AccountName: &name, Interval: &interval, Settings: map[string]string{"history": "90d"}})
		if err != nil || u.AccountName != name || u.Interval != interval || u.Settings["history"] != "90d" {
			t.Fatalf("got %+v, %v", u, err)
		}
		u, err = c.UpdateConnection(ctx, "acme", client.ConnectionUpdate{Settings: map[string]string{"history": ""}})
		if _, set := u.Settings["history"]; err != nil || set || u.AccountName != name {
			t.Errorf("got %+v, %v", u, err)
		}
		bad := "hourly-ish"
		if _, err := c.UpdateConnection(ctx, "acme", client.ConnectionUpdate{Interval: &bad}); client.CodeOf(err) != "usage" {
			t.Errorf("got %v", err)
		}
	})
	t.Run("credentials", func(t *testing.T) {
		k, err := c.AddCredential(ctx, "acme", client.NewCredential{Kind: "oauth", Identity: "sandbox-key-2", Secret: "sandbox-secret-2"})
		if err != nil || k.Verdict == nil || !k.Verdict.Valid {
			t.Fatalf("got %+v, %v", k, err)
		}
		_, err = c.AddCredential(ctx, "acme", client.NewCredential{Kind: "oauth", Identity: "sandbox-key-2", Secret: "sandbox-secret-2"})
		if client.CodeOf(err) != "conflict" {
			t.Errorf("the same again: got %v", err)
		}
		_, err = c.AddCredential(ctx, "acme", client.NewCredential{Kind: "token", Secret: "hush-hush"})
		if client.CodeOf(err) != "invalid" || strings.Contains(err.Error(), "hush-hush") {
			t.Errorf("a bad one: got %v", err)
		}
		if err := c.RemoveCredential(ctx, "acme", k.ID); err != nil {
			t.Error(err)
		}
		if err := c.RemoveCredential(ctx, "acme", k.ID); client.CodeOf(err) != "not_found" {
			t.Errorf("twice: got %v", err)
		}
	})
	t.Run("remove", func(t *testing.T) {
		p, err := c.PreviewRemoval(ctx, "acme")
		if err != nil || p.Closes["bitbucket_repo"] == 0 || p.Credentials != 1 {
			t.Fatalf("got %+v, %v", p, err)
		}
		if _, err := c.RemoveConnection(ctx, "acme"); err != nil {
			t.Fatal(err)
		}
		page, err := c.QueryPage(ctx, client.Query{Query: "FIND bitbucket_repo AS r RETURN COUNT(r) AS n"})
		if err != nil || fmt.Sprint(page.Rows[0]["n"]) != "0" {
			t.Errorf("got %+v, %v", page, err)
		}
		if _, err := c.Connection(ctx, "acme"); client.CodeOf(err) != "not_found" {
			t.Errorf("got %v", err)
		}
	})
}

// TestServerRunsWhatIsDue: a server reads a connection by its schedule and works off what the run leaves behind.
func TestServerRunsWhatIsDue(t *testing.T) {
	w := newWorld(t)
	_, c, stop := w.start(t, false)
	w.connect(t, c, "1h")
	stop()
	_, c, _ = w.start(t, true)
	eventually(t, func() error {
		runs, err := c.Runs(t.Context(), client.RunFilter{Connection: "acme"})
		if err != nil {
			return err
		}
		if n := len(runs.Items); n == 0 || runs.Items[n-1].Status != client.RunComplete {
			return fmt.Errorf("no complete run: %+v", runs.Items)
		}
		scopes, err := c.Scopes(t.Context(), "acme", client.ScopeFilter{})
		if err != nil {
			return err
		}
		read := 0
		for _, s := range scopes.Items {
			if s.Listing == "pull-requests" && s.State == "complete" {
				read++
			}
		}
		if read < 4 {
			return fmt.Errorf("only %d repositories have their pull requests", read)
		}
		return nil
	})
}

// eventually asks until there is no error.
func eventually(t *testing.T, f func() error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		err := f()
		if err == nil {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatal(err)
		case <-tick.C:
		}
	}
}

// TestStopInterruptsARun: a stop comes in time, and the run goes on in the next process.
func TestStopInterruptsARun(t *testing.T) {
	w := newWorld(t)
	w.hang(t)
	a, c, _ := w.start(t, true)
	w.connect(t, c, "disabled")
	run, err := c.StartRun(t.Context(), "acme", client.RunRequest{Drain: true})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.StartRun(t.Context(), "acme", client.RunRequest{}); client.CodeOf(err) != "conflict" {
		t.Errorf("a second run beside the first: got %v", err)
	}
	if err := a.Stop(); err != nil { // it has a limit of its own
		t.Fatal(err)
	}
	w.box.ClearFaults()
	_, c, _ = w.start(t, false)
	got, err := c.Run(t.Context(), run.ID)
	if err != nil || got.Status != client.RunInterrupted {
		t.Errorf("got %+v, %v", got, err)
	}
	if next := sync(t, c, client.RunRequest{Drain: true}); next.ID != run.ID || next.Status != client.RunComplete {
		t.Errorf("got %+v", next)
	}
}

func TestFailedStartRollsBack(t *testing.T) {
	w := newWorld(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	w.cfg.Listen = l.Addr().String()
	a, err := app.New(app.Options{Config: w.cfg, Schedules: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Start(t.Context()); !fault.Is(err, fault.Unavailable) {
		t.Fatalf("got %v", err)
	}
	if _, alive := app.Listening(t.Context(), w.cfg.DataDir); alive {
		t.Error("the socket still answers")
	}
	w.cfg.Listen = "127.0.0.1:0"
	w.start(t, true) // neither lock nor socket is left
	if err := a.Stop(); err != nil {
		t.Errorf("stopping what never started: %v", err)
	}
}

func TestOneProcessPerDirectory(t *testing.T) {
	w := newWorld(t)
	w.start(t, false)
	second, err := app.New(app.Options{Config: w.cfg})
	if err != nil {
		t.Fatal(err)
	}
	err = second.Start(t.Context())
	if !fault.Is(err, fault.Conflict) || !strings.Contains(err.Error(), fmt.Sprintf("in use by process %d", os.Getpid())) {
		t.Errorf("got %v", err)
	}
}

func TestStaleSocketIsReplaced(t *testing.T) {
	w := newWorld(t)
	path, err := app.SocketPath(w.cfg.DataDir)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(w.cfg.DataDir, 0o700); err != nil {
		t.Fatal(err)
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	w.start(t, true)
	if _, alive := app.Listening(t.Context(), w.cfg.DataDir); !alive {
		t.Error("nobody listens")
	}
}

func TestSocketPath(t *testing.T) {
	t.Setenv("XDG_RUNTIME_DIR", "/run/user/7")
	short, err := app.SocketPath("/data")
	if err != nil || short != "/data/windlass.sock" {
		t.Errorf("got %s, %v", short, err)
	}
	long, err := app.SocketPath("/" + strings.Repeat("d", 120))
	if err != nil || !strings.HasPrefix(long, "/run/user/7/windlass-") || len(long) > 103 {
		t.Errorf("got %s, %v", long, err)
	}
	t.Setenv("XDG_RUNTIME_DIR", "/"+strings.Repeat("r", 120))
	if _, err := app.SocketPath("/" + strings.Repeat("d", 120)); !fault.Is(err, fault.Usage) {
		t.Errorf("got %v", err)
	}
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("unix", filepath.Join(dir, "windlass.sock"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if _, trusted := app.Listening(t.Context(), dir); trusted {
		t.Error("a socket in a directory that everybody may write to is trusted")
	}
}

func TestNewRefuses(t *testing.T) {
	cfg := config.Default()
	cfg.Listen = "0.0.0.0:8484"
	if _, err := app.New(app.Options{Config: cfg, Schedules: true}); !fault.Is(err, fault.Usage) || fault.RemedyOf(err) == "" {
		t.Errorf("a public address: got %v", err)
	}
	if _, err := app.New(app.Options{Config: cfg}); err != nil {
		t.Errorf("it matters to servers only: %v", err)
	}
}

func TestRemovalWaitsForNoRun(t *testing.T) {
	w := newWorld(t)
	w.hang(t)
	_, c, _ := w.start(t, false)
	w.connect(t, c, "disabled")
	run, err := c.StartRun(t.Context(), "acme", client.RunRequest{Drain: true})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.RemoveConnection(t.Context(), "acme"); client.CodeOf(err) != "conflict" {
		t.Errorf("in the middle of a run: got %v", err)
	}
	if err := c.CancelRun(t.Context(), run.ID); err != nil {
		t.Fatal(err)
	}
	if ended, err := c.Follow(t.Context(), run.ID, func(client.Progress) {}); err != nil || ended.Status != client.RunInterrupted {
		t.Errorf("got %+v, %v", ended, err)
	}
	if _, err := c.RemoveConnection(t.Context(), "acme"); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

func TestDatabaseOfANewerVersionIsRefused(t *testing.T) {
	w := newWorld(t)
	_, _, stop := w.start(t, false)
	stop()
	files, err := filepath.Glob(filepath.Join(w.cfg.DataDir, "windlass.db"))
	if err != nil || len(files) != 1 {
		t.Fatalf("got %v, %v", files, err)
	}
	db, err := sql.Open("sqlite", files[0])
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.ExecContext(t.Context(), "INSERT INTO goose_db_version (version_id, is_applied) VALUES (9999, 1)"); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	a, err := app.New(app.Options{Config: w.cfg})
	if err != nil {
		t.Fatal(err)
	}
	err = a.Start(t.Context())
	if err == nil || !strings.Contains(err.Error(), "newer") || fault.RemedyOf(err) == "" {
		t.Errorf("got %v", err)
	}
	if err := os.Remove(files[0]); err != nil {
		t.Fatal(err)
	}
	w.start(t, false) // the lock is free
}
