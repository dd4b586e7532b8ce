package mirror

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/windlass-hq/windlass/internal/fault"
)

// The oldest git that knows every switch which makes a call harmless: GIT_CONFIG_COUNT came with 2.31,
// GIT_CONFIG_GLOBAL with 2.32.
const (
	oldestMajor = 2
	oldestMinor = 32
)

// Options are what Open needs. The zero value is right.
type Options struct {
	Program string // git itself; empty means the one in PATH
	TempDir string // where short-lived files go; empty means os.TempDir
	Limits  Limits // what a call may take unless it says otherwise
}

// Limits bound one call of git. Zero means the default.
type Limits struct {
	Time     time.Duration // two minutes
	Output   int64         // bytes on standard output: 64 MiB
	Memory   int64         // bytes of address space of git and of each of its helpers: 2 GiB. Where the system can
	FileSize int64         // bytes of any file that is written: 2 GiB. Where the system can
	Refs     int           // that a remote may have: 250,000
}

func (l Limits) or(d Limits) Limits {
	return Limits{
		Time: first(l.Time, d.Time), Output: first(l.Output, d.Output), Memory: first(l.Memory, d.Memory),
		FileSize: first(l.FileSize, d.FileSize), Refs: first(l.Refs, d.Refs),
	}
}

func first[T int | int64 | time.Duration](a, b T) T {
	if a > 0 {
		return a
	}
	return b
}

func defaultLimits() Limits {
	return Limits{Time: 2 * time.Minute, Output: 64 << 20, Memory: 2 << 30, FileSize: 2 << 30, Refs: 250_000}
}

// Git is the git of this machine, behind the wrapper. It is safe for concurrent use.
type Git struct {
	program string // absolute
	ssh     string // absolute, or empty where there is none
	shell   string // absolute, or empty where there is none
	path    string // PATH of what git starts
	version string
	temp    string // absolute; where each call has a folder of its own
	limits  Limits
}

// Open finds git and checks its version. It keeps nothing open. Without git, or with one that is too old to be used
// safely, it is fault.Unavailable that says what to install.
func Open(ctx context.Context, o Options) (*Git, error) {
	program := o.Program
	if program == "" {
		program = "git"
	}
	found, err := exec.LookPath(program)
	if err == nil {
		found, err = filepath.Abs(found)
	}
	if err != nil {
		return nil, fault.New(fault.Unavailable, "there is no git on this machine, and branches and contents of repositories are read by it").
			With("install git %d.%d or newer, and start Windlass with it in PATH", oldestMajor, oldestMinor)
	}
	g := &Git{program: found, limits: o.Limits.or(defaultLimits()), path: absolutePath(os.Getenv("PATH"))}
	g.ssh, g.shell = lookUp("ssh"), lookUp("sh")
	if g.temp = o.TempDir; g.temp == "" {
		g.temp = os.TempDir()
	}
	if g.temp, err = filepath.Abs(g.temp); err != nil {
		return nil, fault.Wrap(err, fault.Internal, "git needs a folder for short-lived files")
	}
	if err := g.check(ctx); err != nil {
		return nil, err
	}
	return g, nil
}

// scratch makes a folder that nobody else may enter. Whoever asks removes it. It is made anew for each call, because
// machines empty their temporary folders while a server runs.
func (g *Git) scratch() (string, error) {
	dir, err := os.MkdirTemp(g.temp, "windlass-git-")
	if err != nil {
		return "", fault.Wrap(err, fault.Internal, "git needs a folder for short-lived files, and none can be made in %s", g.temp)
	}
	return dir, nil
}

// Version returns what git calls its version, such as 2.39.5.
func (g *Git) Version() string { return g.version }

// check asks git for its version.
func (g *Git) check(ctx context.Context) error {
	out, err := g.Run(ctx, Command{Args: []string{"version"}, Limits: Limits{Time: 20 * time.Second}})
	if err != nil {
		return fault.Wrap(err, fault.Unavailable, "%s does not run", g.program).With("install git %d.%d or newer", oldestMajor, oldestMinor)
	}
	version, ok := parseVersion(string(out))
	if !ok {
		return fault.New(fault.Unavailable, "%s does not tell its version, so it is not known to be safe", g.program).
			With("install git %d.%d or newer", oldestMajor, oldestMinor)
	}
	if g.version = version.text; version.major < oldestMajor || version.major == oldestMajor && version.minor < oldestMinor {
		return fault.New(fault.Unavailable, "git %s is too old to be kept from running what a repository's configuration says", version.text).
			With("install git %d.%d or newer", oldestMajor, oldestMinor)
	}
	return nil
}

type version struct {
	text         string
	major, minor int
}

// parseVersion reads "git version 2.39.5 (Apple Git-154)" and its like.
func parseVersion(out string) (version, bool) {
	m := regexp.MustCompile(`^git version ((\d{1,6})\.(\d{1,6})[0-9A-Za-z.+-]{0,40})(\s|$)`).FindStringSubmatch(out)
	if m == nil {
		return version{}, false
	}
	major, err := strconv.Atoi(m[2])
	minor, err2 := strconv.Atoi(m[3])
	return version{m[1], major, minor}, err == nil && err2 == nil
}

// lookUp finds a program by its absolute path; empty where there is none.
func lookUp(name string) string {
	found, err := exec.LookPath(name)
	if err != nil || !filepath.IsAbs(found) {
		return ""
	}
	return found
}

// absolutePath drops what is relative from a PATH: it would mean the folder that git happens to run in.
func absolutePath(path string) string {
	var keep []string
	for _, p := range filepath.SplitList(path) {
		if filepath.IsAbs(p) {
			keep = append(keep, p)
		}
	}
	return strings.Join(keep, string(os.PathListSeparator))
}
