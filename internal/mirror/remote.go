package mirror

import (
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"regexp"
	"strconv"
	"strings"

	"github.com/windlass-hq/windlass/internal/bitbucket"
	"github.com/windlass-hq/windlass/internal/fault"
)

// Path names a repository as its product does: on Cloud by the slug of its workspace, on Data Center by the key of its
// project, ~ and the slug of a person where it is personal.
type Path struct {
	Product     bitbucket.Product
	Owner, Slug string
}

// Remote is one repository of a Bitbucket and how to reach it. HTTPS and SSH make it; its URL never comes from an
// answer (HARD-PARTS A, "Where a credential may go").
type Remote struct {
	url  string
	host string // as the no-proxy list names it

	Login   Login  // over HTTPS
	TLS     TLS    // over HTTPS
	Proxy   string // URL; it may hold a user name and a password. Empty means none
	NoProxy string // hosts that are reached without it, with commas between them
	Key     SSHKey // over SSH

	Limits Limits // of a call; zero fields mean those of Git
	// WithoutHead leaves HEAD out of what ListRefs returns. Then a server of protocol 2 sends branches and tags and
	// nothing else, while a Data Center otherwise sends two refs for every pull request that it ever had.
	WithoutHead bool
}

// TLS are files in PEM form; empty means what the machine has.
type TLS struct {
	CAFile            string // trusted beside the machine's own authorities
	CertFile, KeyFile string // the certificate of this client
}

// Login is how git signs in over HTTPS. Without a User the secret goes as a bearer token. The zero value is nobody.
type Login struct {
	User   string
	Secret bitbucket.Secret
}

// LoginOf returns what git sends for a credential of the REST API (FACTS 11, 15 and 111). For OAuth it needs the access
// token that was issued; for other kinds that is ignored.
func LoginOf(p bitbucket.Product, c bitbucket.Credential, issued bitbucket.Secret) (Login, error) {
	if c.Kind != bitbucket.OAuth {
		issued = c.Secret
	}
	if issued == "" {
		return Login{}, fault.New(fault.Invalid, "%s has no secret that git could send", c.Name())
	}
	switch {
	case p == bitbucket.Cloud && (c.Kind == bitbucket.Token || c.Kind == bitbucket.OAuth):
		return Login{User: "x-token-auth", Secret: issued}, nil
	case p == bitbucket.Cloud && c.Kind == bitbucket.APIToken:
		return Login{User: "x-bitbucket-api-token-auth", Secret: issued}, nil
	case p == bitbucket.DataCenter && (c.Kind == bitbucket.Token || c.Kind == bitbucket.OAuth):
		return Login{Secret: issued}, nil // projects' and repositories' tokens are refused with a user name
	case p == bitbucket.DataCenter && c.Kind == bitbucket.Basic:
		return Login{User: c.Identity, Secret: issued}, nil
	}
	return Login{}, fault.New(fault.Invalid, "git cannot sign in to Bitbucket %s with %s", p, c.Name()).
		With("give the connection an access token")
}

// HTTPS returns a repository below the web address of its Bitbucket: that of Cloud's site, of a Data Center, or of a
// mirror of one (FACTS 101 and 155). Plain http is possible where ParseOrigin allowed it.
func HTTPS(p Path, base bitbucket.Origin) (Remote, error) {
	rest, err := p.join()
	if err != nil {
		return Remote{}, err
	}
	if p.Product == bitbucket.DataCenter {
		rest = "/scm" + rest
	}
	return parseRemote(base.Join(rest))
}

// SSH returns a repository at a host and port, or at the usual port where that is 0 (FACTS 101 and 155).
func SSH(p Path, host string, port int) (Remote, error) {
	rest, err := p.join()
	if err != nil {
		return Remote{}, err
	}
	if !fitHost().MatchString(host) {
		return Remote{}, fault.New(fault.Invalid, "%q is no name of an SSH host", host)
	}
	if port == 0 {
		port = map[bitbucket.Product]int{bitbucket.Cloud: 22, bitbucket.DataCenter: 7999}[p.Product]
	}
	return parseRemote("ssh://git@" + net.JoinHostPort(strings.ToLower(host), strconv.Itoa(port)) + rest)
}

// join returns the path of the repository, escaped.
func (p Path) join() (string, error) {
	owner := p.Owner
	switch p.Product {
	case bitbucket.Cloud:
	case bitbucket.DataCenter:
		if !strings.HasPrefix(owner, "~") {
			owner = strings.ToLower(owner)
		}
	default:
		return "", fault.New(fault.Internal, "%q is no product", p.Product)
	}
	for _, s := range []string{owner, p.Slug} {
		if s == "" || s == "." || s == ".." || s[0] == '-' || strings.ContainsFunc(s, unfit) {
			return "", fault.New(fault.Invalid, "%q is no name of a repository", p.Owner+"/"+p.Slug)
		}
	}
	return "/" + escape(owner) + "/" + escape(p.Slug) + ".git", nil
}

func unfit(r rune) bool { return r < ' ' || r == 0x7f || r == '/' || r == '\\' || r == '\uFFFD' }

// escape leaves the tilde of personal projects as it is.
func escape(s string) string { return strings.ReplaceAll(url.PathEscape(s), "%7E", "~") }

// parseRemote checks the URL that was built, so that nothing in the parts of it could make it another.
func parseRemote(raw string) (Remote, error) {
	u, err := url.Parse(raw)
	if err != nil || !fitHost().MatchString(u.Hostname()) || u.RawQuery != "" || u.Fragment != "" {
		return Remote{}, fault.New(fault.Invalid, "%s is no URL that git can be given", bitbucket.MaskURL(raw))
	}
	if port := u.Port(); port != "" {
		if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 {
			return Remote{}, fault.New(fault.Invalid, "%q is no port", port)
		}
	}
	return Remote{url: raw, host: u.Hostname()}, nil
}

// fitHost matches host names and addresses. None begins with a hyphen, which SSH would take for an option.
func fitHost() *regexp.Regexp { return regexp.MustCompile(`^[0-9A-Za-z:_][0-9A-Za-z.:_-]{0,252}$`) }

// URL returns where the repository is. It holds no secret.
func (r Remote) URL() string { return r.url }

// String returns the URL, whose user name, if any, is "git".
func (r Remote) String() string { return r.url }

// GoString returns the URL and nothing of the credentials.
func (r Remote) GoString() string { return "mirror.Remote(" + r.url + ")" }

// Format writes the URL whatever the verb: the fields hold keys and passwords.
func (r Remote) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(r.url)) }

// LogValue returns the URL.
func (r Remote) LogValue() slog.Value { return slog.StringValue(r.url) }

// MarshalText returns the URL, which encoding/json uses too.
func (r Remote) MarshalText() ([]byte, error) { return []byte(r.url), nil }
