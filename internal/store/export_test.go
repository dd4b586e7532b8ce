package store

// CrashAt lets a rotation of the key end where fn returns an error, as if the process were killed there.
func (s *Store) CrashAt(fn func(point string) error) { s.crash = fn }
