package bitbucket_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/windlass-hq/windlass/internal/bitbucket"
	"github.com/windlass-hq/windlass/internal/fault"
	"github.com/windlass-hq/windlass/internal/store"
	"github.com/windlass-hq/windlass/internal/store/storetest"
)

// groups sorts paths into resource groups.
func groups(o *bitbucket.Options) {
	o.GroupOf = func(path string) string {
		if strings.HasPrefix(path, "/hooks") {
			return "webhooks"
		}
		return "api"
	}
}

// TestARefusalParksOnePrincipalForOneGroup: a 429 leaves the other groups of the principal free, and the other
// principals, at once.
func TestARefusalParksOnePrincipalForOneGroup(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := client(t, func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Authorization") == "Bearer token-a" && strings.HasSuffix(r.URL.Path, "/x") {
				limited(w, "")
				return
			}
			answerJSON(w, 200, `{}`)
		}, with(tokenA, tokenB), groups)
		a, b := c.Principals()[0], c.Principals()[1]
		ask := func(principal, path string) error {
			_, err := c.Do(t.Context(), bitbucket.Request{Path: path, Principal: principal})
			return err
		}
		start := time.Now()
		if err := ask(a, "/x"); !errors.Is(err, bitbucket.ErrResting) {
			t.Fatalf("the refused call: %v, want ErrResting", err)
		}
		for _, tc := range []struct{ principal, path string }{{a, "/hooks?page=2"}, {b, "/x"}, {b, "/hooks"}} {
			if err := ask(tc.principal, tc.path); err != nil {
				t.Errorf("%s of %s: %v", tc.path, tc.principal, err)
			}
		}
		if _, err := c.Do(t.Context(), bitbucket.Request{Link: host + "/2.0/hooks?next=1", Principal: a}); err != nil {
			t.Errorf("a link of the other group: %v", err)
		}
		if err := ask(a, "/x"); !errors.Is(err, bitbucket.ErrResting) || time.Since(start) != 0 {
			t.Errorf("the parked group: %v after %s, want ErrResting at once", err, time.Since(start))
		}
		got := map[string]bool{}
		for _, budget := range c.Budgets() {
			got[budget.Principal+" "+budget.Group] = budget.Limited
		}
		want := map[string]bool{a + " api": true, a + " webhooks": false, b + " api": false, b + " webhooks": false}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("who is limited (-want +got):\n%s", diff)
		}
	})
}

// TestARestOutlivesItsProcess: a process that begins while the principal rests asks nothing, and says until when.
func TestARestOutlivesItsProcess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db := storetest.SQLite(t)
		calls := 0
		refuse := true
		open := func() (*bitbucket.Client, *store.Store) {
			s := db.Open(t, storetest.WithNow(time.Now))
			return client(t, func(w http.ResponseWriter, _ *http.Request) {
				if calls++; refuse {
					limited(w, "")
					return
				}
				answerJSON(w, 200, `{}`)
			}, func(o *bitbucket.Options) { o.NoWait, o.Spending = true, s }), s
		}
		ask := func() error {
			c, s := open()
			_, err := get(t, c)
			c.Close()
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			return err
		}
		if err := ask(); !fault.Is(err, fault.Limited) || calls != 1 {
			t.Fatalf("%v after %d calls, want limited after 1", err, calls)
		}
		time.Sleep(60 * time.Minute)
		refuse = false
		if err := ask(); !fault.Is(err, fault.Limited) || !strings.Contains(err.Error(), "01:01:00 UTC") || calls != 1 {
			t.Errorf("after a restart: %v and %d calls, want limited until 01:01:00 without another", err, calls)
		}
		time.Sleep(time.Minute)
		if err := ask(); err != nil || calls != 2 {
			t.Errorf("after the rest: %v and %d calls", err, calls)
		}
	})
}

// TestOurShareIsAllThatIsSpent: without any refusal calls stop at the share, and a person has a little more.
func TestOurShareIsAllThatIsSpent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		memory := store.NewVolatile(time.Now)
		limit := ""
		open := func(interactive bool) *bitbucket.Client {
			return client(t, func(w http.ResponseWriter, _ *http.Request) {
				if limit != "" {
					w.Header().Set("X-RateLimit-Limit", limit)
				}
				answerJSON(w, 200, `{}`)
			}, func(o *bitbucket.Options) {
				o.Spending, o.NoWait, o.Interactive, o.Allowances = memory, true, interactive, bitbucket.Allowances{"": 100}
			})
		}
		spend := func(c *bitbucket.Client) int {
			for n := 0; ; n++ {
				if _, err := get(t, c); err != nil {
					if !fault.Is(err, fault.Limited) || !strings.Contains(err.Error(), "our share") {
						t.Fatal(err)
					}
					return n
				}
			}
		}
		c := open(false)
		if got := spend(c); got != 80 {
			t.Errorf("%d calls of an allowance of 100, want 80", got)
		}
		b := c.Budgets()[0]
		want := bitbucket.Budget{
			Principal: b.Principal, Name: b.Name, Group: "api", Spent: 80, Allowance: 100, Reserve: 20, RestsUntil: time.Now().Add(61 * time.Minute).UTC(),
		}
		if diff := cmp.Diff(want, b); diff != "" {
			t.Errorf("budget (-want +got):\n%s", diff)
		}
		if got := spend(open(true)); got != 5 {
			t.Errorf("a person had %d calls more, want 5", got)
		}
		// What is stored says the same without a client.
		stored, err := memory.Spending(t.Context(), store.SpendingFilter{Realm: "bb.example"})
		if err != nil || len(stored) != 1 {
			t.Fatalf("%v, %v", stored, err)
		}
		cred := tokenA
		if diff := cmp.Diff(want.RestsUntil, bitbucket.StoredBudget(stored[0], &cred, bitbucket.Allowances{"": 100}, 0, time.Now()).RestsUntil); diff != "" {
			t.Errorf("stored rest (-want +got):\n%s", diff)
		}

		// The vendor names a larger allowance, which every process learns.
		time.Sleep(61 * time.Minute)
		limit = "200"
		if got := spend(open(false)); got != 160 {
			t.Errorf("%d calls of an allowance that is named as 200, want 160", got)
		}
		if b := c.Budgets()[0]; b.Known {
			t.Errorf("a client that asked nothing since knows %+v", b)
		}
	})
}

// TestCredentialsOfOneUserAreOnePrincipal: what a user may spend is shared by his credentials, and the other one is
// used when the first is withdrawn.
func TestCredentialsOfOneUserAreOnePrincipal(t *testing.T) {
	users := map[string]string{"Bearer token-a": "ann", "Bearer token-b": "ann", "Bearer token-c": "bob", "Bearer token-d": ""}
	withdrawn := map[string]bool{}
	asked := map[string]int{}
	memory := store.NewVolatile(time.Now)
	cred := func(name string) bitbucket.Credential {
		return bitbucket.Credential{Kind: bitbucket.Token, Secret: bitbucket.Secret("token-" + name)}
	}
	c := client(t, func(w http.ResponseWriter, r *http.Request) {
		who := r.Header.Get("Authorization")
		asked[who]++
		if withdrawn[who] {
			answerJSON(w, 401, `{"errors":[{"message":"no"}]}`)
			return
		}
		w.Header().Set("X-AUSERNAME", users[who])
		answerJSON(w, 200, `{}`)
	}, with(cred("a"), cred("b"), cred("c"), cred("d")), func(o *bitbucket.Options) { o.Allowances, o.Realm, o.Spending = nil, "dc:1", memory })
	before := c.Principals()
	who := func(ctx context.Context, principal string) (string, error) {
		resp, err := c.AskOne(ctx, principal, "/who")
		if err != nil {
			return "", err
		}
		if name := resp.Header.Get("X-AUSERNAME"); name != "" {
			return name, nil
		}
		return "", fault.New(fault.Unauthorized, "nobody is logged in").With("make a new token")
	}
	for range 2 { // asked once
		if err := c.Identify(t.Context(), who); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff([]string{"user:ann", "user:bob", before[3]}, c.Principals()); diff != "" {
		t.Errorf("principals (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(map[string]int{"Bearer token-a": 1, "Bearer token-b": 1, "Bearer token-c": 1, "Bearer token-d": 1}, asked); diff != "" {
		t.Errorf("asked (-want +got):\n%s", diff)
	}
	for _, b := range c.Budgets() {
		if (b.Trouble != "") != (b.Principal == before[3]) {
			t.Errorf("trouble of %s: %q", b.Principal, b.Trouble)
		}
	}
	// An id from before is still good, and is answered under the new one.
	resp, err := c.Do(t.Context(), bitbucket.Request{Path: "/x", Principal: before[1]})
	if err != nil || resp.Principal != "user:ann" {
		t.Errorf("asked as %s: %v, %v", before[1], resp, err)
	}
	withdrawn["Bearer token-a"] = true
	for range 3 {
		if _, err := c.AskOne(t.Context(), "user:ann", "/x"); err != nil {
			t.Fatal(err)
		}
	}
	if asked["Bearer token-a"] != 3 || asked["Bearer token-b"] != 4 {
		t.Errorf("after one was withdrawn: %v, want one more with it and all three with the other", asked)
	}
	withdrawn["Bearer token-b"] = true
	if _, err := c.AskOne(t.Context(), "user:ann", "/x"); !fault.Is(err, fault.Unauthorized) {
		t.Errorf("with none left: %v, want unauthorized", err)
	}
	if _, err := c.Do(t.Context(), bitbucket.Request{Path: "/x"}); err != nil {
		t.Errorf("bob is still there: %v", err)
	}
	c.Close()
	spent := map[string]int{}
	stored, err := memory.Spending(t.Context(), store.SpendingFilter{Realm: "dc:1"})
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range stored {
		if s.Calls > 0 {
			spent[s.Principal] = s.Calls
		}
	}
	if diff := cmp.Diff(map[string]int{"user:ann": 8, "user:bob": 2, before[3]: 1}, spent); diff != "" {
		t.Errorf("counted (-want +got):\n%s", diff)
	}
}

// TestARefusalMayMeanSomethingElse: where 401 also stands for what may not be seen (FACTS 120), a credential that is
// found to be good stays in use.
func TestARefusalMayMeanSomethingElse(t *testing.T) {
	for name, tc := range map[string]struct {
		confirm error
		code    fault.Code
		alive   bool
	}{
		"good":    {nil, fault.Denied, true},
		"refused": {fault.New(fault.Unauthorized, "nobody"), fault.Unauthorized, false},
		"unclear": {fault.New(fault.Unavailable, "down"), fault.Unavailable, true},
	} {
		confirmed := 0
		c := client(t, func(w http.ResponseWriter, _ *http.Request) { answerJSON(w, 401, `{}`) }, func(o *bitbucket.Options) {
			o.Confirm = func(_ context.Context, c *bitbucket.Client, principal string) error {
				confirmed++
				if principal != c.Principals()[0] {
					t.Errorf("%s: asked about %q", name, principal)
				}
				return tc.confirm
			}
		})
		_, err := get(t, c)
		if fault.CodeOf(err) != tc.code || confirmed != 1 {
			t.Errorf("%s: %v after %d questions, want %s after 1", name, err, confirmed, tc.code)
		}
		if alive := c.Budgets()[0].Trouble == ""; alive != tc.alive {
			t.Errorf("%s: in use %v, want %v", name, alive, tc.alive)
		}
		if _, err := c.Do(t.Context(), bitbucket.Request{Path: "/x", Believe: true}); !fault.Is(err, fault.Unauthorized) || confirmed != 1 {
			t.Errorf("%s: a question that is to be believed: %v after %d questions", name, err, confirmed)
		}
	}
}
