package sync_test

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/windlass-hq/windlass/internal/bitbucket/sandbox"
	"github.com/windlass-hq/windlass/internal/graph"
	"github.com/windlass-hq/windlass/internal/query"
	"github.com/windlass-hq/windlass/internal/store"
	"github.com/windlass-hq/windlass/internal/store/storetest"
	"github.com/windlass-hq/windlass/internal/sync"
)

// life is a product whose days are lived, read by a credential that may read everything, settings too.
type life interface {
	side
	play(s *sandbox.Sandbox, day int) ([]sandbox.Act, error)
	record(s *sandbox.Sandbox) *record // of what is true now
}

type cloudLife struct{ cloudSide }

func (l cloudLife) credential() store.Credential { return l.access() }

func (cloudLife) play(s *sandbox.Sandbox, day int) ([]sandbox.Act, error) {
	return s.Day(sandbox.DayOptions{Product: "cloud", Seed: 30, Day: day})
}

func (cloudLife) record(s *sandbox.Sandbox) *record { return cloudRecord(s.Truth(), "acme") }

type dataCenterLife struct{ dataCenterSide }

func (l dataCenterLife) credential() store.Credential { return l.access() }

func (dataCenterLife) play(s *sandbox.Sandbox, day int) ([]sandbox.Act, error) {
	return s.Day(sandbox.DayOptions{Product: "datacenter", Seed: 30, Day: day})
}

func (l dataCenterLife) record(s *sandbox.Sandbox) *record {
	t := s.DataCenter().Truth()
	if l.version == "8.9" { // which shows no drafts
		for _, p := range t.Spaces[0].Projects {
			for _, r := range p.Repositories {
				for i := range r.PullRequests {
					r.PullRequests[i].Draft = false
				}
			}
		}
	}
	return dataCenterRecord(t, "i1")
}

// TestThirtyDays lives thirty days, of which every act changes something at Bitbucket, and reads everything at the end
// of each. The graph equals what is true after every day, and afterwards what was true can be asked for of every day.
// Cloud on SQLite lives all of them, Data Center on PostgreSQL ten, the other pairs three; WINDLASS_TEST_DAYS makes it as
// many for all.
func TestThirtyDays(t *testing.T) {
	sqlite, postgres := []life{cloudLife{}, dataCenterLife{dataCenterSide{"9.4"}}}, []life{dataCenterLife{dataCenterSide{"8.9"}}, cloudLife{}}
	days := 30
	if testing.Short() { // make test lives them without the race detector
		return
	}
	onPostgres, others := min(days, 10), min(days, 3)
	if n, err := strconv.Atoi(os.Getenv("WINDLASS_TEST_DAYS")); err == nil {
		days, onPostgres, others = n, n, n
	}
	run := func(database func(testing.TB) *storetest.Database, lives []life, days int) {
		for i, l := range lives {
			db, days := database(t), days
			if i > 0 {
				days = others
			}
			t.Run(db.Name+"/"+l.String(), func(t *testing.T) {
				t.Parallel()
				live(t, newFixture(t, db, sandbox.Options{Seed: 3, Repositories: 14, PullRequests: 160, Users: 20}, l), l, days)
			})
		}
	}
	run(storetest.SQLite, sqlite, days)
	run(storetest.PostgreSQL, postgres, onPostgres)
}

// moment is the end of a day, and what was true then.
type moment struct {
	at   time.Time
	then *record
}

func live(t *testing.T, f *fixture, l life, days int) {
	t.Helper()
	f.settings = true
	asks := query.New(f.store, graph.Standard()).WithClock(f.now)
	var past []moment
	size := f.size()
	first, acted := sizes{}, 0
	for day := range days + 1 {
		title := "before the first day"
		var acts []sandbox.Act
		if day > 0 {
			title = fmt.Sprintf("day %d", day)
			f.ahead.Add(int64(24 * time.Hour))
			var err error
			if acts, err = l.play(f.sandbox, day); err != nil {
				t.Fatal(err)
			}
		}
		s := f.sync(sync.RunOptions{Full: true, ConfirmDeletes: "all"}, sync.Complete)
		m := moment{f.now(), l.record(f.sandbox)}
		compare(t, title, graphAt(t, asks, nil), m.then)
		past = append(past, m)
		before := size
		if size = f.size(); day == 0 {
			first = size
		}
		acted += len(acts)
		t.Logf("%s: %d acts, %d calls; %+v; %s", title, len(acts), s.Calls, s.Changes, size.since(before))
	}
	grown, changed := size.bytes-first.bytes, size.rows["change"]-first.rows["change"]
	t.Logf("%d days: %d KiB a day; %d acts, %d objects changed, %d bytes for each", days, grown>>10/int64(days), acted, changed, grown/max(1, changed))
	for day, m := range past {
		compare(t, fmt.Sprintf("asked afterwards, as of the end of day %d", day), graphAt(t, asks, &m.at), m.then)
	}
}

// compare fails with what differs. People who are met no more stay known as they were met last.
func compare(t *testing.T, when string, got, want *record) {
	t.Helper()
	for key := range got.lines {
		if _, seen := want.lines[key]; !seen && strings.Contains(key, ":user:") && !strings.Contains(key, "|") && !strings.Contains(key, ":perm:") {
			delete(got.lines, key)
		}
	}
	diff := got.differences(want)
	if len(diff) == 0 {
		return
	}
	t.Fatalf("%s: %d differences:\n%s", when, len(diff), strings.Join(diff[:min(40, len(diff))], "\n"))
}

// sizes are what a database holds.
type sizes struct {
	bytes int64
	rows  map[string]int64
}

func (f *fixture) size() sizes {
	f.t.Helper()
	pages := "SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()" // what lies in the log too
	if f.store.Dialect().Name() == "postgres" {
		pages = "SELECT pg_database_size(current_database())"
	}
	s := sizes{rows: map[string]int64{}}
	f.must(f.store.Reader().QueryRowContext(f.t.Context(), pages).Scan(&s.bytes))
	for _, table := range []string{"entity", "entity_old", "rel", "rel_old", "change"} {
		var n int64
		f.must(f.store.Reader().QueryRowContext(f.t.Context(), "SELECT count(*) FROM "+table).Scan(&n))
		s.rows[table] = n
	}
	return s
}

// since says how much a database has grown.
func (s sizes) since(before sizes) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d KiB (%+d)", s.bytes>>10, (s.bytes-before.bytes)>>10)
	for _, table := range slices.Sorted(maps.Keys(s.rows)) {
		fmt.Fprintf(&b, ", %s %d (%+d)", table, s.rows[table], s.rows[table]-before.rows[table])
	}
	return b.String()
}
