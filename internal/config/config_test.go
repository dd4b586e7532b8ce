package config_test

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/windlass-hq/windlass/internal/config"
	"github.com/windlass-hq/windlass/internal/fault"
)

var update = flag.Bool("update", false, "rewrite docs/configuration.md")

func env(pairs ...string) func(string) (string, bool) {
	return func(name string) (string, bool) {
		for i := 0; i < len(pairs); i += 2 {
			if pairs[i] == name {
				return pairs[i+1], true
			}
		}
		return "", false
	}
}

func write(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "windlass.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestLoadRisingOrder(t *testing.T) {
	file := write(t, "data-dir: from-file\nlisten: 127.0.0.1:1\nlog-level: debug\n")
	c, err := config.Load(config.Sources{
		File:   file,
		Lookup: env("WINDLASS_LISTEN", "127.0.0.1:2", "WINDLASS_LOG_LEVEL", "warn"),
		Flags:  map[string]string{"log-level": "error"},
	})
	if err != nil {
		t.Fatal(err)
	}
	got := []string{
		c.DataDir, c.Listen, c.LogLevel, c.LogFormat,
		c.Origin("data-dir"), c.Origin("listen"), c.Origin("log-level"), c.Origin("log-format"),
	}
	want := []string{
		"from-file", "127.0.0.1:2", "error", "auto",
		file + ":1", "WINDLASS_LISTEN", "--log-level", "default",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestLoadSecretFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(path, []byte("s3cret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, o := range config.Options() {
		if !o.Secret || o.Name == "database" {
			continue
		}
		c, err := config.Load(config.Sources{Lookup: env(o.FileEnv(), path)})
		if err != nil {
			t.Fatalf("%s: %v", o.Name, err)
		}
		if got := c.Origin(o.Name); got != o.FileEnv() {
			t.Errorf("%s came from %s", o.Name, got)
		}
		var b bytes.Buffer
		if err := c.Dump(&b); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(b.String(), "s3cret") {
			t.Errorf("dump shows %s", o.Name)
		}
	}
	_, err := config.Load(config.Sources{Lookup: env("WINDLASS_TOKEN", "a", "WINDLASS_TOKEN_FILE", path)})
	if !fault.Is(err, fault.Usage) {
		t.Errorf("both forms of one secret: got %v", err)
	}
}

func TestLoadRefuses(t *testing.T) {
	tests := []struct{ name, file, want string }{
		{"unknown key", "data_dir: x\n", `windlass.yaml:1: there is no option "data_dir" (did you mean data-dir?)`},
		{"key twice", "listen: 127.0.0.1:1\nlisten: 127.0.0.1:2\n", "is already set in line 1"},
		{"nested", "listen:\n  host: x\n", "listen takes one value"},
		{"list", "- a\n", "expected lines of the form option: value"},
		{"no yaml", "a: b: c\n", "is not YAML"},
		{"secret in the file", "token: x\n", "set it by WINDLASS_TOKEN"},
		{"listen", "listen: here\n", "which is no HOST:PORT"},
		{"database", "database: mysql://u:hush@h/d\n", `has the scheme "mysql"`},
		{"url", "public-url: windlass\n", "is no http or https URL"},
		{"url with a password", "public-url: https://u:hush@h/\n", "holds a user name or password"},
		{"level", "log-level: loud\n", "use debug, info, warn or error"},
		{"format", "log-format: xml\n", "use auto, text or json"},
		{"retention", "history-retention: soon\n", "write it like 25mo, 400d or forever"},
		{"retention in a wrong unit", "history-retention: 25m\n", "which is less than 30 days"},
		{"empty directory", "data-dir: ''\n", "data-dir"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := config.Load(config.Sources{File: write(t, tt.file)})
			if !fault.Is(err, fault.Usage) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want it to contain %q", err, tt.want)
			}
			if err != nil && strings.Contains(err.Error(), "hush") {
				t.Errorf("the error shows the password: %v", err)
			}
		})
	}
	if _, err := config.Load(config.Sources{File: "/does/not/exist.yaml"}); !fault.Is(err, fault.Usage) {
		t.Errorf("a named file that is missing: got %v", err)
	}
}

func TestDumpHidesSecretsAndReadsBack(t *testing.T) {
	c, err := config.Load(config.Sources{Lookup: env(
		"WINDLASS_DATABASE", "postgres://joe:hush@db.example/graph?sslpassword=hush",
		"WINDLASS_CLIENT_SECRET", "hush", "WINDLASS_TOKEN", "hush", "WINDLASS_API_TOKEN", "hush")})
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := c.Dump(&b); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(b.String(), "hush") {
		t.Errorf("the dump shows a secret:\n%s", b.String())
	}
	if !strings.Contains(b.String(), "postgres://joe:•••@db.example/graph?•••") {
		t.Errorf("the database is not recognisable:\n%s", b.String())
	}
	process, _, _ := strings.Cut(b.String(), "client-key:")
	if _, err := config.Load(config.Sources{File: write(t, process)}); err != nil {
		t.Errorf("the dump cannot be read back: %v", err)
	}
}

func TestRetention(t *testing.T) {
	const day = 24 * time.Hour
	for text, want := range map[string]time.Duration{
		"": 760 * day, "25mo": 760 * day, "12mo": 365 * day, "24mo": 730 * day, "1mo": 31 * day, "30d": 30 * day, "720h": 30 * day, "400d": 400 * day,
	} {
		c, err := config.Load(config.Sources{Lookup: env("WINDLASS_HISTORY_RETENTION", text)})
		if err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		if got, forever, err := c.Retention(); got != want || forever || err != nil {
			t.Errorf("%q: got %s, %v, %v; want %s", text, got, forever, err, want)
		}
	}
	c, err := config.Load(config.Sources{Lookup: env("WINDLASS_HISTORY_RETENTION", "forever")})
	if err != nil {
		t.Fatal(err)
	}
	if _, forever, err := c.Retention(); !forever || err != nil {
		t.Errorf("forever: got %v, %v", forever, err)
	}
	for _, text := range []string{"29d", "0mo", "-3mo", "mo", "1.5mo", "9999mo", "25 mo", "Forever"} {
		if _, err := config.Load(config.Sources{Lookup: env("WINDLASS_HISTORY_RETENTION", text)}); !fault.Is(err, fault.Usage) {
			t.Errorf("%q: got %v", text, err)
		}
	}
}

func TestLoopback(t *testing.T) {
	for address, want := range map[string]bool{
		"127.0.0.1:1": true, "[::1]:80": true, "localhost:0": true, "127.9.9.9:1": true,
		":8484": false, "0.0.0.0:1": false, "10.0.0.1:1": false, "example.com:80": false, "x": false,
	} {
		if got := config.Loopback(address); got != want {
			t.Errorf("Loopback(%q) = %v, want %v", address, got, want)
		}
	}
}

func TestDocumentation(t *testing.T) {
	var b bytes.Buffer
	if err := config.Markdown(&b); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join("..", "..", "docs", "configuration.md")
	if *update {
		if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(b.String(), string(got)); d != "" {
		t.Errorf("docs/configuration.md is stale; run go test ./internal/config -update\n%s", d)
	}
}
