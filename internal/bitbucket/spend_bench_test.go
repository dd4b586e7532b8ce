package bitbucket_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/windlass-hq/windlass/internal/bitbucket"
	"github.com/windlass-hq/windlass/internal/store"
	"github.com/windlass-hq/windlass/internal/store/storetest"
)

// BenchmarkCall is what one call costs beside the network: counted in memory, counted in a database, and paced by one.
func BenchmarkCall(b *testing.B) {
	ok := func(w http.ResponseWriter, _ *http.Request) { answerJSON(w, 200, `{}`) }
	for name, set := range map[string]func(*bitbucket.Options, *store.Store){
		"memory":   func(*bitbucket.Options, *store.Store) {},
		"database": func(o *bitbucket.Options, s *store.Store) { o.Spending = s },
		"paced": func(o *bitbucket.Options, s *store.Store) {
			o.Spending, o.Pacer, o.Throttle = s, s, bitbucket.Throttle{InFlight: 4, PerSecond: 1e6}
		},
	} {
		b.Run(name, func(b *testing.B) {
			s := storetest.SQLite(b).Open(b, storetest.WithNow(time.Now))
			api, err := bitbucket.ParseOrigin(host+"/2.0", false)
			if err != nil {
				b.Fatal(err)
			}
			o := bitbucket.Options{
				API: api, Credentials: []bitbucket.Credential{tokenA}, HTTP: &http.Client{Transport: inMemory{http.HandlerFunc(ok)}},
				Allowances: bitbucket.Allowances{"": 1 << 40},
			}
			set(&o, s)
			c, err := bitbucket.New(o)
			if err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				if _, err := c.Do(b.Context(), bitbucket.Request{Path: "/x"}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
