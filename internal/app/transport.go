package app

import (
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"net/url"
	"os"
	"strings"

	"github.com/windlass-hq/windlass/internal/fault"
)

// transportOf builds the connection's own way to its Bitbucket: certificates and proxy hold for it alone.
func transportOf(settings map[string]string) (http.RoundTripper, error) {
	base, ok := http.DefaultTransport.(*http.Transport)
	if !ok {
		base = &http.Transport{}
	}
	t := base.Clone()
	t.MaxIdleConnsPerHost = 16
	t.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12}
	if file := settings["ca-file"]; file != "" {
		pem, err := os.ReadFile(file)
		if err != nil {
			return nil, fault.Wrap(err, fault.Invalid, "the connection's ca-file cannot be read")
		}
		pool, err := x509.SystemCertPool()
		if err != nil {
			pool = x509.NewCertPool()
		}
		if !pool.AppendCertsFromPEM(pem) {
			return nil, fault.New(fault.Invalid, "%s holds no certificate", file).With("give a file of certificates in PEM form")
		}
		t.TLSClientConfig.RootCAs = pool
	}
	if cert, key := settings["tls-cert"], settings["tls-key"]; cert != "" || key != "" {
		if cert == "" || key == "" {
			return nil, fault.New(fault.Usage, "a client certificate needs both tls-cert and tls-key").With("give the two files together, in PEM form")
		}
		pair, err := tls.LoadX509KeyPair(cert, key)
		if err != nil {
			return nil, fault.Wrap(err, fault.Invalid, "the connection's client certificate cannot be used").With("give tls-cert and tls-key together, in PEM form")
		}
		t.TLSClientConfig.Certificates = []tls.Certificate{pair}
	}
	if proxy := settings["proxy"]; proxy != "" {
		u, err := url.Parse(proxy)
		if err != nil {
			return nil, fault.New(fault.Invalid, "the connection's proxy is no URL")
		}
		direct := strings.Split(settings["no-proxy"], ",")
		t.Proxy = func(r *http.Request) (*url.URL, error) {
			if bypasses(direct, r.URL.Hostname()) {
				return nil, nil
			}
			return u, nil
		}
	}
	return t, nil
}

// bypasses reports whether a host, or a domain above it, is in the list.
func bypasses(list []string, host string) bool {
	for _, d := range list {
		d = strings.TrimPrefix(strings.TrimSpace(d), ".")
		if d != "" && (d == "*" || strings.EqualFold(d, host) || strings.HasSuffix(strings.ToLower(host), "."+strings.ToLower(d))) {
			return true
		}
	}
	return false
}
