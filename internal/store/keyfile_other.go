//go:build !unix || solaris || illumos || aix

package store

import "os"

// lockFolder locks nothing where there is no flock.
func lockFolder(string) (unlock func(), err error) { return func() {}, nil }

// alike has nothing to do where a new file belongs to whoever owns the folder.
func alike(*os.File, string) error { return nil }

// syncFolder has nothing to do where folders cannot be opened.
func syncFolder(string) error { return nil }
