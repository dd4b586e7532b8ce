package store

import (
	"encoding/base64"
	"errors"
	"os"
	"path/filepath"
	"strings"

	"github.com/windlass-hq/windlass/internal/fault"
)

// keySize is that of AES-256.
const keySize = 32

// DefaultKeyPath returns windlass/key in the user configuration directory, which is outside every data directory, so
// that a copied or leaked data directory alone opens nothing (HARD-PARTS A, "Keys at rest").
func DefaultKeyPath() (string, error) {
	dir, err := os.UserConfigDir()
	if err != nil {
		return "", fault.Wrap(err, fault.Invalid, "there is no place for the key that seals stored credentials: the user configuration directory is unknown").
			With("name a file with --key-file (or WINDLASS_KEY_FILE), outside the data directory")
	}
	return filepath.Join(dir, "windlass", "key"), nil
}

// LoadKey reads a key file: one base64 line per key, the first one seals, all of them open. A missing file is
// fault.NotFound. The keyring reads the file again when a text names a key that it does not hold.
func LoadKey(path string) (*Keyring, error) {
	f, err := readKeyFile(path)
	if err != nil {
		return nil, err
	}
	k, err := NewKeyring(f.keys()...)
	if err != nil {
		return nil, err
	}
	k.path = path
	return k, nil
}

// CreateKey writes a new key file, readable by its owner only, and never overwrites one.
func CreateKey(path string) (*Keyring, error) {
	key, err := newKey()
	if err != nil {
		return nil, err
	}
	fail := func(err error) (*Keyring, error) {
		return nil, fault.Wrap(err, fault.Unavailable, "the key file cannot be created").
			With("name a writable place outside the data directory with --key-file")
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fail(err)
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fail(err)
	}
	_, err = f.WriteString("# Key of Windlass. Back it up apart from the data: without it stored credentials are lost.\n" +
		base64.StdEncoding.EncodeToString(key) + "\n")
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return fail(errors.Join(err, os.Remove(path)))
	}
	return LoadKey(path)
}

// inside reports whether path lies in dir, symbolic links resolved as far as they exist.
func inside(dir, path string) bool {
	rel, err := filepath.Rel(resolved(dir), resolved(path))
	return err == nil && rel != ".." && !strings.HasPrefix(rel, ".."+string(filepath.Separator))
}

func resolved(path string) string {
	path, err := filepath.Abs(path)
	if err != nil {
		return path
	}
	rest := ""
	for p := path; ; {
		if target, err := filepath.EvalSymlinks(p); err == nil {
			return filepath.Join(target, rest)
		}
		parent := filepath.Dir(p)
		if parent == p {
			return path
		}
		rest, p = filepath.Join(filepath.Base(p), rest), parent
	}
}

// keyring finds the key for this database: the given bytes, or the file, which is created only for a new database.
func (s *Store) keyring(fresh bool) (*Keyring, error) {
	if s.options.Key != nil {
		return NewKeyring(s.options.Key)
	}
	path, err := s.keyPath()
	if err != nil {
		return nil, err
	}
	if s.options.Dir != "" && inside(s.options.Dir, path) {
		return nil, fault.New(fault.Invalid, "the key file %s lies inside the data directory %s, where a copy of the data would carry its own key", path, s.options.Dir).
			With("move it elsewhere and name it with --key-file")
	}
	k, err := LoadKey(path)
	if fault.Is(err, fault.NotFound) && fresh {
		if k, err = CreateKey(path); err == nil {
			s.keyCreated = path
			s.log.Info("created the key that seals stored credentials; back it up apart from the data", "path", path)
		}
	}
	return k, err
}

// keyPath returns the path of the key file; fault.Invalid where the key was given as bytes.
func (s *Store) keyPath() (string, error) {
	if s.options.Key != nil {
		return "", fault.New(fault.Invalid, "the key was given without a file").With("name a key file with --key-file")
	}
	if s.options.KeyFile != "" {
		return s.options.KeyFile, nil
	}
	return DefaultKeyPath()
}

// KeyCreated returns the path of the key file that Open created, or "". Whoever starts the program prints it with
// the advice to back it up apart from the data.
func (s *Store) KeyCreated() string { return s.keyCreated }
