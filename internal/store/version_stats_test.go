package store_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/windlass-hq/windlass/internal/graph"
	"github.com/windlass-hq/windlass/internal/store"
	"github.com/windlass-hq/windlass/internal/store/storetest"
)

func TestVersionStatsNameWhatMakesVersions(t *testing.T) {
	storetest.EachDatabase(t, func(t *testing.T, db *storetest.Database) {
		s := db.Open(t)
		scope := scopeOf(t, s, "repositories")
		began := db.Clock.Now()
		midnight := began.Truncate(24 * time.Hour)
		if st, err := s.VersionStats(t.Context(), began); err != nil || len(st.Days) != 0 {
			t.Fatalf("of an empty log: %+v, %v", st, err)
		}
		say := func(typ string, facts graph.Properties) {
			db.Clock.Advance(time.Minute)
			apply(t, s, scope, graph.Object{Entity: graph.Entity{Key: typ, Type: typ, Name: typ, Properties: facts}})
		}
		say(graph.TypeRepo, graph.Properties{"description": "0", "size": 0})
		say(graph.TypeProject, graph.Properties{"description": "0"})
		for i := range 3 {
			say(graph.TypeRepo, graph.Properties{"description": fmt.Sprint("a", i)})
			say(graph.TypeRepo, graph.Properties{"size": i + 1}) // current-only: no version
		}
		db.Clock.Advance(24 * time.Hour)
		say(graph.TypeRepo, graph.Properties{"description": nil, "language": "go"})
		say(graph.TypeProject, graph.Properties{"description": "1"})

		got, err := s.VersionStats(t.Context(), began)
		if err != nil {
			t.Fatal(err)
		}
		next := midnight.Add(24 * time.Hour)
		want := store.VersionStats{
			From: began, Changes: 7,
			Days: []store.VersionDay{
				{Day: midnight, Type: graph.TypeRepo, Versions: 3},
				{Day: next, Type: graph.TypeProject, Versions: 1},
				{Day: next, Type: graph.TypeRepo, Versions: 1},
			},
			Noisiest: []store.NoisyProperty{
				{Type: graph.TypeRepo, Property: "description", Changes: 4},
				{Type: graph.TypeProject, Property: "description", Changes: 1},
				{Type: graph.TypeRepo, Property: "language", Changes: 1},
			},
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		// With fewer changes it says where what it covers begins; so it does after a purge.
		got, err = s.VersionStatsOf(t.Context(), began, 2)
		if err != nil || got.Changes != 2 || len(got.Days) != 2 || !got.From.After(next) {
			t.Errorf("of the newest two: %+v, %v", got, err)
		}
		cut := next.Add(time.Hour)
		if _, err := s.Purge(t.Context(), cut); err != nil {
			t.Fatal(err)
		}
		got, err = s.VersionStats(t.Context(), began)
		if err != nil || !got.From.Equal(cut) || got.Changes != 2 {
			t.Errorf("after a purge: %+v, %v", got, err)
		}
		st, err := s.Stats(t.Context())
		if diff := cmp.Diff(map[string]int{graph.TypeProject: 1, graph.TypeRepo: 1}, st.VersionsDay); err != nil || diff != "" {
			t.Errorf("of the last day (-want +got):\n%s%v", diff, err)
		}
	})
}
