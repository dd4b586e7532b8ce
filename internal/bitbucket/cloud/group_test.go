package cloud

import (
	"testing"

	"github.com/windlass-hq/windlass/internal/bitbucket"
)

func TestPathsSpendTheAllowanceOfTheirGroup(t *testing.T) {
	for path, want := range map[string]string{
		"/user":                                   "api",
		"/repositories/acme?pagelen=100":          "api",
		"/repositories/acme/src":                  "api", // a repository of that name
		"/repositories/acme/hooks/commits":        "api",
		"/repositories/acme/app/pullrequests?q=x": "api",
		"/repositories/acme/app/hooks":            "webhooks",
		"/repositories/acme/app/hooks/%7Bx%7D":    "webhooks",
		"/workspaces/acme/hooks?page=2":           "webhooks",
		"/workspaces/hooks":                       "api",
		"/hook_events/repository":                 "webhooks",
		"/repositories/acme/app/src/main/a.go":    "raw",
		"/repositories/acme/app/downloads":        "archive",
		"/repositories/acme/app/properties/k/n":   "properties",
		"/groups/acme":                            "groups-1.0",
		"":                                        "api",
	} {
		if got := group(path); got != want {
			t.Errorf("group(%q) = %q, want %q", path, got, want)
		}
	}
	for group, want := range map[string]int{groupAPI: 1000, groupWebhooks: 1000, groupRaw: 5000, groupArchive: 1500, groupOld: 1000} {
		a := Allowances("https://api.bitbucket.org", 0)
		got, ok := a[group]
		if !ok {
			got = a[""]
		}
		if got != want {
			t.Errorf("the allowance of %s is %d, want %d", group, got, want)
		}
	}
}

func TestOnlyTheVendorHasPublishedAllowances(t *testing.T) {
	for _, tc := range []struct {
		url    string
		stated int
		want   int
	}{
		{"", 0, 1000},
		{"https://api.bitbucket.org/2.0", 0, 1000},
		{"https://api.bitbucket.org", 0, 1000},
		{"https://api.bitbucket.org.example/2.0", 0, bitbucket.Unpublished},
		{"http://127.0.0.1:7990/cloud/2.0", 0, bitbucket.Unpublished},
		{"http://127.0.0.1:7990/cloud/2.0", 50, 50},
		{"", 10_000, 10_000},
	} {
		if got := Allowances(tc.url, tc.stated)[""]; got != tc.want {
			t.Errorf("allowance at %q with %d stated = %d, want %d", tc.url, tc.stated, got, tc.want)
		}
	}
}
