package bitbucket_test

import (
	"strings"
	"testing"

	"github.com/windlass-hq/windlass/internal/bitbucket"
)

func TestAddressesOfWebhooksAreMasked(t *testing.T) {
	for in, want := range map[string]string{
		"https://ci.acme.example/bitbucket-hook/":                                       "https://ci.acme.example/bitbucket-hook/",
		"https://ci.acme.example:8443/generic-webhook-trigger/invoke":                   "https://ci.acme.example:8443/generic-webhook-trigger/invoke",
		"https://ci.acme.example/hook?token=hunter2hunter2":                             "https://ci.acme.example/hook?token=•••",
		"https://ci.acme.example/hook?env=hunter2&hunter2":                              "https://ci.acme.example/hook?env=•••&•••",
		"https://ci.acme.example/hook#hunter2":                                          "https://ci.acme.example/hook",
		"https://bot:hunter2@chat.acme.example/bitbucket":                               "https://•••@chat.acme.example/bitbucket",
		"https://hunter2@chat.acme.example/v2/rooms":                                    "https://•••@chat.acme.example/v2/rooms",
		"https://hooks.chat.example/services/T024BE7LD/B0Z4XYZ12/Xhunter2aZbYcXdWeVfUg": "https://hooks.chat.example/services/•••/•••/•••",
		"https://chat.example/api/webhooks/hooks-of-2024/hunter2-0123456789abcdef":      "https://chat.example/api/webhooks/hooks-of-2024/•••",
		"https://chat.example/%68unter2hunter2hunter2":                                  "https://chat.example/•••",
		"hunter2":          "•••",
		"mailto:hunter2":   "•••",
		"https://%zz/":     "•••",
		"":                 "•••",
		"//h.example/path": "//h.example/path",
	} {
		got := bitbucket.MaskHookURL(in)
		if got != want {
			t.Errorf("%q = %q, want %q", in, got, want)
		}
		if strings.Contains(got, "hunter2") {
			t.Errorf("%q keeps a secret: %q", in, got)
		}
	}
}

func TestMaskHookWords(t *testing.T) {
	for text, want := range map[string]string{
		"":                                    "",
		"two  words":                          "two  words",
		"see  https://u:p@x.example/?k=v now": "see https://•••@x.example/?k=••• now",
	} {
		if got := bitbucket.MaskHookWords(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}
