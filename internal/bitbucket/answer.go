package bitbucket

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"syscall"
	"time"
	"unicode"

	"github.com/windlass-hq/windlass/internal/fault"
)

// answer is what came of one attempt.
type answer struct {
	status int
	header http.Header
	body   JSON // of 2xx: valid JSON; of an error: whatever came, possibly not JSON
	html   bool
	sentAt time.Time
	token  string // the OAuth token that was sent
	sent   bool   // the request may have been received

	err   error // no usable answer: transport, truncation, not JSON
	retry bool  // trying again may help
	final bool  // err is already a *fault.Error for people
}

var errTooLarge = errors.New("the answer is larger than Windlass reads")

// readAnswer reads and judges a response. Its body is read to the end or closed.
func readAnswer(resp *http.Response, maxBody int64) answer {
	defer resp.Body.Close()
	a := answer{status: resp.StatusCode, header: resp.Header}
	ok := a.status/100 == 2
	limit := maxBody
	if !ok {
		limit = min(limit, 1<<20) // an error needs no more
	}
	var buf bytes.Buffer
	if n := resp.ContentLength; n > 0 && n < limit {
		buf.Grow(int(n) + bytes.MinRead)
	}
	n, err := buf.ReadFrom(io.LimitReader(resp.Body, limit+1))
	a.body = buf.Bytes()
	a.html = looksHTML(resp.Header.Get("Content-Type"), a.body)
	a.retry = a.status >= 500
	switch {
	case !ok:
		return a // an error's text is useful even when cut short
	case err != nil:
		a.err, a.retry = fmt.Errorf("the answer broke off after %d bytes: %w", n, err), true
	case n > limit:
		a.err, a.retry = errTooLarge, false
	case a.html:
		a.err, a.retry = errHTML, false
	case a.status == http.StatusNoContent:
		a.body = nil // there is nothing to tell
	case !a.body.Valid():
		// A body that ends early is a proxy's or a crash's doing and may be whole next time.
		a.err, a.retry = errNotJSON, true
	}
	return a
}

var (
	errHTML    = errors.New("the answer is a web page, not JSON")
	errNotJSON = errors.New("the answer is truncated or no JSON")
)

// failure is why there was no usable answer, in words that are free of our secrets and of the request's query.
type failure struct {
	text string
	err  error
}

func (f failure) Error() string { return f.text }

func (f failure) Unwrap() error { return f.err }

// TooMuch reports whether an error may come from asking for too much at once, so that a smaller question may be
// answered: a failure of the server (FACTS 65), no answer in time, or one that broke off or is too large.
func TooMuch(err error) bool {
	if StatusOf(err) >= http.StatusInternalServerError {
		return true
	}
	f, ok := errors.AsType[failure](err)
	return ok && (timedOut(f.err) || errors.Is(f.err, errNotJSON) || errors.Is(f.err, errTooLarge) || errors.Is(f.err, io.ErrUnexpectedEOF))
}

func looksHTML(contentType string, body []byte) bool {
	if strings.HasPrefix(strings.ToLower(contentType), "text/html") {
		return true
	}
	head := bytes.ToLower(bytes.TrimSpace(body[:min(len(body), 64)]))
	return bytes.HasPrefix(head, []byte("<!doctype html")) || bytes.HasPrefix(head, []byte("<html"))
}

// transportFailure judges an error of the HTTP client. The URL that the client puts into it is dropped, since it
// holds the query.
func transportFailure(err error, sentAt time.Time) answer {
	if u, ok := errors.AsType[*url.Error](err); ok {
		err = u.Err
	}
	return answer{err: err, sentAt: sentAt, retry: transient(err)}
}

func transient(err error) bool {
	if dns, ok := errors.AsType[*net.DNSError](err); ok {
		return !dns.IsNotFound
	}
	if isTLS(err) {
		return false
	}
	if timedOut(err) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return true
	}
	for _, e := range []error{syscall.ECONNRESET, syscall.ECONNREFUSED, syscall.ECONNABORTED, syscall.EPIPE, syscall.ETIMEDOUT} {
		if errors.Is(err, e) {
			return true
		}
	}
	// net/http and http2 report lost connections only in words.
	text := err.Error()
	for _, s := range []string{"connection reset", "server closed idle connection", "http2: server sent GOAWAY", "stream error", "connection lost"} {
		if strings.Contains(text, s) {
			return true
		}
	}
	return false
}

func isTLS(err error) bool {
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return true
	}
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok {
		return true
	}
	if _, ok := errors.AsType[tls.AlertError](err); ok {
		return true
	}
	return strings.Contains(err.Error(), "tls: ") || strings.Contains(err.Error(), "server gave HTTP response to HTTPS client")
}

// backoff returns the pause before the next attempt: half a second, doubled each time, with jitter; or what a 503 asks
// for, within reason, and a little more so that clients that were told the same do not return together.
func (a answer) backoff(attempt int) time.Duration {
	d := jitter(min(500*time.Millisecond<<min(attempt-1, 6), 15*time.Second))
	if after, ok := retryAfter(a.header, a.sentAt); ok {
		after = min(after, time.Minute)
		d = max(d, after+jitter(after/8))
	}
	return d
}

// Answer is the provider's refusal as it was worded; it is the cause inside a *fault.Error.
type Answer struct {
	Status   int
	Text     string   // one line, shortened, free of our secrets
	Required []string // scopes, where the answer names them (FACTS 35)
	Granted  []string
}

// Error returns what the provider said.
func (e *Answer) Error() string {
	if e.Text == "" {
		return http.StatusText(e.Status)
	}
	return e.Text
}

// StatusOf returns the HTTP status behind an error, or 0.
func StatusOf(err error) int {
	if a, ok := errors.AsType[*Answer](err); ok {
		return a.Status
	}
	return 0
}

// GrantedIn returns the scopes that a refusal says the credential has, if it says so.
func GrantedIn(err error) []string {
	if a, ok := errors.AsType[*Answer](err); ok {
		return a.Granted
	}
	return nil
}

// deed says in a sentence what a request does: one that only reads is not known by its method to everybody.
func deed(at string) string {
	if strings.HasPrefix(at, http.MethodGet+" ") {
		return "read " + at
	}
	return at
}

// where names a request in messages: method and path, never the query.
func where(method, target string) string {
	u, err := url.Parse(target)
	if err != nil {
		return method
	}
	path := u.Path
	if path == "" {
		path = "/"
	}
	return method + " " + path
}

// resolve returns an absolute URL for a Location header.
func resolve(from, location string) (string, error) {
	base, err := url.Parse(from)
	if err != nil {
		return "", err
	}
	if location == "" {
		return "", errors.New("no Location")
	}
	to, err := base.Parse(location)
	if err != nil {
		return "", err
	}
	return to.String(), nil
}

// explain turns a failed attempt into an error for people.
func (c *Client) explain(cred Credential, method, target string, a answer) error {
	if a.err != nil {
		if a.final {
			return a.err
		}
		if _, ok := errors.AsType[*fault.Error](a.err); ok {
			return a.err
		}
		return c.explainTransport(method, target, a)
	}
	clean := c.pool.cleaner(a)
	cause := &Answer{Status: a.status, Text: a.text(clean)}
	cause.Required, cause.Granted = scopeDetail(a.body, clean)
	at := where(method, target)
	switch {
	case a.html:
		return fault.Wrap(cause, fault.Unavailable, "%s was answered by %s with status %d and a web page instead of Bitbucket's JSON", at, c.api.Host(), a.status).
			With("a proxy or login page answers in its place: check the URL of the connection and the proxy settings")
	case captcha(a):
		return fault.Wrap(cause, fault.Unauthorized, "Bitbucket wants a CAPTCHA to be solved before it accepts %s again, since logins failed too often", cred.Name()).
			With("log in to Bitbucket's web interface as that user once, and check that the stored password is right: windlass connection credential add %s", c.conn)
	case a.status == http.StatusUnauthorized:
		return fault.Wrap(cause, fault.Unauthorized, "Bitbucket refuses %s at %s", cred.Name(), at).With("%s", c.freshCredential(cred))
	case a.status == http.StatusForbidden && len(cause.Required) > 0:
		lacks := missing(cause.Required, cause.Granted)
		return fault.Wrap(cause, fault.Denied, "%s lacks the scope %s for %s (it has: %s)", sentence(cred.Name()), strings.Join(lacks, ", "), at, orNone(cause.Granted)).
			With("add the scope in Bitbucket, where the credential was made, then run it again")
	case a.status == http.StatusForbidden:
		return fault.Wrap(cause, fault.Denied, "%s may not %s", sentence(cred.Name()), deed(at)).With("give it access in Bitbucket, or leave this out")
	case a.status == http.StatusGone && strings.Contains(cause.Text, "CHANGE-"):
		return fault.Wrap(cause, fault.Unavailable, "%s was removed by Bitbucket", at).
			With("check that the workspace is spelled right; if it is, update Windlass")
	case a.status == http.StatusNotFound || a.status == http.StatusGone:
		return fault.Wrap(cause, fault.NotFound, "%s does not exist, or %s may not see it", at, cred.Name())
	case a.status == http.StatusTooManyRequests:
		return fault.Wrap(cause, fault.Limited, "the allowance of %s is spent", cred.Name())
	case a.status >= 500:
		return fault.Wrap(cause, fault.Unavailable, "Bitbucket failed at %s with status %d", at, a.status).With("try again later; nothing was lost")
	case isRedirect(a.status):
		return fault.Wrap(cause, fault.Unavailable, "%s is redirected again and again", at).With("check the URL of the connection")
	default:
		return fault.Wrap(cause, fault.Unavailable, "Bitbucket does not accept %s (status %d)", at, a.status)
	}
}

func (c *Client) explainTransport(method, target string, a answer) error {
	host, at := c.api.Host(), where(method, target)
	if u, err := url.Parse(target); err == nil {
		host = u.Host
	}
	err := a.err
	clean := c.pool.cleaner(a)
	reason := failure{text: clean(err.Error()), err: err}
	fail := func(format string, args ...any) *fault.Error {
		return fault.Wrap(reason, fault.Unavailable, format, args...)
	}
	switch {
	case errors.Is(err, errHTML):
		return fault.New(fault.Unavailable, "%s was answered by %s with a web page%s instead of JSON", at, host, title(a.body, clean)).
			With("a proxy or login page answers in its place: check the URL of the connection and the proxy settings")
	case errors.Is(err, errNotJSON):
		return fail("%s was answered by %s with %d bytes that are not complete JSON", at, host, len(a.body)).
			With("something between here and Bitbucket cuts answers short; try again, then check the proxy")
	case errors.Is(err, errTooLarge):
		return fail("%s cannot be read", at)
	case strings.Contains(err.Error(), "server gave HTTP response to HTTPS client"):
		return fail("%s does not speak https", host).With("check the URL: http or another port may be meant")
	case isTLS(err):
		return c.explainTLS(host, err, reason)
	case timedOut(err):
		reason.text = "the time ran out"
		return fail("%s did not answer %s within %s", host, at, c.timeout).With("try again; check network and proxy")
	case proxied(err):
		return fail("the proxy on the way to %s cannot be reached", host).With("check the proxy setting of the connection, and whether the proxy runs")
	case errors.Is(err, syscall.ECONNREFUSED):
		return fail("%s refuses connections", host).With("check host and port of the URL, and whether the server runs")
	}
	if dns, ok := errors.AsType[*net.DNSError](err); ok {
		return fault.New(fault.Unavailable, "the host %s is not known", dns.Name).With("check the spelling of the URL, and the network")
	}
	if errors.Is(err, http.ErrUseLastResponse) || timedOut(err) {
		return fail("%s does not answer", host)
	}
	if isCanceled(err) {
		return canceled(err)
	}
	return fail("the connection to %s broke at %s", host, at).
		With("try again; check network and proxy, and whether it asks for a client certificate")
}

func (c *Client) explainTLS(host string, err, reason error) error {
	fail := func(format string, args ...any) *fault.Error {
		return fault.Wrap(reason, fault.Unavailable, format, args...)
	}
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		return fail("the certificate of %s is signed by an authority that this machine does not trust", host).
			With("give the authority's certificate with --ca-file")
	}
	if e, ok := errors.AsType[x509.HostnameError](err); ok {
		return fail("the certificate of %s is for another name (%s)", host, strings.Join(e.Certificate.DNSNames, ", ")).
			With("use the name that the certificate has")
	}
	if e, ok := errors.AsType[x509.CertificateInvalidError](err); ok && e.Reason == x509.Expired {
		return fail("the certificate of %s is not valid at this time", host).With("check the clock of this machine, then have the certificate renewed")
	}
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok {
		return fail("%s does not speak https", host).With("check the URL: http or another port may be meant")
	}
	return fail("no encrypted connection to %s", host).With("check --ca-file, --tls-cert and --tls-key of the connection")
}

func (c *Client) freshCredential(cred Credential) string {
	switch cred.Kind {
	case OAuth:
		return fmt.Sprintf("the OAuth consumer may have been removed or reset: check it under Workspace settings > OAuth consumers, then store it again: windlass connection credential add %s", c.conn)
	case APIToken:
		return fmt.Sprintf("API tokens expire after a year at most and need scopes: make a new one in the Atlassian account, then: windlass connection credential add %s", c.conn)
	case Basic:
		return fmt.Sprintf("check user name and password, then store them again: windlass connection credential add %s", c.conn)
	default:
		return fmt.Sprintf("it may be revoked or expired: make a new one in Bitbucket, then: windlass connection credential add %s", c.conn)
	}
}

// captcha reports whether a refusal asks for a CAPTCHA, which a Data Center does after several failed logins (FACTS 119).
func captcha(a answer) bool {
	return (a.status == http.StatusUnauthorized || a.status == http.StatusForbidden) &&
		strings.Contains(a.header.Get("X-Authentication-Denied-Reason"), "CAPTCHA")
}

// text returns what an error body says, cleaned and in one line: JSON errors of Cloud by message and detail (FACTS 85),
// those of Data Center by the messages of their list (FACTS 139), the rest as text (FACTS 86).
func (a answer) text(clean func(string) string) string {
	if a.html {
		return "web page" + title(a.body, clean)
	}
	if !a.body.IsObject() {
		return clean(strings.ToValidUTF8(string(a.body), "\uFFFD"))
	}
	var messages []string
	a.body.Get("errors").Elements(func(e JSON) {
		if m, ok := e.Get("message").Text(); ok && !slices.Contains(messages, m) {
			messages = append(messages, m)
		}
	})
	if len(messages) > 0 {
		return clean(strings.Join(messages, " "))
	}
	message := ""
	for _, path := range [][]string{{"error", "message"}, {"error_description"}, {"error"}, {"message"}} {
		if m, ok := a.body.Get(path...).Text(); ok {
			message = m
			break
		}
	}
	if detail, ok := a.body.Get("error", "detail").Text(); ok && detail != message {
		message += " " + detail
	}
	return clean(message)
}

// scopeDetail reads error.detail.required and .granted, where detail is an object (FACTS 35).
func scopeDetail(body JSON, clean func(string) string) (required, granted []string) {
	list := func(j JSON) (out []string) {
		j.Elements(func(v JSON) {
			if s, ok := v.Text(); ok {
				out = append(out, clean(s))
			}
		})
		return out
	}
	detail := body.Get("error", "detail")
	return list(detail.Get("required")), list(detail.Get("granted"))
}

func title(body []byte, clean func(string) string) string {
	low := bytes.ToLower(body[:min(len(body), 64<<10)])
	i := bytes.Index(low, []byte("<title>"))
	if i < 0 || len(low) != min(len(body), 64<<10) {
		return ""
	}
	j := bytes.Index(low[i:], []byte("</title>"))
	if j < 0 {
		return ""
	}
	return fmt.Sprintf(" (%q)", clean(string(body[i+len("<title>"):i+j])))
}

// oneLine makes foreign text fit for a message: one line, printable, at most 200 characters.
func oneLine(s string) string {
	s = strings.Join(strings.FieldsFunc(s, func(r rune) bool { return unicode.IsSpace(r) || !unicode.IsPrint(r) }), " ")
	if r := []rune(s); len(r) > 200 {
		return string(r[:200]) + "…"
	}
	return s
}

func missing(required, granted []string) []string {
	var out []string
	for _, r := range required {
		if !slices.Contains(granted, r) {
			out = append(out, r)
		}
	}
	if len(out) == 0 {
		return required
	}
	return out
}

func orNone(list []string) string {
	if len(list) == 0 {
		return "none"
	}
	return strings.Join(list, ", ")
}

func sentence(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}
