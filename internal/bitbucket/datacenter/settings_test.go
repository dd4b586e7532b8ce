package datacenter_test

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/windlass-hq/windlass/internal/bitbucket"
	"github.com/windlass-hq/windlass/internal/bitbucket/datacenter"
	"github.com/windlass-hq/windlass/internal/bitbucket/openapitest"
	"github.com/windlass-hq/windlass/internal/bitbucket/sandbox"
	"github.com/windlass-hq/windlass/internal/fault"
	"github.com/windlass-hq/windlass/internal/graph"
)

func enginePlace() bitbucket.Place {
	return bitbucket.Place{
		Type: graph.TypeRepo, Key: "dc:i1:repo:42", Name: "eng/engine", Owner: "dc:i1", OwnerID: "i1", ID: "42", Project: "ENG", Slug: "engine",
		ProjectKey: "dc:i1:project:7",
	}
}

func engPlace() bitbucket.Place {
	return bitbucket.Place{Type: graph.TypeProject, Key: "dc:i1:project:7", Name: "ENG", Owner: "dc:i1", OwnerID: "i1", ID: "7", Project: "ENG"}
}

func devPlace() bitbucket.Place {
	return bitbucket.Place{Type: graph.TypeGroup, Key: "dc:i1:group:dev & ops", Name: "dev & ops", Owner: "dc:i1", OwnerID: "i1"}
}

// settingsOf returns one list of a place.
func settingsOf(t *testing.T, c *datacenter.Client, p bitbucket.Place, list string) bitbucket.Settings {
	t.Helper()
	for _, s := range c.Settings(p) {
		if s.List == list {
			return s
		}
	}
	t.Fatalf("%s has no list %q", p.Key, list)
	return bitbucket.Settings{}
}

// pagesOf reads a list.
func pagesOf(t *testing.T, s bitbucket.Settings) (pages []bitbucket.Page, err error) {
	t.Helper()
	err = s.Pages(t.Context(), func(p bitbucket.Page) error {
		pages = append(pages, p)
		return nil
	})
	return pages, err
}

// restated returns the object that says more about a place; nil where there is none.
func restated(pages []bitbucket.Page, key string) *graph.Object {
	for _, p := range pages {
		for i, o := range p.Objects {
			if o.Entity.Key == key {
				return &p.Objects[i]
			}
		}
	}
	return nil
}

func edgesOf(o *graph.Object) (keys []string) {
	for _, r := range o.Relationships {
		keys = append(keys, r.Key())
	}
	slices.Sort(keys)
	return keys
}

// TestSettingsNameTheirLists holds which lists there are, in their order.
func TestSettingsNameTheirLists(t *testing.T) {
	for _, tc := range []struct {
		version string
		place   bitbucket.Place
		want    string
	}{
		{"9.4.3", instancePlace(), "groups user-permissions group-permissions"},
		{"9.4.3", devPlace(), "group-members"},
		{"8.8.0", engPlace(), "branch-restrictions user-permissions group-permissions default-permission default-reviewers webhooks deploy-keys"},
		{"8.7.9", engPlace(), "branch-restrictions user-permissions group-permissions default-permission default-reviewers deploy-keys"},
		{"7.6.0", enginePlace(), "branch-restrictions user-permissions group-permissions default-reviewers webhooks deploy-keys branches"},
		{"9.4.3", bitbucket.Place{Type: graph.TypeUser, Key: "dc:i1:user:1"}, ""},
	} {
		c := openIn(t, &stand{answers: map[string]any{"/application-properties": `{"version":"` + tc.version + `"}`}})
		if _, err := c.Instance(t.Context()); err != nil {
			t.Fatal(err)
		}
		before := c.Calls()
		var lists []string
		for _, s := range c.Settings(tc.place) {
			lists = append(lists, s.List)
		}
		if got := strings.Join(lists, " "); got != tc.want || c.Calls() != before {
			t.Errorf("%s, %s: %q, want %q; %d calls", tc.version, tc.place.Type, got, tc.want, c.Calls()-before)
		}
	}
}

// TestTokensAreNotAskedOfAdministrators reads what no token can have: it is denied by name, without a call (FACTS 113).
func TestTokensAreNotAskedOfAdministrators(t *testing.T) {
	for _, tc := range []struct {
		place bitbucket.Place
		list  string
	}{{devPlace(), bitbucket.ListGroupMembers}, {instancePlace(), bitbucket.ListUserPermissions}, {instancePlace(), bitbucket.ListGroupPermissions}} {
		s := &stand{}
		_, err := pagesOf(t, settingsOf(t, openIn(t, s), tc.place, tc.list))
		if !fault.Is(err, fault.Denied) || !strings.Contains(err.Error(), "tokens are not accepted on administrative paths") || len(s.asked) > 0 {
			t.Errorf("%s: %v, asked %q", tc.list, err, s.asked)
		}
		if !strings.Contains(fault.RemedyOf(err), "a user with password") {
			t.Errorf("%s: remedy %q", tc.list, fault.RemedyOf(err))
		}
	}
}

// TestSettingsThatMayNotBeRead has a reader ask for everything: what takes an administrator is denied and names the
// right, whether the instance says 401 (FACTS 120) or 403, and the credential stays in use.
func TestSettingsThatMayNotBeRead(t *testing.T) {
	s := box(t, sandbox.Options{Repositories: 20, PullRequests: 20, Users: 14})
	must(t, s.DataCenter().AddCredential(sandbox.DCCredential{Name: "reader", User: "robot-2", Token: "reader", Permission: "read"}))
	for _, status := range []int{401, 403} {
		h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { s.Handler().ServeHTTP(&forbidding{w, status}, r) })
		c := openBox(t, h, with(bitbucket.Credential{Kind: bitbucket.Token, Secret: "reader"}))
		got, err := walk(t, c)
		if err != nil {
			t.Fatal(err)
		}
		projects, repos := placesOf(got)
		i := slices.IndexFunc(repos, func(p bitbucket.Place) bool { return !strings.HasPrefix(p.Project, "~") })
		for _, place := range []bitbucket.Place{projects[0], repos[i]} {
			for _, list := range c.Settings(place) {
				pages, err := pagesOf(t, list)
				if list.List == bitbucket.ListReviewers || list.List == bitbucket.ListBranches {
					if err != nil || restated(pages, place.Key) == nil {
						t.Errorf("%s: %v", list.Title, err)
					}
					continue
				}
				right := map[string]string{graph.TypeProject: "PROJECT_ADMIN", graph.TypeRepo: "REPO_ADMIN"}[place.Type]
				if list.Right.Feature != bitbucket.FeatureProjectPermissions {
					right = "REPO_ADMIN"
				}
				if !fault.Is(err, fault.Denied) || !strings.Contains(fault.RemedyOf(err), right) || len(pages) > 0 {
					t.Errorf("%s: %v (%s), want denied for want of %s", list.Title, err, fault.RemedyOf(err), right)
				}
			}
		}
		if _, err := walk(t, c); err != nil {
			t.Errorf("afterwards: %v", err)
		}
	}
}

// forbidding answers 401 as another status.
type forbidding struct {
	http.ResponseWriter
	status int
}

func (f *forbidding) WriteHeader(status int) {
	if status == http.StatusUnauthorized {
		status = f.status
	}
	f.ResponseWriter.WriteHeader(status)
}

// TestAnotherPrincipalMay asks the one that administers the repository after the other was refused.
func TestAnotherPrincipalMay(t *testing.T) {
	c := openIn(t, handler(func(w http.ResponseWriter, r *http.Request) {
		if who(r) == "a" {
			fail(w, 403, "x", "no")
			return
		}
		fmt.Fprint(w, page(0, 1000, -1, `{"group":{"name":"ops"},"permission":"REPO_ADMIN"}`))
	}), with(tokenA, tokenB))
	pages, err := pagesOf(t, settingsOf(t, c, enginePlace(), bitbucket.ListGroupPermissions))
	if err != nil || len(pages) != 1 || len(pages[0].Objects) != 1 || pages[0].Principal != c.Budgets()[1].Principal {
		t.Errorf("%+v, %v", pages, err)
	}
}

// TestAnotherLevelIsTheSameGrant changes what somebody may do: the key stays.
func TestAnotherLevelIsTheSameGrant(t *testing.T) {
	granted := "REPO_READ"
	c := openIn(t, handler(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, page(0, 1000, -1, fmt.Sprintf(`{"user":%s,"permission":%q}`, userJSON(1, "ann"), granted)))
	}))
	for _, tc := range []struct{ granted, level, name string }{
		{"REPO_READ", "read", "read for User 1"},
		{"REPO_WRITE", "write", "write for User 1"},
		{"REPO_ADMIN", "admin", "admin for User 1"},
		{"PROJECT_CREATE", "project_create", "project_create for User 1"},
		{"REPO_CREATE", "create-repo", "create-repo for User 1"},
		{"LICENSED_USER", "licensed_user", "licensed_user for User 1"},
		{"SYS_ADMIN", "sys_admin", "sys_admin for User 1"},
		{"ADMIN", "admin", "admin for User 1"},
	} {
		granted = tc.granted
		pages, err := pagesOf(t, settingsOf(t, c, enginePlace(), bitbucket.ListUserPermissions))
		if err != nil || len(pages) != 1 || len(pages[0].Objects) != 1 {
			t.Fatal(pages, err)
		}
		e := pages[0].Objects[0].Entity
		if e.Key != "dc:i1:repo:42:perm:dc:i1:user:1" || e.Properties["permission"] != tc.level || e.Name != tc.name {
			t.Errorf("%s: %+v", tc.granted, e)
		}
	}
}

// TestMembersAreSaidWhenAllAreKnown reads members in pages: they are said at once, at the end, and not at all where the
// end was not reached; where one cannot be read, those that are stored stay.
func TestMembersAreSaidWhenAllAreKnown(t *testing.T) {
	ann, bob := userJSON(1, "ann"), userJSON(2, "bob")
	edges := []string{"dc:i1:group:dev & ops|HAS|dc:i1:user:1", "dc:i1:group:dev & ops|HAS|dc:i1:user:2"}
	for name, tc := range map[string]struct {
		second string
		want   []string // nil: nothing is said
		code   fault.Code
		lost   bool
	}{
		"all":           {page(1, 1, -1, bob), edges, "", false},
		"nobody more":   {page(1, 1, -1), edges[:1], "", false},
		"cut":           {`{"values":[`, nil, fault.Unavailable, false},
		"one is odd":    {page(1, 1, -1, `{"id":"x"}`), edges[:1], "", true},
		"an old page":   {page(0, 1, 1, ann), nil, fault.Unavailable, false},
		"ann once more": {page(1, 1, -1, ann, bob), append([]string{edges[0]}, edges...), "", false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := openIn(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					w.Header().Set("X-AUSERNAME", "admin")
					if got := r.URL.Query().Get("context"); got != "dev & ops" {
						t.Errorf("asked for %q", got)
					}
					if r.URL.Query().Get("start") == "" {
						fmt.Fprint(w, page(0, 1, 1, ann))
						return
					}
					fmt.Fprint(w, tc.second)
				}), with(adminPassword))
				pages, err := pagesOf(t, settingsOf(t, c, devPlace(), bitbucket.ListGroupMembers))
				if fault.CodeOf(err) != tc.code {
					t.Fatalf("%v, want code %q", err, tc.code)
				}
				o := restated(pages, devPlace().Key)
				if (o != nil) != (tc.want != nil) {
					t.Fatalf("said: %v", o)
				}
				if o == nil {
					return
				}
				if got := edgesOf(o); !slices.Equal(got, tc.want) || tc.lost != (len(o.UnknownVerbs) > 0) || len(o.Entity.Properties) > 0 {
					t.Errorf("edges %q, unknown %q, properties %v", got, o.UnknownVerbs, o.Entity.Properties)
				}
				lost := slices.ContainsFunc(pages, func(p bitbucket.Page) bool {
					return slices.ContainsFunc(p.Odd, func(o bitbucket.Odd) bool { return o.Lost })
				})
				if lost != tc.lost {
					t.Errorf("lost: %t", lost)
				}
			})
		})
	}
}

// TestTwoPrincipalsTakeTurns spends the allowance of the first in the middle: what each of them read is kept apart, so
// that what is said is what one of them read whole.
func TestTwoPrincipalsTakeTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		limited := false
		c := openIn(t, handler(func(w http.ResponseWriter, r *http.Request) {
			switch start := r.URL.Query().Get("start"); {
			case who(r) == "a" && start != "" && !limited:
				limited = true
				w.Header().Set("Retry-After", "3600")
				w.WriteHeader(429)
			case start == "":
				fmt.Fprint(w, page(0, 1, 1, `{"displayId":"main","isDefault":false}`))
			default:
				fmt.Fprint(w, page(1, 1, -1, `{"displayId":"trunk","isDefault":true}`))
			}
		}), with(tokenA, tokenB))
		p := enginePlace()
		p.Patterns, p.PatternsKnown = []string{"main"}, true
		pages, err := pagesOf(t, settingsOf(t, c, p, bitbucket.ListBranches))
		if err != nil || len(pages) != 4 || !pages[1].Again || pages[3].Principal != pages[2].Principal || pages[3].Again {
			t.Fatalf("%+v, %v", pages, err)
		}
		if o := restated(pages, p.Key); o == nil || o.Entity.Properties["defaultBranch"] != "trunk" || pages[3].RequestedAt != pages[1].RequestedAt {
			t.Errorf("%+v at %v", o, pages[3].RequestedAt)
		}
	})
}

// TestReviewersAreMerged puts one user into several conditions.
func TestReviewersAreMerged(t *testing.T) {
	matcher := func(kind, id, display string) string {
		return fmt.Sprintf(`{"id":%q,"displayId":%q,"type":{"id":%q}}`, id, display, kind)
	}
	anyBranch := matcher("ANY_REF", "ANY_REF_MATCHER_ID", "ANY_REF_MATCHER_ID")
	condition := func(scope, from, to, approvals string, users ...string) string {
		return fmt.Sprintf(`{"id":1,"scope":{"type":%q,"resourceId":1},"sourceRefMatcher":%s,"targetRefMatcher":%s,"reviewers":[%s],"requiredApprovals":%s}`,
			scope, from, to, strings.Join(users, ","), approvals)
	}
	ann, bob := userJSON(1, "ann"), userJSON(2, "bob")
	main := matcher("BRANCH", "refs/heads/main", "main")
	for name, tc := range map[string]struct {
		answer string
		want   map[string]graph.Properties
		lost   bool
	}{
		"none": {`[]`, map[string]graph.Properties{}, false},
		"merged": {
			"[" + condition("REPOSITORY", matcher("PATTERN", "feature/*", "feature/*"), main, "1", ann, bob, "null") + "," +
				condition("REPOSITORY", anyBranch, matcher("MODEL_BRANCH", "production", "Production"), "2", ann) + "," +
				condition("REPOSITORY", anyBranch, anyBranch, "null", bob) + "," +
				condition("PROJECT", anyBranch, main, "9", userJSON(3, "cy")) + "]",
			map[string]graph.Properties{
				"dc:i1:user:1": {"conditions": []any{"any branch -> model Production", "feature/* -> main"}, "requiredApprovals": int64(2)},
				"dc:i1:user:2": {"conditions": nil, "requiredApprovals": int64(1)},
			},
			false,
		},
		"a page": {page(0, 25, -1, condition("REPOSITORY", main, main, "0", ann)), map[string]graph.Properties{
			"dc:i1:user:1": {"conditions": []any{"main -> main"}, "requiredApprovals": int64(0)},
		}, false},
		"odd": {`[5,{"reviewers":"x"},{"reviewers":[` + ann + `,{}]}]`, map[string]graph.Properties{
			"dc:i1:user:1": {"conditions": []any{" -> "}},
		}, true},
	} {
		t.Run(name, func(t *testing.T) {
			c := openIn(t, handler(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path != "/rest/default-reviewers/latest/projects/ENG/repos/engine/conditions" || r.URL.RawQuery != "" {
					t.Errorf("asked %s", r.URL)
				}
				fmt.Fprint(w, tc.answer)
			}))
			pages, err := pagesOf(t, settingsOf(t, c, enginePlace(), bitbucket.ListReviewers))
			if err != nil {
				t.Fatal(err)
			}
			o := restated(pages, enginePlace().Key)
			got := map[string]graph.Properties{}
			for _, r := range o.Relationships {
				got[r.From] = r.Properties
			}
			if diff := gocmp.Diff(tc.want, got); diff != "" || tc.lost != slices.Equal(o.UnknownVerbs, []string{graph.Reviews}) {
				t.Errorf("(-want +got):\n%s unknown %q", diff, o.UnknownVerbs)
			}
		})
	}
}

// TestDefaultPermission asks from the highest level, for an instance that lets a level answer for lower ones and for
// one that does not.
func TestDefaultPermission(t *testing.T) {
	levels := []string{"PROJECT_READ", "PROJECT_WRITE", "PROJECT_ADMIN"}
	for given, want := range map[string]string{"": "none", "PROJECT_READ": "read", "PROJECT_WRITE": "write", "PROJECT_ADMIN": "admin"} {
		for _, implied := range []bool{true, false} {
			var asked []string
			c := openIn(t, handler(func(w http.ResponseWriter, r *http.Request) {
				level := strings.TrimSuffix(strings.TrimPrefix(r.URL.Path, "/rest/api/latest/projects/ENG/permissions/"), "/all")
				asked = append(asked, level)
				permitted := level == given || implied && slices.Index(levels, level) <= slices.Index(levels, given)
				fmt.Fprintf(w, `{"permitted":%t}`, permitted)
			}))
			pages, err := pagesOf(t, settingsOf(t, c, engPlace(), bitbucket.ListDefaultPermission))
			if err != nil {
				t.Fatal(err)
			}
			if o := restated(pages, engPlace().Key); o == nil || o.Entity.Properties["defaultPermission"] != want || len(o.Relationships) > 0 {
				t.Errorf("%q: %+v", given, o)
			}
			if most := 3 - max(0, slices.Index(levels, given)); len(asked) != most {
				t.Errorf("%q: asked %q", given, asked)
			}
		}
	}
	c := openIn(t, handler(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"permitted":"yes"}`) }))
	if pages, err := pagesOf(t, settingsOf(t, c, engPlace(), bitbucket.ListDefaultPermission)); !fault.Is(err, fault.Unavailable) || len(pages) > 0 {
		t.Errorf("%v, %v", pages, err)
	}
}

// TestBranchesThatMatter keeps the default branch and those that patterns match.
func TestBranchesThatMatter(t *testing.T) {
	names := []string{"main", "release/1", "release/1/x", "PROJECT-1", "stable/PROJECT-2", "1.1", "stable/2.X", "stable/tags/y", "wip"}
	for name, tc := range map[string]struct {
		patterns []string
		known    bool
		want     string // protected ones, beside the default branch wip
	}{
		"none":             {nil, true, ""},
		"model":            {nil, false, ""},
		"branch":           {[]string{"refs/heads/main"}, true, "main"},
		"no such branch":   {[]string{"refs/heads/mai"}, true, ""},
		"one segment":      {[]string{"release/*"}, true, "release/1"},
		"all below":        {[]string{"release/"}, true, "release/1 release/1/x"},
		"any depth":        {[]string{"heads/**/PROJECT-*"}, true, "PROJECT-1 stable/PROJECT-2"},
		"last part":        {[]string{"PROJECT-*"}, false, "PROJECT-1 stable/PROJECT-2"},
		"single letters":   {[]string{"?.?"}, true, "1.1 stable/2.X"},
		"tags in branches": {[]string{"tags/**"}, true, "stable/tags/y"},
		"whole name":       {[]string{"refs/heads/**/1"}, true, "release/1"},
		"several":          {[]string{"", "main", "?.1"}, true, "1.1 main"},
		"everything":       {[]string{"*"}, true, strings.Join(names, " ")},
		"any branch":       {[]string{"ANY_REF_MATCHER_ID"}, true, strings.Join(names, " ")},
	} {
		t.Run(name, func(t *testing.T) {
			c := openIn(t, handler(func(w http.ResponseWriter, r *http.Request) {
				if want := (url.Values{"limit": {"1000"}, "details": {"false"}, "orderBy": {"ALPHABETICAL"}}); !gocmp.Equal(r.URL.Query(), want) {
					t.Errorf("asked %s", r.URL)
				}
				var all []string
				for _, n := range names {
					all = append(all, fmt.Sprintf(`{"id":"refs/heads/%s","displayId":%[1]q,"latestCommit":"aa","isDefault":%t}`, n, n == "wip"))
				}
				fmt.Fprint(w, page(0, 1000, -1, all...))
			}))
			p := enginePlace()
			p.Patterns, p.PatternsKnown = tc.patterns, tc.known
			pages, err := pagesOf(t, settingsOf(t, c, p, bitbucket.ListBranches))
			if err != nil || len(pages) != 2 {
				t.Fatal(pages, err)
			}
			var protected []string
			for _, o := range pages[0].Objects {
				e := o.Entity
				switch e.Properties["isProtected"] {
				case true:
					protected = append(protected, e.Name)
				case false, nil:
					if e.Name != "wip" || (e.Properties["isProtected"] == nil) == tc.known {
						t.Errorf("%+v", e)
					}
				}
				if (e.Properties["isDefault"] == true) != (e.Name == "wip") || e.Key != p.Key+":branch:"+e.Name {
					t.Errorf("%+v", e)
				}
			}
			slices.Sort(protected)
			want := strings.Fields(tc.want)
			slices.Sort(want)
			if !slices.Equal(protected, want) {
				t.Errorf("protected %q, want %q", protected, want)
			}
		})
	}
}

// TestSettingsRequestsConformToTheVendorsDocument reads every list and validates each request and answer.
func TestSettingsRequestsConformToTheVendorsDocument(t *testing.T) {
	doc := openapitest.Load(t, "datacenter.openapi.json")
	s := box(t, sandbox.Options{Repositories: 12, PullRequests: 12, Users: 10})
	modules := map[string]int{}
	checking := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path := strings.TrimPrefix(r.URL.EscapedPath(), "/dc/rest")
		modules[strings.Split(path, "/")[1]]++
		if err := doc.Request(r.Method, path, r.URL.Query()); err != nil || r.Method != http.MethodGet {
			t.Errorf("%s %s: %v", r.Method, r.URL, err)
		}
		s.Handler().ServeHTTP(w, r)
	})
	c := openBox(t, checking, with(adminPassword))
	got, err := walk(t, c)
	if err != nil {
		t.Fatal(err)
	}
	projects, repos := placesOf(got)
	for _, p := range append(append([]bitbucket.Place{instancePlace(), {Type: graph.TypeGroup, Key: "dc:i1:group:acme-developers", Name: "acme-developers"}}, projects...), repos...) {
		before := c.Calls()
		lists := read(t, c, p).lists
		if calls := int(c.Calls() - before); calls > len(lists)+2 { // two more levels of the default permission
			t.Errorf("%s: %d calls for %d lists", p.Name, calls, len(lists))
		}
	}
	for _, m := range []string{"api", "branch-permissions", "default-reviewers", "keys"} {
		if modules[m] == 0 {
			t.Errorf("nothing was asked of %s", m)
		}
	}
}
