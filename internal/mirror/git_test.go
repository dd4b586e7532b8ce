package mirror_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/windlass-hq/windlass/internal/bitbucket"
	"github.com/windlass-hq/windlass/internal/fault"
	"github.com/windlass-hq/windlass/internal/mirror"
)

// pretend writes a program that is taken for git.
func pretend(t testing.TB, version, otherwise string) string {
	t.Helper()
	script := "#!/bin/sh\nfor a in \"$@\"; do if [ \"$a\" = version ]; then echo '" + version + "'; exit; fi; done\n" + otherwise + "\n"
	return file(t, "git", script, 0o700)
}

func TestWithoutGitTheMessageSaysWhatToInstall(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	_, err := mirror.Open(context.Background(), mirror.Options{})
	if !fault.Is(err, fault.Unavailable) || !strings.Contains(fault.RemedyOf(err), "install git 2.32") {
		t.Errorf("got %v", err)
	}
}

func TestVersions(t *testing.T) {
	for said, want := range map[string]string{
		"git version 2.39.5":                 "2.39.5",
		"git version 2.39.5 (Apple Git-154)": "2.39.5",
		"git version 2.52.0.rc1":             "2.52.0.rc1",
		"git version 2.45.1.windows.1":       "2.45.1.windows.1",
		"git version 3.0.0":                  "3.0.0",
		"git version 2.31.8":                 "",
		"git version 1.99":                   "",
		"hub version 2.40.0":                 "",
		"":                                   "",
	} {
		temp := t.TempDir()
		g, err := mirror.Open(context.Background(), mirror.Options{Program: pretend(t, said, ""), TempDir: temp})
		if want == "" {
			if !fault.Is(err, fault.Unavailable) || !strings.Contains(fault.RemedyOf(err), "install git 2.32") {
				t.Errorf("%q: %v", said, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%q: %v", said, err)
			continue
		}
		if got := g.Version(); got != want {
			t.Errorf("%q: version %q, want %q", said, got, want)
		}
		if left, _ := os.ReadDir(temp); len(left) > 0 {
			t.Errorf("%q: %s was left behind", said, left[0].Name())
		}
	}
}

// TestWhatGitIsTold looks at command line and environment with a git that writes them down.
func TestWhatGitIsTold(t *testing.T) {
	dump := t.TempDir()
	for name, value := range map[string]string{
		"GIT_SSH_COMMAND": "evil", "GIT_DIR": "/evil", "GIT_CONFIG_PARAMETERS": "'evil'", "GIT_EXEC_PATH": "/evil", "GIT_TRACE": "2",
		"GIT_ASKPASS": "evil", "SSH_ASKPASS": "evil", "SSH_AUTH_SOCK": "/evil", "HTTPS_PROXY": "http://evil", "LD_PRELOAD": "", "WINDLASS_KEY": "evil",
		"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "alias.evil", "GIT_CONFIG_VALUE_0": "!evil", "GIT_PROXY_COMMAND": "evil", "GIT_EXTERNAL_DIFF": "evil",
	} {
		t.Setenv(name, value)
	}
	t.Setenv("PATH", os.Getenv("PATH")+":.:relative")
	program := pretend(t, "git version 2.39.5", "for a in \"$@\"; do echo \"$a\"; done > "+dump+"/args; env > "+dump+"/env; ls -A \"$HOME\" > "+dump+"/home; pwd > "+dump+"/pwd; exit 1")
	g := open(t, mirror.Options{Program: program})
	const secret = "very-secret-token"
	r := remote(t, bitbucket.Cloud, "https://bitbucket.example", "acme", "web")
	r.Login = mirror.Login{User: "x-token-auth", Secret: secret}
	r.Proxy = "http://user:proxy-secret@127.0.0.1:1"
	if _, err := g.ListRefs(context.Background(), r); err == nil {
		t.Fatal("no error from a git that fails")
	}
	args, env := read(t, dump+"/args"), strings.Split(strings.TrimSpace(read(t, dump+"/env")), "\n")
	want := "--no-pager\n--git-dir=/dev/null\nls-remote\n--symref\n--quiet\n--end-of-options\nhttps://bitbucket.example/acme/web.git\n"
	if args != want {
		t.Errorf("arguments:\n%swant:\n%s", args, want)
	}
	for _, line := range env {
		if strings.Contains(line, "evil") {
			t.Errorf("inherited: %s", line)
		}
		if name, value, _ := strings.Cut(line, "="); name == "PATH" && strings.Contains(value, "relative") {
			t.Errorf("PATH is %s", value)
		}
	}
	for _, line := range []string{
		"GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/dev/null", "GIT_ALLOW_PROTOCOL=https:ssh", "GIT_NO_LAZY_FETCH=1", "GIT_TERMINAL_PROMPT=0",
		"GIT_ASKPASS=", "SSH_ASKPASS=", "LC_ALL=C",
	} {
		if !slices.Contains(env, line) {
			t.Errorf("the environment lacks %s", line)
		}
	}
	settings := told(env)
	for key, value := range map[string]string{
		"http.followRedirects": "false", "core.hooksPath": "/dev/null", "core.fsmonitor": "false", "protocol.allow": "never", "credential.helper": "",
		"http.https://bitbucket.example/acme/web.git.proxy":       "http://user:proxy-secret@127.0.0.1:1",
		"http.https://bitbucket.example/acme/web.git.extraHeader": "Authorization: Basic eC10b2tlbi1hdXRoOnZlcnktc2VjcmV0LXRva2Vu",
	} {
		if got, ok := settings[key]; !ok || got != value {
			t.Errorf("%s is %q, want %q", key, got, value)
		}
	}
	if home := read(t, dump+"/home"); home != "" {
		t.Errorf("HOME holds %s", home)
	}
	if pwd := strings.TrimSpace(read(t, dump+"/pwd")); pwd == "" || pwd == mustGetwd(t) {
		t.Errorf("git ran in %q", pwd)
	}
}

func mustGetwd(t testing.TB) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// told collects the configuration from an environment.
func told(env []string) map[string]string {
	keys, values, all := map[string]string{}, map[string]string{}, map[string]string{}
	for _, line := range env {
		name, value, _ := strings.Cut(line, "=")
		if n, ok := strings.CutPrefix(name, "GIT_CONFIG_KEY_"); ok {
			keys[n] = value
		} else if n, ok := strings.CutPrefix(name, "GIT_CONFIG_VALUE_"); ok {
			values[n] = value
		}
	}
	for n, key := range keys {
		all[key] = values[n]
	}
	return all
}

func TestLocalWorkSpeaksNoProtocol(t *testing.T) {
	dump := t.TempDir()
	g := open(t, mirror.Options{Program: pretend(t, "git version 2.39.5", "env > "+dump+"/env")})
	if _, err := g.Run(context.Background(), mirror.Command{Repository: "/x", Args: []string{"rev-list"}, Names: []string{"HEAD"}}); err != nil {
		t.Fatal(err)
	}
	if env := strings.Split(read(t, dump+"/env"), "\n"); !slices.Contains(env, "GIT_ALLOW_PROTOCOL=") {
		t.Errorf("GIT_ALLOW_PROTOCOL is not empty: %v", env)
	}
}

// TestSecretsAreNotInErrors lets git repeat everything it knows.
func TestSecretsAreNotInErrors(t *testing.T) {
	g := open(t, mirror.Options{Program: pretend(t, "git version 2.39.5", "env >&2; echo \"https://me:pass%20word@h/x\" >&2; exit 1")})
	r := remote(t, bitbucket.Cloud, "https://bitbucket.example", "acme", "web")
	r.Proxy = "http://user:proxy-secret@127.0.0.1:1"
	for _, login := range []mirror.Login{{User: "x-token-auth", Secret: "very+secret/token"}, {Secret: "very+secret/token"}} {
		r.Login = login
		_, err := g.ListRefs(context.Background(), r)
		for _, leak := range []string{"very+secret/token", "eC10b2tlbi1hdXRoOnZlcnk", "proxy-secret", "pass%20word"} {
			if strings.Contains(err.Error(), leak) {
				t.Errorf("the error tells %q: %v", leak, err)
			}
		}
	}
}

func TestASubcommandNobodyThoughtOfIsRefused(t *testing.T) {
	g := open(t, mirror.Options{})
	for _, args := range [][]string{nil, {"submodule", "update"}, {"checkout"}, {"-c", "alias.x=!sh"}, {"--exec-path=/x"}} {
		if _, err := g.Run(context.Background(), mirror.Command{Args: args}); !fault.Is(err, fault.Internal) {
			t.Errorf("%q: %v", args, err)
		}
	}
}

func TestLimitsOfACall(t *testing.T) {
	dir := t.TempDir()
	// A helper holds standard output open and would live on.
	forever := pretend(t, "git version 2.39.5", "sleep 30 & echo $! > "+dir+"/pid; sleep 30")
	g := open(t, mirror.Options{Program: forever})
	began := time.Now()
	_, err := g.Run(context.Background(), mirror.Command{Args: []string{"rev-list"}, Limits: mirror.Limits{Time: 300 * time.Millisecond}})
	if !fault.Is(err, fault.Unavailable) || !strings.Contains(err.Error(), "within 300ms") {
		t.Errorf("a call without end: %v", err)
	}
	if took := time.Since(began); took > 4*time.Second {
		t.Errorf("it was ended after %s", took)
	}
	if state := stateOf(strings.TrimSpace(read(t, dir+"/pid"))); state != "" && state[0] != 'Z' {
		t.Error("its helper lives on")
	}

	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := g.Run(ctx, mirror.Command{Args: []string{"rev-list"}}); !fault.Is(err, fault.Canceled) {
		t.Errorf("a call that was stopped: %v", err)
	}

	loud := open(t, mirror.Options{Program: pretend(t, "git version 2.39.5", "while :; do echo 0123456789; echo abc >&2; done")})
	_, err = loud.Run(context.Background(), mirror.Command{Args: []string{"rev-list"}, Limits: mirror.Limits{Output: 1000}})
	if !errors.Is(err, mirror.ErrTooLarge) {
		t.Errorf("a call that says too much: %v", err)
	}
}

// stateOf returns what ps calls the state of a process; empty for one that is no more.
func stateOf(pid string) string {
	out, _ := exec.Command("ps", "-o", "stat=", "-p", pid).Output() // it fails where there is none
	return strings.TrimSpace(string(out))
}

func TestMemoryAndFileSizeAreLimited(t *testing.T) {
	said := pretend(t, "git version 2.39.5", "ulimit -v; ulimit -f; ulimit -c")
	g := open(t, mirror.Options{Program: said})
	out, err := g.Run(context.Background(), mirror.Command{Args: []string{"rev-list"}, Limits: mirror.Limits{Memory: 512 << 20, FileSize: 1 << 20}})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := string(out), "524288\n2048\n0\n"; got != want {
		t.Errorf("limits %q, want %q", got, want)
	}
}
