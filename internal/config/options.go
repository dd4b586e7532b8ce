package config

import "strings"

// Section groups options for the reader of the documentation.
type Section string

// The sections.
const (
	Process    Section = "The process"
	Command    Section = "Commands"
	Credential Section = "Credentials for `windlass connect`"
)

// Option is one row of the table of settings.
type Option struct {
	Name    string  // in windlass.yaml and, with two dashes, on the command line
	Default string  //
	Secret  bool    // hidden in dumps; the variable with _FILE names a file that holds it
	Section Section //
	EnvOnly bool    // no place in windlass.yaml; its flag belongs to a single command
	Doc     string  // one or two sentences

	field func(*Config) *string
}

// Env returns the variable that sets the option.
func (o Option) Env() string {
	return "WINDLASS_" + strings.ToUpper(strings.ReplaceAll(o.Name, "-", "_"))
}

// FileEnv returns the variable that names a file holding the secret, or "" for an option that is no secret.
func (o Option) FileEnv() string {
	if !o.Secret {
		return ""
	}
	return o.Env() + "_FILE"
}

// Options returns the table: every setting there is.
func Options() []Option {
	return []Option{
		{
			Name: "data-dir", Default: "windlass-data", Section: Process, field: func(c *Config) *string { return &c.DataDir },
			Doc: "Directory of the database, the socket and the lock file. It is created with mode 0700.",
		},
		{
			Name: "listen", Default: "127.0.0.1:8484", Section: Process, field: func(c *Config) *string { return &c.Listen },
			Doc: "Address of the API and the web UI. Only loopback addresses are accepted as long as there is no sign-in.",
		},
		{
			Name: "public-url", Section: Process, field: func(c *Config) *string { return &c.PublicURL },
			Doc: "URL under which people and Bitbucket reach this server; it may hold a path.",
		},
		{
			Name: "hooks-listen", Section: Process, field: func(c *Config) *string { return &c.HooksListen },
			Doc: "Address of a second listener that serves only webhooks, such as one that Bitbucket can reach.",
		},
		{
			Name: "database", Secret: true, Section: Process, field: func(c *Config) *string { return &c.Database },
			Doc: "A postgres:// URL. Without it the graph lies in SQLite in the data directory. Dumps mask its password.",
		},
		{
			Name: "key-file", Section: Process, field: func(c *Config) *string { return &c.KeyFile },
			Doc: "File with the key that encrypts stored credentials. Without it: windlass/key in your configuration directory, created at the first start. It must lie outside the data directory.",
		},
		{
			Name: "history-retention", Default: "25mo", Section: Process, field: func(c *Config) *string { return &c.HistoryRetention },
			Doc: "How long earlier versions are kept: months such as 25mo (760 days), a time such as 400d, or forever. At least 30d. What is open now, the runs and the ledger are never purged.",
		},
		{
			Name: "log-level", Default: "info", Section: Process, field: func(c *Config) *string { return &c.LogLevel },
			Doc: "debug, info, warn or error.",
		},
		{
			Name: "log-format", Default: "auto", Section: Process, field: func(c *Config) *string { return &c.LogFormat },
			Doc: "text, json, or auto: coloured text on a terminal, else JSON.",
		},
		{
			Name: "server", Section: Command, field: func(c *Config) *string { return &c.Server },
			Doc: "URL of the server that commands talk to. Without it: the server of the data directory, else the command does the work itself.",
		},
		{
			Name: "client-key", Section: Credential, EnvOnly: true, field: func(c *Config) *string { return &c.ClientKey },
			Doc: "Keys of OAuth consumers, separated by commas.",
		},
		{
			Name: "client-secret", Secret: true, Section: Credential, EnvOnly: true, field: func(c *Config) *string { return &c.ClientSecret },
			Doc: "Their secrets in the same order.",
		},
		{
			Name: "token", Secret: true, Section: Credential, EnvOnly: true, field: func(c *Config) *string { return &c.Token },
			Doc: "Access tokens, separated by commas.",
		},
		{
			Name: "email", Section: Credential, EnvOnly: true, field: func(c *Config) *string { return &c.Email },
			Doc: "E-mail address of the Atlassian account that the API token belongs to.",
		},
		{
			Name: "api-token", Secret: true, Section: Credential, EnvOnly: true, field: func(c *Config) *string { return &c.APIToken },
			Doc: "API token of that account.",
		},
		{
			Name: "username", Section: Credential, EnvOnly: true, field: func(c *Config) *string { return &c.Username },
			Doc: "User of a Data Center.",
		},
		{
			Name: "password", Secret: true, Section: Credential, EnvOnly: true, field: func(c *Config) *string { return &c.Password },
			Doc: "Password of that user.",
		},
	}
}
