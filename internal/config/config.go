// Package config holds the settings of a Windlass process.
//
// They come from windlass.yaml, the WINDLASS_* environment and flags, in rising order. One table (options.go) names
// every setting; it drives loading, `windlass config dump` and docs/configuration.md, so the three cannot disagree.
package config

import (
	"log/slog"
	"net"
	"net/url"
	"strings"
	"time"

	"github.com/windlass-hq/windlass/internal/fault"
)

// Config is every setting of one process. The credentials are those that `connect` falls back to; a server does not
// use them.
type Config struct {
	DataDir     string
	Listen      string
	PublicURL   string
	HooksListen string
	Database    string
	KeyFile     string
	// HistoryRetention is how long earlier versions are kept; Retention reads it.
	HistoryRetention string
	LogLevel         string
	LogFormat        string
	Server           string

	ClientKey    string
	ClientSecret string
	Token        string
	Email        string
	APIToken     string
	Username     string
	Password     string

	origins map[string]string // option name → where its value came from
}

// Forever is the history-retention under which nothing is ever purged.
const Forever = "forever"

// shortestRetention keeps a mistyped unit from deleting what an auditor will ask for.
const shortestRetention = 30 * 24 * time.Hour

// Default returns the settings of a process that nobody configured.
func Default() Config {
	c := Config{origins: map[string]string{}}
	for _, o := range Options() {
		*o.field(&c) = o.Default
		c.origins[o.Name] = "default"
	}
	return c
}

// Origin says where the value of an option came from: default, the file with its line, the variable, or the flag.
func (c *Config) Origin(option string) string { return c.origins[option] }

// Validate reports the first setting that cannot be used, by its name and where it was set.
func (c *Config) Validate() error {
	if c.DataDir == "" {
		return c.wrong("data-dir", "is empty", "name a directory, or leave the option out for windlass-data")
	}
	for _, o := range []struct{ name, value string }{{"listen", c.Listen}, {"hooks-listen", c.HooksListen}} {
		if o.value == "" && o.name == "hooks-listen" {
			continue
		}
		if _, _, err := net.SplitHostPort(o.value); err != nil {
			return c.wrong(o.name, "is "+quoted(o.value)+", which is no HOST:PORT", "write it like 127.0.0.1:8484")
		}
	}
	for _, o := range []struct{ name, value string }{{"public-url", c.PublicURL}, {"server", c.Server}} {
		if o.value == "" {
			continue
		}
		u, err := url.Parse(o.value)
		if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
			return c.wrong(o.name, "is no http or https URL", "write it like https://windlass.example.com")
		}
		if u.User != nil {
			return c.wrong(o.name, "holds a user name or password", "leave them out of the URL")
		}
	}
	if scheme, _, ok := strings.Cut(c.Database, "://"); ok && scheme != "postgres" && scheme != "postgresql" {
		return c.wrong("database", "has the scheme "+quoted(scheme), "use postgres://…, or leave it out for SQLite in the data directory")
	}
	if _, _, err := c.Retention(); err != nil {
		return err
	}
	if _, err := c.Level(); err != nil {
		return err
	}
	switch c.LogFormat {
	case "auto", "text", "json":
		return nil
	}
	return c.wrong("log-format", "is "+quoted(c.LogFormat), "use auto, text or json")
}

// Level returns the log level.
func (c *Config) Level() (slog.Level, error) {
	var l slog.Level
	if err := l.UnmarshalText([]byte(c.LogLevel)); err != nil || strings.ContainsAny(c.LogLevel, "+-") {
		return l, c.wrong("log-level", "is "+quoted(c.LogLevel), "use debug, info, warn or error")
	}
	return l, nil
}

// Retention returns how long earlier versions are kept; forever says that none is ever purged.
func (c *Config) Retention() (age time.Duration, forever bool, err error) {
	if c.HistoryRetention == Forever {
		return 0, true, nil
	}
	age, ok := months(c.HistoryRetention)
	if !ok {
		if age, err = ParseDuration(c.HistoryRetention); err != nil {
			return 0, false, c.wrong("history-retention", "is "+quoted(c.HistoryRetention)+", which is no time", "write it like 25mo, 400d or forever")
		}
	}
	if age < shortestRetention {
		return 0, false, c.wrong("history-retention", "is "+quoted(c.HistoryRetention)+", which is less than 30 days", "keep at least 30d of history")
	}
	return age, false, nil
}

// Postgres reports whether the database is a PostgreSQL server rather than a file in the data directory.
func (c *Config) Postgres() bool {
	return strings.HasPrefix(c.Database, "postgres://") || strings.HasPrefix(c.Database, "postgresql://")
}

// Loopback reports whether an address of the form HOST:PORT can be reached from this machine only.
func Loopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}

func (c *Config) wrong(option, problem, remedy string) error {
	where := c.origins[option]
	if where == "" || where == "default" {
		where = "settings"
	}
	return fault.New(fault.Usage, "%s (%s) %s", option, where, problem).With("%s", remedy)
}

func quoted(s string) string { return `"` + s + `"` }
