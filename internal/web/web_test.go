package web_test

import (
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/windlass-hq/windlass/internal/web"
)

func TestPage(t *testing.T) {
	w := httptest.NewRecorder()
	web.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
	if !strings.Contains(w.Body.String(), "API is up; the web UI comes later") {
		t.Errorf("got %s", w.Body)
	}
	if got := w.Header().Get("Content-Security-Policy"); !strings.HasPrefix(got, "default-src 'none'") {
		t.Errorf("got policy %q", got)
	}
}
