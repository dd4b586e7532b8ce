package cloud_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/windlass-hq/windlass/internal/bitbucket"
	"github.com/windlass-hq/windlass/internal/graph"
)

// TestReviewersAreStatedTogether puts default reviewers over several pages and takes them away again.
func TestReviewersAreStatedTogether(t *testing.T) {
	user := func(n int) string {
		return fmt.Sprintf(`{"type":"user","uuid":"{%08d-4444-4444-8444-444444444444}","display_name":"Person %d"}`, n, n)
	}
	const list = "/repositories/%7B" + wsUUID + "%7D/%7B" + repoUUID + "%7D/default-reviewers"
	edge := func(n int) string {
		return fmt.Sprintf("cloud:user:%08d-4444-4444-8444-444444444444|REVIEWS|cloud:%s", n, repoUUID)
	}
	for name, tc := range map[string]struct {
		first, second string // second is missing where empty
		want          []string
		unknown, lost bool
		broken        bool
	}{
		"two pages": {`[` + user(2) + `,` + user(1) + `]`, `[` + user(3) + `]`, []string{edge(1), edge(2), edge(3)}, false, false, false},
		"none":      {`[]`, ``, nil, false, false, false},
		"null":      {`[` + user(1) + `,null,{"user":null}]`, ``, []string{edge(1)}, true, true, false},
		"cut off":   {`[` + user(1) + `]`, `broken`, nil, false, false, true},
	} {
		t.Run(name, func(t *testing.T) {
			next := ""
			if tc.second != "" {
				next = `,"next":"HOST/2.0/second"`
			}
			answers := map[string]any{list + "?pagelen=100": `{"values":` + tc.first + next + `}`}
			if tc.second != "" && !tc.broken {
				answers["/second"] = `{"values":` + tc.second + `}`
			}
			c, _ := open(t, answers)
			var restated []graph.Object
			pages, lost := 0, 0
			err := listOf(t, c, repoPlace(), bitbucket.ListReviewers).Pages(t.Context(), func(p bitbucket.Page) error {
				if len(restated) > 0 {
					t.Error("the place was stated before the last page")
				}
				pages++
				restated = append(restated, p.Objects...)
				for _, o := range p.Odd {
					if o.Lost {
						lost++
					}
				}
				return nil
			})
			if tc.broken {
				if err == nil || len(restated) > 0 || pages != 1 {
					t.Errorf("error %v, %d pages, stated %v", err, pages, restated)
				}
				return
			}
			if err != nil || len(restated) != 1 || (lost > 0) != tc.lost {
				t.Fatalf("error %v, stated %v, %d lost", err, restated, lost)
			}
			o := restated[0]
			var got []string
			for _, r := range o.Relationships {
				got = append(got, r.Key())
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("relationships (-want +got):\n%s", diff)
			}
			if o.Entity.Key != "cloud:"+repoUUID || o.Entity.Name != "" || o.Entity.Home != "" || o.Entity.Raw != nil || len(o.UnknownVerbs) > 0 != tc.unknown {
				t.Errorf("%+v", o)
			}
		})
	}
}

// TestReviewersComeFromOneReader lets one principal be refused in mid-list: another begins again, and what the first one
// saw is no part of what the place is said to have.
func TestReviewersComeFromOneReader(t *testing.T) {
	user := func(n int) string { return fmt.Sprintf(`{"uuid":"{%08d-4444-4444-8444-444444444444}"}`, n) }
	c := openIn(t, func(w http.ResponseWriter, r *http.Request) {
		switch second := r.URL.Query().Get("page") == "2"; {
		case who(r) == "a" && second:
			fail(w, http.StatusForbidden, "no longer")
		case who(r) == "a":
			fmt.Fprintf(w, `{"values":[%s],"next":"https://bb.example/2.0/r?page=2"}`, user(1))
		case second:
			fmt.Fprintf(w, `{"values":[%s]}`, user(3))
		default:
			fmt.Fprintf(w, `{"values":[%s],"next":"https://bb.example/2.0/r?page=2"}`, user(2))
		}
	}, tokenA, tokenB)
	var again []bool
	var got []string
	err := listOf(t, c, repoPlace(), bitbucket.ListReviewers).Pages(t.Context(), func(p bitbucket.Page) error {
		again = append(again, p.Again)
		for _, o := range p.Objects {
			for _, r := range o.Relationships {
				got = append(got, strings.TrimPrefix(r.From, "cloud:user:")[:8])
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]bool{false, true, false}, again); diff != "" {
		t.Errorf("pages that begin again (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"00000002", "00000003"}, got); diff != "" {
		t.Errorf("reviewers (-want +got):\n%s", diff)
	}
}

// TestOnlyWhoSeesTheWorkspaceIsAsked has two credentials of which one does not see the workspace.
func TestOnlyWhoSeesTheWorkspaceIsAsked(t *testing.T) {
	asked := map[string]int{}
	c := openIn(t, func(w http.ResponseWriter, r *http.Request) {
		switch {
		case strings.HasPrefix(r.URL.Path, "/2.0/workspaces/") && strings.HasSuffix(r.URL.Path, "/hooks"):
			asked[who(r)]++
			fmt.Fprint(w, `{"values":[]}`)
		case who(r) == "a":
			fail(w, http.StatusNotFound, "no workspace")
		case strings.HasPrefix(r.URL.Path, "/2.0/workspaces/"):
			fmt.Fprint(w, wsAnswer)
		default:
			fmt.Fprint(w, `{"size":0,"values":[]}`)
		}
	}, tokenA, tokenB)
	if _, err := c.Workspaces(t.Context(), []string{"acme"}); err != nil {
		t.Fatal(err)
	}
	if err := listOf(t, c, workspacePlace(), bitbucket.ListWebhooks).Pages(t.Context(), func(bitbucket.Page) error { return nil }); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]int{"b": 1}, asked); diff != "" {
		t.Errorf("asked (-want +got):\n%s", diff)
	}
}
