package cli

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/windlass-hq/windlass/client"
	"github.com/windlass-hq/windlass/internal/fault"
)

type connectCmd struct {
	Cloud connectCloudCmd `cmd:"" help:"Connect workspaces of Bitbucket Cloud."`
}

// credentialFlags say how to log in.
type credentialFlags struct {
	ClientKey    string `group:"cred" help:"Keys of OAuth consumers, separated by commas." placeholder:"KEY,…"`
	ClientSecret string `group:"cred" help:"Their secrets in the same order: @FILE, - or the value." placeholder:"SECRET,…"`
	Token        string `group:"cred" help:"Access tokens: @FILE, - or the value." placeholder:"TOKEN,…"`
	Email        string `group:"cred" help:"E-mail address of the Atlassian account of the API token." placeholder:"EMAIL"`
	APIToken     string `group:"cred" name:"api-token" help:"API token of that account: @FILE, - or the value." placeholder:"TOKEN"`
}

// networkFlags say how to reach a Bitbucket.
type networkFlags struct {
	PublicURL string `name:"public-url" help:"URL of this Windlass as this Bitbucket reaches it." placeholder:"URL"`
	GitURL    string `name:"git-url" help:"Host to fetch git from instead." placeholder:"URL"`
	CAFile    string `name:"ca-file" help:"Certificates of a private authority." placeholder:"FILE"`
	TLSCert   string `name:"tls-cert" help:"Client certificate." placeholder:"FILE"`
	TLSKey    string `name:"tls-key" help:"Its key." placeholder:"FILE"`
	Proxy     string `help:"HTTP proxy." placeholder:"URL"`
	NoProxy   string `name:"no-proxy" help:"Hosts that are reached without it." placeholder:"HOST,…"`
	AllowHTTP bool   `name:"allow-http" help:"Accept an unencrypted URL that is not on this machine."`
}

// readingFlags say what is read.
type readingFlags struct {
	AccountName          string            `help:"What tag.AccountName says; the connection's name where absent." placeholder:"NAME"`
	TagAccountName       bool              `default:"true" negatable:"" help:"Show tag.AccountName on what this connection sees."`
	Description          string            `help:"What it is, for people." placeholder:"TEXT"`
	Interval             string            `default:"1h" help:"How often it is read: disabled, 30m, 1h, 4h, 8h, 12h, 24h, 7d, or a cron expression." placeholder:"TIME"`
	PullRequests         string            `default:"true" enum:"true,false" help:"Read pull requests." placeholder:"BOOL"`
	EnrichedPullRequests string            `default:"false" enum:"true,false" help:"Read review detail too." placeholder:"BOOL"`
	Permissions          string            `default:"true" enum:"true,false" help:"Read permissions." placeholder:"BOOL"`
	History              string            `default:"all" help:"How far back pull requests go: none, all, or a time such as 90d." placeholder:"TIME"`
	Monitor              string            `default:"none" enum:"none,all,projects" help:"Which repositories are watched for secrets." placeholder:"WHAT"`
	HistoryScan          string            `default:"true" enum:"true,false" help:"Look for secrets in the history too." placeholder:"BOOL"`
	Set                  map[string]string `help:"Any other option." placeholder:"KEY=VALUE"`
}

type connectCloudCmd struct {
	Name      string `arg:"" help:"Name of the connection."`
	Workspace string `required:"" help:"Workspaces by slug, separated by commas; all means every workspace the credentials reach." placeholder:"W,…"`
	credentialFlags
	APIURL  string `name:"api-url" help:"URL of the API; https://api.bitbucket.org/2.0 where absent." placeholder:"URL"`
	SiteURL string `name:"site-url" help:"URL of the site; https://bitbucket.org where absent." placeholder:"URL"`
	readingFlags
	networkFlags
	Yes bool `help:"Do not ask."`
}

// Help implements kong.HelpProvider.
func (connectCloudCmd) Help() string {
	return `Secrets come from @FILE, from standard input (-), from WINDLASS_CLIENT_SECRET and the like (or …_FILE), or are asked for.
Several keys with as many secrets share the work when one allowance is spent.

Examples:
  windlass connect cloud acme --workspace acme --client-key K1,K2 --client-secret @secrets.txt
  windlass connect cloud acme --workspace acme --token -
  windlass connect cloud acme --workspace acme,umbrella --email me@example.com --api-token @token.txt`
}

// Run makes the connection.
func (c connectCloudCmd) Run(s *session) error {
	creds, err := c.read(s, "")
	if err != nil {
		return err
	}
	settings := map[string]string{
		"api-url": c.APIURL, "site-url": c.SiteURL,
		"pull-requests": c.PullRequests, "enriched-pull-requests": c.EnrichedPullRequests, "permissions": c.Permissions,
		"history": c.History, "monitor": c.Monitor, "history-scan": c.HistoryScan,
		"public-url": c.PublicURL, "git-url": c.GitURL, "ca-file": c.CAFile, "tls-cert": c.TLSCert, "tls-key": c.TLSKey,
		"proxy": c.Proxy, "no-proxy": c.NoProxy,
	}
	if w := split(c.Workspace); len(w) > 0 && (len(w) > 1 || w[0] != "all") {
		settings["workspaces"] = strings.Join(w, ",")
	} else if len(w) == 0 {
		return fault.New(fault.Usage, "--workspace names no workspace").With("give slugs such as acme, or all")
	}
	if c.AllowHTTP {
		settings["allow-http"] = "true"
	}
	maps.Copy(settings, c.Set)
	maps.DeleteFunc(settings, func(_, v string) bool { return v == "" })

	return s.with(func(d door) error {
		got, err := d.Connect(s.ctx, client.NewConnection{
			Name: c.Name, Product: "cloud", AccountName: c.AccountName, TagAccountName: c.TagAccountName,
			Description: c.Description, Interval: c.Interval, Settings: settings, Credentials: creds,
		})
		if err != nil {
			return err
		}
		printCheck(s, got.Check)
		fmt.Fprintf(s.Out, "Connected %s. Read it with: windlass sync %s\n", got.Connection.Name, got.Connection.Name)
		return nil
	})
}

// read turns the flags and their variables into credentials of one role.
func (f credentialFlags) read(s *session, role string) ([]client.NewCredential, error) {
	in := &secrets{s: s}
	cfg := s.config
	given := f != credentialFlags{}
	fromEnv := func(v string) string {
		if given {
			return "" // flags of one kind are not mixed with variables of another
		}
		return v
	}
	keys := split(f.ClientKey)
	if f.ClientKey == "" && (f.ClientSecret != "" || !given) {
		keys = split(cfg.ClientKey)
	}
	envSecret := fromEnv(cfg.ClientSecret)
	if f.ClientKey != "" {
		envSecret = cfg.ClientSecret
	}
	list, err := in.flag("client-secret", f.ClientSecret, envSecret)
	if err != nil {
		return nil, err
	}
	if list == "" && len(keys) > 0 {
		if list, err = in.ask("Client secret of " + strings.Join(keys, ", ")); err != nil {
			return nil, err
		}
	}
	var out []client.NewCredential
	clientSecrets := split(list)
	if len(keys) != len(clientSecrets) {
		return nil, fault.New(fault.Usage, "%s but %s were given", many(len(keys), "client key"), many(len(clientSecrets), "client secret")).
			With("give as many secrets as keys, in the same order, separated by commas")
	}
	for i, k := range keys {
		out = append(out, client.NewCredential{Role: role, Kind: "oauth", Identity: k, Secret: clientSecrets[i]})
	}
	tokens, err := in.flag("token", f.Token, fromEnv(cfg.Token))
	if err != nil {
		return nil, err
	}
	for _, t := range split(tokens) {
		out = append(out, client.NewCredential{Role: role, Kind: "token", Secret: t})
	}
	email := f.Email
	if email == "" && (f.APIToken != "" || !given) {
		email = cfg.Email
	}
	envToken := fromEnv(cfg.APIToken)
	if f.Email != "" {
		envToken = cfg.APIToken
	}
	apiToken, err := in.flag("api-token", f.APIToken, envToken)
	if err != nil {
		return nil, err
	}
	if apiToken == "" && email != "" {
		if apiToken, err = in.ask("API token of " + email); err != nil {
			return nil, err
		}
	}
	apiTokens, emails := split(apiToken), split(email)
	if len(apiTokens) != len(emails) {
		return nil, fault.New(fault.Usage, "%s but %s were given", many(len(emails), "e-mail address"), many(len(apiTokens), "API token")).
			With("an API token logs in with the e-mail address of its account: give --email and --api-token together")
	}
	for i, t := range apiTokens {
		out = append(out, client.NewCredential{Role: role, Kind: "api-token", Identity: emails[i], Secret: t})
	}
	if len(out) == 0 {
		return nil, fault.New(fault.Usage, "no credential was given").
			With("give --client-key and --client-secret, or --token, or --email and --api-token; secrets as @FILE, - or by WINDLASS_CLIENT_SECRET and the like")
	}
	return out, nil
}

func many(n int, what string) string {
	switch {
	case n == 1:
		return "1 " + what
	case strings.HasSuffix(what, "s"):
		return strconv.Itoa(n) + " " + what + "es"
	}
	return strconv.Itoa(n) + " " + what + "s"
}

// printCheck says what each credential can do, what it lacks, and which workspaces were found.
func printCheck(s *session, c client.Check) {
	for _, k := range c.Credentials {
		switch {
		case !k.Valid:
			fmt.Fprintf(s.Out, "✗ %s: %s\n", k.Name, orElse(k.Problem, "refused"))
		case len(k.Missing) > 0:
			fmt.Fprintf(s.Out, "! %s works%s, but lacks %s\n", k.Name, as(k.Principal), strings.Join(k.Missing, ", "))
		default:
			fmt.Fprintf(s.Out, "✓ %s works%s\n", k.Name, as(k.Principal))
		}
		if len(k.Scopes) > 0 {
			fmt.Fprintf(s.Out, "    granted: %s\n", strings.Join(slices.Sorted(slices.Values(k.Scopes)), ", "))
		}
		if k.Problem != "" && k.Valid && len(k.Missing) == 0 {
			fmt.Fprintf(s.Out, "    %s\n", k.Problem)
		}
		if k.Remedy != "" {
			fmt.Fprintf(s.Out, "    %s\n", sentence(k.Remedy))
		}
	}
	for _, w := range c.Workspaces {
		if w.Found {
			fmt.Fprintf(s.Out, "✓ workspace %s%s\n", w.Slug, parens(w.Name))
			continue
		}
		fmt.Fprintf(s.Out, "✗ workspace %s: %s\n", w.Slug, orElse(w.Problem, "not found"))
		if len(w.Near) > 0 {
			fmt.Fprintf(s.Out, "    did you mean %s?\n", strings.Join(w.Near, " or "))
		}
	}
	for _, w := range c.Warnings {
		fmt.Fprintf(s.Out, "! %s\n", w)
	}
}

func as(principal string) string {
	if principal == "" {
		return ""
	}
	return " as " + printable(principal)
}

func parens(s string) string {
	if s == "" {
		return ""
	}
	return " (" + printable(s) + ")"
}

func orElse(s, other string) string {
	if s == "" {
		return other
	}
	return s
}
