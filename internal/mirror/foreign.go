package mirror

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/windlass-hq/windlass/internal/fault"
)

// Foreign is a repository that is not ours, as it lay on disk when it was opened. Git works on a bare repository of
// ours that finds the objects there and has its refs, while its configuration, hooks, attributes, replacements, grafts
// and indexes of commits are not seen at all.
//
// Whoever may change the repository while it is read could still make git look at files elsewhere; what is checked is
// checked when it is opened.
type Foreign struct {
	git  *Git
	dir  string // of ours
	refs []Ref
}

// OpenPath opens the repository at a path: a bare one, or the working tree whose .git lies in it. Nothing is written
// there. Close must be called.
//
// What would lead out of the folder is refused as fault.Denied: symbolic links among the objects or in place of .git,
// objects borrowed from another repository. Where there is no repository it is fault.NotFound.
func (g *Git) OpenPath(ctx context.Context, folder string) (*Foreign, error) {
	path, err := filepath.Abs(folder)
	if err == nil {
		path, err = filepath.EvalSymlinks(path)
	}
	if err != nil {
		return nil, fault.Wrap(err, fault.NotFound, "there is no repository at %s", folder)
	}
	root, err := os.OpenRoot(path)
	if err != nil {
		return nil, fault.Wrap(err, fault.NotFound, "there is no repository at %s", folder)
	}
	defer func() { _ = root.Close() }() // nothing is written
	t := &theirs{root: root, folder: folder, limits: g.limits}
	if err := t.locate(); err != nil {
		return nil, err
	}
	dirs, err := t.objectFolders()
	if err != nil {
		return nil, err
	}
	if err := t.readRefs(); err != nil {
		return nil, err
	}
	format, err := g.objectFormat(ctx, t)
	if err != nil {
		return nil, err
	}
	f := &Foreign{git: g, refs: t.list()}
	if f.dir, err = g.scratch(); err != nil {
		return nil, err
	}
	if err := f.build(ctx, t, filepath.Join(path, filepath.FromSlash(t.path("objects"))), dirs, format); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// build makes our bare repository. Its alternates point at a folder of ours with links to the folders of objects, so
// that git meets neither another list of alternates nor a repository around them.
func (f *Foreign) build(ctx context.Context, t *theirs, objects string, dirs []string, format string) error {
	_, err := f.git.Run(ctx, Command{Args: []string{"init", "--bare", "--quiet", "--object-format=" + format, "--initial-branch=windlass"}, Names: []string{f.bare()}})
	if err != nil {
		return err
	}
	facade := filepath.Join(f.dir, "objects")
	err = os.Mkdir(facade, 0o700)
	for _, d := range dirs {
		err = errors.Join(err, os.Symlink(filepath.Join(objects, d), filepath.Join(facade, d)))
	}
	write := func(name, text string) {
		err = errors.Join(err, os.WriteFile(filepath.Join(f.bare(), filepath.FromSlash(name)), []byte(text), 0o600))
	}
	write("objects/info/alternates", facade+"\n")
	write("packed-refs", t.packedRefs())
	write("HEAD", t.headLine())
	if t.shallow != "" {
		write("shallow", t.shallow)
	}
	if err != nil {
		return fault.Wrap(err, fault.Internal, "the repository at %s cannot be prepared for reading", t.folder)
	}
	return nil
}

func (f *Foreign) bare() string { return filepath.Join(f.dir, "repo.git") }

// Refs returns all refs that point at objects, in order of names, HEAD among them.
func (f *Foreign) Refs() []Ref { return f.refs }

// Run runs git on the repository; Command.Repository is set here.
func (f *Foreign) Run(ctx context.Context, c Command) ([]byte, error) {
	c.Repository = f.bare()
	c.Settings = append([]Setting{
		// These files say things of objects that git believes without looking.
		{"core.commitGraph", "false"},
		{"core.multiPackIndex", "false"},
		{"pack.readReverseIndex", "false"},
	}, c.Settings...)
	return f.git.Run(ctx, c)
}

// Close removes what was made for reading. Calls must have ended.
func (f *Foreign) Close() error {
	if err := os.RemoveAll(f.dir); err != nil {
		return fault.Wrap(err, fault.Internal, "git's folder %s cannot be removed", f.dir)
	}
	return nil
}

// objectFormat returns the kind of hashes, which only the configuration tells. It is read as text, from a pipe.
func (g *Git) objectFormat(ctx context.Context, t *theirs) (string, error) {
	text, err := t.read("config", 1<<20)
	if errors.Is(err, fs.ErrNotExist) {
		return "sha1", nil
	}
	if err != nil {
		return "", err
	}
	out, err := g.Run(ctx, Command{
		Args:  []string{"config", "--file", "-", "--null", "--list"},
		Stdin: strings.NewReader(text), Limits: Limits{Output: 4 << 20},
	})
	if err != nil {
		return "", fault.New(fault.Invalid, "the configuration of the repository at %s cannot be read", t.folder)
	}
	format := "sha1"
	for entry := range strings.SplitSeq(string(out), "\x00") {
		switch key, value, _ := strings.Cut(entry, "\n"); strings.ToLower(key) {
		case "extensions.objectformat":
			format = strings.ToLower(value)
		case "extensions.refstorage":
			if value != "files" {
				return "", fault.New(fault.Invalid, "the repository at %s keeps its refs in the form %.40q, which cannot be read without its configuration", t.folder, value).
					With("give a clone of it: git clone --bare --ref-format=files")
			}
		}
	}
	if format != "sha1" && format != "sha256" {
		return "", fault.New(fault.Invalid, "the repository at %s has hashes of the unknown kind %.40q", t.folder, format)
	}
	return format, nil
}

// theirs is the folder of a repository that is not ours. Nothing outside it is opened.
type theirs struct {
	root   *os.Root
	folder string // as it was given, for messages
	git    string // of the repository, relative to root
	limits Limits

	found   map[string]string // hashes by whole names
	head    string            // the text of HEAD
	shallow string            // checked
}

func (t *theirs) path(name string) string { return path.Join(t.git, name) }

// refuse is the answer to whatever leads elsewhere.
func (t *theirs) refuse(what string) error {
	return fault.New(fault.Denied, "the repository at %s is not read: %s", t.folder, what).
		With("give a clone of it that stands alone: git clone --bare --no-local")
}

// locate finds out which folder is the repository.
func (t *theirs) locate() error {
	for _, dir := range []string{".git", "."} {
		info, err := t.root.Lstat(dir)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return fault.Wrap(err, fault.NotFound, "there is no repository at %s", t.folder)
		}
		switch {
		case info.Mode().IsRegular():
			return t.refuse("its .git is a file that points elsewhere")
		case !info.IsDir():
			return t.refuse("its .git is no folder")
		}
		t.git = dir
		if _, err := t.root.Lstat(t.path("HEAD")); err != nil {
			continue
		}
		if _, err := t.root.Lstat(t.path("objects")); err != nil {
			continue
		}
		if _, err := t.root.Lstat(t.path("commondir")); err == nil {
			return t.refuse("it is a part of another repository")
		}
		return nil
	}
	return fault.New(fault.NotFound, "there is no repository at %s", t.folder)
}

// read returns a file that is one, and not too large.
func (t *theirs) read(name string, most int64) (string, error) {
	name = t.path(name)
	info, err := t.root.Lstat(name)
	if err != nil {
		return "", err //nolint:wrapcheck // Callers look for fs.ErrNotExist.
	}
	if !info.Mode().IsRegular() {
		return "", t.refuse(name + " is no file")
	}
	if info.Size() > most {
		return "", fault.Wrap(ErrTooLarge, fault.Unavailable, "%s of the repository at %s", name, t.folder)
	}
	file, err := t.root.Open(name)
	if err != nil {
		return "", fault.Wrap(err, fault.Denied, "%s of the repository at %s cannot be read", name, t.folder)
	}
	defer func() { _ = file.Close() }() // nothing is written
	data, err := io.ReadAll(io.LimitReader(file, most))
	if err != nil {
		return "", fault.Wrap(err, fault.Unavailable, "%s of the repository at %s cannot be read", name, t.folder)
	}
	return string(data), nil
}

// entries returns what is in a folder that is one; nothing where there is none.
func (t *theirs) entries(name string) ([]fs.DirEntry, error) {
	name = t.path(name)
	info, err := t.root.Lstat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err == nil && !info.IsDir() {
		return nil, t.refuse(name + " is no folder")
	}
	var dir *os.File
	if err == nil {
		dir, err = t.root.Open(name)
	}
	if err != nil {
		return nil, fault.Wrap(err, fault.Denied, "%s of the repository at %s cannot be read", name, t.folder)
	}
	defer func() { _ = dir.Close() }() // nothing is written
	list, err := dir.ReadDir(-1)
	if err != nil {
		return nil, fault.Wrap(err, fault.Denied, "%s of the repository at %s cannot be read", name, t.folder)
	}
	return list, nil
}

// objectFolders returns the folders in which objects are, after a look at everything in them: files and nothing else.
func (t *theirs) objectFolders() ([]string, error) {
	list, err := t.entries("objects")
	if err != nil {
		return nil, err
	}
	var dirs []string
	for _, d := range list {
		name := d.Name()
		fan := len(name) == 2 && strings.Trim(name, "0123456789abcdef") == ""
		if !fan && name != "pack" {
			if d.Type()&fs.ModeSymlink != 0 {
				return nil, t.refuse("objects/" + name + " is a symbolic link")
			}
			continue
		}
		inside, err := t.entries("objects/" + name)
		if err != nil {
			return nil, err
		}
		for _, o := range inside {
			if !o.Type().IsRegular() {
				return nil, t.refuse("objects/" + name + "/" + o.Name() + " is no file")
			}
		}
		dirs = append(dirs, name)
	}
	info, err := t.entries("objects/info")
	if err != nil {
		return nil, err
	}
	for _, d := range info {
		if d.Name() != "alternates" {
			continue
		}
		borrowed, err := t.read("objects/info/alternates", 1<<20)
		if err != nil {
			return nil, err
		}
		if strings.TrimSpace(borrowed) != "" {
			return nil, t.refuse("it borrows objects from another repository")
		}
	}
	return dirs, nil
}
