package mirror_test

import (
	"context"
	"errors"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/windlass-hq/windlass/internal/bitbucket"
	"github.com/windlass-hq/windlass/internal/fault"
	"github.com/windlass-hq/windlass/internal/mirror"
)

// hostile is a repository made by somebody who wants this machine to run a program, or to show a file that is not in
// the repository. The program makes the canary; nothing else does.
type hostile struct {
	t      testing.TB
	dir    string // the working tree
	canary string
	run    string // a program that makes the canary and then fails
	pass   string // one that makes it, and hands its input on
	commit string
	signin string // an HTTP server that wants to know who asks
}

// secret is the content of a file outside the repository.
const secret = "a secret of another repository"

func newHostile(t testing.TB, from *hostile) *hostile {
	t.Helper()
	h := &hostile{t: t, dir: filepath.Join(t.TempDir(), "repo")}
	h.canary = filepath.Join(t.TempDir(), "canary")
	h.run = file(t, "run", "#!/bin/sh\ntouch "+h.canary+"\nexit 1\n", 0o700)
	h.pass = file(t, "pass", "#!/bin/sh\ntouch "+h.canary+"\ncat \"$@\"\n", 0o700)
	if from != nil {
		h.signin, h.commit = from.signin, from.commit
		if err := os.CopyFS(h.dir, os.DirFS(from.dir)); err != nil {
			t.Fatal(err)
		}
		return h
	}
	h.signin = serve(t, func(rw http.ResponseWriter, _ *http.Request) {
		rw.Header().Set("WWW-Authenticate", `Basic realm="x"`)
		rw.WriteHeader(http.StatusUnauthorized)
	})
	plain(t, "", "init", "-q", "-b", "main", h.dir)
	h.write("a.txt", "one\n")
	h.save("One")
	h.write("a.txt", "two\n")
	h.commit = h.save("Two")
	return h
}

func (h *hostile) git(args ...string) string {
	h.t.Helper()
	return plain(h.t, h.dir, args...)
}

func (h *hostile) try(args ...string) {
	h.t.Helper()
	_, _ = tryPlain(h.t, h.dir, args...) // whether it fails does not matter; whether the canary is there does
}

func (h *hostile) write(name, text string) {
	h.t.Helper()
	path := filepath.Join(h.dir, name)
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o755)); err != nil {
		h.t.Fatal(err)
	}
}

func (h *hostile) save(message string) string {
	h.t.Helper()
	h.git("add", "-A")
	h.git("commit", "-q", "-m", message)
	return h.git("rev-parse", "HEAD")
}

func (h *hostile) config(key, value string) { h.t.Helper(); h.git("config", key, value) }

// lose removes an object, so that git would have to fetch it.
func (h *hostile) lose(hash string) {
	h.t.Helper()
	if err := os.Remove(filepath.Join(h.dir, ".git", "objects", hash[:2], hash[2:])); err != nil {
		h.t.Fatal(err)
	}
}

// promise makes the remote one that has what is missing.
func (h *hostile) promise(url string) {
	h.config("core.repositoryFormatVersion", "1")
	h.config("extensions.partialClone", "origin")
	h.config("remote.origin.promisor", "true")
	h.config("remote.origin.url", url)
	h.lose(h.git("rev-parse", "HEAD:a.txt"))
}

// other makes a repository that the hostile one may not read, and returns the folder of its objects.
func (h *hostile) other() (objects, hash string) {
	h.t.Helper()
	dir := filepath.Join(h.t.TempDir(), "other")
	plain(h.t, "", "init", "-q", dir)
	if err := os.WriteFile(filepath.Join(dir, "secret"), []byte(secret), 0o600); err != nil {
		h.t.Fatal(err)
	}
	return filepath.Join(dir, ".git", "objects"), plain(h.t, dir, "hash-object", "-w", "secret")
}

func (h *hostile) seen() bool {
	_, err := os.Stat(h.canary)
	return err == nil
}

// attack is one hostile repository.
type attack struct {
	plant func(h *hostile)
	// plain does with git what people do, and shows that the attack works. Where the installed git does not fall for
	// it, mended says since when.
	plain  func(h *hostile)
	mended string
	// refused is how opening it by its path ends; empty where it can be read without harm.
	refused fault.Code
	// Beside everything that is done with every repository.
	also func(t *testing.T, h *hostile, g *mirror.Git, f *mirror.Foreign)
}

func attacks() map[string]attack {
	return map[string]attack{
		"core.fsmonitor": {
			plant: func(h *hostile) { h.config("core.fsmonitor", h.run) },
			plain: func(h *hostile) { h.try("status") },
		},
		"core.sshCommand, when an object is missing": {
			plant: func(h *hostile) { h.config("core.sshCommand", h.run); h.promise("ssh://git@127.0.0.1:1/x") },
			plain: func(h *hostile) { h.try("cat-file", "-p", "HEAD:a.txt") },
		},
		"ext::, when an object is missing": {
			plant: func(h *hostile) { h.config("protocol.ext.allow", "always"); h.promise("ext::" + h.run) },
			plain: func(h *hostile) { h.try("rev-list", "--objects", "--all") },
		},
		"core.pager": {
			plant: func(h *hostile) { h.config("core.pager", h.pass) },
			plain: func(h *hostile) { terminal(h, "git -C "+h.dir+" log") },
		},
		"diff textconv and external diff": {
			plant: func(h *hostile) {
				h.write(".gitattributes", "* diff=evil\n")
				h.write("a.txt", "three\n")
				h.save("Three")
				h.config("diff.evil.textconv", h.pass)
				h.config("diff.evil.command", h.run)
				h.config("diff.external", h.run)
			},
			plain: func(h *hostile) { h.try("show", "--ext-diff") },
		},
		"attributes in info": {
			plant: func(h *hostile) {
				h.config("diff.evil.textconv", h.pass)
				h.write(".git/info/attributes", "* diff=evil\n")
			},
			plain: func(h *hostile) { h.try("log", "-p") },
		},
		"smudge, clean and process filters": {
			plant: func(h *hostile) {
				h.write(".gitattributes", "* filter=evil\n")
				h.save("Three")
				h.config("filter.evil.smudge", h.pass)
				h.config("filter.evil.clean", h.pass)
				h.config("filter.evil.required", "true")
			},
			plain: func(h *hostile) { h.try("cat-file", "--filters", "HEAD:a.txt") },
		},
		"hooks": {
			plant: func(h *hostile) {
				for _, name := range []string{"post-checkout", "reference-transaction", "pre-auto-gc", "post-index-change", "post-rewrite"} {
					h.write(".git/hooks/"+name, read(h.t, h.run))
				}
			},
			plain: func(h *hostile) { h.try("checkout", "-q", "-b", "other") },
			also: func(t *testing.T, h *hostile, g *mirror.Git, _ *mirror.Foreign) {
				// Even where a hook got into a repository that is ours.
				bare := filepath.Join(t.TempDir(), "ours.git")
				plain(t, "", "clone", "-q", "--bare", h.dir, bare)
				if err := os.WriteFile(filepath.Join(bare, "hooks", "reference-transaction"), []byte(read(t, h.run)), 0o700); err != nil {
					t.Fatal(err)
				}
				move := []string{"refs/heads/new", h.commit}
				if _, err := g.Run(context.Background(), mirror.Command{Repository: bare, Args: []string{"update-ref"}, Names: move}); err != nil {
					t.Error(err)
				}
				if got := plain(t, bare, "rev-parse", "refs/heads/new"); got != h.commit {
					t.Errorf("the branch was not made: %s", got)
				}
			},
		},
		"core.hooksPath": {
			plant: func(h *hostile) { h.write("h/post-checkout", read(h.t, h.run)); h.config("core.hooksPath", "h") },
			plain: func(h *hostile) { h.try("checkout", "-q", "-b", "other") },
		},
		"include.path": {
			plant: func(h *hostile) {
				h.write(".git/more", "[core]\n\tfsmonitor = "+h.run+"\n")
				h.config("include.path", "more")
				h.config("includeIf.gitdir:/**.path", "more")
			},
			plain: func(h *hostile) { h.try("status") },
		},
		"url.insteadOf": {
			plant: func(h *hostile) {
				h.config("protocol.ext.allow", "always")
				h.config("url.ext::"+h.run+" %S .insteadOf", h.signin)
			},
			plain: func(h *hostile) { h.try("ls-remote", h.signin+"/acme/web.git") },
		},
		"credential.helper": {
			plant: func(h *hostile) { h.config("credential.helper", "!"+h.run) },
			plain: func(h *hostile) { h.try("ls-remote", h.signin+"/acme/web.git") },
		},
		"core.askPass": {
			plant: func(h *hostile) { h.config("core.askPass", h.run) },
			plain: func(h *hostile) { h.try("ls-remote", h.signin+"/acme/web.git") },
		},
		"gpg.program": {
			plant: func(h *hostile) {
				signed := strings.Replace(h.git("cat-file", "-p", "HEAD"), "\n\n", "\ngpgsig -----BEGIN PGP SIGNATURE-----\n \n x\n -----END PGP SIGNATURE-----\n\n", 1) + "\n"
				h.write("signed", signed)
				h.git("update-ref", "HEAD", h.git("hash-object", "-t", "commit", "-w", "signed"))
				h.config("gpg.program", h.run)
				h.config("log.showSignature", "true")
			},
			plain: func(h *hostile) { h.try("log") },
		},
		"core.alternateRefsCommand": {
			plant: func(h *hostile) { h.config("core.alternateRefsCommand", h.run) },
			plain: func(h *hostile) {
				objects, _ := h.other()
				h.write(".git/objects/info/alternates", objects+"\n")
				h.try("rev-list", "--alternate-refs")
			},
			refused: fault.Denied, // plain git made it borrow
		},
		"alternates that point outside": {
			plant: func(h *hostile) {
				objects, hash := h.other()
				h.write(".git/objects/info/alternates", objects+"\n")
				h.write("hash", hash)
			},
			plain:   func(h *hostile) { h.shows("cat-file", "-p", read(h.t, h.dir+"/hash")) },
			refused: fault.Denied,
		},
		"a symbolic link in place of the objects": {
			plant:   func(h *hostile) { h.link("objects") },
			plain:   func(h *hostile) { h.shows("cat-file", "-p", read(h.t, h.dir+"/hash")) },
			refused: fault.Denied,
		},
		"a symbolic link among the objects": {
			plant: func(h *hostile) {
				objects, hash := h.other()
				h.write("hash", hash)
				target := filepath.Join(h.dir, ".git/objects", hash[:2])
				if err := errors.Join(os.RemoveAll(target), os.Symlink(filepath.Join(objects, hash[:2]), target)); err != nil {
					h.t.Fatal(err)
				}
			},
			plain:   func(h *hostile) { h.shows("cat-file", "-p", read(h.t, h.dir+"/hash")) },
			refused: fault.Denied,
		},
		"a .git that points elsewhere": {
			plant: func(h *hostile) {
				objects, hash := h.other()
				if err := os.RemoveAll(filepath.Join(h.dir, ".git")); err != nil {
					h.t.Fatal(err)
				}
				h.write(".git", "gitdir: "+filepath.Dir(objects)+"\n")
				h.write("hash", hash)
			},
			plain:   func(h *hostile) { h.shows("cat-file", "-p", read(h.t, h.dir+"/hash")) },
			refused: fault.Denied,
		},
		"a pipe among the objects": {
			plant: func(h *hostile) {
				dir := filepath.Join(h.dir, ".git/objects/00")
				if err := errors.Join(os.MkdirAll(dir, 0o755), syscall.Mkfifo(filepath.Join(dir, strings.Repeat("0", 38)), 0o600)); err != nil {
					h.t.Fatal(err)
				}
			},
			mended:  "it only hangs",
			refused: fault.Denied,
		},
		"a ref that is an option": {
			plant: func(h *hostile) {
				h.write(".git/packed-refs", h.commit+" refs/heads/--output="+strings.TrimPrefix(h.canary, "/")+"\n"+h.commit+" refs/heads/-x\n"+h.commit+" refs/heads/a\x01b\n")
			},
			plain: func(h *hostile) { h.try("log", "-1", "--output="+h.canary) }, // as a script that takes the name of a branch would
			also: func(t *testing.T, h *hostile, _ *mirror.Git, f *mirror.Foreign) {
				names := map[string]bool{}
				for _, r := range f.Refs() {
					names[r.Name] = true
				}
				if !names["refs/heads/-x"] || len(names) != 4 { // HEAD, main, -x and the option
					t.Errorf("refs are %v", f.Refs())
				}
				for _, sub := range []string{"log", "rev-list", "show", "diff-tree", "rev-parse", "cat-file"} {
					for _, name := range []string{"--output=" + h.canary, "-o" + h.canary, "-x"} {
						args := []string{sub}
						if sub == "cat-file" {
							args = append(args, "-p")
						}
						_, _ = f.Run(context.Background(), mirror.Command{Args: args, Names: []string{name}}) // no such revision
					}
				}
			},
		},
		"a submodule that runs a command": {
			plant: func(h *hostile) {
				h.git("update-index", "--add", "--cacheinfo", "160000,"+h.commit+",sub")
				h.write(".gitmodules", "[submodule \"sub\"]\n\tpath = sub\n\turl = "+h.dir+"\n[submodule \"../../evil\"]\n\tpath = evil\n\turl = ext::"+h.run+"\n[submodule \"x\"]\n\tpath = -u"+h.run+"\n\turl = -u"+h.run+"\n")
				h.git("add", ".gitmodules")
				h.git("commit", "-q", "-m", "Submodules")
				h.git("clone", "-q", "--bare", h.dir, filepath.Join(h.dir, ".git/modules/sub"))
				h.git("clone", "-q", h.dir, filepath.Join(h.dir, "sub"))
				h.config("submodule.sub.update", "!"+h.run)
				h.config("submodule.sub.url", h.dir)
				h.config("submodule.sub.active", "true")
				h.config("submodule.recurse", "true")
			},
			plain: func(h *hostile) {
				h.try("submodule", "update")
			},
		},
		"uploadpack.packObjectsHook": {
			plant:  func(h *hostile) { h.config("uploadpack.packObjectsHook", h.run) },
			plain:  func(h *hostile) { h.try("clone", "-q", "--no-local", h.dir, filepath.Join(h.t.TempDir(), "clone")) },
			mended: "read only from the user's own configuration since 2.11",
		},
		"aliases and grafts": {
			plant: func(h *hostile) {
				h.config("alias.st", "!"+h.run)
				h.write(".git/info/grafts", h.commit+" "+strings.Repeat("1", 40)+"\n")
				h.write(".git/refs/replace/"+h.commit, strings.Repeat("2", 40)+"\n")
			},
			plain: func(h *hostile) { h.try("st") },
		},
	}
}

// link replaces a folder of the repository by a link to that of another one.
func (h *hostile) link(name string) {
	h.t.Helper()
	objects, hash := h.other()
	target := filepath.Join(h.dir, ".git", name)
	if err := errors.Join(os.RemoveAll(target), os.Symlink(objects, target)); err != nil {
		h.t.Fatal(err)
	}
	h.write("hash", hash)
}

// shows makes the canary when git shows what it must not.
func (h *hostile) shows(args ...string) {
	h.t.Helper()
	if out, _ := tryPlain(h.t, h.dir, args...); strings.Contains(out, secret) {
		if err := os.WriteFile(h.canary, nil, 0o600); err != nil {
			h.t.Fatal(err)
		}
	}
}

// terminal runs a command as at a terminal, where this machine has a program for that.
func terminal(h *hostile, command string) {
	if _, err := exec.LookPath("script"); err != nil {
		h.t.Log("this machine has no script, so nothing is proven")
		_ = os.WriteFile(h.canary, nil, 0o600)
		return
	}
	cmd := exec.Command("script", "-qec", command, "/dev/null")
	cmd.Env = append(os.Environ(), "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/dev/null", "TERM=xterm")
	_ = cmd.Run() // the canary tells
}

func TestHostileRepositories(t *testing.T) {
	g := open(t, mirror.Options{})
	harmless := newHostile(t, nil)
	for name, a := range attacks() {
		t.Run(name, func(t *testing.T) {
			h := newHostile(t, harmless)
			a.plant(h)
			if a.plain != nil {
				a.plain(h)
				if fell := h.seen(); fell == (a.mended != "") {
					t.Errorf("with plain git %s the attack works: %v (%s), so this test proves nothing", g.Version(), fell, a.mended)
				}
			}
			if err := os.RemoveAll(h.canary); err != nil {
				t.Fatal(err)
			}
			t.Chdir(h.dir) // where git would find it by itself
			readAll(t, h, g, a)
			askAll(t, h, g)
			if h.seen() {
				t.Error("the canary is there: git did what the repository told it")
			}
		})
	}
}

// readAll reads a repository by its path in every way that there is.
func readAll(t *testing.T, h *hostile, g *mirror.Git, a attack) {
	t.Helper()
	ctx := context.Background()
	f, err := g.OpenPath(ctx, h.dir)
	if fault.CodeOf(err) != a.refused {
		t.Fatalf("opening it: %v (%s), want %q", err, fault.CodeOf(err), a.refused)
	}
	if err != nil {
		return
	}
	defer func() {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	}()
	good := 0
	for _, c := range []mirror.Command{
		{Args: []string{"rev-list", "--all", "--objects"}},
		{Args: []string{"cat-file", "--batch", "--batch-all-objects"}},
		{Args: []string{"cat-file", "-p"}, Names: []string{"HEAD:a.txt"}},
		{Args: []string{"log", "-p", "--all", "--textconv", "--ext-diff", "--show-signature"}},
		{Args: []string{"show"}, Names: []string{"HEAD"}},
		{Args: []string{"diff-tree", "-p"}, Names: []string{"HEAD~1", "HEAD"}},
		{Args: []string{"ls-tree", "-r"}, Names: []string{"HEAD"}},
	} {
		out, err := f.Run(ctx, c)
		if err == nil && len(out) > 0 {
			good++
		}
		if strings.Contains(string(out), secret) {
			t.Errorf("git %v shows what is not in the repository", c.Args)
		}
	}
	if good < 2 {
		t.Errorf("only %d ways of reading work", good)
	}
	if a.also != nil {
		a.also(t, h, g, f)
	}
}

// askAll asks remotes while the repository lies where git runs from.
func askAll(t *testing.T, h *hostile, g *mirror.Git) {
	t.Helper()
	r := remote(t, bitbucket.Cloud, h.signin, "acme", "web")
	if _, err := g.ListRefs(context.Background(), r); !fault.Is(err, fault.Unauthorized) {
		t.Errorf("asking over HTTP: %v", err)
	}
	s, err := mirror.SSH(mirror.Path{Product: bitbucket.DataCenter, Owner: "x", Slug: "y"}, "127.0.0.1", 1)
	if err != nil {
		t.Fatal(err)
	}
	private, public := newKey(t)
	s.Key = mirror.SSHKey{Private: private, Hosts: []string{public}}
	if _, err := g.ListRefs(context.Background(), s); !fault.Is(err, fault.Unavailable) {
		t.Errorf("asking over SSH: %v", err)
	}
}
