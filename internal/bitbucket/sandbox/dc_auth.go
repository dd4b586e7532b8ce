package sandbox

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// The exceptions that errors name (FACTS 140).
const (
	dcNoAccess      = "com.atlassian.bitbucket.AuthorisationException"
	dcWrongPassword = "com.atlassian.bitbucket.auth.IncorrectPasswordAuthenticationException"
	dcCaptcha       = "com.atlassian.bitbucket.auth.CaptchaRequiredAuthenticationException"
	dcNoUser        = "com.atlassian.bitbucket.user.NoSuchUserException"
	dcNoProject     = "com.atlassian.bitbucket.project.NoSuchProjectException"
	dcNoRepository  = "com.atlassian.bitbucket.repository.NoSuchRepositoryException"
	dcNoPullRequest = "com.atlassian.bitbucket.pull.NoSuchPullRequestException"
	dcNoCommit      = "com.atlassian.bitbucket.commit.NoSuchCommitException"
	dcNoBranch      = "com.atlassian.bitbucket.repository.NoDefaultBranchException"
	dcBadArgument   = "com.atlassian.bitbucket.validation.ArgumentValidationException"
)

// captchaAfter is how many failed logins in a row call for a CAPTCHA (FACTS 119).
const captchaAfter = 5

// dcFail returns the JSON error of Data Center (FACTS 139).
func dcFail(status int, message, exception string) *failure {
	return dcFailAbout(status, "", message, exception)
}

func dcFailAbout(status int, context, message, exception string) *failure {
	b := []byte(`{"errors":[{"context":`)
	if context == "" {
		b = append(b, "null"...)
	} else {
		b = appendString(b, context)
	}
	b = appendString(append(b, `,"message":`...), message)
	b = append(b, `,"exceptionName":`...)
	if exception == "" {
		b = append(b, "null"...)
	} else {
		b = appendString(b, exception)
	}
	return &failure{status: status, body: string(append(b, `}]}`...))}
}

// dcNotPermitted is 401 also for callers who are signed in (FACTS 120).
func dcNotPermitted() *failure {
	return dcFail(http.StatusUnauthorized, "You are not permitted to access this resource", dcNoAccess)
}

func dcBadLogin() *failure {
	return dcFail(http.StatusUnauthorized, "Authentication failed. Please check your credentials and try again.", dcWrongPassword)
}

// dcIdentify returns a copy of the caller's credential, so that an edit of it changes later requests only; nil is an
// anonymous caller. It counts failed logins.
func (s *Sandbox) dcIdentify(req *http.Request) (*dcCredential, *failure) {
	d := s.dc()
	s.mu.RLock()
	defer s.mu.RUnlock()
	c, f := d.authenticate(req, s.clock())
	if c == nil || f != nil {
		return nil, f
	}
	cp := *c
	return &cp, nil
}

// authenticate reads the Authorization header: a token as Bearer, a password or a user's own token as Basic. Tokens of
// projects and repositories are never taken as Basic (FACTS 111).
func (d *dataCenter) authenticate(req *http.Request, now time.Time) (*dcCredential, *failure) {
	header := req.Header.Get("Authorization")
	if header == "" {
		return nil, nil
	}
	if token, ok := strings.CutPrefix(header, "Bearer "); ok {
		return d.bearer(strings.TrimSpace(token), now)
	}
	name, password, ok := req.BasicAuth()
	if !ok {
		return nil, dcBadLogin()
	}
	u := d.userByLogin(name)
	d.guard.Lock()
	defer d.guard.Unlock()
	if u != nil && d.failures[u] >= captchaAfter {
		f := dcFail(http.StatusUnauthorized, "CAPTCHA required. Your Bitbucket account has been marked as requiring a CAPTCHA. "+
			"To continue, log in through the web interface and solve it.", dcCaptcha)
		f.header = map[string]string{"X-Authentication-Denied-Reason": "CAPTCHA_CHALLENGE"}
		return nil, f
	}
	for _, c := range d.creds {
		if c.User != "" && c.user == u && u != nil && password != "" && (c.Password == password || c.Token == password) && !c.dead() {
			delete(d.failures, u)
			return c, nil
		}
	}
	if u != nil {
		d.failures[u]++
	}
	return nil, dcBadLogin()
}

// bearer knows HTTP access tokens and those of OAuth 2.0.
func (d *dataCenter) bearer(token string, now time.Time) (*dcCredential, *failure) {
	if c := d.granted(token, now); c != nil {
		return c, nil
	}
	for _, c := range d.creds {
		if c.Token != "" && c.Token == token && !c.dead() {
			return c, nil
		}
	}
	return nil, dcBadLogin()
}

func (c *dcCredential) dead() bool { return c.Revoked || c.Expired || c.user.gone }

// dcHeaders writes what goes with every answer of Data Center (FACTS 118).
func (c *call) dcHeaders(h http.Header) {
	d := c.dc
	d.guard.Lock()
	d.requests++
	n := d.requests
	d.guard.Unlock()
	h.Set("X-AREQUESTID", "@"+strings.ToUpper(strconv.FormatUint(0x5a1d+d.world.seed%4096, 36))+"x"+strconv.FormatUint(n%1440, 10)+"x"+strconv.FormatUint(n, 10)+"x0")
	h["Cache-Control"] = []string{"private, no-cache", "no-cache, no-transform"}
	h.Set("Pragma", "no-cache")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Vary", "X-AUSERNAME,X-AUSERID,Cookie,Accept-Encoding")
	if c.who != nil {
		h.Set("X-AUSERNAME", url.QueryEscape(c.who.user.login))
		h.Set("X-AUSERID", strconv.Itoa(int(c.who.user.number)))
		h.Set("X-ASESSIONID", strconv.FormatUint(mix(uint64(c.who.user.number)), 36))
	}
}

// admitDC finds out who calls, counts the call against the caller's bucket and checks what the route asks for.
func (c *call) admitDC(h http.Header) *failure {
	who, f := c.s.dcIdentify(c.req)
	c.who = who
	c.dcHeaders(h)
	if f != nil {
		return f
	}
	if f := c.s.dcSpend(who); f != nil {
		return f
	}
	switch c.route.need {
	case dcAnyone:
	case dcSignedIn:
		if who == nil {
			return dcNotPermitted()
		}
	case dcByPassword, dcAdministrator:
		if who == nil || who.Token != "" || c.route.need == dcAdministrator && !who.Admin {
			return dcNotPermitted()
		}
	}
	return nil
}
