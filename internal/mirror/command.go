package mirror

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/windlass-hq/windlass/internal/fault"
)

// ErrTooLarge is in the chain of every error of a call that hit a limit of Limits other than time: git said more than
// it may, or needed more memory or disk than it may have.
var ErrTooLarge = errors.New("too large")

// maxStderr is how much of what git complains about is kept.
const maxStderr = 64 << 10

// grace is how long a call may take to end after it was told to.
const grace = 5 * time.Second

// Command is one call of git.
type Command struct {
	// Repository is the bare repository of ours on which git works; empty for none. Git looks for none by itself.
	Repository string
	// Args are the subcommand and its options, all of them ours: nothing that others chose may stand here. Which
	// subcommands there are says safeguards.
	Args []string
	// Names are what others chose: revisions, refs, paths within a tree. They stand behind --end-of-options, so that
	// none is taken for an option.
	Names []string

	Settings []Setting // configuration beside that of every call
	Stdin    io.Reader // nil means nothing
	Stdout   io.Writer // nil means that Run returns it
	Limits   Limits    // zero fields mean those of Options

	remote *session // how the remote is spoken to; nil means that no protocol is allowed at all
	trace  bool     // packets of the protocol are told on standard error
}

// safeguards returns the options that each subcommand needs to be harmless whatever it finds. One that is not listed
// is refused: somebody has to think about it first.
func safeguards() map[string][]string {
	patches := []string{"--no-textconv", "--no-ext-diff", "--no-show-signature", "--ignore-submodules=all"}
	plumbing := []string{"--no-textconv", "--no-ext-diff", "--ignore-submodules=all"}
	return map[string][]string{
		"version":       nil,
		"init":          {"--template="},
		"config":        {"--no-includes"},
		"ls-remote":     nil,
		"cat-file":      nil,
		"rev-list":      nil,
		"rev-parse":     nil,
		"for-each-ref":  nil,
		"update-ref":    nil,
		"merge-base":    nil,
		"ls-tree":       nil,
		"count-objects": nil,
		"log":           patches,
		"show":          patches,
		"diff-tree":     plumbing,
	}
}

// Run runs git to its end and returns what it printed, unless Stdout takes that.
//
// Errors are *fault.Error: what git said of a remote is told apart by code; a time limit is fault.Unavailable, other
// limits too, with ErrTooLarge in the chain; a context that ended is fault.Canceled.
func (g *Git) Run(ctx context.Context, c Command) ([]byte, error) {
	argv, err := c.argv()
	if err != nil {
		return nil, err
	}
	dir, err := g.scratch()
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(dir) }() // it is as good as empty
	home := filepath.Join(dir, "home")
	if err := os.Mkdir(home, 0o500); err != nil {
		return nil, fault.Wrap(err, fault.Internal, "git needs a home, and none can be made")
	}
	limits := c.Limits.or(g.limits)
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	timer := time.AfterFunc(limits.Time, func() { cancel(errTime) })
	defer timer.Stop()

	protocols, settings, more := "", c.Settings, []string(nil)
	if c.remote != nil {
		protocols, more = c.remote.protocol, c.remote.env
		settings = slices.Concat(settings, c.remote.settings)
	}
	if c.trace {
		more = append(slices.Clip(more), "GIT_TRACE_PACKET=2")
	}
	name, args := g.program, argv
	if g.shell != "" {
		name, args = g.shell, confined(g.program, argv, limits)
	}
	cmd := exec.CommandContext(ctx, name, args...) //nolint:gosec // The program is git; names of others are no options.
	cmd.Env, cmd.Dir = g.environment(dir, home, protocols, settings, more...), home
	var collected bytes.Buffer
	out := c.Stdout
	if out == nil {
		out = &collected
	}
	complaints := &head{limit: maxStderr}
	told := &bounded{to: out, left: limits.Output, stop: cancel}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = c.Stdin, told, complaints
	cmd.WaitDelay = grace
	ownGroup(cmd)
	err = cmd.Run()
	endGroup(cmd)
	if told.err != nil { // why the writer took no more says more than how git ended
		return nil, told.err
	}
	if err != nil {
		return nil, c.failure(ctx, err, complaints.String(), limits)
	}
	if c.trace {
		return complaints.buf.Bytes(), nil
	}
	return collected.Bytes(), nil
}

var errTime = errors.New("time is over")

// argv builds the command line behind "git".
func (c Command) argv() ([]string, error) {
	if len(c.Args) == 0 {
		return nil, fault.New(fault.Internal, "git was to be run without a subcommand")
	}
	guard, ok := safeguards()[c.Args[0]]
	if !ok {
		return nil, fault.New(fault.Internal, "git %s is not among the subcommands that are known to be harmless", c.Args[0])
	}
	dir := c.Repository
	if dir == "" {
		dir = os.DevNull // no repository is there, and git looks for none
	}
	argv := []string{"--no-pager", "--git-dir=" + dir}
	if c.Args[0] == "init" {
		argv = argv[:1] // it is told by a name
	}
	argv = append(argv, c.Args[0])
	argv = append(argv, guard...)
	argv = append(argv, c.Args[1:]...)
	if len(c.Names) > 0 {
		argv = append(argv, "--end-of-options")
	}
	for _, name := range c.Names {
		if strings.IndexByte(name, 0) >= 0 {
			return nil, fault.New(fault.Invalid, "%q is no name that git knows", name)
		}
		argv = append(argv, name)
	}
	return argv, nil
}

// confined returns the arguments of a shell that sets the limits that only a process can set for itself, and then
// becomes git. What the system does not know of them is left out.
func confined(program string, argv []string, l Limits) []string {
	const script = `ulimit -c 0 2>/dev/null; ulimit -v "$1" 2>/dev/null; ulimit -f "$2" 2>/dev/null; shift 2; exec "$@"`
	blocks := strconv.FormatInt(max(1, l.FileSize/512), 10)
	kib := strconv.FormatInt(max(1, l.Memory/1024), 10)
	return append([]string{"-c", script, "sh", kib, blocks, program}, argv...)
}

// failure says why git did not end well.
func (c Command) failure(ctx context.Context, err error, complaints string, l Limits) error {
	where := "git " + c.Args[0]
	if c.remote != nil {
		where = c.remote.name
		complaints = c.remote.hide(complaints)
	}
	switch cause := context.Cause(ctx); {
	case errors.Is(cause, errTime):
		return fault.New(fault.Unavailable, "%s did not finish within %s", where, l.Time)
	case ctx.Err() != nil:
		return fault.Wrap(cause, fault.Canceled, "%s was stopped", where)
	}
	var exit *exec.ExitError
	if !errors.As(err, &exit) && !errors.Is(err, exec.ErrWaitDelay) {
		return fault.Wrap(err, fault.Unavailable, "git cannot be run")
	}
	complaints = printable(complaints)
	if outOfMemory(complaints) {
		return fault.Wrap(ErrTooLarge, fault.Unavailable, "%s needs more than the %d MiB of memory that git may have", where, l.Memory>>20)
	}
	if c.remote != nil {
		return c.remote.explain(complaints)
	}
	return fault.New(fault.Internal, "%s failed: %s", where, cmp.Or(complaints, err.Error()))
}

func outOfMemory(complaints string) bool {
	for _, s := range []string{"ut of memory", "annot allocate memory", "malloc failed", "realloc failed", "mmap failed"} {
		if strings.Contains(complaints, s) {
			return true
		}
	}
	return false
}

// bounded passes so much and then ends the call. An error of the writer behind it ends the call too.
type bounded struct {
	to   io.Writer
	left int64
	stop context.CancelCauseFunc
	err  error // read after the call has ended
}

func (b *bounded) Write(p []byte) (int, error) {
	if b.err != nil {
		return 0, b.err
	}
	if int64(len(p)) > b.left {
		b.err = fault.Wrap(ErrTooLarge, fault.Unavailable, "git said more than it may in one call")
		b.stop(b.err)
		return 0, b.err
	}
	b.left -= int64(len(p))
	n, err := b.to.Write(p)
	if err != nil {
		b.err = fmt.Errorf("take what git says: %w", err)
		b.stop(b.err)
	}
	return n, err
}

// head keeps the beginning of what is written to it.
type head struct {
	buf   bytes.Buffer
	limit int
}

func (h *head) Write(p []byte) (int, error) {
	h.buf.Write(p[:min(len(p), h.limit-h.buf.Len())])
	return len(p), nil
}

func (h *head) String() string { return h.buf.String() }
