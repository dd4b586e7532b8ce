package store

import (
	"context"
	"time"
)

// CrashAt lets a rotation of the key end where fn returns an error, as if the process were killed there.
func (s *Store) CrashAt(fn func(point string) error) { s.crash = fn }

// VersionStatsOf is VersionStats that looks at no more than so many changes.
func (s *Store) VersionStatsOf(ctx context.Context, since time.Time, most int) (VersionStats, error) {
	return s.versionStats(ctx, since, most)
}
