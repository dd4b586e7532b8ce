package cloud_test

import (
	"fmt"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/windlass-hq/windlass/internal/bitbucket"
)

// TestAnyListingEndsWhole lets a server answer with 429, 500 and broken answers as it likes, to up to three
// principals that it also takes for dead at times. Whatever happens, a listing that ends without an error was read
// by one principal from first page to last, and everything that was yielded is true.
func TestAnyListingEndsWhole(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		pages := rapid.IntRange(1, 8).Draw(rt, "pages")
		principals := rapid.IntRange(1, 3).Draw(rt, "principals")
		script := rapid.SliceOfN(rapid.SampledFrom([]string{"ok", "ok", "ok", "429", "429+9", "500", "cut", "401"}), 0, 40).Draw(rt, "answers")
		var problem string
		synctest.Test(t, func(t *testing.T) { problem = listScripted(t, pages, principals, script) })
		if problem != "" {
			rt.Fatal(problem)
		}
	})
}

// listScripted lists from a server that answers as the script says, and then well. It returns what was wrong.
func listScripted(t *testing.T, pages, principals int, script []string) (problem string) {
	var creds []bitbucket.Credential
	for i := range principals {
		creds = append(creds, bitbucket.Credential{Kind: bitbucket.Token, Secret: bitbucket.Secret(fmt.Sprintf("token-%d", i))})
	}
	var mu sync.Mutex
	c := openIn(t, func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		answer := "ok"
		if len(script) > 0 {
			answer, script = script[0], script[1:]
		}
		mu.Unlock()
		time.Sleep(time.Second)
		page := 1
		_, _ = fmt.Sscanf(r.URL.Query().Get("page"), "%d", &page)
		next := fmt.Sprintf("https://bb.example/2.0/p?page=%d", page+1)
		if page == pages {
			next = ""
		}
		switch answer {
		case "429":
			w.WriteHeader(429)
		case "429+9":
			w.Header().Set("Retry-After", "9")
			w.WriteHeader(429)
		case "500", "401":
			status := map[string]int{"500": 500, "401": 401}[answer]
			fail(w, status, "no")
		case "cut":
			fmt.Fprint(w, projectPage(next, page)[:20])
		default:
			fmt.Fprint(w, projectPage(next, page))
		}
	}, creds...)
	read := map[string]int{} // by principal: pages in order
	last, first := "", true
	err := c.Projects(t.Context(), acme(), func(p bitbucket.Page) error {
		want := fmt.Sprintf("P%d", read[p.Principal]+1)
		if len(p.Objects) != 1 || p.Objects[0].Entity.Properties["key"] != want {
			problem = fmt.Sprintf("%s yields %v after %d pages", p.Principal, p.Objects, read[p.Principal])
		}
		if again := read[p.Principal] == 0 && !first; p.Again != again {
			problem = fmt.Sprintf("Again = %v on page %s of %s", p.Again, want, p.Principal)
		}
		read[p.Principal]++
		last, first = p.Principal, false
		return nil
	})
	if err == nil && read[last] != pages {
		problem = fmt.Sprintf("ended without error after %v of %d pages", read, pages)
	}
	return problem
}
