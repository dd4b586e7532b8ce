package sandbox

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/windlass-hq/windlass/internal/fault"
)

// clone is what is read of a local clone: plain files only. Git never runs inside it, so nothing of its
// configuration, hooks or attributes can take effect.
type clone struct {
	name    string
	gitDir  string // HEAD
	common  string // objects and refs; differs from gitDir in linked worktrees
	branch  string // of HEAD; "" when detached
	head    hash
	refs    map[string]hash
	shallow []byte
}

// openClone reads a clone's HEAD and refs.
func openClone(path string) (*clone, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, fault.Wrap(err, fault.Invalid, "cannot import %s", path)
	}
	c := &clone{name: strings.TrimSuffix(filepath.Base(abs), ".git"), gitDir: abs, refs: map[string]hash{}}
	dotGit := filepath.Join(abs, ".git")
	switch info, err := os.Stat(dotGit); {
	case err == nil && info.IsDir():
		c.gitDir = dotGit
	case err == nil:
		text, err := os.ReadFile(dotGit)
		if err != nil {
			return nil, fault.Wrap(err, fault.Invalid, "cannot import %s", path)
		}
		c.gitDir = within(abs, strings.TrimPrefix(strings.TrimSpace(string(text)), "gitdir: "))
	}
	c.common = c.gitDir
	if text, err := os.ReadFile(filepath.Join(c.gitDir, "commondir")); err == nil {
		c.common = within(c.gitDir, strings.TrimSpace(string(text)))
	}
	if err := c.readRefs(); err != nil {
		return nil, fault.Wrap(err, fault.Invalid, "%s is not a git repository that can be imported", path).With("name a folder that holds a clone")
	}
	c.shallow, err = os.ReadFile(filepath.Join(c.common, "shallow"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fault.Wrap(err, fault.Invalid, "cannot import %s", path)
	}
	return c, nil
}

func within(base, path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(base, path)
}

func (c *clone) readRefs() error {
	head, err := os.ReadFile(filepath.Join(c.gitDir, "HEAD"))
	if err != nil {
		return err
	}
	if packed, err := os.ReadFile(filepath.Join(c.common, "packed-refs")); err == nil {
		for line := range strings.Lines(string(packed)) {
			name, ref, _ := strings.Cut(strings.TrimSpace(line), " ")
			if h, ok := parseHash(name); ok {
				c.refs[ref] = h
			}
		}
	}
	root := filepath.Join(c.common, "refs")
	err = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(c.common, path)
		if h, ok := parseHash(strings.TrimSpace(string(text))); ok && err == nil {
			c.refs[filepath.ToSlash(rel)] = h
		}
		return err
	})
	if err != nil {
		return err
	}
	text := strings.TrimSpace(string(head))
	if ref, ok := strings.CutPrefix(text, "ref: "); ok {
		c.branch = strings.TrimPrefix(ref, "refs/heads/")
		if c.head, ok = c.refs[ref]; !ok {
			return errors.New("HEAD is on the branch " + c.branch + ", which has no commit")
		}
		return nil
	}
	var ok bool
	if c.head, ok = parseHash(text); !ok {
		return errors.New("HEAD holds neither a branch nor a SHA-1")
	}
	return nil
}
