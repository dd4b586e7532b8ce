package app

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/windlass-hq/windlass/internal/bitbucket"
	"github.com/windlass-hq/windlass/internal/bitbucket/cloud"
	"github.com/windlass-hq/windlass/internal/fault"
	"github.com/windlass-hq/windlass/internal/store"
	"github.com/windlass-hq/windlass/internal/sync"
)

// openReader makes the reader of a connection; it is sync.Options.Open.
func (a *App) openReader(conn store.Connection, credentials []store.Credential, noWait bool, onWait func(time.Time, string)) (sync.Reader, error) {
	c, err := a.openCloud(conn, credentials, noWait, onWait)
	if err != nil {
		return nil, err
	}
	return sync.Cloud(c, workspaces(conn), a.Now), nil
}

// check asks Bitbucket what the credentials of a connection can do; it is api.Options.Check.
func (a *App) check(ctx context.Context, conn store.Connection, credentials []store.Credential) (bitbucket.Report, error) {
	ctx, cancel := context.WithTimeout(ctx, 90*time.Second)
	defer cancel()
	c, err := a.openCloud(conn, credentials, true, nil)
	if err != nil {
		return bitbucket.Report{}, err
	}
	return c.Check(ctx, workspaces(conn))
}

func (a *App) openCloud(conn store.Connection, credentials []store.Credential, noWait bool, onWait func(time.Time, string)) (*cloud.Client, error) {
	if conn.Product != "cloud" {
		return nil, fault.New(fault.Invalid, "the connection %q is of %s, which this version cannot read", conn.Name, conn.Product)
	}
	transport, err := transportOf(conn.Settings)
	if err != nil {
		return nil, err
	}
	list := make([]bitbucket.Credential, len(credentials))
	for i, k := range credentials {
		list[i] = bitbucket.Credential{
			Role: bitbucket.Role(k.Role), Kind: bitbucket.Kind(k.Kind), Identity: k.Identity, Secret: bitbucket.Secret(k.Secret),
		}
	}
	return cloud.New(cloud.Options{
		APIURL: conn.Settings["api-url"], SiteURL: conn.Settings["site-url"], Credentials: list, Connection: conn.Name,
		HTTP: &http.Client{Transport: transport}, Now: a.Now, Version: Version().Version, NoWait: noWait, OnWait: onWait,
		AllowHTTP: conn.Settings["allow-http"] == "true", NoPullRequests: conn.Settings["pull-requests"] == "false",
	})
}

// workspaces are those that the connection names; none means all that its credentials reach.
func workspaces(conn store.Connection) []string {
	var out []string
	for w := range strings.SplitSeq(conn.Settings["workspaces"], ",") {
		if w = strings.TrimSpace(w); w != "" {
			out = append(out, w)
		}
	}
	return out
}

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
			return nil, fault.New(fault.Invalid, "%s holds no certificate", file).With("ca-file takes certificates in PEM form")
		}
		t.TLSClientConfig.RootCAs = pool
	}
	if cert, key := settings["tls-cert"], settings["tls-key"]; cert != "" || key != "" {
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
