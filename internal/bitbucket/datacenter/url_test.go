package datacenter_test

import (
	"strings"
	"testing"

	"github.com/windlass-hq/windlass/internal/bitbucket/datacenter"
	"github.com/windlass-hq/windlass/internal/fault"
)

func TestBaseURL(t *testing.T) {
	for raw, want := range map[string]string{
		"https://git.acme.example":                                             "https://git.acme.example",
		"https://Git.Acme.example:443/":                                        "https://git.acme.example",
		"https://git.acme.example:7990":                                        "https://git.acme.example:7990",
		"https://git.acme.example/dashboard":                                   "https://git.acme.example",
		"https://git.acme.example/projects":                                    "https://git.acme.example",
		"https://git.acme.example/projects/ENG/repos/engine/browse?at=x#l1":    "https://git.acme.example",
		"https://git.acme.example/users/ann/repos":                             "https://git.acme.example",
		"https://git.acme.example/rest/api/1.0/projects":                       "https://git.acme.example",
		"https://git.acme.example/scm/eng/engine.git":                          "https://git.acme.example",
		"https://acme.example/bitbucket":                                       "https://acme.example/bitbucket",
		"https://acme.example/bitbucket/":                                      "https://acme.example/bitbucket",
		"https://acme.example/bitbucket/projects/ENG":                          "https://acme.example/bitbucket",
		"https://acme.example/tools/bit%20bucket/login?next=/projects":         "https://acme.example/tools/bit%20bucket",
		"https://acme.example/scm":                                             "https://acme.example/scm",
		"https://acme.example/scm/projects/ENG":                                "https://acme.example/scm",
		"https://acme.example/bb/plugins/servlet/access-tokens/users/ann/mine": "https://acme.example/bb",
		"http://localhost:7990/bitbucket/dashboard":                            "http://localhost:7990/bitbucket",
		"https://[2001:db8::1]:7990/projects":                                  "https://[2001:db8::1]:7990",
	} {
		got, err := datacenter.BaseURL(raw, false)
		if got != want || err != nil {
			t.Errorf("BaseURL(%q) = %q, %v, want %q", raw, got, err, want)
		}
		if again, err := datacenter.BaseURL(got, false); again != got || err != nil {
			t.Errorf("BaseURL(%q) = %q, %v: not its own base", got, again, err)
		}
	}
	if got, err := datacenter.BaseURL(" https://git.acme.example\n", false); got != "https://git.acme.example" || err != nil {
		t.Errorf("with spaces around: %q, %v", got, err)
	}
	for raw, says := range map[string]string{
		"":                                  "not the URL",
		"git.acme.example":                  "not the URL",
		"https://:":                         "not the URL",
		"ssh://git@git.acme.example:7999":   "not the URL",
		"http://git.acme.example/projects":  "not encrypted",
		"https://ann:pw@git.acme.example/x": "user name or password",
	} {
		_, err := datacenter.BaseURL(raw, false)
		if !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), "pw") {
			t.Errorf("BaseURL(%q): %v, want %q", raw, err, says)
		}
	}
	if got, err := datacenter.BaseURL("http://git.acme.example/projects", true); got != "http://git.acme.example" || err != nil {
		t.Errorf("allowed: %q, %v", got, err)
	}
}

func FuzzBaseURL(f *testing.F) {
	f.Add("https://git.acme.example/bb/projects/ENG?x#y")
	f.Add("https://h/scm/%2e%2e/%zz")
	f.Add("https://:")
	f.Fuzz(func(t *testing.T, raw string) {
		base, err := datacenter.BaseURL(raw, false)
		if err != nil {
			return
		}
		if again, err := datacenter.BaseURL(base, false); err != nil || again != base {
			t.Errorf("%q became %q, which becomes %q, %v", raw, base, again, err)
		}
		if strings.ContainsAny(base, "?#@") {
			t.Errorf("%q became %q", raw, base)
		}
	})
}

func TestVersion(t *testing.T) {
	for s, want := range map[string]datacenter.Version{
		"7.21.0": {Major: 7, Minor: 21}, "8.9.22-something": {Major: 8, Minor: 9, Patch: 22}, "10.0.2": {Major: 10, Patch: 2},
		"9.4": {Major: 9, Minor: 4}, "9": {Major: 9}, "8.0-rc1": {Major: 8}, "8.19.12.1": {Major: 8, Minor: 19, Patch: 12}, "8.x": {Major: 8},
	} {
		if got, ok := datacenter.ParseVersion(s); got != want || !ok {
			t.Errorf("ParseVersion(%q) = %v, %v, want %v", s, got, ok, want)
		}
	}
	for _, s := range []string{"", "x", "v8.0", "-1.0", "99999999999999999999.1"} {
		if got, ok := datacenter.ParseVersion(s); ok {
			t.Errorf("ParseVersion(%q) = %v", s, got)
		}
	}
	sorted := []string{"7.6.19", "7.21.0", "8.0.0", "8.9.22", "8.10.0", "10.0.0"}
	for i := range sorted {
		for j := range sorted {
			a, _ := datacenter.ParseVersion(sorted[i])
			b, _ := datacenter.ParseVersion(sorted[j])
			if got := a.Compare(b); (got < 0) != (i < j) || (got == 0) != (i == j) {
				t.Errorf("%s against %s: %d", a, b, got)
			}
		}
	}
	v, _ := datacenter.ParseVersion("8.9.22")
	if !v.AtLeast(8, 0) || !v.AtLeast(8, 9) || !v.AtLeast(7, 21) || v.AtLeast(8, 10) || v.AtLeast(10, 0) || v.String() != "8.9.22" {
		t.Errorf("%s", v)
	}
}
