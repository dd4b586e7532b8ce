package sandbox_test

import (
	"net/http"
	"strconv"
	"sync"
	"testing"

	"github.com/windlass-hq/windlass/internal/bitbucket/sandbox"
)

// TestReadsBesideChanges lets readers of every kind run while the same repository changes; it is meant for the race
// detector, and checks that every answer is whole.
func TestReadsBesideChanges(t *testing.T) {
	s, base := start(t, sandbox.Options{})
	name := someRepository(t, base)
	api := base + "/2.0/repositories/" + name
	var wg sync.WaitGroup
	for _, path := range []string{"/pullrequests?state=ALL&pagelen=50", "/commits", "/refs", "/pullrequests/activity", "/pullrequests/2", ""} {
		wg.Go(func() {
			for range 25 {
				resp, body := get(t, token, api+path)
				if resp.StatusCode != http.StatusOK {
					t.Errorf("%s: %s %.200s", path, resp.Status, body)
				}
			}
		})
	}
	wg.Go(func() {
		for range 4 {
			git(t, "", "ls-remote", cloneURL(base, name, "x-token-auth", token))
		}
	})
	wg.Go(func() {
		for i := range 8 {
			id, err := s.OpenPullRequest(sandbox.PullRequestSpec{Repository: name, Title: "t", Source: "race-" + strconv.Itoa(i)})
			if err == nil {
				err = s.Approve(name, id, "admin@acme.example")
			}
			if err == nil {
				_, err = s.Merge(name, id, "")
			}
			if err == nil {
				err = s.EditCredential("access-token-3", func(c *sandbox.Credential) { c.Expired = !c.Expired })
			}
			if err != nil {
				t.Error(err)
			}
		}
	})
	wg.Wait()
	if got, want := len(walk(t, api+`/pullrequests?q=title="t"+AND+state="MERGED"&pagelen=50`)), 8; got != want {
		t.Errorf("%d merged, want %d", got, want)
	}
}
