package store

import "context"

// Size returns how many bytes the database takes, its write-ahead log included.
func (s *Store) Size(ctx context.Context) (int64, error) {
	var st Stats
	err := s.sizes(ctx, &st)
	return st.Bytes + st.WALBytes, s.failure(err)
}
