package mirror

import (
	"encoding/base64"
	"net/url"
	"os"
	"strings"

	"github.com/windlass-hq/windlass/internal/fault"
)

// session is how one call of git reaches one remote.
type session struct {
	name     string // what messages call the remote
	host     string
	protocol string // what GIT_ALLOW_PROTOCOL says
	settings []Setting
	env      []string
	secrets  []string // what must never be in a message
	dir      string   // of the call alone
	end      func() error
}

// open prepares a call. The session must be closed after it.
func (g *Git) open(r Remote) (*session, error) {
	if r.url == "" {
		return nil, fault.New(fault.Internal, "a remote without a URL")
	}
	u, err := url.Parse(r.url)
	if err != nil {
		return nil, fault.New(fault.Internal, "a remote whose URL is none")
	}
	s := &session{name: r.url, host: u.Host, end: func() error { return nil }}
	if s.dir, err = g.scratch(); err != nil {
		return nil, err
	}
	switch u.Scheme {
	case "ssh":
		s.protocol = "https:ssh"
		err = g.openSSH(s, r, u)
	case "http":
		s.protocol = "https:ssh:http" // ParseOrigin let it pass: this machine, or --allow-http
		s.settings = append(s.settings, Setting{"protocol.http.allow", "always"})
		err = s.openHTTP(r)
	default:
		s.protocol = "https:ssh"
		err = s.openHTTP(r)
	}
	if err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

// close removes what the call needed. What cannot be removed holds no secret.
func (s *session) close() {
	_ = s.end()
	_ = os.RemoveAll(s.dir)
}

// openHTTP says how to sign in and whom to trust. Everything is bound to the one URL.
func (s *session) openHTTP(r Remote) error {
	here := func(key, value string) {
		s.settings = append(s.settings, Setting{"http." + r.url + "." + key, value})
	}
	if secret := r.Login.Secret.Reveal(); secret != "" {
		header := "Bearer " + secret
		s.secrets = append(s.secrets, secret, url.QueryEscape(secret), url.PathEscape(secret))
		if r.Login.User != "" {
			pair := base64.StdEncoding.EncodeToString([]byte(r.Login.User + ":" + secret))
			header = "Basic " + pair
			s.secrets = append(s.secrets, pair)
		}
		if strings.ContainsAny(header, "\r\n\x00") {
			return fault.New(fault.Invalid, "the credential for %s holds a line break", s.name)
		}
		here("extraHeader", "Authorization: "+header)
	}
	proxy, err := r.proxy()
	if err != nil {
		return err
	}
	here("proxy", proxy) // empty means none, whatever the machine says
	if u, err := url.Parse(proxy); err == nil && u.User != nil {
		password, _ := u.User.Password()
		s.secrets = append(s.secrets, password, url.QueryEscape(password), u.User.String())
	}
	if r.TLS.CAFile != "" {
		file, err := s.authorities(r.TLS.CAFile)
		if err != nil {
			return err
		}
		here("sslCAInfo", file)
		here("proxySSLCAInfo", file)
	}
	if (r.TLS.CertFile == "") != (r.TLS.KeyFile == "") {
		return fault.New(fault.Invalid, "a client certificate needs its certificate and its key").With("give tls-cert and tls-key together, in PEM form")
	}
	if r.TLS.CertFile != "" {
		for _, file := range []string{r.TLS.CertFile, r.TLS.KeyFile} {
			if _, err := os.Stat(file); err != nil {
				return fault.Wrap(err, fault.Invalid, "the connection's client certificate cannot be used")
			}
		}
		here("sslCert", r.TLS.CertFile)
		here("sslKey", r.TLS.KeyFile)
		here("sslCertPasswordProtected", "false")
	}
	return nil
}
