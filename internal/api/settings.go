package api

import (
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/windlass-hq/windlass/internal/bitbucket"
	"github.com/windlass-hq/windlass/internal/config"
	"github.com/windlass-hq/windlass/internal/fault"
)

// setting is one option of a connection.
type setting struct {
	name  string
	check func(string) error
	unset string // value that means the same as leaving it out
	// dormant says what will use it where this version does not, so that nobody waits for an effect.
	dormant string
	only    bitbucket.Product // the product that has it; both where it is empty
	leads   bool              // it says where to read or what, so a change of it is tried before it is stored
}

// settings returns every option of a connection.
func settings() []setting {
	return []setting{
		{name: "workspaces", check: workspaceList, only: bitbucket.Cloud, leads: true},
		{name: "api-url", check: originOf("api-url"), only: bitbucket.Cloud, leads: true},
		{name: "site-url", check: originOf("site-url"), only: bitbucket.Cloud, leads: true},
		{name: "url", check: originOf("url"), only: bitbucket.DataCenter, leads: true},
		{name: "projects", check: projectList, only: bitbucket.DataCenter, leads: true},
		{name: "instance", check: anything, only: bitbucket.DataCenter},
		{name: "ssh-port", check: count("ssh-port", 65535), unset: "22", only: bitbucket.DataCenter, dormant: "git by SSH"},
		{name: "allowance", check: count("allowance", 1_000_000), only: bitbucket.Cloud},
		{name: "rate", check: positive("rate", 1000), only: bitbucket.DataCenter},
		{name: "in-flight", check: count("in-flight", 100), only: bitbucket.DataCenter},
		{name: "hours", check: allowedHours, only: bitbucket.DataCenter},
		{name: "pull-requests", check: oneOf("true", "false"), unset: "true"},
		{name: "enriched-pull-requests", check: oneOf("true", "false"), unset: "false", dormant: "review detail"},
		{name: "permissions", check: oneOf("true", "false"), unset: "true"},
		{name: "history", check: history, unset: "all"},
		{name: "monitor", check: oneOf("none", "all", "projects"), unset: "none", dormant: "secret detection"},
		{name: "history-scan", check: oneOf("true", "false"), unset: "true", dormant: "secret detection"},
		{name: "public-url", check: originOf("public-url")},
		{name: "git-url", check: originOf("git-url"), dormant: "mirrors of git repositories"},
		{name: "ca-file", check: readable, leads: true},
		{name: "tls-cert", check: readable, leads: true},
		{name: "tls-key", check: readable, leads: true},
		{name: "proxy", check: originOf("proxy"), leads: true},
		{name: "no-proxy", check: anything},
		{name: "allow-http", check: oneOf("true", "false"), unset: "false"},
	}
}

// leadingSettings names the options whose change is tried before it is stored.
func leadingSettings() []string {
	var out []string
	for _, s := range settings() {
		if s.leads {
			out = append(out, s.name)
		}
	}
	return out
}

// checkSettings validates options and returns what to store and what to warn of. An empty value removes an option.
func checkSettings(product bitbucket.Product, in map[string]string) (out map[string]*string, warnings []string, err error) {
	known := map[string]setting{}
	var names []string
	for _, s := range settings() {
		if s.only == "" || s.only == product {
			known[s.name] = s
			names = append(names, s.name)
		}
	}
	out = map[string]*string{}
	for name, value := range in {
		s, ok := known[name]
		if !ok {
			return nil, nil, fault.New(fault.Usage, "a connection has no option %q%s", name, ofTheOther(name, product)).With("known are %s", strings.Join(names, ", "))
		}
		value = strings.TrimSpace(value)
		if value == "" {
			out[name] = nil
			continue
		}
		if err := s.check(value); err != nil {
			return nil, nil, err
		}
		out[name] = &value
		if s.dormant != "" && value != s.unset {
			warnings = append(warnings, name+" is kept, but this version has no "+s.dormant+" yet")
		}
	}
	slices.Sort(warnings)
	return out, warnings, nil
}

// ofTheOther explains an option that only the other product has.
func ofTheOther(name string, product bitbucket.Product) string {
	words := map[bitbucket.Product]string{bitbucket.Cloud: "Bitbucket Cloud", bitbucket.DataCenter: "Bitbucket Data Center"}
	for _, s := range settings() {
		if s.name == name && s.only != "" {
			return ": only one of " + words[s.only] + " has it, and this one is of " + words[product]
		}
	}
	return ""
}

func oneOf(values ...string) func(string) error {
	return func(v string) error {
		if slices.Contains(values, v) {
			return nil
		}
		return fault.New(fault.Usage, "%q is none of %s", v, strings.Join(values, ", "))
	}
}

func anything(string) error { return nil }

func workspaceList(v string) error {
	for w := range strings.SplitSeq(v, ",") {
		if w = strings.TrimSpace(w); w == "" || strings.ContainsAny(w, "/?#% ") {
			return fault.New(fault.Usage, "%q is no list of workspaces", v).
				With("give slugs separated by commas: the part of the address after bitbucket.org/")
		}
	}
	return nil
}

func projectList(v string) error {
	for p := range strings.SplitSeq(v, ",") {
		if p = strings.TrimSpace(p); p == "" || strings.ContainsAny(p, "/?#% ") {
			return fault.New(fault.Usage, "%q is no list of projects", v).
				With("give keys separated by commas: the part of the address after /projects/")
		}
	}
	return nil
}

func positive(name string, most float64) func(string) error {
	return func(v string) error {
		if n, err := strconv.ParseFloat(v, 64); err != nil || !(n > 0 && n <= most) {
			return fault.New(fault.Usage, "%s is %q", name, v).With("give a number above 0, at most %g", most)
		}
		return nil
	}
}

// originOf checks a URL without its secrets; whether it may be plain http is decided with allow-http beside it.
func originOf(name string) func(string) error {
	return func(v string) error {
		u, err := url.Parse(v)
		if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
			return fault.New(fault.Usage, "%s is no http or https URL", name).With("write it like https://host/path")
		}
		if u.User != nil && name != "proxy" {
			return fault.New(fault.Usage, "%s holds a user name or password: %s", name, bitbucket.MaskURL(v)).With("give them as a credential")
		}
		if u.User != nil {
			return fault.New(fault.Usage, "the proxy's URL holds a user name or password, which would be stored readable").
				With("use a proxy that needs none, or set HTTPS_PROXY for the process")
		}
		// The address of a Data Center may be that of any page there; what follows its path is not stored.
		if (u.RawQuery != "" || u.Fragment != "") && name != "url" {
			return fault.New(fault.Usage, "%s holds a query or fragment: %s", name, bitbucket.MaskURL(v)).With("give only https://host/path")
		}
		return nil
	}
}

func history(v string) error {
	if v == "none" || v == "all" {
		return nil
	}
	if _, err := config.ParseDuration(v); err != nil {
		return fault.New(fault.Usage, "%q does not say how far back pull requests go", v).With("use none, all, or a time such as 90d")
	}
	return nil
}

func readable(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return fault.Wrap(err, fault.Usage, "a file of the connection cannot be read").With("the path must be readable by the server's user")
	}
	return f.Close()
}

func count(name string, most int) func(string) error {
	return func(v string) error {
		if n, err := strconv.Atoi(v); err != nil || n < 1 || n > most {
			return fault.New(fault.Usage, "%s is %q", name, v).With("give a number from 1 to %d", most)
		}
		return nil
	}
}

func allowedHours(v string) error {
	if _, err := bitbucket.ParseHours(v); err != nil {
		return fault.Wrap(err, fault.Usage, "hours says when a Data Center may be read")
	}
	return nil
}
