package bitbucket_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/windlass-hq/windlass/internal/bitbucket"
	"github.com/windlass-hq/windlass/internal/fault"
)

func TestSecretNeverPrints(t *testing.T) {
	cred := bitbucket.Credential{Kind: bitbucket.OAuth, Identity: "key", Secret: "hunter2"}
	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		fmt.Fprintf(&out, verb+" "+verb+" "+verb+"\n", cred.Secret, cred, &cred)
	}
	slog.New(slog.NewTextHandler(&out, nil)).Info("x", "secret", cred.Secret, "cred", cred)
	slog.New(slog.NewJSONHandler(&out, nil)).Info("x", "secret", cred.Secret, "cred", cred)
	b, err := json.Marshal(map[string]any{"c": cred, "s": cred.Secret})
	if err != nil {
		t.Fatal(err)
	}
	out.Write(b)
	out.WriteString(cred.Name())
	for _, leak := range []string{"hunter2", fmt.Sprintf("%x", "hunter2"), fmt.Sprintf("%X", "hunter2")} {
		if strings.Contains(out.String(), leak) {
			t.Errorf("%q leaks in:\n%s", leak, out.String())
		}
	}
	if !strings.Contains(out.String(), "•••") || cred.Secret.Reveal() != "hunter2" {
		t.Errorf("printed %s, revealed %q", out.String(), cred.Secret.Reveal())
	}
}

func TestCredentialsAreValidatedBeforeUse(t *testing.T) {
	for _, tc := range []struct {
		cred bitbucket.Credential
		want string // part of the error, empty for none
	}{
		{bitbucket.Credential{Kind: bitbucket.OAuth, Identity: "k", Secret: "s"}, ""},
		{bitbucket.Credential{Kind: bitbucket.Token, Secret: "s"}, ""},
		{bitbucket.Credential{Kind: bitbucket.APIToken, Identity: "a@b.c", Secret: "s"}, ""},
		{bitbucket.Credential{Kind: bitbucket.OAuth, Secret: "s"}, "needs a client key"},
		{bitbucket.Credential{Kind: bitbucket.OAuth, Identity: "k"}, "is empty"},
		{bitbucket.Credential{Kind: bitbucket.Token}, "is empty"},
		{bitbucket.Credential{Kind: bitbucket.Token, Secret: "line\nbreak"}, "line break"},
		{bitbucket.Credential{Kind: bitbucket.APIToken, Identity: "ann", Secret: "s"}, "e-mail"},
		{bitbucket.Credential{Kind: bitbucket.AppPassword, Identity: "ann", Secret: "s"}, "removed them on 2026-07-28"},
		{bitbucket.Credential{Kind: "cookie", Secret: "s"}, "unknown kind"},
	} {
		err := tc.cred.Validate()
		if (err == nil) != (tc.want == "") || err != nil && (!strings.Contains(err.Error(), tc.want) || !fault.Is(err, fault.Invalid)) {
			t.Errorf("%+v: %v, want %q", tc.cred, err, tc.want)
		}
	}
}

func TestPrincipalsShareAnAllowanceByIdentity(t *testing.T) {
	one := bitbucket.Credential{Kind: bitbucket.APIToken, Identity: "a@b.c", Secret: "one"}
	two := bitbucket.Credential{Kind: bitbucket.APIToken, Identity: "a@b.c", Secret: "two"}
	if one.Principal() != two.Principal() {
		t.Error("two API tokens of one account are two principals")
	}
	x, y := bitbucket.Credential{Kind: bitbucket.Token, Secret: "token-x"}, bitbucket.Credential{Kind: bitbucket.Token, Secret: "token-y"}
	if x.Principal() == y.Principal() || strings.Contains(x.Principal(), "token-x") {
		t.Errorf("principals of two access tokens: %q and %q", x.Principal(), y.Principal())
	}
}

func TestMaskKeepsKeysApart(t *testing.T) {
	if a, b := bitbucket.Mask("sandbox-key"), bitbucket.Mask("sandbox-key-2"); a == b || strings.Contains(a, "box-k") {
		t.Errorf("masked to %q and %q", a, b)
	}
	if got := bitbucket.Mask("ab"); got != "ab…" {
		t.Errorf("Mask(ab) = %q", got)
	}
}
