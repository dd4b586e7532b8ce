package store

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/windlass-hq/windlass/internal/graph"
)

// VersionStats says what made versions of late, by the change log. Versions of relationships are not counted.
type VersionStats struct {
	// From is where the counts begin: the moment that was asked for, or a later one where the log before it was not
	// looked at, for its length, or has been purged.
	From     time.Time
	Changes  int             // how many changes since then were looked at
	Days     []VersionDay    // by day in UTC, then by type
	Noisiest []NoisyProperty // the ten properties that changed in most versions
}

// VersionDay is how many versions of one type began on one day, beside the first of each entity.
type VersionDay struct {
	Day      time.Time // midnight, UTC
	Type     string
	Versions int
}

// changesRead is how many changes VersionStats looks at, newest first and as many of each stream: it takes about a
// second however large the database is.
const changesRead = 50_000

// VersionStats counts versions since a moment by type and day, and by the properties that made them. It looks at the
// newest changes only, so the time that it covers may begin later; From says when.
func (s *Store) VersionStats(ctx context.Context, since time.Time) (VersionStats, error) {
	return s.versionStats(ctx, since, changesRead)
}

// versionMade is a change that may have made a version.
type versionMade struct {
	at         int64
	typ        string
	properties []string // empty where none was made
}

func (s *Store) versionStats(ctx context.Context, since time.Time, most int) (VersionStats, error) {
	streams, err := s.Streams(ctx)
	if err != nil || len(streams) == 0 {
		return VersionStats{From: since.UTC()}, err
	}
	complete, err := s.HistoryFrom(ctx)
	if err != nil {
		return VersionStats{}, err
	}
	from := max(since.UnixMicro(), complete.UnixMicro())
	var all []versionMade
	for _, st := range streams {
		list, begins, err := s.versionsMade(ctx, st, since.UnixMicro(), max(most/len(streams), 1))
		if err != nil {
			return VersionStats{}, err
		}
		from = max(from, begins)
		all = append(all, list...)
	}
	out := VersionStats{From: timeOf(from)}
	days, properties := map[VersionDay]int{}, map[NoisyProperty]int{}
	for _, v := range all {
		if v.at < from {
			continue
		}
		out.Changes++
		if len(v.properties) == 0 {
			continue
		}
		days[VersionDay{Day: timeOf(v.at).Truncate(24 * time.Hour), Type: v.typ}]++
		for _, p := range v.properties {
			properties[NoisyProperty{Type: v.typ, Property: p}]++
		}
	}
	for d, n := range days {
		d.Versions = n
		out.Days = append(out.Days, d)
	}
	slices.SortFunc(out.Days, func(a, b VersionDay) int { return cmp.Or(a.Day.Compare(b.Day), cmp.Compare(a.Type, b.Type)) })
	for p, n := range properties {
		p.Changes = n
		out.Noisiest = append(out.Noisiest, p)
	}
	slices.SortFunc(out.Noisiest, func(a, b NoisyProperty) int {
		return cmp.Or(cmp.Compare(b.Changes, a.Changes), cmp.Compare(a.Type, b.Type), cmp.Compare(a.Property, b.Property))
	})
	out.Noisiest = out.Noisiest[:min(10, len(out.Noisiest))]
	return out, nil
}

// versionsMade reads the newest changes of a stream, back to a moment but at most so many. It returns where what it
// read begins: zero where it is all there is since then.
func (s *Store) versionsMade(ctx context.Context, st Stream, since int64, most int) (list []versionMade, begins int64, err error) {
	d := s.dialect
	// What is older ends the search, so the log is not read to its beginning for a quiet week.
	const step = 5000
	before := st.Last + 1
	for {
		n := min(step, most-len(list))
		if n == 0 {
			return list, list[len(list)-1].at, nil
		}
		type change struct {
			versionMade
			seq int64
		}
		part, err := collect(ctx, s, func(row interface{ Scan(...any) error }) (change, error) {
			var c change
			var op string
			var was, now sql.NullString
			if err := row.Scan(&c.seq, &c.at, &op, &c.typ, &was, &now); err != nil {
				return c, err
			}
			var err error
			if op == string(graph.Updated) {
				c.properties, err = names(was, now)
			}
			return c, err
		}, `SELECT seq, at, op, type, `+d.JSONOut("old")+`, `+d.JSONOut("new")+` FROM change WHERE stream = $1 AND seq < $2 ORDER BY seq DESC LIMIT $3`,
			st.ID, before, n)
		if err != nil {
			return nil, 0, err
		}
		for _, c := range part {
			if c.at < since {
				return list, 0, nil
			}
			list, before = append(list, c.versionMade), c.seq
		}
		if len(part) < n {
			return list, 0, nil
		}
	}
}

// names returns the names of the properties that a change is about.
func names(objects ...sql.NullString) ([]string, error) {
	var out []string
	for _, o := range objects {
		if !o.Valid {
			continue
		}
		var p map[string]json.RawMessage
		if err := json.Unmarshal([]byte(o.String), &p); err != nil {
			return nil, fmt.Errorf("properties of a change: %w", err)
		}
		for name := range p {
			if !slices.Contains(out, name) {
				out = append(out, name)
			}
		}
	}
	return out, nil
}
