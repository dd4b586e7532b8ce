package sandbox

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
)

// admit finds out who calls, counts the call against an allowance and checks the scope.
func (c *call) admit(h http.Header) *failure {
	cred, kind, f := c.s.identify(c.req)
	if f != nil {
		return f
	}
	c.cred = cred
	if f := c.spend(h); f != nil {
		return f
	}
	if cred == nil {
		return c.anonymous()
	}
	h.Set("X-Credential-Type", kind)
	need := c.route.scope
	if cred.Kind == APIToken {
		need = c.route.token
	}
	granted := cred.collapsed()
	h.Set("X-OAuth-Scopes", strings.Join(granted, ", "))
	if need == "" {
		return nil
	}
	h.Set("X-Accepted-OAuth-Scopes", need)
	if cred.granted[need] {
		return nil
	}
	return lacking(need, granted)
}

// lacking is the answer to a missing scope; `detail` is an object here (FACTS 35).
func lacking(need string, granted []string) *failure {
	if granted == nil {
		granted = []string{}
	}
	detail, err := json.Marshal(map[string][]string{"required": {need}, "granted": granted})
	if err != nil {
		return fail(http.StatusInternalServerError, err.Error(), "")
	}
	return fail(http.StatusForbidden, "Your credentials lack one or more required privilege scopes.", string(detail))
}

// anonymous lets callers without a credential at what is public; the rest needs one.
func (c *call) anonymous() *failure {
	if c.route.scope == "account" {
		return c.unauthorized()
	}
	return nil
}

func (c *call) unauthorized() *failure {
	return fail(http.StatusUnauthorized, "Authentication required", "")
}

// identify returns a copy of the caller's credential, so that an edit of it changes later requests only.
func (s *Sandbox) identify(req *http.Request) (*credential, string, *failure) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	cred, kind, f := s.authenticate(req)
	if cred == nil || f != nil {
		return nil, "", f
	}
	c := *cred
	return &c, kind, nil
}

// authenticate reads the Authorization header. Tokens in the query or the body do not count (FACTS 24).
func (s *Sandbox) authenticate(req *http.Request) (*credential, string, *failure) {
	header := req.Header.Get("Authorization")
	if header == "" {
		return nil, "", nil
	}
	if token, ok := strings.CutPrefix(header, "Bearer "); ok {
		cred, f := s.bearer(strings.TrimSpace(token))
		return cred, "oauth2", f
	}
	name, password, ok := req.BasicAuth()
	if !ok {
		return nil, "", badLogin()
	}
	for _, c := range s.creds {
		if c.Kind == APIToken && c.Key == name && c.Secret == password {
			if f := c.dead(); f != nil {
				return nil, "", f
			}
			return c, "apikey", nil
		}
	}
	return nil, "", badLogin()
}

// bearer knows access tokens and OAuth tokens. User API tokens are refused here (FACTS 12).
func (s *Sandbox) bearer(token string) (*credential, *failure) {
	if t := s.issued[token]; t != nil {
		if f := t.cred.dead(); f != nil {
			return nil, f
		}
		if t.expires <= s.clock().UnixMicro() {
			return nil, fail(http.StatusUnauthorized, "Access token expired.", "")
		}
		return t.cred, nil
	}
	for _, c := range s.creds {
		if c.Kind == AccessToken && c.Secret == token {
			return c, c.dead()
		}
	}
	return nil, badToken()
}

func (c *credential) dead() *failure {
	switch {
	case c.Revoked:
		return badToken()
	case c.Expired && c.Kind == Consumer:
		return fail(http.StatusUnauthorized, "Access token expired.", "")
	case c.Expired:
		return badToken()
	}
	return nil
}

// badToken has the text of FACTS 87.
func badToken() *failure {
	return fail(http.StatusUnauthorized, "Token is invalid, expired, or not supported for this endpoint.", "")
}

// badLogin is the recorded answer to a wrong password: not JSON (FACTS 16).
func badLogin() *failure {
	f := plainText(http.StatusUnauthorized, "Bitbucket Cloud does not accept this user name and password. Use an API token with your Atlassian account e-mail.")
	f.header = map[string]string{"WWW-Authenticate": `Basic realm="Bitbucket.org HTTP"`}
	return f
}

// spend counts the call. Headers about limits come for access tokens only (FACTS 41 and 42).
func (c *call) spend(h http.Header) *failure {
	s := c.s
	if !s.opts.RateLimit {
		return nil
	}
	limits := s.limits.limits
	now := s.clock()
	if c.cred == nil {
		if v := s.limits.take(remoteHost(c.req), "anonymous", limits.Anonymous, now); !v.ok {
			return tooMany(limits, v.wait, now)
		}
		return nil
	}
	allowance := limits.API
	if c.cred.HourlyLimit > 0 {
		allowance = c.cred.HourlyLimit
	}
	v := s.limits.take(c.cred.Name, "api", allowance, now)
	if c.cred.Kind == AccessToken && strings.HasPrefix(c.path, "/2.0/repositories/") {
		h.Set("X-RateLimit-Limit", strconv.Itoa(v.limit))
		h.Set("X-RateLimit-Resource", "api-repositories")
		h.Set("X-RateLimit-NearLimit", strconv.FormatBool(v.near))
	}
	if !v.ok {
		return tooMany(limits, v.wait, now)
	}
	return nil
}
