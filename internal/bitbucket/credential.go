package bitbucket

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/windlass-hq/windlass/internal/fault"
)

// Kind says how a credential is presented.
type Kind string

// The kinds. They are also the words that the store and the commands use.
const (
	OAuth    Kind = "oauth"     // OAuth 2.0 client credentials: Identity is the client key (FACTS 18 to 24)
	Token    Kind = "token"     // access token of a repository, project or workspace; HTTP access token: Bearer (FACTS 13)
	APIToken Kind = "api-token" // token of an Atlassian account: Basic with Identity, its e-mail (FACTS 10)
	Basic    Kind = "basic"     // user name and password; Data Center only

	// AppPassword was removed by the vendor on 2026-07-28 (FACTS 8) and is known only to be refused with advice.
	AppPassword Kind = "app-password"
)

// Role says what a credential may be used for; empty means everything it can do.
type Role string

// The roles of HARD-PARTS A.
const (
	RoleAny    Role = ""
	RoleData   Role = "data"
	RoleAccess Role = "access"
	RoleHooks  Role = "hooks"
	RoleWrite  Role = "write"
)

// Credential is one way to log in.
type Credential struct {
	Role     Role
	Kind     Kind
	Identity string // client key, e-mail or user name; empty for a token
	Secret   Secret
}

// Validate reports what a credential lacks before it is ever sent.
func (c Credential) Validate() error {
	switch c.Kind {
	case OAuth, APIToken, Basic:
		if c.Identity == "" {
			what := map[Kind]string{OAuth: "client key", APIToken: "e-mail address", Basic: "user name"}[c.Kind]
			return fault.New(fault.Invalid, "a credential of kind %s needs a %s", c.Kind, what)
		}
	case Token:
	case AppPassword:
		return fault.New(fault.Invalid, "app passwords no longer exist: Atlassian removed them on 2026-07-28").
			With("use an API token (--email, --api-token), an access token (--token) or an OAuth consumer (--client-key, --client-secret)")
	default:
		return fault.New(fault.Invalid, "unknown kind of credential %q", c.Kind).With("known are oauth, token, api-token and basic")
	}
	if c.Secret == "" {
		return fault.New(fault.Invalid, "the secret of %s is empty", c.Name())
	}
	if strings.ContainsAny(string(c.Secret), "\r\n\x00") || strings.ContainsAny(c.Identity, "\r\n\x00") {
		return fault.New(fault.Invalid, "%s holds a line break", c.Name()).With("check the file it was read from")
	}
	if c.Kind == APIToken && !strings.Contains(c.Identity, "@") {
		return fault.New(fault.Invalid, "%q is no e-mail address", c.Identity).
			With("an API token logs in with the e-mail address of its Atlassian account, not with a user name")
	}
	return nil
}

// Principal returns who the vendor counts this credential as: credentials of one principal share one allowance
// (FACTS 39). It holds no secret and stays the same over restarts.
func (c Credential) Principal() string {
	if c.Kind == Token {
		sum := sha256.Sum256([]byte(c.Secret))
		return "token:" + hex.EncodeToString(sum[:6])
	}
	return string(c.Kind) + ":" + c.Identity
}

// Name returns what messages call the credential: enough to find it, too little to use it.
func (c Credential) Name() string {
	switch c.Kind {
	case OAuth:
		return "the OAuth consumer with client key " + Mask(c.Identity)
	case APIToken:
		return "the API token of " + c.Identity
	case Basic:
		return "the password of " + c.Identity
	case Token:
		return fmt.Sprintf("the access token with fingerprint %s", strings.TrimPrefix(c.Principal(), "token:"))
	default:
		return "the credential of kind " + string(c.Kind)
	}
}

// Mask shortens an identifier so that its owner recognises it.
func Mask(s string) string {
	if len(s) <= 6 {
		return s[:min(len(s), 2)] + "…"
	}
	return s[:4] + "…" + s[len(s)-2:]
}
