package sandbox

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
)

// gitCommand runs git on a bare repository made here. Neither the machine's nor the user's configuration counts, no
// hook runs, nothing is asked and nothing is fetched.
func gitCommand(ctx context.Context, dir string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "git", append([]string{"--git-dir=" + dir}, args...)...) //nolint:gosec // Arguments are ours.
	cmd.Env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "LC_ALL=C", "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/dev/null",
		"GIT_TERMINAL_PROMPT=0", "GIT_NO_LAZY_FETCH=1", "GIT_OPTIONAL_LOCKS=0",
	}
	return cmd
}

// gitOutput runs git to its end.
func gitOutput(ctx context.Context, dir string, stdin io.Reader, args ...string) ([]byte, error) {
	cmd := gitCommand(ctx, dir, args...)
	var out, errs bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = stdin, &out, &errs
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("git %s: %w: %s", args[0], err, strings.TrimSpace(errs.String()))
	}
	return out.Bytes(), nil
}

// catFile reads an object that was imported.
func (d *objects) catFile(h hash) ([]byte, error) {
	out, err := gitOutput(context.Background(), d.dir, strings.NewReader(h.String()+"\n"), "cat-file", "--batch")
	if err != nil {
		return nil, err
	}
	head, data, ok := bytes.Cut(out, []byte{'\n'})
	if !ok || bytes.HasSuffix(head, []byte(" missing")) {
		return nil, errors.New("there is no object " + h.String())
	}
	return bytes.TrimSuffix(data, []byte{'\n'}), nil
}

// logFormat is what readLog understands: one commit per NUL-terminated record, the message last.
const logFormat = "--format=%H%n%T%n%P%n%an%n%ae%n%at%n%cn%n%ce%n%ct%n%s%n%B"

// logged is a commit with its subject.
type logged struct {
	commit
	subject string
}

// readLog returns the commits that are reachable from some hashes and not from others, newest first.
func (d *objects) readLog(ctx context.Context, from, without []hash) ([]logged, error) {
	var in strings.Builder
	for _, h := range from {
		in.WriteString(h.String() + "\n")
	}
	for _, h := range without {
		in.WriteString("^" + h.String() + "\n")
	}
	out, err := gitOutput(ctx, d.dir, strings.NewReader(in.String()), "log", "-z", "--no-textconv", "--no-ext-diff",
		"--no-show-signature", "--encoding=UTF-8", "--stdin", logFormat)
	if err != nil {
		return nil, err
	}
	var all []logged
	for record := range bytes.SplitSeq(out, []byte{0}) {
		if len(record) == 0 {
			continue
		}
		c, err := parseLog(string(record))
		if err != nil {
			return nil, err
		}
		all = append(all, c)
	}
	return all, nil
}

func parseLog(record string) (logged, error) {
	f := strings.SplitN(record, "\n", 11)
	if len(f) != 11 {
		return logged{}, fmt.Errorf("git log: record with %d fields", len(f))
	}
	var c logged
	var ok, ok2 bool
	c.hash, ok = parseHash(f[0])
	c.tree, ok2 = parseHash(f[1])
	if !ok || !ok2 {
		return c, fmt.Errorf("git log: %q is no SHA-1; repositories with other hashes are not supported", f[0])
	}
	for p := range strings.FieldsSeq(f[2]) {
		h, ok := parseHash(p)
		if !ok {
			return c, fmt.Errorf("git log: parent %q", p)
		}
		c.parents = append(c.parents, h)
	}
	var err, err2 error
	c.author, c.committer = ident{name: f[3], email: f[4]}, ident{name: f[6], email: f[7]}
	c.at, err = strconv.ParseInt(f[5], 10, 64)
	c.done, err2 = strconv.ParseInt(f[8], 10, 64)
	c.subject, c.message = f[9], f[10]
	return c, errors.Join(err, err2)
}
