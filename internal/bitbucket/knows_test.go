package bitbucket_test

import (
	"context"
	"net/http"
	"testing"

	"github.com/windlass-hq/windlass/internal/bitbucket"
	"github.com/windlass-hq/windlass/internal/fault"
)

// TestARefusalThatSaysItAll is about permission by its own words: nothing is confirmed, and the credential stays in use,
// whether something was to be read or changed.
func TestARefusalThatSaysItAll(t *testing.T) {
	for _, knows := range []bool{true, false} {
		confirmed := 0
		c := client(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X-Who", "a")
			answerJSON(w, 401, `{"why":"permission"}`)
		}, func(o *bitbucket.Options) {
			o.Confirm = func(context.Context, *bitbucket.Client, string) error { confirmed++; return nil }
			o.Knows = func(principal string, h http.Header, body bitbucket.JSON) bool {
				why, _ := body.Get("why").Text()
				return knows && principal != "" && h.Get("X-Who") == "a" && why == "permission"
			}
		})
		_, read := get(t, c)
		_, written := c.Send(t.Context(), bitbucket.Write{Method: http.MethodDelete, Path: "/x"})
		if !fault.Is(read, fault.Denied) || !fault.Is(written, fault.Denied) || c.Budgets()[0].Trouble != "" {
			t.Errorf("%v; %v; %q", read, written, c.Budgets()[0].Trouble)
		}
		if want := map[bool]int{true: 0, false: 2}[knows]; confirmed != want {
			t.Errorf("%d questions, want %d", confirmed, want)
		}
	}
}

// TestNoContent is an answer that has nothing to tell, which is no failure and is asked for once.
func TestNoContent(t *testing.T) {
	c := client(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	resp, err := get(t, c)
	if err != nil || !resp.Body.Missing() || c.Calls() != 1 {
		t.Errorf("%+v, %v after %d calls", resp, err, c.Calls())
	}
}
