package bitbucket_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/windlass-hq/windlass/internal/bitbucket"
)

// TestTextsAreMaskedBeforeTheyAreCut proves that no part of a password stays where the cut goes through it.
func TestTextsAreMaskedBeforeTheyAreCut(t *testing.T) {
	const secret = "hunter2hunter2hunter2"
	for before := range 90 {
		text := strings.Repeat("x", before) + " https://ci:" + secret + "@host.example/?token=" + secret
		quoted, err := json.Marshal(text)
		if err != nil {
			t.Fatal(err)
		}
		r := bitbucket.NewRecord(2)
		r.Description("description", quoted)
		r.Text("title", quoted)
		for name, value := range r.Props {
			if s, ok := value.(string); !ok || s == "" || strings.Contains(s, "hunt") {
				t.Fatalf("%s of %q is %q", name, text, value)
			}
		}
	}
}

// TestEscapesHideNoSecret proves that a writer of JSON that escapes more than it must hides no secret from Scrub.
func TestEscapesHideNoSecret(t *testing.T) {
	for _, in := range []string{
		`{"a":"https:\/\/h.example\/?a=1\u0026token=hunter2"}`,
		`{"a":"https://h.example/?a=1\u0026token\u003dhunter2"}`,
		`{"a":["https:\u002f\u002fci:hunter2\u0040h.example/"]}`,
		`{"a":"https://h.example/x?\u0074oken=hunter2"}`,
	} {
		got := string(bitbucket.Scrub(bitbucket.JSON(in)))
		if strings.Contains(got, "hunter2") || !json.Valid([]byte(got)) || !strings.Contains(got, "h.example") {
			t.Errorf("%s: %s", in, got)
		}
	}
	const harmless = `{"a":"Gr\u00f6\u00dfe, \u003cb\u003e"}`
	if got := string(bitbucket.Scrub(bitbucket.JSON(harmless))); got != harmless {
		t.Errorf("%s became %s", harmless, got)
	}
}
