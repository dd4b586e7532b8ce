package app_test

import (
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/windlass-hq/windlass/client"
	"github.com/windlass-hq/windlass/internal/bitbucket/sandbox"
)

// TestAConnectionGoesThroughItsProxy: both products are reached under a name that only the proxy knows, and what
// no-proxy names is not.
func TestAConnectionGoesThroughItsProxy(t *testing.T) {
	w := newWorld(t)
	proxy := &sandbox.ForwardProxy{Hosts: map[string]string{"bitbucket.corp.example:80": strings.TrimPrefix(w.url, "http://")}}
	server := httptest.NewServer(proxy)
	t.Cleanup(func() { server.Close(); proxy.Close() })
	_, c, _ := w.start(t, false)
	for _, n := range []client.NewConnection{
		{Product: "cloud", Settings: map[string]string{"workspaces": "acme", "api-url": "http://bitbucket.corp.example/cloud/2.0"}, Credentials: []client.NewCredential{{Kind: "token", Secret: "sandbox-cloud-token"}}},
		{Product: "datacenter", Settings: map[string]string{"url": "http://bitbucket.corp.example/dc", "rate": "200", "in-flight": "16"}, Credentials: []client.NewCredential{{Kind: "token", Secret: "sandbox-token"}}},
	} {
		t.Run(n.Product, func(t *testing.T) {
			n.Name, n.Interval, n.NoPreflight = n.Product, "disabled", true
			n.Settings["allow-http"], n.Settings["proxy"] = "true", server.URL
			if _, err := c.Connect(t.Context(), n); err != nil {
				t.Fatal(err)
			}
			before := len(proxy.Seen())
			run, err := c.StartRun(t.Context(), n.Name, client.RunRequest{Drain: true, NoWait: true})
			if err != nil {
				t.Fatal(err)
			}
			if run, err = c.Follow(t.Context(), run.ID, func(client.Progress) {}); err != nil || run.Status != "complete" {
				t.Fatalf("run is %s: %v", run.Status, err)
			}
			if after := len(proxy.Seen()); after <= before {
				t.Errorf("the proxy saw %d addresses before the run and %d after it", before, after)
			}

			seen := proxy.Seen()
			for name, value := range n.Settings {
				n.Settings[name] = strings.Replace(value, "http://bitbucket.corp.example", w.url, 1)
			}
			n.Name, n.Settings["no-proxy"] = n.Name+"-direct", "127.0.0.1"
			if _, err := c.Connect(t.Context(), n); err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(seen, proxy.Seen()); d != "" {
				t.Errorf("a host of no-proxy was reached through the proxy (-before +after):\n%s", d)
			}
		})
	}
}
