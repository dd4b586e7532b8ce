package main

import (
	"bytes"
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/windlass-hq/windlass/internal/bitbucket/sandbox"
	"github.com/windlass-hq/windlass/internal/store/storetest"
)

// TestCanaries runs the whole program on Bitbuckets whose answers hold secrets of others wherever they can, with
// credentials of its own that are canaries too, and looks for all of them in everything that it leaves behind.
func TestCanaries(t *testing.T) {
	if testing.Short() { // it searches for minutes under the race detector; make test runs it without
		return
	}
	// Each product and each database once. Data Center is the old one, which answers with the most secrets (FACTS 145).
	cases := []struct{ name, product, version, database string }{
		{name: "Cloud", product: "cloud"},
		{name: "Data Center 7.6 on PostgreSQL", product: "datacenter", version: "7.6", database: "postgres"},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			h := newHunt(t, tc.product, tc.version)
			if tc.database != "" {
				h.database = storetest.Postgres(t)
				h.env = append(h.env, "WINDLASS_DATABASE="+h.database)
			}
			h.run()
		})
	}
}

// hunt is one installation and the Bitbucket that it reads.
type hunt struct {
	t        *testing.T
	product  string
	box      *sandbox.Sandbox
	garden   *garden
	url      string // of the garden
	dir      string
	env      []string
	database string // empty for SQLite

	caged cage            // what may be nowhere
	own   map[string]bool // our own secrets, by their value
	told  finds           // output, answers, logs
	kept  finds           // files and rows
}

func newHunt(t *testing.T, product, version string) *hunt {
	h := &hunt{t: t, product: product, dir: t.TempDir(), own: map[string]bool{}, told: finds{}, kept: finds{}}
	box, err := sandbox.New(sandbox.Options{Repositories: 5, PullRequests: 12, Users: 6, DCVersion: version, TempDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = box.Close() })
	h.box, h.garden = box, newGarden(product, box.Handler())
	h.garden.escaping = version == "7.6"
	server := httptest.NewServer(h.garden)
	t.Cleanup(server.Close)
	h.url = server.URL
	for _, e := range os.Environ() {
		if !strings.HasPrefix(e, "WINDLASS_") && !strings.HasPrefix(e, "HOME=") && !strings.HasPrefix(e, "XDG_") {
			h.env = append(h.env, e)
		}
	}
	home := filepath.Join(h.dir, "home")
	h.env = append(h.env, "HOME="+home, "XDG_CONFIG_HOME="+filepath.Join(home, "config"), "WINDLASS_DATA_DIR="+h.data(), "WINDLASS_LOG_LEVEL=debug")
	if err := os.MkdirAll(filepath.Join(home, "config"), 0o700); err != nil {
		t.Fatal(err)
	}
	return h
}

func (h *hunt) data() string { return filepath.Join(h.dir, "data") }

// mine returns a secret of our own, which is a canary like the others'.
func (h *hunt) mine(name string) string {
	secret := canary("our own: " + name)
	if !h.own[secret] {
		h.own[secret] = true
		h.caged.add("our own: "+name, secret)
	}
	return secret
}

// file writes a secret into a file outside the data directory and returns @FILE.
func (h *hunt) file(name, text string) string {
	path := filepath.Join(h.dir, "secret of "+name)
	if err := os.WriteFile(path, []byte(text+"\n"), 0o600); err != nil {
		h.t.Fatal(err)
	}
	return "@" + path
}

// command is what is run and what comes in.
type command struct {
	name  string // what is shown for the arguments, where those hold a secret
	args  []string
	env   []string
	stdin string
	fails bool // it must fail
	// within is how long it may take before it is interrupted; patience where it is zero.
	within time.Duration
}

func (h *hunt) windlass(args ...string) string { return h.exec(command{args: args}) }

func (h *hunt) fails(args ...string) string { return h.exec(command{args: args, fails: true}) }

// exec runs the program, keeps all that it says for the search, and returns its standard output.
func (h *hunt) exec(c command) string {
	h.t.Helper()
	out, name, err := h.attempt(c)
	if (err != nil) != c.fails {
		h.t.Fatalf("%s: %v, want failure = %v\n%s", name, err, c.fails, h.told[name])
	}
	return out
}

// attempt is exec for what may fail or not.
func (h *hunt) attempt(c command) (string, string, error) {
	h.t.Helper()
	ctx, cancel := context.WithTimeout(h.t.Context(), cmp.Or(c.within, patience))
	defer cancel()
	cmd := exec.CommandContext(ctx, "windlass", c.args...)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) } // what it has to say then is searched too
	cmd.WaitDelay = patience
	cmd.Env = append(slices.Clone(h.env), c.env...)
	cmd.Dir = h.dir
	cmd.Stdin = strings.NewReader(c.stdin)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	name := c.name
	if name == "" {
		name = strings.Join(c.args, " ")
	}
	name = fmt.Sprintf("command: windlass %s (%d)", name, len(h.told))
	h.told[name] = slices.Concat(out.Bytes(), []byte("\n"), errs.Bytes())
	return out.String(), name, err
}

func (h *hunt) run() {
	h.connect()
	h.failToConnect()
	h.windlass("sync", "c", "--full")
	h.windlass("sync", "c")
	h.garden.next() // every text changes, so that there are versions
	h.windlass("sync", "c", "--full", "-o", "json")
	h.look()
	if h.database == "" { // what is said and stored is the same on both databases
		h.refused()
	}
	h.serve()
	h.vanish()
	h.look()
	h.judge()
}

// look asks for everything that commands show.
func (h *hunt) look() {
	for _, form := range []string{"table", "json", "csv"} {
		for _, question := range []string{
			"FIND *", "FIND bitbucket_webhook", "FIND bitbucket_pull_request AS p RETURN p.title, p.description, p.name, p.webLink",
			"FIND bitbucket_repo AS r THAT HAS bitbucket_webhook AS w RETURN r.name, r.description, w.url, w.name",
		} {
			h.windlass("query", question, "-o", form)
		}
		h.windlass("runs", "c", "--scopes", "-o", form)
		h.windlass("runs", "c", "-o", form)
		h.windlass("runs", "c", "--completeness", "-o", form)
	}
	h.windlass("runs", "c")
	h.windlass("connection", "list")
	h.windlass("connection", "show", "c")
	h.windlass("connection", "show", "c", "-o", "json")
	h.windlass("connection", "test", "c")
	h.windlass("connection", "credential", "list", "c")
	h.windlass("connection", "credential", "list", "c", "-o", "json")
	h.windlass("doctor")
	h.windlass("config", "dump")
	h.windlass("key", "show")
	h.windlass("jobs", "list")
}

// serve runs a server, reads the connection through it, and calls every operation that reads.
func (h *hunt) serve() {
	t := h.t
	var ports atomic.Uint32
	ports.Store(uint32(os.Getpid())*211 + uint32(time.Now().UnixNano()%5000))
	address, err := freeAddress(&ports)
	if err != nil {
		t.Fatal(err)
	}
	log := &syncBuffer{}
	cmd := exec.Command("windlass", "serve", "--listen", address, "--log-format", "json")
	cmd.Env, cmd.Dir, cmd.Stdout, cmd.Stderr = h.env, h.dir, log, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := false
	defer func() {
		if !ended {
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
		}
	}()
	base := "http://" + address
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	poll(ctx, func() bool {
		status, _, err := call(ctx, http.MethodGet, base+"/readyz", "", nil)
		return err == nil && status < 300
	})
	h.windlass("sync", "c", "--full")
	h.windlass("connection", "test", "c")
	h.windlass("key", "rotate")
	h.callEverything(base)
	h.refused("400", "401", "403 of a page", "400 that is cut", "403 that is cut", "redirect elsewhere", "redirect to a path", "CAPTCHA")
	maps.Copy(h.kept, readTree(t, "data directory while serving", h.data()))
	if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	ended = true
	if err := cmd.Wait(); err != nil {
		t.Errorf("serve ended with %v:\n%s", err, log)
	}
	h.told["log of the server"] = log.Bytes()
	if len(log.Bytes()) == 0 {
		t.Error("the server logged nothing")
	}
}

// callEverything calls every operation that reads, each entity's own too, and asks questions in both ways.
func (h *hunt) callEverything(base string) {
	t := h.t
	ask := func(method, path, body string) string {
		status, answer, err := call(t.Context(), method, base+path, body, nil)
		if err != nil {
			t.Fatal(err)
		}
		h.told["answer: "+method+" "+path+" "+body] = []byte(answer)
		nothing := status == http.StatusNotFound && strings.HasPrefix(path, "/api/v1/deliveries/") // no webhook has brought any
		if status >= 400 && !nothing {
			t.Errorf("%s %s: %d %s", method, path, status, answer)
		}
		return answer
	}
	var description struct {
		Paths map[string]map[string]json.RawMessage `json:"paths"`
	}
	if err := json.Unmarshal([]byte(ask("GET", "/api/v1/openapi.json", "")), &description); err != nil {
		t.Fatal(err)
	}
	const everything = `{"query":"FIND * AS e RETURN e._key, e.name, e.description"}`
	rows := ask("POST", "/api/v1/query/stream", everything)
	ask("POST", "/api/v1/query", everything)
	ask("POST", "/api/v1/query", `{"query":"FIND *","limit":1000}`)
	keys := entityKeys(rows)
	if len(keys) < 50 {
		t.Fatalf("found %d keys in %.300s", len(keys), rows)
	}
	var scopes struct{ Items []struct{ ID json.Number } }
	if err := json.Unmarshal([]byte(ask("GET", "/api/v1/connections/c/scopes?limit=500", "")), &scopes); err != nil || len(scopes.Items) == 0 {
		t.Fatalf("no scopes: %v", err)
	}
	called := 0
	for path, methods := range description.Paths {
		if _, ok := methods["get"]; !ok {
			continue
		}
		called++
		path = strings.NewReplacer("{name}", "c", "{id}", "1").Replace(path)
		switch {
		case strings.Contains(path, "{key}"):
			for _, key := range keys {
				ask("GET", strings.Replace(path, "{key}", url.PathEscape(key), 1), "")
			}
		case strings.Contains(path, "{scope}"):
			for _, s := range scopes.Items {
				ask("GET", strings.Replace(path, "{scope}", s.ID.String(), 1), "")
			}
		default:
			ask("GET", path, "")
		}
	}
	if called < 10 {
		t.Errorf("only %d operations were called", called)
	}
	for _, page := range []string{"/metrics", "/", "/healthz", "/readyz"} {
		ask("GET", page, "")
	}
	// What is refused may not repeat what it was given.
	for path, body := range map[string]string{
		"/api/v1/connections":               `{"name":"x y","product":"cloud","credentials":[{"kind":"token","secret":"` + h.mine("refused by validation") + `"}]}`,
		"/api/v1/connections/c/credentials": `{"kind":"` + h.mine("given as a kind") + `","secret":"` + h.mine("given with a wrong kind") + `"}`,
		"/api/v1/preflight":                 `{"name":"` + h.mine("broken JSON"),
	} {
		status, answer, err := call(t.Context(), http.MethodPost, base+path, body, nil)
		if err != nil || status < 400 {
			t.Errorf("POST %s: %d %v", path, status, err)
		}
		h.told["refusal: POST "+path] = []byte(answer)
	}
}

// entityKeys returns the keys in rows of a question that returned them first.
func entityKeys(rows string) (keys []string) {
	d := json.NewDecoder(strings.NewReader(rows))
	var find func(v any)
	find = func(v any) {
		switch v := v.(type) {
		case map[string]any:
			for _, e := range v {
				find(e)
			}
		case []any:
			for _, e := range v {
				find(e)
			}
		case string:
			if (strings.HasPrefix(v, "cloud:") || strings.HasPrefix(v, "dc:")) && !strings.Contains(v, " ") && !slices.Contains(keys, v) {
				keys = append(keys, v)
			}
		}
	}
	for {
		var v any
		if d.Decode(&v) != nil {
			return keys
		}
		find(v)
	}
}

// vanish lets nearly everything go, so that closings are held, shown and then confirmed.
func (h *hunt) vanish() {
	h.garden.refusing(func(r *http.Request) *refusal {
		for _, list := range []string{"/hooks", "/webhooks", "/pullrequests", "/pull-requests", "/ssh", "/deploy-keys"} {
			if strings.HasSuffix(r.URL.Path, list) {
				return &refusal{200, map[string]string{"Content-Type": "application/json"}, `{"values":[],"size":0,"isLastPage":true,"limit":100,"start":0}`}
			}
		}
		return nil
	})
	for range 3 {
		h.attempt(command{args: []string{"sync", "c", "--full"}})
	}
	for range 3 {
		h.attempt(command{args: []string{"sync", "c", "--full", "--confirm-deletes", "all"}})
	}
	h.garden.refusing(nil)
}

// judge looks at all that was told and kept.
func (h *hunt) judge() {
	t := h.t
	maps.Copy(h.kept, readTree(t, "data directory", h.data()))
	if h.database == "" {
		h.dump("sqlite", "file:"+filepath.Join(h.data(), "windlass.db"), "SELECT name FROM sqlite_master WHERE type = 'table'")
	} else {
		h.dump("pgx", h.database, "SELECT table_name FROM information_schema.tables WHERE table_schema NOT IN ('pg_catalog', 'information_schema')")
	}
	for place := range h.garden.places {
		h.caged.add(place, canary(place))
	}
	for token := range h.garden.tokens {
		h.caged.add("a token of an OAuth answer", token)
	}
	if h.product == "cloud" && len(h.garden.tokens) == 0 {
		t.Error("no token was given")
	}
	for _, keyFile := range []string{"key", "key.retired"} {
		b, err := os.ReadFile(filepath.Join(h.dir, "home", "config", "windlass", keyFile))
		if err != nil {
			t.Error(err)
		}
		for line := range strings.Lines(string(b)) {
			if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
				h.caged.add("the key at rest", line)
			}
		}
	}
	h.told.judge(t, &h.caged)
	h.kept.judge(t, &h.caged)
	for place, answers := range h.garden.places {
		if answers == 0 {
			t.Errorf("no answer held the canary of %s", place)
		}
	}
	for _, kind := range []string{"repository", "project", "pull request", "user", "branch", "restriction", "group", "permission", "hook"} {
		// An old Data Center tells no more of a group than its name.
		if h.garden.kinds[kind] == 0 && (kind != "group" || h.product == "cloud") {
			t.Errorf("no %s was planted", kind)
		}
	}
}

// dump collects every value of every table as text, so that nothing hides behind the layout of a file; what is
// compressed is collected as it was.
func (h *hunt) dump(driver, source, tables string) {
	t := h.t
	db, err := sql.Open(driver, source)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	unzip, err := zstd.NewReader(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer unzip.Close()
	for _, table := range column(t, db, tables) {
		rows, err := db.QueryContext(t.Context(), `SELECT * FROM "`+table+`"`)
		if err != nil {
			t.Fatal(err)
		}
		names, err := rows.Columns()
		if err != nil {
			t.Fatal(err)
		}
		values, into := make([]sql.RawBytes, len(names)), make([]any, len(names))
		for i := range values {
			into[i] = &values[i]
		}
		var text bytes.Buffer
		for rows.Next() {
			if err := rows.Scan(into...); err != nil {
				t.Fatal(err)
			}
			for i, v := range values {
				if table == "raw" && names[i] == "body" {
					if v, err = unzip.DecodeAll(v, nil); err != nil {
						t.Fatal(err)
					}
				}
				fmt.Fprintf(&text, "%s=%s\n", names[i], v)
			}
		}
		if err := rows.Err(); err != nil {
			t.Fatal(err)
		}
		h.kept["table: "+table] = text.Bytes()
	}
	for _, table := range []string{"entity", "entity_old", "raw"} {
		if !bytes.Contains(h.kept["table: "+table], []byte(control)) {
			t.Errorf("the table %s does not hold the control: the search proves nothing", table)
		}
	}
}

func column(t *testing.T, db *sql.DB, query string) (out []string) {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), query)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var s string
		if err := rows.Scan(&s); err != nil {
			t.Fatal(err)
		}
		out = append(out, s)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return out
}

// syncBuffer is a buffer that is written while it is read.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *syncBuffer) Bytes() []byte {
	b.mu.Lock()
	defer b.mu.Unlock()
	return bytes.Clone(b.b.Bytes())
}

func (b *syncBuffer) String() string { return string(b.Bytes()) }

var _ io.Writer = (*syncBuffer)(nil)
