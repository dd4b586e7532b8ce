package sandbox

import (
	"net/http"
	"strings"
)

// serveDC answers what lies below /dc; path is what follows it.
func (s *Sandbox) serveDC(rw http.ResponseWriter, req *http.Request, path string) {
	if scm, ok := strings.CutPrefix(path, "/scm/"); ok && s.isGit("/"+scm) {
		s.serveDCGit(rw, req, path)
		return
	}
	if !strings.HasPrefix(path, "/rest/") {
		s.serveDCPage(rw, req)
		return
	}
	if strings.HasPrefix(path, "/rest/oauth2/") && s.serveDCOAuth(rw, req, path) {
		return
	}
	c := &call{s: s, req: req, path: canonical(path), before: "/dc", dc: s.dc()}
	c.route, c.args = s.dcRoutes.match(req.Method, c.path)
	s.serveCall(rw, c, "/dc"+path, c.admitDC)
}

// serveDCPage stands for the pages for people. Tokens are not let in at newer versions (FACTS 114).
func (s *Sandbox) serveDCPage(rw http.ResponseWriter, req *http.Request) {
	who, f := s.dcIdentify(req)
	h := rw.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	switch {
	case f != nil, who != nil && who.Token != "" && s.dc().version.restOnlyTokens():
		rw.WriteHeader(http.StatusUnauthorized)
	case who == nil:
		h.Set("Location", s.dcSite(req)+"/login")
		rw.WriteHeader(http.StatusFound)
	default:
		rw.WriteHeader(http.StatusNotFound)
	}
	_, _ = rw.Write([]byte("<!DOCTYPE html>\n<html><head><title>Bitbucket</title></head><body>The sandbox has no pages for people.</body></html>\n"))
}

// dcSite is the base of all links: the address of the instance with its context path.
func (s *Sandbox) dcSite(req *http.Request) string {
	if s.opts.PublicURL != "" {
		return strings.TrimRight(s.opts.PublicURL, "/") + "/dc"
	}
	return origin(req) + "/dc"
}

// answerDC renders under the lock; writing to the network happens after it.
func (c *call) answerDC() *failure {
	w := c.out
	w.site, w.ssh, w.version, w.view = c.s.dcSite(c.req), c.s.SSHBase(), c.dc.version, view{full: true}
	c.s.remember(true, bases{site: w.site})
	w.iso = c.s.opts.DCISODates && w.version.atLeast(10, 0)
	if c.route.writes {
		c.s.mu.Lock()
		defer c.s.mu.Unlock()
	} else {
		c.s.mu.RLock()
		defer c.s.mu.RUnlock()
	}
	return c.route.handle(c)
}
