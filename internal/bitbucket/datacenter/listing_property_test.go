package datacenter_test

import (
	"fmt"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/windlass-hq/windlass/internal/bitbucket"
	"github.com/windlass-hq/windlass/internal/bitbucket/datacenter"
)

// TestAnyListingEndsWhole lets a server with pages of any size answer with 429, 500, broken answers and refusals as it
// likes, to up to three principals that see different pull requests of one repository, or the same. Whatever happens, a
// listing that ends without an error was read by one principal from first page to last, and everything that was yielded
// is true.
func TestAnyListingEndsWhole(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		total := rapid.IntRange(0, 12).Draw(rt, "pull requests")
		granted := rapid.IntRange(1, 5).Draw(rt, "granted")
		gap := rapid.IntRange(0, 2).Draw(rt, "gap")
		principals := rapid.IntRange(1, 3).Draw(rt, "principals")
		script := rapid.SliceOfN(rapid.SampledFrom([]string{"ok", "ok", "ok", "429", "429+9", "500", "cut", "401", "404"}), 0, 40).Draw(rt, "answers")
		var problem string
		synctest.Test(t, func(t *testing.T) { problem = listScripted(t, total, granted, gap, principals, script) })
		if problem != "" {
			rt.Fatal(problem)
		}
	})
}

// TestAFirstPageThatFailsBeginsNothingAgain has the server fail on large pages before anything was yielded: the smaller
// ones are the beginning then, and there is nothing to be forgotten.
func TestAFirstPageThatFailsBeginsNothingAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		if problem := listScripted(t, 1, 1, 0, 1, []string{"500", "500", "500"}); problem != "" {
			t.Error(problem)
		}
	})
}

// listScripted lists from a server that answers as the script says, and then well; positions without a pull request lie
// between those that have one. It returns what was wrong.
func listScripted(t *testing.T, total, granted, gap, principals int, script []string) (problem string) {
	var creds []bitbucket.Credential
	for i := range principals {
		creds = append(creds, bitbucket.Credential{Kind: bitbucket.Token, Secret: bitbucket.Secret(fmt.Sprintf("token-%d", i))})
	}
	repo := repoJSON(42, "engine", projectJSON(7, "ENG"))
	var mu sync.Mutex
	c := openIn(t, handler(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		answer := "ok"
		if len(script) > 0 {
			answer, script = script[0], script[1:]
		}
		mu.Unlock()
		time.Sleep(time.Second)
		var start int
		_, _ = fmt.Sscan(r.URL.Query().Get("start"), &start)
		step := 1 + gap
		var values []string
		at := start
		for ; at < total*step && len(values) < granted; at++ {
			if at%step == 0 {
				n := total - at/step
				values = append(values, prJSON(n, "OPEN", int64(n)*1000, repo))
			}
		}
		next := at
		if next >= total*step {
			next = -1
		}
		body := page(start, granted, next, values...)
		switch answer {
		case "429":
			w.WriteHeader(429)
		case "429+9":
			w.Header().Set("Retry-After", "9")
			w.WriteHeader(429)
		case "500":
			fail(w, 500, "x", "no")
		case "401":
			fail(w, 401, "com.atlassian.bitbucket.AuthorisationException", "not permitted")
		case "404":
			fail(w, 404, "com.atlassian.bitbucket.repository.NoSuchRepositoryException", "no such repository")
		case "cut":
			fmt.Fprint(w, body[:len(body)/2])
		default:
			fmt.Fprint(w, body)
		}
	}), func(o *datacenter.Options) { o.Credentials = creds })
	read := map[string][]int64{} // by principal: numbers in order
	last, first := "", true
	err := c.PullRequests(t.Context(), engine(), func(p bitbucket.Page) error {
		if p.Again {
			read[p.Principal] = nil
		}
		if again := len(read[p.Principal]) == 0 && !first; p.Again != again && len(p.Objects) > 0 {
			problem = fmt.Sprintf("Again = %v on a page of %s after %v", p.Again, p.Principal, read)
		}
		for _, o := range p.Objects {
			read[p.Principal] = append(read[p.Principal], o.Entity.Properties["id"].(int64))
		}
		last, first = p.Principal, false
		return nil
	})
	if err != nil {
		return problem
	}
	for i, n := range read[last] {
		if n != int64(total-i) {
			problem = fmt.Sprintf("%s read %v", last, read[last])
		}
	}
	if len(read[last]) != total {
		problem = fmt.Sprintf("ended without error after %v of %d pull requests", read, total)
	}
	return problem
}
