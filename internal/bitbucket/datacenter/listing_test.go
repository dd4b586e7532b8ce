package datacenter_test

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/windlass-hq/windlass/internal/bitbucket"
	"github.com/windlass-hq/windlass/internal/bitbucket/datacenter"
	"github.com/windlass-hq/windlass/internal/fault"
)

// handler answers application-properties as the caller, and the rest by a function.
func handler(rest http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-AUSERNAME", who(r))
		if strings.HasSuffix(r.URL.Path, "/application-properties") {
			fmt.Fprint(w, app)
			return
		}
		rest(w, r)
	})
}

// listProjects lists and returns the keys that were yielded, a bar before each page that began again.
func listProjects(t *testing.T, c *datacenter.Client) (names []string, err error) {
	err = c.Projects(t.Context(), func(p bitbucket.Page) error {
		if p.Again {
			names = append(names, "|")
		}
		for _, o := range p.Objects {
			names = append(names, o.Entity.Properties["key"].(string))
		}
		return nil
	})
	return names, err
}

func TestListingsThatDoNotEnd(t *testing.T) {
	for name, tc := range map[string]struct {
		page  func(n int, start string) string
		want  string
		calls int // at most
	}{
		"start stands still": {func(int, string) string { return page(0, 25, 0, projectJSON(1, "P1")) }, "so that there is no end", 1},
		"start goes back": {func(n int, start string) string {
			return page(max(0, 50*(n-1)), 25, 50*(n%2), projectJSON(n, fmt.Sprint("P", n)))
		}, "so that there is no end", 3},
		"same page for ever":    {func(n int, _ string) string { return page(25*(n-1), 25, 25*n, projectJSON(1, "P1")) }, "same as an earlier one", 4},
		"an old page is cached": {func(n int, _ string) string { return page(0, 25, 25, projectJSON(n, fmt.Sprint("P", n))) }, "begins at 0 although 25 was asked for", 3},
		"no next":               {func(int, string) string { return `{"values":[` + projectJSON(1, "P1") + `],"isLastPage":false}` }, "names no next one", 1},
		"next is text":          {func(int, string) string { return `{"values":[` + projectJSON(1, "P1") + `],"nextPageStart":"25"}` }, "no number", 1},
	} {
		t.Run(name, func(t *testing.T) {
			n := 0
			c := openIn(t, handler(func(w http.ResponseWriter, r *http.Request) {
				n++
				fmt.Fprint(w, tc.page(n, r.URL.Query().Get("start")))
			}))
			names, err := listProjects(t, c)
			if !fault.Is(err, fault.Unavailable) || !strings.Contains(err.Error(), tc.want) || !strings.Contains(err.Error(), "the projects") {
				t.Errorf("%v, want %q", err, tc.want)
			}
			if n > tc.calls || len(names) == 0 || names[0] != "P1" {
				t.Errorf("%d requests, read %q", n, names)
			}
		})
	}
}

// TestEmptyPagesEnd gives pages without content, whose start moves forward, because nothing of them may be seen.
func TestEmptyPagesEnd(t *testing.T) {
	n := 0
	c := openIn(t, handler(func(w http.ResponseWriter, _ *http.Request) {
		n++
		if n == 60 {
			fmt.Fprint(w, page(1000*(n-1), 1000, -1, projectJSON(1, "P1")))
			return
		}
		fmt.Fprint(w, page(1000*(n-1), 1000, 1000*n))
	}))
	if names, err := listProjects(t, c); err != nil || !slices.Equal(names, []string{"P1"}) {
		t.Errorf("read %q, %v", names, err)
	}
}

func TestAnErrorInTheMiddleKeepsWhatWasRead(t *testing.T) {
	for name, tc := range map[string]struct {
		second http.HandlerFunc
		code   fault.Code
		wants  []string
	}{
		"truncated": {func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"values":[`) }, fault.Unavailable, []string{"not complete JSON"}},
		"no page":   {func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"hello":"world"}`) }, fault.Unavailable, []string{"no list of values", "--url"}},
		"web page":  {func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `<html><title>Log in</title>`) }, fault.Unavailable, []string{"Log in"}},
		"login redirect": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", "https://bb.example/login?next=/x")
			w.WriteHeader(302)
		}, fault.Unavailable, []string{"https://bb.example/login", "https://bb.example/rest"}},
		"nobody logged in": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Del("X-AUSERNAME")
			fmt.Fprint(w, page(1, 1, -1))
		}, fault.Unavailable, []string{"as if nobody had logged in"}},
		"server error": {func(w http.ResponseWriter, _ *http.Request) { fail(w, 500, "x", "boom") }, fault.Unavailable, []string{"status 500"}},
		"gone":         {func(w http.ResponseWriter, _ *http.Request) { fail(w, 404, "x", "no such thing") }, fault.NotFound, []string{"/rest/api/latest/projects"}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := openIn(t, handler(func(w http.ResponseWriter, r *http.Request) {
					if r.URL.Host != "bb.example" || !strings.HasPrefix(r.URL.Path, "/rest/") {
						t.Errorf("%s was asked with %q", r.URL, r.Header.Get("Authorization"))
					}
					if r.URL.Query().Get("start") == "" {
						fmt.Fprint(w, page(0, 1, 1, projectJSON(1, "P1")))
						return
					}
					tc.second(w, r)
				}))
				if _, err := c.Instance(t.Context()); err != nil {
					t.Fatal(err)
				}
				names, err := listProjects(t, c)
				if !fault.Is(err, tc.code) {
					t.Fatalf("%s: %v", fault.CodeOf(err), err)
				}
				if !slices.Equal(names, []string{"P1"}) {
					t.Errorf("read %q before the error", names)
				}
				for _, want := range tc.wants {
					if !strings.Contains(err.Error(), want) {
						t.Errorf("%q lacks %q", err, want)
					}
				}
			})
		})
	}
}

// TestNobodyIsLoggedIn lets a proxy drop the Authorization header: the instance then answers with what is public, from
// which everything else would look deleted.
func TestNobodyIsLoggedIn(t *testing.T) {
	c := openIn(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, app) }))
	if _, err := c.Instance(t.Context()); !fault.Is(err, fault.Unauthorized) || !strings.Contains(err.Error(), "as if nobody had logged in") {
		t.Errorf("%v", err)
	}
}

// TestTwoSightsMakeOneListing gives each principal other projects: both are read to the end, and what both see comes
// once.
func TestTwoSightsMakeOneListing(t *testing.T) {
	c := openIn(t, handler(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case who(r) == "a":
			fmt.Fprint(w, page(0, 1000, -1, projectJSON(1, "P1"), projectJSON(2, "P2")))
		case r.URL.Query().Get("start") == "":
			fmt.Fprint(w, page(0, 1, 1, projectJSON(2, "P2")))
		default:
			fmt.Fprint(w, page(1, 1, -1, projectJSON(3, "P3")))
		}
	}), with(tokenA, tokenB))
	if names, err := listProjects(t, c); err != nil || !slices.Equal(names, []string{"P1", "P2", "P3"}) {
		t.Errorf("%q, %v", names, err)
	}
}

func TestARefusedPrincipalIsLeftOut(t *testing.T) {
	for name, tc := range map[string]struct {
		b    int // status of the second principal
		code fault.Code
	}{
		"by one":      {200, ""},
		"by both":     {403, fault.Denied},
		"in a moment": {500, fault.Unavailable},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := openIn(t, handler(func(w http.ResponseWriter, r *http.Request) {
					switch {
					case who(r) == "a":
						fail(w, 404, "x", "nothing here")
					case tc.b != 200:
						fail(w, tc.b, "x", "no")
					default:
						fmt.Fprint(w, page(0, 1000, -1, projectJSON(1, "P1")))
					}
				}), with(tokenA, tokenB))
				if _, err := listProjects(t, c); fault.CodeOf(err) != tc.code {
					t.Errorf("%v, want code %q", err, tc.code)
				}
			})
		})
	}
}

// TestASpentAllowanceLosesNothing has the first principal limited in the middle and nobody willing to wait: what the
// other one sees is read, and the listing is not taken for whole.
func TestASpentAllowanceLosesNothing(t *testing.T) {
	c := openIn(t, handler(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case who(r) == "b":
			fmt.Fprint(w, page(0, 1000, -1, projectJSON(2, "P2")))
		case r.URL.Query().Get("start") == "":
			fmt.Fprint(w, page(0, 1, 1, projectJSON(1, "P1")))
		default:
			w.WriteHeader(http.StatusTooManyRequests)
		}
	}), with(tokenA, tokenB), func(o *datacenter.Options) { o.NoWait = true })
	if names, err := listProjects(t, c); !fault.Is(err, fault.Limited) || !slices.Equal(names, []string{"P1", "P2"}) {
		t.Errorf("%q, %v", names, err)
	}
}

// TestTheConsumerStopsTheListing ends a listing with the consumer's own error.
func TestTheConsumerStopsTheListing(t *testing.T) {
	c := openIn(t, handler(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, page(0, 1, 1, projectJSON(1, "P1"))) }))
	enough := errors.New("enough")
	if err := c.Projects(t.Context(), func(bitbucket.Page) error { return enough }); !errors.Is(err, enough) {
		t.Errorf("%v", err)
	}
}

// prServer answers pull requests of one repository, newest first, in pages of at most most.
type prServer struct {
	all    []string // JSON, newest first
	states []string
	most   int
	asked  []string
}

func (s *prServer) handle(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	var start, limit int
	fmt.Sscan(q.Get("start"), &start)
	fmt.Sscan(q.Get("limit"), &limit)
	limit = min(limit, s.most)
	s.asked = append(s.asked, q.Get("state"))
	var list []string
	for i, p := range s.all {
		if q.Get("state") == "ALL" || q.Get("state") == s.states[i] {
			list = append(list, p)
		}
	}
	end, next := min(start+limit, len(list)), -1
	if end < len(list) {
		next = end
	}
	fmt.Fprint(w, page(start, limit, next, list[start:end]...))
}

// TestPullRequestsSince reads no further than it must: the newest until they are older, then the open ones, unless the
// list ended before. An order that is not by the last update is not relied on.
func TestPullRequestsSince(t *testing.T) {
	repo := repoJSON(42, "engine", projectJSON(7, "ENG"))
	build := func(most int, updates ...int64) *prServer {
		s := &prServer{most: most}
		for i, u := range updates {
			state := "MERGED"
			if i%4 == 3 {
				state = "OPEN"
			}
			s.all, s.states = append(s.all, prJSON(i+1, state, u*1000, repo)), append(s.states, state)
		}
		return s
	}
	for name, tc := range map[string]struct {
		server *prServer
		since  int64
		want   []string // numbers
		asked  []string
	}{
		"all":             {build(2, 50, 40, 30, 20, 10), 0, []string{"1", "2", "3", "4", "5"}, []string{"ALL", "ALL", "ALL"}},
		"one page":        {build(100, 50, 40, 30, 20, 10), 35, []string{"1", "2", "4"}, []string{"ALL"}},
		"all is new":      {build(100, 50, 40, 30, 20, 10), 5, []string{"1", "2", "3", "4", "5"}, []string{"ALL"}},
		"stops":           {build(2, 90, 80, 70, 60, 50, 40, 30, 20), 65, []string{"1", "2", "3", "4", "8"}, []string{"ALL", "ALL", "OPEN"}},
		"another order":   {build(2, 10, 90, 20, 80, 30, 70), 75, []string{"2", "4"}, []string{"ALL", "ALL", "ALL"}},
		"nothing is new":  {build(2, 40, 30, 20, 10), 65, []string{"4"}, []string{"ALL", "OPEN"}},
		"no pull request": {build(2), 65, nil, []string{"ALL"}},
	} {
		t.Run(name, func(t *testing.T) {
			c := openIn(t, handler(tc.server.handle))
			var since time.Time
			if tc.since > 0 {
				since = time.UnixMilli(tc.since * 1000)
			}
			var got []string
			err := c.PullRequestsSince(t.Context(), engine(), since, func(p bitbucket.Page) error {
				for _, o := range p.Objects {
					n := fmt.Sprint(o.Entity.Properties["id"])
					if !slices.Contains(got, n) {
						got = append(got, n)
					}
				}
				if p.Again {
					t.Error("Again")
				}
				return nil
			})
			if err != nil || !slices.Equal(got, tc.want) || !slices.Equal(tc.server.asked, tc.asked) {
				t.Errorf("got %q, asked %q, %v; want %q, %q", got, tc.server.asked, err, tc.want, tc.asked)
			}
		})
	}
}

// TestPullRequestsOfLargeRepositories fails on large pages, as proxies with short time-outs do.
func TestPullRequestsOfLargeRepositories(t *testing.T) {
	repo := repoJSON(42, "engine", projectJSON(7, "ENG"))
	boom := func(w http.ResponseWriter) { fail(w, 500, "x", "boom") }
	for name, tc := range map[string]struct {
		works int                       // largest limit that works
		fails func(http.ResponseWriter) // how the others fail
		most  int                       // what the server grants
		want  []string
		calls int
	}{
		"smaller pages":    {100, boom, 1000, []string{"1", "2", "|", "1", "2", "3"}, 6},
		"too slow":         {100, func(http.ResponseWriter) { time.Sleep(time.Hour) }, 1000, []string{"1", "2", "|", "1", "2", "3"}, 6},
		"cut short":        {100, func(w http.ResponseWriter) { fmt.Fprint(w, `{"values":[{"id":3`) }, 1000, []string{"1", "2", "|", "1", "2", "3"}, 6},
		"nothing works":    {0, boom, 1000, nil, 6},
		"small ones asked": {1000, boom, 100, []string{"1", "2", "3"}, 2},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				calls := 0
				c := openIn(t, handler(func(w http.ResponseWriter, r *http.Request) {
					calls++
					var limit int
					fmt.Sscan(r.URL.Query().Get("limit"), &limit)
					start := r.URL.Query().Get("start")
					if limit > tc.works && (start != "" || tc.works == 0) {
						tc.fails(w)
						return
					}
					if start == "" {
						fmt.Fprint(w, page(0, min(limit, tc.most), 2, prJSON(1, "OPEN", 9, repo), prJSON(2, "OPEN", 8, repo)))
						return
					}
					fmt.Fprint(w, page(2, min(limit, tc.most), -1, prJSON(3, "OPEN", 7, repo)))
				}))
				var got []string
				err := c.PullRequests(t.Context(), engine(), func(p bitbucket.Page) error {
					if p.Again {
						got = append(got, "|")
					}
					for _, o := range p.Objects {
						got = append(got, fmt.Sprint(o.Entity.Properties["id"]))
					}
					return nil
				})
				if !slices.Equal(got, tc.want) || (err == nil) != (tc.want != nil) || calls != tc.calls {
					t.Errorf("got %q with %d calls, %v; want %q with %d", got, calls, err, tc.want, tc.calls)
				}
			})
		})
	}
}

// TestAnotherRepositoryAtTheSamePath lists a path that leads to a repository made there later: its pull requests are
// not taken for those of the one that was.
func TestAnotherRepositoryAtTheSamePath(t *testing.T) {
	c := openIn(t, handler(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, page(0, 1000, -1, prJSON(1, "OPEN", 9, repoJSON(99, "engine", projectJSON(7, "ENG")))))
	}))
	err := c.PullRequests(t.Context(), engine(), func(p bitbucket.Page) error {
		if len(p.Objects) > 0 || len(p.Odd) != 1 || !p.Odd[0].Lost || !strings.Contains(p.Odd[0].Problem, "repository 99") {
			t.Errorf("%d objects, odd %v", len(p.Objects), p.Odd)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}
