package bitbucket_test

import (
	"strings"
	"testing"

	"github.com/windlass-hq/windlass/internal/bitbucket"
	"github.com/windlass-hq/windlass/internal/fault"
)

func TestParseOrigin(t *testing.T) {
	for _, tc := range []struct{ in, want, problem string }{
		{"https://api.bitbucket.org/2.0", "https://api.bitbucket.org/2.0", ""},
		{" https://API.bitbucket.org:443/2.0/ ", "https://api.bitbucket.org/2.0", ""},
		{"http://127.0.0.1:7990/cloud/2.0", "http://127.0.0.1:7990/cloud/2.0", ""},
		{"http://[::1]:7990", "http://[::1]:7990", ""},
		{"http://localhost", "http://localhost", ""},
		{"http://bitbucket.example/2.0", "", "not encrypted"},
		{"ftp://host", "", "is not the URL"},
		{"bitbucket.org", "", "is not the URL"},
		{"", "", "is not the URL"},
		{"https://ann:hunter2@host/x", "", "user name or password"},
		{"https://host/x?token=hunter2", "", "query"},
	} {
		o, err := bitbucket.ParseOrigin(tc.in, false)
		if tc.problem != "" {
			if !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), tc.problem) || strings.Contains(err.Error(), "hunter2") {
				t.Errorf("%q: %v, want %q", tc.in, err, tc.problem)
			}
			continue
		}
		if err != nil || o.String() != tc.want {
			t.Errorf("%q = %q, %v, want %q", tc.in, o, err, tc.want)
		}
	}
	if _, err := bitbucket.ParseOrigin("http://bitbucket.example/2.0", true); err != nil {
		t.Errorf("with allowHTTP: %v", err)
	}
}

func TestLinksStayInside(t *testing.T) {
	for _, tc := range []struct{ origin, link, want string }{
		{"https://h/bb/2.0", "https://h/bb/2.0/x?page=2", "https://h/bb/2.0/x?page=2"},
		{"https://h/bb/2.0", "https://h:443/bb/2.0/x", "https://h:443/bb/2.0/x"},
		{"https://h/bb/2.0", "https://H/bb/2.0/%7Bx%7D", "https://H/bb/2.0/%7Bx%7D"},
		{"https://h/bb/2.0", "https://h/bb/2.00/x", ""},
		{"https://h/bb/2.0", "https://h/bb/other", ""},
		{"https://h/bb/2.0", "https://h/bb/2.0/../../admin", ""},
		{"https://h/bb/2.0", "https://h/bb/2.0/%2e%2e/admin", ""},
		{"https://h/bb/2.0", "http://h/bb/2.0/x", ""},
		{"https://h/bb/2.0", "https://h:8443/bb/2.0/x", ""},
		{"https://h/bb/2.0", "https://h.evil/bb/2.0/x", ""},
		{"https://h/bb/2.0", "https://h@evil/bb/2.0/x", ""},
		{"https://h/bb/2.0", "https://ann@h/bb/2.0/x", ""},
		{"https://h/bb/2.0", "//h/bb/2.0/x", ""},
		{"https://h/bb/2.0", "/bb/2.0/x", ""},
		{"https://h/bb/2.0", "javascript:x", ""},
		// The vendor's two names are one API, and the configured one is asked.
		{"https://api.bitbucket.org/2.0", "https://bitbucket.org/api/2.0/x?page=2", "https://api.bitbucket.org/2.0/x?page=2"},
		{"https://bitbucket.org/api/2.0", "https://api.bitbucket.org/2.0/x", "https://bitbucket.org/api/2.0/x"},
		{"https://api.bitbucket.org/2.0", "https://bitbucket.org/api/2.0evil/x", ""},
		{"https://api.bitbucket.org/2.0", "https://bitbucket.org/api/2.0/../x", ""},
		{"https://h/2.0", "https://bitbucket.org/api/2.0/x", ""},
	} {
		o, err := bitbucket.ParseOrigin(tc.origin, false)
		if err != nil {
			t.Fatal(err)
		}
		got, err := o.Inside(tc.link)
		if tc.want == "" {
			if err == nil || strings.Contains(tc.link, "evil/bb") && !strings.Contains(err.Error(), "evil") {
				t.Errorf("%s under %s: %q, %v, want a refusal that names it", tc.link, tc.origin, got, err)
			}
			continue
		}
		if err != nil || got != tc.want {
			t.Errorf("%s under %s = %q, %v, want %q", tc.link, tc.origin, got, err, tc.want)
		}
	}
}

// TestTheOldAPILiesBesideTheNewOne is FACTS 5. Only our own paths lead there, never a link of an answer.
func TestTheOldAPILiesBesideTheNewOne(t *testing.T) {
	for in, want := range map[string]string{
		"https://api.bitbucket.org/2.0":   "https://api.bitbucket.org/1.0",
		"https://bitbucket.org/api/2.0":   "https://bitbucket.org/api/1.0",
		"http://127.0.0.1:7990/cloud/2.0": "http://127.0.0.1:7990/cloud/1.0",
		"https://bitbucket.example":       "",
		"https://bitbucket.example/v2.0":  "",
	} {
		o, err := bitbucket.ParseOrigin(in, false)
		if err != nil {
			t.Fatal(err)
		}
		old, ok := o.Old()
		if ok != (want != "") || ok && old.String() != want {
			t.Errorf("beside %q lies %q, %v; want %q", in, old, ok, want)
		}
		if _, err := o.Inside(old.Join("/groups/acme")); ok && err == nil {
			t.Errorf("a link of an answer leads from %q to %q", in, old)
		}
	}
}
