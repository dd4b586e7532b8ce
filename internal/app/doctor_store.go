package app

import (
	"context"
	"fmt"
	"maps"
	"slices"
)

// busy is how many versions of one type a day look like a property that should not make versions.
const busy = 10_000

// doctorStore looks at the database: sizes, how fast history grows, and what makes it grow.
func (a *App) doctorStore(ctx context.Context, add adder) error {
	st, err := a.store.Stats(ctx)
	if err != nil {
		return err
	}
	wal := ""
	if st.WALBytes > 0 {
		wal = fmt.Sprintf(", write-ahead log %d kB", st.WALBytes>>10)
	}
	add("ok", "database", "", "%s, %s, schema %d, %d kB%s", st.Dialect, st.Place, st.Schema, st.Bytes>>10, wal)
	open := 0
	for _, n := range st.OpenByType {
		open += n
	}
	add("ok", "graph", "", "%d open entities, %d relationships, %d earlier versions, %d changes",
		open, st.Rows["rel"], st.Rows["entity_old"], st.Rows["change"])
	for _, typ := range slices.Sorted(maps.Keys(st.VersionsDay)) {
		n := st.VersionsDay[typ]
		level, remedy := "info", ""
		if n > busy {
			level, remedy = "warning", "see the noisiest properties below; one that always moves should be current-only"
		}
		add(level, "versions", remedy, "%d of %s within 24 hours", n, typ)
	}
	for _, p := range st.Noisiest {
		add("info", "noisy property", "", "%s.%s: %d changes within 24 hours", p.Type, p.Property, p.Changes)
	}
	return nil
}
