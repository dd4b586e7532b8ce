package bitbucket

import (
	"net"
	"net/url"
	"strings"

	"github.com/windlass-hq/windlass/internal/fault"
)

// Origin is the only place a credential may go: one scheme, host, port and path prefix (HARD-PARTS A).
type Origin struct {
	scheme, host, prefix string
}

// ParseOrigin reads a configured URL. Plain http is refused unless the host is this machine or allowHTTP is set,
// because a credential would travel readable.
func ParseOrigin(raw string, allowHTTP bool) (Origin, error) {
	raw = strings.TrimSpace(raw)
	u, err := url.Parse(raw)
	if err != nil || u.Hostname() == "" || (u.Scheme != "https" && u.Scheme != "http") {
		return Origin{}, fault.New(fault.Invalid, "%q is not the URL of a Bitbucket", MaskURL(raw)).
			With("give it as https://host/path")
	}
	if u.User != nil {
		return Origin{}, fault.New(fault.Invalid, "the URL %s holds a user name or password", MaskURL(raw)).
			With("remove it from the URL and give it as a credential")
	}
	if u.RawQuery != "" || u.Fragment != "" {
		return Origin{}, fault.New(fault.Invalid, "the URL %s holds a query or fragment", MaskURL(raw)).With("give only https://host/path")
	}
	if u.Scheme == "http" && !allowHTTP && !loopback(u.Hostname()) {
		return Origin{}, fault.New(fault.Invalid, "%s is not encrypted, so the credentials would travel readable", MaskURL(raw)).
			With("use https, or --allow-http where you are sure")
	}
	return Origin{scheme: u.Scheme, host: hostPort(u), prefix: strings.TrimRight(u.EscapedPath(), "/")}, nil
}

// String returns the origin as a URL without trailing slash.
func (o Origin) String() string { return o.scheme + "://" + o.display() + o.prefix }

// Host returns host and port as people write them.
func (o Origin) Host() string { return o.display() }

func (o Origin) display() string {
	if port := map[string]string{"https": ":443", "http": ":80"}[o.scheme]; strings.HasSuffix(o.host, port) {
		return strings.TrimSuffix(o.host, port)
	}
	return o.host
}

// Realm names whose principals are asked at this origin, for what is remembered of them. The vendor's two names are
// one.
func (o Origin) Realm() string {
	if o.String() == vendorWeb {
		return strings.TrimSuffix(strings.TrimPrefix(vendorAPI, "https://"), "/2.0")
	}
	return o.Host()
}

// Join returns the URL of an escaped path and query under the origin. The path starts with a slash.
func (o Origin) Join(path string) string { return o.String() + path }

// Old returns the place of the API 1.0 beside an API 2.0; false for every other origin.
func (o Origin) Old() (Origin, bool) {
	beside, ok := strings.CutSuffix(o.prefix, "/2.0")
	o.prefix = beside + "/1.0"
	return o, ok
}

// The two names of the vendor's API (FACTS 1, 2).
const (
	vendorAPI = "https://api.bitbucket.org/2.0"
	vendorWeb = "https://bitbucket.org/api/2.0"
)

// Inside checks a link that an answer gave (next, Location) and returns it as the URL to ask. A link elsewhere is
// refused by name.
//
// The vendor serves one API under two names, and its links may use either. So when the configured origin is one of
// the two, a link under the other is asked under the configured one: the credential still goes only where its owner
// sent it. No other pair of names is treated so.
func (o Origin) Inside(link string) (string, error) {
	u, err := url.Parse(link)
	if err != nil {
		return "", fault.New(fault.Unavailable, "%s answered a link that is no URL", o.Host())
	}
	if !u.IsAbs() || u.Host == "" || u.User != nil || u.Opaque != "" {
		return "", o.refuse(link)
	}
	if own := o.String(); own == vendorAPI || own == vendorWeb {
		for _, name := range []string{vendorAPI, vendorWeb} {
			if name == own {
				continue
			}
			if rest, ok := strings.CutPrefix(link, name); ok && (rest == "" || rest[0] == '/' || rest[0] == '?') {
				return o.Inside(own + rest)
			}
		}
	}
	if u.Scheme != o.scheme || hostPort(u) != o.host {
		return "", o.refuse(link)
	}
	path := u.EscapedPath()
	if path != o.prefix && !strings.HasPrefix(path, o.prefix+"/") {
		return "", o.refuse(link)
	}
	for segment := range strings.SplitSeq(u.Path, "/") {
		if segment == ".." || segment == "." {
			return "", o.refuse(link)
		}
	}
	u.Fragment = ""
	return u.String(), nil
}

func (o Origin) refuse(link string) error {
	return fault.New(fault.Unavailable, "%s points to %s, which is outside the configured %s; no credential is sent there",
		o.Host(), maskLink(link), o.String()).
		With("if that is the right address, configure it (--api-url, for a Data Center --url); otherwise a proxy rewrites links")
}

func hostPort(u *url.URL) string {
	host, port := strings.ToLower(u.Hostname()), u.Port()
	if port == "" {
		port = map[string]string{"https": "443", "http": "80"}[u.Scheme]
	}
	return net.JoinHostPort(host, port)
}

func loopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}

// maskLink is MaskURL for a link that a server gave: nothing in it is ours, so what looks like a key in its path is
// masked too.
func maskLink(link string) string {
	link = MaskURL(link)
	if masked := MaskHookURL(link); masked != hidden {
		return masked
	}
	return link
}

// MaskURL returns a URL for messages: scheme, host and path, with user name, query and fragment gone.
func MaskURL(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return "(unreadable URL)"
	}
	u.User, u.RawQuery, u.Fragment, u.ForceQuery = nil, "", "", false
	if u.Opaque != "" {
		return u.Scheme + ":…"
	}
	return u.String()
}
