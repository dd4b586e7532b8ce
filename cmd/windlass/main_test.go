package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestMain makes the test binary answer to the name windlass, so that scripts run the whole program.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"windlass": func() { os.Exit(run(os.Args[1:])) }})
}

// TestScripts runs testdata/script/*.txtar: what a person types, and what must come of it.
func TestScripts(t *testing.T) {
	var counter atomic.Uint32
	counter.Store(uint32(os.Getpid()) * 101) // a place of its own for each process
	testscript.Run(t, testscript.Params{
		Dir:                 filepath.Join("testdata", "script"),
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(e *testscript.Env) error {
			// Every script has a home and ports of its own; nothing of the user's is read or written.
			e.Setenv("HOME", filepath.Join(e.WorkDir, "home"))
			e.Setenv("XDG_CONFIG_HOME", filepath.Join(e.WorkDir, "home", "config"))
			e.Setenv("WINDLASS_DATA_DIR", filepath.Join(e.WorkDir, "data"))
			for _, name := range []string{"SERVER", "BOX", "OTHER"} {
				address, err := freeAddress(&counter)
				if err != nil {
					return err
				}
				e.Setenv(name, address)
				e.Setenv(name+"_LOCAL", strings.Replace(address, "127.0.0.1", "localhost", 1)) // the same by another name
			}
			return os.MkdirAll(filepath.Join(e.WorkDir, "home", "config"), 0o700)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"waitfor": waitFor, "waitfile": waitFile, "waitport": waitPort, "post": post, "get": get, "code": code, "jsonis": jsonIs, "saveas": saveAs, "never": never,
		},
	})
}

// Ports from firstPort on are below those that systems give to whoever asks for any port or connects to somewhere, so
// nobody takes one between the script's start and its server's.
const firstPort, ports = 10_000, 22_000

// freeAddress returns an address that nobody listens on and that, by the counter, no other script gets.
func freeAddress(counter *atomic.Uint32) (string, error) {
	for range ports {
		address := fmt.Sprintf("127.0.0.1:%d", firstPort+counter.Add(1)%ports)
		if l, err := net.Listen("tcp", address); err == nil {
			return address, l.Close()
		}
	}
	return "", errors.New("no port is free")
}

// patience is how long something may take that a script waits for.
const patience = 2 * time.Minute

// waitFor URL [text] waits until a GET answers with success, and with the text where one is given.
func waitFor(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 || len(args) > 2 {
		ts.Fatalf("usage: waitfor URL [text]")
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	var last string
	poll(ctx, func() bool {
		status, body, err := call(ctx, http.MethodGet, args[0], "", nil)
		last = fmt.Sprint(status, err, body)
		return err == nil && status < 300 && (len(args) == 1 || strings.Contains(body, args[1]))
	})
	if ctx.Err() != nil {
		ts.Fatalf("%s did not answer as wanted; last: %s", args[0], last)
	}
}

// waitFile FILE [text] waits until a file is there, and holds the text where one is given.
func waitFile(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 || len(args) > 2 {
		ts.Fatalf("usage: waitfile FILE [text]")
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	poll(ctx, func() bool {
		held, err := os.ReadFile(ts.MkAbs(args[0]))
		return err == nil && (len(args) == 1 || strings.Contains(string(held), args[1]))
	})
	if ctx.Err() != nil {
		ts.Fatalf("%s did not appear as wanted", args[0])
	}
}

// waitPort ADDRESS waits until something listens there; what speaks TLS with a private authority answers no waitfor.
func waitPort(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: waitport ADDRESS")
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	poll(ctx, func() bool {
		c, err := (&net.Dialer{}).DialContext(ctx, "tcp", args[0])
		if err == nil {
			_ = c.Close()
		}
		return err == nil
	})
	if ctx.Err() != nil {
		ts.Fatalf("nothing listens at %s", args[0])
	}
}

// poll asks until the answer is yes or the context ends.
func poll(ctx context.Context, yes func() bool) {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !yes() {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// post URL [JSON] sends a POST that must succeed (fail with !); the answer goes to the file answer.
func post(ts *testscript.TestScript, neg bool, args []string) {
	request(ts, neg, http.MethodPost, args)
}

// get URL [Header:value …] sends a GET that must succeed (fail with !); the answer goes to the file answer.
func get(ts *testscript.TestScript, neg bool, args []string) { request(ts, neg, http.MethodGet, args) }

func request(ts *testscript.TestScript, neg bool, method string, args []string) {
	if len(args) < 1 {
		ts.Fatalf("usage: %s URL [body or headers]", strings.ToLower(method))
	}
	body, header := "", http.Header{}
	for _, a := range args[1:] {
		if name, value, ok := strings.Cut(a, ":"); ok && regexp.MustCompile(`^[A-Z][A-Za-z-]+$`).MatchString(name) {
			header.Set(name, value)
			continue
		}
		body = a
	}
	status, answer, err := call(context.Background(), method, args[0], body, header)
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs("answer"), fmt.Appendf(nil, "%d\n%s", status, answer), 0o600))
	if (status < 400) == neg {
		ts.Fatalf("%s %s: %d %s", method, args[0], status, answer)
	}
}

func call(ctx context.Context, method, url, body string, header http.Header) (int, string, error) {
	req, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	req.Header.Set("Content-Type", "application/json")
	for k := range header {
		req.Header.Set(k, header.Get(k))
	}
	if h := header.Get("Host"); h != "" {
		req.Host = h
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	return res.StatusCode, string(b), err
}

// code N ARGS… runs windlass and wants this exit code. Output is compared with stdout and stderr as after exec.
func code(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: code N ARGS…")
	}
	err := ts.Exec("windlass", args[1:]...)
	got := 0
	if err != nil {
		var exited interface{ ExitCode() int }
		exited, ok := err.(interface{ ExitCode() int })
		if !ok {
			ts.Fatalf("run windlass: %v", err)
		}
		got = exited.ExitCode()
	}
	if fmt.Sprint(got) != args[0] {
		ts.Fatalf("windlass %s: exit code %d, want %s", strings.Join(args[1:], " "), got, args[0])
	}
}

// jsonIs FILE PATH VALUE wants a value at a path such as changes.created or 0.name in a JSON file.
func jsonIs(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 3 {
		ts.Fatalf("usage: jsonis FILE PATH VALUE")
	}
	var v any
	d := json.NewDecoder(bytes.NewReader([]byte(ts.ReadFile(args[0]))))
	d.UseNumber()
	ts.Check(d.Decode(&v))
	for step := range strings.SplitSeq(args[1], ".") {
		switch x := v.(type) {
		case map[string]any:
			v = x[step]
		case []any:
			var i int
			if step == "len" {
				v = json.Number(fmt.Sprint(len(x)))
				continue
			}
			if _, err := fmt.Sscan(step, &i); err != nil || i >= len(x) {
				ts.Fatalf("%s: no element %s among %d", args[1], step, len(x))
			}
			v = x[i]
		default:
			ts.Fatalf("%s: nothing at %s", args[1], step)
		}
	}
	got := fmt.Sprint(v)
	if (got == args[2]) == neg {
		ts.Fatalf("%s of %s is %s, want %s", args[1], args[0], got, args[2])
	}
}

// saveAs NAME PATTERN keeps what the pattern's group matches in stdout in a variable.
func saveAs(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: saveas NAME PATTERN")
	}
	m := regexp.MustCompile(args[1]).FindStringSubmatch(ts.ReadFile("stdout"))
	if len(m) != 2 {
		ts.Fatalf("stdout holds no %s", args[1])
	}
	ts.Setenv(args[0], m[1])
}

// never DIR TEXT… wants none of the texts in any file below a directory.
func never(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: never DIR TEXT…")
	}
	seen := 0
	ts.Check(filepath.WalkDir(ts.MkAbs(args[0]), func(path string, d os.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		seen++
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for _, text := range args[1:] {
			if bytes.Contains(b, []byte(text)) {
				ts.Fatalf("%s holds %q", path, text)
			}
		}
		return nil
	}))
	if seen == 0 {
		ts.Fatalf("%s holds no file", args[0])
	}
}
