package cloud_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/windlass-hq/windlass/internal/bitbucket"
	"github.com/windlass-hq/windlass/internal/bitbucket/cloud"
	"github.com/windlass-hq/windlass/internal/fault"
	"github.com/windlass-hq/windlass/internal/graph"
	"github.com/windlass-hq/windlass/internal/store"
)

// TestWorkGoesOnWithoutWhoRests: a run that begins while one of two credentials rests does not wait for it, uses it as
// soon as it is back, and asks it before anything counts as gone.
func TestWorkGoesOnWithoutWhoRests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		memory := store.NewVolatile(time.Now)
		resting := true
		asked := map[string]int{}
		open := func(noWait bool) *cloud.Client {
			c, err := cloud.New(cloud.Options{
				APIURL: "https://bb.example", Credentials: []bitbucket.Credential{tokenA, tokenB}, Connection: "acme", Spending: memory, NoWait: noWait,
				HTTP: &http.Client{Transport: inMemory{http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					me := who(r)
					asked[me]++
					switch {
					case me == "a" && resting:
						w.WriteHeader(429)
					case strings.HasPrefix(r.URL.Path, "/2.0/workspaces/"):
						fmt.Fprint(w, wsAnswer)
					case r.URL.Query().Get("pagelen") == "1":
						fmt.Fprint(w, `{"size":40,"values":[]}`)
					case strings.HasSuffix(r.URL.Path, repoUUID+"}") && me == "b":
						fail(w, 404, "Resource not found")
					case strings.HasSuffix(r.URL.Path, repoUUID+"}"):
						fmt.Fprint(w, `{"uuid":"{`+repoUUID+`}"}`)
					default:
						fmt.Fprint(w, `{"values":[]}`)
					}
				})}},
			})
			if err != nil {
				t.Fatal(err)
			}
			return c
		}
		list := func(c *cloud.Client, ws cloud.Workspace) (by string) {
			t.Helper()
			err := c.Repositories(t.Context(), ws, func(p bitbucket.Page) error { by = p.Principal; return nil })
			if err != nil {
				t.Fatal(err)
			}
			return by
		}
		start := time.Now()
		for _, noWait := range []bool{true, false} { // in the first a is refused in mid-run, before the second it was
			c := open(noWait)
			found, err := c.Workspaces(t.Context(), []string{"acme"})
			if err != nil || len(found) != 1 {
				t.Fatalf("%v, %v", found, err)
			}
			if by := list(c, found[0]); by != tokenB.Principal() {
				t.Errorf("listed by %s, want %s", by, tokenB.Principal())
			}
			if asked["a"] != 1 || time.Since(start) != 0 {
				t.Errorf("asked %v after %s, want a once and no wait", asked, time.Since(start))
			}
			ref := bitbucket.Ref{Type: graph.TypeRepo, Key: "cloud:" + repoUUID, Workspace: wsUUID}
			if noWait {
				if got, err := c.Exists(t.Context(), ref); !fault.Is(err, fault.Limited) {
					t.Errorf("what only one of two denies: %q, %v; want no verdict while the other rests", got, err)
				}
				continue
			}
			resting = false
			time.Sleep(61 * time.Minute)
			before := asked["a"]
			for range 4 {
				list(c, found[0])
			}
			if got := asked["a"] - before; got < 2 { // what it sees, then its part
				t.Errorf("after its rest a was asked %d times", got)
			}
			if got, err := c.Exists(t.Context(), ref); err != nil || got != bitbucket.Present {
				t.Errorf("what one of two sees: %q, %v", got, err)
			}
		}
	})
}
