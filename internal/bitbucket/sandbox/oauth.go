package sandbox

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

// serveToken is the OAuth token endpoint for client credentials (FACTS 18 to 23). Key and secret come as HTTP Basic.
func (s *Sandbox) serveToken(rw http.ResponseWriter, req *http.Request, path string) {
	s.pause(req)
	h := rw.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	if f := s.faults.take(req.Method, path); f != nil && f.before(rw, req) {
		s.stats.count(req.Method+" "+path, "", f.limited())
		return
	}
	key, secret, ok := req.BasicAuth()
	s.stats.count(req.Method+" "+path, s.consumerName(key), false)
	refuse := func(status int, code, text string) {
		rw.WriteHeader(status)
		b := append([]byte(`{"error":"`+code+`","error_description":`), appendString(nil, text)...)
		_, _ = rw.Write(append(b, '}'))
	}
	if req.Method != http.MethodPost {
		h.Set("Allow", http.MethodPost)
		refuse(http.StatusMethodNotAllowed, "invalid_request", "Use POST")
		return
	}
	req.Body = http.MaxBytesReader(rw, req.Body, 1<<16)
	if err := req.ParseForm(); err != nil {
		refuse(http.StatusBadRequest, "invalid_request", "The form cannot be read")
		return
	}
	if grant := req.PostForm.Get("grant_type"); grant != "client_credentials" {
		refuse(http.StatusBadRequest, "unsupported_grant_type", "Unsupported grant type: "+grant)
		return
	}
	if !ok {
		refuse(http.StatusBadRequest, "unauthorized_client", "Client credentials missing; this request needs to be authenticated with the OAuth client id and secret")
		return
	}
	token, cred, o := s.issue(key, secret)
	if cred == nil {
		refuse(http.StatusBadRequest, "unauthorized_client", "Invalid OAuth client credentials")
		return
	}
	name := "scope"
	if o.LegacyScopes {
		name = "scopes"
	}
	_, _ = rw.Write([]byte(`{"access_token":"` + token + `","token_type":"bearer","expires_in":` + strconv.Itoa(int(o.ExpiresIn/time.Second)) +
		`,"state":"client_credentials","` + name + `":"` + strings.Join(cred.collapsed(), " ") + `"}`))
}

func (s *Sandbox) consumerName(key string) string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, c := range s.creds {
		if c.Kind == Consumer && c.Key == key {
			return c.Name
		}
	}
	return ""
}

// issue makes a token. Older ones stay valid (FACTS 25).
func (s *Sandbox) issue(key, secret string) (string, *credential, OAuth) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.creds {
		if c.Kind != Consumer || c.Key != key || c.Secret != secret || c.Revoked {
			continue
		}
		s.serial++
		r := derive(s.opts.Seed, streamControl, s.serial)
		id := r.uuid()
		token := "sandbox-oauth-" + string(id.appendBare(nil)) + "="
		s.issued[token] = &issuedToken{cred: c, expires: s.clock().Add(s.opts.OAuth.ExpiresIn).UnixMicro()}
		cred := *c
		return token, &cred, s.opts.OAuth
	}
	return "", nil, s.opts.OAuth
}

// SetOAuth changes the form of later token answers.
func (s *Sandbox) SetOAuth(o OAuth) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if o.ExpiresIn == 0 {
		o.ExpiresIn = 2 * time.Hour
	}
	s.opts.OAuth = o
}
