package sync

import (
	"fmt"
	"maps"
	"strings"
	gosync "sync"
	"time"

	"github.com/windlass-hq/windlass/internal/store"
)

// readers keeps one reader per connection for polls and deliveries for a while, so that each does not sign in and ask
// anew who sees what. The lease of deliveries sees to it that one at a time uses it.
type readers struct {
	mu           gosync.Mutex
	byConnection map[int64]keptReader
}

type keptReader struct {
	reader Reader
	of     string // what it was opened with
	until  time.Time
}

// get returns the reader of a connection, another one where settings or credentials are not those of the one that is
// kept.
func (r *readers) get(conn store.Connection, credentials []store.Credential, now time.Time, open func() (Reader, error)) (Reader, error) {
	var of strings.Builder
	fmt.Fprint(&of, conn.Name, conn.Settings) // maps are printed in the order of their keys
	for _, k := range credentials {
		fmt.Fprint(&of, " ", k.ID, k.CreatedAt.UnixMicro())
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	kept, ok := r.byConnection[conn.ID]
	if ok && kept.of == of.String() && now.Before(kept.until) {
		return kept.reader, nil
	}
	if ok {
		kept.reader.Close()
		delete(r.byConnection, conn.ID)
	}
	reader, err := open()
	if err != nil {
		return nil, err
	}
	r.byConnection[conn.ID] = keptReader{reader: reader, of: of.String(), until: now.Add(keptFor)}
	return reader, nil
}

func (r *readers) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for kept := range maps.Values(r.byConnection) {
		kept.reader.Close()
	}
	clear(r.byConnection)
}
