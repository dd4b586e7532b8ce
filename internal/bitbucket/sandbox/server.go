package sandbox

import (
	"hash/crc32"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// call is one REST request on its way.
type call struct {
	s      *Sandbox
	req    *http.Request
	path   string // as called but without /cloud and /api: /2.0/...
	before string // what was in front of it
	route  *route
	args   []string
	query  url.Values
	cred   *credential // nil: anonymous
	fault  *Fault
	out    *writer
	email  bool // e-mail addresses may be shown
	status int  // of a good answer; 0 means 200

	dc  *dataCenter   // nil: Bitbucket Cloud
	who *dcCredential // who calls Data Center; nil: anonymous

	later func() *failure // what remains to be done once the world is unlocked
}

// failure is an answer other than 200.
type failure struct {
	status int
	body   string
	plain  bool
	header map[string]string
}

// fail returns Bitbucket's JSON error (FACTS 85); detail is JSON or empty.
func fail(status int, message, detail string) *failure {
	b := append([]byte(`{"type":"error","error":{"message":`), appendString(nil, message)...)
	if detail != "" {
		b = append(append(b, `,"detail":`...), detail...)
	}
	return &failure{status: status, body: string(append(b, '}', '}'))}
}

func plainText(status int, text string) *failure {
	return &failure{status: status, body: text, plain: true}
}

// serve is the one door. What is not REST is told apart by its path.
func (s *Sandbox) serve(rw http.ResponseWriter, req *http.Request) {
	path := req.URL.EscapedPath()
	rw.Header().Set("Date", s.date().Format(http.TimeFormat)) // for faults, tokens and git too
	if strings.HasPrefix(path, "/sandbox/") || path == "/sandbox" {
		s.serveControl(rw, req)
		return
	}
	if rest, ok := strings.CutPrefix(path, "/dc/"); ok {
		s.serveDC(rw, req, "/"+rest)
		return
	}
	before := ""
	if rest, ok := strings.CutPrefix(path, "/cloud"); ok && strings.HasPrefix(rest, "/") {
		before, path = "/cloud", rest
	}
	if path == "/site/oauth2/access_token" {
		s.serveToken(rw, req, path)
		return
	}
	if s.isGit(path) {
		s.serveGit(rw, req, path)
		return
	}
	if rest, ok := strings.CutPrefix(path, "/api/"); ok {
		before, path = before+"/api", "/"+rest
	}
	s.serveREST(rw, req, before, path)
}

func (s *Sandbox) serveREST(rw http.ResponseWriter, req *http.Request, before, path string) {
	c := &call{s: s, req: req, path: path, before: before}
	c.route, c.args = s.routes.match(req.Method, path)
	s.serveCall(rw, c, path, c.admit)
}

// serveCall answers a call of either product. The path is the one that faults are matched with; admit finds out who
// calls and whether that is allowed, and writes headers.
func (s *Sandbox) serveCall(rw http.ResponseWriter, c *call, path string, admit func(http.Header) *failure) {
	req := c.req
	s.pause(req)
	if c.fault = s.faults.take(req.Method, path); c.fault != nil && c.fault.before(rw, req) {
		s.stats.count(c.route.name, "", c.fault.limited())
		return
	}
	w, ok := s.writers.Get().(*writer)
	if !ok {
		w = &writer{}
	}
	defer func() {
		if cap(w.buf) < 4<<20 {
			s.writers.Put(w)
		}
	}()
	*w = writer{buf: w.buf[:0], stack: w.stack[:0]}
	c.out = w

	f := admit(rw.Header())
	name := ""
	switch {
	case c.cred != nil:
		name = c.cred.Name
	case c.who != nil:
		name = c.who.Name
	}
	s.stats.count(c.route.name, name, f != nil && f.status == http.StatusTooManyRequests)
	if f == nil {
		f = c.answer()
	}
	if f == nil && c.later != nil {
		f = c.later()
	}
	c.write(rw, f)
}

// answer renders under the read lock; writing to the network happens after it.
func (c *call) answer() *failure {
	q, err := url.ParseQuery(c.req.URL.RawQuery)
	if err != nil {
		return fail(http.StatusBadRequest, "Bad request", "")
	}
	c.query = q
	if c.dc != nil {
		return c.answerDC()
	}
	c.out.api, c.out.site = c.bases()
	c.s.remember(false, bases{c.out.api, c.out.site})
	c.out.ssh = c.s.SSHBase()
	c.out.view = parseFields(q.Get("fields"), q.Has("fields"))
	if c.route.writes {
		c.s.mu.Lock()
		defer c.s.mu.Unlock()
	} else {
		c.s.mu.RLock()
		defer c.s.mu.RUnlock()
	}
	return c.route.handle(c)
}

func (c *call) write(rw http.ResponseWriter, f *failure) {
	status, body := http.StatusOK, c.out.buf
	if c.status != 0 {
		status = c.status
	}
	h := rw.Header()
	h.Set("Content-Type", "application/json; charset=utf-8")
	if c.dc != nil {
		h.Set("Content-Type", "application/json;charset=UTF-8")
	}
	if f != nil {
		status, body = f.status, []byte(f.body)
		if f.plain {
			h.Set("Content-Type", "text/plain; charset=utf-8")
		}
		for k, v := range f.header {
			h.Set(k, v)
		}
	}
	if c.dc == nil {
		h.Set("Cache-Control", "private")
	}
	h.Set("Date", c.s.date().Format(http.TimeFormat))
	if c.fault != nil && status == http.StatusOK && c.fault.after(rw, c, &body) {
		return
	}
	if status == http.StatusOK && c.dc == nil {
		tag := etag(body)
		h.Set("ETag", tag)
		if c.req.Header.Get("If-None-Match") == tag {
			rw.WriteHeader(http.StatusNotModified)
			return
		}
	}
	if status == http.StatusNoContent {
		h.Del("Content-Type")
		rw.WriteHeader(status)
		return
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	rw.WriteHeader(status)
	if c.req.Method != http.MethodHead {
		_, _ = rw.Write(body) // a caller that went away is no concern of the sandbox
	}
}

// etag is a strong tag (FACTS 46) of two checksums over the body.
func etag(body []byte) string {
	a := crc32.Checksum(body, crc32.MakeTable(crc32.Castagnoli))
	return `"` + strconv.FormatUint(uint64(a)<<32|uint64(len(body)), 16) + `"`
}

// origin is scheme, host and path prefix as the caller sees them, also behind a proxy that says so.
func origin(req *http.Request) string {
	scheme := "http"
	if req.TLS != nil {
		scheme = "https"
	}
	if p := req.Header.Get("X-Forwarded-Proto"); p == "https" || p == "http" {
		scheme = p
	}
	host := req.Host
	if h := req.Header.Get("X-Forwarded-Host"); h != "" {
		host = h
	}
	prefix := strings.TrimRight(req.Header.Get("X-Forwarded-Prefix"), "/")
	if prefix != "" && prefix[0] != '/' {
		prefix = ""
	}
	return scheme + "://" + host + prefix
}

func (c *call) bases() (api, site string) {
	if c.s.opts.PublicURL != "" {
		u := strings.TrimRight(c.s.opts.PublicURL, "/")
		return u + "/2.0", u
	}
	o := origin(c.req)
	site = o
	if strings.HasPrefix(c.before, "/cloud") {
		site += "/cloud"
	}
	return o + c.before + "/2.0", site
}

// pause is the configured latency.
func (s *Sandbox) pause(req *http.Request) {
	if s.opts.Latency > 0 {
		wait(req, s.opts.Latency)
	}
}

func wait(req *http.Request, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-req.Context().Done():
	}
}

func remoteHost(req *http.Request) string {
	host, _, err := net.SplitHostPort(req.RemoteAddr)
	if err != nil {
		return req.RemoteAddr
	}
	return host
}
