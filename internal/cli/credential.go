package cli

import (
	"strings"

	"github.com/windlass-hq/windlass/client"
	"github.com/windlass-hq/windlass/internal/config"
	"github.com/windlass-hq/windlass/internal/fault"
)

// consumerFlags are credentials that only Cloud has.
type consumerFlags struct {
	ClientKey    string `group:"cred" help:"Keys of OAuth consumers, separated by commas." placeholder:"KEY,…"`
	ClientSecret string `group:"cred" help:"Their secrets in the same order: @FILE, - or the value." placeholder:"SECRET,…"`
	Email        string `group:"cred" help:"E-mail address of the Atlassian account of the API token." placeholder:"EMAIL"`
	APIToken     string `group:"cred" name:"api-token" help:"API token of that account: @FILE, - or the value." placeholder:"TOKEN"`
}

// tokenFlag is the kind of credential that both products have.
type tokenFlag struct {
	Token string `group:"cred" help:"Access tokens: @FILE, - or the value." placeholder:"TOKEN,…"`
}

// passwordFlags are credentials that only Data Center has.
type passwordFlags struct {
	Username string `group:"cred" help:"User of a Data Center." placeholder:"USER"`
	Password string `group:"cred" help:"Password of that user: @FILE, - or the value." placeholder:"PASSWORD"`
}

// credentialFlags say how to log in.
type credentialFlags struct {
	ClientKey, ClientSecret string
	Token                   string
	Email, APIToken         string
	Username, Password      string
}

func allFlags(c consumerFlags, t tokenFlag, p passwordFlags) credentialFlags {
	return credentialFlags{
		ClientKey: c.ClientKey, ClientSecret: c.ClientSecret, Token: t.Token, Email: c.Email, APIToken: c.APIToken,
		Username: p.Username, Password: p.Password,
	}
}

// pair is a kind of credential that is given by two flags.
type pair struct {
	kind          string
	ids, envIDs   string // flag and variable of the first half, which is no secret
	flag          string // name of the second half's
	secret        string
	envSecret     string
	id, of        string // what messages call the halves
	label, advice string
	one           bool // the secret is one value, commas included
}

// read turns the flags and their variables into credentials of one role. Variables of the other product do not count;
// those of this one do where no flag was given, or beside the other half of their pair.
func (f credentialFlags) read(s *session, role, product string) ([]client.NewCredential, error) {
	in := &secrets{s: s}
	env := s.config
	if product == "datacenter" {
		env.ClientKey, env.ClientSecret, env.Email, env.APIToken = "", "", "", ""
	} else {
		env.Username, env.Password = "", ""
	}
	given := f != credentialFlags{}
	var out []client.NewCredential
	for _, p := range f.pairs(env) {
		list, err := p.read(in, role, given)
		if err != nil {
			return nil, err
		}
		out = append(out, list...)
	}
	if given {
		env.Token = "" // flags of one kind are not mixed with variables of another
	}
	tokens, err := in.flag("token", f.Token, env.Token)
	if err != nil {
		return nil, err
	}
	for _, t := range split(tokens) {
		out = append(out, client.NewCredential{Role: role, Kind: "token", Secret: t})
	}
	if len(out) > 0 {
		return out, nil
	}
	if product == "datacenter" {
		return nil, fault.New(fault.Usage, "no credential was given").
			With("give --token, or --username and --password; secrets as @FILE, - or by WINDLASS_TOKEN and WINDLASS_PASSWORD")
	}
	return nil, fault.New(fault.Usage, "no credential was given").
		With("give --client-key and --client-secret, or --token, or --email and --api-token; secrets as @FILE, - or by WINDLASS_CLIENT_SECRET and the like")
}

func (f credentialFlags) pairs(env config.Config) []pair {
	return []pair{
		{
			kind: "oauth", ids: f.ClientKey, envIDs: env.ClientKey, flag: "client-secret", secret: f.ClientSecret, envSecret: env.ClientSecret,
			id: "client key", of: "client secret", label: "Client secret of ",
			advice: "give as many secrets as keys, in the same order, separated by commas",
		},
		{
			kind: "api-token", ids: f.Email, envIDs: env.Email, flag: "api-token", secret: f.APIToken, envSecret: env.APIToken,
			id: "e-mail address", of: "API token", label: "API token of ",
			advice: "an API token logs in with the e-mail address of its account: give --email and --api-token together",
		},
		{
			kind: "basic", ids: f.Username, envIDs: env.Username, flag: "password", secret: f.Password, envSecret: env.Password,
			id: "user name", of: "password", label: "Password of ", advice: "give --username and --password together", one: true,
		},
	}
}

func (p pair) read(in *secrets, role string, given bool) ([]client.NewCredential, error) {
	ids, fromEnv := p.ids, p.envSecret
	if ids == "" && (p.secret != "" || !given) {
		ids = p.envIDs
	}
	if given && p.ids == "" {
		fromEnv = ""
	}
	text, err := in.flag(p.flag, p.secret, fromEnv)
	if err != nil {
		return nil, err
	}
	names, values := split(ids), split(text)
	if text == "" && len(names) > 0 {
		if text, err = in.ask(p.label + strings.Join(names, ", ")); err != nil {
			return nil, err
		}
		values = split(text)
	}
	if p.one && text != "" {
		values = []string{text}
	}
	if len(names) != len(values) {
		return nil, fault.New(fault.Usage, "%s but %s were given", many(len(names), p.id), many(len(values), p.of)).With("%s", p.advice)
	}
	var out []client.NewCredential
	for i, name := range names {
		out = append(out, client.NewCredential{Role: role, Kind: p.kind, Identity: name, Secret: values[i]})
	}
	return out, nil
}
