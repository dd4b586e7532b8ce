package intake_test

import (
	"encoding/hex"
	"strings"
	"testing"

	"github.com/windlass-hq/windlass/internal/intake"
)

// A signature is read in one form alone, and what is read is what was written.
func FuzzSignature(f *testing.F) {
	for _, s := range []string{"", "sha256=", sign("k", "b"), "sha256=sha256=" + strings.Repeat("0", 57), "sha1=00", " " + sign("k", "b") + "\t"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		sum, ok := intake.ParseSignature(text)
		if !ok {
			return
		}
		if len(sum) != 32 || !strings.EqualFold(strings.TrimSpace(text), "sha256="+hex.EncodeToString(sum)) || !strings.HasPrefix(strings.TrimSpace(text), "sha256=") {
			t.Errorf("%q was read as %x", text, sum)
		}
	})
}
