package bitbucket

import (
	"encoding/base64"
	"net/url"
	"strings"
)

// cleaner returns what makes text of a server fit for messages, logs and the database: our own secrets are taken out,
// should it repeat what it was sent, and the passwords and tokens in addresses that it names. Only then is the text
// cut, since half a secret is not recognised any more.
func (p *pool) cleaner(a answer) func(string) string {
	secrets := p.secrets(a.token)
	return func(s string) string {
		for _, secret := range secrets {
			s = strings.ReplaceAll(s, secret, hidden)
		}
		return oneLine(MaskSecrets(s))
	}
}

// shortestSecret is how long a secret is at least that is taken out of texts: a shorter one stands in many words.
const shortestSecret = 4

// secrets returns every secret of the pool, the token that was sent and what they look like on the wire. The token is
// named because one that was refused is forgotten before the refusal is worded.
func (p *pool) secrets(sent string) []string {
	p.mu.Lock()
	var all []*principal
	for _, pr := range p.order {
		all = append(append(all, pr), pr.spare...)
	}
	p.mu.Unlock()
	var out []string
	add := func(identity, secret string) {
		if len(secret) < shortestSecret {
			return
		}
		out = append(out, secret)
		if escaped := url.QueryEscape(secret); escaped != secret {
			out = append(out, escaped)
		}
		for _, text := range []string{identity + ":" + secret, secret} {
			out = append(out, base64.RawStdEncoding.EncodeToString([]byte(text)), base64.RawURLEncoding.EncodeToString([]byte(text)))
		}
	}
	for _, pr := range all {
		p.mu.Lock()
		cred, tokens := pr.cred, pr.tokens
		p.mu.Unlock()
		add(cred.Identity, cred.Secret.Reveal())
		if tokens != nil {
			tokens.mu.Lock()
			add("", tokens.current.value)
			tokens.mu.Unlock()
		}
	}
	add("", sent)
	return out
}
