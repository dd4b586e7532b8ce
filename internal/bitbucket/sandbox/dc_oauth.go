package sandbox

import (
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The incoming link that everybody knows, and the times of FACTS 116.
const (
	dcClientID     = "sandbox-client"
	dcClientSecret = "sandbox-client-secret"
	dcCodeLife     = 10 * time.Second
	dcTokenLife    = time.Hour
)

// dcOAuth holds what was given out; guarded by dataCenter.guard.
type dcOAuth struct {
	serial  uint64
	codes   map[string]dcCode
	refresh map[string]dcGrant
	access  map[string]dcGrant
}

// dcCode is an authorization code on its way to the client.
type dcCode struct {
	dcGrant
	redirect  string
	challenge string // of PKCE, S256; empty: none
}

// dcGrant is what a user let the client do.
type dcGrant struct {
	cred    *dcCredential // the user's own
	scopes  []string
	expires int64
}

func newDCOAuth() dcOAuth {
	return dcOAuth{codes: map[string]dcCode{}, refresh: map[string]dcGrant{}, access: map[string]dcGrant{}}
}

// serveDCOAuth is OAuth 2.0 of an incoming link (FACTS 116): authorization code, with PKCE or not, and refresh token.
// It returns false when the version has no such thing.
func (s *Sandbox) serveDCOAuth(rw http.ResponseWriter, req *http.Request, path string) bool {
	d := s.dc()
	act := strings.TrimPrefix(canonical(path), "/rest/oauth2/latest/")
	if !d.version.oauth2() || act != "authorize" && act != "token" {
		return false
	}
	s.pause(req)
	f := s.faults.take(req.Method, "/dc"+path)
	endpoint := req.Method + " /rest/oauth2/latest/" + act
	if f != nil && f.before(rw, req) {
		s.stats.count(endpoint, "", f.limited())
		return true
	}
	s.stats.count(endpoint, "", false)
	req.Body = http.MaxBytesReader(rw, req.Body, 1<<16)
	if err := req.ParseForm(); err != nil {
		refuseDCOAuth(rw, "invalid_request", "The form cannot be read")
		return true
	}
	if act == "authorize" {
		s.dcAuthorize(rw, req)
	} else {
		s.dcToken(rw, req)
	}
	return true
}

func refuseDCOAuth(rw http.ResponseWriter, code, text string) {
	rw.Header().Set("Content-Type", "application/json;charset=UTF-8")
	rw.WriteHeader(http.StatusBadRequest)
	b := append([]byte(`{"error":"`+code+`","error_description":`), appendString(nil, text)...)
	_, _ = rw.Write(append(b, '}'))
}

// dcScopes are the scopes of an incoming link [believed].
func dcScopes() []string {
	return []string{"PUBLIC_REPOS", "ACCOUNT_WRITE", "REPO_READ", "REPO_WRITE", "REPO_ADMIN", "PROJECT_ADMIN", "ADMIN_WRITE", "SYSTEM_ADMIN"}
}

// dcAuthorize stands for the page on which a user consents: whoever signs in with a password does so at once.
func (s *Sandbox) dcAuthorize(rw http.ResponseWriter, req *http.Request) {
	who, f := s.dcIdentify(req)
	if f != nil || who == nil || who.Token != "" {
		rw.Header().Set("WWW-Authenticate", `Basic realm="Atlassian Bitbucket"`)
		rw.WriteHeader(http.StatusUnauthorized)
		return
	}
	q := req.Form
	back, err := url.Parse(q.Get("redirect_uri"))
	scopes := strings.Fields(q.Get("scope"))
	switch {
	case q.Get("client_id") != dcClientID || q.Get("response_type") != "code" || err != nil || !back.IsAbs():
		refuseDCOAuth(rw, "invalid_request", "client_id, response_type=code and redirect_uri are needed")
		return
	case len(scopes) == 0 || slices.ContainsFunc(scopes, func(x string) bool { return !slices.Contains(dcScopes(), x) }):
		refuseDCOAuth(rw, "invalid_scope", "Unknown scope")
		return
	case q.Get("code_challenge") != "" && q.Get("code_challenge_method") != "S256":
		refuseDCOAuth(rw, "invalid_request", "Use S256 as code_challenge_method")
		return
	}
	d := s.dc()
	d.guard.Lock()
	code := d.oauth.next(d.world.seed)
	d.oauth.codes[code] = dcCode{
		dcGrant:  dcGrant{cred: who, scopes: scopes, expires: s.clock().Add(dcCodeLife).UnixMicro()},
		redirect: back.String(), challenge: q.Get("code_challenge"),
	}
	d.guard.Unlock()
	v := back.Query()
	v.Set("code", code)
	if state := q.Get("state"); state != "" {
		v.Set("state", state)
	}
	back.RawQuery = v.Encode()
	rw.Header().Set("Location", back.String())
	rw.WriteHeader(http.StatusFound)
}

// next makes a secret that was not given out before.
func (o *dcOAuth) next(seed uint64) string {
	o.serial++
	r := derive(seed, streamControl, dcPlace, o.serial)
	id := r.uuid()
	return "sandbox-dc-" + string(id.appendBare(nil))
}

// dcToken answers at the token endpoint. A code and a refresh token are good once.
func (s *Sandbox) dcToken(rw http.ResponseWriter, req *http.Request) {
	q := req.PostForm
	id, secret, ok := req.BasicAuth()
	if !ok {
		id, secret = q.Get("client_id"), q.Get("client_secret")
	}
	now := s.clock()
	d := s.dc()
	s.mu.RLock()
	defer s.mu.RUnlock()
	d.guard.Lock()
	defer d.guard.Unlock()
	var g dcGrant
	var found bool
	switch q.Get("grant_type") {
	case "authorization_code":
		var c dcCode
		c, found = d.oauth.codes[q.Get("code")]
		delete(d.oauth.codes, q.Get("code"))
		sum := sha256.Sum256([]byte(q.Get("code_verifier")))
		if c.expires <= now.UnixMicro() || c.redirect != q.Get("redirect_uri") ||
			c.challenge != "" && c.challenge != base64.RawURLEncoding.EncodeToString(sum[:]) {
			found = false
		}
		g = c.dcGrant
	case "refresh_token":
		g, found = d.oauth.refresh[q.Get("refresh_token")]
	default:
		refuseDCOAuth(rw, "unsupported_grant_type", "Unsupported grant type")
		return
	}
	switch {
	case req.Method != http.MethodPost || id != dcClientID || secret != dcClientSecret:
		refuseDCOAuth(rw, "invalid_client", "The client is not known")
		return
	case !found || g.cred.dead():
		refuseDCOAuth(rw, "invalid_grant", "The grant is not valid")
		return
	}
	delete(d.oauth.refresh, q.Get("refresh_token"))
	access, refresh := d.oauth.next(d.world.seed), d.oauth.next(d.world.seed)
	d.oauth.refresh[refresh] = g
	g.expires = now.Add(dcTokenLife).UnixMicro()
	d.oauth.access[access] = g
	rw.Header().Set("Content-Type", "application/json;charset=UTF-8")
	rw.Header().Set("Cache-Control", "no-store")
	_, _ = rw.Write([]byte(`{"access_token":"` + access + `","token_type":"Bearer","expires_in":` + strconv.Itoa(int(dcTokenLife/time.Second)) +
		`,"refresh_token":"` + refresh + `","created_at":` + strconv.FormatInt(now.Unix(), 10) + `,"scope":"` + strings.Join(g.scopes, " ") + `"}`))
}

// granted returns what an access token lets its client do: what the user may, within the scopes.
func (d *dataCenter) granted(token string, now time.Time) *dcCredential {
	d.guard.Lock()
	g, ok := d.oauth.access[token]
	d.guard.Unlock()
	if !ok || g.cred.dead() || g.expires <= now.UnixMicro() {
		return nil
	}
	c := *g.cred
	level := dcNothing
	for _, s := range g.scopes {
		switch s {
		case "REPO_READ", "PUBLIC_REPOS", "ACCOUNT_WRITE":
			level = max(level, dcRead)
		case "REPO_WRITE":
			level = max(level, dcWrite)
		default:
			level = dcAdmin
		}
	}
	c.level = min(c.level, level)
	c.Admin = c.Admin && (slices.Contains(g.scopes, "SYSTEM_ADMIN") || slices.Contains(g.scopes, "ADMIN_WRITE"))
	return &c
}
