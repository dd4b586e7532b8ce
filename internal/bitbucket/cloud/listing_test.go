package cloud_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/windlass-hq/windlass/internal/bitbucket"
	"github.com/windlass-hq/windlass/internal/bitbucket/cloud"
	"github.com/windlass-hq/windlass/internal/fault"
)

// inMemory answers requests from a handler without a network, so that synctest's clock runs.
type inMemory struct{ handler http.Handler }

func (m inMemory) RoundTrip(r *http.Request) (*http.Response, error) {
	rec := httptest.NewRecorder()
	m.handler.ServeHTTP(rec, r)
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	return rec.Result(), nil
}

var (
	tokenA = bitbucket.Credential{Kind: bitbucket.Token, Secret: "token-a"}
	tokenB = bitbucket.Credential{Kind: bitbucket.Token, Secret: "token-b"}
)

func openIn(t *testing.T, h http.HandlerFunc, creds ...bitbucket.Credential) *cloud.Client {
	t.Helper()
	c, err := cloud.New(cloud.Options{
		APIURL: "https://bb.example", Credentials: creds, Connection: "acme", HTTP: &http.Client{Transport: inMemory{h}}, Now: time.Now,
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func who(r *http.Request) string {
	return strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer token-")
}

func fail(w http.ResponseWriter, status int, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	fmt.Fprintf(w, `{"type":"error","error":{"message":%q}}`, message)
}

func projectPage(next string, ids ...int) string {
	var values []string
	for _, id := range ids {
		values = append(values, fmt.Sprintf(`{"uuid":"{%08d-2222-4222-8222-222222222222}","key":"P%d","name":"Project %[1]d"}`, id, id))
	}
	if next != "" {
		next = fmt.Sprintf(`,"next":%q`, next)
	}
	return `{"values":[` + strings.Join(values, ",") + `]` + next + `}`
}

// listProjects lists and returns the names that were yielded, a bar before each page that began again.
func listProjects(t *testing.T, c *cloud.Client) (names []string, err error) {
	err = c.Projects(t.Context(), acme(), func(p bitbucket.Page) error {
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
	const base = "https://bb.example/2.0/p"
	for name, tc := range map[string]struct {
		page  func(n int) string
		want  string
		pages int // at most
	}{
		"next is itself":      {func(int) string { return projectPage(base+"?page=2", 1) }, "same as an earlier one", 2},
		"same page, new next": {func(n int) string { return projectPage(fmt.Sprintf("%s?page=%d", base, n+1), 1, 2) }, "same as an earlier one", 2},
		"circle of three":     {func(n int) string { return projectPage(fmt.Sprintf("%s?page=%d", base, n%3), n) }, "names an earlier one", 5},
		"empty for ever":      {func(n int) string { return projectPage(fmt.Sprintf("%s?page=%d", base, n+1)) }, "without content", 25},
	} {
		t.Run(name, func(t *testing.T) {
			n := 0
			c := openIn(t, func(w http.ResponseWriter, _ *http.Request) {
				n++
				fmt.Fprint(w, tc.page(n))
			}, tokenA)
			names, err := listProjects(t, c)
			if !fault.Is(err, fault.Unavailable) || !strings.Contains(err.Error(), tc.want) || !strings.Contains(err.Error(), "the projects of acme") {
				t.Errorf("%v, want %q", err, tc.want)
			}
			if n > tc.pages+1 || !strings.HasPrefix(name, "empty") && len(names) == 0 {
				t.Errorf("%d requests, read %q", n, names)
			}
		})
	}
}

func TestAnErrorInTheMiddleKeepsWhatWasRead(t *testing.T) {
	for name, tc := range map[string]struct {
		next  string
		code  fault.Code
		wants []string
	}{
		"elsewhere":    {"https://evil.example/2.0/p?page=2&t=secret", fault.Unavailable, []string{"evil.example", "https://bb.example/2.0"}},
		"other prefix": {"https://bb.example/admin", fault.Unavailable, []string{"bb.example/admin"}},
		"forbidden":    {"https://bb.example/2.0/forbidden", fault.Denied, []string{"/2.0/forbidden", "not for you"}},
		"truncated":    {"https://bb.example/2.0/truncated", fault.Unavailable, []string{"not complete JSON"}},
		"no page":      {"https://bb.example/2.0/object", fault.Unavailable, []string{"no list of values"}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := openIn(t, func(w http.ResponseWriter, r *http.Request) {
					if r.URL.Host != "bb.example" {
						t.Errorf("%s was asked with %q", r.URL.Host, r.Header.Get("Authorization"))
					}
					switch r.URL.Path {
					case "/2.0/forbidden":
						fail(w, 403, "not for you")
					case "/2.0/truncated":
						fmt.Fprint(w, `{"values":[`)
					case "/2.0/object":
						fmt.Fprint(w, `{"hello":"world"}`)
					default:
						fmt.Fprint(w, projectPage(tc.next, 1, 2))
					}
				}, tokenA)
				names, err := listProjects(t, c)
				if !fault.Is(err, tc.code) {
					t.Fatalf("%s: %v", fault.CodeOf(err), err)
				}
				if !slices.Equal(names, []string{"P1", "P2"}) {
					t.Errorf("read %q before the error", names)
				}
				for _, want := range tc.wants {
					if !strings.Contains(err.Error(), want) {
						t.Errorf("%q lacks %q", err, want)
					}
				}
				if strings.Contains(err.Error(), "t=secret") {
					t.Errorf("%q shows a query", err)
				}
			})
		})
	}
}

// TestTheNextPageIsFetchedAhead takes a minute for every page and every yield: together they take little more than
// either.
func TestTheNextPageIsFetchedAhead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := 0
		c := openIn(t, func(w http.ResponseWriter, _ *http.Request) {
			time.Sleep(30 * time.Second)
			n++
			next := fmt.Sprintf("https://bb.example/2.0/p?page=%d", n+1)
			if n == 10 {
				next = ""
			}
			fmt.Fprint(w, projectPage(next, n))
		}, tokenA)
		start, ahead := time.Now(), 0
		err := c.Projects(t.Context(), acme(), func(bitbucket.Page) error {
			time.Sleep(30 * time.Second)
			synctest.Wait()
			ahead = max(ahead, n)
			return nil
		})
		if err != nil || n != 10 {
			t.Fatalf("%v after %d pages", err, n)
		}
		if got, want := time.Since(start), 11*30*time.Second; got != want {
			t.Errorf("took %s, want %s", got, want)
		}
	})
}

func TestYieldEndsAListing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := openIn(t, func(w http.ResponseWriter, r *http.Request) {
			if r.URL.RawQuery == "page=2" {
				<-r.Context().Done() // the fetch ahead must not outlive the listing
				return
			}
			fmt.Fprint(w, projectPage("https://bb.example/2.0/p?page=2", 1))
		}, tokenA)
		enough := errors.New("enough")
		if err := c.Projects(t.Context(), acme(), func(bitbucket.Page) error { return enough }); !errors.Is(err, enough) {
			t.Errorf("%v, want what yield returned", err)
		}
	})
}

// TestAListingIsReadByOnePrincipal limits the first of two in mid-listing: the second begins again at the first page,
// and when both are limited each goes on where it stood.
func TestAListingIsReadByOnePrincipal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		allowed := map[string]int{"a": 2, "b": 3}
		var log []string
		c := openIn(t, func(w http.ResponseWriter, r *http.Request) {
			time.Sleep(time.Second) // so that the first to be limited is the first to be free again
			page := 1
			fmt.Sscanf(r.URL.Query().Get("page"), "%d", &page)
			me := who(r)
			if allowed[me] == 0 {
				allowed[me] = 10 // after the rest
				w.Header().Set("Retry-After", "60")
				w.WriteHeader(429)
				fmt.Fprint(w, "Rate limit for this resource has been exceeded")
				return
			}
			allowed[me]--
			log = append(log, fmt.Sprintf("%s%d", me, page))
			next := fmt.Sprintf("https://bb.example/2.0/p?page=%d", page+1)
			if page == 5 {
				next = ""
			}
			fmt.Fprint(w, projectPage(next, page))
		}, tokenA, tokenB)
		names, err := listProjects(t, c)
		if err != nil {
			t.Fatal(err)
		}
		if want := []string{"P1", "P2", "|", "P1", "P2", "P3", "P3", "P4", "P5"}; !slices.Equal(names, want) {
			t.Errorf("yielded %q, want %q", names, want)
		}
		if want := []string{"a1", "a2", "b1", "b2", "b3", "a3", "a4", "a5"}; !slices.Equal(log, want) {
			t.Errorf("asked %q, want %q", log, want)
		}
	})
}

func TestARefusedPrincipalIsReplaced(t *testing.T) {
	c := openIn(t, func(w http.ResponseWriter, r *http.Request) {
		if who(r) == "a" {
			fail(w, 404, "Resource not found")
			return
		}
		fmt.Fprint(w, projectPage("", 1))
	}, tokenA, tokenB)
	if names, err := listProjects(t, c); err != nil || !slices.Equal(names, []string{"P1"}) {
		t.Errorf("%q, %v", names, err)
	}
	none := openIn(t, func(w http.ResponseWriter, r *http.Request) {
		if who(r) == "a" {
			fail(w, 404, "Resource not found")
			return
		}
		fail(w, 403, "no")
	}, tokenA, tokenB)
	if _, err := listProjects(t, none); !fault.Is(err, fault.Denied) {
		t.Errorf("%v, want the refusal that says more", err)
	}
}

// TestPullRequestsOfLargeRepositories fails with 500 as FACTS 65 reports: first for pages of 50, then for several
// states at once.
func TestPullRequestsOfLargeRepositories(t *testing.T) {
	for name, tc := range map[string]struct {
		works func(r *http.Request) bool
		want  []int
	}{
		"half the page":         {func(r *http.Request) bool { return r.URL.Query().Get("pagelen") == "25" }, []int{1, 2, 3, 4}},
		"state by state":        {func(r *http.Request) bool { return len(r.URL.Query()["state"]) == 1 }, []int{1, 2, 3, 4}},
		"nothing works":         {func(*http.Request) bool { return false }, nil},
		"one state never works": {func(r *http.Request) bool { s := r.URL.Query()["state"]; return len(s) == 1 && s[0] != "DECLINED" }, []int{1, 2}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				calls := 0
				c := openIn(t, func(w http.ResponseWriter, r *http.Request) {
					calls++
					if !tc.works(r) {
						fail(w, 500, "Something went wrong")
						return
					}
					if got, want := r.URL.Query().Get("fields"), "+values.participants,+values.reviewers"; got != want {
						t.Errorf("fields = %q, want %q", got, want)
					}
					var values []string
					for i, state := range []string{"OPEN", "MERGED", "DECLINED", "SUPERSEDED"} {
						if slices.Contains(r.URL.Query()["state"], state) {
							values = append(values, fmt.Sprintf(`{"id":%d,"state":%q,"participants":[],"reviewers":[]}`, i+1, state))
						}
					}
					fmt.Fprintf(w, `{"values":[%s]}`, strings.Join(values, ","))
				}, tokenA)
				var got []int
				err := c.PullRequests(t.Context(), acmeRepo(), func(p bitbucket.Page) error {
					for _, o := range p.Objects {
						got = append(got, int(o.Entity.Properties["id"].(int64)))
					}
					return nil
				})
				if !slices.Equal(got, tc.want) || (err == nil) != (len(tc.want) == 4) || calls > 15 {
					t.Errorf("got %v with %d calls, %v; want %v", got, calls, err, tc.want)
				}
			})
		})
	}
}

func TestAnEmptyWorkspaceIsNeverAsked(t *testing.T) {
	c := openIn(t, func(_ http.ResponseWriter, r *http.Request) { t.Errorf("%s was asked", r.URL) }, tokenA)
	if err := c.Repositories(t.Context(), cloud.Workspace{}, nil); !fault.Is(err, fault.Invalid) {
		t.Errorf("%v, want invalid", err)
	}
	for _, names := range [][]string{{""}, {"acme", " "}, {"acme/engine"}, {"https://bitbucket.org/acme"}} {
		if _, err := c.Workspaces(t.Context(), names); !fault.Is(err, fault.Invalid) {
			t.Errorf("%q: %v, want invalid", names, err)
		}
	}
}
