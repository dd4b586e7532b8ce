package app_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"testing"
)

// deliver sends a delivery as Bitbucket does.
func deliver(t *testing.T, url, secret, event string, body []byte) int {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-Event-Key", event)
	req.Header.Set("Content-Type", "application/json")
	if secret != "" {
		m := hmac.New(sha256.New, []byte(secret))
		m.Write(body)
		req.Header.Set("X-Hub-Signature", "sha256="+hex.EncodeToString(m.Sum(nil)))
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	return res.StatusCode
}

// Both entrances take webhooks; the one that is only for them lets nothing else in.
func TestEntrancesForWebhooks(t *testing.T) {
	w := newWorld(t)
	w.cfg.HooksListen = "127.0.0.1:0"
	a, _, _ := w.start(t, true)
	for _, base := range []string{a.URL(), a.HooksURL()} {
		if got := deliver(t, base+"/hooks/unknown", "", "repo:push", []byte(`{}`)); got != http.StatusNotFound {
			t.Errorf("%s: status %d for an unknown hook, want 404", base, got)
		}
	}
	for path, want := range map[string]int{"/healthz": http.StatusOK, "/api/v1/connections": http.StatusNotFound, "/": http.StatusNotFound} {
		res, err := http.Get(a.HooksURL() + path)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != want {
			t.Errorf("%s at the entrance for webhooks: status %d, want %d", path, res.StatusCode, want)
		}
	}
}
