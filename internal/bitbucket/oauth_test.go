package bitbucket_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/windlass-hq/windlass/internal/bitbucket"
	"github.com/windlass-hq/windlass/internal/fault"
)

var consumer = bitbucket.Credential{Kind: bitbucket.OAuth, Identity: "my-client-key", Secret: "my-client-secret"}

// issuer gives out tokens and accepts those that are good.
type issuer struct {
	mu      sync.Mutex
	issued  int
	life    int // seconds; 0 leaves expires_in out
	form    string
	slow    time.Duration
	fail    func(w http.ResponseWriter) bool
	expires map[string]time.Time
}

func (i *issuer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/site/oauth2/access_token" {
		i.issue(w, r)
		return
	}
	i.mu.Lock()
	until := i.expires[strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")]
	i.mu.Unlock()
	if !time.Now().Before(until) {
		answerJSON(w, 401, `{"type":"error","error":{"message":"Access token expired."}}`)
		return
	}
	answerJSON(w, 200, `{}`)
}

func (i *issuer) issue(w http.ResponseWriter, r *http.Request) {
	time.Sleep(i.slow)
	i.mu.Lock()
	defer i.mu.Unlock()
	i.issued++
	if i.fail != nil && i.fail(w) {
		return
	}
	key, secret, _ := r.BasicAuth()
	body, _ := io.ReadAll(r.Body)
	if r.Method != "POST" || key != consumer.Identity || secret != consumer.Secret.Reveal() || string(body) != "grant_type=client_credentials" {
		answerJSON(w, 400, `{"error":"invalid_request","error_description":"not a token request"}`)
		return
	}
	token := fmt.Sprintf("token-%d", i.issued)
	life := i.life
	expiresIn := fmt.Sprintf(`,"expires_in":%d`, life)
	if life == 0 {
		life, expiresIn = 3600, ""
	}
	if i.expires == nil {
		i.expires = map[string]time.Time{}
	}
	i.expires[token] = time.Now().Add(time.Duration(life) * time.Second)
	answerJSON(w, 200, fmt.Sprintf(`{"access_token":%q,"token_type":"bearer","%s":"pullrequest account repository:admin"%s}`, token, i.form, expiresIn))
}

func TestTokensAreRenewedBeforeTheyExpire(t *testing.T) {
	for name, i := range map[string]*issuer{
		"two hours, scopes": {life: 7200, form: "scopes"},
		"one hour, scope":   {life: 3600, form: "scope"},
		"unsaid":            {form: "scope"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := client(t, i.ServeHTTP, with(consumer))
				hours := 10
				for range hours * 60 {
					if _, err := get(t, c); err != nil {
						t.Fatal(err)
					}
					time.Sleep(time.Minute)
				}
				life := max(i.life, 3600) / 3600
				if i.issued < hours/life || i.issued > hours/life+2 {
					t.Errorf("%d tokens in %d hours", i.issued, hours)
				}
				if c.Calls() != int64(hours*60) {
					t.Errorf("%d calls: no request should have met an expired token", c.Calls())
				}
				scopes, known, err := c.Granted(t.Context(), c.Principals()[0])
				if want := []string{"account", "pullrequest", "repository:admin"}; err != nil || !known || !slices.Equal(scopes, want) {
					t.Errorf("scopes %q, %v, %v, want %q", scopes, known, err, want)
				}
			})
		})
	}
}

func TestConcurrentCallersShareOneRenewal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i := &issuer{life: 7200, form: "scope", slow: time.Second}
		c := client(t, i.ServeHTTP, with(consumer))
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() {
				if _, err := c.Do(t.Context(), bitbucket.Request{Path: "/x"}); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if i.issued != 1 {
			t.Errorf("%d tokens were asked for, want 1", i.issued)
		}
	})
}

func TestAWithdrawnTokenIsRenewedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i := &issuer{life: 7200, form: "scope"}
		c := client(t, i.ServeHTTP, with(consumer))
		if _, err := get(t, c); err != nil {
			t.Fatal(err)
		}
		i.expires = nil // all tokens are withdrawn
		if _, err := get(t, c); err != nil || i.issued != 2 {
			t.Errorf("after a withdrawal: %v with %d tokens", err, i.issued)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		tokens := 0
		c := client(t, func(w http.ResponseWriter, r *http.Request) {
			if r.Method == "POST" {
				tokens++
				answerJSON(w, 200, fmt.Sprintf(`{"access_token":"withdrawn-%d","expires_in":7200}`, tokens))
				return
			}
			answerJSON(w, 401, `{"type":"error","error":{"message":"Access token expired. `+r.Header.Get("Authorization")+`"}}`)
		}, with(consumer))
		_, err := get(t, c)
		if !fault.Is(err, fault.Unauthorized) || tokens != 2 || c.Calls() != 2 {
			t.Fatalf("%v with %d tokens, %d calls", err, tokens, c.Calls())
		}
		text := err.Error()
		if !strings.Contains(text, "my-c…ey") || strings.Contains(text, "client-secret") || strings.Contains(text, "withdrawn-2") || !strings.Contains(text, "connection credential add acme") {
			t.Error(text)
		}
	})
}

func TestARenewalThatFailsUsesTheOldTokenWhileItLasts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i := &issuer{life: 3600, form: "scope"}
		c := client(t, i.ServeHTTP, with(consumer))
		if _, err := get(t, c); err != nil {
			t.Fatal(err)
		}
		i.fail = func(w http.ResponseWriter) bool { answerJSON(w, 503, "{}"); return true }
		time.Sleep(57 * time.Minute)
		if _, err := get(t, c); err != nil {
			t.Errorf("three minutes before the end: %v", err)
		}
		time.Sleep(5 * time.Minute)
		if _, err := get(t, c); !fault.Is(err, fault.Unavailable) {
			t.Errorf("two minutes after the end: %v, want unavailable", err)
		}
		i.fail = nil
		if _, err := get(t, c); err != nil {
			t.Errorf("when tokens are given again: %v", err)
		}
	})
}

func TestRefusedTokenRequests(t *testing.T) {
	for name, tc := range map[string]struct {
		answer func(w http.ResponseWriter)
		code   fault.Code
		want   []string
	}{
		"wrong secret": {func(w http.ResponseWriter) {
			answerJSON(w, 400, `{"error":"invalid_client","error_description":"Invalid OAuth client credentials"}`)
		}, fault.Unauthorized, []string{"my-c…ey", "Invalid OAuth client credentials", "OAuth consumers"}},
		"401 text": {func(w http.ResponseWriter) { w.WriteHeader(401); io.WriteString(w, "no my-client-secret") }, fault.Unauthorized, []string{"my-c…ey", "no •••"}},
		"login page": {func(w http.ResponseWriter) {
			w.Header().Set("Content-Type", "text/html")
			io.WriteString(w, "<html><title>Sign in</title>")
		}, fault.Unavailable, []string{"POST /site/oauth2/access_token", "Sign in"}},
		"no token":  {func(w http.ResponseWriter) { answerJSON(w, 200, `{"hello":1}`) }, fault.Unavailable, []string{"no access token", "--site-url"}},
		"not found": {func(w http.ResponseWriter) { w.WriteHeader(404) }, fault.Unavailable, []string{"404", "--site-url"}},
		"limited":   {func(w http.ResponseWriter) { limited(w, "") }, fault.Limited, []string{"my-c…ey"}},
		"redirect": {func(w http.ResponseWriter) {
			w.Header().Set("Location", "https://evil.example/")
			w.WriteHeader(307)
		}, fault.Unavailable, []string{"307"}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := client(t, func(w http.ResponseWriter, r *http.Request) {
					if r.URL.Host != "bb.example" || r.Method != "POST" {
						t.Errorf("%s %s", r.Method, r.URL)
					}
					tc.answer(w)
				}, with(consumer), func(o *bitbucket.Options) { o.NoWait = true })
				_, err := get(t, c)
				if !fault.Is(err, tc.code) {
					t.Fatalf("code %s, want %s: %v", fault.CodeOf(err), tc.code, err)
				}
				for _, want := range tc.want {
					if !strings.Contains(err.Error(), want) {
						t.Errorf("%q lacks %q", err, want)
					}
				}
				if strings.Contains(err.Error(), "my-client-") || c.Calls() != 0 {
					t.Errorf("%v, %d calls", err, c.Calls())
				}
			})
		})
	}
}

func TestLimitedTokenRequestsWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i := &issuer{life: 7200, form: "scope"}
		i.fail = func(w http.ResponseWriter) bool {
			switch i.issued {
			case 1:
				limited(w, "")
			case 2:
				limited(w, "300")
			}
			return i.issued <= 2
		}
		told := 0
		c := client(t, i.ServeHTTP, with(consumer), func(o *bitbucket.Options) { o.OnWait = func(time.Time, string) { told++ } })
		start := time.Now()
		if _, err := get(t, c); err != nil {
			t.Fatal(err)
		}
		if got, want := time.Since(start), 6*time.Minute; got != want || told != 2 {
			t.Errorf("waited %s and told %d times, want %s", got, told, want)
		}
	})
}

// TestARenewalEndsWithItsLastWaiter lets two wait and leave one after the other; synctest fails if a goroutine stays.
func TestARenewalEndsWithItsLastWaiter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ended := time.Time{}
		c := client(t, func(_ http.ResponseWriter, r *http.Request) {
			<-r.Context().Done()
			ended = time.Now()
		}, with(consumer), func(o *bitbucket.Options) { o.Timeout = time.Hour })
		start := time.Now()
		var wg sync.WaitGroup
		for _, d := range []time.Duration{time.Second, time.Minute} {
			wg.Go(func() {
				ctx, cancel := context.WithTimeout(t.Context(), d)
				defer cancel()
				if _, err := c.Do(ctx, bitbucket.Request{Path: "/x"}); err == nil || time.Since(start) != d {
					t.Errorf("%v after %s, want an error after %s", err, time.Since(start), d)
				}
			})
		}
		wg.Wait()
		synctest.Wait()
		if got := ended.Sub(start); got != time.Minute {
			t.Errorf("the request ended after %s, want a minute", got)
		}
	})
}
