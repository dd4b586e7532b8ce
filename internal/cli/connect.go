package cli

import (
	"fmt"
	"maps"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"github.com/windlass-hq/windlass/client"
	"github.com/windlass-hq/windlass/internal/fault"
)

type connectCmd struct {
	Cloud      connectCloudCmd      `cmd:"" help:"Connect workspaces of Bitbucket Cloud."`
	DataCenter connectDataCenterCmd `cmd:"" name:"datacenter" help:"Connect a Bitbucket Data Center, or some of its projects."`
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

// settings are the options that both products have, as far as they were given.
func (f readingFlags) settings(n networkFlags) map[string]string {
	out := map[string]string{
		"pull-requests": f.PullRequests, "enriched-pull-requests": f.EnrichedPullRequests, "permissions": f.Permissions,
		"history": f.History, "monitor": f.Monitor, "history-scan": f.HistoryScan,
		"public-url": n.PublicURL, "git-url": n.GitURL, "ca-file": absolute(n.CAFile), "tls-cert": absolute(n.TLSCert), "tls-key": absolute(n.TLSKey),
		"proxy": n.Proxy, "no-proxy": n.NoProxy,
	}
	if n.AllowHTTP {
		out["allow-http"] = "true"
	}
	return out
}

// given overlays the options of --set and drops those that nobody gave.
func (f readingFlags) given(settings map[string]string) map[string]string {
	maps.Copy(settings, f.Set)
	maps.DeleteFunc(settings, func(_, v string) bool { return v == "" })
	return settings
}

// connection is what both products send.
func (f readingFlags) connection(name, product string, settings map[string]string, creds []client.NewCredential) client.NewConnection {
	return client.NewConnection{
		Name: name, Product: product, AccountName: f.AccountName, TagAccountName: f.TagAccountName,
		Description: f.Description, Interval: f.Interval, Settings: f.given(settings), Credentials: creds,
	}
}

// checkName refuses a name that no connection can have, in words, before any secret is asked for.
func checkName(name string) error {
	if regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]*$`).MatchString(name) {
		return nil
	}
	return fault.New(fault.Usage, "%q cannot be the name of a connection", name).
		With("use letters, digits, dots, dashes and underscores, with a letter or digit first")
}

// absolute makes a path independent of where the server was started.
func absolute(path string) string {
	if path == "" {
		return ""
	}
	if a, err := filepath.Abs(path); err == nil {
		return a
	}
	return path
}

type connectCloudCmd struct {
	Name      string `arg:"" help:"Name of the connection."`
	Workspace string `required:"" help:"Workspaces by slug, separated by commas; all means every workspace the credentials reach." placeholder:"W,…"`
	consumerFlags
	tokenFlag
	APIURL  string `name:"api-url" help:"URL of the API; https://api.bitbucket.org/2.0 where absent." placeholder:"URL"`
	SiteURL string `name:"site-url" help:"URL of the site; https://bitbucket.org where absent." placeholder:"URL"`
	readingFlags
	networkFlags
	outcomeFlags
}

// Help implements kong.HelpProvider.
func (connectCloudCmd) Help() string {
	return `Checks the credentials and the workspaces, says what a first read takes, stores the connection, and reads nothing else.

Secrets come from @FILE, from standard input (-), from WINDLASS_CLIENT_SECRET and the like (or …_FILE), or are asked for.
Several keys with as many secrets share the work when one allowance is spent.

Examples:
  windlass connect cloud acme --workspace acme --client-key K1,K2 --client-secret @secrets.txt
  windlass connect cloud acme --workspace acme --token -
  windlass connect cloud acme --workspace acme,umbrella --email me@example.com --api-token @token.txt`
}

// Run makes the connection.
func (c connectCloudCmd) Run(s *session) error {
	if err := checkName(c.Name); err != nil {
		return err
	}
	creds, err := allFlags(c.consumerFlags, c.tokenFlag, passwordFlags{}).read(s, "", "cloud")
	if err != nil {
		return err
	}
	settings := c.settings(c.networkFlags)
	settings["api-url"], settings["site-url"] = c.APIURL, c.SiteURL
	if w := split(c.Workspace); len(w) > 0 && (len(w) > 1 || w[0] != "all") {
		settings["workspaces"] = strings.Join(w, ",")
	} else if len(w) == 0 {
		return fault.New(fault.Usage, "--workspace names no workspace").With("give slugs such as acme, or all")
	}
	return s.with(func(d door) error {
		got, err := d.Connect(s.ctx, c.connection(c.Name, "cloud", settings, creds))
		if err != nil {
			return err
		}
		return c.print(s, got, false)
	})
}

// outcomeFlags are those of every connect.
type outcomeFlags struct {
	Yes    bool   `help:"Do not ask."`
	Output string `short:"o" enum:"table,json" default:"table" help:"Form of the output: table or json." placeholder:"FORM"`
}

// print says what was connected and what to do next; known is what a person has seen already.
func (f outcomeFlags) print(s *session, got client.Connected, known bool) error {
	if f.Output == "json" {
		return printJSON(s.Out, got)
	}
	if !known {
		printCheck(s, got.Check)
	}
	fmt.Fprintf(s.Out, "Connected %s. Read it with: windlass sync %s\n", got.Connection.Name, got.Connection.Name)
	return nil
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

// as says who a credential acts as. Where Bitbucket gives no name, the credential's own has been said already.
func as(principal string) string {
	for _, kind := range []string{"token:", "api-token:", "oauth:", "basic:"} {
		if strings.HasPrefix(principal, kind) {
			return ""
		}
	}
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
