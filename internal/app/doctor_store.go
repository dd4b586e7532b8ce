package app

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
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
	daily := upkeep{history{a}}
	sizes, err := daily.sizes(ctx)
	if err != nil {
		return err
	}
	grows := ""
	if perDay, days, ok := growth(sizes, st.Bytes+st.WALBytes, a.Now()); ok {
		grows = fmt.Sprintf(", %+d kB a day over the last %.0f days", perDay>>10, days)
	}
	add("ok", "database", "", "%s, %s, schema %d, %d kB%s%s", st.Dialect, st.Place, st.Schema, st.Bytes>>10, wal, grows)
	if err := a.doctorHistory(ctx, daily.history, add); err != nil {
		return err
	}
	open := 0
	for _, n := range st.OpenByType {
		open += n
	}
	add("ok", "graph", "", "%d open entities, %d relationships, %d earlier versions, %d changes",
		open, st.Rows["rel"], st.Rows["entity_old"], st.Rows["change"])
	return a.doctorVersions(ctx, add)
}

// doctorVersions says what makes history grow: versions by type and day, and the properties that make most of them.
func (a *App) doctorVersions(ctx context.Context, add adder) error {
	v, err := a.store.VersionStats(ctx, a.Now().AddDate(0, 0, -7))
	if err != nil {
		return err
	}
	since := v.From.Format("2006-01-02 15:04 UTC")
	byType, most := map[string][]string{}, map[string]int{}
	for _, d := range slices.Backward(v.Days) { // the newest first
		byType[d.Type] = append(byType[d.Type], fmt.Sprintf("%d on %s", d.Versions, d.Day.Format(time.DateOnly)))
		most[d.Type] = max(most[d.Type], d.Versions)
	}
	for _, typ := range slices.Sorted(maps.Keys(byType)) {
		level, remedy := "info", ""
		if most[typ] > busy {
			level, remedy = "warning", "see the noisy properties below"
		}
		add(level, "versions", remedy, "%s: %s", typ, strings.Join(byType[typ], ", "))
	}
	for _, p := range v.Noisiest {
		add("info", "noisy property", "if it changes though nobody changes it, report it: it should be declared current-only",
			"%s.%s: %d changes since %s", p.Type, p.Property, p.Changes, since)
	}
	return nil
}

// doctorHistory says how far back the graph can be read, and what keeps it longer.
func (a *App) doctorHistory(ctx context.Context, h history, add adder) error {
	r, err := h.Retention(ctx)
	if err != nil {
		return err
	}
	from, last := "the beginning", "never purged"
	if r.From != nil {
		from = r.From.Format(time.RFC3339)
	}
	if p := r.LastPurge; p != nil {
		last = fmt.Sprintf("last purged %s (%d versions, %d relationships, %d changes)", p.At.Format(time.RFC3339), p.Versions, p.Relationships, p.Changes)
	}
	level, remedy := "ok", ""
	if r.Before != nil && r.LastPurge != nil && a.Now().Sub(r.LastPurge.At) > 3*24*time.Hour {
		level, remedy = "warning", "windlass serve purges daily; windlass history purge does it now"
	}
	add(level, "history", remedy, "kept for %s, complete since %s, %s", r.Kept, from, last)
	holds, err := a.store.Holds(ctx)
	if err != nil {
		return err
	}
	for _, k := range holds {
		if k.ReleasedAt == nil {
			what := k.Subject
			if what == "" {
				what = "everything"
			}
			add("info", "hold", "windlass hold release "+k.Name, "%s keeps %s since %s: %s", k.Name, what, k.CreatedAt.Format(time.DateOnly), k.Reason)
		}
	}
	return nil
}
