package mirror

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/windlass-hq/windlass/internal/fault"
)

// The beginnings of the refs that are read, and the one name beside them.
const (
	heads    = "refs/heads/"
	tags     = "refs/tags/"
	headName = "HEAD"
)

// Ref is a branch, a tag, or HEAD.
type Ref struct {
	Name   string // whole, as git has it: refs/heads/main. Bytes, which need not be UTF-8
	Hash   string // lower-case hexadecimal digits
	Peeled string // what an annotated tag stands for; empty where Hash is that
	Target string // the branch that HEAD means; empty where the remote does not tell
}

// Commit returns the hash of what the ref stands for.
func (r Ref) Commit() string { return cmp.Or(r.Peeled, r.Hash) }

// ListRefs asks a remote for its branches, tags and HEAD, in order of their names. An empty repository has none. Refs
// whose names git itself would refuse to fetch are left out, as are all other kinds.
//
// Errors are *fault.Error: Unauthorized for a credential that is not accepted, Denied for one without the right,
// NotFound for a repository that is not there or hidden, Limited where an allowance is spent, Unavailable for
// everything in between, with ErrTooLarge in the chain where there are more than Limits.Refs.
func (g *Git) ListRefs(ctx context.Context, r Remote) ([]Ref, error) {
	s, err := g.open(r)
	if err != nil {
		return nil, err
	}
	defer s.close()
	limits := r.Limits.or(g.limits)
	list := refList{max: limits.Refs}
	c := Command{Args: []string{"ls-remote", "--symref", "--quiet"}, Names: []string{r.url}, Stdout: &list, Limits: limits, remote: s}
	if r.WithoutHead {
		c.Args = append(c.Args, "--heads", "--tags")
	}
	if _, err := g.Run(ctx, c); err != nil {
		return nil, err
	}
	refs, err := list.end()
	if err != nil || len(refs) > 0 {
		return refs, err
	}
	return nil, g.confirmEmpty(ctx, c)
}

// confirmEmpty asks again where there was nothing, and watches whether the remote speaks git's protocol. To git, any
// page of few words is a repository of the old kind without refs, and believing a sign-in page would mean that every
// branch is gone.
func (g *Git) confirmEmpty(ctx context.Context, c Command) error {
	list := refList{max: c.Limits.Refs}
	c.Stdout, c.trace = &list, true
	said, err := g.Run(ctx, c)
	if err != nil {
		return err
	}
	if refs, err := list.end(); err != nil || len(refs) > 0 {
		return cmp.Or(err, error(fault.New(fault.Unavailable, "%s had no branches and then some; it is being made", c.remote.name).With("try again")))
	}
	for line := range bytes.Lines(said) {
		if _, packet, ok := bytes.Cut(line, []byte("< ")); ok && bytes.Contains(line, []byte("packet: ")) && spoken(packet) {
			return nil
		}
	}
	return fault.New(fault.Unavailable, "%s answered something that is not git's protocol", c.remote.name).
		With("a proxy or a sign-in page may answer in its place; check the URL of the connection")
}

// spoken reports whether a packet is one with which a server of git begins.
func spoken(packet []byte) bool {
	p := strings.TrimSpace(string(packet))
	return p == "version 2" || p == "version 1" || strings.HasPrefix(p, "# service=git-upload-pack") || strings.Contains(p, " capabilities^{}")
}

// refList takes what ls-remote prints, line by line.
type refList struct {
	max    int
	refs   []Ref
	peeled map[string]string // by the tag's name
	target string
	rest   []byte // an unfinished line
}

// maxLine is longer than any line that names a ref.
const maxLine = 8 << 10

// Write implements io.Writer.
func (l *refList) Write(p []byte) (int, error) {
	n := len(p)
	for {
		line, more, whole := bytes.Cut(p, []byte("\n"))
		if len(l.rest)+len(line) > maxLine {
			return 0, fault.New(fault.Unavailable, "the remote answered a ref with a name of more than %d bytes", maxLine)
		}
		if !whole {
			l.rest = append(l.rest, line...)
			return n, nil
		}
		if len(l.rest) > 0 {
			line = append(l.rest, line...)
			l.rest = nil
		}
		if err := l.line(string(line)); err != nil {
			return 0, err
		}
		p = more
	}
}

// line reads "<hash>\t<name>" or "ref: <name>\t<name>".
func (l *refList) line(line string) error {
	value, name, ok := strings.Cut(line, "\t")
	if !ok {
		return fault.New(fault.Unavailable, "the remote answered %.80q, which names no ref", line)
	}
	if target, symbolic := strings.CutPrefix(value, "ref: "); symbolic {
		if name == headName && strings.HasPrefix(target, heads) && validRef(target) {
			l.target = target
		}
		return nil
	}
	if !isHash(value) {
		return fault.New(fault.Unavailable, "the remote answered %.80q, which is no hash", value)
	}
	base, peeled := strings.CutSuffix(name, "^{}")
	if base != headName && !strings.HasPrefix(base, heads) && !strings.HasPrefix(base, tags) || base != headName && !validRef(base) {
		return nil
	}
	if peeled {
		if l.peeled == nil {
			l.peeled = map[string]string{}
		}
		if len(l.peeled) < l.max {
			l.peeled[base] = value
		}
		return nil
	}
	if len(l.refs) >= l.max {
		return fault.Wrap(ErrTooLarge, fault.Unavailable, "the repository has more than %d branches and tags", l.max)
	}
	l.refs = append(l.refs, Ref{Name: base, Hash: value})
	return nil
}

// end returns what was read.
func (l *refList) end() ([]Ref, error) {
	if len(l.rest) > 0 {
		return nil, fault.New(fault.Unavailable, "the list of refs broke off")
	}
	slices.SortFunc(l.refs, func(a, b Ref) int { return strings.Compare(a.Name, b.Name) })
	for i := range l.refs {
		r := &l.refs[i]
		if i > 0 && l.refs[i-1].Name == r.Name {
			return nil, fault.New(fault.Unavailable, "the remote named %q twice", r.Name)
		}
		if len(r.Hash) != len(l.refs[0].Hash) {
			return nil, fault.New(fault.Unavailable, "the remote answered hashes of different lengths")
		}
		if p := l.peeled[r.Name]; strings.HasPrefix(r.Name, tags) && len(p) == len(r.Hash) && p != r.Hash {
			r.Peeled = p
		}
		if r.Name == headName {
			r.Target = l.target
		}
	}
	return l.refs, nil
}

// isHash reports whether s is a SHA-1 or SHA-256 as git writes it, and not that of nothing.
func isHash(s string) bool {
	return (len(s) == 40 || len(s) == 64) && strings.Trim(s, "0123456789abcdef") == "" && strings.Trim(s, "0") != ""
}

// validRef reports whether git would take s as the whole name of a ref (git-check-ref-format).
func validRef(s string) bool {
	if len(s) > 4096 || !strings.Contains(s, "/") || strings.HasSuffix(s, ".") ||
		strings.Contains(s, "..") || strings.Contains(s, "@{") || strings.ContainsAny(s, " ~^:?*[\\\x7f") {
		return false
	}
	for part := range strings.SplitSeq(s, "/") {
		if part == "" || part[0] == '.' || strings.HasSuffix(part, ".lock") {
			return false
		}
	}
	for i := range len(s) {
		if s[i] < ' ' {
			return false
		}
	}
	return true
}

// String returns the ref as ls-remote prints it.
func (r Ref) String() string { return fmt.Sprintf("%s\t%s", r.Hash, r.Name) }
