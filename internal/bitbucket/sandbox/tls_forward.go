package sandbox

import (
	"context"
	"encoding/base64"
	"io"
	"maps"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"
)

// ForwardProxy is an HTTP proxy of the kind that companies put between their servers and everything else: CONNECT for
// https, absolute addresses for http. It counts what goes through it, and it goes only to this machine.
type ForwardProxy struct {
	// User and Password are asked for when User is set.
	User, Password string
	// Hosts says where names are found that only the proxy knows: "bitbucket.corp.example:443" to "127.0.0.1:4711".
	// A caller that reaches such a name went through the proxy.
	Hosts map[string]string

	mu     sync.Mutex
	seen   map[string]int
	open   map[net.Conn]struct{}
	closed bool
	busy   sync.WaitGroup
}

// Seen returns how often each target was asked for: "CONNECT host:port" for tunnels, method and address without
// query for plain requests, and "407" for callers that were sent away.
func (p *ForwardProxy) Seen() map[string]int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return maps.Clone(p.seen)
}

// Close ends all tunnels and waits for them. The server of the proxy cannot, since it has given them away.
func (p *ForwardProxy) Close() {
	p.mu.Lock()
	p.closed = true
	for c := range p.open {
		_ = c.Close()
	}
	p.mu.Unlock()
	p.busy.Wait()
}

// ServeHTTP implements http.Handler.
func (p *ForwardProxy) ServeHTTP(rw http.ResponseWriter, req *http.Request) {
	want := "Basic " + base64.StdEncoding.EncodeToString([]byte(p.User+":"+p.Password))
	if p.User != "" && req.Header.Get("Proxy-Authorization") != want {
		p.count("407")
		rw.Header().Set("Proxy-Authenticate", `Basic realm="sandbox"`)
		http.Error(rw, "The proxy wants a user name and a password.", http.StatusProxyAuthRequired)
		return
	}
	if req.Method == http.MethodConnect {
		p.count("CONNECT " + req.Host)
		p.tunnel(rw, req)
		return
	}
	if req.URL.Scheme != "http" || req.URL.Host == "" {
		http.Error(rw, "This is a proxy.", http.StatusBadRequest)
		return
	}
	p.count(req.Method + " http://" + req.URL.Host + req.URL.EscapedPath())
	p.pass(rw, req)
}

func (p *ForwardProxy) count(what string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.seen == nil {
		p.seen = map[string]int{}
	}
	p.seen[what]++
}

// dial connects to a target on this machine; others are refused, so that a forgotten proxy leads nowhere.
func (p *ForwardProxy) dial(ctx context.Context, target string) (net.Conn, error) {
	if at := p.Hosts[target]; at != "" {
		target = at
	}
	at, err := netip.ParseAddrPort(target)
	if err != nil || !at.Addr().IsLoopback() {
		return nil, &net.AddrError{Err: "the sandbox's proxy goes only to addresses of this machine", Addr: target}
	}
	d := net.Dialer{Timeout: 10 * time.Second}
	return d.DialContext(ctx, "tcp", target)
}

func (p *ForwardProxy) pass(rw http.ResponseWriter, req *http.Request) {
	out := req.Clone(req.Context())
	out.RequestURI = ""
	for _, h := range []string{"Proxy-Authorization", "Proxy-Connection", "Connection", "Keep-Alive", "Te", "Upgrade"} {
		out.Header.Del(h)
	}
	if req.URL.Port() == "" {
		out.URL.Host += ":80"
	}
	t := &http.Transport{
		DialContext:       func(ctx context.Context, _, target string) (net.Conn, error) { return p.dial(ctx, target) },
		DisableKeepAlives: true, DisableCompression: true,
	}
	resp, err := t.RoundTrip(out)
	if err != nil {
		http.Error(rw, err.Error(), http.StatusBadGateway)
		return
	}
	defer resp.Body.Close()
	resp.Header.Del("Connection")
	maps.Copy(rw.Header(), resp.Header)
	rw.WriteHeader(resp.StatusCode)
	_, _ = io.Copy(rw, resp.Body) // a caller that went away is no concern of the proxy
}

func (p *ForwardProxy) tunnel(rw http.ResponseWriter, req *http.Request) {
	far, err := p.dial(req.Context(), req.Host)
	if err != nil {
		http.Error(rw, err.Error(), http.StatusBadGateway)
		return
	}
	defer func() { _ = far.Close() }()
	near, early, err := http.NewResponseController(rw).Hijack()
	if err != nil {
		http.Error(rw, "The connection cannot become a tunnel: "+err.Error(), http.StatusHTTPVersionNotSupported)
		return
	}
	defer func() { _ = near.Close() }()
	if !p.keep(near, far) {
		return
	}
	defer p.forget(near, far)
	if _, err := io.WriteString(near, "HTTP/1.1 200 Connection established\r\n\r\n"); err != nil {
		return
	}
	var back sync.WaitGroup
	back.Go(func() { _, _ = io.Copy(near, far); _ = near.Close() })
	_, _ = io.Copy(far, early) // what came with the request, then the rest
	_ = far.Close()            // ends the other direction
	back.Wait()
}

// keep remembers a tunnel's connections, unless the proxy is closed already.
func (p *ForwardProxy) keep(cs ...net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return false
	}
	if p.open == nil {
		p.open = map[net.Conn]struct{}{}
	}
	for _, c := range cs {
		p.open[c] = struct{}{}
	}
	p.busy.Add(1)
	return true
}

func (p *ForwardProxy) forget(cs ...net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range cs {
		delete(p.open, c)
	}
	p.busy.Done()
}
