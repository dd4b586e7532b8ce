package store

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/windlass-hq/windlass/internal/fault"
)

// keyFile is a key file as it stands: lines of base64 keys and of comments.
type keyFile struct {
	path  string
	lines []keyLine
}

type keyLine struct {
	text string // without its end
	key  []byte // nil for a comment
}

// id names the key of a line.
func (l keyLine) id() string { return keyID(l.key) }

// readKeyFile reads a key file. A missing one is fault.NotFound.
func readKeyFile(path string) (*keyFile, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fault.Wrap(err, fault.NotFound, "there is no key file %s", path).
			With("restore it from where you backed it up, or name another with --key-file")
	}
	if err != nil {
		return nil, fault.Wrap(err, fault.Unavailable, "the key file cannot be read").With("check who may read %s", path)
	}
	f := &keyFile{path: path}
	for line := range strings.Lines(string(text)) {
		l := keyLine{text: strings.TrimSpace(line)}
		if l.text != "" && !strings.HasPrefix(l.text, "#") {
			if l.key, err = base64.StdEncoding.DecodeString(l.text); err != nil || len(l.key) != keySize {
				return nil, fault.New(fault.Invalid, "the key file %s holds a line that is no key of %d bytes in base64", path, keySize).
					With("restore the file from its backup; do not edit it")
			}
		}
		f.lines = append(f.lines, l)
	}
	if len(f.keys()) == 0 {
		return nil, fault.New(fault.Invalid, "the key file %s is empty", path).With("restore it from its backup")
	}
	return f, nil
}

// keys returns the keys, the one that is to seal first.
func (f *keyFile) keys() [][]byte {
	var keys [][]byte
	for _, l := range f.lines {
		if l.key != nil {
			keys = append(keys, l.key)
		}
	}
	return keys
}

// ids names the keys in their order.
func (f *keyFile) ids() []string {
	var ids []string
	for _, l := range f.lines {
		if l.key != nil {
			ids = append(ids, l.id())
		}
	}
	return ids
}

// put makes a key the first.
func (f *keyFile) put(key []byte) {
	first := slices.IndexFunc(f.lines, func(l keyLine) bool { return l.key != nil })
	f.lines = slices.Insert(f.lines, max(first, 0), keyLine{text: base64.StdEncoding.EncodeToString(key), key: key})
}

// without returns the file without some keys.
func (f *keyFile) without(ids []string) *keyFile {
	out := &keyFile{path: f.path}
	for _, l := range f.lines {
		if l.key == nil || !slices.Contains(ids, l.id()) {
			out.lines = append(out.lines, l)
		}
	}
	return out
}

// bytes is the text of the file.
func (f *keyFile) bytes() []byte {
	var b bytes.Buffer
	for _, l := range f.lines {
		b.WriteString(l.text + "\n")
	}
	return b.Bytes()
}

// newKey makes a key.
func newKey() ([]byte, error) {
	key := make([]byte, keySize)
	if _, err := rand.Read(key); err != nil {
		return nil, fault.Wrap(err, fault.Internal, "no randomness for a key")
	}
	return key, nil
}

// write replaces the file at once: whoever reads it, and whatever a power cut leaves, is the old text or the new one.
// A link stays a link. Owner and group become those of another file, and nobody else may read it. point is told before
// each step.
func (f *keyFile) write(like string, point func(string) error) error {
	fail := func(err error) error {
		return fault.Wrap(err, fault.Unavailable, "the key file %s cannot be replaced", f.path).
			With("run this as the owner of the file and its folder; where the file comes from elsewhere, add the line of a new key above the others there")
	}
	path := f.path
	if target, err := filepath.EvalSymlinks(path); err == nil {
		path = target
	}
	// One name, so that what a killed process left is replaced too. Who writes holds the lock of the folder.
	draft := path + ".new"
	if err := os.Remove(draft); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fail(err)
	}
	file, err := os.OpenFile(draft, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fail(err)
	}
	err = point("draft")
	if err == nil {
		_, err = file.Write(f.bytes())
	}
	if err == nil {
		err = alike(file, like)
	}
	if err := errors.Join(err, file.Sync(), file.Close()); err != nil {
		return fail(err)
	}
	if err := point("rename"); err != nil {
		return err
	}
	if err := os.Rename(draft, path); err != nil {
		return fail(err)
	}
	if err := syncFolder(filepath.Dir(path)); err != nil {
		return fail(err)
	}
	return nil
}
