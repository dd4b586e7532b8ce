package mirror

import (
	"cmp"
	"regexp"
	"slices"
	"strings"

	"github.com/windlass-hq/windlass/internal/fault"
)

// complaint is how git, curl or ssh says something that has a code.
type complaint struct {
	says   []string // any of these, in lower case
	code   fault.Code
	what   string // behind the name of the remote
	remedy string
}

// complaints returns what is recognised, the most telling first. All of it is said in English, since LC_ALL is C.
func complaints() []complaint {
	return []complaint{
		{
			[]string{"407 from proxy", "407 proxy", "proxy connect aborted", "received http code 407"},
			fault.Unavailable,
			"is behind a proxy that does not let Windlass through", "check the connection's proxy, its user name and its password",
		},
		{
			[]string{"could not resolve proxy", "from proxy after connect"},
			fault.Unavailable,
			"cannot be reached through the connection's proxy", "check the connection's proxy and no-proxy",
		},
		{
			[]string{"host key verification failed", "host key for", "remote host identification has changed"},
			fault.Unavailable,
			"shows an SSH host key that is not the one that is known", "compare its fingerprint with the administrator's before giving the new key to the connection",
		},
		{
			[]string{"no matching host key type", "no matching key exchange", "no matching cipher"},
			fault.Unavailable,
			"speaks only old kinds of SSH", "let the connection use HTTPS",
		},
		{
			[]string{
				"certificate problem", "certificate verification failed", "server certificate", "self-signed certificate", "unable to get local issuer",
				"ssl peer certificate", "certificate required", "alert certificate", "tls handshake", "gnutls", "ssl_connect", "ssl certificate", "set default crypto",
			},
			fault.Unavailable, "could not be spoken to over TLS", "check the connection's ca-file, tls-cert and tls-key",
		},
		{
			[]string{
				"returned error: 401", "terminal prompts disabled", "could not read username", "could not read password", "authentication failed",
				"permission denied (publickey", "invalid credentials", "returned error: 407",
			},
			fault.Unauthorized,
			"does not accept the credential", "replace it: windlass connection credential add",
		},
		{
			[]string{"returned error: 404", "repository not found", "does not exist", "not found"},
			fault.NotFound,
			"is not there, or hidden from the credential", "check the name of the repository and the rights of the credential",
		},
		{
			[]string{"returned error: 403", "access denied", "forbidden", "not permitted", "permission denied"},
			fault.Denied,
			"may not be read with the credential", "give it read permission on the repository",
		},
		{
			[]string{"returned error: 429", "rate limit", "too many requests"},
			fault.Limited,
			"has no more allowance for git", "wait, or give the connection another credential",
		},
		{
			[]string{"returned error: 30"},
			fault.Unavailable,
			"sends elsewhere, where no credential is sent", "if that is the right address, configure it (--url or --site-url); otherwise a proxy rewrites links",
		},
		{
			[]string{"not valid: is this a git repository", "invalid server response", "unexpected line", "protocol error", "bad line length", "invalid packet"},
			fault.Unavailable, "answered something that is not git's protocol", "a proxy or a sign-in page may answer in its place; check the URL of the connection",
		},
		{
			[]string{"failed to connect", "could not resolve host", "connection refused", "timed out", "connection reset", "no route to host", "network is unreachable", "empty reply"},
			fault.Unavailable, "cannot be reached", "check the URL and the proxy of the connection, and the network",
		},
	}
}

// explain makes of what git said of a remote an error that a person can act on. It holds no secret already.
func (s *session) explain(said string) error {
	low := strings.ToLower(strings.ReplaceAll(said, s.name, ""))
	said = cmp.Or(said, "git said nothing")
	for _, c := range complaints() {
		for _, words := range c.says {
			if strings.Contains(low, words) {
				return fault.New(c.code, "%s %s: %s", s.name, c.what, said).With("%s", c.remedy)
			}
		}
	}
	return fault.New(fault.Unavailable, "%s cannot be read: %s", s.name, said)
}

// hide takes the secrets of the call, and whatever stands before the host in a URL, out of a text.
func (s *session) hide(text string) string {
	for _, secret := range s.secrets {
		if secret != "" {
			text = strings.ReplaceAll(text, secret, "•••")
		}
	}
	return regexp.MustCompile(`([a-z]+://)[^/@\s'"]+@`).ReplaceAllStringFunc(text, func(m string) string {
		if strings.HasSuffix(m, "://git@") {
			return m
		}
		return m[:strings.Index(m, "://")+3] + "•••@"
	})
}

// noise returns words of lines that tell nobody anything.
func noise() []string {
	return []string{
		"@@@@", "IT IS POSSIBLE THAT SOMEONE", "Someone could be eavesdropping", "It is also possible that a host key",
		"Please contact your system administrator", "to get rid of this message", "Please make sure you have the correct",
		"and the repository exists", "Could not read from remote repository",
	}
}

// maxSaid is how much of git's words goes into an error.
const maxSaid = 500

// printable makes one line of what git said: no control characters, no progress, and not too much.
func printable(text string) string {
	text = strings.ToValidUTF8(text, "\uFFFD")
	var lines []string
	for line := range strings.FieldsFuncSeq(text, func(r rune) bool { return r == '\n' || r == '\r' }) {
		line = strings.TrimSpace(strings.Map(func(r rune) rune {
			if r < ' ' || r >= 0x7f && r < 0xa0 || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069 {
				return -1
			}
			return r
		}, line))
		for _, p := range []string{"fatal: ", "error: "} {
			line = strings.TrimPrefix(line, p)
		}
		if line != "" && !slices.ContainsFunc(noise(), func(words string) bool { return strings.Contains(line, words) }) {
			lines = append(lines, line)
		}
	}
	said := []rune(strings.Join(lines, "; "))
	if len(said) > maxSaid {
		return string(said[:maxSaid]) + "…"
	}
	return string(said)
}
