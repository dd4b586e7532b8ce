package sandbox

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// newSender returns a client for deliveries. It follows no redirects, uses no proxy, and keeps to what RFC 6761 reserves:
// the addresses that generated hooks have are nobody's, and no name server is asked for them.
func newSender(careless bool) *http.Client {
	dialer := &net.Dialer{}
	return &http.Client{
		Transport: &http.Transport{
			DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
				host, _, _ := net.SplitHostPort(addr)
				for _, reserved := range []string{".example", ".invalid", ".test"} {
					if strings.HasSuffix("."+strings.TrimSuffix(strings.ToLower(host), "."), reserved) {
						return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
					}
				}
				return dialer.DialContext(ctx, network, addr)
			},
			TLSClientConfig:   &tls.Config{InsecureSkipVerify: careless}, //nolint:gosec // the administrator of the hook said so
			IdleConnTimeout:   30 * time.Second,
			ForceAttemptHTTP2: true,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// answer is what came of one request.
type answer struct {
	status   int // 0: none
	err      error
	timedOut bool
	start    time.Time // by the sandbox's clock
	took     time.Duration
}

func (a answer) good() bool { return a.status >= 200 && a.status < 300 }

// deliver sends a delivery as its product does, twice where chance wants it.
func (c *courier) deliver(p *parcel) {
	if !c.sleep(p.delay, nil) {
		return
	}
	good, skipped := c.send(p)
	if p.twice && !skipped {
		c.send(p)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case skipped:
		c.counts.Skipped++
	case good:
		c.counts.Delivered++
	default:
		c.counts.Failed++
	}
}

// send makes all attempts. The Cloud makes up to three, the further ones after a time-out or an answer of 5xx (FACTS 97);
// Data Center one, and none while the circuit breaker is open (FACTS 151).
func (c *courier) send(p *parcel) (good, skipped bool) {
	c.mu.Lock()
	how := c.how
	c.mu.Unlock()
	if p.instance != 0 {
		if !c.record(p.instance).lets(c.clock()) {
			return false, true
		}
		a := c.attempt(p, 1, how.Timeout)
		if c.ctx.Err() == nil {
			c.record(p.instance).add(p, a)
		}
		return a.good(), false
	}
	for n := 1; ; n++ {
		a := c.attempt(p, n, how.Timeout)
		if n == 3 || !a.timedOut && a.status < 500 || !c.sleep(how.Pause, nil) {
			return a.good(), false
		}
	}
}

// attempt makes one request, with the headers of FACTS 93 and 147. All attempts of one delivery have the same id.
func (c *courier) attempt(p *parcel, n int, limit time.Duration) (a answer) {
	c.mu.Lock()
	c.counts.Attempts++
	c.mu.Unlock()
	begin := time.Now()
	a.start = c.clock()
	defer func() { a.took = time.Since(begin) }()
	ctx, cancel := context.WithTimeout(c.ctx, limit)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.url, bytes.NewReader(p.body))
	if err != nil {
		a.err = err
		return a
	}
	h := req.Header
	h.Set("X-Event-Key", p.event)
	if p.secret != "" {
		m := hmac.New(sha256.New, []byte(p.secret))
		m.Write(p.body)
		h.Set("X-Hub-Signature", "sha256="+hex.EncodeToString(m.Sum(nil)))
	}
	id := string(p.request.appendBare(nil))
	client := c.client
	if p.instance == 0 {
		h.Set("User-Agent", c.agents[0])
		h.Set("Content-Type", "application/json")
		h.Set("X-Hook-UUID", p.hook)
		h.Set("X-Request-UUID", id)
		h.Set("X-Attempt-Number", strconv.Itoa(n))
	} else {
		h.Set("User-Agent", c.agents[1])
		h.Set("Content-Type", "application/json; charset=utf-8")
		h.Set("X-Request-Id", id)
		if p.username != "" {
			req.SetBasicAuth(p.username, p.password)
		}
		if p.careless {
			client = c.careless
		}
	}
	res, err := client.Do(req)
	if err != nil {
		a.err, a.timedOut = err, errors.Is(err, context.DeadlineExceeded) && c.ctx.Err() == nil
		return a
	}
	defer func() { _ = res.Body.Close() }()
	_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, 1<<20)) // so that the connection can be used again
	a.status = res.StatusCode
	return a
}
