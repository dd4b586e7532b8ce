package sandbox_test

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/windlass-hq/windlass/internal/bitbucket/sandbox"
)

func TestFaultsHitWhatTheyNameAsOftenAsTheySay(t *testing.T) {
	s, base := start(t, sandbox.Options{})
	id, err := s.AddFault(sandbox.Fault{Kind: sandbox.FaultStatus, Status: 503, Path: "/2.0/repositories/acme", Skip: 1, Count: 2})
	if err != nil {
		t.Fatal(err)
	}
	var got []int
	for range 5 {
		resp, _ := get(t, token, base+"/cloud/2.0/repositories/acme")
		got = append(got, resp.StatusCode)
	}
	if want := []int{200, 503, 503, 200, 200}; !equal(got, want) {
		t.Errorf("statuses %v, want %v", got, want)
	}
	if resp, _ := get(t, token, base+"/cloud/2.0/user"); resp.StatusCode != 200 {
		t.Errorf("another path: %s", resp.Status)
	}
	if hit := s.RemoveFault(id); hit != 2 {
		t.Errorf("it hit %d, want 2", hit)
	}
	if _, err := s.AddFault(sandbox.Fault{Kind: "nonsense"}); err == nil {
		t.Error("an unknown kind was taken")
	}
}

func equal(a, b []int) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

func TestEveryKindOfFault(t *testing.T) {
	s, base := start(t, sandbox.Options{})
	list := base + "/2.0/repositories/" + someRepository(t, base) + "/pullrequests?state=ALL&pagelen=5"
	good := walk(t, list)
	arm := func(f sandbox.Fault) {
		t.Helper()
		s.ClearFaults()
		if _, err := s.AddFault(f); err != nil {
			t.Fatal(err)
		}
	}
	ask := func(f sandbox.Fault) (*http.Response, string) {
		t.Helper()
		arm(f)
		resp, body := get(t, token, list)
		return resp, string(body)
	}
	if resp, body := ask(sandbox.Fault{Kind: sandbox.FaultHTML}); resp.StatusCode != 200 || !strings.Contains(body, "<html>") {
		t.Errorf("html: %s %s", resp.Status, body)
	}
	if resp, body := ask(sandbox.Fault{Kind: sandbox.FaultText, Status: 401}); resp.StatusCode != 401 || body != "Unauthorized" {
		t.Errorf("text: %s %s", resp.Status, body)
	}
	if resp, body := ask(sandbox.Fault{Kind: sandbox.FaultLimited, RetryAfter: "7"}); resp.StatusCode != 429 || resp.Header.Get("Retry-After") != "7" || !strings.HasPrefix(body, "Rate limit") {
		t.Errorf("429: %s %s", resp.Status, body)
	}
	if resp, body := ask(sandbox.Fault{Kind: sandbox.FaultExpired}); resp.StatusCode != 401 || !strings.Contains(body, "expired") {
		t.Errorf("expired: %s %s", resp.Status, body)
	}
	if resp, body := ask(sandbox.Fault{Kind: sandbox.FaultTruncate}); resp.StatusCode != 200 || json.Valid([]byte(body)) || int64(len(body)) != resp.ContentLength {
		t.Errorf("truncate: %s, %d bytes", resp.Status, len(body))
	}
	begin := time.Now()
	if resp, _ := ask(sandbox.Fault{Kind: sandbox.FaultSlow, Delay: 30 * time.Millisecond}); resp.StatusCode != 200 || time.Since(begin) < 30*time.Millisecond {
		t.Errorf("slow: %s after %s", resp.Status, time.Since(begin))
	}
	if _, body := ask(sandbox.Fault{Kind: sandbox.FaultRepeat}); at(parse(t, body), "next") != list {
		t.Errorf("repeat: next is %v", at(parse(t, body), "next"))
	}
	for variant, check := range map[string]func(object) bool{
		"null-author": func(o object) bool { _, has := o["author"]; return has && o["author"] == nil },
		"no-id":       func(o object) bool { _, has := o["id"]; return !has },
		"wrong-types": func(o object) bool { _, text := o["title"].(string); return !text },
	} {
		_, body := ask(sandbox.Fault{Kind: sandbox.FaultOdd, Variant: variant})
		if first := at(parse(t, body), "values").([]any)[0].(object); !check(first) {
			t.Errorf("%s: %v", variant, first)
		}
	}
	for _, kind := range []sandbox.FaultKind{sandbox.FaultReset, sandbox.FaultCut} {
		arm(sandbox.Fault{Kind: kind})
		req, err := http.NewRequest(http.MethodPost, list, nil) // a POST is not tried again by the client
		if err != nil {
			t.Fatal(err)
		}
		if kind == sandbox.FaultCut {
			req.Method = http.MethodGet
		}
		req.Header.Set("Authorization", "Bearer "+token)
		resp, err := http.DefaultClient.Do(req)
		if err == nil {
			_, err = io.ReadAll(resp.Body)
			_ = resp.Body.Close()
		}
		if !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, syscall.ECONNRESET) && !errors.Is(err, io.EOF) {
			t.Errorf("%s: error %v", kind, err)
		}
	}
	arm(sandbox.Fault{Kind: sandbox.FaultShift})
	if got := len(walk(t, list)); got >= len(good) {
		t.Errorf("shift: %d pull requests, without it %d", got, len(good))
	}
	arm(sandbox.Fault{Kind: sandbox.FaultShift, Shift: -1})
	ids := map[any]int{}
	for _, p := range walk(t, list) {
		ids[p["id"]]++
	}
	if len(ids) != len(good) || ids[good[4]["id"]] != 2 {
		t.Errorf("shift back: %d different ones of %d, the fifth %d times", len(ids), len(good), ids[good[4]["id"]])
	}
	arm(sandbox.Fault{Kind: sandbox.FaultMissing})
	if got := len(walk(t, list)); got != 5 {
		t.Errorf("missing next: %d values, want the first page's 5", got)
	}
}

func parse(t testing.TB, body string) object {
	t.Helper()
	var o object
	if err := json.Unmarshal([]byte(body), &o); err != nil {
		t.Fatalf("%v in %.200s", err, body)
	}
	return o
}
