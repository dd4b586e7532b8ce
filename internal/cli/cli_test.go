package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/alecthomas/kong"
	"github.com/google/go-cmp/cmp"

	"github.com/windlass-hq/windlass/client"
	"github.com/windlass-hq/windlass/internal/config"
	"github.com/windlass-hq/windlass/internal/fault"
)

// desk is an environment of a test.
type desk struct {
	Environment
	out, err bytes.Buffer
	now      time.Time
}

func newDesk(in string) *desk {
	d := &desk{now: time.Date(2026, 11, 21, 8, 0, 0, 0, time.UTC)}
	d.Environment = Environment{
		In: strings.NewReader(in), Out: &d.out, Err: &d.err, Now: func() time.Time { return d.now },
		Lookup: func(string) (string, bool) { return "", false },
	}
	return d
}

func (d *desk) session(c config.Config) *session {
	return &session{Environment: d.Environment, config: c}
}

// TestEveryOptionHasItsFlag ties the flags to the table of options.
func TestEveryOptionHasItsFlag(t *testing.T) {
	d := newDesk("")
	var r root
	parser, err := kong.New(&r, options(d.Environment)...)
	if err != nil {
		t.Fatal(err)
	}
	flags := map[string]bool{}
	var walk func(n *kong.Node)
	walk = func(n *kong.Node) {
		for _, f := range n.Flags {
			flags[f.Name] = true
		}
		for _, c := range n.Children {
			walk(c)
		}
	}
	walk(parser.Model.Node)
	for _, o := range config.Options() {
		if !flags[o.Name] {
			t.Errorf("the option %s has no flag", o.Name)
		}
	}
}

// TestEveryCommandHasHelpWithAnExample walks the whole tree of commands.
func TestEveryCommandHasHelpWithAnExample(t *testing.T) {
	var r root
	parser, err := kong.New(&r, options(newDesk("").Environment)...)
	if err != nil {
		t.Fatal(err)
	}
	leaves := parser.Model.Leaves(false)
	if len(leaves) < 20 {
		t.Errorf("found only %d commands", len(leaves))
	}
	for _, leaf := range leaves {
		d := newDesk("")
		var args []string
		for n := leaf; n != nil && n.Type != kong.ApplicationNode; n = n.Parent {
			if n.Type == kong.CommandNode {
				args = append([]string{n.Name}, args...)
			}
		}
		if code := Run(t.Context(), append(args, "--help"), d.Environment); code != 0 {
			t.Errorf("%v --help: exit code %d", args, code)
		}
		if !strings.Contains(d.out.String(), "windlass "+strings.Join(args, " ")) || !strings.Contains(d.out.String(), "Example") {
			t.Errorf("%v has no example:\n%s", args, &d.out)
		}
	}
}

func TestReport(t *testing.T) {
	tests := []struct {
		err  error
		code int
		want string
	}{
		{nil, 0, ""},
		{silent{errors.New("said already")}, 1, ""},
		{errors.New("boom"), 1, "windlass: boom\n"},
		{fault.New(fault.Usage, "wrong").With("right it"), 2, "windlass: wrong\n          Right it\n"},
		{fault.Wrap(fault.New(fault.NotFound, "inner").With("look"), fault.Invalid, "outer"), 1, "windlass: outer: inner\n          Look\n"},
		{&client.Error{Code: "usage", Detail: "from afar", Remedy: "windlass x"}, 2, "windlass: from afar\n          windlass x\n"},
		{&client.Error{Code: "conflict", Detail: "taken"}, 1, "windlass: taken\n"},
		{fault.New(fault.Invalid, "odd").With("docs/openapi.json says"), 1, "windlass: odd\n          docs/openapi.json says\n"},
	}
	for _, tt := range tests {
		d := newDesk("")
		if code := report(d.Environment, tt.err); code != tt.code || d.err.String() != tt.want {
			t.Errorf("%v: got %d %q, want %d %q", tt.err, code, d.err.String(), tt.code, tt.want)
		}
	}
}

func TestCredentialFlags(t *testing.T) {
	file := filepath.Join(t.TempDir(), "secrets")
	if err := os.WriteFile(file, []byte("s1\n s2 \n"), 0o600); err != nil {
		t.Fatal(err)
	}
	oauth := func(pairs ...string) (out []client.NewCredential) {
		for i := 0; i < len(pairs); i += 2 {
			out = append(out, client.NewCredential{Kind: "oauth", Identity: pairs[i], Secret: pairs[i+1]})
		}
		return out
	}
	tests := []struct {
		name    string
		product string // cloud where empty
		flags   credentialFlags
		env     config.Config
		in      string
		ask     string // what the prompt answers; empty for no terminal
		want    []client.NewCredential
		fails   string
		warns   bool
	}{
		{name: "file with lines", flags: credentialFlags{ClientKey: " k1 , k2", ClientSecret: "@" + file}, want: oauth("k1", "s1", "k2", "s2")},
		{name: "standard input", flags: credentialFlags{ClientKey: "k1", ClientSecret: "-"}, in: "s1\n", want: oauth("k1", "s1")},
		{name: "inline", flags: credentialFlags{ClientKey: "k1,k2", ClientSecret: "s1, s2"}, want: oauth("k1", "s1", "k2", "s2"), warns: true},
		{name: "environment", env: config.Config{ClientKey: "k1", ClientSecret: "s1"}, want: oauth("k1", "s1")},
		{name: "key by flag, secret by environment", flags: credentialFlags{ClientKey: "k1"}, env: config.Config{ClientSecret: "s1"}, want: oauth("k1", "s1")},
		{name: "prompt", flags: credentialFlags{ClientKey: "k1"}, ask: "s1", want: oauth("k1", "s1")},
		{
			name: "token by flag leaves other variables alone", flags: credentialFlags{Token: "-"}, in: "t1,t2",
			env:  config.Config{ClientKey: "k1", ClientSecret: "s1"},
			want: []client.NewCredential{{Kind: "token", Secret: "t1"}, {Kind: "token", Secret: "t2"}},
		},
		{
			name: "api token", flags: credentialFlags{Email: "me@example.com"}, env: config.Config{APIToken: "t"},
			want: []client.NewCredential{{Kind: "api-token", Identity: "me@example.com", Secret: "t"}},
		},
		{name: "more keys", flags: credentialFlags{ClientKey: "k1,k2,k3", ClientSecret: "@" + file}, fails: "3 client keys but 2 client secrets were given"},
		{name: "more secrets", flags: credentialFlags{ClientKey: "k1", ClientSecret: "@" + file}, fails: "1 client key but 2 client secrets were given"},
		{name: "no terminal", flags: credentialFlags{ClientKey: "k1"}, fails: "1 client key but 0 client secrets were given"},
		{name: "token without e-mail", flags: credentialFlags{APIToken: "-"}, in: "t", fails: "0 e-mail addresses but 1 API token were given"},
		{name: "nothing", fails: "no credential was given"},
		{name: "standard input twice", flags: credentialFlags{ClientKey: "k", ClientSecret: "-", Token: "-"}, in: "s", fails: "both read standard input"},
		{name: "empty input", flags: credentialFlags{Token: "-"}, in: "\n", fails: "standard input is empty"},
		{
			name: "password with a comma", product: "datacenter", flags: credentialFlags{Username: "joe", Password: "-"}, in: "a,b\n",
			want: []client.NewCredential{{Kind: "basic", Identity: "joe", Secret: "a,b"}},
		},
		{
			name: "password by prompt", product: "datacenter", flags: credentialFlags{Username: "joe"}, ask: "s1",
			want: []client.NewCredential{{Kind: "basic", Identity: "joe", Secret: "s1"}},
		},
		{
			name: "variables of the other product", product: "datacenter", env: config.Config{ClientKey: "k1", ClientSecret: "s1", Token: "t1"},
			want: []client.NewCredential{{Kind: "token", Secret: "t1"}},
		},
		{name: "nothing for a Data Center", product: "datacenter", env: config.Config{ClientKey: "k1", ClientSecret: "s1"}, fails: "no credential was given"},
		{name: "user without password", product: "datacenter", flags: credentialFlags{Username: "joe"}, fails: "1 user name but 0 passwords were given"},
		{name: "missing file", flags: credentialFlags{Token: "@/does/not/exist"}, fails: "the file cannot be read"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := newDesk(tt.in)
			if tt.ask != "" {
				d.Terminal, d.Prompt = true, func(string) (string, error) { return tt.ask, nil }
			}
			got, err := tt.flags.read(d.session(tt.env), "", orElse(tt.product, "cloud"))
			if tt.fails != "" {
				if !fault.Is(err, fault.Usage) || !strings.Contains(err.Error(), tt.fails) {
					t.Errorf("got %v, want %q", err, tt.fails)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
			if warned := strings.Contains(d.err.String(), "warning"); warned != tt.warns {
				t.Errorf("warned = %v: %s", warned, &d.err)
			}
			for _, k := range got {
				if strings.Contains(d.err.String(), k.Secret+" ") {
					t.Errorf("a secret is shown: %s", &d.err)
				}
			}
		})
	}
}

func TestCSVIsHarmless(t *testing.T) {
	d := newDesk("")
	rows := [][]string{{"=1+1", "+1", "-2.5", "@x", "a=b"}, {"-x", "\t=1", "", "+cmd", "1"}}
	if err := (listing{Output: "csv"}).print(d.Out, nil, []string{"a", "b", "c", "d", "e"}, rows); err != nil {
		t.Fatal(err)
	}
	want := "a,b,c,d,e\n'=1+1,+1,-2.5,'@x,a=b\n'-x,'\t=1,,'+cmd,1\n"
	if diff := cmp.Diff(want, d.out.String()); diff != "" {
		t.Error(diff)
	}
}

func TestTablesLineUpInEveryScript(t *testing.T) {
	var b strings.Builder
	if err := printTable(&b, []string{"name", "n"}, [][]string{{"在庫 Audit", "1"}, {"Zoe\u0308", "2"}, {"", "3"}}); err != nil {
		t.Fatal(err)
	}
	want := "NAME        N\n在庫 Audit  1\nZoe\u0308         2\n            3\n"
	if b.String() != want {
		t.Errorf("got\n%s\nwant\n%s", b.String(), want)
	}
}

func TestTablesKeepControlCharactersOut(t *testing.T) {
	d := newDesk("")
	if err := printTable(d.Out, []string{"title"}, [][]string{{"a\x1b[2Jb\nc\u202ed"}}); err != nil {
		t.Fatal(err)
	}
	if got, want := d.out.String(), "TITLE\na[2Jb cd\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestAnswers(t *testing.T) {
	entities := []string{`{"_key":"k1","_type":"t","displayName":"One","size":1}`, `{"_key":"k2","_type":"t","displayName":"=Two","tags":["a","b"]}`}
	columns := []string{`{"name":"One","n":2}`, `{"name":null,"n":10000000}`}
	tests := []struct {
		form   string
		header client.Piece
		rows   []string
		want   string
	}{
		{"json", client.Piece{Open: true}, entities[:1], "[\n  " + entities[0] + "\n]\n"},
		{"json", client.Piece{}, nil, "[]\n"},
		{"table", client.Piece{Open: true}, entities, "_TYPE  DISPLAYNAME  _KEY\nt      One          k1\nt      =Two         k2\n\n2 rows\n"},
		{"csv", client.Piece{Open: true}, entities, "_key,_type,displayName,size,tags\nk1,t,One,1,\nk2,t,'=Two,,\"a, b\"\n"},
		{"table", client.Piece{Columns: []string{"name", "n"}}, columns, "NAME  N\nOne   2\n      10000000\n\n2 rows\n"},
		{"csv", client.Piece{Columns: []string{"name", "n"}}, columns, "name,n\nOne,2\n,10000000\n"},
		{"csv", client.Piece{Columns: []string{"name", "n"}}, nil, "name,n\n"},
	}
	for _, tt := range tests {
		var b bytes.Buffer
		w := rowWriter(&b, tt.form)
		err := w.begin(tt.header)
		for _, r := range tt.rows {
			err = errors.Join(err, w.row(json.RawMessage(r)))
		}
		if err := errors.Join(err, w.end()); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(tt.want, b.String()); diff != "" {
			t.Errorf("%s: %s", tt.form, diff)
		}
	}
}

func TestProgressOnATerminal(t *testing.T) {
	// In a bubble, where no second passes by itself and repaints the line.
	synctest.Test(t, progressOnATerminal)
}

func progressOnATerminal(t *testing.T) {
	d := newDesk("")
	d.Terminal, d.Width = true, func() int { return 60 }
	p := d.session(config.Config{}).progress("acme")
	p.show(client.Progress{Phase: "listing", Calls: 1})
	if d.err.Len() != 0 {
		t.Errorf("what is faster than a second shows something: %q", d.err.String())
	}
	d.now = d.now.Add(2 * time.Second)
	p.show(client.Progress{Phase: "pull requests", Done: 3, Total: 1200, Calls: 4567, Scope: "pull requests of a repository with a very long name"})
	until := d.now.Add(90 * time.Second)
	d.now = d.now.Add(time.Second)
	p.show(client.Progress{Phase: "waiting", Waiting: &until, Message: "the allowance is spent"})
	p.end()
	shown := strings.Split(d.err.String(), "\r\x1b[K")
	if len(shown) != 4 || !strings.HasPrefix(shown[1], "acme: pull requests 3 of 1,200, 4,567 calls") || len([]rune(shown[1])) > 59 || shown[3] != "" {
		t.Errorf("got %q", shown)
	}
	// However narrow the terminal is, how long it takes is seen.
	if want := fmt.Sprintf("acme: goes on in 1m29s, at %s: the allowance is", until.Local().Format("15:04:05")); !strings.HasPrefix(shown[2], want) {
		t.Errorf("got %q, want %q", shown[2], want)
	}
}

func TestProgressElsewhere(t *testing.T) {
	d := newDesk("")
	p := d.session(config.Config{}).progress("acme")
	for i := range 20 {
		p.show(client.Progress{Phase: "listing", Calls: int64(i)})
		d.now = d.now.Add(time.Second)
	}
	p.end()
	lines := strings.Split(strings.TrimSpace(d.err.String()), "\n")
	if len(lines) != 4 || lines[0] != "acme: listing, 1 calls" || strings.ContainsAny(d.err.String(), "\r\x1b") {
		t.Errorf("got %q", lines)
	}
}

// A wait is told when it begins, however soon after another line: nothing else may come for an hour.
func TestProgressElsewhereTellsOfAWait(t *testing.T) {
	d := newDesk("")
	p := d.session(config.Config{}).progress("acme")
	d.now = d.now.Add(2 * time.Second)
	p.show(client.Progress{Phase: "listing", Calls: 1})
	until := d.now.Add(time.Hour)
	for range 3 {
		p.show(client.Progress{Phase: "waiting", Waiting: &until, Message: "the allowance is spent"})
	}
	p.end()
	lines := strings.Split(strings.TrimSpace(d.err.String()), "\n")
	if len(lines) != 2 || !strings.HasPrefix(lines[1], "acme: goes on in 1h0m0s, at ") || !strings.HasSuffix(lines[1], ": the allowance is spent") {
		t.Errorf("got %q", lines)
	}
}

func TestConfirm(t *testing.T) {
	for answer, want := range map[string]bool{"yes\n": true, "Y\n": true, "no\n": false, "\n": false, "": false, "yes": true} {
		d := newDesk(answer)
		d.Terminal = true
		if got, err := d.session(config.Config{}).confirm("Remove?"); err != nil || got != want {
			t.Errorf("%q: got %v, %v", answer, got, err)
		}
	}
	if _, err := newDesk("yes\n").session(config.Config{}).confirm("Remove?"); !fault.Is(err, fault.Usage) {
		t.Errorf("without a terminal: got %v", err)
	}
}
