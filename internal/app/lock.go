package app

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/windlass-hq/windlass/internal/fault"
)

// lockName is the file in the data directory that one process holds locked. It stays when the process ends; the lock
// does not.
const lockName = "windlass.lock"

type lock struct{ file *os.File }

// acquire takes the lock of a data directory, or says who has it.
func acquire(dir string) (*lock, error) {
	path := filepath.Join(dir, lockName)
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fault.Wrap(err, fault.Unavailable, "the lock file of the data directory cannot be opened").With("check who may write to %s", dir)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		defer f.Close()
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fault.Wrap(err, fault.Unavailable, "the data directory %s cannot be locked", dir).With("use a directory on a local disk")
		}
		who := "another windlass"
		if text, err := io.ReadAll(io.LimitReader(f, 32)); err == nil {
			if pid, err := strconv.Atoi(strings.TrimSpace(string(text))); err == nil {
				who = fmt.Sprintf("process %d", pid)
			}
		}
		return nil, fault.New(fault.Conflict, "the data directory %s is in use by %s", dir, who).
			With("wait until it has ended, stop it, or name another --data-dir; commands work beside windlass serve")
	}
	if err := errors.Join(f.Truncate(0), write(f, strconv.Itoa(os.Getpid())+"\n")); err != nil {
		return nil, errors.Join(fault.Wrap(err, fault.Unavailable, "the lock file %s cannot be written", path).With("check the free space of the disk"), f.Close())
	}
	return &lock{f}, nil
}

func write(f *os.File, text string) error {
	_, err := f.WriteAt([]byte(text), 0)
	return err
}

// release gives the lock back.
func (l *lock) release() error { return l.file.Close() }
